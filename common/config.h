/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The configuration as the processes hold it.
 *
 * One row of a table in schema.c describes a setting once: its name and
 * type in postern.yaml, its default and range, the field of the struct that
 * holds it and the roles that are sent it.  Reading YAML, printing it, the
 * frames between the processes and the manual's tables all walk these rows;
 * no field is named a second time anywhere.
 *
 * A struct config is one generation.  It is counted: sessions finish on the
 * one that they began with.  Objects with a name (listeners, remotes,
 * lists, certificates) have an id that is never given to another one; an
 * object that a reload did not change keeps its id.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "rule.h"

struct rbuf;
struct wbuf;

/* --- the rows ----------------------------------------------------------- */

enum key_type {
	T_BOOL,			/* bool */
	T_INT,			/* int64_t; min..max */
	T_DURATION,		/* int64_t, milliseconds */
	T_SIZE,			/* int64_t, octets */
	T_WORD,			/* int64_t, index into words */
	T_STR,			/* char * */
	T_STRS,			/* struct strs; one scalar = a list of one */
	T_NETS,			/* struct nets */
	T_FILE,			/* struct conf_file: the parent reads it */
	T_SECRET,		/* char *: text or {file: PATH} */
	T_TEXT,			/* likewise, and no secret */
	T_ENTRIES,		/* struct strs in config order or {file: PATH}
				   or a map: the entries of a list */
	T_STRUCT,		/* the embedded struct of sub */
	T_MAP,			/* struct conf_map: named structs of sub */
	T_SEQ,			/* struct conf_map: structs without names */
	T_RULE,			/* struct rule *: a rule with values of `of` */
	T_COND,			/* struct rule *: true where it holds */
	T_RATE,			/* struct conf_rate: "100/1m" */
	T_TEXTS,		/* struct strs: map of names to text or
				   {file: PATH}; a text is its entry's value */
	T_FDS			/* struct conf_fds, K_HIDDEN: files that the
				   parent opened, sent by CONF_FD */
};

/* roles that a setting is sent to */
#define R_PARENT	0x0001
#define R_SMTPD		0x0002
#define R_DIALER	0x0004
#define R_RESOLVED	0x0008
#define R_PROXYD	0x0010
#define R_AUTHD		0x0020
#define R_VERIFYD	0x0040
#define R_LOOKUPD	0x0080
#define R_METRICSD	0x0100
#define R_ALL		0xffff

/* row flags */
#define K_LATER		0x01	/* not built: accepted with a warning */
#define K_REFUSE	0x02	/* not built, and silence would admit or
				   expose: an error unless it is false */
#define K_FALSE		0x04	/* false switches it off (stored as unset) */
#define K_REQUIRED	0x08	/* no default: must be there */
#define K_NAME		0x10	/* names an object: see ref */
#define K_HOSTNAME	0x20	/* default: the system's host name */
#define K_CPUS		0x40	/* default: one per CPU */
#define K_DERIVED	0x80	/* no default unless the key `mode' before it is
				   required or implicit */
#define K_SECRET	0x100	/* T_FILE: refused if others can read it;
				   T_STRS: wiped, and in no message */
#define K_BARE		0x200	/* T_MAP: one struct may stand for a map with
				   the single name "default" */
#define K_AT_ONCE	0x800	/* T_RULE: decided where nothing can be asked:
				   no look-ups but in lists */
#define K_MX		0x2000	/* K_NAME: mx may be named */
#define K_HALF_CPUS	0x1000	/* default: one per two CPUs */
#define K_HIDDEN	0x400	/* not a key: a field that the parent derives
				   from others and that is sent like one */

/* What a string must look like; every item of a T_STRS. */
enum conf_check {
	CHECK_NONE,
	CHECK_TEXT,		/* one printable line */
	CHECK_HOSTNAME,
	CHECK_HELO,		/* hostname, client or a host name */
	CHECK_TLSNAME,		/* empty or a host name */
	CHECK_PATH,		/* absolute */
	CHECK_LOG,		/* syslog, stderr or an absolute path */
	CHECK_CA,		/* system or an absolute path */
	CHECK_USER,
	CHECK_BIND,		/* address:port or unix:path of a listener */
	CHECK_SERVER,		/* address, with :port or not */
	CHECK_ADDR,		/* address */
	CHECK_REMOTE,		/* host name, address, unix:PATH */
	CHECK_EXTENSION,
	CHECK_REPLY,		/* 4xx or 5xx, x.y.z of the same class */
	CHECK_POSTMASTER,	/* local part or address */
	CHECK_SENDER,		/* empty, sender or an address */
	CHECK_CODE,		/* x.y.z */
	CHECK_MODE,		/* octal mode of a socket */
	CHECK_OWNER,		/* USER or USER:GROUP */
	CHECK_THROTTLE_KEY,	/* a variable, or remote-net */
	CHECK_VERB		/* of a command, or * */
};

