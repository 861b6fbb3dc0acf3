#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# Scripts, with all that they can ask in its place: databases of SQLite and
# PostgreSQL, a name server, a Postfix whose mailboxes they ask for, clients
# with addresses and certificates, and two processes of each kind, which share
# what there is to share.  The lines of Momentum's page run as they stand
# there, and so do those of etc/scripts that their transcripts alone would not
# prove.  A reload brings other scripts, and sessions keep the one that they
# began with; one that cannot be compiled changes nothing.
#
# See lib.sh for the options.

. "$(dirname "$0")/lib.sh"
. "$here/counterparts.sh"
. "$here/postgres.sh"

why=$(postfix_missing)$(pg_missing)
has sqlite3 || why="no sqlite3"
[ -z "$why" ] || skip_all "$why"

# shellcheck disable=SC2046	# words are wanted
set -- $(real ports 9)
smtp=$1 tls=$2 hop=$3 pgport=$4 names=$5 grey=$6 ticket=$7 block=$8 ask=$9

# says_to what, wanted, line ...: to one client, at $to, from $from
to=$smtp from=127.0.0.1
said()
{
	timeout 100 python3 -S "$here/say.py" -s "$from" "$to" "$@"
}

says_to()
{
	what=$1 wanted=$2
	shift 2
	is "$what" "$(said "$@")" "$wanted"
}

has_lines()
{
	[ "$(lines "$1")" -ge "$2" ]
}

# --- what scripts ask --------------------------------------------------------

