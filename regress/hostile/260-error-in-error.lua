-- want: error to 'index'
pcall(error, setmetatable({}, { __index = error }))
local t = setmetatable({}, { __index = error })
return t.x.y
