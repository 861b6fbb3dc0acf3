-- want: cpu
local s = ('\u{20ac}'):rep(300000)
while true do utf8.len(s) end
