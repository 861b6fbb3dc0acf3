/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The next hops that a listener's clients can be led to (config_reach.c),
 * found once for every generation: what is offered to a client depends on
 * all of them, and every EHLO asks.
 */

#include <stdlib.h>
#include <string.h>

#include "front.h"
#include "front_ask.h"

struct reach {
	struct conf_remote	**v;
	size_t			  n;
	bool			  beyond;	/* mx too */
	bool			  failed;	/* no memory */
};

static void
add(struct conf_remote *remote, void *arg)
{
	struct reach		 *x = arg;
	struct conf_remote	**v;
	size_t			  i;

	if (remote == NULL) {
		x->beyond = true;
		return;
	}
	for (i = 0; i < x->n; i++)
		if (x->v[i] == remote)
			return;
	if ((v = reallocarray(x->v, x->n + 1, sizeof(*v))) == NULL) {
		x->failed = true;
		return;
	}
	x->v = v;
	x->v[x->n++] = remote;
}

int
reach_prepare(struct config *conf)
{
	struct conf_listener	*l;
	struct reach		*x;
	size_t			 i;

	for (i = 0; i < conf->listeners.n; i++) {
		l = (struct conf_listener *)(void *)conf->listeners.v[i];
		if ((x = calloc(1, sizeof(*x))) == NULL)
			return -1;
		l->obj.priv = x;
		conf_reach(conf, l, add, x);
		if (x->failed)
			return -1;
	}
	return 0;
}

void
reach_release(struct config *conf)
{
	struct reach	*x;
	size_t		 i;

	for (i = 0; i < conf->listeners.n; i++) {
		if ((x = conf->listeners.v[i]->priv) == NULL)
			continue;
		free(x->v);
		free(x);
		conf->listeners.v[i]->priv = NULL;
	}
}

bool
front_reach(const struct conf_listener *l,
    void (*fn)(struct conf_remote *, void *), void *arg)
{
	const struct reach	*x = l->obj.priv;
	size_t			 i;

	if (x == NULL)
		return false;
	for (i = 0; i < x->n; i++)
		fn(x->v[i], arg);
	return !x->beyond;
}
