/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The payloads of scripts' messages, what a script sees of a session, and
 * what it may answer.  Every payload comes out as it went in; cut anywhere,
 * or with an octet too many, it is refused.
 */

#include "msg.h"
#include "proto_script.h"
#include "t.h"

static const struct addr	v4 = { ADDR_V4, 41666, { 192, 0, 2, 1 } };
static const struct addr	v6 = { ADDR_V6, 25, { 0x20, 0x01, 0x0d, 0xb8,
	[15] = 1 } };
static const struct addr	local_socket = { ADDR_UNIX, 0, { 0 } };

/* A payload of the first n octets, in memory that ends there. */
static void
message(struct msg *m, const struct wbuf *w, size_t n)
{
	static uint8_t	*mem;

	free(mem);
	mem = malloc(n + (n == 0));
	if (n > 0)
		memcpy(mem, w->data, n);
	memset(m, 0, sizeof(*m));
	m->fd = -1;
	rbuf_init(&m->body, mem, n);
}

static bool
same(const struct wbuf *a, const struct wbuf *b)
{
	return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* Texts may be NULL, for what is not there. */
static void
is_text(const char *got, const char *want, const char *what)
{
	is_str(got == NULL ? "(none)" : got, want, "%s", what);
}

static struct slice
slice(const char *s)
{
	return (struct slice){ s, strlen(s) };
}

/* --- sessions ---------------------------------------------------------- */

/* Take what was written, and again with each octet less. */
static void
take(struct wbuf *w, struct hook_session *s, const char *what)
{
	struct hook_session	 other;
	struct msg		 m;
	bool			 nomem;
	size_t			 n;

	hook_put_end(w);
	for (n = 0; n < w->len; n++) {
		hook_session_init(&other);
		message(&m, w, n);
		ok(hook_get_fields(&m.body, &other, &nomem) == -1 && !nomem,
		    "%s cut to %zu", what, n);
		hook_session_clear(&other);
	}
	message(&m, w, w->len);
	ok(hook_get_fields(&m.body, s, &nomem) == 0, "%s", what);
	ok(m.body.p == m.body.end, "%s: all of it", what);
	wbuf_clear(w);
}

static void
put_address(struct wbuf *w, const char *line, const char *transportid)
{
	struct smtp_cmd	cmd;

	ok(smtp_cmd_parse(&cmd, slice(line)) == CMD_OK, "%s", line);
	if (transportid == NULL)
		hook_put_sender(w, &cmd.path, cmd.params, cmd.nparams);
	else
		hook_put_rcpt(w, &cmd.path, cmd.params, cmd.nparams,
		    transportid);
}

static void
test_connection(void)
{
	static const char *const names[] = { "subject", "serial_number" };
	static const char *const values[] = { "CN=c.example", "0A" };
	struct hook_session	 s;
	struct wbuf		 w = { 0 };

	hook_session_init(&s);
	is_int(s.uid, -1, "no uid to begin with");
	hook_put_remote(&w, &v4, -1);
	hook_put_local(&w, &v6);
	hook_put_serverid(&w, "inbound");
	take(&w, &s, "where it comes from");
	ok(addr_equal(&s.remote, &v4) && addr_equal(&s.local, &v6) &&
	    s.proxy.family == ADDR_NONE, "addresses");
	is_text(s.serverid, "inbound", "serverid");
	ok(!s.ptr_known && s.helo_verb == NULL && s.tls_protocol == NULL,
	    "the rest is not there");

	hook_put_ptr(&w, "c.example");
	hook_put_helo(&w, "EHLO", "c.example");
	hook_put_tls(&w, "TLSv1.3", "TLS_AES_256_GCM_SHA384", 256, "");
	hook_put_cert(&w, 18, names, values, 2);
	hook_put_auth(&w, "PLAIN", "joe");
	hook_put_context(&w, names, values, 1);
	hook_put_proxy(&w, &v6);
	take(&w, &s, "what it says of itself");
	ok(s.ptr_known, "the name is known");
	is_text(s.ptr, "c.example", "ptr");
	is_text(s.helo_verb, "EHLO", "helo.verb");
	is_text(s.helo_host, "c.example", "helo.host");
	is_text(s.tls_cipher, "TLS_AES_256_GCM_SHA384", "cipher");
	is_text(s.tls_sni, "", "sni");
	is_int(s.tls_keysize, 256, "keysize");
	ok(s.has_cert && s.cert_error == 18 && s.cert.n == 2, "certificate");
	is_text(s.cert.name[1], "serial_number", "of it");
	is_text(s.cert.value[1], "0A", "of it");
	is_text(s.auth_mechanism, "PLAIN", "mechanism");
	is_text(s.auth_username, "joe", "username");
	is_int(s.context.n, 1, "context");
	ok(addr_equal(&s.proxy, &v6), "proxy");
	is_int(s.connection_version, 10, "each change is counted");
	is_int(s.transaction_version, 0, "of what has changed");

	hook_put_forget(&w);
	hook_put_helo(&w, "HELO", "d.example");
	take(&w, &s, "after STARTTLS");
	ok(s.auth_mechanism == NULL && s.auth_username == NULL,
	    "AUTH is forgotten");
	is_text(s.helo_host, "d.example", "another helo");
	hook_put_remote(&w, &local_socket, 106);
	take(&w, &s, "after XCLIENT");
	ok(!s.ptr_known && s.ptr == NULL, "another client, another name");
	is_int(s.uid, 106, "uid");
	hook_session_clear(&s);
	ok(s.uid == -1 && s.rcpts == NULL, "and nothing is left");
}

static void
test_transaction(void)
{
	struct hook_session	 s;
	struct wbuf		 w = { 0 };
	unsigned int		 i;

	hook_session_init(&s);
	hook_put_tx(&w, 7);
	put_address(&w, "MAIL FROM:<\"Joe X\"@Example.ORG> size=10 "
	    "SMTPUTF8", NULL);
	take(&w, &s, "MAIL");
	ok(s.tx == 7 && s.has_sender, "a transaction");
	is_text(s.sender.address, "\"Joe X\"@Example.ORG", "address");
	is_text(s.sender.localpart, "Joe X", "localpart");
	is_text(s.sender.domain, "Example.ORG", "domain");
	is_int(s.sender.params.n, 2, "parameters");
	is_text(s.sender.params.name[0], "SIZE", "upper case");
	is_text(s.sender.params.value[0], "10", "value");
	is_text(s.sender.params.value[1], "", "no value");

	for (i = 0; i < 33; i++)
		put_address(&w, i == 32 ? "RCPT TO:<postmaster>" :
		    "RCPT TO:<a@b.example> NOTIFY=NEVER", i == 0 ? "mx" : "b");
	take(&w, &s, "RCPT");
	is_int(s.nrcpts, 33, "recipients");
	is_text(s.rcpts[0].transportid, "mx", "transportid");
	is_text(s.rcpts[31].to.address, "a@b.example", "address");
	is_text(s.rcpts[31].to.params.value[0], "NEVER", "parameter");
	is_text(s.rcpts[32].to.domain, "", "no domain");
	is_int(s.transaction_version, 35, "each change is counted");

	hook_put_tx(&w, 8);
	put_address(&w, "MAIL FROM:<>", NULL);
	take(&w, &s, "another one");
	ok(s.tx == 8 && s.nrcpts == 0 && s.rcpts == NULL, "with no one");
	ok(s.has_sender, "and a sender");
	is_text(s.sender.address, "", "which is null");
	is_int(s.sender.params.n, 0, "and has no parameters");
	hook_session_clear(&s);
}

/* What must not come in. */
static void
test_bad_fields(void)
{
	static char		 big[HOOK_TEXT_MAX + 2];
	const char		*names[HOOK_PARAMS_MAX + 1];
	struct hook_session	 s;
	struct wbuf		 w = { 0 };
	struct msg		 m;
	bool			 nomem;
	int			 i;

	memset(big, 'x', sizeof(big) - 1);
	for (i = 0; i <= HOOK_PARAMS_MAX; i++)
		names[i] = "n";
	for (i = 0; i < 5; i++) {
		hook_session_init(&s);
		if (i == 0)
			put_u8(&w, HOOK_FIELD_COUNT);
		else if (i == 1)
			hook_put_serverid(&w, big);
		else if (i == 2)
			hook_put_context(&w, names, names,
			    HOOK_PARAMS_MAX + 1);
		else if (i == 3) {
			put_u8(&w, HOOKF_PTR);
			put_blob(&w, "a\0b", 3);
		} else {
			put_u8(&w, HOOKF_REMOTE);
			put_u8(&w, ADDR_UNIX + 1);
		}
		hook_put_end(&w);
		message(&m, &w, w.len);
		ok(hook_get_fields(&m.body, &s, &nomem) == -1 && !nomem,
		    "bad field %d", i);
		hook_session_clear(&s);
		wbuf_clear(&w);
	}
}

/* --- calls --------------------------------------------------------------- */

static void
test_call(void)
{
	struct proto_hook_call	 call = { HOOK_RCPT, 0xfffffffe }, got;
	struct hook_args	 args = { .flag = true, .size = 1ULL << 63,
	    .number = 7, .verb = "mx", .text = "a@b.example",
	    .localpart = "a", .domain = "b.example" }, out;
	struct wbuf		 w = { 0 }, again = { 0 };
	struct msg		 m;
	bool			 nomem;
	size_t			 n;

	put_hook_call(&w, &call);
	message(&m, &w, w.len);
	ok(get_hook_call(&m, &got) == 0 && got.stage == HOOK_RCPT &&
	    got.script == 0xfffffffe, "HOOK_CALL");
	message(&m, &w, w.len - 1);
	ok(get_hook_call(&m, &got) == -1, "HOOK_CALL cut");
	w.data[0] = HOOK_STAGE_COUNT;
	message(&m, &w, w.len);
	ok(get_hook_call(&m, &got) == -1, "no such stage");
	wbuf_clear(&w);

	ok(hook_pairs_add(&args.pairs, "NOTIFY", "NEVER") == 0 &&
	    hook_pairs_add(&args.pairs, "ORCPT", "") == 0, "pairs");
	put_hook_args(&w, &args);
	for (n = 0; n < w.len; n++) {
		message(&m, &w, n);
		ok(get_hook_args(&m.body, &out, &nomem) == -1 && !nomem,
		    "arguments cut to %zu", n);
		hook_args_clear(&out);
	}
	message(&m, &w, w.len);
	ok(get_hook_args(&m.body, &out, &nomem) == 0, "arguments");
	put_hook_args(&again, &out);
	ok(same(&w, &again), "arguments come out as they went in");
	is_text(out.pairs.name[1], "ORCPT", "the last of them");
	hook_args_clear(&out);
	put_u8(&w, 0);
	message(&m, &w, w.len);
	ok(get_hook_args(&m.body, &out, &nomem) == -1, "with a tail");
	hook_args_clear(&out);
	hook_pairs_clear(&args.pairs);
	wbuf_clear(&w);
	wbuf_clear(&again);
	is_str(hook_stage_name(HOOK_COMMAND), "proxy", "a stage's name");
	is_str(hook_stage_name(HOOK_DATA), "data", "a stage's name");
}

/* --- verdicts ------------------------------------------------------------ */

static void
test_verdict_trip(void)
{
	struct proto_hook_verdict	 v = { .kind = HOOKV_ACCEPT,
	    .flags = 0xff, .code = 250, .enhanced = "2.1.5", .nlines = 3,
	    .command = "NOOP", .host = "c.example", .address = "a@b.example",
	    .transportid = "mx", .why = "greylist:3: oh", .usec = 12 }, out;
	struct wbuf			 w = { 0 }, again = { 0 };
	struct msg			 m;
	char				 text[] = "one\n\nthree";
	size_t				 n;

	v.lines = text;
	ok(hook_pairs_add(&v.extensions, "X", "y z") == 0, "pairs");
	put_hook_verdict(&w, &v);
	for (n = 0; n < w.len; n++) {
		message(&m, &w, n);
		ok(get_hook_verdict(&m, &out) == -1, "verdict cut to %zu", n);
		hook_verdict_clear(&out);
	}
	message(&m, &w, w.len);
	ok(get_hook_verdict(&m, &out) == 0, "verdict");
	put_hook_verdict(&again, &out);
	ok(same(&w, &again), "a verdict comes out as it went in");
	is_str(out.lines, text, "lines");
	is_str(out.why, v.why, "why");
	is_int(out.usec, 12, "usec");
	hook_verdict_clear(&out);
	put_u8(&w, 0);
	message(&m, &w, w.len);
	ok(get_hook_verdict(&m, &out) == -1, "with a tail");
	hook_verdict_clear(&out);
	hook_pairs_clear(&v.extensions);
	wbuf_clear(&w);
	wbuf_clear(&again);
}

/* Lines that are not as many as they say, or hold what cannot be sent. */
static void
test_verdict_lines(void)
{
	static const struct {
		uint32_t	 n;
		char		 text[16];
		int		 want;
	} cases[] = {
		{ 0, "", 0 }, { 1, "", 0 }, { 2, "\n", 0 }, { 1, "~ ", 0 },
		{ 0, "x", -1 }, { 1, "a\nb", -1 }, { 3, "a\nb", -1 },
		{ 1, "a\r", -1 }, { 1, "\t", -1 }, { 1, "\177", -1 },
		{ 1, "\303\244", -1 }, { HOOK_REPLY_LINES + 1, "", -1 }
	};
	struct proto_hook_verdict	 v, out;
	struct wbuf			 w = { 0 };
	struct msg			 m;
	char				 text[16];
	size_t				 i;

	for (i = 0; i < nitems(cases); i++) {
		memset(&v, 0, sizeof(v));
		memcpy(text, cases[i].text, sizeof(text));
		v.nlines = cases[i].n;
		v.lines = text;
		put_hook_verdict(&w, &v);
		message(&m, &w, w.len);
		is_int(get_hook_verdict(&m, &out), cases[i].want,
		    "lines %zu", i);
		hook_verdict_clear(&out);
		wbuf_clear(&w);
	}
}

#define N	HOOKV_NEXT
#define D	HOOKV_DISCONNECT
#define CMD	HOOKV_SET_COMMAND
#define HOST	HOOKV_SET_HOST
#define EXT	HOOKV_SET_EXTENSIONS
#define ADDR	HOOKV_SET_ADDRESS
#define TRANS	HOOKV_SET_TRANSPORTID

/* set: the command, host or transportid. */
static const struct check {
	enum hook_stage		 stage;
	enum smtp_verb		 verb;
	enum hook_verdict	 kind;
	unsigned int		 flags;
	uint16_t		 code;
	const char		*enhanced;
	uint32_t		 nlines;
	const char		*set;
	const char		*want;		/* NULL: possible */
} checks[] = {
	{ HOOK_COMMAND, VERB_MAIL, HOOKV_PASS, 0, 0, "", 0, "", NULL },
	{ HOOK_COMMAND, VERB_BDAT, HOOKV_PASS, N, 0, "", 0, "", NULL },
	{ HOOK_COMMAND, VERB_NONE, HOOKV_PASS, CMD, 0, "", 0,
	    "MAIL FROM:<>", NULL },
	{ HOOK_COMMAND, VERB_AUTH, HOOKV_PASS, CMD, 0, "", 0,
	    "AUTH PLAIN ****", NULL },
	{ HOOK_COMMAND, VERB_NONE, HOOKV_PASS, CMD, 0, "", 0, "",
	    "an empty command" },
	{ HOOK_COMMAND, VERB_BDAT, HOOKV_PASS, CMD, 0, "", 0, "NOOP",
	    "BDAT rewritten" },
	{ HOOK_COMMAND, VERB_NONE, HOOKV_PASS, CMD, 0, "", 0, "bdat 1 last",
	    "BDAT rewritten" },
	{ HOOK_COMMAND, VERB_STARTTLS, HOOKV_PASS, CMD, 0, "", 0, "NOOP",
	    "STARTTLS rewritten" },
	{ HOOK_COMMAND, VERB_NONE, HOOKV_PASS, CMD, 0, "", 0, "StartTLS",
	    "STARTTLS rewritten" },
	{ HOOK_COMMAND, VERB_NONE, HOOKV_PASS, D, 0, "", 0, "",
	    "disconnect without a refusal" },
	{ HOOK_COMMAND, VERB_NONE, HOOKV_PASS, ADDR, 0, "", 0, "",
	    "something is set that cannot be set here" },
	{ HOOK_COMMAND, VERB_NONE, HOOKV_PASS, 0, 250, "", 1, "",
	    "a code that has no place" },
	{ HOOK_COMMAND, VERB_NONE, HOOKV_ACCEPT, 0, 0, "", 0, "",
	    "a verdict of another stage" },
	{ HOOK_RCPT, VERB_NONE, HOOKV_PASS, 0, 0, "", 0, "",
	    "a verdict of another stage" },
	{ HOOK_RCPT, VERB_NONE, HOOKV_REPLY, 0, 250, "", 1, "",
	    "a verdict of another stage" },
	{ HOOK_COMMAND, VERB_NONE, HOOKV_REPLY, N | D, 250, "2.0.0", 1, "",
	    NULL },
	{ HOOK_COMMAND, VERB_NONE, HOOKV_REPLY, 0, 599, "5.999.0", 2, "",
	    NULL },
	{ HOOK_COMMAND, VERB_NONE, HOOKV_REPLY, 0, 199, "", 1, "",
	    "a code that is not of 200 to 599" },
	{ HOOK_COMMAND, VERB_NONE, HOOKV_REPLY, 0, 600, "", 1, "",
	    "a code that is not of 200 to 599" },
	{ HOOK_COMMAND, VERB_NONE, HOOKV_REPLY, 0, 0, "", 0, "",
	    "a code that is not of 200 to 599" },
	{ HOOK_COMMAND, VERB_NONE, HOOKV_REPLY, 0, 250, "", 0, "",
	    "a reply without a line" },
	{ HOOK_COMMAND, VERB_NONE, HOOKV_REPLY, 0, 250, "", 101, "",
	    "too many lines" },
	{ HOOK_COMMAND, VERB_NONE, HOOKV_REPLY, 0, 0, "", 1, "",
	    "lines without a code" },
	{ HOOK_COMMAND, VERB_NONE, HOOKV_REPLY, 0, 250, "5.0.0", 1, "",
	    "an enhanced code of another class than the code" },
	{ HOOK_COMMAND, VERB_NONE, HOOKV_REPLY, 0, 250, "2.0", 1, "",
	    "an enhanced code that is none" },
	{ HOOK_COMMAND, VERB_NONE, HOOKV_REPLY, N, 334, "3.0.0", 1, "",
	    "an enhanced code that is none" },
	{ HOOK_COMMAND, VERB_DATA, HOOKV_REPLY, N, 354, "", 1, "", NULL },
	{ HOOK_COMMAND, VERB_DATA, HOOKV_REPLY, 0, 354, "", 1, "",
	    "3xx without next" },
	{ HOOK_COMMAND, VERB_NONE, HOOKV_REPLY, 0, 334, "", 1, "",
	    "3xx without next" },
	{ HOOK_COMMAND, VERB_STARTTLS, HOOKV_REPLY, 0, 220, "", 1, "",
	    "220 to STARTTLS" },
	{ HOOK_COMMAND, VERB_STARTTLS, HOOKV_REPLY, 0, 250, "", 1, "",
	    NULL },
	{ HOOK_COMMAND, VERB_STARTTLS, HOOKV_REPLY, 0, 454, "4.7.0", 1, "",
	    NULL },
	{ HOOK_COMMAND, VERB_AUTH, HOOKV_REPLY, 0, 235, "", 1, "",
	    "235 to AUTH" },
	{ HOOK_COMMAND, VERB_AUTH, HOOKV_REPLY, N, 334, "", 1, "", NULL },
	{ HOOK_COMMAND, VERB_BDAT, HOOKV_REPLY, 0, 503, "", 1, "", NULL },

	{ HOOK_CONNECT, VERB_NONE, HOOKV_ACCEPT, 0, 220, "", 2, "", NULL },
	{ HOOK_CONNECT, VERB_NONE, HOOKV_ACCEPT, 0, 250, "", 1, "",
	    "accept with a code of another stage" },
	{ HOOK_CONNECT, VERB_NONE, HOOKV_ACCEPT, 0, 220, "2.0.0", 1, "",
	    "an enhanced code in a banner or the reply to EHLO" },
	{ HOOK_CONNECT, VERB_NONE, HOOKV_REJECT, D, 554, "", 1, "", NULL },
	{ HOOK_CONNECT, VERB_NONE, HOOKV_DEFER, D, 421, "4.7.0", 1, "",
	    NULL },
	{ HOOK_EHLO, VERB_EHLO, HOOKV_ACCEPT, HOST | EXT, 0, "", 0,
	    "c.example", NULL },
	{ HOOK_EHLO, VERB_EHLO, HOOKV_ACCEPT, HOST, 0, "", 0,
	    "[192.0.2.1]", NULL },
	{ HOOK_EHLO, VERB_EHLO, HOOKV_ACCEPT, HOST, 0, "", 0, "a b",
	    "a host that is none" },
	{ HOOK_EHLO, VERB_EHLO, HOOKV_ACCEPT, 0, 250, "", 1, "", NULL },
	{ HOOK_EHLO, VERB_EHLO, HOOKV_ACCEPT, 0, 250, "2.0.0", 1, "",
	    "an enhanced code in a banner or the reply to EHLO" },
	{ HOOK_EHLO, VERB_EHLO, HOOKV_ACCEPT, 0, 250, "", 2, "",
	    "more than one line before the keywords of EHLO" },
	{ HOOK_EHLO, VERB_EHLO, HOOKV_REJECT, HOST, 550, "", 1, "c.example",
	    "something is set that cannot be set here" },
	{ HOOK_AUTH, VERB_AUTH, HOOKV_ACCEPT, 0, 235, "2.7.0", 1, "", NULL },
	{ HOOK_AUTH, VERB_AUTH, HOOKV_ACCEPT, 0, 250, "", 1, "",
	    "accept with a code of another stage" },
	{ HOOK_MAIL, VERB_MAIL, HOOKV_ACCEPT, ADDR, 250, "2.1.0", 1, "",
	    NULL },
	{ HOOK_MAIL, VERB_MAIL, HOOKV_ACCEPT, TRANS, 0, "", 0, "mx",
	    "something is set that cannot be set here" },
	{ HOOK_MAIL, VERB_MAIL, HOOKV_ACCEPT, N, 0, "", 0, "",
	    "next in a stage that has no next line" },
	{ HOOK_MAIL, VERB_MAIL, HOOKV_ACCEPT, 0, 235, "", 1, "",
	    "accept with a code of another stage" },
	{ HOOK_RCPT, VERB_RCPT, HOOKV_ACCEPT, ADDR | TRANS, 251, "2.1.5", 1,
	    "mx", NULL },
	{ HOOK_RCPT, VERB_RCPT, HOOKV_ACCEPT, TRANS, 0, "", 0, "",
	    "an empty transportid" },
	{ HOOK_RCPT, VERB_RCPT, HOOKV_ACCEPT, D, 0, "", 0, "",
	    "disconnect without a refusal" },
	{ HOOK_RCPT, VERB_RCPT, HOOKV_ACCEPT, 0, 550, "", 1, "",
	    "accept with a code that is not 2xx" },
	{ HOOK_RCPT, VERB_RCPT, HOOKV_REJECT, D, 422, "4.2.2", 1, "", NULL },
	{ HOOK_RCPT, VERB_RCPT, HOOKV_REJECT, 0, 250, "", 1, "",
	    "reject with a code that is not 4xx or 5xx" },
	{ HOOK_RCPT, VERB_RCPT, HOOKV_REJECT, 0, 354, "", 1, "",
	    "reject with a code that is not 4xx or 5xx" },
	{ HOOK_RCPT, VERB_RCPT, HOOKV_DEFER, 0, 451, "4.7.1", 1, "", NULL },
	{ HOOK_RCPT, VERB_RCPT, HOOKV_DEFER, 0, 550, "5.7.1", 1, "",
	    "defer with a code that is not 4xx" },
	{ HOOK_DATA, VERB_DATA, HOOKV_ACCEPT, 0, 0, "", 0, "", NULL },
	{ HOOK_DATA, VERB_DATA, HOOKV_ACCEPT, 0, 250, "", 1, "",
	    "accept with a reply at DATA" },
	{ HOOK_DATA, VERB_DATA, HOOKV_REJECT, 0, 554, "5.7.1", 1, "", NULL },
	{ HOOK_DATA, VERB_DATA, HOOKV_ERROR, 0, 0, "", 0, "", NULL },
	{ HOOK_COMMAND, VERB_DATA, HOOKV_ERROR, 0, 0, "", 0, "", NULL },
	{ HOOK_COMMAND, VERB_DATA, HOOKV_ERROR, N, 0, "", 0, "",
	    "next in a stage that has no next line" },
	{ HOOK_DATA, VERB_DATA, HOOKV_ERROR, 0, 451, "", 1, "",
	    "a code that has no place" }
};

static void
test_checks(void)
{
	static char			 empty[] = "";
	struct proto_hook_verdict	 v;
	const struct check		*c;
	const char			*why;
	size_t				 i;

	for (i = 0; i < nitems(checks); i++) {
		c = &checks[i];
		memset(&v, 0, sizeof(v));
		v.kind = c->kind;
		v.flags = (uint8_t)c->flags;
		v.code = c->code;
		v.nlines = c->nlines;
		v.lines = empty;
		(void)strlcpy(v.enhanced, c->enhanced, sizeof(v.enhanced));
		(void)strlcpy(v.command, c->set, sizeof(v.command));
		(void)strlcpy(v.host, c->set, sizeof(v.host));
		(void)strlcpy(v.transportid, c->set, sizeof(v.transportid));
		why = hook_verdict_check(c->stage, c->verb, &v);
		is_str(why == NULL ? "possible" : why,
		    c->want == NULL ? "possible" : c->want, "case %zu", i);
	}
}

/* How long lines, commands and keywords may be. */
static void
test_lengths(void)
{
	static char			 text[600];
	struct proto_hook_verdict	 v = { .kind = HOOKV_REPLY,
	    .code = 250, .nlines = 1, .lines = text };
	struct proto_hook_verdict	 e = { .kind = HOOKV_ACCEPT,
	    .flags = EXT, .lines = text };
	static const struct {
		const char	*name, *value;
		bool		 good;
	} words[] = {
		{ "XVERB", "a b=c", true }, { "8BITMIME", "", true },
		{ "X-Y", "", true }, { "-X", "", false }, { "", "", false },
		{ "X Y", "", false }, { "X", "a\r\nb", false },
		{ "X", "\303\244", false }, { "X.Y", "", false }
	};
	size_t				 i;

	memset(text, 'x', 492);
	ok(hook_verdict_check(HOOK_COMMAND, VERB_NONE, &v) == NULL,
	    "as long as a line may be");
	text[492] = 'x';
	ok(hook_verdict_check(HOOK_COMMAND, VERB_NONE, &v) != NULL,
	    "too long a line");
	text[492] = '\n';
	text[493] = 'x';
	v.nlines = 2;
	ok(hook_verdict_check(HOOK_COMMAND, VERB_NONE, &v) == NULL,
	    "two that are not");
	memset(text, 0, sizeof(text));
	memset(&v, 0, sizeof(v));
	v.flags = CMD;
	v.lines = text;
	memset(v.command, 'x', SMTP_LINE_MAX - 2);
	ok(hook_verdict_check(HOOK_COMMAND, VERB_NONE, &v) == NULL,
	    "as long as a command may be");
	v.command[SMTP_LINE_MAX - 2] = 'x';
	ok(hook_verdict_check(HOOK_COMMAND, VERB_NONE, &v) != NULL,
	    "too long a command");
	for (i = 0; i < nitems(words); i++) {
		ok(hook_pairs_add(&e.extensions, words[i].name,
		    words[i].value) == 0, "keyword");
		ok((hook_verdict_check(HOOK_EHLO, VERB_EHLO, &e) == NULL) ==
		    words[i].good, "\"%s %s\"", words[i].name,
		    words[i].value);
		hook_pairs_clear(&e.extensions);
	}
}

/* --- PROBE, SQL ---------------------------------------------------------- */

/* Round trip, every cut, an octet too many. */
#define TRIP(name, put, get, type, in, tail)				\
	do {								\
		struct wbuf	 w_ = { 0 };				\
		struct msg	 m_;					\
		type		 out_;					\
		size_t		 n_;					\
									\
		put(&w_, &(in));					\
		memset(&out_, 0, sizeof(out_));				\
		message(&m_, &w_, w_.len);				\
		ok(get(&m_, &out_) == 0, name);				\
		ok(memcmp(&out_, &(in), sizeof(in)) == 0,		\
		    name " comes out as it went in");			\
		for (n_ = 0; n_ < w_.len; n_++) {			\
			message(&m_, &w_, n_);				\
			ok(get(&m_, &out_) == -1, name " cut to %zu",	\
			    n_);					\
		}							\
		put_u8(&w_, 0);						\
		message(&m_, &w_, w_.len);				\
		ok(get(&m_, &out_) == (tail), name " with a tail");	\
		wbuf_clear(&w_);					\
	} while (0)

static struct proto_probe	probe = { "b1.example", 65535, 60000,
	"a@b.example", "" };
static struct proto_probe_ans	probe_ans = { PROBE_NO, true, 550, "5.1.1",
	"rcpt", "no such user" };

static void
test_probe(void)
{
	struct proto_probe	 p = probe;
	struct wbuf		 w = { 0 };
	struct msg		 m;

	TRIP("PROBE", put_probe, get_probe, struct proto_probe, probe, -1);
	TRIP("PROBE_ANS", put_probe_ans, get_probe_ans,
	    struct proto_probe_ans, probe_ans, -1);
	p.timeout = 0;
	put_probe(&w, &p);
	message(&m, &w, w.len);
	ok(get_probe(&m, &p) == -1, "no time at all");
	wbuf_clear(&w);
	p = probe;
	(void)strlcpy(p.rcpt, "a\r\nDATA@b", sizeof(p.rcpt));
	put_probe(&w, &p);
	message(&m, &w, w.len);
	ok(get_probe(&m, &p) == 0, "what a script gave");
	is_str(p.rcpt, "a\r\nDATA@b", "is not touched: verifyd refuses it");
	wbuf_clear(&w);
}

static const struct value {
	uint8_t		 type;
	const char	*text;
	size_t		 len;
	bool		 good;
} values[] = {
	{ SQL_NULL, "", 0, true }, { SQL_NULL, "x", 1, false },
	{ SQL_TEXT, "", 0, true }, { SQL_TEXT, "a\0b", 3, true },
	{ SQL_INT, "-9223372036854775808", 20, true },
	{ SQL_INT, "0", 1, true }, { SQL_INT, "", 0, false },
	{ SQL_INT, "-", 1, false }, { SQL_INT, "1.5", 3, false },
	{ SQL_REAL, "-0.5", 4, true }, { SQL_REAL, "", 0, false },
	{ SQL_REAL, "1\0", 2, false },
	{ SQL_BOOL, "1", 1, true }, { SQL_BOOL, "0", 1, true },
	{ SQL_BOOL, "t", 1, false }, { SQL_BOOL, "", 0, false },
	{ SQL_TYPE_COUNT, "", 0, false }
};

static void
test_sql(void)
{
	static char		 big[SQL_MAX + 1];
	struct proto_sql	 s = { "SELECT ?", 8, 1000, 1 }, got;
	struct sql_value	 v, out;
	struct wbuf		 w = { 0 };
	struct msg		 m;
	size_t			 i, n;

	memset(big, ' ', sizeof(big));
	for (i = 0; i < 4; i++) {
		put_sql(&w, &s);
		for (n = 0; n < w.len && i == 0; n++) {
			message(&m, &w, n);
			ok(get_sql(&m, &got) == -1, "SQL cut to %zu", n);
		}
		message(&m, &w, w.len);
		is_int(get_sql(&m, &got), i == 0 ? 0 : -1, "SQL %zu", i);
		if (i == 0)
			ok(got.len == 8 && memcmp(got.sql, s.sql, 8) == 0 &&
			    got.max_rows == 1000 && got.nparams == 1,
			    "SQL comes out as it went in");
		wbuf_clear(&w);
		s.sql = i == 0 ? "a\0b" : big;
		s.len = i == 0 ? 3 : i == 1 ? sizeof(big) : 1;
		s.nparams = i == 2 ? SQL_VALUES_MAX + 1 : 0;
	}
	for (i = 0; i < nitems(values); i++) {
		v.type = values[i].type;
		v.p = values[i].text;
		v.len = values[i].len;
		put_sql_value(&w, &v);
		message(&m, &w, w.len);
		get_sql_value(&m.body, &out);
		is_int(get_end(&m.body), values[i].good ? 0 : -1,
		    "value %zu", i);
		if (values[i].good)
			ok(out.type == v.type && out.len == v.len &&
			    memcmp(out.p, v.p, v.len) == 0, "value %zu", i);
		wbuf_clear(&w);
	}
}

int
main(void)
{
	test_connection();
	test_transaction();
	test_bad_fields();
	test_call();
	test_verdict_trip();
	test_verdict_lines();
	test_checks();
	test_lengths();
	test_probe();
	test_sql();
	return done("t_hook");
}
