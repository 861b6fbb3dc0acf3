-- want: cpu
local m = { __concat = function() while true do end end }
return 'a' .. setmetatable({}, m)
