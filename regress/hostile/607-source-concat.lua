-- want: end
local s = ''
return ''
--*100000  .. s
