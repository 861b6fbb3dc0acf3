-- want: end
while true do for s in ('a b c'):gmatch('%a') do end end
