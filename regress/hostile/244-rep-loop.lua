-- want: cpu
while true do local s = ('x'):rep(100000) end
