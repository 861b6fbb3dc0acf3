/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * For tests of what lives in the event loop: turning it until something is
 * so, pairs of sockets, and certificates made on the spot.
 */
#ifndef T_NET_H
#define T_NET_H

#include <sys/types.h>
#include <sys/socket.h>

#include <netinet/in.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <err.h>
#include <event.h>
#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "io.h"
#include "mono.h"
#include "t.h"
#include "timer.h"
#include "util.h"

#define PATIENCE	5000		/* milliseconds until a test fails */

static struct event	t_guard;

static inline void
t_guard_fired(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

static inline void
t_net_init(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	(void)event_init();
	timer_start();
	evtimer_set(&t_guard, t_guard_fired, NULL);
}

/* One turn of the loop, as the programs do it; waits 1 ms at most. */
static inline void
t_turn(void)
{
	struct timeval	tv = { .tv_usec = 1000 };

	(void)evtimer_add(&t_guard, &tv);
	(void)event_loop(EVLOOP_ONCE);
	io_flush_all();
	mono_turn();
}

static inline int64_t
t_ms(void)
{
	struct timespec	ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Turn the loop until cond; a failed check if that does not come. */
#define until(cond, ...)						\
	do {								\
		int64_t t_end = t_ms() + PATIENCE;			\
		while (!(cond) && t_ms() < t_end)			\
			t_turn();					\
		ok((cond), __VA_ARGS__);				\
	} while (0)

/* Let happen what can happen without waiting. */
static inline void
t_settle(void)
{
	int	 i;

	for (i = 0; i < 5; i++) {
		(void)event_loop(EVLOOP_ONCE | EVLOOP_NONBLOCK);
		io_flush_all();
		mono_turn();
	}
}

static inline void
t_pair(int fd[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) == -1)
		err(1, "socketpair");
}

/* The same over TCP, where a reset can be told from an end. */
static inline void
t_tcp_pair(int fd[2])
{
	struct sockaddr_in	 sin;
	socklen_t		 len = sizeof(sin);
	int			 l;

	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if ((l = socket(AF_INET, SOCK_STREAM, 0)) == -1 ||
	    bind(l, (struct sockaddr *)&sin, sizeof(sin)) == -1 ||
	    listen(l, 1) == -1 ||
	    getsockname(l, (struct sockaddr *)&sin, &len) == -1 ||
	    (fd[1] = socket(AF_INET, SOCK_STREAM, 0)) == -1 ||
	    connect(fd[1], (struct sockaddr *)&sin, len) == -1 ||
	    (fd[0] = accept(l, NULL, NULL)) == -1)
		err(1, "TCP pair");
	(void)close(l);
	if (set_nonblock(fd[0]) == -1 || set_nonblock(fd[1]) == -1)
		err(1, "fcntl");
}

/* --- certificates -------------------------------------------------------- */

struct t_cert {
	EVP_PKEY	*key;
	X509		*x;
	BIO		*cert_pem;
	BIO		*key_pem;
};

static inline void
t_must(bool good, const char *what)
{
	if (!good)
		errx(1, "libcrypto: %s", what);
}

static inline EVP_PKEY *
t_key(void)
{
	EVP_PKEY_CTX	*ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
	EVP_PKEY	*key = NULL;

	t_must(EVP_PKEY_keygen_init(ctx) == 1 &&
	    EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx,
	    NID_X9_62_prime256v1) == 1 && EVP_PKEY_keygen(ctx, &key) == 1,
	    "key");
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static inline void
t_extension(X509 *x, int nid, const char *value)
{
	X509_EXTENSION	*ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	t_must(ext != NULL && X509_add_ext(x, ext, -1) == 1, value);
	X509_EXTENSION_free(ext);
}

/*
 * A certificate for san ("DNS:a.test"), or of a CA where san is NULL; signed
 * by ca, or by itself; it ends hours from now (or ended).
 */
static inline void
t_cert_make(struct t_cert *c, const char *cn, const char *san,
    const struct t_cert *ca, int hours)
{
	static long	 serial;
	X509_NAME	*name;

	c->key = t_key();
	c->x = X509_new();
	t_must(X509_set_version(c->x, 2) == 1 &&
	    ASN1_INTEGER_set(X509_get_serialNumber(c->x), ++serial) == 1 &&
	    X509_gmtime_adj(X509_getm_notBefore(c->x), -86400) != NULL &&
	    X509_gmtime_adj(X509_getm_notAfter(c->x), hours * 3600) != NULL &&
	    X509_set_pubkey(c->x, c->key) == 1, "certificate");
	name = X509_get_subject_name(c->x);
	t_must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)cn, -1, -1, 0) == 1, "name");
	t_must(X509_set_issuer_name(c->x, ca != NULL ?
	    X509_get_subject_name(ca->x) : name) == 1, "issuer");
	if (san != NULL)
		t_extension(c->x, NID_subject_alt_name, san);
	else
		t_extension(c->x, NID_basic_constraints, "critical,CA:TRUE");
	t_must(X509_sign(c->x, ca != NULL ? ca->key : c->key,
	    EVP_sha256()) > 0, "signature");
	c->cert_pem = BIO_new(BIO_s_mem());
	c->key_pem = BIO_new(BIO_s_mem());
	t_must(PEM_write_bio_X509(c->cert_pem, c->x) == 1 &&
	    PEM_write_bio_PrivateKey(c->key_pem, c->key, NULL, NULL, 0, NULL,
	    NULL) == 1, "PEM");
}

static inline void
t_cert_free(struct t_cert *c)
{
	EVP_PKEY_free(c->key);
	X509_free(c->x);
	BIO_free(c->cert_pem);
	BIO_free(c->key_pem);
}

/* As the configuration has it; the octets are the BIO's. */
static inline struct conf_file
t_pem(BIO *bio)
{
	struct conf_file	 f = { .path = NULL };
	char			*p;

	f.len = BIO_get_mem_data(bio, &p);
	f.data = (uint8_t *)p;
	return f;
}

#endif
