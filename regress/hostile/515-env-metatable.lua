-- want: error
setmetatable(_ENV, { __index = function() return 1 end })
