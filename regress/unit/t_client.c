/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The client of SMTP against servers that are scripts.
 *
 * A script is a list of steps, by their first octets:
 *
 *	"> text"	send a line
 *	">>text"	send octets
 *	"< text"	wait for this line
 *	"<+text"	the same, and it came together with the one before
 *	"!"		nothing comes
 *	"?"		wait until anything comes
 *	"tls"		handshake now
 *	"drip"		send "250-x" and no end of it, a line every 20 ms
 *	"close"		hang up
 *
 * The owner has a plan, a letter for each thing to do: M, R, D, S are the
 * commands, B some body, E its end, Q quit, F free; "|" waits until all
 * replies have come, "W" until the client is ready.  What it is told is
 * written down: "+" for ready, "M250", "R1:250", "X" for closed.  The plan
 * goes on inside the callback.
 */

#include <errno.h>
#include <tls.h>

#include "log.h"
#include "smtp_client.h"
#include "t_net.h"
#include "tlsctx.h"

#define STEPS	32

enum which { GOOD, SELF_SIGNED, OTHER_NAME, EXPIRED, BY_ADDRESS, NCERTS };

struct tcase {
	const char	*name;
	enum remote_tls	 mode;
	bool		 verify;
	bool		 clear;
	enum which	 cert;
	const char	*tls_name;
	const char	*host;
	const char	*plan;
	const char	*trace;
	enum client_end	 end;
	const char	*steps[STEPS];
};

static const char *const	end_names[] = {
	"none", "lost", "timeout", "garbage", "tls", "refused", "xclient",
	"auth", "quit", "memory"
};

static struct t_cert	 ca, certs[NCERTS];
static struct tls	*servers[NCERTS];

/* --- the server ---------------------------------------------------------- */

static struct {
	struct io		 io;
	const char *const	*step;
	struct tls		*tls;
	bool			 handshake;	/* going on */
	bool			 eof;
	int			 quiet;
	int64_t			 dripped;
	const char		*name;
} sv;

static void
on_server(struct io *io, enum io_event ev)
{
	(void)io;
	switch (ev) {
	case IO_DATA:
	case IO_DRAINED:
		break;
	case IO_TLS:
	case IO_TLS_FAIL:
		sv.handshake = false;
		break;
	case IO_EOF:
	case IO_FAIL:
		sv.eof = true;
		break;
	}
}

static bool
server_line(const char *want)
{
	const char	*p, *crlf;
	char		 line[256];
	size_t		 n;

	p = io_data(&sv.io, &n);
	if (n < 2 || (crlf = memmem(p, n, "\r\n", 2)) == NULL)
		return false;
	n = crlf - p;
	snprintf(line, sizeof(line), "%.*s", (int)n, p);
	io_consume(&sv.io, n + 2);
	is_str(line, want, "%s: what the server reads", sv.name);
	return true;
}

static void
server_send(const char *text, const char *end)
{
	/* it may be gone: the client's fate is what counts */
	(void)io_write(&sv.io, text, strlen(text));
	(void)io_write(&sv.io, end, strlen(end));
	io_flush(&sv.io);
}

/* One step.  false: not now. */
static bool
server_step(void)
{
	const char	*s = *sv.step;

	if (sv.handshake)
		return false;
	if (strncmp(s, ">>", 2) == 0)
		server_send(s + 2, "");
	else if (s[0] == '>')
		server_send(s + 2, "\r\n");
	else if (strncmp(s, "<+", 2) == 0)
		ok(server_line(s + 2), "%s: not together: %s", sv.name, s);
	else if (s[0] == '<')
		return server_line(s + 2);
	else if (s[0] == '?')
		return io_has_input(&sv.io);
	else if (s[0] == '!') {
		ok(!io_has_input(&sv.io), "%s: something came", sv.name);
		return ++sv.quiet >= 3;
	} else if (strcmp(s, "tls") == 0) {
		sv.handshake = true;
		ok(io_tls_server(&sv.io, sv.tls) == 0, "%s: tls", sv.name);
	} else if (strcmp(s, "drip") == 0) {
		if (t_ms() - sv.dripped >= 20) {
			server_send("250-x", "\r\n");
			sv.dripped = t_ms();
		}
		return false;
	} else if (strcmp(s, "close") == 0)
		io_close(&sv.io);
	else
		ok(false, "%s: bad step %s", sv.name, s);
	return true;
}

static void
server_run(void)
{
	while (*sv.step != NULL && server_step()) {
		sv.quiet = 0;
		sv.step++;
	}
}

/* --- the owner ----------------------------------------------------------- */

static struct {
	struct smtp_client	*c;
	const char		*plan;
	char			 trace[512];
	int			 owed;
	bool			 ready;
	bool			 inside;	/* in a call to the client */
	uint32_t		 tag;
	enum client_end		 end;
	char			 why[256];
	struct smtp_reply	 closed_by;
} ow;

static void
issued(int result)
{
	if (result == 0)
		ow.owed++;
}

/* Do one thing.  false: wait. */
static bool
owner_step(char what)
{
	static const char	 body[] = "Hello\r\n.dot\r\n";
	char			 rcpt[32];

	switch (what) {
	case 'M':
		issued(client_mail(ow.c, "a@b.test", "SIZE=10"));
		break;
	case 'R':
		snprintf(rcpt, sizeof(rcpt), "r%u@c.test", ++ow.tag);
		issued(client_rcpt(ow.c, rcpt, "", ow.tag));
		break;
	case 'D':
		issued(client_data(ow.c));
		break;
	case 'S':
		issued(client_rset(ow.c));
		break;
	case 'B':
		(void)client_body(ow.c, body, sizeof(body) - 1);
		break;
	case 'E':
		issued(client_body_end(ow.c));
		break;
	case 'Q':
		client_quit(ow.c);
		break;
	case 'F':
		client_free(ow.c);
		ow.c = NULL;
		break;
	case 'W':
		return ow.ready;
	case '|':
		return ow.owed == 0;
	}
	return true;
}

