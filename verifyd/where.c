/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Where a connection must not lead that the operator has not asked for: to
 * the mail exchangers of a domain, or to a host that a script names.
 *
 * Where a name leads is said by whoever owns the domain, and who writes to it
 * is anybody.  So an address that is not the Internet's is refused unless it
 * lies in remote-networks.  Of a mail exchanger that is so whatever told it: a
 * name of /etc/hosts may be an MX too.  A script's host is named by the
 * operator or by what a client said, which a script should not use so; an
 * address or a name of /etc/hosts there is this machine's own word, and not
 * of somebody who can change it between two looks.  Each address of a name is
 * looked at, and the one that is looked at is the one that is connected to.
 *
 * And none of our own listeners is ever taken for either, by whatever name or
 * address it was reached.
 */

#include <sys/types.h>
#include <sys/socket.h>

#include <stdlib.h>
#include <string.h>

#include "dial_private.h"
#include "proc.h"

static bool
is_allowed(const struct addr *a)
{
	const struct config	*conf = proc_conf();
	size_t			 i;

	if (addr_is_public(a))
		return true;
	for (i = 0; conf != NULL && i < conf->remote_networks.n; i++)
		if (cidr_match(&conf->remote_networks.v[i], a))
			return true;
	return false;
}

size_t
where_filter(struct dial *d, struct addr *v, size_t n)
{
	char	text[ADDR_TEXT_MAX];
	size_t	i, left = 0;

	for (i = 0; i < n; i++) {
		if (is_allowed(&v[i])) {
			v[left++] = v[i];
			continue;
		}
		d->forbidden = true;
		dial_why(d, "%s: %s is in no public network, nor in "
		    "remote-networks", d->host,
		    addr_text(&v[i], text, sizeof(text)));
	}
	return left;
}

bool
where_literal(struct dial *d, const struct addr *a)
{
	static const uint8_t	zero[sizeof(a->ip)];

	if (memcmp(a->ip, zero, sizeof(zero)) != 0)
		return true;
	d->forbidden = true;
	dial_why(d, "%s: the address of no host", d->host);
	return false;
}

/*
 * Does a listener bind this, by `bind' in the configuration?  ":25" and the
 * unspecified addresses are all that this machine has.
 */
static bool
binds(const char *bind, const struct addr *a)
{
	static const uint8_t	 zero[sizeof(a->ip)];
	struct addr		 b;
	const char		*colon = strrchr(bind, ':'), *err;
	char			 host[ADDR_TEXT_MAX];
	size_t			 n;

	if (local_path(bind) != NULL || colon == NULL ||
	    strtonum(colon + 1, 1, 65535, &err) != a->port || err != NULL)
		return false;
	n = (size_t)(colon - bind);
	if (n == 0)
		return true;
	if (bind[0] == '[' && n >= 2) {
		bind++;
		n -= 2;
	}
	if (n >= sizeof(host))
		return false;
	memcpy(host, bind, n);
	host[n] = '\0';
	if (addr_parse(&b, host) == -1 || b.family != a->family)
		return false;
	return addr_same_ip(&b, a) || memcmp(b.ip, zero, sizeof(zero)) == 0;
}

static bool
is_listener(const struct addr *a)
{
	const struct config		*conf = proc_conf();
	const struct conf_listener	*l;
	size_t				 i, j;

	for (i = 0; conf != NULL && i < conf->listeners.n; i++) {
		l = (const struct conf_listener *)conf->listeners.v[i];
		for (j = 0; j < l->bind.n; j++)
			if (binds(l->bind.v[j], a))
				return true;
	}
	return false;
}

/*
 * Loopback, or an address that is our end's too, or may be by `source'; which
 * may make our end another of our addresses.
 */
static bool
is_this_machine(const struct conf_remote *remote, const struct attempt *t)
{
	struct sockaddr_storage	 ss;
	socklen_t		 len = sizeof(ss);
	struct addr		 a;
	size_t			 i;

	if (addr_is_loopback(&t->to))
		return true;
	for (i = 0; i < remote->source.n; i++)
		if (addr_parse(&a, remote->source.v[i]) == 0 &&
		    addr_same_ip(&a, &t->to))
			return true;
	if (getsockname(t->fd, (struct sockaddr *)&ss, &len) == -1)
		return false;
	addr_from_sa(&a, (struct sockaddr *)&ss, len);
	return addr_same_ip(&a, &t->to) ||
	    (remote->source.n > 0 && connect_is_here(&t->to));
}

/* Those of this preference and worse would send it back. */
static void
drop_worse(struct dial *d, uint16_t pref)
{
	size_t	i;

	for (i = 0; i < d->nmx && d->mx[i].pref < pref; i++)
		continue;
	d->nmx = i;
}

bool
where_is_loop(struct dial *d, const struct conf_remote *remote,
    const struct attempt *t)
{
	char	text[ADDR_TEXT_MAX];

	if (d->domain[0] == '\0' || !is_listener(&t->to) ||
	    !is_this_machine(remote, t))
		return false;
	dial_why(d, "%s: %s is ourselves", dial_entry(d, remote, t->entry),
	    addr_port_text(&t->to, text, sizeof(text)));
	d->loop = true;
	if (dial_is_mx(d))
		drop_worse(d, d->mx[t->entry].pref);
	return true;
}
