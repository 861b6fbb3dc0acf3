-- want: pass
rawset(_ENV, 'x', 1)
rawset(_ENV, 'x', nil)
assert(x == nil)
