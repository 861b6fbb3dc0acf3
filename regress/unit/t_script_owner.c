/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Who pays for memory: what garbage is in the way of, what belongs to all,
 * and what is left when sessions are over, however they ended.
 */

#include <sys/types.h>
#include <sys/time.h>

#include <event.h>

#define PLAY_REAL
#include "t.h"
#include "script_play.h"

static struct peer		 smtpd = { .role = R_SMTPD };
static struct proto_hook_verdict got;
static uint32_t			 next_id = 100;

struct conf_obj *
proc_conf_obj(size_t off, uint32_t id)
{
	return conf_find_id((struct conf_map *)(void *)((char *)play_conf +
	    off), id);
}

struct peer *
proc_parent(void)
{
	return NULL;
}

/* --- playing smtpd -------------------------------------------------------- */

static void
note(const char *key, const char *why)
{
	ok(false, "%s: %s", key, why);
}

static uint32_t
script(const char *text)
{
	struct conf_script	*s;
	char			 name[32];

	(void)snprintf(name, sizeof(name), "s%u", next_id);
	s = play_map(&play_conf->scripts, sizeof(*s), name, next_id);
	if ((s->text = strdup(text)) == NULL)
		abort();
	is_int(lua_scripts_prepare(play_conf, note), 0, "it compiles");
	return next_id++;
}

static struct msg
as_msg(struct wbuf *w, uint64_t sid, uint32_t seq)
{
	struct msg	m = { .sid = sid, .seq = seq, .fd = -1 };

	rbuf_init(&m.body, w->data, w->len);
	return m;
}

static void
open_at(uint64_t sid)
{
	struct wbuf	w = { .data = NULL };
	struct addr	a;
	struct msg	m;

	(void)addr_parse(&a, "192.0.2.1");
	hook_put_remote(&w, &a, -1);
	hook_put_end(&w);
	m = as_msg(&w, sid, 0);
	is_int(sess_open(&smtpd, &m), 0, "it opens");
	wbuf_clear(&w);
}

static void
close_at(uint64_t sid)
{
	struct wbuf	w = { .data = NULL };
	struct msg	m = as_msg(&w, sid, 0);

	is_int(sess_close(&smtpd, &m), 0, "it closes");
}

static void
call_at(uint64_t sid, uint32_t id)
{
	struct proto_hook_call	hc = { .stage = HOOK_COMMAND, .script = id };
	struct hook_args	args = { .text = NULL };
	struct wbuf		w = { .data = NULL };
	struct msg		m;
	char			line[] = "NOOP";

	args.text = line;
	put_hook_call(&w, &hc);
	hook_put_end(&w);
	put_hook_args(&w, &args);
	m = as_msg(&w, sid, 1);
	is_int(call_new(&smtpd, &m), 0, "it is called");
	wbuf_clear(&w);
}

/* The verdict sent last, which is the only thing sent since. */
static void
take_verdict(void)
{
	struct play_sent	*s;
	struct msg		 m = { .fd = -1 };

	s = &play_sent[(play_nsent - 1) % PLAY_SENT_MAX];
	if (!ok(s->type == MSG_HOOK_VERDICT, "a verdict, not %s",
	    msg_name(s->type)))
		return;
	rbuf_init(&m.body, s->body, s->len);
	hook_verdict_clear(&got);
	is_int(get_hook_verdict(&m, &got), 0, "it is one");
}

/* One session, one call, which ends at once; why it failed, or "". */
static const char *
run(uint64_t sid, uint32_t id)
{
	open_at(sid);
	call_at(sid, id);
	take_verdict();
	close_at(sid);
	return got.kind == HOOKV_ERROR ? got.why : "";
}

/* --- tests ---------------------------------------------------------------- */

/* A megabyte is enough for a tenth of it at a time, whatever others have. */
static void
test_garbage(void)
{
	const uint64_t			n = 60;
	uint32_t			id = script("context = {} "
					    "for i = 1, 7000 do "
					    "context[i] = {i} end");
	static const char *const	texts[] = {
		"for i = 1, 300 do local s = ('x'):rep(100000 + i) end",
		"for i = 1, 300 do local s = ('x'):rep(90000 + i):upper() end",
		"for i = 1, 100 do for j = 1, 100 * i do local x = {j} end "
		    "local s = ('x'):rep(200000) end",
		"local l = ('x'):rep(100000) for i = 1, 100 do "
		    "for j = 1, 100 * i do local x = {j} end "
		    "local s = l:upper() end",
		"for i = 1, 50 do local t = {} for j = 1, 1000 do "
		    "t[j] = i .. ' is a line of the text ' .. j end "
		    "local s = table.concat(t) end",
		"local l = ('x'):rep(20000) for i = 1, 15 do "
		    "local s = l:gsub('x', 'yy') end",
		"local l = ('x'):rep(50000) for i = 1, 100 do "
		    "local s = ('%s%s%d'):format(l, l, i) end",
		"for i = 1, 100 do local t = {} for j = 1, 9000 do t[j] = j "
		    "end end"
	};
	const char			*why;
	uint64_t			 sid;
	size_t				 i;

	for (sid = 2; sid <= n; sid++) {
		open_at(sid);
		call_at(sid, id);
	}
	ok(lua_memory_used() > n * 600000, "others have much");
	for (i = 0; i < nitems(texts); i++) {
		why = run(1, script(texts[i]));
		is_str(why, "", "%s", texts[i]);
	}
	why = run(1, script("local s = ('x'):rep(3000000)"));
	ok(strstr(why, "memory") != NULL, "but not what is live: %s", why);
	why = run(1, script("local t = {} for i = 1, 1e9 do t[i] = i end"));
	ok(strstr(why, "script-limits.memory") != NULL, "nor that: %s", why);
	sess_peer_down(&smtpd);
}

