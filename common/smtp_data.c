/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The dot machine, both ways.
 *
 * In: what a client sends behind 354 (or in BDAT) becomes content.  Only
 * CR LF . CR LF ends it; any other thing that some mail system somewhere
 * takes for an end (LF . LF, CR . CR, LF . CR LF, CR LF . LF ...) is either a
 * fault or content with its line ends put right, so that no two parties can
 * see different ends (the smuggling of 2023).  Invariant: what comes out
 * has no CR without LF, and in BARE_REJECT no LF without CR; with the fault
 * it stops.
 *
 * Out: content becomes what the next hop reads.  This is the only place that
 * stuffs dots, and it does not believe that somebody checked: not the
 * client, nor smtp_data_in, nor who added a header field in between.
 *
 * Speed: the octets between line ends are passed over eight at a time, and
 * runs are emitted over as many lines as need no change; the states below
 * are walked once per line, never per octet.  Rejected: memchr(3) for CR and
 * again for LF.  The one that finds nothing reads on to the end of the
 * buffer, once per line, and a client chooses what is not found.
 */

#include <endian.h>
#include <string.h>

#include "smtp.h"

/* Where we are, named by the last octets seen. */
enum state {
	S_CRLF,			/* CR LF, or nothing yet */
	S_CRLF_DOT,		/* CR LF . */
	S_CRLF_DOT_CR,		/* CR LF . CR */
	S_TEXT,			/* something else */
	S_TEXT_CR,		/* something else, CR (which is held back) */
	S_LF			/* LF without CR: a line, but no end, begins */
};

#define ONES	0x0101010101010101ULL
#define HIGHS	0x8080808080808080ULL

/*
 * The high bit of the first octet that is c, in little-endian order, is set;
 * those of octets before it are not.
 */
static inline uint64_t
has_octet(uint64_t word, uint64_t c)
{
	word ^= ONES * c;
	return (word - ONES) & ~word & HIGHS;
}

/* The first CR or LF in p..end, or end. */
static inline const char *
find_crlf(const char *p, const char *end)
{
	uint64_t	 word;

	for (; end - p >= 8; p += 8) {
		memcpy(&word, p, sizeof(word));
		word = le64toh(word);
		word = has_octet(word, '\r') | has_octet(word, '\n');
		if (word != 0)
			return p + __builtin_ctzll(word) / 8;
	}
	while (p < end && *p != '\r' && *p != '\n')
		p++;
	return p;
}

/* --- in ---------------------------------------------------------------- */

/* A caller's emit with its argument, and the content not yet emitted. */
struct run {
	void		(*emit)(void *, const char *, size_t);
	void		 *arg;
	const char	 *start;
};

static void
run_put(struct smtp_data_in *in, struct run *run, const char *p, size_t n)
{
	if (n == 0 || in->bare)
		return;
	in->octets += n;
	run->emit(run->arg, p, n);
}

/* Emit the run up to p; what follows begins at next. */
static void
run_end(struct smtp_data_in *in, struct run *run, const char *p,
    const char *next)
{
	if (p > run->start)
		run_put(in, run, run->start, p - run->start);
	run->start = next;
}

/* The first bare CR or LF, behind p: the content ends here. */
static enum smtp_data
run_fault(struct smtp_data_in *in, struct run *run, const char *p)
{
	run_end(in, run, p, p);
	in->bare = true;
	return DATA_BARE;
}

/*
 * The LF at p has no CR.  In the run it is all the same: normalized, the CR
 * is put before it; otherwise the run ends for ever.
 */
static enum smtp_data
bare_lf(struct smtp_data_in *in, struct run *run, const char *p)
{
	in->state = S_LF;
	if (in->bare)
		return DATA_MORE;
	if (in->mode == BARE_REJECT)
		return run_fault(in, run, p);
	run_end(in, run, p, p);
	run_put(in, run, "\r", 1);
	return DATA_MORE;
}

/*
 * The octet at p is behind a CR in a line.  That CR is the last octet of the
 * run, except at the start of a call: then it was held back by the one
 * before.
 */
