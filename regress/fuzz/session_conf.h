/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * fuzz_session: the configurations that its sessions run with.
 *
 * Part of that file: it has included what is used here.
 */
#ifndef SESSION_CONF_H
#define SESSION_CONF_H

#define COMMON								\
	"hostname: mx.example.org\n"					\
	"listener: {a: {bind: [\"127.0.0.1:2525\"], tls: \"off\"%s}}\n"	\
	"list: {ours: [example.org, b.example],\n"			\
	"  people: [a@example.org, b@example.org, x@example.org,\n"	\
	"    y@example.org, \303\266@example.org]}\n"			\
	"remote: {\n"							\
	"  b1: {address: 127.0.0.1, port: 24%s},\n"			\
	"  b2: {address: 127.0.0.1, port: 26}}\n"

#define VOUCHED								\
	COMMON								\
	"route: {local: b1, relay: b1}\n"

/* All there are, in each place. */
#define SCRIPTS								\
	COMMON								\
	"route: {local: b1, relay: b2}\n"				\
	"script: {one: \"accept()\", two: \"accept()\"}\n"		\
	"proxy: {commands: [\"*\"], script: one}\n"			\
	"session:\n"							\
	"  connect: {script: two}\n"					\
	"  ehlo: {script: two}\n"					\
	"  mail: {script: two, on-error: accept}\n"			\
	"  data: {script: two, max-size: 2kb}\n"			\
	"  rcpt: {script: two, max-recipients: 4,\n"			\
	"    lookup: {domains: list/ours,\n"				\
	"      addresses: [{if: sender, eq: \"\", then: false},\n"	\
	"        {else: list/people}]},\n"				\
	"    errors: {wait: 2s}}\n"

