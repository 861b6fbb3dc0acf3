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
 * any class, some or all of a message's deliveries, or no answer at all.
 *
 * Whatever comes: nothing crashes, replies are well-formed, commands reach a
 * next hop in an order that it may be asked in, and nothing more while it is
 * slow; the content that ends there is what the client sent, all of it; no
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
#include "front_list.h"
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

/* --- time: it passes when nothing else happens ---------------------------- */

static struct mono		now = { 1 };
static LIST_HEAD(, timer)	timers = LIST_HEAD_INITIALIZER(timers);

struct mono
mono_now(void)
{
	return now;
}

void
mono_turn(void)
{
}

struct mono
mono_add(struct mono m, int64_t ms)
{
	m.ms += ms;
	return m;
}

int64_t
mono_diff(struct mono a, struct mono b)
{
	return a.ms - b.ms;
}

bool
mono_is_set(struct mono m)
{
	return m.ms != 0;
}

bool
mono_passed(struct mono m)
{
	return m.ms != 0 && m.ms <= now.ms;
}

struct timeval
mono_tv(int64_t ms)
{
	struct timeval	tv = { ms / 1000, ms % 1000 * 1000 };

	return tv;
}

void
timer_start(void)
{
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
	timer_del(t);
	t->when = mono_add(now, ms < 0 ? 0 : ms);
	LIST_INSERT_HEAD(&timers, t, entry);
}

void
timer_del(struct timer *t)
{
	if (t->when.ms == 0)
		return;
	LIST_REMOVE(t, entry);
	t->when.ms = 0;
}

bool
timer_is_set(const struct timer *t)
{
	return t->when.ms != 0;
}

static struct session	*present_session;

/*
 * Go on to the next timer and run it; false: there is none.  idle: nothing
 * else can happen any more, so nobody may wait for a next hop.
 */
static bool
time_passes(bool idle)
{
	struct timer	*t, *first = NULL;

	must(!idle || session_count() == 0 || present_session == NULL ||
	    present_session->wait != WAIT_HOP);

	LIST_FOREACH(t, &timers, entry)
		if (first == NULL || t->when.ms <= first->when.ms)
			first = t;
	if (first == NULL)
		return false;
	if (now.ms < first->when.ms)
		now = first->when;
	timer_del(first);
	first->fn(first->arg);
	return true;
}

/* --- the next hop --------------------------------------------------------- */

enum body { BODY_NO, BODY_ASKED, BODY_OPEN, BODY_CHUNK, BODY_ENDED };

struct hop {
	LIST_ENTRY(hop)	 entry;
	struct session	*s;		/* NULL = nobody's: idle or dead */
	bool		 ready;
	bool		 reused;
	bool		 dead;
	bool		 closing;	/* commands fail, the loss is told */
	bool		 mail;		/* a transaction is open */
	bool		 full;
	unsigned int	 full_turn;	/* the turn in which it became so */
	bool		 traced;	/* our own field has gone */
	bool		 refused;	/* a verdict was no 2xx */
	char		 content[16384];
	size_t		 ncontent;
	enum body	 body;
	uint64_t	 left;		/* octets that the chunk lacks */
	bool		 last;
	unsigned int	 extensions;
	struct {
		enum client_event	 event;
		uint32_t		 tag;
	}		*asked;
	size_t		 nasked;
	uint32_t	*taken;		/* tags of RCPTs that were accepted */
	size_t		 ntaken;
	struct conf_remote *remote;
};

static LIST_HEAD(, hop)	hops = LIST_HEAD_INITIALIZER(hops);
static unsigned int	delivered;	/* messages that all recipients have */
static unsigned int	good;		/* verdicts of 2xx */
static unsigned int	turns;
static const uint8_t	*script;
static size_t		 nscript, at_script;

/* The next octet of the script; it begins anew when it is over. */
static unsigned int
order(void)
{
	if (nscript == 0)
		return 0;
	if (at_script == nscript)
		at_script = 0;
	return script[at_script++];
}

