/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Scripts that mean harm: all of regress/hostile.
 *
 * Each is compiled and run in a process of its own, twice in one session, by
 * the engine as proxyd has it (16 MB, 50 ms).  Then another session runs an
 * innocent script, which must find everything as if nothing had been.  A
 * process that is not done in twenty seconds hangs; what hangs must be ended
 * by its own timer, long before.
 *
 * The first line says what must come of it:
 *
 *	-- want: pass		it falls off its end: its assertions hold
 *	-- want: error TEXT	an error with that text in it
 *	-- want: cpu, memory	over that limit
 *	-- want: refused TEXT	it does not compile, with that text
 *	-- want: end		any of those
 *	-- want: lost		nothing stops it: it costs the worker
 *
 * In the source, a line "--*N TEXT" stands for TEXT N times.
 *
 *	t_hostile [-v] [FILE ...]
 */

#include "t.h"

#include <sys/types.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <dirent.h>
#include <err.h>
#include <unistd.h>

#include "log.h"
#include "msg.h"
#include "proc.h"
#include "script.h"

#define DIRECTORY	"regress/hostile"
#define SECONDS		20
#define LOST		1	/* the status of one that hangs */
#define FAILED		2

/* --- what the engine asks of others --------------------------------------- */

static struct config		*conf;
static struct peer		 smtpd;
static struct proto_hook_verdict got;
static unsigned int		 ngot;
static bool			 verbose;

struct conf_obj *
proc_conf_obj(size_t off, uint32_t id)
{
	return conf_find_id((struct conf_map *)(void *)((char *)conf + off),
	    id);
}

struct config *
proc_conf(void)
{
	return conf;
}

struct peer *
proc_peer(unsigned int role, unsigned int index)
{
	(void)role;
	(void)index;
	return NULL;
}

struct peer *
proc_parent(void)
{
	return NULL;
}

void
peer_send(struct peer *p, uint16_t type, uint64_t sid, uint32_t seq, int fd,
    struct wbuf *body)
{
	struct msg	 m = { .type = type, .sid = sid, .seq = seq,
			    .fd = fd };

	(void)p;
	if (type == MSG_HOOK_VERDICT) {
		rbuf_init(&m.body, body->data, body->len);
		hook_verdict_clear(&got);
		if (get_hook_verdict(&m, &got) == -1)
			errx(2, "a verdict that is none");
		ngot++;
	}
	wbuf_clear(body);
}

/* --- sources --- */

struct text {
	char	*p;
	size_t	 len;
};

static void
add(struct text *t, const char *s, size_t n)
{
	if ((t->p = realloc(t->p, t->len + n + 1)) == NULL)
		err(2, NULL);
	memcpy(t->p + t->len, s, n);
	t->len += n;
	t->p[t->len] = '\0';
}

/* A line without its end; repeated where it says so. */
static void
add_line(struct text *t, const char *line, size_t n)
{
	char	*s;
	long	 times;

	if (strncmp(line, "--*", 3) != 0) {
		add(t, line, n);
		add(t, "\n", 1);
		return;
	}
	times = strtol(line + 3, &s, 10);
	s++;
	while (times-- > 0)
		add(t, s, n - (s - line));
}

static struct text
read_file(const char *path)
{
	struct text	 t = { NULL, 0 };
	FILE		*f = fopen(path, "r");
	char		*line = NULL;
	size_t		 size = 0;
	ssize_t		 n;

	if (f == NULL)
		err(2, "%s", path);
	while ((n = getline(&line, &size, f)) > 0)
		add_line(&t, line, line[n - 1] == '\n' ? n - 1 : n);
	free(line);
	fclose(f);
	return t;
}

/* --- playing smtpd --- */

enum { HOSTILE = 1, INNOCENT };

static char	noted[1024];

static void
note(const char *key, const char *why)
{
	(void)key;
	(void)strlcpy(noted, why, sizeof(noted));
}

