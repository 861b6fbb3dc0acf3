-- want: cpu
while true do rawequal(1, 2) end
