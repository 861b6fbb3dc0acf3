/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * front_xclient.c: what is told of a client, attribute by attribute, and that
 * the line never gets too long.
 */

#include "front.h"
#include "t.h"

#define ALL	(EXT_XC_NAME | EXT_XC_ADDR | EXT_XC_PORT | EXT_XC_PROTO | \
		EXT_XC_HELO | EXT_XC_LOGIN | EXT_XC_DESTADDR | EXT_XC_DESTPORT)
#define NO	"[UNAVAILABLE]"

static struct addr
addr(const char *text, uint16_t port)
{
	struct addr	a = { 0 };

	ok(addr_parse(&a, text) == 0, "%s", text);
	a.port = port;
	return a;
}

static void
test_all(void)
{
	struct xclient	x = { .name = "c.test", .esmtp = true,
			    .helo = "hello.test", .login = "u@c.test" };
	char		text[XCLIENT_TEXT_MAX];

	x.addr = addr("192.0.2.1", 4711);
	x.dest = addr("2001:db8::2", 25);
	xclient_text(&x, ALL, text);
	is_str(text, "NAME=c.test ADDR=192.0.2.1 PORT=4711 PROTO=ESMTP "
	    "HELO=hello.test LOGIN=u@c.test DESTADDR=IPV6:2001:db8::2 "
	    "DESTPORT=25", "all");
	xclient_text(&x, EXT_XC_NAME | EXT_XC_ADDR | EXT_PIPELINING, text);
	is_str(text, "NAME=c.test ADDR=192.0.2.1", "those that are listed");
	xclient_text(&x, EXT_XC_DESTPORT, text);
	is_str(text, "DESTPORT=25", "one");
	xclient_text(&x, EXT_XCLIENT, text);
	is_str(text, "", "none");
}

static void
test_unknown(void)
{
	struct xclient	x = { 0 };
	char		text[XCLIENT_TEXT_MAX];

	xclient_text(&x, ALL, text);
	is_str(text, "NAME=" NO " ADDR=" NO " PORT=" NO " PROTO=SMTP HELO=" NO
	    " LOGIN=" NO " DESTADDR=" NO " DESTPORT=" NO, "nothing known");
	x.addr.family = x.dest.family = ADDR_UNIX;
	x.addr.port = 1;
	x.name_later = true;
	x.helo = x.login = "";
	xclient_text(&x, ALL, text);
	is_str(text, "NAME=[TEMPUNAVAIL] ADDR=" NO " PORT=" NO
	    " PROTO=SMTP HELO=" NO " LOGIN=" NO " DESTADDR=" NO " DESTPORT="
	    NO, "a unix socket's");
	x.addr = addr("2001:db8::1", 0);
	xclient_text(&x, EXT_XC_ADDR | EXT_XC_PORT, text);
	is_str(text, "ADDR=IPV6:2001:db8::1 PORT=" NO, "no port");
}

static void
test_xtext(void)
{
	static const struct {
		const char	*helo, *want;
	} rows[] = {
		{ "[192.0.2.1]", "HELO=[192.0.2.1]" },
		{ "a+b=c", "HELO=a+2Bb+3Dc" },
		{ "two words", "HELO=two+20words" },
		{ "\x01\x7f\x80\xff", "HELO=+01+7F+80+FF" },
		{ "x\r\nRSET", "HELO=x+0D+0ARSET" },
		{ "!~", "HELO=!~" }
	};
	struct xclient	x = { 0 };
	char		text[XCLIENT_TEXT_MAX];
	size_t		i;

	for (i = 0; i < nitems(rows); i++) {
		x.helo = rows[i].helo;
		xclient_text(&x, EXT_XC_HELO, text);
		is_str(text, rows[i].want, "row %zu", i);
	}
}

/* Names come from DNS: what is no host name would make it refuse it all. */
static void
test_names(void)
{
	static const struct {
		const char	*name, *want;
	} rows[] = {
		{ "a-b.example.org", "NAME=a-b.example.org" },
		{ "", "NAME=" NO }, { "a b.test", "NAME=" NO },
		{ "-.test", "NAME=" NO }, { "a..test", "NAME=" NO },
		{ "\xc3\xa4.test", "NAME=" NO }, { "1.2.3.4", "NAME=" NO },
		{ "1.2.3.4.test", "NAME=1.2.3.4.test" },
		{ "a\r\nb", "NAME=" NO }
	};
	struct xclient	x = { 0 };
	char		text[XCLIENT_TEXT_MAX];
	size_t		i;

	for (i = 0; i < nitems(rows); i++) {
		x.name = rows[i].name;
		xclient_text(&x, EXT_XC_NAME, text);
		is_str(text, rows[i].want, "name %zu", i);
	}
}

/* Octets of the value of an attribute; 0 where it is not available. */
static size_t
length(const char *text, const char *attribute)
{
	const char	*p = strstr(text, attribute);

	if (!ok(p != NULL, "%s is there", attribute))
		return 0;
	p += strlen(attribute);
	return strncmp(p, NO, sizeof(NO) - 1) == 0 ? 0 : strcspn(p, " ");
}

