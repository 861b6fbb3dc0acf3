/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What a next hop is told of us and of the client it serves: the name in
 * EHLO, and a PROXY header before all else.
 *
 * A header cannot be taken back: such a connection never serves another
 * client.
 */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "front_hop.h"
#include "proxy_header.h"

const char *
hop_helo(const struct hop *h)
{
	const char	*helo = h->remote->helo;

	if (strcmp(helo, "client") == 0 && h->s->helo != NULL)
		return h->s->helo;
	if (strcmp(helo, "client") == 0 || strcmp(helo, "hostname") == 0)
		return h->conf->hostname;
	return helo;
}

/* The header's octets: their number. */
static size_t
proxy_header(const struct hop *h, char *buf)
{
	unsigned int	version = 1;

	switch ((enum remote_proxy)h->remote->proxy_protocol) {
	case RPROXY_OFF:
		return 0;
	case RPROXY_V1:
		break;
	case RPROXY_V2:
		version = 2;
		break;
	}
	return proxy_header_make(buf, version, &h->s->remote,
	    session_local(h->s));
}

void
hop_greet(struct hop *h, int fd)
{
	struct client_params	 p = { 0 };
	struct smtp_reply	 r;
	char			 first[PROXY_HEADER_MAX];

	free(h->helo);
	h->helo = strdup(hop_helo(h));
	p.remote = h->remote;
	p.tls = ftls_remote(h->remote);
	p.helo = h->helo;
	p.host = h->host;
	p.sid = h->s->sid;
	p.clear = h->clear;
	p.first = first;
	p.first_len = proxy_header(h, first);
	timer_del(&h->timer);
	h->state = HOP_BUSY;
	if (h->helo == NULL)
		(void)close(fd);
	else
		h->client = client_new(fd, &p, hop_event, h);
	if (h->client == NULL) {
		(void)smtp_reply_fmt(&r, "451 4.3.0 no memory");
		hop_give_up(h, &r, "no memory");
	}
}
