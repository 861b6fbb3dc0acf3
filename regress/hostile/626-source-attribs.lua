-- want: refused const variable
local x <const> = 1
x = 2
