#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# What mail through postern costs: a table.
#
# usage: B=dir R=dir [ROUNDS=3] [SCALE=1] [ONLY=row] sh regress/bench/run.sh
#
#	B	the build tree whose programs are measured (.)
#	R	where the tools were built (.obj/regress)
#	ROUNDS	each row is measured so often, interleaved; its median is shown
#	SCALE	this many times the usual number of operations
#	ONLY	a pattern of the shell: only rows with such names, and of
#		attack, idle, parse and pipe
#
# Load, sink and postern share the machine, so rates are those of all three
# together, and "ratio" to the row "direct" above, the same load without
# postern, is what may be compared with another machine's.  CPU is in ms for
# each operation, of each role: the least bent by noise.  A row's operations:
#
#	relay		messages of 4 KiB, one in each session
#	relay10		the same, ten in each, pipelined
#	relaybig	messages of 100 KiB, one in each session
#	tls		as relay, with STARTTLS; the next hop is plain
#	rcpt		recipients of a local domain, ten in each session
#	warm		the same, of 1000 that call-forward has asked for
#	cold		the same, each of which is a question to the sink
#	noop		NOOP, a hundred in each session
#	script		as rcpt, and a script that lets all pass sees each
#			command; what proxyd has to do is in "others"
#
# attack: what clients notice who ask for a recipient every 2 ms, of those
# that are known or of new ones, while 100,000 are asked for that nobody has,
# by 50 sessions, which nothing slows down; and what that does to memory.
#
# There is no pass or fail by time.  The exit status is 1 if a message was
# lost or refused: what the clients were told against what the sink has; and
# if a recipient was asked for twice.

set -u
B=${B:-.} R=${R:-.obj/regress} ROUNDS=${ROUNDS:-3} SCALE=${SCALE:-1}
ONLY=${ONLY:-*}
tools=$R/bench
tmp=$(mktemp -d "${TMPDIR:-/tmp}/postern-bench.XXXXXXXXXX") || exit 1
chmod 755 "$tmp"
sink='' postern='' load='' bad=0

finish() {
	trap '' HUP INT TERM
	for pid in $load $postern $sink; do
		kill "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	rm -rf "$tmp"
	exit "$1"
}
trap 'finish 1' HUP INT TERM

# wanted name: is it one of ONLY?
wanted() {
	# shellcheck disable=SC2254	# it is a pattern
	case $1 in
	$ONLY)	return 0 ;;
	esac
	return 1
}

fail() {
	echo "bench: $*" >&2
	bad=1
}

# --- the daemons -------------------------------------------------------------

# What starts tells a fifo when it is ready: nobody waits for a time.
mkfifo "$tmp/sink" "$tmp/postern" "$tmp/load" "$tmp/hold" || finish 1
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
    -days 2 -subj /CN=localhost -keyout "$tmp/key" -out "$tmp/cert" \
    2>/dev/null && chmod 600 "$tmp/key" || finish 1

sink_start() {
	"$tools/sink" -c "$tmp/cert" -k "$tmp/key" >"$tmp/sink" &
	sink=$!
	exec 4<"$tmp/sink"
	read -r _ sinkport <&4 || finish 1
}

# Sets taken: the messages it has; most: connections at once; asked: RCPTs.
sink_stop() {
	kill "$sink"
	read -r _ taken _ _ _ most _ asked <&4
	wait "$sink"
	exec 4<&-
	sink=''
}

# As root without the users of an installation, all run as nobody.
users() {
	if [ "$(id -u)" -eq 0 ] && ! id _postern >/dev/null 2>&1; then
		echo 'user: {smtpd: nobody, dialer: nobody, resolved: nobody,' \
		    'verifyd: nobody}'
	fi
}

# A script for the row of that.
scripting() {
	[ "$1" = script ] || return
	echo 'script: {pass: "proxy.Pass()"}'
	echo 'proxy: {script: pass, commands: ["*"]}'
}

