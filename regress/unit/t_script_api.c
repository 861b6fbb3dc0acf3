/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What scripts see and say: each case is a stage, a script, and what comes of
 * it as one line.  A script sees the session that session() makes; what it
 * finds there it says as a reason, so that the line shows it.
 */

#include "log.h"
#include "proc.h"
#include "script.h"
#include "t.h"

static struct sess		 sess;
static struct conf_script	 script;
static struct conf_obj		*objs[1] = { &script.obj };
static struct config		 conf;
static char			 shown[8192];
static const char		*shown_line;	/* for COMMAND */

/* --- what the engine asks of others --------------------------------------- */

struct config *
proc_conf(void)
{
	return &conf;
}

struct conf_obj *
proc_conf_obj(size_t off, uint32_t id)
{
	(void)off;
	(void)id;
	return NULL;
}

struct peer *
proc_peer(unsigned int role, unsigned int index)
{
	(void)role;
	(void)index;
	return NULL;
}

/* --- the session --------------------------------------------------------- */

static struct slice
slice(const char *s)
{
	return (struct slice){ s, strlen(s) };
}

/* Write into the session; to be followed by fields(). */
static void
put_path(struct wbuf *w, const char *line, const char *transportid)
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
fields(struct wbuf *w)
{
	struct rbuf	r;
	bool		nomem;

	hook_put_end(w);
	rbuf_init(&r, w->data, w->len);
	ok(hook_get_fields(&r, &sess.view, &nomem) == 0, "fields");
	wbuf_clear(w);
}

static void
session(void)
{
	static const struct addr	 v4 = { ADDR_V4, 41666,
	    { 192, 0, 2, 1 } };
	static const struct addr	 v6 = { ADDR_V6, 25,
	    { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } };
	static const char *const	 names[] = { "subject", "version" };
	static const char *const	 values[] = { "CN=c", "3" };
	struct wbuf			 w = { 0 };

	hook_put_remote(&w, &v4, -1);
	hook_put_local(&w, &v6);
	hook_put_proxy(&w, &v4);
	hook_put_serverid(&w, "inbound");
	hook_put_ptr(&w, "mail.example");
	hook_put_helo(&w, "EHLO", "c.example");
	hook_put_tls(&w, "TLSv1.3", "TLS_AES_256_GCM_SHA384", 256,
	    "mx.example");
	hook_put_cert(&w, 18, names, values, 2);
	hook_put_auth(&w, "PLAIN", "joe");
	hook_put_context(&w, names, values, 1);
	hook_put_tx(&w, 0xab);
	put_path(&w, "MAIL FROM:<Joe@Example.ORG> size=10 BODY=8BITMIME",
	    NULL);
	put_path(&w, "RCPT TO:<A@B.example> NOTIFY=NEVER", "mx");
	put_path(&w, "RCPT TO:<c@d.example>", "b1");
	fields(&w);
}

static void
sess_init(void)
{
	memset(&sess, 0, sizeof(sess));
	hook_session_init(&sess.view);
	sess.sid = 0x1234;
	sess.env = LUA_NOREF;
	sess.owner = owner_new(1024 * 1024);
}

static void
sess_end(void)
{
	lua_sess_over(&sess);
	hook_session_clear(&sess.view);
	owner_gone(sess.owner);
}

/*
 * What scripts here are given, on their first line: the string repeated; the
 * members of a table, sorted.
 */
static const char	prelude[] =
	"local function rep(s, n) local r = '' for i = 1, n do r = r .. s end "
	"return r end "
	"local function members(t) local k = {} for n in pairs(t) do local i = "
	"#k while i > 0 and k[i] > n do k[i + 1] = k[i] i = i - 1 end "
	"k[i + 1] = n end local s = '' for _, n in ipairs(k) do s = s .. ' ' "
	".. n end return s end ";

/* --- calls ---------------------------------------------------------------- */

static void
args_of(struct call *c)
{
	struct hook_args	*a = &c->args;

	switch (c->stage) {
	case HOOK_COMMAND:
		a->text = strdup(shown_line == NULL ? "NOOP" : shown_line);
		break;
	case HOOK_CONNECT:
		a->flag = true;
		break;
	case HOOK_EHLO:
		a->verb = strdup("EHLO");
		a->text = strdup("c.example");
		(void)hook_pairs_add(&a->pairs, "PIPELINING", "");
		(void)hook_pairs_add(&a->pairs, "SIZE", "1000");
		break;
	case HOOK_AUTH:
		a->verb = strdup("PLAIN");
		a->text = strdup("joe");
		break;
	case HOOK_RCPT:
		a->verb = strdup("b1");
		/* FALLTHROUGH */
	case HOOK_MAIL:
		a->text = strdup("\"E F\"@G.example");
		a->localpart = strdup("E F");
		a->domain = strdup("G.example");
		(void)hook_pairs_add(&a->pairs, "NOTIFY", "NEVER");
		break;
	case HOOK_DATA:
		a->size = 4711;
		a->number = 2;
		break;
	case HOOK_STAGE_COUNT:
		break;
	}
}