static void
owner_run(void)
{
	ow.inside = true;
	while (ow.c != NULL && *ow.plan != '\0' && owner_step(*ow.plan))
		ow.plan++;
	ow.inside = false;
}

static void
on_client(void *arg, enum client_event ev, const struct smtp_reply *r,
    uint32_t tag)
{
	char	 text[64] = "";

	(void)arg;
	ok(!ow.inside, "%s: told from inside a call", sv.name);
	ow.owed -= ev != CLIENT_READY && ev != CLIENT_CLOSED &&
	    ev != CLIENT_DRAINED;
	if (ev == CLIENT_READY) {
		ow.ready = true;
		snprintf(text, sizeof(text), "+");
	} else if (ev == CLIENT_RCPT)
		snprintf(text, sizeof(text), "R%u:%d", tag, r->code);
	else if (ev == CLIENT_CLOSED) {
		snprintf(text, sizeof(text), "X");
		ow.end = client_end(ow.c);
		strlcpy(ow.why, client_why(ow.c), sizeof(ow.why));
		if (r != NULL)
			ow.closed_by = *r;
	} else if (ev != CLIENT_DRAINED)
		snprintf(text, sizeof(text), "%c%d", "+MRDCES"[ev], r->code);
	if (text[0] != '\0' && ow.trace[0] != '\0')
		strlcat(ow.trace, " ", sizeof(ow.trace));
	strlcat(ow.trace, text, sizeof(ow.trace));
	owner_run();
}

/* --- a case -------------------------------------------------------------- */

static struct conf_remote	 remote;
static struct tlsctx_remote	*tls_remote;

static void
remote_init(const struct tcase *t)
{
	static char	 empty[] = "";
	char		 why[256];

	memset(&remote, 0, sizeof(remote));
	remote.timeout.command = 2000;
	remote.timeout.data = 2000;
	remote.timeout.final = 2000;
	remote.tls.mode = t->mode;
	remote.tls.verify = t->verify;
	remote.tls.name = t->tls_name != NULL ? strdup(t->tls_name) : empty;
	remote.tls.ca_file = t_pem(ca.cert_pem);
	tls_remote = NULL;
	if (t->mode != RTLS_OFF &&
	    (tls_remote = tlsctx_remote_new(&remote, why, sizeof(why))) == NULL)
		errx(1, "%s", why);
}

static void
case_begin(const struct tcase *t)
{
	struct client_params	 p = { .remote = &remote, .tls = tls_remote,
				    .helo = "me.test", .clear = t->clear };
	int			 fd[2];

	memset(&sv, 0, sizeof(sv));
	memset(&ow, 0, sizeof(ow));
	sv.name = t->name;
	sv.step = t->steps;
	sv.tls = servers[t->cert];
	ow.plan = t->plan;
	p.tls = tls_remote;
	p.host = t->host != NULL ? t->host : "a.test";
	t_pair(fd);
	io_init(&sv.io, fd[0], 256 * 1024, on_server, NULL);
	io_start(&sv.io);
	ow.c = client_new(fd[1], &p, on_client, NULL);
	ok(ow.c != NULL, "%s: client_new", t->name);
	owner_run();
}

static void
case_end(const struct tcase *t)
{
	client_free(ow.c);
	ow.c = NULL;
	io_close(&sv.io);
	tlsctx_remote_free(tls_remote);
	if (t->tls_name != NULL)
		free(remote.tls.name);
}

static void
case_turns(const struct tcase *t)
{
	int64_t	 end = t_ms() + PATIENCE;

	while (t_ms() < end && (strcmp(ow.trace, t->trace) != 0 ||
	    (*sv.step != NULL && strcmp(*sv.step, "drip") != 0))) {
		server_run();
		t_turn();
	}
	t_settle();
}

static void
case_check(const struct tcase *t)
{
	is_str(ow.trace, t->trace, "%s: trace (%s)", t->name, ow.why);
	if (*sv.step != NULL && strcmp(*sv.step, "drip") != 0)
		ok(false, "%s: left at %s", t->name, *sv.step);
	is_str(end_names[ow.end], end_names[t->end], "%s: end (%s)", t->name,
	    ow.why);
	if (t->end != END_NONE)
		ok(ow.why[0] != '\0', "%s: no reason", t->name);
}

static void
run_case(const struct tcase *t)
{
	remote_init(t);
	case_begin(t);
	case_turns(t);
	case_check(t);
	case_end(t);
}

/* --- the tables ---------------------------------------------------------- */

#define HELLO	"> 220 srv.test", "< EHLO me.test"
#define PLAIN	HELLO, "> 250-srv.test", "> 250 SIZE 1000"
#define PIPE	HELLO, "> 250-srv.test", "> 250-SIZE", "> 250 PIPELINING"
#define TLS	HELLO, "> 250-srv.test", "> 250-PIPELINING", "> 250 STARTTLS", \
		"< STARTTLS"
#define MAIL	"< MAIL FROM:<a@b.test> SIZE=10"
#define R1	"< RCPT TO:<r1@c.test>"
#define BODY	"< Hello", "<+..dot", "<+."

