/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The words of smtpd's log: one line an event, each with the session's id,
 * the reply as it was said, and what decided.
 */

#include <string.h>

#include "front.h"
#include "front_hook.h"
#include "front_tx.h"
#include "log.h"
#include "tlsctx.h"

static void
log_reply(const struct smtp_reply *r)
{
	log_num("code", r->code);
	if (r->enhanced[0] != '\0')
		log_str("enhanced", r->enhanced);
	log_str("reply", r->text);
	if (r->hard != 0)
		log_num("hard", r->hard);
}

void
flog_connect(const struct session *s)
{
	if (!log_begin(LOG_LEVEL_INFO, s->sid, "connect"))
		return;
	log_addr("address", &s->remote);
	if (s->remote.family == ADDR_UNIX)
		log_num("uid", s->uid);
	else
		log_num("port", s->remote.port);
	log_str("listener", s->listener->obj.name);
	log_end();
}

void
flog_refused(const struct addr *remote, const char *listener, const char *why)
{
	if (!log_begin(LOG_LEVEL_INFO, 0, "refused"))
		return;
	log_addr("address", remote);
	log_str("listener", listener);
	log_num("code", 421);
	log_str("reason", why);
	log_end();
}

void
flog_tls(const struct session *s)
{
	const char	*name;
	char		 text[128];

	if (!log_begin(LOG_LEVEL_INFO, s->sid, "tls"))
		return;
	log_str("tls", ftls_text(s, text, sizeof(text)));
	if ((name = ftls_sni(s)) != NULL)
		log_str("sni", name);
	if (s->cert_error != TLS_NO_CERT) {
		log_str("client-cert", ftls_subject(s));
		log_num("verify", s->cert_error);
	}
	log_end();
}

void
flog_mail(const struct session *s, const char *sender, const char *original,
    const struct smtp_reply *r, const char *by)
{
	if (!log_begin(LOG_LEVEL_INFO, s->sid, "mail"))
		return;
	log_str("sender", sender);
	if (strcmp(sender, original) != 0)
		log_str("original", original);
	if (s->tx != NULL && s->tx->size > 0)
		log_num("size", s->tx->size);
	log_reply(r);
	if (by != NULL)
		log_str("by", by);
	log_end();
}

void
flog_rcpt(const struct session *s, const char *addr,
    const struct smtp_reply *r, const char *by)
{
	if (!log_begin(LOG_LEVEL_INFO, s->sid, "rcpt"))
		return;
	log_str("address", addr);
	log_reply(r);
	log_str("by", by);
	log_end();
}

void
flog_judged(const struct session *s, const char *addr,
    const struct smtp_reply *r, const char *by, const char *why)
{
	if (!log_begin(LOG_LEVEL_INFO, s->sid, "rcpt"))
		return;
	log_str("address", addr);
	log_reply(r);
	log_str("by", by);
	if (why[0] != '\0')
		log_str("reason", why);
	log_end();
}

void
flog_would(const struct session *s, const char *addr, const char *would,
    const char *by)
{
	if (!log_begin(LOG_LEVEL_INFO, s->sid, "rcpt"))
		return;
	log_str("address", addr);
	log_str("would", would);
	log_str("by", by);
	log_end();
}

void
flog_command(const struct session *s, struct slice line,
    const struct smtp_reply *r)
{
	if (!log_begin(LOG_LEVEL_INFO, s->sid, "command"))
		return;
	/* A secret typed in the wrong place is still one. */
	if (proxy_hides(s))
		log_str("command", "****");
	else if (line.n >= 4 && strncasecmp(line.p, "AUTH", 4) == 0)
		log_str("command", "AUTH ****");
	else
		log_strn("command", line.p, line.n < 200 ? line.n : 200);
	log_reply(r);
	log_end();
}

void
flog_script_line(const struct session *s, const char *line,
    const char *rewritten, const struct smtp_reply *r, const char *script)
{
	if (!log_begin(LOG_LEVEL_INFO, s->sid, "command"))
		return;
	log_strn("command", line, strnlen(line, 200));
	if (rewritten != NULL)
		log_strn("rewritten", rewritten, strnlen(rewritten, 200));
	if (r != NULL)
		log_reply(r);
	log_str("by", script);
	log_end();
}

