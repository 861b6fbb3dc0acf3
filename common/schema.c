/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The tables of postern.yaml: every key once, with its type, default,
 * range, the field that holds it, the roles that are told it and its line
 * in the manual.  The order is the manual's and that of `postern -nv'.
 *
 * A row with K_LATER or K_REFUSE belongs to a feature that is not built: its
 * values are checked like all others and then left alone, with a warning or
 * (where that would let in what the operator meant to keep out) an error.
 * To build a feature is to give its rows a field and drop the flag.
 *
 * schema_session.c has the session's keys, schema_lookup.c those of look-ups,
 * schema_later.c those of whole sections that nothing uses yet.
 */

#include "schema.h"

static const char *const w_log_format[] = { "text", "json", NULL };
static const char *const w_log_level[] = {
	"error", "warn", "info", "debug", NULL
};
static const char *const w_tls_protocols[] = { "tlsv1.2", "tlsv1.3", NULL };
static const char *const w_client_verify[] = {
	"off", "ask", "required", NULL
};
static const char *const w_listen_tls[] = {
	"off", "starttls", "required", "implicit", NULL
};
static const char *const w_protocol[] = { "smtp", "lmtp", NULL };
static const char *const w_remote_tls[] = {
	"off", "opportunistic", "required", "implicit", NULL
};
static const char *const w_xclient[] = {
	"no", "if-available", "required", NULL
};
static const char *const w_proxy_out[] = { "off", "v1", "v2", NULL };
static const char *const w_lmtp_mixed[] = { "split", "single", NULL };
static const char *const w_eight_bit[] = { "pass", "strict", NULL };
static const char *const w_reply_text[] = { "pass", "own", NULL };

/* --- processes, users, log, resolver ------------------------------------- */

static const struct key k_processes[] = {
	{ K("smtpd", T_INT), AT(config, nsmtpd), RANGE(1, 256),
	    .flags = K_CPUS, TO(R_SMTPD),
	    HELP("frontends; by default one per CPU") },
	{ K("proxyd", T_INT), AT(config, nproxyd), RANGE(1, 256),
	    .flags = K_HALF_CPUS, TO(R_SMTPD),
	    HELP("script workers; by default one per two CPUs") },
	{ .name = NULL }
};
static const struct schema s_processes = { "processes", 0, k_processes };

static const struct key k_user[] = {
	{ K("smtpd", T_STR), AT(conf_users, smtpd), DEF("_postern"),
	    .check = CHECK_USER, HELP("user of smtpd") },
	{ K("proxyd", T_STR), AT(conf_users, proxyd), DEF("_postproxy"),
	    .check = CHECK_USER, HELP("user of proxyd") },
	{ K("authd", T_STR), AT(conf_users, authd), DEF("_postauth"),
	    .check = CHECK_USER, .flags = K_LATER, HELP("user of authd") },
	{ K("verifyd", T_STR), AT(conf_users, verifyd), DEF("_postverify"),
	    .check = CHECK_USER, HELP("user of verifyd") },
	{ K("dialer", T_STR), AT(conf_users, dialer), DEF("_postdial"),
	    .check = CHECK_USER, HELP("user of dialer") },
	{ K("resolved", T_STR), AT(conf_users, resolved), DEF("_postdns"),
	    .check = CHECK_USER, HELP("user of resolved") },
	{ K("lookupd", T_STR), AT(conf_users, lookupd), DEF("_postlookup"),
	    .check = CHECK_USER, HELP("user of lookupd") },
	{ K("metricsd", T_STR), AT(conf_users, metricsd),
	    DEF("_postmetric"), .check = CHECK_USER, .flags = K_LATER,
	    HELP("user of metricsd") },
	{ .name = NULL }
};
static const struct schema s_user = {
	"user", sizeof(struct conf_users), k_user
};

static const struct key k_log[] = {
	{ K("to", T_STR), AT(conf_log, to), DEF("syslog"),
	    .check = CHECK_LOG, TO(R_ALL),
	    HELP("syslog, stderr or the path of a file") },
	{ K("format", T_WORD), AT(conf_log, format), DEF("text"),
	    .words = w_log_format, TO(R_ALL), HELP("form of a line") },
	{ K("level", T_WORD), AT(conf_log, level), DEF("info"),
	    .words = w_log_level, TO(R_ALL), HELP("least level logged") },
	{ .name = NULL }
};
static const struct schema s_log = {
	"log", sizeof(struct conf_log), k_log
};

