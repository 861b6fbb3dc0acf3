-- want: error
require(setmetatable({}, { __tostring = function() return 'io' end }))
