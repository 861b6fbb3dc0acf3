-- want: cpu
local f = ('b'):rep(200)
local s = ('x'):rep(200)
while true do f:unpack(s) end
