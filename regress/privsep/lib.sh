# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# What the scripts of this directory share: options, counting, a postern to
# look at.  Read in by each of them:
#
#	-B dir	the build tree whose programs are tested (.)
#	-O dir	where its object files are (.obj below that)
#	-T dir	where this directory's tools are (regress/privsep below those)
#	-c file	write "passed N failed N skipped N" there
#
# A script prints one line "ok" or "not ok" for each question, "# SKIP" and
# the reason behind those that could not be asked, and the sum at the end;
# its exit status is 0 if nothing failed.

set -u

# shellcheck disable=SC2034	# used by those that read this in
here=$(cd "$(dirname "$0")" && pwd) || exit 1
build=. objects='' tools='' counts=''
while getopts B:O:T:c: option; do
	case $option in
	B)	build=$OPTARG ;;
	O)	objects=$OPTARG ;;
	T)	tools=$OPTARG ;;
	c)	counts=$OPTARG ;;
	*)	echo "usage: ${0##*/} [-B dir] [-O dir] [-T dir] [-c file]" >&2
		exit 1 ;;
	esac
done
shift $((OPTIND - 1))
build=$(cd "$build" && pwd) || exit 1
: "${objects:=$build/.obj}"
: "${tools:=$objects/regress/privsep}"

dir=$(mktemp -d "${TMPDIR:-/tmp}/privsep.XXXXXXXXXX") || exit 1
results=$dir/results
: >"$results"
parent=''
trap 'clean_up' EXIT
trap 'exit 1' HUP INT TERM

clean_up()
{
	if [ -n "$parent" ]; then
		kill -KILL "$parent" 2>/dev/null
		wait "$parent" 2>/dev/null
		wait_until is_gone "$parent"
	fi
	rm -rf "$dir"
}

# --- counting ----------------------------------------------------------------

ok()
{
	echo "ok - $*" | tee -a "$results"
}

not_ok()
{
	echo "not ok - $*" | tee -a "$results"
}

# skip what, why
skip()
{
	echo "ok - $1 # SKIP $2" | tee -a "$results"
}

# is what, got, wanted
is()
{
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1"
		echo "#	got:    $2"
		echo "#	wanted: $3"
	fi
}

# The lines of a tool that counts by itself.
counted()
{
	tee -a "$results"
}

count()
{
	grep -c "$1" "$results"
}

# The sum; the last thing that a script does.
finish()
{
	skipped=$(count '^ok .*# SKIP')
	passed=$(($(count '^ok ') - skipped))
	failed=$(count '^not ok ')
	echo "privsep: $passed passed, $failed failed, $skipped skipped"
	if [ -n "$counts" ]; then
		echo "passed $passed failed $failed skipped $skipped" >"$counts"
	fi
	[ "$failed" -eq 0 ]
	exit
}

is_root()
{
	[ "$(id -u)" -eq 0 ]
}

# --- a postern ---------------------------------------------------------------

# Try a command until it succeeds: 1 if that takes longer than 20 s.
wait_until()
{
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		if [ "$tries" -ge 400 ]; then
			return 1
		fi
		sleep 0.05
	done
}

# As root without the users of an installation, all run as nobody.
users()
{
	if is_root && ! id _postern >/dev/null 2>&1; then
		echo 'user: {smtpd: nobody, verifyd: nobody, dialer: nobody,'
		echo '  resolved: nobody, lookupd: nobody, proxyd: nobody}'
	fi
}

# A cdb without records: 256 tables of no slots, behind themselves.
empty_cdb()
{
	awk 'BEGIN { for (; i < 256; i++) printf "@b@@@@@@" }' |
	    tr '@b' '\0\10'
}

write_config()
{
	empty_cdb >"$dir/users.cdb"
	# No octets are a database without tables.
	mkdir -p "$dir/db"
	: >"$dir/db/routes.db"
	: >"$dir/db/notes.db"
	if is_root; then
		chmod 711 "$dir"
		chmod 755 "$dir/db"
	fi
	cat >"$dir/postern.yaml" <<-EOF
	hostname: privsep.test
	processes: {smtpd: 2, proxyd: 1}
	control: $dir/control
	log: {to: $dir/log}
	listener: {a: {bind: ["127.0.0.1:$port", "unix:$dir/in.sock"]}}
	list: {ours: [example.org]}
	remote: {b: {address: 127.0.0.1, port: 9}}
	session: {rcpt: {lookup: {domains: list/ours}}}
	route: {local: b}
	script: {pass: "proxy.Pass()"}
	proxy: {script: pass}
	datasource:
	  users: {uri: "cdb:$dir/users.cdb"}
	  routes: {uri: "sqlite:$dir/db/routes.db", connections: 1}
	  people: {uri: "postgresql://u:hidden-word@127.0.0.1:9/x"}
	  notes: {uri: "sqlite:$dir/db/notes.db", connections: 1, scripts: true}
	$(users)
	EOF
}

# A daemon's remains are init's to bury, in its own time.
is_gone()
{
	! kill -0 "$1" 2>/dev/null ||
	    grep -q '^State:[	 ]*Z' "/proc/$1/status" 2>/dev/null
}

has_started()
{
	grep -q '^ready' "$dir/stderr" || is_gone "$parent"
}

start_debug()
{
	"$build/smtpd/postern" -d -f "$dir/postern.yaml" 2>"$dir/stderr" &
	parent=$!
	wait_until has_started
	if is_gone "$parent"; then
		parent=''
		return 1
	fi
}

# It returns when it is ready, or with an error.
start_daemon()
{
	"$build/smtpd/postern" -f "$dir/postern.yaml" 2>"$dir/stderr" ||
	    return 1
	parent=$(status | awk '$1 == "postern" { print $4 }')
}

# start debug, start daemon: until it is ready.  Somebody else may take the
# port before it does: then with another port.
start()
{
	for _ in 1 2 3 4 5; do
		port=$("$tools/fds" -p) || exit 1
		write_config
		: >"$dir/stderr"
		"start_$1" && return 0
		grep -q 'in use' "$dir/stderr" || break
	done
	not_ok "postern starts"
	sed 's/^/#	/' "$dir/stderr"
	finish
}

stop()
{
	kill -TERM "$parent"
	wait "$parent" 2>/dev/null
	wait_until is_gone "$parent" || not_ok 'postern ends'
	parent=''
}

# Lines are "smtpd 0 pid 4242 up 3s restarts 0 generation 1"; before a
# process has taken its configuration its generation is 0.
status()
{
	"$build/smtpd/posternctl" -s "$dir/control" show status
}

# pid role index: of a process that is ready; nothing if it is not.
pid()
{
	status | awk -v role="$1" -v n="$2" '$1 == role && $2 == n &&
	    $4 != "-" && $10 > 0 { print $4 }'
}

# has_other role index pid
has_other()
{
	now=$(pid "$1" "$2")
	[ -n "$now" ] && [ "$now" != "$3" ]
}

# All children, as "role index pid".
children()
{
	status | awk '$2 != "-" && $3 == "pid" { print $1, $2, $4 }'
}
