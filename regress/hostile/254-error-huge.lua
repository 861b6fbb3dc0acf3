-- want: error xxxx
error(('x'):rep(4000000))
