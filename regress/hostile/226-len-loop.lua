-- want: cpu
local m = { __len = function() while true do end end }
return #setmetatable({}, m)
