-- want: memory
return (('x'):rep(20000):gsub('x', ('y'):rep(2000)))
