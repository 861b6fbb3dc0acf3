/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What concerns several keys of postern.yaml at once: a listener with TLS
 * and no certificate, mail that could be accepted but has nowhere to go, two
 * listeners on one address.  Run after every key has been looked at by
 * itself, even if there were errors; so a field may be NULL here that never
 * is in a configuration that is used.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parent_conf.h"
#include "parent_files.h"
#include "parent_load.h"
#include "util.h"

#define CA_MAX		(768 * 1024)
#define SMTP_PORT	25

static const char *const system_ca[] = {
	"/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem"
};

/* The node of a key, or the nearest one above it that is there. */
static const struct node *
at(const struct node *n, const char *a, const char *b, const char *c)
{
	const char		*path[] = { a, b, c };
	const struct node	*kid;
	size_t			 i;

	for (i = 0; i < 3 && path[i] != NULL; i++) {
		if ((kid = node_child(n, path[i])) == NULL)
			return n;
		n = kid;
	}
	return n;
}

static void
cross_error(struct load *l, const struct node *n, const char *path,
    const char *what)
{
	strlcpy(l->path, path, sizeof(l->path));
	load_error(l, n, "%s", what);
	l->path[0] = '\0';
}

/* --- listeners ------------------------------------------------------------ */

struct bound {
	struct addr		 addr;	/* NONE: all */
	const char		*path;	/* of a UNIX one */
	const struct node	*node;
};

/* `All addresses' are 0.0.0.0 and [::] both. */
static bool
same_bind(const struct bound *x, const struct bound *y)
{
	const struct addr	*a = &x->addr, *b = &y->addr;
	struct addr		 wild = { .family = ADDR_NONE };

	if (x->path != NULL || y->path != NULL)
		return x->path != NULL && y->path != NULL &&
		    strcmp(x->path, y->path) == 0;
	if (a->port != b->port)
		return false;
	if (a->family != ADDR_NONE && b->family != ADDR_NONE)
		return addr_same_ip(a, b);
	if (a->family == ADDR_NONE)
		a = b;
	wild.family = a->family;
	return a->family == ADDR_NONE || addr_same_ip(a, &wild);
}

static void
check_bind(struct load *l, const struct conf_listener *ls, const char *path,
    const struct node *n, struct bound **v, size_t *nv)
{
	struct bound	 b = { .node = n };
	const char	*why;
	bool		 any;
	size_t		 i;

	if (n->kind != NODE_SCALAR ||
	    conf_bind_parse(n->text, &b.addr, &any, &why) == -1)
		return;
	b.path = conf_bind_path(n->text);
	if (ls->protocol == PROTO_LMTP && b.addr.port == SMTP_PORT)
		cross_error(l, n, path, "LMTP is not spoken on port 25 (RFC "
		    "2033, section 5)");
	if (b.path != NULL && l->conf->control != NULL &&
	    strcmp(b.path, l->conf->control) == 0)
		cross_error(l, n, path, "is the control socket");
	for (i = 0; i < *nv; i++) {
		if (!same_bind(&(*v)[i], &b))
			continue;
		strlcpy(l->path, path, sizeof(l->path));
		load_error(l, n, "%s is bound at %u:%u already", n->text,
		    (*v)[i].node->line, (*v)[i].node->col);
		l->path[0] = '\0';
		break;
	}
	if (ls->open_relay && !addr_is_loopback(&b.addr))
		conf_warning(l->errs, l->file, n->line, n->col, path,
		    "%s is an open relay", n->text);
	*v = xreallocarray(*v, *nv + 1, sizeof(struct bound));
	(*v)[(*nv)++] = b;
}

