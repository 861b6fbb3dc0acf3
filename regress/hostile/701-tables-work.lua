-- want: pass
local t = { 3, 1, 2 }
table.sort(t)
assert(table.concat(t, ',') == '1,2,3')
table.sort(t, function(a, b) return a > b end)
assert(table.concat(t, ',') == '3,2,1')
table.insert(t, 4)
table.insert(t, 1, 0)
assert(table.concat(t, ',') == '0,3,2,1,4')
assert(table.remove(t) == 4 and table.remove(t, 1) == 0 and #t == 3)
assert(table.remove({}) == nil)
assert(not pcall(table.insert, t, 9, 1) and not pcall(table.remove, t, 9))
assert(table.concat(table.move(t, 1, 3, 2), ',') == '3,3,2,1')
assert(table.concat(table.move(t, 2, 4, 1), ',') == '3,2,1,1')
assert(table.concat(table.move(t, 1, 2, 1, {}), ',') == '3,2')
local p = table.pack(1, nil, 3)
assert(p.n == 3 and p[3] == 3 and select('#', table.unpack(p, 1, 3)) == 3)
assert(table.concat({}, ',') == '' and table.concat({ 1, 'a' }, '-', 2, 2) == 'a')
local big = {}
for i = 1, 2000 do big[i] = (i * 7919) % 2003 end
table.sort(big)
for i = 2, #big do assert(big[i - 1] <= big[i]) end
local object = setmetatable({}, { __index = { name = 'x' } })
table.insert(object, 'a')
assert(#object == 1 and object.name == 'x')
assert(('x'):rep(3, ', ') == 'x, x, x' and ('ab'):rep(2) == 'abab')
assert(('%5s|%-5s|%05.1f|%q'):format('a', 'b', 3.14159, 'c') == '    a|b    |003.1|"c"')