struct hop *
hop_get(struct session *s, struct conf_remote *remote)
{
	struct hop	*h;

	must(remote != NULL && s->tx != NULL);
	present_session = s;
	LIST_FOREACH(h, &hops, entry)
		if (h->s == NULL && !h->dead && h->remote == remote)
			break;
	if (h == NULL) {
		if ((h = calloc(1, sizeof(*h))) == NULL)
			return NULL;
		LIST_INSERT_HEAD(&hops, h, entry);
	} else
		h->reused = true;
	h->s = s;
	h->remote = remote;
	return h;
}

struct smtp_client *
hop_client(const struct hop *h)
{
	must(h != NULL && !h->dead && h->s != NULL);
	return h->ready ? (struct smtp_client *)(uintptr_t)h : NULL;
}

const char *
hop_name(const struct hop *h, char *buf, size_t size)
{
	must(!h->dead);
	(void)strlcpy(buf, h->remote->obj.name, size);
	return buf;
}

void
hop_abort(struct hop *h)
{
	must(h->s != NULL && !h->dead);
	must(h->body != BODY_ENDED || h->nasked > 0);
	h->s = NULL;
	h->dead = true;
}

void
hop_release(struct hop *h, bool message_done)
{
	must(h->s != NULL && !h->dead);
	/* A body that is under way is never just given back. */
	must(h->body == BODY_NO || (message_done && h->nasked == 0));
	h->s = NULL;
	if (!h->ready || h->nasked > 0 || h->mail)
		h->dead = true;
}

void
ptr_early(struct session *s)
{
	must(s->ptr == NULL);
}

void
ptr_forget(struct session *s)
{
	must(s->ptr == NULL);
}

void
hop_leave(struct session *s)
{
	must(s->kept == NULL);
}

void
hop_saw_error(struct hop *h, bool to_rcpt)
{
	(void)to_rcpt;
	must(!h->dead);
}

static struct hop *
hop_of(struct smtp_client *c)
{
	struct hop	*h = (struct hop *)(void *)c;

	must(h != NULL && h->ready && !h->dead && h->s != NULL);
	return h;
}

static int
ask(struct hop *h, enum client_event event, uint32_t tag)
{
	if (h->closing)
		return -1;
	h->asked = reallocarray(h->asked, h->nasked + 1, sizeof(*h->asked));
	must(h->asked != NULL);
	h->asked[h->nasked].event = event;
	h->asked[h->nasked++].tag = tag;
	h->closing = order() == 0xfc;
	return h->closing ? -1 : 0;
}

static void
check_text(const char *s, size_t max)
{
	must(strlen(s) <= max);
	for (; *s != '\0'; s++)
		must((unsigned char)*s >= ' ' && *s != 0x7f);
}

int
client_mail(struct smtp_client *c, const char *sender, const char *params)
{
	struct hop	*h = hop_of(c);

	check_text(sender, SMTP_MAILBOX_MAX);
	check_text(params, SMTP_LINE_MAX);
	must(!h->mail);
	h->mail = true;
	h->traced = h->refused = false;
	h->ntaken = h->ncontent = 0;
	return ask(h, CLIENT_MAIL, 0);
}

int
client_rcpt(struct smtp_client *c, const char *rcpt, const char *params,
    uint32_t tag)
{
	struct hop	*h = hop_of(c);

	check_text(rcpt, SMTP_MAILBOX_MAX);
	check_text(params, SMTP_LINE_MAX);
	must(rcpt[0] != '\0' && h->mail && h->body == BODY_NO);
	return ask(h, CLIENT_RCPT, tag);
}

int
client_data(struct smtp_client *c)
{
	struct hop	*h = hop_of(c);

	must(h->mail && h->body == BODY_NO);
	h->body = BODY_ASKED;
	return ask(h, CLIENT_DATA, 0);
}

static void	check_content(const struct hop *);

