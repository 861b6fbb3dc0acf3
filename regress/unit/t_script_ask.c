/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Scripts that wait: each question ends once, whatever becomes of the process
 * that was asked, of its answer, and of who asked.
 */

#include "t.h"
#include "script_play.h"

static struct play	play = { .sess = { .sid = 0x1234 } };

/* A yes or no of verifyd's, about a list. */
static void
put_has(struct wbuf *w, enum lookup_answer answer)
{
	static struct proto_lookup_ans	a;

	memset(w, 0, sizeof(*w));
	memset(&a, 0, sizeof(a));
	a.answer = (uint8_t)answer;
	put_lookup_ans(w, &a);
}

static int
say(size_t back, enum lookup_answer answer)
{
	struct wbuf	w;

	put_has(&w, answer);
	return play_answer(back, MSG_LOOKUP_ANS, &w);
}

/* The script is over, and says so. */
static void
over(const char *text, enum co_end end, const char *what)
{
	is_int(play_end, end, "%s: how it ends", what);
	is_str(play_text, text, "%s: what it says", what);
	is_int(op_count(), 0, "%s: nothing is out", what);
	ok(LIST_EMPTY(&play_timers), "%s: no timer runs", what);
	ok(LIST_EMPTY(&play.call.cos), "%s: no coroutine", what);
}

#define HAS	"list.has('blocked', 'x')"
#define WHERE	"test:1: "

static void
test_answer(void)
{
	struct wbuf	w;

	play_run(&play, "return " HAS);
	is_int(play_end, CO_WAIT, "it waits");
	is_int(op_count(), 1, "one question is out");
	is_int(say(0, LOOKUP_YES), 0, "the answer is good");
	over("true", CO_DONE, "yes");
	is_int(say(0, LOOKUP_YES), 0, "the same answer again is dropped");
	over("true", CO_DONE, "still");

	play_run(&play, "return " HAS);
	(void)say(0, LOOKUP_NO);
	over("false", CO_DONE, "no");

	play_run(&play, "return " HAS);
	put_has(&w, LOOKUP_YES);
	put_u8(&w, 0);
	is_int(play_answer(0, MSG_LOOKUP_ANS, &w), -1, "an octet too much");
	over(WHERE "list.has blocked: nobody can tell: that is no answer",
	    CO_ERROR, "a bad answer");

	play_run(&play, "return list.has('blocked', 'x', {raise=false})");
	memset(&w, 0, sizeof(w));
	is_int(play_answer(0, MSG_LOOKUP_ANS, &w), -1, "an empty answer");
	over("nil list.has blocked: nobody can tell: that is no answer",
	    CO_DONE, "a bad answer, not raised");
}

/* What is not the answer is dropped, and the question stays. */
static void
test_foreign(void)
{
	struct play_sent	*s;
	struct peer		 other = { .role = R_LOOKUPD };
	struct wbuf		 w;

	play_run(&play, "return " HAS);
	s = &play_sent[(play_nsent - 1) % PLAY_SENT_MAX];
	s->sid++;
	is_int(say(0, LOOKUP_YES), 0, "of another session");
	s->sid--;
	s->seq++;
	is_int(say(0, LOOKUP_YES), 0, "to another question");
	s->seq--;
	s->to = &other;
	is_int(say(0, LOOKUP_YES), 0, "of another process");
	other = play_verifyd;
	other.index = 1;
	is_int(say(0, LOOKUP_YES), 0, "of another verifyd");
	s->to = &play_verifyd;
	put_has(&w, LOOKUP_YES);
	is_int(play_answer(0, MSG_STATE_ANS, &w), 0, "of another type");
	is_int(play_end, CO_WAIT, "it still waits");
	(void)say(0, LOOKUP_YES);
	over("true", CO_DONE, "then");
}

static void
test_nobody(void)
{
	unsigned int	stops = play_stops;

	play_no_verifyd = true;
	play_run(&play, "return " HAS);
	over(WHERE "list.has blocked: nobody can tell: no process is there "
	    "for it", CO_ERROR, "no verifyd");
	play_no_verifyd = false;

	play_run(&play, "return pcall(function() return " HAS " end)");
	play_wait(4999);
	is_int(play_end, CO_WAIT, "not yet");
	play_wait(60);
	over("false " WHERE "list.has blocked: nobody can tell: no answer in "
	    "time", CO_DONE, "late");
	is_int(say(0, LOOKUP_YES), 0, "a late answer is dropped");

	play_run(&play, "return list.has('blocked', 'x', {raise=false})");
	op_peer_down(&play_lookupd[0]);
	is_int(play_end, CO_WAIT, "another process is lost");
	op_peer_down(&play_verifyd);
	over("nil list.has blocked: nobody can tell: the process that was "
	    "asked is gone", CO_DONE, "lost");
	is_int(play_stops - stops, 3, "each stopped once");

	/* An operation ends before the call does. */
	play_run(&play, "sleep(58) return " HAS);
	play_wait(58000);
	is_int(play_last_ms, 1900, "cut to what is left");
	play_wait(1950);
	is_int(play_end, CO_ERROR, "before the call's own end");
}

