/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * VRFY and EXPN (RFC 5321, section 3.5; RFC 6531, section 3.7.4).
 *
 * Both are off unless the configuration has somebody who knows: 252 then says
 * nothing of anybody.  Where they are on, what there is is said, one value a
 * line; what there is not is an error that is counted and delayed as a
 * refused recipient is, since both are ways to try names; and where nobody
 * can tell, 252 says so.
 *
 * The argument is a mailbox, in angle brackets or not, or a name without a
 * domain, which is what these commands were made for.  No parser of ours has
 * such names: one is read as the local part of a mailbox.
 */

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "front_rcpt.h"
#include "util.h"

#define VALUES_MAX	100		/* lines of a reply */
#define VALUE_MAX	(SMTP_REPLY_LINE_MAX - (int)sizeof("250-2.1.5 \r\n"))

static const char	cannot[] = "252 2.5.0 cannot tell, but send mail";

struct asked {
	char		name[SMTP_MAILBOX_MAX + 1];	/* in normal form */
	bool		utf8;		/* it is not ASCII */
	bool		may_utf8;	/* nor need the answer be */
};

/* --- the settings --------------------------------------------------------- */

/* A directory answers where it has a query for it. */
static bool
directory_answers(const struct where *w, enum smtp_verb verb)
{
	const struct conf_directory	*d;

	if (w->path.kind != LOOK_DIRECTORY || w->obj == NULL)
		return false;
	d = (const struct conf_directory *)(const void *)w->obj;
	return (verb == VERB_VRFY ? d->query_vrfy : d->query_expn) != NULL;
}

/* Who is asked in this session; kind LOOK_NONE: nobody. */
static enum rule_result
who_answers(struct session *s, enum smtp_verb verb,
    const struct rule_env *env, struct where *w)
{
	const struct conf_session	*cs = &s->conf->session;
	struct rule_value		 v;
	enum rule_result		 r;

	memset(w, 0, sizeof(*w));
	r = rule_ask(s, verb == VERB_VRFY ? cs->vrfy : cs->expn, env, &v);
	if (r != RULE_VALUE)
		return r;
	if (v.str != NULL) {
		where_find(s->conf, v.str, false, w);
		return r;
	}
	r = rule_ask(s, cs->directory, env, &v);
	if (r != RULE_VALUE || v.str == NULL)
		return r;
	where_find(s->conf, v.str, true, w);
	if (!directory_answers(w, verb))
		memset(w, 0, sizeof(*w));
	return r;
}

enum rule_result
vrfy_offered(struct session *s, const char *helo_normal, unsigned int *bits)
{
	struct rule_env		env;
	struct where		w;
	enum rule_result	r;

	*bits = 0;
	session_env(s, &env);
	env.str[RV_HELO_DOMAIN] = helo_normal;
	r = who_answers(s, VERB_VRFY, &env, &w);
	if (r == RULE_VALUE && w.path.kind != LOOK_NONE)
		*bits |= OFFER_VRFY;
	if (r != RULE_NEED)
		r = who_answers(s, VERB_EXPN, &env, &w);
	if (r == RULE_VALUE && w.path.kind != LOOK_NONE)
		*bits |= OFFER_EXPN;
	return r;
}

/* --- the argument --------------------------------------------------------- */

/* Behind the string: SMTPUTF8, which is taken off. */
static bool
take_smtputf8(struct slice *arg)
{
	static const char	key[] = " SMTPUTF8";
	size_t			n = sizeof(key) - 1;

	if (arg->n <= n ||
	    strncasecmp(arg->p + arg->n - n, key, n) != 0)
		return false;
	arg->n -= n;
	while (arg->n > 0 && arg->p[arg->n - 1] == ' ')
		arg->n--;
	return true;
}

/* A name without a domain, as the local part that it is. */
static bool
parse_name(struct slice arg, struct smtp_path *path, struct asked *a)
{
	char		mailbox[SMTP_MAILBOX_MAX + 1];
	struct slice	text = { mailbox, 0 };
	size_t		used;
	int		n;

	n = snprintf(mailbox, sizeof(mailbox), "%.*s@a",
	    (int)(arg.n > SMTP_MAILBOX_MAX ? SMTP_MAILBOX_MAX : arg.n), arg.p);
	if (n < 0 || (size_t)n >= sizeof(mailbox))
		return false;
	text.n = (size_t)n;
	if (smtp_path_parse(path, text, PATH_FORWARD | PATH_BARE, &used) !=
	    PATH_OK || used != text.n || strcmp(path->domain, "a") != 0)
		return false;
	(void)smtp_path_normal(path, a->name, sizeof(a->name));
	*strrchr(a->name, '@') = '\0';
	return true;
}

