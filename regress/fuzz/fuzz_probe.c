/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Call-forward against servers that say anything: each question has one
 * answer in the end, none is a yes that no 2xx said, and nothing is left.
 *
 * The first octet says what is asked and how.  The rest is what servers say:
 * a piece of it, up to and with an octet 0x01, whenever something comes from
 * us; 0x02 in a piece closes the connection there.  When nothing is left they
 * are silent.
 */

#include "probe_play.h"

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
	pass(60000);
	for (i = 0; i < ASKS; i++) {
		must(a[i].times == 1);
		must(a[i].answer != LOOKUP_YES ||
		    memchr(data, '2', len) != NULL);
	}
	must(stat_of("probe.waiting ") == 0 && t_failed == 0);
	leave();
	return 0;
}