static const struct tcase	cases[] = {
	{ .name = "one by one", .plan = "MRRD|BE|Q", .end = END_QUIT,
	    .trace = "+ M250 R1:250 R2:550 D354 E250 X", .steps = {
	    PLAIN, MAIL, "!", "> 250 2.1.0 ok", R1, "!", "> 250 2.1.5 ok",
	    "< RCPT TO:<r2@c.test>", "!", "> 550 5.1.1 no", "< DATA", "!",
	    "> 354 go", BODY, "!", "> 250 2.0.0 taken", "< QUIT",
	    "> 221 bye" } },
	{ .name = "pipelining", .plan = "MRRD|BE|Q", .end = END_QUIT,
	    .trace = "+ M250 R1:250 R2:550 D354 E250 X", .steps = {
	    PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "<+RCPT TO:<r2@c.test>",
	    "<+DATA", "!", "> 250 ok", "> 250-two", "> 250 lines",
	    "> 550 no", "!", "> 354 go", BODY, "> 250 taken", "< QUIT",
	    "close" } },
	{ .name = "nothing behind DATA", .plan = "MRDS|", .end = END_NONE,
	    .trace = "+ M250 R1:250 D554 S250", .steps = {
	    PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "<+DATA", "!",
	    "> 250 ok", "> 250 ok", "> 554 no", "< RSET", "> 250 ok" } },
	{ .name = "behind 354 too", .plan = "MRDSM|", .end = END_NONE,
	    .trace = "+ M250 R1:250 D354", .steps = {
	    PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "<+DATA", "> 250 ok",
	    "> 250 ok", "> 354 go", "!" } },
	{ .name = "again without RSET", .plan = "MRD|BE|MRD|E|SQ",
	    .trace = "+ M250 R1:250 D354 E250 M250 R2:250 D354 E451 X",
	    .end = END_QUIT, .steps = {
	    PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "<+DATA", "> 250 ok",
	    "> 250 ok", "> 354 go", BODY, "> 250 ok", MAIL,
	    "<+RCPT TO:<r2@c.test>", "<+DATA", "> 250 ok", "> 250 ok",
	    "> 354 go", "< .", "> 451 4.3.0 later", "< RSET", "<+QUIT",
	    "> 250 ok", "> 221 bye" } },
	{ .name = "EHLO refused", .plan = "WQ", .trace = "+ X",
	    .end = END_QUIT, .steps = {
	    HELLO, "> 502 what", "< HELO me.test", "> 250 srv.test",
	    "< QUIT", "close" } },
	{ .name = "HELO has no extensions", .plan = "MR", .trace = "+ M250",
	    .steps = { HELLO, "> 500-PIPELINING", "> 500 SIZE 1",
	    "< HELO me.test", "> 250 srv.test", MAIL, "!", "> 250 ok", R1 } },
	{ .name = "both refused", .plan = "M", .trace = "X",
	    .end = END_REFUSED, .steps = {
	    HELLO, "> 502 what", "< HELO me.test", "> 550 go away" } },
	{ .name = "EHLO later", .plan = "M", .trace = "X",
	    .end = END_REFUSED, .steps = { HELLO, "> 451 busy", "!" } },
	{ .name = "greeting 554", .plan = "M", .trace = "X",
	    .end = END_REFUSED, .steps = { "> 554 5.7.1 no", "!", "close" } },
	{ .name = "greeting of many lines", .plan = "", .trace = "+",
	    .steps = { "> 220-a", "> 220-b", HELLO, "> 250 srv.test" } },
	{ .name = "QUIT too early", .plan = "Q", .trace = "X",
	    .end = END_QUIT, .steps = { "!" } },
	{ .name = "QUIT in the body", .plan = "MRD|BQ",
	    .trace = "+ M250 R1:250 D354 X", .end = END_QUIT, .steps = {
	    PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "<+DATA", "> 250 ok",
	    "> 250 ok", "> 354 go", "!" } },

	/* 421 */
	{ .name = "421 greeting", .plan = "M", .trace = "X",
	    .end = END_REFUSED, .steps = { "> 421 busy" } },
	{ .name = "421 to EHLO", .plan = "M", .trace = "X",
	    .end = END_REFUSED, .steps = { HELLO, "> 421 busy" } },
	{ .name = "421 to MAIL", .plan = "MRD", .trace = "+ M421 X",
	    .end = END_REFUSED, .steps = { PIPE, MAIL, "> 421 bye" } },
	{ .name = "421 to RCPT", .plan = "MRD", .trace = "+ M250 R1:421 X",
	    .end = END_REFUSED, .steps = { PIPE, MAIL, "> 250 ok",
	    "> 421 bye", "close" } },
	{ .name = "421 to DATA", .plan = "MRD",
	    .trace = "+ M250 R1:250 D421 X", .end = END_REFUSED,
	    .steps = { PIPE, MAIL, "> 250 ok", "> 250 ok", "> 421 bye" } },
	{ .name = "421 in the body", .plan = "MRD|B",
	    .trace = "+ M250 R1:250 D354 X", .end = END_REFUSED,
	    .steps = { PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "<+DATA",
	    "> 250 ok", "> 250 ok", "> 354 go", "< Hello", "> 421 bye" } },
	{ .name = "421 to the dot", .plan = "MRD|BE",
	    .trace = "+ M250 R1:250 D354 E421 X", .end = END_REFUSED,
	    .steps = { PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "<+DATA",
	    "> 250 ok", "> 250 ok", "> 354 go", BODY, "> 421 bye" } },
	{ .name = "421 while idle", .plan = "", .trace = "+ X",
	    .end = END_REFUSED, .steps = { PIPE, "!", "> 421 idle too long",
	    "close" } },
	{ .name = "421 behind the verdict", .plan = "MRD|BE|M",
	    .trace = "+ M250 R1:250 D354 E250 X", .end = END_REFUSED,
	    .steps = { PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "<+DATA",
	    "> 250 ok", "> 250 ok", "> 354 go", BODY,
	    ">>250 ok\r\n421 enough\r\n" } },

	/* replies that nobody asked for */
	{ .name = "unasked while idle", .plan = "", .trace = "+ X",
	    .end = END_GARBAGE, .steps = { PIPE, "!", "> 250 surprise" } },
	{ .name = "two replies to one", .plan = "MR", .trace = "+ M250 X",
	    .end = END_GARBAGE, .steps = { PLAIN, MAIL,
	    ">>250 ok\r\n250 more\r\n" } },
	{ .name = "verdict before the dot", .plan = "MRD|BE",
	    .trace = "+ M250 R1:250 D354 X", .end = END_GARBAGE,
	    .steps = { PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "<+DATA",
	    "> 250 ok", "> 250 ok", ">>354 go\r\n250 taken\r\n" } },
	{ .name = "half of it before the dot", .plan = "MRD|BE",
	    .trace = "+ M250 R1:250 D354 X", .end = END_GARBAGE,
	    .steps = { PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "<+DATA",
	    "> 250 ok", "> 250 ok", ">>354 go\r\n25", "!",
	    ">>0 taken\r\n" } },
	{ .name = "unasked in the body", .plan = "MRD|B",
	    .trace = "+ M250 R1:250 D354 X", .end = END_GARBAGE,
	    .steps = { PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "<+DATA",
	    "> 250 ok", "> 250 ok", "> 354 go", "< Hello", "> 250 taken" } },
	{ .name = "greeting with EHLO's reply", .plan = "M", .trace = "X",
	    .end = END_GARBAGE, .steps = { ">>220 hi\r\n250 hello\r\n" } },

	/* TLS */
	{ .name = "tls: off", .plan = "", .trace = "+", .steps = {
	    HELLO, "> 250-srv.test", "> 250 STARTTLS", "!" } },
	{ .name = "tls: opportunistic", .mode = RTLS_OPPORTUNISTIC,
	    .cert = SELF_SIGNED, .plan = "MR", .trace = "+ M250", .steps = {
	    TLS, "> 220 go", "tls", "< EHLO me.test", "> 250 srv.test",
	    MAIL, "!", "> 250 ok", R1 } },
	{ .name = "tls: not offered", .mode = RTLS_OPPORTUNISTIC,
	    .plan = "M", .trace = "+", .steps = { PLAIN, MAIL } },
	{ .name = "tls: refused", .mode = RTLS_OPPORTUNISTIC,
	    .plan = "MR", .trace = "+ M250 R1:250", .steps = {
	    TLS, "> 454 4.7.0 not now", MAIL, "<+RCPT TO:<r1@c.test>",
	    "> 250 ok", "> 250 ok" } },
	{ .name = "tls: clear", .mode = RTLS_OPPORTUNISTIC, .clear = true,
	    .plan = "M", .trace = "+", .steps = {
	    HELLO, "> 250-srv.test", "> 250 STARTTLS", MAIL } },
	{ .name = "tls: junk", .mode = RTLS_OPPORTUNISTIC, .plan = "M",
	    .trace = "X", .end = END_TLS, .steps = {
	    TLS, "> 220 go", "?", "> 554 just kidding" } },
	{ .name = "tls: lost", .mode = RTLS_OPPORTUNISTIC, .plan = "M",
	    .trace = "X", .end = END_TLS, .steps = { TLS, "close" } },
	{ .name = "tls: lost in the handshake", .mode = RTLS_OPPORTUNISTIC,
	    .plan = "M", .trace = "X", .end = END_TLS, .steps = {
	    TLS, "> 220 go", "?", "close" } },
	{ .name = "tls: 421", .mode = RTLS_OPPORTUNISTIC, .plan = "M",
	    .trace = "X", .end = END_REFUSED, .steps = { TLS, "> 421 no" } },
	{ .name = "tls: 250 to STARTTLS", .mode = RTLS_OPPORTUNISTIC,
	    .plan = "M", .trace = "X", .end = END_GARBAGE, .steps = {
	    TLS, "> 250 ok" } },
	{ .name = "tls: injection", .mode = RTLS_OPPORTUNISTIC, .plan = "M",
	    .trace = "X", .end = END_GARBAGE, .steps = {
	    TLS, ">>220 go\r\n250 ok\r\n" } },
	{ .name = "tls: injection of a piece", .mode = RTLS_REQUIRED,
	    .plan = "M", .trace = "X", .end = END_GARBAGE, .steps = {
	    TLS, ">>220 go\r\n2" } },
	{ .name = "tls: required", .mode = RTLS_REQUIRED, .verify = true,
	    .plan = "MR", .trace = "+", .steps = {
	    TLS, "> 220 go", "tls", "< EHLO me.test", "> 250-srv.test",
	    "> 250 PIPELINING", MAIL, "<+RCPT TO:<r1@c.test>" } },
	{ .name = "tls: required, not offered", .mode = RTLS_REQUIRED,
	    .plan = "M", .trace = "X", .end = END_TLS, .steps = { PLAIN } },
	{ .name = "tls: required, HELO", .mode = RTLS_REQUIRED, .plan = "M",
	    .trace = "X", .end = END_TLS, .steps = {
	    HELLO, "> 500 STARTTLS", "< HELO me.test", "> 250 STARTTLS" } },
	{ .name = "tls: required, refused", .mode = RTLS_REQUIRED,
	    .plan = "M", .trace = "X", .end = END_TLS, .steps = {
	    TLS, "> 454 not now" } },
	{ .name = "tls: not judged", .mode = RTLS_REQUIRED,
	    .cert = SELF_SIGNED, .plan = "", .trace = "+", .steps = {
	    TLS, "> 220 go", "tls", "< EHLO me.test", "> 250 srv.test" } },
	{ .name = "tls: self-signed", .mode = RTLS_REQUIRED, .verify = true,
	    .cert = SELF_SIGNED, .plan = "M", .trace = "X", .end = END_TLS,
	    .steps = { TLS, "> 220 go", "tls", "!" } },
	{ .name = "tls: other name", .mode = RTLS_REQUIRED, .verify = true,
	    .cert = OTHER_NAME, .plan = "M", .trace = "X", .end = END_TLS,
	    .steps = { TLS, "> 220 go", "tls", "!" } },
	{ .name = "tls: name of the configuration", .mode = RTLS_REQUIRED,
	    .verify = true, .cert = OTHER_NAME, .tls_name = "x.other.test",
	    .plan = "", .trace = "+", .steps = {
	    TLS, "> 220 go", "tls", "< EHLO me.test", "> 250 srv.test" } },
	{ .name = "tls: wildcard is one label", .mode = RTLS_REQUIRED,
	    .verify = true, .cert = OTHER_NAME, .host = "x.y.other.test",
	    .plan = "", .trace = "X", .end = END_TLS, .steps = {
	    TLS, "> 220 go", "tls", "!" } },
	{ .name = "tls: expired", .mode = RTLS_REQUIRED, .verify = true,
	    .cert = EXPIRED, .plan = "M", .trace = "X", .end = END_TLS,
	    .steps = { TLS, "> 220 go", "tls", "!" } },
	{ .name = "tls: address", .mode = RTLS_REQUIRED, .verify = true,
	    .cert = BY_ADDRESS, .host = "192.0.2.1", .plan = "",
	    .trace = "+", .steps = {
	    TLS, "> 220 go", "tls", "< EHLO me.test", "> 250 srv.test" } },
	{ .name = "tls: other address", .mode = RTLS_REQUIRED,
	    .verify = true, .cert = BY_ADDRESS, .host = "192.0.2.2",
	    .plan = "", .trace = "X", .end = END_TLS, .steps = {
	    TLS, "> 220 go", "tls", "!" } },
	{ .name = "tls: implicit", .mode = RTLS_IMPLICIT, .verify = true,
	    .plan = "M", .trace = "+", .steps = {
	    "tls", HELLO, "> 250-srv.test", "> 250 STARTTLS", MAIL } },
	{ .name = "tls: implicit, in clear", .mode = RTLS_IMPLICIT,
	    .plan = "M", .trace = "X", .end = END_TLS, .steps = {
	    "> 220 srv.test" } },
	{ .name = "tls: implicit, self-signed", .mode = RTLS_IMPLICIT,
	    .verify = true, .cert = SELF_SIGNED, .plan = "M", .trace = "X",
	    .end = END_TLS, .steps = { "tls", "!" } }
};

