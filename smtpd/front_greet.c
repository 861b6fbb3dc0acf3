/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The first words of a session: the banner, and EHLO, HELO, LHLO.
 *
 * A script may have a word in both.  Nothing is changed before it has spoken,
 * so that a client which is refused is what it was before (RFC 5321, section
 * 4.1.4), and the banner is run again from its beginning as a command is.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "front.h"
#include "front_limit.h"
#include "front_stage.h"
#include "util.h"

/* --- the banner ----------------------------------------------------------- */

/* "220 HOST " and what the script has said, in place of the greeting. */
static void
its_banner(struct session *s, const struct staged *st)
{
	struct smtp_reply	 r;
	const char		*words = st->reply.whole != NULL ?
				    st->reply.whole : st->reply.text;
	char			*text;

	if (asprintf(&text, "%s %s", s->conf->hostname, words) == -1) {
		session_end(s, "no memory");
		return;
	}
	(void)smtp_reply_fmt(&r, "220 %s", s->conf->hostname);
	r.whole = text;
	session_reply_r(s, 0, &r);
	free(text);
}

/*
 * The connect script's word.  false: it has refused the client, which hears
 * so.  A script may have waited to see whether the client does: where those
 * who talk first are refused, it is looked at again.
 */
static bool
is_welcome(struct session *s, const struct staged *st)
{
	struct smtp_reply	r;

	if (st == NULL)
		return true;
	if (!st->accepted) {
		s->why = "rejected by a script";
		r = st->reply;
		reply_soften(s, NULL, &r);
		stats.sessions_refused++;
		flog_staged(s, "connect-refused", &r, st->by);
		session_reply_r(s, REPLY_CLOSE, &r);
		return false;
	}
	if (s->conf->session.early_talker == EARLY_ALLOW ||
	    !session_has_more(s))
		return true;
	s->why = "talked before the banner";
	session_reply(s, REPLY_CLOSE, "554 5.5.0 %s you talk first",
	    s->conf->hostname);
	return false;
}

/* The first words, but for what must be said in their place. */
static void
greet(struct session *s)
{
	struct staged	*st = NULL;
	char		 text[SMTP_REPLY_LINE_MAX];

	if (s->limit == LIMIT_OVER) {
		session_state(s, S_COMMAND);
		limit_say(s);
		return;
	}
	switch (stage_connect(s, &st)) {
	case RULE_VALUE:
		break;
	case RULE_NEED:
		return;
	case RULE_CANNOT:
		s->why = "look-up failed";
		session_reply(s, REPLY_CLOSE,
		    "421 4.4.3 %s cannot look that up now",
		    s->conf->hostname);
		return;
	}
	session_state(s, S_COMMAND);
	if (front_is_draining()) {
		s->why = "shutdown";
		session_reply(s, REPLY_CLOSE, "421 4.3.2 %s shutting down",
		    s->conf->hostname);
		return;
	}
	if (!is_welcome(s, st))
		return;
	if (st != NULL && st->reply.code != 0)
		its_banner(s, st);
	else {
		(void)snprintf(text, sizeof(text), "220 %s %s",
		    s->conf->hostname, s->listener->greeting);
		session_reply(s, 0, "%s", text);
	}
	timer_set(&s->timer, s->conf->session.timeout);
}

void
verb_banner(struct session *s)
{
	if (s->command == NULL) {
		s->line.p = "";
		s->line.n = 0;
	}
	greet(s);
	command_over(s);
}

/* --- EHLO, HELO, LHLO ----------------------------------------------------- */

/* What a client says of itself, until it is believed. */
struct greeting {
	char		 host[SMTP_DOMAIN_MAX + 1];
	char		 normal[SMTP_DOMAIN_MAX + 1];	/* as rules and lists
							   have names */
	bool		 esmtp;
	unsigned int	 more;		/* OFFER_* */
	struct staged	*st;		/* NULL: no script */
};

static void
set_name(struct greeting *g, const char *name, size_t len)
{
	(void)snprintf(g->host, sizeof(g->host), "%.*s", (int)len, name);
	if (idn_to_ascii(g->host, g->normal, sizeof(g->normal)) == -1) {
		(void)strlcpy(g->normal, g->host, sizeof(g->normal));
		ascii_lower(g->normal);
	}
}

