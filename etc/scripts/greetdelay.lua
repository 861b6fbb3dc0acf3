-- Spambots do not wait for the banner.  Strangers wait a little, and are
-- refused if they talk meanwhile.  For session.connect.script, with
-- session.connect.early-talker: reject.

local DELAY = 3			-- seconds
local GOOD = "known-good"	-- networks that are greeted at once

local ip = connection.remoteip
if ip and not cidr.has(GOOD, ip) then
	sleep(DELAY)
end
