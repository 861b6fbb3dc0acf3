/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Strings of postern.yaml that must have a form: host names, addresses to
 * listen on, replies, names of other objects.  Also the nearest word, for
 * the one who has mistyped a key.
 */

#include <sys/socket.h>
#include <sys/un.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "idn.h"
#include "parent_conf.h"
#include "parent_load.h"
#include "util.h"

#define LATER		NOT_BUILT
#define UNIX_PATH_MAX	99	/* sun_path has 104 at least; ".new", NUL */

/* --- the nearest word ----------------------------------------------------- */

#define WORD_MAX	48

/*
 * Insertions, deletions, replacements and swaps of neighbours that turn one
 * word into the other (optimal string alignment).
 */
static size_t
distance(const char *a, const char *b)
{
	size_t	 d[WORD_MAX + 1][WORD_MAX + 1];
	size_t	 na = strlen(a), nb = strlen(b), i, j, best;

	if (na > WORD_MAX || nb > WORD_MAX)
		return WORD_MAX;
	for (i = 0; i <= na; i++)
		d[i][0] = i;
	for (j = 0; j <= nb; j++)
		d[0][j] = j;
	for (i = 1; i <= na; i++) {
		for (j = 1; j <= nb; j++) {
			best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	}
	return d[na][nb];
}

/* A third of the word may be wrong. */
void
nearest_init(struct nearest *n, const char *word)
{
	n->word = word;
	n->best = NULL;
	n->distance = strlen(word) / 3 + 2;
}

void
nearest_offer(struct nearest *n, const char *candidate)
{
	size_t	d = distance(n->word, candidate);

	if (d < n->distance && d < strlen(candidate)) {
		n->distance = d;
		n->best = candidate;
	}
}

/* --- names ---------------------------------------------------------------- */

const char *
check_name(const char *s)
{
	size_t	i, len = strlen(s);

	if (len == 0 || len > 63)
		return "a name has 1 to 63 characters";
	if (strcmp(s, "false") == 0 || strcmp(s, "true") == 0)
		return "a name that would be read as a boolean";
	for (i = 0; i < len; i++)
		if (!isalnum((unsigned char)s[i]) &&
		    (i == 0 || strchr("-_.", s[i]) == NULL))
			return "a name has letters, digits, and after the "
			    "first also - _ .";
	return NULL;
}

/* Letters, digits and hyphens; underscores too where DNS is asked. */
static bool
is_hostname(const char *s, bool underscore)
{
	size_t	i, label = 0;
	bool	letters = false;

	if (strlen(s) > 253)
		return false;
	for (i = 0; s[i] != '\0'; i++) {
		if (s[i] == '.') {
			if (label == 0 || s[i - 1] == '-')
				return false;
			label = 0;
			letters = false;
			continue;
		}
		if (!isalnum((unsigned char)s[i]) &&
		    (s[i] != '-' || label == 0) &&
		    (s[i] != '_' || !underscore))
			return false;
		if (!isdigit((unsigned char)s[i]))
			letters = true;
		if (++label > 63)
			return false;
	}
	return label > 0 && letters && s[i - 1] != '-';
}

static bool
is_printable(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || (unsigned char)*s > 0x7e)
			return false;
	return true;
}

static bool
is_user(const char *s)
{
	size_t	i;

	for (i = 0; s[i] != '\0'; i++)
		if (!isalnum((unsigned char)s[i]) &&
		    strchr("_-.", s[i]) == NULL)
			return false;
	return i > 0 && i < 32 && s[0] != '-';
}

/* A user, or a user, a colon and a group. */
static bool
is_owner(const char *s)
{
	const char	*group = strchr(s, ':');
	char		 user[32];
	size_t		 n = group == NULL ? strlen(s) : (size_t)(group - s);

	if (n >= sizeof(user))
		return false;
	memcpy(user, s, n);
	user[n] = '\0';
	return is_user(user) && (group == NULL || is_user(group + 1));
}

static bool
is_absolute(const char *s)
{
	return s[0] == '/' && strlen(s) < 1024;
}

/* --- addresses ------------------------------------------------------------ */

/* A port at p, and nothing behind it; 0 if it is none. */
static uint16_t
port_parse(const char *p)
{
	const char	*err;
	long long	 v;

	if (!isdigit((unsigned char)*p))
		return 0;
	v = strtonum(p, 1, 65535, &err);
	return err == NULL ? (uint16_t)v : 0;
}

