/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The octets of a connection, plain or under TLS, and the certificates of a
 * run: mx.test, which is what server actors and the daemon show, two.test,
 * for SNI and as a client's, and three.test, which two.test has signed.  The
 * first two sign themselves, so each is also the CA file that verifies it.
 *
 * The keys are made when a talk first names them: a P-256 key takes a
 * millisecond, so there is nothing to keep from one run to the next, and
 * no key lies in the source tree to expire there.
 *
 * After a write that has to wait libtls wants the same octets again, hence
 * conn.chunk.
 */
#include <sys/socket.h>
#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <tls.h>

#include "parley.h"

/* A certificate and its key, while others may be signed by it. */
struct pair {
	X509		*cert;
	EVP_PKEY	*key;
};

/* The words that may follow tls. */
struct options {
	char	*copy;
	char	*sni;
	char	*cert;
	char	*key;
	char	*verify;
	char	*protocols;
	char	*ciphers;
	bool	 fails;
};

static EVP_PKEY *
make_key(void)
{
	EVP_PKEY_CTX	*ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
	EVP_PKEY	*key = NULL;

	if (ctx == NULL || EVP_PKEY_keygen_init(ctx) != 1 ||
	    EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx,
	    NID_X9_62_prime256v1) != 1 || EVP_PKEY_keygen(ctx, &key) != 1)
		errx(1, "cannot make a key");
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static void
add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION	*x;
	X509V3_CTX	 ctx;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	x = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	if (x == NULL || X509_add_ext(cert, x, -1) != 1)
		errx(1, "cannot make a certificate: %s", value);
	X509_EXTENSION_free(x);
}

/* Signed by the issuer, or by itself. */
static X509 *
make_cert(EVP_PKEY *key, const char *host, const char *names,
    const struct pair *issuer)
{
	static long	 serial;
	X509		*cert = X509_new();
	X509_NAME	*name = X509_NAME_new();

	if (cert == NULL || name == NULL ||
	    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)host, -1, -1, 0) != 1 ||
	    X509_set_version(cert, 2) != 1 ||
	    ASN1_INTEGER_set(X509_get_serialNumber(cert),
	    getpid() * 10L + ++serial) != 1 ||
	    X509_gmtime_adj(X509_getm_notBefore(cert), -3600) == NULL ||
	    X509_gmtime_adj(X509_getm_notAfter(cert), 86400) == NULL ||
	    X509_set_subject_name(cert, name) != 1 ||
	    X509_set_issuer_name(cert, issuer == NULL ? name :
	    X509_get_subject_name(issuer->cert)) != 1 ||
	    X509_set_pubkey(cert, key) != 1)
		errx(1, "cannot make a certificate for %s", host);
	add_extension(cert, NID_basic_constraints, issuer == NULL ?
	    "critical,CA:TRUE" : "critical,CA:FALSE");
	add_extension(cert, NID_subject_alt_name, names);
	if (X509_sign(cert, issuer == NULL ? key : issuer->key,
	    EVP_sha256()) == 0)
		errx(1, "cannot sign a certificate for %s", host);
	X509_NAME_free(name);
	return cert;
}

static FILE *
pem_open(const char *macro, const char *file)
{
	char	*path = xasprintf("%s/%s", talk.tmp, file);
	FILE	*f = fopen(path, "w");

	/* The daemon does not take a key that others can read. */
	if (f == NULL || fchmod(fileno(f), 0600) == -1)
		err(1, "%s", path);
	macro_set(macro, path);
	free(path);
	return f;
}

static struct pair
make_pair(const char *suffix, const char *host, const char *names,
    const struct pair *issuer)
{
	struct pair	 p = { .key = make_key() };
	FILE		*f;
	char		*macro, *file;

	p.cert = make_cert(p.key, host, names, issuer);
	macro = xasprintf("tls.cert%s", suffix);
	file = xasprintf("tls%s.crt", suffix);
	f = pem_open(macro, file);
	if (PEM_write_X509(f, p.cert) != 1 || fclose(f) != 0)
		err(1, "%s", file);
	free(macro);
	free(file);
	macro = xasprintf("tls.key%s", suffix);
	file = xasprintf("tls%s.key", suffix);
	f = pem_open(macro, file);
	if (PEM_write_PrivateKey(f, p.key, NULL, NULL, 0, NULL, NULL) != 1 ||
	    fclose(f) != 0)
		err(1, "%s", file);
	free(macro);
	free(file);
	return p;
}

