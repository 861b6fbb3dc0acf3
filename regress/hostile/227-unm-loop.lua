-- want: cpu
local m = { __unm = function() while true do end end }
return -setmetatable({}, m)