/*
 * [V6]:PORT, V4:PORT.  host is a buffer for the address without brackets;
 * returns the text of the port, NULL if there is none.
 */
static const char *
split_port(const char *s, char *host, size_t size)
{
	const char	*end, *port;
	size_t		 n;

	host[0] = '\0';
	if (s[0] == '[') {
		if ((end = strchr(++s, ']')) == NULL)
			return NULL;
		port = end[1] == ':' ? end + 2 : NULL;
	} else {
		if ((end = strrchr(s, ':')) == NULL)
			return NULL;
		port = end + 1;
	}
	n = (size_t)(end - s);
	if (n >= size)
		return NULL;
	memcpy(host, s, n);
	host[n] = '\0';
	return port;
}

const char *
conf_bind_path(const char *s)
{
	return strncmp(s, "unix:", 5) == 0 ? s + 5 : NULL;
}

int
conf_bind_parse(const char *s, struct addr *addr, bool *any,
    const char **why)
{
	char		 host[ADDR_TEXT_MAX];
	const char	*port, *path;

	memset(addr, 0, sizeof(*addr));
	*any = s[0] == ':' && s[1] != ':';
	*why = "wanted ADDRESS:PORT, [ADDRESS]:PORT, :PORT or unix:PATH";
	if ((path = conf_bind_path(s)) != NULL) {
		addr->family = ADDR_UNIX;
		*why = "wanted unix:PATH, an absolute one of at most 99 "
		    "octets";
		return is_absolute(path) && strlen(path) <= UNIX_PATH_MAX &&
		    path[strlen(path) - 1] != '/' ? 0 : -1;
	}
	if (addr_parse(addr, s) == 0) {
		*why = strchr(s, ':') == NULL ? "a port is missing" :
		    "wanted [ADDRESS]:PORT";
		return -1;
	}
	if ((port = split_port(s, host, sizeof(host))) == NULL)
		return -1;
	if (!*any && addr_parse(addr, host) == -1) {
		*why = strcmp(host, "*") == 0 ?
		    "wanted :PORT for all addresses" :
		    "not an address (host names are not looked up here)";
		return -1;
	}
	if (s[0] != '[' && addr->family == ADDR_V6 &&
	    strchr(host, ':') != NULL) {
		*why = "wanted [ADDRESS]:PORT";
		return -1;
	}
	if ((addr->port = port_parse(port)) == 0) {
		*why = "the port must be 1 to 65535";
		return -1;
	}
	return 0;
}

int
conf_server_parse(const char *s, struct addr *addr, uint16_t port)
{
	char		 host[ADDR_TEXT_MAX] = "";
	const char	*text;

	if (addr_parse(addr, s) == 0) {
		addr->port = port;
		return 0;
	}
	text = split_port(s, host, sizeof(host));
	if (s[0] == '[' && text == NULL && s[strlen(s) - 1] == ']') {
		if (addr_parse(addr, host) == -1)
			return -1;
		addr->port = port;
		return 0;
	}
	if (text == NULL || addr_parse(addr, host) == -1 ||
	    (s[0] != '[' && addr->family == ADDR_V6))
		return -1;
	addr->port = port_parse(text);
	return addr->port == 0 ? -1 : 0;
}

static const char *
check_bind(const char *s)
{
	struct addr	 addr;
	bool		 any;
	const char	*why;

	return conf_bind_parse(s, &addr, &any, &why) == -1 ? why : NULL;
}

static const char *
check_remote(const char *s)
{
	struct addr	addr;

	if (strncmp(s, "unix:", 5) == 0)
		return s[5] == '/' && is_printable(s) && strlen(s + 5) <
		    sizeof(((struct sockaddr_un *)0)->sun_path) ? NULL :
		    "wanted unix: and an absolute path, as long as a "
		    "socket's may be";
	if (addr_parse(&addr, s) == 0 || is_hostname(s, true))
		return NULL;
	if (s[0] == '[')
		return "an address is written without brackets here";
	if (strchr(s, ':') != NULL)
		return "a port goes to the key port";
	return "neither a host name nor an address";
}

/* --- extensions, replies -------------------------------------------------- */

