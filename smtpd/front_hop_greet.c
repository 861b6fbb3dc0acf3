/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What a next hop is told of us and of the client it serves: the name in
 * EHLO, a PROXY header before all else, XCLIENT when it was greeted.
 *
 * A header cannot be taken back: such a connection never serves another
 * client.  XCLIENT's attributes can, by others: they are all sent to a
 * connection that comes into other hands, and again to the same client's
 * when one of them has changed.  By others, not by none: see
 * front_xclient.c; a client who lacks one gets a connection that never was
 * told it.  A transaction begins only behind them, so nothing is pipelined
 * over a change of hands there.
 *
 * A server that lists XCLIENT and refuses it is spoken to without, on a
 * fresh connection; one that was reused is never, since it may hold the
 * client before for ours.
 */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "front_hop.h"
#include "log.h"
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
	if ((p.first_len = proxy_header(h, first)) > 0)
		p.first = first;
	hop_undial(h);
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

/* --- XCLIENT -------------------------------------------------------------- */

bool
hop_is_fit(struct hop *h)
{
	struct session		*s = h->s;
	struct smtp_reply	 r;
	char			 name[320];

	if (h->remote->xclient != XCLIENT_REQUIRED ||
	    (client_extensions(h->client) & EXT_XC_ALL) != 0)
		return true;
	log_warnx("%s does not offer XCLIENT, which is required",
	    h->remote->obj.name);
	flog_hop(s, "hop-failed", hop_name(h, name, sizeof(name)),
	    "no XCLIENT");
	stats.hops_failed++;
	(void)smtp_reply_fmt(&r,
	    "451 4.3.5 next hop does not take our word for who you are");
	hop_quit(h);
	relay_hop_lost(s, &r);
	return false;
}

/* It never was told of a client, and will not be. */
static bool
tells_nothing(const struct hop *h)
{
	return h->remote->xclient == XCLIENT_NO || h->plain ||
	    (h->told_caps == 0 &&
	    (client_extensions(h->client) & EXT_XC_ALL) == 0);
}

/* The client, but for its name. */
static void
describe(struct session *s, struct xclient *x)
{
	struct rule_env	env;

	memset(x, 0, sizeof(*x));
	session_env(s, &env);
	x->addr = s->remote;
	x->esmtp = (s->flags & SF_ESMTP) != 0;
	x->helo = s->helo;
	x->login = env.str[RV_AUTHENTICATED_AS];
	x->dest = *session_local(s);
}

/*
 * The name is not known yet, and does not matter.  A connection that was told
 * less would do, but not for those any more who have no more to tell.
 */
enum hop_suit
hop_suits(const struct hop *h, struct session *s)
{
	unsigned int	caps = client_extensions(h->client), given;
	struct xclient	x;
	char		text[XCLIENT_TEXT_MAX];

	if (tells_nothing(h))
		return SUIT_BEST;
	describe(s, &x);
	given = xclient_text(&x, caps, text);
	if (!xclient_covers(h->told_caps, caps, given))
		return SUIT_NO;
	return ((h->told_caps ^ given) & ~EXT_XC_NAME) == 0 ? SUIT_BEST :
	    SUIT_YES;
}

/*
 * The attributes that it is to be told did not fit beside the name, and it
 * knows another's: no connection for this client.
 */
static void
present_anew(struct hop *h)
{
	char	name[320];

	flog_hop(h->s, "hop-replaced", hop_name(h, name, sizeof(name)),
	    "was told more of another client");
	stats.hops_replaced++;
	hop_disconnect(h, 0);
	h->reused = h->spoiled = false;
	h->messages = h->errors = 0;
	h->again = true;
	hop_dial(h);
}

static bool
is_told(const struct hop *h, const char *text)
{
	return h->told != NULL && h->told_sid == h->s->sid &&
	    strcmp(h->told, text) == 0;
}

bool
hop_present(struct hop *h)
{
	unsigned int	caps = client_extensions(h->client), given;
	struct xclient	x;
	char		text[XCLIENT_TEXT_MAX];

	h->up = tells_nothing(h);
	if (h->up)
		return true;
	describe(h->s, &x);
	h->unnamed = (caps & EXT_XC_NAME) != 0 &&
	    !ptr_get(h->s, &x.name, &x.name_later);
	if (h->unnamed)
		return false;
	given = xclient_text(&x, caps, text);
	if (!xclient_covers(h->told_caps, caps, given)) {
		present_anew(h);
		return false;
	}
	h->up = is_told(h, text);
	if (h->up)
		return true;
	free(h->told);
	h->told = strdup(text);
	h->told_sid = h->s->sid;
	h->told_caps |= given;
	(void)client_xclient(h->client, text);
	return false;
}

void
hop_name_known(struct session *s)
{
	struct hop	*h = s->tx == NULL ? NULL : s->tx->hop;

	if (h == NULL || !h->unnamed)
		return;
	h->unnamed = false;
	if (hop_present(h))
		relay_hop_up(s);
}
