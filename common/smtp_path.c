/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Reverse and forward paths, mailboxes, domains and address literals: the
 * grammar of RFC 5321, section 4.1.2, with the 8-bit octets of RFC 6531.
 * U-labels must be such: a domain that idn.c cannot turn into A-labels is a
 * malformed one (RFC 6531, section 3.3).  Nobody asks idn.c about ASCII.
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

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "smtp.h"
#include "utf8.h"

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

bool
smtp_is_utf8(struct slice s)
{
	size_t	n;

	for (; s.n > 0; eat(&s, n)) {
		n = utf8_char(s.p, s.n, NULL);
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
		error = local_put(path, s, utf8_char(s->p, s->n, NULL));
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
		error = local_put(path, s, utf8_char(s->p, s->n, NULL));
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

/* Looks at one label; *ascii becomes false if it is not ASCII. */
static enum smtp_path_error
label_check(struct slice s, bool *ascii)
{
	bool	 is_ascii = true;
	size_t	 i, n;

	if (s.n == 0 || s.p[0] == '-' || s.p[s.n - 1] == '-')
		return PATH_SYNTAX;
	for (i = 0; i < s.n; i += n) {
		n = utf8_char(s.p + i, s.n - i, NULL);
		if (n == 0)
			return PATH_UTF8;
		if (n > 1)
			is_ascii = false;
		else if (!is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
			return PATH_SYNTAX;
	}
	*ascii = *ascii && is_ascii;
	/* 63 is the limit of the A-label, which a U-label may be within. */
	return is_ascii && s.n > 63 ? PATH_DOMAIN_LONG : PATH_OK;
}

/* The A-labels of a domain whose labels are well-formed. */
static enum smtp_path_error
domain_convert(struct slice s, char out[IDN_MAX + 1])
{
	char	 copy[SMTP_DOMAIN_MAX + 1];

	memcpy(copy, s.p, s.n);
	copy[s.n] = '\0';
	if (idn_to_ascii(copy, out, IDN_MAX + 1) == 0)
		return PATH_OK;
	return errno == ENOMEM ? PATH_MEMORY : PATH_IDN;
}

/*
 * Is it a domain?  alabels becomes what it is in A-labels, or "" if it is
 * ASCII as it stands, which costs nothing.
 */
static enum smtp_path_error
domain_check(struct slice s, char alabels[IDN_MAX + 1])
{
	const char		*dot;
	struct slice		 rest = s, label;
	enum smtp_path_error	 error;
	bool			 ascii = true;

	alabels[0] = '\0';
	if (s.n > SMTP_DOMAIN_MAX)
		return PATH_DOMAIN_LONG;
	for (;;) {
		dot = memchr(rest.p, '.', rest.n);
		label.p = rest.p;
		label.n = dot == NULL ? rest.n : (size_t)(dot - rest.p);
		error = label_check(label, &ascii);
		if (error != PATH_OK)
			return error;
		if (dot == NULL)
			return ascii ? PATH_OK : domain_convert(s, alabels);
		eat(&rest, label.n + 1);
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
	char	 alabels[IDN_MAX + 1];

	return s.n > 0 && domain_check(s, alabels) == PATH_OK;
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
	char			 alabels[IDN_MAX + 1];

	if (s->n == 0 || s->p[0] != '@')
		return PATH_OK;
	do {
		if (!take(s, '@'))
			return PATH_SYNTAX;
		error = domain_check(domain_take(s), alabels);
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

	path->literal = s->n > 0 && s->p[0] == '[';
	domain = path->literal ? literal_take(s) : domain_take(s);
	if (domain.n > SMTP_DOMAIN_MAX)
		return PATH_DOMAIN_LONG;
	if (!path->literal) {
		error = domain_check(domain, path->alabels);
		if (error != PATH_OK)
			return error;
		if (path->alabels[0] != '\0')
			path->utf8 = true;
	} else if (!smtp_is_literal(domain))
		return PATH_SYNTAX;

	memcpy(path->domain, domain.p, domain.n);
	path->domain_len = domain.n;
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

/* The mailbox with this domain, which is the path's in one form or other. */
static size_t
print_mailbox(const struct smtp_path *path, const char *domain, char *out,
    size_t size)
{
	char	 buf[SMTP_MAILBOX_MAX + 1];
	size_t	 len = strlen(domain), n = 0;

	/* ""@domain is a mailbox, but a zeroed path is none */
	if (path->local_len > 0 || len > 0)
		n = print_local(path, buf);
	if (len > 0) {
		buf[n++] = '@';
		memcpy(buf + n, domain, len);
		n += len;
	}
	if (size > 0) {
		size = n < size ? n : size - 1;
		memcpy(out, buf, size);
		out[size] = '\0';
	}
	return n;
}

size_t
smtp_path_print(const struct smtp_path *path, char *out, size_t size)
{
	return print_mailbox(path, path->domain, out, size);
}

size_t
smtp_path_normal(const struct smtp_path *path, char *out, size_t size)
{
	const char	*domain = path->domain;
	size_t		 i, n;

	if (path->alabels[0] != '\0')
		domain = path->alabels;
	n = print_mailbox(path, domain, out, size);
	for (i = 0; i < n && i + 1 < size; i++)
		if (out[i] >= 'A' && out[i] <= 'Z')
			out[i] += 'a' - 'A';
	return n;
}
