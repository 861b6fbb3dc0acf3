/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The tables of postern.yaml, continued: sections of which little or nothing
 * is built yet.  They are checked, so that a file written for all of postern
 * is told its mistakes, and printed by `postern -nv'.
 */

#include "schema.h"

static const char *const w_directory[] = {
	"sql", "cdb", "list", "remote", NULL
};
static const char *const w_proxy_tls[] = {
	"off", "opportunistic", "required", "implicit", NULL
};

/* --- datasource ----------------------------------------------------------- */

static const struct key k_datasource[] = {
	{ K("uri", T_STRS), AT(conf_datasource, uri), RANGE(1, 16),
	    .flags = K_REQUIRED, .check = CHECK_TEXT,
	    HELP("a cdb:PATH or several, asked in turns") },
	{ K("files", T_FDS), AT(conf_datasource, files), .flags = K_HIDDEN,
	    TO(R_VERIFYD) },
	{ K("cache-life", T_DURATION), NOWHERE, DEF("1h"),
	    RANGE(0, 365 * DAY), .flags = K_LATER, HELP("of an answer") },
	{ K("cache-size", T_INT), NOWHERE, DEF("1000"),
	    RANGE(0, 10000000), .flags = K_LATER, HELP("answers kept") },
	{ K("max-rows", T_INT), NOWHERE, DEF("100"), RANGE(1, 100000),
	    .flags = K_LATER, HELP("of an answer") },
	{ K("no-cache", T_BOOL), NOWHERE, DEF("false"), .flags = K_LATER,
	    HELP("keep no answers") },
	{ K("timeout", T_DURATION), NOWHERE, DEF("5s"),
	    RANGE(10, 10 * MINUTE), .flags = K_LATER,
	    HELP("for an answer") },
	{ K("connections", T_INT), NOWHERE, DEF("4"), RANGE(1, 256),
	    .flags = K_LATER, HELP("to it") },
	{ K("scripts", T_BOOL), NOWHERE, DEF("false"), .flags = K_LATER,
	    HELP("may scripts run SQL there") },
	{ K("query", T_TEXTS), NOWHERE, .flags = K_LATER,
	    HELP("named queries, for db/DATASOURCE/QUERY") },
	{ .name = NULL }
};
const struct schema schema_datasource = {
	"datasource", sizeof(struct conf_datasource), k_datasource
};

/* --- directory ------------------------------------------------------------ */

static const struct key k_directory_query[] = {
	{ K("address", T_STR), NOWHERE, .check = CHECK_NONE, .max = 4096,
	    HELP("is :address known") },
	{ K("domain", T_STR), NOWHERE, .max = 4096,
	    HELP("is :domain local") },
	{ K("vrfy", T_STR), NOWHERE, .max = 4096,
	    HELP("what VRFY answers") },
	{ K("expn", T_STR), NOWHERE, .max = 4096,
	    HELP("what EXPN answers") },
	{ .name = NULL }
};
static const struct schema s_directory_query = { "directory query", 0,
	k_directory_query
};

static const struct key k_directory[] = {
	{ K("type", T_WORD), NOWHERE, .words = w_directory,
	    .flags = K_REQUIRED, HELP("what is asked") },
	{ K("datasource", T_STR), NOWHERE, .flags = K_NAME,
	    .ref = "datasource", HELP("of sql and cdb") },
	{ K("addresses", T_STR), NOWHERE, .flags = K_NAME, .ref = "lookup",
	    HELP("of list") },
	{ K("remote", T_STR), NOWHERE, .flags = K_NAME, .ref = "remote",
	    HELP("of remote") },
	{ K("domains", T_STR), NOWHERE, .flags = K_NAME, .ref = "lookup",
	    HELP("local domains; or query.domain") },
	{ K("query", T_STRUCT), NOWHERE, DEF("{}"),
	    .sub = &s_directory_query, HELP("of sql") },
	{ K("subaddressing", T_BOOL), NOWHERE, DEF("true"),
	    HELP("cut at the first + for the look-up") },
	{ K("catch-all", T_BOOL), NOWHERE, DEF("false"),
	    HELP("then look up @domain") },
	{ .name = NULL }
};
const struct schema schema_directory = { "directory", 0, k_directory };

/* --- smtp-auth-proxy ------------------------------------------------------ */

static const struct key k_proxy_tls[] = {
	{ K("mode", T_WORD), NOWHERE, DEF("required"),
	    .words = w_proxy_tls, HELP("off and opportunistic: see there") },
	{ K("verify", T_BOOL), NOWHERE, DEF("true"),
	    HELP("judge the certificate") },
	{ K("name", T_STR), NOWHERE, DEF("\"\""), .check = CHECK_TLSNAME,
	    HELP("name it must have") },
	{ .name = NULL }
};
static const struct schema s_proxy_tls = { "smtp-auth-proxy tls", 0,
	k_proxy_tls
};

static const struct key k_proxy_cache[] = {
	{ K("positive", T_DURATION), NOWHERE, DEF("0s"), RANGE(0, DAY),
	    HELP("how long a yes is believed; 0s = not") },
	{ K("negative", T_DURATION), NOWHERE, DEF("10s"), RANGE(0, DAY),
	    HELP("how long a no is") },
	{ .name = NULL }
};
static const struct schema s_proxy_cache = { "smtp-auth-proxy cache", 0,
	k_proxy_cache
};

static const struct key k_auth_proxy[] = {
	{ K("host", T_STRS), NOWHERE, .max = 64, .check = CHECK_REMOTE,
	    HELP("hosts, or the names of remotes") },
	{ K("port", T_INT), NOWHERE, DEF("25"), RANGE(1, 65535),
	    HELP("their port") },
	{ K("timeout", T_DURATION), NOWHERE, DEF("60s"), RANGE(100, HOUR),
	    HELP("of an attempt") },
	{ K("tls", T_STRUCT), NOWHERE, DEF("{}"), .sub = &s_proxy_tls,
	    HELP("encryption") },
	{ K("ds-cache", T_STR), NOWHERE, .alias = "datasource",
	    .flags = K_NAME, .ref = "datasource", HELP("runs the query") },
	{ K("query", T_STR), NOWHERE, .max = 4096,
	    HELP("gives the hosts of a user") },
	{ K("cache", T_STRUCT), NOWHERE, DEF("{}"), .sub = &s_proxy_cache,
	    HELP("of verdicts") },
	{ .name = NULL }
};
const struct schema schema_auth_proxy = { "smtp-auth-proxy", 0,
	k_auth_proxy
};

/* --- verify-cache, metrics ------------------------------------------------ */

static const struct key k_verify_cache[] = {
	{ K("path", T_STR), NOWHERE, DEF("/var/db/postern/verify.cdb"),
	    .check = CHECK_PATH, .flags = K_LATER, HELP("the file") },
	{ K("entries", T_INT), NOWHERE, DEF("1000000"),
	    RANGE(1000, 50000000), .flags = K_LATER,
	    HELP("kept at most") },
	{ K("snapshot", T_DURATION), NOWHERE, DEF("5m"),
	    RANGE(SECOND, DAY), .flags = K_LATER,
	    HELP("how often it is written") },
	{ .name = NULL }
};
const struct schema schema_verify_cache = { "verify-cache", 0,
	k_verify_cache
};

static const struct key k_metrics[] = {
	{ K("bind", T_STRS), NOWHERE, RANGE(1, 16), .flags = K_REQUIRED,
	    .check = CHECK_BIND, HELP("where they are served") },
	{ .name = NULL }
};
const struct schema schema_metrics = { "metrics", 0, k_metrics };
