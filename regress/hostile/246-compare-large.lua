-- want: cpu
local a, b = ('a'):rep(2000000) .. 'b', ('a'):rep(2000000) .. 'c'
while true do local x = a < b end
