/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The messages of scripts.  The first octet says which payload the rest is.
 *
 * What a getter takes is written again octet for octet the same.  A session
 * that was put together from fields is written down whole, read again, and
 * written down the same.  A verdict that the check lets pass can harm nobody:
 * no control octets, lines and codes as they must be.
 */

#include <stdbool.h>

#include "fuzz.h"
#include "msg.h"
#include "proto_script.h"

static void
message(struct msg *m, const void *data, size_t n)
{
	memset(m, 0, sizeof(*m));
	m->fd = -1;
	rbuf_init(&m->body, data, n);
}

static void
must_be(struct wbuf *w, const char *data, size_t len)
{
	must(wire_ok(w) && w->len == len);
	must(len == 0 || memcmp(w->data, data, len) == 0);
	wbuf_clear(w);
}

/* --- sessions ------------------------------------------------------------ */

static void
put_address(struct wbuf *w, const struct hook_address *a)
{
	put_str(w, a->address);
	put_str(w, a->localpart);
	put_str(w, a->domain);
	hook_put_pairs(w, &a->params);
}

/* All that is known, as fields. */
static void
put_session(struct wbuf *w, const struct hook_session *s)
{
	uint32_t	i;

	hook_put_remote(w, &s->remote, s->uid);
	hook_put_local(w, &s->local);
	hook_put_proxy(w, &s->proxy);
	if (s->serverid != NULL)
		hook_put_serverid(w, s->serverid);
	if (s->ptr_known)
		hook_put_ptr(w, s->ptr);
	if (s->helo_verb != NULL)
		hook_put_helo(w, s->helo_verb, s->helo_host);
	if (s->tls_protocol != NULL)
		hook_put_tls(w, s->tls_protocol, s->tls_cipher,
		    s->tls_keysize, s->tls_sni);
	if (s->has_cert)
		hook_put_cert(w, s->cert_error,
		    (const char *const *)s->cert.name,
		    (const char *const *)s->cert.value, s->cert.n);
	if (s->auth_mechanism != NULL)
		hook_put_auth(w, s->auth_mechanism, s->auth_username);
	hook_put_context(w, (const char *const *)s->context.name,
	    (const char *const *)s->context.value, s->context.n);
	hook_put_tx(w, s->tx);
	if (s->has_sender) {
		put_u8(w, HOOKF_SENDER);
		put_address(w, &s->sender);
	}
	for (i = 0; i < s->nrcpts; i++) {
		put_u8(w, HOOKF_RCPT);
		put_address(w, &s->rcpts[i].to);
		put_str(w, s->rcpts[i].transportid);
	}
	hook_put_end(w);
}

static void
try_session(const char *data, size_t len)
{
	struct hook_session	 s, copy;
	struct wbuf		 w = { 0 }, again = { 0 };
	struct msg		 m;
	bool			 nomem;

	message(&m, data, len);
	hook_session_init(&s);
	hook_session_init(&copy);
	if (hook_get_fields(&m.body, &s, &nomem) == 0) {
		must(!m.body.failed);
		must(s.nrcpts == 0 || s.transaction_version >= s.nrcpts);
		put_session(&w, &s);
		message(&m, w.data, w.len);
		must(hook_get_fields(&m.body, &copy, &nomem) == 0);
		must(get_end(&m.body) == 0);
		put_session(&again, &copy);
		must_be(&again, (const char *)w.data, w.len);
		wbuf_clear(&w);
	}
	hook_session_clear(&s);
	hook_session_clear(&copy);
}

/* --- calls --------------------------------------------------------------- */

static void
try_call(const char *data, size_t len)
{
	struct proto_hook_call	 call;
	struct wbuf		 w = { 0 };
	struct msg		 m;

	message(&m, data, len);
	if (get_hook_call(&m, &call) == -1)
		return;
	must(call.stage < HOOK_STAGE_COUNT);
	must(hook_stage_name(call.stage) != NULL);
	put_hook_call(&w, &call);
	must_be(&w, data, 5);
}

static void
try_args(const char *data, size_t len)
{
	struct hook_args	 args;
	struct wbuf		 w = { 0 };
	struct msg		 m;
	bool			 nomem;

	message(&m, data, len);
	if (get_hook_args(&m.body, &args, &nomem) == 0) {
		must(args.pairs.n <= HOOK_PARAMS_MAX);
		put_hook_args(&w, &args);
		must_be(&w, data, len);
	}
	must(!nomem);
	hook_args_clear(&args);
}

/* --- verdicts ------------------------------------------------------------ */

static void
check_text(const char *p, size_t max)
{
	const char	*start = p;

	for (; *p != '\0'; p++)
		must((unsigned char)*p >= ' ' && *p != 0x7f);
	must((size_t)(p - start) <= max);
}

