/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * proxyd as a process, in its jail: calls as smtpd sends them.
 *
 *	t_proxyd [PROGRAM]
 */

#include "child.h"
#include "proto_script.h"

#include <stdarg.h>

enum { PASS = 1, FAIL, LOOP, EAT, KEEP, WAIT, BAD };

static struct child	 px;
static struct conn	 smtpd0, smtpd1;
static struct config	*conf;

static char *
copy(const char *s)
{
	char	*p = strdup(s);

	if (p == NULL)
		die("strdup");
	return p;
}

static void
script(uint32_t id, const char *name, const char *text)
{
	struct conf_script	*s = calloc(1, sizeof(*s));

	if (s == NULL)
		die("calloc");
	s->obj.name = copy(name);
	s->obj.id = id;
	s->text = copy(text);
	if (conf_map_add(&conf->scripts, &s->obj) == -1)
		die("conf_map_add");
}

static void
conf_begin(uint32_t generation)
{
	if ((conf = conf_new(generation)) == NULL)
		die("conf_new");
	conf->log.to = copy("stderr");
	conf->log.level = LOGL_DEBUG;
	conf->script_limits.memory = 1024 * 1024;
	conf->script_limits.cpu = 20;
	conf->script_limits.time = 5000;
	script(PASS, "pass", "local x = arguments");
	script(FAIL, "fail", "\nlocal function f() error('so') end\nf()");
	script(LOOP, "loop", "while true do pcall(function() while true do "
	    "end end) end");
	script(EAT, "eat", "local t = {} for i = 1, 1e9 do t[i] = {} end");
	script(KEEP, "keep", "context = 1");
	script(WAIT, "wait", "sleep(0.05)");
}

static void
open_at(struct conn *c, uint64_t sid)
{
	struct wbuf	w = { 0 };

	hook_put_serverid(&w, "mx");
	hook_put_end(&w);
	conn_send(c, MSG_HOOK_OPEN, sid, 0, -1, &w);
}

static void
call_at(struct conn *c, uint64_t sid, uint32_t seq, enum hook_stage stage,
    uint32_t id)
{
	struct proto_hook_call	hc = { .stage = stage, .script = id };
	struct hook_args	args = { .text = (char *)(uintptr_t)"NOOP" };
	struct wbuf		w = { 0 };

	put_hook_call(&w, &hc);
	hook_put_end(&w);
	put_hook_args(&w, &args);
	conn_send(c, MSG_HOOK_CALL, sid, seq, -1, &w);
}

static void
want(struct conn *c, uint64_t sid, uint32_t seq, enum hook_verdict kind,
    const char *why)
{
	struct proto_hook_verdict	 v;
	struct got			*g = conn_wait(c, MSG_HOOK_VERDICT);
	struct msg			 m;

	if (!ok(g != NULL, "a verdict"))
		return;
	m = got_msg(g);
	is_int((int64_t)g->sid, (int64_t)sid, "its session");
	is_int(g->seq, seq, "its call");
	ok(get_hook_verdict(&m, &v) == 0, "it is one");
	is_int(v.kind, kind, "what it says: %s", v.why);
	ok(strstr(v.why, why) != NULL, "why: %s", v.why);
	hook_verdict_clear(&v);
	got_free(g);
}

static void
begin(void)
{
	conf_begin(1);
	child_conf(&px, conf, R_PROXYD);
	conf_unref(conf);
	child_peer(&px, &smtpd0, R_SMTPD, 0);
	child_peer(&px, &smtpd1, R_SMTPD, 1);
}

static void
test_calls(void)
{
	open_at(&smtpd0, 5);
	open_at(&smtpd1, 5);
	call_at(&smtpd0, 5, 1, HOOK_COMMAND, PASS);
	want(&smtpd0, 5, 1, HOOKV_PASS, "");
	call_at(&smtpd1, 5, 1, HOOK_RCPT, PASS);
	want(&smtpd1, 5, 1, HOOKV_ACCEPT, "");
	call_at(&smtpd0, 5, 2, HOOK_RCPT, FAIL);
	want(&smtpd0, 5, 2, HOOKV_ERROR, "fail:2: so");
	call_at(&smtpd0, 5, 3, HOOK_RCPT, LOOP);
	want(&smtpd0, 5, 3, HOOKV_ERROR, "over script-limits.cpu");
	call_at(&smtpd0, 5, 4, HOOK_RCPT, EAT);
	want(&smtpd0, 5, 4, HOOKV_ERROR, "over script-limits.memory");
	call_at(&smtpd0, 5, 5, HOOK_RCPT, 99);
	want(&smtpd0, 5, 5, HOOKV_ERROR, "no such script");
	call_at(&smtpd0, 5, 6, HOOK_COMMAND, PASS);
	want(&smtpd0, 5, 6, HOOKV_PASS, "");
	is_int(child_stat(&px, "proxyd.sessions"), 2, "sessions");
	is_int(child_stat(&px, "proxyd.calls"), 7, "calls");
	is_int(child_stat(&px, "proxyd.errors"), 4, "errors");
}

