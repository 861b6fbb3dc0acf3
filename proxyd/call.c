/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * One run of a script: from HOOK_CALL to HOOK_VERDICT.
 *
 * A call runs at once, in the handler of its message, until it ends or waits;
 * only then it costs a timer.  It ends in one of these ways, and always with
 * one verdict, unless its session is over:
 *
 *	the script falls off its end		pass, accept
 *	it says what is to be done		that, if it can be done
 *	an error, a limit, the deadline		error: smtpd does what the
 *						configuration says
 *
 * What fails is logged here, once; smtpd is told why as well, for the line
 * that it writes of the session's end.
 *
 * Calls lie in a pool, and are not wiped as a whole: a verdict is some
 * kilobytes of room for texts that are seldom there.
 */

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "proc.h"
#include "script.h"
#include "smtp.h"

#define POOL_MAX	1000
#define TRACEBACK_MAX	1024

LIST_HEAD(calls, call);

static struct calls			running = LIST_HEAD_INITIALIZER(
					    running);
static struct calls			pool = LIST_HEAD_INITIALIZER(pool);
static size_t				pooled;
static struct conf_script_limits	limits;

struct call_count			call_count;

const struct conf_script_limits *
call_limits(void)
{
	return &limits;
}

void
call_set_limits(const struct conf_script_limits *l)
{
	limits = *l;
	co_limit(l->cpu);
}

/* --- its life ------------------------------------------------------------- */

/* Without wiping what a flag, a number or a NUL says is not there. */
static void
verdict_init(struct proto_hook_verdict *v)
{
	v->kind = HOOKV_PASS;
	v->flags = 0;
	v->code = 0;
	v->enhanced[0] = v->command[0] = v->host[0] = '\0';
	v->address[0] = v->transportid[0] = v->why[0] = '\0';
	v->nlines = 0;
	v->lines = NULL;
	memset(&v->extensions, 0, sizeof(v->extensions));
	v->usec = 0;
}

static void	on_deadline(void *);

static struct call *
call_alloc(struct sess *s, uint32_t seq, enum hook_stage stage)
{
	struct call	*c;

	if ((c = LIST_FIRST(&pool)) != NULL) {
		LIST_REMOVE(c, entry);
		pooled--;
	} else if ((c = malloc(sizeof(*c))) == NULL)
		return NULL;
	c->sess = s;
	c->seq = seq;
	c->stage = stage;
	c->script = NULL;
	memset(&c->args, 0, sizeof(c->args));
	verdict_init(&c->verdict);
	c->shown = c->decided = c->waited = false;
	c->doomed = CO_DONE;
	c->error[0] = '\0';
	timer_init(&c->deadline, on_deadline, c);
	c->began = mono_now();
	c->ticks = 0;
	c->logged = 0;
	c->nsec = c->first = c->last = 0;
	c->co = NULL;
	LIST_INIT(&c->cos);
	LIST_INSERT_HEAD(&running, c, entry);
	s->call = c;
	return c;
}

static void
call_free(struct call *c)
{
	struct co	*co;

	timer_del(&c->deadline);
	while ((co = LIST_FIRST(&c->cos)) != NULL)
		co_put(co);
	lua_call_over(c);
	hook_args_clear(&c->args);
	hook_verdict_clear(&c->verdict);
	c->sess->call = NULL;
	LIST_REMOVE(c, entry);
	if (pooled >= POOL_MAX) {
		free(c);
		return;
	}
	LIST_INSERT_HEAD(&pool, c, entry);
	pooled++;
}

/* --- what is counted ------------------------------------------------------ */

/* The bucket of a time: 0 below 2 us, 1 below 4, and so on. */
static unsigned int
bucket(uint64_t usec)
{
	unsigned int	n = 0;

	for (; usec > 1 && n < SCRIPT_TOOK - 1; usec >>= 1)
		n++;
	return n;
}

static void
count(struct call *c)
{
	struct script_stats	*st;

	if (c->script == NULL)
		return;
	st = script_stats(c->script);
	st->calls++;
	st->waits += c->waited;
	st->usec += c->nsec / 1000;
	st->took[bucket((c->last - c->first) / 1000)]++;
}

static void
count_error(struct call *c, enum call_error kind)
{
	struct script_stats	*st;

	call_count.errors++;
	if (c->script == NULL)
		return;
	st = script_stats(c->script);
	switch (kind) {
	case CALL_SCRIPT:
		st->errors++;
		break;
	case CALL_CPU:
		st->cpu++;
		break;
	case CALL_MEMORY:
		st->memory++;
		break;
	case CALL_DEADLINE:
		st->deadlines++;
		break;
	}
}

/* --- its end -------------------------------------------------------------- */

static void
send_verdict(struct call *c, struct proto_hook_verdict *v)
{
	struct wbuf	w = { 0 };

	if (c->sess->has_context)
		v->flags |= HOOKV_CONTEXT;
	v->usec = c->nsec / 1000 > UINT32_MAX ? UINT32_MAX :
	    (uint32_t)(c->nsec / 1000);
	put_hook_verdict(&w, v);
	peer_send(c->sess->peer, MSG_HOOK_VERDICT, c->sess->sid, c->seq, -1,
	    &w);
}

