/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Scripts that wait, in the engine as it is: what ends a session, a call, or
 * one of all{} ends what hangs on it, and nothing else; who asks pays.
 */

#include <sys/types.h>
#include <sys/time.h>

#include <event.h>

#define PLAY_REAL
#include "t.h"
#include "script_play.h"

static struct peer		 smtpd = { .role = R_SMTPD };
static struct proto_hook_verdict got;
static unsigned int		 nverdicts;
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
	nverdicts++;
}

/* The script has ended with that error; NULL: with none. */
static void
ended(const char *why, const char *what)
{
	take_verdict();
	is_int(got.kind, why == NULL ? HOOKV_PASS : HOOKV_ERROR,
	    "%s: %s", what, got.why);
	if (why != NULL)
		ok(strstr(got.why, why) != NULL, "%s: \"%s\"", what, got.why);
	is_int(op_count(), 0, "%s: nothing is out", what);
}

static int
say(size_t back, enum lookup_answer answer)
{
	static struct proto_lookup_ans	a;
	struct wbuf			w = { .data = NULL };

	memset(&a, 0, sizeof(a));
	a.answer = (uint8_t)answer;
	put_lookup_ans(&w, &a);
	return play_answer(back, MSG_LOOKUP_ANS, &w);
}

#define HAS	"list.has('blocked', 'x')"

/* One session, one call: run until it waits or ends. */
static void
run(const char *text)
{
	static uint64_t	sid = 100000;

	if (sid > 100000)
		close_at(sid);
	open_at(++sid);
	call_at(sid, script(text));
}

/* --- tests ---------------------------------------------------------------- */

static void
test_wait(void)
{
	run("if not " HAS " then error('no') end");
	is_int(op_count(), 1, "it asks");
	(void)say(0, LOOKUP_YES);
	ended(NULL, "yes");
	run("if not " HAS " then error('no') end");
	(void)say(0, LOOKUP_NO);
	ended(": no", "no");
	run("assert(not pcall(function() " HAS " end)) assert(" HAS ")");
	op_peer_down(&play_verifyd);
	(void)say(0, LOOKUP_YES);
	ended(NULL, "a pcall over an answer that never came");
	run("sleep(120)");
	ended("not in 0 ... 60.0 seconds", "longer than a call");
	run("sleep(60)");
	play_wait(60000);
	is_int(op_count(), 0, "its end and the call's");
	run("x = require('msys.beta.rcptto_proxy') "
	    "assert(x.query and msys.beta.rcptto_proxy.query)");
	ended(NULL, "the module, and the global");
	run("msys.beta.rcptto_proxy.query = print");
	ended("read-only", "nobody changes it");
}

static void
test_all(void)
{
	run("local a, b, c = all{function() return " HAS " end, "
	    "function() sleep(1) return 'b' end, function() return 3 end} "
	    "assert(a == true and b == 'b' and c == 3)");
	is_int(op_count(), 2, "two wait");
	(void)say(0, LOOKUP_YES);
	play_wait(1000);
	ended(NULL, "all");

	/* Those that are cancelled doom nobody. */
	run("local ok, e = pcall(all, {function() sleep(9) end, "
	    "function() sleep(1) error('one') end}) "
	    "assert(not ok and e:find('one$')) sleep(1) "
	    "assert(all{function() return 'again' end} == 'again')");
	play_wait(1000);
	is_int(op_count(), 1, "it goes on");
	play_wait(1000);
	ended(NULL, "an error in one, caught");

	run("all{function() sleep(9) end, function() error('one') end}");
	ended(": one", "an error in one");
	run("all{function() sleep(9) end, function() while true do end end}");
	ended("script-limits.cpu", "one that never ends");
	run("all{function() sleep(9) end, function() local t = {} "
	    "for i = 1, 1e9 do t[i] = {} end end}");
	ended("script-limits.memory", "one that takes it all");
	run("local function f() pcall(all, {f, f}) end f()");
	ended("script-limits.cpu", "a bomb that catches its errors");
	run("local function f() all{f, f} end f()");
	ended("more than 64 coroutines", "a bomb");
	run("while true do pcall(all, {function() error('x') end}) end");
	ended("script-limits.cpu", "again and again");
}

static void
test_memory(void)
{
	struct proto_query_ans	 a = { .ncolumns = 1, .nrows = 60000 };
	struct sql_value	 v = { .type = SQL_TEXT, .p = "0123456", };
	struct wbuf		 w = { .data = NULL };
	uint32_t		 i;

	open_at(1);
	call_at(1, script(HAS));
	run("pcall(db.query, 'users', 'S') error('on')");
	put_query_ans(&w, &a);
	put_str(&w, "c");
	for (v.len = 7, i = 0; i < a.nrows; i++)
		put_sql_value(&w, &v);
	is_int(play_answer(0, MSG_SQL_ANS, &w), 0, "a big answer");
	take_verdict();
	ok(strstr(got.why, "script-limits.memory") != NULL, "%s", got.why);
	is_int(op_count(), 1, "the other one waits");
	close_at(1);
	is_int(op_count(), 0, "until it goes");
}

static void
test_gone(void)
{
	static const char *const	texts[] = {
		HAS, "sleep(9)", "pcall(sleep, 9)", "dns.query('x')",
		"all{function() " HAS " end, function() sleep(9) end}",
		"all{function() all{function() sleep(9) end} end}"
	};
	size_t				i, sent;

	for (i = 0; i < nitems(texts); i++) {
		open_at(1);
		call_at(1, script(texts[i]));
		ok(op_count() > 0, "%s: it waits", texts[i]);
		sent = play_nsent;
		close_at(1);
		is_int(op_count(), 0, "%s: nothing is out", texts[i]);
		(void)say(0, LOOKUP_YES);
		play_wait(100000);
		is_int(play_nsent, sent, "%s: nothing is said", texts[i]);
	}
}

#define MANY	2000

static void
test_many(void)
{
	uint32_t	id, other;
	uint64_t	sid;
	size_t		first, before = sess_count();

	id = script("assert(" HAS ")");
	other = script("local x = 1");
	first = play_nsent;
	for (sid = 1; sid <= MANY; sid++) {
		open_at(sid);
		call_at(sid, id);
	}
	is_int(op_count(), MANY, "all wait");
	open_at(MANY + 1);
	call_at(MANY + 1, other);
	take_verdict();
	is_int(got.kind, HOOKV_PASS, "which delays nobody");
	for (sid = 1; sid <= MANY / 2; sid++)
		close_at(sid);
	is_int(op_count(), MANY / 2, "half have gone");
	(void)say(play_nsent - 1 - first - MANY / 2, LOOKUP_YES);
	take_verdict();
	is_int(got.kind, HOOKV_PASS, "one has its answer");
	op_peer_down(&play_verifyd);
	take_verdict();
	is_int(got.kind, HOOKV_ERROR, "the others none");
	is_int(op_count(), 0, "nothing is out");
	sess_peer_down(&smtpd);
	is_int(sess_count(), 0, "nobody is left, of %zu", before);
}

int
main(void)
{
	log_to(LOG_TO_NOTHING, -1);
	play_conf_start();
	play_conf->script_limits.memory = 1024 * 1024;
	play_conf->script_limits.cpu = 20;
	call_set_limits(&play_conf->script_limits);
	lua_start();
	co_start();
	play_up(&play_lookupd[0], 7);
	test_wait();
	test_all();
	test_memory();
	test_gone();
	test_many();
	lua_scripts_release(play_conf);
	conf_unref(play_conf);
	hook_verdict_clear(&got);
	return done("t_script_wait");
}