static const struct {
	const char	*name;
	bool		 built;
} extensions[] = {
	{ "default", true }, { "pipelining", true }, { "8bitmime", true },
	{ "size", true }, { "enhancedstatuscodes", true },
	{ "chunking", true }, { "dsn", true }, { "smtputf8", true },
	{ "binarymime", true }, { "auth", false }, { "xclient", false },
	{ "xremoteip", false }, { "xdumpcontext", false },
	{ "xsetcontext", false }
};

static const char *
check_extension(const char *s)
{
	size_t	i, len = strcspn(s, " ");

	for (i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++) {
		if (strlen(extensions[i].name) != len ||
		    strncmp(s, extensions[i].name, len) != 0)
			continue;
		if (!extensions[i].built)
			return LATER;
		return s[len] == '\0' ? NULL : "takes no argument";
	}
	return "not an extension: default, pipelining, 8bitmime, size, "
	    "enhancedstatuscodes, chunking, dsn, smtputf8, binarymime";
}

/* x.y.z with a class of 2, 4 or 5: its length, 0 if there is none. */
static size_t
enhanced_len(const char *s)
{
	size_t	i = 2, n;

	if (strchr("245", s[0]) == NULL || s[0] == '\0' || s[1] != '.')
		return 0;
	n = strspn(s + i, "0123456789");
	if (n < 1 || n > 3 || s[i + n] != '.')
		return 0;
	i += n + 1;
	n = strspn(s + i, "0123456789");
	return n < 1 || n > 3 ? 0 : i + n;
}

/*
 * A refusal of a recipient.  421 would say that the session ends, which it
 * does not.
 */
static const char *
check_reply(const char *s)
{
	size_t	n;

	if (!is_printable(s) || strlen(s) > 200)
		return "wanted one line of at most 200 ASCII characters";
	if (strspn(s, "0123456789") != 3 || s[3] != ' ')
		return "wanted as 550 5.1.1 TEXT";
	if ((s[0] != '4' && s[0] != '5') || s[1] > '5')
		return "the code must be 4xx or 5xx";
	if (strncmp(s, "421", 3) == 0)
		return "421 ends a session, this reply does not";
	s += 4;
	if ((n = enhanced_len(s)) > 0) {
		if (s[0] != s[-4])
			return "code and x.y.z differ in class";
		if (s[n] != ' ')
			return "a text is missing";
		s += n + 1;
	}
	return *s == '\0' ? "a text is missing" : NULL;
}

/*
 * An address that may be sent on: no blanks, no angle brackets, one @ with a
 * host name behind it, or a local part alone.
 */
static const char *
check_postmaster(const char *s)
{
	const char	*at = strrchr(s, '@');

	if (s[0] == '\0' || s == at || strlen(s) > 254)
		return "wanted an address or a local part";
	if (!is_printable(s) || strpbrk(s, " <>\"\\,;:()[]") != NULL)
		return "wanted an address or a local part";
	if (at != NULL && (memchr(s, '@', (size_t)(at - s)) != NULL ||
	    !is_hostname(at + 1, false)))
		return "not an address";
	return NULL;
}

static const char *
check_sender(const char *s)
{
	if (s[0] == '\0' || strcmp(s, "sender") == 0)
		return NULL;
	if (strchr(s, '@') == NULL || check_postmaster(s) != NULL)
		return "wanted an address, sender or nothing";
	return NULL;
}

static const char *
check_throttle_key(const char *s)
{
	if (strcmp(s, "remote-net") == 0 ||
	    rule_var_parse(s) != RV_NONE)
		return NULL;
	return "neither a variable nor remote-net";
}

/* The first word of a line, whatever it is; but not what looks like more. */
static const char *
check_verb(const char *s)
{
	if (strcmp(s, "*") == 0)
		return NULL;
	if (s[0] == '\0' || !is_printable(s) || strpbrk(s, " *:<") != NULL)
		return "wanted a verb, or * for all";
	return NULL;
}

