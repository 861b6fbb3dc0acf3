/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * fuzz_session: next hops, in place of front_hop.c and smtp_client.c.  The
 * script says what they answer and when they are lost; what they are asked is
 * held against what a server may be asked.
 *
 * Part of that file: it has included what is used here.
 */
#ifndef SESSION_HOP_H
#define SESSION_HOP_H

enum body { BODY_NO, BODY_ASKED, BODY_OPEN, BODY_CHUNK, BODY_ENDED };

struct hop {
	LIST_ENTRY(hop)	 entry;
	struct session	*s;		/* NULL = nobody's: idle or dead */
	bool		 ready;
	bool		 reused;
	bool		 dead;
	bool		 closing;	/* commands fail, the loss is told */
	bool		 mail;		/* a transaction is open */
	bool		 full;
	unsigned int	 full_turn;	/* the turn in which it became so */
	bool		 traced;	/* our own field has gone */
	bool		 refused;	/* a verdict was no 2xx */
	char		 content[16384];
	size_t		 ncontent;
	enum body	 body;
	uint64_t	 left;		/* octets that the chunk lacks */
	bool		 last;
	unsigned int	 extensions;
	struct {
		enum client_event	 event;
		uint32_t		 tag;
	}		*asked;
	size_t		 nasked;
	uint32_t	*taken;		/* tags of RCPTs that were accepted */
	size_t		 ntaken;
	struct conf_remote *remote;
};

static LIST_HEAD(, hop)	hops = LIST_HEAD_INITIALIZER(hops);
static unsigned int	delivered;	/* messages that all recipients have */
static unsigned int	good;		/* verdicts of 2xx */
static bool		unsure;		/* of some nobody knows whether they
					   were taken, or charged */
static unsigned int	turns;
static const uint8_t	*script;
static size_t		 nscript, at_script;

/* The next octet of the script; it begins anew when it is over. */
static unsigned int
order(void)
{
	if (nscript == 0)
		return 0;
	if (at_script == nscript)
		at_script = 0;
	return script[at_script++];
}

struct hop *
hop_get(struct session *s, struct conf_remote *remote)
{
	struct hop	*h;

	must(remote != NULL && s->tx != NULL);
	present_session = s;
	LIST_FOREACH(h, &hops, entry)
		if (h->s == NULL && !h->dead && h->remote == remote)
			break;
	if (h == NULL) {
		if ((h = calloc(1, sizeof(*h))) == NULL)
			return NULL;
		LIST_INSERT_HEAD(&hops, h, entry);
	} else
		h->reused = true;
	h->s = s;
	h->remote = remote;
	return h;
}

struct smtp_client *
hop_client(const struct hop *h)
{
	must(h != NULL && !h->dead && h->s != NULL);
	return h->ready ? (struct smtp_client *)(uintptr_t)h : NULL;
}

const char *
hop_name(const struct hop *h, char *buf, size_t size)
{
	must(!h->dead);
	(void)strlcpy(buf, h->remote->obj.name, size);
	return buf;
}

void
hop_abort(struct hop *h)
{
	must(h->s != NULL && !h->dead);
	must(h->body != BODY_ENDED || h->nasked > 0);
	unsure |= h->nasked > 0;
	h->s = NULL;
	h->dead = true;
}

void
hop_release(struct hop *h, bool message_done)
{
	must(h->s != NULL && !h->dead);
	/* A body that is under way is never just given back. */
	must(h->body == BODY_NO || (message_done && h->nasked == 0));
	unsure |= !h->ready || h->nasked > 0;
	h->s = NULL;
	if (!h->ready || h->nasked > 0 || h->mail)
		h->dead = true;
}

bool
ptr_known(const struct session *s, const char **name)
{
	(void)s;
	*name = NULL;
	return false;
}

void
ptr_early(struct session *s)
{
	must(s->ptr == NULL);
}

void
ptr_forget(struct session *s)
{
	must(s->ptr == NULL);
}

void
hop_leave(struct session *s)
{
	must(s->kept == NULL);
}

void
hop_saw_error(struct hop *h, bool to_rcpt)
{
	(void)to_rcpt;
	must(!h->dead);
}

static struct hop *
hop_of(struct smtp_client *c)
{
	struct hop	*h = (struct hop *)(void *)c;

	must(h != NULL && h->ready && !h->dead && h->s != NULL);
	return h;
}

static int
ask(struct hop *h, enum client_event event, uint32_t tag)
{
	if (h->closing)
		return -1;
	h->asked = reallocarray(h->asked, h->nasked + 1, sizeof(*h->asked));
	must(h->asked != NULL);
	h->asked[h->nasked].event = event;
	h->asked[h->nasked++].tag = tag;
	h->closing = order() == 0xfc;
	return h->closing ? -1 : 0;
}