# Recipients are verified, as postern_start is called for a row of that; of
# attack with the limits for the sink that there are without a word.
verifying() {
	case $1 in
	warm|cold|attack) return 0 ;;
	esac
	return 1
}

limits() {
	if [ "$1" != attack ]; then
		echo 'limits: {recipients: 100000, messages: 1000000,' \
		    'errors: 100000}'
	else
		echo 'limits: {messages: 1000000}'
	fi
}

configure() {
	cat >"$tmp/postern.yaml" <<-C
	hostname: bench.postern.example
	control: $tmp/control
	log: {to: /dev/null}
	tls:
	  certificate:
	    default: {cert: $tmp/cert, key: $tmp/key}
	listener:
	  bench:
	    bind: ["127.0.0.1:$port"]
	    tls: starttls
	    max-sessions: 0
	    max-sessions-per-address: 0
	remote:
	  sink:
	    address: 127.0.0.1
	    port: $sinkport
	    tls: {mode: "off"}
	    connections: 0
	    $(limits "$1")
	list: {ours: [example.com]}
	route: {local: sink}
	session:
	  rcpt:
	    max-recipients: 1000
	    lookup:
	      domains: list/ours
	$(verifying "$1" && echo '      addresses: remote/sink')
	    errors:
	      total: 1000000
	      wait: 0s
	      per-address: {total: 1000000}
	verify-cache: {path: $tmp/verify.cdb}
	$(scripting "$1")
	$(users)
	C
}

# What was remembered before is not.
postern_try() {
	configure "$1"
	rm -f "$tmp/verify.cdb"
	: >"$tmp/said"
	"$B/smtpd/postern" -d -f "$tmp/postern.yaml" 2>"$tmp/postern" &
	postern=$!
	exec 3<"$tmp/postern"
	while IFS= read -r line <&3; do
		[ "$line" = ready ] && return 0
		echo "$line" >>"$tmp/said"
	done
	exec 3<&-
	wait "$postern"
	postern=''
	return 1
}

# postern_start row
# A free port below those of clients; if it is not, another.  Sets the pids.
postern_start() {
	for try in 1 2 3 4 5; do
		port=$((10000 + ($$ * 7 + try * 1009) % 20000))
		if postern_try "$1"; then
			"$B/smtpd/posternctl" -s "$tmp/control" show status |
			    awk '$1 == "postern" || $3 == "pid" {
				print $1, $4 }' >"$tmp/pids"
			return
		fi
		grep -q 'in use' "$tmp/said" || break
	done
	sed 's/^/bench: /' "$tmp/said" >&2
	finish 1
}

postern_stop() {
	kill "$postern"
	wait "$postern"
	exec 3<&-
	postern=''
}

# --- measuring ---------------------------------------------------------------

# pids_of role
pids_of() {
	case $1 in
	sink)	echo "$sink" ;;
	*)	[ -n "$postern" ] &&
		    awk -v role="$1" '$1 == role { print $2 }' "$tmp/pids" ;;
	esac
}

# CPU in clock ticks, four numbers: smtpd, verifyd, the other roles, sink.
ticks() {
	for roles in smtpd verifyd 'postern dialer resolved proxyd' sink; do
		sum=0
		for role in $roles; do
			for pid in $(pids_of "$role"); do
				sum=$((sum + $(sed 's/.*) //' \
				    "/proc/$pid/stat" |
				    awk '{ print $12 + $13 }')))
			done
		done
		echo "$sum"
	done
}

# row name direct|through port operations option ...: one line of results,
# which are: name, way, rate, p50, p99, ticks in 4 columns, load's us, ops
row() {
	name=$1 way=$2 to=$3 n=$(($4 * SCALE))
	shift 4
	before=$(ticks)
	"$tools/load" "$@" -n "$n" "$to" >"$tmp/result" ||
	    fail "$name $way: operations failed"
	after=$(ticks)
	read -r _ ops _ _ _ rate _ p50 _ p99 _ cpu <"$tmp/result"
	[ "${ops:=0}" -gt 0 ] || return
	# shellcheck disable=SC2086	# they are words
	set -- $before $after
	echo "$name $way $rate $p50 $p99 $(($5 - $1)) $(($6 - $2))" \
	    "$(($7 - $3)) $(($8 - $4)) $cpu $ops" >>"$tmp/results"
}