struct schema;

struct key {
	const char		*name;
	enum key_type		 type;
	enum key_type		 of;	/* T_RULE: type of the values */
	size_t			 off;	/* KEY_NOWHERE: checked only */
	const char		*def;	/* default, as YAML text; NULL = none */
	int64_t			 min;
	int64_t			 max;
	const char *const	*words;	/* T_WORD, NULL-terminated */
	const struct schema	*sub;	/* STRUCT, MAP, SEQ */
	unsigned int		 flags;	/* K_* */
	unsigned int		 where;	/* R_* */
	const char		*help;	/* one line for the manual */
	const char		*alias;	/* another name of the key */
	const char *const	*unbuilt; /* T_WORD: words refused so far */
	const char		*ref;	/* K_NAME: the map of the objects, or
					   "lookup": list/NAME and so on */
	enum conf_check		 check;	/* STR, STRS */
	enum rule_stage		 stage;	/* RULE, COND: when it is evaluated */
	const char		*mx;	/* in the remote called mx: another
					   default, or KEY_NOT_MX */
};

#define KEY_NOT_MX	""		/* no key there, its field is zero */

#define KEY_NOWHERE	SIZE_MAX

struct schema {
	const char		*name;	/* "listener": for the manual */
	size_t			 size;	/* of the struct; 0 = not built */
	const struct key	*keys;	/* ends with a NULL name */
};

extern const struct schema	 schema_top;
/* Parts of it that lie in files of their own. */
extern const struct schema	 schema_session;
extern const struct schema	 schema_datasource, schema_directory;
extern const struct schema	 schema_auth_proxy, schema_verify_cache;
extern const struct schema	 schema_metrics;

/* --- values -------------------------------------------------------------- */

/*
 * Strings.  The entries of a list (T_ENTRIES) carry their value behind the
 * NUL: see conf_entry_value().
 */
struct strs {
	char	**v;
	size_t	  n;
};

struct conf_rate {
	int64_t	 count;
	int64_t	 period;	/* milliseconds */
};

/* Open files; closed with the object that they belong to. */
struct conf_fds {
	int	*v;
	size_t	 n;
};

struct nets {
	struct cidr	*v;
	size_t		 n;
};

/* A file: its path as configured and what was in it when it was read. */
struct conf_file {
	char	*path;
	uint8_t	*data;
	size_t	 len;
	bool	 secret;	/* wiped when freed */
};

/* The head of every named (or, in a T_SEQ, nameless) struct. */
struct conf_obj {
	char		*name;
	uint32_t	 id;
	/* Whoever uses the object may hang what it derived from it here. */
	void		*priv;
};

struct conf_map {
	struct conf_obj	**v;
	size_t		  n;
};

/* --- the settings -------------------------------------------------------- */

enum log_format { LOGF_TEXT, LOGF_JSON };
enum log_level { LOGL_ERROR, LOGL_WARN, LOGL_INFO, LOGL_DEBUG };
enum client_verify { CLIENT_OFF, CLIENT_ASK, CLIENT_REQUIRED };
enum listen_tls { LTLS_OFF, LTLS_STARTTLS, LTLS_REQUIRED, LTLS_IMPLICIT };
enum conf_proto { PROTO_SMTP, PROTO_LMTP };
enum remote_tls { RTLS_OFF, RTLS_OPPORTUNISTIC, RTLS_REQUIRED,
	RTLS_IMPLICIT };
enum bare_newline { NEWLINE_REJECT, NEWLINE_NORMALIZE };
enum reverse_dns { RDNS_AUTO, RDNS_ALWAYS, RDNS_NEVER };
enum early_talker { EARLY_ALLOW, EARLY_REJECT };
enum reply_text { RTEXT_PASS, RTEXT_OWN };
enum eight_bit { EIGHT_PASS, EIGHT_STRICT };
enum remote_xclient { XCLIENT_NO, XCLIENT_IF_AVAILABLE, XCLIENT_REQUIRED };
enum remote_proxy { RPROXY_OFF, RPROXY_V1, RPROXY_V2 };
enum lmtp_mixed { MIXED_SPLIT, MIXED_SINGLE };
enum verify_failure { FAILURE_DEFER, FAILURE_ACCEPT, FAILURE_STALE };
enum on_error { ON_ERROR_SESSION, ON_ERROR_DEFER, ON_ERROR_ACCEPT };

