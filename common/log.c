/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Log lines: see log.h.
 *
 * One static buffer gathers the lines of a turn; a line that does not fit
 * any more makes it be written first.  A line is at most LINE_MAX_LOG
 * octets; longer values are cut, and a field for which there is no room at
 * all is left out whole, so that every line can be read.  Nothing here
 * allocates, opens, or asks for the time zone after tzset(3), so that it
 * works in every jail and without memory.
 */

#include <sys/types.h>
#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "addr.h"
#include "id.h"
#include "log.h"
#include "util.h"

#define LINE_MAX_LOG	4096
#define VALUE_MAX	1400	/* octets of a value, as it is printed */
#define VALUE_MIN	32	/* room that a field must find: any number */
#define GATHER		(64 * 1024)
#define SYSLOG_MAIL	(2 << 3)

static struct {
	enum log_dest	 dest;
	int		 fd;
	void		(*through)(const char *, size_t);
	int		 level;
	bool		 verbose;
	bool		 json;
	bool		 lost;
	bool		 in_line;
	int		 line_level;
	char		 name[24];
	int		 index;
	char		 line[LINE_MAX_LOG];
	size_t		 len;
	char		 gathered[GATHER];
	size_t		 ngathered;
} lg = { .dest = LOG_TO_STDERR, .fd = STDERR_FILENO, .level = LOG_LEVEL_INFO,
	.name = "postern", .index = -1 };

static const char *const	level_names[] = {
	"error", "warn", "info", "debug"
};

/* The severities of syslog(3): err, warning, info, debug. */
static const int		severities[] = { 3, 4, 6, 7 };

void
log_init(const char *name, int index)
{
	(void)strlcpy(lg.name, name, sizeof(lg.name));
	lg.index = index;
	tzset();
}

const char *
log_procname(void)
{
	return lg.name;
}

void
log_to(enum log_dest dest, int fd)
{
	(void)log_flush();
	if (lg.fd > STDERR_FILENO && lg.fd != fd)
		(void)close(lg.fd);
	lg.dest = dest;
	lg.fd = fd;
	lg.lost = false;
}

void
log_through(enum log_dest dest, void (*fn)(const char *, size_t))
{
	(void)log_flush();
	lg.through = fn;
	lg.dest = dest;
}

void
log_foreign(const char *p, size_t n)
{
	char	*to;
	size_t	 i;

	if (n == 0 || n > sizeof(lg.gathered) || p[n - 1] != '\n' ||
	    lg.dest == LOG_TO_NOTHING)
		return;
	if (lg.ngathered + n > sizeof(lg.gathered))
		(void)log_flush();
	to = lg.gathered + lg.ngathered;
	for (i = 0; i < n; i++)
		to[i] = p[i] == '\n' || (p[i] >= ' ' && p[i] <= '~') ?
		    p[i] : '?';
	lg.ngathered += n;
}

void
log_set(int level, bool json)
{
	lg.level = level;
	lg.json = json;
}

void
log_verbose(bool on)
{
	lg.verbose = on;
}

bool
log_enabled(int level)
{
	if (lg.dest == LOG_TO_NOTHING)
		return false;
	return level <= (lg.verbose ? LOG_LEVEL_DEBUG : lg.level);
}

/* Datagrams: each line is a message of its own. */
static int
flush_syslog(void)
{
	char	*p = lg.gathered, *end = lg.gathered + lg.ngathered, *nl;

	for (; p < end; p = nl + 1) {
		if ((nl = memchr(p, '\n', (size_t)(end - p))) == NULL)
			break;
		if (send(lg.fd, p, (size_t)(nl - p), MSG_NOSIGNAL) == -1 &&
		    errno != EAGAIN && errno != ENOBUFS && errno != EINTR)
			return -1;
	}
	return 0;
}

static int
flush_stream(void)
{
	char	*p = lg.gathered;
	size_t	 left = lg.ngathered;
	ssize_t	 n;

	while (left > 0) {
		if ((n = write(lg.fd, p, left)) == -1) {
			if (errno == EINTR)
				continue;
			return errno == EAGAIN ? 0 : -1;
		}
		p += n;
		left -= (size_t)n;
	}
	return 0;
}