mkdir "$tmp/scripts" "$tmp/state" "$tmp/more"
cp "$here"/../../etc/scripts/*.lua "$tmp/more"

# A recipient says what is asked, and of which database.
cat >"$tmp/scripts/sql.lua" <<'EOT'
local what, ds = string.match(arguments.recipient, "^(%w+)@(%w+)%.")
local function show(v)
	return (math.type(v) or type(v)) .. ":" .. tostring(v)
end
local no = {raise = false}
local asks = {}
function asks.types()
	local r = db.query(ds, "SELECT * FROM kinds")[1]
	return show(r.word) .. " " .. show(r.big) .. " " .. show(r.half) ..
	    " " .. show(r.yes) .. " " .. show(r.none) .. " " .. show(r[1])
end
function asks.bound()
	local n = {}
	for _, v in ipairs{"it's", "x' OR '1'='1", "?", ":w", "\u{FC}"} do
		n[#n + 1] = db.value(ds,
		    "SELECT count(*) FROM words WHERE word = ?", v)
	end
	return table.concat(n, " ")
end
function asks.named()
	local sql = "SELECT word FROM words WHERE n >= :low AND n < :high " ..
	    "ORDER BY n"
	return db.query(ds, sql, {low = 2, high = 3})[1].word .. " " ..
	    show(db.value(ds, sql, {low = 90, high = 91})) .. " " ..
	    select(2, db.query(ds, sql, {low = 2}, no))
end
function asks.null()
	db.execute(ds, "INSERT INTO words (word, n) VALUES (?, ?)", "null", nil)
	return show(db.value(ds, "SELECT n FROM words WHERE word = 'null'")) ..
	    " " .. db.execute(ds, "DELETE FROM words WHERE word = 'null'")
end
function asks.cut()
	local all = db.query(ds, "SELECT n FROM words")
	local few = db.query(ds, "SELECT n FROM words WHERE n < 3")
	return #all .. " " .. tostring(all.cut) .. " " .. #few .. " " ..
	    tostring(few.cut)
end
function asks.changes()
	local sql = "INSERT INTO words (word, n) VALUES (?, ?)"
	return db.execute(ds, sql, "new", 50) .. " " ..
	    db.execute(ds, "UPDATE words SET n = ? WHERE n > ?", 60, 3) ..
	    " " .. db.execute(ds, "DELETE FROM words WHERE word = 'new'") ..
	    " " .. db.execute(ds, "DELETE FROM words WHERE word = 'new'")
end
function asks.exists()
	local r = {}
	for _, sql in ipairs{"1", "0", "NULL", "''", "'0'", "1 WHERE 1 = 2",
	    "EXISTS(SELECT 1 FROM words)",
	    "EXISTS(SELECT 1 FROM words WHERE n = 99)"} do
		r[#r + 1] = tostring(db.exists(ds, "SELECT " .. sql))
	end
	return table.concat(r, " ")
end
function asks.errors()
	local r, why = db.query(ds, "SELECT x FROM nowhere", no)
	local ok, raised = pcall(db.query, ds, "SELECT x FROM nowhere")
	return tostring(r) .. " " .. tostring(ok) .. " " ..
	    tostring(string.find(why, "nowhere") ~= nil) .. " " ..
	    tostring(raised == why)
end
function asks.refused()
	local r = {}
	for _, sql in ipairs{"SELECT 1; DELETE FROM words", "BEGIN",
	    "ATTACH '/tmp/x' AS x", "PRAGMA user_version", "VACUUM",
	    "COPY words TO STDOUT", ""} do
		r[#r + 1] = tostring(db.query(ds, sql, no))
	end
	return table.concat(r, " ")
end
function asks.raises()
	db.query(ds, "SELECT x FROM nowhere")
end
function asks.both()
	return db.value("lite", "SELECT count(*) FROM words") .. " " ..
	    table.concat({all{
	    function() return db.value("lite", "SELECT word FROM words " ..
	        "WHERE n = 1") end,
	    function() return db.value("pg", "SELECT word FROM words " ..
	        "WHERE n = 1") end}}, " ")
end
reject(asks[what]())
EOT

cat >"$tmp/scripts/names.lua" <<'EOT'
local function show(t)
	table.sort(t)
	return #t .. ":" .. table.concat(t, ",")
end
local mx = dns.query("one.test", "MX")
reject(table.concat({show(dns.query("One.Test")),
    show(dns.query("one.test", "AAAA")),
    mx[1].preference .. " " .. mx[1].exchange .. " " .. mx[2].exchange,
    show(dns.query("one.test", "TXT")), show(dns.query("nobody.test")),
    show(dns.query(connection.remoteip, "PTR")),
    show(dns.dnsbl("127.0.0.6", "bl.example.net")),
    show(dns.dnsbl("127.0.0.6", "bl.example.net", "TXT")),
    show(dns.dnsbl("127.0.0.7", "bl.example.net")),
    select(2, dns.query("fails.test", "A", {raise = false})),
    connection.remoteptr or "none"}, "; "))
EOT

# Those of the page, and ours: what came of it.
cat >"$tmp/scripts/page.lua" <<'EOT'
require("msys.beta.rcptto_proxy");

local res, err = msys.beta.rcptto_proxy.query({mailfrom = "foo@foo.com",
                                          rcptto = "bar@bar.com",
                                          host = "smtp.foo.com",
                                          port = 25,
                                          timeout = 60 -- optional, 60 default
                                          });

-- res is true if everything succeeded, otherwise false and err is
-- set to an appropriate error string
reject(tostring(res) .. " " .. tostring(err))
EOT

cat >"$tmp/scripts/asks.lua" <<'EOT'
require("msys.beta.rcptto_proxy")
local to = string.match(arguments.recipient, "^(.*)@")
local host = string.match(arguments.recipient, "@(.*)%.test$")
local res, err, more = msys.beta.rcptto_proxy.query({
	mailfrom = "foo@foo.com", rcptto = to .. "@example.org",
	host = host == "store" and "mailstore" or host .. ".test",
	timeout = 5
})
reject(tostring(res) .. " " .. string.gsub(tostring(err), " .*", "") .. " " ..
    tostring(more.code) .. " " .. tostring(more.enhanced) .. " " ..
    more.stage .. " " .. tostring(more.cached))
EOT

cat >"$tmp/scripts/shared.lua" <<'EOT'
log.info("asked")
reject(store.incr("test", "sessions") .. " " ..
    tostring(rate("test", "sessions", 5, 3600)))
EOT

cat >"$tmp/scripts/version.lua" <<'EOT'
if arguments.command == "XVERSION" then
	proxy.Reply("one")
end
EOT

cat >"$tmp/scripts/cert.lua" <<'EOT'
if arguments.command == "XCERT" then
	local x = connection.tls.peercert.x509
	local names = {}
	for name in pairs(x) do
		names[#names + 1] = name
	end
	table.sort(names)
	proxy.Reply{table.concat(names, " "), x.subject, x.issuer,
	    x.subject_alt_name, x.version, x.serial_number, x.not_valid_before,
	    x.not_valid_after, x.fingerprint,
	    "key " .. string.match(x.public_key, "^[^\n]*"),
	    "cert " .. string.match(x.export, "^[^\n]*"),
	    "error " .. connection.tls.peercert.error}
end
EOT

# --- the counterparts --------------------------------------------------------

certificate || skip_all "no openssl"
for c in one two; do
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
	    -nodes -days 2 -subj "/O=Example/CN=$c.test" \
	    -addext "subjectAltName=DNS:$c.test,email:$c@c.test" \
	    -keyout "$tmp/$c.key" -out "$tmp/$c.pem" 2>"$tmp/openssl"
done

tables="CREATE TABLE kinds (word TEXT, big BIGINT, half DOUBLE PRECISION,
	    yes BOOLEAN, none TEXT);
	INSERT INTO kinds VALUES ('w', 9007199254740993, 0.5, TRUE, NULL);
	CREATE TABLE words (word TEXT, n INTEGER);
	INSERT INTO words VALUES ('it''s', 1), ('two', 2), ('three', 3),
	    ('?', 4), (':w', 5);
	CREATE TABLE greylist (triplet TEXT PRIMARY KEY,
	    first_seen BIGINT NOT NULL, last_seen BIGINT NOT NULL);"
sqlite3 "$tmp/state/lite.db" "$tables"
chmod 777 "$tmp/state"
chmod 666 "$tmp/state/lite.db"
pg_make db "$pgport"
pg_start db
pg_role db edge secret mail
pg_sql db mail "SET ROLE edge; $tables" >/dev/null

: >"$tmp/names.out"
python3 "$here/names.py" "$names" >"$tmp/names.out" 2>&1 &
started="$started $!"
wait_for 10 grep -q ready "$tmp/names.out"

# The page wants port 25; of an address that nobody should have.
has_25()
{
	python3 -c 'import socket
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.25", 25))' 2>/dev/null
}
users='bar john'
postfix_make hop "$hop" <<-EOT
	virtual_mailbox_domains = example.org, bar.com
EOT
echo 'bar@bar.com bar/' >>"$tmp/hop/users"
page=no
if has_25; then
	page=yes
	echo '127.0.0.25:25 inet n - n - 100 smtpd' >>"$tmp/hop/etc/master.cf"
fi
postfix_start hop

configure()
{
	(umask 077 && cat >"$tmp/postern.yaml" <<-EOT
	hostname: gate.example.net
	processes: {smtpd: 2, proxyd: 2}
	shutdown: 2s
	control: $tmp/control
	log: {to: $tmp/postern.log}
	verify-cache: {path: $tmp/verify.cdb}
	resolver: {server: "127.0.0.1:$names", timeout: 2s}
	remote-networks: [127.0.0.0/8]
	tls:
	  certificate: {default: {cert: $tmp/cert.pem, key: $tmp/key.pem}}
	  client-ca: $tmp/one.pem
	  client-verify: ask
	listener:
	  in: {bind: "127.0.0.1:$smtp"}
	  tls: {bind: "127.0.0.1:$tls", tls: required}
	  grey: {bind: "127.0.0.1:$grey"}
	  ticket: {bind: "127.0.0.1:$ticket"}
	  block: {bind: "127.0.0.1:$block"}
	  ask: {bind: "127.0.0.1:$ask"}
	list:
	  ours: [example.org, lite.test, pg.test]
	  known-good: [127.0.0.5, 10.0.0.0/8, good.example]
	  tickets: [blue-moon]
	remote:
	  mailstore: {address: 127.0.0.1, port: $hop, tls: {mode: "off"},
	    timeout: {connect: 2s}, cache: {ttl: {positive: 1h, negative: 1h}}}
	route: {local: mailstore, relay: mailstore}
	datasource:
	  lite: {uri: "sqlite:$tmp/state/lite.db", scripts: true, max-rows: 3}
	  pg: {uri: "postgresql://edge:secret@127.0.0.1:$pgport/mail",
	    scripts: true, max-rows: 3}
	  state: {uri: ${state:-"sqlite:$tmp/state/lite.db"}, scripts: true}
	  users: {uri: "sqlite:$tmp/state/lite.db", scripts: true}
	script:
	$(for f in "$tmp/scripts"/*.lua "$tmp/more"/*.lua; do
		n=${f##*/}
		echo "  ${n%.lua}: {file: $f}"
	done)
	proxy:
	  commands: [xversion, xcert, xcount, xticket, mail]
	  script:
	  - {if: listener, eq: in, then: version}
	  - {if: listener, eq: tls, then: cert}
	  - {if: listener, eq: grey, then: verb}
	  - {if: listener, eq: ticket, then: dialogue}
	  - {else: false}
	session:
	  connect:
	    early-talker: reject
	    script:
	    - {if: listener, eq: block, then: dnsbl}
	    - {if: listener, eq: ticket, then: greetdelay}
	    - {else: false}
	  ehlo:
	    script: [{if: listener, eq: grey, then: verb}, {else: false}]
	  mail:
	    script: [{if: listener, eq: grey, then: sender}, {else: false}]
	  rcpt:
	    errors: {total: 1000, wait: 0s, per-address: {total: 1000000}}
	    relay: true
	    lookup: {domains: list/ours}
	    script:
	    - {if: listener, eq: grey, then: greylist}
	    - {if: listener, eq: ask, then: rcptto_proxy}
	    - {if: listener, ne: in, then: false}
	    - {if: rcpt, starts-with: "names@", then: names}
	    - {if: rcpt, starts-with: "page@", then: page}
	    - {if: rcpt, starts-with: "shared@", then: shared}
	    - {if: rcpt-domain, in-list: list/ours, then: sql}
	    - {else: asks}
	EOT
	)
}

