-- want: cpu
local f = ('!16 i16 x'):rep(100000)
while true do string.packsize(f) end