/* It is believed.  false: the session ended. */
static bool
hello(struct session *s, const struct greeting *g)
{
	session_forget(s);
	s->helo_normal = strdup(g->normal);
	s->helo = strdup(g->host);
	if (s->helo == NULL || s->helo_normal == NULL) {
		session_end(s, "no memory");
		return false;
	}
	s->flags |= SF_HELO | (g->esmtp ? SF_ESMTP : 0U);
	return true;
}

/* What the stage's script says, which is shown what we would. */
static enum rule_result
hello_script(struct session *s, const struct smtp_cmd *cmd,
    struct greeting *g)
{
	struct smtp_reply	r;
	struct rule_env		env;

	g->st = NULL;
	if (!stage_is_on(s, STAGE_EHLO))
		return RULE_VALUE;
	session_env(s, &env);
	env.str[RV_HELO_DOMAIN] = g->normal;
	if (g->esmtp)
		(void)offer_reply(s, g->more, &r);
	return stage_ehlo(s, cmd, &env, g->esmtp ? r.text : NULL, &g->st);
}

/*
 * Look at it, and change nothing: what comes is said to the client as it was
 * before (RFC 5321, section 4.1.4).  false: refused, and told, or something
 * is asked.
 */
static bool
hello_judge(struct session *s, const struct smtp_cmd *cmd,
    struct greeting *g)
{
	struct smtp_reply	r;

	set_name(g, cmd->hello.p, cmd->hello.n);
	if (g->esmtp && vrfy_offered(s, g->normal, &g->more) == RULE_NEED)
		return false;
	switch (hello_script(s, cmd, g)) {
	case RULE_VALUE:
		break;
	case RULE_NEED:
		return false;
	case RULE_CANNOT:
		session_reply(s, 0, CANNOT_TELL);
		return false;
	}
	if (g->st == NULL)
		return true;
	if (!g->st->accepted) {
		r = g->st->reply;
		reply_soften(s, NULL, &r);
		flog_staged(s, "ehlo-refused", &r, g->st->by);
		session_reply_r(s, g->st->flags, &r);
		return false;
	}
	if ((g->st->set & HOOKV_SET_HOST) == 0)
		return true;
	set_name(g, g->st->v.host, strlen(g->st->v.host));
	return !g->esmtp ||
	    vrfy_offered(s, g->normal, &g->more) != RULE_NEED;
}

/* What HELO is told: nothing but the name, and a script's word. */
static void
hello_short(struct session *s, const struct greeting *g)
{
	const char	*words = g->st == NULL ? "" : g->st->reply.text;

	session_reply(s, 0, "250 %s%s%.*s", s->conf->hostname,
	    words[0] == '\0' ? "" : " ", offer_words(s, words), words);
}

static void
hello_long(struct session *s, const struct greeting *g)
{
	struct smtp_reply	 r;
	char			*text = NULL;

	if (g->st == NULL)
		s->offered = offer_reply(s, g->more, &r);
	else if ((text = offer_staged(s, g->st, g->more, &r, &s->offered,
	    &s->withheld)) == NULL) {
		session_end(s, "no memory");
		return;
	}
	session_reply_r(s, 0, &r);
	free(text);
}

/*
 * EHLO, LHLO or HELO: which of them is for this listener, verb_line has seen.
 * What cannot be told is not offered.
 */
void
verb_hello(struct session *s, const struct smtp_cmd *cmd)
{
	struct greeting	g = { .esmtp = cmd->verb != VERB_HELO };

	if (s->conf->session.ehlo_reject_non_fqdn &&
	    !smtp_is_fqdn(cmd->hello)) {
		session_reply(s, 0,
		    "504 5.5.2 need a fully qualified host name");
		return;
	}
	if (!hello_judge(s, cmd, &g) || !hello(s, &g))
		return;
	if (g.esmtp)
		hello_long(s, &g);
	else
		hello_short(s, &g);
}
