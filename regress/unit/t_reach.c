/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What a rule can still say of a session of which only the listener is known,
 * and where the mail of a listener's clients can go.
 */

#include <sys/types.h>

#include <stdint.h>

#include "cdb_file.h"
#include "parent_conf.h"
#include "rule.h"
#include "t.h"

static struct config *
parse(const char *listener, const char *rest)
{
	struct conf_errors	 errs = { .errors = { .n = 0 } };
	struct config		*conf;
	const char		*cdb = cdb_file();
	char			*yaml;
	uint32_t		 id = 7;
	int			 len;

	len = asprintf(&yaml, "hostname: a.example\n"
	    "listener:\n"
	    "  in: {bind: \"127.0.0.1:25\"%s}\n"
	    "  sub: {bind: \"127.0.0.1:587\"}\n"
	    "list: {x: [a], m: {k: r1, l: r2, n: nobody}}\n"
	    "remote: {r1: {address: 127.0.0.1}, r2: {address: 127.0.0.2},\n"
	    "  r3: {address: 127.0.0.3}}\n"
	    "datasource: {d: {uri: \"cdb:%s\"}}\n%s\n", listener, cdb, rest);
	conf = parent_conf_parse("t", yaml, (size_t)len, NULL, &errs, NULL);
	(void)unlink(cdb);
	if (conf == NULL)
		conf_errors_print(&errs, stdout);
	else
		conf_assign_ids(conf, NULL, &id);
	conf_errors_clear(&errs);
	free(yaml);
	return conf;
}

/* --- one rule ------------------------------------------------------------- */

static void
note_value(const struct rule_value *v, void *arg)
{
	char	*text = arg;
	size_t	 n = strlen(text);

	if (v->type == VALUE_LOOKUP)
		(void)snprintf(text + n, 200 - n, "? ");
	else if (v->type == VALUE_INT)
		(void)snprintf(text + n, 200 - n, "%d ", (int)v->num);
	else
		(void)snprintf(text + n, 200 - n, "- ");
}

static const struct {
	const char	*blocks;	/* of max-recipients */
	const char	*want;
} rules[] = {
	{ "7", "7 " },
	/* what is known decides */
	{ "[{if: listener, eq: in, then: 1}, {else: 2}]", "1 " },
	{ "[{if: listener, ne: in, then: 1}, {else: 2}]", "2 " },
	{ "[{if: tls, eq: true, then: 1}, {else: 2}]", "2 " },
	/* what is not leaves both */
	{ "[{if: sender, eq: a, then: 1}, {else: 2}]", "1 2 " },
	{ "[{if: sender, ne: a, then: 1}, {else: 2}]", "1 2 " },
	{ "[{if: rcpt, in-list: list/x, then: 1}, {else: 2}]", "1 2 " },
	{ "[{if: listener, eq: in, then: {lookup: db/d, key: rcpt}},\n"
	    "  {else: 2}]", "? 2 " },
	{ "[{if: rcpt, in-list: db/d, then: 1}, {else: 2}]", "1 2 " },
	/* groups: a known member decides, wherever it stands */
	{ "[{all-of: [{if: sender, eq: a}, {if: listener, eq: sub}],\n"
	    "  then: 1}, {else: 2}]", "2 " },
	{ "[{all-of: [{if: sender, eq: a}, {if: listener, eq: in}],\n"
	    "  then: 1}, {else: 2}]", "1 2 " },
	{ "[{all-of: [{if: tls, eq: false}, {if: listener, eq: in}],\n"
	    "  then: 1}, {else: 2}]", "1 " },
	{ "[{any-of: [{if: sender, eq: a}, {if: listener, eq: in}],\n"
	    "  then: 1}, {else: 2}]", "1 " },
	{ "[{any-of: [{if: sender, eq: a}, {if: listener, eq: sub}],\n"
	    "  then: 1}, {else: 2}]", "1 2 " },
	{ "[{any-of: [{if: tls, eq: true}, {if: listener, eq: sub}],\n"
	    "  then: 1}, {else: 2}]", "2 " },
	{ "[{none-of: [{if: sender, eq: a}, {if: listener, eq: in}],\n"
	    "  then: 1}, {else: 2}]", "2 " },
	{ "[{none-of: [{if: sender, eq: a}, {if: listener, eq: sub}],\n"
	    "  then: 1}, {else: 2}]", "1 2 " },
	{ "[{none-of: [{if: tls, eq: true}, {if: listener, eq: sub}],\n"
	    "  then: 1}, {else: 2}]", "1 " },
	{ "[{all-of: [{any-of: [{if: sender, eq: a}, {if: rcpt, eq: b}]},\n"
	    "  {none-of: [{if: listener, eq: in}]}], then: 1}, {else: 2}]",
	    "2 " },
	/* blocks behind a sure one are not reached */
	{ "[{if: sender, eq: a, then: 1}, {if: listener, eq: in, then: 2},\n"
	    "  {if: sender, eq: b, then: 3}, {else: 4}]", "1 2 " }
};

