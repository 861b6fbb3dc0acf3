/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Addresses and networks: see addr.h.
 */

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"

static const uint8_t	mapped[12] = {
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff
};

static void
addr_unmap(struct addr *a)
{
	if (a->family != ADDR_V6 || memcmp(a->ip, mapped, 12) != 0)
		return;
	a->family = ADDR_V4;
	memmove(a->ip, a->ip + 12, 4);
	memset(a->ip + 4, 0, 12);
}

void
addr_from_sa(struct addr *a, const struct sockaddr *sa, socklen_t len)
{
	struct sockaddr_in	sin;
	struct sockaddr_in6	sin6;

	memset(a, 0, sizeof(*a));
	if (sa->sa_family == AF_INET && len >= sizeof(sin)) {
		memcpy(&sin, sa, sizeof(sin));
		a->family = ADDR_V4;
		a->port = ntohs(sin.sin_port);
		memcpy(a->ip, &sin.sin_addr, 4);
	} else if (sa->sa_family == AF_INET6 && len >= sizeof(sin6)) {
		memcpy(&sin6, sa, sizeof(sin6));
		a->family = ADDR_V6;
		a->port = ntohs(sin6.sin6_port);
		memcpy(a->ip, &sin6.sin6_addr, 16);
		addr_unmap(a);
	} else if (sa->sa_family == AF_UNIX)
		a->family = ADDR_UNIX;
}

socklen_t
addr_to_sa(const struct addr *a, struct sockaddr_storage *ss)
{
	struct sockaddr_in	sin;
	struct sockaddr_in6	sin6;

	memset(ss, 0, sizeof(*ss));
	if (a->family == ADDR_V4) {
		memset(&sin, 0, sizeof(sin));
		sin.sin_family = AF_INET;
		sin.sin_port = htons(a->port);
		memcpy(&sin.sin_addr, a->ip, 4);
		memcpy(ss, &sin, sizeof(sin));
		return sizeof(sin);
	}
	if (a->family == ADDR_V6) {
		memset(&sin6, 0, sizeof(sin6));
		sin6.sin6_family = AF_INET6;
		sin6.sin6_port = htons(a->port);
		memcpy(&sin6.sin6_addr, a->ip, 16);
		memcpy(ss, &sin6, sizeof(sin6));
		return sizeof(sin6);
	}
	return 0;
}

const char *
addr_text(const struct addr *a, char *buf, size_t size)
{
	buf[0] = '\0';
	if (a->family == ADDR_V4)
		(void)inet_ntop(AF_INET, a->ip, buf, size);
	else if (a->family == ADDR_V6)
		(void)inet_ntop(AF_INET6, a->ip, buf, size);
	else if (a->family == ADDR_UNIX)
		(void)strlcpy(buf, "unix", size);
	return buf;
}

const char *
addr_port_text(const struct addr *a, char *buf, size_t size)
{
	char	ip[ADDR_TEXT_MAX];

	addr_text(a, ip, sizeof(ip));
	if (a->family == ADDR_V6)
		(void)snprintf(buf, size, "[%s]:%u", ip, a->port);
	else if (a->family == ADDR_V4)
		(void)snprintf(buf, size, "%s:%u", ip, a->port);
	else
		(void)strlcpy(buf, ip, size);
	return buf;
}

int
addr_parse(struct addr *a, const char *s)
{
	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, s, a->ip) == 1) {
		a->family = ADDR_V4;
		return 0;
	}
	if (inet_pton(AF_INET6, s, a->ip) == 1) {
		a->family = ADDR_V6;
		addr_unmap(a);
		return 0;
	}
	return -1;
}