/* Rights of a socket in the file system, and there is none. */
static void
check_rights(struct load *l, const struct conf_listener *ls,
    const struct node *n)
{
	static const char *const	 keys[] = { "mode", "owner" };
	char				 path[128];
	const struct node		*key;
	size_t				 i;

	for (i = 0; i < ls->bind.n; i++)
		if (conf_bind_path(ls->bind.v[i]) != NULL)
			return;
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if ((key = node_child(n, keys[i])) == NULL || key->is_default)
			continue;
		snprintf(path, sizeof(path), "listener.%s.%s", ls->obj.name,
		    keys[i]);
		cross_error(l, key, path,
		    "means nothing without a unix: socket in bind");
	}
}

static bool
lists(const struct conf_listener *ls, const char *name)
{
	size_t	i;

	for (i = 0; i < ls->extensions.n; i++)
		if (strcmp(ls->extensions.v[i], name) == 0)
			return true;
	return false;
}

/* RFC 3030, section 3: the one is nothing without the other. */
static void
check_extensions(struct load *l, const struct conf_listener *ls,
    const struct node *n)
{
	char	path[128];

	if (!lists(ls, "binarymime") || lists(ls, "chunking") ||
	    lists(ls, "default"))
		return;
	n = at(n, "extensions", NULL, NULL);
	snprintf(path, sizeof(path), "listener.%s.extensions", ls->obj.name);
	conf_warning(l->errs, l->file, n->line, n->col, path,
	    "binarymime is not offered without chunking");
}

static void
check_listeners(struct load *l)
{
	const struct conf_listener *ls;
	const struct node	*n, *bind;
	struct bound		*bound = NULL;
	char			 path[128];
	size_t			 i, j, nbound = 0;

	for (i = 0; i < l->conf->listeners.n; i++) {
		ls = (struct conf_listener *)l->conf->listeners.v[i];
		n = at(l->root, "listener", ls->obj.name, NULL);
		check_extensions(l, ls, n);
		snprintf(path, sizeof(path), "listener.%s.tls", ls->obj.name);
		if (ls->tls != LTLS_OFF && l->conf->tls.certs.n == 0)
			cross_error(l, at(n, "tls", NULL, NULL), path,
			    "needs tls.certificate.default");
		snprintf(path, sizeof(path), "listener.%s.bind",
		    ls->obj.name);
		if ((bind = node_child(n, "bind")) == NULL)
			continue;
		for (j = 0; j < bind->nkids; j++)
			check_bind(l, ls, path, bind->kids[j], &bound,
			    &nbound);
		check_rights(l, ls, n);
	}
	free(bound);
	if (l->conf->tls.client_verify != CLIENT_OFF &&
	    l->conf->tls.client_ca.path == NULL)
		cross_error(l, at(l->root, "tls", "client-verify", NULL),
		    "tls.client-verify", "needs tls.client-ca");
	if (l->conf->tls.certs.n > 0 &&
	    conf_find(&l->conf->tls.certs, "default") == NULL)
		cross_error(l, at(l->root, "tls", "certificate", NULL),
		    "tls.certificate", "one of them must be called default");
}

/* --- remotes -------------------------------------------------------------- */

static void
read_ca(struct load *l, struct conf_remote *r, const struct node *n)
{
	const char	*path = r->tls.ca;
	char		 why[256];
	size_t		 i;

	if (strcmp(path, "system") != 0) {
		if (parent_file_read_max(path, &r->tls.ca_file, false, CA_MAX,
		    why, sizeof(why)) == -1)
			load_error(l, n, "%s: %s", path, why);
		return;
	}
	for (i = 0; i < sizeof(system_ca) / sizeof(system_ca[0]); i++) {
		if (parent_file_read_max(system_ca[i], &r->tls.ca_file, false,
		    CA_MAX, why, sizeof(why)) == 0)
			return;
		free(r->tls.ca_file.path);
		r->tls.ca_file.path = NULL;
	}
	load_error(l, n, "no certificates of the system in %s or %s",
	    system_ca[0], system_ca[1]);
}

static bool
has_path(const struct conf_remote *r)
{
	size_t	i;

	for (i = 0; i < r->address.n; i++)
		if (strncmp(r->address.v[i], "unix:", 5) == 0)
			return true;
	return false;
}