static void
test_wait(void)
{
	call_at(&smtpd0, 5, 10, HOOK_COMMAND, WAIT);
	call_at(&smtpd1, 5, 11, HOOK_COMMAND, PASS);
	want(&smtpd1, 5, 11, HOOKV_PASS, "");
	want(&smtpd0, 5, 10, HOOKV_PASS, "");
	call_at(&smtpd0, 5, 12, HOOK_COMMAND, WAIT);
	conn_send(&smtpd0, MSG_HOOK_CLOSE, 5, 0, -1, NULL);
	open_at(&smtpd0, 6);
	call_at(&smtpd0, 6, 13, HOOK_COMMAND, PASS);
	want(&smtpd0, 6, 13, HOOKV_PASS, "");
}

/* Whoever sends what cannot be is lost, and his sessions; others are not. */
static void
test_broken(void)
{
	struct wbuf	w = { 0 };

	call_at(&smtpd0, 77, 1, HOOK_COMMAND, PASS);
	conn_expect(&px.parent, MSG_PEER_BROKE, "a session that is not open");
	ok(conn_ended(&smtpd0), "its pipe is closed");
	conn_close(&smtpd0);
	is_int(child_stat(&px, "proxyd.sessions"), 1, "and its sessions");
	child_peer(&px, &smtpd0, R_SMTPD, 0);
	open_at(&smtpd0, 5);
	put_u8(&w, 200);
	conn_send(&smtpd0, MSG_HOOK_CALL, 5, 1, -1, &w);
	conn_expect(&px.parent, MSG_PEER_BROKE, "a stage that is none");
	conn_close(&smtpd0);
	call_at(&smtpd1, 5, 20, HOOK_COMMAND, PASS);
	want(&smtpd1, 5, 20, HOOKV_PASS, "");
}

/* A generation that does not compile is refused, with all that is wrong. */
static void
test_reload(void)
{
	struct proto_conf_err	 err;
	struct wbuf		 w = { 0 };
	struct got		*g;
	struct msg		 m;
	size_t			 n;

	conf_begin(2);
	script(BAD, "bad", "x = 1\nx =");
	script(BAD + 1, "worse", "x y");
	conf_fill_all(conf);
	conn_send(&px.parent, MSG_CONF_BEGIN, 0, 2, -1, NULL);
	for (n = 0; conf_put(&w, conf, R_PROXYD, n); n++)
		conn_send(&px.parent, MSG_CONF_ITEM, 0, 2, -1, &w);
	wbuf_clear(&w);
	conn_send(&px.parent, MSG_CONF_END, 0, 2, -1, NULL);
	if ((g = conn_wait(&px.parent, MSG_CONF_ERR)) == NULL) {
		ok(false, "it is refused");
		return;
	}
	m = got_msg(g);
	ok(get_conf_err(&m, &err) == 0, "CONF_ERR");
	is_str(err.why, "script.bad: 2: unexpected symbol near <eof>; "
	    "script.worse: 1: syntax error near 'y'", "why");
	got_free(g);
	conn_send(&px.parent, MSG_CONF_ABORT, 0, 2, -1, NULL);
	conf_unref(conf);
	call_at(&smtpd1, 5, 30, HOOK_COMMAND, PASS);
	want(&smtpd1, 5, 30, HOOKV_PASS, "");
	conf_begin(3);
	child_conf(&px, conf, R_PROXYD);
	conf_unref(conf);
	conn_send(&px.parent, MSG_CONF_DROP, 0, 1, -1, NULL);
	child_sync(&px);
	call_at(&smtpd1, 5, 31, HOOK_COMMAND, KEEP);
	want(&smtpd1, 5, 31, HOOKV_PASS, "");
	call_at(&smtpd1, 5, 32, HOOK_COMMAND, BAD);
	want(&smtpd1, 5, 32, HOOKV_ERROR, "no such script");
}

static void
test_drain(void)
{
	conn_send(&px.parent, MSG_STOP, 0, STOP_DRAIN, -1, NULL);
	call_at(&smtpd1, 5, 40, HOOK_COMMAND, PASS);
	want(&smtpd1, 5, 40, HOOKV_PASS, "");
	conn_send(&smtpd1, MSG_HOOK_CLOSE, 5, 0, -1, NULL);
	open_at(&smtpd1, 6);
	call_at(&smtpd1, 6, 41, HOOK_COMMAND, PASS);
	want(&smtpd1, 6, 41, HOOKV_PASS, "");
	conn_close(&smtpd1);
	is_int(child_wait(&px), 0, "it ends with the last smtpd");
	if (t_failed > 0)
		child_show_log(&px);
}

/* At once, whatever waits. */
static void
test_now(void)
{
	open_at(&smtpd0, 5);
	call_at(&smtpd0, 5, 1, HOOK_COMMAND, WAIT);
	child_stop(&px);
	ok(conn_ended(&smtpd0), "no verdict");
}

int
main(int argc, char **argv)
{
	const char	*program = child_program(argc, argv, "proxyd");

	child_start(&px, program, 0);
	begin();
	test_now();
	conn_close(&smtpd0);
	conn_close(&smtpd1);
	child_start(&px, program, 0);
	begin();
	test_calls();
	test_wait();
	test_broken();
	test_reload();
	test_drain();
	return done("t_proxyd");
}
