/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Reverse and forward paths, mailboxes, domains and address literals: the
 * grammar of RFC 5321, section 4.1.2, with the 8-bit octets of RFC 6531.
 *
 * Everything works on a slice that is eaten from the front; nothing relies
 * on a terminating NUL, and no octet is looked at before its presence is
 * known.  A path that does not parse is left zeroed: whoever ignores the
 * result gets an address that matches nothing.
 *
 * A mailbox is kept without its quoting, so that "joe", joe and "j\oe" are
 * one key in caches and lists, and is quoted anew, as little as needed, when
 * it is printed.  What goes out is therefore never longer than what came in
 * and is ours, not the client's.  Control octets are refused even quoted:
 * RFC 5321 has no place for them, and they have none in a log or a query.
 *
 * Rejected: \ outside of quotes and blanks around the parts (RFC 821 and
 * RFC 822 had them, nobody sends them now, and every leniency here is one
 * that the next hop may read in another way).
 */

#include <sys/types.h>
#include <sys/socket.h>

#include <arpa/inet.h>

#include <string.h>
#include <strings.h>

#include "smtp.h"

static void
eat(struct slice *s, size_t n)
{
	s->p += n;
	s->n -= n;
}

static bool
take(struct slice *s, char c)
{
	if (s->n == 0 || s->p[0] != c)
		return false;
	eat(s, 1);
	return true;
}

/* isalnum(3) obeys the locale; SMTP does not. */
static bool
is_alnum(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9');
}