static const struct key k_resolver[] = {
	{ K("server", T_STRS), AT(conf_resolver, server), DEF("[]"),
	    .check = CHECK_SERVER, TO(R_RESOLVED),
	    HELP("addresses of name servers; none = resolv.conf's") },
	{ K("timeout", T_DURATION), AT(conf_resolver, timeout), DEF("5s"),
	    RANGE(100, MINUTE),
	    TO(R_RESOLVED | R_VERIFYD | R_SMTPD | R_PROXYD),
	    HELP("longest wait for an answer") },
	{ .name = NULL }
};
static const struct schema s_resolver = {
	"resolver", sizeof(struct conf_resolver), k_resolver
};

/* --- tls ------------------------------------------------------------------ */

static const struct key k_cert[] = {
	{ K("cert", T_FILE), AT(conf_cert, cert), .max = 128 * KILO,
	    .flags = K_REQUIRED, .check = CHECK_PATH, TO(R_SMTPD),
	    HELP("PEM file: the certificate, its chain behind it") },
	{ K("key", T_FILE), AT(conf_cert, key), .max = 64 * KILO,
	    .flags = K_REQUIRED | K_SECRET, .check = CHECK_PATH,
	    TO(R_SMTPD),
	    HELP("PEM file: the private key, readable by its owner only") },
	{ .name = NULL }
};
static const struct schema s_cert = {
	"tls certificate", sizeof(struct conf_cert), k_cert
};

static const struct key k_tls[] = {
	{ K("certificate", T_MAP), AT(conf_tls, certs), .sub = &s_cert,
	    TO(R_SMTPD),
	    HELP("certificates; default is used where SNI chooses none") },
	{ K("protocols", T_STRS), AT(conf_tls, protocols),
	    DEF("[tlsv1.2, tlsv1.3]"), .words = w_tls_protocols,
	    RANGE(1, 2), TO(R_SMTPD), HELP("versions spoken") },
	{ K("ciphers", T_STR), AT(conf_tls, ciphers), DEF("secure"),
	    .check = CHECK_TEXT, .min = 1, .max = 1024, TO(R_SMTPD),
	    HELP("as tls_config_set_ciphers(3) takes them") },
	{ K("client-ca", T_FILE), AT(conf_tls, client_ca), DEF("\"\""),
	    .max = 512 * KILO, .check = CHECK_PATH, TO(R_SMTPD),
	    HELP("PEM file: who may sign clients' certificates") },
	{ K("client-verify", T_WORD), AT(conf_tls, client_verify),
	    DEF("\"off\""), .words = w_client_verify, TO(R_SMTPD),
	    HELP("whether clients are asked for one, or must show it") },
	{ .name = NULL }
};
static const struct schema s_tls = {
	"tls", sizeof(struct conf_tls), k_tls
};

/* --- listener ------------------------------------------------------------- */

