/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The base library.
 */

#include "script.h"

void
lua_open_base(lua_State *L)
{
	(void)L;
}