static void __attribute__((__format__(printf, 1, 2)))
add(const char *fmt, ...)
{
	size_t	n = strlen(shown);
	va_list	ap;

	va_start(ap, fmt);
	(void)vsnprintf(shown + n, sizeof(shown) - n, fmt, ap);
	va_end(ap);
}

/* "reject 550 5.7.1 [one|two] disconnect"; newlines are |. */
static void
show(const struct call *c, enum co_end end)
{
	static const char *const	 kinds[] = { "pass", "reply", "accept",
	    "reject", "defer", "error" };
	const struct proto_hook_verdict	*v = &c->verdict;
	uint32_t			 i;
	char				*p;

	shown[0] = '\0';
	if (end != CO_VERDICT) {
		add("%s%s", end == CO_DONE ? "end" : "", c->error);
		return;
	}
	add("%s", kinds[v->kind]);
	if (v->code != 0)
		add(" %u%s%s", v->code, v->enhanced[0] ? " " : "",
		    v->enhanced);
	if (v->nlines > 0)
		add(" [%s]", v->lines);
	if (v->flags & HOOKV_SET_COMMAND)
		add(" command=%s", v->command);
	if (v->flags & HOOKV_SET_HOST)
		add(" host=%s", v->host);
	if (v->flags & HOOKV_SET_ADDRESS)
		add(" address=%s", v->address);
	if (v->flags & HOOKV_SET_TRANSPORTID)
		add(" transportid=%s", v->transportid);
	if (v->flags & HOOKV_SET_EXTENSIONS)
		for (i = 0; i < v->extensions.n; i++)
			add(" +%s:%s", v->extensions.name[i],
			    v->extensions.value[i]);
	if (v->flags & HOOKV_NEXT)
		add(" next");
	if (v->flags & HOOKV_DISCONNECT)
		add(" disconnect");
	for (p = shown; *p != '\0'; p++)
		if (*p == '\n')
			*p = '|';
}

static void
note(const char *key, const char *why)
{
	ok(false, "%s: %s", key, why);
}

/* Run the text in that stage; shown[] is what comes of it. */
static void
run(enum hook_stage stage, const char *text)
{
	static char	 name[] = "s";
	struct call	 call;
	struct wbuf	 w = { 0 };
	struct co	*co;
	char		 whole[4096];

	script.obj.id++;
	script.obj.name = name;
	(void)snprintf(whole, sizeof(whole), "%s%s", prelude, text);
	script.text = whole;
	conf.scripts.v = objs;
	conf.scripts.n = 1;
	memset(&call, 0, sizeof(call));
	LIST_INIT(&call.cos);
	call.sess = &sess;
	call.stage = stage;
	call.script = &script;
	args_of(&call);
	sess.call = &call;
	shown[0] = '\0';
	if (lua_scripts_prepare(&conf, note) == 0 &&
	    (co = co_get(&call)) != NULL) {
		co_begin(co);
		show(&call, co_step(co, 0));
		if (call.decided)
			ok(hook_verdict_check(stage, VERB_NONE,
			    &call.verdict) == NULL, "possible");
		put_hook_verdict(&w, &call.verdict);
		wbuf_clear(&w);
		co_put(co);
		lua_call_over(&call);
	}
	hook_verdict_clear(&call.verdict);
	hook_args_clear(&call.args);
	sess.call = NULL;
	lua_scripts_release(&conf);
}

/* --- what a script says --------------------------------------------------- */

