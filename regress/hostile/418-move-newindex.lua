-- want: error __newindex
table.move({ 1 }, 1, 1, 1, setmetatable({}, { __newindex = error }))
