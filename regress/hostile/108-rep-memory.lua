-- want: memory
return ('x'):rep(200000000)
