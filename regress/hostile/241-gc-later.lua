-- want: pass
local m = {}
for i = 1, 100 do setmetatable({}, m) end
m.__gc = function() while true do end end
local t = {}
for i = 1, 100000 do t[i % 10] = { i } end
