-- want: memory
return tostring(setmetatable({}, { __name = ('x'):rep(20000000) }))
