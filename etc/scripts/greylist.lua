-- Greylisting: a client that is new here is told to come back.  For
-- session.rcpt.script.  It needs a list of those that need not, and a
-- datasource with `scripts: true' and this table, in SQLite or PostgreSQL:
--
--	CREATE TABLE greylist (triplet TEXT PRIMARY KEY,
--	    first_seen BIGINT NOT NULL, last_seen BIGINT NOT NULL)
--
-- A triplet is the client's network, the sender and the recipient: big
-- senders retry from another address of the same network.  last_seen is 0
-- until it has come back in time.

local SOURCE = "state"		-- the datasource
local GOOD = "known-good"	-- networks of clients, domains of senders
local DELAY = 300		-- a retry passes after so many seconds
local WINDOW = 2 * 86400	-- and within so many
local EXPIRY = 36 * 86400	-- who is not seen for so long is new again

-- Whoever has logged in, or is a local process, is known.
local ip = connection.remoteip
if connection.auth or not ip then
	return
end

local sender = transaction.sender
local domain = string.match(sender, "@([^@]+)$")
if cidr.has(GOOD, ip) or domain and list.has(GOOD, domain) then
	return
end

-- 192.0.2.0 of 192.0.2.7 (/24); 2001:db8:0:0:: of 2001:db8::7 (/64).
local function network(address)
	local _, colons = string.gsub(address, ":", "")
	if colons == 0 then
		return string.match(address, "^(.*)%.") .. ".0"
	end
	local whole = string.gsub(address, "::",
	    string.rep(":0", 8 - colons) .. ":")
	return string.match(whole, "%x+:%x+:%x+:%x+") .. "::"
end

local triplet = network(ip) .. " " .. sender .. " " .. arguments.recipient
local now = math.floor(clock.now())
local seen = db.query(SOURCE,
    "SELECT first_seen, last_seen FROM greylist WHERE triplet = ?",
    triplet)[1]

local function come_back()
	defer("451 4.7.1 Greylisted, please try again in a few minutes")
end

-- New, or so late that it is new again.
if not seen or seen.last_seen == 0 and now - seen.first_seen > WINDOW or
    seen.last_seen > 0 and now - seen.last_seen > EXPIRY then
	db.execute(SOURCE, [[
		INSERT INTO greylist (triplet, first_seen, last_seen)
		VALUES (?, ?, 0)
		ON CONFLICT (triplet) DO UPDATE
		SET first_seen = excluded.first_seen, last_seen = 0]],
	    triplet, now)
	-- Once an hour, whoever comes first, the table is cleared.
	if rate("greylist", "clear", 1, 3600) then
		db.execute(SOURCE, [[
			DELETE FROM greylist
			WHERE last_seen = 0 AND first_seen < ?
			OR last_seen > 0 AND last_seen < ?]],
		    now - WINDOW, now - EXPIRY)
	end
	come_back()
end

if seen.last_seen == 0 and now - seen.first_seen < DELAY then
	come_back()
end

-- It came back.  To write that down once a day is often enough.
if now - seen.last_seen > 86400 then
	db.execute(SOURCE,
	    "UPDATE greylist SET last_seen = ? WHERE triplet = ?",
	    now, triplet)
end