static const char *const	texts[] = {
	COMMON
	"route: {local: b1, relay: b2}\n"
	"session: {rcpt: {lookup: {domains: list/ours},\n"
	"  relay: [{if: sender-domain, eq: b.example, then: true},\n"
	"    {else: false}],\n"
	"  errors: {total: 3, wait: 5s}}}\n",

	COMMON
	"route: {local: b1, relay: b2}\n"
	"session: {data: {bare-newline: normalize, max-messages: 3},\n"
	"  rcpt: {lookup: {domains: list/ours}, errors: {wait: 0s}}}\n"
	"replies: {footer: \"see example.org\"}\n",

	COMMON
	"route: {local: b1, relay: b2}\n"
	"session: {max-bad-commands: 4, transfer-limit: 4kb,\n"
	"  ehlo: {require: false},\n"
	"  data: {max-size: 1kb, max-received: 2},\n"
	"  rcpt: {lookup: {domains: list/ours}, max-recipients: 2,\n"
	"    errors: {total: 2, wait: 1s}}}\n",

	COMMON
	"route: {local: b1, relay: b2}\n"
	"session: {data: {max-size: 4kb},\n"
	"  rcpt: {lookup: {domains: list/ours}, max-recipients: 4}}\n",

	COMMON
	"route: {local: b1, relay: b2}\n"
	"session: {rcpt: {lookup: {domains: list/ours}}}\n",

	COMMON
	"datasource: {d: {uri: \"cdb:${cdb}\"}, e: {uri: \"cdb:${cdb}\"}}\n"
	"route:\n"
	"  local: [{if: rcpt, in-list: db/d, then:\n"
	"    {lookup: db/e, key: rcpt-domain}}, {else: b1}]\n"
	"  relay: [{if: sender, ne: x, then: {lookup: db/e, key: rcpt}},\n"
	"    {else: b2}]\n"
	"session: {data: {bare-newline: [{if: sender, in-list: db/d,\n"
	"    then: normalize}, {else: reject}]},\n"
	"  rcpt: {lookup: {domains: list/ours},\n"
	"    relay: [{if: rcpt-domain, in-list: db/d,\n"
	"      on-lookup-failure: false, then: true},\n"
	"      {if: rcpt-domain, in-list: db/e, then: true},\n"
	"      {else: false}],\n"
	"    errors: {total: 6, wait: 1s}}}\n",

	COMMON
	"route: {local: b1, relay: b2}\n"
	"session: {data: {max-size: 2kb, max-messages: 6},\n"
	"  rcpt: {lookup: {domains: list/ours}, errors: {wait: 2s}}}\n",

	VOUCHED
	"session: {data: {max-size: 2kb},\n"
	"  rcpt: {lookup: {domains: list/ours, addresses: list/people},\n"
	"    max-recipients: 5, errors: {wait: 2s}}}\n",

	VOUCHED
	"session: {soft-bounce: [{if: sender, eq: \"\", then: true},\n"
	"    {else: false}],\n"
	"  rcpt: {lookup: {domains: list/ours, addresses: list/people},\n"
	"    errors: {wait: 0s}}}\n",

	/* db and remote are what asked[] says. */
	"hostname: mx.example.org\n"
	"listener: {a: {bind: [\"127.0.0.1:2525\"], tls: \"off\"%s}}\n"
	"list: {ours: [example.org, b.example, l@b.example], db: [],\n"
	"  remote: []}\n"
	"remote: {b1: {address: 127.0.0.1%s}, b2: {address: 127.0.0.1}}\n"
	"datasource: {d: {uri: \"cdb:${cdb}\"}}\n"
	"route:\n"
	"  local: [{if: sender-domain, eq: none.example, then: false},\n"
	"    {else: b1}]\n"
	"  relay: b2\n"
	"session: {rcpt: {\n"
	"  lookup: {\n"
	"    domains: [{if: rcpt-domain, eq: c.example, then: list/db},\n"
	"      {else: list/ours}],\n"
	"    addresses: [{if: rcpt, starts-with: l, then: list/ours},\n"
	"      {if: rcpt, starts-with: n, then: false},\n"
	"      {else: list/remote}],\n"
	"    vrfy: [{if: helo-domain, eq: l, then: list/ours},\n"
	"      {else: list/remote}],\n"
	"    expn: [{if: helo-domain, eq: l, then: false},\n"
	"      {else: list/db}]},\n"
	"  verify-failure: [{if: sender, eq: a@b.example, then: accept},\n"
	"    {if: sender, eq: s@b.example, then: stale}, {else: defer}],\n"
	"  warn-only: [{if: rcpt, starts-with: w, then: true},\n"
	"    {else: false}],\n"
	"  relay: [{if: sender, in-list: db/d, then: true}, {else: false}],\n"
	"  errors: {total: 6, wait: 1s}}}\n",

	COMMON
	"datasource: {d: {uri: \"cdb:${cdb}\"}}\n"
	"route: {local: b1, relay: b2}\n"
	"session:\n"
	"  rcpt: {lookup: {domains: list/ours}, errors: {wait: 1s}}\n"
	"  throttle:\n"
	"    - {key: [remote-net, listener], rate: 3/1m, concurrency: 2}\n"
	"    - {key: sender, rate: 3/1h, concurrency: 1}\n"
	"    - {match: {if: remote-ip, in-list: db/d}, key: remote-ip,\n"
	"       rate: 1/1s}\n"
	"    - {key: [rcpt-domain, sender], rate: 2/1d}\n"
	"    - {match: {if: rcpt, in-list: db/d}, key: [helo-domain, rcpt,\n"
	"       sender, sender-domain, rcpt-domain], concurrency: 7}\n",

	/* Two rates for each recipient: session_verifyd.h counts them. */
	"hostname: mx.example.org\n"
	"listener: {a: {bind: [\"127.0.0.1:2525\"], tls: \"off\"%s}}\n"
	"list: {ours: [example.org, b.example], db: [], remote: [],\n"
	"  people: [a@example.org, b@example.org, x@example.org]}\n"
	"remote: {b1: {address: 127.0.0.1%s}, b2: {address: 127.0.0.1}}\n"
	"datasource: {d: {uri: \"cdb:${cdb}\"}}\n"
	"route: {local: b1, relay: b2}\n"
	"session:\n"
	"  rcpt:\n"
	"    lookup:\n"
	"      domains: [{if: sender, eq: a@b.example, then: list/ours},\n"
	"        {else: list/db}]\n"
	"      addresses: [{if: rcpt, starts-with: y, then: list/remote},\n"
	"        {if: rcpt, starts-with: n, then: false},\n"
	"        {else: list/people}]\n"
	"    relay: [{if: rcpt, in-list: db/d, then: true}, {else: false}]\n"
	"    warn-only: [{if: rcpt, starts-with: w, then: true},\n"
	"      {else: false}]\n"
	"    verify-failure: accept\n"
	"    errors: {total: 8, wait: 1s}\n"
	"  throttle:\n"
	"    - {key: [rcpt-domain, sender], rate: 2/1d}\n"
	"    - {key: rcpt, rate: 1/1h, concurrency: 3}\n",

	SCRIPTS,

	SCRIPTS,

	/* Rates, and scripts that rules name by what they look up. */
	"hostname: mx.example.org\n"
	"listener: {a: {bind: [\"127.0.0.1:2525\"], tls: \"off\"%s}}\n"
	"list: {ours: [example.org, b.example], db: [], remote: [],\n"
	"  people: [a@example.org, b@example.org, x@example.org]}\n"
	"remote: {b1: {address: 127.0.0.1%s}, b2: {address: 127.0.0.1}}\n"
	"datasource: {d: {uri: \"cdb:${cdb}\"}}\n"
	"route: {local: b1, relay: b2}\n"
	"script: {one: \"accept()\", two: \"accept()\"}\n"
	"proxy: {commands: [RCPT, DATA, BDAT, QUIT],\n"
	"  script: [{if: sender, in-list: db/d, then: two}, {else: false}]}\n"
	"session:\n"
	"  on-error: accept\n"
	"  connect: {script: [{if: remote-ip, in-list: db/d, then: one},\n"
	"    {else: false}]}\n"
	"  rcpt:\n"
	"    script: [{if: rcpt, in-list: db/d, then: one},\n"
	"      {if: rcpt, starts-with: x, then: two}, {else: false}]\n"
	"    lookup:\n"
	"      domains: [{if: sender, eq: a@b.example, then: list/ours},\n"
	"        {else: list/db}]\n"
	"      addresses: [{if: rcpt, starts-with: y, then: list/remote},\n"
	"        {else: list/people}]\n"
	"    warn-only: [{if: rcpt, starts-with: x, then: true},\n"
	"      {else: false}]\n"
	"    verify-failure: accept\n"
	"    errors: {total: 8, wait: 1s}\n"
	"  throttle:\n"
	"    - {key: [rcpt-domain, sender], rate: 2/1d}\n"
	"    - {key: rcpt, rate: 1/1h, concurrency: 3}\n"
};

