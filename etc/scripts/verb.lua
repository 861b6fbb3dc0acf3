-- A command of our own: XCOUNT says how many recipients the transaction has.
-- Once for session.ehlo.script, which announces it, and once for
-- proxy.script with `commands: [xcount]', which answers it.

if arguments.extensions then
	if arguments.verb == "HELO" then
		return
	end
	local offered = table.move(arguments.extensions, 1,
	    #arguments.extensions, 1, {})
	table.insert(offered, "XCOUNT")
	accept{extensions = offered}
end

local verb, rest = string.match(arguments.command, "^(%S*)(.*)$")
if string.upper(verb) ~= "XCOUNT" then
	return
end
if rest ~= "" then
	proxy.Reply("XCOUNT takes no argument",
	    {reply_codes = {code = 501, enhanced = {5, 5, 4}}})
end
if not transaction.sender then
	proxy.Reply("need MAIL first",
	    {reply_codes = {code = 503, enhanced = {5, 5, 1}}})
end
proxy.Reply(#transaction.recipients .. " recipients")
