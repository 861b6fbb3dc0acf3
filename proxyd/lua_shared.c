/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What all scripts of all processes share, and verifyd holds: lists, rates,
 * and what scripts have it remember.
 *
 * A key of the store is the namespace, NUL, and the script's key: a namespace
 * holds no NUL, so that no two can meet.  That of a rate has "script" and NUL
 * before it; a throttle's begins with a hash (front_throttle.c).
 *
 * A value's type is told by its first octet: `s' a string, `f' a float, `t'
 * and `n' true and false; an integer is its decimal digits, as STATE_INCR
 * wants them.
 */

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "msg.h"
#include "proc.h"
#include "script.h"

#define ANSWER_TIMEOUT	5000		/* ms: it is held in memory */
#define TTL_MAX		(UINT32_MAX / 1000)	/* s */
#define INCR_TTL	3600		/* s, unless it is said */
#define RATE_PREFIX	"script"	/* and its NUL */

/* --- lists ---------------------------------------------------------------- */

static int
has_done(lua_State *L, struct op *op, struct msg *m)
{
	static struct proto_lookup_ans	 a;
	static char			 line[LOOK_KEY_MAX];
	uint32_t			 i;

	if (m == NULL)
		return op_nobody(L, op);
	if (get_lookup_ans(m, &a) == -1)
		return -2;
	for (i = 1; i < a.n; i++)
		get_line(&m->body, line, sizeof(line));
	if (get_end(&m->body) == -1)
		return -2;
	if (a.answer != LOOKUP_YES && a.answer != LOOKUP_NO) {
		lua_pushstring(L, a.why);
		return -1;
	}
	lua_pushboolean(L, a.answer == LOOKUP_YES);
	return 1;
}

/* RAISES.  Arguments: the list's name, a key, options. */
static int
ask_list(lua_State *L, const char *what)
{
	static struct proto_lookup	 q;
	const struct conf_obj		*list;
	struct wbuf			*w = ask_body(L);
	const char			*name = ask_string(L, 1, 255, NULL);
	const char			*key;
	size_t				 i, len;
	bool				 raise = ask_raise(L, 3);

	key = ask_string(L, 2, LOOK_KEY_MAX - 1, &len);
	if ((list = conf_find(&proc_conf()->lists, name)) == NULL)
		return luaL_error(L, "there is no list %s", name);
	memset(&q.path, 0, sizeof(q.path));
	q.path.kind = LOOK_LIST;
	q.path.id = list->id;
	q.what = LOOK_KEY;
	q.sender[0] = '\0';
	/* As entries are kept; none holds a control octet. */
	for (i = 0; i <= len; i++) {
		q.key[i] = (char)tolower((unsigned char)key[i]);
		if (i < len && ((unsigned char)key[i] < ' ' ||
		    key[i] == 0x7f)) {
			lua_pushboolean(L, false);
			return 1;
		}
	}
	put_lookup(w, &q);
	return op_ask(L, what, ask_verifyd(), MSG_LOOKUP, w, ANSWER_TIMEOUT,
	    raise, has_done);
}

static int
f_list_has(lua_State *L)
{
	return ask_list(L, "list.has");
}

static int
f_cidr_has(lua_State *L)
{
	struct addr	 a;
	char		 text[ADDR_TEXT_MAX];

	if (addr_parse(&a, ask_string(L, 2, ADDR_TEXT_MAX, NULL)) == -1)
		return luaL_argerror(L, 2, "no address");
	/* One spelling of each: a mapped one is the v4 address. */
	lua_pushstring(L, addr_text(&a, text, sizeof(text)));
	lua_replace(L, 2);
	return ask_list(L, "cidr.has");
}

/* --- keys and values ------------------------------------------------------ */

/* RAISES.  Into key, prefix with its NUL first; returns the length. */
static size_t
make_key(lua_State *L, const char *prefix, uint8_t key[STATE_KEY_MAX])
{
	const char	*parts[2];
	size_t		 len[2], used = 0;

	parts[0] = ask_string(L, 1, STATE_KEY_MAX, &len[0]);
	parts[1] = luaL_checklstring(L, 2, &len[1]);
	if (prefix != NULL) {
		used = strlen(prefix) + 1;
		memcpy(key, prefix, used);
	}
	if (len[0] + len[1] + 1 > STATE_KEY_MAX - used)
		luaL_error(L, "namespace and key are over %d octets together",
		    (int)(STATE_KEY_MAX - used - 1));
	memcpy(key + used, parts[0], len[0] + 1);
	used += len[0] + 1;
	memcpy(key + used, parts[1], len[1]);
	return used + len[1];
}

/* RAISES.  The value at that place, as it is kept; returns its length. */
static size_t
make_value(lua_State *L, int index, char value[STATE_VALUE_MAX])
{
	const char	*s;
	size_t		 len;

	switch (lua_type(L, index)) {
	case LUA_TBOOLEAN:
		value[0] = lua_toboolean(L, index) ? 't' : 'n';
		return 1;
	case LUA_TNUMBER:
		return (size_t)(lua_isinteger(L, index) ?
		    snprintf(value, STATE_VALUE_MAX, "%lld",
		    (long long)lua_tointeger(L, index)) :
		    snprintf(value, STATE_VALUE_MAX, "f%.17g",
		    lua_tonumber(L, index)));
	case LUA_TSTRING:
		s = lua_tolstring(L, index, &len);
		if (len > STATE_VALUE_MAX - 1)
			luaL_argerror(L, index, lua_pushfstring(L,
			    "over %d octets", STATE_VALUE_MAX - 1));
		value[0] = 's';
		memcpy(value + 1, s, len);
		return len + 1;
	default:
		return (size_t)luaL_argerror(L, index, lua_pushfstring(L,
		    "a %s cannot be kept", luaL_typename(L, index)));
	}
}

/* RAISES.  Digits, or behind the `f' whatever strtod(3) takes. */
static int
push_number(lua_State *L, const char *p, size_t len)
{
	char		 text[64], *end;
	long long	 n;

	if (len == 0 || len >= sizeof(text) ||
	    isspace((unsigned char)p[0]))
		return -1;
	memcpy(text, p, len);
	text[len] = '\0';
	errno = 0;
	if (text[0] == 'f') {
		if (text[1] == '\0' || isspace((unsigned char)text[1]))
			return -1;
		lua_pushnumber(L, strtod(text + 1, &end));
	} else {
		n = strtoll(text, &end, 10);
		if (errno != 0)
			return -1;
		lua_pushinteger(L, n);
	}
	return end == text + len ? 0 : -1;
}

