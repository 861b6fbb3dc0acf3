/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The engine of proxyd, without its processes: sessions and calls as smtpd
 * sends them, what a script may not get out of, and who pays.
 *
 * The library `test' stands in for those that wait and decide, so that what is
 * tried here is the engine alone.
 *
 *	t_script [loop]		loop: how long a call takes, in ns
 */

#include "t.h"

#include <sys/types.h>
#include <sys/time.h>

#include <event.h>
#include <time.h>

#include "log.h"
#include "msg.h"
#include "proc.h"
#include "script.h"

/* --- what the engine asks of others --------------------------------------- */

static struct config		*confs[4];	/* that live, newest first */
static struct peer		 smtpd, other;
static struct proto_hook_verdict got;
static unsigned int		 ngot;
static uint64_t			 got_sid;
static struct co		*waiting[16];
static unsigned int		 nwaiting;
static char			 said[4096];

struct conf_obj *
proc_conf_obj(size_t off, uint32_t id)
{
	struct conf_obj	*o;
	size_t		 i;

	for (i = 0; i < nitems(confs); i++)
		if (confs[i] != NULL && (o = conf_find_id(
		    (struct conf_map *)(void *)((char *)confs[i] + off),
		    id)) != NULL)
			return o;
	return NULL;
}

struct config *
proc_conf(void)
{
	return confs[0];
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
	struct msg	m = { .type = type, .sid = sid, .seq = seq,
			    .fd = fd };

	(void)p;
	if (type == MSG_HOOK_VERDICT) {
		rbuf_init(&m.body, body->data, body->len);
		hook_verdict_clear(&got);
		ok(get_hook_verdict(&m, &got) == 0, "a verdict is one");
		got_sid = sid;
		ngot++;
	}
	wbuf_clear(body);
}

/* --- the library ---------------------------------------------------------- */

static int
test_waited(lua_State *L, int status, lua_KContext ctx)
{
	(void)status;
	(void)ctx;
	return lua_gettop(L);
}

static int
test_wait(lua_State *L)
{
	lua_settop(L, 0);
	waiting[nwaiting++] = co_of(L);
	return lua_yieldk(L, 0, 0, test_waited);
}

static int
test_reply(lua_State *L)
{
	struct call	*c = co_of(L)->call;

	c->decided = true;
	c->verdict.kind = HOOKV_REPLY;
	c->verdict.code = (uint16_t)luaL_checkinteger(L, 1);
	c->verdict.nlines = 1;
	c->verdict.lines = strdup(luaL_checkstring(L, 2));
	return co_end(L);
}

static int
test_doom(lua_State *L)
{
	co_of(L)->call->doomed = CO_CPU;
	return co_end(L);
}

static int
test_say(lua_State *L)
{
	(void)strlcat(said, luaL_tolstring(L, 1, NULL), sizeof(said));
	(void)strlcat(said, ";", sizeof(said));
	return 0;
}

static int
test_sort(lua_State *L)
{
	lua_settop(L, 1);
	lua_call(L, 0, 0);
	return 0;
}

void
lua_open_log(lua_State *L)
{
	static const luaL_Reg	functions[] = {
		{ "wait",	test_wait },
		{ "reply",	test_reply },
		{ "doom",	test_doom },
		{ "say",	test_say },
		{ "sort",	test_sort },
		{ NULL,		NULL }
	};

	luaL_newlib(L, functions);
	lua_newtable(L);
	lua_pushinteger(L, 1);
	lua_rawseti(L, -2, 1);
	lua_pushinteger(L, 2);
	lua_rawseti(L, -2, 2);
	lua_setfield(L, -2, "deep");
	lua_pushvalue(L, -1);
	lua_module(L, "test.module");
	lua_setfield(L, -2, "test");
}

/* --- playing smtpd -------------------------------------------------------- */

static char		noted[1024];
static uint32_t		next_id = 1;

static void
note(const char *key, const char *why)
{
	(void)strlcat(noted, key, sizeof(noted));
	(void)strlcat(noted, "=", sizeof(noted));
	(void)strlcat(noted, why, sizeof(noted));
	(void)strlcat(noted, ";", sizeof(noted));
}

static struct conf_script *
script_add(struct config *conf, const char *name, const char *text,
    uint32_t id)
{
	struct conf_script	*s = calloc(1, sizeof(*s));

	if (s == NULL || (s->obj.name = strdup(name)) == NULL ||
	    (s->text = strdup(text)) == NULL ||
	    conf_map_add(&conf->scripts, &s->obj) == -1)
		abort();
	s->obj.id = id;
	return s;
}

static const struct conf_script_limits	usual = {
	.memory = 1024 * 1024, .cpu = 20, .time = 100
};

static struct config *
conf_with(void)
{
	static uint32_t	generation;
	struct config	*conf = conf_new(++generation);

	if (conf == NULL)
		abort();
	conf->script_limits = usual;
	return conf;
}

/* The one generation, with that one script; returns its id. */
static uint32_t
use_script(const char *text)
{
	struct config	*conf = conf_with(), *old = confs[0];

	script_add(conf, "play", text, next_id++);
	noted[0] = '\0';
	ok(lua_scripts_prepare(conf, note) == 0, "it compiles: %s", noted);
	confs[0] = conf;
	call_set_limits(&conf->script_limits);
	if (old != NULL) {
		call_conf_gone(old);
		lua_scripts_release(old);
		conf_unref(old);
	}
	return next_id - 1;
}

static struct msg
as_msg(struct wbuf *w, uint16_t type, uint64_t sid, uint32_t seq)
{
	struct msg	m = { .type = type, .sid = sid, .seq = seq,
			    .fd = -1 };

	rbuf_init(&m.body, w->data, w->len);
	return m;
}

static int
open_at(struct peer *p, uint64_t sid)
{
	struct wbuf	w = { 0 };
	struct msg	m;
	int		r;

	hook_put_serverid(&w, "mx");
	hook_put_end(&w);
	m = as_msg(&w, MSG_HOOK_OPEN, sid, 0);
	r = sess_open(p, &m);
	wbuf_clear(&w);
	return r;
}

static int
close_at(struct peer *p, uint64_t sid)
{
	struct wbuf	w = { 0 };
	struct msg	m = as_msg(&w, MSG_HOOK_CLOSE, sid, 0);

	return sess_close(p, &m);
}

static int
call_at(struct peer *p, uint64_t sid, enum hook_stage stage, uint32_t script)
{
	struct proto_hook_call	hc = { .stage = stage, .script = script };
	struct hook_args	args = { .text = (char *)(uintptr_t)"NOOP" };
	struct wbuf		w = { 0 };
	struct msg		m;
	int			r;

	put_hook_call(&w, &hc);
	hook_put_end(&w);
	put_hook_args(&w, &args);
	m = as_msg(&w, MSG_HOOK_CALL, sid, 7);
	r = call_new(p, &m);
	wbuf_clear(&w);
	return r;
}

/* Run it for session 1, as a command. */
static void
play(const char *text)
{
	uint32_t	id = use_script(text);

	ngot = nwaiting = 0;
	said[0] = '\0';
	is_int(call_at(&smtpd, 1, HOOK_COMMAND, id), 0, "called: %s", text);
}

static void
want_error(const char *text, const char *why)
{
	play(text);
	if (!ok(ngot == 1 && got.kind == HOOKV_ERROR, "fails: %s", text))
		return;
	ok(strstr(got.why, why) != NULL, "why of %s: %s", text, got.why);
}

static void
want_said(const char *text, const char *what)
{
	play(text);
	ok(ngot == 1 && got.kind == HOOKV_PASS, "passes: %s: %s", text,
	    got.why);
	is_str(said, what, "said by %s", text);
}

static void
want_reply(const char *text)
{
	play(text);
	ok(ngot == 1 && got.kind == HOOKV_REPLY && got.code == 250,
	    "replies: %s: %s", text, got.why);
	is_str(said, "", "nothing runs behind it: %s", text);
}

/* --- the tests ------------------------------------------------------------ */

static void
test_sessions(void)
{
	uint32_t	id = use_script("");

	is_int(call_at(&smtpd, 1, HOOK_COMMAND, id), -1, "not open yet");
	is_int(close_at(&smtpd, 1), -1, "likewise");
	is_int(open_at(&smtpd, 1), 0, "open");
	is_int(open_at(&smtpd, 1), 0, "more of it");
	is_int(open_at(&other, 1), 0, "the same number of another smtpd");
	is_int((int)sess_count(), 2, "two");
	ok(sess_find(&smtpd, 1) != sess_find(&other, 1), "apart");
	ngot = 0;
	is_int(call_at(&smtpd, 1, HOOK_COMMAND, id), 0, "called");
	ok(ngot == 1 && got.kind == HOOKV_PASS, "off its end: pass");
	is_int(call_at(&smtpd, 1, HOOK_RCPT, id), 0, "called");
	ok(ngot == 2 && got.kind == HOOKV_ACCEPT, "of a stage: accept");
	is_int(call_at(&smtpd, 1, HOOK_RCPT, 9999), 0, "called");
	ok(ngot == 3 && got.kind == HOOKV_ERROR, "no such script");
	is_int(call_at(&smtpd, 1, HOOK_STAGE_COUNT, id), -1, "no such stage");
	sess_peer_down(&other);
	is_int((int)sess_count(), 1, "those of a lost smtpd are gone");
	is_int(close_at(&smtpd, 1), 0, "close");
	is_int((int)sess_count(), 0, "none left");
	is_int(open_at(&smtpd, 1), 0, "open again");
}

static void
test_errors(void)
{
	struct config	*conf;

	want_error("\nerror('no')", "play:2: no");
	want_error("x.y = 1", "play:1: attempt to index");
	want_error("error({})", "an error that is not a string");
	want_error("error()", "an error that is not a string");
	want_error("local function f() return f() + 1 end f()",
	    "over script-limits.memory");
	want_error("test.reply(199, 'x')", "code");
	want_error("sess.x()", "attempt to index a nil value (global 'sess')");
	conf = conf_with();
	script_add(conf, "one", "x =\n= 1", next_id++);
	script_add(conf, "two", "", next_id++);
	script_add(conf, "three", "end return function()", next_id++);
	script_add(conf, "four", "\033Lua", next_id++);
	noted[0] = '\0';
	is_int(lua_scripts_prepare(conf, note), -1, "they do not compile");
	is_str(noted, "script.one=2: unexpected symbol near '=';"
	    "script.three=1: <eof> expected near 'end';"
	    "script.four=attempt to load a binary chunk (mode is 't');",
	    "all errors are told");
	lua_scripts_release(conf);
	conf_unref(conf);
}

static void
test_sandbox(void)
{
	static const char *const	absent[] = {
		"load", "loadstring", "dofile", "loadfile", "xpcall",
		"collectgarbage", "coroutine", "io", "os", "package", "debug",
		"print", "_G", "warn"
	};
	char				text[128];
	size_t				i;

	for (i = 0; i < nitems(absent); i++) {
		(void)snprintf(text, sizeof(text), "test.say(%s == nil)",
		    absent[i]);
		want_said(text, "true;");
	}
	want_error("math.pi = 3", "read-only");
	want_error("rawset(math, 'pi', 3)", "read-only");
	want_error("rawset(_ENV, 'pi', 3)", "read-only");
	want_error("setmetatable(math, nil)", "read-only");
	want_error("setmetatable(_ENV, nil)", "read-only");
	want_error("test.deep[1] = 3", "read-only");
	want_error("math = nil", "attempt to assign to 'math'");
	want_error("arguments = nil", "attempt to assign to 'arguments'");
	want_error("function error() end", "attempt to assign to 'error'");
	want_error("setmetatable({}, {__gc = 1})", "__gc is not for scripts");
	want_error("setmetatable({}, {__close = 1})", "__close is not");
	want_error("setmetatable({}, {__mode = 'k'})", "__mode is not");
	want_error("setmetatable(setmetatable({}, {__metatable = 1}), {})",
	    "protected");
	want_error("require('os')", "there is no module 'os'");
	want_said("test.say(require('test.module').deep[2])", "2;");
	want_said("test.say(getmetatable(math)) "
	    "test.say(getmetatable(_ENV))", "false;false;");
	want_said("test.say(tostring({}) .. tostring(print) .. tostring(error) "
	    ".. tostring(1) .. tostring(nil))", "tablenilfunction1nil;");
	want_said("test.say(tostring(setmetatable({}, "
	    "{__tostring = function() return 'me' end})))", "me;");
	want_said("for i, v in ipairs(test.deep) do test.say(i .. v) end "
	    "test.say(#test.deep) test.say(rawlen(test.deep)) "
	    "test.say(rawget(test.deep, 2)) test.say(next(test.deep))",
	    "11;22;2;2;2;1;");
	want_said("local n = 0 for k in pairs(test) do n = n + 1 end "
	    "test.say(n)", "6;");
	want_said("x = 1 for k in pairs(_ENV) do test.say(k) end", "x;");
	want_said("_ENV = {test = test} test.say(x)", "nil;");
	want_said("test.say(x) math.floor(1)", "nil;");
	want_said("test.say(math.randomseed)", "nil;");
	want_said("test.say(select('#', ...))", "0;");
}

static void
test_ends(void)
{
	want_reply("test.reply(250, 'ok') test.say(1)");
	want_reply("pcall(test.reply, 250, 'ok') test.say(1)");
	want_reply("test.sort(function() test.reply(250, 'ok') end) "
	    "test.say(1)");
	want_reply("pcall(test.sort, function() pcall(test.reply, 250, 'ok') "
	    "test.say(1) end) test.say(2)");
	want_error("test.doom()", "play:1: over script-limits.cpu");
	want_error("pcall(test.sort, test.doom) test.say(1)",
	    "play:1: over script-limits.cpu");
	want_said("test.say(pcall(error, 'x')) test.say(pcall(pcall, error)) "
	    "test.say(select(2, pcall(error, 'x'))) "
	    "test.say(select(2, pcall(select, 2, 1, 2)))",
	    "false;true;x;2;");
	/* A metamethod that comes in behind setmetatable does not run. */
	want_reply("local m = {} local t = setmetatable({}, m) "
	    "m.__close = function() test.say(1) while true do end end "
	    "local x <close> = t test.reply(250, 'ok')");
	want_said("test.say(1)", "1;");
}

static void
test_limits(void)
{
	struct script_stats	*st;
	struct sess		*s = sess_find(&smtpd, 1);
	uint64_t		 n;

	want_error("while true do end", "play:1: over script-limits.cpu");
	want_error("\nwhile true do pcall(function() while true do end end) "
	    "end", "play:2: over script-limits.cpu");
	want_error("local m = {} local t = setmetatable({}, m) "
	    "m.__close = function() while true do end end "
	    "local x <close> = t while true do end",
	    "over script-limits.cpu");
	want_error("local function f() pcall(f) return 1 + f() end f()",
	    "over script-limits");
	want_error("local function f() pcall(f) while true do pcall(f) end "
	    "end f()", "over script-limits.cpu");
	want_error("local function f() f() end local function g(n) "
	    "local ok, why = pcall(g, n + 1) if not ok then error(why, 0) end "
	    "end g(0)", "too many pcall");
	want_error("test.sort(function() while true do pcall(function() "
	    "while true do end end) end end)", "over script-limits.cpu");
	want_error("local t = setmetatable({}, {__index = function(t, k) "
	    "while true do end end}) local y = t.x", "limits.cpu");
	want_error("local t = {} for i = 1, 1e9 do t[i] = {} end",
	    "over script-limits.memory");
	want_error("local t = {} while true do pcall(function() "
	    "for i = 1, 1e9 do t[#t + 1] = {} end end) end",
	    "over script-limits.memory");
	want_error("local s = 'x' while true do s = s .. s end",
	    "over script-limits.memory");
	want_error("local function f(...) return f(1, ...) end f()",
	    "over script-limits");
	want_error("context = {} for i = 1, 1e9 do context[i] = i end",
	    "over script-limits.memory");
	/* Only that session. */
	is_int(open_at(&smtpd, 2), 0, "another one");
	ngot = 0;
	use_script("local t = {} for i = 1, 1000 do t[i] = i end");
	is_int(call_at(&smtpd, 2, HOOK_COMMAND, next_id - 1), 0, "called");
	ok(ngot == 1 && got.kind == HOOKV_PASS, "has what it may have: %s",
	    got.why);
	is_int(close_at(&smtpd, 2), 0, "close");
	ok(s->owner->used <= (size_t)usual.memory, "never over");
	want_said("context = nil", "");
	/* Counted by name. */
	st = script_stats((struct conf_script *)(void *)
	    confs[0]->scripts.v[0]);
	ok(st->cpu >= 5 && st->memory >= 4 && st->errors > 5,
	    "errors are counted");
	n = st->calls;
	want_said("test.say(1)", "1;");
	ok(script_stats((struct conf_script *)(void *)
	    confs[0]->scripts.v[0])->calls == n + 1,
	    "by the name, over reloads");
}

static void
test_waits(void)
{
	play("local x = 0 while true do test.wait() for i = 1, 1e6 do "
	    "x = x + 1 end end");
	while (ngot == 0 && nwaiting > 0) {
		nwaiting = 0;
		co_go(sess_find(&smtpd, 1)->call->co, 0);
	}
	ok(ngot == 1 && got.kind == HOOKV_ERROR, "ticks are of the call");
	ok(strstr(got.why, "limits.cpu") != NULL, "why: %s", got.why);
	play("pcall(test.wait) test.say('on') test.reply(250, 'x')");
	ok(ngot == 0 && nwaiting == 1, "it waits");
	co_go(waiting[0], 0);
	ok(ngot == 1 && got.kind == HOOKV_REPLY, "and goes on");
	is_str(said, "on;", "through pcall");
	play("test.wait()");
	is_int(call_at(&smtpd, 1, HOOK_COMMAND, next_id - 1), -1,
	    "one call at a time");
	for (; ngot == 0; mono_turn())
		if (event_loop(EVLOOP_ONCE) == -1)
			break;
	ok(ngot == 1 && got.kind == HOOKV_ERROR &&
	    strstr(got.why, "limits.time") != NULL, "too late");
	play("test.wait()");
	is_int(close_at(&smtpd, 1), 0, "closed while it waits");
	is_int(ngot, 0, "no verdict");
	is_int(open_at(&smtpd, 1), 0, "open");
	play("test.wait() test.say('late')");
	use_script("");
	is_int(ngot, 1, "its generation is gone");
	ok(strstr(got.why, "gone") != NULL, "why: %s", got.why);
}

/* Two in the middle of the same script. */
static void
test_apart(void)
{
	uint32_t	id, i;
	struct config	*old;

	is_int(open_at(&smtpd, 2), 0, "open");
	is_int(open_at(&smtpd, 3), 0, "open");
	id = use_script("n = (n or 0) + 1\n"
	    "context = context or {n = 0} context.n = context.n + 1\n"
	    "f = f or function() return n end\n"
	    "local mine = context.n + 10 * n + 100\n"
	    "_ENV.m = n test.wait() n = n + 1\n"
	    "test.say(n .. context.n .. f() .. mine .. m)");
	said[0] = '\0';
	ngot = nwaiting = 0;
	for (i = 2; i < 4; i++)
		is_int(call_at(&smtpd, i, HOOK_COMMAND, id), 0, "called");
	is_int(nwaiting, 2, "both wait");
	co_go(waiting[1], 0);
	ok(got_sid == 3 && got.flags & HOOKV_CONTEXT, "has a context");
	is_int(call_at(&smtpd, 3, HOOK_COMMAND, id), 0, "again");
	co_go(waiting[0], 0);
	co_go(waiting[2], 0);
	is_int(ngot, 3, "all over");
	is_str(said, "2121111;2121111;2221121;",
	    "globals are the call's, context the session's");
	/* Many globals, and _ENV assigned, last for their call only. */
	id = use_script("for i = 1, 100 do _ENV['x' .. i] = i end "
	    "_ENV = {} ");
	is_int(call_at(&smtpd, 2, HOOK_COMMAND, id), 0, "called");
	is_int(call_at(&smtpd, 2, HOOK_COMMAND, id), 0, "called");
	ok(got.kind == HOOKV_PASS, "again: %s", got.why);
	id = use_script("test.say(x1) test.say(context.n) context = nil");
	said[0] = '\0';
	is_int(call_at(&smtpd, 2, HOOK_COMMAND, id), 0, "called");
	is_str(said, "nil;1;", "gone; the context is there in another script");
	ok((got.flags & HOOKV_CONTEXT) == 0, "and gone");
	/* Two generations with one script: compiled once. */
	old = confs[0];
	confs[1] = old;
	confs[0] = conf_with();
	script_add(confs[0], "play", "other text, never compiled", id);
	noted[0] = '\0';
	is_int(lua_scripts_prepare(confs[0], note), 0, "same id: %s", noted);
	call_conf_gone(old);
	lua_scripts_release(old);
	conf_unref(old);
	confs[1] = NULL;
	ngot = 0;
	is_int(call_at(&smtpd, 3, HOOK_COMMAND, id), 0, "called");
	ok(ngot == 1 && got.kind == HOOKV_PASS, "it is still there");
	is_int(close_at(&smtpd, 2), 0, "close");
	is_int(close_at(&smtpd, 3), 0, "close");
}

/* All that sessions had is given back. */
static void
test_memory(void)
{
	size_t		 before, after;
	uint32_t	 id, i;

	id = use_script("context = {} for i = 1, 100 do context[i] = {i} end");
	(void)lua_gc(lua_main, LUA_GCCOLLECT);
	(void)lua_gc(lua_main, LUA_GCCOLLECT);
	before = lua_memory_used();
	for (i = 10; i < 200; i++) {
		is_int(open_at(&smtpd, i), 0, "open");
		is_int(call_at(&smtpd, i, HOOK_COMMAND, id), 0, "called");
	}
	ok(lua_memory_used() > before + 190 * 1000, "they have something");
	sess_peer_down(&smtpd);
	is_int((int)sess_count(), 0, "none left");
	(void)lua_gc(lua_main, LUA_GCCOLLECT);
	(void)lua_gc(lua_main, LUA_GCCOLLECT);
	after = lua_memory_used();
	ok(after < before + 20000, "given back: %zu, then %zu", before,
	    after);
	is_int(open_at(&smtpd, 1), 0, "open");
}

/* A session leaves nothing, however many there are; nor does malloc keep. */
static void
test_many(void)
{
	const uint32_t	 n = 100000;
	size_t		 before = 0;
	uint32_t	 id, i;

	id = use_script("context = context or { n = 0 } "
	    "context.n = context.n + 1 proxy.Reply('x' .. context.n)");
	for (i = 0; i < n; i++) {
		if (i == n / 10)
			before = lua_memory_used();
		if (open_at(&smtpd, 1000 + i) == -1 ||
		    call_at(&smtpd, 1000 + i, HOOK_COMMAND, id) == -1 ||
		    call_at(&smtpd, 1000 + i, HOOK_COMMAND, id) == -1 ||
		    close_at(&smtpd, 1000 + i) == -1)
			break;
	}
	is_int(i, n, "they come and go");
	ok(lua_memory_used() < before + 1000000, "%zu octets, and %zu behind "
	    "ten times as many", before, lua_memory_used());
}

/* What large ones leave behind is collected, though no script runs. */
static void
test_left(void)
{
	uint32_t	 id, i;

	id = use_script("context = {} for i = 1, 10 do "
	    "context[i] = ('x'):rep(20000) .. i end");
	for (i = 10; i < 210; i++) {
		is_int(open_at(&smtpd, i), 0, "open");
		is_int(call_at(&smtpd, i, HOOK_COMMAND, id), 0, "called");
	}
	ok(lua_memory_used() > 40000000, "they have something");
	for (i = 10; i < 210; i++)
		is_int(close_at(&smtpd, i), 0, "close");
	for (i = 0; i < 1000 && lua_memory_used() > 1000000; i++) {
		if (event_loop(EVLOOP_ONCE) == -1)
			break;
		mono_turn();
	}
	ok(lua_memory_used() <= 1000000, "%zu octets are left",
	    lua_memory_used());
}

static void
loop(const char *what, const char *text)
{
	const int	n = 500000;
	struct timespec	a, b;
	uint32_t	id = use_script(text);
	int		i;

	(void)clock_gettime(CLOCK_MONOTONIC, &a);
	for (i = 0; i < n; i++)
		(void)call_at(&smtpd, 1, HOOK_COMMAND, id);
	(void)clock_gettime(CLOCK_MONOTONIC, &b);
	printf("%s: %.0f ns\n", what, ((double)(b.tv_sec - a.tv_sec) * 1e9 +
	    (double)(b.tv_nsec - a.tv_nsec)) / n);
}

int
main(int argc, char **argv)
{
	(void)event_init();
	timer_start();
	log_set(LOG_LEVEL_ERROR, false);
	smtpd.role = other.role = R_SMTPD;
	lua_start();
	co_start();
	if (argc > 1 && strcmp(argv[1], "loop") == 0) {
		use_script("");
		(void)open_at(&smtpd, 1);
		loop("nothing", "");
		loop("a local", "local x = 1");
		loop("a global", "x = 1");
		loop("a reply", "test.reply(250, 'ok')");
		return 0;
	}
	test_sessions();
	test_errors();
	test_sandbox();
	test_ends();
	test_limits();
	test_waits();
	test_apart();
	test_memory();
	test_many();
	test_left();
	return done("t_script");
}
