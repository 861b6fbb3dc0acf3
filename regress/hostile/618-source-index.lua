-- want: end
local t = {}
return t
--*20000 [1]
