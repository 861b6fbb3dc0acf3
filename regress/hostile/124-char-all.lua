-- want: end
local function f(...) return string.char(...) end
local t = {}
for i = 1, 200000 do t[i] = 65 end
return f(table.unpack(t))
