/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Calls to proxyd: which one has a session, what it is told of it before each
 * call, and what becomes of sessions whose proxyd was lost, in each state that
 * they can be in.  The processes, the clock and the session are played here;
 * what is told is put together again as proxyd does it.
 */

#include "front.h"
#include "front_ask.h"
#include "front_hook.h"
#include "front_tx.h"
#include "msg.h"
#include "peer.h"
#include "proc.h"
#include "t.h"
#include "tlsctx.h"

#include "../clock.h"

/* --- what is played ------------------------------------------------------- */

#define SESSIONS	4

static struct peer	proxyd[2] = { { .role = R_PROXYD },
			    { .role = R_PROXYD, .index = 1 } };
static struct hook_session told[SESSIONS];	/* as the workers have them */
static bool		there[SESSIONS];	/* and have it at all */
static unsigned int	opened, closed, calls, parts;
static struct peer	*by;		/* who was called last */
static uint64_t		call_sid;
static uint32_t		call_seq;
static struct proto_hook_call	call;
static char		call_text[128];
static char		said[128];	/* the last reply */
static unsigned int	gone_on, logged;
static char		logged_why[128];
static const char	*name;		/* of the client, once it is known */

struct peer *
proc_peer(unsigned int role, unsigned int index)
{
	(void)role;
	(void)index;
	return NULL;
}

static void
take_call(struct msg *m, struct hook_session *h)
{
	struct hook_args	args;
	bool			nomem;

	is_int(get_hook_call(m, &call), 0, "a call");
	is_int(hook_get_fields(&m->body, h, &nomem), 0, "its fields");
	is_int(get_hook_args(&m->body, &args, &nomem), 0, "its arguments");
	(void)strlcpy(call_text, args.text, sizeof(call_text));
	hook_args_clear(&args);
	calls++;
}

void
peer_send(struct peer *p, uint16_t type, uint64_t sid, uint32_t seq, int fd,
    struct wbuf *body)
{
	struct msg	m = { .fd = -1 };
	bool		nomem;

	ok(fd == -1 && sid < SESSIONS, "of a session");
	if (body != NULL)
		rbuf_init(&m.body, body->data, body->len);
	if (body != NULL && body->len > MSG_MAX)
		ok(false, "a message of %zu octets", body->len);
	switch (type) {
	case MSG_HOOK_OPEN:
		if (there[sid])
			parts++;
		else {
			opened++;
			hook_session_clear(&told[sid]);
		}
		there[sid] = true;
		is_int(hook_get_fields(&m.body, &told[sid], &nomem), 0,
		    "fields");
		is_int(get_end(&m.body), 0, "and nothing else");
		break;
	case MSG_HOOK_CALL:
		by = p;
		call_sid = sid;
		call_seq = seq;
		take_call(&m, &told[sid]);
		break;
	case MSG_HOOK_CLOSE:
		closed++;
		there[sid] = false;
		hook_session_clear(&told[sid]);
		break;
	default:
		ok(false, "message %u", type);
	}
	if (body != NULL)
		wbuf_clear(body);
}

void
session_wait(struct session *s, enum sess_wait wait, int64_t ms)
{
	(void)ms;
	s->wait = wait;
}

void
session_go(struct session *s)
{
	gone_on++;
	s->wait = WAIT_NONE;
}

void
session_end(struct session *s, const char *why)
{
	(void)s;
	ok(false, "the session ends: %s", why);
}

void
session_reply(struct session *s, unsigned int flags, const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	(void)vsnprintf(said, sizeof(said), fmt, ap);
	va_end(ap);
	if (flags & REPLY_CLOSE)
		s->state = S_CLOSING;
}

const struct addr *
session_local(struct session *s)
{
	return &s->local;
}

int64_t
command_age(const struct session *s)
{
	(void)s;
	return 0;
}

bool
ptr_known(const struct session *s, const char **n)
{
	(void)s;
	*n = name;
	return name != NULL;
}

