/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Scripts that wait, without the rest of proxyd: coroutines and calls in their
 * simplest form, and the processes that are asked, played here.  What is asked
 * lies in play_sent, in order; play_answer answers one of it.
 *
 * With PLAY_REAL only the processes and the clock are played: coroutines and
 * calls are proxyd's own.
 */
#ifndef SCRIPT_PLAY_H
#define SCRIPT_PLAY_H

#include "log.h"
#include "msg.h"
#include "peer.h"
#include "proc.h"
#include "script.h"

#define PLAY_SENT_MAX	8192

struct play_sent {
	struct peer	*to;
	uint16_t	 type;
	uint64_t	 sid;
	uint32_t	 seq;
	uint8_t		*body;
	size_t		 len;
};

static struct play_sent	play_sent[PLAY_SENT_MAX];
static size_t		play_nsent;
static struct peer	play_verifyd = { .role = R_VERIFYD };
static struct peer	play_lookupd[2] = {
	{ .role = R_LOOKUPD, .index = 0 }, { .role = R_LOOKUPD, .index = 1 }
};
static bool		play_no_verifyd;
static struct config	*play_conf;
static LIST_HEAD(, timer) play_timers = LIST_HEAD_INITIALIZER(play_timers);
static int64_t		play_last_ms;	/* of the timer set last */
static int64_t		play_clock = 1000;

#ifndef PLAY_REAL
/* How the call that stopped last did. */
static unsigned int	play_stops;
static enum co_end	play_end;
static char		play_text[1024];	/* results, or the error */

lua_State		*lua_main;
#endif

/* --- processes and the clock ---------------------------------------------- */

struct config *
proc_conf(void)
{
	return play_conf;
}

struct peer *
proc_peer(unsigned int role, unsigned int index)
{
	return role == R_VERIFYD && index == 0 && !play_no_verifyd ?
	    &play_verifyd : NULL;
}

void
peer_send(struct peer *p, uint16_t type, uint64_t sid, uint32_t seq, int fd,
    struct wbuf *body)
{
	struct play_sent	*s = &play_sent[play_nsent % PLAY_SENT_MAX];

	(void)fd;
	free(s->body);
	s->to = p;
	s->type = type;
	s->sid = sid;
	s->seq = seq;
	s->len = body->len;
	if ((s->body = malloc(body->len + 1)) == NULL)
		abort();
	memcpy(s->body, body->data, body->len);
	wbuf_clear(body);
	play_nsent++;
}

struct mono
mono_now(void)
{
	return (struct mono){ play_clock };
}

int64_t
mono_diff(struct mono a, struct mono b)
{
	return a.ms - b.ms;
}

void
timer_init(struct timer *t, void (*fn)(void *), void *arg)
{
	t->when.ms = 0;
	t->fn = fn;
	t->arg = arg;
}

void
timer_del(struct timer *t)
{
	if (t->when.ms != 0)
		LIST_REMOVE(t, entry);
	t->when.ms = 0;
}

bool
timer_is_set(const struct timer *t)
{
	return t->when.ms != 0;
}

void
timer_set(struct timer *t, int64_t ms)
{
	timer_del(t);
	t->when.ms = play_clock + ms + 1;
	play_last_ms = ms;
	LIST_INSERT_HEAD(&play_timers, t, entry);
}

/* Time goes by; what is due fires, in order. */
static inline void
play_wait(int64_t ms)
{
	struct timer	*t, *first;

	play_clock += ms;
	do {
		first = NULL;
		LIST_FOREACH(t, &play_timers, entry)
			if (t->when.ms <= play_clock + 1 && (first == NULL ||
			    t->when.ms < first->when.ms))
				first = t;
		if (first != NULL) {
			timer_del(first);
			first->fn(first->arg);
		}
	} while (first != NULL);
}

#ifndef PLAY_REAL

const struct conf_script_limits *
call_limits(void)
{
	return &play_conf->script_limits;
}

/* --- coroutines ----------------------------------------------------------- */

struct co *
co_of(lua_State *L)
{
	return *(struct co **)lua_getextraspace(L);
}

struct co *
co_get(struct call *call)
{
	struct co	*co = calloc(1, sizeof(*co));

	if (co == NULL)
		abort();
	co->L = lua_newthread(lua_main);
	co->ref = luaL_ref(lua_main, LUA_REGISTRYINDEX);
	co->call = call;
	*(struct co **)lua_getextraspace(co->L) = co;
	LIST_INSERT_HEAD(&call->cos, co, entry);
	return co;
}

void
co_put(struct co *co)
{
	op_cancel(co->op);
	LIST_REMOVE(co, entry);
	(void)lua_resetthread(co->L);
	luaL_unref(lua_main, LUA_REGISTRYINDEX, co->ref);
	free(co);
}

int
co_end(lua_State *L)
{
	return lua_yield(L, 0);
}

enum co_end
co_step(struct co *co, int nargs)
{
	int	n;

	switch (lua_resume(co->L, NULL, nargs, &n)) {
	case LUA_OK:
		return CO_DONE;
	case LUA_YIELD:
		if (co->call->doomed != CO_DONE)
			return co->call->doomed;
		return co->call->decided ? CO_VERDICT : CO_WAIT;
	case LUA_ERRMEM:
		return CO_NOMEM;
	default:
		return CO_ERROR;
	}
}

/* Nothing is read-only here. */
bool
lua_real(lua_State *L, int index)
{
	(void)L;
	(void)index;
	return false;
}

void
lua_module(lua_State *L, const char *name)
{
	lua_setfield(L, LUA_REGISTRYINDEX, name);
}

