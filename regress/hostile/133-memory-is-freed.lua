-- want: pass
for i = 1, 12 do local s = ('x'):rep(1000000) .. i end
