/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Questions to other processes: told once, from the loop, and never what is
 * not an answer to them.  The process, the timers and the session are played
 * here.
 */

#include "front.h"
#include "front_ask.h"
#include "front_hook.h"
#include "msg.h"
#include "peer.h"
#include "proc.h"
#include "proto.h"
#include "t.h"

/* --- what is played ------------------------------------------------------- */

static struct peer	peer = { .role = R_VERIFYD };
static bool		there;		/* is there such a process? */
static unsigned int	sent, gone_on;
static uint16_t		sent_type;
static uint64_t		sent_sid;
static uint32_t		sent_seq;
static struct timer	*running;	/* the last that was set */
static int64_t		running_ms;

struct peer *
proc_peer(unsigned int role, unsigned int index)
{
	ok(role == R_VERIFYD && index == 0, "asks verifyd");
	return there ? &peer : NULL;
}

/* Verdicts of scripts have a test of their own. */
int
hook_check(struct msg *m)
{
	(void)m;
	return -1;
}

int
hook_check_for(const struct session *s, uint32_t seq)
{
	(void)s;
	(void)seq;
	return -1;
}

void
peer_send(struct peer *p, uint16_t type, uint64_t sid, uint32_t seq, int fd,
    struct wbuf *body)
{
	ok(p == &peer && fd == -1, "to the peer");
	sent++;
	sent_type = type;
	sent_sid = sid;
	sent_seq = seq;
	wbuf_clear(body);
}

void
timer_init(struct timer *t, void (*fn)(void *), void *arg)
{
	t->when.ms = 0;
	t->fn = fn;
	t->arg = arg;
}

void
timer_set(struct timer *t, int64_t ms)
{
	t->when.ms = 1;
	running = t;
	running_ms = ms;
}

void
timer_del(struct timer *t)
{
	t->when.ms = 0;
	if (running == t)
		running = NULL;
}

/* Its time has come. */
static void
timer_fire(void)
{
	struct timer	*t = running;

	if (!ok(t != NULL, "a timer is set"))
		return;
	timer_del(t);
	t->fn(t->arg);
}

void
session_wait(struct session *s, enum sess_wait wait, int64_t ms)
{
	(void)ms;
	s->wait = wait;
}

void
session_go(struct session *s)
{
	ok(LIST_EMPTY(&s->asks), "goes on with nothing out");
	gone_on++;
	s->wait = WAIT_NONE;
}

static int64_t	age;		/* of the command */

int64_t
command_age(const struct session *s)
{
	(void)s;
	return age;
}

void
session_end(struct session *s, const char *why)
{
	(void)s;
	ok(false, "the session ends: %s", why);
}

/* --- the asker ------------------------------------------------------------ */

static unsigned int	told;		/* times */
static int		answer;		/* LOOKUP_*; -1: cannot tell */
static bool		again;		/* ask another from done */
static enum sess_wait	then;		/* wait for that behind it */

static void	ask(struct session *);

static void
done_cb(struct session *s, struct msg *m)
{
	struct proto_lookup_ans	 ans;

	told++;
	answer = -1;
	if (m != NULL) {
		is_int(get_lookup_ans(m, &ans), 0, "an answer");
		answer = ans.answer;
		if (answer == LOOKUP_YES)
			is_str(ans.value, "value", "its value");
	}
	if (again) {
		again = false;
		ask(s);
	}
	if (then != WAIT_NONE)
		s->wait = then;
}

static void
ask(struct session *s)
{
	struct wbuf	w = { .data = NULL };

	put_u32(&w, 1);
	ask_send(s, R_VERIFYD, MSG_LOOKUP, &w, ASK_TIMEOUT, done_cb);
}

/* An answer comes in; its body may be cut. */
static int
come(uint64_t sid, uint32_t seq, uint8_t what, size_t cut)
{
	struct proto_lookup_ans	 ans = { .answer = what };
	struct wbuf		 w = { .data = NULL };
	struct msg		 m = { .fd = -1, .type = MSG_LOOKUP_ANS };
	int			 r;

	if (what == LOOKUP_YES)
		(void)strlcpy(ans.value, "value", sizeof(ans.value));
	put_lookup_ans(&w, &ans);
	m.sid = sid;
	m.seq = seq;
	rbuf_init(&m.body, w.data, w.len - cut);
	r = ask_answer(&peer, &m);
	wbuf_clear(&w);
	return r;
}