struct conf_log {
	char	*to;			/* syslog, stderr, or a path */
	int64_t	 format;		/* enum log_format */
	int64_t	 level;			/* enum log_level */
};

struct conf_resolver {
	struct strs	server;		/* addresses, with :port or not */
	int64_t		timeout;
};

struct conf_cert {
	struct conf_obj		obj;
	struct conf_file	cert;	/* PEM, chain behind it */
	struct conf_file	key;
};

struct conf_tls {
	struct conf_map	 certs;		/* struct conf_cert */
	struct strs	 protocols;
	char		*ciphers;
	struct conf_file client_ca;
	int64_t		 client_verify;
};

struct conf_listener {
	struct conf_obj	 obj;
	struct strs	 bind;
	int64_t		 protocol;	/* enum conf_proto */
	int64_t		 tls;		/* enum listen_tls */
	struct strs	 extensions;
	char		*greeting;
	int64_t		 backlog;
	int64_t		 max_sessions;
	int64_t		 max_per_address;
	struct nets	 relay_hosts;
	bool		 open_relay;
	char		*mode;		/* of unix: sockets, octal; or NULL */
	char		*owner;		/* USER or USER:GROUP; or NULL */
};

/*
 * A small list has entries, a big one a file of the form of list_file.h; big,
 * but without a hash, its file is the text that this is to be made of.
 */
struct conf_list {
	struct conf_obj	 obj;
	struct strs	 entries;	/* lower-cased; conf_entry_value() */
	bool		 big;
	char		*path;		/* of its text */
	char		*hash;		/* of its entries */
	int64_t		 size;		/* of its file */
	struct conf_fds	 files;		/* that one */
};

struct conf_timeouts {
	int64_t		 connect, command, data, final, idle;
};

struct conf_remote_tls {
	int64_t		 mode;		/* enum remote_tls */
	bool		 verify;
	bool		 verify_set;	/* written in the file */
	char		*name;		/* "" = the remote's own name */
	char		*ca;		/* "system" or a path */
	struct conf_file ca_file;	/* read where it is needed */
	struct conf_file cert;		/* client certificate */
	struct conf_file key;
};

/* How to log in at a smart host; username is NULL where we do not. */
struct conf_remote_auth {
	char		*username;
	char		*password;
};

struct conf_remote_limits {
	int64_t		 recipients, messages, errors;
};

/* Lua, for proxyd. */
struct conf_script {
	struct conf_obj	 obj;
	char		*text;
};

/* The script that sees every command. */
struct conf_proxy {
	struct rule	*script;	/* NULL or a script's name */
	struct strs	 commands;	/* verbs that it sees; "*" = all */
};

struct conf_script_limits {
	int64_t		 memory;	/* octets, of a session */
	int64_t		 cpu;		/* ms, of a call */
	int64_t		 time;		/* ms, of a call, waits included */
};

/* How long verdicts of call-forward live. */
struct conf_ttl {
	int64_t		 positive, negative, refresh, keep;
};

struct conf_remote {
	struct conf_obj		 obj;
	bool			 mx;		/* no address: the servers
						   that DNS names */
	struct strs		 address;
	int64_t			 port;
	int64_t			 protocol;	/* enum conf_proto */
	char			*helo;
	struct strs		 source;
	struct conf_timeouts	 timeout;
	int64_t			 probes;
	int64_t			 connections;
	struct conf_remote_tls	 tls;
	int64_t			 xclient;	/* enum remote_xclient */
	int64_t			 proxy_protocol; /* enum remote_proxy */
	struct conf_remote_auth	 auth;
	char			*mail_from;	/* "" (null), "sender" (the
						   client's) or an address */
	struct conf_remote_limits limits;
	struct strs		 unknown_codes;
	int64_t			 lmtp_mixed;	/* enum lmtp_mixed */
	int64_t			 eight_bit;
	int64_t			 reply_text;
	struct conf_ttl		 ttl;
};

/* Whom db/NAME asks. */
struct conf_datasource {
	struct conf_obj	 obj;
	struct strs	 uri;
	struct conf_fds	 files;		/* of cdb: and, in the form of
					   list_file.h, of file:, in the
					   order of uri */
	int64_t		 cache_life;
	int64_t		 cache_size;
	int64_t		 max_rows;
	bool		 no_cache;
	int64_t		 timeout;
	int64_t		 connections;
	bool		 scripts;
	struct strs	 query;		/* name, and SQL as its value */
};