configure
postern_start

# --- databases ---------------------------------------------------------------

# sql what, wanted: of both
sql()
{
	for d in lite pg; do
		is "$1: $d" "$(said "RCPT TO:<$2@$d.test>")" "550 5.7.1 $3"
	done
}

big=integer:9007199254740993
is "types: lite" "$(said 'RCPT TO:<types@lite.test>')" \
    "550 5.7.1 string:w $big float:0.5 integer:1 nil:nil string:w"
is "types: pg" "$(said 'RCPT TO:<types@pg.test>')" \
    "550 5.7.1 string:w $big float:0.5 boolean:true nil:nil string:w"
sql "values are bound" bound "1 0 1 1 0"
like "values with names: lite" "$(said 'RCPT TO:<named@lite.test>')" \
    '550 5.7.1 two nil:nil db.query lite: nobody can tell: *high*'
like "values with names: pg" "$(said 'RCPT TO:<named@pg.test>')" \
    '550 5.7.1 two nil:nil db.query pg: nobody can tell: *high*'
sql "NULL" null "nil:nil 1"
sql "max-rows" cut "3 true 2 nil"
sql "rows that were changed" changes "1 3 1 0"
sql "db.exists" exists "true false false false true false true false"
sql "raise" errors "nil false true true"
sql "what is refused" refused "nil nil nil nil nil nil nil"
says_to "an error that nobody catches" \
    '451 4.3.0 cannot judge that now, try again later' \
    'RCPT TO:<raises@lite.test>'
