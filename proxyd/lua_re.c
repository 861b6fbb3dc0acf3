/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * re.match(subject, pattern [, "i"]): extended regular expressions (ere.c).
 *
 * nil, or an array: [0] is what matched, [1] and so on are the groups, false
 * where one took no part.  A subject of more than 1024 octets, or a pattern
 * that is none, is an error, as nothing can be said.  Steps are paid from the
 * budget of patterns (lua_string.c).
 *
 * Compiled patterns are kept, 256 at most: a pattern lies in one of the four
 * slots that its hash leads to, and takes the place of the one that was used
 * the longest ago.  They are everybody's memory, not a session's.
 */

#include <stdlib.h>
#include <string.h>

#include "ere.h"
#include "rule.h"
#include "script.h"

#define SLOTS	64
#define WAYS	4

struct kept {
	struct ere	*ere;		/* NULL: nothing here */
	uint64_t	 used;
	size_t		 len;
	bool		 fold;
	char		 pattern[RULE_PATTERN_MAX + 1];
};

static struct kept	kept[SLOTS][WAYS];
static uint64_t		uses;

/* FNV-1a: nobody gains by patterns that collide, they are compiled anew. */
static struct kept *
slot_of(const char *pattern, size_t len, bool fold)
{
	uint32_t	 h = 2166136261U ^ fold;
	size_t		 i;

	for (i = 0; i < len; i++)
		h = (h ^ (unsigned char)pattern[i]) * 16777619U;
	return kept[(h ^ h >> 16) % SLOTS];
}

/* The compiled pattern, or NULL and why. */
static const struct ere *
lookup(const char *pattern, size_t len, bool fold, const char **why)
{
	struct kept	*slot = slot_of(pattern, len, fold), *k, *oldest = slot;
	struct ere	*e;

	for (k = slot; k < slot + WAYS; k++) {
		if (k->ere != NULL && k->len == len && k->fold == fold &&
		    memcmp(k->pattern, pattern, len) == 0) {
			k->used = ++uses;
			return k->ere;
		}
		if (k->used < oldest->used)
			oldest = k;
	}
	if ((e = ere_compile(pattern, fold, why)) == NULL)
		return NULL;
	ere_free(oldest->ere);
	oldest->ere = e;
	oldest->used = ++uses;
	oldest->len = len;
	oldest->fold = fold;
	memcpy(oldest->pattern, pattern, len + 1);
	return e;
}

/* RAISES.  Argument 3: "i" or nothing. */
static bool
check_fold(lua_State *L)
{
	const char	*flags = luaL_optstring(L, 3, "");

	if (strcmp(flags, "") != 0 && strcmp(flags, "i") != 0)
		luaL_argerror(L, 3, "\"i\" or nothing expected");
	return *flags == 'i';
}

/* RAISES. */
static void
push_groups(lua_State *L, const char *s, const int16_t *at, int groups)
{
	int	 i;

	lua_createtable(L, groups, 1);
	for (i = 0; i <= groups; i++, at += 2) {
		if (at[0] == -1)
			lua_pushboolean(L, 0);
		else
			lua_pushlstring(L, s + at[0], at[1] - at[0]);
		lua_rawseti(L, -2, i);
	}
}

/* RAISES. */
static int
script_match(lua_State *L)
{
	size_t			 len, plen;
	const char		*s = luaL_checklstring(L, 1, &len),
				*pattern = luaL_checklstring(L, 2, &plen), *why;
	const struct ere	*e;
	int16_t			 at[2 * (ERE_GROUPS + 1)];
	bool			 fold = check_fold(L);

	if (len > ERE_SUBJECT_MAX)
		luaL_argerror(L, 1, "longer than 1024 octets");
	if (strlen(pattern) != plen)
		luaL_argerror(L, 2, "a NUL in a pattern");
	if ((e = lookup(pattern, plen, fold, &why)) == NULL)
		return luaL_argerror(L, 2, why);
	switch (ere_match(e, s, len, at, &match_budget)) {
	case -1:
		return luaL_error(L, "patterns take too many steps");
	case 0:
		lua_pushnil(L);
		return 1;
	}
	push_groups(L, s, at, ere_groups(e));
	return 1;
}

static const luaL_Reg functions[] = {
	{ "match",	script_match },
	{ NULL,		NULL }
};

void
lua_open_re(lua_State *L)
{
	luaL_newlib(L, functions);
	lua_setfield(L, -2, "re");
}
