/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The tables of postern.yaml, continued: session, stage by stage.  Most of
 * it lies flat in struct conf_session, since code asks for "the limit of
 * recipients" and not for the section that it is written in.
 */

#include "schema.h"

static const char *const w_early[] = { "allow", "reject", NULL };
static const char *const w_reverse[] = { "auto", "always", "never", NULL };
static const char *const w_newline[] = { "reject", "normalize", NULL };
static const char *const w_verify_failure[] = {
	"defer", "accept", "stale", NULL
};
static const char *const w_on_error[] = { "defer", "accept", NULL };
static const char *const w_on_error_of[] = {
	"session", "defer", "accept", NULL
};
static const char *const w_lockout[] = { "user+network", "network", NULL };

/* The script of a stage, and what its failure means there. */
#define SCRIPT(st)							\
	{ K("script", T_RULE), AT(conf_session, script[st]),		\
	    .of = T_STR, DEF("false"), .flags = K_FALSE | K_NAME,	\
	    .ref = "script", .stage = st, TO(R_SMTPD),			\
	    HELP("judges the stage") }
#define ON_ERROR(st)							\
	{ K("on-error", T_WORD), AT(conf_session, on_error_of[st]),	\
	    DEF("session"), .words = w_on_error_of, TO(R_SMTPD),	\
	    HELP("when its script fails; session: as for all stages") }

static const struct key k_connect[] = {
	SCRIPT(STAGE_CONNECT),
	{ K("reverse-dns", T_WORD), AT(conf_session, reverse_dns),
	    DEF("auto"), .words = w_reverse, TO(R_SMTPD),
	    HELP("auto = where something needs the name") },
	{ K("early-talker", T_WORD), AT(conf_session, early_talker),
	    DEF("allow"), .words = w_early, TO(R_SMTPD),
	    HELP("clients that send before the banner") },
	ON_ERROR(STAGE_CONNECT),
	{ .name = NULL }
};
static const struct schema s_connect = { "session connect", 0, k_connect };

static const struct key k_ehlo[] = {
	{ K("require", T_BOOL), AT(conf_session, ehlo_require),
	    DEF("true"), TO(R_SMTPD), HELP("no MAIL before it") },
	{ K("reject-non-fqdn", T_BOOL),
	    AT(conf_session, ehlo_reject_non_fqdn), DEF("false"),
	    TO(R_SMTPD), HELP("names without a dot are refused") },
	SCRIPT(STAGE_EHLO),
	ON_ERROR(STAGE_EHLO),
	{ .name = NULL }
};
static const struct schema s_ehlo = { "session ehlo", 0, k_ehlo };

static const struct key k_auth_errors[] = {
	{ K("total", T_INT), NOWHERE, DEF("3"), RANGE(1, 1000),
	    .flags = K_LATER, .alias = "max",
	    HELP("failed attempts that end the session") },
	{ K("wait", T_DURATION), NOWHERE, DEF("5s"), RANGE(0, 2 * MINUTE),
	    .flags = K_LATER, HELP("delay of the reply to each") },
	{ .name = NULL }
};
static const struct schema s_auth_errors = { "session auth errors", 0,
	k_auth_errors
};

static const struct key k_lockout[] = {
	{ K("per", T_STRS), NOWHERE, DEF("[user+network, network]"),
	    .words = w_lockout, .max = 2, .flags = K_LATER,
	    HELP("who is locked out") },
	{ K("total", T_INT), NOWHERE, DEF("10"), RANGE(1, 1000000),
	    .flags = K_LATER, HELP("failed attempts until then") },
	{ K("period", T_DURATION), NOWHERE, DEF("15m"),
	    RANGE(SECOND, 7 * DAY), .flags = K_LATER,
	    HELP("in which they are counted") },
	{ K("block", T_DURATION), NOWHERE, DEF("15m"),
	    RANGE(SECOND, 7 * DAY), .flags = K_LATER,
	    HELP("for how long") },
	{ .name = NULL }
};
static const struct schema s_lockout = { "session auth lockout", 0,
	k_lockout
};