bool
addr_same_ip(const struct addr *a, const struct addr *b)
{
	return a->family == b->family &&
	    memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

bool
addr_equal(const struct addr *a, const struct addr *b)
{
	return addr_same_ip(a, b) && a->port == b->port;
}

bool
addr_is_loopback(const struct addr *a)
{
	static const uint8_t	one[16] = { [15] = 1 };

	if (a->family == ADDR_V4)
		return a->ip[0] == 127;
	if (a->family == ADDR_V6)
		return memcmp(a->ip, one, 16) == 0;
	return a->family == ADDR_UNIX;
}

/* What is no one's, or everybody's own: RFC 6890 and what came after it. */
static const struct {
	uint8_t		ip[4];
	unsigned int	bits;
} special4[] = {
	{ { 0 }, 8 },			/* this network */
	{ { 10 }, 8 },			/* private: RFC 1918 */
	{ { 100, 64 }, 10 },		/* shared: RFC 6598 */
	{ { 127 }, 8 },			/* loopback */
	{ { 169, 254 }, 16 },		/* link-local */
	{ { 172, 16 }, 12 },		/* private */
	{ { 192, 0, 0 }, 24 },		/* protocol assignments */
	{ { 192, 168 }, 16 },		/* private */
	{ { 198, 18 }, 15 },		/* benchmarks */
	{ { 224 }, 3 }			/* multicast, reserved, broadcast */
};

static bool
is_public4(const uint8_t *ip)
{
	uint32_t	 a, net, mask;
	size_t		 i;

	a = (uint32_t)ip[0] << 24 | (uint32_t)ip[1] << 16 |
	    (uint32_t)ip[2] << 8 | ip[3];
	for (i = 0; i < sizeof(special4) / sizeof(special4[0]); i++) {
		net = (uint32_t)special4[i].ip[0] << 24 |
		    (uint32_t)special4[i].ip[1] << 16 |
		    (uint32_t)special4[i].ip[2] << 8;
		mask = UINT32_MAX << (32 - special4[i].bits);
		if ((a & mask) == net)
			return false;
	}
	return true;
}

/*
 * 2000::/3 is all that is routed, but for what hides another address: NAT64
 * and 6to4 are judged by it, Teredo is not worth the trouble.
 */
static bool
is_public6(const uint8_t *ip)
{
	static const uint8_t	nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
	static const uint8_t	teredo[4] = { 0x20, 0x01 };

	if (memcmp(ip, nat64, sizeof(nat64)) == 0)
		return is_public4(ip + 12);
	if (ip[0] == 0x20 && ip[1] == 0x02)
		return is_public4(ip + 2);
	return (ip[0] & 0xe0) == 0x20 && memcmp(ip, teredo, 4) != 0;
}

bool
addr_is_public(const struct addr *a)
{
	if (a->family == ADDR_V4)
		return is_public4(a->ip);
	return a->family == ADDR_V6 && is_public6(a->ip);
}

/* FNV-1a; the seed is the table's own random one, against flooding. */
uint32_t
addr_hash(const struct addr *a, uint32_t seed)
{
	uint32_t	h = 2166136261U ^ seed;
	size_t		i;

	h = (h ^ a->family) * 16777619U;
	for (i = 0; i < sizeof(a->ip); i++)
		h = (h ^ a->ip[i]) * 16777619U;
	return h ^ (h >> 15);
}

/* Clear all bits behind the first n of size octets. */
static void
mask_bits(uint8_t *ip, size_t size, unsigned int n)
{
	size_t	i;

	for (i = 0; i < size; i++) {
		if (n >= 8)
			n -= 8;
		else {
			ip[i] &= (uint8_t)(0xff00 >> n);
			n = 0;
		}
	}
}

void
addr_mask(struct addr *a, unsigned int bits4, unsigned int bits6)
{
	if (a->family == ADDR_V4)
		mask_bits(a->ip, 4, bits4);
	else if (a->family == ADDR_V6)
		mask_bits(a->ip, 16, bits6);
	a->port = 0;
}

int
cidr_parse(struct cidr *c, const char *s)
{
	struct addr	 masked;
	const char	*slash, *errstr = NULL;
	char		 ip[INET6_ADDRSTRLEN];
	unsigned int	 bits;
	size_t		 n;
	bool		 v6text;

	slash = strchr(s, '/');
	n = slash == NULL ? strlen(s) : (size_t)(slash - s);
	if (n >= sizeof(ip))
		return -1;
	memcpy(ip, s, n);
	ip[n] = '\0';
	if (addr_parse(&c->net, ip) == -1)
		return -1;
	v6text = strchr(ip, ':') != NULL;
	bits = v6text ? 128 : 32;
	if (slash != NULL) {
		bits = (unsigned int)strtonum(slash + 1, 0, bits, &errstr);
		/* strtonum(3) would take blanks and a sign. */
		if (errstr != NULL || slash[1] < '0' || slash[1] > '9')
			return -1;
	}
	if (v6text && c->net.family == ADDR_V4) {
		if (bits < 96)
			return -1;
		bits -= 96;
	}
	c->bits = (uint8_t)bits;
	masked = c->net;
	addr_mask(&masked, bits, bits);
	return addr_same_ip(&masked, &c->net) ? 0 : -1;
}

bool
cidr_match(const struct cidr *c, const struct addr *a)
{
	unsigned int	whole = c->bits / 8, rest = c->bits % 8;
	uint8_t		mask;

	if (a->family != c->net.family || memcmp(a->ip, c->net.ip, whole) != 0)
		return false;
	if (rest == 0)
		return true;
	mask = (uint8_t)(0xff00 >> rest);
	return (a->ip[whole] & mask) == c->net.ip[whole];
}

const char *
cidr_text(const struct cidr *c, char *buf, size_t size)
{
	char	ip[ADDR_TEXT_MAX];

	addr_text(&c->net, ip, sizeof(ip));
	if (c->bits == (c->net.family == ADDR_V4 ? 32 : 128))
		(void)strlcpy(buf, ip, size);
	else
		(void)snprintf(buf, size, "%s/%u", ip, c->bits);
	return buf;
}
