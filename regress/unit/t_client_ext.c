/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The client of SMTP: LMTP, chunks, XCLIENT, our login, and what goes before
 * everything else.  See client_script.h for how to read the tables.
 */

#include "base64.h"
#include "client_script.h"

static const struct tcase	cases[] = {
	/* LMTP */
	{ .name = "lmtp", .lmtp = true, .plan = "MRRRD|BE|SQ",
	    .trace = "+ M250 R1:250 R2:550 R3:251 D354 E1:250 E3:452 X",
	    .end = END_QUIT, .steps = { LMTP, MAIL, "<+RCPT TO:<r1@c.test>",
	    "<+RCPT TO:<r2@c.test>", "<+RCPT TO:<r3@c.test>", "<+DATA",
	    "> 250 ok", "> 250 ok", "> 550 no", "> 251 ok", "> 354 go", BODY,
	    "> 250 <r1> taken", "!", "> 452 <r3> full", "< RSET", "<+QUIT",
	    "> 250 ok", "> 221 bye" } },
	{ .name = "lmtp: what waits for the last verdict", .lmtp = true,
	    .plan = "MRRD|BEM|",
	    .trace = "+ M250 R1:250 R2:250 D354 E1:250 E2:250 M250",
	    .steps = { LMTP, MAIL, "<+RCPT TO:<r1@c.test>",
	    "<+RCPT TO:<r2@c.test>", "<+DATA", "> 250 ok", "> 250 ok",
	    "> 250 ok", "> 354 go", BODY, "> 250 1", "!", "> 250 2", MAIL,
	    "> 250 ok" } },
	{ .name = "lmtp: verdicts together", .lmtp = true,
	    .plan = "MRRD|E|", .end = END_NONE,
	    .trace = "+ M250 R1:250 R2:250 D354 E1:554 E2:250",
	    .steps = { LMTP, MAIL, "<+RCPT TO:<r1@c.test>",
	    "<+RCPT TO:<r2@c.test>", "<+DATA", "> 250 ok", "> 250 ok",
	    "> 250 ok", "> 354 go", "< .", ">>554 no\r\n250-a\r\n250 b\r\n" } },
	{ .name = "lmtp: a verdict too many", .lmtp = true,
	    .plan = "MRRD|E|", .end = END_GARBAGE,
	    .trace = "+ M250 R1:250 R2:250 D354 E1:250 E2:250 X",
	    .steps = { LMTP, MAIL, "<+RCPT TO:<r1@c.test>",
	    "<+RCPT TO:<r2@c.test>", "<+DATA", "> 250 ok", "> 250 ok",
	    "> 250 ok", "> 354 go", "< .",
	    ">>250 1\r\n250 2\r\n250 3\r\n" } },
	{ .name = "lmtp: for one that was refused", .lmtp = true,
	    .plan = "MRRD|E|", .end = END_GARBAGE,
	    .trace = "+ M250 R1:250 R2:450 D354 E1:250 X",
	    .steps = { LMTP, MAIL, "<+RCPT TO:<r1@c.test>",
	    "<+RCPT TO:<r2@c.test>", "<+DATA", "> 250 ok", "> 250 ok",
	    "> 450 no", "> 354 go", "< .", "> 250 1", "> 250 2" } },
	{ .name = "lmtp: verdict before the dot", .lmtp = true,
	    .plan = "MRD|E|", .end = END_GARBAGE,
	    .trace = "+ M250 R1:250 D354 X", .steps = {
	    LMTP, MAIL, "<+RCPT TO:<r1@c.test>", "<+DATA", "> 250 ok",
	    "> 250 ok", ">>354 go\r\n250 1\r\n" } },
	{ .name = "lmtp: 421 in the middle", .lmtp = true,
	    .plan = "MRRRD|E|", .end = END_REFUSED,
	    .trace = "+ M250 R1:250 R2:250 R3:250 D354 E1:250 E2:421 X",
	    .steps = { LMTP, MAIL, "<+RCPT TO:<r1@c.test>",
	    "<+RCPT TO:<r2@c.test>", "<+RCPT TO:<r3@c.test>", "<+DATA",
	    "> 250 ok", "> 250 ok", "> 250 ok", "> 250 ok", "> 354 go",
	    "< .", "> 250 1", "> 421 bye", "close" } },
	{ .name = "lmtp: 354 for a verdict", .lmtp = true,
	    .plan = "MRRD|E|", .end = END_GARBAGE,
	    .trace = "+ M250 R1:250 R2:250 D354 E1:250 X",
	    .steps = { LMTP, MAIL, "<+RCPT TO:<r1@c.test>",
	    "<+RCPT TO:<r2@c.test>", "<+DATA", "> 250 ok", "> 250 ok",
	    "> 250 ok", "> 354 go", "< .", "> 250 1", "> 354 go" } },
	{ .name = "lmtp: lost between verdicts", .lmtp = true,
	    .plan = "MRRD|E|", .end = END_LOST,
	    .trace = "+ M250 R1:250 R2:250 D354 E1:250 X",
	    .steps = { LMTP, MAIL, "<+RCPT TO:<r1@c.test>",
	    "<+RCPT TO:<r2@c.test>", "<+DATA", "> 250 ok", "> 250 ok",
	    "> 250 ok", "> 354 go", "< .", "> 250 1", "close" } },
	{ .name = "lmtp: 354 and nobody", .lmtp = true, .plan = "MRD|",
	    .trace = "+ M250 R1:550 X", .end = END_GARBAGE, .steps = {
	    LMTP, MAIL, "<+RCPT TO:<r1@c.test>", "<+DATA", "> 250 ok",
	    "> 550 no", "> 354 go" } },
	{ .name = "lmtp: 503 and nobody", .lmtp = true, .plan = "MRD|S|",
	    .trace = "+ M250 R1:550 D503 S250", .steps = {
	    LMTP, MAIL, "<+RCPT TO:<r1@c.test>", "<+DATA", "> 250 ok",
	    "> 550 no", "> 503 no", "< RSET", "> 250 ok" } },
	{ .name = "lmtp: RSET forgets", .lmtp = true, .plan = "MRS|MRD|E|",
	    .trace = "+ M250 R1:250 S250 M250 R2:250 D354 E2:250", .steps = {
	    LMTP, MAIL, "<+RCPT TO:<r1@c.test>", "<+RSET", "> 250 ok",
	    "> 250 ok", "> 250 ok", MAIL, "<+RCPT TO:<r2@c.test>", "<+DATA",
	    "> 250 ok", "> 250 ok", "> 354 go", "< .", "> 250 2" } },
	{ .name = "lmtp: the one before is forgotten", .lmtp = true,
	    .plan = "MRD|E|MRD|E|",
	    .trace = "+ M250 R1:250 D354 E1:250 M250 R2:250 D354 E2:250",
	    .steps = { LMTP, MAIL, "<+RCPT TO:<r1@c.test>", "<+DATA",
	    "> 250 ok", "> 250 ok", "> 354 go", "< .", "> 250 1", MAIL,
	    "<+RCPT TO:<r2@c.test>", "<+DATA", "> 250 ok", "> 250 ok",
	    "> 354 go", "< .", "> 250 2" } },
	{ .name = "lmtp: no HELO", .lmtp = true, .plan = "M", .trace = "X",
	    .end = END_REFUSED, .steps = {
	    "> 220 hi", "< LHLO me.test", "> 500 what", "!" } },
	{ .name = "lmtp: chunks", .lmtp = true, .plan = "MRRR|CB|LB|",
	    .trace = "+ M250 R1:250 R2:450 R3:250 C250 E1:250 E3:552",
	    .steps = { LMTP, MAIL, "<+RCPT TO:<r1@c.test>",
	    "<+RCPT TO:<r2@c.test>", "<+RCPT TO:<r3@c.test>", "> 250 ok",
	    "> 250 ok", "> 450 ok", "> 250 ok", CHUNK, "> 250 more", LAST,
	    "> 250 1", "!", "> 552 3" } },
	{ .name = "lmtp: chunks for nobody", .lmtp = true, .plan = "MR|L",
	    .trace = "+ M250 R1:550 X", .end = END_GARBAGE, .steps = {
	    LMTP, MAIL, "<+RCPT TO:<r1@c.test>", "> 250 ok", "> 550 no",
	    "!" } },

	/* BDAT */
	{ .name = "chunks", .plan = "MR|CB|LB|Q", .end = END_QUIT,
	    .trace = "+ M250 R1:250 C250 E250 X", .steps = {
	    PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "> 250 ok", "> 250 ok",
	    CHUNK, "!", "> 250-13", "> 250 octets", LAST, "!", "> 250 taken",
	    "< QUIT", "> 221 bye" } },
	{ .name = "empty chunks", .plan = "MR|c|l|",
	    .trace = "+ M250 R1:250 C250 E250", .steps = {
	    PLAIN, MAIL, "> 250 ok", R1, "> 250 ok", "< BDAT 0", "> 250 ok",
	    "< BDAT 0 LAST", "> 250 taken" } },
	{ .name = "one chunk, refused", .plan = "MR|LB|S|",
	    .trace = "+ M250 R1:250 E552 S250", .steps = {
	    PLAIN, MAIL, "> 250 ok", R1, "> 250 ok", LAST, "> 552 no",
	    "< RSET", "> 250 ok" } },
	{ .name = "RSET between chunks", .plan = "MR|CBS|MR|LB|",
	    .trace = "+ M250 R1:250 C250 S250 M250 R2:250 E250", .steps = {
	    PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "> 250 ok", "> 250 ok",
	    CHUNK, "!", "> 250 ok", "< RSET", "> 250 ok", MAIL,
	    "<+RCPT TO:<r2@c.test>", "> 250 ok", "> 250 ok", LAST,
	    "> 250 ok" } },
	{ .name = "a chunk refused", .plan = "MR|CB|S|",
	    .trace = "+ M250 R1:250 C503 S250", .steps = {
	    PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "> 250 ok", "> 250 ok",
	    CHUNK, "> 503 5.5.1 no", "< RSET", "> 250 ok" } },
	{ .name = "QUIT in a chunk", .plan = "MR|CbQ", .end = END_QUIT,
	    .trace = "+ M250 R1:250 X", .steps = {
	    PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "> 250 ok", "> 250 ok",
	    "!" } },
	{ .name = "QUIT between chunks", .plan = "MR|CB|Q", .end = END_QUIT,
	    .trace = "+ M250 R1:250 C250 X", .steps = {
	    PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "> 250 ok", "> 250 ok",
	    CHUNK, "> 250 ok", "< QUIT", "> 221 bye" } },
	{ .name = "a chunk too long", .plan = "MR|CbB", .end = END_GARBAGE,
	    .trace = "+ M250 R1:250 X", .steps = {
	    PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "> 250 ok", "> 250 ok",
	    "!" } },
	{ .name = "a chunk and more", .plan = "MR|CBb", .end = END_GARBAGE,
	    .trace = "+ M250 R1:250 X", .steps = {
	    PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "> 250 ok", "> 250 ok",
	    CHUNK, "!" } },
	{ .name = "the last chunk and more", .plan = "MR|LBb",
	    .end = END_GARBAGE, .trace = "+ M250 R1:250 X", .steps = {
	    PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "> 250 ok", "> 250 ok",
	    "!" } },
	{ .name = "a chunk too short", .plan = "MR|CbS", .end = END_GARBAGE,
	    .trace = "+ M250 R1:250 X", .steps = {
	    PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "> 250 ok", "> 250 ok",
	    "!" } },
	{ .name = "a chunk in a chunk", .plan = "MR|CbL", .end = END_GARBAGE,
	    .trace = "+ M250 R1:250 X", .steps = {
	    PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "> 250 ok", "> 250 ok",
	    "!" } },
	{ .name = "a chunk behind a chunk", .plan = "MR|CBL",
	    .end = END_GARBAGE, .trace = "+ M250 R1:250 X", .steps = {
	    PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "> 250 ok", "> 250 ok",
	    CHUNK, "!" } },
	{ .name = "a chunk while a reply is owed", .plan = "WMRC",
	    .end = END_GARBAGE, .trace = "+ X", .steps = { PIPE, "!" } },
	{ .name = "a chunk before the greeting", .plan = "C",
	    .end = END_GARBAGE, .trace = "X", .steps = { "!" } },
	{ .name = "421 in a chunk", .plan = "MR|Lb", .end = END_REFUSED,
	    .trace = "+ M250 R1:250 X", .steps = {
	    PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "> 250 ok", "> 250 ok",
	    "< BDAT 13 LAST", "> 421 bye" } },
	{ .name = "421 to a chunk", .plan = "MR|CB", .end = END_REFUSED,
	    .trace = "+ M250 R1:250 C421 X", .steps = {
	    PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "> 250 ok", "> 250 ok",
	    CHUNK, "> 421 bye" } },
	{ .name = "two replies to a chunk", .plan = "MR|CB|LB|",
	    .end = END_GARBAGE, .trace = "+ M250 R1:250 C250 X", .steps = {
	    PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "> 250 ok", "> 250 ok",
	    CHUNK, ">>250 ok\r\n250 taken unseen\r\n" } },
	{ .name = "one and a half", .plan = "MR|CB|LB|",
	    .end = END_GARBAGE, .trace = "+ M250 R1:250 C250 X", .steps = {
	    PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "> 250 ok", "> 250 ok",
	    CHUNK, ">>250 ok\r\n250 ta", "!", ">>ken\r\n" } },

	/* XCLIENT */
	{ .name = "xclient", .plan = "WX|MR|", .trace = "+ + M250 R1:250",
	    .steps = { HELLO, XNAMES, XCLIENT, "!", "> 220-new", AGAIN,
	    "> 250 srv.test", MAIL, "!", "> 250 ok", R1, "> 250 ok" } },
	{ .name = "xclient at once", .plan = "XMR|",
	    .trace = "+ + M250 R1:250", .steps = {
	    HELLO, XNAMES, XCLIENT, "!", AGAIN, "> 250-srv.test",
	    "> 250 PIPELINING", MAIL, "<+RCPT TO:<r1@c.test>", "> 250 ok",
	    "> 250 ok" } },
	{ .name = "xclient is not pipelined", .plan = "WSXS|",
	    .trace = "+ S250 + S250", .steps = {
	    HELLO, XNAMES, "< RSET", "!", "> 250 ok", XCLIENT, "!", AGAIN,
	    XNAMES, "< RSET", "> 250 ok" } },
	{ .name = "xclient twice", .plan = "WXX", .trace = "+ + +", .steps = {
	    HELLO, XNAMES, XCLIENT, "!", AGAIN, XNAMES, XCLIENT, "!", AGAIN,
	    XNAMES } },
	{ .name = "xclient behind RSET", .plan = "M|SXM|",
	    .trace = "+ M250 S250 + M250", .steps = {
	    HELLO, XNAMES, MAIL, "> 250 ok", "< RSET", "> 250 ok", XCLIENT,
	    AGAIN, XNAMES, MAIL, "> 250 ok" } },
	{ .name = "xclient in a transaction", .plan = "M|X",
	    .trace = "+ M250 X", .end = END_GARBAGE, .steps = {
	    HELLO, XNAMES, MAIL, "> 250 ok", "!" } },
	{ .name = "xclient behind MAIL", .plan = "SMX", .trace = "X",
	    .end = END_GARBAGE, .steps = { "!" } },
	{ .name = "xclient refused", .plan = "WXM", .trace = "+ X",
	    .end = END_XCLIENT, .steps = {
	    HELLO, XNAMES, XCLIENT, "> 550 5.7.0 not you", "close" } },
	{ .name = "xclient later", .plan = "WXM", .trace = "+ X",
	    .end = END_XCLIENT, .steps = {
	    HELLO, XNAMES, XCLIENT, "> 451 4.3.0 not now" } },
	{ .name = "xclient: 421", .plan = "WXM", .trace = "+ X",
	    .end = END_REFUSED, .steps = { HELLO, XNAMES, XCLIENT,
	    "> 421 bye" } },
	{ .name = "xclient: 250", .plan = "WXM", .trace = "+ X",
	    .end = END_GARBAGE, .steps = { HELLO, XNAMES, XCLIENT,
	    "> 250 ok" } },
	{ .name = "xclient: EHLO's reply with it", .plan = "WXM",
	    .trace = "+ X", .end = END_GARBAGE, .steps = {
	    HELLO, XNAMES, XCLIENT, ">>220 hi\r\n250 srv.test\r\n" } },
	{ .name = "xclient: EHLO refused", .plan = "WX", .trace = "+ +",
	    .steps = { HELLO, XNAMES, XCLIENT, AGAIN, "> 500 what",
	    "< HELO me.test", "> 250 srv.test" } },
	{ .name = "xclient: refused behind it", .plan = "WXM",
	    .trace = "+ X", .end = END_REFUSED, .steps = {
	    HELLO, XNAMES, XCLIENT, AGAIN, "> 421 bye" } },
	{ .name = "xclient: QUIT meanwhile", .plan = "WXQ", .trace = "+ X",
	    .end = END_QUIT, .steps = { HELLO, XNAMES, "!" } },
	{ .name = "xclient: lmtp", .lmtp = true, .plan = "X|M",
	    .trace = "+ +", .steps = {
	    LMTP, XCLIENT, "> 220 hi", "< LHLO me.test", XNAMES, MAIL } },

	{ .name = "xclient: TLS refused, offered again", .plan = "WXM",
	    .mode = RTLS_OPPORTUNISTIC, .trace = "+ +", .steps = {
	    TLS, "> 454 not now", XCLIENT, "> 220 new", "< EHLO me.test",
	    "> 250-srv.test", "> 250 STARTTLS", MAIL } },
	{ .name = "xclient: TLS offered behind it", .plan = "WXM",
	    .mode = RTLS_OPPORTUNISTIC, .trace = "+ +", .steps = {
	    HELLO, XNAMES, XCLIENT, "> 220 new", "< EHLO me.test",
	    "> 250-srv.test", "> 250 STARTTLS", MAIL } },

	/* AUTH */
	{ .name = "auth: plain", SAFE, .plan = "M|", .trace = "+ M250",
	    .steps = { MECHS, "> 250 AUTH LOGIN PLAIN", PLAINLY, "!",
	    "> 235 2.7.0 welcome", MAIL, "> 250 ok" } },
	{ .name = "auth: login", SAFE, .plan = "M|", .trace = "+ M250",
	    .steps = { MECHS, "> 250-AUTH CRAM-MD5 LOGIN", "> 250 SIZE",
	    "< AUTH LOGIN", "!", "> 334 VXNlcm5hbWU6", "< dXNlcg==", "!",
	    "> 334 UGFzc3dvcmQ6", "< c2VjcmV0", "!", "> 235 ok", MAIL,
	    "> 250 ok" } },
	{ .name = "auth: an old list", SAFE, .plan = "M|", .trace = "+ M250",
	    .steps = { MECHS, "> 250-AUTH=LOGIN plain", "> 250 AUTH LOGIN",
	    PLAINLY, "> 235 ok", MAIL, "> 250 ok" } },
	{ .name = "auth: behind STARTTLS", .mode = RTLS_OPPORTUNISTIC,
	    .user = "user", .plan = "M", .trace = "+", .steps = {
	    HELLO, "> 250-srv.test", "> 250-AUTH PLAIN", "> 250 STARTTLS",
	    "< STARTTLS", "> 220 go", "tls", "< EHLO me.test",
	    "> 250-srv.test", "> 250 AUTH PLAIN", PLAINLY, "> 235 ok",
	    MAIL } },
	{ .name = "auth: lmtp", SAFE, .lmtp = true, .plan = "M",
	    .trace = "+", .steps = { "tls", "> 220 hi", "< LHLO me.test",
	    "> 250-srv.test", "> 250 AUTH PLAIN", PLAINLY, "> 235 ok",
	    MAIL } },
	{ .name = "auth: in clear", .user = "user", .plan = "M",
	    .trace = "X", .end = END_AUTH, .steps = {
	    HELLO, "> 250-srv.test", "> 250 AUTH PLAIN", "!" } },
	{ .name = "auth: STARTTLS refused", .mode = RTLS_OPPORTUNISTIC,
	    .user = "user", .plan = "M", .trace = "X", .end = END_AUTH,
	    .steps = { TLS, "> 454 not now", "!" } },
	{ .name = "auth: forgotten behind STARTTLS", .user = "user",
	    .mode = RTLS_OPPORTUNISTIC, .plan = "M", .trace = "X",
	    .end = END_AUTH, .steps = {
	    HELLO, "> 250-srv.test", "> 250-AUTH PLAIN", "> 250 STARTTLS",
	    "< STARTTLS", "> 220 go", "tls", "< EHLO me.test",
	    "> 250 srv.test", "!" } },
	{ .name = "auth: not offered", SAFE, .plan = "M", .trace = "X",
	    .end = END_AUTH, .steps = { MECHS, "> 250 SIZE", "!" } },
	{ .name = "auth: none that we know", SAFE, .plan = "M",
	    .trace = "X", .end = END_AUTH, .steps = {
	    MECHS, "> 250 AUTH CRAM-MD5 PLAINER XLOGIN", "!" } },
	{ .name = "auth: refused", SAFE, .plan = "M", .trace = "X",
	    .end = END_AUTH, .steps = {
	    MECHS, "> 250 AUTH PLAIN", PLAINLY, "> 535 5.7.8 no", "!" } },
	{ .name = "auth: later", SAFE, .plan = "M", .trace = "X",
	    .end = END_AUTH, .steps = {
	    MECHS, "> 250 AUTH PLAIN", PLAINLY, "> 454 4.7.0 wait" } },
	{ .name = "auth: the name refused", SAFE, .plan = "M", .trace = "X",
	    .end = END_AUTH, .steps = {
	    MECHS, "> 250 AUTH LOGIN", "< AUTH LOGIN", "> 334 who",
	    "< dXNlcg==", "> 535 no", "!" } },
	{ .name = "auth: 421", SAFE, .plan = "M", .trace = "X",
	    .end = END_REFUSED, .steps = {
	    MECHS, "> 250 AUTH PLAIN", PLAINLY, "> 421 bye" } },
	{ .name = "auth: 250", SAFE, .plan = "M", .trace = "X",
	    .end = END_GARBAGE, .steps = {
	    MECHS, "> 250 AUTH PLAIN", PLAINLY, "> 250 ok" } },
	{ .name = "auth: 334 behind all", SAFE, .plan = "M", .trace = "X",
	    .end = END_GARBAGE, .steps = {
	    MECHS, "> 250 AUTH PLAIN", PLAINLY, "> 334 more", "!" } },
	{ .name = "auth: a third question", SAFE, .plan = "M", .trace = "X",
	    .end = END_GARBAGE, .steps = {
	    MECHS, "> 250 AUTH LOGIN", "< AUTH LOGIN", "> 334 who",
	    "< dXNlcg==", "> 334 what", "< c2VjcmV0", "> 334 why", "!" } },
	{ .name = "auth: 235 to nothing", SAFE, .plan = "M", .trace = "X",
	    .end = END_GARBAGE, .steps = {
	    MECHS, "> 250 AUTH LOGIN", "< AUTH LOGIN", "> 235 ok", "!" } },
	{ .name = "auth: questions in advance", SAFE, .plan = "M",
	    .trace = "X", .end = END_GARBAGE, .steps = {
	    MECHS, "> 250 AUTH LOGIN", "< AUTH LOGIN",
	    ">>334 who\r\n334 what\r\n" } },
	{ .name = "auth: a verdict in advance", SAFE, .plan = "M",
	    .trace = "X", .end = END_GARBAGE, .steps = {
	    MECHS, ">>250 AUTH PLAIN\r\n235 ok\r\n" } },
	{ .name = "auth: and xclient", SAFE, .plan = "WXM", .trace = "+ +",
	    .steps = { MECHS, "> 250-XCLIENT NAME", "> 250 AUTH PLAIN",
	    PLAINLY, "> 235 ok", XCLIENT, AGAIN, "> 250-srv.test",
	    "> 250 AUTH PLAIN", PLAINLY, "> 235 ok", MAIL } },
	{ .name = "auth: xclient first", SAFE, .plan = "XM", .trace = "+ +",
	    .steps = { MECHS, "> 250-XCLIENT NAME", "> 250 AUTH PLAIN",
	    XCLIENT, AGAIN, "> 250-srv.test", "> 250 AUTH PLAIN", PLAINLY,
	    "> 235 ok", MAIL } },
	{ .name = "auth: none behind xclient", SAFE, .plan = "XM",
	    .trace = "+ X", .end = END_AUTH, .steps = {
	    MECHS, "> 250-XCLIENT NAME", "> 250 AUTH PLAIN", XCLIENT, AGAIN,
	    "> 250 srv.test", "!" } }
};

