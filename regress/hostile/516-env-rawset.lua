-- want: pass
assert(not pcall(rawset, _ENV, 'x', 1))
assert(x == nil)