wait_for 10 grep -q 'script-error.*script=sql.*sql:[0-9]*: db.query lite' \
    "$tmp/postern.log"
is "and the log has it" $? 0
says_to "several at once" "550 5.7.1 5 it's it's" 'RCPT TO:<both@lite.test>'

# --- names -------------------------------------------------------------------

records="2:192.0.2.1,192.0.2.2; 0:; 10 a.one.test b.one.test; "
records="${records}1:v=spf1 -all; 0:; "
listed="2:127.0.0.2,127.0.0.4; 1:a bad one; 0:; "
fails="dns.query fails.test: nobody can tell: DNS failed; "
for ip in '127.0.0.6 1:c0-0-6.names.test c0-0-6.names.test' \
    '127.0.0.5 1:c0-0-6.names.test none' '127.0.0.8 0: none'; do
	# shellcheck disable=SC2086	# words are wanted
	set -- $ip
	from=$1
	says_to "names for $1" "550 5.7.1 $records$2; $listed$fails$3" \
	    'RCPT TO:<names@x.test>'
done
from=127.0.0.1

# --- the server that has the mailboxes ---------------------------------------

if [ $page = yes ]; then
	says_to "the page's lines: it has that mailbox" \
	    '550 5.7.1 true nil' 'RCPT TO:<page@x.test>'
