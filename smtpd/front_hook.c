/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The pipes to proxyd: who runs a session's scripts, and what it is told.
 *
 * A session belongs to the worker that had the fewest when its first script
 * ran.  That one is told all of it once (HOOK_OPEN) and then, at the head of
 * each call, what has changed.  Of the connection a bit says that something
 * has changed and the session itself what it is now; the fields of the
 * transaction are written when they come to be, as the parameters are not
 * kept otherwise, and stand in one buffer: what of it the worker was not told
 * yet is the end of it, and another worker is told all of it; in parts that
 * end with a field, where that is more than a message holds.
 *
 * A lost worker takes with it what scripts kept of their sessions.  A session
 * with a context therefore ends; one without begins anew in another worker
 * with its next call, and does not notice.  Calls that were under way are
 * errors, as are those that are too late: the worker forgets such a session,
 * as it has one call of each at a time.
 *
 * Considered: to keep a copy of context here, for the next worker.  It can
 * hold any value of Lua's, functions too.
 */

#include <sys/queue.h>

#include <stdlib.h>
#include <string.h>

#include "front.h"
#include "front_ask.h"
#include "front_hook.h"
#include "front_tx.h"
#include "id.h"
#include "log.h"
#include "msg.h"
#include "peer.h"
#include "proc.h"
#include "tlsctx.h"

#define GRACE		2000	/* ms; proxyd has its own end of a call */
#define RESPAWN		2000	/* ms to wait for a worker */
#define PART		(256 * 1024)	/* octets of fields, and a little */

#define CHANGED_HELO	0x01
#define CHANGED_TLS	0x02
#define CHANGED_NAME	0x04	/* of the client: not told yet */

struct worker {
	TAILQ_ENTRY(worker)	 entry;
	struct peer		*peer;
	size_t			 n;	/* sessions */
	LIST_HEAD(, hook)	 hooks;
};

struct hook {
	LIST_ENTRY(hook)	 entry;		/* of its worker */
	struct worker		*worker;	/* NULL: none knows it */
	struct session		*s;
	unsigned int		 changed;	/* CHANGED_* */
	struct wbuf		 tx;		/* fields of the transaction */
	size_t			 told;		/* octets of them */
	size_t			*parts;		/* where whole ones end */
	size_t			 nparts;
	bool			 context;	/* scripts keep something */
	bool			 lost;		/* and it was lost */
	/* The call that is under way: */
	bool			 calling;
	enum hook_stage		 stage;
	enum smtp_verb		 verb;
	const struct conf_script *script;
	struct wbuf		 args;		/* while it waits for a
						   worker */
	void			(*done)(struct session *,
				    const struct proto_hook_verdict *);
};

static TAILQ_HEAD(, worker)	workers = TAILQ_HEAD_INITIALIZER(workers);
/* The last verdict that came in, and whose it is; 0: it answers nothing. */
static struct proto_hook_verdict verdict;
static uint32_t			 verdict_seq;

bool
hook_on(const struct session *s)
{
	return s->conf->scripts.n > 0;
}

const struct conf_script *
hook_script(const struct session *s, const char *name)
{
	return (const struct conf_script *)(const void *)
	    conf_find(&s->conf->scripts, name);
}

/* Of the session, made if it has none; NULL without memory. */
static struct hook *
hook_get(struct session *s)
{
	if (s->hook == NULL &&
	    (s->hook = calloc(1, sizeof(*s->hook))) != NULL) {
		s->hook->s = s;
		hook_put_tx(&s->hook->tx, id_new());
	}
	return s->hook;
}

/* --- workers -------------------------------------------------------------- */

static struct worker *
worker_of(const struct peer *p)
{
	struct worker	*w;

	TAILQ_FOREACH(w, &workers, entry)
		if (w->peer == p)
			return w;
	return NULL;
}

/* It goes when the last session is over that is older than a reload. */
static bool
is_surplus(const struct session *s, const struct worker *w)
{
	return w->peer->index >= s->conf->nproxyd;
}

/*
 * The one with the fewest sessions, and of those that stay if there is any;
 * NULL: there is none now.
 */
