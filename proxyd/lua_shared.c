/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * list, cidr, rate, store.
 */

#include "script.h"

void
lua_open_shared(lua_State *L)
{
	(void)L;
}
