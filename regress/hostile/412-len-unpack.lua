-- want: error __len
return table.unpack(setmetatable({}, { __len = function() return 1 << 30 end }))