static void
test_sleep(void)
{
	play_run(&play, "sleep(1.5) return 'up'");
	is_int(play_last_ms, 1500, "in milliseconds");
	play_wait(1499);
	is_int(play_end, CO_WAIT, "it sleeps");
	play_wait(1);
	over("up", CO_DONE, "it wakes");
	play_run(&play, "sleep(0) return 'up'");
	over("up", CO_DONE, "no time at all");
	play_run(&play, "sleep(61)");
	ok(strstr(play_text, "not in 0 ... 60.0 seconds") != NULL,
	    "longer than a call: %s", play_text);
	play_run(&play, "sleep(0/0)");
	is_int(play_end, CO_ERROR, "no number");
	play_run(&play, "sleep(-1)");
	is_int(play_end, CO_ERROR, "the past");
	op_peer_down(&play_verifyd);
	play_run(&play, "sleep(1) return 'up'");
	op_peer_down(&play_verifyd);
	is_int(play_end, CO_WAIT, "a clock is not lost");
	play_wait(1000);
	over("up", CO_DONE, "and it wakes");
}

/* Not from inside what cannot wait. */
static void
test_inside(void)
{
	play_run(&play, "table.sort({1, 2}, function() return " HAS " end)");
	over(WHERE "list.has: cannot wait in a function that the library "
	    "calls, as that of sort or gsub", CO_ERROR, "sort");
	play_run(&play, "string.gsub('x', '.', function() sleep(1) end)");
	ok(strstr(play_text, "sleep: cannot wait") != NULL, "gsub");
	play_run(&play, "string.gsub('x', '.', function() all{sleep} end)");
	ok(strstr(play_text, "all: cannot wait") != NULL, "all in gsub");
	is_int(op_count(), 0, "nothing was asked");
}

static void
test_options(void)
{
	play_run(&play, "list.has('blocked', 'x', {raise=1})");
	ok(strstr(play_text, "options are {raise=false}") != NULL, "a number");
	play_run(&play, "list.has('blocked', 'x', {rise=false})");
	ok(strstr(play_text, "options are {raise=false}") != NULL, "a typo");
	play_run(&play, "list.has('blocked', 'x', {})");
	ok(strstr(play_text, "options are {raise=false}") != NULL, "nothing");
	play_run(&play, "list.has('blocked', 'x', {raise=false, x=1})");
	ok(strstr(play_text, "options are {raise=false}") != NULL, "more");
	is_int(op_count(), 0, "nothing was asked");
}

/* --- all ------------------------------------------------------------------ */

static void
test_all(void)
{
	play_run(&play, "return all{}");
	over("", CO_DONE, "nothing at all");
	play_run(&play, "return all{function() return 1, 2 end, function() "
	    "end, function() return 'c' end}");
	over("1 nil c", CO_DONE, "nothing waits");

	play_run(&play, "local function f(k) return function() return "
	    "list.has('blocked', k), k end end "
	    "return 'r', all{f 'a', f 'b', f 'c'}");
	is_int(op_count(), 3, "all are asked at once");
	(void)say(0, LOOKUP_YES);
	is_int(play_end, CO_WAIT, "the last has its answer");
	(void)say(2, LOOKUP_NO);
	is_int(op_count(), 1, "one is left");
	(void)say(1, LOOKUP_YES);
	over("r false true true", CO_DONE, "in their order");

	play_run(&play, "return all{function() sleep(1) return 'a' end, "
	    "function() return all{function() sleep(2) return 'b' end} end, "
	    "function() return 'c' end}");
	play_wait(1000);
	is_int(play_end, CO_WAIT, "the inner one");
	play_wait(1000);
	over("a b c", CO_DONE, "one in the other");
}

