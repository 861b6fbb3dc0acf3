-- Mail from our old domain goes out under the new one.  For
-- session.mail.script.

local OLD, NEW = "old.example", "new.example"

local address = arguments.address
if string.lower(address.domain or "") == OLD then
	accept{sender = address.localpart .. "@" .. NEW}
end
