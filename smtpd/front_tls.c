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
 *
 * A client's certificate is judged by us, after the handshake.  With
 * client-verify: required a client without a good one hears so in place of
 * the banner, or behind STARTTLS in answer to its first command: a line
 * that it has not asked for it would take for that answer (RFC 3207,
 * section 4.1).  Its chain and name are not copied: libtls keeps them as long
 * as the connection, and there is no way to make it forget them; so one that
 * is far too large ends the session.
 */

#include <sys/queue.h>

#include <stdlib.h>
#include <string.h>
#include <tls.h>

#include "front.h"
#include "log.h"
#include "tlsctx.h"

#define HANDSHAKE_MAX	60000		/* ms */
#define CHAIN_SIZE_MAX	(64 * 1024)	/* of a client's, as PEM */

struct context {
	TAILQ_ENTRY(context)	 entry;
	unsigned int		 refs;
	struct tls		*tls;
	struct tls_store	*clients; /* NULL: they are not asked */
	char			*key;	/* what it was made from */
};

struct use {
	TAILQ_ENTRY(use)	 entry;
	struct config		*conf;	/* not counted: conf_release comes */
	struct context		*ctx;	/* NULL: no certificates */
};

static TAILQ_HEAD(, context)	contexts = TAILQ_HEAD_INITIALIZER(contexts);
static TAILQ_HEAD(, use)	uses = TAILQ_HEAD_INITIALIZER(uses);

/*
 * Ids are never given twice, so they stand for the certificates.  So does a
 * set's place for what is in it, while a context has it.
 */
static char *
context_key(const struct conf_tls *t, const struct tls_store *clients)
{
	char	*key = NULL, *more;
	size_t	 i;

	if (asprintf(&key, "%p %s", (const void *)clients, t->ciphers) == -1)
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
context_find(const char *key)
{
	struct context	*c;

	TAILQ_FOREACH(c, &contexts, entry)
		if (strcmp(c->key, key) == 0)
			return c;
	return NULL;
}

/* Takes the set. */
static struct context *
context_new(const struct conf_tls *t, struct tls_store *clients, char *why,
    size_t size)
{
	struct context	*c, *same;

	(void)strlcpy(why, "no memory", size);
	if ((c = calloc(1, sizeof(*c))) == NULL ||
	    (c->key = context_key(t, clients)) == NULL)
		goto fail;
	if ((same = context_find(c->key)) != NULL) {
		free(c->key);
		free(c);
		tls_store_put(clients);
		same->refs++;
		return same;
	}
	if ((c->tls = tlsctx_server(t, why, size)) == NULL)
		goto fail;
	c->clients = clients;
	c->refs = 1;
	TAILQ_INSERT_TAIL(&contexts, c, entry);
	return c;
fail:
	if (c != NULL)
		free(c->key);
	free(c);
	tls_store_put(clients);
	return NULL;
}

static struct context *
context_get(const struct conf_tls *t, char *why, size_t size)
{
	struct tls_store	*clients = NULL;
	char			 reason[128];

	if (t->client_verify != CLIENT_OFF) {
		clients = tls_store_get(t->client_ca.data, t->client_ca.len,
		    reason, sizeof(reason));
		if (clients == NULL) {
			(void)snprintf(why, size, "tls.client-ca: %s",
			    reason);
			return NULL;
		}
	}
	return context_new(t, clients, why, size);
}

static void
context_put(struct context *c)
{
	if (c == NULL || --c->refs > 0)
		return;
	TAILQ_REMOVE(&contexts, c, entry);
	tls_free(c->tls);
	tls_store_put(c->clients);
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

static const struct context *
server_context(const struct config *conf)
{
	struct use	*u;

	TAILQ_FOREACH(u, &uses, entry)
		if (u->conf == conf)
			return u->ctx;
	return NULL;
}

struct tlsctx_remote *
ftls_remote(const struct conf_remote *r)
{
	return r->obj.priv;
}

bool
ftls_is_possible(const struct session *s)
{
	return !(s->flags & SF_TLS) && (s->listener->tls == LTLS_STARTTLS ||
	    s->listener->tls == LTLS_REQUIRED) &&
	    server_context(s->conf) != NULL;
}

bool
ftls_is_offered(const struct session *s)
{
	return !(s->withheld & OFFER_STARTTLS) && ftls_is_possible(s);
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
	if (io_tls_server(&s->io, server_context(s->conf)->tls) == -1) {
		session_end(s, "no memory for TLS");
		return;
	}
	s->flags |= SF_TLS;
	s->wait = WAIT_TLS;
	timer_set(&s->timer, ms < HANDSHAKE_MAX ? ms : HANDSHAKE_MAX);
}

void
ftls_judge(struct session *s)
{
	const struct context	*c = server_context(s->conf);
	size_t			 len = 0;

	if (c->clients == NULL)
		return;
	s->cert_error = tlsctx_client_error(c->clients, s->io.tls);
	if (s->cert_error != TLS_NO_CERT)
		(void)tls_peer_cert_chain_pem(s->io.tls, &len);
	if (len > CHAIN_SIZE_MAX || (s->cert_error != 0 &&
	    s->conf->tls.client_verify == CLIENT_REQUIRED))
		s->flags |= SF_NO_CERT;
}

void
ftls_refuse(struct session *s)
{
	s->why = "client certificate";
	if (s->cert_error == TLS_NO_CERT)
		session_reply(s, REPLY_CLOSE,
		    "554 5.7.0 show a certificate of yours");
	else if (s->cert_error == 0)
		session_reply(s, REPLY_CLOSE,
		    "554 5.7.0 too many certificates");
	else
		session_reply(s, REPLY_CLOSE, "554 5.7.0 your certificate: %s",
		    tlsctx_error_text(s->cert_error));
}

const char *
ftls_sni(const struct session *s)
{
	return s->io.tls == NULL ? NULL : tls_conn_servername(s->io.tls);
}

const char *
ftls_subject(const struct session *s)
{
	const char	*subject = NULL;

	if (s->io.tls != NULL)
		subject = tls_peer_cert_subject(s->io.tls);
	return subject == NULL ? "" : subject;
}

bool
ftls_facts(const struct session *s, const char **version,
    const char **cipher, unsigned int *bits)
{
	int	n;

	if (s->io.tls == NULL ||
	    (*version = tls_conn_version(s->io.tls)) == NULL ||
	    (*cipher = tls_conn_cipher(s->io.tls)) == NULL)
		return false;
	n = tls_conn_cipher_strength(s->io.tls);
	*bits = n < 0 ? 0 : (unsigned int)n;
	return true;
}

const char *
ftls_text(const struct session *s, char *buf, size_t size)
{
	const char	*version, *cipher;
	unsigned int	 bits;

	buf[0] = '\0';
	if (!ftls_facts(s, &version, &cipher, &bits))
		return buf;
	(void)snprintf(buf, size, "%s with cipher %s", version, cipher);
	return buf;
}
