/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The transaction: sender, recipients, and where it stands.  It is made by
 * MAIL and freed in one place (session_reset, by way of tx_free), so that
 * nothing of one message can be left for the next.
 */

#include <stdlib.h>
#include <string.h>

#include "front.h"
#include "front_limit.h"

struct tx *
tx_new(const char *sender)
{
	struct tx	*tx;

	if ((tx = calloc(1, sizeof(*tx))) == NULL)
		return NULL;
	if ((tx->sender = strdup(sender)) == NULL) {
		free(tx);
		return NULL;
	}
	tx->began = mono_now();
	return tx;
}

static void
rcpt_free_said(struct rcpt *r)
{
	if (r->said == NULL)
		return;
	free((char *)(uintptr_t)r->said->whole);
	free(r->said);
	r->said = NULL;
}

int
rcpt_keep_said(struct rcpt *r, const struct smtp_reply *said)
{
	rcpt_free_said(r);
	if ((r->said = malloc(sizeof(*r->said))) == NULL)
		return -1;
	*r->said = *said;
	if (said->whole == NULL)
		return 0;
	r->said->whole = strdup(said->whole);
	return r->said->whole == NULL ? -1 : 0;
}

void
tx_free(struct tx *tx)
{
	size_t	i;

	if (tx == NULL)
		return;
	for (i = 0; i < tx->nrcpts; i++) {
		free(tx->rcpts[i].addr);
		free(tx->rcpts[i].normal);
		free(tx->rcpts[i].orcpt);
		free(tx->rcpts[i].verdict);
		charge_free(tx->rcpts[i].charge);
		rcpt_free_said(&tx->rcpts[i]);
		wbuf_clear(&tx->rcpts[i].hook);
	}
	free(tx->rcpts);
	free(tx->envid);
	free(tx->by);
	free(tx->digest);
	free(tx->mx_domain);
	free(tx->sender);
	free(tx->sender_normal);
	free(tx->lost);
	free(tx->verdict);
	free(tx);
}

int
tx_add(struct tx *tx, const char *addr, const char *normal)
{
	struct rcpt	*r;
	size_t		 size;

	if (tx->nrcpts == tx->rcpts_size) {
		size = tx->rcpts_size == 0 ? 1 : tx->rcpts_size * 2;
		if ((r = reallocarray(tx->rcpts, size, sizeof(*r))) == NULL)
			return -1;
		tx->rcpts = r;
		tx->rcpts_size = size;
	}
	r = &tx->rcpts[tx->nrcpts];
	memset(r, 0, sizeof(*r));
	r->addr = strdup(addr);
	r->normal = strdup(normal);
	if (r->addr == NULL || r->normal == NULL) {
		free(r->addr);
		free(r->normal);
		return -1;
	}
	tx->nrcpts++;
	tx->pending++;
	return 0;
}

struct rcpt *
tx_find(const struct tx *tx, const char *normal)
{
	size_t	i;

	for (i = 0; i < tx->nrcpts; i++)
		if ((tx->rcpts[i].state != RC_NO || tx->rcpts[i].told) &&
		    !tx->rcpts[i].again &&
		    strcmp(tx->rcpts[i].normal, normal) == 0)
			return &tx->rcpts[i];
	return NULL;
}

size_t
tx_replies(const struct tx *tx)
{
	size_t	i, n = 0;

	for (i = 0; i < tx->nrcpts; i++)
		n += tx->rcpts[i].state == RC_OK || tx->rcpts[i].again ||
		    tx->rcpts[i].told;
	return n;
}

void
tx_keep(struct smtp_reply **to, const struct smtp_reply *r)
{
	struct smtp_reply	*copy;

	if ((copy = malloc(sizeof(*copy))) == NULL)
		return;
	*copy = *r;
	copy->whole = NULL;
	free(*to);
	*to = copy;
}
