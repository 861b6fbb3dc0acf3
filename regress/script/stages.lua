-- Everything that a transcript can ask for, once.
if arguments.command then
	local c = arguments.command
	context = (context or 0) + 1
	if c == "XHI" then
		proxy.Reply({"hi", connection.remoteip}, {next = true})
	elseif c == "XCOUNT" then
		proxy.Reply("" .. context)
	elseif c == "XBYE" then
		proxy.Reply("bye", {reply_codes = {code = 421}})
	elseif c == "XWAIT" then
		local before = clock.now()
		sleep(5)
		proxy.Reply("" .. clock.now() - before)
	elseif c == "XPTR" then
		proxy.Reply(connection.remoteptr or "none")
	elseif c == "XFAIL" then
		local yes, why = rate("a", "b", 1, 1, {raise = false})
		proxy.Reply(yes == nil and why or "no")
	elseif c == c:upper() then
		proxy.Pass()
	end
	proxy.Pass{command = c:upper()}
end
if arguments.verb then
	local e = {}
	for i, x in ipairs(arguments.extensions) do e[i] = x end
	e[#e + 1] = "XHI"
	accept("hello", {extensions = e})
end
if arguments.earlytalker then
	reject()
end
if arguments.recipient then
	local good, err = msys.beta.rcptto_proxy.query{
	    rcptto = arguments.recipient, host = "b1"}
	if not good then
		defer(err)
	end
	local ours, waited = all{
	    function() return list.has("ours", arguments.recipient) end,
	    function() sleep(1) return true end}
	accept(nil, {recipient = "x@y.example",
	    transportid = ours and waited and "b1" or "mx"})
end
if arguments.size then
	reject("552 5.3.4 " .. #transaction.recipients .. " of them")
end
