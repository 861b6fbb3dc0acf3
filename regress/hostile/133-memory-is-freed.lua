-- want: pass
for i = 1, 200 do local s = ('x'):rep(1000000) .. i end
