-- want: memory
local keep = {}
while true do keep[#keep + 1] = utf8.char(0x7fffffff, #keep):rep(100) end
