-- want: error __len
return table.concat(setmetatable({}, { __len = function() return 1 << 62 end }))
