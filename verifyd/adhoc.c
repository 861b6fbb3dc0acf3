/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Hosts that only scripts name: see adhoc.h.
 *
 * A script may take the host from what a client has said, so anybody may have
 * a say in how many there are.  They are bounded; one that has nothing to do
 * is forgotten when room is needed, the one that was used longest ago first,
 * and after a while anyway.  What a host has answered is not lost with it: the
 * cache has that under its name and port.  Lost is that it was held down, and
 * how quick it is.
 *
 * The settings are the defaults of a remote (schema.c), but that certificates
 * are not judged: nobody has said whose they should be.  Connections rest for
 * a shorter time, as there are few in all.
 *
 * A question's time is its own (verify.c); what is known here bounds how long
 * a server may keep a connection that nobody waits for any more.
 */

#include <sys/types.h>
#include <sys/queue.h>
#include <sys/tree.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adhoc.h"
#include "config.h"
#include "idn.h"
#include "probe_private.h"
#include "tlsctx.h"

#define IDLE		(10 * 60 * 1000)	/* ms; then it is forgotten */
#define SWEEP_EVERY	(60 * 1000)

#define CONNECT		(10 * 1000)		/* ms: see schema.c */
#define COMMAND		(60 * 1000)
#define REST		(5 * 1000)
#define PROBES		10
#define RECIPIENTS	50
#define ERRORS		3
#define HOUR		(60 * 60 * 1000LL)
#define DAY		(24 * HOUR)

struct adhoc {
	struct conf_remote	 remote;	/* first */
	RB_ENTRY(adhoc)		 by_name;
	TAILQ_ENTRY(adhoc)	 by_use;
	struct mono		 used;
	char			 host[256];
	char			 name[256 + 16];	/* HOST:PORT */
};

RB_HEAD(adhocs, adhoc);
TAILQ_HEAD(adhoc_list, adhoc);

static struct adhocs		adhocs = RB_INITIALIZER(&adhocs);
static struct adhoc_list	by_use = TAILQ_HEAD_INITIALIZER(by_use);
static struct timer		sweep_timer;
static struct tlsctx_remote	*tls;
static uint32_t			last_id;
static struct {
	size_t		hosts;
	uint64_t	forgotten, refused;
} count;

static char	helo[] = "hostname", sender[] = "sender", none[] = "";

static int
name_cmp(const struct adhoc *a, const struct adhoc *b)
{
	return strcmp(a->name, b->name);
}

RB_PROTOTYPE(adhocs, adhoc, by_name, name_cmp)
RB_GENERATE(adhocs, adhoc, by_name, name_cmp)

/* --- forgetting ----------------------------------------------------------- */

static bool
is_idle(const struct adhoc *a)
{
	const struct target	*t = target_find(a->remote.obj.id);

	return t == NULL || target_is_idle(t);
}

static void
forget(struct adhoc *a)
{
	struct target	*t = target_find(a->remote.obj.id);

	if (t != NULL)
		target_leave(t);
	if (count.hosts == 1)
		timer_del(&sweep_timer);
	RB_REMOVE(adhocs, &adhocs, a);
	TAILQ_REMOVE(&by_use, a, by_use);
	count.hosts--;
	count.forgotten++;
	free(a);
}

/* Room for one more; false: all that there are have something to do. */
static bool
make_room(void)
{
	struct adhoc	*a;

	if (count.hosts < ADHOC_MAX)
		return true;
	TAILQ_FOREACH(a, &by_use, by_use)
		if (is_idle(a)) {
			forget(a);
			return true;
		}
	return false;
}

static void
forget_all(int64_t older)
{
	struct adhoc	*a, *next;

	TAILQ_FOREACH_SAFE(a, &by_use, by_use, next) {
		if (mono_diff(mono_now(), a->used) < older)
			return;
		if (is_idle(a))
			forget(a);
	}
}

static void
on_sweep(void *arg)
{
	(void)arg;
	timer_set(&sweep_timer, SWEEP_EVERY);
	forget_all(IDLE);
}

void
adhoc_clear(void)
{
	forget_all(0);
	if (count.hosts > 0)
		return;
	tlsctx_remote_free(tls);
	tls = NULL;
}

/* --- names ---------------------------------------------------------------- */

