-- want: end
-- A verdict that fails while the reason of another is read: its lines must
-- not come into that one's.
proxy.Reply(setmetatable({}, {
	__len = function() return 2 end,
	__index = function(t, i)
		pcall(proxy.Reply, { "a", "b", "c", 5 })
		return "line " .. i
	end
}))
