-- want: error too many steps
return ('a'):rep(100000):find('a[' .. ('b'):rep(100000) .. ']')
