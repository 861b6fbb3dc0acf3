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
