/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * smtp_path.c: what parses prints, within its limit, to what parses to the
 * same; the normal form is its own normal form, and has a domain of ASCII.
 * The first octet of the input is the flags.
 */

#include "fuzz.h"
#include "smtp.h"

static enum smtp_path_error
parse(struct smtp_path *path, const void *p, size_t n, int flags, size_t *used)
{
	enum smtp_path_error	 error;
	struct slice		 s;
	char			*copy;

	copy = exact(p, n);
	s.p = copy;
	s.n = n;
	error = smtp_path_parse(path, s, flags, used);
	must(*used <= n);
	free(copy);
	return error;
}

static void
check_parts(const struct smtp_path *path)
{
	struct slice	 domain = { path->domain, path->domain_len };
	struct slice	 local = { path->local, path->local_len };
	size_t		 i;

	must(local.n <= SMTP_LOCAL_MAX && strlen(path->local) == local.n);
	must(domain.n <= SMTP_DOMAIN_MAX && strlen(path->domain) == domain.n);
	must(smtp_is_utf8(local) && smtp_is_utf8(domain));
	for (i = 0; i < local.n; i++)
		must((unsigned char)local.p[i] >= ' ' && local.p[i] != 0x7f);
	if (path->null)
		must(local.n == 0 && domain.n == 0);
	else if (domain.n == 0)
		must(smtp_path_is_postmaster(path));
	else
		must(path->literal ? smtp_is_literal(domain) :
		    smtp_is_domain(domain));
}

static bool
is_ascii(const char *s, size_t n)
{
	size_t	 i;

	for (i = 0; i < n; i++)
		if ((unsigned char)s[i] >= 0x80)
			return false;
	return true;
}

/*
 * idn.c by itself, with what is behind the last @ of anything: what it makes
 * of that is a domain, and it makes the same of it.  The last octet gives
 * way to a NUL.
 */
static void
check_idn(const uint8_t *in, size_t len)
{
	char		 out[IDN_MAX + 1], again[IDN_MAX + 1], *copy, *name;
	struct slice	 domain;
	size_t		 i;

	copy = exact(in, len);
	copy[len - 1] = '\0';
	name = strrchr(copy, '@');
	name = name == NULL ? copy : name + 1;
	if (idn_to_ascii(name, out, sizeof(out)) == 0) {
		domain.p = out;
		domain.n = strlen(out);
		must(is_ascii(out, domain.n) && smtp_is_domain(domain));
		for (i = 0; i < domain.n; i++)
			must(out[i] < 'A' || out[i] > 'Z');
		must(idn_to_ascii(out, again, sizeof(again)) == 0);
		must(strcmp(out, again) == 0);
	} else
		must(out[0] == '\0');
	free(copy);
}

/* Longer than the path, where there are U-labels: then it is no path. */
static void
check_normal(const struct smtp_path *path, size_t len, int flags)
{
	struct smtp_path	 again;
	char			 normal[SMTP_MAILBOX_MAX + 1];
	char			 twice[SMTP_MAILBOX_MAX + 1];
	enum smtp_path_error	 error;
	const char		*at;
	size_t			 n, used;

	n = smtp_path_normal(path, normal, sizeof(normal));
	must(n < sizeof(normal) && strlen(normal) == n);
	must((path->alabels[0] == '\0') ==
	    is_ascii(path->domain, path->domain_len));
	if (path->alabels[0] == '\0')
		must(n == len);
	at = path->domain_len == 0 ? normal : strrchr(normal, '@');
	must(at != NULL && is_ascii(at, strlen(at)));

	error = parse(&again, normal, n, flags | PATH_BARE, &used);
	if (n + 2 > SMTP_PATH_MAX) {
		must(error == PATH_LONG && path->alabels[0] != '\0');
		return;
	}
	must(error == PATH_OK && used == n);
	must(smtp_path_normal(&again, twice, sizeof(twice)) == n);
	must(strcmp(normal, twice) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	struct smtp_path	 path, again;
	char			 out[SMTP_MAILBOX_MAX + 1];
	struct slice		 s = { (const char *)in, len };
	size_t			 n, used;
	int			 flags;

	must(!smtp_is_fqdn(s) || smtp_is_domain(s) || smtp_is_literal(s));
	if (len < 1)
		return 0;
	if (len > 1)
		check_idn(in + 1, len - 1);
	flags = in[0] & (PATH_REVERSE | PATH_FORWARD | PATH_BARE);
	if (parse(&path, in + 1, len - 1, flags, &used) != PATH_OK) {
		must(used == 0 && path.local_len == 0 && !path.null);
		return 0;
	}
	check_parts(&path);
	must(used + ((flags & PATH_BARE) ? 2 : 0) <= SMTP_PATH_MAX);

	n = smtp_path_print(&path, out, sizeof(out));
	must(n < sizeof(out) && strlen(out) == n);
	must(n <= used);
	must(parse(&again, out, n, flags | PATH_BARE, &used) == PATH_OK);
	must(used == n);
	must(memcmp(&path, &again, sizeof(path)) == 0);
	check_normal(&path, n, flags);
	return 0;
}