/* The end is out: LMTP owes a verdict for each recipient. */
static int
body_ended(struct hop *h)
{
	size_t	i;

	h->body = BODY_ENDED;
	h->full = false;	/* no verdict comes before all has left */
	must(h->traced);
	check_content(h);
	if (h->remote->protocol != PROTO_LMTP)
		return ask(h, CLIENT_END, 0);
	must(h->ntaken > 0);
	for (i = 0; i < h->ntaken; i++)
		if (ask(h, CLIENT_END, h->taken[i]) == -1)
			return -1;
	return 0;
}

static int
chunk_end(struct hop *h)
{
	if (h->last)
		return body_ended(h);
	h->body = BODY_NO;
	return ask(h, CLIENT_CHUNK, 0);
}

int
client_body(struct smtp_client *c, const char *p, size_t n)
{
	struct hop	*h = hop_of(c);

	must(p != NULL && n > 0 && h->nasked == 0);
	must(h->body == BODY_OPEN || h->body == BODY_CHUNK);
	/* Who was told that it is slow stops before the next turn. */
	must(!h->full || h->full_turn == turns);
	if (order() == 0xfb && !h->full && h->traced) {
		h->full = true;
		h->full_turn = turns;
	}
	if (h->traced) {
		must(n <= sizeof(h->content) - h->ncontent);
		memcpy(h->content + h->ncontent, p, n);
		h->ncontent += n;
	} else
		must(n > 15 && memcmp(p, "Received: from ", 15) == 0);
	h->traced = true;
	if (h->body == BODY_CHUNK) {
		must(n <= h->left);
		h->left -= n;
		if (h->left == 0)
			return chunk_end(h);
	}
	return h->closing ? -1 : 0;
}

int
client_body_end(struct smtp_client *c)
{
	struct hop	*h = hop_of(c);

	must(h->body == BODY_OPEN);
	return body_ended(h);
}

int
client_chunk(struct smtp_client *c, uint64_t n, bool last)
{
	struct hop	*h = hop_of(c);

	must(h->mail && h->body == BODY_NO && h->nasked == 0);
	must(h->extensions & EXT_CHUNKING);
	h->body = BODY_CHUNK;
	h->left = n;
	h->last = last;
	return n == 0 ? chunk_end(h) : h->closing ? -1 : 0;
}

bool
client_owes(const struct smtp_client *c)
{
	return ((const struct hop *)(const void *)c)->nasked > 0;
}

bool
client_is_full(const struct smtp_client *c)
{
	return ((const struct hop *)(const void *)c)->full;
}

unsigned int
client_extensions(const struct smtp_client *c)
{
	return ((const struct hop *)(const void *)c)->extensions;
}

static const char *const	answers[] = {
	"250 2.1.5 ok", "250 2.0.0 queued", "250 queued as x (postern)",
	"250 2.1.5 two\nlines", "251 2.1.5 will forward", "450 4.2.1 busy",
	"451 greylisted", "452 4.5.3 many", "421 4.3.2 going", "421 going",
	"550 5.1.1 no such user", "550 no", "552 5.3.4 big",
	"554 5.7.1 spam", "503 5.5.1 what", "530 5.7.0 TLS", "555 5.5.4 no",
	"354 odd", "250 ", "220 2.0.0 odd"
};

/* One reply to what was asked first. */
static void
answer(struct hop *h, unsigned int which)
{
	enum client_event	 event = h->asked[0].event;
	uint32_t		 tag = h->asked[0].tag;
	struct smtp_reply	 r;

	(void)smtp_reply_fmt(&r, "%s", answers[which % 20]);
	if (event == CLIENT_DATA && which < 200)
		(void)smtp_reply_fmt(&r, "354 go ahead");
	h->nasked--;
	memmove(h->asked, h->asked + 1, h->nasked * sizeof(*h->asked));
	if (event == CLIENT_MAIL && r.code / 100 != 2)
		h->mail = false;
	if (event == CLIENT_DATA)
		h->body = r.code == 354 ? BODY_OPEN : BODY_NO;
	if (event == CLIENT_RCPT && r.code / 100 == 2) {
		h->taken = reallocarray(h->taken, h->ntaken + 1,
		    sizeof(*h->taken));
		must(h->taken != NULL);
		h->taken[h->ntaken++] = tag;
	}
	if (event == CLIENT_END) {
		good += r.code / 100 == 2;
		h->refused |= r.code / 100 != 2;
		if (h->nasked == 0) {
			delivered += !h->refused;
			h->body = BODY_NO;
			h->mail = false;
		}
	}
	relay_hop_event(h->s, event, &r, tag);
}

