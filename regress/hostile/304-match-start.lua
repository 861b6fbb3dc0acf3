-- want: error too many steps
return ('a'):rep(200000):find('.-b')
