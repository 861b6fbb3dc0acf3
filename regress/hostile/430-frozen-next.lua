-- want: error read-only
for k, v in pairs(string) do string[k] = function() end end
