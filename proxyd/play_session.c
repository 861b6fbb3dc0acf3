/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * A session as a transcript tells it: keys and values, turned into the fields
 * that smtpd would send, so that a script sees what it would see there.
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "play.h"
#include "play_session.h"
#include "play_show.h"

#define MEMORY		(16 * 1024 * 1024)	/* as script-limits has it */

struct sess		sess;
static uint64_t		last_id = 1;

void
bad(int line, const char *fmt, ...)
{
	va_list	ap;

	printf("transcript:%d: ", line);
	va_start(ap, fmt);
	print_clean(fmt, ap);
	va_end(ap);
	printf("\n");
	play_end(2);
}

/* --- words ---------------------------------------------------------------- */

bool
next_word(const char **p, int line, char word[WORD_MAX])
{
	bool	quoted = false;
	size_t	n = 0;

	*p += strspn(*p, " \t");
	if (**p == '\0')
		return false;
	for (; **p != '\0' && (quoted || (**p != ' ' && **p != '\t'));
	    (*p)++) {
		if (**p == '"') {
			quoted = !quoted;
			continue;
		}
		if (n + 1 == WORD_MAX)
			bad(line, "a word that is too long");
		word[n++] = **p;
	}
	if (quoted)
		bad(line, "a quote without its end");
	word[n] = '\0';
	return true;
}

char *
cut(char *word, int line)
{
	char	*value = strchr(word, '=');

	if (value == NULL)
		bad(line, "\"%s\" is not of the form key=value", word);
	*value = '\0';
	return value + 1;
}

uint64_t
number(const char *value, int line)
{
	const char	*why;
	long long	 n = strtonum(value, 0, INT64_MAX, &why);

	if (why != NULL)
		bad(line, "%s is %s", value, why);
	return (uint64_t)n;
}

/* --- the session ---------------------------------------------------------- */

/* What of TLS and AUTH has been said: their fields go as one. */
static struct known {
	struct addr	 remote, local;
	int64_t		 uid;
	char		 protocol[64], cipher[128], sni[256];
	uint32_t	 keysize;
	char		 mechanism[64], username[256];
} known;

void
tell_session(struct wbuf *w)
{
	struct rbuf	r;
	bool		nomem;

	hook_put_end(w);
	rbuf_init(&r, w->data, w->len);
	if (!wire_ok(w) || hook_get_fields(&r, &sess.view, &nomem) == -1)
		fatalx("a session cannot be told");
	wbuf_clear(w);
}

static void
set_addr(struct addr *a, const char *value, int line)
{
	uint16_t	port = a->port;

	if (addr_parse(a, value) == -1)
		bad(line, "%s is no address", value);
	a->port = port;
}

static void
put_helo(struct wbuf *w, char *value, int line)
{
	char	*host = strchr(value, ':');

	if (host == NULL)
		bad(line, "helo=VERB:host");
	*host++ = '\0';
	hook_put_helo(w, value, host);
}

/* One more of XSETCONTEXT's. */
static void
put_context(struct wbuf *w, const char *name, const char *value)
{
	if (hook_pairs_add(&sess.view.context, name, value) == -1)
		fatal("context");
	/* The view counts as changed. */
	hook_put_serverid(w, sess.view.serverid);
}

static bool
set_end(struct wbuf *w, const char *key, const char *value, int line)
{
	if (strcmp(key, "remoteip") == 0)
		set_addr(&known.remote, value, line);
	else if (strcmp(key, "remoteport") == 0)
		known.remote.port = (uint16_t)number(value, line);
	else if (strcmp(key, "remoteuid") == 0) {
		known.remote.family = ADDR_UNIX;
		known.uid = (int64_t)number(value, line);
	} else if (strcmp(key, "localip") == 0)
		set_addr(&known.local, value, line);
	else if (strcmp(key, "localport") == 0)
		known.local.port = (uint16_t)number(value, line);
	else
		return false;
	hook_put_remote(w, &known.remote, known.uid);
	hook_put_local(w, &known.local);
	return true;
}