bool
ftls_facts(const struct session *s, const char **version,
    const char **cipher, unsigned int *bits)
{
	*version = "TLSv1.3";
	*cipher = "TLS_AES_256_GCM_SHA384";
	*bits = 256;
	return (s->flags & SF_TLS) != 0;
}

const char *
ftls_sni(const struct session *s)
{
	(void)s;
	return NULL;
}

void
flog_script(const struct session *s, const char *stage, const char *script,
    const char *why)
{
	(void)s;
	ok(stage[0] != '\0' && strcmp(script, "edge") == 0, "its script");
	(void)strlcpy(logged_why, why, sizeof(logged_why));
	logged++;
}

bool
io_has_input(const struct io *io)
{
	return io->octets_in > 0;
}

/* --- sessions ------------------------------------------------------------- */

static struct conf_script	script = { .obj = { .id = 9 } };
static struct conf_listener	listener;
static struct conf_remote	remote;
static struct config		conf;
static struct session		sessions[SESSIONS];
static struct smtp_cmd		cmd;

static enum hook_verdict	got;
static unsigned int		ngot;

static void
done_cb(struct session *s, const struct proto_hook_verdict *v)
{
	(void)s;
	got = (enum hook_verdict)v->kind;
	ngot++;
}

static struct session *
begin(unsigned int i)
{
	struct session	*s = &sessions[i];

	memset(s, 0, sizeof(*s));
	s->sid = i;
	s->conf = &conf;
	s->listener = &listener;
	s->state = S_COMMAND;
	s->uid = -1;
	s->cert_error = TLS_NO_CERT;
	s->remote = (struct addr){ ADDR_V4, 41666, { 192, 0, 2, 1 } };
	s->local = (struct addr){ ADDR_V4, 25, { 192, 0, 2, 2 } };
	TAILQ_INIT(&s->slots);
	LIST_INIT(&s->asks);
	LIST_INIT(&s->quiet);
	return s;
}

static void
start(void)
{
	static struct conf_obj	*objs[1] = { &script.obj };

	script.obj.name = strdup("edge");
	listener.obj.name = strdup("in");
	remote.obj.name = strdup("lmtp");
	conf.scripts.n = 1;
	conf.scripts.v = objs;
	conf.hostname = strdup("mx.test");
	conf.script_limits.time = 90000;
}

static void
fresh(void)
{
	opened = closed = calls = parts = gone_on = logged = ngot = 0;
	said[0] = logged_why[0] = '\0';
	by = NULL;
	got = HOOK_VERDICT_COUNT;
}

static void
ask(struct session *s, enum hook_stage stage, const char *text)
{
	char			copy[128];
	struct hook_args	args = { .text = copy };

	(void)strlcpy(copy, text, sizeof(copy));
	hook_call(s, stage, &script, VERB_NONE, &args, done_cb);
}

/* A verdict of the worker, of that flags; cut: an octet is missing. */
static int
come(struct peer *p, uint8_t kind, uint8_t flags, bool cut)
{
	struct proto_hook_verdict	 v = { .kind = kind, .flags = flags };
	struct wbuf			 w = { .data = NULL };
	struct msg			 m = { .fd = -1,
					     .type = MSG_HOOK_VERDICT };
	int				 r;

	put_hook_verdict(&w, &v);
	m.sid = call_sid;
	m.seq = call_seq;
	rbuf_init(&m.body, w.data, w.len - cut);
	r = ask_answer(p, &m);
	wbuf_clear(&w);
	return r;
}

static void
lose(struct peer *p)
{
	memset(there, 0, sizeof(there));
	ask_peer_down(p);
	hook_proxyd_down(p);
}

static void
end(struct session *s)
{
	ask_forget(s);
	hook_free(s);
}

static void
turn(void)
{
	struct timer	*t = timer_first();

	if (ok(t != NULL, "a timer is set"))
		timer_run(t);
}

static void
parse(const char *line)
{
	is_int(smtp_cmd_parse(&cmd, (struct slice){ line, strlen(line) }),
	    CMD_OK, "%s", line);
}

/* --- tests ---------------------------------------------------------------- */

