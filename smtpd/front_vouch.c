/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Recipients whose client has its 250 before the next hop has said so.
 *
 * A recipient that is vouched for waits: nobody is dialed for it before a
 * live one comes or the content does, and then its RCPT leaves with all
 * others, in the order in which the client said them, DATA behind them.  One
 * that was accepted on a connection which was replaced is told anew, and is in
 * the same state (rcpt.told).
 *
 * What the next hop says of it then can be no reply to its RCPT.  So the
 * content is not begun before all of them have their answer, and one that is
 * refused refuses the message: there is one word for all, and it must be true
 * for each.  If all are refused it is the next hop's own; else 451, and
 * verifyd is told (VERDICT), so that the retry finds that recipient live and
 * hears the truth at its RCPT, and the others pass.
 *
 * Where a remote is known to lack what a recipient needs it is asked at once:
 * there is still a RCPT to refuse.
 *
 * Rejected: to dial at the first recipient that is vouched for (most of what
 * comes from dictionaries never gets to DATA), and to send the content to
 * those that were accepted (a client of SMTP would send it to them again).
 */

#include <string.h>

#include "front_hook.h"
#include "front_relay.h"
#include "msg.h"
#include "peer.h"
#include "proc.h"
#include "proto.h"

/* --- accepting ------------------------------------------------------------ */

/* Does the next hop, as far as it is known, lack what this one needs? */
static bool
is_lacking(struct tx *tx, const struct rcpt *rcpt)
{
	struct smtp_reply	r;
	unsigned int		ext;
	bool			known;

	ext = caps_of(tx->remote->obj.id, &known);
	return known && !tx->remote->mx &&
	    (params_lack(tx, ext, &r) || params_lack_rcpt(rcpt, ext, &r));
}

void
relay_vouched(struct session *s)
{
	struct tx		*tx = s->tx;
	struct rcpt		*rcpt = &tx->rcpts[tx->nrcpts - 1];
	struct smtp_reply	 r;

	if (tx->lost != NULL || is_lacking(tx, rcpt)) {
		rcpt->vouched = false;
		if ((rcpt->slot = slot_new(s)) == NULL)
			session_end(s, "no memory");
		else
			relay_rcpt(s);
		return;
	}
	rcpt->vouched = rcpt->told = true;
	tx->pending--;
	tx->accepted++;
	hook_accepted(s, rcpt);
	stats.rcpt_accepted++;
	stats.rcpt_vouched++;
	if (rcpt->said != NULL)
		r = *rcpt->said;
	else
		(void)smtp_reply_fmt(&r, "250 2.1.5 ok");
	flog_rcpt(s, rcpt->addr, &r, rcpt->by != NULL ? rcpt->by : "vouched");
	session_reply_r(s, 0, &r);
	if (s->tx == tx && tx->hop != NULL)
		relay_push(s);
}

/* --- VERDICT -------------------------------------------------------------- */

/* One line of text, which is all that the frame has room for. */
static void
copy_line(char *to, size_t size, const char *from)
{
	(void)strlcpy(to, from, size);
	to[strcspn(to, "\n")] = '\0';
}

static void
tell_verifyd(const struct session *s, const struct rcpt *rcpt,
    enum verdict_kind kind, const struct smtp_reply *theirs)
{
	struct peer		*verifyd = proc_peer(R_VERIFYD, 0);
	struct proto_verdict	 v;
	struct wbuf		 w = { 0 };

	/* `mx' is another server each time, which nobody asks. */
	if (verifyd == NULL || s->tx->remote->mx)
		return;
	memset(&v, 0, sizeof(v));
	v.kind = kind;
	v.vouched = rcpt->vouched;
	v.remote = s->tx->remote->obj.id;
	v.asked = rcpt->asked;
	v.code = (uint16_t)theirs->code;
	(void)strlcpy(v.rcpt, rcpt->normal, sizeof(v.rcpt));
	(void)strlcpy(v.sender, s->tx->sender_normal, sizeof(v.sender));
	(void)strlcpy(v.enhanced, theirs->enhanced, sizeof(v.enhanced));
	copy_line(v.text, sizeof(v.text), theirs->text);
	put_verdict(&w, &v);
	peer_send(verifyd, MSG_VERDICT, s->sid, 0, -1, &w);
}

void
vouch_live_refused(const struct session *s, const struct rcpt *rcpt,
    const struct smtp_reply *theirs)
{
	if (map_is_unknown(theirs, s->tx->remote))
		tell_verifyd(s, rcpt, VERDICT_UNKNOWN, theirs);
}

/* --- refusals ------------------------------------------------------------- */

/* There will be no content; r is what is said of this one. */
static void
refuse(struct session *s, struct rcpt *rcpt, const struct smtp_reply *theirs,
    const struct smtp_reply *r)
{
	rcpt->state = RC_NO;
	s->tx->broken = true;
	stats.rcpt_refused_late++;
	tx_keep(&rcpt->verdict, r);
	flog_refused_late(s, rcpt, theirs);
	/* A 421 is about the connection, and so is nonsense. */
	if (theirs->code == 421 ||
	    (theirs->code / 100 != 4 && theirs->code / 100 != 5))
		return;
	if (map_is_unknown(theirs, s->tx->remote))
		tell_verifyd(s, rcpt, VERDICT_UNKNOWN, theirs);
	else if (rcpt->vouched)
		tell_verifyd(s, rcpt, VERDICT_REFUSED, theirs);
}

void
vouch_refused(struct session *s, struct rcpt *rcpt,
    const struct smtp_reply *theirs)
{
	struct smtp_reply	r;

	map_reply(&r, theirs, "2.1.5",
	    s->tx->remote->reply_text == RTEXT_OWN);
	refuse(s, rcpt, theirs, &r);
}

void
vouch_lacking(struct session *s, struct rcpt *rcpt,
    const struct smtp_reply *ours)
{
	struct smtp_reply	r = *ours;

	/* As a reply to DATA there is no 553 (RFC 5321, section 4.3.2). */
	if (r.code == 553)
		r.code = 550;
	refuse(s, rcpt, &r, &r);
}

/*
 * All whom the client takes for accepted are refused: the first 5xx where all
 * are, else 451.
 */
static void
all_refused(const struct smtp_reply *never, const struct smtp_reply *later,
    struct smtp_reply *r)
{
	if (later == NULL) {
		*r = *never;
		return;
	}
	*r = *later;
	r->code = 451;
	if (never != NULL)
		(void)smtp_reply_fmt(r, "451 4.3.0 recipients fare "
		    "differently, try again");
}

void
vouch_reply(const struct tx *tx, struct smtp_reply *r)
{
	const struct smtp_reply	*never = NULL, *later = NULL, *v;
	size_t			 i, refused = 0;

	for (i = 0; i < tx->nrcpts; i++) {
		v = tx->rcpts[i].verdict;
		if (!tx->rcpts[i].told || v == NULL)
			continue;
		refused++;
		if (v->code / 100 == 5)
			never = never == NULL ? v : never;
		else
			later = later == NULL ? v : later;
	}
	if (refused > 0 && refused == tx->accepted)
		all_refused(never, later, r);
	else
		(void)smtp_reply_fmt(r, "451 4.3.0 next hop refuses a "
		    "recipient that was accepted, try again");
}
