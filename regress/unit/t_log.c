/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * log.c by way of a file: whatever stands in a value, a line is one line, its
 * fields can be told apart and read back, and JSON is JSON.  The text
 * form is read by the rules of the manual, not by the writer's own code.
 */

#include <sys/types.h>
#include <sys/socket.h>

#include <fcntl.h>
#include <unistd.h>

#include "addr.h"
#include "log.h"
#include "t.h"
#include "util.h"

static int	out;			/* the log */
static char	got[256 * 1024];	/* what was written to it */

/* All that was logged since the last call. */
static const char *
lines(void)
{
	ssize_t	n;

	(void)log_flush();
	n = pread(out, got, sizeof(got) - 1, 0);
	got[n > 0 ? n : 0] = '\0';
	if (ftruncate(out, 0) == -1)
		abort();
	return got;
}

/* --- reading the text form ----------------------------------------------- */

/* What key has in a line, decoded; -1: it is not there, or not well. */
static int
field(const char *line, const char *key, char *value, size_t size)
{
	const char	*p;
	char		 want[40];
	size_t		 n = 0;
	unsigned int	 octet;

	snprintf(want, sizeof(want), " %s=", key);
	if ((p = strstr(line, want)) == NULL)
		return -1;
	p += strlen(want);
	if (*p != '"') {
		for (; *p > ' ' && *p < 0x7f && n + 1 < size; p++)
			value[n++] = *p;
		value[n] = '\0';
		return *p == ' ' || *p == '\n' ? (int)n : -1;
	}
	for (p++; *p != '"' && n + 1 < size; p++) {
		if (*p < ' ' || *p >= 0x7f)
			return -1;
		if (*p == '\\' && p[1] == 'x') {
			if (sscanf(p + 2, "%2x", &octet) != 1)
				return -1;
			value[n++] = (char)octet;
			p += 3;
		} else {
			p += *p == '\\';
			value[n++] = *p;
		}
	}
	value[n] = '\0';
	return *p == '"' && (p[1] == ' ' || p[1] == '\n') ? (int)n : -1;
}

/* --- is it JSON? --------------------------------------------------------- */

/* A string, as RFC 8259 has it, in ASCII; NULL: it is none. */
static const char *
json_string(const char *p)
{
	if (*p++ != '"')
		return NULL;
	for (; *p != '"'; p++) {
		if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
			return NULL;
		if (*p != '\\')
			continue;
		p++;
		if (*p == 'u') {
			if (strspn(p + 1, "0123456789abcdef") < 4)
				return NULL;
			p += 4;
		} else if (*p == '\0' || strchr("\"\\/bfnrt", *p) == NULL)
			return NULL;
	}
	return p + 1;
}

/* An object of strings and numbers, and a newline; returns what follows. */
static const char *
json_line(const char *p)
{
	if (*p++ != '{')
		return NULL;
	for (;;) {
		if ((p = json_string(p)) == NULL || *p++ != ':')
			return NULL;
		if (*p == '"')
			p = json_string(p);
		else {
			p += *p == '-';
			if (*p < '0' || *p > '9')
				return NULL;
			p += strspn(p, "0123456789");
		}
		if (p == NULL)
			return NULL;
		if (*p == '}')
			return p[1] == '\n' ? p + 2 : NULL;
		if (*p++ != ',')
			return NULL;
	}
}

static size_t
json_lines(const char *p)
{
	size_t	n;

	for (n = 0; p != NULL && *p != '\0'; n++)
		p = json_line(p);
	return p == NULL ? 0 : n;
}

static size_t
count_lines(const char *p)
{
	size_t	n = 0;

	for (; *p != '\0'; p++)
		n += *p == '\n';
	return n;
}

/* --- cases --------------------------------------------------------------- */

#define VALUE(s)	{ s, sizeof(s) - 1 }