/* The fields, once whole and then what is new. */
static void
test_told(void)
{
	struct session		*s = begin(1);
	struct hook_session	*h = &told[1];
	struct tx		 tx = { .remote = &remote };
	struct rcpt		 r[2] = { { .told = false } };
	uint64_t		 first;

	fresh();
	hook_proxyd_up(&proxyd[0]);
	ask(s, HOOK_COMMAND, "EHLO c.test");
	is_int(opened, 1, "opened by its first call");
	is_int(calls, 1, "one call");
	is_int(call.script, 9, "the script's id");
	is_str(call_text, "EHLO c.test", "the line");
	is_int(s->wait, WAIT_ASK, "it waits");
	is_str(h->serverid, "in", "the listener");
	is_int(h->remote.port, 41666, "the client");
	ok(h->tx != 0 && !h->has_sender && h->helo_host == NULL,
	    "nothing else");
	first = h->tx;
	is_int(come(by, HOOKV_PASS, 0, false), 0, "a verdict");
	is_int(got, HOOKV_PASS, "pass");
	is_int(gone_on, 1, "it goes on");

	s->helo = strdup("c.test");
	s->flags = SF_ESMTP | SF_TLS;
	hook_greeted(s);
	hook_secured(s);
	name = "client.test";
	parse("MAIL FROM:<A@b.test> SIZE=100 body=8BITMIME");
	s->tx = &tx;
	is_int(hook_sender(s, &cmd.path, &cmd), 0, "MAIL");
	parse("RCPT TO:<x@y.test>");
	is_int(hook_rcpt(s, &r[0], &cmd.path, &cmd), 0, "RCPT");
	is_int(hook_rcpt(s, &r[1], &cmd.path, &cmd), 0, "another");
	hook_accepted(s, &r[1]);
	ask(s, HOOK_COMMAND, "NOOP");
	is_int(opened, 1, "not opened again");
	is_str(h->helo_verb, "EHLO", "the greeting");
	is_str(h->helo_host, "c.test", "its host");
	is_str(h->tls_cipher, "TLS_AES_256_GCM_SHA384", "TLS");
	is_int(h->tls_keysize, 256, "its key");
	is_str(h->ptr, "client.test", "the client's name");
	is_str(h->sender.address, "A@b.test", "the sender");
	is_int(h->sender.params.n, 2, "its parameters");
	is_str(h->sender.params.name[1], "BODY", "a name in upper case");
	is_int(h->nrcpts, 1, "the recipient that was accepted");
	is_str(h->rcpts[0].transportid, "lmtp", "where it goes");
	is_int(come(by, HOOKV_PASS, 0, false), 0, "a verdict");

	hook_accepted(s, &r[0]);
	ask(s, HOOK_COMMAND, "NOOP");
	is_int(h->nrcpts, 2, "one more");
	is_int(come(by, HOOKV_PASS, 0, false), 0, "a verdict");
	free(s->helo);
	s->helo = NULL;
	hook_greeted(s);
	hook_reset(s);
	ask(s, HOOK_COMMAND, "NOOP");
	ok(h->helo_host == NULL && !h->has_sender && h->nrcpts == 0,
	    "all is forgotten");
	ok(h->tx != 0 && h->tx != first, "another transaction");
	is_int(come(by, HOOKV_PASS, 0, false), 0, "a verdict");
	hook_end(s);
	is_int(closed, 1, "closed");
	hook_end(s);
	is_int(closed, 1, "once");
	end(s);
	lose(&proxyd[0]);
	name = NULL;
}