/* RAISES.  -1: that was never kept by us. */
static int
push_value(lua_State *L, const char *p, size_t len)
{
	if (len == 0)
		return -1;
	switch (p[0]) {
	case 's':
		lua_pushlstring(L, p + 1, len - 1);
		return 0;
	case 't':
	case 'n':
		lua_pushboolean(L, p[0] == 't');
		return len == 1 ? 0 : -1;
	default:
		return push_number(L, p, len);
	}
}

/* --- STATE ---------------------------------------------------------------- */

/* The head of an answer to one item. */
static int
get_head(lua_State *L, struct op *op, struct msg *m, enum state_op what,
    struct proto_state_ans *a)
{
	if (m == NULL)
		return op_nobody(L, op);
	if (get_state_ans(m, a) == -1 || a->op != what || a->n != 1)
		return -2;
	return 0;
}

static int
rate_done(lua_State *L, struct op *op, struct msg *m)
{
	struct proto_state_ans	a;
	int			r;

	if ((r = get_head(L, op, m, STATE_TAKE, &a)) != 0)
		return r;
	if (get_end(&m->body) == -1)
		return -2;
	lua_pushboolean(L, a.over == 0);
	return 1;
}

/* Of GET and INCR: is it there, and what is it? */
static int
get_value(lua_State *L, struct op *op, struct msg *m, enum state_op what,
    bool *found)
{
	struct proto_state_ans	 a;
	const uint8_t		*p;
	size_t			 len;
	int			 r;

	if ((r = get_head(L, op, m, what, &a)) != 0)
		return r;
	*found = get_bool(&m->body);
	p = get_blob(&m->body, &len);
	if (get_end(&m->body) == -1 || len > STATE_VALUE_MAX)
		return -2;
	if (!*found)
		lua_pushnil(L);
	else if (push_value(L, (const char *)p, len) == -1)
		return -2;
	return 1;
}

static int
get_done(lua_State *L, struct op *op, struct msg *m)
{
	bool	found;

	return get_value(L, op, m, STATE_GET, &found);
}

static int
incr_done(lua_State *L, struct op *op, struct msg *m)
{
	bool	found;
	int	r;

	if ((r = get_value(L, op, m, STATE_INCR, &found)) != 1)
		return r;
	if (!found) {
		lua_pushliteral(L, "what is there is no integer, or the sum "
		    "would be none");
		return -1;
	}
	return lua_isinteger(L, -1) ? 1 : -2;
}

