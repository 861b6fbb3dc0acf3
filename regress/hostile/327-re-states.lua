-- want: pass
local s = {}
local x = 1
for i = 1, 1024 do
    x = (x * 1103515245 + 12345) % 2147483648
    s[i] = x > 1073741824 and 'a' or 'b'
end
assert(re.match(table.concat(s), '.*a.{255}x') == nil)