static void
test_rules(void)
{
	struct rule_env	 env;
	struct config	*conf;
	char		 text[512], got[200];
	size_t		 i;

	memset(&env, 0, sizeof(env));
	env.str[RV_LISTENER] = "in";
	for (i = 0; i < nitems(rules); i++) {
		(void)snprintf(text, sizeof(text),
		    "session: {rcpt: {max-recipients: %s}}",
		    rules[i].blocks);
		if ((conf = parse("", text)) == NULL) {
			ok(false, "rule %zu", i);
			continue;
		}
		got[0] = '\0';
		rule_reach(conf->session.max_recipients, &env,
		    1U << RV_LISTENER | 1U << RV_TLS, note_value, got);
		is_str(got, rules[i].want, "%s", rules[i].blocks);
		conf_unref(conf);
	}
	got[0] = '\0';
	rule_reach(NULL, &env, 0, note_value, got);
	is_str(got, "- ", "no rule");
}

/* --- next hops ------------------------------------------------------------ */

static void
note_remote(struct conf_remote *r, void *arg)
{
	const char	*name = r == NULL ? "mx" : r->obj.name;
	char		*text = arg;

	if (strstr(text, name) != NULL)
		return;
	(void)strlcat(text, name, 200);
	(void)strlcat(text, " ", 200);
}

#define LOCAL	"session: {rcpt: {lookup: {domains: list/x}}}\n"
#define RELAY	"session: {rcpt: {relay: true}}\n"

static const struct {
	const char	*listener;
	const char	*rest;
	const char	*auth;		/* an extension to add */
	const char	*want;
} hops[] = {
	{ "", LOCAL "route: {local: r1}", NULL, "r1 " },
	{ "", LOCAL "route: {local: r1, relay: r2}", NULL, "r1 " },
	{ "", RELAY "route: {local: r1, relay: r2}", NULL, "r1 r2 " },
	{ "", RELAY "route: {relay: r2}", NULL, "r2 " },
	{ ", open-relay: true", LOCAL "route: {local: r1, relay: r2}", NULL,
	    "r1 r2 " },
	{ ", relay-hosts: [127.0.0.1]", LOCAL
	    "route: {local: r1, relay: r2}", NULL, "r1 r2 " },
	{ "", RELAY "route: {session: r3, local: r1, relay: r2}", NULL,
	    "r3 " },
	{ "", RELAY "route: {session: [{if: listener, eq: in, then: r3},\n"
	    "  {else: false}], local: r1, relay: r2}", NULL, "r3 " },
	{ "", RELAY "route: {session: [{if: listener, eq: sub, then: r3},\n"
	    "  {else: false}], local: r1, relay: r2}", NULL, "r1 r2 " },
	{ "", RELAY "route: {session: [{if: sender, eq: a, then: r3},\n"
	    "  {else: false}], local: r1, relay: r2}", NULL, "r3 r1 r2 " },
	/* who has no AUTH has not logged in */
	{ "", "session: {rcpt: {relay: [{if: authenticated-as, ne: \"\",\n"
	    "  then: true}, {else: false}]}}\n"
	    "route: {local: r1, relay: r2}", NULL, "r1 " },
	{ "", "session: {rcpt: {relay: [{if: authenticated-as, ne: \"\",\n"
	    "  then: true}, {else: false}]}}\n"
	    "route: {local: r1, relay: r2}", "auth PLAIN", "r1 r2 " },
	{ "", "session: {rcpt: {relay: [{if: authenticated-as, ne: \"\",\n"
	    "  then: true}, {else: false}]}}\n"
	    "route: {local: r1, relay: r2}", "xclient", "r1 r2 " },
	{ "", "session: {rcpt: {relay: [{if: authenticated-as, ne: \"\",\n"
	    "  then: true}, {else: false}]}}\n"
	    "route: {local: r1, relay: r2}", "authentic", "r1 " },
	/* nor has TLS where there is none */
	{ "", "session: {rcpt: {relay: [{if: tls, eq: true, then: true},\n"
	    "  {else: false}]}}\nroute: {local: r1, relay: r2}", NULL,
	    "r1 " },
	/* looked up: all in the list, or any */
	{ "", LOCAL "route: {local: {lookup: list/m, key: rcpt-domain}}",
	    NULL, "r1 r2 " },
	{ "", LOCAL "route: {local: {lookup: db/d, key: rcpt-domain}}", NULL,
	    "r1 r2 r3 mx " },
	{ "", "session: {rcpt: {relay: {lookup: db/d, key: rcpt}}}\n"
	    "route: {relay: r2}", NULL, "r2 " }
};

static void
test_hops(void)
{
	struct conf_listener	*l;
	struct config		*conf;
	char			 got[200];
	size_t			 i;

	for (i = 0; i < nitems(hops); i++) {
		conf = parse(hops[i].listener, hops[i].rest);
		if (conf == NULL) {
			ok(false, "hops %zu", i);
			continue;
		}
		l = (struct conf_listener *)(void *)conf->listeners.v[0];
		if (hops[i].auth != NULL)
			(void)strs_add(&l->extensions, strdup(hops[i].auth));
		got[0] = '\0';
		conf_reach(conf, l, note_remote, got);
		is_str(got, hops[i].want, "%s", hops[i].rest);
		is_int(conf_has_auth(l), hops[i].auth != NULL &&
		    strcmp(hops[i].auth, "auth PLAIN") == 0, "auth %zu", i);
		conf_unref(conf);
	}
}

int
main(void)
{
	test_rules();
	test_hops();
	return done("reach");
}
