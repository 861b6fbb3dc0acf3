-- want: pass
local x = 1 -- end