static int
play_require(lua_State *L)
{
	lua_getfield(L, LUA_REGISTRYINDEX, luaL_checkstring(L, 1));
	return 1;
}

/* The script's verdict. */
static int
play_verdict(lua_State *L)
{
	co_of(L)->call->decided = true;
	return co_end(L);
}

/* --- calls ---------------------------------------------------------------- */

struct play {
	struct call		 call;
	struct sess		 sess;
	struct conf_script	 script;
};

static inline void
play_over(struct call *call)
{
	struct co	*co;

	while ((co = LIST_FIRST(&call->cos)) != NULL)
		co_put(co);
	call->co = NULL;
}

/* All that is on the stack, as text. */
static void
play_tell(lua_State *L)
{
	int	i, n = lua_gettop(L);
	size_t	used = 0;

	play_text[0] = '\0';
	for (i = 1; i <= n && used < sizeof(play_text); i++) {
		used += (size_t)snprintf(play_text + used,
		    sizeof(play_text) - used, "%s%s", i == 1 ? "" : " ",
		    lua_isstring(L, i) ? lua_tostring(L, i) :
		    lua_isboolean(L, i) ? (lua_toboolean(L, i) ? "true" :
		    "false") : luaL_typename(L, i));
	}
}

void
call_stopped(struct call *call, struct co *co, enum co_end end)
{
	play_end = end;
	if (end == CO_WAIT)
		return;
	play_stops++;
	play_text[0] = '\0';
	if (end == CO_DONE)
		play_tell(co->L);
	else if (end == CO_ERROR)
		(void)snprintf(play_text, sizeof(play_text), "%s",
		    lua_isstring(co->L, -1) ? lua_tostring(co->L, -1) :
		    luaL_typename(co->L, -1));
	play_over(call);
}

/* Run that text as a script. */
static inline void
play_run(struct play *p, const char *text)
{
	memset(&p->call, 0, sizeof(p->call));
	LIST_INIT(&p->call.cos);
	p->script.obj.name = (char *)(uintptr_t)"test";
	p->call.sess = &p->sess;
	p->call.script = &p->script;
	p->call.began = mono_now();
	p->sess.call = &p->call;
	p->call.co = co_get(&p->call);
	if (luaL_loadbufferx(p->call.co->L, text, strlen(text), "=test", "t")
	    != LUA_OK)
		abort();
	co_go(p->call.co, 0);
}

#endif /* !PLAY_REAL */

/* --- answers -------------------------------------------------------------- */

/* Of the question sent last but back.  The body is cleared. */
static inline int
play_answer(size_t back, uint16_t type, struct wbuf *w)
{
	struct play_sent	*s;
	struct msg		 m = { .fd = -1 };
	uint8_t			*exact;
	int			 r;

	s = &play_sent[(play_nsent - 1 - back) % PLAY_SENT_MAX];
	m.type = type;
	m.sid = s->sid;
	m.seq = s->seq;
	/* In memory that ends where it ends. */
	if ((exact = malloc(w->len + (w->len == 0))) == NULL)
		abort();
	if (w->len > 0)
		memcpy(exact, w->data, w->len);
	rbuf_init(&m.body, exact, w->len);
	r = op_answer(s->to, &m);
	free(exact);
	wbuf_clear(w);
	return r;
}

/* --- the beginning and the end -------------------------------------------- */

static inline void *
play_map(struct conf_map *map, size_t size, const char *name, uint32_t id)
{
	struct conf_obj	*o = calloc(1, size);

	if (o == NULL || (o->name = strdup(name)) == NULL)
		abort();
	o->id = id;
	if (conf_map_add(map, o) == -1)
		abort();
	return o;
}

static inline void
play_conf_start(void)
{
	struct conf_datasource	*ds;

	if ((play_conf = conf_new(1)) == NULL)
		abort();
	play_conf->script_limits.time = 60000;
	play_conf->resolver.timeout = 5000;
	ds = play_map(&play_conf->datasources, sizeof(*ds), "users", 7);
	ds->scripts = true;
	ds->max_rows = 3;
	ds->timeout = 5000;
	(void)play_map(&play_conf->datasources, sizeof(*ds), "mute", 8);
	(void)play_map(&play_conf->lists, sizeof(struct conf_list), "blocked",
	    9);
}

static inline void
play_up(struct peer *p, uint32_t datasource)
{
	struct proto_source	 s = { .datasource = datasource };
	struct wbuf		 w = { .data = NULL };
	struct msg		 m = { .fd = -1, .type = MSG_SOURCE_UP };

	put_source(&w, &s);
	rbuf_init(&m.body, w.data, w.len);
	if (source_up(p, &m) == -1)
		abort();
	wbuf_clear(&w);
}

#ifndef PLAY_REAL
static inline void
play_start(lua_Alloc alloc)
{
	play_conf_start();
	lua_main = alloc == NULL ? luaL_newstate() : lua_newstate(alloc, NULL);
	if (lua_main == NULL)
		abort();
	luaL_openlibs(lua_main);
	lua_pushglobaltable(lua_main);
	lua_open_ask(lua_main);
	lua_open_db(lua_main);
	lua_open_net(lua_main);
	lua_open_shared(lua_main);
	lua_open_log(lua_main);
	lua_pushcfunction(lua_main, play_require);
	lua_setfield(lua_main, -2, "require");
	lua_pushcfunction(lua_main, play_verdict);
	lua_setfield(lua_main, -2, "accept");
	lua_pushcfunction(lua_main, net_ptr);
	lua_setfield(lua_main, -2, "ptr");
	lua_pop(lua_main, 1);
	play_up(&play_lookupd[0], 7);
	play_up(&play_lookupd[1], 7);
}
#endif /* !PLAY_REAL */

#endif