else
	skip "the page's lines: it has that mailbox" "port 25 is taken"
fi
says_to "others" '550 5.7.1 true nil 250 2.1.5 rcpt false
550 5.7.1 false fail 550 5.1.1 rcpt false
550 5.7.1 true nil 250 2.1.5 rcpt true
550 5.7.1 false fail 550 5.1.1 rcpt true
550 5.7.1 false resolve: nil nil resolve false
550 5.7.1 false resolve: nil nil resolve false' \
    'RCPT TO:<john@store.test>' 'RCPT TO:<bill@store.test>' \
    'RCPT TO:<john@store.test>' 'RCPT TO:<bill@store.test>' \
    'RCPT TO:<john@nobody.test>' 'RCPT TO:<john@fails.test>'
to=$ask
says_to "etc/scripts: rcptto_proxy" '250 2.1.5 Ok
550 5.1.1 no such user' 'RCPT TO:<john@example.org>' \
    'RCPT TO:<bill@example.org>'
to=$smtp
postfix_kill "$tmp/hop"
says_to "the server is away: what it said is known" \
    '550 5.7.1 true nil 250 2.1.5 rcpt true
550 5.7.1 false fail 550 5.1.1 rcpt true
550 5.7.1 false connect: nil nil connect false' \
    'RCPT TO:<john@store.test>' 'RCPT TO:<bill@store.test>' \
    'RCPT TO:<bar@store.test>'
to=$ask
like "etc/scripts: rcptto_proxy, the server is away" \
    "$(said 'RCPT TO:<bar@example.org>')" \
    '451 4.4.3 cannot verify this recipient now'
to=$smtp
postfix_start hop

# --- what all share ----------------------------------------------------------

: >"$tmp/shared"
clients=''
for i in $(seq 40); do
	said 'RCPT TO:<shared@x.test>' >"$tmp/shared.$i" &
	clients="$clients $!"
done
for p in $clients; do
	wait "$p"
done
cat "$tmp"/shared.[0-9]* >"$tmp/shared"
is "forty clients count to forty" "$(awk '{ print $3 }' "$tmp/shared" |
    sort -n | tr '\n' ' ')" "$(seq 40 | tr '\n' ' ')"
