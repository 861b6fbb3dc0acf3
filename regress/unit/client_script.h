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
 * The owner has a plan, a letter for each thing to do: M, R, D, S, X are the
 * commands, B some body, E its end, Q quit, F free; C is a chunk for that
 * body, L the last chunk, c and l such ones of no octets, b a piece of the
 * body; "|" waits until all replies have come, "W" until the client is ready.
 * What it is told is written down: "+" for ready, "M250", "R1:250", "X" for
 * closed; LMTP's verdicts are "E1:250".  The plan goes on inside the
 * callback.
 *
 * Where a script says nothing about what comes together, it is played again
 * with a server that sends octet by octet.
 */
#ifndef CLIENT_SCRIPT_H
#define CLIENT_SCRIPT_H

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
	bool		 lmtp;
	enum which	 cert;
	const char	*tls_name;
	const char	*host;
	const char	*user;		/* with a password: see secrets */
	const char	*first;		/* a line that goes first */
	bool		 full;		/* no room in the socket for it */
	bool		 gone;		/* the server is, from the start */
	const char	*plan;
	const char	*trace;
	enum client_end	 end;
	const char	*steps[STEPS];
};

static const char *const	end_names[] = {
	"none", "lost", "timeout", "garbage", "tls", "refused", "xclient",
	"auth", "quit", "memory"
};

static struct conf_remote	 remote;
static struct tlsctx_remote	*tls_remote;

static char		 secrets[] = "secret";
static struct t_cert	 ca, certs[NCERTS];
static struct tls	*servers[NCERTS];

/* --- the server ---------------------------------------------------------- */

