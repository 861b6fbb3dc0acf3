/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Addresses and networks.  A v4-mapped v6 address is turned into the v4
 * one wherever an address comes in, so that the two compare equal.  Text is
 * made by inet_ntop and read by inet_pton only: a zone id is neither
 * printed nor parsed nor compared.
 */
#ifndef ADDR_H
#define ADDR_H

#include <sys/socket.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum addr_family { ADDR_NONE, ADDR_V4, ADDR_V6, ADDR_UNIX };

#define ADDR_TEXT_MAX	64	/* "[v6]:port" and its NUL fit */

struct addr {
	uint8_t		family;		/* enum addr_family */
	uint16_t	port;		/* host order; 0 = none */
	uint8_t		ip[16];		/* v4 in the first four */
};

/* A network: the first bits of the address, the others being zero. */
struct cidr {
	struct addr	net;
	uint8_t		bits;
};

/* From what accept, getsockname and the resolver give; mapped becomes v4. */
void	addr_from_sa(struct addr *, const struct sockaddr *, socklen_t);
/* To a sockaddr; returns its length, 0 for a family without one. */
socklen_t addr_to_sa(const struct addr *, struct sockaddr_storage *);
/* "192.0.2.1", "2001:db8::1", "unix", "" for none; returns the buffer. */
const char *addr_text(const struct addr *, char *, size_t);
/* "192.0.2.1:25", "[2001:db8::1]:25"; returns the buffer. */
const char *addr_port_text(const struct addr *, char *, size_t);
/* Numeric text without port, brackets or zone; -1 if it is not one. */
int	addr_parse(struct addr *, const char *);
/* Same address, ports not looked at. */
bool	addr_same_ip(const struct addr *, const struct addr *);
bool	addr_equal(const struct addr *, const struct addr *);
bool	addr_is_loopback(const struct addr *);
/*
 * May it be anybody's on the Internet?  Not so: loopback, private and shared
 * networks, link-local, unique-local, multicast, unspecified, reserved, and
 * v6 addresses in which such a v4 one is hidden.
 */
bool	addr_is_public(const struct addr *);
/* Hash of the ip and family (not of the port), for tables in memory. */
uint32_t addr_hash(const struct addr *, uint32_t seed);
/* Keep the first bits4 or bits6 bits only: keys of limits per network. */
void	addr_mask(struct addr *, unsigned int bits4, unsigned int bits6);

/*
 * "10.0.0.0/8" or a bare address.  -1: not a network, or bits set behind
 * the prefix length.  A mapped network of /96 and more becomes the v4 one.
 */
int	cidr_parse(struct cidr *, const char *);
bool	cidr_match(const struct cidr *, const struct addr *);
/* "10.0.0.0/8"; without the length where it is the whole address. */
const char *cidr_text(const struct cidr *, char *, size_t);

#endif
