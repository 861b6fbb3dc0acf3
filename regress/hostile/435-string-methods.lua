-- want: pass
local m = getmetatable('')
assert(type(m) ~= 'table')
assert(not pcall(function() (''):rep().x = 1 end))
assert(not pcall(setmetatable, '', {}))
