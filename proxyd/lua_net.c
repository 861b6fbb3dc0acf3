/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * dns.*, msys.beta.rcptto_proxy, remoteptr.
 */

#include "script.h"

void
lua_open_net(lua_State *L)
{
	(void)L;
}

int
net_ptr(lua_State *L)
{
	const struct hook_session	*v = &co_of(L)->call->sess->view;

	if (v->ptr_known && v->ptr[0] != '\0')
		lua_pushstring(L, v->ptr);
	else
		lua_pushnil(L);
	return 1;
}