int
log_flush(void)
{
	if (lg.ngathered > 0) {
		if (lg.through != NULL)
			lg.through(lg.gathered, lg.ngathered);
		else if (lg.dest == LOG_TO_SYSLOG)
			lg.lost = flush_syslog() == -1;
		else if (lg.dest != LOG_TO_NOTHING)
			(void)flush_stream();
		lg.ngathered = 0;
	}
	return lg.lost ? -1 : 0;
}

/* Add to the line, cut at its end; two octets stay free for the end. */
static void
add(const char *s, size_t n)
{
	size_t	room = sizeof(lg.line) - 2 - lg.len;

	if (n > room)
		n = room;
	memcpy(lg.line + lg.len, s, n);
	lg.len += n;
}

static void
add_s(const char *s)
{
	add(s, strlen(s));
}

static void __attribute__((__format__(printf, 1, 2)))
add_f(const char *fmt, ...)
{
	char	tmp[128];
	va_list	ap;

	va_start(ap, fmt);
	(void)vsnprintf(tmp, sizeof(tmp), fmt, ap);
	va_end(ap);
	add_s(tmp);
}

/* As JSON wants it; octets over 127 are shown as U+0080..U+00FF. */
static void
add_json(const char *s, size_t n)
{
	const unsigned char	*p = (const unsigned char *)s;
	size_t			 i, end = sizeof(lg.line) - 16;

	if (end > lg.len + VALUE_MAX)
		end = lg.len + VALUE_MAX;
	add("\"", 1);
	for (i = 0; i < n && lg.len < end; i++) {
		if (p[i] == '"' || p[i] == '\\') {
			add("\\", 1);
			add(s + i, 1);
		} else if (p[i] >= 0x20 && p[i] < 0x7f)
			add(s + i, 1);
		else
			add_f("\\u%04x", p[i]);
	}
	add("\"", 1);
}

/* Bare where no reader can be misled, else quoted. */
static void
add_text(const char *s, size_t n)
{
	char	tmp[VALUE_MAX];
	size_t	i, room = sizeof(lg.line) - 8 - lg.len;

	if (room > sizeof(tmp))
		room = sizeof(tmp);
	for (i = 0; i < n; i++)
		if (s[i] <= ' ' || s[i] >= 0x7f || s[i] == '"' ||
		    s[i] == '\\' || s[i] == '=')
			break;
	if (i == n && n > 0 && n < room) {
		add(s, n);
		return;
	}
	add("\"", 1);
	add_s(escn(s, n, tmp, room));
	add("\"", 1);
}

