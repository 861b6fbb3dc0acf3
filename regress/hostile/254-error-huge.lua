-- want: error
error(('x'):rep(10000000))