/* It is gone: a reused one is replaced unseen, else the session is told. */
static void
lose(struct hop *h)
{
	struct session		*s = h->s;
	struct smtp_reply	 r;

	h->nasked = 0;
	if (h->reused && relay_may_replace(s)) {
		h->ready = h->reused = h->closing = h->mail = h->full = false;
		h->body = BODY_NO;
		return;
	}
	(void)smtp_reply_fmt(&r, h->ready ?
	    "451 4.4.2 connection to next hop lost" :
	    "451 4.4.1 next hop not reached");
	h->s = NULL;
	h->dead = true;
	relay_hop_lost(s, &r);
}

/* A step of one next hop; false: it has nothing to do. */
static bool
hop_step(struct hop *h)
{
	unsigned int	n;

	if (h->s == NULL)
		return false;
	n = order();
	if (h->closing || n == 0xff || (!h->ready && n >= 0xf0)) {
		lose(h);
		return true;
	}
	if (!h->ready) {
		h->ready = true;
		h->extensions = EXT_SIZE;
		if (n & 1)
			h->extensions |= EXT_8BITMIME | EXT_CHUNKING;
		if (n & 2)
			h->extensions |= EXT_DSN | EXT_BINARYMIME;
		if (n & 4)
			h->extensions |= EXT_SMTPUTF8 | EXT_CHUNKING;
		relay_hop_up(h->s);
	} else if (h->nasked > 0 &&
	    !(h->full && h->asked[0].event == CLIENT_CHUNK))
		answer(h, n);
	else if (h->full) {
		h->full = false;
		relay_hop_event(h->s, CLIENT_DRAINED, NULL, 0);
	} else
		return false;
	return true;
}

static void
reap_hops(bool all)
{
	struct hop	*h, *next;
	unsigned int	 n = 0;

	for (h = LIST_FIRST(&hops); h != NULL; h = next) {
		next = LIST_NEXT(h, entry);
		if (h->dead || all) {
			must(h->s == NULL);
			LIST_REMOVE(h, entry);
			free(h->asked);
			free(h->taken);
			free(h);
		} else
			n++;
	}
	must(n <= HOPS_MAX);
}

/* --- verifyd -------------------------------------------------------------- */

/* What it was asked and has not answered. */
struct question {
	LIST_ENTRY(question)	 entry;
	uint64_t		 sid;
	uint32_t		 seq;
	uint16_t		 type;
	struct proto_state	 state;	/* of a MSG_STATE */
};

static LIST_HEAD(, question)	questions = LIST_HEAD_INITIALIZER(questions);
static struct peer		verifyd = { .role = R_VERIFYD };
static bool			verifyd_lost;

struct peer *
proc_peer(unsigned int role, unsigned int index)
{
	must(role == R_VERIFYD && index == 0);
	return verifyd_lost ? NULL : &verifyd;
}

/* As verifyd does it: it ends who sends anything else. */
static void
check_state(struct msg *m, struct proto_state *q)
{
	uint32_t	i;
	size_t		n;

	must(get_state(m, q) == 0 && q->n > 0);
	for (i = 0; i < q->n; i++) {
		must(get_blob(&m->body, &n) != NULL && n <= STATE_KEY_MAX);
		if (q->op == STATE_SET)
			must(get_blob(&m->body, &n) != NULL &&
			    n <= STATE_VALUE_MAX);
	}
	must(get_end(&m->body) == 0);
}