/* More than one message can hold: in parts, and whole in the end. */
static void
test_parts(void)
{
	struct session	*s = begin(1);
	struct tx	 tx = { .remote = &remote };
	struct rcpt	 r = { .told = false };
	char		 line[1024];
	unsigned int	 i;

	fresh();
	hook_proxyd_up(&proxyd[0]);
	s->tx = &tx;
	parse("MAIL FROM:<a@b.test>");
	is_int(hook_sender(s, &cmd.path, &cmd), 0, "MAIL");
	for (i = 0; i < 3000; i++) {
		(void)snprintf(line, sizeof(line),
		    "RCPT TO:<x%u@y.test> ORCPT=rfc822;%0*d", i, 480, 0);
		(void)smtp_cmd_parse(&cmd, (struct slice){ line,
		    strlen(line) });
		(void)hook_rcpt(s, &r, &cmd.path, &cmd);
		hook_accepted(s, &r);
	}
	ask(s, HOOK_DATA, "");
	is_int(parts, 6, "parts");
	is_int(told[1].nrcpts, 3000, "all recipients");
	is_str(told[1].rcpts[2999].to.address, "x2999@y.test", "the last");
	is_int(come(by, HOOKV_DEFER, 0, false), 0, "a verdict");
	ask(s, HOOK_DATA, "");
	is_int(parts, 6, "told once");
	is_int(told[1].nrcpts, 3000, "no recipient twice");
	is_int(come(by, HOOKV_DEFER, 0, false), 0, "a verdict");
	hook_reset(s);
	ask(s, HOOK_RCPT, "");
	is_int(told[1].nrcpts, 0, "another transaction");
	end(s);
	lose(by);
}

/* Nothing is kept, or told, where there are no scripts. */
static void
test_none(void)
{
	struct session	*s = begin(1);
	struct tx	 tx = { .remote = &remote };
	struct rcpt	 r = { .told = false };

	fresh();
	conf.scripts.n = 0;
	s->tx = &tx;
	parse("MAIL FROM:<a@b.test>");
	is_int(hook_sender(s, &cmd.path, &cmd), 0, "MAIL");
	parse("RCPT TO:<x@y.test>");
	is_int(hook_rcpt(s, &r, &cmd.path, &cmd), 0, "RCPT");
	ok(s->hook == NULL && r.hook.data == NULL, "nothing is kept");
	hook_accepted(s, &r);
	hook_greeted(s);
	hook_secured(s);
	hook_reset(s);
	hook_end(s);
	hook_free(s);
	ok(!hook_is_lost(s) && opened + calls + closed == 0, "nor told");
	conf.scripts.n = 1;
}

static void
test_spread(void)
{
	struct peer	*first;
	unsigned int	 i, count[2] = { 0, 0 };

	fresh();
	hook_proxyd_up(&proxyd[0]);
	hook_proxyd_up(&proxyd[1]);
	for (i = 0; i < SESSIONS; i++) {
		ask(begin(i), HOOK_COMMAND, "NOOP");
		count[by->index]++;
		is_int(come(by, HOOKV_PASS, 0, false), 0, "a verdict");
	}
	is_int(count[0], 2, "half of them");
	is_int(count[1], 2, "and the others");
	ask(&sessions[0], HOOK_COMMAND, "NOOP");
	first = by;
	is_int(come(by == &proxyd[0] ? &proxyd[1] : &proxyd[0], HOOKV_PASS,
	    0, false), 0, "of another worker");
	is_int(ngot, SESSIONS, "is dropped");
	is_int(come(first, HOOKV_PASS, 0, false), 0, "of its own");
	is_int(ngot, SESSIONS + 1, "is told");
	lose(first);
	is_int(logged, 0, "nobody had a call there");
	ask(&sessions[0], HOOK_COMMAND, "NOOP");
	ok(by != first, "goes on in the other one");
	is_int(opened, SESSIONS + 1, "which is told all of it");
	is_int(come(by, HOOKV_PASS, 0, false), 0, "a verdict");
	for (i = 0; i < SESSIONS; i++)
		end(&sessions[i]);
	lose(by);
}

