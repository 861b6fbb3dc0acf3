-- want: error too many steps
return ('('):rep(300000):find('%b()')