void
peer_send(struct peer *p, uint16_t type, uint64_t sid, uint32_t seq, int fd,
    struct wbuf *body)
{
	struct proto_lookup	 look;
	struct question		*q;
	struct msg		 m = { .fd = -1 };

	must(p == &verifyd && fd == -1);
	must((q = calloc(1, sizeof(*q))) != NULL);
	q->sid = sid;
	q->seq = seq;
	q->type = type;
	rbuf_init(&m.body, body->data, body->len);
	if (type == MSG_STATE)
		check_state(&m, &q->state);
	else {
		must(type == MSG_LOOKUP);
		must(get_lookup(&m, &look) == 0 && look.key[0] != '\0');
	}
	LIST_INSERT_HEAD(&questions, q, entry);
	wbuf_clear(body);
}

static void
forget_questions(void)
{
	struct question	*q;

	while ((q = LIST_FIRST(&questions)) != NULL) {
		LIST_REMOVE(q, entry);
		free(q);
	}
}

/* What a recipient is, or that the message was delivered to it. */
static bool
put_remembered(struct wbuf *w, enum state_table table, unsigned int n)
{
	static const char *const	classes[] = { "delivered", "4xx", "5xx",
	    "alone", "4xx", "5xx", "x", "" };
	char				value[64];
	bool				found = n % 2 == 1;

	n /= 2;
	(void)snprintf(value, sizeof(value), "%s %lld%s", classes[n % 8],
	    n % 32 == 31 ? 0LL : (long long)time(NULL),
	    n % 8 == 4 || n % 8 == 5 ? " given" : "");
	put_bool(w, found);
	if (!found || table == STATE_DELIVERED)
		value[0] = '\0';
	put_blob(w, value, strlen(value));
	return found;
}

static void
put_state_answer(struct wbuf *w, const struct proto_state *q, unsigned int n)
{
	struct proto_state_ans	 ans = { .op = q->op, .n = q->n };
	uint32_t		 i, found = 0;

	put_state_ans(w, &ans);
	for (i = 0; q->op == STATE_GET && i < q->n; i++) {
		found += put_remembered(w, (enum state_table)q->table, n);
		n = order();
	}
	if (q->op == STATE_GET && q->table == STATE_DELIVERED)
		delivered += found == q->n;
}

static void
put_look_answer(struct wbuf *w, unsigned int n)
{
	struct proto_lookup_ans	 ans = { .answer = LOOKUP_NO };

	if (n % 3 == 1)
		ans.answer = LOOKUP_CANNOT;
	else if (n % 3 == 2) {
		ans.answer = LOOKUP_YES;
		(void)strlcpy(ans.value, n % 4 == 1 ? "b1" : n % 4 == 2 ?
		    "b2" : n % 4 == 3 ? "true" : "none", sizeof(ans.value));
	}
	put_lookup_ans(w, &ans);
}

/* Answer one, well or badly, or be lost; false: nothing was asked. */
static bool
verifyd_step(void)
{
	struct question		*q = LIST_FIRST(&questions);
	struct wbuf		 w = { .data = NULL };
	struct msg		 m = { .fd = -1 };
	unsigned int		 n;

	if (q == NULL)
		return false;
	if ((n = order()) == 0xff) {
		verifyd_lost = true;
		forget_questions();
		ask_peer_down(&verifyd);
		return true;
	}
	m.sid = q->sid;
	m.seq = n == 0xf0 ? q->seq + 1 : q->seq;
	m.type = q->type == MSG_STATE ? MSG_STATE_ANS : MSG_LOOKUP_ANS;
	if (q->type == MSG_STATE)
		put_state_answer(&w, &q->state, n);
	else
		put_look_answer(&w, n);
	rbuf_init(&m.body, w.data, n == 0xf1 ? w.len - 1 : w.len);
	LIST_REMOVE(q, entry);
	free(q);
	must(ask_answer(&verifyd, &m) == (n == 0xf1 ? -1 : 0));
	wbuf_clear(&w);
	return true;
}

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

/* --- configurations ------------------------------------------------------- */

