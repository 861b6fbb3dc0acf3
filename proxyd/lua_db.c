/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * db.*: SQL at a datasource, as scripts ask for it.
 *
 * A statement goes to lookupd as it is, its parameters beside it: they are
 * never put into the text.  What is found is not kept by anybody, and so the
 * same question may have another answer in a moment.
 *
 * A row is a table with each column twice, by its name and by its place; NULL
 * is nil, which is not there.  Numbers and booleans are Lua's.  Of columns of
 * the same name the last has it.
 *
 * The parameters are values for `?' in their order, or one table for :name.
 * A table cannot be a value, so that the two cannot be mixed up; options are
 * known by their only key.
 */

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proc.h"
#include "script.h"

#define GRACE		1000		/* ms over the datasource's timeout */
#define BODY_MAX	(900 * 1024)	/* octets of a question */
#define NUMBER_MAX	64

/* --- the question --------------------------------------------------------- */

/* RAISES.  The datasource of that name, if scripts may ask it. */
static const struct conf_datasource *
check_source(lua_State *L, int index)
{
	const char		*name = ask_string(L, index, 255, NULL);
	struct conf_datasource	*ds;

	ds = (struct conf_datasource *)(void *)
	    conf_find(&proc_conf()->datasources, name);
	if (ds == NULL)
		luaL_error(L, "there is no datasource %s", name);
	else if (!ds->scripts)
		luaL_error(L, "datasource %s is not for scripts: it needs "
		    "`scripts: true' (cdb: and file: cannot have it: use a "
		    "rule, or list.has)", name);
	return ds;
}

/* RAISES.  The value at that place of the stack. */
static void
put_param(lua_State *L, struct wbuf *w, const char *name, int index)
{
	struct sql_value	v = { .type = SQL_NULL, .p = "" };
	char			number[NUMBER_MAX];

	switch (lua_type(L, index)) {
	case LUA_TNIL:
		break;
	case LUA_TBOOLEAN:
		v.type = SQL_BOOL;
		v.p = lua_toboolean(L, index) ? "1" : "0";
		v.len = 1;
		break;
	case LUA_TNUMBER:
		v.type = lua_isinteger(L, index) ? SQL_INT : SQL_REAL;
		if (v.type == SQL_REAL && !isfinite(lua_tonumber(L, index)))
			luaL_error(L, "a parameter is no finite number");
		v.len = (size_t)(v.type == SQL_INT ?
		    snprintf(number, sizeof(number), "%lld",
		    (long long)lua_tointeger(L, index)) :
		    snprintf(number, sizeof(number), "%.17g",
		    lua_tonumber(L, index)));
		v.p = number;
		break;
	case LUA_TSTRING:
		v.type = SQL_TEXT;
		v.p = lua_tolstring(L, index, &v.len);
		if (memchr(v.p, '\0', v.len) != NULL)
			luaL_error(L, "a parameter holds a NUL");
		break;
	default:
		luaL_error(L, "a parameter is a %s", luaL_typename(L, index));
	}
	if (v.len > BODY_MAX - w->len)
		luaL_error(L, "the parameters are too long");
	put_str(w, name);
	put_sql_value(w, &v);
}

/* RAISES.  Those by name, of the table at that place. */
static uint32_t
put_named(lua_State *L, struct wbuf *w, int index)
{
	const char	*name;
	size_t		 len;
	uint32_t	 n = 0;

	for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
		if (++n > SQL_VALUES_MAX)
			luaL_error(L, "over %d parameters", SQL_VALUES_MAX);
		if (lua_type(L, -2) != LUA_TSTRING)
			luaL_error(L, "a parameter's name is a %s",
			    luaL_typename(L, -2));
		name = lua_tolstring(L, -2, &len);
		if (len == 0 || len > 63 || strlen(name) != len)
			luaL_error(L, "a parameter's name is none");
		put_param(L, w, name, lua_gettop(L));
	}
	return n;
}

/*
 * RAISES.  Arguments: datasource, statement, parameters, options.  The
 * parameters stand behind the head, which says how many they are: so they are
 * counted first.
 */
