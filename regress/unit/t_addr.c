/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * addr.c: text and back, mapped addresses, masks and networks.
 */

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "addr.h"
#include "t.h"

static const struct {
	const char	*in;
	int		 family;	/* ADDR_NONE: refused */
	const char	*out;
} texts[] = {
	{ "192.0.2.1", ADDR_V4, "192.0.2.1" },
	{ "0.0.0.0", ADDR_V4, "0.0.0.0" },
	{ "255.255.255.255", ADDR_V4, "255.255.255.255" },
	{ "2001:db8::1", ADDR_V6, "2001:db8::1" },
	{ "2001:DB8:0:0:0:0:0:1", ADDR_V6, "2001:db8::1" },
	{ "::", ADDR_V6, "::" },
	{ "::1", ADDR_V6, "::1" },
	{ "fe80::1", ADDR_V6, "fe80::1" },
	{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ADDR_V6,
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	{ "::ffff:192.0.2.1", ADDR_V4, "192.0.2.1" },
	{ "::ffff:c000:201", ADDR_V4, "192.0.2.1" },
	{ "::192.0.2.1", ADDR_V6, "::192.0.2.1" },
	{ "64:ff9b::192.0.2.1", ADDR_V6, "64:ff9b::c000:201" },
	{ "", ADDR_NONE, "" },
	{ "192.0.2", ADDR_NONE, "" },
	{ "192.0.2.256", ADDR_NONE, "" },
	{ "192.0.2.1.1", ADDR_NONE, "" },
	{ "192.0.2.01", ADDR_NONE, "" },
	{ "0x7f.0.0.1", ADDR_NONE, "" },
	{ "2130706433", ADDR_NONE, "" },
	{ " 192.0.2.1", ADDR_NONE, "" },
	{ "192.0.2.1 ", ADDR_NONE, "" },
	{ "192.0.2.1:25", ADDR_NONE, "" },
	{ "192.0.2.1\n", ADDR_NONE, "" },
	{ "[::1]", ADDR_NONE, "" },
	{ "IPv6:::1", ADDR_NONE, "" },
	{ "fe80::1%eth0", ADDR_NONE, "" },
	{ "fe80::1%1", ADDR_NONE, "" },
	{ "1::2::3", ADDR_NONE, "" },
	{ ":::", ADDR_NONE, "" },
	{ "12345::", ADDR_NONE, "" },
	{ "localhost", ADDR_NONE, "" },
	{ "unix", ADDR_NONE, "" }
};

static void
test_text(void)
{
	struct addr	a, again;
	char		buf[ADDR_TEXT_MAX];
	size_t		i;

	for (i = 0; i < nitems(texts); i++) {
		is_int(addr_parse(&a, texts[i].in),
		    texts[i].family == ADDR_NONE ? -1 : 0, "\"%s\"",
		    texts[i].in);
		if (texts[i].family == ADDR_NONE)
			continue;
		is_int(a.family, texts[i].family, "family of %s", texts[i].in);
		is_str(addr_text(&a, buf, sizeof(buf)), texts[i].out,
		    "text of %s", texts[i].in);
		ok(addr_parse(&again, buf) == 0 && addr_equal(&a, &again),
		    "%s and back", buf);
	}
	memset(&a, 0, sizeof(a));
	is_str(addr_text(&a, buf, sizeof(buf)), "", "none");
	a.family = ADDR_UNIX;
	is_str(addr_text(&a, buf, sizeof(buf)), "unix", "unix");
	is_str(addr_port_text(&a, buf, sizeof(buf)), "unix", "no port");
	(void)addr_parse(&a, "192.0.2.1");
	a.port = 25;
	is_str(addr_port_text(&a, buf, sizeof(buf)), "192.0.2.1:25", "v4");
	(void)addr_parse(&a, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	a.port = 65535;
	is_str(addr_port_text(&a, buf, sizeof(buf)),
	    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", "the longest");
	is_str(addr_port_text(&a, buf, 8), "[ffff:f", "cut, not overrun");
}

static void
test_sockaddr(void)
{
	struct sockaddr_storage	 ss;
	struct sockaddr_in6	 sin6 = { .sin6_family = AF_INET6 };
	struct sockaddr_un	 sun = { .sun_family = AF_UNIX };
	struct addr		 a, b;
	char			 buf[ADDR_TEXT_MAX];
	size_t			 i;
	socklen_t		 len;

	for (i = 0; i < nitems(texts); i++) {
		if (addr_parse(&a, texts[i].in) == -1)
			continue;
		a.port = 2525;
		len = addr_to_sa(&a, &ss);
		is_int(len, a.family == ADDR_V4 ?
		    (int)sizeof(struct sockaddr_in) :
		    (int)sizeof(struct sockaddr_in6), "length");
		addr_from_sa(&b, (struct sockaddr *)&ss, len);
		ok(addr_equal(&a, &b), "%s by a sockaddr", texts[i].in);
		addr_from_sa(&b, (struct sockaddr *)&ss, len - 1);
		is_int(b.family, ADDR_NONE, "a short one");
	}
	/* What accept(2) gives of a dual-stack socket, and a zone. */
	(void)inet_pton(AF_INET6, "::ffff:10.1.2.3", &sin6.sin6_addr);
	sin6.sin6_port = htons(25);
	sin6.sin6_scope_id = 7;
	addr_from_sa(&a, (struct sockaddr *)&sin6, sizeof(sin6));
	is_str(addr_port_text(&a, buf, sizeof(buf)), "10.1.2.3:25", "mapped");
	(void)addr_parse(&b, "10.1.2.3");
	ok(addr_same_ip(&a, &b) && !addr_equal(&a, &b), "as the v4 one");
	is_int(addr_hash(&a, 5), addr_hash(&b, 5), "in tables too");
	ok(addr_hash(&a, 5) != addr_hash(&a, 6), "by the table's seed");
	(void)inet_pton(AF_INET6, "fe80::1", &sin6.sin6_addr);
	addr_from_sa(&a, (struct sockaddr *)&sin6, sizeof(sin6));
	is_str(addr_text(&a, buf, sizeof(buf)), "fe80::1", "without its zone");
	addr_from_sa(&a, (struct sockaddr *)&sun, sizeof(sa_family_t));
	is_int(a.family, ADDR_UNIX, "an unnamed socket");
	is_int(addr_to_sa(&a, &ss), 0, "has no way back");
	sun.sun_family = AF_UNSPEC;
	addr_from_sa(&a, (struct sockaddr *)&sun, sizeof(sun));
	is_int(a.family, ADDR_NONE, "some other family");
}

static const struct {
	const char	*addr;
	unsigned int	 bits4, bits6;
	const char	*want;
} masks[] = {
	{ "192.0.2.255", 24, 64, "192.0.2.0" },
	{ "192.0.2.255", 32, 64, "192.0.2.255" },
	{ "192.0.2.255", 0, 64, "0.0.0.0" },
	{ "192.0.2.255", 25, 64, "192.0.2.128" },
	{ "192.0.2.255", 31, 64, "192.0.2.254" },
	{ "192.255.2.255", 9, 64, "192.128.0.0" },
	{ "2001:db8:1:2:3:4:5:6", 24, 64, "2001:db8:1:2::" },
	{ "2001:db8:1:2:3:4:5:6", 24, 128, "2001:db8:1:2:3:4:5:6" },
	{ "2001:db8:1:2:3:4:5:6", 24, 0, "::" },
	{ "2001:db8:1:2:3:4:5:ffff", 24, 127, "2001:db8:1:2:3:4:5:fffe" }
};

static void
test_mask(void)
{
	struct addr	a;
	char		buf[ADDR_TEXT_MAX];
	size_t		i;

	for (i = 0; i < nitems(masks); i++) {
		(void)addr_parse(&a, masks[i].addr);
		a.port = 9;
		addr_mask(&a, masks[i].bits4, masks[i].bits6);
		is_str(addr_text(&a, buf, sizeof(buf)), masks[i].want,
		    "%s by %u or %u", masks[i].addr, masks[i].bits4,
		    masks[i].bits6);
		is_int(a.port, 0, "no port");
	}
}

static const struct {
	const char	*in;
	const char	*out;		/* NULL: refused */
} nets[] = {
	{ "10.0.0.0/8", "10.0.0.0/8" },
	{ "0.0.0.0/0", "0.0.0.0/0" },
	{ "192.0.2.7", "192.0.2.7" },
	{ "192.0.2.7/32", "192.0.2.7" },
	{ "192.0.2.128/25", "192.0.2.128/25" },
	{ "::/0", "::/0" },
	{ "2001:db8::/32", "2001:db8::/32" },
	{ "2001:db8::1", "2001:db8::1" },
	{ "::ffff:10.0.0.0/104", "10.0.0.0/8" },
	{ "::ffff:0:0/96", "0.0.0.0/0" },
	{ "::ffff:10.1.2.3", "10.1.2.3" },
	{ "::ffff:10.1.2.3/128", "10.1.2.3" },
	{ "::ffff:10.0.0.0/95", NULL },
	{ "::ffff:10.0.0.0/8", NULL },
	{ "10.0.0.1/8", NULL },
	{ "192.0.2.129/25", NULL },
	{ "2001:db8::1/64", NULL },
	{ "10.0.0.0/33", NULL },
	{ "2001:db8::/129", NULL },
	{ "10.0.0.0/", NULL },
	{ "10.0.0.0/-0", NULL },
	{ "0.0.0.0/-0", NULL },
	{ "0.0.0.0/+0", NULL },
	{ "0.0.0.0/ 0", NULL },
	{ "0.0.0.0/\t0", NULL },
	{ "0.0.0.0/0 ", NULL },
	{ "0.0.0.0/0/0", NULL },
	{ "0.0.0.0/99999999999999999999", NULL },
	{ "/8", NULL },
	{ "", NULL },
	{ "10/8", NULL },
	{ "fe80::%eth0/10", NULL },
	{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL }
};

static const struct {
	const char	*net, *addr;
	bool		 match;
} matches[] = {
	{ "10.0.0.0/8", "10.255.255.255", true },
	{ "10.0.0.0/8", "11.0.0.0", false },
	{ "10.0.0.0/8", "::ffff:10.1.1.1", true },
	{ "::ffff:10.0.0.0/104", "10.1.1.1", true },
	{ "192.0.2.128/25", "192.0.2.128", true },
	{ "192.0.2.128/25", "192.0.2.127", false },
	{ "192.0.2.7", "192.0.2.7", true },
	{ "192.0.2.7", "192.0.2.6", false },
	{ "0.0.0.0/0", "203.0.113.9", true },
	{ "0.0.0.0/0", "::1", false },
	{ "::/0", "2001:db8::1", true },
	{ "::/0", "192.0.2.1", false },
	{ "2001:db8::/33", "2001:db8:7fff::1", true },
	{ "2001:db8::/33", "2001:db8:8000::1", false },
	{ "2001:db8::1", "2001:db8::1", true },
	{ "2001:db8::1", "2001:db8::2", false }
};

static void
test_cidr(void)
{
	struct cidr	c, again;
	struct addr	a;
	char		buf[ADDR_TEXT_MAX];
	size_t		i;

	for (i = 0; i < nitems(nets); i++) {
		is_int(cidr_parse(&c, nets[i].in),
		    nets[i].out == NULL ? -1 : 0, "\"%s\"", nets[i].in);
		if (nets[i].out == NULL)
			continue;
		is_str(cidr_text(&c, buf, sizeof(buf)), nets[i].out, "text");
		ok(cidr_parse(&again, buf) == 0 && again.bits == c.bits &&
		    addr_same_ip(&again.net, &c.net), "%s and back", buf);
		ok(cidr_match(&c, &c.net), "%s holds itself", buf);
	}
	for (i = 0; i < nitems(matches); i++) {
		(void)cidr_parse(&c, matches[i].net);
		(void)addr_parse(&a, matches[i].addr);
		is_int(cidr_match(&c, &a), matches[i].match, "%s in %s",
		    matches[i].addr, matches[i].net);
	}
	memset(&a, 0, sizeof(a));
	(void)cidr_parse(&c, "0.0.0.0/0");
	ok(!cidr_match(&c, &a), "no address is in no network");
	a.family = ADDR_UNIX;
	ok(!cidr_match(&c, &a), "nor is a socket in the file system");
}

static void
test_loopback(void)
{
	static const char *const	yes[] = { "127.0.0.1", "127.255.0.9",
	    "::1", "::ffff:127.0.0.1" };
	static const char *const	no[] = { "128.0.0.1", "::2", "::",
	    "0.0.0.0", "::127.0.0.1" };
	struct addr			a;
	size_t				i;

	for (i = 0; i < nitems(yes); i++)
		ok(addr_parse(&a, yes[i]) == 0 && addr_is_loopback(&a), "%s",
		    yes[i]);
	for (i = 0; i < nitems(no); i++)
		ok(addr_parse(&a, no[i]) == 0 && !addr_is_loopback(&a), "%s",
		    no[i]);
}

static void
test_public(void)
{
	static const char *const	yes[] = { "1.0.0.0", "9.255.255.255",
	    "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
	    "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255",
	    "172.32.0.0", "191.255.255.255", "192.0.1.0", "192.167.255.255",
	    "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255",
	    "::ffff:8.8.8.8", "2000::", "2606::1", "3fff:ffff::1",
	    "2002:0808:0808::1", "64:ff9b::8.8.8.8", "2001:1::1" };
	static const char *const	no[] = { "0.0.0.0", "0.255.255.255",
	    "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255",
	    "127.0.0.1", "127.255.255.255", "169.254.0.0", "169.254.255.255",
	    "172.16.0.0", "172.31.255.255", "192.0.0.0", "192.0.0.255",
	    "192.168.0.0", "192.168.255.255", "198.18.0.0", "198.19.255.255",
	    "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
	    "::", "::1", "::2", "::8.8.8.8", "::ffff:127.0.0.1",
	    "::ffff:10.0.0.1", "::ffff:0:10.0.0.1", "64:ff9b::10.0.0.1",
	    "64:ff9b:1::1", "64:ff9b::127.0.0.1", "100::1",
	    "2001:0:4136:e378::1", "2002:7f00:0001::1", "2002:0a00:0001::1",
	    "1fff::1", "4000::1", "fc00::1", "fd00::1", "fe80::1", "febf::1",
	    "fec0::1", "ff02::1", "ffff::" };
	struct addr			a, path = { .family = ADDR_UNIX };
	size_t				i;

	for (i = 0; i < nitems(yes); i++)
		ok(addr_parse(&a, yes[i]) == 0 && addr_is_public(&a), "%s",
		    yes[i]);
	for (i = 0; i < nitems(no); i++)
		ok(addr_parse(&a, no[i]) == 0 && !addr_is_public(&a), "%s",
		    no[i]);
	ok(!addr_is_public(&path), "a path");
}

int
main(void)
{
	test_text();
	test_sockaddr();
	test_mask();
	test_cidr();
	test_loopback();
	test_public();
	return done("t_addr");
}
