/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * A client's octets against the real smtpd/front_*.c over a real stream.
 * The next hop, the dialer, TLS, the clock and the timers are played here,
 * and the input says how: its first octet which configuration and how the
 * client cuts what it sends, its second how many octets of script follow
 * (a step of a next hop each, or of time), the rest is the client's.
 *
 * What verifyd remembers of recipients is played too, by the script: nothing,
 * any class, some or all of a message's deliveries, or no answer at all; and
 * its verdicts on recipients.  Some of those are vouched for, others are live.
 * It charges rates: no more in the end than for those that were accepted.
 * Where there are scripts proxyd is played as well: session_proxyd.h.
 *
 * Whatever comes: nothing crashes, replies are well-formed, commands reach a
 * next hop in an order that it may be asked in, and nothing more while it is
 * slow; the content that ends there is what the client sent, all of it, and
 * the next hop has taken everybody for whom the client was told 250; no
 * 250 is said to a message that did not reach every recipient, now or before;
 * nobody waits for what cannot come, or is told of a timeout too soon; and
 * the session ends when the client leaves.
 */

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <errno.h>
#include <event.h>
#include <fcntl.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#include "cdb_file.h"
#include "front.h"
#include "front_limit.h"
#include "list.h"
#include "fuzz.h"
#include "id.h"
#include "log.h"
#include "msg.h"
#include "parent_conf.h"
#include "peer.h"
#include "proc.h"
#include "proto.h"
#include "sent.h"
#include "smtp_client.h"

#define STEPS_MAX	20000		/* far more than any input needs */
#define HOPS_MAX	8		/* one is the rule */

struct stats	stats;

#include "session_time.h"
#include "session_hop.h"
#include "session_proxyd.h"
#include "session_verifyd.h"

/* --- the frame and TLS ---------------------------------------------------- */

static bool	draining;

/* Remotes are looked up by those who greet them, whom we play. */
unsigned int
caps_of(uint32_t remote, bool *known)
{
	*known = order() % 2 == 0;
	return *known ? EXT_DSN | EXT_SMTPUTF8 | (remote % 2 != 0 ?
	    EXT_BINARYMIME : 0) : 0;
}

struct config *
front_conf_ref(struct config *conf)
{
	return conf_ref(conf);
}

void
front_conf_unref(struct config *conf)
{
	conf_unref(conf);
}

bool
front_is_draining(void)
{
	return draining;
}

static struct config	*present;

int
front_in_list(void *arg, uint32_t id, const char *value,
    const struct addr *ip)
{
	size_t	i;

	(void)arg;
	for (i = 0; i < present->lists.n; i++)
		if (present->lists.v[i]->id == id)
			return list_has(present->lists.v[i]->priv, value, ip);
	return 0;
}

void
listen_resume(void)
{
}

bool
ftls_is_possible(const struct session *s)
{
	return !(s->flags & SF_TLS) && s->listener->tls != LTLS_OFF;
}

bool
ftls_is_offered(const struct session *s)
{
	return !(s->flags & SF_TLS) && s->listener->tls != LTLS_OFF;
}

/* As after a handshake. */
void
ftls_start(struct session *s, bool implicit)
{
	must(!implicit && !io_has_input(&s->io));
	session_reply(s, 0, "220 2.0.0 go ahead");
	if (s->state == S_DEAD)
		return;
	s->flags |= SF_TLS;
	hook_secured(s);
	proxy_forget(s);
	session_forget(s);
}

void
ftls_judge(struct session *s)
{
	(void)s;
}

void
ftls_refuse(struct session *s)
{
	session_reply(s, REPLY_CLOSE, "554 5.7.0 no certificate");
}

bool
ftls_facts(const struct session *s, const char **version,
    const char **cipher, unsigned int *bits)
{
	(void)s;
	*version = *cipher = NULL;
	*bits = 0;
	return false;
}

const char *
ftls_sni(const struct session *s)
{
	(void)s;
	return NULL;
}

const char *
ftls_subject(const struct session *s)
{
	(void)s;
	return "";
}

const char *
ftls_text(const struct session *s, char *buf, size_t size)
{
	(void)strlcpy(buf, (s->flags & SF_TLS) ?
	    "TLSv1.3 with cipher AEAD-AES256-GCM-SHA384" : "", size);
	return buf;
}

#include "session_conf.h"

/* --- the client ----------------------------------------------------------- */

static size_t		 which;		/* configuration */
static char		 replies[1024 * 1024];
static size_t		 nreplies;
static struct mono	 replied;	/* when the last came */