/* Where those look-ups lead that stand as lists above. */
static const char *const	asked[][2] = {
	{ "list/db", "db/d" }, { "list/remote", "remote/b1" }
};

#define ALL_EXTENSIONS							\
	", extensions: [default, dsn, smtputf8, binarymime]"

static const struct {
	const char	*listener, *remote;
} extras[] = {
	{ "", "" },
	{ ", relay-hosts: [192.0.2.0/24]", ", eight-bit: strict" },
	{ "", ", reply-text: own" },
	{ ALL_EXTENSIONS, "" },
	{ ALL_EXTENSIONS ", protocol: lmtp", ", protocol: lmtp" },
	{ "", "" },
	{ ALL_EXTENSIONS, ", protocol: lmtp" },
	{ ALL_EXTENSIONS ", relay-hosts: [192.0.2.0/24]", "" },
	{ ALL_EXTENSIONS ", protocol: lmtp, relay-hosts: [192.0.2.0/24]",
	    ", protocol: lmtp" },
	{ "", "" },
	{ "", "" },
	{ "", "" },
	{ ALL_EXTENSIONS, "" },
	{ ALL_EXTENSIONS ", protocol: lmtp", ", protocol: lmtp" },
	{ "", "" }
};

enum { CONF_NORMALIZE = 1, CONF_LMTP = 4, CONF_RULES = 5, CONF_SPLIT = 6,
	CONF_VOUCHED = 7, CONF_VOUCHED_LMTP = 8, CONF_JUDGE = 9,
	CONF_THROTTLE = 10, CONF_RATES = 11, CONF_SCRIPTS = 12,
	CONF_SCRIPTS_LMTP = 13, CONF_SCRIPT_RATES = 14 };

#define NCONFS	(sizeof(texts) / sizeof(texts[0]))

static void
lead_elsewhere(struct rule *r)
{
	uint32_t	i;
	size_t		k;

	for (i = 0; i < r->nstrs; i++)
		for (k = 0; k < sizeof(asked) / sizeof(asked[0]); k++)
			if (strcmp(r->strs[i], asked[k][0]) == 0) {
				free(r->strs[i]);
				r->strs[i] = strdup(asked[k][1]);
				must(r->strs[i] != NULL);
			}
}

static void
prepare_rule(const struct key *k, struct rule *r, void *arg)
{
	unsigned int	line, col;
	char		why[256];

	(void)k;
	(void)arg;
	lead_elsewhere(r);
	must(rule_prepare(r, &line, &col, why, sizeof(why)) == 0);
}

static struct config *
make_conf(size_t i)
{
	struct conf_errors	 errs = { .errors = { .n = 0 } };
	struct config		*conf;
	struct macros		 macros = { .n = 0 };
	char			 text[4096], cdb[] = "cdb=" CDB_FILE;
	uint32_t		 id = 0;
	int			 n;
	size_t			 k;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	n = snprintf(text, sizeof(text), texts[i], extras[i].listener,
	    extras[i].remote);
#pragma GCC diagnostic pop
	must(n > 0 && (size_t)n < sizeof(text));
	cdb_file(cdb + strlen("cdb="));
	must(macros_add(&macros, cdb) == 0);
	conf = parent_conf_parse("fuzz", text, (size_t)n, &macros, &errs,
	    NULL);
	(void)unlink(cdb + strlen("cdb="));
	macros_clear(&macros);
	if (conf == NULL)
		conf_errors_print(&errs, stderr);
	must(conf != NULL);
	conf_errors_clear(&errs);
	conf_assign_ids(conf, NULL, &id);
	conf_each_rule(conf, prepare_rule, NULL);
	conf->nsmtpd = i == CONF_THROTTLE ? 2 : 1;
	must(throttle_prepare(conf) == 0);
	for (k = 0; k < conf->lists.n; k++) {
		conf->lists.v[k]->priv = list_index((struct conf_list *)
		    (void *)conf->lists.v[k]);
		must(conf->lists.v[k]->priv != NULL);
	}
	if (i == CONF_NORMALIZE || i == CONF_SCRIPTS)
		((struct conf_listener *)(void *)conf->listeners.v[0])->tls =
		    LTLS_STARTTLS;
	return conf;
}

#endif