static const struct key k_auth[] = {
	{ K("require", T_RULE), NOWHERE, .of = T_BOOL, DEF("false"),
	    .flags = K_REFUSE, .stage = STAGE_MAIL,
	    HELP("no MAIL before it") },
	{ K("mechanisms", T_RULE), NOWHERE, .of = T_STRS,
	    DEF("[plain, login]"), .flags = K_LATER, .stage = STAGE_EHLO,
	    HELP("narrows what the listener lists") },
	{ K("allow-plain-text", T_BOOL), NOWHERE, DEF("false"),
	    .flags = K_LATER, HELP("PLAIN and LOGIN without TLS") },
	{ K("proxy", T_RULE), NOWHERE, .of = T_STR, DEF("default"),
	    .flags = K_LATER, .stage = STAGE_EHLO,
	    HELP("which smtp-auth-proxy") },
	{ K("must-match-sender", T_RULE), NOWHERE, .of = T_BOOL,
	    DEF("false"), .flags = K_LATER, .stage = STAGE_MAIL,
	    HELP("the sender must belong to the login") },
	{ K("sender-logins", T_STR), NOWHERE, DEF("false"),
	    .flags = K_FALSE | K_NAME | K_REFUSE, .ref = "lookup",
	    HELP("look-up of :login and :sender for aliases") },
	{ K("errors", T_STRUCT), NOWHERE, DEF("{}"),
	    .sub = &s_auth_errors, HELP("failed attempts") },
	{ K("lockout", T_STRUCT), NOWHERE, DEF("{}"), .sub = &s_lockout,
	    HELP("failed attempts of all sessions") },
	{ K("log-authentication", T_BOOL), NOWHERE, DEF("true"),
	    .flags = K_LATER, HELP("a line per attempt") },
	{ K("script", T_RULE), NOWHERE, .of = T_STR, DEF("false"),
	    .flags = K_FALSE | K_NAME | K_REFUSE, .ref = "script",
	    .stage = STAGE_AUTH, HELP("judges the stage") },
	ON_ERROR(STAGE_AUTH),
	{ .name = NULL }
};
static const struct schema s_auth = { "session auth", 0, k_auth };

static const struct key k_mail[] = {
	SCRIPT(STAGE_MAIL),
	ON_ERROR(STAGE_MAIL),
	{ .name = NULL }
};
static const struct schema s_mail = { "session mail", 0, k_mail };

static const struct key k_lookup[] = {
	{ K("domains", T_RULE), AT(conf_session, domains), .of = T_STR,
	    DEF("false"), .flags = K_FALSE | K_NAME, .ref = "lookup",
	    .stage = STAGE_RCPT, TO(R_SMTPD),
	    HELP("where local domains are known") },
	{ K("addresses", T_RULE), AT(conf_session, addresses),
	    .of = T_STR, DEF("false"), .flags = K_FALSE | K_NAME,
	    .ref = "lookup", .stage = STAGE_RCPT, TO(R_SMTPD),
	    HELP("where their addresses are") },
	{ K("vrfy", T_RULE), AT(conf_session, vrfy), .of = T_STR,
	    DEF("false"), .flags = K_FALSE | K_NAME, .ref = "lookup",
	    .stage = STAGE_AUTH, TO(R_SMTPD), HELP("answers VRFY") },
	{ K("expn", T_RULE), AT(conf_session, expn), .of = T_STR,
	    DEF("false"), .flags = K_FALSE | K_NAME, .ref = "lookup",
	    .stage = STAGE_AUTH, TO(R_SMTPD), HELP("answers EXPN") },
	{ .name = NULL }
};
static const struct schema s_lookup = { "session rcpt lookup", 0,
	k_lookup
};

