/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What other processes answer to scripts, as it reaches Lua.  The first octet
 * says which function waits, the rest is the payload of the answer.
 *
 * Whatever the payload: the script goes on exactly once, nothing stays out,
 * and where the sender is broken the script is told that this is no answer.  A
 * second answer to the same question is dropped.
 */

#include "fuzz.h"
#include "script_play.h"

#define MEMORY_MAX	(16 * 1024 * 1024)

static const struct {
	const char	*script;
	uint16_t	 type;
} waits[] = {
	{ "return db.query('users', 'S')", MSG_SQL_ANS },
	{ "local r = db.query('users', 'S') for i = 1, #r do for k, v in "
	    "pairs(r[i]) do assert(v ~= nil) end end return #r",
	    MSG_SQL_ANS },
	{ "return db.execute('users', 'S')", MSG_SQL_ANS },
	{ "return db.value('users', 'S')", MSG_SQL_ANS },
	{ "return db.exists('users', 'S')", MSG_SQL_ANS },
	{ "return table.unpack(dns.query('x', 'TXT'))", MSG_DNS_LOOK_ANS },
	{ "return #dns.query('x', 'MX')", MSG_DNS_LOOK_ANS },
	{ "return msys.beta.rcptto_proxy.query{mailfrom='', rcptto='a@b', "
	    "host='h'}", MSG_PROBE_ANS },
	{ "return ptr()", MSG_PTR_ANS },
	{ "return list.has('blocked', 'x')", MSG_LOOKUP_ANS },
	{ "return rate('n', 'k', 1, 1)", MSG_STATE_ANS },
	{ "return store.get('n', 'k')", MSG_STATE_ANS },
	{ "return store.set('n', 'k', 1, 1)", MSG_STATE_ANS },
	{ "return store.incr('n', 'k')", MSG_STATE_ANS },
	{ "return select('#', all{function() return dns.query('x') end})",
	    MSG_DNS_LOOK_ANS },
	{ "return pcall(function() return db.query('users', 'S') end)",
	    MSG_SQL_ANS }
};

static struct play	play = { .sess = { .sid = 1 } };
static size_t		used;

static void *
alloc(void *ud, void *p, size_t osize, size_t nsize)
{
	void	*q;

	(void)ud;
	if (p == NULL)
		osize = 0;
	if (nsize == 0) {
		free(p);
		used -= osize;
		return NULL;
	}
	if (nsize > osize && used + (nsize - osize) > MEMORY_MAX)
		return NULL;
	if ((q = realloc(p, nsize)) != NULL)
		used += nsize - osize;
	return q;
}

static int
answer(uint16_t type, const uint8_t *p, size_t len)
{
	struct wbuf	w = { .data = NULL };

	put_raw(&w, p, len);
	must(wire_ok(&w));
	return play_answer(0, type, &w);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	unsigned int	stops = play_stops;
	size_t		which;
	int		r;

	if (len == 0)
		return 0;
	if (lua_main == NULL) {
		log_to(LOG_TO_NOTHING, -1);
		play_start(alloc);
	}
	which = p[0] % (sizeof(waits) / sizeof(waits[0]));
	(void)addr_parse(&play.sess.view.remote, "192.0.2.1");
	play_run(&play, waits[which].script);
	must(play_end == CO_WAIT && op_count() == 1);
	r = answer(waits[which].type, p + 1, len - 1);
	must(play_end == CO_DONE || play_end == CO_ERROR ||
	    play_end == CO_NOMEM);
	must(r == 0 || play_end == CO_NOMEM ||
	    strstr(play_text, "that is no answer") != NULL);
	must(play_stops == stops + 1 && op_count() == 0);
	must(LIST_EMPTY(&play_timers) && LIST_EMPTY(&play.call.cos));
	must(answer(waits[which].type, p + 1, len - 1) == 0);
	must(play_stops == stops + 1);
	hook_session_clear(&play.sess.view);
	return 0;
}
