-- want: error too many steps
while true do
    local ok, why = pcall(string.find, ('a'):rep(200000), '.-b')
    if not ok and n then error(why, 0) end
    n = true
end