static size_t
lua_thinks(void)
{
	return (size_t)lua_gc(lua_main, LUA_GCCOUNT) * 1024 +
	    (size_t)lua_gc(lua_main, LUA_GCCOUNTB);
}

static void
collect(void)
{
	(void)lua_gc(lua_main, LUA_GCCOLLECT);
	(void)lua_gc(lua_main, LUA_GCCOLLECT);
}

/* What grows with all sessions is not one session's. */
static void
test_everybody(void)
{
	const uint64_t	n = 20000;
	uint32_t	id = script("context = {}");
	struct sess	*s;
	uint64_t	sid;
	size_t		most = 0, sum = 0;

	for (sid = 1; sid <= n; sid++) {
		open_at(sid);
		call_at(sid, id);
	}
	for (sid = 1; sid <= n; sid++) {
		if ((s = sess_find(&smtpd, sid)) == NULL)
			continue;
		if (s->owner->used > most)
			most = s->owner->used;
		sum += s->owner->used;
	}
	ok(most < 8192, "none has more than its own: %zu", most);
	ok(sum < lua_memory_used(), "all together: %zu", sum);
	is_int(lua_memory_used(), lua_thinks(), "as Lua counts");
	sess_peer_down(&smtpd);
	collect();
	is_int(lua_memory_used(), lua_thinks(), "as Lua counts");
}

/* However they end. */
static void
test_left(void)
{
	static const char *const	texts[] = {
		"local t = {} for i = 1, 100 do t[i] = {i} end context = t",
		"error('x')",
		"error({})",
		"sleep(1)",
		"all{function() sleep(1) end, function() error('x') end}",
		"all{function() sleep(1) end, function() sleep(2) end}",
		"pcall(list.has, 'blocked', 'x')",
		"proxy.Reply('no', {reply_codes = {code = 550}})",
		"('x'):gsub('x', function() proxy.Pass() end)",
		"local t = {} for i = 1, 1e9 do t[i] = {i} end",
		"local s = ('x'):rep(900000) .. ('y'):rep(900000)",
		"local m = {} local t = setmetatable({}, m) "
		    "m.__close = function() return ('x'):rep(100) end "
		    "local x <close> = t sleep(1)",
		"local m = {} local t = setmetatable({'x'}, m) "
		    "m.__close = proxy.Reply local x <close> = t sleep(1)",
		"local m = {} local t = setmetatable({'x'}, m) "
		    "m.__close = proxy.Reply pcall(all, {function() "
		    "local x <close> = t sleep(1) end, error}) sleep(1)",
		"local m = {} local t = setmetatable({'x'}, m) "
		    "m.__close = table.concat local x <close> = t error('x')",
		"local m = {} local t = setmetatable({sleep}, m) "
		    "m.__close = all local x <close> = t sleep(1)",
		"for i = 1, 100 do _ENV['g' .. i] = i end",
		"local function f() return 1 + f() end pcall(f)"
	};
	uint32_t			 id[nitems(texts)];
	uint64_t			 sid;
	size_t				 i, before = 0;

	for (i = 0; i < nitems(texts); i++)
		id[i] = script(texts[i]);
	for (sid = 1; sid <= 4000; sid++) {
		open_at(sid);
		call_at(sid, id[sid % nitems(texts)]);
		if (sid % 500 == 0) {
			sess_peer_down(&smtpd);
			collect();
			is_int(op_count(), 0, "nothing is out");
			if (before == 0)
				before = lua_memory_used();
		}
	}
	ok(lua_memory_used() < before + 50000, "%zu, then %zu", before,
	    lua_memory_used());
	is_int(lua_memory_used(), lua_thinks(), "as Lua counts");
}

/* The buffer of gsub, when the processor's time is over. */
static void
test_cut(void)
{
	uint32_t	 id = script("local l, n = ('x'):rep(200000), 0 "
			    "('xxxx'):gsub('x', function() n = n + 1 "
			    "while n > 3 do end return l end)");
	uint32_t	 after = script("local t = {} "
			    "for i = 1, 6000 do t[i] = {i} end");
	const char	*why;
	int		 i;

	play_conf->script_limits.cpu = 5;
	call_set_limits(&play_conf->script_limits);
	open_at(1);
	for (i = 0; i < 5; i++) {
		call_at(1, id);
		take_verdict();
		why = got.kind == HOOKV_ERROR ? got.why : "";
		ok(strstr(why, "limits.cpu") != NULL, "cut: %s", why);
		call_at(1, after);
		take_verdict();
		is_int(got.kind, HOOKV_PASS, "the next: %s", got.why);
	}
	close_at(1);
	collect();
	is_int(lua_memory_used(), lua_thinks(), "as Lua counts");
}

int
main(void)
{
	log_to(LOG_TO_NOTHING, -1);
	play_conf_start();
	play_conf->script_limits.memory = 1024 * 1024;
	play_conf->script_limits.cpu = 10000;
	call_set_limits(&play_conf->script_limits);
	lua_start();
	co_start();
	play_up(&play_lookupd[0], 7);
	test_garbage();
	test_everybody();
	test_left();
	test_cut();
	lua_scripts_release(play_conf);
	conf_unref(play_conf);
	hook_verdict_clear(&got);
	return done("t_script_owner");
}