# So that call-forward has asked for all that is asked for without -u.
prime() {
	"$tools/load" -m rcpt -n 1000 -o 10 "$port" >"$tmp/result" ||
	    fail "$1: operations failed"
	verified=1000
}

# rows name operations option ...: direct, and through postern.
rows() {
	wanted "$1" || return
	name=$1 count=$2
	shift 2
	sink_start
	row "$name" direct "$sinkport" "$count" "$@"
	direct_ops=$ops verified=0
	postern_start "$name"
	[ "$name" = warm ] && prime warm
	row "$name" through "$port" "$count" "$@"
	postern_stop
	sink_stop
	[ "$name" = cold ] && verified=$ops
	if verifying "$name"; then
		[ "$asked" -eq $((direct_ops + verified)) ] ||
		    fail "$name: $verified questions were to be asked, but" \
		    "$((asked - direct_ops)) were"
		return
	fi
	case " $* " in
	*' -m '*)	;;
	*)	[ "$taken" -eq $((direct_ops + ops)) ] ||
		    fail "$name: $((direct_ops + ops)) messages were" \
		    "answered, the sink has $taken" ;;
	esac
}

# memory role: RSS and PSS of all of it, in KiB; the latter only root may see.
memory() {
	for pid in $(pids_of "$1"); do
		cat "/proc/$pid/status" "/proc/$pid/smaps_rollup" 2>/dev/null
	done | awk '$1 == "VmRSS:" { rss += $2 } $1 == "Pss:" { pss += $2 }
	    END { print rss + 0, pss + 0 }'
}

# idle sessions: what each of them adds to all smtpds.
idle() {
	if [ "$(ulimit -Hn)" != unlimited ] &&
	    [ "$(ulimit -Hn)" -lt $(($1 + 100)) ]; then
		echo "idle $1: skipped, the limit is $(ulimit -Hn) descriptors"
		return
	fi
	sink_start
	postern_start idle
	before=$(memory smtpd)
	"$tools/load" -m idle -c "$1" "$port" <"$tmp/hold" >"$tmp/load" &
	load=$!
	exec 5>"$tmp/hold" 6<"$tmp/load"
	read -r _ held <&6 || finish 1
	after=$(memory smtpd)
	exec 5>&-
	read -r _ ops _ failed _ rate _ <&6
	wait "$load" || fail "idle $1: $failed of them failed"
	exec 6<&-
	load=''
	postern_stop
	sink_stop
	echo "$before $after $held $rate" | awk '{
		printf "idle %-6d %6.2f KiB RSS each, ", $5, ($3 - $1) / $5
		if ($4 > 0)
			printf "%6.2f KiB PSS, ", ($4 - $2) / $5
		printf "opened at %d/s\n", $6
	}'
}

# gentle_start: clients that ask now and then, until gentle_stop.
gentle_start() {
	"$tools/load" -m rcpt -c 2 -i 2 -n 1000000 -o 100 "$port" \
	    >"$tmp/known" &
	known=$!
	"$tools/load" -m rcpt -c 2 -i 2 -n 1000000 -o 100 -u 0 "$port" \
	    >"$tmp/new" &
	load="$known $!"
}

# gentle_stop name: two lines of what they noticed.
gentle_stop() {
	for pid in $load; do
		kill "$pid"
		wait "$pid" || fail "attack: operations failed, $1"
	done
	load=''
	for who in known new; do
		awk -v who="$who" -v when="$1" '{
			printf "%-6s %-9s p50 %7.2f ms, p99 %7.2f ms, %d ops\n",
			    who, when, $8, $10, $2
		}' "$tmp/$who"
	done
}

# kib: of smtpd and verifyd.
kib() {
	for role in smtpd verifyd; do
		memory $role | awk '{ print $1 }'
	done
}

