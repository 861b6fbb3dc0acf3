/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What there is to say of each remote, for posternctl show routes: here what
 * the configuration and its EHLO said, and how it is asked; the dialer adds
 * connections, and smtpd those that are idle.
 */

#include <sys/types.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "log.h"
#include "probe.h"
#include "smtp_client.h"
#include "verifyd.h"

static const struct {
	uint32_t	 bit;
	const char	*name;
} offers[] = {
	{ EXT_PIPELINING,	"pipelining" },
	{ EXT_SIZE,		"size" },
	{ EXT_8BITMIME,		"8bitmime" },
	{ EXT_STARTTLS,		"starttls" },
	{ EXT_CHUNKING,		"chunking" },
	{ EXT_BINARYMIME,	"binarymime" },
	{ EXT_DSN,		"dsn" },
	{ EXT_SMTPUTF8,		"smtputf8" },
	{ EXT_ENHANCED,		"enhancedstatuscodes" },
	{ EXT_XCLIENT,		"xclient" },
	{ EXT_AUTH,		"auth" }
};

static void
put_offers(char *text, size_t size, uint32_t caps)
{
	size_t	 i;

	text[0] = '\0';
	for (i = 0; i < sizeof(offers) / sizeof(offers[0]); i++) {
		if ((caps & offers[i].bit) == 0)
			continue;
		if (text[0] != '\0')
			(void)strlcat(text, " ", size);
		(void)strlcat(text, offers[i].name, size);
	}
}

static void
put_addresses(char *text, size_t size, const struct conf_remote *r)
{
	size_t	 i;

	(void)strlcpy(text, r->mx ? "mx" : "", size);
	for (i = 0; i < r->address.n; i++) {
		if (text[0] != '\0')
			(void)strlcat(text, " ", size);
		(void)strlcat(text, r->address.v[i], size);
	}
}

static void
show_route(const struct conf_remote *r, int fd)
{
	static const char *const	tls[] = { "off", "opportunistic",
					    "required", "implicit" };
	char				text[4096], list[2048];
	const char			*name = r->obj.name;
	uint32_t			caps;
	int				n;

	put_addresses(list, sizeof(list), r);
	n = snprintf(text, sizeof(text), "route %s protocol %s\n"
	    "route %s address %s\nroute %s port %lld\nroute %s tls %s\n",
	    name, r->protocol == PROTO_LMTP ? "lmtp" : "smtp", name, list,
	    name, (long long)r->port, name, tls[r->tls.mode]);
	if (caps_of(r->obj.id, &caps)) {
		put_offers(list, sizeof(list), caps);
		n += snprintf(text + n, sizeof(text) - (size_t)n,
		    "route %s offers %s\n", name, list);
	}
	n += probe_show(r->obj.id, text + n, sizeof(text) - (size_t)n);
	if (write(fd, text, (size_t)n) == -1)
		log_debug("show routes: %s", strerror(errno));
}

void
routes_show(const struct config *conf, int fd)
{
	size_t	 i;

	for (i = 0; conf != NULL && i < conf->remotes.n; i++)
		show_route((const struct conf_remote *)conf->remotes.v[i],
		    fd);
}
