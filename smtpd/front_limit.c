/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * How many sessions a client address has, and how many a listener.
 *
 * This worker's are counted here, and one too many of them alone is turned
 * away at once.  Of all workers together verifyd knows (front_take.c): it is
 * asked when a session begins, together with the throttles that count
 * connections, and nobody waits for that.  An "over" that comes later is said
 * when it comes, or at the next command; MAIL waits for the answer.  Where
 * there is one worker only its own count is all there is to know.
 *
 * verifyd lost: the local count is all that is known, which is not less than
 * one worker would let in.  A throttle that could not be asked is asked again
 * at MAIL.
 *
 * Counted are whole v4 addresses and v6 networks of 64 bits, as
 * that is what one customer of a provider has.  A tree, so that no choice
 * of addresses makes it slow.
 *
 * A listener is its id: sessions of older generations count as long as a
 * reload did not change it.  It stands in the tree as an address of a
 * family that no client has.
 */

#include <sys/tree.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "front.h"
#include "front_limit.h"
#include "msg.h"
#include "proc.h"

#define ASKED	"limit"			/* a command that waits for it */

#define BLOCKED		"too many errors from your address"
#define FULL		"too many sessions"
#define ADDRESS_FULL	"too many sessions from your address"
#define THROTTLED	"too many connections"

struct counter {
	RB_ENTRY(counter)	entry;
	struct addr		addr;
	unsigned int		n;
};

static int
counter_cmp(struct counter *a, struct counter *b)
{
	if (a->addr.family != b->addr.family)
		return a->addr.family < b->addr.family ? -1 : 1;
	return memcmp(a->addr.ip, b->addr.ip, sizeof(a->addr.ip));
}

static RB_HEAD(counters, counter)	counters = RB_INITIALIZER(&counters);
RB_PROTOTYPE(counters, counter, entry, counter_cmp)
RB_GENERATE(counters, counter, entry, counter_cmp)

static struct addr
client_key(const struct addr *a)
{
	struct addr	key = *a;

	addr_mask(&key, 32, 64);
	return key;
}

static struct addr
listener_key(uint32_t id)
{
	struct addr	key = { .family = ADDR_NONE };

	memcpy(key.ip, &id, sizeof(id));
	return key;
}

static struct counter *
find(struct addr key)
{
	struct counter	c;

	c.addr = key;
	return RB_FIND(counters, &counters, &c);
}

static unsigned int
count(struct addr key)
{
	struct counter	*c = find(key);

	return c == NULL ? 0 : c->n;
}

static int
add(struct addr key)
{
	struct counter	*c;

	if ((c = find(key)) == NULL) {
		if ((c = calloc(1, sizeof(*c))) == NULL)
			return -1;
		c->addr = key;
		RB_INSERT(counters, &counters, c);
	}
	c->n++;
	return 0;
}

static void
take_away(struct addr key)
{
	struct counter	*c;

	if ((c = find(key)) == NULL || --c->n > 0)
		return;
	RB_REMOVE(counters, &counters, c);
	free(c);
}

/* Is this one not counted by its address? */
static bool
is_exempt(const struct conf_listener *l, const struct addr *remote)
{
	size_t	i;

	for (i = 0; i < l->relay_hosts.n; i++)
		if (cidr_match(&l->relay_hosts.v[i], remote))
			return true;
	return l->max_per_address == 0 || remote->family == ADDR_UNIX;
}

const char *
limit_refusal(const struct conf_listener *l, const struct addr *remote)
{
	if (block_has(remote))
		return BLOCKED;
	if (l->max_sessions > 0 &&
	    count(listener_key(l->obj.id)) >= (uint64_t)l->max_sessions)
		return FULL;
	if (!is_exempt(l, remote) && count(client_key(remote)) >=
	    (uint64_t)l->max_per_address)
		return ADDRESS_FULL;
	return NULL;
}

int
limit_add(const struct addr *a, uint32_t listener)
{
	if (add(client_key(a)) == -1)
		return -1;
	if (add(listener_key(listener)) == 0)
		return 0;
	take_away(client_key(a));
	return -1;
}

void
limit_remove(const struct addr *a, uint32_t listener)
{
	take_away(client_key(a));
	take_away(listener_key(listener));
}

/* --- all workers ---------------------------------------------------------- */

