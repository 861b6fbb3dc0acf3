-- want: cpu
local t = {}
for i = 1, 200000 do t[i] = -i % 1000 end
while true do table.sort(t) table.sort(t, rawequal) end