/* False: malformed. */
static bool
parse_arg(struct slice arg, struct asked *a)
{
	static struct smtp_path	 path;
	size_t			 used;
	int			 flags = PATH_FORWARD;

	memset(a, 0, sizeof(*a));
	a->may_utf8 = take_smtputf8(&arg);
	if (arg.n == 0)
		return false;
	if (arg.p[0] != '<')
		flags |= PATH_BARE;
	if (smtp_path_parse(&path, arg, flags, &used) == PATH_OK &&
	    used == arg.n)
		(void)smtp_path_normal(&path, a->name, sizeof(a->name));
	else if (arg.p[0] == '<' || !parse_name(arg, &path, a))
		return false;
	a->utf8 = path.utf8;
	return true;
}

/* --- the answer ----------------------------------------------------------- */

static void
say(struct session *s, unsigned int flags, const char *reply)
{
	struct smtp_reply	r;

	(void)smtp_reply_fmt(&r, "%s", reply);
	reply_soften(s, NULL, &r);
	flog_command(s, s->line, &r);
	session_reply_r(s, flags, &r);
}

/* The values, a line each; the asked name where there is none. */
static void
say_values(struct session *s, const struct asked *a, const char *values)
{
	struct wbuf	 w = { .data = NULL };
	const char	*end;
	char		 line[SMTP_REPLY_LINE_MAX + 1];
	int		 i, n;
	bool		 more;

	for (i = 0, more = true; more; i++) {
		end = strchr(values, '\n');
		n = end == NULL ? (int)strlen(values) : (int)(end - values);
		more = end != NULL && end[1] != '\0' && i + 1 < VALUES_MAX;
		n = snprintf(line, sizeof(line), "250%c2.1.5 %.*s\r\n",
		    more ? '-' : ' ', n == 0 ? VALUE_MAX : n > VALUE_MAX ?
		    VALUE_MAX : n, n == 0 ? a->name : values);
		put_raw(&w, line, (size_t)n);
		values = end == NULL ? "" : end + 1;
	}
	put_u8(&w, '\0');
	if (wire_ok(&w))
		session_reply_wire(s, 0, (const char *)w.data);
	else
		session_end(s, "no memory");
	wbuf_clear(&w);
}

/* What there is, in sight of the client. */
static void
found(struct session *s, const struct asked *a, const char *values)
{
	struct smtp_reply	r;
	struct slice		text = { values, strlen(values) };

	if (idn_is_8bit(values) && !(a->may_utf8 && smtp_is_utf8(text))) {
		say(s, 0, "252 2.6.8 the answer needs SMTPUTF8");
		return;
	}
	(void)smtp_reply_fmt(&r, "250 2.1.5 told");
	flog_command(s, s->line, &r);
	say_values(s, a, values);
}

static void
answer(struct session *s, enum smtp_verb verb, const struct where *w,
    const struct asked *a)
{
	const char		*values = NULL;
	enum rule_result	 r = RULE_VALUE;

	if (w->obj == NULL)
		r = RULE_CANNOT;
	else if (w->path.kind == LOOK_LIST)
		values = where_has(w, a->name) ? a->name : NULL;
	else
		r = lookup_ask(s, &w->path, verb == VERB_VRFY ? LOOK_VRFY :
		    LOOK_EXPN, a->name, w->wait, &values);
	if (r == RULE_NEED)
		return;
	if (r == RULE_CANNOT)
		say(s, 0, cannot);
	else if (values == NULL)
		say(s, REPLY_COUNTED, verb == VERB_VRFY ?
		    "550 5.1.1 no such user" : "550 5.1.1 no such list");
	else
		found(s, a, values);
}

void
verb_vrfy(struct session *s, const struct smtp_cmd *cmd)
{
	static struct asked	 a;
	struct rule_env		 env;
	struct where		 w;
	bool			 good = parse_arg(cmd->arg, &a);

	session_env(s, &env);
	switch (who_answers(s, cmd->verb, &env, &w)) {
	case RULE_VALUE:
		break;
	case RULE_NEED:
		return;
	case RULE_CANNOT:
		say(s, 0, cannot);
		return;
	}
	if (w.path.kind == LOOK_NONE || (s->withheld &
	    (cmd->verb == VERB_VRFY ? OFFER_VRFY : OFFER_EXPN)))
		session_reply(s, 0, "252 2.5.1 send mail, and see");
	else if (!good)
		say(s, 0, "501 5.5.2 malformed argument");
	else if (a.may_utf8 && !(s->offered & EXT_SMTPUTF8))
		say(s, 0, "555 5.5.4 SMTPUTF8 is not offered");
	else if (a.utf8 && !a.may_utf8)
		say(s, 0, "553 5.6.7 address needs SMTPUTF8");
	else
		answer(s, cmd->verb, &w, &a);
}
