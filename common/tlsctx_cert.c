/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What a client's certificate says, as text: for scripts, which run where no
 * libcrypto is.
 *
 * It is the client's own word: each text is bounded, and one that is too long
 * or holds a NUL is left out, as is one that libcrypto cannot print.  Nothing
 * is judged here.
 *
 * libcrypto's queue of errors is left empty: libtls would find ours in it.
 */

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tls.h>

#include "tlsctx.h"

/* Takes what was printed; NULL: nothing, or nothing that may be told. */
static char *
text_of(BIO *bio, bool printed)
{
	char	*p, *text = NULL;
	long	 n;

	n = bio == NULL ? 0 : BIO_get_mem_data(bio, &p);
	if (printed && n > 0 && n <= TLS_CERT_TEXT_MAX &&
	    memchr(p, '\0', (size_t)n) == NULL)
		text = strndup(p, (size_t)n);
	BIO_free(bio);
	return text;
}

/* RFC 2253: "CN=c.test,O=Example". */
static char *
name_text(const X509_NAME *name)
{
	BIO	*bio = BIO_new(BIO_s_mem());

	return text_of(bio, bio != NULL &&
	    X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0);
}

/* "DNS:c.test, email:a@c.test". */
static char *
alt_name_text(const X509 *x)
{
	BIO			*bio;
	const X509_EXTENSION	*ext;
	int			 i;

	i = X509_get_ext_by_NID(x, NID_subject_alt_name, -1);
	if (i < 0 || (ext = X509_get_ext(x, i)) == NULL)
		return NULL;
	bio = BIO_new(BIO_s_mem());
	return text_of(bio, bio != NULL && X509V3_EXT_print(bio,
	    (X509_EXTENSION *)(uintptr_t)ext, 0, 0) == 1);
}

static char *
version_text(const X509 *x)
{
	char	buf[32];

	(void)snprintf(buf, sizeof(buf), "%ld", X509_get_version(x) + 1);
	return strdup(buf);
}

/* In hexadecimal. */
static char *
serial_text(const X509 *x)
{
	BIGNUM	*n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
	char	*hex = n == NULL ? NULL : BN_bn2hex(n), *text = NULL;

	if (hex != NULL)
		text = strdup(hex);
	OPENSSL_free(hex);
	BN_free(n);
	return text;
}

/* "2026-11-21T21:33:26Z". */
static char *
time_text(const ASN1_TIME *t)
{
	struct tm	tm;
	char		buf[64];

	if (ASN1_TIME_to_tm(t, &tm) != 1 ||
	    strftime(buf, sizeof(buf), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		return NULL;
	return strdup(buf);
}

static char *
key_text(X509 *x)
{
	BIO		*bio = BIO_new(BIO_s_mem());
	EVP_PKEY	*key = X509_get0_pubkey(x);

	return text_of(bio, bio != NULL && key != NULL &&
	    PEM_write_bio_PUBKEY(bio, key) == 1);
}

/* SHA-256 of the certificate, in hexadecimal. */
static char *
digest_text(const X509 *x)
{
	unsigned char	md[EVP_MAX_MD_SIZE];
	char		hex[2 * EVP_MAX_MD_SIZE + 1];
	unsigned int	i, n;

	if (X509_digest(x, EVP_sha256(), md, &n) != 1)
		return NULL;
	for (i = 0; i < n; i++)
		(void)snprintf(hex + (size_t)i * 2, 3, "%02x", md[i]);
	return strdup(hex);
}

static char *
export_text(X509 *x)
{
	BIO	*bio = BIO_new(BIO_s_mem());

	return text_of(bio, bio != NULL && PEM_write_bio_X509(bio, x) == 1);
}

static void
add(struct tls_cert *c, const char *name, char *text)
{
	if (text == NULL)
		return;
	c->name[c->n] = name;
	c->value[c->n++] = text;
}

static void
add_all(struct tls_cert *c, X509 *x)
{
	add(c, "subject", name_text(X509_get_subject_name(x)));
	add(c, "issuer", name_text(X509_get_issuer_name(x)));
	add(c, "subject_alt_name", alt_name_text(x));
	add(c, "version", version_text(x));
	add(c, "serial_number", serial_text(x));
	add(c, "not_valid_before", time_text(X509_get0_notBefore(x)));
	add(c, "not_valid_after", time_text(X509_get0_notAfter(x)));
	add(c, "public_key", key_text(x));
	add(c, "fingerprint", digest_text(x));
	add(c, "export", export_text(x));
}

void
tlsctx_cert(struct tls *tls, struct tls_cert *c)
{
	const uint8_t	*pem;
	X509		*x = NULL;
	BIO		*bio;
	size_t		 len;

	memset(c, 0, sizeof(*c));
	pem = tls_peer_cert_chain_pem(tls, &len);
	if (pem == NULL || len > INT_MAX ||
	    (bio = BIO_new_mem_buf(pem, (int)len)) == NULL)
		return;
	if ((x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
		add_all(c, x);
	X509_free(x);
	BIO_free(bio);
	ERR_clear_error();
}

void
tlsctx_cert_clear(struct tls_cert *c)
{
	unsigned int	i;

	for (i = 0; i < c->n; i++)
		free(c->value[i]);
	c->n = 0;
}
