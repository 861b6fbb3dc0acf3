-- want: refused
local a, b, c
--*300 local function f() local x = a 
--*300 end 