#define COMMON								\
	"hostname: mx.example.org\n"					\
	"listener: {a: {bind: [\"127.0.0.1:2525\"], tls: \"off\"%s}}\n"	\
	"list: {ours: [example.org, b.example]}\n"			\
	"remote: {\n"							\
	"  b1: {address: 127.0.0.1, port: 24%s},\n"			\
	"  b2: {address: 127.0.0.1, port: 26}}\n"

static const char *const	texts[] = {
	COMMON
	"route: {local: b1, relay: b2}\n"
	"session: {rcpt: {lookup: {domains: list/ours},\n"
	"  relay: [{if: sender-domain, eq: b.example, then: true},\n"
	"    {else: false}],\n"
	"  errors: {total: 3, wait: 5s}}}\n",

	COMMON
	"route: {local: b1, relay: b2}\n"
	"session: {data: {bare-newline: normalize, max-messages: 3},\n"
	"  rcpt: {lookup: {domains: list/ours}, errors: {wait: 0s}}}\n"
	"replies: {footer: \"see example.org\"}\n",

	COMMON
	"route: {local: b1, relay: b2}\n"
	"session: {max-bad-commands: 4, transfer-limit: 4kb,\n"
	"  ehlo: {require: false},\n"
	"  data: {max-size: 1kb, max-received: 2},\n"
	"  rcpt: {lookup: {domains: list/ours}, max-recipients: 2,\n"
	"    errors: {total: 2, wait: 1s}}}\n",

	COMMON
	"route: {local: b1, relay: b2}\n"
	"session: {data: {max-size: 4kb},\n"
	"  rcpt: {lookup: {domains: list/ours}, max-recipients: 4}}\n",

	COMMON
	"route: {local: b1, relay: b2}\n"
	"session: {rcpt: {lookup: {domains: list/ours}}}\n",

	COMMON
	"datasource: {d: {uri: \"cdb:${cdb}\"}, e: {uri: \"cdb:${cdb}\"}}\n"
	"route:\n"
	"  local: [{if: rcpt, in-list: db/d, then:\n"
	"    {lookup: db/e, key: rcpt-domain}}, {else: b1}]\n"
	"  relay: [{if: sender, ne: x, then: {lookup: db/e, key: rcpt}},\n"
	"    {else: b2}]\n"
	"session: {data: {bare-newline: [{if: sender, in-list: db/d,\n"
	"    then: normalize}, {else: reject}]},\n"
	"  rcpt: {lookup: {domains: list/ours},\n"
	"    relay: [{if: rcpt-domain, in-list: db/d,\n"
	"      on-lookup-failure: false, then: true},\n"
	"      {if: rcpt-domain, in-list: db/e, then: true},\n"
	"      {else: false}],\n"
	"    errors: {total: 6, wait: 1s}}}\n",

	COMMON
	"route: {local: b1, relay: b2}\n"
	"session: {data: {max-size: 2kb, max-messages: 6},\n"
	"  rcpt: {lookup: {domains: list/ours}, errors: {wait: 2s}}}\n"
};

#define ALL_EXTENSIONS							\
	", extensions: [default, dsn, smtputf8, binarymime]"

static const struct {
	const char	*listener, *remote;
} extras[] = {
	{ "", "" },
	{ ", relay-hosts: [192.0.2.0/24]", ", eight-bit: strict" },
	{ "", ", reply-text: own" },
	{ ALL_EXTENSIONS, "" },
	{ ALL_EXTENSIONS ", protocol: lmtp", ", protocol: lmtp" },
	{ "", "" },
	{ ALL_EXTENSIONS, ", protocol: lmtp" }
};

enum { CONF_NORMALIZE = 1, CONF_LMTP = 4, CONF_RULES = 5, CONF_SPLIT = 6 };

#define NCONFS	(sizeof(texts) / sizeof(texts[0]))