/* Where a server can misbehave, with what went before. */
static const struct {
	const char	*name;
	const char	*plan;
	const char	*trace;		/* of what went before */
	const char	*steps[16];
} places[] = {
	{ "greeting", "M", "", { NULL } },
	{ "EHLO", "M", "", { HELLO } },
	{ "HELO", "M", "", { HELLO, "> 500 no", "< HELO me.test" } },
	{ "MAIL", "MRD", "+ ", { PLAIN, MAIL } },
	{ "RCPT", "MRD", "+ M250 ", { PIPE, MAIL, "> 250 ok" } },
	{ "DATA", "MRD", "+ M250 R1:250 ",
	    { PIPE, MAIL, "> 250 ok", "> 250 ok" } },
	{ "RSET", "S", "+ ", { PIPE, "< RSET" } },
	{ "dot", "MRD|BE", "+ M250 R1:250 D354 ",
	    { PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "<+DATA",
	    "> 250 ok", "> 250 ok", "> 354 go", BODY } },
	{ "body", "MRD|B", "+ M250 R1:250 D354 ",
	    { PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "<+DATA",
	    "> 250 ok", "> 250 ok", "> 354 go", "< Hello" } },
	{ "idle", "", "+ ", { PIPE } }
};

static const char *const	rubbish[] = {
	">>hello\r\n", ">>\r\n", ">>25\r\n", ">>2500 ok\r\n", ">>250ok\r\n",
	">>250\tok\r\n", ">>-250 ok\r\n", ">> 250 ok\r\n", ">>600 x\r\n",
	">>000 x\r\n", ">>120 wait\r\n", ">>334 abc\r\n", ">>250 ok\n",
	">>250 ok\rhidden\r\n", ">>250-a\r\n251 b\r\n", ">>250-a\r\nb\r\n",
	">>250 ok\r\r\n"
};

