/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * log.*, which scripts write to the log, and clock.*.
 *
 * A line is one event with the session, the script and its stage: the text is
 * a value in it, and encoded there, so that no text can look like another
 * line.  A call has so many lines; the one that says so is the last.
 */

#include <sys/time.h>

#include <time.h>

#include "log.h"
#include "script.h"

#define LINES_MAX	100		/* of a call */
#define TEXT_MAX	2048		/* octets of a line */

/* RAISES.  The arguments, each as print() has it, with blanks between. */
static const char *
join(lua_State *L, size_t *len)
{
	luaL_Buffer	b;
	int		i, n = lua_gettop(L);

	luaL_checkstack(L, LUA_MINSTACK, "log");
	luaL_buffinit(L, &b);
	for (i = 1; i <= n; i++) {
		if (i > 1)
			luaL_addchar(&b, ' ');
		(void)ask_text(L, i, NULL);
		luaL_addvalue(&b);
	}
	luaL_pushresult(&b);
	return lua_tolstring(L, -1, len);
}

static void
write_line(const struct call *call, int level, const char *text, size_t len)
{
	if (!log_begin(level, call->sess->sid, "script-log"))
		return;
	log_str("script", call->script->obj.name);
	log_str("stage", hook_stage_name(call->stage));
	log_strn("text", text, len < TEXT_MAX ? len : TEXT_MAX);
	log_end();
}

/* RAISES. */
static int
f_log(lua_State *L, int level)
{
	static const char	 enough[] = "too many lines: no more of this "
				    "call";
	struct call		*call = co_of(L)->call;
	const char		*text;
	size_t			 len;

	if (call->logged > LINES_MAX)
		return 0;
	if (call->logged == LINES_MAX) {
		call->logged++;
		write_line(call, LOG_LEVEL_WARN, enough, sizeof(enough) - 1);
		return 0;
	}
	text = join(L, &len);
	call->logged++;
	write_line(call, level, text, len);
	return 0;
}

static int
f_info(lua_State *L)
{
	return f_log(L, LOG_LEVEL_INFO);
}

static int
f_warn(lua_State *L)
{
	return f_log(L, LOG_LEVEL_WARN);
}

/* Seconds since the epoch, by a clock that may jump. */
static int
f_now(lua_State *L)
{
	struct timeval	tv;

	(void)gettimeofday(&tv, NULL);
	lua_pushnumber(L, (double)tv.tv_sec + (double)tv.tv_usec / 1e6);
	return 1;
}

/* Seconds since some moment, by one that does not. */
static int
f_monotonic(lua_State *L)
{
	struct timespec	ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	lua_pushnumber(L, (double)ts.tv_sec + (double)ts.tv_nsec / 1e9);
	return 1;
}

void
lua_open_log(lua_State *L)
{
	static const luaL_Reg	log[] = {
		{ "info", f_info },
		{ "warn", f_warn },
		{ NULL, NULL }
	}, clock_fns[] = {
		{ "now", f_now },
		{ "monotonic", f_monotonic },
		{ NULL, NULL }
	};

	luaL_newlib(L, log);
	lua_setfield(L, -2, "log");
	luaL_newlib(L, clock_fns);
	lua_setfield(L, -2, "clock");
}
