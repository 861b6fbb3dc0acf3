/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What scripts ask of other servers: msys.beta.rcptto_proxy, as Momentum has
 * it, and the client's name.
 *
 * query asks in verifyd's name and with its cache: would that server take this
 * recipient?  Whatever happens to the question is an answer here, because the
 * module answers so: false and why.  Only what the script got wrong raises.
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proc.h"
#include "script.h"

#define GRACE		1000		/* ms over the question's own end */
#define TIMEOUT_MAX	3600		/* s */

/* --- msys.beta.rcptto_proxy ----------------------------------------------- */

/* RAISES.  What failed, where, and the third value. */
static int
push_failed(lua_State *L, const char *stage, const char *text)
{
	lua_pushboolean(L, false);
	lua_pushfstring(L, "%s: %s", stage, text);
	lua_createtable(L, 0, 5);
	lua_pushstring(L, stage);
	lua_setfield(L, -2, "stage");
	lua_pushstring(L, text);
	lua_setfield(L, -2, "text");
	lua_pushboolean(L, false);
	lua_setfield(L, -2, "cached");
	return 3;
}

/* RAISES.  code and enhanced are nil where there is none. */
static void
push_details(lua_State *L, const struct proto_probe_ans *a)
{
	lua_createtable(L, 0, 5);
	if (a->code != 0) {
		lua_pushinteger(L, a->code);
		lua_setfield(L, -2, "code");
	}
	if (a->enhanced[0] != '\0') {
		lua_pushstring(L, a->enhanced);
		lua_setfield(L, -2, "enhanced");
	}
	lua_pushstring(L, a->text);
	lua_setfield(L, -2, "text");
	lua_pushstring(L, a->stage);
	lua_setfield(L, -2, "stage");
	lua_pushboolean(L, a->cached);
	lua_setfield(L, -2, "cached");
}

static int
probe_done(lua_State *L, struct op *op, struct msg *m)
{
	struct proto_probe_ans	a;

	if (m == NULL)
		return push_failed(L, op->late ? "timeout" : "ask", op->why);
	if (get_probe_ans(m, &a) == -1 || a.code > 999)
		return -2;
	lua_pushboolean(L, a.result == PROBE_YES);
	switch ((enum probe_result)a.result) {
	case PROBE_YES:
		lua_pushnil(L);
		break;
	case PROBE_NO:
		lua_pushliteral(L, "fail");
		break;
	case PROBE_FAILED:
	case PROBE_RESULT_COUNT:
		lua_pushfstring(L, "%s: %s", a.stage, a.text);
		break;
	}
	push_details(L, &a);
	return 3;
}

/* RAISES.  A string of the arguments, which stays on the stack. */
static const char *
field_string(lua_State *L, const char *key, size_t max)
{
	const char	*s;
	size_t		 len, i;

	lua_pushstring(L, key);
	lua_rawget(L, 1);
	if (lua_type(L, -1) != LUA_TSTRING)
		luaL_error(L, "rcptto_proxy.query: %s must be a string, it is "
		    "%s", key, luaL_typename(L, -1));
	s = lua_tolstring(L, -1, &len);
	if (len >= max)
		luaL_error(L, "rcptto_proxy.query: %s is too long", key);
	for (i = 0; i < len; i++)
		if ((unsigned char)s[i] < ' ' || s[i] == 0x7f)
			luaL_error(L, "rcptto_proxy.query: %s holds a control "
			    "character", key);
	return s;
}

/* RAISES.  A number of the arguments, or what it is without. */
static lua_Number
field_number(lua_State *L, const char *key, lua_Number without, lua_Number max)
{
	lua_Number	n = without;

	lua_pushstring(L, key);
	lua_rawget(L, 1);
	if (!lua_isnil(L, -1)) {
		if (lua_type(L, -1) != LUA_TNUMBER)
			luaL_error(L, "rcptto_proxy.query: %s must be a "
			    "number, it is %s", key, luaL_typename(L, -1));
		n = lua_tonumber(L, -1);
		if (!(n > 0 && n <= max))
			luaL_error(L, "rcptto_proxy.query: %s is out of range",
			    key);
	}
	return n;
}