enum directory_type { DIR_SQL, DIR_CDB, DIR_LIST, DIR_REMOTE };

/* Where local domains and addresses are known. */
struct conf_directory {
	struct conf_obj	 obj;
	int64_t		 type;		/* enum directory_type */
	char		*datasource;	/* sql, cdb: its name */
	char		*addresses;	/* list: "list/NAME" */
	char		*remote;	/* remote: its name */
	char		*domains;	/* "list/NAME" and so on; or NULL */
	char		*query_address;
	char		*query_domain;
	char		*query_vrfy;
	char		*query_expn;
	bool		 subaddressing;
	bool		 catch_all;
};

/* A rate or a number at a time of something. */
#define THROTTLES_MAX		256
#define THROTTLE_PERIOD_MAX	(366LL * 24 * 60 * 60 * 1000)	/* ms */
struct conf_throttle {
	struct conf_obj	 obj;
	struct rule	*match;		/* NULL: always */
	struct strs	 key;		/* variables, or remote-net */
	struct conf_rate rate;		/* count 0: none */
	int64_t		 concurrency;	/* 0: none */
};

struct conf_verify_cache {
	char		*path;
	int64_t		 entries;
	int64_t		 snapshot;	/* ms */
};

struct conf_session {
	/* rules where DESIGN.md says so; durations and sizes in ms, octets */
	int64_t		 timeout;
	int64_t		 duration;
	int64_t		 transfer_limit;
	int64_t		 min_rate;
	int64_t		 max_bad_commands;
	bool		 ehlo_require;
	bool		 ehlo_reject_non_fqdn;
	int64_t		 reverse_dns;
	int64_t		 early_talker;
	struct rule	*relay;			/* bool */
	struct rule	*max_recipients;	/* int */
	struct rule	*soft_bounce;		/* bool */
	struct rule	*warn_only;		/* bool */
	struct rule	*verify_failure;	/* word: enum verify_failure */
	struct rule	*directory;		/* NULL or a directory's name */
	struct rule	*domains;		/* look-ups: "list/NAME" and
						   so on, NULL = none */
	struct rule	*addresses;
	struct rule	*vrfy;
	struct rule	*expn;
	char		*postmaster;
	int64_t		 max_messages;
	int64_t		 max_size;
	int64_t		 max_received;
	struct rule	*bare_newline;		/* word: enum bare_newline */
	int64_t		 errors_total;
	int64_t		 errors_wait;
	int64_t		 address_total;		/* errors.per-address */
	int64_t		 address_period;
	int64_t		 address_block;
	struct conf_map	 throttles;		/* struct conf_throttle */
	struct rule	*script[STAGE_COUNT];	/* by enum rule_stage: NULL or
						   a script's name */
	int64_t		 on_error_of[STAGE_COUNT];	/* enum on_error */
	int64_t		 on_error;		/* 0 = defer, 1 = accept */
};

struct conf_replies {
	char		*unknown;
	char		*relay;
	char		*footer;
};

struct conf_route {
	struct rule	*session;	/* NULL or a remote's name */
	struct rule	*local;
	struct rule	*relay;
};

struct conf_users {
	char	*smtpd, *proxyd, *authd, *verifyd, *dialer, *resolved,
		*lookupd, *metricsd;
};

struct config {
	uint32_t		 generation;
	unsigned int		 refs;
	bool			 settled;	/* conf_get: settings came */
	char			*hostname;
	int64_t			 nsmtpd, nproxyd;
	struct conf_users	 user;
	char			*control;
	int64_t			 shutdown;
	struct conf_log		 log;
	struct conf_resolver	 resolver;
	struct nets		 remote_networks;
	struct conf_tls		 tls;
	struct conf_map		 listeners;	/* struct conf_listener */
	struct conf_map		 lists;		/* struct conf_list */
	struct conf_map		 remotes;	/* struct conf_remote */
	struct conf_map		 scripts;	/* struct conf_script */
	struct conf_proxy	 proxy;
	struct conf_script_limits script_limits;
	struct conf_map		 datasources;	/* struct conf_datasource */
	struct conf_map		 directories;	/* struct conf_directory */
	struct conf_session	 session;
	struct conf_replies	 replies;
	struct conf_route	 route;
	struct conf_verify_cache verify_cache;
};

/* An empty configuration with one reference; NULL without memory. */
struct config	*conf_new(uint32_t generation);
struct config	*conf_ref(struct config *);
/* Drop a reference; the last one frees it.  NULL is allowed. */
void		 conf_unref(struct config *);