static const struct verdict {
	enum hook_stage	 stage;
	const char	*text;
	const char	*want;
} verdicts[] = {
	{ HOOK_COMMAND, "", "end" },
	{ HOOK_COMMAND, "proxy.Pass()", "pass" },
	{ HOOK_COMMAND, "proxy.Pass(nil)", "pass" },
	{ HOOK_COMMAND, "proxy.Pass{next = true}", "pass next" },
	{ HOOK_COMMAND, "proxy.Pass{next = false}", "pass" },
	{ HOOK_COMMAND, "proxy.Pass{command = 'MAIL FROM:<x@y>'}",
	    "pass command=MAIL FROM:<x@y>" },
	{ HOOK_COMMAND, "proxy.Pass{command = 'NOOP'}", "pass" },
	{ HOOK_COMMAND, "proxy.Pass{command = 'STARTTLS'}",
	    "s:1: proxy.Pass: STARTTLS rewritten" },
	{ HOOK_COMMAND, "\nproxy.Pass{command = 'bdat 3'}",
	    "s:2: proxy.Pass: BDAT rewritten" },
	{ HOOK_COMMAND, "proxy.Pass{command = ''}",
	    "s:1: proxy.Pass: an empty command" },
	{ HOOK_COMMAND, "proxy.Pass{command = 'NOOP\\r\\nQUIT'}",
	    "s:1: proxy.Pass: command must be one line without control "
	    "octets" },
	{ HOOK_COMMAND, "proxy.Pass{command = rep('x', 2047)}",
	    "s:1: proxy.Pass: a command that is too long" },
	{ HOOK_COMMAND, "proxy.Pass{command = rep('x', 2048)}",
	    "s:1: proxy.Pass: command is longer than 2047 octets" },
	{ HOOK_COMMAND, "proxy.Pass{command = 1}",
	    "s:1: proxy.Pass: command must be a string, not number" },
	{ HOOK_COMMAND, "proxy.Pass{next = 1}",
	    "s:1: proxy.Pass: next must be a boolean, not number" },
	{ HOOK_COMMAND, "proxy.Pass{disconnect = true}",
	    "s:1: proxy.Pass: no option \"disconnect\" in proxy; there are "
	    "command, next" },
	{ HOOK_COMMAND, "proxy.Pass('x')",
	    "s:1: proxy.Pass: options must be a table, not string" },
	{ HOOK_COMMAND, "proxy.Pass({}, 1)",
	    "s:1: proxy.Pass: too many arguments" },
	{ HOOK_COMMAND, "pcall(proxy.Pass)", "pass" },
	{ HOOK_COMMAND, "pcall(proxy.Pass, 1) proxy.Reply()",
	    "reply 250 2.0.0 [OK]" },

	{ HOOK_COMMAND, "proxy.Reply()", "reply 250 2.0.0 [OK]" },
	{ HOOK_COMMAND, "proxy.Reply{}", "reply 250 2.0.0 [OK]" },
	{ HOOK_COMMAND, "proxy.Reply('hi')", "reply 250 2.0.0 [hi]" },
	{ HOOK_COMMAND, "proxy.Reply('')", "reply 250 2.0.0 []" },
	{ HOOK_COMMAND, "proxy.Reply('550 no')",
	    "reply 250 2.0.0 [550 no]" },
	{ HOOK_COMMAND, "proxy.Reply{'a', '', 'c'}",
	    "reply 250 2.0.0 [a||c]" },
	{ HOOK_COMMAND, "proxy.Reply('no', {reply_codes = {code = 550}})",
	    "reply 550 5.0.0 [no]" },
	{ HOOK_COMMAND, "proxy.Reply(nil, {reply_codes = {code = 252}})",
	    "reply 252 2.0.0 [OK]" },
	{ HOOK_COMMAND, "proxy.Reply{reply_codes = {code = 450}}",
	    "reply 450 4.0.0 [not now, try again later]" },
	{ HOOK_COMMAND, "proxy.Reply('x', {reply_codes = {enhanced = "
	    "{5, 7, 1}}})", "reply 550 5.7.1 [x]" },
	{ HOOK_COMMAND, "proxy.Reply('x', {reply_codes = {enhanced = "
	    "{4, 7, 1}}})", "reply 450 4.7.1 [x]" },
	{ HOOK_COMMAND, "proxy.Reply('x', {reply_codes = {enhanced = "
	    "{2, 1.0, 0}}})", "reply 250 2.1.0 [x]" },
	{ HOOK_COMMAND, "proxy.Reply('x', {reply_codes = {code = 554, "
	    "enhanced = {5, 999, 0}}, disconnect = true})",
	    "reply 554 5.999.0 [x] disconnect" },
	{ HOOK_COMMAND, "proxy.Reply('x', {reply_codes = {code = 421}})",
	    "reply 421 4.0.0 [x] disconnect" },
	{ HOOK_COMMAND, "proxy.Reply('x', {reply_codes = {code = 334}, "
	    "next = true})", "reply 334 [x] next" },
	{ HOOK_COMMAND, "proxy.Reply('x', {reply_codes = {code = 334}})",
	    "s:1: proxy.Reply: 3xx without next" },
	{ HOOK_COMMAND, "proxy.Reply('x', {reply_codes = {code = 250, "
	    "enhanced = {5, 7, 1}}})", "s:1: proxy.Reply: an enhanced code "
	    "of another class than the code" },
	{ HOOK_COMMAND, "proxy.Reply('x', {reply_codes = {code = 100}})",
	    "s:1: proxy.Reply: reply_codes.code must be a number of 200 to "
	    "599" },
	{ HOOK_COMMAND, "proxy.Reply('x', {reply_codes = {code = '250'}})",
	    "s:1: proxy.Reply: reply_codes.code must be a number of 200 to "
	    "599" },
	{ HOOK_COMMAND, "proxy.Reply('x', {reply_codes = 250})",
	    "s:1: proxy.Reply: reply_codes must be a table, not number" },
	{ HOOK_COMMAND, "proxy.Reply('x', {reply_codes = {cod = 1}})",
	    "s:1: proxy.Reply: reply_codes has nothing but code and "
	    "enhanced" },
	{ HOOK_COMMAND, "proxy.Reply('x', {reply_codes = {enhanced = "
	    "{5, 7}}})", "s:1: proxy.Reply: reply_codes.enhanced must be an "
	    "array of three numbers: {5, 7, 1}" },
	{ HOOK_COMMAND, "proxy.Reply('x', {reply_codes = {enhanced = "
	    "{5, 7.5, 1}}})", "s:1: proxy.Reply: reply_codes.enhanced must "
	    "be an array of three numbers: {5, 7, 1}" },
	{ HOOK_COMMAND, "proxy.Reply('x', {reply_codes = {enhanced = "
	    "{3, 0, 0}}})", "s:1: proxy.Reply: reply_codes.enhanced must "
	    "begin with 2, 4 or 5" },
	{ HOOK_COMMAND, "proxy.Reply('a\\nb')",
	    "s:1: proxy.Reply: a reason of two lines: an array has one "
	    "string for each" },
	{ HOOK_COMMAND, "proxy.Reply{'a', 'b\\r'}",
	    "s:1: proxy.Reply: a reason of two lines: an array has one "
	    "string for each" },
	{ HOOK_COMMAND, "proxy.Reply('\\t\\xc3\\xa4\\0x\\x7f')",
	    "reply 250 2.0.0 [ ???x?]" },
	{ HOOK_COMMAND, "proxy.Reply(1)", "s:1: proxy.Reply: reason must be "
	    "a string or an array of strings, not number" },
	{ HOOK_COMMAND, "proxy.Reply{'a', true}", "s:1: proxy.Reply: reason "
	    "must be a string or an array of strings, not boolean" },
	{ HOOK_COMMAND, "proxy.Reply({}, {})",
	    "s:1: proxy.Reply: reason must have one line at least" },
	{ HOOK_COMMAND, "proxy.Reply(rep('x', 493))",
	    "s:1: proxy.Reply: a line that is too long" },
	{ HOOK_COMMAND, "proxy.Reply(rep('x', 5000))",
	    "s:1: proxy.Reply: a line that is too long" },
	{ HOOK_COMMAND, "local t = {} for i = 1, 101 do t[i] = 'x' end "
	    "proxy.Reply(t)", "s:1: proxy.Reply: a reply that is too long" },
	{ HOOK_COMMAND, "local t = {} for i = 1, 100 do t[i] = "
	    "rep('x', 400) end proxy.Reply(t)",
	    "s:1: proxy.Reply: a reply that is too long" },
	{ HOOK_COMMAND, "proxy.Reply(setmetatable({}, {__len = function() "
	    "return 1 << 40 end, __index = function() return 'x' end}))",
	    "s:1: proxy.Reply: a reply that is too long" },
	{ HOOK_COMMAND, "reject()", "s:1: reject: not in proxy.script, which "
	    "says proxy.Pass or proxy.Reply" },
	{ HOOK_COMMAND, "Accept()", "s:1: Accept: not in proxy.script, which "
	    "says proxy.Pass or proxy.Reply" },
	{ HOOK_RCPT, "proxy.Pass()", "s:1: proxy.Pass: not in the script of "
	    "a stage, which says accept, reject or defer" },
	{ HOOK_COMMAND, "proxy.Pass = 1", "s:1: attempt to change a "
	    "read-only table" },

	{ HOOK_CONNECT, "", "end" },
	{ HOOK_CONNECT, "accept()", "accept" },
	{ HOOK_CONNECT, "accept('mx.example ESMTP')",
	    "accept 220 [mx.example ESMTP]" },
	{ HOOK_CONNECT, "accept{'mx.example ESMTP', 'be nice'}",
	    "accept 220 [mx.example ESMTP|be nice]" },
	{ HOOK_CONNECT, "accept('220 mx.example ESMTP')",
	    "accept 220 [mx.example ESMTP]" },
	{ HOOK_CONNECT, "accept('x', {reply_codes = {code = 250}})",
	    "s:1: accept: accept with a code of another stage" },
	{ HOOK_CONNECT, "reject()",
	    "reject 554 [no service for you here] disconnect" },
	{ HOOK_CONNECT, "defer()",
	    "defer 421 [no service now, try again later] disconnect" },
	{ HOOK_CONNECT, "reject('521 5.7.1 go away')",
	    "reject 521 5.7.1 [go away] disconnect" },

	{ HOOK_EHLO, "accept{host = '[192.0.2.7]'}",
	    "accept host=[192.0.2.7]" },
	{ HOOK_EHLO, "accept('hello you')", "accept 250 [hello you]" },
	{ HOOK_EHLO, "accept({'a', 'b'})", "s:1: accept: more than one line "
	    "before the keywords of EHLO" },
	{ HOOK_EHLO, "local e = {} for i, x in ipairs(arguments.extensions) "
	    "do e[i] = x end e[#e + 1] = 'XVERB a b' "
	    "accept{extensions = e}",
	    "accept +PIPELINING: +SIZE:1000 +XVERB:a b" },
	{ HOOK_EHLO, "accept{extensions = arguments.extensions}",
	    "accept +PIPELINING: +SIZE:1000" },
	{ HOOK_EHLO, "accept{extensions = {}}", "accept" },
	{ HOOK_EHLO, "accept{extensions = {'A\\r\\n250 B'}}",
	    "s:1: accept: an extension that is no keyword" },
	{ HOOK_EHLO, "accept{extensions = {'A b\\r\\n250 C'}}",
	    "s:1: accept: an extension that is not US-ASCII" },
	{ HOOK_EHLO, "accept{extensions = {1}}", "s:1: accept: extensions "
	    "must be an array of strings, not number" },
	{ HOOK_EHLO, "accept{extensions = 'X'}", "s:1: accept: extensions "
	    "must be an array of strings, not string" },
	{ HOOK_EHLO, "accept{extensions = {'X\\0Y'}}",
	    "s:1: accept: a NUL in extensions" },
	{ HOOK_EHLO, "accept{host = 'a b'}",
	    "s:1: accept: a host that is none" },
	{ HOOK_EHLO, "reject()", "reject 550 5.7.1 [refused by policy]" },
	{ HOOK_EHLO, "Defer()",
	    "defer 450 4.7.1 [not now, try again later]" },
	{ HOOK_EHLO, "reject('x', {host = 'a'})", "s:1: reject: no option "
	    "\"host\" in ehlo; there are reply_codes, disconnect" },

	{ HOOK_AUTH, "Accept()", "accept" },
	{ HOOK_AUTH, "accept('hello joe')", "accept 235 2.7.0 [hello joe]" },
	{ HOOK_AUTH, "reject()",
	    "reject 535 5.7.8 [authentication failed]" },
	{ HOOK_AUTH, "defer()", "defer 454 4.7.0 [cannot authenticate now, "
	    "try again later]" },

	{ HOOK_MAIL, "accept{sender = 'x@y.example'}",
	    "accept address=x@y.example" },
	{ HOOK_MAIL, "accept{sender = ''}", "accept address=" },
	{ HOOK_MAIL, "accept{sender = 'x@y..example'}",
	    "s:1: accept: sender is no address: \"x@y..example\"" },
	{ HOOK_MAIL, "accept{sender = '<x@y.example>'}",
	    "s:1: accept: sender is no address: \"<x@y.example>\"" },
	{ HOOK_MAIL, "accept{recipient = 'x@y.example'}",
	    "s:1: accept: no option \"recipient\" in mail; there are "
	    "reply_codes, disconnect, sender" },
	{ HOOK_MAIL, "accept(nil, {disconnect = true})",
	    "s:1: accept: disconnect without a refusal" },
	{ HOOK_MAIL, "accept(nil, {disconnect = false})", "accept" },
	{ HOOK_MAIL, "reject('no', {disconnect = true})",
	    "reject 550 5.7.1 [no] disconnect" },

	{ HOOK_RCPT, "return", "end" },
	{ HOOK_RCPT, "accept{recipient = '\"a b\"@c.example', transportid = "
	    "'b1'}", "accept address=\"a b\"@c.example transportid=b1" },
	{ HOOK_RCPT, "accept{recipient = ''}",
	    "s:1: accept: recipient is no address: \"\"" },
	{ HOOK_RCPT, "accept{transportid = ''}",
	    "s:1: accept: an empty transportid" },
	{ HOOK_RCPT, "accept('fine')", "accept 250 2.1.5 [fine]" },
	{ HOOK_RCPT, "accept('251 2.1.5 elsewhere')",
	    "accept 251 2.1.5 [elsewhere]" },
	{ HOOK_RCPT, "accept('550 no')",
	    "s:1: accept: accept with a code that is not 2xx" },
	{ HOOK_RCPT, "reject()",
	    "reject 550 5.7.1 [recipient refused by policy]" },
	{ HOOK_RCPT, "reject(\"422 4.2.2 Greylisted, please try again in a "
	    "few moments.\")", "reject 422 4.2.2 [Greylisted, please try "
	    "again in a few moments.]" },
	{ HOOK_RCPT, "reject('550 no such user')",
	    "reject 550 [no such user]" },
	{ HOOK_RCPT, "reject('550 ')", "reject 550 []" },
	{ HOOK_RCPT, "reject('550')", "reject 550 5.7.1 [550]" },
	{ HOOK_RCPT, "reject('5500 no')", "reject 550 5.7.1 [5500 no]" },
	{ HOOK_RCPT, "reject('550 5.1.1')", "reject 550 5.1.1 []" },
	{ HOOK_RCPT, "reject{'550 5.1.1 one', '550 5.1.1 two'}",
	    "reject 550 5.1.1 [one|550 5.1.1 two]" },
	{ HOOK_RCPT, "reject('550 4.1.1 x')", "s:1: reject: an enhanced code "
	    "of another class than the code" },
	{ HOOK_RCPT, "reject('250 2.1.5 x')", "s:1: reject: reject with a "
	    "code that is not 4xx or 5xx" },
	{ HOOK_RCPT, "reject('550 x', {reply_codes = {code = 551}})",
	    "s:1: reject: a code in the reason and in reply_codes" },
	{ HOOK_RCPT, "reject('x', {reply_codes = {code = 553}})",
	    "reject 553 5.7.1 [x]" },
	{ HOOK_RCPT, "reject('x', {reply_codes = {code = 450}})",
	    "reject 450 4.0.0 [x]" },
	{ HOOK_RCPT, "reject('x', {reply_codes = {enhanced = {4, 2, 1}}})",
	    "reject 450 4.2.1 [x]" },
	{ HOOK_RCPT, "reject('421 bye')", "reject 421 [bye] disconnect" },
	{ HOOK_RCPT, "defer('550 x')",
	    "s:1: defer: defer with a code that is not 4xx" },
	{ HOOK_RCPT, "defer()", "defer 451 4.7.1 [not now, try again later]" },
	{ HOOK_RCPT, "defer('x', {reply_codes = {enhanced = {4, 2, 1}}})",
	    "defer 451 4.2.1 [x]" },
	{ HOOK_RCPT, "reject('x', {next = true})", "s:1: reject: no option "
	    "\"next\" in rcpt; there are reply_codes, disconnect" },
	{ HOOK_RCPT, "reject('x', {[7] = true})", "s:1: reject: no option "
	    "\"number\" in rcpt; there are reply_codes, disconnect" },
	{ HOOK_RCPT, "pcall(reject) accept()",
	    "reject 550 5.7.1 [recipient refused by policy]" },
	{ HOOK_RCPT, "pcall(function() error('x') end) defer('y')",
	    "defer 451 4.7.1 [y]" },

	{ HOOK_DATA, "accept()", "accept" },
	{ HOOK_DATA, "accept('fine')",
	    "s:1: accept: accept with a reply at DATA" },
	{ HOOK_DATA, "reject()",
	    "reject 554 5.7.1 [message refused by policy]" },
	{ HOOK_DATA, "defer('later', {reply_codes = {code = 452}})",
	    "defer 452 4.7.1 [later]" }
};

