/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * proxy_header.c: every form of the header, octet for octet.
 */

#include "proxy_header.h"
#include "t.h"

#define SIG	"\r\n\r\n\0\r\nQUIT\n"
#define MAPPED	"\0\0\0\0\0\0\0\0\0\0\xff\xff"
#define LONG6	"2001:db8:1111:2222:3333:4444:5555:6666"

static const struct {
	const char	*src;
	uint16_t	 sport;
	const char	*dst;		/* "" = none, "unix" */
	uint16_t	 dport;
	unsigned int	 version;
	const char	*want;
	size_t		 len;
} rows[] = {
#define ROW(src, sport, dst, dport, version, want)			\
	{ src, sport, dst, dport, version, want, sizeof(want) - 1 }
	ROW("192.0.2.1", 4711, "198.51.100.2", 25, 1,
	    "PROXY TCP4 192.0.2.1 198.51.100.2 4711 25\r\n"),
	ROW("255.255.255.255", 65535, "0.0.0.0", 0, 1,
	    "PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n"),
	ROW("2001:db8::1", 4711, "2001:db8::2", 25, 1,
	    "PROXY TCP6 2001:db8::1 2001:db8::2 4711 25\r\n"),
	ROW(LONG6, 65535, LONG6, 65535, 1,
	    "PROXY TCP6 " LONG6 " " LONG6 " 65535 65535\r\n"),
	ROW("2001:db8::1", 4711, "198.51.100.2", 25, 1,
	    "PROXY TCP6 2001:db8::1 ::ffff:198.51.100.2 4711 25\r\n"),
	ROW("192.0.2.1", 4711, "2001:db8::2", 25, 1,
	    "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 4711 25\r\n"),
	ROW("unix", 0, "unix", 0, 1, "PROXY UNKNOWN\r\n"),
	ROW("192.0.2.1", 4711, "", 0, 1, "PROXY UNKNOWN\r\n"),
	ROW("", 0, "192.0.2.1", 25, 1, "PROXY UNKNOWN\r\n"),

	ROW("192.0.2.1", 0x1267, "198.51.100.2", 25, 2,
	    SIG "\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x02"
	    "\x12\x67\0\x19"),
	ROW("2001:db8::1", 0x1267, "2001:db8::2", 25, 2,
	    SIG "\x21\x21\0\x24"
	    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
	    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"
	    "\x12\x67\0\x19"),
	ROW("2001:db8::1", 1, "198.51.100.2", 0xffff, 2,
	    SIG "\x21\x21\0\x24"
	    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
	    MAPPED "\xc6\x33\x64\x02" "\0\x01\xff\xff"),
	ROW("192.0.2.1", 1, "2001:db8::2", 2, 2,
	    SIG "\x21\x21\0\x24" MAPPED "\xc0\0\x02\x01"
	    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"
	    "\0\x01\0\x02"),
	ROW("unix", 0, "unix", 0, 2, SIG "\x20\0\0\0"),
	ROW("192.0.2.1", 1, "", 0, 2, SIG "\x20\0\0\0")
#undef ROW
};

static struct addr
addr(const char *text, uint16_t port)
{
	struct addr	a = { 0 };

	if (strcmp(text, "unix") == 0)
		a.family = ADDR_UNIX;
	else if (text[0] != '\0')
		ok(addr_parse(&a, text) == 0, "%s", text);
	a.port = port;
	return a;
}

int
main(void)
{
	struct addr	 src, dst;
	char		*buf;
	size_t		 i, n;

	for (i = 0; i < nitems(rows); i++) {
		src = addr(rows[i].src, rows[i].sport);
		dst = addr(rows[i].dst, rows[i].dport);
		/* of its very size: the sanitizer looks at the end */
		if ((buf = malloc(PROXY_HEADER_MAX)) == NULL)
			return 1;
		n = proxy_header_make(buf, rows[i].version, &src, &dst);
		is_int((long long)n, (long long)rows[i].len,
		    "row %zu: length", i);
		ok(n == rows[i].len && memcmp(buf, rows[i].want, n) == 0,
		    "row %zu: octets", i);
		free(buf);
	}
	return done("proxy_header");
}
