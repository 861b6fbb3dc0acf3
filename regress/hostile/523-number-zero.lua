-- want: pass
assert(not pcall(function() return 1 // 0 end))
assert(not pcall(function() return 1 % 0 end))
assert(math.mininteger // -1 == math.mininteger)
assert(math.mininteger % -1 == 0)
