/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Throttles.
 */

#include "front.h"

uint32_t
throttle_rates(struct session *s, const struct rule_env *env, struct wbuf *w)
{
	(void)s;
	(void)env;
	(void)w;
	return 0;
}

void
throttle_rode(struct session *s, uint32_t over)
{
	(void)s;
	(void)over;
}

enum rule_result
throttle_rcpt(struct session *s, const struct rule_env *env, bool *over)
{
	(void)s;
	(void)env;
	*over = false;
	return RULE_VALUE;
}
