-- want: end
local t = { 1 }
while true do for k in next, t do t[#t + 1] = k end end
