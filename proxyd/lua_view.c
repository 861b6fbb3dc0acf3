/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * arguments, connection, transaction: what a call shows its script, as
 * read-only tables.
 *
 * Nothing is made until a script reads one of the three names, and what was
 * made is kept with the session (in the table that sess->env leads to) until
 * what it was made of has changed.  A script that only passes costs nothing
 * here; one that asks for the sender at each RCPT makes it once in a
 * transaction.
 *
 * Two members are not in their tables but looked for when they are read:
 *
 *	remoteptr	asks verifyd, and so waits, when nobody knows it yet
 *	recipients	grows with the transaction, and is made only for who
 *			reads it: it costs a script's memory, not little
 *
 * pairs() shows the second; the first only where it is known, as a loop over
 * a table is no question to the DNS.
 *
 * What is not there is nil: "" is a value (the null sender), not an absence.
 *
 * Considered and rejected: userdata instead of tables, since type() says
 * "table" of what is one in the manual, and next and # would not work; making
 * every member when it is first read, as most are smaller than the note that
 * they are not there yet.
 */

#include <string.h>

#include "id.h"
#include "script.h"

enum view { VIEW_ARGUMENTS, VIEW_CONNECTION, VIEW_TRANSACTION, VIEW_COUNT };

static const char *const	names[VIEW_COUNT] = {
	[VIEW_ARGUMENTS] = "arguments",
	[VIEW_CONNECTION] = "connection",
	[VIEW_TRANSACTION] = "transaction"
};

/* Keys of the session's table: the address counts. */
static const char	shown_key[VIEW_COUNT], recipients_key;
/* And of the registry: the metatables. */
static const char	metatable_key[VIEW_COUNT];

int	(*view_ptr)(lua_State *) = net_ptr;

/* --- members -------------------------------------------------------------- */

/* Each: of the table on the top; a text that is not there is none. */
static void
set_text(lua_State *L, const char *name, const char *text)
{
	if (text == NULL)
		return;
	lua_pushstring(L, text);
	lua_setfield(L, -2, name);
}

/* "" is none, too. */
static void
set_word(lua_State *L, const char *name, const char *text)
{
	if (text != NULL && text[0] != '\0')
		set_text(L, name, text);
}

static void
set_number(lua_State *L, const char *name, lua_Integer n)
{
	lua_pushinteger(L, n);
	lua_setfield(L, -2, name);
}

/* In lower case: US-ASCII, as only a mailbox's server knows the rest. */
static void
set_lower(lua_State *L, const char *name, const char *text)
{
	luaL_Buffer	 b;
	size_t		 i, n;
	char		*p;

	if (text == NULL)
		return;
	n = strlen(text);
	p = luaL_buffinitsize(L, &b, n);
	for (i = 0; i < n; i++)
		p[i] = text[i] >= 'A' && text[i] <= 'Z' ?
		    text[i] - 'A' + 'a' : text[i];
	luaL_pushresultsize(&b, n);
	lua_setfield(L, -2, name);
}

/* An address of the network, where there is one: "remoteip", "remoteport". */
static void
set_addr(lua_State *L, const char *ip, const char *port,
    const struct addr *a)
{
	char	text[ADDR_TEXT_MAX];

	if (a->family != ADDR_V4 && a->family != ADDR_V6)
		return;
	set_text(L, ip, addr_text(a, text, sizeof(text)));
	if (port != NULL)
		set_number(L, port, a->port);
}

static void
set_pairs(lua_State *L, const char *name, const struct hook_pairs *p)
{
	uint32_t	i;

	lua_createtable(L, 0, (int)p->n);
	for (i = 0; i < p->n; i++)
		set_text(L, p->name[i], p->value[i]);
	lua_freeze(L);
	lua_setfield(L, -2, name);
}

/* {localpart=, domain=}, as sent. */
static void
set_parts(lua_State *L, const char *name, const char *localpart,
    const char *domain)
{
	lua_createtable(L, 0, 2);
	set_text(L, "localpart", localpart);
	set_text(L, "domain", domain);
	lua_freeze(L);
	lua_setfield(L, -2, name);
}

/* --- connection ----------------------------------------------------------- */