static const struct key k_listener[] = {
	{ K("bind", T_STRS), AT(conf_listener, bind), RANGE(1, 256),
	    .flags = K_REQUIRED, .check = CHECK_BIND,
	    TO(R_SMTPD | R_DIALER),
	    HELP("ADDRESS:PORT, [ADDRESS]:PORT, :PORT (all) or unix:PATH") },
	{ K("protocol", T_WORD), AT(conf_listener, protocol), DEF("smtp"),
	    .words = w_protocol, TO(R_SMTPD),
	    HELP("what is spoken there") },
	{ K("tls", T_WORD), AT(conf_listener, tls), DEF("\"off\""),
	    .words = w_listen_tls, TO(R_SMTPD),
	    HELP("anything but off needs a certificate") },
	{ K("extensions", T_STRS), AT(conf_listener, extensions),
	    DEF("[default]"), .check = CHECK_EXTENSION, .max = 64,
	    TO(R_SMTPD), HELP("what EHLO offers") },
	{ K("greeting", T_STR), AT(conf_listener, greeting), DEF("ESMTP"),
	    .check = CHECK_TEXT, .max = 200, TO(R_SMTPD),
	    HELP("the banner behind the host name") },
	{ K("backlog", T_INT), AT(conf_listener, backlog), DEF("1024"),
	    RANGE(1, 65535), HELP("see listen(2)") },
	{ K("max-sessions", T_INT), AT(conf_listener, max_sessions),
	    DEF("20000"), RANGE(0, 10000000), TO(R_SMTPD),
	    HELP("sessions at a time; 0 = no limit") },
	{ K("max-sessions-per-address", T_INT),
	    AT(conf_listener, max_per_address), DEF("50"),
	    RANGE(0, 10000000), TO(R_SMTPD),
	    HELP("of one client, relay-hosts exempt; 0 = no limit") },
	{ K("proxy-protocol", T_NETS), NOWHERE, DEF("[]"),
	    .flags = K_REFUSE, HELP("peers that must send a PROXY header") },
	{ K("relay-hosts", T_NETS), AT(conf_listener, relay_hosts),
	    DEF("[]"), TO(R_SMTPD), HELP("clients that may relay") },
	{ K("open-relay", T_BOOL), AT(conf_listener, open_relay),
	    DEF("false"), TO(R_SMTPD), HELP("anybody may relay") },
	{ K("trusted", T_NETS), NOWHERE, DEF("[]"), .flags = K_REFUSE,
	    HELP("peers that may use the X extensions") },
	{ K("mode", T_STR), AT(conf_listener, mode), .check = CHECK_MODE,
	    HELP("of a unix: socket, octal; by default 0660") },
	{ K("owner", T_STR), AT(conf_listener, owner),
	    .check = CHECK_OWNER,
	    HELP("of a unix: socket, USER or USER:GROUP; by default root") },
	{ .name = NULL }
};
static const struct schema s_listener = {
	"listener", sizeof(struct conf_listener), k_listener
};

/* --- replies, list -------------------------------------------------------- */

static const struct key k_replies[] = {
	{ K("unknown", T_STR), AT(conf_replies, unknown),
	    DEF("\"550 5.1.1 no such user\""), .check = CHECK_REPLY,
	    TO(R_SMTPD), HELP("to a RCPT of an unknown local address") },
	{ K("relay", T_STR), AT(conf_replies, relay),
	    DEF("\"550 5.7.1 relaying denied\""), .check = CHECK_REPLY,
	    TO(R_SMTPD), HELP("to a RCPT of a foreign domain") },
	{ K("footer", T_STR), AT(conf_replies, footer), DEF("\"\""),
	    .check = CHECK_TEXT, .max = 200, TO(R_SMTPD),
	    HELP("text behind our own 4xx and 5xx replies") },
	{ .name = NULL }
};
static const struct schema s_replies = {
	"replies", sizeof(struct conf_replies), k_replies
};

static const struct key k_list[] = {
	{ K("entries", T_ENTRIES), AT(conf_list, entries),
	    TO(R_SMTPD | R_VERIFYD),
	    HELP("a sequence, a map of values, or {file: PATH}") },
	{ K("big", T_BOOL), AT(conf_list, big), .flags = K_HIDDEN,
	    TO(R_SMTPD | R_VERIFYD) },
	{ K("path", T_STR), AT(conf_list, path), .flags = K_HIDDEN,
	    TO(R_PARENT) },
	{ K("hash", T_STR), AT(conf_list, hash), .flags = K_HIDDEN,
	    TO(R_PARENT) },
	{ K("size", T_INT), AT(conf_list, size), .flags = K_HIDDEN,
	    RANGE(0, UINT32_MAX), TO(R_SMTPD | R_VERIFYD) },
	{ K("files", T_FDS), AT(conf_list, files), .flags = K_HIDDEN,
	    TO(R_SMTPD | R_VERIFYD) },
	{ .name = NULL }
};
static const struct schema s_list = {
	"list", sizeof(struct conf_list), k_list
};

/* --- remote --------------------------------------------------------------- */

