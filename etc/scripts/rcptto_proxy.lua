-- Ask the server that owns the mailbox, before the recipient is accepted:
-- Momentum's smtp_rcptto_proxy.  For session.rcpt.script.  What a server
-- said is remembered.

require("msys.beta.rcptto_proxy")

local HOST = "mailstore"	-- a remote's name, a host name or an address

local res, err, reply = msys.beta.rcptto_proxy.query({
	mailfrom = transaction.sender,
	rcptto = arguments.recipient,
	host = HOST,
	timeout = 20
})

if res then
	return
end
if err ~= "fail" then
	-- It did not come to an answer: nobody knows, so try again.
	log.warn("rcptto_proxy: " .. err)
	defer("451 4.4.3 cannot verify this recipient now")
end
if reply.code >= 500 then
	reject("550 5.1.1 no such user")
end
defer("451 4.2.1 this mailbox takes no mail now")