static void
set_helo(lua_State *L, const struct hook_session *v)
{
	if (v->helo_verb == NULL)
		return;
	lua_createtable(L, 0, 2);
	set_text(L, "verb", v->helo_verb);
	set_text(L, "host", v->helo_host);
	lua_freeze(L);
	lua_setfield(L, -2, "helo");
}

static void
set_peercert(lua_State *L, const struct hook_session *v)
{
	if (!v->has_cert)
		return;
	lua_createtable(L, 0, 2);
	set_number(L, "error", v->cert_error);
	set_pairs(L, "x509", &v->cert);
	lua_freeze(L);
	lua_setfield(L, -2, "peercert");
}

static void
set_tls(lua_State *L, const struct hook_session *v)
{
	if (v->tls_protocol == NULL || v->tls_protocol[0] == '\0')
		return;
	lua_createtable(L, 0, 5);
	set_text(L, "protocol", v->tls_protocol);
	set_text(L, "cipher", v->tls_cipher);
	set_number(L, "keysize", v->tls_keysize);
	set_word(L, "sni", v->tls_sni);
	set_peercert(L, v);
	lua_freeze(L);
	lua_setfield(L, -2, "tls");
}

/* XCLIENT may name a user and no mechanism. */
static void
set_auth(lua_State *L, const struct hook_session *v)
{
	if ((v->auth_mechanism == NULL || v->auth_mechanism[0] == '\0') &&
	    (v->auth_username == NULL || v->auth_username[0] == '\0'))
		return;
	lua_createtable(L, 0, 2);
	set_word(L, "mechanism", v->auth_mechanism);
	set_word(L, "username", v->auth_username);
	lua_freeze(L);
	lua_setfield(L, -2, "auth");
}

/* What arguments of connect and connection have in common. */
static void
set_ends(lua_State *L, const struct hook_session *v)
{
	set_addr(L, "remoteip", "remoteport", &v->remote);
	set_addr(L, "localip", "localport", &v->local);
	if (v->uid >= 0)
		set_number(L, "remoteuid", v->uid);
	set_text(L, "serverid", v->serverid);
	if (v->ptr_known)
		set_word(L, "remoteptr", v->ptr);
}

static void
push_connection(lua_State *L, const struct sess *s)
{
	const struct hook_session	*v = &s->view;
	char				 id[ID_TEXT_MAX];

	lua_createtable(L, 0, 12);
	set_text(L, "id", id_text(s->sid, id));
	set_ends(L, v);
	set_helo(L, v);
	set_tls(L, v);
	set_auth(L, v);
	if (v->context.n > 0)
		set_pairs(L, "context", &v->context);
}

/* --- transaction ---------------------------------------------------------- */

static void
push_transaction(lua_State *L, const struct sess *s)
{
	const struct hook_session	*v = &s->view;
	char				 id[ID_TEXT_MAX];

	lua_createtable(L, 0, 4);
	if (v->tx != 0)
		set_text(L, "id", id_text(v->tx, id));
	if (!v->has_sender)
		return;
	set_lower(L, "sender", v->sender.address);
	set_parts(L, "senderaddress", v->sender.localpart, v->sender.domain);
	set_pairs(L, "senderparams", &v->sender.params);
}

static void
push_recipient(lua_State *L, const struct hook_rcpt *r)
{
	lua_createtable(L, 0, 4);
	set_lower(L, "recipient", r->to.address);
	set_parts(L, "address", r->to.localpart, r->to.domain);
	set_pairs(L, "params", &r->to.params);
	set_word(L, "transportid", r->transportid);
	lua_freeze(L);
}

/* Counts up with each change of a transaction but one more recipient. */
static uint32_t
transaction_base(const struct hook_session *v)
{
	return v->transaction_version - v->nrcpts;
}

static void
push_kept(lua_State *L, const struct sess *s)
{
	(void)lua_rawgeti(L, LUA_REGISTRYINDEX, s->env);
}

/*
 * Push the list: that of before, with what has come, or another one.  What is
 * in it is counted as it comes in, since each step may raise.
 */
