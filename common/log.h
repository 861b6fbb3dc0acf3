/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Where log lines go, and how they are made.
 *
 * A line is either a plain message (log_warnx and friends, OpenBSD's
 * interface) or an event: a name and fields, printed as text or JSON.
 * Lines are gathered and written whole, once per turn of the event loop
 * (log_flush), to the descriptor that the parent passed: an O_APPEND file,
 * stderr, or a connected syslog socket.  With nowhere to go, nothing is
 * formatted.
 */
#ifndef LOG_H
#define LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct addr;

enum log_dest { LOG_TO_STDERR, LOG_TO_FILE, LOG_TO_SYSLOG, LOG_TO_NOTHING };

/* Numbers as enum log_level and enum log_format of config.h. */
#define LOG_LEVEL_ERROR	0
#define LOG_LEVEL_WARN	1
#define LOG_LEVEL_INFO	2
#define LOG_LEVEL_DEBUG	3

/* name: "smtpd"; index: -1 where there is only one.  Logs to stderr. */
void	log_init(const char *name, int index);
/* Take a descriptor; the one before is closed unless it is stderr. */
void	log_to(enum log_dest, int fd);
/*
 * Hand the lines, made for that destination, to a function instead, which
 * takes whole lines: for a process that holds no descriptor but pipes.
 */
void	log_through(enum log_dest, void (*)(const char *, size_t));
/* Whole lines of such a process, as they are but for control octets. */
void	log_foreign(const char *, size_t);
void	log_set(int level, bool json);
/* For the verbose switch of the control socket: debug on top of the level. */
void	log_verbose(bool);
bool	log_enabled(int level);
/*
 * Write what has been gathered.  Returns -1 if the destination is lost (a
 * syslogd that went away): the caller may ask for a new descriptor.
 */
int	log_flush(void);
const char *log_procname(void);

void	log_warn(const char *, ...)		/* with errno's text */
	    __attribute__((__format__(printf, 1, 2)));
void	log_warnx(const char *, ...)
	    __attribute__((__format__(printf, 1, 2)));
void	log_info(const char *, ...)
	    __attribute__((__format__(printf, 1, 2)));
void	log_debug(const char *, ...)
	    __attribute__((__format__(printf, 1, 2)));
void	fatal(const char *, ...)		/* with errno's text */
	    __attribute__((__noreturn__, __format__(printf, 1, 2)));
void	fatalx(const char *, ...)
	    __attribute__((__noreturn__, __format__(printf, 1, 2)));

/*
 * An event line: begin, fields in the order of the calls, end.  begin gives
 * false where the line would not be written; then the others do nothing.
 * Values are encoded here: octets from outside may be given as they are.
 */
bool	log_begin(int level, uint64_t session, const char *event);
void	log_str(const char *key, const char *);
void	log_strn(const char *key, const char *, size_t);
void	log_num(const char *key, int64_t);
void	log_addr(const char *key, const struct addr *);
void	log_end(void);

#endif
