/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Before the jail: see tlsctx_prepare() in tlsctx.h.
 *
 * OpenSSL reads its configuration, loads providers and reseeds when
 * something first needs them, and what that is differs between versions.  So
 * nothing is guessed: all that will be done is done once, with a certificate
 * of our own making.  Two handshakes, one for each version of TLS, with a
 * client's certificate and with data both ways; a judgement that is right
 * and one that is wrong, for the error texts; a signature with an RSA key.
 *
 * RSA gets no handshake: a key that is long enough for one takes 60 to 270
 * ms to make, and what a handshake needs beyond the signature was loaded by
 * the other ones.  (A key in this file would do too, and would be found by
 * everybody who looks for keys in sources.)
 */

#include <sys/types.h>
#include <sys/socket.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <string.h>
#include <tls.h>
#include <unistd.h>

#include "log.h"
#include "tlsctx.h"

#define NAME		"localhost"
#define RSA_BITS	1024		/* the least that signs all hashes */
#define ROUNDS		100		/* far more than a handshake takes */

/* A certificate and its key, as PEM. */
struct pair {
	BIO	*cert;
	BIO	*key;
};

static void
need(bool good, const char *what)
{
	if (!good)
		fatalx("TLS does not work: %s: %s", what,
		    ERR_error_string(ERR_peek_last_error(), NULL));
}

/* --- keys ---------------------------------------------------------------- */

static EVP_PKEY *
key_new(int type)
{
	EVP_PKEY_CTX	*ctx = EVP_PKEY_CTX_new_id(type, NULL);
	EVP_PKEY	*key = NULL;

	need(ctx != NULL && EVP_PKEY_keygen_init(ctx) == 1, "key");
	if (type == EVP_PKEY_RSA)
		need(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, RSA_BITS) == 1,
		    "RSA key");
	else
		need(EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx,
		    NID_X9_62_prime256v1) == 1, "EC key");
	need(EVP_PKEY_keygen(ctx, &key) == 1, "key");
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static X509 *
cert_new(EVP_PKEY *key)
{
	static const unsigned char	 cn[] = NAME;
	X509				*x = X509_new();
	X509_NAME			*name;

	need(x != NULL && X509_set_version(x, 2) == 1 &&
	    ASN1_INTEGER_set(X509_get_serialNumber(x), 1) == 1 &&
	    X509_gmtime_adj(X509_getm_notBefore(x), -3600) != NULL &&
	    X509_gmtime_adj(X509_getm_notAfter(x), 3600) != NULL &&
	    X509_set_pubkey(x, key) == 1, "certificate");
	name = X509_get_subject_name(x);
	need(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, cn, -1, -1,
	    0) == 1 && X509_set_issuer_name(x, name) == 1 &&
	    X509_sign(x, key, EVP_sha256()) > 0, "certificate");
	return x;
}

static void
pair_make(struct pair *pair)
{
	EVP_PKEY	*key = key_new(EVP_PKEY_EC);
	X509		*x = cert_new(key);

	pair->cert = BIO_new(BIO_s_mem());
	pair->key = BIO_new(BIO_s_mem());
	need(pair->cert != NULL && pair->key != NULL &&
	    PEM_write_bio_X509(pair->cert, x) == 1 &&
	    PEM_write_bio_PrivateKey(pair->key, key, NULL, NULL, 0, NULL,
	    NULL) == 1, "PEM");
	X509_free(x);
	EVP_PKEY_free(key);
}

static struct conf_file
pem_file(BIO *bio)
{
	struct conf_file	 file = { .path = NULL };
	char			*p;
	long			 n;

	n = BIO_get_mem_data(bio, &p);
	file.data = (uint8_t *)p;
	file.len = n;
	return file;
}

/* Sign as TLS 1.2 and 1.3 do. */
static void
rsa_sign(EVP_PKEY *key, int padding)
{
	static const unsigned char	 text[] = NAME;
	unsigned char			 sig[RSA_BITS / 8];
	EVP_MD_CTX			*md = EVP_MD_CTX_new();
	EVP_PKEY_CTX			*ctx;
	size_t				 n = sizeof(sig);

	need(md != NULL && EVP_DigestSignInit(md, &ctx, EVP_sha256(), NULL,
	    key) == 1 && EVP_PKEY_CTX_set_rsa_padding(ctx, padding) == 1 &&
	    EVP_DigestSign(md, sig, &n, text, sizeof(text)) == 1, "RSA");
	EVP_MD_CTX_free(md);
}

static void
rsa_use(void)
{
	EVP_PKEY	*key = key_new(EVP_PKEY_RSA);
	X509		*x = cert_new(key);

	rsa_sign(key, RSA_PKCS1_PADDING);
	rsa_sign(key, RSA_PKCS1_PSS_PADDING);
	need(X509_verify(x, key) == 1, "RSA");
	X509_free(x);
	EVP_PKEY_free(key);
}

/* --- handshakes ---------------------------------------------------------- */

