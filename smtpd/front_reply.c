/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Replies: the only way to the client.
 *
 * While nothing is owed, a reply goes straight to the stream.  Once a
 * command waits for the next hop, it holds a slot, and everything that is
 * said behind it lines up in slots of its own: replies never overtake each
 * other, however the answers come in.
 *
 * A counted error waits errors.wait before it is said.  It does so as the
 * first of the slots, when all that was to be said before is written; the
 * session reads nothing meanwhile, and the wait ends with the client.
 *
 * session.soft-bounce turns a 5xx of ours into a 4xx on its way out, whoever
 * has said it, and replies.footer stands behind our refusals; the next hop's
 * are its own and pass (smtp_reply.passed).
 */

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "front.h"
#include "front_limit.h"
#include "log.h"

#define WIRE_MAX	2048		/* a folded reply with room to spare */
#define WIRE_MORE	128		/* for what count_error puts behind */
#define TARPIT_MAX	(2 * 60 * 1000)	/* of all waits of a session */

static void	slots_flush(struct session *);

static void
slot_free(struct session *s, struct slot *slot)
{
	TAILQ_REMOVE(&s->slots, slot, entry);
	s->nslots--;
	free(slot->text);
	free(slot);
}

void
slots_clear(struct session *s)
{
	while (!TAILQ_EMPTY(&s->slots))
		slot_free(s, TAILQ_FIRST(&s->slots));
}

bool
slots_close(const struct session *s)
{
	const struct slot	*last = TAILQ_LAST(&s->slots, slots);

	return last != NULL && (last->flags & REPLY_CLOSE) != 0;
}

struct slot *
slot_new(struct session *s)
{
	struct slot	*slot;

	if ((slot = calloc(1, sizeof(*slot))) == NULL)
		return NULL;
	slot->state = SLOT_PENDING;
	TAILQ_INSERT_TAIL(&s->slots, slot, entry);
	s->nslots++;
	return slot;
}

/* To the stream; a client that does not read its replies is let go. */
static void
send_wire(struct session *s, const char *text, size_t len, unsigned int flags)
{
	if (s->state == S_DEAD || s->state == S_CLOSING)
		return;
	if (io_write(&s->io, text, len) == -1) {
		session_end(s, "client does not read");
		return;
	}
	if (flags & REPLY_CLOSE)
		session_linger(s, s->why == NULL ? "closed" : s->why);
}

/* The counter of errors; the last one brings a 421 with it. */
static void
count_error(struct session *s, unsigned int *flags, char *text, size_t size)
{
	struct smtp_reply	r;
	size_t			n;

	block_error(s);
	if (++s->errors < (unsigned int)s->conf->session.errors_total)
		return;
	*flags |= REPLY_CLOSE;
	s->why = "too many errors";
	(void)smtp_reply_fmt(&r, "421 4.7.0 too many errors");
	n = strlen(text);
	(void)smtp_reply_print(&r, text + n, size - n);
}

/* How long this error waits; the sum of a session's waits is bounded. */
static int64_t
tarpit_ms(struct session *s)
{
	int64_t	ms = s->conf->session.errors_wait;

	if (ms > TARPIT_MAX - s->waited)
		ms = TARPIT_MAX - s->waited;
	s->waited += ms;
	return ms;
}

static bool
has_footer(const struct session *s, const struct smtp_reply *r)
{
	const char	*footer = s->conf->replies.footer;

	return r->code >= 400 && !r->passed && footer != NULL &&
	    footer[0] != '\0';
}

/* The reply with the footer behind it; *both is to be freed. */
static void
add_footer(const struct session *s, struct smtp_reply *r, char **both)
{
	const char	*footer = s->conf->replies.footer;

	(void)strlcat(r->text, "\n", sizeof(r->text));
	(void)strlcat(r->text, footer, sizeof(r->text));
	if (r->whole == NULL)
		return;
	if (asprintf(both, "%s\n%s", r->whole, footer) == -1)
		*both = NULL;
	r->whole = *both;
}

/*
 * A reply for the wire, with the footer that refusals may have: in wire, of
 * *size octets, or where that is too little in memory of its own, of *size
 * octets too.  NULL without memory.
 */
static char *
to_wire(const struct session *s, const struct smtp_reply *r, char *wire,
    size_t *size)
{
	struct smtp_reply	 longer;
	char			*both = NULL;
	size_t			 n;

	if (has_footer(s, r)) {
		longer = *r;
		add_footer(s, &longer, &both);
		r = &longer;
	}
	n = smtp_reply_print(r, wire, *size) + WIRE_MORE;
	if (n > *size) {
		*size = n;
		if ((wire = malloc(n)) != NULL)
			(void)smtp_reply_print(r, wire, n);
	}
	free(both);
	return wire;
}

void
reply_soften(struct session *s, const char *rcpt, struct smtp_reply *r)
{
	const struct rule	*rule = s->conf->session.soft_bounce;
	struct rule_env		 env;
	struct rule_value	 v;
	const char		*at;

	if (r->code / 100 != 5 || r->passed)
		return;
	if (!rule_is_constant(rule, &v)) {
		session_env(s, &env);
		env.str[RV_RCPT] = rcpt;
		at = rcpt == NULL ? NULL : strrchr(rcpt, '@');
		env.str[RV_RCPT_DOMAIN] = at == NULL ? "" : at + 1;
		/* Where nobody can tell, the 5xx is what was meant. */
		if (rule_now(s, rule, &env, &v) != RULE_VALUE)
			return;
	}
	if (v.num == 0)
		return;
	r->hard = r->code;
	r->code -= 100;
	if (r->enhanced[0] == '5')
		r->enhanced[0] = '4';
}

