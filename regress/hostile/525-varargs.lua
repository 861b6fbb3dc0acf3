-- want: end
local function f(...) return select('#', ...) end
local t = {}
for i = 1, 250000 do t[i] = i end
return f(table.unpack(t))