static const struct {
	const char	*p;
	size_t		 n;
} values[] = {
	VALUE(""),
	VALUE("plain"),
	VALUE("a@b.example"),
	VALUE("two words"),
	VALUE("key=value"),
	VALUE("\""),
	VALUE("\\"),
	VALUE("\\\""),
	VALUE("ends in \\"),
	VALUE("a\nsession=0 event=forged"),
	VALUE("a\r\n2026-01-01T00:00:00.000Z smtpd/0 event=forged"),
	VALUE("\",\"event\":\"forged"),
	VALUE("nul\0inside"),
	VALUE("\x1b[2J\x1b]0;title\x07"),
	VALUE("\x7f\x80\x9b\xff"),
	VALUE("utf-8 \xc3\xa9 \xe2\x80\xae"),
	VALUE("\\x41"),
	VALUE("\\u0041"),
	VALUE("%s%n%d"),
	VALUE("\t"),
	VALUE("'; drop table")
};

static void
test_text(void)
{
	char	value[256], why[64];
	size_t	i;
	int	n;

	log_set(LOG_LEVEL_INFO, false);
	for (i = 0; i < nitems(values); i++) {
		ok(log_begin(LOG_LEVEL_INFO, 0x1234, "test"), "it is written");
		log_num("before", -5);
		log_strn("value", values[i].p, values[i].n);
		log_num("after", INT64_MIN);
		log_end();
		snprintf(why, sizeof(why), "value %zu", i);
		is_int((long long)count_lines(lines()), 1, "%s: one line", why);
		n = field(got, "value", value, sizeof(value));
		is_int(n, (long long)values[i].n, "%s: length", why);
		ok(n >= 0 && memcmp(value, values[i].p, values[i].n) == 0,
		    "%s comes back", why);
		(void)field(got, "session", value, sizeof(value));
		is_str(value, "0000000000001234", "%s: session", why);
		(void)field(got, "after", value, sizeof(value));
		is_str(value, "-9223372036854775808", "%s: after", why);
		ok(strstr(got, " event=test before=-5 value=") != NULL,
		    "%s: in order", why);
	}
}

static void
test_json(void)
{
	size_t	i;

	log_set(LOG_LEVEL_INFO, true);
	for (i = 0; i < nitems(values); i++) {
		(void)log_begin(LOG_LEVEL_INFO, 1, "test");
		log_strn("value", values[i].p, values[i].n);
		log_num("after", 7);
		log_end();
		is_int((long long)json_lines(lines()), 1, "value %zu", i);
		ok(strstr(got, "\"event\":\"test\",\"value\":\"") != NULL &&
		    strstr(got, "\",\"after\":7}") != NULL, "its fields");
	}
	(void)log_begin(LOG_LEVEL_INFO, 1, "test");
	log_strn("value", "\"\\\n\0\x80", 5);
	log_end();
	ok(strstr(lines(), "\"value\":\"\\\"\\\\\\u000a\\u0000\\u0080\"") !=
	    NULL, "escapes: %s", got);
	log_warnx("a \"message\" with\nlines and %s", "\x1b[2J");
	is_int((long long)json_lines(lines()), 1, "a message: %s", got);
}

/* Values of every length: no line is broken by being cut. */
static void
test_long(void)
{
	static char	big[6000];
	char		value[8000];
	size_t		n, i, broken = 0;
	int		json, hostile;

	for (hostile = 0; hostile < 2; hostile++) {
		memset(big, hostile ? '\n' : 'x', sizeof(big));
		for (json = 0; json < 2; json++)
			for (n = 0; n < sizeof(big); n += 37) {
				log_set(LOG_LEVEL_INFO, json);
				(void)log_begin(LOG_LEVEL_INFO, 1, "test");
				for (i = 0; i < 5; i++)
					log_strn("value", big, n);
				log_num("after", 7);
				log_end();
				(void)lines();
				broken += count_lines(got) != 1 ||
				    strlen(got) > 4096;
				broken += json ? json_lines(got) != 1 :
				    field(got, "value", value,
				    sizeof(value)) == -1;
			}
	}
	ok(broken == 0, "%zu broken lines", broken);
	log_set(LOG_LEVEL_INFO, false);
	log_warnx("%.*s", (int)sizeof(big), big);
	is_int((long long)count_lines(lines()), 1, "a long message");
	/* More in a turn than is gathered. */
	memset(big, 'y', sizeof(big));
	for (i = 0; i < 100; i++) {
		(void)log_begin(LOG_LEVEL_INFO, 1, "test");
		log_strn("value", big, 1000);
		log_end();
	}
	is_int((long long)count_lines(lines()), 100, "a hundred lines");
}

