-- want: pass
-- table.move writes to its first argument where there is no fifth.
for _, t in ipairs({ string, math, arguments, connection, table }) do
	local worked, what = pcall(table.move, t, 1, 1, 1)
	assert(not worked, "moved")
	worked, what = pcall(table.move, t, 1, 0, 1)
	assert(not worked, "handed out")
	worked, what = pcall(table.move, t, 1, 0, 1, t)
	assert(not worked, "handed out")
end
local mine = table.move({ 1, 2, 3 }, 1, 3, 2)
assert(mine[4] == 3)