static void
test_verdicts(void)
{
	size_t	i;

	for (i = 0; i < nitems(verdicts); i++) {
		run(verdicts[i].stage, verdicts[i].text);
		is_str(shown, verdicts[i].want, "%s", verdicts[i].text);
	}
}

/* By the line that was shown. */
static void
test_verbs(void)
{
	static const struct {
		const char	*line, *text, *want;
	} cases[] = {
		{ "STARTTLS", "proxy.Reply('x', {reply_codes = {code = 220}})",
		    "s:1: proxy.Reply: 220 to STARTTLS" },
		{ "starttls", "proxy.Pass{command = 'starttls'}", "pass" },
		{ "starttls", "proxy.Pass{command = 'STARTTLS'}",
		    "s:1: proxy.Pass: STARTTLS rewritten" },
		{ "AUTH PLAIN ****", "proxy.Reply('x', {reply_codes = "
		    "{code = 235}})", "s:1: proxy.Reply: 235 to AUTH" },
		{ "AUTH PLAIN ****", "proxy.Pass{command = 'AUTH LOGIN ****'}",
		    "pass command=AUTH LOGIN ****" },
		{ "BDAT 5", "proxy.Pass{command = 'NOOP'}",
		    "s:1: proxy.Pass: BDAT rewritten" },
		{ "BDAT 5", "proxy.Pass{command = arguments.command}",
		    "pass" },
		{ "DATA", "proxy.Reply('x', {reply_codes = {code = 354}})",
		    "s:1: proxy.Reply: 3xx without next" }
	};
	size_t	i;

	for (i = 0; i < nitems(cases); i++) {
		shown_line = cases[i].line;
		run(HOOK_COMMAND, cases[i].text);
		is_str(shown, cases[i].want, "%s: %s", cases[i].line,
		    cases[i].text);
	}
	shown_line = NULL;
}