/* RAISES.  "<a@b>" or "a@b", as people write it. */
static void
copy_address(lua_State *L, char *to, size_t size, const char *key)
{
	const char	*s = field_string(L, key, size);
	size_t		 len = strlen(s);

	if (len >= 2 && s[0] == '<' && s[len - 1] == '>') {
		s++;
		len -= 2;
	}
	memcpy(to, s, len);
	to[len] = '\0';
}

/*
 * One table.  port 0 in the question is the remote's own, where host is a
 * remote's name, or 25.
 */
static int
f_query(lua_State *L)
{
	struct proto_probe	 q = { .port = 0 };
	struct wbuf		*w = ask_body(L);
	lua_Number		 port, timeout;

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	copy_address(L, q.sender, sizeof(q.sender), "mailfrom");
	copy_address(L, q.rcpt, sizeof(q.rcpt), "rcptto");
	if (q.rcpt[0] == '\0')
		luaL_error(L, "rcptto_proxy.query: rcptto is empty");
	(void)strlcpy(q.host, field_string(L, "host", sizeof(q.host)),
	    sizeof(q.host));
	if (q.host[0] == '\0')
		luaL_error(L, "rcptto_proxy.query: host is empty");
	port = field_number(L, "port", 0, 65535);
	timeout = field_number(L, "timeout", 60, TIMEOUT_MAX);
	if (port != floor(port))
		luaL_error(L, "rcptto_proxy.query: port is no integer");
	q.port = (uint16_t)port;
	q.timeout = (uint32_t)ceil(timeout * 1000);
	put_probe(w, &q);
	return op_ask(L, "rcptto_proxy.query", ask_verifyd(), MSG_PROBE, w,
	    (int64_t)q.timeout + GRACE, true, probe_done);
}

/* --- remoteptr ------------------------------------------------------------ */

static int
push_ptr(lua_State *L, const struct hook_session *view)
{
	if (!view->ptr_known || view->ptr == NULL || view->ptr[0] == '\0')
		lua_pushnil(L);
	else
		lua_pushstring(L, view->ptr);
	return 1;
}

/* That nobody can tell is not kept: it is asked again by the next call. */
static int
ptr_done(lua_State *L, struct op *op, struct msg *m)
{
	struct hook_session	*view = &co_of(L)->call->sess->view;
	struct proto_ptr_ans	 a;
	char			*name;

	(void)op;
	if (m != NULL && get_ptr_ans(m, &a) == -1)
		return -2;
	if (m != NULL && (a.status == DNS_OK || a.status == DNS_NONE) &&
	    (name = strdup(a.status == DNS_OK ? a.name : "")) != NULL) {
		free(view->ptr);
		view->ptr = name;
		view->ptr_known = true;
	}
	return push_ptr(L, view);
}

int
net_ptr(lua_State *L)
{
	struct hook_session	*view = &co_of(L)->call->sess->view;
	struct proto_ptr	 q = { .addr = view->remote };
	struct wbuf		*w;

	if (view->ptr_known || (view->remote.family != ADDR_V4 &&
	    view->remote.family != ADDR_V6))
		return push_ptr(L, view);
	q.timeout = (uint32_t)proc_conf()->resolver.timeout;
	w = ask_body(L);
	put_ptr(w, &q);
	return op_ask(L, "remoteptr", ask_verifyd(), MSG_PTR_ASK, w,
	    (int64_t)q.timeout + GRACE, true, ptr_done);
}

/* --- opening -------------------------------------------------------------- */

/* The page's lines call it by the global name, whatever require returned. */
static void
open_msys(lua_State *L)
{
	static const luaL_Reg	fns[] = {
		{ "query", f_query },
		{ NULL, NULL }
	};

	luaL_newlib(L, fns);
	lua_createtable(L, 0, 1);
	lua_createtable(L, 0, 1);
	lua_pushvalue(L, -3);
	lua_setfield(L, -2, "rcptto_proxy");
	lua_setfield(L, -2, "beta");
	lua_setfield(L, -3, "msys");
	lua_module(L, "msys.beta.rcptto_proxy");
}

void
lua_open_net(lua_State *L)
{
	net_open_dns(L);
	open_msys(L);
}
