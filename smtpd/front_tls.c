/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * TLS of the client's side, and the contexts of both sides by generation.
 *
 * STARTTLS is answered only when nothing is buffered behind it, and
 * everything said before it is forgotten (RFC 3207, section 4.2; the NO
 * STARTTLS papers tell what happens to those who do not).
 *
 * A server context costs a millisecond a certificate; a generation whose
 * certificates and settings are those of another one shares its context.
 */

#include <sys/queue.h>

#include <stdlib.h>
#include <string.h>
#include <tls.h>

#include "front.h"
#include "log.h"
#include "tlsctx.h"

#define HANDSHAKE_MAX	60000		/* ms */

struct context {
	TAILQ_ENTRY(context)	 entry;
	unsigned int		 refs;
	struct tls		*tls;
	char			*key;	/* what it was made from */
};

struct use {
	TAILQ_ENTRY(use)	 entry;
	struct config		*conf;	/* not counted: conf_release comes */
	struct context		*ctx;	/* NULL: no certificates */
};

static TAILQ_HEAD(, context)	contexts = TAILQ_HEAD_INITIALIZER(contexts);
static TAILQ_HEAD(, use)	uses = TAILQ_HEAD_INITIALIZER(uses);

/* Ids are never given twice, so they stand for the certificates. */
static char *
context_key(const struct conf_tls *t)
{
	char	*key = NULL, *more;
	size_t	 i;

	if (asprintf(&key, "%s", t->ciphers) == -1)
		return NULL;
	for (i = 0; i < t->protocols.n + t->certs.n; i++) {
		if (i < t->protocols.n ?
		    asprintf(&more, "%s %s", key, t->protocols.v[i]) == -1 :
		    asprintf(&more, "%s %u", key,
		    t->certs.v[i - t->protocols.n]->id) == -1)
			more = NULL;
		free(key);
		if ((key = more) == NULL)
			return NULL;
	}
	return key;
}

static struct context *
context_get(const struct conf_tls *t, char *why, size_t size)
{
	struct context	*c;
	char		*key;

	if ((key = context_key(t)) == NULL)
		goto nomem;
	TAILQ_FOREACH(c, &contexts, entry)
		if (strcmp(c->key, key) == 0) {
			free(key);
			c->refs++;
			return c;
		}
	if ((c = calloc(1, sizeof(*c))) == NULL)
		goto nomem;
	if ((c->tls = tlsctx_server(t, why, size)) == NULL) {
		free(c);
		free(key);
		return NULL;
	}
	c->key = key;
	c->refs = 1;
	TAILQ_INSERT_TAIL(&contexts, c, entry);
	return c;
nomem:
	free(key);
	(void)strlcpy(why, "no memory", size);
	return NULL;
}

static void
context_put(struct context *c)
{
	if (c == NULL || --c->refs > 0)
		return;
	TAILQ_REMOVE(&contexts, c, entry);
	tls_free(c->tls);
	free(c->key);
	free(c);
}

static int
prepare_remotes(struct config *conf, char *why, size_t size)
{
	struct conf_remote	*r;
	size_t			 i;

	for (i = 0; i < conf->remotes.n; i++) {
		r = (struct conf_remote *)(void *)conf->remotes.v[i];
		if (r->tls.mode == RTLS_OFF)
			continue;
		if ((r->obj.priv = tlsctx_remote_new(r, why, size)) == NULL)
			return -1;
	}
	return 0;
}

int
ftls_prepare(struct config *conf, char *why, size_t size)
{
	struct use	*u;

	if ((u = calloc(1, sizeof(*u))) == NULL) {
		(void)strlcpy(why, "no memory", size);
		return -1;
	}
	u->conf = conf;
	TAILQ_INSERT_TAIL(&uses, u, entry);
	if (conf->tls.certs.n > 0 &&
	    (u->ctx = context_get(&conf->tls, why, size)) == NULL)
		return -1;
	return prepare_remotes(conf, why, size);
}

void
ftls_release(struct config *conf)
{
	struct use	*u;
	size_t		 i;

	for (i = 0; i < conf->remotes.n; i++) {
		tlsctx_remote_free(conf->remotes.v[i]->priv);
		conf->remotes.v[i]->priv = NULL;
	}
	TAILQ_FOREACH(u, &uses, entry)
		if (u->conf == conf)
			break;
	if (u == NULL)
		return;
	TAILQ_REMOVE(&uses, u, entry);
	context_put(u->ctx);
	free(u);
}

static struct tls *
server_context(const struct config *conf)
{
	struct use	*u;

	TAILQ_FOREACH(u, &uses, entry)
		if (u->conf == conf)
			return u->ctx == NULL ? NULL : u->ctx->tls;
	return NULL;
}

struct tlsctx_remote *
ftls_remote(const struct conf_remote *r)
{
	return r->obj.priv;
}

bool
ftls_is_offered(const struct session *s)
{
	return !(s->flags & SF_TLS) && (s->listener->tls == LTLS_STARTTLS ||
	    s->listener->tls == LTLS_REQUIRED) &&
	    server_context(s->conf) != NULL;
}

void
ftls_start(struct session *s, bool implicit)
{
	int64_t	ms = s->conf->session.timeout;

	if (!implicit)
		session_reply(s, 0, "220 2.0.0 go ahead");
	if (s->state == S_DEAD)
		return;
	if (implicit)
		io_start(&s->io);
	if (io_tls_server(&s->io, server_context(s->conf)) == -1) {
		session_end(s, "no memory for TLS");
		return;
	}
	s->flags |= SF_TLS;
	s->wait = WAIT_TLS;
	timer_set(&s->timer, ms < HANDSHAKE_MAX ? ms : HANDSHAKE_MAX);
}

const char *
ftls_text(const struct session *s, char *buf, size_t size)
{
	const char	*version, *cipher;

	buf[0] = '\0';
	if (s->io.tls == NULL ||
	    (version = tls_conn_version(s->io.tls)) == NULL ||
	    (cipher = tls_conn_cipher(s->io.tls)) == NULL)
		return buf;
	(void)snprintf(buf, size, "%s with cipher %s", version, cipher);
	return buf;
}