/* --- what a script sees --------------------------------------------------- */

/* An expression in that stage; `-' is nil. */
static const struct seen {
	enum hook_stage	 stage;
	const char	*expr;
	const char	*want;
} seen[] = {
	{ HOOK_COMMAND, "arguments.command", "NOOP" },
	{ HOOK_COMMAND, "arguments.verb", "-" },
	{ HOOK_COMMAND, "arguments.remoteptr", "-" },
	{ HOOK_COMMAND, "arguments.recipients", "-" },
	{ HOOK_COMMAND, "type(arguments)", "table" },
	{ HOOK_CONNECT, "arguments.remoteip", "192.0.2.1" },
	{ HOOK_CONNECT, "arguments.remoteport", "41666" },
	{ HOOK_CONNECT, "arguments.remoteptr", "mail.example" },
	{ HOOK_CONNECT, "arguments.remoteuid", "-" },
	{ HOOK_CONNECT, "arguments.localip", "2001:db8::1" },
	{ HOOK_CONNECT, "arguments.localport", "25" },
	{ HOOK_CONNECT, "arguments.serverid", "inbound" },
	{ HOOK_CONNECT, "arguments.proxyip", "192.0.2.1" },
	{ HOOK_CONNECT, "arguments.earlytalker", "true" },
	{ HOOK_EHLO, "arguments.verb", "EHLO" },
	{ HOOK_EHLO, "arguments.host", "c.example" },
	{ HOOK_EHLO, "#arguments.extensions", "2" },
	{ HOOK_EHLO, "arguments.extensions[1]", "PIPELINING" },
	{ HOOK_EHLO, "arguments.extensions[2]", "SIZE 1000" },
	{ HOOK_AUTH, "arguments.mechanism", "PLAIN" },
	{ HOOK_AUTH, "arguments.username", "joe" },
	{ HOOK_MAIL, "arguments.sender", "\"e f\"@g.example" },
	{ HOOK_MAIL, "arguments.address.localpart", "E F" },
	{ HOOK_MAIL, "arguments.address.domain", "G.example" },
	{ HOOK_MAIL, "arguments.params.NOTIFY", "NEVER" },
	{ HOOK_MAIL, "arguments.transportid", "-" },
	{ HOOK_RCPT, "arguments.recipient", "\"e f\"@g.example" },
	{ HOOK_RCPT, "arguments.transportid", "b1" },
	{ HOOK_RCPT, "arguments.sender", "-" },
	{ HOOK_DATA, "arguments.sender", "joe@example.org" },
	{ HOOK_DATA, "arguments.size", "4711" },
	{ HOOK_DATA, "#arguments.recipients", "2" },
	{ HOOK_DATA, "arguments.recipients[2].recipient", "c@d.example" },
	{ HOOK_RCPT, "connection.id", "0000000000001234" },
	{ HOOK_RCPT, "connection.remoteip", "192.0.2.1" },
	{ HOOK_RCPT, "connection.remoteptr", "mail.example" },
	{ HOOK_RCPT, "connection.localport", "25" },
	{ HOOK_RCPT, "connection.helo.verb", "EHLO" },
	{ HOOK_RCPT, "connection.helo.host", "c.example" },
	{ HOOK_RCPT, "connection.tls.protocol", "TLSv1.3" },
	{ HOOK_RCPT, "connection.tls.cipher", "TLS_AES_256_GCM_SHA384" },
	{ HOOK_RCPT, "connection.tls.keysize", "256" },
	{ HOOK_RCPT, "connection.tls.sni", "mx.example" },
	{ HOOK_RCPT, "connection.tls.peercert.error", "18" },
	{ HOOK_RCPT, "connection.tls.peercert.x509.subject", "CN=c" },
	{ HOOK_RCPT, "connection.auth.mechanism", "PLAIN" },
	{ HOOK_RCPT, "connection.auth.username", "joe" },
	{ HOOK_RCPT, "connection.context.subject", "CN=c" },
	{ HOOK_RCPT, "connection.recipients", "-" },
	{ HOOK_RCPT, "connection[1]", "-" },
	{ HOOK_RCPT, "transaction.id", "00000000000000ab" },
	{ HOOK_RCPT, "transaction.sender", "joe@example.org" },
	{ HOOK_RCPT, "transaction.senderaddress.localpart", "Joe" },
	{ HOOK_RCPT, "transaction.senderaddress.domain", "Example.ORG" },
	{ HOOK_RCPT, "transaction.senderparams.SIZE", "10" },
	{ HOOK_RCPT, "#transaction.recipients", "2" },
	{ HOOK_RCPT, "transaction.recipients[1].recipient", "a@b.example" },
	{ HOOK_RCPT, "transaction.recipients[1].address.domain",
	    "B.example" },
	{ HOOK_RCPT, "transaction.recipients[1].params.NOTIFY", "NEVER" },
	{ HOOK_RCPT, "transaction.recipients[1].transportid", "mx" },
	{ HOOK_RCPT, "transaction.recipients[3]", "-" },
	{ HOOK_RCPT, "rawget(connection, 'remoteip')", "192.0.2.1" },
	{ HOOK_RCPT, "getmetatable(connection)", "false" },
	{ HOOK_RCPT, "connection == connection", "true" },
	{ HOOK_RCPT, "select(2, pcall(function() connection.id = 1 end))",
	    "s:1: connection is read-only" },
	{ HOOK_RCPT, "select(2, pcall(function() arguments.x = 1 end))",
	    "s:1: arguments is read-only" },
	{ HOOK_RCPT, "select(2, pcall(function() transaction.sender = 1 "
	    "end))", "s:1: transaction is read-only" },
	{ HOOK_RCPT, "select(2, pcall(function() connection.helo.host = 1 "
	    "end))", "s:1: attempt to change a read-only table" },
	{ HOOK_RCPT, "select(2, pcall(rawset, connection, 'x', 1))",
	    "attempt to change a read-only table" },
	{ HOOK_RCPT, "select(2, pcall(setmetatable, connection, {}))",
	    "attempt to change a read-only table" }
};

