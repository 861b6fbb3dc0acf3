-- want: pass
local m = setmetatable({}, { __index = { __gc = function() while true do end end } })
for i = 1, 100 do setmetatable({}, m) end
local t = {}
for i = 1, 100000 do t[i % 10] = { i } end
