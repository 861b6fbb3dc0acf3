/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Domains in A-labels: see idn.h.
 *
 * The domain is cut into labels here, at full stops, and only a label that
 * is not ASCII goes to libidn2, one at a time: two parsers that see other
 * dots see other domains, and "xn--" labels of ASCII that it cannot decode
 * are none of its business.  Nothing is lost by it, since libidn2 applies
 * the bidi rule (RFC 5893) to each label by itself.
 *
 * The library is asked twice.  Mapping (UTS 46) is what people expect, for
 * they type capitals; but a mapping call checks the tables of UTS 46, in
 * which symbols such as U+2260 are valid.  So what it gave is looked up once
 * more, as an A-label, by IDNA2008 alone.  What comes out is trusted no more
 * than a client is: it must be one label of letters, digits and hyphens.
 *
 * libidn2 reads no file, asks no locale and takes no lock on this way; it
 * calls malloc(3), and free(3) is ours.  It is the only thing in this layer
 * that is not libc.
 *
 * Rejected: a table of our own (it would be out of date), NFC for local
 * parts (they belong to the server of the mailbox; RFC 6531, section 3.3,
 * and two that look alike may be two).
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <idn2.h>

#include "idn.h"
#include "utf8.h"

#define LABEL_MAX	63
#define U_LABEL_MAX	255	/* longer ones are no domain of SMTP */

/*
 * Characters that must not get as far as the mapping: dots, and what it
 * would drop (UTS 46, section 4, status "ignored").
 */
static const struct {
	uint32_t	first;
	uint32_t	last;
} refused[] = {
	{ 0x00ad, 0x00ad },	/* soft hyphen */
	{ 0x034f, 0x034f },	/* combining grapheme joiner */
	{ 0x180b, 0x180f },	/* Mongolian variation selectors */
	{ 0x200b, 0x200b },	/* zero width space */
	{ 0x2060, 0x2064 },	/* word joiner, invisible operators */
	{ 0x3002, 0x3002 },	/* ideographic full stop */
	{ 0xfe00, 0xfe0f },	/* variation selectors */
	{ 0xfe12, 0xfe12 },	/* vertical ideographic full stop */
	{ 0xfeff, 0xfeff },	/* byte order mark */
	{ 0xff0e, 0xff0e },	/* full-width full stop */
	{ 0xff61, 0xff61 },	/* half-width ideographic full stop */
	{ 0x1bca0, 0x1bca3 },	/* shorthand format controls */
	{ 0xe0000, 0xe0fff },	/* tags, more variation selectors */
};

static int
invalid(int error)
{
	errno = error == IDN2_MALLOC ? ENOMEM : EINVAL;
	return -1;
}

bool
idn_is_8bit(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s >= 0x80)
			return true;
	return false;
}

static bool
is_ldh(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

/* A label of ASCII: "_" is of DNS, not of A-labels. */
static bool
is_label(const char *s, size_t n, bool underscore)
{
	size_t	i;

	if (n == 0 || n > LABEL_MAX || s[0] == '-' || s[n - 1] == '-')
		return false;
	for (i = 0; i < n; i++)
		if (!is_ldh(s[i]) && !(underscore && s[i] == '_'))
			return false;
	return true;
}

/* May the label be mapped?  ASCII in it obeys the rules of ASCII labels. */
static bool
is_u_label(const char *s, size_t n)
{
	uint32_t	u;
	size_t		i, len;

	for (; n > 0; s += len, n -= len) {
		if ((len = utf8_char(s, n, &u)) == 0)
			return false;
		if (u >= 'A' && u <= 'Z')
			u += 'a' - 'A';
		if (u < 0x80 && !is_ldh((char)u))
			return false;
		for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
			if (u >= refused[i].first && u <= refused[i].last)
				return false;
	}
	return true;
}

/* The A-label of a label that is not ASCII; out has LABEL_MAX + 1 octets. */
static int
to_a_label(const char *s, size_t n, char *out)
{
	char	 label[U_LABEL_MAX + 1], *mapped = NULL, *checked = NULL;
	int	 error;

	if (n > U_LABEL_MAX || !is_u_label(s, n))
		return invalid(0);
	memcpy(label, s, n);
	label[n] = '\0';
	error = idn2_to_ascii_8z(label, &mapped,
	    IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	if (error == IDN2_OK)
		error = idn2_to_ascii_8z(mapped, &checked,
		    IDN2_NFC_INPUT | IDN2_NO_TR46);
	if (error == IDN2_OK && strcmp(mapped, checked) == 0 &&
	    strncmp(mapped, "xn--", 4) == 0 &&
	    is_label(mapped, strlen(mapped), false))
		memcpy(out, mapped, strlen(mapped) + 1);
	else
		out[0] = '\0';
	idn2_free(mapped);
	idn2_free(checked);
	return out[0] == '\0' ? invalid(error) : 0;
}

/* One label, of whatever kind; out has LABEL_MAX + 1 octets. */
static int
label_to_ascii(const char *s, size_t n, char *out)
{
	size_t	i;

	for (i = 0; i < n; i++) {
		if ((unsigned char)s[i] >= 0x80)
			return to_a_label(s, n, out);
		if (i >= LABEL_MAX)
			continue;
		out[i] = s[i];
		if (s[i] >= 'A' && s[i] <= 'Z')
			out[i] += 'a' - 'A';
	}
	if (n > LABEL_MAX || !is_label(out, n, true))
		return invalid(0);
	out[n] = '\0';
	return 0;
}

int
idn_to_ascii(const char *domain, char *out, size_t size)
{
	char	 label[LABEL_MAX + 1];
	size_t	 len, n, used = 0;

	if (size > 0)
		out[0] = '\0';
	for (;;) {
		n = strcspn(domain, ".");
		if (label_to_ascii(domain, n, label) == -1)
			break;
		len = strlen(label);
		if (used + len > IDN_MAX || used + len >= size) {
			(void)invalid(0);
			break;
		}
		memcpy(out + used, label, len);
		used += len;
		if (domain[n] == '\0') {
			out[used] = '\0';
			return 0;
		}
		out[used++] = '.';
		domain += n + 1;
	}
	if (size > 0)
		out[0] = '\0';
	return -1;
}

int
idn_address_to_ascii(const char *address, char *out, size_t size)
{
	const char	*at = strrchr(address, '@');
	size_t		 n = at == NULL ? 0 : (size_t)(at - address) + 1;

	n += address[n] == '.';
	if (n >= size || idn_to_ascii(address + n, out + n, size - n) == -1) {
		if (size > 0)
			out[0] = '\0';
		return -1;
	}
	memcpy(out, address, n);
	return 0;
}