static int
ask(lua_State *L, const char *what, uint32_t max_rows,
    int (*done)(lua_State *, struct op *, struct msg *))
{
	const struct conf_datasource	*ds = check_source(L, 1);
	struct proto_sql		 q = { .max_rows = max_rows };
	struct wbuf			*w = ask_body(L);
	int				 i, n;
	bool				 raise = true, named;

	q.sql = ask_string(L, 2, SQL_MAX, &q.len);
	n = lua_gettop(L);
	if (n > 2 && ask_is_options(L, n))
		raise = ask_raise(L, n--);
	if (n - 2 > SQL_VALUES_MAX)
		luaL_error(L, "over %d parameters", SQL_VALUES_MAX);
	if (max_rows == 0)
		q.max_rows = (uint32_t)ds->max_rows;
	named = n == 3 && lua_istable(L, 3);
	if (named && lua_real(L, 3))
		lua_replace(L, 3);
	q.nparams = (uint32_t)(n - 2);
	if (named)
		for (q.nparams = 0, lua_pushnil(L); lua_next(L, 3) != 0;
		    lua_pop(L, 1))
			q.nparams++;
	put_sql(w, &q);
	if (named)
		(void)put_named(L, w, 3);
	else
		for (i = 3; i <= n; i++)
			put_param(L, w, "", i);
	return op_ask(L, what, proxyd_source(ds->obj.id), MSG_SQL, w,
	    ds->timeout + GRACE, raise, done);
}

/* --- the answer ----------------------------------------------------------- */

/* RAISES.  Push a value; -1: it is none. */
static int
push_number(lua_State *L, const struct sql_value *v)
{
	char	 text[NUMBER_MAX], *end;
	double	 real;
	long long n;

	if (v->len == 0 || v->len >= sizeof(text) || v->p[0] == ' ')
		return -1;
	memcpy(text, v->p, v->len);
	text[v->len] = '\0';
	errno = 0;
	if (v->type == SQL_INT) {
		n = strtoll(text, &end, 10);
		if (errno != 0)
			return -1;
		lua_pushinteger(L, n);
	} else {
		real = strtod(text, &end);
		lua_pushnumber(L, real);
	}
	return *end == '\0' && end == text + v->len ? 0 : -1;
}

/* RAISES. */
static int
push_value(lua_State *L, struct rbuf *r)
{
	struct sql_value	v;

	get_sql_value(r, &v);
	if (r->failed)
		return -1;
	switch ((enum sql_type)v.type) {
	case SQL_NULL:
		lua_pushnil(L);
		return 0;
	case SQL_TEXT:
		lua_pushlstring(L, v.p, v.len);
		return 0;
	case SQL_INT:
	case SQL_REAL:
		return push_number(L, &v);
	case SQL_BOOL:
		if (v.len != 1 || (v.p[0] != '0' && v.p[0] != '1'))
			return -1;
		lua_pushboolean(L, v.p[0] == '1');
		return 0;
	case SQL_TYPE_COUNT:
		break;
	}
	return -1;
}

/*
 * RAISES.  The head of an answer, and with rows the names of the columns, on
 * the stack.  -1 and -2 as done returns them.
 */
static int
get_head(lua_State *L, struct op *op, struct msg *m, struct proto_query_ans *a)
{
	const uint8_t	*name;
	size_t		 len;
	uint32_t	 i;

	if (m == NULL)
		return op_nobody(L, op);
	if (get_query_ans(m, a) == -1)
		return -2;
	if (a->status == QUERY_CANNOT) {
		lua_pushstring(L, a->why);
		return -1;
	}
	/* A value is five octets at least. */
	if (a->ncolumns == 0 ? a->nrows > 0 : a->nrows >
	    (size_t)(m->body.end - m->body.p) / 5 / a->ncolumns)
		return -2;
	luaL_checkstack(L, (int)a->ncolumns + LUA_MINSTACK, op->what);
	for (i = 0; i < a->ncolumns; i++) {
		name = get_blob(&m->body, &len);
		if (name == NULL)
			return -2;
		lua_pushlstring(L, (const char *)name, len);
	}
	return 0;
}

