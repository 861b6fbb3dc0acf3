/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What the remotes offered at last contact, by id.
 *
 * A worker that has greeted a remote compares, and reports what is new to
 * verifyd, which tells all workers and remembers it for the next start; a
 * new verifyd is told all that we know.  Nobody connects only to learn.
 *
 * Remotes have ids that are never used twice, so an entry cannot be wrong
 * about its remote; it goes with the last generation that has the remote.
 * There is none for `mx', which is another server each time.
 */

#include <sys/tree.h>

#include <stddef.h>
#include <stdlib.h>

#include "front.h"
#include "msg.h"
#include "peer.h"
#include "proc.h"
#include "proto.h"

struct caps {
	RB_ENTRY(caps)	 node;
	uint32_t	 remote;
	bool		 told;		/* of clients, if it wants to be */
	unsigned int	 word;		/* EXT_* */
};

static int
caps_cmp(struct caps *a, struct caps *b)
{
	return a->remote < b->remote ? -1 : a->remote > b->remote;
}

static RB_HEAD(all_caps, caps)	all = RB_INITIALIZER(&all);
RB_PROTOTYPE(all_caps, caps, node, caps_cmp)
RB_GENERATE(all_caps, caps, node, caps_cmp)

static unsigned int	nnames;		/* that are told by XCLIENT NAME */

static struct caps *
find(uint32_t remote)
{
	struct caps	key;

	key.remote = remote;
	return RB_FIND(all_caps, &all, &key);
}

static void
set_word(struct caps *c, unsigned int word)
{
	nnames -= c->told && (c->word & EXT_XC_NAME) != 0;
	nnames += c->told && (word & EXT_XC_NAME) != 0;
	c->word = word;
}

/* Without memory it is not known: nothing depends on that it is. */
static void
remember(const struct conf_remote *remote, unsigned int word)
{
	struct caps	*c;

	if ((c = find(remote->obj.id)) == NULL) {
		if ((c = calloc(1, sizeof(*c))) == NULL)
			return;
		c->remote = remote->obj.id;
		c->told = remote->xclient != XCLIENT_NO;
		RB_INSERT(all_caps, &all, c);
	}
	set_word(c, word);
}

static void
report(struct peer *verifyd, uint32_t remote, unsigned int word)
{
	struct proto_caps	p = { .remote = remote, .caps = word };
	struct wbuf		w = { 0 };

	put_caps(&w, &p);
	peer_send(verifyd, MSG_REMOTE_SEEN, 0, 0, -1, &w);
}

unsigned int
caps_of(uint32_t remote, bool *known)
{
	const struct caps	*c = find(remote);

	*known = c != NULL;
	return c == NULL ? 0 : c->word;
}

bool
caps_any_name(void)
{
	return nnames > 0;
}

void
caps_seen(const struct conf_remote *remote, unsigned int word)
{
	struct peer	*verifyd = proc_peer(R_VERIFYD, 0);
	bool		 known;

	if (remote->mx)
		return;
	if (caps_of(remote->obj.id, &known) == word && known)
		return;
	remember(remote, word);
	if (verifyd != NULL)
		report(verifyd, remote->obj.id, word);
}

void
caps_verifyd_up(struct peer *p)
{
	struct caps	*c;

	RB_FOREACH(c, all_caps, &all)
		report(p, c->remote, c->word);
}

static const struct conf_remote *
find_remote(uint32_t id)
{
	return (const struct conf_remote *)(void *)
	    proc_conf_obj(offsetof(struct config, remotes), id);
}

int
caps_told(struct peer *p, struct msg *m)
{
	const struct conf_remote	*remote;
	struct proto_caps		 c;

	(void)p;
	if (get_caps(m, &c) == -1)
		return -1;
	if ((remote = find_remote(c.remote)) != NULL)
		remember(remote, c.caps);
	return 0;
}

void
caps_sweep(void)
{
	struct caps	*c, *next;

	for (c = RB_MIN(all_caps, &all); c != NULL; c = next) {
		next = RB_NEXT(all_caps, &all, c);
		if (find_remote(c->remote) != NULL)
			continue;
		set_word(c, 0);
		RB_REMOVE(all_caps, &all, c);
		free(c);
	}
}
