-- want: pass
assert(not pcall(setmetatable, string, nil))
assert(type(getmetatable(string)) ~= 'table')
assert(type(getmetatable(_ENV)) ~= 'table')