static void
add_script(const char *name, const char *text, uint32_t id)
{
	struct conf_script	*s = calloc(1, sizeof(*s));

	if (s == NULL || (s->obj.name = strdup(name)) == NULL ||
	    (s->text = strdup(text)) == NULL ||
	    conf_map_add(&conf->scripts, &s->obj) == -1)
		err(2, NULL);
	s->obj.id = id;
}

static void
open_session(uint64_t sid)
{
	struct wbuf	w = { 0 };
	struct msg	m = { .type = MSG_HOOK_OPEN, .sid = sid, .fd = -1 };

	hook_put_serverid(&w, "mx");
	hook_put_end(&w);
	rbuf_init(&m.body, w.data, w.len);
	if (sess_open(&smtpd, &m) == -1)
		errx(2, "sess_open");
	wbuf_clear(&w);
}

static void
call(uint64_t sid, uint32_t script)
{
	static uint32_t		 seq;
	struct proto_hook_call	 hc = { HOOK_COMMAND, script };
	struct hook_args	 args = { .text = (char *)(uintptr_t)"NOOP" };
	struct wbuf		 w = { 0 };
	struct msg		 m = { .type = MSG_HOOK_CALL, .sid = sid,
				    .seq = ++seq, .fd = -1 };

	put_hook_call(&w, &hc);
	hook_put_end(&w);
	put_hook_args(&w, &args);
	rbuf_init(&m.body, w.data, w.len);
	ngot = 0;
	if (call_new(&smtpd, &m) == -1)
		errx(2, "call_new");
	if (ngot != 1)
		errx(2, "%u verdicts", ngot);
	wbuf_clear(&w);
}

/* --- one script --- */

/* What it finds is told by an error. */
static const char	innocent[] =
"assert(context == nil)\n"
"context = { n = 1 }\n"
"local t = {}\n"
"for i = 1, 100 do t[i] = 101 - i end\n"
"table.sort(t)\n"
"local s = table.concat(t, ' ', 1, 4)\n"
"local user, domain = ('Bob@Example.ORG'):lower():match('^(.-)@(.+)$')\n"
"local n = select(2, string.gsub('aXbXc', 'X', { X = '-' }))\n"
"local m = re.match('x=12', '([a-z])=([0-9]+)')\n"
"local g = 0\n"
"for k in pairs(_ENV) do g = g + 1 end\n"
"error(s .. ' ' .. user .. ' ' .. domain .. ' ' .. n .. m[1] .. m[2]\n"
"    .. ' ' .. math.max(3, 7) .. utf8.char(65) .. ' ' .. g, 0)\n";

static const char	finds[] = "1 2 3 4 bob example.org 2x12 7A 0";

/* Does the verdict, or what was noted, come up to what is wanted? */
static bool
comes_to(const char *want, bool compiled)
{
	const char	*why = got.kind == HOOKV_ERROR ? got.why : "";

	if (strncmp(want, "refused ", 8) == 0)
		return !compiled && strstr(noted, want + 8) != NULL;
	if (strcmp(want, "end") == 0)
		return true;
	if (!compiled)
		return false;
	if (strcmp(want, "pass") == 0)
		return got.kind == HOOKV_PASS;
	if (strcmp(want, "cpu") == 0 || strcmp(want, "memory") == 0)
		return strstr(why, "over script-limits.") != NULL &&
		    strstr(why, want) != NULL;
	return strncmp(want, "error ", 6) == 0 &&
	    got.kind == HOOKV_ERROR && strstr(why, want + 6) != NULL;
}

/* What must come to its end also where sanitizers make it slow. */
static bool
is_slow(const char *want)
{
	return strcmp(want, "memory") == 0 || strcmp(want, "pass") == 0 ||
	    strncmp(want, "error ", 6) == 0;
}