attack() {
	n=$((100000 * SCALE))
	sink_start
	postern_start attack
	prime attack
	# To warm up; as long as the attack may take; the attack.
	gentle_start
	"$tools/load" -b -m rcpt -n 1000 -o 100 "$port" >/dev/null
	gentle_stop warm >/dev/null
	gentle_start
	"$tools/load" -m rcpt -c 1 -i 2 -n 1000 -o 100 "$port" >/dev/null
	gentle_stop quiet
	# shellcheck disable=SC2046	# they are words
	set -- $(kib)
	gentle_start
	"$tools/load" -b -m rcpt -c 50 -n "$n" -o 100 "$port" \
	    >"$tmp/result" || fail 'attack: operations failed'
	gentle_stop attacked
	# shellcheck disable=SC2046
	set -- "$@" $(kib)
	postern_stop
	sink_stop
	awk '{ printf "attack %d ops, %d/s, p99 %.2f ms\n", $2, $6, $10 }' \
	    "$tmp/result"
	echo "smtpd $1 KiB before, $3 behind it; verifyd $2 and $4;" \
	    "$most connections at once to the sink"
}

# --- printing ----------------------------------------------------------------

heading() {
	if ! commit=$(git rev-parse --short HEAD 2>/dev/null); then
		commit=$(sed -n 's/^VERSION =[	 ]*//p' GNUmakefile)
	elif ! git diff --quiet HEAD -- common smtpd verifyd; then
		commit=$commit+
	fi
	echo "postern $commit, $(uname -srm), $(nproc) CPUs, $(date +%F)"
	echo "20 sessions at once, median of $ROUNDS"
	echo
}

# The median by rate of each row, in the order in which they came.
table() {
	printf '%-9s%8s%7s%7s%6s  CPU ms for each operation\n' '' '' '' '' ''
	printf '%-9s%8s%7s%7s%6s%8s%8s%8s%8s%8s\n' '' op/s 'p50 ms' \
	    'p99 ms' ratio smtpd verifyd others sink load
	awk '{
		key = $1 " " $2
		if (!(key in order))
			order[key] = ++n
		print order[key], $0
	}' "$tmp/results" | sort -k1,1n -k4,4n |
	awk -v hz="$(getconf CLK_TCK)" '
	function show(f,	i, label) {
		label = f[3] == "direct" ? "direct" : f[2]
		if (f[3] == "direct")
			direct = f[4]
		printf "%-9s%8d%7.2f%7.2f%6.2f", label, f[4], f[5], f[6],
		    (direct > 0 ? f[4] / direct : 0)
		for (i = 7; i <= 10; i++)
			if (f[3] == "direct" && i < 10)
				printf "%8s", "-"
			else
				printf "%8.4f", f[i] * 1000 / hz / f[12]
		printf "%8.4f\n", f[11] / 1000
	}
	function median(	f) {
		split(rows[int((count + 1) / 2)], f)
		show(f)
	}
	$1 != last && NR > 1 { median(); count = 0 }
	{ rows[++count] = $0; last = $1 }
	END { if (NR > 0) median() }'
}

heading
: >"$tmp/results"
round=0
while [ "$round" -lt "$ROUNDS" ]; do
	round=$((round + 1))
	rows relay 20000
	rows relay10 60000 -o 10 -p
	rows relaybig 5000 -s 102400
	rows tls 1500 -t
	rows rcpt 100000 -m rcpt -o 10
	rows warm 100000 -m rcpt -o 10
	rows cold 100000 -m rcpt -o 10 -u 0
	rows noop 300000 -m cmd -o 100
	rows script 100000 -m rcpt -o 10
done
[ -s "$tmp/results" ] && table
if wanted attack; then
	echo
	attack
fi
if wanted idle; then
	echo
	idle 1000
	idle 9000
fi
for tool in parse pipe; do
	wanted $tool || continue
	echo
	"$tools/$tool" || fail "$tool"
done
finish "$bad"
