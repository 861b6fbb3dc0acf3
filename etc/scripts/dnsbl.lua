-- Refuse clients that a blocklist in DNS names.  For session.connect.script.

local ZONES = {"zen.example.org", "bl.example.net"}
local GOOD = "known-good"	-- networks that are not asked about

local ip = connection.remoteip
if not ip or cidr.has(GOOD, ip) then
	return
end

-- All zones at once.  One that does not answer lists nobody.
local questions = {}
for i, zone in ipairs(ZONES) do
	questions[i] = function()
		return dns.dnsbl(ip, zone, {raise = false})
	end
end
local answers = table.pack(all(questions))

for i, zone in ipairs(ZONES) do
	for _, code in ipairs(answers[i] or {}) do
		-- 127.255.255.0/24 says that the question was wrong.
		if string.match(code, "^127%.") and
		    not string.match(code, "^127%.255%.255%.") then
			log.info(ip, "is listed by", zone, code)
			reject("554 5.7.1 " .. ip .. " is listed by " .. zone)
		end
	end
end
