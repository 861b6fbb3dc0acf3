#!/bin/sh
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# All scripts of regress/hostile in a whole server: as the script that sees a
# command, as that of recipients, and in a configuration that is refused for
# them.  Meanwhile innocent sessions have a script of their own, which must
# tell each of them about itself.  A script may cost its session, one that
# hangs its worker, and nothing else: not a process dies of one, and none is
# ended for a system call.  See lib.sh for the options.

. "$(dirname "$0")/lib.sh"

source=$here/../hostile
dir=$tmp/scripts

# configure names: a configuration with those
configure()
{
	cat <<-EOT
	hostname: gate.example.net
	processes: {smtpd: 2, proxyd: 2}
	control: $tmp/control
	log: {to: $tmp/postern.log}
	listener:
	  in:
	    bind: "127.0.0.1:$smtp"
	    tls: "off"
	    max-sessions-per-address: 0
	remote: {hop: {address: 127.0.0.1, port: $hop, tls: {mode: "off"}}}
	list: {ours: [example.org]}
	route: {local: hop}
	script-limits: {cpu: $cpu}
	EOT
	python3 "$here/hostile.py" conf "$dir" "$1"
}

# A file's errors are told up to a number: until there is none any more.
sift()
{
	cp "$dir/all" "$dir/good"
	: >"$tmp/refused"
	for _ in 1 2 3 4 5 6 7 8 9; do
		configure "$dir/good" >"$tmp/postern.yaml"
		"$build/smtpd/postern" -n -f "$tmp/postern.yaml" \
		    >"$tmp/check" 2>&1 && return 0
		grep -a ' script\.h' "$tmp/check" >"$tmp/more" || return 1
		cat "$tmp/more" >>"$tmp/refused"
		sed 's/.* script\.\(h[^:]*\):.*/\1/' "$tmp/more" |
		    sort -u >"$tmp/names"
		awk 'NR == FNR { out[$1] = 1; next } !($1 in out)' \
		    "$tmp/names" "$dir/good" >"$dir/better"
		mv "$dir/better" "$dir/good"
	done
	return 1
}

# Of those that want to be refused: with the text that they want?
as_wanted()
{
	while read -r script want text; do
		why=$(grep -a " script\\.$script: " "$tmp/refused") || why=''
		case $want:$why in
		refused:*"$text"* | *"larger than"* | end:*) ;;
		refused:* | *:?*)
			echo "$script: $why" ;;
		esac
	done <"$dir/all"
}

# Of those that end with an error: what the log says of each.
as_logged()
{
	grep -a 'smtpd/.*event=script-error' "$tmp/postern.log" >"$tmp/errors"
	while read -r script want text; do
		case $want in
		cpu)	text='over script-limits.' ;;
		memory)	text='over script-limits.' ;;
		lost)	text='proxyd was lost' ;;
		error)	;;
		*)	continue ;;
		esac
		for stage in proxy rcpt; do
			grep -a "stage=$stage script=$script " "$tmp/errors" |
			    tr -d '\\' | grep -aqF -e "$text" ||
			    echo "$stage $script: no '$text'"
		done
	done <"$dir/good"
}

# resident role: KB of all its processes
resident()
{
	children "$1" | while read -r _ _ pid; do
		awk '$1 == "VmRSS:" { print $2 }' "/proc/$pid/status"
	done | awk '{ sum += $1 } END { print sum + 0 }'
}

# The script whose calls computed the longest.
most()
{
	ctl show scripts | awk '{
		for (i = 2; i < NF; i += 2)
			v[$i] = $(i + 1)
		if (v["calls"] > 0 && v["usec"] / v["calls"] > most) {
			most = v["usec"] / v["calls"]
			name = $1
		}
	} END { printf "%d ms, %s\n", most / 1000, name }'
}

# nothing what, lines: there should be none
nothing()
{
	is "$1" "$2" ""
}

# shellcheck disable=SC2046	# words are wanted
set -- $(real ports 2)
smtp=$1 hop=$2
# What is freed is found by walking over all that there is.
cpu=100ms
[ "$san" = 0 ] || cpu=500ms
mkdir "$dir"
python3 "$here/hostile.py" write "$source" "$dir" || exit 1
is "what compiles is told from what does not" "$(sift; echo $?)" 0
nothing "and nothing else is refused" "$(as_wanted)"
echo "# $(lines "$dir/good") of $(lines "$dir/all") scripts run"
if ! sink_start "$hop"; then
	not_ok "the next hop starts"
	finish
fi
postern_start

# Those that hang come last, when the others have shown what they cost.
grep -v ' lost$' "$dir/good" >"$dir/rest"
grep ' lost$' "$dir/good" >"$dir/lost"
children "" >"$tmp/before"
was=$(resident proxyd)
timeout 100 python3 "$here/hostile.py" play "$smtp" "$dir/rest" >"$tmp/played"
is "all are played" $? 0
nothing "each costs what it wants" "$(grep -a '^wrong' "$tmp/played")"
echo "# $(grep -a '^scripts' "$tmp/played")"
echo "# proxyd: $was KB before, $(resident proxyd) KB after"
echo "# the longest call on the average: $(most)"
is "innocent sessions are never lost" "$(field lost "$tmp/played")" 0
is "no process has died" "$(children "")" "$(cat "$tmp/before")"

cp "$tmp/postern.yaml" "$tmp/good.yaml"
cp "$dir/all" "$dir/bad"
awk 'NR == FNR { good[$1] = 1; next } !($1 in good)' "$dir/good" "$dir/all" \
    >"$dir/bad"
configure "$dir/bad" >"$tmp/postern.yaml"
ctl reload >"$tmp/reload" 2>&1
is "what does not compile is not taken" $? 1
is "and costs nothing" "$(children "")" "$(cat "$tmp/before")"
cp "$tmp/good.yaml" "$tmp/postern.yaml"
ctl reload >"$tmp/reload" 2>&1
is "the others are taken again" $? 0

timeout 60 python3 "$here/hostile.py" play "$smtp" "$dir/lost" >"$tmp/played"
nothing "one that hangs costs no more than it wants" \
    "$(grep -a '^wrong' "$tmp/played")"
echo "# $(grep -a '^scripts' "$tmp/played")"
children "" | grep -v proxyd >"$tmp/after"
is "none but proxyd has died" "$(cat "$tmp/after")" \
    "$(grep -v proxyd "$tmp/before")"
grep -aq 'script h138-hash-collides hangs' "$tmp/postern.out"
is "the log names it" $? 0
# With sanitizers there is more time, and what sorts for long may be done.
nothing "each error is what it wants" "$(as_logged |
    { [ "$san" = 0 ] && cat || grep -v 'h403-sort-large'; })"
nothing "no process was ended by a signal" \
    "$(grep -a 'killed by signal\|bad system call\|hangs; ' \
    "$tmp/postern.log")"
postern_stop
sink_stop
finish
