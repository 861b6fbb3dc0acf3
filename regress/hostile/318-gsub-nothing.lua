-- want: error too many steps
return ('a'):rep(100000):gsub('a()', ('%%'):rep(1000):rep(0) .. ('%2'):rep(0))
    , ('a'):rep(3000000):gsub('a', '')
