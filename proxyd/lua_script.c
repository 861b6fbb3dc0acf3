/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The scripts, compiled: by id, which a reload that does not change a script
 * leaves to it, and which is never given to another.  So a script is compiled
 * once, and stays as long as any generation has it.  What is counted of it
 * goes by its name, and so survives that the text changes.
 *
 * A text is compiled twice.  Alone, for the errors in it: it must be a whole
 * chunk, and so cannot end what it is then put into.  And as
 *
 *	local _ENV = ... return function(...) TEXT
 *	end
 *
 * which makes, for each session, a function with an environment of its own;
 * lines are those of the text.  Bytecode is not taken: nothing verifies it.
 */

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "script.h"

struct named {
	LIST_ENTRY(named)	 entry;
	char			*name;
	unsigned int		 refs;
	struct script_stats	 stats;
};

struct compiled {
	LIST_ENTRY(compiled)	 entry;
	uint32_t		 id;
	unsigned int		 refs;		/* generations */
	int			 ref;		/* the chunk */
	struct named		*named;
};

static LIST_HEAD(, compiled)	all = LIST_HEAD_INITIALIZER(all);
static LIST_HEAD(, named)	names = LIST_HEAD_INITIALIZER(names);

static struct compiled *
compiled_of(const struct conf_script *s)
{
	return s->obj.priv;
}

/* --- counters ------------------------------------------------------------- */

struct script_stats *
script_stats(const struct conf_script *s)
{
	return &compiled_of(s)->named->stats;
}

void
script_stats_each(void (*fn)(const char *, const struct script_stats *,
    void *), void *arg)
{
	struct named	*n;

	LIST_FOREACH(n, &names, entry)
		fn(n->name, &n->stats, arg);
}

static struct named *
named_ref(const char *name)
{
	struct named	*n;

	LIST_FOREACH(n, &names, entry)
		if (strcmp(n->name, name) == 0) {
			n->refs++;
			return n;
		}
	if ((n = calloc(1, sizeof(*n))) == NULL)
		return NULL;
	if ((n->name = strdup(name)) == NULL) {
		free(n);
		return NULL;
	}
	n->refs = 1;
	LIST_INSERT_HEAD(&names, n, entry);
	return n;
}

static void
named_unref(struct named *n)
{
	if (--n->refs > 0)
		return;
	LIST_REMOVE(n, entry);
	free(n->name);
	free(n);
}

/* --- compiling ------------------------------------------------------------ */

#define PIECES	3

struct source {
	const struct conf_script *script;
	const char	*piece[PIECES];
	size_t		 next;
	int		 ref;
};

static const char *
read_piece(lua_State *L, void *arg, size_t *len)
{
	struct source	*src = arg;
	const char	*p = "";

	(void)L;
	while (*p == '\0' && src->next < PIECES)
		p = src->piece[src->next++];
	*len = strlen(p);
	return *len == 0 ? NULL : p;
}

/* RAISES. */
static void
load(lua_State *L, struct source *src, const char *before, const char *behind)
{
	src->piece[0] = before;
	src->piece[1] = src->script->text;
	src->piece[2] = behind;
	src->next = 0;
	lua_pushfstring(L, "=%s", src->script->obj.name);
	if (lua_load(L, read_piece, src, lua_tostring(L, -1), "t") != LUA_OK)
		(void)lua_error(L);
	lua_remove(L, -2);
}

static int
compile_both(lua_State *L)
{
	struct source	*src = lua_touserdata(L, 1);

	load(L, src, "", "");
	lua_pop(L, 1);
	load(L, src, "local _ENV = ... return function(...) ", "\nend");
	src->ref = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

/* "greylist:3: unexpected symbol" without the name. */
static const char *
why_not(lua_State *L, const struct conf_script *s)
{
	const char	*why = lua_tostring(L, -1);
	size_t		 n = strlen(s->obj.name);

	if (why == NULL)
		return "no memory";
	if (strncmp(why, s->obj.name, n) == 0 && why[n] == ':')
		why += n + 1;
	return why;
}

static int
compile(const struct conf_script *s, int *ref,
    void (*note)(const char *, const char *))
{
	lua_State	*L = lua_main;
	struct source	 src = { .script = s };
	char		 key[256];

	lua_pushcfunction(L, compile_both);
	lua_pushlightuserdata(L, &src);
	if (lua_pcall(L, 1, 0, 0) == LUA_OK) {
		*ref = src.ref;
		return 0;
	}
	(void)strlcpy(key, "script.", sizeof(key));
	(void)strlcat(key, s->obj.name, sizeof(key));
	note(key, why_not(L, s));
	lua_settop(L, 0);
	return -1;
}

static struct compiled *
compiled_new(const struct conf_script *s, void (*note)(const char *,
    const char *))
{
	struct compiled	*c;
	int		 ref;

	if (compile(s, &ref, note) == -1)
		return NULL;
	if ((c = calloc(1, sizeof(*c))) == NULL ||
	    (c->named = named_ref(s->obj.name)) == NULL) {
		luaL_unref(lua_main, LUA_REGISTRYINDEX, ref);
		free(c);
		note("script", "no memory");
		return NULL;
	}
	c->id = s->obj.id;
	c->ref = ref;
	LIST_INSERT_HEAD(&all, c, entry);
	return c;
}

static struct compiled *
compiled_find(uint32_t id)
{
	struct compiled	*c;

	LIST_FOREACH(c, &all, entry)
		if (c->id == id)
			break;
	return c;
}

int
lua_scripts_prepare(struct config *conf,
    void (*note)(const char *, const char *))
{
	struct compiled		*c;
	struct conf_script	*s;
	size_t			 i;
	int			 res = 0;

	for (i = 0; i < conf->scripts.n; i++) {
		s = (struct conf_script *)(void *)conf->scripts.v[i];
		if ((c = compiled_find(s->obj.id)) == NULL)
			c = compiled_new(s, note);
		if ((s->obj.priv = c) != NULL)
			c->refs++;
		else
			res = -1;
	}
	return res;
}

/* Also of what was prepared in part. */
void
lua_scripts_release(struct config *conf)
{
	struct compiled	*c;
	size_t		 i;

	for (i = 0; i < conf->scripts.n; i++) {
		c = conf->scripts.v[i]->priv;
		conf->scripts.v[i]->priv = NULL;
		if (c == NULL || --c->refs > 0)
			continue;
		luaL_unref(lua_main, LUA_REGISTRYINDEX, c->ref);
		named_unref(c->named);
		LIST_REMOVE(c, entry);
		free(c);
	}
}

void
lua_push_compiled(lua_State *L, const struct conf_script *s)
{
	(void)lua_rawgeti(L, LUA_REGISTRYINDEX, compiled_of(s)->ref);
}