/* Whatever the reply is for: it is one. */
static void
check_reply(const struct proto_hook_verdict *v)
{
	uint32_t	 n = 0;
	const char	*p = v->lines;
	size_t		 len;

	must(v->code >= 200 && v->code <= 599 && v->nlines > 0);
	for (; n < v->nlines; n++) {
		len = strcspn(p, "\n");
		must(len < SMTP_REPLY_LINE_MAX - 10);
		p += len;
		must((*p == '\n') == (n + 1 < v->nlines));
		p++;
	}
	must(v->enhanced[0] == '\0' || v->enhanced[0] - '0' == v->code / 100);
}

static void
check_verdict(enum hook_stage stage, enum smtp_verb verb,
    const struct proto_hook_verdict *v)
{
	uint32_t	i;

	must((stage == HOOK_COMMAND) == (v->kind < HOOKV_ACCEPT) ||
	    v->kind == HOOKV_ERROR);
	if (v->code != 0)
		check_reply(v);
	else
		must(v->nlines == 0 && v->enhanced[0] == '\0');
	must(v->code / 100 != 3 || (v->flags & HOOKV_NEXT));
	must(v->code / 100 != 2 || v->kind == HOOKV_REPLY ||
	    v->kind == HOOKV_ACCEPT);
	must(verb != VERB_STARTTLS || v->code / 100 != 2 ||
	    stage != HOOK_COMMAND);
	check_text(v->command, SMTP_LINE_MAX - 2);
	check_text(v->host, SMTP_DOMAIN_MAX);
	for (i = 0; i < v->extensions.n; i++) {
		must(v->extensions.name[i][0] != '\0');
		check_text(v->extensions.name[i], SMTP_REPLY_LINE_MAX);
		check_text(v->extensions.value[i], SMTP_REPLY_LINE_MAX);
	}
}

static void
try_verdict(const char *data, size_t len)
{
	struct proto_hook_verdict	 v;
	struct wbuf			 w = { 0 };
	struct msg			 m;
	int				 stage, verb;

	message(&m, data, len);
	if (get_hook_verdict(&m, &v) == 0) {
		must(v.nlines <= HOOK_REPLY_LINES);
		must(strlen(v.lines) <= HOOK_REPLY_MAX);
		check_text(v.enhanced, 11);
		check_text(v.why, sizeof(v.why));
		for (stage = 0; stage < HOOK_STAGE_COUNT; stage++)
			for (verb = 0; verb < VERB_COUNT; verb++)
				if (hook_verdict_check(stage, verb, &v) ==
				    NULL)
					check_verdict(stage, verb, &v);
		put_hook_verdict(&w, &v);
		must_be(&w, data, len);
	}
	hook_verdict_clear(&v);
}

/* --- PROBE, SQL ---------------------------------------------------------- */

static void
try_probe(const char *data, size_t len)
{
	struct proto_probe_ans	 a;
	struct proto_probe	 p;
	struct wbuf		 w = { 0 };
	struct msg		 m;

	message(&m, data, len);
	if (get_probe(&m, &p) == 0) {
		/* The strings are the script's: verifyd looks at them. */
		must(p.timeout > 0);
		put_probe(&w, &p);
		must_be(&w, data, len);
	}
	message(&m, data, len);
	if (get_probe_ans(&m, &a) == 0) {
		must(a.result < PROBE_RESULT_COUNT);
		check_text(a.text, sizeof(a.text));
		put_probe_ans(&w, &a);
		must_be(&w, data, len);
	}
}

/* The head, and all the parameters that are behind it. */
static void
try_sql(const char *data, size_t len)
{
	struct sql_value	 v;
	struct proto_sql	 s;
	struct wbuf		 w = { 0 };
	struct msg		 m;
	char			 name[256];
	uint32_t		 i;

	message(&m, data, len);
	if (get_sql(&m, &s) == -1)
		return;
	must(s.len <= SQL_MAX && s.nparams <= SQL_VALUES_MAX);
	put_sql(&w, &s);
	for (i = 0; i < s.nparams; i++) {
		get_line(&m.body, name, sizeof(name));
		get_sql_value(&m.body, &v);
		if (m.body.failed)
			break;
		must(v.type < SQL_TYPE_COUNT);
		put_str(&w, name);
		put_sql_value(&w, &v);
	}
	must_be(&w, data, w.len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char	*copy;

	if (len == 0)
		return 0;
	copy = exact(data + 1, len - 1);
	switch (data[0] % 6) {
	case 0:
		try_session(copy, len - 1);
		break;
	case 1:
		try_call(copy, len - 1);
		break;
	case 2:
		try_args(copy, len - 1);
		break;
	case 3:
		try_verdict(copy, len - 1);
		break;
	case 4:
		try_probe(copy, len - 1);
		break;
	case 5:
		try_sql(copy, len - 1);
		break;
	}
	free(copy);
	return 0;
}