static bool
set_tls(struct wbuf *w, const char *key, const char *value, int line)
{
	if (strcmp(key, "tls") == 0)
		(void)strlcpy(known.protocol, value, sizeof(known.protocol));
	else if (strcmp(key, "cipher") == 0)
		(void)strlcpy(known.cipher, value, sizeof(known.cipher));
	else if (strcmp(key, "sni") == 0)
		(void)strlcpy(known.sni, value, sizeof(known.sni));
	else if (strcmp(key, "keysize") == 0)
		known.keysize = (uint32_t)number(value, line);
	else
		return false;
	hook_put_tls(w, known.protocol, known.cipher, known.keysize,
	    known.sni);
	return true;
}

static bool
set_auth(struct wbuf *w, const char *key, const char *value)
{
	if (strcmp(key, "mechanism") == 0)
		(void)strlcpy(known.mechanism, value,
		    sizeof(known.mechanism));
	else if (strcmp(key, "username") == 0)
		(void)strlcpy(known.username, value, sizeof(known.username));
	else
		return false;
	hook_put_auth(w, known.mechanism, known.username);
	return true;
}

void
put_path(struct wbuf *w, const char *address, const char *transportid,
    int line)
{
	struct smtp_path	path;
	struct slice		s = { address, strlen(address) };
	size_t			used;

	if (smtp_path_parse(&path, s, PATH_BARE | (transportid == NULL ?
	    PATH_REVERSE : PATH_FORWARD), &used) != PATH_OK || used != s.n)
		bad(line, "%s is no address", address);
	if (transportid == NULL) {
		hook_put_tx(w, ++last_id);
		hook_put_sender(w, &path, NULL, 0);
	} else
		hook_put_rcpt(w, &path, NULL, 0, transportid);
}

void
set_fact(struct wbuf *w, const char *key, char *value, int line)
{
	struct addr	proxy;

	if (set_end(w, key, value, line) || set_tls(w, key, value, line) ||
	    set_auth(w, key, value))
		return;
	if (strcmp(key, "serverid") == 0)
		hook_put_serverid(w, value);
	else if (strcmp(key, "remoteptr") == 0)
		hook_put_ptr(w, value);
	else if (strcmp(key, "helo") == 0)
		put_helo(w, value, line);
	else if (strcmp(key, "sender") == 0)
		put_path(w, value, NULL, line);
	else if (strcmp(key, "recipient") == 0)
		put_path(w, value, "mx", line);
	else if (strncmp(key, "context.", 8) == 0)
		put_context(w, key + 8, value);
	else if (strcmp(key, "proxyip") == 0) {
		if (addr_parse(&proxy, value) == -1)
			bad(line, "%s is no address", value);
		hook_put_proxy(w, &proxy);
	} else
		bad(line, "a session has no %s", key);
}

/* `set', and the rest of `session'. */
void
play_set(const char *p, int line)
{
	struct wbuf	w = { 0 };
	char		word[WORD_MAX], *value;

	while (next_word(&p, line, word)) {
		value = cut(word, line);
		set_fact(&w, word, value, line);
	}
	tell_session(&w);
}

void
sess_over(void)
{
	if (sess.owner == NULL)
		return;
	lua_sess_over(&sess);
	hook_session_clear(&sess.view);
	owner_gone(sess.owner);
}

void
play_session(const char *p, int line)
{
	struct wbuf	w = { 0 };

	sess_over();
	memset(&sess, 0, sizeof(sess));
	memset(&known, 0, sizeof(known));
	known.uid = -1;
	known.remote.port = 40000;
	known.local.port = 25;
	hook_session_init(&sess.view);
	sess.sid = ++last_id;
	sess.env = LUA_NOREF;
	if ((sess.owner = owner_new(MEMORY)) == NULL)
		fatal("session");
	hook_put_serverid(&w, "test");
	hook_put_tx(&w, ++last_id);
	tell_session(&w);
	play_set(p, line);
}
