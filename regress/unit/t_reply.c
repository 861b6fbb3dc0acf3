/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * smtp_reply.c: made, printed, read, and there and back.  Replies come in
 * through smtp_line.c, whole and in pieces, as from a next hop.
 */

#include "smtp.h"
#include "t.h"

static const struct {
	const char	*fmt;		/* formatted as one string */
	int		 code;		/* 0: refused */
	const char	*enhanced;
	const char	*text;
	const char	*wire;
} made[] = {
	{ "250 2.1.5 ok", 250, "2.1.5", "ok", "250 2.1.5 ok\r\n" },
	{ "354 go on", 354, "", "go on", "354 go on\r\n" },
	{ "220 mx.example.org ESMTP", 220, "", "mx.example.org ESMTP",
	    "220 mx.example.org ESMTP\r\n" },
	{ "250 a\nPIPELINING\nSIZE 10", 250, "", "a\nPIPELINING\nSIZE 10",
	    "250-a\r\n250-PIPELINING\r\n250 SIZE 10\r\n" },
	{ "250 2.1.5 a\nb", 250, "2.1.5", "a\nb",
	    "250-2.1.5 a\r\n250 2.1.5 b\r\n" },
	{ "250 2.1.5 a\n\nb", 250, "2.1.5", "a\n\nb",
	    "250-2.1.5 a\r\n250-2.1.5\r\n250 2.1.5 b\r\n" },
	{ "250 2.1.5 a\nb\n\n", 250, "2.1.5", "a\nb",
	    "250-2.1.5 a\r\n250 2.1.5 b\r\n" },
	{ "550", 550, "", "", "550\r\n" },
	{ "550 ", 550, "", "", "550\r\n" },
	{ "550 5.1.1", 550, "5.1.1", "", "550 5.1.1\r\n" },
	{ "550 5.1.1 ", 550, "5.1.1", "", "550 5.1.1\r\n" },
	{ "550 5.1.1\n", 550, "5.1.1", "", "550 5.1.1\r\n" },
	{ "550 5.1.1\na", 550, "5.1.1", "a", "550 5.1.1 a\r\n" },
	{ "550 5.1.1x", 550, "", "5.1.1x", "550 5.1.1x\r\n" },
	{ "550 5.1.1 a\r\xc3\xa9\tb\x7f\x01", 550, "5.1.1", "a??? b??",
	    "550 5.1.1 a??? b??\r\n" },
	{ "550 4.1.1 x", 0, "", "", "" },
	{ "354 2.0.0 x", 0, "", "", "" },
	{ "550x", 0, "", "", "" },
	{ "550-x", 0, "", "", "" },
	{ "150 x", 0, "", "", "" },
	{ "650 x", 0, "", "", "" },
	{ "55", 0, "", "", "" },
	{ "", 0, "", "", "" },
	{ "ok", 0, "", "", "" },
	{ " 250 ok", 0, "", "", "" },
};

static void
test_made(void)
{
	struct smtp_reply	 reply;
	char			 wire[512], cut[8];
	size_t			 i, n;

	for (i = 0; i < nitems(made); i++) {
		is_int(smtp_reply_fmt(&reply, "%s", made[i].fmt),
		    made[i].code == 0 ? -1 : 0, "fmt %zu", i);
		is_int(reply.code, made[i].code, "fmt %zu: code", i);
		is_str(reply.enhanced, made[i].enhanced, "fmt %zu", i);
		is_str(reply.text, made[i].text, "fmt %zu", i);
		n = smtp_reply_print(&reply, wire, sizeof(wire));
		is_str(wire, made[i].wire, "fmt %zu: printed", i);
		is_int(n, strlen(wire), "fmt %zu: length", i);
		is_int(smtp_reply_print(&reply, cut, sizeof(cut)), n,
		    "fmt %zu: length when cut", i);
		is_int(strlen(cut), n < sizeof(cut) ? n : sizeof(cut) - 1,
		    "fmt %zu: cut", i);
		is_int(smtp_reply_print(&reply, NULL, 0), n,
		    "fmt %zu: length alone", i);
	}
}

