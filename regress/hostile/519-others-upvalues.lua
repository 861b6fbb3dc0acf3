-- want: end
n = 1
local u = u
function string_rep() return n end
context = string_rep