static const struct key k_per_address[] = {
	{ K("total", T_INT), AT(conf_session, address_total), DEF("50"),
	    RANGE(1, 1000000), TO(R_SMTPD),
	    HELP("errors until it is blocked") },
	{ K("period", T_DURATION), AT(conf_session, address_period),
	    DEF("15m"), RANGE(SECOND, 7 * DAY), TO(R_SMTPD),
	    HELP("in which they are counted") },
	{ K("block", T_DURATION), AT(conf_session, address_block),
	    DEF("15m"), RANGE(SECOND, 7 * DAY), TO(R_SMTPD),
	    HELP("for how long") },
	{ .name = NULL }
};
static const struct schema s_per_address = {
	"session rcpt errors per-address", 0, k_per_address
};

static const struct key k_rcpt_errors[] = {
	{ K("total", T_INT), AT(conf_session, errors_total), DEF("10"),
	    RANGE(1, 1000000), .alias = "max", TO(R_SMTPD),
	    HELP("refused recipients that end the session") },
	{ K("wait", T_DURATION), AT(conf_session, errors_wait), DEF("5s"),
	    RANGE(0, 2 * MINUTE), TO(R_SMTPD),
	    HELP("delay of the reply to each") },
	{ K("per-address", T_STRUCT), INLINE, DEF("{}"),
	    .sub = &s_per_address, HELP("of all sessions of a client") },
	{ .name = NULL }
};
static const struct schema s_rcpt_errors = { "session rcpt errors", 0,
	k_rcpt_errors
};

static const struct key k_rcpt[] = {
	{ K("relay", T_RULE), AT(conf_session, relay), .of = T_BOOL,
	    DEF("false"), .stage = STAGE_RCPT, TO(R_SMTPD),
	    HELP("foreign domains are accepted") },
	{ K("max-recipients", T_RULE), AT(conf_session, max_recipients),
	    .of = T_INT, DEF("100"), RANGE(1, 1000000),
	    .stage = STAGE_RCPT, TO(R_SMTPD),
	    HELP("accepted ones of a transaction") },
	SCRIPT(STAGE_RCPT),
	{ K("directory", T_RULE), AT(conf_session, directory),
	    .of = T_STR, DEF("false"), .flags = K_FALSE | K_NAME,
	    .ref = "directory", .stage = STAGE_RCPT, TO(R_SMTPD),
	    HELP("knows local domains and addresses") },
	{ K("lookup", T_STRUCT), INLINE, DEF("{}"), .sub = &s_lookup,
	    HELP("or these know them") },
	{ K("errors", T_STRUCT), INLINE, DEF("{}"), .sub = &s_rcpt_errors,
	    HELP("refused recipients") },
	{ K("verify-failure", T_RULE), AT(conf_session, verify_failure),
	    .of = T_WORD, DEF("defer"), .words = w_verify_failure,
	    .stage = STAGE_RCPT, TO(R_SMTPD),
	    HELP("when nobody can tell") },
	{ K("warn-only", T_RULE), AT(conf_session, warn_only),
	    .of = T_BOOL, DEF("false"), .stage = STAGE_RCPT, TO(R_SMTPD),
	    HELP("log what would be refused, and accept it") },
	{ K("postmaster", T_STR), AT(conf_session, postmaster),
	    DEF("postmaster"), .check = CHECK_POSTMASTER, TO(R_SMTPD),
	    HELP("where mail to <postmaster> goes") },
	ON_ERROR(STAGE_RCPT),
	{ .name = NULL }
};
static const struct schema s_rcpt = { "session rcpt", 0, k_rcpt };

static const struct key k_data[] = {
	SCRIPT(STAGE_DATA),
	{ K("max-messages", T_INT), AT(conf_session, max_messages),
	    DEF("100"), RANGE(1, 10000000), TO(R_SMTPD),
	    HELP("of a session") },
	{ K("max-size", T_SIZE), AT(conf_session, max_size), DEF("25mb"),
	    RANGE(KILO, 1024 * GIGA), TO(R_SMTPD), HELP("of a message") },
	{ K("max-received", T_INT), AT(conf_session, max_received),
	    DEF("50"), RANGE(1, 1000), TO(R_SMTPD),
	    HELP("Received fields; more are a loop") },
	{ K("bare-newline", T_RULE), AT(conf_session, bare_newline),
	    .of = T_WORD, DEF("reject"), .words = w_newline,
	    .stage = STAGE_DATA, TO(R_SMTPD),
	    HELP("LF without CR in a message") },
	ON_ERROR(STAGE_DATA),
	{ .name = NULL }
};
static const struct schema s_data = { "session data", 0, k_data };