static void
see(enum hook_stage stage, const char *expr, const char *want)
{
	char	text[1024], reason[512];

	(void)snprintf(text, sizeof(text), "local v = %s %s(v == nil and '-' "
	    "or tostring(v))", expr, stage == HOOK_COMMAND ? "proxy.Reply" :
	    "reject");
	run(stage, text);
	(void)snprintf(reason, sizeof(reason), "[%s]", want);
	if (!ok(strstr(shown, reason) != NULL, "%s", expr))
		printf("#\tgot %s, want %s\n", shown, reason);
}

static void
test_seen(void)
{
	size_t	i;

	for (i = 0; i < nitems(seen); i++)
		see(seen[i].stage, seen[i].expr, seen[i].want);
}

/* Loops see what is there. */
static void
test_loops(void)
{
	static const struct {
		enum hook_stage	 stage;
		const char	*of, *want;
	} cases[] = {
		{ HOOK_RCPT, "(arguments)", " address params recipient "
		    "transportid" },
		{ HOOK_DATA, "(arguments)", " recipients sender size" },
		{ HOOK_RCPT, "(connection)", " auth context helo id localip "
		    "localport remoteip remoteport remoteptr serverid tls" },
		{ HOOK_RCPT, "(transaction)", " id recipients sender "
		    "senderaddress senderparams" },
		{ HOOK_RCPT, "(connection.tls)", " cipher keysize peercert "
		    "protocol sni" },
		{ HOOK_RCPT, "(transaction.recipients[2])", " address params "
		    "recipient transportid" }
	};
	char			expr[512];
	size_t			i;

	for (i = 0; i < nitems(cases); i++) {
		(void)snprintf(expr, sizeof(expr), "members%s", cases[i].of);
		see(cases[i].stage, expr, cases[i].want);
	}
}

