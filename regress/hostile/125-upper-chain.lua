-- want: memory
local s = ('x'):rep(5000000)
local a, b, c, d = s:upper(), s:reverse(), s .. 'a', s .. 'b'
