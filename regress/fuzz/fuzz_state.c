/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * state.c: operations from the input, held against the model.  The first
 * octet says how many entries there may be and whether anything expires; then
 * four octets are an operation.
 */

#include "fuzz.h"
#include "proto.h"
#include "state.h"
#include "state_model.h"

#define FOREVER	(1LL << 40)

static struct mono	now;

static void
operation(struct state *st, struct model *m, const uint8_t *p, bool expiry)
{
	unsigned int		 table = p[0] & 1, key = p[1];
	uint8_t			 new[MODEL_VALUE];
	struct model_entry	*e;
	const void		*value;
	size_t			 len = p[2] % (MODEL_VALUE + 1);
	int64_t			 ttl = expiry ? p[3] - 1 : FOREVER;

	now = mono_add(now, p[0] >> 4);
	if (p[0] & 2)
		state_sweep(st, now, p[3]);
	if (p[0] & 8) {
		memset(new, p[3], sizeof(new));
		must((state_update(st, table, &key, sizeof(key), new, len,
		    now) == 0) == model_update(m, table, key, new, len,
		    now.ms));
		return;
	}
	if (p[0] & 4) {
		memset(new, p[3], sizeof(new));
		must(state_set(st, table, &key, sizeof(key), new, len, ttl,
		    now) == 0);
		model_set(m, table, key, new, len, ttl, now.ms);
		return;
	}
	e = model_get(m, table, key, now.ms);
	if (!state_get(st, table, &key, sizeof(key), now, &value, &len)) {
		must(e == NULL);
		return;
	}
	must(e != NULL && len == e->len);
	must(memcmp(value, e->value, len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct state_stats	 s;
	struct model		 m = { .n = 0 };
	struct state		*st;
	size_t			 at, most = 0;
	bool			 expiry;

	if (len == 0)
		return 0;
	expiry = (data[0] & 1) != 0;
	/* Nothing is pressed out where things expire: see state_model.h. */
	m.max = expiry ? MODEL_MAX : 1U + data[0] % MODEL_MAX;
	now.ms = 1;
	must((st = state_new(m.max, 1 << 20)) != NULL);
	for (at = 1; at + 4 <= len && (!expiry || at < 4 * MODEL_MAX);
	    at += 4) {
		operation(st, &m, data + at, expiry);
		state_stats(st, &s);
		must(s.entries <= m.max && s.octets <= 1 << 20);
		must(s.entries >= (expiry ? 0 : m.n));
		most = s.entries > most ? s.entries : most;
	}
	now = mono_add(now, 2 * FOREVER);
	state_sweep(st, now, MODEL_MAX);
	state_stats(st, &s);
	must(s.entries == 0 && most <= m.max);
	state_free(st);
	return 0;
}
