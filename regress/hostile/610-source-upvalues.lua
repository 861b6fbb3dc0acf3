-- want: refused C stack overflow
local a, b, c
--*300 local function f() local x = a 
--*300 end 