/* A session of which nothing is known, and one on a socket. */
static void
test_absent(void)
{
	static const struct addr	 socket = { ADDR_UNIX, 0, { 0 } };
	static const char *const	 absent[] = { "connection.remoteip",
	    "connection.remoteport", "connection.remoteptr",
	    "connection.helo", "connection.tls", "connection.auth",
	    "connection.context", "connection.serverid", "transaction.id",
	    "transaction.sender", "transaction.senderaddress",
	    "transaction.recipients[1]" };
	struct wbuf			 w = { 0 };
	size_t				 i;

	for (i = 0; i < nitems(absent); i++)
		see(HOOK_RCPT, absent[i], "-");
	see(HOOK_RCPT, "#transaction.recipients", "0");
	hook_put_remote(&w, &socket, 106);
	hook_put_tls(&w, "TLSv1.2", "x", 128, "");
	fields(&w);
	see(HOOK_RCPT, "connection.remoteuid", "106");
	see(HOOK_RCPT, "connection.remoteip", "-");
	see(HOOK_RCPT, "connection.tls.sni", "-");
	see(HOOK_RCPT, "connection.tls.peercert", "-");
}

/* What was shown is shown again, unless it has changed. */
static void
test_again(void)
{
	struct wbuf	w = { 0 };
	int		i;

	see(HOOK_RCPT, "(function() context = {connection, transaction, "
	    "transaction.recipients, arguments} return 'kept' end)()",
	    "kept");
	see(HOOK_RCPT, "context[1] == connection", "true");
	see(HOOK_RCPT, "context[2] == transaction", "true");
	see(HOOK_RCPT, "context[3] == transaction.recipients", "true");
	see(HOOK_RCPT, "context[4] == arguments", "false");
	hook_put_helo(&w, "HELO", "d.example");
	fields(&w);
	see(HOOK_RCPT, "context[1] == connection", "false");
	see(HOOK_RCPT, "connection.helo.host", "d.example");
	see(HOOK_RCPT, "context[1].helo.host", "c.example");
	see(HOOK_RCPT, "context[2] == transaction", "true");
	for (i = 0; i < 5; i++)
		put_path(&w, "RCPT TO:<e@f.example>", "mx");
	fields(&w);
	see(HOOK_RCPT, "#transaction.recipients", "7");
	see(HOOK_RCPT, "transaction.recipients[7].recipient", "e@f.example");
	see(HOOK_RCPT, "context[2] == transaction", "true");
	see(HOOK_RCPT, "context[3] == transaction.recipients", "true");
	hook_put_tx(&w, 0xac);
	fields(&w);
	see(HOOK_RCPT, "#transaction.recipients", "0");
	see(HOOK_RCPT, "transaction.sender", "-");
	see(HOOK_RCPT, "transaction.id", "00000000000000ac");
	put_path(&w, "MAIL FROM:<>", NULL);
	for (i = 0; i < 6; i++)
		put_path(&w, "RCPT TO:<g@h.example>", "mx");
	fields(&w);
	see(HOOK_RCPT, "transaction.sender", "");
	see(HOOK_RCPT, "transaction.senderaddress.localpart", "");
	see(HOOK_RCPT, "#transaction.recipients", "6");
	see(HOOK_RCPT, "transaction.recipients[6].recipient", "g@h.example");
}

/* A script that only passes has nothing made. */
static void
test_nothing(void)
{
	run(HOOK_COMMAND, "");
	run(HOOK_COMMAND, "proxy.Pass()");
	ok(!sess.shown.connection && !sess.shown.transaction &&
	    !sess.shown.recipients, "nothing is made");
	run(HOOK_COMMAND, "local x = transaction.sender");
	ok(!sess.shown.connection && sess.shown.transaction &&
	    !sess.shown.recipients, "but what is read");
}

int
main(void)
{
	log_init("t_script_api", 0);
	lua_start();
	co_start();
	co_limit(2000);
	sess_init();
	test_absent();
	sess_end();
	sess_init();
	session();
	test_nothing();
	test_verdicts();
	test_verbs();
	test_seen();
	test_loops();
	test_again();
	sess_end();
	return done("t_script_api");
}