/* The message at the next hop is one that the client has sent, whole. */
static void
check_content(const struct hop *h)
{
	if (which != CONF_NORMALIZE && which != CONF_RULES && !has_scripts)
		must(sent_whole(sent, nsent, h->content, h->ncontent));
}

static void
read_replies(int fd)
{
	static const char	over[] = "421 4.4.2 mx.example.org timeout\r\n";
	size_t			before = nreplies;
	ssize_t			n;

	for (;;) {
		must(nreplies < sizeof(replies));
		n = read(fd, replies + nreplies, sizeof(replies) - nreplies);
		if (n <= 0)
			break;
		nreplies += (size_t)n;
	}
	if (nreplies == before)
		return;
	/* Nobody is told so before session.timeout. */
	if (nreplies - before == strlen(over) &&
	    memcmp(replies + before, over, strlen(over)) == 0)
		must(mono_diff(now, replied) >= 5 * 60 * 1000);
	replied = now;
}

/* One line: "250-text" or "250 text", in 512 octets; its code. */
static unsigned int
check_line(const char *p, size_t n)
{
	unsigned int	code;
	size_t		i;

	must(n >= 3 && n + 2 <= SMTP_REPLY_LINE_MAX);
	must(p[0] >= '2' && p[0] <= '5');
	must(p[1] >= '0' && p[1] <= '9' && p[2] >= '0' && p[2] <= '9');
	must(n == 3 || p[3] == ' ' || p[3] == '-');
	for (i = 0; i < n; i++)
		must(p[i] >= ' ' && p[i] < 0x7f);
	code = (unsigned int)(p[0] - '0') * 100 +
	    (unsigned int)(p[1] - '0') * 10 + (unsigned int)(p[2] - '0');
	return code;
}

/*
 * No line of a client has two replies.  Over these come the banner, and the
 * 421 that ends a session.
 */
static void
check_one_each(unsigned int finals)
{
	size_t		 i;
	unsigned int	 lines = 0;

	for (i = 0; i < nsent; i++)
		lines += sent[i] == '\n' || sent[i] == '\r';
	must(finals <= lines + 2);
}

/*
 * What a script says to commands comes once, in their order; a client of LMTP
 * hears it once for each recipient.
 */
static void
check_mark(const char *p, size_t len, unsigned int *last)
{
	const char	*text = memmem(p, len, "mark ", 5);
	unsigned int	 n;

	if (!has_scripts || text == NULL || (len > 3 && p[3] == '-'))
		return;
	n = (unsigned int)strtoul(text + 5, NULL, 10);
	must(n <= mark);
	must(n > *last || (n == *last && which == CONF_SCRIPTS_LMTP));
	*last = n;
}

static void
check_replies(void)
{
	const char	*p = replies, *end = replies + nreplies, *nl;
	unsigned int	 code = 0, last = 0, n = 0, accepted = 0, finals = 0;
	unsigned int	 marked_last = 0;
	size_t		 len;

	for (; p < end; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(end - p));
		must(nl != NULL && nl > p && nl[-1] == '\r');
		len = (size_t)(nl - 1 - p);
		code = check_line(p, len);
		must(last == 0 || code == last);
		last = len > 3 && p[3] == '-' ? code : 0;
		finals += last == 0;
		check_mark(p, len, &marked_last);
		if (n++ == 0 && !has_scripts)
			must(code == 220 || code == 421 || code == 554);
		accepted += code == 250 && memmem(p, len, "(postern ", 9) !=
		    NULL;
		/* Behind the last word there is none. */
		must(code != 421 || last != 0 || nl + 1 == end);
	}
	must(last == 0);
	if (which == CONF_JUDGE || which == CONF_SCRIPTS)
		check_one_each(finals);
	/* Two rates each, but for those that were said again. */
	if ((which == CONF_RATES || which == CONF_SCRIPT_RATES) && !unsure)
		must(charged >= 0 &&
		    charged <= 2 * (int64_t)stats.rcpt_accepted);
	if (which == CONF_LMTP || which == CONF_VOUCHED_LMTP ||
	    which == CONF_SCRIPTS_LMTP)
		must(accepted == 0 || good > 0);
	else
		must(accepted <= delivered &&
		    accepted <= stats.messages_accepted);
}

/* --- a run ---------------------------------------------------------------- */

static void
turn(void)
{
	turns++;
	(void)event_loop(EVLOOP_ONCE | EVLOOP_NONBLOCK);
	io_flush_all();
	session_reap();
	reap_hops(false);
	(void)log_flush();
}

