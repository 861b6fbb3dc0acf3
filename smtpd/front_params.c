/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The parameters of MAIL and RCPT: what a client may say, what goes
 * upstream, and what becomes of them where the next hop lacks the extension
 * (the manual's table; RFC 3030, 3461, 6152, 6531).
 *
 * What was offered in reply to EHLO is what a session may use.  The next
 * hop may offer less today: a parameter that only asks for a service (DSN)
 * is dropped then, one without which the message would be altered or
 * unreadable is a refusal.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "front_relay.h"
#include "log.h"

/* --- the client's side ---------------------------------------------------- */

const char *
params_mail_refusal(const struct session *s, const struct smtp_cmd *cmd)
{
	bool	utf8 = (cmd->have & HAVE_SMTPUTF8) != 0;

	if (!(s->flags & SF_ESMTP) && cmd->nparams > 0)
		return "555 5.5.4 parameters need EHLO";
	if ((cmd->have & (HAVE_RET | HAVE_ENVID)) && !(s->offered & EXT_DSN))
		return "501 5.5.4 DSN is not offered";
	if (utf8 && !(s->offered & EXT_SMTPUTF8))
		return "555 5.5.4 SMTPUTF8 is not offered";
	if ((cmd->have & HAVE_BODY) && cmd->body == BODY_BINARYMIME &&
	    !(s->offered & EXT_BINARYMIME))
		return "501 5.5.4 BINARYMIME is not offered";
	if (cmd->path.utf8 && !utf8)
		return (s->offered & EXT_SMTPUTF8) ?
		    "550 5.6.7 address needs SMTPUTF8" :
		    "550 5.6.7 address needs SMTPUTF8, not offered";
	return NULL;
}

const char *
params_rcpt_refusal(const struct session *s, const struct smtp_cmd *cmd)
{
	if (!(s->flags & SF_ESMTP) && cmd->nparams > 0)
		return "555 5.5.4 parameters need EHLO";
	if ((cmd->have & (HAVE_NOTIFY | HAVE_ORCPT)) &&
	    !(s->offered & EXT_DSN))
		return "501 5.5.4 DSN is not offered";
	if (cmd->orcpt_utf8 && s->tx != NULL && !s->tx->utf8)
		return "501 5.5.4 this ORCPT needs SMTPUTF8";
	if (cmd->path.utf8 && !(s->offered & EXT_SMTPUTF8))
		return "553 5.6.7 address needs SMTPUTF8, not offered";
	if (cmd->path.utf8 && s->tx != NULL && !s->tx->utf8)
		return "553 5.6.7 address needs SMTPUTF8";
	return NULL;
}

/* A copy of what was there; -1 without memory. */
static int
keep(char **to, struct slice from)
{
	if (from.n == 0)
		return 0;
	return (*to = strndup(from.p, from.n)) == NULL ? -1 : 0;
}

int
params_mail_keep(struct tx *tx, const struct smtp_cmd *cmd)
{
	tx->body = cmd->body;
	tx->size = (int64_t)cmd->size;
	tx->auth = (cmd->have & HAVE_AUTH) != 0;
	tx->utf8 = (cmd->have & HAVE_SMTPUTF8) != 0;
	tx->utf8_sender = cmd->path.utf8;
	tx->ret = cmd->ret;
	return (cmd->have & HAVE_ENVID) ? keep(&tx->envid, cmd->envid) : 0;
}

int
params_rcpt_keep(struct rcpt *r, const struct smtp_cmd *cmd)
{
	r->utf8 = cmd->path.utf8;
	r->orcpt_utf8 = cmd->orcpt_utf8;
	r->notify = (cmd->have & HAVE_NOTIFY) ? cmd->notify : 0;
	return (cmd->have & HAVE_ORCPT) ? keep(&r->orcpt, cmd->orcpt) : 0;
}

/* --- the next hop's side -------------------------------------------------- */

static void
add(char *buf, size_t size, const char *key, const char *value)
{
	if (buf[0] != '\0')
		(void)strlcat(buf, " ", size);
	(void)strlcat(buf, key, size);
	(void)strlcat(buf, value, size);
}

void
params_mail(const struct tx *tx, unsigned int ext, char *buf, size_t size)
{
	char	n[24];

	buf[0] = '\0';
	if (tx->size > 0 && (ext & EXT_SIZE)) {
		(void)snprintf(n, sizeof(n), "%lld", (long long)tx->size);
		add(buf, size, "SIZE=", n);
	}
	if (tx->body == BODY_8BITMIME && (ext & EXT_8BITMIME))
		add(buf, size, "BODY=", "8BITMIME");
	if (tx->body == BODY_BINARYMIME)
		add(buf, size, "BODY=", "BINARYMIME");
	if (tx->utf8 && (ext & EXT_SMTPUTF8))
		add(buf, size, "SMTPUTF8", "");
	if (tx->ret != RET_NONE && (ext & EXT_DSN))
		add(buf, size, "RET=", tx->ret == RET_FULL ? "FULL" : "HDRS");
	if (tx->envid != NULL && (ext & EXT_DSN))
		add(buf, size, "ENVID=", tx->envid);
	/* Whom the client names we do not vouch for (RFC 4954, section 5). */
	if (tx->auth && (ext & EXT_AUTH))
		add(buf, size, "AUTH=", "<>");
}

/* "SUCCESS,FAILURE" */
static void
notify_text(unsigned int notify, char *buf, size_t size)
{
	static const struct {
		unsigned int	 bit;
		const char	*name;
	} names[] = {
		{ NOTIFY_NEVER, "NEVER" }, { NOTIFY_SUCCESS, "SUCCESS" },
		{ NOTIFY_FAILURE, "FAILURE" }, { NOTIFY_DELAY, "DELAY" }
	};
	size_t	i;

	buf[0] = '\0';
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!(notify & names[i].bit))
			continue;
		if (buf[0] != '\0')
			(void)strlcat(buf, ",", size);
		(void)strlcat(buf, names[i].name, size);
	}
}

