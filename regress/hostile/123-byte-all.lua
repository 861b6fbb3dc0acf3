-- want: end
local s = ('x'):rep(4000000)
return select('#', s:byte(1, -1))
