-- want: cpu
while true do pcall(error) end