static int
set_done(lua_State *L, struct op *op, struct msg *m)
{
	struct proto_state_ans	a;
	int			r;

	if ((r = get_head(L, op, m, STATE_SET, &a)) != 0)
		return r;
	return get_end(&m->body) == -1 ? -2 : 0;
}

/* RAISES. */
static int
f_rate(lua_State *L)
{
	uint8_t			 key[STATE_KEY_MAX];
	struct proto_state	 q = { .op = STATE_TAKE, .n = 1 };
	struct proto_rate	 r = { .key = key };
	struct wbuf		*w = ask_body(L);
	lua_Integer		 count;
	bool			 raise;

	r.klen = make_key(L, RATE_PREFIX, key);
	count = luaL_checkinteger(L, 3);
	luaL_argcheck(L, count >= 1 && count <= UINT32_MAX, 3,
	    "out of range");
	r.count = (uint32_t)count;
	r.period = (uint64_t)ask_seconds(L, 4,
	    (double)THROTTLE_PERIOD_MAX / 1000);
	luaL_argcheck(L, r.period > 0, 4, "out of range");
	raise = ask_raise(L, 5);
	put_state(w, &q);
	put_rate(w, &r);
	return op_ask(L, "rate", ask_verifyd(), MSG_STATE, w, ANSWER_TIMEOUT,
	    raise, rate_done);
}

/* RAISES.  One item of the table of scripts; value NULL: it has none. */
static int
ask_store(lua_State *L, const char *what, const struct proto_state *head,
    const char *value, size_t vlen, bool raise,
    int (*done)(lua_State *, struct op *, struct msg *))
{
	uint8_t		 key[STATE_KEY_MAX];
	struct wbuf	*w = ask_body(L);
	size_t		 klen = make_key(L, NULL, key);

	put_state(w, head);
	put_blob(w, key, klen);
	if (value != NULL)
		put_blob(w, value, vlen);
	return op_ask(L, what, ask_verifyd(), MSG_STATE, w, ANSWER_TIMEOUT,
	    raise, done);
}

static int
f_store_get(lua_State *L)
{
	struct proto_state	q = { .op = STATE_GET, .table = STATE_SCRIPT,
				    .n = 1 };

	return ask_store(L, "store.get", &q, NULL, 0, ask_raise(L, 3),
	    get_done);
}

static int
f_store_set(lua_State *L)
{
	struct proto_state	q = { .op = STATE_SET, .table = STATE_SCRIPT,
				    .n = 1 };
	char			value[STATE_VALUE_MAX] = "";
	size_t			vlen = 0;

	luaL_checkany(L, 3);
	if (!lua_isnil(L, 3)) {
		vlen = make_value(L, 3, value);
		q.ttl = (uint32_t)ask_seconds(L, 4, TTL_MAX);
	}
	return ask_store(L, "store.set", &q, value, vlen, ask_raise(L,
	    lua_isnil(L, 3) && ask_is_options(L, 4) ? 4 : 5), set_done);
}

static int
f_store_incr(lua_State *L)
{
	struct proto_state	q = { .op = STATE_INCR, .table = STATE_SCRIPT,
				    .ttl = INCR_TTL * 1000, .n = 1 };
	char			value[32];
	bool			raise = true;
	int			n = lua_gettop(L);

	if (n > 2 && ask_is_options(L, n)) {
		raise = ask_raise(L, n);
		lua_settop(L, n - 1);
	}
	(void)snprintf(value, sizeof(value), "%lld",
	    (long long)luaL_optinteger(L, 3, 1));
	if (!lua_isnoneornil(L, 4))
		q.ttl = (uint32_t)ask_seconds(L, 4, TTL_MAX);
	luaL_argcheck(L, q.ttl > 0, 4, "out of range");
	return ask_store(L, "store.incr", &q, value, strlen(value), raise,
	    incr_done);
}

void
lua_open_shared(lua_State *L)
{
	static const luaL_Reg	list[] = {
		{ "has", f_list_has },
		{ NULL, NULL }
	}, cidr[] = {
		{ "has", f_cidr_has },
		{ NULL, NULL }
	}, store[] = {
		{ "get", f_store_get },
		{ "set", f_store_set },
		{ "incr", f_store_incr },
		{ NULL, NULL }
	};

	luaL_newlib(L, list);
	lua_setfield(L, -2, "list");
	luaL_newlib(L, cidr);
	lua_setfield(L, -2, "cidr");
	luaL_newlib(L, store);
	lua_setfield(L, -2, "store");
	lua_pushcfunction(L, f_rate);
	lua_setfield(L, -2, "rate");
}