const char *
check_text(enum conf_check check, const char *s)
{
	struct addr	addr;

	switch (check) {
	case CHECK_NONE:
		return NULL;
	case CHECK_TEXT:
		return is_printable(s) ? NULL : "wanted printable ASCII";
	case CHECK_HOSTNAME:
		return is_hostname(s, false) ? NULL : "not a host name";
	case CHECK_HELO:
		return strcmp(s, "hostname") == 0 ||
		    strcmp(s, "client") == 0 || is_hostname(s, false) ? NULL :
		    "wanted hostname, client or a host name";
	case CHECK_TLSNAME:
		return s[0] == '\0' || is_hostname(s, true) ||
		    addr_parse(&addr, s) == 0 ? NULL : "not a host name";
	case CHECK_PATH:
		return is_absolute(s) ? NULL : "wanted an absolute path";
	case CHECK_LOG:
		return strcmp(s, "syslog") == 0 || strcmp(s, "stderr") == 0 ||
		    is_absolute(s) ? NULL :
		    "wanted syslog, stderr or an absolute path";
	case CHECK_CA:
		return strcmp(s, "system") == 0 || is_absolute(s) ? NULL :
		    "wanted system or an absolute path";
	case CHECK_USER:
		return is_user(s) ? NULL : "not the name of a user";
	case CHECK_BIND:
		return check_bind(s);
	case CHECK_SERVER:
		return conf_server_parse(s, &addr, 53) == 0 ? NULL :
		    "wanted an address, ADDRESS:PORT or [ADDRESS]:PORT";
	case CHECK_ADDR:
		return addr_parse(&addr, s) == 0 ? NULL : "not an address";
	case CHECK_REMOTE:
		return check_remote(s);
	case CHECK_EXTENSION:
		return check_extension(s);
	case CHECK_REPLY:
		return check_reply(s);
	case CHECK_POSTMASTER:
		return check_postmaster(s);
	case CHECK_SENDER:
		return check_sender(s);
	case CHECK_CODE:
		return enhanced_len(s) == strlen(s) && s[0] != '\0' ? NULL :
		    "wanted as 5.4.1";
	case CHECK_MODE:
		return s[strspn(s, "01234567")] == '\0' &&
		    (strlen(s) == 3 || (strlen(s) == 4 && s[0] == '0')) ?
		    NULL : "wanted an octal mode as 0660";
	case CHECK_OWNER:
		return is_owner(s) ? NULL : "wanted USER or USER:GROUP";
	case CHECK_THROTTLE_KEY:
		return check_throttle_key(s);
	case CHECK_VERB:
		return check_verb(s);
	}
	return NULL;
}

char *
conf_alabels(const char *s)
{
	size_t	 size = strlen(s) + IDN_MAX + 1;
	char	*out;

	if (!idn_is_8bit(s))
		return NULL;
	out = xmalloc(size);
	if (idn_address_to_ascii(s, out, size) == 0 && strcmp(s, out) != 0)
		return out;
	free(out);
	return NULL;
}

void
check_alabels(enum conf_check check, struct node *n)
{
	char	*out;

	if (check != CHECK_HOSTNAME && check != CHECK_HELO &&
	    check != CHECK_TLSNAME && check != CHECK_REMOTE &&
	    check != CHECK_POSTMASTER && check != CHECK_SENDER)
		return;
	if ((out = conf_alabels(n->text)) != NULL) {
		node_set(n, out, n->bare);
		free(out);
	}
}

/* --- references ----------------------------------------------------------- */

void
check_object(struct load *l, const struct node *n, const char *map,
    const char *name)
{
	const struct node	*all = node_child(l->root, map);
	struct nearest		 near;
	size_t			 i;

	if (node_child(all, name) != NULL)
		return;
	nearest_init(&near, name);
	for (i = 0; all != NULL && all->kind == NODE_MAP && i < all->nkids &&
	    i < 1000; i++)
		nearest_offer(&near, all->kids[i]->key);
	load_error(l, n, "no %s is called '%s'%s%s%s", map, name,
	    near.best == NULL ? "" : ", did you mean ",
	    near.best == NULL ? "" : near.best,
	    near.best == NULL ? "" : "?");
}

void
check_ref(struct load *l, const struct key *k, const struct node *n)
{
	if (strcmp(k->ref, "lookup") == 0)
		check_lookup(l, n, strcmp(k->name, "domains") == 0 ?
		    ASKS_DOMAIN : ASKS_ADDRESS);
	else if (strcmp(k->ref, "directory") == 0)
		check_directory_ref(l, n);
	else if (strcmp(k->ref, "remote") != 0 || strcmp(n->text, "mx") != 0)
		check_object(l, n, k->ref, n->text);
	else if ((k->flags & K_MX) != 0)
		l->use_mx = true;
	else
		load_error(l, n, "mx is for route.relay only");
}
