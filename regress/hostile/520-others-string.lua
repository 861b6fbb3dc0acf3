-- want: end
local m = getmetatable('x')
if type(m) == 'table' then m.__index = function() return error end end
