/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * TLS contexts: see tlsctx.h.
 *
 * Everything is made from memory.  The private keys are wiped from the
 * tls_config as soon as the server context has its own copy; that of a
 * remote is needed anew for each connection and stays.
 *
 * There are no session tickets and no session cache: libretls makes tickets
 * that nobody can resume, and setting them up costs time for nothing.
 *
 * A client's certificate is asked for and never judged by libtls, which
 * would let a bad one's handshake fail and has no number for what is wrong:
 * tlsctx_client_error() does.
 *
 * Verification is switched off in every client context.  libtls would read
 * the CA bundle from its file for each connection, 47 ms that block all
 * others, and cannot in a jail; tlsctx_verify() does it after the handshake,
 * before the first octet of SMTP.
 *
 * Ciphers of clients: where TLS is required libtls' secure ones; where it is
 * opportunistic its compatible ones, since the alternative is clear text.
 */

#include <sys/types.h>
#include <sys/socket.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tls.h>

#include "tlsctx.h"

struct tlsctx_remote {
	struct tls_config	*config;
	struct tls_store	*store;		/* NULL: nothing is judged */
};

static int
config_failed(struct tls_config *config, const char *what, char *why,
    size_t size)
{
	const char	*text = tls_config_error(config);

	snprintf(why, size, "%s: %s", what, text != NULL ? text : "no memory");
	return -1;
}

/* --- servers ------------------------------------------------------------- */

static int
set_protocols(struct tls_config *config, const struct strs *names, char *why,
    size_t size)
{
	char		 list[128] = "";
	uint32_t	 protocols;
	size_t		 i;

	if (names->n == 0)
		return 0;
	for (i = 0; i < names->n; i++) {
		if (i > 0)
			strlcat(list, ",", sizeof(list));
		if (strlcat(list, names->v[i], sizeof(list)) >= sizeof(list))
			break;
	}
	if (i < names->n ||
	    tls_config_parse_protocols(&protocols, list) == -1) {
		snprintf(why, size, "protocols %s: unknown", list);
		return -1;
	}
	if (tls_config_set_protocols(config, protocols) == -1)
		return config_failed(config, list, why, size);
	return 0;
}

/* The first one set is the default for clients without (known) SNI. */
static int
set_certificates(struct tls_config *config, const struct conf_map *certs,
    char *why, size_t size)
{
	const struct conf_cert	*c;
	const struct conf_obj	*first;
	size_t			 i;

	if (certs->n == 0) {
		snprintf(why, size, "no certificate");
		return -1;
	}
	if ((first = conf_find(certs, "default")) == NULL)
		first = certs->v[0];
	c = (const struct conf_cert *)first;
	if (tls_config_set_keypair_mem(config, c->cert.data, c->cert.len,
	    c->key.data, c->key.len) == -1)
		return config_failed(config, first->name, why, size);
	for (i = 0; i < certs->n; i++) {
		if (certs->v[i] == first)
			continue;
		c = (const struct conf_cert *)certs->v[i];
		if (tls_config_add_keypair_mem(config, c->cert.data,
		    c->cert.len, c->key.data, c->key.len) == -1)
			return config_failed(config, c->obj.name, why, size);
	}
	return 0;
}

/* Let clients show a certificate, any or none. */
static void
ask_clients(struct tls_config *config)
{
	tls_config_verify_client_optional(config);
	tls_config_insecure_noverifycert(config);
}

static struct tls *
server_new(struct tls_config *config, char *why, size_t size)
{
	struct tls	*tls;
	const char	*text;

	if ((tls = tls_server()) == NULL) {
		snprintf(why, size, "no memory");
		return NULL;
	}
	if (tls_configure(tls, config) == -1) {
		text = tls_error(tls);
		snprintf(why, size, "%s", text != NULL ? text : "TLS error");
		tls_free(tls);
		return NULL;
	}
	return tls;
}

/* One pair alone: is it at fault? */
static bool
is_bad_pair(const struct conf_cert *c, char *why, size_t size)
{
	struct tls_config	*config;
	struct tls		*tls = NULL;

	if ((config = tls_config_new()) == NULL)
		return false;
	if (tls_config_set_keypair_mem(config, c->cert.data, c->cert.len,
	    c->key.data, c->key.len) == 0)
		tls = server_new(config, why, size);
	tls_config_clear_keys(config);
	tls_config_free(config);
	if (tls == NULL)
		return true;
	tls_free(tls);
	return false;
}

/* libtls says what is wrong but not where: find the certificate. */
static void
blame(const struct conf_map *certs, char *why, size_t size)
{
	const struct conf_cert	*c;
	char			 reason[256];
	size_t			 i;

	for (i = 0; i < certs->n; i++) {
		c = (const struct conf_cert *)certs->v[i];
		(void)strlcpy(reason, why, sizeof(reason));
		if (!is_bad_pair(c, reason, sizeof(reason)))
			continue;
		snprintf(why, size, "tls.certificate.%s: cert %s, key %s: %s",
		    c->obj.name, c->cert.path, c->key.path, reason);
		return;
	}
}

