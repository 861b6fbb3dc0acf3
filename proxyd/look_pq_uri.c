/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The databases of a PostgreSQL datasource: where they are, and which of them
 * is tried next.
 *
 * All that are not held down have their turn.  One that failed is held down
 * for a quarter of a second, then for twice as long each time, up to five
 * seconds, and tried by one connection after that; when it stands all others
 * may follow.  Those that were begun together fail as one.
 *
 * libpq would look for a good deal by itself: a password file, a service
 * file, certificates in the user's home, environment variables, DNS by
 * getaddrinfo(3), which blocks.  It is left nothing to look for: the
 * environment is cleared, the home is a place that is not there, and it is
 * given addresses.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "look_pq.h"
#include "lookupd.h"
#include "sandbox.h"
#include "util.h"

#define HOLD_MIN	250		/* ms */
#define HOLD_MAX	5000
#define DEAD_AFTER	4		/* failures in a row, of each */
#define NOWHERE		"/nonexistent"

static struct uri	*uris;
static size_t		 nuris;
static size_t		 next;

/* The value of an option that was given; NULL if it was not. */
static const char *
option(const struct uri *u, const char *name)
{
	const PQconninfoOption	*o;

	for (o = u->opts; o->keyword != NULL; o++)
		if (strcmp(o->keyword, name) == 0)
			return o->val == NULL || *o->val == '\0' ? NULL :
			    o->val;
	return NULL;
}

static const char *
option_or(const struct uri *u, const char *name, const char *other)
{
	const char	*s = option(u, name);

	return s == NULL ? other : s;
}

static void
allow_files(const struct uri *u)
{
	static const char *const	names[] = {
		"sslcert", "sslkey", "sslrootcert", "sslcrl"
	};
	const char			*path;
	size_t				 i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if ((path = option(u, names[i])) != NULL)
			sandbox_allow(path, false);
}

static void
uri_prepare(struct uri *u, const char *text)
{
	char	*why = NULL;

	if ((u->opts = PQconninfoParse(text, &why)) == NULL) {
		/* It may quote the URI, and in it the password. */
		PQfreemem(why);
		fatalx("a postgresql: URI cannot be read");
	}
	u->host = option_or(u, "host", "localhost");
	u->is_name = *u->host != '/' && *u->host != '@' &&
	    addr_parse(&u->addr, u->host) == -1;
	xasprintf(&u->what, "%s:%s/%s", u->host, option_or(u, "port", "5432"),
	    option_or(u, "dbname", option_or(u, "user", "")));
	allow_files(u);
}

void
uris_prepare(void)
{
	size_t	i;

	tzset();
	if (clearenv() != 0 || setenv("HOME", NOWHERE, 1) == -1)
		fatal("environment");
	sandbox_allow_connect();
	sandbox_allow("/etc/ssl/openssl.cnf", false);
	sandbox_allow("/usr/lib/ssl/openssl.cnf", false);
	nuris = source.uri.n;
	uris = xcalloc(nuris, sizeof(*uris));
	for (i = 0; i < nuris; i++)
		uri_prepare(&uris[i], source.uri.v[i]);
}

struct uri *
uri_next(void)
{
	struct uri	*u;
	size_t		 i;

	for (i = 0; i < nuris; i++) {
		u = &uris[(next + i) % nuris];
		if (u->failed > 0 && (u->trying || !mono_passed(u->held)))
			continue;
		u->trying = u->failed > 0;
		next = (next + i + 1) % nuris;
		return u;
	}
	return NULL;
}

int64_t
uris_wait(void)
{
	int64_t	ms, least = -1;
	size_t	i;

	for (i = 0; i < nuris; i++) {
		if (uris[i].trying)
			continue;
		ms = uris[i].failed == 0 ? 0 :
		    mono_diff(uris[i].held, mono_now());
		if (ms < 0)
			ms = 0;
		if (least == -1 || ms < least)
			least = ms;
	}
	return least;
}

const char *
uris_dead(void)
{
	size_t	i;

	for (i = 0; i < nuris; i++)
		if (uris[i].failed < DEAD_AFTER)
			return NULL;
	return uris[0].why;
}

void
uri_good(struct uri *u)
{
	if (u->failed > 0)
		log_info("datasource %s: %s answers again", source.name,
		    u->what);
	u->failed = 0;
	u->trying = false;
	source_count.opened++;
}

void
uri_clean(const struct uri *u, const char *why, char *out, size_t size)
{
	const char	*password = option(u, "password");
	char		*at;
	size_t		 i, len;

	(void)strlcpy(out, why, size);
	while (password != NULL && (at = strstr(out, password)) != NULL) {
		len = strlen(password);
		memmove(at, at + len, strlen(at + len) + 1);
	}
	for (i = 0; out[i] != '\0'; i++)
		if ((unsigned char)out[i] < 0x20 || out[i] == 0x7f)
			out[i] = ' ';
	while (i > 0 && out[i - 1] == ' ')
		out[--i] = '\0';
}

void
uri_bad(struct uri *u, const char *why)
{
	int64_t	hold = HOLD_MAX;

	uri_clean(u, why, u->why, sizeof(u->why));
	if (u->failed == 0)
		log_warnx("datasource %s: %s: %s", source.name, u->what,
		    u->why);
	else if (!u->trying)
		return;
	u->trying = false;
	if (u->failed < 5)
		hold = HOLD_MIN << u->failed;
	u->failed++;
	u->held = mono_add(mono_now(), hold > HOLD_MAX ? HOLD_MAX : hold);
}

#define OPTIONS_MAX	64

struct params {
	const char	*name[OPTIONS_MAX + 1];
	const char	*value[OPTIONS_MAX + 1];
	size_t		 n;
};

static void
param(struct params *p, const char *name, const char *value)
{
	if (p->n == OPTIONS_MAX)
		return;
	p->name[p->n] = name;
	p->value[p->n++] = value;
}

/* The server ends what we have given up, too. */
static void
server_options(const struct uri *u, char *out, size_t size)
{
	(void)snprintf(out, size, "%s -c statement_timeout=%lld",
	    option_or(u, "options", ""), (long long)source.timeout);
}

PGconn *
uri_connect(const struct uri *u, const struct addr *addr)
{
	struct params		 p = { .n = 0 };
	const PQconninfoOption	*o;
	char			 text[ADDR_TEXT_MAX], options[1280];

	for (o = u->opts; o->keyword != NULL; o++)
		if (o->val != NULL && *o->val != '\0' &&
		    strcmp(o->keyword, "options") != 0)
			param(&p, o->keyword, o->val);
	if (option(u, "host") == NULL)
		param(&p, "host", u->host);
	if (addr != NULL)
		param(&p, "hostaddr", addr_text(addr, text, sizeof(text)));
	if (option(u, "application_name") == NULL)
		param(&p, "application_name", "postern");
	if (option(u, "client_encoding") == NULL)
		param(&p, "client_encoding", "UTF8");
	server_options(u, options, sizeof(options));
	param(&p, "options", options);
	param(&p, "passfile", NOWHERE "/passfile");
	param(&p, "gssencmode", "disable");
	return PQconnectStartParams(p.name, p.value, 0);
}
