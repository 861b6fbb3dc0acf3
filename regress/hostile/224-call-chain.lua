-- want: cpu
local t = {}
for i = 1, 100000 do t = setmetatable({}, { __call = t }) end
t()