static const struct key k_timeout[] = {
	{ K("connect", T_DURATION), AT(conf_timeouts, connect), DEF("10s"),
	    RANGE(10, HOUR), TO(R_SMTPD | R_DIALER | R_VERIFYD),
	    HELP("for a connection, and for a free one") },
	{ K("command", T_DURATION), AT(conf_timeouts, command), DEF("60s"),
	    RANGE(10, HOUR), TO(R_SMTPD | R_VERIFYD),
	    HELP("for the banner and every reply but those below") },
	{ K("data", T_DURATION), AT(conf_timeouts, data), DEF("3m"),
	    RANGE(10, HOUR), TO(R_SMTPD | R_VERIFYD),
	    HELP("for the next hop to take more of the message") },
	{ K("final", T_DURATION), AT(conf_timeouts, final), DEF("9m"),
	    RANGE(10, HOUR), TO(R_SMTPD | R_VERIFYD),
	    HELP("for the reply to the end of the message") },
	{ K("idle", T_DURATION), AT(conf_timeouts, idle), DEF("30s"),
	    RANGE(0, HOUR), TO(R_SMTPD | R_VERIFYD),
	    HELP("how long an unused connection is kept") },
	{ .name = NULL }
};
static const struct schema s_timeout = {
	"remote timeout", sizeof(struct conf_timeouts), k_timeout
};

static const struct key k_remote_tls[] = {
	{ K("mode", T_WORD), AT(conf_remote_tls, mode),
	    DEF("opportunistic"), .words = w_remote_tls,
	    TO(R_SMTPD | R_VERIFYD),
	    HELP("opportunistic falls back to clear text") },
	{ K("verify", T_BOOL), AT(conf_remote_tls, verify), DEF("true"),
	    .flags = K_DERIVED, TO(R_SMTPD | R_VERIFYD),
	    HELP("judge the certificate; required and implicit only") },
	{ K("name", T_STR), AT(conf_remote_tls, name), DEF("\"\""),
	    .check = CHECK_TLSNAME, TO(R_SMTPD | R_VERIFYD),
	    HELP("name it must have, if not that of the address") },
	{ K("ca", T_STR), AT(conf_remote_tls, ca), DEF("system"),
	    .check = CHECK_CA, TO(R_SMTPD | R_VERIFYD),
	    HELP("system, or a PEM file of those who may sign it") },
	{ K("ca-file", T_FILE), AT(conf_remote_tls, ca_file),
	    .flags = K_HIDDEN, TO(R_SMTPD | R_VERIFYD) },
	{ K("cert", T_FILE), AT(conf_remote_tls, cert), DEF("\"\""),
	    .max = 64 * KILO, .check = CHECK_PATH, TO(R_SMTPD | R_VERIFYD),
	    HELP("our certificate, if we must show one") },
	{ K("key", T_FILE), AT(conf_remote_tls, key), DEF("\"\""),
	    .max = 64 * KILO, .check = CHECK_PATH, .flags = K_SECRET,
	    TO(R_SMTPD | R_VERIFYD), HELP("its private key") },
	{ .name = NULL }
};
static const struct schema s_remote_tls = {
	"remote tls", sizeof(struct conf_remote_tls), k_remote_tls
};

static const struct key k_remote_auth[] = {
	{ K("username", T_STR), AT(conf_remote_auth, username),
	    .flags = K_REQUIRED, .check = CHECK_TEXT, .min = 1, .max = 255,
	    TO(R_SMTPD), HELP("login name") },
	{ K("password", T_SECRET), AT(conf_remote_auth, password),
	    .flags = K_REQUIRED, .max = 1024, TO(R_SMTPD),
	    HELP("text, or {file: PATH}") },
	{ .name = NULL }
};
static const struct schema s_remote_auth = {
	"remote auth", sizeof(struct conf_remote_auth), k_remote_auth
};

static const struct key k_limits[] = {
	{ K("recipients", T_INT), AT(conf_remote_limits, recipients),
	    DEF("50"), RANGE(1, 10000000), TO(R_SMTPD | R_VERIFYD),
	    HELP("of a call-forward connection") },
	{ K("messages", T_INT), AT(conf_remote_limits, messages),
	    DEF("100"), RANGE(1, 10000000), TO(R_SMTPD | R_VERIFYD),
	    HELP("of a relay connection") },
	{ K("errors", T_INT), AT(conf_remote_limits, errors), DEF("3"),
	    RANGE(1, 10000000), TO(R_SMTPD | R_VERIFYD), HELP("of either") },
	{ .name = NULL }
};
static const struct schema s_limits = {
	"remote limits", sizeof(struct conf_remote_limits), k_limits
};

