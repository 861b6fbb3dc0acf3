/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Our own judgement of certificates, of servers and clients, with libcrypto:
 * see tlsctx.h.
 *
 * A set of CA certificates is made once for a text and shared by all that
 * name the same one, of every generation of the configuration.
 *
 * Only what RFC 5280 and RFC 6125 say counts: a chain to one of the set,
 * dates, purpose, name.  No revocation: a jailed process can fetch nothing.
 * A certificate that is in the set itself is good if it is self-signed.
 *
 * libcrypto's queue of errors is left empty: libtls would find ours in it
 * and take them for its own.
 */

#include <sys/queue.h>

#include <arpa/inet.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tlsctx.h"

#define CHAIN_MAX	32		/* certificates one may show */
#define STRENGTH	1		/* of OpenSSL's levels: no MD5, SHA-1 */

struct tls_store {
	LIST_ENTRY(tls_store)	 entry;
	unsigned int		 refs;
	uint8_t			 digest[SHA256_DIGEST_LENGTH];
	X509_STORE		*x509;
};

static LIST_HEAD(, tls_store)	stores = LIST_HEAD_INITIALIZER(stores);

/* --- sets ---------------------------------------------------------------- */

/* Was that the end of the PEM text, or something wrong in it? */
static bool
at_end(void)
{
	unsigned long	 error = ERR_peek_last_error();

	ERR_clear_error();
	return ERR_GET_LIB(error) == ERR_LIB_PEM &&
	    ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

/* Returns how many, or -1 and why. */
static int
store_fill(X509_STORE *store, BIO *bio, char *why, size_t size)
{
	X509	*x;
	int	 n, added;

	for (n = 0; (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL;
	    n++) {
		added = X509_STORE_add_cert(store, x);
		X509_free(x);
		if (added != 1)
			break;
	}
	if (x == NULL && at_end() && n > 0)
		return n;
	ERR_clear_error();
	if (n == 0)
		snprintf(why, size, "no certificate in it");
	else
		snprintf(why, size, "certificate %d cannot be read", n + 1);
	return -1;
}

static X509_STORE *
store_new(const uint8_t *pem, size_t len, char *why, size_t size)
{
	X509_STORE	*store = X509_STORE_new();
	BIO		*bio = NULL;

	if (len <= INT_MAX)
		bio = BIO_new_mem_buf(pem, (int)len);
	if (store == NULL || bio == NULL)
		snprintf(why, size, "no memory");
	else if (store_fill(store, bio, why, size) != -1) {
		BIO_free(bio);
		return store;
	}
	BIO_free(bio);
	X509_STORE_free(store);
	return NULL;
}

struct tls_store *
tls_store_get(const uint8_t *pem, size_t len, char *why, size_t size)
{
	uint8_t			 digest[SHA256_DIGEST_LENGTH];
	struct tls_store	*s;

	(void)SHA256(pem, len, digest);
	LIST_FOREACH(s, &stores, entry) {
		if (memcmp(s->digest, digest, sizeof(digest)) == 0) {
			s->refs++;
			return s;
		}
	}
	if ((s = calloc(1, sizeof(*s))) == NULL) {
		snprintf(why, size, "no memory");
		return NULL;
	}
	if ((s->x509 = store_new(pem, len, why, size)) == NULL) {
		free(s);
		return NULL;
	}
	memcpy(s->digest, digest, sizeof(digest));
	s->refs = 1;
	LIST_INSERT_HEAD(&stores, s, entry);
	return s;
}

void
tls_store_put(struct tls_store *s)
{
	if (s == NULL || --s->refs > 0)
		return;
	LIST_REMOVE(s, entry);
	X509_STORE_free(s->x509);
	free(s);
}

/* --- chains -------------------------------------------------------------- */

static void
chain_free(STACK_OF(X509) *chain)
{
	sk_X509_pop_free(chain, X509_free);
}

/* NULL if it has none, too many, or one that cannot be read. */
static STACK_OF(X509) *
chain_parse(const uint8_t *pem, size_t len)
{
	STACK_OF(X509)	*chain = sk_X509_new_null();
	BIO		*bio = NULL;
	X509		*x = NULL;

	if (len <= INT_MAX)
		bio = BIO_new_mem_buf(pem, (int)len);
	while (chain != NULL && bio != NULL && sk_X509_num(chain) < CHAIN_MAX &&
	    (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		if (sk_X509_push(chain, x) == 0) {
			X509_free(x);
			break;
		}
	}
	BIO_free(bio);
	if (x == NULL && at_end() && chain != NULL && sk_X509_num(chain) > 0)
		return chain;
	ERR_clear_error();
	chain_free(chain);
	return NULL;
}

/* X509_V_OK, or what is wrong. */
static int
chain_error(X509_STORE *store, STACK_OF(X509) *chain, int purpose)
{
	X509_STORE_CTX	*ctx = X509_STORE_CTX_new();
	int		 error = X509_V_ERR_OUT_OF_MEM;

	if (ctx != NULL && X509_STORE_CTX_init(ctx, store,
	    sk_X509_value(chain, 0), chain) == 1) {
		(void)X509_STORE_CTX_set_purpose(ctx, purpose);
		X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(ctx),
		    STRENGTH);
		if (X509_verify_cert(ctx) == 1)
			error = X509_V_OK;
		else if ((error = X509_STORE_CTX_get_error(ctx)) == X509_V_OK)
			error = X509_V_ERR_UNSPECIFIED;
	}
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	return error;
}

static bool
name_matches(X509 *leaf, const char *name)
{
	unsigned char	 addr[sizeof(struct in6_addr)];
	size_t		 len = strlen(name);
	int		 result;

	if (inet_pton(AF_INET, name, addr) == 1)
		result = X509_check_ip(leaf, addr, sizeof(struct in_addr), 0);
	else if (inet_pton(AF_INET6, name, addr) == 1)
		result = X509_check_ip(leaf, addr, sizeof(struct in6_addr), 0);
	else {
		/* the root's dot is no part of a name in a certificate */
		if (len > 0 && name[len - 1] == '.')
			len--;
		result = len == 0 ? 0 : X509_check_host(leaf, name, len,
		    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL);
	}
	ERR_clear_error();
	return result == 1;
}

bool
tls_store_judge(struct tls_store *s, const uint8_t *pem, size_t len,
    const char *name, char *why, size_t size)
{
	STACK_OF(X509)	*chain;
	bool		 good = false;
	int		 error;

	if ((chain = chain_parse(pem, len)) == NULL) {
		snprintf(why, size, "certificates cannot be read");
		return false;
	}
	error = chain_error(s->x509, chain, X509_PURPOSE_SSL_SERVER);
	if (error != X509_V_OK)
		snprintf(why, size, "certificate: %s",
		    tlsctx_error_text(error));
	else if (!name_matches(sk_X509_value(chain, 0), name))
		snprintf(why, size, "certificate is not for %s", name);
	else
		good = true;
	chain_free(chain);
	return good;
}

/* OpenSSL read them before us: what cannot be is that they are too many. */
int
tls_store_client_error(struct tls_store *s, const uint8_t *pem, size_t len)
{
	STACK_OF(X509)	*chain;
	int		 error;

	if ((chain = chain_parse(pem, len)) == NULL)
		return X509_V_ERR_CERT_CHAIN_TOO_LONG;
	error = chain_error(s->x509, chain, X509_PURPOSE_SSL_CLIENT);
	chain_free(chain);
	return error;
}

const char *
tlsctx_error_text(int error)
{
	if (error == TLS_NO_CERT)
		return "none shown";
	return X509_verify_cert_error_string(error);
}