/* Opportunistic TLS goes on in clear text: to judge means nothing there. */
static void
check_verify(struct load *l, struct conf_remote *r, const struct node *tls)
{
	const struct node	*n = node_child(tls, "verify");
	size_t			 mark = path_push(l, "verify");

	r->tls.verify_set = n != NULL && !n->is_default;
	if (r->tls.verify_set && r->tls.mode == RTLS_OPPORTUNISTIC)
		load_key_error(l, n, "means nothing with mode opportunistic, "
		    "which judges no certificate: wanted mode required");
	path_pop(l, mark);
	if (r->tls.mode != RTLS_REQUIRED && r->tls.mode != RTLS_IMPLICIT)
		r->tls.verify = false;
	if (r->tls.verify && r->tls.name != NULL && r->tls.name[0] == '\0' &&
	    has_path(r))
		load_error(l, tls, "a unix: address has no name to verify: "
		    "set name, or verify: false");
	mark = path_push(l, "ca");
	if (r->tls.verify && r->tls.ca != NULL)
		read_ca(l, r, at(tls, "ca", NULL, NULL));
	path_pop(l, mark);
}

/* A password in clear is everybody's. */
static void
check_auth(struct load *l, const struct conf_remote *r, const struct node *n)
{
	size_t	mark = path_push(l, "auth");

	if (r->auth.username != NULL && r->tls.mode != RTLS_REQUIRED &&
	    r->tls.mode != RTLS_IMPLICIT)
		load_key_error(l, at(n, "auth", NULL, NULL),
		    "needs tls.mode required or implicit");
	path_pop(l, mark);
}

static void
check_remotes(struct load *l)
{
	struct conf_remote	*r;
	const struct node	*n, *tls;
	size_t			 i;

	for (i = 0; i < l->conf->remotes.n; i++) {
		r = (struct conf_remote *)l->conf->remotes.v[i];
		n = node_child(node_child(l->root, "remote"), r->obj.name);
		tls = node_child(n, "tls");
		snprintf(l->path, sizeof(l->path), "remote.%s", r->obj.name);
		check_auth(l, r, n);
		strlcat(l->path, ".tls", sizeof(l->path));
		if (tls != NULL && tls->kind == NODE_MAP) {
			check_verify(l, r, tls);
			if ((r->tls.cert.path == NULL) !=
			    (r->tls.key.path == NULL))
				load_error(l, tls,
				    "cert and key go together");
		}
		l->path[0] = '\0';
	}
}

/* --- routes --------------------------------------------------------------- */

/* Is there a remote for every transaction, whatever its recipients? */
static bool
session_takes_all(const struct config *conf)
{
	struct rule_value	v;

	return rule_is_constant(conf->route.session, &v) && v.str != NULL;
}

/* May a recipient that is not local be accepted? */
static bool
can_relay(const struct config *conf)
{
	const struct conf_listener *ls;
	struct rule_value	 v;
	size_t			 i;

	if (conf->session.relay != NULL &&
	    (!rule_is_constant(conf->session.relay, &v) || v.num != 0))
		return true;
	for (i = 0; i < conf->listeners.n; i++) {
		ls = (struct conf_listener *)conf->listeners.v[i];
		if (ls->open_relay || ls->relay_hosts.n > 0)
			return true;
	}
	return false;
}

/* Did the file leave a route out (rather than get it wrong)? */
static bool
route_missing(const struct load *l, const char *name,
    const struct rule *rule)
{
	const struct node	*n = at(l->root, "route", name, NULL);

	return rule == NULL && node_is_false(n);
}

/* Can a setting that names something name anything? */
static bool
is_on(const struct rule *rule)
{
	struct rule_value	v;

	return rule != NULL && (!rule_is_constant(rule, &v) || v.str != NULL);
}

/* Who verifies local addresses, and may take their mail. */
struct verifiers {
	const struct config	*conf;
	bool			 directory;	/* names of those */
	bool			 other;		/* or something that is no
						   server */
};