static void
pair_free(struct pair *p)
{
	X509_free(p->cert);
	EVP_PKEY_free(p->key);
}

const char *
tls_file(const char *name)
{
	struct pair	 one, two, three;
	static bool	 made;

	if (made)
		return NULL;		/* macro_get() looked before */
	made = true;
	one = make_pair("", "mx.test",
	    "DNS:mx.test,DNS:localhost,IP:127.0.0.1", NULL);
	two = make_pair("2", "two.test", "DNS:two.test", NULL);
	three = make_pair("3", "three.test",
	    "DNS:three.test,DNS:*.three.test", &two);
	pair_free(&one);
	pair_free(&two);
	pair_free(&three);
	return macro_get(name);
}

static int
option(const struct conn *c, int line, struct options *o, char *word)
{
	char	*value = strchr(word, '=');

	if (value != NULL)
		*value++ = '\0';
	if (value == NULL && strcmp(word, "fails") == 0)
		o->fails = true;
	else if (value != NULL && strcmp(word, "sni") == 0)
		o->sni = value;
	else if (value != NULL && strcmp(word, "cert") == 0)
		o->cert = value;
	else if (value != NULL && strcmp(word, "key") == 0)
		o->key = value;
	else if (value != NULL && strcmp(word, "verify") == 0)
		o->verify = value;
	else if (value != NULL && strcmp(word, "protocols") == 0)
		o->protocols = value;
	else if (value != NULL && strcmp(word, "ciphers") == 0)
		o->ciphers = value;
	else {
		fail(c, line, "tls: unknown option %s", word);
		return -1;
	}
	return 0;
}

static int
options_parse(const struct conn *c, int line, const char *arg,
    struct options *o)
{
	char	*p, *word;

	memset(o, 0, sizeof(*o));
	if ((o->copy = expand(c, line, arg)) == NULL)
		return -1;
	for (p = o->copy; (word = next_word(&p)) != NULL;)
		if (option(c, line, o, word) == -1)
			return -1;
	return 0;
}

static int
keypair_set(struct tls_config *cfg, const struct options *o, bool server)
{
	const char	*cert = o->cert, *key = o->key;

	if (cert == NULL && server) {
		cert = macro_get("tls.cert");
		key = macro_get("tls.key");
	}
	if (cert == NULL)
		return 0;
	return tls_config_set_keypair_file(cfg, cert,
	    key == NULL ? cert : key);
}

static int
config_set(struct tls_config *cfg, const struct options *o, bool server)
{
	uint32_t	protocols;

	if (o->protocols != NULL &&
	    (tls_config_parse_protocols(&protocols, o->protocols) == -1 ||
	    tls_config_set_protocols(cfg, protocols) == -1))
		return -1;
	if (o->ciphers != NULL && tls_config_set_ciphers(cfg, o->ciphers) == -1)
		return -1;
	if (keypair_set(cfg, o, server) == -1)
		return -1;
	if (o->verify != NULL && tls_config_set_ca_file(cfg, o->verify) == -1)
		return -1;
	if (server && o->verify != NULL)
		tls_config_verify_client(cfg);
	if (!server && o->verify == NULL)
		tls_config_insecure_noverifycert(cfg);
	if (!server && (o->verify == NULL || o->sni == NULL))
		tls_config_insecure_noverifyname(cfg);
	return 0;
}

/* The context for this connection; NULL when it took none of it. */
static int
tls_begin(struct conn *c, const struct options *o, const char **why)
{
	struct tls_config	*cfg = tls_config_new();
	struct tls		*ctx;
	bool			 server = c->actor->server;

	ctx = server ? tls_server() : tls_client();
	if (cfg == NULL || ctx == NULL)
		errx(1, "libtls");
	*why = NULL;
	if (config_set(cfg, o, server) == -1)
		*why = tls_config_error(cfg);
	else if (tls_configure(ctx, cfg) == -1)
		*why = tls_error(ctx);
	else if (server) {
		c->tls_server = ctx;
		if (tls_accept_socket(ctx, &c->tls, c->fd) == -1)
			*why = tls_error(ctx);
	} else {
		c->tls = ctx;
		if (tls_connect_socket(ctx, c->fd, o->sni) == -1)
			*why = tls_error(ctx);
	}
	tls_config_free(cfg);		/* the context keeps its own hold */
	return *why == NULL ? 0 : -1;
}

