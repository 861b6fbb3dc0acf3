/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * resolved: DNS for the others.
 *
 *	dns.c		c-ares on the event loop: a name and a family in,
 *			addresses out
 *	hosts.c		what needs no name server: bad names, localhost,
 *			/etc/hosts
 *	resolved.c	the process: questions, shares, deadlines
 */
#ifndef RESOLVED_H
#define RESOLVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "proto.h"

struct conf_resolver;

/* dns.c ------------------------------------------------------------------- */

struct dns_result {
	enum dns_status	 status;
	uint32_t	 ttl;
	size_t		 n;
	struct addr	 addr[DNS_ADDRS_MAX];
};

/* Before the jail: learn resolv.conf's servers.  Fatal on failure. */
void	dns_prepare(void);
/*
 * Use these settings from now on; -1 if that is impossible (logged): the
 * ones before stay.  Questions on their way are asked again.
 */
int	dns_setup(const struct conf_resolver *);
/*
 * Ask for addresses of one family.  fn is called once, perhaps before this
 * returns; a question cannot be taken back, but ends within some multiple
 * of resolver.timeout.
 */
void	dns_ask(const char *name, enum addr_family,
	    void (*fn)(void *, enum addr_family, const struct dns_result *),
	    void *arg);
/* One "ADDRESS", "ADDRESS:PORT", "[ADDRESS]:PORT"; -1 if it is not one. */
int	dns_server_parse(struct addr *, const char *);

/* hosts.c ----------------------------------------------------------------- */

#define HOSTS_TTL	5		/* seconds: the file may change */

/* Before the jail. */
void	hosts_prepare(void);
/*
 * Could DNS have this name?  At most 253 octets in labels of 1 to 63 letters,
 * digits, hyphens and underscores, the last not all digits; one dot more at
 * the end is allowed.
 */
bool	hosts_name_ok(const char *);
/* Is it localhost, or a name below it (RFC 6761, section 6.3)? */
bool	hosts_is_localhost(const char *);
/*
 * Addresses of a name in text of the form of /etc/hosts, added to what r
 * has; ports are 0.
 */
void	hosts_find(const char *text, size_t len, const char *name,
	    struct dns_result *r);
/* The answer without DNS; false: it must be asked. */
bool	hosts_answer(const char *name, struct dns_result *r);
/* Add an address unless it is there, or unspecified, or there is no room. */
void	result_add(struct dns_result *, const struct addr *);

#endif
