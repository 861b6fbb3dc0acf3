/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The table library, raw and bounded.
 */

#include "script.h"

void
lua_open_table(lua_State *L)
{
	(void)L;
}
