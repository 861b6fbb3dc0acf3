-- want: cpu
local s = ('\u{20ac}'):rep(1000000)
while true do utf8.offset(s, -900000) end