/* Lines over 512 are folded: at a blank if there is one. */
static void
test_fold(void)
{
	struct smtp_reply	 reply;
	char			 big[2000], wire[1200];
	size_t			 n;
	char			*second;

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	is_int(smtp_reply_fmt(&reply, "550 5.1.1 %s", big), 0, "long text");
	is_int(strlen(reply.text), sizeof(reply.text) - 1, "is cut");
	n = smtp_reply_print(&reply, wire, sizeof(wire));
	is_int(n, 511 + 2 * strlen("550 5.1.1 \r\n"), "and makes two lines");
	second = strstr(wire, "\r\n550 5.1.1 x");
	ok(second != NULL && second - wire == 510, "the first full");
	ok(strncmp(wire, "550-5.1.1 x", 11) == 0, "and not the last");

	big[510] = '\n';
	smtp_reply_fmt(&reply, "550 5.1.1 %s", big);
	is_int(strlen(reply.text), 510, "cut at a newline, which goes too");

	big[510] = 'x';
	big[300] = ' ';
	smtp_reply_fmt(&reply, "550 5.1.1 %s", big);
	n = smtp_reply_print(&reply, wire, sizeof(wire));
	is_int(n, 510 + 2 * strlen("550 5.1.1 \r\n"), "the blank is gone");
	second = strstr(wire, "\r\n550 5.1.1 x");
	ok(second != NULL && second - wire == 310, "folded at the blank");

	/* two octets a character: never between the two */
	memset(&reply, 0, sizeof(reply));
	reply.code = 550;
	strlcpy(reply.enhanced, "5.1.1", sizeof(reply.enhanced));
	for (n = 0; n + 2 < sizeof(reply.text) - 1; n += 2)
		memcpy(reply.text + n + 1, "\xc3\xa9", 2);
	reply.text[0] = 'x';
	smtp_reply_print(&reply, wire, sizeof(wire));
	second = strstr(wire, "\r\n550 5.1.1 ");
	ok(second != NULL && second[-1] == '\xa9', "UTF-8 is not cut");
}

static const struct {
	const char	*text;
	int		 class;
	bool		 want;
} checks[] = {
	{ "550 5.1.1 no", 5, true },
	{ "550 5.1.1 no", 0, true },
	{ "550 5.1.1 no", 4, false },
	{ "451 4.7.1 later", 4, true },
	{ "451 5.7.1 later", 4, false },
	{ "451 later", 4, true },
	{ "354 go", 3, true },
	{ "354", 3, true },
	{ "550", 5, true },
	{ "550 a\nb", 5, false },
	{ "550 a\r", 5, false },
	{ "550 a\tb", 5, false },
	{ "550 \xc3\xa9", 5, false },
	{ "550-no", 5, false },
	{ "199 no", 0, false },
	{ "600 no", 0, false },
	{ "no", 0, false },
	{ "", 0, false },
};

static void
test_check(void)
{
	char	 text[600];
	size_t	 i;

	for (i = 0; i < nitems(checks); i++)
		is_int(smtp_reply_check(checks[i].text, checks[i].class),
		    checks[i].want, "check %zu", i);
	snprintf(text, sizeof(text), "550 %0506d", 0);
	ok(smtp_reply_check(text, 5), "a line of 510");
	snprintf(text, sizeof(text), "550 %0507d", 0);
	ok(!smtp_reply_check(text, 5), "a line of 511");
}

static const struct {
	const char	*in;
	const char	*outcome;	/* Done, Bad, or still More */
	int		 code;
	const char	*enhanced;
	const char	*text;
	const char	*extensions;
} read_cases[] = {
	{ "250 ok\r\n", "D", 250, "", "ok", "[ok]" },
	{ "250 2.1.5 ok\r\n", "D", 250, "2.1.5", "ok", "[2.1.5 ok]" },
	{ "250 2.1.5\tok\r\n", "D", 250, "2.1.5", "ok", "[2.1.5\tok]" },
	{ "250\r\n", "D", 250, "", "", "[]" },
	{ "250 \r\n", "D", 250, "", "", "[]" },
	{ "250-a\r\n250-SIZE 10\r\n250 HELP\r\n", "D", 250, "",
	    "a\nSIZE 10\nHELP", "[a][SIZE 10][HELP]" },
	{ "550-5.1.1 a\r\n550 5.1.1 b\r\n", "D", 550, "5.1.1", "a\nb",
	    "[5.1.1 a][5.1.1 b]" },
	{ "550-5.1.1 a\r\n550 5.1.2 b\r\n", "D", 550, "5.1.1", "a\n5.1.2 b",
	    "[5.1.1 a][5.1.2 b]" },
	{ "550-a\r\n550 5.1.1 b\r\n", "D", 550, "", "a\n5.1.1 b",
	    "[a][5.1.1 b]" },
	{ "550 4.1.1 a\r\n", "D", 550, "", "4.1.1 a", "[4.1.1 a]" },
	{ "550 a\tb\x01\x7f\xc3\xa9\r\n", "D", 550, "", "a b??\xc3\xa9",
	    "[a\tb\x01\x7f\xc3\xa9]" },
	{ "150 x\r\n", "D", 150, "", "x", "[x]" },
	{ "250-a\r\n", "M", 250, "", "a", "[a]" },
	{ "250-\r\n250 \r\n", "D", 250, "", "\n", "[][]" },
	{ "250-a\r\n251 b\r\n", "B", 250, "", "a", "[a]" },
	{ "650 a\r\n", "B", 0, "", "", "" },
	{ "050 a\r\n", "B", 0, "", "", "" },
	{ "25\r\n", "B", 0, "", "", "" },
	{ "\r\n", "B", 0, "", "", "" },
	{ "250_a\r\n", "B", 0, "", "", "" },
	{ "2500 a\r\n", "B", 0, "", "", "" },
	{ "2x0 a\r\n", "B", 0, "", "", "" },
	{ " 250 a\r\n", "B", 0, "", "", "" },
	{ "HTTP/1.1 400\r\n", "B", 0, "", "", "" },
};

