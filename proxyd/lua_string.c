/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The string library, bounded.
 */

#include "script.h"

void
lua_open_string(lua_State *L)
{
	(void)L;
}