/* --- what the table cannot say ------------------------------------------- */

/* What was offered before XCLIENT does not hold behind it. */
static void
test_new_offer(void)
{
	static const struct tcase	t = { .name = "new offer",
		.plan = "WX", .trace = "+ +", .steps = { HELLO,
		"> 250-srv.test", "> 250-SIZE 1000", "> 250-AUTH PLAIN",
		"> 250-CHUNKING", "> 250 XCLIENT NAME", XCLIENT, AGAIN,
		"> 250-srv.test", "> 250-DSN", "> 250 XCLIENT ADDR" } };

	remote_init(&t);
	case_begin(&t);
	case_turns(&t);
	case_check(&t);
	is_int(client_extensions(ow.c), EXT_DSN | EXT_XCLIENT | EXT_XC_ADDR,
	    "the new offer");
	is_int(client_max_size(ow.c), 0, "no size");
	ok(client_is_idle(ow.c) && client_is_ready(ow.c), "idle again");
	ow.inside = true;
	ok(client_xclient(ow.c, "ADDR=192.0.2.2") == 0, "again");
	ow.inside = false;
	ok(client_owes(ow.c) && !client_is_idle(ow.c) &&
	    !client_is_ready(ow.c), "busy");
	case_end(&t);
}

/* A message is over when all of its recipients have it, else RSET is due. */
static void
test_idle_lmtp(void)
{
	static const struct {
		const char	*verdicts[2];
		const char	*trace;
		bool		 idle;
	} t[] = {
		{ { "> 250 1", "> 250 2" }, "E1:250 E2:250", true },
		{ { "> 450 1", "> 250 2" }, "E1:450 E2:250", false },
		{ { "> 250 1", "> 550 2" }, "E1:250 E2:550", false }
	};
	char	 trace[128];
	size_t	 i;

	for (i = 0; i < nitems(t); i++) {
		struct tcase	 one = { .name = "idle lmtp", .lmtp = true,
				    .plan = "MRRD|E", .trace = trace,
				    .steps = { LMTP, MAIL,
				    "<+RCPT TO:<r1@c.test>",
				    "<+RCPT TO:<r2@c.test>", "<+DATA",
				    "> 250 ok", "> 250 ok", "> 250 ok",
				    "> 354 go", "< .", t[i].verdicts[0],
				    t[i].verdicts[1] } };

		snprintf(trace, sizeof(trace),
		    "+ M250 R1:250 R2:250 D354 %s", t[i].trace);
		remote_init(&one);
		case_begin(&one);
		case_turns(&one);
		case_check(&one);
		ok(client_is_idle(ow.c) == t[i].idle, "idle after %s", trace);
		case_end(&one);
	}
}

