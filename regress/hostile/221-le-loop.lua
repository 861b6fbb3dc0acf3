-- want: cpu
local m = { __le = function() while true do end end }
table.sort({ 1, 2 }, function(a, b) return setmetatable({}, m) <= setmetatable({}, m) end)