static void
note_verifier(const struct rule_value *v, void *arg)
{
	struct verifiers		*w = arg;
	const struct conf_directory	*d;
	const char			*name = v->str;

	if (v->type == VALUE_LOOKUP || name == NULL) {
		/* A directory that is none leaves it to the look-ups. */
		w->other |= !w->directory || v->type == VALUE_LOOKUP;
		return;
	}
	if (!w->directory && strncmp(name, "remote/", 7) == 0)
		return;
	if (!w->directory && strncmp(name, "directory/", 10) == 0)
		name += 10;
	else if (!w->directory) {
		w->other = true;
		return;
	}
	d = (const struct conf_directory *)conf_find(&w->conf->directories,
	    name);
	w->other |= d == NULL || d->type != DIR_REMOTE;
}

/* Does a server verify every local address?  It is their next hop then. */
static bool
is_verified(const struct config *conf)
{
	struct verifiers	 w = { .conf = conf };
	struct rule_env		 env;

	memset(&env, 0, sizeof(env));
	if (is_on(conf->session.domains))
		rule_reach(conf->session.addresses, &env, 0, note_verifier,
		    &w);
	w.directory = true;
	rule_reach(conf->session.directory, &env, 0, note_verifier, &w);
	return !w.other;
}

/* Mail for local domains that no route takes. */
static void
check_local(struct load *l)
{
	const struct config	*conf = l->conf;
	const struct node	*rcpt = at(l->root, "session", "rcpt", NULL);
	bool			 directory = is_on(conf->session.directory);

	if ((!directory && !is_on(conf->session.domains)) ||
	    !route_missing(l, "local", conf->route.local) ||
	    is_verified(conf))
		return;
	cross_error(l, directory ? at(rcpt, "directory", NULL, NULL) :
	    at(rcpt, "lookup", "domains", NULL), directory ?
	    "session.rcpt.directory" : "session.rcpt.lookup.domains",
	    "mail for local domains has no next hop: "
	    "set route.local (or route.session)");
}

static void
check_routes(struct load *l)
{
	const struct config	*conf = l->conf;
	const struct node	*rcpt = at(l->root, "session", "rcpt", NULL);
	const struct node	*n;

	if (session_takes_all(conf))
		return;
	check_local(l);
	if (can_relay(conf) &&
	    route_missing(l, "relay", conf->route.relay)) {
		n = at(rcpt, "relay", NULL, NULL);
		if (n->is_default)
			n = at(l->root, "listener", NULL, NULL);
		cross_error(l, n, "route.relay",
		    "missing, while relay, relay-hosts or open-relay let "
		    "mail in that needs it (or route.session)");
	}
}

/* Addresses are those of local domains: without them nobody asks. */
static void
check_addresses(struct load *l)
{
	const struct node	*lookup = at(l->root, "session", "rcpt",
	    "lookup");

	if (is_on(l->conf->session.addresses) &&
	    !is_on(l->conf->session.domains) &&
	    node_is_false(at(lookup, "domains", NULL, NULL)))
		cross_error(l, at(lookup, "addresses", NULL, NULL),
		    "session.rcpt.lookup.addresses",
		    "no domain is local: set session.rcpt.lookup.domains");
}

/* Next hops of a listener's clients: how many, and which are the first. */
struct hops {
	const struct conf_remote *first;
	const char		*second;
};

static void
note_hop(struct conf_remote *r, void *arg)
{
	struct hops	*h = arg;

	if (r == NULL)
		h->second = "mx";
	else if (h->first == NULL)
		h->first = r;
	else if (h->first != r && h->second == NULL)
		h->second = r->obj.name;
}

/* Does it seem to set the next hop?  As far as a look at its text can tell. */
static bool
sets_hop(const struct conf_script *script)
{
	const char	*p = script->text;

	while ((p = strstr(p, "transportid")) != NULL) {
		p += strlen("transportid");
		p += strspn(p, " \t\n\"']");
		if (p[0] == '=' && p[1] != '=')
			return true;
	}
	return false;
}

