-- want: cpu
local t = {}
while true do for i = 1, 1000 do t[i] = i + 0.5 end end