static void
run_place(size_t n, const char *what, const char *last, enum client_end end)
{
	struct tcase	 t;
	char		 name[128], trace[128];
	size_t		 i;

	memset(&t, 0, sizeof(t));
	snprintf(name, sizeof(name), "%s at %s", what, places[n].name);
	snprintf(trace, sizeof(trace), "%sX", places[n].trace);
	t.name = name;
	t.plan = places[n].plan;
	t.trace = trace;
	t.end = end;
	for (i = 0; places[n].steps[i] != NULL; i++)
		t.steps[i] = places[n].steps[i];
	t.steps[i] = last;
	run_case(&t);
}

static void
test_rubbish(void)
{
	char	 many[2048] = ">>";
	size_t	 i, j;

	for (i = 0; i < nitems(places); i++)
		for (j = 0; j < nitems(rubbish); j++)
			run_place(i, rubbish[j] + 2, rubbish[j], END_GARBAGE);
	/* too long, whole and without an end; too many lines */
	memset(many + 2, 'x', sizeof(many) - 3);
	memcpy(many + 2, "250 ", 4);
	for (i = 0; i < nitems(places); i++)
		run_place(i, "a line without an end", many, END_GARBAGE);
	memcpy(many + sizeof(many) - 3, "\r\n", 2);
	for (i = 0; i < nitems(places); i++)
		run_place(i, "a long line", many, END_GARBAGE);
	many[2] = '\0';
	for (i = 0; i <= SMTP_REPLY_LINES_MAX; i++)
		strlcat(many, "250-a\r\n", sizeof(many));
	for (i = 0; i < nitems(places); i++)
		run_place(i, "many lines", many, END_GARBAGE);
	/* 3xx is for DATA, 2xx is not */
	for (i = 0; i < nitems(places); i++)
		run_place(i, "a code out of place",
		    strcmp(places[i].name, "DATA") == 0 ? "> 250 ok" :
		    "> 354 go", END_GARBAGE);
}

