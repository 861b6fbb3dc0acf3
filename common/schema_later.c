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

static const char *const w_proxy_tls[] = {
	"off", "opportunistic", "required", "implicit", NULL
};

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

/* --- metrics -------------------------------------------------------------- */

static const struct key k_metrics[] = {
	{ K("bind", T_STRS), NOWHERE, RANGE(1, 16), .flags = K_REQUIRED,
	    .check = CHECK_BIND, HELP("where they are served") },
	{ .name = NULL }
};
const struct schema schema_metrics = { "metrics", 0, k_metrics };
