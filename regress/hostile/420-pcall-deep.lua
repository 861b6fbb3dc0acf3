-- want: error too many pcalls
local function f(n) if n == 0 then return 1 end local ok, e = pcall(f, n - 1) return ok and e or error(e, 0) end
assert(f(90))
return f(1000)
