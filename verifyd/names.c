/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Addresses and mail exchangers of names, by way of resolved.
 *
 * Many dials to one remote begin at the same moment: they share one
 * question, which is withdrawn when the last of them has given up.  How long
 * it may take is resolved's business (resolver.timeout) and that of the
 * dials, which have deadlines of their own; so the question asks for the
 * longest time there is.
 *
 * An answer is kept for as long as its TTL says, within bounds; that there
 * is none, for a few seconds only, so that a record just made is found.
 * Failures are not kept: those who wait are told, the next one asks anew.
 *
 * When resolved is lost its questions go with it.  They are asked again as
 * soon as there is a new one; until then those who wait keep waiting.
 *
 * Names are those of the configuration, and with `mx' those that recipients
 * have: the table is bounded, and what was used longest ago goes first.
 */

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dialer.h"
#include "peer.h"
#include "proc.h"

#define NAMES_MAX	4096		/* kept without anybody waiting */
#define ASK_TIMEOUT	60000		/* ms; resolver.timeout is shorter */
#define TTL_MIN		1		/* s */
#define TTL_MAX		300
#define TTL_NONE	5		/* of "there is none" */

struct name {
	RB_ENTRY(name)		 by_host;
	RB_ENTRY(name)		 by_sid;	/* while it is asked */
	TAILQ_ENTRY(name)	 by_use;
	TAILQ_HEAD(, name_wait)	 waiting;
	bool			 busy;		/* its answer is being told */
	uint64_t		 sid;		/* 0 = not asked */
	struct mono		 until;		/* of the answer; unset: none */
	enum dns_status		 status;
	bool			 here;
	size_t			 n;
	struct addr		 *addr;		/* n of them, or */
	struct proto_dns_record	 *record;	/* n of them */
	bool			 mx;
	char			 host[256];
};

RB_HEAD(names, name);
RB_HEAD(names_asked, name);
TAILQ_HEAD(names_used, name);

static struct names		names = RB_INITIALIZER(&names);
static struct names_asked	asked = RB_INITIALIZER(&asked);
static struct names_used	used = TAILQ_HEAD_INITIALIZER(used);
static size_t			nnames;
static uint64_t			last_sid;

static int
host_cmp(const struct name *a, const struct name *b)
{
	return a->mx != b->mx ? (a->mx ? 1 : -1) :
	    strcasecmp(a->host, b->host);
}

static int
sid_cmp(const struct name *a, const struct name *b)
{
	return a->sid < b->sid ? -1 : a->sid > b->sid;
}

RB_PROTOTYPE(names, name, by_host, host_cmp)
RB_GENERATE(names, name, by_host, host_cmp)
RB_PROTOTYPE(names_asked, name, by_sid, sid_cmp)
RB_GENERATE(names_asked, name, by_sid, sid_cmp)

/* Send the question, if there is somebody to send it to. */
static void
name_ask(struct name *n)
{
	struct peer		*resolved = proc_peer(R_RESOLVED, 0);
	struct proto_dns	 q = { .timeout = ASK_TIMEOUT };
	struct proto_dns_ask	 mx = { .type = DNS_TYPE_MX,
				    .timeout = ASK_TIMEOUT };
	struct wbuf		 w = { 0 };

	if (resolved == NULL || n->sid != 0)
		return;
	n->sid = ++last_sid;
	RB_INSERT(names_asked, &asked, n);
	if (n->mx) {
		(void)strlcpy(mx.name, n->host, sizeof(mx.name));
		put_dns_ask(&w, &mx);
	} else {
		(void)strlcpy(q.name, n->host, sizeof(q.name));
		put_dns(&w, &q);
	}
	peer_send(resolved, n->mx ? MSG_DNS_ASK : MSG_DNS_ADDR, n->sid, 0, -1,
	    &w);
}

static void
name_unask(struct name *n)
{
	if (n->sid == 0)
		return;
	RB_REMOVE(names_asked, &asked, n);
	n->sid = 0;
}

static void
name_free(struct name *n)
{
	name_unask(n);
	RB_REMOVE(names, &names, n);
	TAILQ_REMOVE(&used, n, by_use);
	nnames--;
	free(n->addr);
	free(n->record);
	free(n);
}

static void
make_room(void)
{
	struct name	*n, *next;

	TAILQ_FOREACH_SAFE(n, &used, by_use, next) {
		if (nnames < NAMES_MAX)
			return;
		if (TAILQ_EMPTY(&n->waiting) && !n->busy)
			name_free(n);
	}
}

static struct name *
name_get(const char *host, bool mx)
{
	struct name	 key, *n;

	key.mx = mx;
	if (strlcpy(key.host, host, sizeof(key.host)) >= sizeof(key.host))
		return NULL;
	if ((n = RB_FIND(names, &names, &key)) != NULL) {
		TAILQ_REMOVE(&used, n, by_use);
		TAILQ_INSERT_TAIL(&used, n, by_use);
		return n;
	}
	make_room();
	if ((n = calloc(1, sizeof(*n))) == NULL)
		return NULL;
	(void)strlcpy(n->host, host, sizeof(n->host));
	n->mx = mx;
	TAILQ_INIT(&n->waiting);
	RB_INSERT(names, &names, n);
	TAILQ_INSERT_TAIL(&used, n, by_use);
	nnames++;
	return n;
}

static void
name_answer(const struct name *n, struct name_answer *out)
{
	out->status = n->status;
	out->here = n->here;
	out->n = n->n;
	out->addr = n->addr;
	out->record = n->record;
}

static bool
ask(struct name_wait *w, const char *host, bool mx, struct name_answer *out)
{
	struct name	*n = name_get(host, mx);

	if (n == NULL) {
		memset(out, 0, sizeof(*out));
		out->status = DNS_FAIL;
		return true;
	}
	if (mono_is_set(n->until) && !mono_passed(n->until)) {
		name_answer(n, out);
		return true;
	}
	w->name = n;
	TAILQ_INSERT_TAIL(&n->waiting, w, entry);
	name_ask(n);
	return false;
}

bool
names_ask(struct name_wait *w, const char *host, struct name_answer *out)
{
	return ask(w, host, false, out);
}

bool
names_ask_mx(struct name_wait *w, const char *host, struct name_answer *out)
{
	return ask(w, host, true, out);
}

void
names_forget(struct name_wait *w)
{
	struct name	*n = w->name;
	struct peer	*resolved = proc_peer(R_RESOLVED, 0);

	if (n == NULL)
		return;
	w->name = NULL;
	TAILQ_REMOVE(&n->waiting, w, entry);
	if (!TAILQ_EMPTY(&n->waiting) || n->sid == 0)
		return;
	if (resolved != NULL)
		peer_send(resolved, MSG_DNS_CANCEL, n->sid, 0, -1, NULL);
	name_unask(n);
}

/* Tell all who wait.  fn may ask for a name, and so make room. */
static void
name_tell(struct name *n)
{
	struct name_wait	*w;
	struct name_answer	 a;

	name_answer(n, &a);
	n->busy = true;
	while ((w = TAILQ_FIRST(&n->waiting)) != NULL) {
		TAILQ_REMOVE(&n->waiting, w, entry);
		w->name = NULL;
		w->fn(w->arg, &a);
	}
	n->busy = false;
}

/* Without memory it is a failure, and asked again. */
static void *
copy_of(struct name *n, const void *v, size_t count, size_t size)
{
	void	*p;

	if (count == 0)
		return NULL;
	if ((p = reallocarray(NULL, count, size)) == NULL) {
		n->status = DNS_FAIL;
		return NULL;
	}
	memcpy(p, v, count * size);
	n->n = count;
	return p;
}

/* Until when the answer is good; failures are not kept. */
static void
name_keep(struct name *n, int64_t ttl)
{
	n->until.ms = 0;
	if (n->status == DNS_NONE || (n->status == DNS_OK && n->n == 0))
		ttl = TTL_NONE;
	else if (n->status != DNS_OK)
		return;
	if (ttl < TTL_MIN)
		ttl = TTL_MIN;
	if (ttl > TTL_MAX)
		ttl = TTL_MAX;
	n->until = mono_add(mono_now(), ttl * 1000);
}

/* The name that was asked for by this number, without its old answer. */
static struct name *
take_asked(uint64_t sid, bool mx)
{
	struct name	key, *n;

	key.sid = sid;
	if ((n = RB_FIND(names_asked, &asked, &key)) == NULL || n->mx != mx)
		return NULL;		/* withdrawn meanwhile */
	name_unask(n);
	free(n->addr);
	free(n->record);
	n->addr = NULL;
	n->record = NULL;
	n->n = 0;
	return n;
}

int
names_on_answer(struct peer *p, struct msg *m)
{
	struct proto_dns_ans	 a;
	struct name		*n;

	(void)p;
	if (get_dns_ans(m, &a) == -1)
		return -1;
	if ((n = take_asked(m->sid, false)) == NULL)
		return 0;
	n->status = a.status;
	n->here = a.here;
	n->addr = copy_of(n, a.addr, a.n, sizeof(a.addr[0]));
	name_keep(n, a.ttl);
	name_tell(n);
	return 0;
}

int
names_on_records(struct peer *p, struct msg *m)
{
	struct proto_dns_records	 r;
	struct name			*n;

	(void)p;
	if (get_dns_records(m, &r) == -1)
		return -1;
	if ((n = take_asked(m->sid, true)) == NULL)
		return 0;
	n->status = r.status;
	n->record = copy_of(n, r.record, r.n, sizeof(r.record[0]));
	name_keep(n, r.ttl);
	name_tell(n);
	return 0;
}

void
names_up(struct peer *p)
{
	struct name	*n;

	(void)p;
	RB_FOREACH(n, names, &names)
		if (!TAILQ_EMPTY(&n->waiting))
			name_ask(n);
}

void
names_down(void)
{
	struct name	*n;

	while ((n = RB_ROOT(&asked)) != NULL)
		name_unask(n);
}
