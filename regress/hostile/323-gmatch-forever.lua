-- want: error too many steps
for s in ('a'):rep(100000):gmatch('.-b') do end