static void
test_lost(void)
{
	size_t	 i;

	for (i = 0; i < nitems(places); i++)
		run_place(i, "close", "close", END_LOST);
}

/* --- what the tables cannot say ------------------------------------------ */

static const struct tcase	slow = {
	.name = "slow", .plan = "", .trace = "X", .steps = { NULL }
};

static void
run_slow(const char *name, size_t place, const char *last, int64_t command,
    int64_t final)
{
	struct tcase	 t = slow;
	char		 trace[128];
	int64_t		 began;
	size_t		 i;

	t.name = name;
	t.plan = places[place].plan;
	snprintf(trace, sizeof(trace), "%sX", places[place].trace);
	t.trace = trace;
	t.end = END_TIMEOUT;
	for (i = 0; places[place].steps[i] != NULL; i++)
		t.steps[i] = places[place].steps[i];
	t.steps[i] = last;
	remote_init(&t);
	remote.timeout.command = command;
	remote.timeout.final = final;
	began = t_ms();
	case_begin(&t);
	case_turns(&t);
	case_check(&t);
	ok(t_ms() - began >= 100, "%s: too soon", name);
	case_end(&t);
}

static void
test_timeouts(void)
{
	size_t	 i;

	for (i = 0; i < nitems(places); i++) {
		if (strcmp(places[i].name, "body") == 0 ||
		    strcmp(places[i].name, "idle") == 0)
			continue;
		if (strcmp(places[i].name, "dot") == 0)
			run_slow("dot", i, NULL, 60000, 100);
		else
			run_slow(places[i].name, i, NULL, 100, 60000);
	}
	/* one that dribbles has no more time than one that is silent */
	run_slow("dribble", 3, "drip", 300, 60000);
}

static void
test_silent_handshake(void)
{
	static const struct tcase	t = { .name = "silent handshake",
		.mode = RTLS_OPPORTUNISTIC, .plan = "M", .trace = "X",
		.end = END_TLS, .steps = { TLS, "> 220 go" } };

	remote_init(&t);
	remote.timeout.command = 200;
	case_begin(&t);
	case_turns(&t);
	case_check(&t);
	case_end(&t);
}

/* The server answers QUIT with nothing: we do not wait for ever. */
static void
test_silent_quit(void)
{
	static const struct tcase	t = { .name = "silent QUIT",
		.plan = "WQ", .trace = "+", .end = END_NONE,
		.steps = { PIPE, "< QUIT" } };
	int64_t	 began = t_ms();

	remote_init(&t);
	remote.timeout.command = 300;
	case_begin(&t);
	case_turns(&t);
	ok(client_mail(ow.c, "a@b.test", "") == -1, "MAIL behind QUIT");
	until(ow.end != END_NONE, "silent QUIT");
	is_str(end_names[ow.end], "quit", "silent QUIT");
	ok(t_ms() - began >= 300, "too soon");
	case_end(&t);
}

/* The server reads, for some time or until the client is not full. */
static void
swallow(int64_t ms)
{
	int64_t	 end = t_ms() + (ms > 0 ? ms : PATIENCE);
	size_t	 n;

	while (t_ms() < end && (ms > 0 || client_is_full(ow.c))) {
		t_turn();
		(void)io_data(&sv.io, &n);
		io_consume(&sv.io, n);
	}
}

static void
fill(void)
{
	static char	 chunk[32 * 1024];
	int		 i;

	memset(chunk, 'x', sizeof(chunk));
	for (i = 0; i < 1000 && !client_is_full(ow.c); i++)
		ok(client_body(ow.c, chunk, sizeof(chunk)) == 0, "body");
	ok(client_is_full(ow.c), "full");
}

/* A server that stops reading makes us wait, then gives us up. */
static void
test_full(void)
{
	static const struct tcase	t = { .name = "full", .plan = "MRD|",
		.trace = "+ M250 R1:250 D354", .steps = { PIPE, MAIL,
		"<+RCPT TO:<r1@c.test>", "<+DATA", "> 250 ok", "> 250 ok",
		"> 354 go" } };

	remote_init(&t);
	remote.timeout.data = 100;
	case_begin(&t);
	case_turns(&t);
	io_pause(&sv.io);
	fill();
	io_resume(&sv.io);
	swallow(0);
	ok(!client_is_full(ow.c), "drained");
	/* an owner that has nothing to send is not the server's fault */
	swallow(400);
	is_str(end_names[ow.end], "none", "the owner may be slow");
	io_pause(&sv.io);
	fill();
	until(ow.end != END_NONE, "given up");
	is_str(end_names[ow.end], "timeout", "given up");
	ok(client_body(ow.c, "x", 1) == -1, "body behind the end");
	ok(client_body_end(ow.c) == -1, "dot behind the end");
	case_end(&t);
}

/* A verdict that comes while the dot is still here cannot be one. */
static void
test_verdict_too_soon(void)
{
	static const struct tcase	t = { .name = "too soon",
		.plan = "MRD|", .trace = "+ M250 R1:250 D354", .steps = { PIPE,
		MAIL, "<+RCPT TO:<r1@c.test>", "<+DATA", "> 250 ok",
		"> 250 ok", "> 354 go" } };

	remote_init(&t);
	case_begin(&t);
	case_turns(&t);
	io_pause(&sv.io);
	fill();
	ok(client_body_end(ow.c) == 0, "dot");
	t_settle();
	server_send("250 2.0.0 taken unseen", "\r\n");
	until(ow.end != END_NONE, "told");
	is_str(end_names[ow.end], "garbage", "verdict before the dot");
	is_str(ow.trace, "+ M250 R1:250 D354 X", "no verdict");
	case_end(&t);
}

