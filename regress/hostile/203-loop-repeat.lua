-- want: cpu
repeat until false