/* Verdicts that are none, or cannot be: who sends them is broken. */
static void
test_garbage(void)
{
	struct session	*s = begin(2);
	uint32_t	 seq;

	fresh();
	hook_proxyd_up(&proxyd[0]);
	ask(s, HOOK_COMMAND, "NOOP");
	is_int(come(by, HOOKV_PASS, 0, true), -1, "cut");
	is_int(come(by, HOOK_VERDICT_COUNT, 0, false), -1, "no kind");
	is_int(come(by, HOOKV_ACCEPT, 0, false), -1, "of another stage");
	is_int(come(by, HOOKV_REPLY, 0, false), -1, "a reply of no code");
	is_int(ngot, 0, "none is told");
	seq = call_seq;
	call_seq += 7;
	is_int(come(by, HOOKV_PASS, 0, true), -1, "cut, and nobody's");
	is_int(come(by, HOOKV_PASS, 0, false), 0, "nobody's");
	is_int(ngot, 0, "is dropped");
	call_seq = seq;
	is_int(come(by, HOOKV_PASS, 0, false), 0, "the true one");
	is_int(ngot, 1, "is told");
	is_int(come(by, HOOKV_PASS, 0, false), 0, "twice");
	is_int(ngot, 1, "is dropped");
	ask(s, HOOK_RCPT, "");
	is_int(come(by, HOOKV_PASS, 0, false), -1, "Pass is no stage's");
	is_int(come(by, HOOKV_ACCEPT, HOOKV_SET_HOST, false), -1,
	    "a host in place of a recipient");
	is_int(come(by, HOOKV_REJECT, 0, false), 0, "reject");
	is_int(got, HOOKV_REJECT, "is told");
	end(s);
	lose(by);
}

/*
 * A verdict that waits for the end of a tarpit is the one that was looked at,
 * whatever comes in under its number meanwhile.
 */
static void
test_kept(void)
{
	struct session	*s = begin(2);

	fresh();
	hook_proxyd_up(&proxyd[0]);
	ask(s, HOOK_RCPT, "");
	s->wait = WAIT_TARPIT;
	is_int(come(by, HOOKV_DEFER, 0, false), 0, "a verdict");
	is_int(ngot, 0, "is kept");
	is_int(come(by, HOOKV_REPLY, HOOKV_NEXT, false), 0, "another");
	s->wait = WAIT_HOP;
	ask_resume(s);
	is_int(ngot, 1, "one is told");
	is_int(got, HOOKV_DEFER, "the first");
	end(s);
	lose(by);
}

static void
test_deadline(void)
{
	struct session	*s = begin(3);
	struct mono	 before = now;

	fresh();
	hook_proxyd_up(&proxyd[0]);
	ask(s, HOOK_RCPT, "");
	turn();
	is_int(mono_diff(now, before), 92000, "the limit, and a little");
	is_int(got, HOOKV_ERROR, "an error");
	is_str(logged_why, "no answer in time", "why");
	is_int(closed, 1, "the worker forgets it");
	ok(!hook_is_lost(s), "nothing was lost");
	is_int(come(by, HOOKV_ACCEPT, 0, false), 0, "its verdict");
	is_int(ngot, 1, "is dropped");
	ask(s, HOOK_RCPT, "");
	is_int(opened, 2, "it opens anew");
	is_int(come(by, HOOKV_ACCEPT, HOOKV_CONTEXT, false), 0, "accept");
	ask(s, HOOK_RCPT, "");
	turn();
	ok(hook_is_lost(s), "what was kept of it is lost");
	end(s);
	lose(by);
}

/* A proxyd that is lost, with a session in that state. */
static struct session *
lost(bool context, bool in_flight, bool idle)
{
	struct session	*s = begin(1);

	fresh();
	hook_proxyd_up(&proxyd[0]);
	ask(s, HOOK_RCPT, "");
	is_int(come(by, HOOKV_ACCEPT, context ? HOOKV_CONTEXT : 0, false), 0,
	    "accept");
	fresh();
	if (in_flight)
		ask(s, HOOK_RCPT, "");
	else if (!idle)
		s->state = S_BODY;
	lose(&proxyd[0]);
	return s;
}

