/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * front_map.c: from what the next hop says to what the client reads.  A row
 * for each line of the manual's table, and the edges of each.
 */

#include "front.h"
#include "front_tx.h"
#include "t.h"

#define OURS	"451 4.3.5 next hop does not take our commands"
#define BROKEN	"451 4.5.0 protocol error at next hop"

static const struct {
	int		 code;
	const char	*enhanced, *text;
	const char	*dflt;
	bool		 own;
	const char	*want;
} rows[] = {
	/* 2xx: 250, its enhanced code or the default, its text */
	{ 250, "2.0.0", "queued", "2.0.0", false, "250 2.0.0 queued" },
	{ 250, "2.6.0", "queued", "2.0.0", false, "250 2.6.0 queued" },
	{ 250, "", "queued", "2.0.0", false, "250 2.0.0 queued" },
	{ 250, "", "ok", "2.1.5", false, "250 2.1.5 ok" },
	{ 251, "2.1.5", "forwarded", "2.1.5", false, "250 2.1.5 forwarded" },
	{ 299, "", "odd", "2.0.0", false, "250 2.0.0 odd" },
	{ 250, "5.1.1", "liar", "2.1.5", false, "250 2.1.5 liar" },
	{ 250, "", "", "2.1.5", false, "250 2.1.5 ok" },
	{ 250, "2.0.0", "queued", "2.0.0", true, "250 2.0.0 ok" },

	/* 4xx: the same, but for 421, which is about a connection */
	{ 450, "4.2.1", "busy", "2.0.0", false, "450 4.2.1 busy" },
	{ 450, "", "busy", "2.0.0", false, "450 4.0.0 busy" },
	{ 451, "4.7.1", "greylisted", "2.0.0", false,
	    "451 4.7.1 greylisted" },
	{ 452, "4.5.3", "many", "2.0.0", false, "452 4.5.3 many" },
	{ 421, "4.3.2", "going", "2.0.0", false, "451 4.3.2 going" },
	{ 421, "", "going", "2.0.0", false, "451 4.0.0 going" },
	{ 499, "4.0.0", "odd", "2.0.0", false, "499 4.0.0 odd" },
	{ 450, "5.7.1", "two minds", "2.0.0", false, "450 4.0.0 two minds" },
	{ 450, "", "", "2.0.0", false, "450 4.0.0 try again later" },
	{ 450, "4.2.1", "busy", "2.0.0", true, "450 4.2.1 try again later" },

	/* 5xx: the same */
	{ 550, "5.1.1", "no such user", "2.0.0", false,
	    "550 5.1.1 no such user" },
	{ 550, "", "no", "2.0.0", false, "550 5.0.0 no" },
	{ 552, "5.3.4", "big", "2.0.0", false, "552 5.3.4 big" },
	{ 554, "5.7.1", "spam", "2.0.0", false, "554 5.7.1 spam" },
	{ 554, "4.7.1", "two minds", "2.0.0", false, "554 5.0.0 two minds" },
	{ 505, "5.7.1", "odd", "2.0.0", false, "505 5.7.1 odd" },
	{ 535, "5.7.8", "odd", "2.0.0", false, "535 5.7.8 odd" },
	{ 550, "", "", "2.0.0", false, "550 5.0.0 refused by next hop" },
	{ 550, "5.1.1", "secrets", "2.0.0", true,
	    "550 5.1.1 refused by next hop" },

	/* our fault: never a bounce */
	{ 500, "5.5.1", "what", "2.0.0", false, OURS },
	{ 501, "5.1.3", "what", "2.0.0", false, OURS },
	{ 502, "", "what", "2.0.0", false, OURS },
	{ 503, "", "what", "2.0.0", false, OURS },
	{ 504, "", "what", "2.0.0", false, OURS },
	{ 530, "5.7.0", "STARTTLS", "2.0.0", false, OURS },
	{ 534, "", "what", "2.0.0", false, OURS },
	{ 538, "", "what", "2.0.0", false, OURS },
	{ 555, "5.5.4", "what", "2.0.0", true, OURS },

	/* no verdict at all */
	{ 100, "", "what", "2.0.0", false, BROKEN },
	{ 199, "", "what", "2.0.0", false, BROKEN },
	{ 354, "", "go", "2.0.0", false, BROKEN },
	{ 300, "", "what", "2.0.0", false, BROKEN },
	{ 600, "", "what", "2.0.0", false, BROKEN },
	{ 999, "", "what", "2.0.0", true, BROKEN },
	{ 0, "", "", "2.0.0", false, BROKEN }
};

static void
test_rows(void)
{
	struct smtp_reply	in, out;
	char			got[sizeof(out.text) + 64];
	size_t			i;

	for (i = 0; i < nitems(rows); i++) {
		memset(&in, 0, sizeof(in));
		memset(&out, 'x', sizeof(out));
		in.code = rows[i].code;
		(void)strlcpy(in.enhanced, rows[i].enhanced,
		    sizeof(in.enhanced));
		(void)strlcpy(in.text, rows[i].text, sizeof(in.text));
		map_reply(&out, &in, rows[i].dflt, rows[i].own);
		snprintf(got, sizeof(got), "%d %s %s", out.code,
		    out.enhanced, out.text);
		is_str(got, rows[i].want, "%d %s %s", rows[i].code,
		    rows[i].enhanced, rows[i].text);
	}
}

