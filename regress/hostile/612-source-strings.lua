-- want: pass
local s = [[
--*200000 x
]]