static const struct key k_throttle[] = {
	{ K("match", T_COND), AT(conf_throttle, match),
	    .stage = STAGE_ANY, TO(R_SMTPD),
	    HELP("where the condition holds") },
	{ K("key", T_STRS), AT(conf_throttle, key),
	    .check = CHECK_THROTTLE_KEY, RANGE(1, 16),
	    .flags = K_REQUIRED, TO(R_SMTPD), HELP("what is counted") },
	{ K("rate", T_RATE), AT(conf_throttle, rate),
	    RANGE(1, 1000000000), TO(R_SMTPD), HELP("COUNT/PERIOD") },
	{ K("concurrency", T_INT), AT(conf_throttle, concurrency),
	    RANGE(1, 1000000), TO(R_SMTPD), HELP("at a time") },
	{ .name = NULL }
};
static const struct schema s_throttle = {
	"session throttle", sizeof(struct conf_throttle), k_throttle
};

static const struct key k_session[] = {
	{ K("timeout", T_DURATION), AT(conf_session, timeout), DEF("5m"),
	    RANGE(100, DAY), TO(R_SMTPD),
	    HELP("longest wait for a whole command") },
	{ K("duration", T_DURATION), AT(conf_session, duration),
	    DEF("15m"), RANGE(100, 7 * DAY), TO(R_SMTPD),
	    HELP("of a session, looked at between commands") },
	{ K("transfer-limit", T_SIZE), AT(conf_session, transfer_limit),
	    DEF("250mb"), RANGE(KILO, 1024 * GIGA), TO(R_SMTPD),
	    HELP("of a session, looked at between commands") },
	{ K("min-rate", T_SIZE), AT(conf_session, min_rate), DEF("500"),
	    RANGE(0, GIGA), TO(R_SMTPD),
	    HELP("octets a second of a message, after 30 s; 0 = any") },
	{ K("max-bad-commands", T_INT),
	    AT(conf_session, max_bad_commands), DEF("20"),
	    RANGE(1, 1000000), TO(R_SMTPD),
	    HELP("unknown or malformed ones that end the session") },
	{ K("soft-bounce", T_RULE), AT(conf_session, soft_bounce),
	    .of = T_BOOL, DEF("false"), .stage = STAGE_ANY, TO(R_SMTPD),
	    .flags = K_AT_ONCE, HELP("our own 5xx become 4xx") },
	{ K("connect", T_STRUCT), INLINE, DEF("{}"), .sub = &s_connect,
	    HELP("when a client connects") },
	{ K("ehlo", T_STRUCT), INLINE, DEF("{}"), .sub = &s_ehlo,
	    HELP("when it says its name") },
	{ K("auth", T_STRUCT), INLINE, DEF("{}"), .sub = &s_auth,
	    HELP("when it logs in") },
	{ K("mail", T_STRUCT), INLINE, DEF("{}"), .sub = &s_mail,
	    HELP("when it names a sender") },
	{ K("rcpt", T_STRUCT), INLINE, DEF("{}"), .sub = &s_rcpt,
	    HELP("when it names a recipient") },
	{ K("data", T_STRUCT), INLINE, DEF("{}"), .sub = &s_data,
	    HELP("when it sends a message") },
	{ K("throttle", T_SEQ), AT(conf_session, throttles),
	    .sub = &s_throttle, TO(R_SMTPD),
	    HELP("rates and numbers of clients") },
	{ K("on-error", T_WORD), AT(conf_session, on_error), DEF("defer"),
	    .words = w_on_error, TO(R_SMTPD),
	    HELP("when a script fails") },
	{ .name = NULL }
};
const struct schema schema_session = {
	"session", sizeof(struct conf_session), k_session
};