static const struct key k_ttl[] = {
	{ K("positive", T_DURATION), AT(conf_ttl, positive), DEF("1d"),
	    RANGE(0, 365 * DAY), TO(R_VERIFYD),
	    HELP("how long a found address is believed") },
	{ K("negative", T_DURATION), AT(conf_ttl, negative), DEF("1h"),
	    RANGE(0, 365 * DAY), TO(R_VERIFYD),
	    HELP("how long an unknown one is") },
	{ K("refresh", T_DURATION), AT(conf_ttl, refresh), DEF("12h"),
	    RANGE(0, 365 * DAY), TO(R_VERIFYD),
	    HELP("when a found one is asked for again") },
	{ K("keep", T_DURATION), AT(conf_ttl, keep), DEF("7d"),
	    RANGE(0, 365 * DAY), TO(R_VERIFYD),
	    HELP("how long it is kept for verify-failure: stale") },
	{ .name = NULL }
};
static const struct schema s_ttl = {
	"remote cache ttl", sizeof(struct conf_ttl), k_ttl
};

static const struct key k_cache[] = {
	{ K("ttl", T_STRUCT), AT(conf_remote, ttl), DEF("{}"),
	    .sub = &s_ttl, HELP("of verdicts") },
	{ .name = NULL }
};
static const struct schema s_cache = { "remote cache", 0, k_cache };

static const struct key k_remote[] = {
	{ K("address", T_STRS), AT(conf_remote, address), RANGE(1, 64),
	    .flags = K_REQUIRED, .check = CHECK_REMOTE, .mx = KEY_NOT_MX,
	    TO(R_SMTPD | R_DIALER | R_VERIFYD),
	    HELP("host names, addresses, unix:PATH, tried in order") },
	{ K("mx", T_BOOL), AT(conf_remote, mx), .flags = K_HIDDEN,
	    TO(R_SMTPD | R_DIALER | R_VERIFYD) },
	{ K("port", T_INT), AT(conf_remote, port), DEF("25"),
	    RANGE(1, 65535), TO(R_SMTPD | R_DIALER | R_VERIFYD),
	    HELP("its port") },
	{ K("protocol", T_WORD), AT(conf_remote, protocol), DEF("smtp"),
	    .words = w_protocol, TO(R_SMTPD | R_VERIFYD),
	    .mx = KEY_NOT_MX, HELP("what it speaks") },
	{ K("helo", T_STR), AT(conf_remote, helo), DEF("hostname"),
	    .check = CHECK_HELO, TO(R_SMTPD | R_VERIFYD),
	    HELP("hostname, client (what the client said) or a name") },
	{ K("source", T_STRS), AT(conf_remote, source), DEF("[]"),
	    .check = CHECK_ADDR, .max = 64, TO(R_SMTPD | R_DIALER),
	    HELP("local addresses to connect from") },
	{ K("timeout", T_STRUCT), AT(conf_remote, timeout), DEF("{}"),
	    .sub = &s_timeout, HELP("how long it may take") },
	{ K("probes", T_INT), AT(conf_remote, probes), DEF("10"),
	    RANGE(1, 10000), .mx = KEY_NOT_MX, TO(R_VERIFYD),
	    HELP("call-forward connections") },
	{ K("connections", T_INT), AT(conf_remote, connections),
	    DEF("200"), RANGE(0, 1000000), TO(R_SMTPD | R_DIALER),
	    .mx = "0",
	    HELP("relay connections of the machine; 0 = no limit") },
	{ K("tls", T_STRUCT), AT(conf_remote, tls), DEF("{}"),
	    .sub = &s_remote_tls, HELP("encryption") },
	{ K("xclient", T_WORD), AT(conf_remote, xclient),
	    DEF("if-available"), .words = w_xclient,
	    .mx = KEY_NOT_MX, TO(R_SMTPD),
	    HELP("tell it who the client is") },
	{ K("proxy-protocol", T_WORD), AT(conf_remote, proxy_protocol),
	    DEF("\"off\""), .words = w_proxy_out, .mx = KEY_NOT_MX,
	    TO(R_SMTPD | R_VERIFYD), HELP("tell it by a PROXY header") },
	{ K("auth", T_STRUCT), AT(conf_remote, auth),
	    .sub = &s_remote_auth, .flags = K_FALSE, .mx = KEY_NOT_MX,
	    TO(R_SMTPD), HELP("log in there") },
	{ K("mail-from", T_STR), AT(conf_remote, mail_from),
	    DEF("\"\""), .check = CHECK_SENDER, .max = 320,
	    .mx = KEY_NOT_MX, TO(R_VERIFYD),
	    HELP("call-forward's sender: empty, sender or an address") },
	{ K("limits", T_STRUCT), AT(conf_remote, limits), DEF("{}"),
	    .sub = &s_limits, HELP("per connection") },
	{ K("unknown-codes", T_STRS), AT(conf_remote, unknown_codes),
	    DEF("[]"), .check = CHECK_CODE, .max = 64,
	    .mx = KEY_NOT_MX, TO(R_SMTPD | R_VERIFYD),
	    HELP("further x.y.z that mean no such mailbox") },
	{ K("lmtp-mixed", T_WORD), AT(conf_remote, lmtp_mixed),
	    DEF("split"), .words = w_lmtp_mixed, TO(R_SMTPD),
	    .mx = KEY_NOT_MX,
	    HELP("when recipients' replies differ") },
	{ K("eight-bit", T_WORD), AT(conf_remote, eight_bit), DEF("pass"),
	    .words = w_eight_bit, TO(R_SMTPD),
	    HELP("strict refuses 8-bit mail it does not offer to take") },
	{ K("reply-text", T_WORD), AT(conf_remote, reply_text),
	    DEF("pass"), .words = w_reply_text, TO(R_SMTPD),
	    HELP("whose words the client reads") },
	{ K("cache", T_STRUCT), INLINE, DEF("{}"), .sub = &s_cache,
	    .mx = KEY_NOT_MX, HELP("of its verdicts") },
	{ .name = NULL }
};
static const struct schema s_remote = {
	"remote", sizeof(struct conf_remote), k_remote
};