static enum smtp_data
behind_cr(struct smtp_data_in *in, struct run *run, const char *p)
{
	bool	 held = p == run->start;

	if (*p == '\n') {
		in->state = S_CRLF;
		if (held)
			run_put(in, run, "\r", 1);
		return DATA_MORE;
	}
	in->state = S_TEXT;
	if (in->bare)
		return DATA_MORE;
	return run_fault(in, run, held ? p : p - 1);
}

enum smtp_data
smtp_data_in(struct smtp_data_in *in, const char *buf, size_t len,
    size_t *used, void (*emit)(void *, const char *, size_t), void *arg)
{
	const char	*p = buf, *end = buf + len;
	struct run	 run = { emit, arg, buf };
	enum smtp_data	 result = DATA_MORE;

	while (p < end && result == DATA_MORE) {
		switch ((enum state)in->state) {
		case S_CRLF:		/* CR LF, or the beginning */
			in->state = S_TEXT;
			if (*p == '.' && !in->chunk) {
				in->state = S_CRLF_DOT;
				run_end(in, &run, p, p + 1);
				p++;
			}
			break;
		case S_LF:		/* LF */
			in->state = S_TEXT;
			if (*p == '.' && !in->chunk) {
				run_end(in, &run, p, p + 1);
				p++;
			}
			break;
		case S_CRLF_DOT:	/* CR LF . */
			in->state = S_TEXT;
			if (*p == '\r') {
				in->state = S_CRLF_DOT_CR;
				run.start = ++p;
			}
			break;
		case S_CRLF_DOT_CR:	/* CR LF . CR */
			if (*p == '\n') {
				in->state = S_CRLF;
				run.start = ++p;
				result = DATA_END;
				break;
			}
			in->state = S_TEXT;
			if (!in->bare)
				result = run_fault(in, &run, p);
			break;
		case S_TEXT:		/* x */
			p = find_crlf(p, end);
			if (p == end)
				break;
			if (*p == '\r')
				in->state = S_TEXT_CR;
			else
				result = bare_lf(in, &run, p);
			p++;
			break;
		case S_TEXT_CR:		/* x CR */
			result = behind_cr(in, &run, p);
			if (in->state == S_CRLF)
				p++;
			break;
		}
	}
	*used = p - buf;
	/* hold back the CR that may be half of a line end */
	if (in->state == S_TEXT_CR && p > run.start)
		p--;
	run_end(in, &run, p, p);
	return result;
}

/* Nothing is emitted, and what counts as seen is counted by the caller. */
static void
emit_nothing(void *arg, const char *p, size_t n)
{
	(void)arg;
	(void)p;
	(void)n;
}

enum smtp_data
smtp_data_look(struct smtp_data_in *in, const char *p, size_t n)
{
	size_t	used;

	return smtp_data_in(in, p, n, &used, emit_nothing, NULL);
}

enum smtp_data
smtp_data_in_end(struct smtp_data_in *in)
{
	if (in->state != S_TEXT_CR || in->bare)
		return DATA_END;
	in->bare = true;
	return DATA_BARE;
}

/* --- out --------------------------------------------------------------- */

void
smtp_data_out(struct smtp_data_out *out, const char *p, size_t len,
    void (*emit)(void *, const char *, size_t), void *arg)
{
	const char	*run = p, *end = p + len;
	bool		 cr;

	if (len == 0)
		return;
	while (p < end) {
		if (!out->mid && *p == '.') {
			/* this run ends with the dot, the next begins so */
			emit(arg, run, p + 1 - run);
			run = p;
		}
		p = memchr(p, '\n', end - p);
		out->mid = p == NULL;
		p = p == NULL ? end : p + 1;
	}
	emit(arg, run, end - run);

	cr = len > 1 ? end[-2] == '\r' : out->cr;
	out->lf = end[-1] == '\n' && !cr;
	out->cr = end[-1] == '\r';
}

void
smtp_data_out_end(struct smtp_data_out *out,
    void (*emit)(void *, const char *, size_t), void *arg)
{
	if (out->cr)
		emit(arg, "\n.\r\n", 4);
	else if (out->mid || out->lf)
		emit(arg, "\r\n.\r\n", 5);
	else
		emit(arg, ".\r\n", 3);
}