/* The handshake's end; "tls fails" wants it to be a bad one. */
static enum res
tls_verdict(struct conn *c, int line, bool fails, const char *why)
{
	if (why != NULL && fails) {
		tracef(c, line, "tls fails: %s", why);
		c->eof = c->broken = true;
		return R_DONE;
	}
	if (why != NULL) {
		fail(c, line, "tls: %s", why);
		return R_FAIL;
	}
	if (fails) {
		fail(c, line, "the TLS handshake went well");
		return R_FAIL;
	}
	tracef(c, line, "tls %s %s", tls_conn_version(c->tls),
	    tls_conn_cipher(c->tls));
	c->tls_on = true;
	return R_DONE;
}

/* Without tls_begin()'s context yet: what is wrong with TLS now? */
static const char *
tls_untimely(const struct conn *c)
{
	if (c->tls_on)
		return "TLS is on already";
	if (bytes_len(&c->in) > 0)
		return "plain octets came before the handshake";
	return NULL;
}

enum res
tls_step(struct conn *c, int line, const char *arg)
{
	struct options	 o;
	const char	*why = NULL;
	enum res	 res = R_FAIL;
	int		 rv = -1;

	if (options_parse(c, line, arg, &o) == -1)
		goto out;
	if (!c->begun) {
		if ((why = tls_untimely(c)) != NULL) {
			fail(c, line, "%s", why);
			goto out;
		}
		c->begun = true;
		if (tls_begin(c, &o, &why) == -1) {
			fail(c, line, "tls: %s", why);
			goto out;
		}
	}
	rv = tls_handshake(c->tls);
	if (rv == TLS_WANT_POLLIN || rv == TLS_WANT_POLLOUT) {
		res = conn_wait(c, rv == TLS_WANT_POLLIN ? POLLIN : POLLOUT);
		goto out;
	}
	if (rv == -1 && (why = tls_error(c->tls)) == NULL)
		why = "handshake failed";
	res = tls_verdict(c, line, o.fails, why);
 out:
	free(o.copy);
	return res;
}

/* What libtls and the kernel say -> what conn_read() and conn_write() do. */
static ssize_t
verdict_of(struct conn *c, ssize_t n, short want)
{
	if (n >= 0)
		return n;
	if (c->tls_on && (n == TLS_WANT_POLLIN || n == TLS_WANT_POLLOUT))
		c->want = n == TLS_WANT_POLLIN ? POLLIN : POLLOUT;
	else if (!c->tls_on && (errno == EAGAIN || errno == EINTR))
		c->want = want;
	else
		return -2;
	return -1;
}

/*
 * Plain octets, but no more than to the end of a line behind which a record
 * of a handshake may begin: what follows a PROXY header is libtls's to read.
 */
static ssize_t
plain_read(struct conn *c, char *p, size_t len)
{
	static const char	 behind[2] = { '\n', 0x16 };
	const char		*end;
	ssize_t			 n;

	if ((n = recv(c->fd, p, len, MSG_PEEK)) <= 0)
		return n;
	if ((end = memmem(p, (size_t)n, behind, sizeof(behind))) != NULL)
		n = end + 1 - p;
	return recv(c->fd, p, (size_t)n, 0);
}

ssize_t
conn_read(struct conn *c, char *p, size_t len)
{
	ssize_t	n;

	if (c->tls_on)
		n = tls_read(c->tls, p, len);
	else
		n = plain_read(c, p, len);
	n = verdict_of(c, n, POLLIN);
	return n == -2 ? 0 : n;		/* a reset is an end as well */
}

ssize_t
conn_write(struct conn *c, const char *p, size_t len)
{
	ssize_t	n;

	if (c->tls_on)
		n = tls_write(c->tls, p, len);
	else
		n = send(c->fd, p, len, MSG_NOSIGNAL);
	return verdict_of(c, n, POLLOUT);
}

/* Say goodbye, once; whether the peer hears it is no longer our matter. */
void
tls_end(struct conn *c)
{
	if (c->tls_on && !c->broken)
		(void)tls_close(c->tls);
}

void
tls_drop(struct conn *c)
{
	tls_end(c);
	tls_free(c->tls);
	tls_free(c->tls_server);
}
