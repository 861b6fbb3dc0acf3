/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Verdicts as text: see record.h.
 *
 * One form for memory and file: what is stored is written to a file as it
 * stands, and is read by one parser, which takes nothing on trust.  The words
 * are compared with what was asked for, so that a record can never be taken
 * for another's; the check is what a file is worth whose octets have changed
 * since it was read through: it has a miss there.  It is no protection
 * against who writes the file, who has the secret too.
 *
 * Rejected: struct on disk (nobody can read it, and it is nobody else's
 * either after the first change).
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cache.h"
#include "record.h"
#include "word.h"

#define CHECK_LEN	8		/* hex digits */

void
record_hash(const uint8_t *secret, const char *words, size_t len,
    uint8_t *hash)
{
	struct siphash	 h;

	siphash_init(&h, secret);
	siphash_update(&h, words, len);
	siphash_final(&h, hash);
}

size_t
record_words(const struct cache_key *k, char *to, size_t size)
{
	size_t	 len;

	if (k->remote[0] == '\0' || k->rcpt[0] == '\0' ||
	    (len = word_put(to, 0, size, k->remote)) == 0 ||
	    (len = word_put(to, len, size,
	    k->sender[0] == '\0' ? "<>" : k->sender)) == 0)
		return 0;
	return word_put(to, len, size, k->rcpt);
}

/* Of the words, of what is between them and the check, and of the text. */
static void
check_of(const uint8_t *secret, const char *head, size_t nhead,
    const char *text, size_t ntext, char *digits)
{
	static const char	hex[] = "0123456789abcdef";
	uint8_t			hash[SIPHASH_LEN];
	struct siphash		h;
	size_t			i;

	siphash_init(&h, secret);
	siphash_update(&h, head, nhead);
	siphash_update(&h, text, ntext);
	siphash_final(&h, hash);
	for (i = 0; i < CHECK_LEN; i++)
		digits[i] = hex[hash[i / 2] >> (i % 2 ? 0 : 4) & 15];
}

static bool
is_printable(unsigned char c)
{
	return c >= ' ' && c != 0x7f;
}

size_t
record_put(const uint8_t *secret, const struct record *r, char *to,
    size_t size)
{
	size_t	 len = r->nwords, head, i;
	int	 n;

	if (len >= size)
		return 0;
	memcpy(to, r->words, len);
	n = snprintf(to + len, size - len, "%u:%" PRIu64 ":%" PRIu64
	    ":%" PRIu64 ":%.*s:", (unsigned int)r->code, r->expire,
	    r->refresh, r->keep, r->nenhanced == 0 ? 1 : (int)r->nenhanced,
	    r->nenhanced == 0 ? "-" : r->enhanced);
	if (n < 0 || (size_t)n + CHECK_LEN + 2 + r->ntext > size - len)
		return 0;
	head = len += (size_t)n;
	len += CHECK_LEN;
	to[len++] = ' ';
	for (i = 0; i < r->ntext; i++)
		to[len + i] = is_printable((unsigned char)r->text[i]) ?
		    r->text[i] : '?';
	check_of(secret, to, head, to + len, r->ntext, to + head);
	return len + r->ntext;
}

/* Digits up to the colon, which is taken too; false: it is no number. */
static bool
get_number(const char **p, const char *end, uint64_t *n)
{
	const char	*begin = *p;

	*n = 0;
	while (*p < end && **p >= '0' && **p <= '9' && *p - begin < 12)
		*n = *n * 10 + (uint64_t)(*(*p)++ - '0');
	return *p > begin && *p < end && *(*p)++ == ':';
}

/* Up to the colon: "5.1.1" or "-". */
static bool
get_enhanced(const char **p, const char *end, struct record *r)
{
	r->enhanced = *p;
	while (*p < end && ((**p >= '0' && **p <= '9') || **p == '.'))
		(*p)++;
	r->nenhanced = (size_t)(*p - r->enhanced);
	if (r->nenhanced == 0 && *p < end && *(*p)++ != '-')
		return false;
	return r->nenhanced < 12 && *p < end && *(*p)++ == ':';
}

/* Behind the third blank. */
static const char *
get_words(const char *p, const char *end)
{
	int	 blanks = 0;

	for (; p < end && blanks < 3; p++)
		if (*p == ' ')
			blanks++;
		else if (!is_printable((unsigned char)*p))
			return NULL;
	return blanks == 3 ? p : NULL;
}

int
record_get(const uint8_t *secret, const char *data, size_t len,
    struct record *r)
{
	const char	*p, *end = data + len, *head;
	char		 digits[CHECK_LEN];
	uint64_t	 code;

	if ((p = get_words(data, end)) == NULL)
		return -1;
	r->words = data;
	r->nwords = (size_t)(p - data);
	if (!get_number(&p, end, &code) || !get_number(&p, end, &r->expire) ||
	    !get_number(&p, end, &r->refresh) ||
	    !get_number(&p, end, &r->keep) || !get_enhanced(&p, end, r))
		return -1;
	if ((code < 200 || code > 299) && (code < 500 || code > 599))
		return -1;
	r->code = (uint16_t)code;
	head = p;
	if (end - p < CHECK_LEN + 1 || p[CHECK_LEN] != ' ')
		return -1;
	r->text = p + CHECK_LEN + 1;
	r->ntext = (size_t)(end - r->text);
	if (secret == NULL)
		return 0;
	check_of(secret, data, (size_t)(head - data), r->text, r->ntext,
	    digits);
	if (memcmp(head, digits, CHECK_LEN) != 0)
		return -1;
	for (p = r->text; p < end; p++)
		if (!is_printable((unsigned char)*p))
			return -1;
	return 0;
}