static struct worker *
worker_idlest(const struct session *s)
{
	struct worker	*w, *best = NULL;

	TAILQ_FOREACH(w, &workers, entry)
		if (best == NULL || is_surplus(s, w) < is_surplus(s, best) ||
		    (is_surplus(s, w) == is_surplus(s, best) &&
		    w->n < best->n))
			best = w;
	return best;
}

void
hook_proxyd_up(struct peer *p)
{
	struct worker	*w;

	/* Without memory it is as if it had not come: another one may. */
	if ((w = calloc(1, sizeof(*w))) == NULL) {
		log_warn("proxyd/%u", p->index);
		return;
	}
	w->peer = p;
	LIST_INIT(&w->hooks);
	TAILQ_INSERT_TAIL(&workers, w, entry);
	ask_peer_up(p);
}

/* The worker knows nothing of it any more. */
static void
leave(struct hook *h)
{
	if (h->worker == NULL)
		return;
	LIST_REMOVE(h, entry);
	h->worker->n--;
	h->worker = NULL;
	h->told = 0;
	if (h->context)
		h->lost = true;
	h->context = false;
}

/* Does it wait for a command, and owes nothing? */
static bool
is_idle(const struct session *s)
{
	return s->state == S_COMMAND && s->wait == WAIT_NONE &&
	    TAILQ_EMPTY(&s->slots) && !io_has_input(&s->io);
}

void
hook_proxyd_down(struct peer *p)
{
	struct worker	*w = worker_of(p);
	struct session	*s;

	if (w == NULL)
		return;
	TAILQ_REMOVE(&workers, w, entry);
	while (!LIST_EMPTY(&w->hooks)) {
		s = LIST_FIRST(&w->hooks)->s;
		leave(s->hook);
		if (s->hook->lost && is_idle(s))
			hook_say_lost(s);
	}
	free(w);
}

bool
hook_is_lost(const struct session *s)
{
	return s->hook != NULL && s->hook->lost;
}

void
hook_say_lost(struct session *s)
{
	s->why = "proxyd was lost";
	session_reply(s, REPLY_CLOSE, "421 4.3.0 %s try again later",
	    s->conf->hostname);
}

/* --- what a worker is told ------------------------------------------------ */

static const char *
helo_verb(const struct session *s)
{
	if (s->listener->protocol == PROTO_LMTP)
		return "LHLO";
	return (s->flags & SF_ESMTP) ? "EHLO" : "HELO";
}

static void
put_helo(struct wbuf *w, const struct session *s)
{
	if (s->helo != NULL)
		hook_put_helo(w, helo_verb(s), s->helo);
}

static void
put_tls(struct wbuf *w, const struct session *s)
{
	struct tls_cert	 cert;
	const char	*version, *cipher, *sni;
	unsigned int	 bits;

	if (!ftls_facts(s, &version, &cipher, &bits))
		return;
	sni = ftls_sni(s);
	hook_put_tls(w, version, cipher, bits, sni == NULL ? "" : sni);
	if (s->cert_error == TLS_NO_CERT)
		return;
	tlsctx_cert(s->io.tls, &cert);
	hook_put_cert(w, s->cert_error, cert.name,
	    (const char *const *)cert.value, cert.n);
	tlsctx_cert_clear(&cert);
}

/* If it is known; else proxyd asks for it when a script wants to know. */
static void
put_name(struct wbuf *w, struct hook *h)
{
	const char	*name;

	if (!(h->changed & CHANGED_NAME) || !ptr_known(h->s, &name))
		return;
	hook_put_ptr(w, name == NULL ? "" : name);
	h->changed &= ~(unsigned int)CHANGED_NAME;
}

static void
put_all(struct wbuf *w, struct hook *h)
{
	struct session	*s = h->s;

	hook_put_remote(w, &s->remote, s->uid);
	hook_put_local(w, session_local(s));
	hook_put_serverid(w, s->listener->obj.name);
	put_tls(w, s);
	put_helo(w, s);
	h->changed = CHANGED_NAME;
}

