/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * resolved: DNS for the others.
 *
 *	dns.c		c-ares on the event loop: a name and a type in, a
 *			reply out
 *	dns_reply.c	records in the octets of a reply; pure
 *	hosts.c		what needs no name server: bad names, localhost,
 *			/etc/hosts
 *	find.c		the steps from a question to its answer
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

/* Addresses; DNS_OK with n 0: the name has none of that family. */
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
 * Ask for records of a type (ns_t_*).  fn is called once, perhaps before
 * this returns: DNS_OK with the octets of a reply that says no error, good
 * until fn returns; DNS_NONE: there is no such name.  A question cannot be
 * taken back, but ends within some multiple of resolver.timeout.
 */
void	dns_ask(const char *name, int type, void (*fn)(void *,
	    enum dns_status, const uint8_t *, size_t), void *arg);
/* The addresses of one family in a reply. */
void	dns_addrs(enum addr_family, const uint8_t *, size_t,
	    struct dns_result *);
/* One "ADDRESS", "ADDRESS:PORT", "[ADDRESS]:PORT"; -1 if it is not one. */
int	dns_server_parse(struct addr *, const char *);

/* dns_reply.c ------------------------------------------------------------- */

/*
 * The MX, TXT or PTR records in the answer section of a reply, in the form of
 * DNS_ANS (proto.h); status is DNS_OK, or DNS_FAIL for a reply that is not
 * whole.  MX are sorted, those of equal preference in random order, one for
 * each host, the best ones where there are too many; the null MX (RFC 7505)
 * counts where it is alone.  A host that is no host name is kept as what it
 * is, with `?' for odd octets, as its domain has MX all the same.
 */
void	dns_reply_records(enum dns_type, const uint8_t *, size_t,
	    struct proto_dns_records *);

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
/*
 * The answer without DNS; false: it must be asked.  DNS_NONE: no name that
 * could be asked.
 */
bool	hosts_answer(const char *name, struct dns_result *r);
/*
 * Names of an address in such a text: the first of each line that has it.
 */
void	hosts_find_names(const char *text, size_t len, const struct addr *,
	    struct proto_dns_records *);
/* Those of the file; 127.0.0.1 and ::1 are localhost.  False: ask DNS. */
bool	hosts_names(const struct addr *, struct proto_dns_records *);
/* Add an address unless it is there, or unspecified, or there is no room. */
void	result_add(struct dns_result *, const struct addr *);

/* find.c ------------------------------------------------------------------ */

#define FIND_NAMES_MAX	4	/* names of an address that are confirmed */

struct find_name;

/*
 * One question on its way.  Its owner says what is asked between find_init
 * and find_start, and sets over when nobody waits any more; the rest is
 * find.c's, but pending is to be looked at: while it is not 0 the struct must
 * stay, as c-ares takes nothing back.
 */
struct find {
	bool			 both;		/* DNS_ADDR, else: */
	enum dns_type		 type;
	char			 name[256];
	bool			 over;
	unsigned int		 pending;
	void			(*fn)(void *);
	void			*arg;
	struct dns_result	 v4, v6;
	struct proto_dns_records *rec;
	struct find_name	*names;		/* DNS_TYPE_PTR_FC */
};

/* The answer to a DNS_ADDR, a DNS_ASK without DNS; false: it must be asked. */
bool	find_addrs_here(const char *name, struct proto_dns_ans *);
bool	find_records_here(enum dns_type, const char *name,
	    struct proto_dns_records *);
/* fn tells of each step. */
void	find_init(struct find *, void (*fn)(void *), void *arg);
/* Ask; fn may be called before it returns. */
void	find_start(struct find *);
/* What is known by now; a step that is missing counts as DNS_TIMEOUT. */
void	find_addrs(const struct find *, struct proto_dns_ans *);
void	find_records(const struct find *, struct proto_dns_records *);
/* Free what it holds. */
void	find_clear(struct find *);

#endif