static void
tell(const char *name, bool compiled)
{
	struct rusage	 ru;

	(void)getrusage(RUSAGE_SELF, &ru);
	printf("%s: %s: %s (%ld ms, %ld MB)\n", name, !compiled ? "refused" :
	    got.kind == HOOKV_ERROR ? "error" : "pass", !compiled ? noted :
	    got.kind == HOOKV_ERROR ? got.why : "",
	    (long)(ru.ru_utime.tv_sec * 1000 + ru.ru_utime.tv_usec / 1000),
	    ru.ru_maxrss / 1024);
	(void)fflush(stdout);
}

/* In a process of its own: its status; on_tick() has another one. */
static int
play(const char *name, const char *source, const char *want)
{
	bool	 compiled;
	int	 i;

	(void)alarm(SECONDS);
	/* What fills its memory is to come to the end of that first. */
	conf->script_limits.cpu = is_slow(want) ? 2000 : 50;
	lua_start();
	co_start();
	add_script("hostile", source, HOSTILE);
	add_script("innocent", innocent, INNOCENT);
	call_set_limits(&conf->script_limits);
	compiled = lua_scripts_prepare(conf, note) == 0;
	open_session(1);
	open_session(2);
	for (i = 0; i < 2; i++) {
		if (compiled)
			call(1, HOSTILE);
		if (verbose)
			tell(name, compiled);
		if (!comes_to(want, compiled)) {
			if (!verbose)
				tell(name, compiled);
			return FAILED;
		}
	}
	for (i = 1; i < 3; i++) {
		call(2, INNOCENT);
		if (got.kind != HOOKV_ERROR || strstr(got.why,
		    i == 1 ? finds : "assertion failed") == NULL) {
			printf("%s: innocent: %s\n", name, got.why);
			(void)fflush(stdout);
			return FAILED;
		}
	}
	return 0;
}

static void
try_file(const char *path)
{
	struct text	 t = read_file(path);
	const char	*name = strrchr(path, '/') + 1;
	char		*want, *eol;
	pid_t		 pid;
	int		 status;

	eol = strchr(t.p, '\n');
	if (strncmp(t.p, "-- want: ", 9) != 0 || eol == NULL)
		errx(2, "%s does not say what it wants", path);
	if ((want = strndup(t.p + 9, eol - t.p - 9)) == NULL)
		err(2, NULL);
	(void)fflush(stdout);
	if ((pid = fork()) == -1)
		err(2, "fork");
	if (pid == 0)
		_exit(play(name, t.p, want));
	if (waitpid(pid, &status, 0) == -1)
		err(2, "waitpid");
	ok(WIFEXITED(status) && WEXITSTATUS(status) ==
	    (strcmp(want, "lost") == 0 ? LOST : 0),
	    "%s: want %s, status %x", name, want, status);
	free(want);
	free(t.p);
}

static int
is_script(const struct dirent *d)
{
	const char	*dot = strrchr(d->d_name, '.');

	return dot != NULL && strcmp(dot, ".lua") == 0;
}

static void
try_all(void)
{
	struct dirent	**list;
	char		  path[1024];
	int		  i, n;

	if ((n = scandir(DIRECTORY, &list, is_script, alphasort)) == -1)
		err(2, DIRECTORY);
	for (i = 0; i < n; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", DIRECTORY,
		    list[i]->d_name);
		try_file(path);
		free(list[i]);
	}
	free(list);
	ok(n >= 60, "there are %d", n);
}

int
main(int argc, char *argv[])
{
	int	 i = 1;

	if (argc > 1 && strcmp(argv[1], "-v") == 0) {
		verbose = true;
		i++;
	}
	if ((conf = conf_new(1)) == NULL)
		err(2, NULL);
	conf->script_limits = (struct conf_script_limits){
		.memory = 16 * 1024 * 1024, .time = 5000
	};
	if (i == argc)
		try_all();
	for (; i < argc; i++)
		try_file(argv[i]);
	return done("t_hostile");
}
