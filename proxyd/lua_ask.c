/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Questions of scripts; sleep, all.
 */

#include "script.h"

void
lua_open_ask(lua_State *L)
{
	(void)L;
}

int
op_ask(lua_State *L, const char *what, struct peer *p, uint16_t type,
    struct wbuf *body, int64_t timeout, bool raise, op_done *done)
{
	(void)p;
	(void)type;
	(void)timeout;
	(void)raise;
	(void)done;
	wbuf_clear(body);
	return luaL_error(L, "%s: nobody can tell", what);
}

void
co_go(struct co *co, int nargs)
{
	struct call	*call = co->call;

	call_stopped(call, co, co_step(co, nargs));
}