static char	 extensions[256];

static void
extension(void *arg, struct slice s)
{
	size_t	 n = strlen(extensions);

	ok(arg == extensions, "the argument is passed on");
	snprintf(extensions + n, sizeof(extensions) - n, "[%.*s]", (int)s.n,
	    s.p);
}

static void
test_read(size_t i, size_t way)
{
	struct smtp_reply_in	 in;
	struct smtp_lines	 lines = { 0, false };
	enum smtp_reply_result	 result = REPLY_MORE;
	struct slice		 line;
	const char		*p = read_cases[i].in;
	size_t			 at, end, len = strlen(p), start = 0, used;

	memset(&in, 0, sizeof(in));
	extensions[0] = '\0';
	for (at = 0; at < len; at = end) {
		end = at + piece(way, at, len);
		while (result == REPLY_MORE && smtp_line_next(&lines,
		    p + start, end - start, SMTP_REPLY_IN_MAX, &line,
		    &used) == LINE_OK) {
			result = smtp_reply_line(&in, line, extension,
			    extensions);
			start += used;
		}
	}
	is_int("MDB"[result], read_cases[i].outcome[0], "read %zu way %zu", i,
	    way);
	is_int(in.reply.code, read_cases[i].code, "read %zu way %zu", i, way);
	is_str(in.reply.enhanced, read_cases[i].enhanced,
	    "read %zu way %zu: enhanced", i, way);
	is_str(in.reply.text, read_cases[i].text, "read %zu way %zu: text", i,
	    way);
	is_str(extensions, read_cases[i].extensions, "read %zu way %zu", i,
	    way);
}

static void
test_read_limits(void)
{
	struct smtp_reply_in	 in;
	struct slice		 line = { "250-some text\xc3\xa9", 15 };
	struct slice		 last = { "250 end", 7 };
	char			 big[600];
	int			 i;

	memset(&in, 0, sizeof(in));
	for (i = 0; i < SMTP_REPLY_LINES_MAX; i++)
		is_int(smtp_reply_line(&in, line, NULL, NULL), REPLY_MORE,
		    "line %d", i);
	is_int(strlen(in.reply.text), 511, "the text is full");
	is_int(smtp_reply_line(&in, last, NULL, NULL), REPLY_BAD,
	    "a line too many");

	memset(&in, 0, sizeof(in));
	for (i = 1; i < SMTP_REPLY_LINES_MAX; i++)
		smtp_reply_line(&in, line, NULL, NULL);
	is_int(smtp_reply_line(&in, last, NULL, NULL), REPLY_DONE,
	    "as many as there may be");

	/* one octet of room is none: it would hold a newline and no line */
	memset(&in, 0, sizeof(in));
	line.n = snprintf(big, sizeof(big), "250-%0510d", 0);
	line.p = big;
	smtp_reply_line(&in, line, NULL, NULL);
	smtp_reply_line(&in, last, NULL, NULL);
	is_int(strlen(in.reply.text), 510, "no line without its text");
}

static const struct {
	const char	*in;
	size_t		 used;
	const char	*out;
} codes[] = {
	{ "2.0.0", 5, "2.0.0" },
	{ "5.1.1 x", 5, "5.1.1" },
	{ "4.123.456", 9, "4.123.456" },
	{ "4.1234.5", 0, "" },
	{ "4.1.2345", 0, "" },
	{ "3.0.0", 0, "" },
	{ "1.0.0", 0, "" },
	{ "2.0", 0, "" },
	{ "2.0.", 0, "" },
	{ "2..0", 0, "" },
	{ "2.0.0.0", 0, "" },
	{ "2.0.0x", 0, "" },
	{ "22.0.0", 0, "" },
	{ "2", 0, "" },
	{ "", 0, "" },
};

static void
test_enhanced(void)
{
	struct slice	 s;
	char		 got[12];
	size_t		 i;

	for (i = 0; i < nitems(codes); i++) {
		s.p = codes[i].in;
		s.n = strlen(s.p);
		is_int(smtp_enhanced_parse(s, got), codes[i].used,
		    "enhanced %s", s.p);
		is_str(got, codes[i].out, "enhanced %s", s.p);
	}
}

int
main(void)
{
	size_t	 i, way;

	test_made();
	test_fold();
	test_check();
	for (i = 0; i < nitems(read_cases); i++)
		for (way = 0; way <= strlen(read_cases[i].in); way++)
			test_read(i, way);
	test_read_limits();
	test_enhanced();
	return done("t_reply");
}