static void
begin(struct session *s)
{
	memset(s, 0, sizeof(*s));
	LIST_INIT(&s->asks);
	s->sid = 77;
	there = true;
	sent = gone_on = told = 0;
	again = false;
	then = WAIT_NONE;
	running = NULL;
}

/* --- tests ---------------------------------------------------------------- */

static void
test_answer(void)
{
	struct session	s;

	begin(&s);
	ask(&s);
	is_int(sent, 1, "sent");
	is_int(sent_type, MSG_LOOKUP, "its type");
	is_int((long long)sent_sid, 77, "the session's id");
	is_int(s.wait, WAIT_ASK, "waits");
	is_int(told, 0, "not told from inside");
	is_int(come(77, sent_seq, LOOKUP_YES, 0), 0, "answered");
	is_int(told, 1, "told");
	is_int(answer, LOOKUP_YES, "yes");
	is_int(gone_on, 1, "goes on");
	ok(running == NULL, "no timer is left");
	is_int(come(77, sent_seq, LOOKUP_NO, 0), 0, "twice: dropped");
	is_int(told, 1, "told once");
}

static void
test_cannot(void)
{
	struct session	s;

	begin(&s);
	there = false;
	ask(&s);
	is_int(sent, 0, "nobody there");
	is_int(told, 0, "not told from inside");
	is_int(running_ms, 0, "at once");
	timer_fire();
	is_int(told, 1, "told");
	is_int(answer, -1, "cannot tell");
	is_int(gone_on, 1, "goes on");

	begin(&s);
	ask(&s);
	is_int(running_ms, 10000, "the deadline");
	timer_fire();
	is_int(answer, -1, "too late");
	is_int(told, 1, "told");
	is_int(come(77, sent_seq, LOOKUP_YES, 0), 0, "later: dropped");
	is_int(told, 1, "told once");

	begin(&s);
	ask(&s);
	ask_peer_down(&peer);
	is_int(told, 0, "not told while others are told");
	is_int(running_ms, 0, "but at once");
	timer_fire();
	is_int(told, 1, "lost");
	is_int(answer, -1, "cannot tell");
}

/* Its client waits five minutes for a command, not for each question. */
static void
test_long(void)
{
	struct session	s;

	begin(&s);
	age = 275000;
	ask(&s);
	is_int(running_ms, 5000, "what is left of the command's time");
	is_int(come(77, sent_seq, LOOKUP_YES, 0), 0, "answered");
	age = 300000;
	ask(&s);
	is_int(running_ms, 0, "nothing is left");
	timer_fire();
	is_int(answer, -1, "cannot tell");
	age = 0;
}

static void
test_not_an_answer(void)
{
	struct msg	m = { .fd = -1, .sid = 77, .type = MSG_PTR_ANS };
	struct wbuf	w = { .data = NULL };
	struct session	s;

	begin(&s);
	ask(&s);
	is_int(come(78, sent_seq, LOOKUP_YES, 0), 0, "another session's");
	is_int(come(77, sent_seq + 1, LOOKUP_YES, 0), 0, "another number");
	is_int(told, 0, "dropped");
	is_int(come(77, sent_seq, LOOKUP_YES, 1), -1, "cut short");
	is_int(come(78, sent_seq + 9, LOOKUP_YES, 1), -1, "nobody's, cut");
	is_int(come(77, sent_seq, LOOKUP_ANSWER_COUNT, 0), -1, "no answer");
	put_ptr_ans(&w, &(struct proto_ptr_ans){ .status = DNS_OK });
	m.seq = sent_seq;
	rbuf_init(&m.body, w.data, w.len);
	is_int(ask_answer(&peer, &m), -1, "to another question");
	wbuf_clear(&w);
	is_int(told, 0, "none was told");
	is_int(come(77, sent_seq, LOOKUP_NO, 0), 0, "the true one");
	is_int(told, 1, "told");
	is_int(answer, LOOKUP_NO, "no");
}

/* A STATE_ANS is its head and so many items, and nothing else. */
static int
state(uint8_t op, uint32_t n, unsigned int items, bool more)
{
	struct proto_state_ans	 ans = { .op = op, .n = n };
	struct msg		 m = { .fd = -1, .type = MSG_STATE_ANS };
	struct wbuf		 w = { .data = NULL };
	unsigned int		 i;
	int			 r;

	put_state_ans(&w, &ans);
	for (i = 0; i < items; i++) {
		put_bool(&w, i % 2 == 0);
		put_blob(&w, "abc", i % 2 == 0 ? 3 : 0);
	}
	if (more)
		put_u8(&w, 0);
	rbuf_init(&m.body, w.data, w.len);
	r = ask_answer(&peer, &m);
	wbuf_clear(&w);
	return r;
}