/* The time, the process: what stands at the start of every line. */
static void
add_head(int level)
{
	struct timespec	ts;
	struct tm	tm;
	char		when[40];

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	if (lg.dest == LOG_TO_SYSLOG) {
		(void)localtime_r(&ts.tv_sec, &tm);
		(void)strftime(when, sizeof(when), "%b %e %H:%M:%S", &tm);
		add_f("<%d>%s postern/", SYSLOG_MAIL | severities[level],
		    when);
		add_s(lg.name);
		add_f("[%ld]: ", (long)getpid());
		if (!lg.json)
			return;
		add("{", 1);
	} else {
		(void)gmtime_r(&ts.tv_sec, &tm);
		(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
		if (!lg.json) {
			add_f("%s.%03ldZ %s", when, ts.tv_nsec / 1000000,
			    lg.name);
			if (lg.index >= 0)
				add_f("/%d", lg.index);
			add(" ", 1);
			return;
		}
		add_f("{\"time\":\"%s.%03ldZ\",", when, ts.tv_nsec / 1000000);
	}
	add_f("\"process\":\"%s\",", lg.name);
	if (lg.index >= 0)
		add_f("\"index\":%d,", lg.index);
	add_f("\"level\":\"%s\"", level_names[level]);
}

/* Move the finished line to the gathered ones. */
static void
line_done(void)
{
	if (lg.json)
		lg.line[lg.len++] = '}';
	lg.line[lg.len++] = '\n';
	if (lg.ngathered + lg.len > sizeof(lg.gathered))
		(void)log_flush();
	memcpy(lg.gathered + lg.ngathered, lg.line, lg.len);
	lg.ngathered += lg.len;
	lg.len = 0;
	lg.in_line = false;
}

static void __attribute__((__format__(printf, 2, 0)))
log_message(int level, const char *fmt, va_list ap, int err)
{
	char	text[1024], safe[1400];
	size_t	n;

	if (!log_enabled(level))
		return;
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	if (err != 0) {
		n = strlen(text);
		(void)snprintf(text + n, sizeof(text) - n, ": %s",
		    strerror(err));
	}
	lg.len = 0;
	add_head(level);
	if (lg.json) {
		add_s(",\"message\":");
		add_json(text, strlen(text));
	} else {
		if (level <= LOG_LEVEL_WARN) {
			add_s(level_names[level]);
			add_s(": ");
		}
		for (n = 0; text[n] != '\0'; n++)
			if ((unsigned char)text[n] < 0x20 ||
			    (unsigned char)text[n] >= 0x7f)
				break;
		add_s(text[n] == '\0' ? text : esc(text, safe, sizeof(safe)));
	}
	line_done();
}

void
log_warn(const char *fmt, ...)
{
	va_list	ap;
	int	err = errno;

	va_start(ap, fmt);
	log_message(LOG_LEVEL_WARN, fmt, ap, err);
	va_end(ap);
}

void
log_warnx(const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	log_message(LOG_LEVEL_WARN, fmt, ap, 0);
	va_end(ap);
}

void
log_info(const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	log_message(LOG_LEVEL_INFO, fmt, ap, 0);
	va_end(ap);
}

void
log_debug(const char *fmt, ...)
{
	va_list	ap;

	if (!log_enabled(LOG_LEVEL_DEBUG))
		return;
	va_start(ap, fmt);
	log_message(LOG_LEVEL_DEBUG, fmt, ap, 0);
	va_end(ap);
}

void
fatal(const char *fmt, ...)
{
	va_list	ap;
	int	err = errno;

	va_start(ap, fmt);
	log_message(LOG_LEVEL_ERROR, fmt, ap, err);
	va_end(ap);
	(void)log_flush();
	_exit(1);
}

void
fatalx(const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	log_message(LOG_LEVEL_ERROR, fmt, ap, 0);
	va_end(ap);
	(void)log_flush();
	_exit(1);
}

bool
log_begin(int level, uint64_t session, const char *event)
{
	char	id[ID_TEXT_MAX];

	lg.in_line = log_enabled(level);
	if (!lg.in_line)
		return false;
	lg.len = 0;
	add_head(level);
	if (session != 0) {
		add_s(lg.json ? ",\"session\":\"" : "session=");
		add_s(id_text(session, id));
		add_s(lg.json ? "\"" : " ");
	}
	add_s(lg.json ? ",\"event\":\"" : "event=");
	add_s(event);
	if (lg.json)
		add("\"", 1);
	return true;
}

/* false: there is no room for the field. */
static bool
add_key(const char *key)
{
	if (!lg.in_line ||
	    lg.len + strlen(key) + VALUE_MIN > sizeof(lg.line))
		return false;
	add_s(lg.json ? ",\"" : " ");
	add_s(key);
	add_s(lg.json ? "\":" : "=");
	return true;
}

void
log_strn(const char *key, const char *s, size_t n)
{
	if (!add_key(key))
		return;
	if (lg.json)
		add_json(s, n);
	else
		add_text(s, n);
}

void
log_str(const char *key, const char *s)
{
	log_strn(key, s, strlen(s));
}

void
log_num(const char *key, int64_t v)
{
	if (add_key(key))
		add_f("%lld", (long long)v);
}

void
log_addr(const char *key, const struct addr *a)
{
	char	text[ADDR_TEXT_MAX];

	if (lg.in_line)
		log_str(key, addr_text(a, text, sizeof(text)));
}

void
log_end(void)
{
	if (lg.in_line)
		line_done();
}