/* What else happens: a next hop's step, or time. */
static bool
other_step(void)
{
	struct hop	*h;

	if (order() == 0xfe)
		return time_passes(false);
	if (verifyd_lost && order() == 0xfa)
		verifyd_back();
	if (has_scripts && order() % 2 == 0 && proxyd_step())
		return true;
	if (!LIST_EMPTY(&questions) && order() % 2 == 0)
		return verifyd_step();
	LIST_FOREACH(h, &hops, entry)
		if (hop_step(h))
			return true;
	return verifyd_step() || proxyd_step();
}

/* The client has left: all must come to an end. */
static void
finish(int client)
{
	unsigned int	steps = 0;

	while (session_count() > 0) {
		turn();
		read_replies(client);
		if (session_count() > 0 && !other_step())
			(void)time_passes(true);
		must(steps++ < STEPS_MAX);
	}
	turn();
	read_replies(client);
}

static void
run(const char *data, size_t len, unsigned int seed, struct config *conf)
{
	static const struct addr	 remote = { ADDR_V4, 40000,
	    { 192, 0, 2, 1 } };
	struct conf_listener		*l;
	size_t				 at, n;
	ssize_t				 put;
	unsigned int			 idle = 0;
	int				 pair[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0, pair) == 0);
	l = (struct conf_listener *)(void *)conf->listeners.v[0];
	session_new(pair[0], conf, l, &remote, &remote);
	for (at = 0; at < len && session_count() > 0; at += n) {
		n = piece(seed, at, len);
		if ((put = send(pair[1], data + at, n, MSG_NOSIGNAL)) == -1) {
			if (errno != EAGAIN || idle++ > 1000)
				break;
			put = 0;
		}
		n = (size_t)put;
		arrived = at + n;
		turn();
		read_replies(pair[1]);
		(void)other_step();
		turn();
		if (order() == 0xfd) {
			draining = true;
			(void)session_drain();
		}
	}
	(void)shutdown(pair[1], SHUT_WR);
	finish(pair[1]);
	(void)close(pair[1]);
}

/*
 * The configuration, and how the client cuts what it sends.  The later ones
 * have octets of their own, so that seeds stay.
 */
static unsigned int
choose(unsigned int n)
{
	if (n < 216) {
		which = n % CONF_SPLIT;
		return n / CONF_SPLIT;
	}
	if (n >= 218 && n < 224) {
		which = n < 222 ? CONF_SCRIPTS : n == 222 ? CONF_SCRIPTS_LMTP :
		    CONF_SCRIPT_RATES;
		return n - 218;
	}
	if (n >= 230 && n < 243) {
		which = CONF_JUDGE;
		return n - 230;
	}
	if (n >= 224 && n < 227) {
		which = CONF_THROTTLE;
		return n - 224;
	}
	if (n >= 227 && n < 230) {
		which = CONF_RATES;
		return n - 227;
	}
	which = n < 230 ? CONF_SPLIT : n < 250 ? CONF_VOUCHED :
	    CONF_VOUCHED_LMTP;
	return n - (n < 230 ? 216 : n < 250 ? 243 : 250);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct config	*confs[NCONFS];
	size_t			 i;
	unsigned int		 seed;
	char			*copy;
	int			 fd;

	if (confs[0] == NULL) {
		(void)event_init();
		id_init(1);
		fd = open("/dev/null", O_WRONLY | O_APPEND | O_CLOEXEC);
		log_to(LOG_TO_FILE, fd);
		for (i = 0; i < NCONFS; i++)
			confs[i] = make_conf(i);
	}
	if (len < 2 || len > 8192 || data[1] > len - 2)
		return 0;
	script = data + 2;
	nscript = data[1];
	at_script = 0;
	draining = false;
	delivered = good = turns = 0;
	stats.messages_accepted = stats.rcpt_accepted = 0;
	charged = 0;
	unsure = false;
	verifyd_marks(0);
	present_session = NULL;
	verifyd_lost = false;
	nreplies = 0;
	seed = choose(data[0]);
	present = confs[which];
	copy = exact(data + 2 + nscript, len - 2 - nscript);
	sent = copy;
	nsent = len - 2 - nscript;
	proxyd_begin(present->scripts.n > 0, which == CONF_SCRIPTS ||
	    which == CONF_SCRIPTS_LMTP);
	run(copy, nsent, seed, present);
	proxyd_end();
	check_replies();
	free(copy);
	reap_hops(true);
	forget_questions();
	must(LIST_EMPTY(&timers) && present->refs == 1);
	return 0;
}