static void
add_limit(const struct session *s, struct charge *c, const char *what,
    const char *of, int64_t limit)
{
	struct proto_rate	r = { .count = (uint32_t)limit };
	char			key[ADDR_TEXT_MAX + 16];

	r.klen = (size_t)snprintf(key, sizeof(key), "%s %s", what, of);
	r.key = (const uint8_t *)key;
	if (!take_has(s, key, r.klen))
		charge_add(c, &r);
}

/* What a session takes of the listener's numbers. */
static void
add_limits(const struct session *s, struct charge *c)
{
	const struct conf_listener	*l = s->listener;
	struct addr			 a = client_key(&s->remote);
	char				 text[ADDR_TEXT_MAX];

	if (s->conf->nsmtpd <= 1)
		return;
	if (l->max_sessions > 0) {
		(void)snprintf(text, sizeof(text), "%u", l->obj.id);
		add_limit(s, c, "listener", text, l->max_sessions);
	}
	if (!is_exempt(l, &s->remote))
		add_limit(s, c, "address", addr_text(&a, text, sizeof(text)),
		    l->max_per_address);
}

/* What item number n of the question was. */
static const char *
which(const struct session *s, uint32_t n)
{
	struct charge	*c;
	uint32_t	 limits;

	if ((c = charge_new()) == NULL)
		return THROTTLED;
	add_limits(s, c);
	limits = c->n;
	charge_free(c);
	if (n > limits)
		return THROTTLED;
	return n == 2 || s->listener->max_sessions == 0 ? ADDRESS_FULL : FULL;
}

/* It is here, whoever else is: verifyd, or the next one, has to count it. */
static void
tell_limits(struct session *s)
{
	struct charge	*c;

	if ((c = charge_new()) == NULL)
		return;
	add_limits(s, c);
	take_hold(s, c);
	charge_free(c);
}

void
limit_say(struct session *s)
{
	session_reply(s, REPLY_CLOSE, "421 4.7.0 %s %s", s->conf->hostname,
	    s->why);
}

static void
limit_done(struct session *s, struct msg *m)
{
	uint32_t	over;
	bool		known = take_told(s, m, false, &over);

	s->limit = !known ? LIMIT_LOST : over > 0 ? LIMIT_OVER : LIMIT_IN;
	if (!known)
		tell_limits(s);
	if (s->limit == LIMIT_OVER) {
		s->why = which(s, over);
		stats.sessions_refused++;
		flog_refused(&s->remote, s->listener->obj.name, s->why);
	}
	if (command_is_held(s, ASKED))
		command_told(s, known, over);
	else if (s->limit == LIMIT_OVER && s->state == S_COMMAND &&
	    s->wait == WAIT_NONE && s->tx == NULL && !io_has_input(&s->io))
		limit_say(s);
}

void
limit_connect(struct session *s)
{
	struct charge	*c = charge_new();

	if (c == NULL) {
		session_end(s, "no memory");
		return;
	}
	add_limits(s, c);
	throttle_connect(s, c);
	if (c->n == 0) {
		charge_free(c);
		return;
	}
	s->limit = LIMIT_ASKED;
	take_ask(s, true, c, limit_done);
}

/* Was anything asked that is not a matter of numbers alone? */
static bool
is_throttled(struct session *s)
{
	struct charge	*c = charge_new();
	bool		 any;

	if (c == NULL)
		return true;
	throttle_connect(s, c);
	any = c->n > 0;
	charge_free(c);
	return any;
}

enum rule_result
limit_ask(struct session *s)
{
	uint32_t	over;

	if (s->limit == LIMIT_IN)
		return RULE_VALUE;
	if (command_recall(s, ASKED, &over) == ANSWER_CANNOT)
		return is_throttled(s) ? RULE_CANNOT : RULE_VALUE;
	if (s->limit == LIMIT_LOST && !is_throttled(s))
		return RULE_VALUE;
	if (command_hold(s, ASKED) == -1)
		return RULE_NEED;
	if (s->limit == LIMIT_LOST)
		limit_connect(s);
	if (s->state != S_DEAD)
		ask_attend(s);
	return RULE_NEED;
}

static void
tell_new(struct session *s, void *arg)
{
	(void)arg;
	if (s->limit == LIMIT_IN)
		tell_limits(s);
}

void
limit_commit(const struct config *conf, const struct config *old)
{
	if (old != NULL && old->nsmtpd <= 1 && conf->nsmtpd > 1)
		session_each(tell_new, NULL);
}
