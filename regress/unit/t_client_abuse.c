/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The client of SMTP: every place in a dialogue, and all that a server may do
 * wrong there: rubbish, replies that nobody asked for, an end, silence.  See
 * client_script.h for how to read the tables.
 */

#include "client_script.h"

/* Where a server can misbehave, with what went before. */
static const struct place {
	const char	*name;
	const char	*plan;
	const char	*trace;		/* of what went before */
	const char	*steps[24];
	enum { COMMAND, FINAL, NEVER } timeout;
	bool		 lmtp;
	bool		 login;
} places[] = {
	{ "greeting", "M", "", { NULL },
	    .timeout = COMMAND },
	{ "EHLO", "M", "", { HELLO },
	    .timeout = COMMAND },
	{ "HELO", "M", "", { HELLO, "> 500 no", "< HELO me.test" },
	    .timeout = COMMAND },
	{ "MAIL", "MRD", "+ ", { PLAIN, MAIL },
	    .timeout = COMMAND },
	{ "RCPT", "MRD", "+ M250 ", { PIPE, MAIL, "> 250 ok" },
	    .timeout = COMMAND },
	{ "DATA", "MRD", "+ M250 R1:250 ",
	    { PIPE, MAIL, "> 250 ok", "> 250 ok" },
	    .timeout = COMMAND },
	{ "RSET", "S", "+ ", { PIPE, "< RSET" },
	    .timeout = COMMAND },
	{ "dot", "MRD|BE", "+ M250 R1:250 D354 ",
	    { PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "<+DATA",
	    "> 250 ok", "> 250 ok", "> 354 go", BODY }, .timeout = FINAL },
	{ "body", "MRD|B", "+ M250 R1:250 D354 ",
	    { PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "<+DATA",
	    "> 250 ok", "> 250 ok", "> 354 go", "< Hello" },
	    .timeout = NEVER },
	{ "idle", "", "+ ", { PIPE }, .timeout = NEVER },
	{ "LHLO", "M", "", { "> 220 hi", "< LHLO me.test" }, .lmtp = true },
	{ "second verdict", "MRRD|BE",
	    "+ M250 R1:250 R2:250 D354 E1:250 ",
	    { LMTP, MAIL, "<+RCPT TO:<r1@c.test>", "<+RCPT TO:<r2@c.test>",
	    "<+DATA", "> 250 ok", "> 250 ok", "> 250 ok", "> 354 go", BODY,
	    "> 250 1" }, .timeout = FINAL, .lmtp = true },
	{ "in a chunk", "MR|Cb", "+ M250 R1:250 ",
	    { PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "> 250 ok", "> 250 ok",
	    "< BDAT 13" }, .timeout = NEVER },
	{ "behind a chunk", "MR|CB", "+ M250 R1:250 ",
	    { PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "> 250 ok", "> 250 ok",
	    CHUNK },
	    .timeout = COMMAND },
	{ "between chunks", "MR|CB", "+ M250 R1:250 C250 ",
	    { PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "> 250 ok", "> 250 ok",
	    CHUNK, "> 250 ok" }, .timeout = NEVER },
	{ "last chunk", "MR|LB", "+ M250 R1:250 ",
	    { PIPE, MAIL, "<+RCPT TO:<r1@c.test>", "> 250 ok", "> 250 ok",
	    LAST }, .timeout = FINAL },
	{ "XCLIENT", "WXM", "+ ", { HELLO, XNAMES, XCLIENT },
	    .timeout = COMMAND },
	{ "XCLIENT's EHLO", "WXM", "+ ", { HELLO, XNAMES, XCLIENT, AGAIN },
	    .timeout = COMMAND },
	{ "AUTH", "M", "", { MECHS, "> 250 AUTH PLAIN", PLAINLY },
	    .login = true },
	{ "password", "M", "", { MECHS, "> 250 AUTH LOGIN", "< AUTH LOGIN",
	    "> 334 who", "< dXNlcg==", "> 334 what", "< c2VjcmV0" },
	    .login = true }
};

static const char *const	rubbish[] = {
	">>hello\r\n", ">>\r\n", ">>25\r\n", ">>2500 ok\r\n", ">>250ok\r\n",
	">>250\tok\r\n", ">>-250 ok\r\n", ">> 250 ok\r\n", ">>600 x\r\n",
	">>000 x\r\n", ">>120 wait\r\n", ">>334 abc\r\n", ">>250 ok\n",
	">>250 ok\rhidden\r\n", ">>250-a\r\n251 b\r\n", ">>250-a\r\nb\r\n",
	">>250 ok\r\r\n"
};

static void
at_place(struct tcase *t, const struct place *place, const char *last,
    enum client_end end)
{
	static char	 trace[128];
	size_t		 i;

	memset(t, 0, sizeof(*t));
	snprintf(trace, sizeof(trace), "%sX", place->trace);
	t->plan = place->plan;
	t->trace = trace;
	t->end = end;
	t->lmtp = place->lmtp;
	if (place->login) {
		t->mode = RTLS_IMPLICIT;
		t->user = "user";
	}
	for (i = 0; place->steps[i] != NULL; i++)
		t->steps[i] = place->steps[i];
	t->steps[i] = last;
}

static void
run_place(size_t n, const char *what, const char *last, enum client_end end)
{
	struct tcase	 t;
	char		 name[128];

	at_place(&t, &places[n], last, end);
	snprintf(name, sizeof(name), "%s at %s", what, places[n].name);
	t.name = name;
	play_case(&t, false);
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

/* --- silence ------------------------------------------------------------- */

static void
run_slow(const char *name, size_t place, const char *last, int64_t command,
    int64_t final)
{
	struct tcase	 t;
	int64_t		 began;

	at_place(&t, &places[place], last, END_TIMEOUT);
	t.name = name;
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
		switch (places[i].timeout) {
		case COMMAND:
			run_slow(places[i].name, i, NULL, 100, 60000);
			break;
		case FINAL:
			run_slow(places[i].name, i, NULL, 60000, 100);
			break;
		case NEVER:
			break;
		}
	}
	/* one that dribbles has no more time than one that is silent */
	run_slow("dribble", 3, "drip", 300, 60000);
}

/* --- all ----------------------------------------------------------------- */

int
main(void)
{
	setup();
	test_rubbish();
	test_lost();
	test_timeouts();
	cleanup();
	return done("client_abuse");
}
