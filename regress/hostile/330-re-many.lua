-- want: cpu
local i = 0
while true do i = i + 1 re.match('a', 'a{' .. i % 200 .. '}b' .. i) end
