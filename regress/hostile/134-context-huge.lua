-- want: memory
context = {}
local i = 0
while true do i = i + 1 context[i] = ('x'):rep(10000) .. i end
