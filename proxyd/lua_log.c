/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * log, clock.
 */

#include "script.h"

void
lua_open_log(lua_State *L)
{
	(void)L;
}
