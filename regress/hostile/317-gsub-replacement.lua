-- want: end
return ('a'):rep(100000):gsub('()', ('%1'):rep(1000))
