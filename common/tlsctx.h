/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * TLS contexts, made from memory: a jailed process opens nothing.  And our
 * own judgement of certificates: libtls is never let verify (it would read
 * the CA bundle anew for every connection, and gives no error number).
 */
#ifndef TLSCTX_H
#define TLSCTX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

struct tls;
struct tls_store;		/* a set of CA certificates */

/*
 * Load what OpenSSL loads lazily (its configuration, providers, error texts)
 * with throwaway handshakes, so that nothing is opened in a jail later.
 * Takes some 20 ms; fatal.
 */
void		 tlsctx_prepare(void);

/*
 * A server context with all certificates of the configuration, the one
 * named "default" first, others by SNI (the first that has the client's name
 * among its own, *.NAME for one label included; the default one for all
 * others).  It asks clients for a certificate if client-verify says so, and
 * judges none.  NULL and why on failure.  To be
 * made once per configuration (some 1 ms a certificate) and used for all
 * connections; tls_free(3) it.
 */
struct tls	*tlsctx_server(const struct conf_tls *, char *why, size_t);

/*
 * The client side of a remote: what all its connections share.  priv of
 * its struct conf_remote while a generation lives.
 */
struct tlsctx_remote;
struct tlsctx_remote *tlsctx_remote_new(const struct conf_remote *, char *why,
		    size_t);
void		 tlsctx_remote_free(struct tlsctx_remote *);
/*
 * A fresh client context for one connection; NULL without memory.  libtls
 * has no way to share one: what it costs (some 0.2 ms) is spent when the
 * connection begins.
 */
struct tls	*tlsctx_client(struct tlsctx_remote *);

/*
 * Judge the certificate of a finished handshake against the remote's CA
 * and a name (or address).  true, or false and why for the log.
 */
bool		 tlsctx_verify(struct tlsctx_remote *, struct tls *,
		    const char *name, char *why, size_t);

/*
 * A client's certificate after its handshake, judged by the set: 0 if it is
 * vouched for, else a number of libcrypto's (X509_V_ERR_*: 18 signed by
 * itself, 10 expired, 20 by nobody we know, 22 too many in the chain), or
 * TLS_NO_CERT if it showed none.  Its names are not looked at.
 */
#define TLS_NO_CERT	(-1)
int		 tlsctx_client_error(struct tls_store *, struct tls *);
/* The words for such a number. */
const char	*tlsctx_error_text(int);

/* --- tlsctx_cert.c -------------------------------------------------------- */

#define TLS_CERT_TEXT_MAX	(16 * 1024)
#define TLS_CERT_TEXTS		10

struct tls_cert {
	unsigned int	 n;
	const char	*name[TLS_CERT_TEXTS];
	char		*value[TLS_CERT_TEXTS];
};
/*
 * What the client's certificate says, as scripts have it: "subject" "issuer"
 * "subject_alt_name" "version" "serial_number" "not_valid_before"
 * "not_valid_after" "public_key" "fingerprint" "export".  What it does not
 * say, or says at too great a length, is not there.  To be cleared.
 */
void		 tlsctx_cert(struct tls *, struct tls_cert *);
/* Free its texts. */
void		 tlsctx_cert_clear(struct tls_cert *);

/* --- tlsctx_verify.c: for tlsctx.c, front_tls.c and its test ------------ */

/*
 * The set of certificates in a PEM text.  Equal texts share one set: the
 * system's takes 16 ms and a MiB.  NULL and why on failure.
 */
struct tls_store *tls_store_get(const uint8_t *pem, size_t, char *why,
		    size_t);
void		 tls_store_put(struct tls_store *);
/*
 * Is the first certificate of chain (PEM) one of a server with this name or
 * address, vouched for by the set with the help of the others, now?
 */
bool		 tls_store_judge(struct tls_store *, const uint8_t *chain,
		    size_t, const char *name, char *why, size_t);
/* Likewise, of a client: 0 or the number of what is wrong. */
int		 tls_store_client_error(struct tls_store *,
		    const uint8_t *chain, size_t);

#endif