/* For every code: a bounce only from a bounce, a 250 only from a 2xx. */
static void
test_classes(void)
{
	struct smtp_reply	in, out;
	int			code;

	for (code = 0; code < 1000; code++) {
		memset(&in, 0, sizeof(in));
		in.code = code;
		map_reply(&out, &in, "2.0.0", false);
		ok((out.code == 250) == (code / 100 == 2), "250 of %d", code);
		ok(out.code / 100 != 5 || code / 100 == 5, "5xx of %d", code);
		ok(out.code == 250 || (out.code >= 400 && out.code < 600),
		    "%d of %d", out.code, code);
		ok(out.code != 421, "421 of %d", code);
		ok(out.enhanced[0] == '0' + out.code / 100, "class of %d",
		    code);
		ok(!smtp_is_our_fault(code) || out.code == 451, "fault %d",
		    code);
	}
}

static const struct {
	int		 code;
	const char	*enhanced;
	bool		 unknown;	/* to those who have no codes more */
	bool		 told;		/* with unknown-codes: 5.4.1 */
} unknown[] = {
	{ 550, "", true, true },
	{ 551, "", true, true }, { 553, "", true, true },
	{ 552, "", false, false },
	{ 554, "", false, false }, { 521, "", false, false },
	{ 550, "5.1.0", true, true }, { 550, "5.1.1", true, true },
	{ 550, "5.1.2", true, true }, { 550, "5.1.3", true, true },
	{ 550, "5.1.6", true, true }, { 550, "5.1.10", true, true },
	{ 554, "5.1.1", true, true }, { 556, "5.1.10", true, true },
	{ 550, "5.1.4", false, false }, { 550, "5.1.8", false, false },
	{ 550, "5.1.100", false, false }, { 550, "5.2.1", false, false },
	{ 550, "5.2.2", false, false }, { 550, "5.7.1", false, false },
	{ 550, "5.4.1", false, true },
	{ 503, "5.4.1", false, false },
	{ 501, "5.1.3", false, false },
	{ 503, "", false, false }, { 530, "5.1.1", false, false },
	{ 450, "", false, false },
	{ 450, "5.1.1", false, false }, { 450, "4.1.1", false, false },
	{ 250, "", false, false }, { 0, "", false, false }
};

static void
test_unknown(void)
{
	static char		 code[] = "5.4.1", *codes[] = { code };
	struct conf_remote	 plain = { .port = 25 }, told = plain;
	struct smtp_reply	 r;
	size_t			 i;

	told.unknown_codes.v = codes;
	told.unknown_codes.n = nitems(codes);
	for (i = 0; i < nitems(unknown); i++) {
		memset(&r, 0, sizeof(r));
		r.code = unknown[i].code;
		(void)strlcpy(r.enhanced, unknown[i].enhanced,
		    sizeof(r.enhanced));
		is_int(map_is_unknown(&r, &plain), unknown[i].unknown,
		    "%d %s", r.code, r.enhanced);
		is_int(map_is_unknown(&r, &told), unknown[i].told,
		    "%d %s with unknown-codes", r.code, r.enhanced);
	}
}

static void
test_dial(void)
{
	static const struct {
		enum dial_error	 error;
		const char	*want;
	} errors[] = {
		{ DIAL_NO_DOMAIN, "550 5.1.2" },
		{ DIAL_NULL_MX, "556 5.1.10" },
		{ DIAL_FORBIDDEN, "550 5.4.4" },
		{ DIAL_LOOP, "554 5.4.6" },
		{ DIAL_DNS, "451 4.4.3" },
		{ DIAL_UNKNOWN_REMOTE, "451 4.4.1" },
		{ DIAL_NO_ADDRESS, "451 4.4.1" },
		{ DIAL_REFUSED, "451 4.4.1" },
		{ DIAL_TIMEOUT, "451 4.4.1" },
		{ DIAL_LIMIT, "451 4.4.1" },
		{ DIAL_HELD, "451 4.4.1" }
	};
	struct smtp_reply	r;
	char			text[16];
	size_t			i;

	is_int(nitems(errors), DIAL_ERROR_COUNT, "all errors");
	for (i = 0; i < nitems(errors); i++) {
		map_dial(&r, errors[i].error, true);
		(void)snprintf(text, sizeof(text), "%d %s", r.code,
		    r.enhanced);
		is_str(text, errors[i].want, "error %u", errors[i].error);
	}
	map_dial(&r, DIAL_DNS, false);
	is_str(r.enhanced, "4.4.1", "a name of the configuration");
}

int
main(void)
{
	test_rows();
	test_classes();
	test_unknown();
	test_dial();
	return done("t_map");
}