void
flog_script(const struct session *s, const char *stage, const char *script,
    const char *why)
{
	if (!log_begin(LOG_LEVEL_INFO, s->sid, "script-error"))
		return;
	log_str("stage", stage);
	log_str("script", script);
	log_str("reason", why);
	log_end();
}

void
flog_message(const struct session *s, const struct smtp_reply *r,
    const char *outcome)
{
	const struct tx	*tx = s->tx;
	char		 hop[320];

	if (!log_begin(LOG_LEVEL_INFO, s->sid, "message"))
		return;
	log_str("outcome", outcome);
	log_str("sender", tx->sender);
	log_num("recipients", (int64_t)tx->accepted);
	log_num("octets", (int64_t)tx->octets);
	if (tx->remote != NULL)
		log_str("remote", tx->remote->obj.name);
	if (tx->hop != NULL)
		log_str("hop", hop_name(tx->hop, hop, sizeof(hop)));
	log_reply(r);
	if (tx->by != NULL)
		log_str("by", tx->by);
	log_num("ms", mono_diff(mono_now(), tx->began));
	log_end();
}

void
flog_delivery(const struct session *s, const struct rcpt *r)
{
	if (!log_begin(LOG_LEVEL_INFO, s->sid, "delivery"))
		return;
	log_str("address", r->addr);
	if (r->unknown)
		log_str("outcome", "unknown");
	log_reply(r->verdict);
	log_end();
}

void
flog_refused_late(const struct session *s, const struct rcpt *rcpt,
    const struct smtp_reply *theirs)
{
	char	hop[320];

	if (!log_begin(LOG_LEVEL_INFO, s->sid, "refused-late"))
		return;
	log_str("address", rcpt->addr);
	log_reply(theirs);
	log_str("told", rcpt->vouched ? "vouched" : "accepted");
	if (rcpt->by != NULL)
		log_str("by", rcpt->by);
	if (s->tx->hop != NULL)
		log_str("hop", hop_name(s->tx->hop, hop, sizeof(hop)));
	log_end();
}

void
flog_hop(const struct session *s, const char *event, const char *hop,
    const char *why)
{
	if (!log_begin(LOG_LEVEL_INFO, s == NULL ? 0 : s->sid, event))
		return;
	log_str("hop", hop);
	log_str("reason", why);
	log_end();
}

void
flog_name(const struct session *s, const char *name, bool later)
{
	if (!log_begin(LOG_LEVEL_INFO, s->sid, "reverse-dns"))
		return;
	log_addr("address", &s->remote);
	log_str("name", name);
	log_str("status", name[0] != '\0' ? "confirmed" :
	    later ? "no answer" : "none");
	log_end();
}

void
flog_staged(const struct session *s, const char *stage,
    const struct smtp_reply *r, const char *by)
{
	if (!log_begin(LOG_LEVEL_INFO, s->sid, stage))
		return;
	log_reply(r);
	log_str("by", by);
	log_end();
}

void
flog_set(const struct session *s, const char *addr, const char *remote,
    const char *by)
{
	if (!log_begin(LOG_LEVEL_INFO, s->sid, "rcpt-set"))
		return;
	log_strn("command", s->line.p, s->line.n < 200 ? s->line.n : 200);
	if (addr[0] != '\0')
		log_str("address", addr);
	if (remote[0] != '\0')
		log_str("remote", remote);
	log_str("by", by);
	log_end();
}

void
flog_end(const struct session *s)
{
	if (!log_begin(LOG_LEVEL_INFO, s->sid, "disconnect"))
		return;
	log_addr("address", &s->remote);
	log_str("reason", s->why == NULL ? "" : s->why);
	log_num("messages", s->messages);
	log_num("in", (int64_t)s->io.octets_in);
	log_num("out", (int64_t)s->io.octets_out);
	log_num("ms", mono_diff(mono_now(), s->began));
	log_end();
}
