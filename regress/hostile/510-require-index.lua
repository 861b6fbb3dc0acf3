-- want: error string expected
require(setmetatable({}, { __tostring = function() return 'io' end }))