static void
check_text(const char *s, size_t max)
{
	must(strlen(s) <= max);
	for (; *s != '\0'; s++)
		must((unsigned char)*s >= ' ' && *s != 0x7f);
}

int
client_mail(struct smtp_client *c, const char *sender, const char *params)
{
	struct hop	*h = hop_of(c);

	check_text(sender, SMTP_MAILBOX_MAX);
	check_text(params, SMTP_LINE_MAX);
	must(!h->mail);
	h->mail = true;
	h->traced = h->refused = false;
	h->ntaken = h->ncontent = 0;
	return ask(h, CLIENT_MAIL, 0);
}

int
client_rcpt(struct smtp_client *c, const char *rcpt, const char *params,
    uint32_t tag)
{
	struct hop	*h = hop_of(c);

	check_text(rcpt, SMTP_MAILBOX_MAX);
	check_text(params, SMTP_LINE_MAX);
	must(rcpt[0] != '\0' && h->mail && h->body == BODY_NO);
	return ask(h, CLIENT_RCPT, tag);
}

int
client_data(struct smtp_client *c)
{
	struct hop	*h = hop_of(c);

	must(h->mail && h->body == BODY_NO);
	h->body = BODY_ASKED;
	return ask(h, CLIENT_DATA, 0);
}

static void	check_content(const struct hop *);

static bool
has_taken(const struct hop *h, size_t tag)
{
	size_t	i;

	for (i = 0; i < h->ntaken; i++)
		if (h->taken[i] == tag)
			return true;
	return false;
}

/* Who was told 250 will have the message, and nobody else. */
static void
check_recipients(const struct hop *h)
{
	const struct tx		*tx = h->s->tx;
	size_t			 i, n = 0;

	for (i = 0; i < tx->nrcpts; i++) {
		if (!tx->rcpts[i].told && tx->rcpts[i].state != RC_OK)
			continue;
		must(tx->rcpts[i].slot == NULL && has_taken(h, i));
		n++;
	}
	must(n == h->ntaken && n == tx->accepted && tx->pending == 0);
}

/* The end is out: LMTP owes a verdict for each recipient. */
static int
body_ended(struct hop *h)
{
	size_t	i;

	h->body = BODY_ENDED;
	h->full = false;	/* no verdict comes before all has left */
	must(h->traced);
	check_content(h);
	check_recipients(h);
	if (h->remote->protocol != PROTO_LMTP)
		return ask(h, CLIENT_END, 0);
	must(h->ntaken > 0);
	for (i = 0; i < h->ntaken; i++)
		if (ask(h, CLIENT_END, h->taken[i]) == -1)
			return -1;
	return 0;
}

static int
chunk_end(struct hop *h)
{
	if (h->last)
		return body_ended(h);
	h->body = BODY_NO;
	return ask(h, CLIENT_CHUNK, 0);
}

int
client_body(struct smtp_client *c, const char *p, size_t n)
{
	struct hop	*h = hop_of(c);

	must(p != NULL && n > 0 && h->nasked == 0);
	must(h->body == BODY_OPEN || h->body == BODY_CHUNK);
	/* Who was told that it is slow stops before the next turn. */
	must(!h->full || h->full_turn == turns);
	if (order() == 0xfb && !h->full && h->traced) {
		h->full = true;
		h->full_turn = turns;
	}
	if (h->traced) {
		must(n <= sizeof(h->content) - h->ncontent);
		memcpy(h->content + h->ncontent, p, n);
		h->ncontent += n;
	} else
		must(n > 15 && memcmp(p, "Received: from ", 15) == 0);
	h->traced = true;
	if (h->body == BODY_CHUNK) {
		must(n <= h->left);
		h->left -= n;
		if (h->left == 0)
			return chunk_end(h);
	}
	return h->closing ? -1 : 0;
}

int
client_body_end(struct smtp_client *c)
{
	struct hop	*h = hop_of(c);

	must(h->body == BODY_OPEN);
	return body_ended(h);
}

int
client_chunk(struct smtp_client *c, uint64_t n, bool last)
{
	struct hop	*h = hop_of(c);

	must(h->mail && h->body == BODY_NO && h->nasked == 0);
	must(h->extensions & EXT_CHUNKING);
	h->body = BODY_CHUNK;
	h->left = n;
	h->last = last;
	return n == 0 ? chunk_end(h) : h->closing ? -1 : 0;
}