/* RAISES.  One row; names: where those of the columns begin. */
static int
push_row(lua_State *L, struct rbuf *r, int names, uint32_t ncolumns)
{
	int	i, n = (int)ncolumns;

	lua_createtable(L, n, n);
	for (i = 0; i < n; i++) {
		if (push_value(L, r) == -1)
			return -1;
		lua_pushvalue(L, names + i);
		lua_pushvalue(L, -2);
		lua_rawset(L, -4);
		lua_rawseti(L, -2, i + 1);
	}
	return 0;
}

static int
rows_done(lua_State *L, struct op *op, struct msg *m)
{
	struct proto_query_ans	a;
	int			names = lua_gettop(L) + 1, r;
	uint32_t		i;

	if ((r = get_head(L, op, m, &a)) != 0)
		return r;
	lua_createtable(L, (int)a.nrows, a.cut ? 1 : 0);
	if (a.cut) {
		lua_pushboolean(L, true);
		lua_setfield(L, -2, "cut");
	}
	for (i = 1; i <= a.nrows; i++) {
		if (push_row(L, &m->body, names, a.ncolumns) == -1)
			return -2;
		lua_rawseti(L, -2, i);
	}
	return get_end(&m->body) == -1 ? -2 : 1;
}

static int
changed_done(lua_State *L, struct op *op, struct msg *m)
{
	struct proto_query_ans	a;
	struct sql_value	v;
	uint64_t		i;
	int			r;

	if ((r = get_head(L, op, m, &a)) != 0)
		return r;
	for (i = 0; i < (uint64_t)a.nrows * a.ncolumns; i++)
		get_sql_value(&m->body, &v);
	if (get_end(&m->body) == -1 || a.changed > INT64_MAX)
		return -2;
	lua_pushinteger(L, (lua_Integer)a.changed);
	return 1;
}

/* The first value of the first row: nil where there is none. */
static int
value_done(lua_State *L, struct op *op, struct msg *m)
{
	struct proto_query_ans	a;
	struct sql_value	v;
	uint64_t		i;
	int			r;

	if ((r = get_head(L, op, m, &a)) != 0)
		return r;
	if (a.nrows == 0)
		lua_pushnil(L);
	else if (push_value(L, &m->body) == -1)
		return -2;
	for (i = 1; i < (uint64_t)a.nrows * a.ncolumns; i++)
		get_sql_value(&m->body, &v);
	return get_end(&m->body) == -1 ? -2 : 1;
}

static int
exists_done(lua_State *L, struct op *op, struct msg *m)
{
	bool	yes;
	int	r;

	if ((r = value_done(L, op, m)) < 0)
		return r;
	switch (lua_type(L, -1)) {
	case LUA_TNUMBER:
		yes = lua_tonumber(L, -1) != 0;
		break;
	case LUA_TSTRING:
		yes = lua_rawlen(L, -1) > 0;
		break;
	default:
		yes = lua_toboolean(L, -1);
		break;
	}
	lua_pushboolean(L, yes);
	return 1;
}

/* --- what scripts call ---------------------------------------------------- */

static int
f_query(lua_State *L)
{
	return ask(L, "db.query", 0, rows_done);
}

static int
f_execute(lua_State *L)
{
	return ask(L, "db.execute", 1, changed_done);
}

static int
f_value(lua_State *L)
{
	return ask(L, "db.value", 1, value_done);
}

static int
f_exists(lua_State *L)
{
	return ask(L, "db.exists", 1, exists_done);
}

void
lua_open_db(lua_State *L)
{
	static const luaL_Reg	fns[] = {
		{ "query", f_query },
		{ "execute", f_execute },
		{ "value", f_value },
		{ "exists", f_exists },
		{ NULL, NULL }
	};

	luaL_newlib(L, fns);
	lua_setfield(L, -2, "db");
}