static void
test_all_error(void)
{
	play_run(&play, "all{function() sleep(5) end, function() sleep(1) "
	    "error('no') end, function() all{function() sleep(9) end} end}");
	is_int(op_count(), 3, "three sleep");
	play_wait(1000);
	over("test:1: no", CO_ERROR, "an error in one");

	play_run(&play, "local ok, e = pcall(all, {function() sleep(5) end, "
	    "function() error({n = 'table'}) end}) "
	    "sleep(1) return ok, e.n");
	play_wait(1000);
	over("false table", CO_DONE, "caught, as it is");

	play_run(&play, "local a, b = all({function() error('no') end, "
	    "function() sleep(1) end}, {raise=false}) return a, b");
	over("nil test:1: no", CO_DONE, "not raised");

	play_run(&play, "all{1}");
	over("test:1: all: a number at 1 where a function is expected",
	    CO_ERROR, "no function");
	play_run(&play, "all{function() sleep(1) end, function() accept() end,"
	    " function() sleep(1) end}");
	over("", CO_VERDICT, "a verdict in one ends the call");
}

static void
test_all_many(void)
{
	play_run(&play, "local t = {} for i = 1, 64 do t[i] = function() "
	    "end end all(t)");
	over("test:1: all: more than 64 coroutines", CO_ERROR, "too many");
	play_run(&play, "local t = {} for i = 1, 63 do t[i] = function() "
	    "sleep(1) return i end end return select('#', all(t))");
	is_int(op_count(), 63, "as many as there may be");
	play_wait(1000);
	over("63", CO_DONE, "as many");
	play_run(&play, "local function f() return all{f, f} end f()");
	over("test:1: all: more than 64 coroutines", CO_ERROR, "a bomb");
	play_run(&play, "local n = 0 local function f() n = n + 1 if n < 60 "
	    "then return all{f} end sleep(1) return n end return f()");
	play_wait(1000);
	over("60", CO_DONE, "deep");
}

/* --- the end of who asked ------------------------------------------------- */

static void
test_cancel(void)
{
	static const char *const	texts[] = {
		"return " HAS,
		"sleep(5)",
		"all{function() " HAS " end, function() sleep(3) end}",
		"all{function() all{function() " HAS " end} end, "
		    "function() end}",
		"pcall(function() " HAS " end)",
		"db.query('users', 'SELECT 1')",
		"dns.query('example.org')",
		"ptr()"
	};
	size_t				i;

	play.sess.view.remote.family = ADDR_V4;
	for (i = 0; i < nitems(texts); i++) {
		play_run(&play, texts[i]);
		is_int(play_end, CO_WAIT, "%s: it waits", texts[i]);
		play_over(&play.call);
		is_int(op_count(), 0, "%s: nothing is out", texts[i]);
		ok(LIST_EMPTY(&play_timers), "%s: no timer", texts[i]);
		is_int(say(0, LOOKUP_YES), 0, "%s: dropped", texts[i]);
		play_wait(10000);
		op_peer_down(&play_verifyd);
	}
}

/* A lost process: who goes on may end others that wait for it, or ask anew. */
static void
test_lost_many(void)
{
	play_run(&play, "all{function() " HAS " end, function() " HAS
	    " end, function() " HAS " end}");
	is_int(op_count(), 3, "three wait");
	op_peer_down(&play_verifyd);
	is_int(play_end, CO_ERROR, "the first ends all");
	is_int(op_count(), 0, "nothing is out");

	play_run(&play, "pcall(function() " HAS " end) return " HAS);
	op_peer_down(&play_verifyd);
	is_int(play_end, CO_WAIT, "what is asked then is not lost with it");
	(void)say(0, LOOKUP_YES);
	over("true", CO_DONE, "the new one answers");
}

#define MANY	5000

static void
test_thousands(void)
{
	static struct play	many[MANY];
	size_t			i, first = play_nsent;
	unsigned int		stops = play_stops;

	for (i = 0; i < MANY; i++) {
		many[i].sess.sid = i + 1;
		play_run(&many[i], "return " HAS);
	}
	is_int(op_count(), MANY, "all wait");
	for (i = 0; i < MANY; i += 2)
		(void)say(play_nsent - 1 - first - i, LOOKUP_YES);
	is_int(op_count(), MANY / 2, "half have their answer");
	op_peer_down(&play_verifyd);
	is_int(op_count(), 0, "the others are told");
	is_int(play_stops - stops, MANY, "each once");
}

int
main(void)
{
	play_start(NULL);
	log_to(LOG_TO_NOTHING, -1);
	test_answer();
	test_foreign();
	test_nobody();
	test_sleep();
	test_inside();
	test_options();
	test_all();
	test_all_error();
	test_all_many();
	test_cancel();
	test_lost_many();
	test_thousands();
	lua_close(lua_main);
	conf_unref(play_conf);
	return done("t_script_ask");
}