/* Far more than may be queued. */
static void
test_overflow(void)
{
	static const struct tcase	t = { .name = "overflow",
		.plan = "MRD|", .trace = "+ M250 R1:250 D354", .steps = { PIPE,
		MAIL, "<+RCPT TO:<r1@c.test>", "<+DATA", "> 250 ok",
		"> 250 ok", "> 354 go" } };
	static char	 chunk[64 * 1024];
	int		 i;

	memset(chunk, 'x', sizeof(chunk));
	remote_init(&t);
	case_begin(&t);
	case_turns(&t);
	io_pause(&sv.io);
	for (i = 0; i < 1000; i++)
		if (client_body(ow.c, chunk, sizeof(chunk)) == -1)
			break;
	ok(i < 1000, "refused at last");
	is_str(ow.trace, t.trace, "not told from inside client_body");
	until(ow.end != END_NONE, "told");
	is_str(end_names[ow.end], "memory", "overflow");
	case_end(&t);
}

/* No octet of an unfinished message, no dot, goes out when it is freed. */
static void
test_free_before_dot(void)
{
	static const struct tcase	t = { .name = "free", .plan = "MRD|",
		.trace = "+ M250 R1:250 D354", .steps = { PIPE, MAIL,
		"<+RCPT TO:<r1@c.test>", "<+DATA", "> 250 ok", "> 250 ok",
		"> 354 go" } };

	remote_init(&t);
	case_begin(&t);
	case_turns(&t);
	ok(client_body(ow.c, "secret\r\n", 8) == 0 &&
	    client_body_end(ow.c) == 0, "body");
	client_free(ow.c);
	ow.c = NULL;
	until(sv.eof, "closed");
	ok(!io_has_input(&sv.io), "something was sent");
	case_end(&t);
}

/* Octets that would begin a line of their own are never sent. */
static void
bad_command(const char *what, const char *s)
{
	static const struct tcase	t = { .name = "controls", .plan = "",
		.trace = "+", .steps = { PIPE } };
	int				result;

	remote_init(&t);
	case_begin(&t);
	case_turns(&t);
	ow.inside = true;
	if (strcmp(what, "sender") == 0)
		result = client_mail(ow.c, s, "");
	else if (strcmp(what, "rcpt") == 0)
		result = client_rcpt(ow.c, s, "", 0);
	else
		result = client_mail(ow.c, "a@b.test", s);
	ok(result == -1, "bad %s", what);
	ok(client_mail(ow.c, "a@b.test", "") == -1, "a good one behind it");
	ow.inside = false;
	until(ow.end == END_GARBAGE, "told");
	until(sv.eof, "closed");
	ok(!io_has_input(&sv.io), "something was sent");
	case_end(&t);
}

static void
test_controls(void)
{
	static const char *const	bad[] = { "a\r\nRSET", "a\nb", "a\rb",
		"a\tb", "a\x7f", "\x01" };
	struct client_params		p = { .remote = &remote };
	char				huge[4000];
	size_t				i;
	int				fd[2];

	memset(huge, 'a', sizeof(huge));
	huge[sizeof(huge) - 1] = '\0';
	for (i = 0; i < nitems(bad); i++)
		bad_command("sender", bad[i]);
	bad_command("sender", huge);
	bad_command("rcpt", bad[0]);
	bad_command("params", bad[0]);
	for (i = 0; i < nitems(bad); i++) {
		t_pair(fd);
		p.helo = bad[i];
		ok(client_new(fd[0], &p, on_client, NULL) == NULL, "helo");
		ok(fcntl(fd[0], F_GETFD) == -1 && errno == EBADF, "fd closed");
		(void)close(fd[1]);
	}
}

/* Freed in the callback, whatever is told. */
static void
test_free_inside(void)
{
	static const struct tcase	t[] = {
		{ .name = "free when ready", .plan = "WF",
		    .trace = "+", .steps = { PIPE } },
		{ .name = "free at MAIL", .plan = "M|F", .trace = "+ M250",
		    .steps = { PIPE, MAIL, ">>250 ok\r\n250 more\r\n" } },
		{ .name = "free at RCPT", .plan = "MR|F",
		    .trace = "+ M250 R1:250", .steps = {
		    PIPE, MAIL, "> 250 ok", "> 250 ok" } },
		{ .name = "free at DATA", .plan = "M|D|F",
		    .trace = "+ M250 D354", .steps = {
		    PIPE, MAIL, "> 250 ok", "< DATA", "> 354 go" } },
		{ .name = "free at the dot", .plan = "M|D|BE|F",
		    .trace = "+ M250 D354 E250", .steps = { PIPE, MAIL,
		    "> 250 ok", "< DATA", "> 354 go", BODY, "> 250 ok" } },
		{ .name = "free at 421", .plan = "M|F", .trace = "+ M421",
		    .steps = { PIPE, MAIL, "> 421 bye", "close" } }
	};
	size_t				i;

	for (i = 0; i < nitems(t); i++) {
		remote_init(&t[i]);
		case_begin(&t[i]);
		case_turns(&t[i]);
		case_check(&t[i]);
		ok(ow.c == NULL, "%s: freed", t[i].name);
		case_end(&t[i]);
	}
}