/* What goes first goes in clear, before the handshake too. */
static void
test_first(void)
{
	static const struct tcase	t[] = {
		{ .name = "first", .plan = "M", .trace = "+",
		    .first = "PROXY UNKNOWN", .steps = {
		    "< PROXY UNKNOWN", "!", PLAIN, MAIL } },
		{ .name = "first, STARTTLS", .plan = "M", .trace = "+",
		    .mode = RTLS_REQUIRED, .first = "PROXY UNKNOWN",
		    .steps = { "< PROXY UNKNOWN", TLS, "> 220 go", "tls",
		    "< EHLO me.test", "> 250 srv.test", MAIL } },
		{ .name = "first, implicit", .plan = "M", .trace = "+",
		    .mode = RTLS_IMPLICIT, .first = "PROXY UNKNOWN",
		    .steps = { "tls", HELLO, "> 250 srv.test", MAIL } },
		{ .name = "first, implicit, full", .plan = "M", .trace = "+",
		    .mode = RTLS_IMPLICIT, .first = "PROXY UNKNOWN",
		    .full = true,
		    .steps = { "tls", HELLO, "> 250 srv.test", MAIL } },
		{ .name = "first, no handshake", .plan = "M", .trace = "X",
		    .mode = RTLS_IMPLICIT, .first = "PROXY UNKNOWN",
		    .end = END_TLS, .steps = { "close" } },
		{ .name = "first, lost", .plan = "M", .trace = "X",
		    .mode = RTLS_IMPLICIT, .first = "PROXY UNKNOWN",
		    .gone = true, .end = END_LOST, .steps = { NULL } }
	};
	size_t				i;

	for (i = 0; i < nitems(t); i++)
		play_case(&t[i], false);
}

