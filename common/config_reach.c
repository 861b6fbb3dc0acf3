/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Where the mail of a listener's clients can go, before any has come.
 *
 * Asked by `postern -n', which warns of a listener whose clients may need two
 * next hops for one message, and by smtpd, which offers what all of them
 * can do.  See rule_reach.c for what is certain about the answer.
 *
 * What a script of session.rcpt names is not in it: it may name any remote,
 * and one that only judges would cost the client every extension that the
 * least of them lacks.  What the remote lacks is told at RCPT in any case.
 */

#include <string.h>

#include "config.h"

struct walk {
	const struct config	*conf;
	const struct rule	*rule;
	void			(*fn)(struct conf_remote *, void *);
	void			*arg;
	bool			 none;	/* the rule can name no remote */
	bool			 yes;	/* a boolean one can be true */
};

#define KNOWN(v)	(1U << (v))

static bool
has_extension(const struct conf_listener *l, const char *name)
{
	size_t	i, n = strlen(name);

	for (i = 0; i < l->extensions.n; i++)
		if (strncmp(l->extensions.v[i], name, n) == 0 &&
		    (l->extensions.v[i][n] == ' ' ||
		    l->extensions.v[i][n] == '\0'))
			return true;
	return false;
}

bool
conf_has_auth(const struct conf_listener *l)
{
	return has_extension(l, "auth");
}

/* What every session of the listener has in common. */
static uint32_t
listener_env(const struct conf_listener *l, struct rule_env *env)
{
	uint32_t	known = KNOWN(RV_LISTENER);

	memset(env, 0, sizeof(*env));
	env->str[RV_LISTENER] = l->obj.name;
	if (!conf_has_auth(l) && !has_extension(l, "xclient"))
		known |= KNOWN(RV_AUTHENTICATED_AS);
	if (l->tls != LTLS_STARTTLS)
		known |= KNOWN(RV_TLS);
	if (l->tls != LTLS_OFF)
		env->str[RV_TLS] = "true";
	return known;
}

static void
name_one(struct walk *w, const char *name)
{
	struct conf_obj	*o;

	if (strcmp(name, "mx") == 0)
		w->fn(NULL, w->arg);
	else if ((o = conf_find(&w->conf->remotes, name)) != NULL)
		w->fn((struct conf_remote *)(void *)o, w->arg);
}

static void
name_directory(struct walk *w, const char *name)
{
	const struct conf_directory	*d;

	d = (const struct conf_directory *)(const void *)conf_find(
	    &w->conf->directories, name);
	if (d != NULL && d->type == DIR_REMOTE && d->remote != NULL)
		name_one(w, d->remote);
}

/* All that is in the list, or, as nobody knows what is in it, anything. */
static void
name_looked_up(struct walk *w, const char *what)
{
	const struct conf_list	*list = NULL;
	const struct conf_map	*all = &w->conf->remotes;
	size_t			 i;

	if (strncmp(what, "list/", 5) == 0)
		list = (const struct conf_list *)(const void *)conf_find(
		    &w->conf->lists, what + 5);
	for (i = 0; list != NULL && i < list->entries.n; i++)
		name_one(w, conf_entry_value(list->entries.v[i]));
	if (list != NULL && !list->big)
		return;
	for (i = 0; i < all->n; i++)
		name_one(w, all->v[i]->name);
}

static void
route_value(const struct rule_value *v, void *arg)
{
	struct walk	*w = arg;
	enum rule_var	 var;
	const char	*what;

	if (v->type == VALUE_LOOKUP) {
		if (rule_leaf(w->rule, (unsigned int)v->num, &what, &var))
			name_looked_up(w, what);
	} else if (v->str == NULL)
		w->none = true;
	else
		name_one(w, v->str);
}

/* Who verifies local addresses takes their mail, without a route. */
static void
verifier_value(const struct rule_value *v, void *arg)
{
	struct walk	*w = arg;
	size_t		 i;

	if (v->type == VALUE_LOOKUP) {
		for (i = 0; i < w->conf->remotes.n; i++)
			name_one(w, w->conf->remotes.v[i]->name);
	} else if (v->str != NULL && w->rule == w->conf->session.directory)
		name_directory(w, v->str);
	else if (v->str != NULL && strncmp(v->str, "remote/", 7) == 0)
		name_one(w, v->str + 7);
	else if (v->str != NULL && strncmp(v->str, "directory/", 10) == 0)
		name_directory(w, v->str + 10);
}

static void
bool_value(const struct rule_value *v, void *arg)
{
	struct walk	*w = arg;

	w->yes |= v->type == VALUE_LOOKUP || v->num != 0;
}

void
conf_reach(const struct config *conf, const struct conf_listener *l,
    void (*fn)(struct conf_remote *, void *), void *arg)
{
	struct walk	 w = { .conf = conf, .fn = fn, .arg = arg };
	struct rule_env	 env;
	uint32_t	 known = listener_env(l, &env);

	w.rule = conf->route.session;
	rule_reach(w.rule, &env, known, route_value, &w);
	if (!w.none)
		return;
	/* <postmaster> is local where there are no local domains. */
	w.none = false;
	w.rule = conf->route.local;
	rule_reach(w.rule, &env, known, route_value, &w);
	if (w.none) {
		w.rule = conf->session.directory;
		rule_reach(w.rule, &env, known, verifier_value, &w);
		w.rule = conf->session.addresses;
		rule_reach(w.rule, &env, known, verifier_value, &w);
	}
	rule_reach(conf->session.relay, &env, known, bool_value, &w);
	if (!w.yes && !l->open_relay && l->relay_hosts.n == 0)
		return;
	w.rule = conf->route.relay;
	rule_reach(w.rule, &env, known, route_value, &w);
}