static void
test_questions(void)
{
	static const struct tcase	t = { .name = "questions",
		.mode = RTLS_OPPORTUNISTIC, .plan = "", .trace = "+", .steps = {
		HELLO, "> 250-srv.test SIZE", "> 250-size 10240000",
		"> 250-8bitmime", "> 250-PIPELINING", "> 250-AUTH=LOGIN",
		"> 250-XFOO", "> 250-DSNX", "> 250-STARTTLS", "> 250 SMTPUTF8",
		"< STARTTLS", "> 220 go", "tls", "< EHLO me.test",
		"> 250-srv.test", "> 250-SIZE 99999999999999999999999",
		"> 250-DSN", "> 250 ENHANCEDSTATUSCODES" } };
	static const struct tcase	clear = { .name = "questions in clear",
		.plan = "", .trace = "+", .steps = {
		HELLO, "> 250-srv.test SIZE", "> 250-size 10240000",
		"> 250-8bitmime", "> 250-AUTH=LOGIN PLAIN", "> 250 DSNX" } };

	remote_init(&t);
	case_begin(&t);
	ok(!client_is_ready(ow.c) && !client_is_idle(ow.c), "not ready");
	case_turns(&t);
	ok(client_is_ready(ow.c) && client_is_idle(ow.c), "ready");
	ok(client_is_tls(ow.c), "TLS");
	is_int(client_extensions(ow.c), EXT_SIZE | EXT_DSN | EXT_ENHANCED,
	    "the offer in clear text is forgotten");
	is_int(client_max_size(ow.c), 0, "a size beyond all");
	case_end(&t);

	remote_init(&clear);
	case_begin(&clear);
	case_turns(&clear);
	ok(!client_is_tls(ow.c), "no TLS");
	is_int(client_extensions(ow.c), EXT_SIZE | EXT_8BITMIME | EXT_AUTH,
	    "offer");
	is_int(client_max_size(ow.c), 10240000, "size");
	ok(client_mail(ow.c, "a@b.test", "") == 0 && !client_is_idle(ow.c),
	    "busy");
	case_end(&clear);
}

/* When a transaction is open, and when it is over. */
static void
test_idle(void)
{
	static const struct {
		const char	*plan;
		const char	*last[4];
		const char	*trace;
		bool		 idle;
	} t[] = {
		{ "M|", { "> 250 ok" }, "+ M250", false },
		{ "M|", { "> 550 no" }, "+ M550", false },
		{ "M|S|", { "> 250 ok", "> 250 ok" }, "+ M250 S250", true },
		{ "M|S|", { "> 250 ok", "> 450 no" }, "+ M250 S450", false },
		{ "M|D|", { "> 250 ok", "> 554 no" }, "+ M250 D554", false },
		{ "M|D|E|", { "> 250 ok", "> 354 go", "> 550 no" },
		    "+ M250 D354 E550", false },
		{ "M|D|E|", { "> 250 ok", "> 354 go", "> 250 ok" },
		    "+ M250 D354 E250", true }
	};
	size_t	 i, j, n;

	for (i = 0; i < nitems(t); i++) {
		struct tcase	 one = { .name = "idle", .plan = t[i].plan,
				    .trace = t[i].trace, .steps = { PIPE } };

		for (n = 0; one.steps[n] != NULL; n++)
			continue;
		for (j = 0; t[i].last[j] != NULL; j++) {
			one.steps[n++] = j == 0 ? MAIL :
			    t[i].plan[2] == 'S' ? "< RSET" :
			    j == 1 ? "< DATA" : "< .";
			one.steps[n++] = t[i].last[j];
		}
		remote_init(&one);
		case_begin(&one);
		case_turns(&one);
		case_check(&one);
		ok(client_is_idle(ow.c) == t[i].idle, "idle after %s",
		    t[i].trace);
		case_end(&one);
	}
}

/* The reply that refused us comes with the news. */
static void
test_refusal_text(void)
{
	static const struct tcase	t = { .name = "refusal", .plan = "M",
		.trace = "X", .end = END_REFUSED,
		.steps = { "> 554 5.7.1 not you", "close" } };

	run_case(&t);
	is_int(ow.closed_by.code, 554, "code");
	is_str(ow.closed_by.text, "not you", "text");
	is_str(ow.why, "greeting: 554 5.7.1 not you", "for the log");
}

/* --- all ----------------------------------------------------------------- */

static void
make_server(enum which n)
{
	static char		 name[] = "default";
	struct conf_cert	 c = { .obj.name = name };
	struct conf_obj		*objs[] = { &c.obj };
	struct conf_tls		 tls = { .certs.v = objs, .certs.n = 1 };
	char			 why[256] = "";

	c.cert = t_pem(certs[n].cert_pem);
	c.key = t_pem(certs[n].key_pem);
	servers[n] = tlsctx_server(&tls, why, sizeof(why));
	ok(servers[n] != NULL, "server context: %s", why);
}

static void
setup(void)
{
	size_t	 i;

	tlsctx_prepare();
	t_cert_make(&ca, "a CA", NULL, NULL, 1);
	t_cert_make(&certs[GOOD], "srv", "DNS:a.test", &ca, 1);
	t_cert_make(&certs[SELF_SIGNED], "self", "DNS:a.test", NULL, 1);
	t_cert_make(&certs[OTHER_NAME], "a.test", "DNS:*.other.test", &ca, 1);
	t_cert_make(&certs[EXPIRED], "srv", "DNS:a.test", &ca, -1);
	t_cert_make(&certs[BY_ADDRESS], "srv", "IP:192.0.2.1", &ca, 1);
	for (i = 0; i < NCERTS; i++)
		make_server(i);
}

int
main(void)
{
	size_t	 i;

	t_net_init();
	log_to(LOG_TO_NOTHING, -1);
	setup();
	for (i = 0; i < nitems(cases); i++)
		run_case(&cases[i]);
	test_rubbish();
	test_lost();
	test_timeouts();
	test_silent_handshake();
	test_silent_quit();
	test_full();
	test_verdict_too_soon();
	test_overflow();
	test_free_before_dot();
	test_controls();
	test_free_inside();
	test_questions();
	test_idle();
	test_refusal_text();
	for (i = 0; i < NCERTS; i++) {
		tls_free(servers[i]);
		t_cert_free(&certs[i]);
	}
	t_cert_free(&ca);
	return done("client");
}
