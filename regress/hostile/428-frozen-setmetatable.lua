-- want: error read-only
setmetatable(string, {})