static void
log_error(struct call *c, struct co *co)
{
	char	text[TRACEBACK_MAX];

	if (!log_begin(LOG_LEVEL_WARN, c->sess->sid, "script-error"))
		return;
	log_str("stage", hook_stage_name(c->stage));
	if (c->script != NULL)
		log_str("script", c->script->obj.name);
	log_str("error", c->error);
	if (co != NULL) {
		co_traceback(co, text, sizeof(text));
		log_str("traceback", text);
	}
	log_end();
}

/* It has failed, as c->error says, where co stands if that is known. */
static void
call_fail(struct call *c, enum call_error kind, struct co *co)
{
	struct proto_hook_verdict	v;

	log_error(c, co);
	count(c);
	count_error(c, kind);
	verdict_init(&v);
	v.kind = HOOKV_ERROR;
	(void)strlcpy(v.why, c->error, sizeof(v.why));
	send_verdict(c, &v);
	call_free(c);
}

static void
call_fail_why(struct call *c, const char *why)
{
	(void)strlcpy(c->error, why, sizeof(c->error));
	call_fail(c, CALL_SCRIPT, NULL);
}

/* The verb of the line that the script was shown. */
static enum smtp_verb
verb_of(const struct call *c)
{
	struct slice	word = { c->args.text, 0 };

	if (c->stage != HOOK_COMMAND)
		return VERB_NONE;
	word.n = strcspn(c->args.text, " \t");
	return smtp_verb_parse(word);
}

static void
call_decided(struct call *c, struct co *co)
{
	const char	*why;

	why = hook_verdict_check(c->stage, verb_of(c), &c->verdict);
	if (why != NULL) {
		(void)snprintf(c->error, sizeof(c->error),
		    "what it answers cannot be: %s", why);
		call_fail(c, CALL_SCRIPT, co);
		return;
	}
	count(c);
	send_verdict(c, &c->verdict);
	call_free(c);
}

/* It fell off its end. */
static void
call_done(struct call *c)
{
	hook_verdict_clear(&c->verdict);
	verdict_init(&c->verdict);
	c->verdict.kind = c->stage == HOOK_COMMAND ? HOOKV_PASS : HOOKV_ACCEPT;
	count(c);
	send_verdict(c, &c->verdict);
	call_free(c);
}

static void
call_waits(struct call *c)
{
	c->waited = true;
	if (!timer_is_set(&c->deadline))
		timer_set(&c->deadline, limits.time -
		    mono_diff(mono_now(), c->began));
}

static void
on_deadline(void *arg)
{
	struct call	*c = arg;

	(void)strlcpy(c->error, "over script-limits.time",
	    sizeof(c->error));
	call_fail(c, CALL_DEADLINE, c->co);
}

void
call_stopped(struct call *c, struct co *co, enum co_end end)
{
	switch (end) {
	case CO_DONE:
		call_done(c);
		break;
	case CO_VERDICT:
		call_decided(c, co);
		break;
	case CO_WAIT:
		call_waits(c);
		break;
	case CO_ERROR:
		call_fail(c, CALL_SCRIPT, co);
		break;
	case CO_CPU:
		call_fail(c, CALL_CPU, co);
		break;
	case CO_NOMEM:
		call_fail(c, CALL_MEMORY, co);
		break;
	}
}

void
call_cancel(struct call *c)
{
	call_free(c);
}

/* --- its beginning -------------------------------------------------------- */

static void
call_begin(struct call *c, uint32_t script)
{
	c->script = (struct conf_script *)(void *)proc_conf_obj(
	    offsetof(struct config, scripts), script);
	if (c->script == NULL || c->script->obj.priv == NULL) {
		c->script = NULL;
		call_fail_why(c, "no such script");
	} else if (c->sess->broken || (c->co = co_get(c)) == NULL)
		call_fail_why(c, "no memory");
	else {
		co_begin(c->co);
		co_go(c->co, 0);
	}
}

int
call_new(struct peer *p, struct msg *m)
{
	struct proto_hook_call	 hc;
	struct sess		*s;
	struct call		*c;
	bool			 nomem;

	if (get_hook_call(m, &hc) == -1 ||
	    (s = sess_find(p, m->sid)) == NULL || s->call != NULL ||
	    sess_fields(s, &m->body) == -1 ||
	    (c = call_alloc(s, m->seq, hc.stage)) == NULL)
		return -1;
	call_count.calls++;
	if (s->broken)
		call_fail_why(c, "no memory");
	else if (get_hook_args(&m->body, &c->args, &nomem) == 0)
		call_begin(c, hc.script);
	else if (nomem)
		call_fail_why(c, "no memory");
	else {
		call_free(c);
		return -1;
	}
	return 0;
}

/* Who still runs a script of that generation has it of another, or ends. */
void
call_conf_gone(const struct config *conf)
{
	struct call		*c, *next;
	struct conf_obj		*o;

	for (c = LIST_FIRST(&running); c != NULL; c = next) {
		next = LIST_NEXT(c, entry);
		if (c->script == NULL ||
		    conf_find_id(&conf->scripts, c->script->obj.id) !=
		    &c->script->obj)
			continue;
		o = proc_conf_obj(offsetof(struct config, scripts),
		    c->script->obj.id);
		if (o != NULL && o->priv != NULL)
			c->script = (struct conf_script *)(void *)o;
		else
			call_fail_why(c, "the script is gone");
	}
}