/* The owner's octets never leave: a deadline is set for them too. */
static void
test_first_stuck(void)
{
	static const struct tcase	t = { .name = "first, stuck",
		.plan = "M", .trace = "X", .mode = RTLS_IMPLICIT,
		.first = "PROXY UNKNOWN", .full = true, .steps = { NULL },
		.end = END_TIMEOUT };

	stuck = true;
	remote_init(&t);
	remote.timeout.command = 100;
	case_begin(&t);
	case_turns(&t);
	case_check(&t);
	case_end(&t);
	stuck = false;
}

/* A name that does not fit in the command's line waits for its 334. */
static void
test_long_login(size_t n, size_t initial)
{
	struct tcase	 t = { .name = "long login", .mode = RTLS_IMPLICIT,
			    .plan = "M", .trace = "+" };
	char		 user[2048], plain[2048], coded[4096], line[4200];
	const char	*last = "< AUTH PLAIN";

	memset(user, 'u', n);
	user[n] = '\0';
	t.user = user;
	is_int(snprintf(plain, sizeof(plain), "%c%s%c%s", 0, user, 0,
	    secrets), n + 8, "plain");
	(void)base64_encode(plain, n + 8, coded, sizeof(coded));
	snprintf(line, sizeof(line), "%s%s", initial ? "< AUTH PLAIN " : "< ",
	    coded);
	if (initial)
		last = line;
	memcpy(t.steps, (const char *[]){ MECHS, "> 250 AUTH PLAIN", last,
	    initial ? "> 235 ok" : "> 334 ", initial ? MAIL : line,
	    initial ? NULL : "> 235 ok", MAIL }, 9 * sizeof(t.steps[0]));
	play_case(&t, false);
}