static void
put_changed(struct wbuf *w, struct hook *h)
{
	if (h->changed & CHANGED_TLS)
		put_tls(w, h->s);
	if (h->changed & CHANGED_HELO) {
		hook_put_forget(w);
		put_helo(w, h->s);
	}
	h->changed &= CHANGED_NAME;
}

/* The end of the fields of a message: the transaction, and that is all. */
static void
put_rest(struct wbuf *w, struct hook *h)
{
	put_name(w, h);
	put_raw(w, h->tx.data + h->told, h->tx.len - h->told);
	h->told = h->tx.len;
	if (!wire_ok(&h->tx))
		w->failed = true;
	hook_put_end(w);
}

static void
join(struct hook *h, struct worker *worker)
{
	struct wbuf	w = { .data = NULL };

	h->worker = worker;
	LIST_INSERT_HEAD(&worker->hooks, h, entry);
	worker->n++;
	put_all(&w, h);
	put_name(&w, h);
	hook_put_end(&w);
	peer_send(worker->peer, MSG_HOOK_OPEN, h->s->sid, 0, -1, &w);
}

/* What of the transaction is too much for the call itself. */
static void
tell_parts(struct hook *h)
{
	struct wbuf	w;
	size_t		i;

	for (i = 0; i < h->nparts; i++) {
		if (h->parts[i] <= h->told)
			continue;
		memset(&w, 0, sizeof(w));
		put_raw(&w, h->tx.data + h->told, h->parts[i] - h->told);
		hook_put_end(&w);
		h->told = h->parts[i];
		peer_send(h->worker->peer, MSG_HOOK_OPEN, h->s->sid, 0, -1,
		    &w);
	}
}

/* A field has been written: is this part whole? */
static void
end_part(struct hook *h)
{
	size_t	 begin = h->nparts == 0 ? 0 : h->parts[h->nparts - 1];
	size_t	*parts;

	if (h->tx.len - begin < PART)
		return;
	parts = reallocarray(h->parts, h->nparts + 1, sizeof(*parts));
	if (parts == NULL) {
		h->tx.failed = true;
		return;
	}
	h->parts = parts;
	h->parts[h->nparts++] = h->tx.len;
}

void
hook_greeted(struct session *s)
{
	if (s->hook != NULL)
		s->hook->changed |= CHANGED_HELO;
}

void
hook_secured(struct session *s)
{
	if (s->hook != NULL)
		s->hook->changed |= CHANGED_TLS;
}

int
hook_sender(struct session *s, const struct smtp_path *path,
    const struct smtp_cmd *cmd)
{
	struct hook	*h;

	if (!hook_on(s))
		return 0;
	if ((h = hook_get(s)) == NULL)
		return -1;
	hook_put_sender(&h->tx, path, cmd->params, cmd->nparams);
	return wire_ok(&h->tx) ? 0 : -1;
}

int
hook_rcpt(struct session *s, struct rcpt *r, const struct smtp_path *path,
    const struct smtp_cmd *cmd)
{
	const struct conf_remote	*remote = s->tx->remote;

	if (!hook_on(s))
		return 0;
	wbuf_clear(&r->hook);
	hook_put_rcpt(&r->hook, path, cmd->params, cmd->nparams,
	    remote->mx ? "mx" : remote->obj.name);
	return wire_ok(&r->hook) ? 0 : -1;
}

void
hook_accepted(struct session *s, struct rcpt *r)
{
	if (s->hook != NULL) {
		put_raw(&s->hook->tx, r->hook.data, r->hook.len);
		end_part(s->hook);
	}
	wbuf_clear(&r->hook);
}

void
hook_reset(struct session *s)
{
	struct hook	*h = s->hook;

	if (h == NULL)
		return;
	h->tx.len = 0;
	h->told = 0;
	h->nparts = 0;
	hook_put_tx(&h->tx, id_new());
}

/* --- calls ---------------------------------------------------------------- */

/* The end of a call. */
static void
finish(struct session *s, const struct proto_hook_verdict *v)
{
	struct hook	*h = s->hook;

	h->calling = false;
	wbuf_clear(&h->args);
	if (v->kind == HOOKV_ERROR)
		flog_script(s, hook_stage_name(h->stage), h->script->obj.name,
		    v->why);
	h->done(s, v);
}

