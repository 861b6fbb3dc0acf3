-- want: error read-only
setmetatable(_ENV, { __index = function() return 1 end })
