-- want: cpu
local s = ('\0"\\'):rep(300000)
while true do local x = ('%q'):format(s) end
