/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * re.match.
 */

#include "script.h"

void
lua_open_re(lua_State *L)
{
	(void)L;
}
