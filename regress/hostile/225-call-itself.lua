-- want: cpu
local t = setmetatable({}, {})
local m = {}
m.__call = t
setmetatable(t, m)
t()
