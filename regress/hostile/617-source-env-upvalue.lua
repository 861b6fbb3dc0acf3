-- want: end
local t = {}
return t
--*100000 .t
