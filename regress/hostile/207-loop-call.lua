-- want: cpu
local f = function() end
while true do f() end