void
params_rcpt(const struct rcpt *r, unsigned int ext, char *buf, size_t size)
{
	char	names[40];

	buf[0] = '\0';
	if (!(ext & EXT_DSN))
		return;
	if (r->notify != 0) {
		notify_text(r->notify, names, sizeof(names));
		add(buf, size, "NOTIFY=", names);
	}
	if (r->orcpt != NULL && (!r->orcpt_utf8 || (ext & EXT_SMTPUTF8)))
		add(buf, size, "ORCPT=", r->orcpt);
}

/* --- what is lacking ------------------------------------------------------ */

static bool
asks_for_dsn(const struct tx *tx)
{
	size_t	i;

	if (tx->ret != RET_NONE || tx->envid != NULL)
		return true;
	for (i = 0; i < tx->nrcpts; i++)
		if (tx->rcpts[i].notify != 0 || tx->rcpts[i].orcpt != NULL)
			return true;
	return false;
}

static bool
has_utf8_orcpt(const struct tx *tx)
{
	size_t	i;

	for (i = 0; i < tx->nrcpts; i++)
		if (tx->rcpts[i].orcpt != NULL && tx->rcpts[i].orcpt_utf8)
			return true;
	return false;
}

bool
params_lack(struct tx *tx, unsigned int ext, struct smtp_reply *r)
{
	const char	*no = NULL;

	tx->ascii = tx->utf8 && !(ext & EXT_SMTPUTF8);
	if (tx->ascii && tx->utf8_sender)
		no = "550 5.6.7 next hop does not take SMTPUTF8";
	else if (tx->body == BODY_BINARYMIME &&
	    (ext & (EXT_BINARYMIME | EXT_CHUNKING)) !=
	    (EXT_BINARYMIME | EXT_CHUNKING))
		no = "554 5.6.3 next hop does not take BINARYMIME";
	else if (tx->body == BODY_8BITMIME && !(ext & EXT_8BITMIME) &&
	    tx->remote->eight_bit == EIGHT_STRICT)
		no = "554 5.6.3 next hop does not take 8-bit content";
	if (no == NULL)
		return false;
	(void)smtp_reply_fmt(r, "%s", no);
	return true;
}

const char *
params_drop_dsn(const struct tx *tx, unsigned int ext)
{
	if (!(ext & EXT_DSN) && asks_for_dsn(tx))
		return "next hop does not offer DSN";
	if (!(ext & EXT_SMTPUTF8) && has_utf8_orcpt(tx))
		return "next hop does not offer SMTPUTF8, which an ORCPT "
		    "needs";
	return NULL;
}

bool
params_lack_rcpt(const struct rcpt *rcpt, unsigned int ext,
    struct smtp_reply *r)
{
	if (!rcpt->utf8 || (ext & EXT_SMTPUTF8))
		return false;
	(void)smtp_reply_fmt(r, "553 5.6.7 next hop does not take SMTPUTF8");
	return true;
}