static void
test_state(void)
{
	is_int(state(STATE_GET, 2, 2, false), 0, "two of two");
	is_int(state(STATE_GET, 0, 0, false), 0, "none");
	is_int(state(STATE_GET, 2, 1, false), -1, "one of two");
	is_int(state(STATE_GET, 1, 2, false), -1, "two of one");
	is_int(state(STATE_GET, 1, 1, true), -1, "and more");
	is_int(state(STATE_SET, 5, 0, false), 0, "set");
	is_int(state(STATE_SET, 1, 1, false), -1, "set, and an item");
	is_int(state(STATE_OP_COUNT, 0, 0, false), -1, "no operation");
	is_int(state(STATE_GET, STATE_ITEMS_MAX + 1, 0, false), -1, "many");
}

static void
test_tarpit(void)
{
	struct session	s;

	begin(&s);
	ask(&s);
	s.wait = WAIT_TARPIT;
	is_int(come(77, sent_seq, LOOKUP_YES, 0), 0, "in the tarpit");
	is_int(told, 0, "kept");
	ok(running == NULL, "it is answered: no deadline");
	is_int(come(77, sent_seq, LOOKUP_NO, 0), 0, "again: dropped");
	ask_peer_down(&peer);
	ok(running == NULL, "and not lost");
	s.wait = WAIT_ASK;
	ask_resume(&s);
	is_int(told, 1, "told");
	is_int(answer, LOOKUP_YES, "as it was");
	is_int(gone_on, 1, "goes on");

	begin(&s);
	ask(&s);
	s.wait = WAIT_TARPIT;
	timer_fire();
	is_int(told, 0, "too late in the tarpit: kept");
	s.wait = WAIT_HOP;
	ask_resume(&s);
	is_int(told, 1, "told");
	is_int(answer, -1, "cannot tell");
	is_int(gone_on, 0, "the next hop is waited for");
	ask_resume(&s);
	is_int(told, 1, "told once");
}

static void
test_again(void)
{
	struct session	s;
	uint32_t	first;

	begin(&s);
	again = true;
	ask(&s);
	first = sent_seq;
	is_int(come(77, first, LOOKUP_NO, 0), 0, "answered");
	is_int(told, 1, "told");
	is_int(sent, 2, "asked again");
	ok(sent_seq != first, "by another number");
	is_int(gone_on, 0, "still waits");
	is_int(come(77, sent_seq, LOOKUP_YES, 0), 0, "answered again");
	is_int(told, 2, "told again");
	is_int(gone_on, 1, "goes on");

	begin(&s);
	then = WAIT_HOP;
	ask(&s);
	is_int(come(77, sent_seq, LOOKUP_NO, 0), 0, "answered");
	is_int(gone_on, 0, "waits for the next hop now");

	/* While the next hop is waited for, that wait is not ended. */
	begin(&s);
	s.wait = WAIT_HOP;
	ask(&s);
	is_int(s.wait, WAIT_HOP, "still waits for it");
	is_int(come(77, sent_seq, LOOKUP_NO, 0), 0, "answered");
	is_int(told, 1, "told");
	is_int(gone_on, 0, "and waits on");
}

static void
test_two(void)
{
	struct session	s;
	uint32_t	first;

	begin(&s);
	ask(&s);
	first = sent_seq;
	ask(&s);
	is_int(come(77, sent_seq, LOOKUP_NO, 0), 0, "the second");
	is_int(told, 1, "told");
	is_int(gone_on, 0, "one is out");
	is_int(come(77, first, LOOKUP_YES, 0), 0, "the first");
	is_int(told, 2, "told");
	is_int(gone_on, 1, "goes on");
}

static void
test_forget(void)
{
	struct session	s;

	begin(&s);
	ask(&s);
	ask(&s);
	ask_forget(&s);
	ok(LIST_EMPTY(&s.asks), "nothing is out");
	ok(running == NULL, "no timer");
	is_int(come(77, sent_seq, LOOKUP_YES, 0), 0, "dropped");
	is_int(told, 0, "nobody is told");
}

int
main(void)
{
	test_answer();
	test_cannot();
	test_long();
	test_not_an_answer();
	test_state();
	test_tarpit();
	test_again();
	test_two();
	test_forget();
	return done("ask");
}