static bool
is_sent_by_script(const struct config *conf)
{
	size_t	i;

	for (i = 0; is_on(conf->session.script[STAGE_RCPT]) &&
	    i < conf->scripts.n; i++)
		if (sets_hop((const struct conf_script *)(const void *)
		    conf->scripts.v[i]))
			return true;
	return false;
}

static void
warn_submission(struct load *l, const struct conf_listener *ls,
    const struct hops *h)
{
	const struct node	*n;
	char			 path[128];

	n = at(l->root, "listener", ls->obj.name, "extensions");
	snprintf(path, sizeof(path), "listener.%s.extensions", ls->obj.name);
	if (h->second != NULL)
		conf_warning(l->errs, l->file, n->line, n->col, path,
		    "clients log in here, and their mail can go to %s%s%s: "
		    "set route.session", h->first == NULL ? "" :
		    h->first->obj.name, h->first == NULL ? "" : " and ",
		    h->second);
	else
		conf_warning(l->errs, l->file, n->line, n->col, path,
		    "clients log in here, and a script of session.rcpt can "
		    "send a message's recipients to two next hops");
}

/*
 * A client that logs in submits: it will not split a message by recipients,
 * as a mail server does that reads 452, and has nobody to try again for it.
 */
static void
check_submission(struct load *l)
{
	const struct conf_listener *ls;
	struct hops		 h;
	size_t			 i;

	for (i = 0; i < l->conf->listeners.n; i++) {
		ls = (struct conf_listener *)l->conf->listeners.v[i];
		memset(&h, 0, sizeof(h));
		if (!conf_has_auth(ls))
			continue;
		conf_reach(l->conf, ls, note_hop, &h);
		if (h.second != NULL || is_sent_by_script(l->conf))
			warn_submission(l, ls, &h);
	}
}

/* The one finer than the other: both would be asked. */
static void
check_directory(struct load *l)
{
	const struct node	*rcpt = at(l->root, "session", "rcpt", NULL);
	const struct node	*dir = node_child(rcpt, "directory");
	const struct node	*lookup = node_child(rcpt, "lookup");
	size_t			 i;

	if (dir == NULL || node_is_false(dir) || lookup == NULL ||
	    lookup->kind != NODE_MAP)
		return;
	for (i = 0; i < lookup->nkids; i++) {
		if (node_is_false(lookup->kids[i]))
			continue;
		cross_error(l, lookup->kids[i], "session.rcpt.lookup",
		    "directory and lookup exclude each other");
		return;
	}
}

/* Each must say how much; what all of them say fits a message. */
static void
check_throttles(struct load *l)
{
	const struct conf_map	*map = &l->conf->session.throttles;
	const struct conf_throttle *t;
	const struct node	*n = at(l->root, "session", "throttle", NULL);
	char			 path[64];
	size_t			 i;

	if (map->n > THROTTLES_MAX)
		cross_error(l, n, "session.throttle",
		    "more than 256 throttles");
	for (i = 0; i < map->n; i++) {
		t = (const struct conf_throttle *)(void *)map->v[i];
		snprintf(path, sizeof(path), "session.throttle.%zu", i + 1);
		if (t->rate.count == 0 && t->concurrency == 0)
			cross_error(l, n->kids[i], path,
			    "neither rate nor concurrency: nothing is limited");
		if (t->rate.period > THROTTLE_PERIOD_MAX)
			cross_error(l, n->kids[i], path,
			    "the period of a rate is a year at most");
	}
}

void
load_cross(struct load *l)
{
	check_listeners(l);
	check_remotes(l);
	check_routes(l);
	check_addresses(l);
	check_submission(l);
	check_directory(l);
	check_throttles(l);
	load_directories(l);
	load_sources(l);
	load_place(l);
}