struct tls *
tlsctx_server(const struct conf_tls *conf, char *why, size_t size)
{
	struct tls_config	*config;
	struct tls		*tls = NULL;

	if ((config = tls_config_new()) == NULL) {
		snprintf(why, size, "no memory");
		return NULL;
	}
	if (conf->client_verify != CLIENT_OFF)
		ask_clients(config);
	if (conf->ciphers != NULL &&
	    tls_config_set_ciphers(config, conf->ciphers) == -1)
		(void)config_failed(config, "ciphers", why, size);
	else if (set_protocols(config, &conf->protocols, why, size) == 0 &&
	    set_certificates(config, &conf->certs, why, size) == 0)
		tls = server_new(config, why, size);
	tls_config_clear_keys(config);
	tls_config_free(config);
	if (tls == NULL)
		blame(&conf->certs, why, size);
	return tls;
}

/* --- clients ------------------------------------------------------------- */

static ssize_t
nothing_in(struct tls *tls, void *p, size_t n, void *arg)
{
	(void)tls;
	(void)p;
	(void)n;
	(void)arg;
	return TLS_WANT_POLLIN;
}

static ssize_t
nothing_out(struct tls *tls, const void *p, size_t n, void *arg)
{
	(void)tls;
	(void)p;
	(void)n;
	(void)arg;
	return TLS_WANT_POLLOUT;
}

/*
 * libtls looks at a client's certificate only when a connection begins: so
 * begin one, that goes nowhere.
 */
static int
client_try(struct tls_config *config, char *why, size_t size)
{
	struct tls	*tls = tls_client();
	const char	*text;
	int		 result = -1;

	if (tls != NULL && tls_configure(tls, config) == 0)
		result = tls_connect_cbs(tls, nothing_in, nothing_out, NULL,
		    NULL);
	if (result == -1) {
		text = tls != NULL ? tls_error(tls) : NULL;
		snprintf(why, size, "tls.cert: %s",
		    text != NULL ? text : "no memory");
	}
	tls_free(tls);
	return result;
}

static int
client_config(struct tls_config *config, const struct conf_remote_tls *conf,
    char *why, size_t size)
{
	tls_config_insecure_noverifycert(config);
	tls_config_insecure_noverifyname(config);
	if (tls_config_set_ciphers(config,
	    conf->mode == RTLS_OPPORTUNISTIC ? "compat" : "secure") == -1)
		return config_failed(config, "ciphers", why, size);
	if (conf->cert.data == NULL)
		return 0;
	if (tls_config_set_keypair_mem(config, conf->cert.data, conf->cert.len,
	    conf->key.data, conf->key.len) == -1)
		return config_failed(config, "tls.cert", why, size);
	return client_try(config, why, size);
}

/* Where a certificate is judged there must be something to judge it by. */
static int
client_store(struct tlsctx_remote *r, const struct conf_remote_tls *conf,
    char *why, size_t size)
{
	char	 text[128];

	if (!conf->verify)
		return 0;
	if (conf->ca_file.data == NULL) {
		snprintf(why, size, "tls.ca: no certificates");
		return -1;
	}
	r->store = tls_store_get(conf->ca_file.data, conf->ca_file.len, text,
	    sizeof(text));
	if (r->store != NULL)
		return 0;
	snprintf(why, size, "tls.ca: %s", text);
	return -1;
}

struct tlsctx_remote *
tlsctx_remote_new(const struct conf_remote *conf, char *why, size_t size)
{
	struct tlsctx_remote	*r;

	if ((r = calloc(1, sizeof(*r))) == NULL ||
	    (r->config = tls_config_new()) == NULL) {
		snprintf(why, size, "no memory");
		tlsctx_remote_free(r);
		return NULL;
	}
	if (client_config(r->config, &conf->tls, why, size) == -1 ||
	    client_store(r, &conf->tls, why, size) == -1) {
		tlsctx_remote_free(r);
		return NULL;
	}
	return r;
}

void
tlsctx_remote_free(struct tlsctx_remote *r)
{
	if (r == NULL)
		return;
	if (r->config != NULL)
		tls_config_clear_keys(r->config);
	tls_config_free(r->config);
	tls_store_put(r->store);
	free(r);
}

struct tls *
tlsctx_client(struct tlsctx_remote *r)
{
	struct tls	*tls;

	if ((tls = tls_client()) == NULL)
		return NULL;
	if (tls_configure(tls, r->config) == 0)
		return tls;
	tls_free(tls);
	return NULL;
}

bool
tlsctx_verify(struct tlsctx_remote *r, struct tls *tls, const char *name,
    char *why, size_t size)
{
	const uint8_t	*pem;
	size_t		 len;

	if (r->store == NULL) {
		snprintf(why, size, "nothing to judge the certificate by");
		return false;
	}
	pem = tls_peer_cert_chain_pem(tls, &len);
	if (pem == NULL || len == 0) {
		snprintf(why, size, "no certificate");
		return false;
	}
	return tls_store_judge(r->store, pem, len, name, why, size);
}

int
tlsctx_client_error(struct tls_store *store, struct tls *tls)
{
	const uint8_t	*pem;
	size_t		 len;

	if (!tls_peer_cert_provided(tls))
		return TLS_NO_CERT;
	pem = tls_peer_cert_chain_pem(tls, &len);
	return tls_store_client_error(store, pem, pem == NULL ? 0 : len);
}