/* NULL if there is none of that name (id). */
struct conf_obj	*conf_find(const struct conf_map *, const char *name);
struct conf_obj	*conf_find_id(const struct conf_map *, uint32_t id);

/*
 * The value of an entry of a list (struct strs of a T_ENTRIES): what the
 * file has after the first blank; "" if nothing.  It lies in the entry's own
 * memory.
 */
const char	*conf_entry_value(const char *entry);
/* Such an entry; NULL without memory. */
char		*conf_entry_new(const char *key, const char *value);

/*
 * Append a string, which then is the list's.  -1 without memory: it is
 * still the caller's.  Lists must only be grown by this.
 */
int		 strs_add(struct strs *, char *);
void		 strs_clear(struct strs *);
/* The same for networks (copied) and objects of a map. */
int		 nets_add(struct nets *, const struct cidr *);
int		 conf_map_add(struct conf_map *, struct conf_obj *);
/* The descriptor is the list's; without memory it is closed, and -1. */
int		 fds_add(struct conf_fds *, int);

/* --- look-ups ------------------------------------------------------------ */

/* What "list/NAME" and so on lead to. */
enum lookup_kind { LOOK_NONE, LOOK_LIST, LOOK_DIRECTORY, LOOK_DB,
	LOOK_REMOTE, LOOK_KIND_COUNT };

/*
 * The object of a look-up's path in this generation, and of "db/NAME/QUERY"
 * the query ("" if there is none), which lies in the path.  NULL if the path
 * leads nowhere.
 */
struct conf_obj	*conf_lookup(const struct config *, const char *path,
		    enum lookup_kind *, const char **query);

/* --- walking the rows ---------------------------------------------------- */

/*
 * The rows that hold named objects (T_MAP, wherever they are nested), in
 * the order of the tables: number n of them, with the map in the given
 * configuration; NULL behind the last.  conf may be NULL to see the row only.
 */
const struct key *conf_map_row(const struct config *conf, size_t n,
		    struct conf_map **map);

/*
 * Call fn for every rule of the configuration (objects with a name have
 * none).
 */
void	conf_each_rule(const struct config *,
	    void (*fn)(const struct key *, struct rule *, void *), void *);

/*
 * The next hops that mail of this listener's clients can have, as far as the
 * listener decides: fn is called for each (for some more than once), with
 * NULL for mail exchangers of DNS.
 */
void	conf_reach(const struct config *, const struct conf_listener *,
	    void (*fn)(struct conf_remote *, void *), void *);
/* May clients of this listener log in? */
bool	conf_has_auth(const struct conf_listener *);

/* Free what a struct of these rows holds, and zero those fields. */
void	conf_fields_free(const struct schema *, void *);
/* Free an object of a map with all that it holds. */
void	conf_obj_free(const struct schema *, struct conf_obj *);

/* --- between the processes ----------------------------------------------- */

/*
 * A configuration travels as a list of items, one frame each (with MORE):
 * first the settings, then every named object.  conf_put writes item number
 * n for a role and returns false when there is none; conf_get takes one in.
 * A frame that conf_get refuses is a broken pipe's: -1.
 *
 * List entries of large lists go as several items of up to 256 KiB.
 */
bool	conf_put(struct wbuf *, const struct config *, unsigned int role,
	    size_t n);
int	conf_get(struct rbuf *, struct config *, unsigned int role);
/*
 * The same for a process that serves one datasource (its id; 0 = none of
 * this): no other one, and of the directories those that use it.
 */
bool	conf_put_source(struct wbuf *, const struct config *,
	    unsigned int role, uint32_t source, size_t n);

/*
 * The files of objects (T_FDS) follow, one message CONF_FD each.  conf_fd
 * gives number n of those for a role: the descriptor, which stays the
 * configuration's, and the map and id of its object; -1 when there is none.
 * conf_fd_take adds one to an object, in order; the descriptor is taken,
 * and closed if -1: the object is not there or has no files.
 */
int	conf_fd(const struct config *, unsigned int role, size_t n,
	    uint8_t *map, uint32_t *id);
int	conf_fd_take(struct config *, unsigned int role, uint8_t map,
	    uint32_t id, int fd);

/*
 * Is the named object the same in both?  Compared by what goes over the
 * wire, so every field counts and none can be forgotten.  For ids.  A file
 * that was opened anew (T_FDS) makes no other object.
 */
bool	conf_obj_same(const struct schema *, const struct conf_obj *,
	    const struct conf_obj *);

/* What a T_RULE row's values are of, in a struct rule. */
enum value_type	conf_value_type(const struct key *);

#endif
