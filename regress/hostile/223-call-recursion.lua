-- want: end
local m = {}
local t = setmetatable({}, m)
m.__call = function(self) return 1 + self() end
t()