bool
client_owes(const struct smtp_client *c)
{
	return ((const struct hop *)(const void *)c)->nasked > 0;
}

bool
client_is_full(const struct smtp_client *c)
{
	return ((const struct hop *)(const void *)c)->full;
}

unsigned int
client_extensions(const struct smtp_client *c)
{
	return ((const struct hop *)(const void *)c)->extensions;
}

static const char *const	answers[] = {
	"250 2.1.5 ok", "250 2.0.0 queued", "250 queued as x (postern)",
	"250 2.1.5 two\nlines", "251 2.1.5 will forward", "450 4.2.1 busy",
	"451 greylisted", "452 4.5.3 many", "421 4.3.2 going", "421 going",
	"550 5.1.1 no such user", "550 no", "552 5.3.4 big",
	"554 5.7.1 spam", "503 5.5.1 what", "530 5.7.0 TLS", "555 5.5.4 no",
	"354 odd", "250 ", "220 2.0.0 odd"
};

/* One reply to what was asked first. */
static void
answer(struct hop *h, unsigned int which)
{
	enum client_event	 event = h->asked[0].event;
	uint32_t		 tag = h->asked[0].tag;
	struct smtp_reply	 r;

	(void)smtp_reply_fmt(&r, "%s", answers[which % 20]);
	if (event == CLIENT_DATA && which < 200)
		(void)smtp_reply_fmt(&r, "354 go ahead");
	h->nasked--;
	memmove(h->asked, h->asked + 1, h->nasked * sizeof(*h->asked));
	if (event == CLIENT_MAIL && r.code / 100 != 2)
		h->mail = false;
	if (event == CLIENT_DATA)
		h->body = r.code == 354 ? BODY_OPEN : BODY_NO;
	if (event == CLIENT_RCPT && r.code / 100 == 2) {
		h->taken = reallocarray(h->taken, h->ntaken + 1,
		    sizeof(*h->taken));
		must(h->taken != NULL);
		h->taken[h->ntaken++] = tag;
	}
	if (event == CLIENT_END) {
		good += r.code / 100 == 2;
		h->refused |= r.code / 100 != 2;
		if (h->nasked == 0) {
			delivered += !h->refused;
			h->body = BODY_NO;
			h->mail = false;
		}
	}
	relay_hop_event(h->s, event, &r, tag);
}

/* It is gone: a reused one is replaced unseen, else the session is told. */
static void
lose(struct hop *h)
{
	struct session		*s = h->s;
	struct smtp_reply	 r;

	h->nasked = 0;
	if (h->reused && relay_may_replace(s)) {
		h->ready = h->reused = h->closing = h->mail = h->full = false;
		h->body = BODY_NO;
		return;
	}
	(void)smtp_reply_fmt(&r, h->ready ?
	    "451 4.4.2 connection to next hop lost" :
	    "451 4.4.1 next hop not reached");
	h->s = NULL;
	h->dead = true;
	relay_hop_lost(s, &r);
}

/* A step of one next hop; false: it has nothing to do. */
static bool
hop_step(struct hop *h)
{
	unsigned int	n;

	if (h->s == NULL)
		return false;
	n = order();
	if (h->closing || n == 0xff || (!h->ready && n >= 0xf0)) {
		lose(h);
		return true;
	}
	if (!h->ready) {
		h->ready = true;
		h->extensions = EXT_SIZE;
		if (n & 1)
			h->extensions |= EXT_8BITMIME | EXT_CHUNKING;
		if (n & 2)
			h->extensions |= EXT_DSN | EXT_BINARYMIME;
		if (n & 4)
			h->extensions |= EXT_SMTPUTF8 | EXT_CHUNKING;
		if (n & 8)
			h->extensions |= EXT_PIPELINING;
		relay_hop_up(h->s);
	} else if (h->nasked > 0 &&
	    !(h->full && h->asked[0].event == CLIENT_CHUNK))
		answer(h, n);
	else if (h->full) {
		h->full = false;
		relay_hop_event(h->s, CLIENT_DRAINED, NULL, 0);
	} else
		return false;
	return true;
}

static void
reap_hops(bool all)
{
	struct hop	*h, *next;
	unsigned int	 n = 0;

	for (h = LIST_FIRST(&hops); h != NULL; h = next) {
		next = LIST_NEXT(h, entry);
		if (h->dead || all) {
			must(h->s == NULL);
			LIST_REMOVE(h, entry);
			free(h->asked);
			free(h->taken);
			free(h);
		} else
			n++;
	}
	must(n <= HOPS_MAX);
}

#endif
