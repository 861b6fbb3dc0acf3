/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Call-forward against servers that say anything, asked by sessions and by
 * scripts: each question has one answer in the end, none is a yes that no 2xx
 * said, and nothing is left.
 *
 * The first octet says what is asked and how.  The rest is what servers say:
 * a piece of it, up to and with an octet 0x01, whenever something comes from
 * us; 0x02 in a piece closes the connection there.  When nothing is left they
 * are silent.
 */

#include "probe_play.h"

#include "adhoc.h"
#include "proto_script.h"
#include "rcptto.h"

#define ASKS	6

/* fuzz.h and t.h do not go together. */
#define must(cond)							\
	do {								\
		if (!(cond)) {						\
			printf("%s:%d: not so: %s\n", __FILE__,	\
			    __LINE__, #cond);				\
			abort();					\
		}							\
	} while (0)

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
one_more(struct answer *a, size_t i, unsigned int use)
{
	static const char *const	rcpts[ASKS] = { "a@d.test",
		"b@d.test", "a@d.test", "j\xc3\xbcrg@d.test", "c@d.test",
		"e@d.test" };
	enum look_what			what = LOOK_ADDRESS;

	if ((use & 1) != 0 && i == 4)
		what = LOOK_VRFY;
	if ((use & 2) != 0 && i == 5)
		what = LOOK_EXPN;
	ask_what(a, rcpts[i], i == 1 ? "s@c.test" : "", what,
	    (use & 4) != 0 && i == 0 ? LOOK_AHEAD : 0);
}

/* What a script asks of that remote, or of a host; counts its answers. */
static size_t	told;

static void
on_told(uint16_t type, uint64_t sid, uint32_t seq, const struct wbuf *body)
{
	struct proto_probe_ans	a;
	struct msg		m = { .sid = sid, .seq = seq, .fd = -1 };

	must(type == MSG_PROBE_ANS);
	rbuf_init(&m.body, body->data, body->len);
	must(get_probe_ans(&m, &a) == 0 && a.stage[0] != '\0');
	must((a.result == PROBE_YES) == (a.code / 100 == 2));
	told++;
}

static void
by_script(const char *host)
{
	struct proto_probe	p = { .timeout = 5000, .rcpt = "a@d.test" };
	struct wbuf		w = { 0 };
	struct msg		m = { .fd = -1 };

	strlcpy(p.host, host, sizeof(p.host));
	put_probe(&w, &p);
	rbuf_init(&m.body, w.data, w.len);
	must(rcptto_probe(&dialer, &m) == 0);
	wbuf_clear(&w);
}

static void
set_remote(unsigned int use)
{
	if ((use & 8) != 0)
		set_text(&remote->mail_from, "sender");
	remote->limits.recipients = (use & 16) != 0 ? 2 : 50;
	remote->limits.errors = 2;
	remote->probes = (use & 32) != 0 ? 1 : 3;
	remote->protocol = (use & 64) != 0 ? PROTO_LMTP : PROTO_SMTP;
	remote->timeout.connect = 1000;
	remote->timeout.command = 1000;
	remote->timeout.idle = 1000;
}

static void
leave(void)
{
	struct config	*old = conf;

	pass(200000);
	adhoc_clear();
	conf = NULL;
	probe_release(old);
	conf_unref(old);
	settle();
	must(open_servers() == 0 && LIST_EMPTY(&timers));
	reset();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static bool	 begun;
	struct answer	 a[ASKS];
	unsigned int	 use;
	size_t		 i;

	if (!begun) {
		log_to(LOG_TO_NOTHING, -1);
		play_init();
		on_message = on_told;
		leave();
		begun = true;
	}
	if (len == 0 || len > 8192)
		return 0;
	use = data[0];
	configure(1);
	set_remote(use);
	how.says = data + 1;
	how.nsays = len - 1;
	for (i = 0; i < ASKS; i++)
		one_more(&a[i], i, use);
	if ((use & 128) != 0) {
		verify_cancel(a[2].v);
		a[2].times++;
	}
	told = 0;
	by_script("store");
	by_script("host.test");
	pass(60000);
	must(told == 2);
	for (i = 0; i < ASKS; i++) {
		must(a[i].times == 1);
		must(a[i].answer != LOOKUP_YES ||
		    memchr(data, '2', len) != NULL);
	}
	must(stat_of("probe.waiting ") == 0 && t_failed == 0);
	leave();
	return 0;
}
