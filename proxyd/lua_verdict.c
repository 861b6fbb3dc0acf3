/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * proxy.Pass, proxy.Reply, accept, reject, defer.
 */

#include "script.h"

void
lua_open_verdict(lua_State *L)
{
	(void)L;
}