is "five of them are within the rate" "$(grep -c true "$tmp/shared")" 5
wait_for 10 grep -q 'script-log.*asked' "$tmp/postern.log"
for w in smtpd/event=rcpt.*shared@ proxyd/event=script-log.*asked; do
	is "both of ${w%%/*} were at work" "$(grep "${w#*/}" \
	    "$tmp/postern.log" | awk '{ print $2 }' | sort -u | tr '\n' ' ')" \
	    "${w%%/*}/0 ${w%%/*}/1 "
done

# --- certificates ------------------------------------------------------------

# cert name: what the script sees of it
cert()
{
	: >"$tmp/tls.$1"
	# What comes before the end of the handshake is thrown away.
	{
		wait_for 20 grep -q '^250 ' "$tmp/tls.$1"
		printf 'EHLO x\r\nXCERT\r\n'
		wait_for 20 grep -q '^[45][0-9][0-9] \|^250 .*error' \
		    "$tmp/tls.$1"
		printf 'QUIT\r\n'
	} | timeout 60 openssl s_client -starttls smtp -quiet \
	    -connect "127.0.0.1:$tls" -cert "$tmp/$1.pem" \
	    -key "$tmp/$1.key" >"$tmp/tls.$1" 2>&1
	sed -n 's/\r$//; s/^250[ -]2.0.0 //p' "$tmp/tls.$1"
}

# x509 name option ...: what openssl(1) says of it
x509()
{
	c=$1
	shift
	openssl x509 -in "$tmp/$c.pem" -noout "$@" | sed 's/^[^=]*=//'
}

for c in one:0 two:18; do
	n=${c%:*}
	is "the certificate of $n" "$(cert "$n")" \
"export fingerprint issuer not_valid_after not_valid_before public_key \
serial_number subject subject_alt_name version
$(x509 "$n" -subject -nameopt RFC2253)
$(x509 "$n" -issuer -nameopt RFC2253)
DNS:$n.test, email:$n@c.test
3
$(x509 "$n" -serial)
$(x509 "$n" -startdate -dateopt iso_8601 | tr ' ' T)
$(x509 "$n" -enddate -dateopt iso_8601 | tr ' ' T)
$(x509 "$n" -fingerprint -sha256 | tr -d : | tr A-F a-f)
key -----BEGIN PUBLIC KEY-----
cert -----BEGIN CERTIFICATE-----
error ${c#*:}"
done

# --- etc/scripts -------------------------------------------------------------

to=$grey
later='451 4.7.1 Greylisted, please try again in a few minutes'
state_says()
{
	case $state in
	'')	sqlite3 "$tmp/state/lite.db" "$1" ;;
	*)	pg_sql db mail "$1" ;;
	esac
}

# greylists database
greylists()
{
	state_says 'DELETE FROM greylist'
	from=127.0.0.20
	says_to "etc/scripts: greylist in $1" "$later
$later" 'RCPT TO:<john@example.org>' 'RCPT TO:<bar@example.org>'
	state_says 'UPDATE greylist SET first_seen = first_seen - 301'
	from=127.0.0.21
	says_to "etc/scripts: greylist in $1: later, from the same network" \
	    '250 2.1.5 Ok' 'RCPT TO:<john@example.org>'
	is "etc/scripts: greylist in $1: what is kept" "$(state_says \
	    "SELECT triplet, last_seen > first_seen + 300 FROM greylist
	    ORDER BY 1" | sed 's/t$/1/; s/f$/0/')" \
	    "127.0.0.0 sender@example.net bar@example.org|0
127.0.0.0 sender@example.net john@example.org|1"
	from=127.0.0.5
	says_to "etc/scripts: greylist in $1: who is known" '250 2.1.5 Ok' \
	    'RCPT TO:<bar@example.org>'
	from=127.0.0.1
	says_to "etc/scripts: greylist in $1: a domain that is known" \
	    '250 2.1.0 ok
250 2.1.5 Ok' 'MAIL FROM:<a@good.example>' 'RCPT TO:<bar@example.org>'
}

state=''
greylists SQLite
says_to "etc/scripts: verb" "503 5.5.1 need MAIL first
250 2.1.0 ok
250 2.0.0 0 recipients
250 2.1.5 Ok
250 2.0.0 1 recipients
501 5.5.4 XCOUNT takes no argument" XCOUNT 'MAIL FROM:<a@good.example>' \
    xcount 'RCPT TO:<bar@example.org>' XCOUNT 'XCOUNT x'
like "etc/scripts: verb is announced" "$(said 'EHLO c.test')" '*250*XCOUNT*'
like "etc/scripts: verb, after HELO" "$(said 'EHLO x' 'HELO x' | tail -n 1)" \
    '250 gate.example.net*'
says_to "etc/scripts: sender" "250 2.1.0 ok
$later
250 2.0.0 ok
250 2.1.0 ok" 'MAIL FROM:<Ann@Old.Example>' 'RCPT TO:<bar@example.org>' RSET \
    'MAIL FROM:<>'
is "etc/scripts: sender, as others see it" "$(state_says \
    "SELECT triplet FROM greylist WHERE triplet LIKE '%new.example %'")" \
    '127.0.0.0 ann@new.example bar@example.org'
state="postgresql://edge:secret@127.0.0.1:$pgport/mail"
configure
is "reload: the greylist is in PostgreSQL" "$(ctl reload 2>&1 |
    cut -d' ' -f1)" ok
greylists PostgreSQL

to=$ticket
from=127.0.0.5
says_to "etc/scripts: dialogue" "530 5.7.0 say XTICKET first
334 your ticket
535 5.7.8 no such ticket
334 your ticket
501 5.7.0 given up
334 your ticket
250 2.0.0 welcome
250 2.1.0 ok" 'MAIL FROM:<>' XTICKET red-moon XTICKET '*' xticket Blue-Moon \
    'MAIL FROM:<>'
is "a ticket is in no log" "$(grep -ci -e red-moon -e blue-moon \
    "$tmp/postern.log")" 0
from=127.0.0.30
is "etc/scripts: greetdelay, who talks meanwhile" \
    "$(timeout 60 python3 -c '
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 60)
s.sendall(b"EHLO c.test\r\n")
print(s.makefile().readline().rstrip())' "$ticket" | cut -c1-9)" '554 5.5.0'

to=$block
from=127.0.0.6
says_to "etc/scripts: dnsbl" \
    '554 5.7.1 127.0.0.6 is listed by bl.example.net
lost' =
for from in 127.0.0.5 127.0.0.7 127.0.0.10; do
	like "etc/scripts: dnsbl, $from is not listed" "$(said =)" '220 *'
done

# --- other scripts -----------------------------------------------------------

to=$smtp
from=127.0.0.1
mkfifo "$tmp/in"
said - <"$tmp/in" >"$tmp/old" &
old=$!
exec 6>"$tmp/in"
echo XVERSION >&6
wait_for 10 grep -q one "$tmp/old"
is "a session with the first script" "$(cat "$tmp/old")" '250 2.0.0 one'

# One that is none
sed -i 's/one/two/; 2q' "$tmp/scripts/version.lua"
for how in reload start; do
	if [ $how = reload ]; then
		ctl reload >"$tmp/said" 2>&1
	else
		"$build/smtpd/postern" -n -f "$tmp/postern.yaml" \
		    >"$tmp/said" 2>&1
	fi
	status=$?
	like "$how: a script that cannot be compiled" \
	    "$status $(cat "$tmp/said")" \
	    "1 *script.version: 3: 'end' expected (to close 'if' at line 1)*"
done
says_to "what there was is in force" '250 2.0.0 one' XVERSION
echo end >>"$tmp/scripts/version.lua"
is "reload: another script" "$(ctl reload 2>&1 | cut -d' ' -f1)" ok
says_to "another session has it" '250 2.0.0 two' XVERSION
echo XVERSION >&6
wait_for 10 has_lines "$tmp/old" 2
is "the first one keeps its own" "$(cat "$tmp/old")" '250 2.0.0 one
250 2.0.0 one'
exec 6>&-
wait "$old"
postern_stop
finish