/* --- route, scripts ------------------------------------------------------- */

static const struct key k_route[] = {
	{ K("session", T_RULE), AT(conf_route, session), .of = T_STR,
	    DEF("false"), .flags = K_FALSE | K_NAME, .ref = "remote",
	    .stage = STAGE_MAIL, TO(R_SMTPD),
	    HELP("remote that takes every recipient of a transaction") },
	{ K("local", T_RULE), AT(conf_route, local), .of = T_STR,
	    DEF("false"), .flags = K_FALSE | K_NAME, .ref = "remote",
	    .stage = STAGE_RCPT, TO(R_SMTPD),
	    HELP("remote for local domains") },
	{ K("relay", T_RULE), AT(conf_route, relay), .of = T_STR,
	    DEF("false"), .flags = K_FALSE | K_NAME | K_MX,
	    .ref = "remote", .stage = STAGE_RCPT, TO(R_SMTPD),
	    HELP("remote for all others, or mx") },
	{ .name = NULL }
};
static const struct schema s_route = {
	"route", sizeof(struct conf_route), k_route
};

static const struct key k_script[] = {
	{ K("text", T_TEXT), AT(conf_script, text), TO(R_PROXYD),
	    HELP("Lua text, or {file: PATH}") },
	{ .name = NULL }
};
static const struct schema s_script = {
	"script", sizeof(struct conf_script), k_script
};

static const struct key k_proxy[] = {
	{ K("script", T_RULE), AT(conf_proxy, script), .of = T_STR,
	    DEF("false"), .flags = K_FALSE | K_NAME, .ref = "script",
	    .stage = STAGE_ANY, TO(R_SMTPD),
	    HELP("sees every command line") },
	{ K("commands", T_STRS), AT(conf_proxy, commands),
	    DEF("[\"*\"]"), .check = CHECK_VERB, RANGE(1, 64),
	    TO(R_SMTPD), HELP("verbs that it sees") },
	{ .name = NULL }
};
static const struct schema s_proxy = {
	"proxy", sizeof(struct conf_proxy), k_proxy
};

static const struct key k_script_limits[] = {
	{ K("memory", T_SIZE), AT(conf_script_limits, memory), DEF("16mb"),
	    RANGE(64 * KILO, 512 * MEGA), TO(R_PROXYD),
	    HELP("of a session") },
	{ K("cpu", T_DURATION), AT(conf_script_limits, cpu), DEF("50ms"),
	    RANGE(1, MINUTE), TO(R_PROXYD), HELP("of a call") },
	{ K("time", T_DURATION), AT(conf_script_limits, time), DEF("90s"),
	    RANGE(100, 4 * MINUTE), TO(R_PROXYD | R_SMTPD),
	    HELP("of a call, waits included") },
	{ .name = NULL }
};
static const struct schema s_script_limits = {
	"script-limits", sizeof(struct conf_script_limits), k_script_limits
};

