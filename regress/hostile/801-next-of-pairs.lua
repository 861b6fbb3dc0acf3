-- want: pass
-- The function that pairs() gives for a view must not see what is behind a
-- read-only table.
local function try(step)
	for _, t in ipairs({ string, table, arguments, connection, _ENV }) do
		for k, v in step, t do
			assert(type(k) == "string", type(k))
		end
	end
	local _, real = pcall(step, string)
	assert(type(real) == "string", type(real))
end
try(next)
for _, view in ipairs({ arguments, connection, transaction, string }) do
	local step, over = pairs(view)
	try(step)
	pcall(rawset, over, "mine", 1)
	assert(view.mine == nil)
end
assert(string.upper ~= error)
