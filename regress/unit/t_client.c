/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The client of SMTP: what it does with servers that speak SMTP, with TLS or
 * without, and what becomes of it when it or its owner ends.  See
 * client_script.h for how to read the tables, t_client_ext.c for LMTP and the
 * extensions.
 */

#include <errno.h>

#include "client_script.h"

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

/* --- what the tables cannot say ------------------------------------------ */

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

static const struct tcase	in_data = { .name = "in DATA",
	.plan = "MRD|", .trace = "+ M250 R1:250 D354", .steps = { PIPE, MAIL,
	"<+RCPT TO:<r1@c.test>", "<+DATA", "> 250 ok", "> 250 ok",
	"> 354 go" } };
static const struct tcase	in_chunk = { .name = "for a chunk",
	.plan = "MR|", .trace = "+ M250 R1:250", .steps = { PIPE, MAIL,
	"<+RCPT TO:<r1@c.test>", "> 250 ok", "> 250 ok" } };

/* A server that stops reading makes us wait, then gives us up. */
static void
test_full(const struct tcase *t)
{
	remote_init(t);
	remote.timeout.data = 100;
	case_begin(t);
	case_turns(t);
	if (t == &in_chunk)
		ok(client_chunk(ow.c, UINT64_MAX, true) == 0, "chunk");
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
	ok(client_chunk(ow.c, 0, true) == -1, "chunk behind the end");
	ok(client_xclient(ow.c, "NAME=a") == -1, "XCLIENT behind the end");
	case_end(t);
}

/*
 * The same once the whole of a chunk was given: as long as it moves, it is
 * no reply that is awaited; then it is.
 */
static void
test_full_chunked(void)
{
	static char	 chunk[160 * 1024];
	int64_t		 began;

	remote_init(&in_chunk);
	remote.timeout.data = 60000;
	remote.timeout.command = 200;
	case_begin(&in_chunk);
	case_turns(&in_chunk);
	io_pause(&sv.io);
	ok(client_chunk(ow.c, 2 * sizeof(chunk), false) == 0 &&
	    client_body(ow.c, chunk, sizeof(chunk)) == 0 &&
	    client_body(ow.c, chunk, sizeof(chunk)) == 0, "a chunk");
	began = t_ms();
	while (t_ms() - began < 400)
		t_turn();
	is_str(end_names[ow.end], "none", "it waits in the socket");
	began = t_ms();
	io_resume(&sv.io);
	while (ow.end == END_NONE && t_ms() - began < PATIENCE)
		swallow(1);
	is_str(end_names[ow.end], "timeout", "no reply");
	ok(t_ms() - began >= 200, "too soon");
	is_str(ow.why, "timeout: end of chunk", "said so");
	case_end(&in_chunk);

	/* and one that takes none of it */
	remote_init(&in_chunk);
	remote.timeout.data = 100;
	remote.timeout.command = 60000;
	case_begin(&in_chunk);
	case_turns(&in_chunk);
	io_pause(&sv.io);
	ok(client_chunk(ow.c, 2 * sizeof(chunk), false) == 0 &&
	    client_body(ow.c, chunk, sizeof(chunk)) == 0 &&
	    client_body(ow.c, chunk, sizeof(chunk)) == 0, "a chunk");
	until(ow.end != END_NONE, "given up");
	is_str(end_names[ow.end], "timeout", "given up");
	case_end(&in_chunk);
}

/* A reply that comes while the last octet is still here cannot be one. */
static void
test_too_soon(const struct tcase *t, bool last, const char *reply)
{
	static char	 chunk[160 * 1024];

	remote_init(t);
	case_begin(t);
	case_turns(t);
	io_pause(&sv.io);
	if (t == &in_chunk)
		ok(client_chunk(ow.c, 2 * sizeof(chunk), last) == 0 &&
		    client_body(ow.c, chunk, sizeof(chunk)) == 0 &&
		    client_body(ow.c, chunk, sizeof(chunk)) == 0, "chunk");
	else {
		fill();
		ok(client_body_end(ow.c) == 0, "dot");
	}
	t_settle();
	server_send(reply, "\r\n");
	until(ow.end != END_NONE, "told");
	is_str(end_names[ow.end], reply[0] == '4' ? "refused" : "garbage",
	    "%s: %s", t->name, reply);
	ok(strchr(ow.trace, 'C') == NULL && strchr(ow.trace, 'E') == NULL,
	    "a verdict: %s", ow.trace);
	case_end(t);
}

static void
test_verdict_too_soon(void)
{
	test_too_soon(&in_data, true, "250 2.0.0 taken unseen");
	test_too_soon(&in_chunk, true, "250 2.0.0 taken unseen");
	test_too_soon(&in_chunk, false, "250 2.0.0 taken unseen");
	test_too_soon(&in_data, true, "421 bye");
	test_too_soon(&in_chunk, true, "421 bye");
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
	else if (strcmp(what, "xclient") == 0)
		result = client_xclient(ow.c, s);
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
	for (i = 0; i < nitems(bad); i++)
		bad_command("xclient", bad[i]);
	bad_command("xclient", huge);
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
		"> 250-8bitmime", "> 250-AUTH=LOGIN PLAIN",
		"> 250-xclient NAME addr PROTO FOO HELO ADDRESS DESTPORT",
		"> 250 DSNX" } };

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
	is_int(client_extensions(ow.c), EXT_SIZE | EXT_8BITMIME | EXT_AUTH |
	    EXT_XCLIENT | EXT_XC_NAME | EXT_XC_ADDR | EXT_XC_PROTO |
	    EXT_XC_HELO | EXT_XC_DESTPORT, "offer");
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

int
main(void)
{
	size_t	 i;

	setup();
	for (i = 0; i < nitems(cases); i++)
		run_case(&cases[i]);
	test_silent_handshake();
	test_silent_quit();
	test_full(&in_data);
	test_full(&in_chunk);
	test_full_chunked();
	test_verdict_too_soon();
	test_overflow();
	test_free_before_dot();
	test_controls();
	test_free_inside();
	test_questions();
	test_idle();
	test_refusal_text();
	cleanup();
	return done("client");
}
