-- want: end
local m = {}
local t = setmetatable({}, m)
m.__close = function() while true do end end
local x <close> = t
error('out')
