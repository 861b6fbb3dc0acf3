/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * front_caps.c: what is known, what is reported, what is forgotten.
 */

#include "front.h"
#include "msg.h"
#include "peer.h"
#include "proc.h"
#include "t.h"

static struct peer		 verifyd;
static bool			 is_up = true;
static unsigned int		 sent;
static struct proto_caps	 last;
static uint32_t			 live_from = 1;	/* ids below are gone */
static int			 xclient = XCLIENT_IF_AVAILABLE;

struct peer *
proc_peer(unsigned int role, unsigned int index)
{
	ok(role == R_VERIFYD && index == 0, "who is told");
	return is_up ? &verifyd : NULL;
}

struct conf_obj *
proc_conf_obj(size_t offset, uint32_t id)
{
	static struct conf_remote	r;

	r.obj.id = id;
	r.xclient = xclient;
	ok(offset == offsetof(struct config, remotes), "a remote");
	return id >= live_from ? &r.obj : NULL;
}

void
peer_send(struct peer *p, uint16_t type, uint64_t sid, uint32_t seq, int fd,
    struct wbuf *w)
{
	struct msg	m = { .type = type };

	ok(p == &verifyd && type == MSG_REMOTE_SEEN && sid == 0 && seq == 0 &&
	    fd == -1, "a report");
	rbuf_init(&m.body, w->data, w->len);
	ok(get_caps(&m, &last) == 0, "a whole one");
	wbuf_clear(w);
	sent++;
}

static void
seen(uint32_t id, unsigned int word)
{
	struct conf_remote	r = { .obj = { .id = id } };

	r.xclient = xclient;
	caps_seen(&r, word);
}

static void
tell(uint32_t id, unsigned int word, int want)
{
	struct proto_caps	c = { .remote = id, .caps = word };
	struct msg		m = { .type = MSG_REMOTE_CAPS };
	struct wbuf		w = { 0 };

	put_caps(&w, &c);
	if (want == -1)
		put_u8(&w, 0);
	rbuf_init(&m.body, w.data, w.len);
	is_int(caps_told(&verifyd, &m), want, "remote %u", id);
	wbuf_clear(&w);
}

static void
is_known(uint32_t id, bool want, unsigned int word)
{
	bool	known = !want;

	is_int(caps_of(id, &known), word, "word of %u", id);
	ok(known == want, "%u known", id);
}

int
main(void)
{
	is_known(1, false, 0);
	seen(1, EXT_DSN);
	is_known(1, true, EXT_DSN);
	ok(sent == 1 && last.remote == 1 && last.caps == EXT_DSN, "reported");
	seen(1, EXT_DSN);
	is_int(sent, 1, "that is known");
	seen(2, 0);
	is_known(2, true, 0);
	is_int(sent, 2, "that it offers nothing is news too");
	seen(1, EXT_DSN | EXT_XC_NAME);
	ok(sent == 3 && last.caps == (EXT_DSN | EXT_XC_NAME), "a change");
	ok(caps_any_name(), "names are wanted");

	tell(1, EXT_SMTPUTF8, 0);
	is_known(1, true, EXT_SMTPUTF8);
	is_int(sent, 3, "what verifyd says is not said back");
	ok(!caps_any_name(), "not any more");
	tell(3, EXT_XC_NAME, 0);
	ok(caps_any_name(), "by another");
	tell(3, 0, -1);

	is_up = false;
	seen(4, EXT_DSN);
	is_known(4, true, EXT_DSN);
	is_int(sent, 3, "nobody to report to");
	is_up = true;
	sent = 0;
	caps_verifyd_up(&verifyd);
	is_int(sent, 4, "all that we know");

	xclient = XCLIENT_NO;
	tell(3, 0, 0);
	seen(5, EXT_XC_NAME);
	tell(6, EXT_XC_NAME, 0);
	ok(!caps_any_name(), "not by those that we do not tell");
	xclient = XCLIENT_REQUIRED;
	seen(7, EXT_XC_NAME);
	ok(caps_any_name(), "by who must be told");

	live_from = 4;
	caps_sweep();
	is_known(1, false, 0);
	is_known(3, false, 0);
	is_known(4, true, EXT_DSN);
	live_from = 8;
	caps_sweep();
	ok(!caps_any_name(), "gone with the remote");
	tell(2, EXT_DSN, 0);
	is_known(2, false, 0);
	is_known(4, false, 0);
	is_known(7, false, 0);
	return done("caps");
}
