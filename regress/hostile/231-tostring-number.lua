-- want: error must return a string
return tostring(setmetatable({}, { __tostring = function() return {} end }))