static void
prepare_rule(const struct key *k, struct rule *r, void *arg)
{
	unsigned int	line, col;
	char		why[256];

	(void)k;
	(void)arg;
	must(rule_prepare(r, &line, &col, why, sizeof(why)) == 0);
}

static struct config *
make_conf(size_t i)
{
	struct conf_errors	 errs = { .errors = { .n = 0 } };
	struct config		*conf;
	struct macros		 macros = { .n = 0 };
	char			 text[2048], cdb[] = "cdb=" CDB_FILE;
	uint32_t		 id = 0;
	int			 n;
	size_t			 k;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	n = snprintf(text, sizeof(text), texts[i], extras[i].listener,
	    extras[i].remote);
#pragma GCC diagnostic pop
	must(n > 0 && (size_t)n < sizeof(text));
	cdb_file(cdb + strlen("cdb="));
	must(macros_add(&macros, cdb) == 0);
	conf = parent_conf_parse("fuzz", text, (size_t)n, &macros, &errs,
	    NULL);
	(void)unlink(cdb + strlen("cdb="));
	macros_clear(&macros);
	if (conf == NULL)
		conf_errors_print(&errs, stderr);
	must(conf != NULL);
	conf_errors_clear(&errs);
	conf_assign_ids(conf, NULL, &id);
	conf_each_rule(conf, prepare_rule, NULL);
	for (k = 0; k < conf->lists.n; k++) {
		conf->lists.v[k]->priv = list_index((struct conf_list *)
		    (void *)conf->lists.v[k]);
		must(conf->lists.v[k]->priv != NULL);
	}
	if (i == CONF_NORMALIZE)
		((struct conf_listener *)(void *)conf->listeners.v[0])->tls =
		    LTLS_STARTTLS;
	return conf;
}

/* --- the client ----------------------------------------------------------- */

static size_t		 which;		/* configuration */
static const char	*sent;		/* by the client */
static size_t		 nsent;
static char		 replies[1024 * 1024];
static size_t		 nreplies;
static struct mono	 replied;	/* when the last came */

/* The message at the next hop is one that the client has sent, whole. */
static void
check_content(const struct hop *h)
{
	if (which != CONF_NORMALIZE && which != CONF_RULES)
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

static void
check_replies(void)
{
	const char	*p = replies, *end = replies + nreplies, *nl;
	unsigned int	 code = 0, last = 0, n = 0, accepted = 0;
	size_t		 len;

	for (; p < end; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(end - p));
		must(nl != NULL && nl > p && nl[-1] == '\r');
		len = (size_t)(nl - 1 - p);
		code = check_line(p, len);
		must(last == 0 || code == last);
		last = len > 3 && p[3] == '-' ? code : 0;
		if (n++ == 0)
			must(code == 220 || code == 421 || code == 554);
		accepted += code == 250 && memmem(p, len, "(postern ", 9) !=
		    NULL;
		/* Behind the last word there is none. */
		must(code != 421 || last != 0 || nl + 1 == end);
	}
	must(last == 0);
	if (which == CONF_LMTP)
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
		verifyd_lost = false;
	if (!LIST_EMPTY(&questions) && order() % 2 == 0)
		return verifyd_step();
	LIST_FOREACH(h, &hops, entry)
		if (hop_step(h))
			return true;
	return verifyd_step();
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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct config	*confs[NCONFS];
	size_t			 i;
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
	stats.messages_accepted = 0;
	present_session = NULL;
	verifyd_lost = false;
	nreplies = 0;
	/* The later ones have octets of their own, so that seeds stay. */
	which = data[0] >= 216 ? CONF_SPLIT : data[0] % CONF_SPLIT;
	present = confs[which];
	copy = exact(data + 2 + nscript, len - 2 - nscript);
	sent = copy;
	nsent = len - 2 - nscript;
	run(copy, nsent, data[0] >= 216 ? data[0] - 216U : data[0] / CONF_SPLIT,
	    present);
	free(copy);
	check_replies();
	reap_hops(true);
	forget_questions();
	must(LIST_EMPTY(&timers) && present->refs == 1);
	return 0;
}
