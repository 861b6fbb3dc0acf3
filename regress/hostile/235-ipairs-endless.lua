-- want: cpu
for i in ipairs(setmetatable({}, { __index = function() return 1 end })) do end