static struct tls *
server_make(struct pair *pair, char *protocol)
{
	struct conf_cert	 cert = { .obj.name = NULL };
	struct conf_tls		 conf = { .ciphers = NULL };
	struct conf_obj		*objs[1] = { &cert.obj };
	struct tls		*server;
	char			 name[] = "default", why[256];

	cert.obj.name = name;
	cert.cert = pem_file(pair->cert);
	cert.key = pem_file(pair->key);
	conf.certs.v = objs;
	conf.certs.n = 1;
	conf.client_verify = CLIENT_ASK;
	conf.protocols.v = &protocol;
	conf.protocols.n = 1;
	if ((server = tlsctx_server(&conf, why, sizeof(why))) == NULL)
		fatalx("TLS does not work: %s", why);
	return server;
}

static struct tlsctx_remote *
remote_make(struct pair *pair)
{
	struct conf_remote	 conf;
	struct tlsctx_remote	*remote;
	char			 why[256];

	memset(&conf, 0, sizeof(conf));
	conf.tls.mode = RTLS_REQUIRED;
	conf.tls.verify = true;
	conf.tls.ca_file = pem_file(pair->cert);
	conf.tls.cert = pem_file(pair->cert);
	conf.tls.key = pem_file(pair->key);
	if ((remote = tlsctx_remote_new(&conf, why, sizeof(why))) == NULL)
		fatalx("TLS does not work: %s", why);
	return remote;
}

static void
talk(struct tls *a, struct tls *b)
{
	char	 buf[16];
	ssize_t	 n = TLS_WANT_POLLIN;
	int	 i, ra = 1, rb = 1;

	for (i = 0; i < ROUNDS && (ra != 0 || rb != 0); i++) {
		if (ra != 0 && (ra = tls_handshake(a)) == -1)
			break;
		if (rb != 0 && (rb = tls_handshake(b)) == -1)
			break;
	}
	need(ra == 0 && rb == 0, "handshake");
	need(tls_write(a, NAME, sizeof(NAME)) == sizeof(NAME), "write");
	/* session tickets come first, each as if there were nothing */
	for (i = 0; i < ROUNDS && n == TLS_WANT_POLLIN; i++)
		n = tls_read(b, buf, sizeof(buf));
	need(n == sizeof(NAME), "read");
	(void)tls_close(a);
	(void)tls_close(b);
}

static void
handshake(struct tls *server, struct tlsctx_remote *remote,
    struct tls_store *clients)
{
	struct tls	*a, *b;
	char		 why[256];
	int		 fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	    fd) == -1)
		fatal("socketpair");
	need((b = tlsctx_client(remote)) != NULL, "client");
	need(tls_accept_socket(server, &a, fd[0]) == 0 &&
	    tls_connect_fds(b, fd[1], fd[1], NAME) == 0, "connection");
	talk(a, b);
	if (!tlsctx_verify(remote, b, NAME, why, sizeof(why)))
		fatalx("TLS does not work: %s", why);
	need(!tlsctx_verify(remote, b, "192.0.2.1", why, sizeof(why)),
	    "verification");
	need(tlsctx_client_error(clients, a) == 0, "verification of clients");
	tls_free(a);
	tls_free(b);
	(void)close(fd[0]);
	(void)close(fd[1]);
}

/* An error, so that its text is loaded. */
static void
fail(struct tls *server)
{
	static const char	 junk[] = "EHLO is no handshake\r\n";
	struct tls		*tls;
	int			 fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	    fd) == -1)
		fatal("socketpair");
	need(tls_accept_socket(server, &tls, fd[0]) == 0 &&
	    write(fd[1], junk, sizeof(junk) - 1) != -1 &&
	    tls_handshake(tls) == -1 && tls_error(tls) != NULL, "error");
	tls_free(tls);
	(void)close(fd[0]);
	(void)close(fd[1]);
}

void
tlsctx_prepare(void)
{
	static char		 v12[] = "tlsv1.2", v13[] = "tlsv1.3";
	char			*const protocol[] = { v12, v13 };
	struct tlsctx_remote	*remote;
	struct tls_store	*clients;
	struct conf_file	 ca;
	struct tls		*server;
	struct pair		 pair;
	char			 why[256];
	size_t			 i;

	need(tls_init() == 0, "tls_init");
	pair_make(&pair);
	ca = pem_file(pair.cert);
	if ((clients = tls_store_get(ca.data, ca.len, why,
	    sizeof(why))) == NULL)
		fatalx("TLS does not work: %s", why);
	remote = remote_make(&pair);
	for (i = 0; i < sizeof(protocol) / sizeof(protocol[0]); i++) {
		server = server_make(&pair, protocol[i]);
		handshake(server, remote, clients);
		fail(server);
		tls_free(server);
	}
	tlsctx_remote_free(remote);
	tls_store_put(clients);
	BIO_free(pair.cert);
	BIO_free(pair.key);
	rsa_use();
	ERR_clear_error();
}
