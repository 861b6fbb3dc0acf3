/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Items of STATE_TAKE (proto.h): a list of rates to be charged and of keys to
 * be held, in the form in which they are sent.
 */

#include <stdlib.h>

#include "front.h"
#include "front_limit.h"

struct charge *
charge_new(void)
{
	return calloc(1, sizeof(struct charge));
}

void
charge_free(struct charge *c)
{
	if (c == NULL)
		return;
	wbuf_clear(&c->items);
	free(c);
}

void
charge_add(struct charge *c, const struct proto_rate *r)
{
	put_rate(&c->items, r);
	c->n++;
	c->holds += r->period == 0;
}

void
charge_put(struct wbuf *w, const struct charge *c)
{
	if (c->n > 0)
		put_raw(w, c->items.data, c->items.len);
	w->failed |= !wire_ok(&c->items);
}
