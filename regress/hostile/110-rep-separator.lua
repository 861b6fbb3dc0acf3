-- want: memory
return string.rep('', 1000000, ('x'):rep(1000))
