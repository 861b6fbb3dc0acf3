/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * smtp_path.c: what parses prints, within its limit, to what parses to the
 * same; the normal form is its own normal form.  The first octet of the
 * input is the flags.
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

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	struct smtp_path	 path, again;
	char			 out[SMTP_MAILBOX_MAX + 1];
	char			 normal[SMTP_MAILBOX_MAX + 1];
	char			 twice[SMTP_MAILBOX_MAX + 1];
	struct slice		 s = { (const char *)in, len };
	size_t			 n, used;
	int			 flags;

	must(!smtp_is_fqdn(s) || smtp_is_domain(s) || smtp_is_literal(s));
	if (len < 1)
		return 0;
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
	must(memcmp(&path, &again, sizeof(path)) == 0 ||
	    path.utf8 != again.utf8);

	must(smtp_path_normal(&path, normal, sizeof(normal)) == n);
	must(parse(&again, normal, n, flags | PATH_BARE, &used) == PATH_OK);
	must(smtp_path_normal(&again, twice, sizeof(twice)) == n);
	must(strcmp(normal, twice) == 0);
	return 0;
}
