/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * smtp_line.c: any split of the input gives the same lines; a clean line is
 * clean and ends in CR LF; a limit is a limit.  The first octet of the input
 * sets the limit, the second how to cut.
 */

#include "fuzz.h"
#include "smtp.h"

struct seen {
	enum smtp_line	 result;
	size_t		 end;		/* where in the input it ended */
	size_t		 len;
};

static void
check(const char *buf, size_t max, enum smtp_line result, struct slice line,
    size_t used)
{
	must(used > 0 && buf[used - 1] == '\n');
	if (result != LINE_OK) {
		must(line.n == 0);
		return;
	}
	must(line.p == buf && line.n + 2 == used && used <= max);
	must(buf[used - 2] == '\r');
	must(memchr(line.p, '\r', line.n) == NULL);
	must(memchr(line.p, '\n', line.n) == NULL);
	must(memchr(line.p, '\0', line.n) == NULL);
}

static size_t
run(const uint8_t *in, size_t len, size_t max, unsigned int seed,
    struct seen *seen)
{
	struct smtp_lines	 st = { 0, false };
	struct slice		 line;
	enum smtp_line		 result;
	char			*buf;
	size_t			 at, count = 0, end, start = 0, used;

	for (at = 0; at < len; at = end) {
		end = at + piece(seed, at, len);
		do {
			buf = exact(in + start, end - start);
			result = smtp_line_next(&st, buf, end - start, max,
			    &line, &used);
			must(used <= end - start);
			if (result != LINE_MORE) {
				check(buf, max, result, line, used);
				seen[count].result = result;
				seen[count].end = start + used;
				seen[count++].len = line.n;
			}
			start += used;
			free(buf);
		} while (result != LINE_MORE);
		must(end - start < max);
	}
	return count;
}

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	struct seen	*whole, *cut;
	size_t		 i, max, n;
	unsigned int	 seed, seeds[2];

	if (len < 2 || len > 4096)
		return 0;
	max = 2 + in[0];
	seeds[0] = 1;
	seeds[1] = in[1];
	in += 2;
	len -= 2;

	whole = calloc(len + 1, sizeof(*whole));
	cut = calloc(len + 1, sizeof(*cut));
	must(whole != NULL && cut != NULL);
	n = run(in, len, max, 0, whole);
	for (seed = 0; seed < 2; seed++) {
		must(run(in, len, max, seeds[seed], cut) == n);
		for (i = 0; i < n; i++)
			must(cut[i].result == whole[i].result &&
			    cut[i].end == whole[i].end &&
			    cut[i].len == whole[i].len);
	}
	free(whole);
	free(cut);
	return 0;
}
