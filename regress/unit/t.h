/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What every unit test needs: counted checks that print only when they fail,
 * and a way to feed the same octets whole, cut in two at every place, and one
 * by one.  A test program ends with "return done(name)".
 */
#ifndef T_H
#define T_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define nitems(a)	(sizeof(a) / sizeof((a)[0]))

static unsigned int	t_passed, t_failed;

/* Count a check; if it fails, say which: fmt and what follows it. */
#define ok(cond, ...)		t_ok((cond), __FILE__, __LINE__, __VA_ARGS__)
#define is_int(got, want, ...)						\
	do {								\
		long long t_g = (got), t_w = (want);			\
		if (!ok(t_g == t_w, __VA_ARGS__))			\
			printf("#\tgot %lld, want %lld\n", t_g, t_w);	\
	} while (0)
#define is_str(got, want, ...)						\
	do {								\
		const char *t_g = (got), *t_w = (want);			\
		if (!ok(strcmp(t_g, t_w) == 0, __VA_ARGS__))		\
			printf("#\tgot \"%s\"\n#\twant \"%s\"\n", t_g, t_w); \
	} while (0)

static bool __attribute__((__format__(printf, 4, 5)))
t_ok(bool cond, const char *file, int line, const char *fmt, ...)
{
	va_list	 ap;

	if (cond) {
		t_passed++;
		return true;
	}
	t_failed++;
	printf("not ok %s:%d: ", file, line);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	return false;
}

/*
 * How much to feed next, at octets of len being fed: way 0 is all at once,
 * way len one by one, and the ways between cut in two there.
 */
static inline size_t
piece(size_t way, size_t at, size_t len)
{
	if (way > 0 && way == len)
		return 1;
	return at < way ? way - at : len - at;
}

static inline int
done(const char *name)
{
	printf("%s: %u passed, %u failed\n", name, t_passed, t_failed);
	return t_failed == 0 ? 0 : 1;
}

#endif
