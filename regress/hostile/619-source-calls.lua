-- want: end
local f
return f
--*100000 ()