static void
push_recipients(lua_State *L, struct sess *s)
{
	const struct hook_session	*v = &s->view;
	struct shown			*shown = &s->shown;

	push_kept(L, s);
	if (!shown->recipients || shown->list_base != transaction_base(v)) {
		lua_createtable(L, (int)v->nrcpts, 0);
		lua_freeze(L);
		lua_rawsetp(L, -2, &recipients_key);
		shown->recipients = true;
		shown->list_base = transaction_base(v);
		shown->nrcpts = 0;
	}
	(void)lua_rawgetp(L, -1, &recipients_key);
	lua_remove(L, -2);
	if (shown->nrcpts == v->nrcpts || !lua_real(L, -1))
		return;
	for (; shown->nrcpts < v->nrcpts; shown->nrcpts++) {
		push_recipient(L, &v->rcpts[shown->nrcpts]);
		lua_rawseti(L, -2, (lua_Integer)shown->nrcpts + 1);
	}
	lua_pop(L, 1);
}

/* --- arguments ------------------------------------------------------------ */

/* "SIZE 1000", as in the reply. */
static void
set_extensions(lua_State *L, const struct hook_pairs *p)
{
	uint32_t	i;

	lua_createtable(L, (int)p->n, 0);
	for (i = 0; i < p->n; i++) {
		if (p->value[i][0] == '\0')
			lua_pushstring(L, p->name[i]);
		else
			(void)lua_pushfstring(L, "%s %s", p->name[i],
			    p->value[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_freeze(L);
	lua_setfield(L, -2, "extensions");
}

static void
set_connect(lua_State *L, const struct call *c)
{
	set_ends(L, &c->sess->view);
	set_addr(L, "proxyip", NULL, &c->sess->view.proxy);
	lua_pushboolean(L, c->args.flag);
	lua_setfield(L, -2, "earlytalker");
}

static void
set_address(lua_State *L, const char *name, const struct hook_args *a)
{
	set_lower(L, name, a->text);
	set_parts(L, "address", a->localpart, a->domain);
	set_pairs(L, "params", &a->pairs);
}

static void
set_data(lua_State *L, const struct call *c)
{
	if (c->sess->view.has_sender)
		set_lower(L, "sender", c->sess->view.sender.address);
	if (c->args.size > 0)
		set_number(L, "size", (lua_Integer)c->args.size);
}

static void
push_arguments(lua_State *L, const struct call *c)
{
	const struct hook_args	*a = &c->args;

	lua_createtable(L, 0, 4);
	switch (c->stage) {
	case HOOK_COMMAND:
		set_text(L, "command", a->text);
		break;
	case HOOK_CONNECT:
		set_connect(L, c);
		break;
	case HOOK_EHLO:
		set_text(L, "verb", a->verb);
		set_text(L, "host", a->text);
		set_extensions(L, &a->pairs);
		break;
	case HOOK_AUTH:
		set_text(L, "mechanism", a->verb);
		set_word(L, "username", a->text);
		break;
	case HOOK_MAIL:
		set_address(L, "sender", a);
		break;
	case HOOK_RCPT:
		set_address(L, "recipient", a);
		set_word(L, "transportid", a->verb);
		break;
	case HOOK_DATA:
		set_data(L, c);
		break;
	case HOOK_STAGE_COUNT:
		break;
	}
}

/* --- reading -------------------------------------------------------------- */

static bool
has_ptr(enum view view, enum hook_stage stage)
{
	return view == VIEW_CONNECTION ||
	    (view == VIEW_ARGUMENTS && stage == HOOK_CONNECT);
}

static bool
has_recipients(enum view view, enum hook_stage stage)
{
	return view == VIEW_TRANSACTION ||
	    (view == VIEW_ARGUMENTS && stage == HOOK_DATA);
}

static enum view
which(lua_State *L)
{
	return (enum view)lua_tointeger(L, lua_upvalueindex(1));
}

/* __index; may wait. */
static int
view_index(lua_State *L)
{
	struct call	*c = co_of(L)->call;
	enum view	 view = which(L);
	const char	*key;

	if (!lua_real(L, 1))
		return 0;
	lua_pushvalue(L, 2);
	if (lua_rawget(L, -2) != LUA_TNIL || lua_type(L, 2) != LUA_TSTRING)
		return 1;
	key = lua_tostring(L, 2);
	lua_settop(L, 2);
	if (strcmp(key, "remoteptr") == 0 && has_ptr(view, c->stage))
		return view_ptr(L);
	if (strcmp(key, "recipients") == 0 && has_recipients(view, c->stage))
		push_recipients(L, c->sess);
	else
		lua_pushnil(L);
	return 1;
}

static int
view_newindex(lua_State *L)
{
	return luaL_error(L, "%s is read-only", names[which(L)]);
}

/* A script can have it go over anything: what is read-only stays behind. */
static int
view_next(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 2);
	if (lua_real(L, 1))
		lua_replace(L, 1);
	if (lua_next(L, 1))
		return 2;
	lua_pushnil(L);
	return 1;
}

/* __pairs: over a copy, which has all that there is to read. */
static int
view_pairs(lua_State *L)
{
	struct call	*c = co_of(L)->call;

	lua_pushcfunction(L, view_next);
	lua_newtable(L);
	if (lua_real(L, 1)) {
		for (lua_pushnil(L); lua_next(L, -2);) {
			lua_pushvalue(L, -2);
			lua_insert(L, -2);
			lua_rawset(L, -5);
		}
		lua_pop(L, 1);
	}
	if (has_recipients(which(L), c->stage)) {
		push_recipients(L, c->sess);
		lua_setfield(L, -2, "recipients");
	}
	lua_pushnil(L);
	return 3;
}

/* --- showing -------------------------------------------------------------- */

/* Is what was shown last still true? */
static bool
is_shown(const struct call *c, enum view view)
{
	const struct shown	*shown = &c->sess->shown;

	switch (view) {
	case VIEW_ARGUMENTS:
		return c->shown;
	case VIEW_CONNECTION:
		return shown->connection && shown->connection_version ==
		    c->sess->view.connection_version;
	case VIEW_TRANSACTION:
		return shown->transaction && shown->transaction_base ==
		    transaction_base(&c->sess->view);
	case VIEW_COUNT:
		break;
	}
	return false;
}

static void
set_shown(struct call *c, enum view view)
{
	struct shown	*shown = &c->sess->shown;

	switch (view) {
	case VIEW_ARGUMENTS:
		c->shown = true;
		break;
	case VIEW_CONNECTION:
		shown->connection = true;
		shown->connection_version = c->sess->view.connection_version;
		break;
	case VIEW_TRANSACTION:
		shown->transaction = true;
		shown->transaction_base = transaction_base(&c->sess->view);
		break;
	case VIEW_COUNT:
		break;
	}
}

/* The table of the session is on the top. */
static void
make(lua_State *L, struct call *c, enum view view)
{
	switch (view) {
	case VIEW_ARGUMENTS:
		push_arguments(L, c);
		break;
	case VIEW_CONNECTION:
		push_connection(L, c->sess);
		break;
	case VIEW_TRANSACTION:
		push_transaction(L, c->sess);
		break;
	case VIEW_COUNT:
		return;
	}
	lua_freeze(L);
	(void)lua_rawgetp(L, LUA_REGISTRYINDEX, &metatable_key[view]);
	(void)lua_setmetatable(L, -2);
	lua_rawsetp(L, -2, &shown_key[view]);
	set_shown(c, view);
}

void
view_push(lua_State *L, struct call *c, const char *name)
{
	enum view	view = name[0] == 'a' ? VIEW_ARGUMENTS :
			    name[0] == 'c' ? VIEW_CONNECTION :
			    VIEW_TRANSACTION;

	luaL_checkstack(L, 10, NULL);
	push_kept(L, c->sess);
	if (!is_shown(c, view))
		make(L, c, view);
	(void)lua_rawgetp(L, -1, &shown_key[view]);
	lua_remove(L, -2);
}

static void
set_method(lua_State *L, const char *name, lua_CFunction fn, enum view view)
{
	lua_pushinteger(L, (lua_Integer)view);
	lua_pushcclosure(L, fn, 1);
	lua_setfield(L, -2, name);
}

void
lua_open_view(lua_State *L)
{
	int	view;

	for (view = 0; view < VIEW_COUNT; view++) {
		lua_createtable(L, 0, 4);
		set_method(L, "__index", view_index, view);
		set_method(L, "__newindex", view_newindex, view);
		set_method(L, "__pairs", view_pairs, view);
		lua_pushboolean(L, 0);
		lua_setfield(L, -2, "__metatable");
		lua_rawsetp(L, LUA_REGISTRYINDEX, &metatable_key[view]);
	}
}