/* The one spelling of a host; -1: it is none. */
static int
host_normal(const char *from, char host[256])
{
	struct addr	a;
	char		text[256];
	size_t		n = strlen(from);
	bool		brackets = n > 2 && from[0] == '[' &&
			    from[n - 1] == ']';

	if (brackets) {
		from++;
		n -= 2;
	} else if (n > 1 && from[n - 1] == '.')
		n--;
	if (n == 0 || n >= sizeof(text))
		return -1;
	memcpy(text, from, n);
	text[n] = '\0';
	if (addr_parse(&a, text) == 0) {
		(void)addr_text(&a, host, 256);
		return 0;
	}
	return brackets ? -1 : idn_to_ascii(text, host, 256);
}

static void
name_of(char *name, size_t size, const char *host, uint16_t port)
{
	bool	v6 = strchr(host, ':') != NULL;

	(void)snprintf(name, size, "%s%s%s:%u", v6 ? "[" : "", host,
	    v6 ? "]" : "", port);
}

/* --- hosts ---------------------------------------------------------------- */

static void
set_remote(struct conf_remote *r, uint16_t port)
{
	r->port = port;
	r->protocol = PROTO_SMTP;
	r->helo = helo;
	r->mail_from = sender;
	r->timeout.connect = CONNECT;
	r->timeout.command = r->timeout.data = r->timeout.final = COMMAND;
	r->timeout.idle = REST;
	r->probes = PROBES;
	r->limits.recipients = RECIPIENTS;
	r->limits.errors = ERRORS;
	r->tls.mode = RTLS_OPPORTUNISTIC;
	r->tls.name = r->tls.ca = none;
	r->ttl.positive = DAY;
	r->ttl.negative = HOUR;
	r->ttl.refresh = DAY / 2;
	r->ttl.keep = 7 * DAY;
}

static uint32_t
new_id(void)
{
	do
		last_id = (last_id + 1) & ~ADHOC_ID;
	while (target_find(last_id | ADHOC_ID) != NULL);
	return last_id | ADHOC_ID;
}

/* What TLS needs is the same for all; made for the first. */
static int
get_tls(struct conf_remote *r)
{
	char	why[256];

	if (tls == NULL && (tls = tlsctx_remote_new(r, why,
	    sizeof(why))) == NULL)
		return -1;
	r->obj.priv = tls;
	return 0;
}

static struct adhoc *
adhoc_new(const char *host, const char *name, uint16_t port)
{
	struct adhoc	*a;

	if ((a = calloc(1, sizeof(*a))) == NULL)
		return NULL;
	(void)strlcpy(a->host, host, sizeof(a->host));
	(void)strlcpy(a->name, name, sizeof(a->name));
	set_remote(&a->remote, port);
	if (get_tls(&a->remote) == -1) {
		free(a);
		return NULL;
	}
	a->remote.obj.name = a->name;
	a->remote.obj.id = new_id();
	RB_INSERT(adhocs, &adhocs, a);
	TAILQ_INSERT_TAIL(&by_use, a, by_use);
	if (count.hosts++ == 0) {
		timer_init(&sweep_timer, on_sweep, NULL);
		timer_set(&sweep_timer, SWEEP_EVERY);
	}
	return a;
}

const struct conf_remote *
adhoc_get(const char *from, uint16_t port, const char **why)
{
	struct adhoc	 key, *a;
	char		 host[256];

	*why = "no host name, and no address";
	if (host_normal(from, host) == -1)
		return NULL;
	name_of(key.name, sizeof(key.name), host, port);
	if ((a = RB_FIND(adhocs, &adhocs, &key)) == NULL) {
		*why = "too many hosts";
		if (!make_room()) {
			count.refused++;
			return NULL;
		}
		*why = "no memory";
		if ((a = adhoc_new(host, key.name, port)) == NULL)
			return NULL;
	}
	TAILQ_REMOVE(&by_use, a, by_use);
	TAILQ_INSERT_TAIL(&by_use, a, by_use);
	a->used = mono_now();
	return &a->remote;
}

void
adhoc_where(const struct conf_remote *r, char host[256], uint16_t *port)
{
	const struct adhoc	*a = (const struct adhoc *)(const void *)r;

	(void)strlcpy(host, a->host, 256);
	*port = (uint16_t)r->port;
}

int
adhoc_stats(char *text, size_t size)
{
	return snprintf(text, size,
	    "verifyd.script.hosts %zu\n"
	    "verifyd.script.hosts.forgotten %llu\n"
	    "verifyd.script.hosts.refused %llu\n",
	    count.hosts, (unsigned long long)count.forgotten,
	    (unsigned long long)count.refused);
}