/* --- the file ------------------------------------------------------------- */

static const struct key k_top[] = {
	{ K("hostname", T_STR), AT(config, hostname),
	    .flags = K_HOSTNAME, .check = CHECK_HOSTNAME,
	    TO(R_SMTPD | R_DIALER | R_VERIFYD | R_VERIFYD),
	    HELP("our name; by default the system's") },
	{ K("processes", T_STRUCT), INLINE, DEF("{}"),
	    .sub = &s_processes, HELP("how many of each") },
	{ K("user", T_STRUCT), AT(config, user), DEF("{}"),
	    .sub = &s_user, HELP("users that the processes run as") },
	{ K("control", T_STR), AT(config, control),
	    DEF("/var/run/postern.sock"), .check = CHECK_PATH,
	    HELP("socket of posternctl(8)") },
	{ K("shutdown", T_DURATION), AT(config, shutdown), DEF("5m"),
	    RANGE(0, DAY), TO(R_ALL),
	    HELP("how long sessions may go on after SIGTERM") },
	{ K("log", T_STRUCT), AT(config, log), DEF("{}"), .sub = &s_log,
	    HELP("where and how") },
	{ K("resolver", T_STRUCT), AT(config, resolver), DEF("{}"),
	    .sub = &s_resolver, HELP("DNS") },
	{ K("remote-networks", T_NETS), AT(config, remote_networks),
	    DEF("[]"), TO(R_DIALER),
	    HELP("private networks that DNS may lead us to") },
	{ K("tls", T_STRUCT), AT(config, tls), DEF("{}"), .sub = &s_tls,
	    HELP("encryption of listeners") },
	{ K("listener", T_MAP), AT(config, listeners),
	    .flags = K_REQUIRED, .sub = &s_listener,
	    TO(R_SMTPD | R_DIALER),
	    HELP("where clients connect") },
	{ K("session", T_STRUCT), AT(config, session), DEF("{}"),
	    .sub = &schema_session, HELP("how they are treated") },
	{ K("replies", T_STRUCT), AT(config, replies), DEF("{}"),
	    .sub = &s_replies, HELP("texts of replies") },
	{ K("proxy", T_STRUCT), AT(config, proxy), DEF("{}"),
	    .sub = &s_proxy, HELP("the per-command script") },
	{ K("script", T_MAP), AT(config, scripts), .sub = &s_script,
	    TO(R_SMTPD | R_PROXYD), HELP("Lua text, or {file: PATH}") },
	{ K("script-limits", T_STRUCT), AT(config, script_limits),
	    DEF("{}"), .sub = &s_script_limits,
	    HELP("what a script may use") },
	{ K("list", T_MAP), AT(config, lists), .sub = &s_list,
	    TO(R_SMTPD | R_VERIFYD | R_PROXYD),
	    HELP("words and networks for in-list") },
	{ K("remote", T_MAP), AT(config, remotes), .sub = &s_remote,
	    TO(R_SMTPD | R_DIALER | R_VERIFYD | R_PROXYD),
	    HELP("servers that mail goes to") },
	{ K("datasource", T_MAP), AT(config, datasources),
	    .sub = &schema_datasource,
	    TO(R_SMTPD | R_VERIFYD | R_LOOKUPD | R_PROXYD),
	    HELP("databases") },
	{ K("directory", T_MAP), AT(config, directories),
	    .sub = &schema_directory,
	    TO(R_SMTPD | R_VERIFYD | R_LOOKUPD),
	    HELP("where addresses are known") },
	{ K("smtp-auth-proxy", T_MAP), NOWHERE, .sub = &schema_auth_proxy,
	    .flags = K_LATER | K_BARE, HELP("who judges AUTH") },
	{ K("route", T_STRUCT), AT(config, route), DEF("{}"),
	    .sub = &s_route, HELP("where accepted mail goes") },
	{ K("verify-cache", T_STRUCT), AT(config, verify_cache), DEF("{}"),
	    .sub = &schema_verify_cache, HELP("verdicts on disk") },
	{ K("metrics", T_STRUCT), NOWHERE, .sub = &schema_metrics,
	    .flags = K_LATER | K_FALSE, HELP("counters over HTTP") },
	{ .name = NULL }
};

const struct schema schema_top = {
	"postern.yaml", sizeof(struct config), k_top
};
