/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * front_ptr.c: one question in a session, and every way in which it can end.
 * What it sends and whom it tells is recorded here.
 */

#include <sys/types.h>
#include <sys/time.h>

#include <event.h>

#include "front.h"
#include "msg.h"
#include "peer.h"
#include "proc.h"
#include "t.h"

static struct config	 conf;
static struct peer	 verifyd;
static bool		 is_up = true;
static unsigned int	 asked, told;
static struct session	*last_told;
static struct proto_ptr	 question;
static bool		 wanted;

struct peer *
proc_peer(unsigned int role, unsigned int index)
{
	ok(role == R_VERIFYD && index == 0, "who is asked");
	return is_up ? &verifyd : NULL;
}

void
peer_send(struct peer *p, uint16_t type, uint64_t sid, uint32_t seq, int fd,
    struct wbuf *w)
{
	struct msg	m = { .type = type, .sid = sid };

	ok(p == &verifyd && type == MSG_PTR_ASK && seq == 0 && fd == -1,
	    "a question");
	rbuf_init(&m.body, w->data, w->len);
	ok(get_ptr(&m, &question) == 0, "a whole one");
	wbuf_clear(w);
	asked++;
}

void
hop_name_known(struct session *s)
{
	told++;
	last_told = s;
}

void
flog_name(const struct session *s, const char *name, bool later)
{
	(void)s;
	ok(name[0] == '\0' || !later, "a name, or later");
}

bool
caps_any_name(void)
{
	return wanted;
}

static struct session
session(uint64_t sid)
{
	struct session	s = { .sid = sid, .conf = &conf };

	(void)addr_parse(&s.remote, "192.0.2.1");
	return s;
}

static void
answer(uint64_t sid, enum dns_status status, const char *name)
{
	struct proto_ptr_ans	a = { .status = (uint8_t)status };
	struct msg		m = { .type = MSG_PTR_ANS, .sid = sid };
	struct wbuf		w = { 0 };

	(void)strlcpy(a.name, name, sizeof(a.name));
	put_ptr_ans(&w, &a);
	rbuf_init(&m.body, w.data, w.len);
	ok(ptr_told(&verifyd, &m) == 0, "an answer is taken");
	wbuf_clear(&w);
}

/* The answer to a session's question, and what is known then. */
static void
one(enum dns_status status, const char *name, const char *want, bool later)
{
	struct session	 s = session(7);
	const char	*got;
	bool		 is_later;

	asked = told = 0;
	ok(!ptr_get(&s, &got, &is_later), "not known yet");
	ok(!ptr_get(&s, &got, &is_later), "nor now");
	is_int(asked, 1, "asked once");
	ok(addr_same_ip(&question.addr, &s.remote), "about the client");
	is_int(question.timeout, 5000, "with our time");
	answer(8, DNS_OK, "another.test");
	is_int(told, 0, "that was another's");
	answer(7, status, name);
	ok(told == 1 && last_told == &s, "the session is told");
	answer(7, DNS_OK, "again.test");
	is_int(told, 1, "once");
	ok(ptr_get(&s, &got, &is_later), "known");
	is_str(got == NULL ? "(none)" : got, want, "the name");
	ok(is_later == later, "later");
	is_int(asked, 1, "asked once for all");
	ptr_forget(&s);
	ok(s.ptr == NULL, "forgotten");
	answer(7, DNS_OK, "late.test");
	is_int(told, 1, "nobody is told");
}

static void
test_nobody(void)
{
	struct session	 s = session(7), t = session(8);
	const char	*got;
	bool		 later;

	asked = told = 0;
	is_up = false;
	ok(ptr_get(&s, &got, &later) && got == NULL && later, "no verifyd");
	is_up = true;
	ok(!ptr_get(&s, &got, &later) && !ptr_get(&t, &got, &later),
	    "it is back");
	ptr_verifyd_down();
	is_int(told, 2, "both are told that it is gone");
	ok(ptr_get(&s, &got, &later) && got == NULL && later, "not now");
	is_int(asked, 2, "asked once each");
	ptr_forget(&s);
	ptr_forget(&t);
	ptr_forget(&t);
}

static void
test_not_asked(void)
{
	struct session	 s = session(7);
	const char	*got;
	bool		 later;

	asked = 0;
	s.remote.family = ADDR_UNIX;
	ok(ptr_get(&s, &got, &later) && got == NULL && !later,
	    "unix sockets have no name");
	s = session(7);
	conf.session.reverse_dns = RDNS_NEVER;
	ok(ptr_get(&s, &got, &later) && got == NULL && !later,
	    "we are not to look");
	wanted = true;
	ptr_early(&s);
	is_int(asked, 0, "nobody was asked");
	conf.session.reverse_dns = RDNS_AUTO;
	wanted = false;
	ptr_early(&s);
	is_int(asked, 0, "nobody wants it");
	wanted = true;
	ptr_early(&s);
	ptr_early(&s);
	is_int(asked, 1, "somebody does");
	ptr_forget(&s);
	wanted = false;
	conf.session.reverse_dns = RDNS_ALWAYS;
	ptr_early(&s);
	is_int(asked, 2, "we always do");
	ptr_forget(&s);
	conf.session.reverse_dns = RDNS_AUTO;
}

int
main(void)
{
	conf.resolver.timeout = 5000;
	(void)event_init();
	timer_start();
	one(DNS_OK, "c.test", "c.test", false);
	one(DNS_OK, "", "(none)", false);
	one(DNS_NONE, "", "(none)", false);
	one(DNS_FAIL, "", "(none)", true);
	one(DNS_TIMEOUT, "", "(none)", true);
	test_nobody();
	test_not_asked();
	return done("ptr");
}
