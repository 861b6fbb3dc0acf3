-- want: cpu
while true do pcall(assert, false, {}) end