static bool
is_atext(unsigned char c)
{
	return is_alnum(c) ||
	    (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/*
 * Octets of the UTF-8 character at p, 0 if it is none: no over-long form, no
 * surrogate, nothing over U+10FFFF (RFC 3629, section 4).
 */
static size_t
utf8_len(const char *s, size_t n)
{
	const unsigned char	*p = (const unsigned char *)s;
	unsigned char		 low = 0x80, high = 0xbf;
	size_t			 i, want;

	if (n == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	want = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (n < want)
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (i = 2; i < want; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return want;
}

bool
smtp_is_utf8(struct slice s)
{
	size_t	n;

	for (; s.n > 0; eat(&s, n)) {
		n = utf8_len(s.p, s.n);
		if (n == 0)
			return false;
	}
	return true;
}

/* --- the local part ---------------------------------------------------- */

static enum smtp_path_error
local_put(struct smtp_path *path, struct slice *s, size_t n)
{
	if (n == 0)
		return PATH_UTF8;
	if (n > 1)
		path->utf8 = true;
	if (n > SMTP_LOCAL_MAX - path->local_len)
		return PATH_LOCAL_LONG;
	memcpy(path->local + path->local_len, s->p, n);
	path->local_len += n;
	eat(s, n);
	return PATH_OK;
}

/* Is c, outside of quotes, of the local part (the dot included)? */
static bool
is_local(unsigned char c)
{
	return c >= 0x80 || c == '.' || is_atext(c);
}

/* Dot-string: atoms with single dots between them. */
static enum smtp_path_error
dot_string(struct smtp_path *path, struct slice *s)
{
	enum smtp_path_error	 error;
	bool			 dot = true;

	while (s->n > 0 && is_local(s->p[0])) {
		if (dot && s->p[0] == '.')
			return PATH_SYNTAX;
		dot = s->p[0] == '.';
		error = local_put(path, s, utf8_len(s->p, s->n));
		if (error != PATH_OK)
			return error;
	}
	return dot ? PATH_SYNTAX : PATH_OK;
}

/* Quoted-string; the opening quote is taken already. */
static enum smtp_path_error
quoted_string(struct smtp_path *path, struct slice *s)
{
	enum smtp_path_error	 error;
	bool			 pair;

	while (!take(s, '"')) {
		pair = take(s, '\\');
		if (s->n == 0)
			return PATH_SYNTAX;
		if ((unsigned char)s->p[0] < ' ' || s->p[0] == 0x7f)
			return PATH_SYNTAX;
		if (pair && (unsigned char)s->p[0] >= 0x80)
			return PATH_SYNTAX;
		error = local_put(path, s, utf8_len(s->p, s->n));
		if (error != PATH_OK)
			return error;
	}
	return PATH_OK;
}

static bool
needs_quotes(const struct smtp_path *path)
{
	unsigned char	 c, last = '.';
	size_t		 i;

	for (i = 0; i < path->local_len; i++) {
		c = path->local[i];
		if (!is_local(c) || (c == '.' && last == '.'))
			return true;
		last = c;
	}
	return last == '.';
}

/* --- domains and literals ---------------------------------------------- */

static enum smtp_path_error
label_check(struct slice s)
{
	bool	 ascii = true;
	size_t	 i, n;

	if (s.n == 0 || s.p[0] == '-' || s.p[s.n - 1] == '-')
		return PATH_SYNTAX;
	for (i = 0; i < s.n; i += n) {
		n = utf8_len(s.p + i, s.n - i);
		if (n == 0)
			return PATH_UTF8;
		if (n > 1)
			ascii = false;
		else if (!is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
			return PATH_SYNTAX;
	}
	/* 63 is the limit of the A-label, which a U-label may be within. */
	return ascii && s.n > 63 ? PATH_DOMAIN_LONG : PATH_OK;
}

static enum smtp_path_error
domain_check(struct slice s)
{
	const char		*dot;
	struct slice		 label;
	enum smtp_path_error	 error;

	if (s.n > SMTP_DOMAIN_MAX)
		return PATH_DOMAIN_LONG;
	for (;;) {
		dot = memchr(s.p, '.', s.n);
		label.p = s.p;
		label.n = dot == NULL ? s.n : (size_t)(dot - s.p);
		error = label_check(label);
		if (error != PATH_OK || dot == NULL)
			return error;
		eat(&s, label.n + 1);
	}
}

/* Take what can only be a domain from the front of s. */
static struct slice
domain_take(struct slice *s)
{
	struct slice	 domain = { s->p, 0 };
	unsigned char	 c;

	for (; s->n > 0; eat(s, 1), domain.n++) {
		c = s->p[0];
		if (c < 0x80 && !is_alnum(c) && c != '-' && c != '_' &&
		    c != '.')
			break;
	}
	return domain;
}

static struct slice
literal_take(struct slice *s)
{
	struct slice	 literal = { s->p, s->n };
	const char	*end;

	end = memchr(s->p, ']', s->n);
	if (end != NULL)
		literal.n = end + 1 - s->p;
	eat(s, literal.n);
	return literal;
}

bool
smtp_is_domain(struct slice s)
{
	return s.n > 0 && domain_check(s) == PATH_OK;
}

bool
smtp_is_fqdn(struct slice s)
{
	if (s.n > 0 && s.p[0] == '[')
		return smtp_is_literal(s);
	return smtp_is_domain(s) && memchr(s.p, '.', s.n) != NULL;
}

static bool
is_address(int family, struct slice s)
{
	char		 copy[INET6_ADDRSTRLEN];
	unsigned char	 addr[sizeof(struct in6_addr)];

	if (s.n >= sizeof(copy))
		return false;
	memcpy(copy, s.p, s.n);
	copy[s.n] = '\0';
	return inet_pton(family, copy, addr) == 1;
}

/* dcontent, and no "%": with it come zone ids. */
static bool
is_dcontent(unsigned char c)
{
	return c > ' ' && c < 0x7f && strchr("[\\]%", c) == NULL;
}

/* Standardized-tag ":" 1*dcontent; the octets are known to be dcontent. */
static bool
is_tagged(struct slice s, const char *colon)
{
	size_t	 i, n = colon - s.p;

	if (n == 0 || n + 1 == s.n || !is_alnum(s.p[n - 1]))
		return false;
	for (i = 0; i < n; i++)
		if (!is_alnum(s.p[i]) && s.p[i] != '-')
			return false;
	/* [2001:db8::1] is an address without its tag, not one of tag 2001 */
	return !is_address(AF_INET6, s);
}

bool
smtp_is_literal(struct slice s)
{
	const char	*colon;
	size_t		 i;

	if (s.n < 3 || s.n > SMTP_DOMAIN_MAX || s.p[0] != '[' ||
	    s.p[s.n - 1] != ']')
		return false;
	eat(&s, 1);
	s.n--;
	for (i = 0; i < s.n; i++)
		if (!is_dcontent(s.p[i]))
			return false;

	colon = memchr(s.p, ':', s.n);
	if (colon == NULL)
		return is_address(AF_INET, s);
	if (s.n > 5 && strncasecmp(s.p, "IPv6:", 5) == 0) {
		eat(&s, 5);
		return is_address(AF_INET6, s);
	}
	return is_tagged(s, colon);
}

/* --- paths ------------------------------------------------------------- */

/* The source route "@a,@b:", which is checked and forgotten. */
static enum smtp_path_error
skip_route(struct slice *s)
{
	enum smtp_path_error	 error;

	if (s->n == 0 || s->p[0] != '@')
		return PATH_OK;
	do {
		if (!take(s, '@'))
			return PATH_SYNTAX;
		error = domain_check(domain_take(s));
		if (error != PATH_OK)
			return error;
	} while (take(s, ','));
	return take(s, ':') ? PATH_OK : PATH_SYNTAX;
}

static enum smtp_path_error
domain_part(struct smtp_path *path, struct slice *s)
{
	enum smtp_path_error	 error;
	struct slice		 domain;
	size_t			 i;

	path->literal = s->n > 0 && s->p[0] == '[';
	domain = path->literal ? literal_take(s) : domain_take(s);
	if (domain.n > SMTP_DOMAIN_MAX)
		return PATH_DOMAIN_LONG;
	if (!path->literal) {
		error = domain_check(domain);
		if (error != PATH_OK)
			return error;
	} else if (!smtp_is_literal(domain))
		return PATH_SYNTAX;

	memcpy(path->domain, domain.p, domain.n);
	path->domain_len = domain.n;
	for (i = 0; i < domain.n; i++)
		if ((unsigned char)domain.p[i] >= 0x80)
			path->utf8 = true;
	return PATH_OK;
}

static enum smtp_path_error
mailbox(struct smtp_path *path, struct slice *s, int flags)
{
	enum smtp_path_error	 error;

	if (take(s, '"'))
		error = quoted_string(path, s);
	else
		error = dot_string(path, s);
	if (error != PATH_OK)
		return error;
	if (take(s, '@'))
		return domain_part(path, s);
	if ((flags & PATH_FORWARD) && smtp_path_is_postmaster(path))
		return PATH_OK;
	return PATH_SYNTAX;
}

/* The path, up to its end, whatever its length. */
static enum smtp_path_error
path_take(struct smtp_path *path, struct slice *s, int flags)
{
	enum smtp_path_error	 error;

	if (flags & PATH_BARE) {
		path->null = (flags & PATH_REVERSE) && s->n == 0;
		return path->null ? PATH_OK : mailbox(path, s, flags);
	}
	if (!take(s, '<'))
		return PATH_SYNTAX;
	path->null = (flags & PATH_REVERSE) && take(s, '>');
	if (path->null)
		return PATH_OK;
	error = skip_route(s);
	if (error == PATH_OK)
		error = mailbox(path, s, flags);
	if (error == PATH_OK && !take(s, '>'))
		error = PATH_SYNTAX;
	return error;
}

enum smtp_path_error
smtp_path_parse(struct smtp_path *path, struct slice s, int flags,
    size_t *used)
{
	struct slice		 rest = s;
	enum smtp_path_error	 error;
	size_t			 n;

	memset(path, 0, sizeof(*path));
	*used = 0;
	error = path_take(path, &rest, flags);
	n = s.n - rest.n;
	if (error == PATH_OK &&
	    n + ((flags & PATH_BARE) ? 2 : 0) > SMTP_PATH_MAX)
		error = PATH_LONG;
	if (error != PATH_OK)
		memset(path, 0, sizeof(*path));
	else
		*used = n;
	return error;
}

bool
smtp_path_is_postmaster(const struct smtp_path *path)
{
	return path->local_len == strlen("postmaster") &&
	    strncasecmp(path->local, "postmaster", path->local_len) == 0;
}

static size_t
print_local(const struct smtp_path *path, char *out)
{
	size_t	 i, n = 0;

	if (!needs_quotes(path)) {
		memcpy(out, path->local, path->local_len);
		return path->local_len;
	}
	out[n++] = '"';
	for (i = 0; i < path->local_len; i++) {
		if (path->local[i] == '"' || path->local[i] == '\\')
			out[n++] = '\\';
		out[n++] = path->local[i];
	}
	out[n++] = '"';
	return n;
}

size_t
smtp_path_print(const struct smtp_path *path, char *out, size_t size)
{
	char	 buf[SMTP_MAILBOX_MAX + 1];
	size_t	 n = 0;

	/* ""@domain is a mailbox, but a zeroed path is none */
	if (path->local_len > 0 || path->domain_len > 0)
		n = print_local(path, buf);
	if (path->domain_len > 0) {
		buf[n++] = '@';
		memcpy(buf + n, path->domain, path->domain_len);
		n += path->domain_len;
	}
	if (size > 0) {
		size = n < size ? n : size - 1;
		memcpy(out, buf, size);
		out[size] = '\0';
	}
	return n;
}

size_t
smtp_path_normal(const struct smtp_path *path, char *out, size_t size)
{
	size_t	 i, n;

	n = smtp_path_print(path, out, size);
	for (i = 0; i < n && i + 1 < size; i++)
		if (out[i] >= 'A' && out[i] <= 'Z')
			out[i] += 'a' - 'A';
	return n;
}
