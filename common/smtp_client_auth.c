/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Our login at a next hop: see smtp_client.h, RFC 4954 and RFC 4616.
 *
 * Only behind TLS, whatever the server offers in clear text.  PLAIN where it
 * is offered, in the command itself where that fits an old server's line,
 * else behind its 334; LOGIN for those that have nothing else.  Its prompts
 * are not read: the name is asked for first, then the password.
 *
 * The secrets: they live in the configuration.  What is made of them here is
 * wiped before the function returns, and the stream's output is one that
 * wipes itself (io_secret) until the verdict is there.  No line of the log
 * is made from a line that was sent.
 *
 * Considered and rejected: more mechanisms (behind TLS they protect nothing
 * that PLAIN exposes, but from the server itself, whom we trust with the
 * mail); going on without a login where it is refused (the message would be
 * refused later, for a reason that nobody understands).
 */

#include <errno.h>
#include <string.h>

#include "base64.h"
#include "smtp_client_private.h"

#define OLD_LINE_MAX	512	/* of a command: RFC 5321, section 4.5.3.1.4 */
#define SECRET_MAX	8192	/* fits SMTP_AUTH_LINE_MAX when encoded */

/* Send verb and secret, either of which may be missing (NULL). */
static bool
say(struct smtp_client *c, enum auth_step next, const char *verb,
    const char *secret, size_t n)
{
	char	 line[SMTP_AUTH_LINE_MAX];
	ssize_t	 len = 0;
	int	 result;

	if (verb != NULL)
		len = strlcpy(line, verb, sizeof(line));
	if (verb != NULL && secret != NULL)
		line[len++] = ' ';
	if (secret != NULL)
		len += base64_encode(secret, n, line + len,
		    sizeof(line) - len);
	memcpy(line + len, "\r\n", 2);
	result = io_write(&c->io, line, len + 2);
	explicit_bzero(line, sizeof(line));
	if (result == -1 && errno != EPIPE)
		return client_fail(c, END_MEMORY, NULL, "no memory");
	c->auth = next;
	client_enter(c, C_AUTH);
	client_deadline(c);
	return true;
}

/* Nobody else to act for, name, password. */
static bool
plain(struct smtp_client *c, const char *verb)
{
	const char	*user = c->remote->auth.username;
	const char	*password = c->remote->auth.password;
	char		 secret[SECRET_MAX];
	size_t		 nuser = strlen(user);
	size_t		 n = 1 + nuser + 1 + strlen(password);
	bool		 result;

	secret[0] = '\0';
	memcpy(secret + 1, user, nuser + 1);
	memcpy(secret + nuser + 2, password, n - nuser - 2);
	result = say(c, AUTH_SAID, verb, secret, n);
	explicit_bzero(secret, sizeof(secret));
	return result;
}

/* Does PLAIN's answer fit in the command's own line? */
static bool
fits(size_t nanswer)
{
	return strlen("AUTH PLAIN \r\n") + BASE64_SIZE(nanswer) - 1 <=
	    OLD_LINE_MAX;
}

bool
client_login(struct smtp_client *c)
{
	const struct conf_remote_auth	*auth = &c->remote->auth;
	size_t				 n;

	if (!c->secure)
		return client_fail(c, END_AUTH, NULL, "AUTH needs TLS");
	n = strlen(auth->username) + strlen(auth->password) + 2;
	if (n > SECRET_MAX)
		return client_fail(c, END_AUTH, NULL,
		    "our name and password are too long for AUTH");
	io_secret(&c->io, true);
	if ((c->mechanisms & MECH_PLAIN) != 0)
		return fits(n) ? plain(c, "AUTH PLAIN") :
		    say(c, AUTH_PLAIN, "AUTH PLAIN", NULL, 0);
	if ((c->mechanisms & MECH_LOGIN) != 0)
		return say(c, AUTH_USERNAME, "AUTH LOGIN", NULL, 0);
	return client_fail(c, END_AUTH, NULL,
	    "AUTH with PLAIN or LOGIN is not offered");
}

bool
client_on_auth(struct smtp_client *c, const struct smtp_reply *r)
{
	const struct conf_remote_auth	*auth = &c->remote->auth;

	if (r->code >= 400)
		return client_refused(c, END_AUTH, r, "AUTH");
	if (c->auth == AUTH_SAID && r->code == 235) {
		io_secret(&c->io, false);
		return client_greeted(c);
	}
	if (r->code != 334)
		return client_garbage(c, r, "AUTH");
	switch (c->auth) {
	case AUTH_PLAIN:
		return plain(c, NULL);
	case AUTH_USERNAME:
		return say(c, AUTH_PASSWORD, NULL, auth->username,
		    strlen(auth->username));
	case AUTH_PASSWORD:
		return say(c, AUTH_SAID, NULL, auth->password,
		    strlen(auth->password));
	case AUTH_SAID:
		break;
	}
	return client_garbage(c, r, "AUTH");
}
