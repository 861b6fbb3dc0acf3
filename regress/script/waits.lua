-- A question cannot wait inside of gsub: a test says so, as the daemon does.
-- It can in all{}, which an answer ends as a whole.
log.info("asked", arguments.recipient, 1, {})
local ok, why = pcall(string.gsub, "x", "x", function()
	return list.has("ours", arguments.recipient) and "y"
end)
log.warn(why)
all{
	function()
		if list.has("ours", arguments.recipient) then
			pcall(reject, "ours")
		end
	end,
	function() sleep(1) error("not theirs", 0) end
}
