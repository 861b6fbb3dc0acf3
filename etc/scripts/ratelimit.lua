-- So many recipients an hour for each user, as many as a database says.  For
-- session.rcpt.script of a listener where users log in.  It needs a
-- datasource with `scripts: true' and a table users (login, hourly).

local SOURCE = "users"
local DEFAULT = 100		-- of those without a number

local auth = connection.auth
if not auth or not auth.username then
	return
end

-- Looked up once for a connection.
context = context or {}
context.hourly = context.hourly or db.value(SOURCE,
    "SELECT hourly FROM users WHERE login = ?", auth.username) or DEFAULT

if not rate("user-hourly", auth.username, context.hourly, 3600) then
	defer("451 4.7.1 more than " .. context.hourly ..
	    " recipients in an hour")
end
