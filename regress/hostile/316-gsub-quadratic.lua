-- want: error too many steps
return ('a'):rep(30000):gsub('.-b', '')
