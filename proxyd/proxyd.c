/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The proxyd process: runs scripts.
 *
 * It holds nothing but pipes and memory: what scripts ask is answered by
 * verifyd and the lookupds, its log goes to the parent.  What a script does to
 * it costs this process and no more; smtpd knows what to do without it.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "play.h"
#include "proc.h"
#include "script.h"

static const struct peer_handler	handlers[] = {
	{ MSG_HOOK_OPEN,	sess_open },
	{ MSG_HOOK_CALL,	call_new },
	{ MSG_HOOK_CLOSE,	sess_close },
	{ MSG_LOOKUP_ANS,	op_answer },
	{ MSG_PROBE_ANS,	op_answer },
	{ MSG_PTR_ANS,		op_answer },
	{ MSG_DNS_LOOK_ANS,	op_answer },
	{ MSG_SQL_ANS,		op_answer },
	{ MSG_STATE_ANS,	op_answer },
	{ MSG_SOURCE_UP,	source_up },
	{ 0,			NULL }
};

/*
 * Octets that the parent has not read.  Less than it takes at once, so that
 * it takes also the line that says how many were lost.
 */
#define LOG_QUEUE_MAX	(256 * 1024)

static unsigned long	lines_lost;
static uint32_t		checking;	/* a generation; 0 */
static unsigned int	nsmtpd;
static bool		draining;

static bool
is_log_stuck(void)
{
	return proc_parent()->mb.out.len > LOG_QUEUE_MAX;
}

/* Lines for the parent, as many as a message holds. */
static void
log_out(const char *p, size_t n)
{
	struct wbuf	w;
	size_t		len;

	if (is_log_stuck()) {
		for (; n > 0; n--)
			lines_lost += *p++ == '\n';
		return;
	}
	for (; n > 0; p += len, n -= len) {
		for (len = n > LOG_LINES_MAX ? LOG_LINES_MAX : n;
		    p[len - 1] != '\n'; len--)
			continue;
		w = (struct wbuf){ 0 };
		put_blob(&w, p, len);
		peer_send(proc_parent(), MSG_LOG, 0, 0, -1, &w);
	}
}

/* --- the configuration ---------------------------------------------------- */

/*
 * What is wrong with a script.  Only a check can find its line in the file;
 * else all that is wrong with all of them is why the generation is refused.
 */
static struct proto_conf_err	*refusal;

static void
add(struct proto_conf_err *err, const char *text)
{
	(void)strlcat(err->why, text, sizeof(err->why));
}

static void
note(const char *key, const char *why)
{
	struct proto_conf_note	n = { .error = true };
	struct wbuf		w = { 0 };

	if (!proc_is_check()) {
		if (refusal->why[0] != '\0')
			add(refusal, "; ");
		add(refusal, key);
		add(refusal, ": ");
		add(refusal, why);
		return;
	}
	(void)strlcpy(n.key, key, sizeof(n.key));
	(void)strlcpy(n.why, why, sizeof(n.why));
	put_conf_note(&w, &n);
	peer_send(proc_parent(), MSG_CONF_NOTE, 0, checking, -1, &w);
}

static int
conf_prepare(struct config *conf, struct proto_conf_err *err)
{
	int	res;

	checking = conf->generation;
	refusal = err;
	if (proc_conf() == NULL)
		call_set_limits(&conf->script_limits);
	res = lua_scripts_prepare(conf, note);
	/* The notes have said it. */
	return proc_is_check() ? 0 : res;
}

static void
conf_commit(struct config *conf, struct config *old)
{
	(void)old;
	call_set_limits(&conf->script_limits);
}

static void
conf_release(struct config *conf)
{
	call_conf_gone(conf);
	lua_scripts_release(conf);
}

/* --- its life ------------------------------------------------------------- */

static void
prepare(void)
{
	lua_start();
	co_start();
}

static void
peer_up(struct peer *p)
{
	if (p->role == R_SMTPD)
		nsmtpd++;
}

static void
tell_lost_lines(void)
{
	if (lines_lost > 0 && !is_log_stuck()) {
		log_warnx("%lu lines are lost: the log is not read",
		    lines_lost);
		lines_lost = 0;
	}
}

static void
turn(void)
{
	/* While there is an smtpd, a session may still come to its scripts. */
	if (draining && nsmtpd == 0)
		proc_exit();
	tell_lost_lines();
}

static void
peer_down(struct peer *p)
{
	source_down(p);
	op_peer_down(p);
	if (p->role != R_SMTPD)
		return;
	sess_peer_down(p);
	nsmtpd--;
}

static void
stop(uint32_t how)
{
	if (how == STOP_NOW)
		proc_exit();
	draining = true;
}

/* --- what is counted ------------------------------------------------------ */

static void
tell(int fd, const char *text, int n)
{
	if (write(fd, text, (size_t)n) == -1)
		log_debug("control: %s", strerror(errno));
}

static void
show_stats(int fd)
{
	char	text[512];
	int	n;

	n = snprintf(text, sizeof(text),
	    "proxyd.sessions %zu\n"
	    "proxyd.calls %llu\n"
	    "proxyd.errors %llu\n"
	    "proxyd.memory %zu\n",
	    sess_count(), (unsigned long long)call_count.calls,
	    (unsigned long long)call_count.errors, lua_memory_used());
	tell(fd, text, n);
}

/* "script NAME KEY NUMBER" each; of took only what is not 0. */
static void
show_script(const char *name, const struct script_stats *s, void *arg)
{
	const struct {
		const char	*key;
		uint64_t	 value;
	}	 v[] = {
		{ "calls", s->calls },
		{ "errors", s->errors },
		{ "cpu", s->cpu },
		{ "memory", s->memory },
		{ "deadline", s->deadlines },
		{ "waits", s->waits },
		{ "usec", s->usec }
	};
	char	 line[512];
	size_t	 i;
	int	*fd = arg, n;

	for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		n = snprintf(line, sizeof(line), "script %s %s %llu\n", name,
		    v[i].key, (unsigned long long)v[i].value);
		tell(*fd, line, n);
	}
	for (i = 0; i < SCRIPT_TOOK; i++) {
		if (s->took[i] == 0)
			continue;
		n = snprintf(line, sizeof(line), "script %s took.%zu %lu\n",
		    name, i, (unsigned long)s->took[i]);
		tell(*fd, line, n);
	}
}

static void
ctl(const char *request, int fd)
{
	if (strcmp(request, "show stats") == 0)
		show_stats(fd);
	else if (strcmp(request, "show scripts") == 0)
		script_stats_each(show_script, &fd);
	(void)close(fd);
}

static const struct proc_class	class = {
	.name = "proxyd",
	.role = R_PROXYD,
	.handlers = handlers,
	.prepare = prepare,
	.peer_up = peer_up,
	.peer_down = peer_down,
	.conf_prepare = conf_prepare,
	.conf_commit = conf_commit,
	.conf_release = conf_release,
	.log_through = log_out,
	.stop = stop,
	.ctl = ctl,
	.turn = turn
};

int
main(int argc, char **argv)
{
	if ((argc == 3 || argc == 5) && strcmp(argv[1], "-t") == 0)
		play(argv[2], argv[3], argc == 5 ? argv[4] : NULL);
	proc_run(&class, argc, argv);
}
