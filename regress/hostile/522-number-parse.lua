-- want: pass
assert(tonumber(('9'):rep(10000)))
assert(tonumber('0x' .. ('f'):rep(10000)))
assert(not tonumber('1e' .. ('x'):rep(10000)))
