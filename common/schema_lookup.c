/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The tables of postern.yaml, continued: where addresses are looked up, and
 * what is remembered of it.  datasource: whom db/NAME asks.  directory: what
 * directory/NAME is made of.  verify-cache: call-forward's verdicts.
 *
 * Each row goes to those only who use it: lookupd has the SQL and where the
 * database is, verifyd what is asked when, smtpd how long that may take.
 */

#include "schema.h"

static const char *const w_directory[] = {
	"sql", "cdb", "list", "remote", NULL
};

/* --- datasource ----------------------------------------------------------- */

static const struct key k_datasource[] = {
	{ K("uri", T_STRS), AT(conf_datasource, uri), RANGE(1, 16),
	    .flags = K_REQUIRED | K_SECRET, .check = CHECK_TEXT,
	    HELP("sqlite:PATH, postgresql://..., cdb:PATH, file:PATH; "
	    "or several") },
	{ K("files", T_FDS), AT(conf_datasource, files), .flags = K_HIDDEN,
	    TO(R_VERIFYD) },
	{ K("cache-life", T_DURATION), AT(conf_datasource, cache_life),
	    DEF("1h"), RANGE(0, 365 * DAY), TO(R_VERIFYD),
	    HELP("how long an answer is believed") },
	{ K("cache-size", T_INT), AT(conf_datasource, cache_size),
	    DEF("1000"), RANGE(0, 10000000), TO(R_VERIFYD),
	    HELP("answers kept") },
	{ K("max-rows", T_INT), AT(conf_datasource, max_rows),
	    DEF("100"), RANGE(1, 100000),
	    TO(R_VERIFYD | R_LOOKUPD | R_PROXYD),
	    HELP("of an answer; more are left out") },
	{ K("no-cache", T_BOOL), AT(conf_datasource, no_cache),
	    DEF("false"), TO(R_VERIFYD),
	    HELP("keep no answers") },
	{ K("timeout", T_DURATION), AT(conf_datasource, timeout),
	    DEF("5s"), RANGE(10, 10 * MINUTE),
	    TO(R_SMTPD | R_VERIFYD | R_LOOKUPD | R_PROXYD),
	    HELP("for an answer") },
	{ K("connections", T_INT), AT(conf_datasource, connections),
	    DEF("4"), RANGE(1, 256), TO(R_VERIFYD | R_LOOKUPD),
	    HELP("to it; processes of sqlite:") },
	{ K("scripts", T_BOOL), AT(conf_datasource, scripts),
	    DEF("false"), TO(R_LOOKUPD | R_PROXYD | R_VERIFYD),
	    HELP("may scripts run SQL there, and write with sqlite:") },
	{ K("query", T_TEXTS), AT(conf_datasource, query),
	    TO(R_VERIFYD | R_LOOKUPD),
	    HELP("named queries, for db/DATASOURCE/QUERY") },
	{ .name = NULL }
};
const struct schema schema_datasource = {
	"datasource", sizeof(struct conf_datasource), k_datasource
};

/* --- directory ------------------------------------------------------------ */

static const struct key k_directory_query[] = {
	{ K("address", T_STR), AT(conf_directory, query_address),
	    .max = 4096, TO(R_VERIFYD | R_LOOKUPD),
	    HELP("is :address known") },
	{ K("domain", T_STR), AT(conf_directory, query_domain),
	    .max = 4096, TO(R_VERIFYD | R_LOOKUPD),
	    HELP("is :domain local") },
	{ K("vrfy", T_STR), AT(conf_directory, query_vrfy),
	    .max = 4096, TO(R_SMTPD | R_VERIFYD | R_LOOKUPD),
	    HELP("what VRFY answers") },
	{ K("expn", T_STR), AT(conf_directory, query_expn),
	    .max = 4096, TO(R_SMTPD | R_VERIFYD | R_LOOKUPD),
	    HELP("what EXPN answers") },
	{ .name = NULL }
};
static const struct schema s_directory_query = { "directory query", 0,
	k_directory_query
};

static const struct key k_directory[] = {
	{ K("type", T_WORD), AT(conf_directory, type),
	    .words = w_directory, .flags = K_REQUIRED,
	    TO(R_SMTPD | R_VERIFYD | R_LOOKUPD), HELP("what is asked") },
	{ K("datasource", T_STR), AT(conf_directory, datasource),
	    .flags = K_NAME, .ref = "datasource",
	    TO(R_SMTPD | R_VERIFYD | R_LOOKUPD), HELP("of sql and cdb") },
	{ K("addresses", T_STR), AT(conf_directory, addresses),
	    .flags = K_NAME, .ref = "lookup", TO(R_VERIFYD),
	    HELP("of list") },
	{ K("remote", T_STR), AT(conf_directory, remote),
	    .flags = K_NAME, .ref = "remote", TO(R_SMTPD | R_VERIFYD),
	    HELP("of remote") },
	{ K("domains", T_STR), AT(conf_directory, domains),
	    .flags = K_NAME, .ref = "lookup", TO(R_SMTPD | R_VERIFYD),
	    HELP("local domains; or query.domain") },
	{ K("query", T_STRUCT), INLINE, DEF("{}"),
	    .sub = &s_directory_query, HELP("of sql") },
	{ K("subaddressing", T_BOOL), AT(conf_directory, subaddressing),
	    DEF("true"), TO(R_VERIFYD),
	    HELP("cut at the first + for the look-up") },
	{ K("catch-all", T_BOOL), AT(conf_directory, catch_all),
	    DEF("false"), TO(R_VERIFYD), HELP("then look up @domain") },
	{ .name = NULL }
};
const struct schema schema_directory = {
	"directory", sizeof(struct conf_directory), k_directory
};

/* --- verify-cache -------------------------------------------------------- */

static const struct key k_verify_cache[] = {
	{ K("path", T_STR), AT(conf_verify_cache, path),
	    DEF("/var/db/postern/verify.cdb"), .check = CHECK_PATH,
	    TO(R_VERIFYD), HELP("the file") },
	{ K("entries", T_INT), AT(conf_verify_cache, entries),
	    DEF("1000000"), RANGE(1000, 50000000), TO(R_VERIFYD),
	    HELP("kept at most") },
	{ K("snapshot", T_DURATION), AT(conf_verify_cache, snapshot),
	    DEF("5m"), RANGE(SECOND, DAY), TO(R_VERIFYD),
	    HELP("how often it is written") },
	{ .name = NULL }
};
const struct schema schema_verify_cache = {
	"verify-cache", sizeof(struct conf_verify_cache), k_verify_cache
};
