-- want: memory
local s = 'x'
for i = 1, 9 do s = s:rep(20) end
