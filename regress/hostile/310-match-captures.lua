-- want: error too many captures
return ('a'):rep(100):match(('(a)'):rep(33))
