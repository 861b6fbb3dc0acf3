/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The one state of Lua.
 */

#include "script.h"

lua_State	*lua_main;
