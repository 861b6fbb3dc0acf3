-- want: memory
local f = ('%99d'):rep(100)
local t = {}
for i = 1, 100 do t[i] = i end
local keep = {}
while true do keep[#keep + 1] = f:format(table.unpack(t)) .. #keep end