/* Fill a slot that has its place already. */
static void
slot_fill(struct session *s, struct slot *slot, unsigned int flags,
    const struct smtp_reply *r)
{
	char	buf[WIRE_MAX], *wire;
	size_t	size = sizeof(buf);

	wire = to_wire(s, r, buf, &size);
	if (wire != NULL && (flags & REPLY_COUNTED))
		count_error(s, &flags, wire, size);
	slot->flags = flags;
	slot->text = wire == buf ? strdup(wire) : wire;
	slot->len = slot->text == NULL ? 0 : strlen(slot->text);
	slot->state = (flags & REPLY_COUNTED) ? SLOT_DELAYED : SLOT_READY;
	if (slot->text == NULL)
		session_end(s, "no memory");
}

/* To the stream at once, as nothing is owed. */
static void
send_reply(struct session *s, const struct smtp_reply *r, unsigned int flags)
{
	char	buf[WIRE_MAX], *wire;
	size_t	size = sizeof(buf);

	if ((wire = to_wire(s, r, buf, &size)) == NULL) {
		session_end(s, "no memory");
		return;
	}
	send_wire(s, wire, strlen(wire), flags);
	if (wire != buf)
		free(wire);
}

void
session_reply_r(struct session *s, unsigned int flags,
    const struct smtp_reply *r)
{
	struct smtp_reply	 soft;
	struct slot		*slot;

	if (s->state == S_DEAD || s->state == S_CLOSING)
		return;
	if (r->code / 100 == 5) {
		soft = *r;
		reply_soften(s, NULL, &soft);
		r = &soft;
	}
	if (r->code == 421)
		flags |= REPLY_CLOSE;
	if (TAILQ_EMPTY(&s->slots) && !(flags & REPLY_COUNTED)) {
		send_reply(s, r, flags);
		return;
	}
	if ((slot = slot_new(s)) == NULL) {
		session_end(s, "no memory");
		return;
	}
	slot_fill(s, slot, flags, r);
	slots_flush(s);
}

char *
reply_wire(struct session *s, struct smtp_reply *r)
{
	char	wire[WIRE_MAX], *text;
	size_t	size = sizeof(wire);

	reply_soften(s, NULL, r);
	text = to_wire(s, r, wire, &size);
	return text == wire ? strdup(wire) : text;
}

void
session_reply_wire(struct session *s, unsigned int flags, const char *text)
{
	struct slot	*slot;

	if (s->state == S_DEAD || s->state == S_CLOSING)
		return;
	if (TAILQ_EMPTY(&s->slots)) {
		send_wire(s, text, strlen(text), flags);
		return;
	}
	if ((slot = slot_new(s)) == NULL ||
	    (slot->text = strdup(text)) == NULL) {
		session_end(s, "no memory");
		return;
	}
	slot->flags = flags;
	slot->len = strlen(text);
	slot->state = SLOT_READY;
	slots_flush(s);
}

void
session_reply(struct session *s, unsigned int flags, const char *fmt, ...)
{
	struct smtp_reply	r;
	char			text[SMTP_REPLY_LINE_MAX * 2];
	va_list			ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (smtp_reply_fmt(&r, "%s", text) == -1)
		(void)smtp_reply_fmt(&r, "451 4.3.5 internal error");
	session_reply_r(s, flags, &r);
}

void
slot_answer(struct session *s, struct slot *slot, unsigned int flags,
    const struct smtp_reply *r)
{
	slot_fill(s, slot, flags, r);
	slots_flush(s);
}

/* Say what may be said: the ready ones from the front. */
static void
slots_flush(struct session *s)
{
	struct slot	*slot;
	int64_t		 ms;

	if (s->wait == WAIT_TARPIT || s->state == S_DEAD)
		return;
	while ((slot = TAILQ_FIRST(&s->slots)) != NULL) {
		if (slot->state == SLOT_PENDING)
			return;
		if (slot->state == SLOT_DELAYED) {
			slot->state = SLOT_READY;
			if ((ms = tarpit_ms(s)) > 0) {
				session_wait(s, WAIT_TARPIT, ms);
				return;
			}
		}
		/* The end of the session clears the slots: not this one. */
		TAILQ_REMOVE(&s->slots, slot, entry);
		s->nslots--;
		send_wire(s, slot->text, slot->len, slot->flags);
		free(slot->text);
		free(slot);
		if (s->state == S_DEAD || s->state == S_CLOSING)
			return;
	}
	if (s->wait == WAIT_HOP)
		session_go(s);
}

void
slots_tarpit_over(struct session *s)
{
	s->wait = WAIT_HOP;
	io_pause(&s->io);
	slots_flush(s);
	if (s->wait != WAIT_HOP)
		return;
	if (TAILQ_EMPTY(&s->slots))
		session_go(s);
	else
		ask_resume(s);
}