static void
test_long_logins(void)
{
	static char	 huge[9000];
	struct tcase	 t = { .name = "huge login", SAFE, .plan = "M",
			    .trace = "X", .end = END_AUTH, .steps = { MECHS,
			    "> 250 AUTH PLAIN LOGIN", "!" } };

	/* 512 octets with "AUTH PLAIN " and CRLF are 499 of base 64: 372 */
	test_long_login(372 - 8, true);
	test_long_login(373 - 8, false);
	test_long_login(1500, false);
	memset(huge, 'h', sizeof(huge) - 1);
	t.user = huge;
	play_case(&t, false);
}

/* Neither the password nor what is made of it is in the log. */
static void
test_secrets_in_log(void)
{
	static const struct tcase	t[] = {
		{ .name = "log: plain", SAFE, .plan = "M", .trace = "+",
		    .steps = { MECHS, "> 250 AUTH PLAIN", PLAINLY,
		    "> 235 ok", MAIL } },
		{ .name = "log: login", SAFE, .plan = "M", .trace = "X",
		    .end = END_AUTH, .steps = { MECHS, "> 250 AUTH LOGIN",
		    "< AUTH LOGIN", "> 334 who", "< dXNlcg==",
		    "> 334 what", "< c2VjcmV0", "> 535 no" } }
	};
	char				text[16384];
	ssize_t				n;
	size_t				i;
	FILE				*fp;

	for (i = 0; i < nitems(t); i++) {
		if ((fp = tmpfile()) == NULL)
			err(1, "tmpfile");
		log_to(LOG_TO_FILE, dup(fileno(fp)));
		log_set(LOG_LEVEL_DEBUG, false);
		play_case(&t[i], false);
		ok(log_flush() == 0, "flushed");
		log_to(LOG_TO_NOTHING, -1);
		n = pread(fileno(fp), text, sizeof(text) - 1, 0);
		ok(n > 0, "there is a log");
		text[n > 0 ? n : 0] = '\0';
		(void)fclose(fp);
		ok(strstr(text, "AUTH") != NULL, "the state is named");
		ok(strstr(text, "secret") == NULL &&
		    strstr(text, "c2VjcmV0") == NULL &&
		    strstr(text, "AHVzZXIAc2VjcmV0") == NULL,
		    "a secret in the log");
	}
	log_set(LOG_LEVEL_INFO, false);
}