/*
 * Every length of LOGIN and HELO: the whole fits always, and a value is
 * whole or not there.
 */
static void
test_room(void)
{
	struct xclient	x = { .name = "c.test" };
	char		helo[XCLIENT_TEXT_MAX + 8], login[sizeof(helo)];
	char		text[XCLIENT_TEXT_MAX];
	size_t		n, h, l, given = 0, cut = 0;

	x.addr = x.dest = addr("2001:db8::1", 65535);
	x.helo = helo;
	x.login = login;
	for (n = 1; n < sizeof(helo) - 1; n++) {
		memset(helo, n % 3 == 0 ? '+' : 'h', n);
		memset(login, 'l', n);
		helo[n] = login[n] = '\0';
		xclient_text(&x, ALL, text);
		h = length(text, "HELO=");
		l = length(text, "LOGIN=");
		ok(h == 0 || h == (n % 3 == 0 ? 3 * n : n), "helo of %zu", n);
		ok(l == 0 || l == n, "login of %zu", n);
		ok(length(text, "PROTO=") == 4, "no client without, %zu", n);
		ok(length(text, "DESTPORT=") == 5, "the last of %zu", n);
		given += h != 0 && l != 0;
		cut += h == 0 && l == 0;
	}
	ok(given > 500 && cut > 0, "both ways: %zu, %zu", given, cut);
}

/* Who says that nothing is known of him does not decide what is known. */
static void
test_claims(void)
{
	static const char *const	rows[] = {
		NO, "[unavailable]", "[TEMPUNAVAIL]", "[TempUnavail]"
	};
	struct xclient	x = { 0 };
	char		text[XCLIENT_TEXT_MAX];
	size_t		i;

	for (i = 0; i < nitems(rows); i++) {
		x.helo = x.login = rows[i];
		is_int(xclient_text(&x, EXT_XC_HELO | EXT_XC_LOGIN, text), 0,
		    "claim %zu is no value", i);
		is_str(text, "HELO=" NO " LOGIN=" NO, "claim %zu", i);
	}
}

/* Which of them have a value; PROTO always has. */
static void
test_given(void)
{
	struct xclient	x = { .name_later = true };
	char		text[XCLIENT_TEXT_MAX];

	is_int(xclient_text(&x, ALL, text), EXT_XC_PROTO, "none but PROTO");
	x.addr = addr("192.0.2.1", 4711);
	x.helo = "c.test";
	is_int(xclient_text(&x, ALL, text), EXT_XC_PROTO | EXT_XC_ADDR |
	    EXT_XC_PORT | EXT_XC_HELO, "some");
	is_int(xclient_text(&x, EXT_XC_HELO | EXT_PIPELINING, text),
	    EXT_XC_HELO, "those that are listed");
	x.name_later = false;
	x.name = "c.test";
	x.login = "u";
	x.dest = addr("2001:db8::1", 25);
	is_int(xclient_text(&x, ALL, text), ALL, "all");
}

/* A value is followed by a value; the name may be taken back. */
static void
test_covers(void)
{
	static const struct {
		unsigned int	told, caps, given;
		bool		want;
	} rows[] = {
		{ 0, 0, 0, true },
		{ 0, ALL, EXT_XC_ADDR, true },
		{ ALL, ALL, ALL, true },
		{ EXT_XC_ADDR, EXT_XC_ADDR, 0, false },
		{ EXT_XC_PORT, ALL, ALL & ~EXT_XC_PORT, false },
		{ EXT_XC_HELO, ALL, ALL & ~EXT_XC_HELO, false },
		{ EXT_XC_LOGIN, ALL, ALL & ~EXT_XC_LOGIN, false },
		{ EXT_XC_DESTADDR, ALL, 0, false },
		{ EXT_XC_DESTPORT, ALL, 0, false },
		{ EXT_XC_PROTO, ALL, 0, false },
		/* not listed any more: it is left out */
		{ EXT_XC_ADDR | EXT_XC_HELO, EXT_XC_ADDR, EXT_XC_ADDR, false },
		{ EXT_XC_NAME, 0, 0, false },
		{ EXT_XC_NAME, EXT_XC_NAME, 0, true },
		{ EXT_XC_NAME | EXT_XC_ADDR, ALL, EXT_XC_NAME, false },
		{ EXT_XC_ADDR, ALL, EXT_XC_ADDR | EXT_XC_LOGIN, true }
	};
	size_t	i;

	for (i = 0; i < nitems(rows); i++)
		ok(xclient_covers(rows[i].told, rows[i].caps, rows[i].given) ==
		    rows[i].want, "row %zu", i);
}

int
main(void)
{
	test_all();
	test_unknown();
	test_xtext();
	test_names();
	test_room();
	test_claims();
	test_given();
	test_covers();
	return done("xclient");
}
