-- A dialogue: XTICKET asks for a ticket on a line of its own, as AUTH does,
-- and only clients that have one send mail.  For proxy.script with
-- `commands: [xticket, mail]'.  The ticket is in no log.

local TICKETS = "tickets"	-- the list that has them

context = context or {}

-- The line behind `next', whatever it is
if context.asked then
	context.asked = nil
	if arguments.command == "*" then
		proxy.Reply("given up",
		    {reply_codes = {code = 501, enhanced = {5, 7, 0}}})
	end
	if list.has(TICKETS, arguments.command) then
		context.admitted = true
		proxy.Reply("welcome")
	end
	proxy.Reply("no such ticket",
	    {reply_codes = {code = 535, enhanced = {5, 7, 8}}})
end

local verb = string.upper(string.match(arguments.command, "^%S*"))
if verb == "XTICKET" then
	context.asked = true
	proxy.Reply("your ticket", {reply_codes = {code = 334}, next = true})
end
if verb == "MAIL" and not context.admitted then
	proxy.Reply("say XTICKET first",
	    {reply_codes = {code = 530, enhanced = {5, 7, 0}}})
end