/* The reply that refused us comes with the news. */
static void
test_refusal_text(void)
{
	static const struct tcase	login = { .name = "no login", SAFE,
		.plan = "M", .trace = "X", .end = END_AUTH, .steps = { MECHS,
		"> 250 AUTH PLAIN", PLAINLY, "> 535 5.7.8 wrong" } };
	static const struct tcase	xclient = { .name = "no XCLIENT",
		.plan = "WX", .trace = "+ X", .end = END_XCLIENT, .steps = {
		HELLO, XNAMES, XCLIENT, "> 550 5.7.0 not you" } };

	run_case(&login);
	is_int(ow.closed_by.code, 535, "code");
	is_str(ow.why, "AUTH: 535 5.7.8 wrong", "for the log");
	run_case(&xclient);
	is_int(ow.closed_by.code, 550, "code");
	is_str(ow.why, "XCLIENT: 550 5.7.0 not you", "for the log");
}

/* --- all ----------------------------------------------------------------- */

int
main(void)
{
	size_t	 i;

	setup();
	for (i = 0; i < nitems(cases); i++)
		run_case(&cases[i]);
	test_new_offer();
	test_idle_lmtp();
	test_first();
	test_first_stuck();
	test_long_logins();
	test_secrets_in_log();
	test_refusal_text();
	cleanup();
	return done("client_ext");
}
