/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * arguments, connection, transaction.
 */

#include "script.h"

void
lua_open_view(lua_State *L)
{
	(void)L;
}

void
view_push(lua_State *L, struct call *c, const char *name)
{
	(void)c;
	(void)name;
	lua_pushnil(L);
}

void
view_drop(struct sess *s)
{
	(void)s;
}
