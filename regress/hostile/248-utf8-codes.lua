-- want: cpu
local s = ('\u{20ac}'):rep(300000)
while true do for p, c in utf8.codes(s) do end end
