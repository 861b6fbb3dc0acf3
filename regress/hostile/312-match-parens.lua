-- want: error too many captures
return ('a'):match(('('):rep(100000))