static void
test_levels(void)
{
	log_set(LOG_LEVEL_WARN, false);
	ok(!log_begin(LOG_LEVEL_INFO, 1, "test"), "info is not written");
	log_str("value", "x");
	log_end();
	log_info("not this");
	log_debug("nor this");
	is_str(lines(), "", "nothing");
	log_warnx("this\tone");
	ok(strstr(lines(), " warn: this\\x09one\n") != NULL, "got %s", got);
	log_verbose(true);
	log_debug("now");
	ok(strstr(lines(), " now\n") != NULL, "verbose: %s", got);
	log_verbose(false);
	log_set(LOG_LEVEL_INFO, false);
	log_info("utf-8 \xc3\xa9");
	ok(strstr(lines(), "utf-8 \\xc3\\xa9\n") != NULL, "ASCII: %s", got);
	ok(strstr(got, "Z test/3 ") != NULL, "who: %s", got);
}

static void
test_addr(void)
{
	struct addr	a;

	(void)addr_parse(&a, "2001:db8::1");
	(void)log_begin(LOG_LEVEL_INFO, 0, "test");
	log_addr("address", &a);
	memset(&a, 0, sizeof(a));
	log_addr("none", &a);
	log_end();
	ok(strstr(lines(), " event=test address=2001:db8::1 none=\"\"\n") !=
	    NULL, "got %s", got);
	ok(strstr(got, "session=") == NULL, "no session, no field");
}

/* A datagram a line, as syslogd wants it; a lost one is told. */
static void
test_syslog(void)
{
	char	line[4096];
	int	pair[2];
	ssize_t	n;

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == -1)
		abort();
	log_to(LOG_TO_SYSLOG, pair[0]);
	log_info("one");
	log_warnx("two\nlines");
	is_int(log_flush(), 0, "sent");
	n = recv(pair[1], line, sizeof(line) - 1, MSG_DONTWAIT);
	line[n > 0 ? n : 0] = '\0';
	ok(strncmp(line, "<22>", 4) == 0 && strstr(line, "]: one") != NULL &&
	    strchr(line, '\n') == NULL, "the first: %s", line);
	n = recv(pair[1], line, sizeof(line) - 1, MSG_DONTWAIT);
	line[n > 0 ? n : 0] = '\0';
	ok(strncmp(line, "<20>", 4) == 0 &&
	    strstr(line, " postern/test[") != NULL &&
	    strstr(line, "two\\x0alines") != NULL, "the second: %s", line);
	(void)close(pair[1]);
	log_info("three");
	is_int(log_flush(), -1, "syslogd is gone");
	log_to(LOG_TO_NOTHING, -1);
	ok(!log_enabled(LOG_LEVEL_ERROR), "nothing is formatted for nowhere");
	is_int(log_flush(), 0, "and nothing is lost");
	log_to(LOG_TO_STDERR, STDERR_FILENO);
}

static const struct {
	const char	*in;
	size_t		 size;
	const char	*want;
} escapes[] = {
	{ "plain", 64, "plain" },
	{ "\n", 64, "\\x0a" },
	{ "\xff\x7f", 64, "\\xff\\x7f" },
	{ "\"\\", 64, "\\\"\\\\" },
	{ "abcdef", 7, "abc" },
	{ "\n\n", 9, "\\x0a\\x0a" },
	{ "\n\n", 8, "\\x0a" },
	{ "a", 4, "" },
	{ "a", 1, "" }
};

static void
test_esc(void)
{
	char	buf[64], lower[] = "MiXed-123 \xc3\x89Z";
	size_t	i;

	for (i = 0; i < nitems(escapes); i++)
		is_str(esc(escapes[i].in, buf, escapes[i].size),
		    escapes[i].want, "esc %zu", i);
	ascii_lower(lower);
	is_str(lower, "mixed-123 \xc3\x89z", "ASCII only");
}

int
main(void)
{
	FILE	*f;

	if ((f = tmpfile()) == NULL)
		return 1;
	out = fileno(f);
	(void)fcntl(out, F_SETFL, O_APPEND);
	log_init("test", 3);
	log_to(LOG_TO_FILE, out);
	test_text();
	test_json();
	test_long();
	test_levels();
	test_addr();
	test_syslog();
	test_esc();
	return done("t_log");
}
