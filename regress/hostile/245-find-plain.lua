-- want: cpu
local a, b = ('a'):rep(2000000) .. 'b', ('a'):rep(1000000) .. 'c'
while true do a:find(b, 1, true) end
