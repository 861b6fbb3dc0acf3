/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * dns.*: what scripts ask of DNS, through verifyd.
 *
 * That there is no such name, or that it has no such records, is an answer:
 * an empty array.  That nobody can tell never is.
 *
 * The records are what the name server says: nothing here makes them right.
 * Texts come cut at 255 octets and without control octets (proto.h).
 */

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "proc.h"
#include "script.h"

#define GRACE		1000		/* ms over resolver.timeout */
#define NAME_MAX_OCTETS	253

/* --- names ---------------------------------------------------------------- */

/* "4.3.2.1" of 1.2.3.4; of a v6 address its 32 nibbles, the last first. */
static void
reverse(const struct addr *a, char *text, size_t size)
{
	size_t	i, used = 0;

	if (a->family == ADDR_V4) {
		(void)snprintf(text, size, "%u.%u.%u.%u", a->ip[3], a->ip[2],
		    a->ip[1], a->ip[0]);
		return;
	}
	for (i = 0; i < 32 && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%x",
		    i == 0 ? "" : ".", (a->ip[15 - i / 2] >>
		    (i % 2 == 0 ? 0 : 4)) & 0x0fU);
}

/* RAISES. */
static void
check_ip(lua_State *L, int index, struct addr *a)
{
	if (addr_parse(a, ask_string(L, index, ADDR_TEXT_MAX, NULL)) == -1)
		luaL_argerror(L, index, "no address");
}

/* RAISES.  Push the name of the address at 1 in the zone at 2. */
static const char *
push_reverse(lua_State *L)
{
	struct addr	 a;
	char		 text[ADDR_TEXT_MAX + 1];
	const char	*zone;
	size_t		 len;

	check_ip(L, 1, &a);
	zone = ask_string(L, 2, NAME_MAX_OCTETS - ADDR_TEXT_MAX, &len);
	luaL_argcheck(L, len > 0, 2, "no zone");
	reverse(&a, text, sizeof(text));
	return lua_pushfstring(L, "%s.%s", text, zone);
}

static int
f_reverse(lua_State *L)
{
	(void)push_reverse(L);
	return 1;
}

/* --- the answer ----------------------------------------------------------- */

/* RAISES.  A record: a string, of MX a table. */
static void
push_record(lua_State *L, const struct proto_dns_record *r, bool mx)
{
	if (!mx) {
		lua_pushstring(L, r->text);
		return;
	}
	lua_createtable(L, 0, 2);
	lua_pushstring(L, r->text);
	lua_setfield(L, -2, "exchange");
	lua_pushinteger(L, r->pref);
	lua_setfield(L, -2, "preference");
}

static int
get_records(lua_State *L, struct op *op, struct msg *m, bool mx)
{
	static struct proto_dns_records	 a;
	uint32_t			 i;

	if (m == NULL)
		return op_nobody(L, op);
	if (get_dns_records(m, &a) == -1)
		return -2;
	switch ((enum dns_status)a.status) {
	case DNS_OK:
		break;
	case DNS_NONE:
		a.n = 0;
		break;
	case DNS_FAIL:
		lua_pushliteral(L, "DNS failed");
		return -1;
	case DNS_TIMEOUT:
	case DNS_STATUS_COUNT:
		lua_pushliteral(L, "DNS did not answer in time");
		return -1;
	}
	lua_createtable(L, (int)a.n, 0);
	for (i = 0; i < a.n; i++) {
		push_record(L, &a.record[i], mx);
		lua_rawseti(L, -2, i + 1);
	}
	return 1;
}

static int
texts_done(lua_State *L, struct op *op, struct msg *m)
{
	return get_records(L, op, m, false);
}

static int
mx_done(lua_State *L, struct op *op, struct msg *m)
{
	return get_records(L, op, m, true);
}

/* --- the question --------------------------------------------------------- */

/* RAISES.  The type at that place; without one A. */
static enum dns_type
check_type(lua_State *L, int index)
{
	static const struct {
		const char	*name;
		enum dns_type	 type;
	} types[] = {
		{ "A", DNS_TYPE_A },
		{ "AAAA", DNS_TYPE_AAAA },
		{ "MX", DNS_TYPE_MX },
		{ "TXT", DNS_TYPE_TXT },
		{ "PTR", DNS_TYPE_PTR }
	};
	const char	*name = luaL_optstring(L, index, "A");
	size_t		 i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcasecmp(name, types[i].name) == 0)
			return types[i].type;
	return luaL_argerror(L, index, "not A, AAAA, MX, TXT or PTR");
}

/* RAISES. */
static int
ask(lua_State *L, const char *what, enum dns_type type, const char *name,
    bool raise)
{
	struct proto_dns_ask	 q = { .type = (uint8_t)type };
	struct wbuf		*w = ask_body(L);
	size_t			 len;

	q.timeout = (uint32_t)proc_conf()->resolver.timeout;
	/* With the dot at the end or without: the same. */
	len = strlcpy(q.name, name, sizeof(q.name));
	if (len > 1 && q.name[len - 1] == '.')
		q.name[len - 1] = '\0';
	put_dns_ask(w, &q);
	return op_ask(L, what, ask_verifyd(), MSG_DNS_LOOK, w,
	    (int64_t)q.timeout + GRACE, raise,
	    type == DNS_TYPE_MX ? mx_done : texts_done);
}

/* RAISES.  Octets that no line may hold would reach verifyd as others. */
static void
check_name(lua_State *L, int index)
{
	size_t		 len, i;
	const char	*name = ask_string(L, index, NAME_MAX_OCTETS, &len);

	luaL_argcheck(L, len > 0, index, "no name");
	for (i = 0; i < len; i++)
		if ((unsigned char)name[i] <= ' ' || name[i] == 0x7f)
			luaL_argerror(L, index, "no name");
}

static int
f_query(lua_State *L)
{
	enum dns_type	type;
	struct addr	a;
	bool		raise;

	check_name(L, 1);
	if (ask_is_options(L, 2)) {
		lua_pushnil(L);
		lua_insert(L, 2);
	}
	type = check_type(L, 2);
	raise = ask_raise(L, 3);
	if (type == DNS_TYPE_PTR)
		check_ip(L, 1, &a);
	return ask(L, "dns.query", type, lua_tostring(L, 1), raise);
}

/* An address in a list that is kept in DNS: RFC 5782. */
static int
f_dnsbl(lua_State *L)
{
	enum dns_type	 type;
	const char	*name;
	bool		 raise;

	if (ask_is_options(L, 3)) {
		lua_pushnil(L);
		lua_insert(L, 3);
	}
	type = check_type(L, 3);
	luaL_argcheck(L, type == DNS_TYPE_A || type == DNS_TYPE_TXT, 3,
	    "not A or TXT");
	raise = ask_raise(L, 4);
	check_name(L, 2);
	name = push_reverse(L);
	return ask(L, "dns.dnsbl", type, name, raise);
}

void
net_open_dns(lua_State *L)
{
	static const luaL_Reg	fns[] = {
		{ "query", f_query },
		{ "dnsbl", f_dnsbl },
		{ "reverse", f_reverse },
		{ NULL, NULL }
	};

	luaL_newlib(L, fns);
	lua_setfield(L, -2, "dns");
}