static void
fail(struct session *s, const char *why)
{
	static struct proto_hook_verdict	v;

	v.kind = HOOKV_ERROR;
	(void)strlcpy(v.why, why, sizeof(v.why));
	finish(s, &v);
}

static void
answered(struct session *s, struct msg *m)
{
	struct hook	*h = s->hook;

	if (m == NULL && h->worker == NULL) {
		fail(s, "proxyd was lost");
		return;
	}
	if (m == NULL) {
		peer_send(h->worker->peer, MSG_HOOK_CLOSE, s->sid, 0, -1,
		    NULL);
		leave(h);
		fail(s, "no answer in time");
		return;
	}
	/* One that was kept meanwhile is not the last one; it was looked at. */
	if (m->seq != verdict_seq && hook_check(m) == -1) {
		fail(s, "no memory");
		return;
	}
	if (verdict.kind != HOOKV_ERROR)
		h->context = false;
	if (verdict.flags & HOOKV_CONTEXT)
		h->context = true;
	if (h->worker == NULL && h->context)
		h->lost = true;
	finish(s, &verdict);
}

static void
call(struct session *s, struct wbuf *args)
{
	struct hook		*h = s->hook;
	struct proto_hook_call	 c;
	struct wbuf		 w = { .data = NULL };

	if (h->worker == NULL)
		join(h, worker_idlest(s));
	tell_parts(h);
	c.stage = (uint8_t)h->stage;
	c.script = h->script->obj.id;
	put_hook_call(&w, &c);
	put_changed(&w, h);
	put_rest(&w, h);
	put_raw(&w, args->data, args->len);
	if (!wire_ok(args))
		w.failed = true;
	ask_peer(s, h->worker->peer, MSG_HOOK_CALL, &w,
	    s->conf->script_limits.time + GRACE, answered);
}

/* There is a worker now; or there is none, and will not be. */
static void
worker_came(struct session *s, struct msg *m)
{
	(void)m;
	if (worker_idlest(s) == NULL)
		fail(s, "no proxyd is there");
	else
		call(s, &s->hook->args);
}

void
hook_call(struct session *s, enum hook_stage stage,
    const struct conf_script *script, enum smtp_verb verb,
    const struct hook_args *args,
    void (*done)(struct session *, const struct proto_hook_verdict *))
{
	struct hook	*h;
	struct wbuf	 w = { .data = NULL };

	if ((h = hook_get(s)) == NULL) {
		session_end(s, "no memory");
		return;
	}
	h->calling = true;
	h->stage = stage;
	h->verb = verb;
	h->script = script;
	h->done = done;
	put_hook_args(&w, args);
	if (h->worker == NULL && worker_idlest(s) == NULL) {
		h->args = w;
		ask_for_peer(s, R_PROXYD, RESPAWN, worker_came);
	} else {
		call(s, &w);
		wbuf_clear(&w);
	}
}

int
hook_check(struct msg *m)
{
	hook_verdict_clear(&verdict);
	verdict_seq = 0;
	return get_hook_verdict(m, &verdict);
}

int
hook_check_for(const struct session *s, uint32_t seq)
{
	const struct hook	*h = s->hook;

	if (hook_verdict_check(h->stage, h->verb, &verdict) != NULL)
		return -1;
	verdict_seq = seq;
	return 0;
}

/* --- the end -------------------------------------------------------------- */

void
hook_end(struct session *s)
{
	struct hook	*h = s->hook;

	if (h == NULL || h->worker == NULL)
		return;
	peer_send(h->worker->peer, MSG_HOOK_CLOSE, s->sid, 0, -1, NULL);
	leave(h);
	h->lost = false;
}

void
hook_free(struct session *s)
{
	if (s->hook == NULL)
		return;
	hook_end(s);
	wbuf_clear(&s->hook->tx);
	wbuf_clear(&s->hook->args);
	free(s->hook->parts);
	free(s->hook);
	s->hook = NULL;
}
