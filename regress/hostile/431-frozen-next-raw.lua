-- want: pass
local k, f = next(string)
assert(rawget(string, k) == f)
assert(not pcall(rawset, string, k, 1))
assert(string[k] == f)
