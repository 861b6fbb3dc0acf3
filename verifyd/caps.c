/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What remotes offer: REMOTE_SEEN in, REMOTE_CAPS out.
 *
 * Whoever has greeted a remote says what its EHLO offered; all workers are
 * told where that is news, so that listeners offer what next hops can take.
 * A worker that is new is told all that is known.  They are told at the end
 * of a turn: one that changes its mind with every word does not multiply its
 * words for all the others.
 *
 * The cache keeps them over restarts (cache.h), by the remote's name and a
 * hash of where it is and how it is spoken to: another server of the same
 * name may offer something else.
 *
 * Kept by the remote's id, for the remotes of generations that live: a remote
 * that a reload has changed has another id, and is unknown until somebody
 * greets it.  There are never more of them than the configuration has.
 */

#include <sys/types.h>
#include <sys/tree.h>

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cache.h"
#include "config.h"
#include "log.h"
#include "peer.h"
#include "proc.h"
#include "siphash.h"
#include "verifyd.h"

struct known {
	RB_ENTRY(known)	 entry;
	uint32_t	 remote;
	uint32_t	 caps;
	bool		 is_news;
};

RB_HEAD(known_tree, known);
static struct known_tree	tree = RB_INITIALIZER(&tree);
static unsigned int		count;
static bool			has_news;

static int
known_cmp(const struct known *a, const struct known *b)
{
	return a->remote < b->remote ? -1 : a->remote > b->remote;
}

RB_PROTOTYPE(known_tree, known, entry, known_cmp)
RB_GENERATE(known_tree, known, entry, known_cmp)

static bool
is_remote(uint32_t id)
{
	return proc_conf_obj(offsetof(struct config, remotes), id) != NULL;
}

static void
caps_send(struct peer *p, const void *known)
{
	const struct known	*k = known;
	struct proto_caps	 c = { .remote = k->remote, .caps = k->caps };
	struct wbuf		 w = { 0 };

	put_caps(&w, &c);
	peer_send(p, MSG_REMOTE_CAPS, 0, 0, -1, &w);
}

void
caps_peer_up(struct peer *p)
{
	struct known	*k;

	RB_FOREACH(k, known_tree, &tree)
		caps_send(p, k);
}

/* The entry of a remote, perhaps a new one without caps; NULL: no memory. */
static struct known *
known_of(uint32_t remote, bool *is_new)
{
	struct known	 key = { .remote = remote }, *k;

	*is_new = false;
	if ((k = RB_FIND(known_tree, &tree, &key)) != NULL)
		return k;
	if ((k = calloc(1, sizeof(*k))) == NULL)
		return NULL;
	k->remote = remote;
	RB_INSERT(known_tree, &tree, k);
	count++;
	*is_new = true;
	return k;
}

/* --- over a restart ------------------------------------------------------- */

#define KEEP		(365LL * 24 * 3600 * 1000)	/* ms */
#define FINGERPRINT	17

static void
fingerprint(const struct conf_remote *r, char *text)
{
	static const uint8_t	 secret[SIPHASH_KEY];	/* it is none */
	int64_t			 how[] = { r->port, r->protocol, r->tls.mode };
	uint8_t			 hash[SIPHASH_LEN];
	struct siphash		 h;
	size_t			 i;

	siphash_init(&h, secret);
	siphash_update(&h, how, sizeof(how));
	for (i = 0; i < r->address.n; i++)
		siphash_update(&h, r->address.v[i],
		    strlen(r->address.v[i]) + 1);
	siphash_final(&h, hash);
	for (i = 0; i < 8; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", hash[i]);
}

static void
keep(const struct known *k)
{
	static const struct conf_ttl	 ttl = { .positive = KEEP };
	struct cache_verdict		 v = { .exists = true, .code = 250 };
	const struct conf_remote	*r;
	struct cache_key		 key = { .remote = CACHE_CAPS };
	char				 print[FINGERPRINT];

	r = (const struct conf_remote *)proc_conf_obj(offsetof(struct config,
	    remotes), k->remote);
	if (r == NULL)
		return;
	fingerprint(r, print);
	key.sender = r->obj.name;
	key.rcpt = print;
	(void)snprintf(v.text, sizeof(v.text), "%08x", k->caps);
	cache_store(&key, &v, &ttl, (uint64_t)time(NULL), false);
}

/* Is it remembered?  True with *caps. */
static bool
recall(const struct conf_remote *r, uint32_t *caps)
{
	struct cache_verdict	 v;
	struct cache_key	 key = { .remote = CACHE_CAPS };
	char			 print[FINGERPRINT], *end;

	fingerprint(r, print);
	key.sender = r->obj.name;
	key.rcpt = print;
	if (cache_find(&key, (uint64_t)time(NULL), &v) == CACHE_MISS)
		return false;
	*caps = (uint32_t)strtoul(v.text, &end, 16);
	return end == v.text + 8;
}

void
caps_restore(const struct config *conf)
{
	const struct conf_remote	*r;
	struct known			*k;
	uint32_t			 caps;
	size_t				 i;
	bool				 is_new;

	for (i = 0; i < conf->remotes.n; i++) {
		r = (const struct conf_remote *)conf->remotes.v[i];
		if (!recall(r, &caps) ||
		    (k = known_of(r->obj.id, &is_new)) == NULL || !is_new)
			continue;
		k->caps = caps;
		k->is_news = has_news = true;
	}
}

void
caps_met(uint32_t remote, uint32_t caps)
{
	struct known	*k;
	bool		 is_new;

	/* One of a generation that has just ended is no mistake. */
	if (!is_remote(remote) || (k = known_of(remote, &is_new)) == NULL ||
	    (!is_new && k->caps == caps))
		return;
	k->caps = caps;
	k->is_news = has_news = true;
	keep(k);
}

int
caps_seen(struct peer *p, struct msg *m)
{
	struct proto_caps	 c;

	(void)p;
	if (get_caps(m, &c) == -1)
		return -1;
	caps_met(c.remote, c.caps);
	return 0;
}

void
caps_turn(void)
{
	struct known	*k;

	if (!has_news)
		return;
	has_news = false;
	RB_FOREACH(k, known_tree, &tree) {
		if (!k->is_news)
			continue;
		k->is_news = false;
		log_debug("remote %u offers %#x", k->remote, k->caps);
		verifyd_each_smtpd(caps_send, k);
	}
}

void
caps_prune(void)
{
	struct known	*k, *next;

	RB_FOREACH_SAFE(k, known_tree, &tree, next) {
		if (is_remote(k->remote))
			continue;
		RB_REMOVE(known_tree, &tree, k);
		free(k);
		count--;
	}
}

bool
caps_of(uint32_t remote, uint32_t *caps)
{
	struct known	 key = { .remote = remote }, *k;

	if ((k = RB_FIND(known_tree, &tree, &key)) != NULL)
		*caps = k->caps;
	return k != NULL;
}

int
caps_stats(char *text, size_t size)
{
	return snprintf(text, size, "verifyd.caps.remotes %u\n", count);
}
