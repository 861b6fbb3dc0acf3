-- want: cpu
local function f() return f() end
f()