static void
test_lost(void)
{
	struct session	*s;

	s = lost(false, true, false);
	is_int(ngot, 0, "not told while others are told");
	turn();
	is_int(got, HOOKV_ERROR, "in flight: an error");
	is_str(logged_why, "proxyd was lost", "why");
	ok(!hook_is_lost(s), "nothing was kept");
	is_str(said, "", "nothing is said here");
	end(s);

	s = lost(true, true, false);
	turn();
	is_int(got, HOOKV_ERROR, "in flight with a context: an error");
	ok(hook_is_lost(s), "and its next command ends it");
	is_str(said, "", "not yet");
	hook_say_lost(s);
	is_str(said, "421 4.3.0 mx.test try again later", "so");
	is_int(s->state, S_CLOSING, "and closes");
	end(s);

	s = lost(true, false, true);
	is_str(said, "421 4.3.0 mx.test try again later", "idle: at once");
	is_int(s->state, S_CLOSING, "and closes");
	end(s);

	s = lost(true, false, false);
	is_str(said, "", "in a message: not now");
	is_int(s->state, S_BODY, "it goes on");
	ok(hook_is_lost(s), "but its next command ends it");
	end(s);

	s = lost(false, false, true);
	is_str(said, "", "nothing kept: it does not notice");
	ok(!hook_is_lost(s), "nor later");
	end(s);
}

/* A script that drops its context has none to lose. */
static void
test_dropped(void)
{
	struct session	*s = begin(1);

	fresh();
	hook_proxyd_up(&proxyd[0]);
	ask(s, HOOK_RCPT, "");
	is_int(come(by, HOOKV_ACCEPT, HOOKV_CONTEXT, false), 0, "a context");
	ask(s, HOOK_RCPT, "");
	is_int(come(by, HOOKV_ERROR, 0, false), 0, "an error");
	is_int(logged, 1, "is logged");
	ask(s, HOOK_RCPT, "");
	is_int(come(by, HOOKV_ACCEPT, 0, false), 0, "no context");
	lose(by);
	ok(!hook_is_lost(s) && said[0] == '\0', "nothing is lost");
	end(s);
}

/* None is there at the moment. */
static void
test_respawn(void)
{
	struct session	*s = begin(1);
	struct mono	 before = now;

	fresh();
	ask(s, HOOK_RCPT, "x@y.test");
	is_int(calls, 0, "nobody is called");
	is_int(s->wait, WAIT_ASK, "it waits");
	hook_proxyd_up(&proxyd[1]);
	is_int(calls, 0, "not told from inside");
	turn();
	is_int(mono_diff(now, before), 0, "at once");
	is_int(calls, 1, "called");
	is_str(call_text, "x@y.test", "with its arguments");
	is_int(s->wait, WAIT_ASK, "it waits");
	is_int(come(by, HOOKV_ACCEPT, 0, false), 0, "accept");
	is_int(got, HOOKV_ACCEPT, "is told");
	lose(&proxyd[1]);
	before = now;
	ask(s, HOOK_RCPT, "x@y.test");
	turn();
	is_int(got, HOOKV_ERROR, "an error");
	is_str(logged_why, "no proxyd is there", "why");
	is_int(mono_diff(now, before), 2000, "in the end");
	is_int(s->wait, WAIT_NONE, "it goes on");

	ask(s, HOOK_RCPT, "x@y.test");
	hook_proxyd_up(&proxyd[1]);
	lose(&proxyd[1]);
	turn();
	is_int(got, HOOKV_ERROR, "come and gone");
	ask(s, HOOK_RCPT, "x@y.test");
	end(s);
	ok(timer_first() == NULL, "nothing is left of an ended one");
}

/* Its session ends with a call under way. */
static void
test_end(void)
{
	struct session	*s = begin(1);

	fresh();
	hook_proxyd_up(&proxyd[0]);
	ask(s, HOOK_RCPT, "");
	end(s);
	is_int(closed, 1, "closed");
	is_int(come(by, HOOKV_ACCEPT, 0, false), 0, "its verdict");
	is_int(ngot, 0, "is dropped");
	lose(&proxyd[0]);
}

int
main(void)
{
	start();
	test_none();
	test_told();
	test_parts();
	test_spread();
	test_garbage();
	test_kept();
	test_deadline();
	test_lost();
	test_dropped();
	test_respawn();
	test_end();
	return done("hook_front");
}