static struct {
	struct io		 io;
	const char *const	*step;
	struct tls		*tls;
	bool			 handshake;	/* going on */
	bool			 eof;
	bool			 slow;		/* octet by octet */
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
	char		 line[4096];
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
	for (; sv.slow && *text != '\0'; text++) {
		(void)io_write(&sv.io, text, 1);
		t_turn();
	}
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
	int			 accepted;
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

/* The same where a message has a verdict, or many. */
static void
issued_end(int result)
{
	if (result != 0)
		return;
	ow.owed += remote.protocol == PROTO_LMTP ? ow.accepted : 1;
	ow.accepted = 0;
}

static const char	body[] = "Hello\r\n.dot\r\n";

#define NBODY	(sizeof(body) - 1)

/* Content.  false: that is not what is wanted. */
static bool
owner_content(char what)
{
	switch (what) {
	case 'B':
		(void)client_body(ow.c, body, NBODY);
		break;
	case 'b':
		(void)client_body(ow.c, body, 5);
		break;
	case 'E':
		issued_end(client_body_end(ow.c));
		break;
	case 'C':
		issued(client_chunk(ow.c, NBODY, false));
		break;
	case 'c':
		issued(client_chunk(ow.c, 0, false));
		break;
	case 'L':
		issued_end(client_chunk(ow.c, NBODY, true));
		break;
	case 'l':
		issued_end(client_chunk(ow.c, 0, true));
		break;
	default:
		return false;
	}
	return true;
}

/* Do one thing.  false: wait. */
static bool
owner_step(char what)
{
	char	 rcpt[32];

	if (owner_content(what))
		return true;
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
		ow.accepted = 0;
		break;
	case 'X':
		(void)client_xclient(ow.c, "NAME=a.test ADDR=192.0.2.1");
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
	} else if (ev == CLIENT_RCPT) {
		snprintf(text, sizeof(text), "R%u:%d", tag, r->code);
		ow.accepted += r->code / 100 == 2;
	} else if (ev == CLIENT_END && remote.protocol == PROTO_LMTP)
		snprintf(text, sizeof(text), "E%u:%d", tag, r->code);
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

static void
remote_init(const struct tcase *t)
{
	static char	 empty[] = "";
	char		 why[256];

	memset(&remote, 0, sizeof(remote));
	remote.timeout.command = 2000;
	remote.timeout.data = 2000;
	remote.timeout.final = 2000;
	remote.protocol = t->lmtp ? PROTO_LMTP : PROTO_SMTP;
	if (t->user != NULL) {
		remote.auth.username = strdup(t->user);
		remote.auth.password = secrets;
	}
	remote.tls.mode = t->mode;
	remote.tls.verify = t->verify;
	remote.tls.name = t->tls_name != NULL ? strdup(t->tls_name) : empty;
	remote.tls.ca_file = t_pem(ca.cert_pem);
	tls_remote = NULL;
	if (t->mode != RTLS_OFF &&
	    (tls_remote = tlsctx_remote_new(&remote, why, sizeof(why))) == NULL)
		errx(1, "%s", why);
}

static bool	 stuck;		/* who fills a socket leaves it so */
static char	 first[64];	/* with its CRLF */

/* Leave no room in the socket. */
static size_t
full_begin(int fd)
{
	static const char	 junk[4096];
	size_t			 n = 0;
	ssize_t			 sent;

	while ((sent = send(fd, junk, sizeof(junk), MSG_NOSIGNAL)) > 0)
		n += sent;
	return n;
}

/*
 * With implicit TLS the server must read what goes first, and nothing more,
 * before its handshake: behind n octets of junk.
 */
static void
server_first(const struct tcase *t, int fd, size_t n)
{
	char	 got[4096] = "";
	ssize_t	 len;

	for (; n > 0; n -= len)
		if ((len = recv(fd, got, n < sizeof(got) ? n : sizeof(got),
		    0)) <= 0)
			break;
	t_settle();
	memset(got, 0, sizeof(got));
	n = strlen(first);
	is_int(recv(fd, got, n, 0), n, "%s: comes first", t->name);
	is_str(got, first, "%s: comes first", t->name);
}

static void
case_begin(const struct tcase *t)
{
	size_t			 junk = 0;
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
	if (t->first != NULL) {
		snprintf(first, sizeof(first), "%s\r\n", t->first);
		p.first = first;
		p.first_len = strlen(first);
	}
	if (t->full)
		junk = full_begin(fd[1]);
	if (t->gone)
		io_close(&sv.io);
	ow.c = client_new(fd[1], &p, on_client, NULL);
	ok(ow.c != NULL, "%s: client_new", t->name);
	if (t->first != NULL && t->mode == RTLS_IMPLICIT && !t->gone &&
	    !stuck)
		server_first(t, fd[0], junk);
	else if (!t->gone && !stuck)
		io_start(&sv.io);
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
	free(remote.auth.username);
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
play_case(const struct tcase *t, bool slowly)
{
	remote_init(t);
	case_begin(t);
	sv.slow = slowly;
	case_turns(t);
	case_check(t);
	case_end(t);
}

/* Does it matter what the server says together? */
static bool
in_one_piece(const struct tcase *t)
{
	size_t	 i;

	for (i = 0; t->steps[i] != NULL; i++)
		if (strncmp(t->steps[i], ">>", 2) == 0)
			return true;
	return false;
}

static inline void
run_case(const struct tcase *t)
{
	play_case(t, false);
	if (!in_one_piece(t))
		play_case(t, true);
}

/* --- what scripts are made of --------------------------------------------- */

#define HELLO	"> 220 srv.test", "< EHLO me.test"
#define PLAIN	HELLO, "> 250-srv.test", "> 250 SIZE 1000"
#define PIPE	HELLO, "> 250-srv.test", "> 250-SIZE", "> 250 PIPELINING"
#define TLS	HELLO, "> 250-srv.test", "> 250-PIPELINING", "> 250 STARTTLS", \
		"< STARTTLS"
#define MAIL	"< MAIL FROM:<a@b.test> SIZE=10"
#define R1	"< RCPT TO:<r1@c.test>"
#define BODY	"< Hello", "<+..dot", "<+."
#define CHUNK	"< BDAT 13", "<+Hello", "<+.dot"
#define LAST	"< BDAT 13 LAST", "<+Hello", "<+.dot"
#define LMTP	"> 220 srv.test", "< LHLO me.test", "> 250-srv.test", \
		"> 250-CHUNKING", "> 250 PIPELINING"
#define XNAMES	"> 250-srv.test", "> 250-XCLIENT NAME ADDR", \
		"> 250 PIPELINING"
#define XCLIENT	"< XCLIENT NAME=a.test ADDR=192.0.2.1"
#define AGAIN	"> 220 srv.test", "< EHLO me.test"
#define SAFE	.mode = RTLS_IMPLICIT, .user = "user"
#define MECHS	"tls", HELLO, "> 250-srv.test"
#define PLAINLY	"< AUTH PLAIN AHVzZXIAc2VjcmV0"

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

	t_net_init();
	log_to(LOG_TO_NOTHING, -1);
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

static void
cleanup(void)
{
	size_t	 i;

	for (i = 0; i < NCERTS; i++) {
		tls_free(servers[i]);
		t_cert_free(&certs[i]);
	}
	t_cert_free(&ca);
}

#endif
