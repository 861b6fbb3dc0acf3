-- want: error too many steps
return ('a'):rep(3000):match('.-.-.-.-b')
