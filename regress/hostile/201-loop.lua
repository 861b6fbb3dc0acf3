-- want: cpu
while true do end
