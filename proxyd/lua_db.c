/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * db.*
 */

#include "script.h"

void
lua_open_db(lua_State *L)
{
	(void)L;
}
