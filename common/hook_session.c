/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What a script sees of a session: written by smtpd field by field, as each
 * changes, and put together again by proxyd.
 *
 * A field replaces what was there before, but for HOOKF_RCPT, which adds one.
 * Nothing is kept of a field that is bad: the sender is broken then.
 */

#include <stdlib.h>
#include <string.h>

#include "msg.h"
#include "proto_script.h"

#define RCPTS_MAX	1000000		/* as max-recipients may be */

/* --- texts and pairs ------------------------------------------------------ */

char *
hook_get_text(struct rbuf *r, bool *nomem)
{
	const uint8_t	*p;
	char		*text;
	size_t		 n;

	if ((p = get_blob(r, &n)) == NULL)
		return NULL;
	if (n > HOOK_TEXT_MAX || memchr(p, '\0', n) != NULL) {
		get_fail(r);
		return NULL;
	}
	if ((text = strndup((const char *)p, n)) == NULL)
		*nomem = true;
	return text;
}

void
hook_put_pairs(struct wbuf *w, const struct hook_pairs *p)
{
	uint32_t	i;

	put_u32(w, p->n);
	for (i = 0; i < p->n; i++) {
		put_str(w, p->name[i]);
		put_str(w, p->value[i]);
	}
}

int
hook_pairs_add(struct hook_pairs *p, const char *name, const char *value)
{
	char	**names, **values;

	names = reallocarray(p->name, p->n + 1, sizeof(*names));
	if (names == NULL)
		return -1;
	p->name = names;
	values = reallocarray(p->value, p->n + 1, sizeof(*values));
	if (values == NULL)
		return -1;
	p->value = values;
	names[p->n] = strdup(name);
	values[p->n] = strdup(value);
	if (names[p->n] == NULL || values[p->n] == NULL) {
		free(names[p->n]);
		free(values[p->n]);
		return -1;
	}
	p->n++;
	return 0;
}

void
hook_get_pairs(struct rbuf *r, struct hook_pairs *p, uint32_t max,
    bool *nomem)
{
	uint32_t	 i, n = get_u32(r);
	char		*name, *value;

	hook_pairs_clear(p);
	if (n > max)
		get_fail(r);
	for (i = 0; i < n && !r->failed && !*nomem; i++) {
		name = hook_get_text(r, nomem);
		value = hook_get_text(r, nomem);
		if (name != NULL && value != NULL &&
		    hook_pairs_add(p, name, value) == -1)
			*nomem = true;
		free(name);
		free(value);
	}
}

void
hook_pairs_clear(struct hook_pairs *p)
{
	uint32_t	i;

	for (i = 0; i < p->n; i++) {
		free(p->name[i]);
		free(p->value[i]);
	}
	free(p->name);
	free(p->value);
	memset(p, 0, sizeof(*p));
}

static void
put_table(struct wbuf *w, const char *const *names, const char *const *values,
    uint32_t n)
{
	uint32_t	i;

	put_u32(w, n);
	for (i = 0; i < n; i++) {
		put_str(w, names[i]);
		put_str(w, values[i]);
	}
}

/* --- smtpd's side --------------------------------------------------------- */

void
hook_put_remote(struct wbuf *w, const struct addr *a, int64_t uid)
{
	put_u8(w, HOOKF_REMOTE);
	put_addr(w, a);
	put_i64(w, uid);
}

void
hook_put_local(struct wbuf *w, const struct addr *a)
{
	put_u8(w, HOOKF_LOCAL);
	put_addr(w, a);
}

void
hook_put_proxy(struct wbuf *w, const struct addr *a)
{
	put_u8(w, HOOKF_PROXY);
	put_addr(w, a);
}

void
hook_put_serverid(struct wbuf *w, const char *name)
{
	put_u8(w, HOOKF_SERVERID);
	put_str(w, name);
}

void
hook_put_ptr(struct wbuf *w, const char *name)
{
	put_u8(w, HOOKF_PTR);
	put_str(w, name);
}

void
hook_put_helo(struct wbuf *w, const char *verb, const char *host)
{
	put_u8(w, HOOKF_HELO);
	put_str(w, verb);
	put_str(w, host);
}

void
hook_put_tls(struct wbuf *w, const char *protocol, const char *cipher,
    uint32_t keysize, const char *sni)
{
	put_u8(w, HOOKF_TLS);
	put_str(w, protocol);
	put_str(w, cipher);
	put_u32(w, keysize);
	put_str(w, sni);
}

void
hook_put_cert(struct wbuf *w, int64_t error, const char *const *names,
    const char *const *values, uint32_t n)
{
	put_u8(w, HOOKF_CERT);
	put_i64(w, error);
	put_table(w, names, values, n);
}

void
hook_put_auth(struct wbuf *w, const char *mechanism, const char *username)
{
	put_u8(w, HOOKF_AUTH);
	put_str(w, mechanism);
	put_str(w, username);
}

void
hook_put_context(struct wbuf *w, const char *const *names,
    const char *const *values, uint32_t n)
{
	put_u8(w, HOOKF_CONTEXT);
	put_table(w, names, values, n);
}

void
hook_put_forget(struct wbuf *w)
{
	put_u8(w, HOOKF_FORGET);
}

void
hook_put_tx(struct wbuf *w, uint64_t id)
{
	put_u8(w, HOOKF_TX);
	put_u64(w, id);
}

/* Keys in upper case, as scripts look for them. */
static void
put_params(struct wbuf *w, const struct smtp_param *params, size_t n)
{
	char	name[SMTP_LINE_MAX], c;
	size_t	i, j;

	put_u32(w, (uint32_t)n);
	for (i = 0; i < n; i++) {
		for (j = 0; j < params[i].key.n && j < sizeof(name); j++) {
			c = params[i].key.p[j];
			name[j] = c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c;
		}
		put_blob(w, name, j);
		put_blob(w, params[i].value.p == NULL ? "" :
		    params[i].value.p, params[i].value.n);
	}
}

static void
put_path(struct wbuf *w, const struct smtp_path *path,
    const struct smtp_param *params, size_t nparams)
{
	char	address[SMTP_MAILBOX_MAX + 1];

	(void)smtp_path_print(path, address, sizeof(address));
	put_str(w, address);
	put_blob(w, path->local, path->local_len);
	put_blob(w, path->domain, path->domain_len);
	put_params(w, params, nparams);
}

void
hook_put_sender(struct wbuf *w, const struct smtp_path *path,
    const struct smtp_param *params, size_t nparams)
{
	put_u8(w, HOOKF_SENDER);
	put_path(w, path, params, nparams);
}

void
hook_put_rcpt(struct wbuf *w, const struct smtp_path *path,
    const struct smtp_param *params, size_t nparams, const char *transportid)
{
	put_u8(w, HOOKF_RCPT);
	put_path(w, path, params, nparams);
	put_str(w, transportid);
}

void
hook_put_end(struct wbuf *w)
{
	put_u8(w, HOOKF_END);
}

/* --- proxyd's side -------------------------------------------------------- */

static void
address_clear(struct hook_address *a)
{
	free(a->localpart);
	free(a->domain);
	free(a->address);
	hook_pairs_clear(&a->params);
	memset(a, 0, sizeof(*a));
}

static void
tx_clear(struct hook_session *s)
{
	uint32_t	i;

	for (i = 0; i < s->nrcpts; i++) {
		address_clear(&s->rcpts[i].to);
		free(s->rcpts[i].transportid);
	}
	free(s->rcpts);
	s->rcpts = NULL;
	s->nrcpts = 0;
	address_clear(&s->sender);
	s->has_sender = false;
}

static void
forget(struct hook_session *s)
{
	free(s->helo_verb);
	free(s->helo_host);
	free(s->auth_mechanism);
	free(s->auth_username);
	s->helo_verb = s->helo_host = NULL;
	s->auth_mechanism = s->auth_username = NULL;
}

void
hook_session_init(struct hook_session *s)
{
	memset(s, 0, sizeof(*s));
	s->uid = -1;
}

void
hook_session_clear(struct hook_session *s)
{
	tx_clear(s);
	forget(s);
	free(s->serverid);
	free(s->ptr);
	free(s->tls_protocol);
	free(s->tls_cipher);
	free(s->tls_sni);
	hook_pairs_clear(&s->cert);
	hook_pairs_clear(&s->context);
	hook_session_init(s);
}

/* A text in the place of another. */
static void
replace(struct rbuf *r, char **text, bool *nomem)
{
	free(*text);
	*text = hook_get_text(r, nomem);
}

static void
get_path(struct rbuf *r, struct hook_address *a, bool *nomem)
{
	address_clear(a);
	a->address = hook_get_text(r, nomem);
	a->localpart = hook_get_text(r, nomem);
	a->domain = hook_get_text(r, nomem);
	hook_get_pairs(r, &a->params, HOOK_PARAMS_MAX, nomem);
}

static void
get_rcpt(struct rbuf *r, struct hook_session *s, bool *nomem)
{
	struct hook_rcpt	*v;

	if (s->nrcpts >= RCPTS_MAX) {
		get_fail(r);
		return;
	}
	v = s->rcpts;
	/* A power of two: room for as many again. */
	if ((s->nrcpts & (s->nrcpts - 1)) == 0)
		v = reallocarray(v, s->nrcpts == 0 ? 1 :
		    (size_t)s->nrcpts * 2, sizeof(*v));
	if (v == NULL) {
		*nomem = true;
		return;
	}
	s->rcpts = v;
	memset(&v[s->nrcpts], 0, sizeof(*v));
	get_path(r, &v[s->nrcpts].to, nomem);
	v[s->nrcpts].transportid = hook_get_text(r, nomem);
	s->nrcpts++;
}

static void
get_connection(struct rbuf *r, enum hook_field f, struct hook_session *s,
    bool *nomem)
{
	switch (f) {
	case HOOKF_REMOTE:
		/* XCLIENT: another client, whose name is another one too. */
		get_addr(r, &s->remote);
		s->uid = get_i64(r);
		free(s->ptr);
		s->ptr = NULL;
		s->ptr_known = false;
		break;
	case HOOKF_LOCAL:
		get_addr(r, &s->local);
		break;
	case HOOKF_PROXY:
		get_addr(r, &s->proxy);
		break;
	case HOOKF_SERVERID:
		replace(r, &s->serverid, nomem);
		break;
	case HOOKF_PTR:
		replace(r, &s->ptr, nomem);
		s->ptr_known = true;
		break;
	case HOOKF_HELO:
		replace(r, &s->helo_verb, nomem);
		replace(r, &s->helo_host, nomem);
		break;
	case HOOKF_TLS:
		replace(r, &s->tls_protocol, nomem);
		replace(r, &s->tls_cipher, nomem);
		s->tls_keysize = get_u32(r);
		replace(r, &s->tls_sni, nomem);
		break;
	case HOOKF_CERT:
		s->has_cert = true;
		s->cert_error = get_i64(r);
		hook_get_pairs(r, &s->cert, HOOK_PARAMS_MAX, nomem);
		break;
	case HOOKF_AUTH:
		replace(r, &s->auth_mechanism, nomem);
		replace(r, &s->auth_username, nomem);
		break;
	case HOOKF_CONTEXT:
		hook_get_pairs(r, &s->context, HOOK_PARAMS_MAX, nomem);
		break;
	case HOOKF_FORGET:
		forget(s);
		break;
	case HOOKF_TX:
	case HOOKF_SENDER:
	case HOOKF_RCPT:
	case HOOKF_END:
	case HOOK_FIELD_COUNT:
		break;
	}
	s->connection_version++;
}

static void
get_transaction(struct rbuf *r, enum hook_field f, struct hook_session *s,
    bool *nomem)
{
	if (f == HOOKF_TX) {
		tx_clear(s);
		s->tx = get_u64(r);
	} else if (f == HOOKF_SENDER) {
		get_path(r, &s->sender, nomem);
		s->has_sender = true;
	} else
		get_rcpt(r, s, nomem);
	s->transaction_version++;
}

int
hook_get_fields(struct rbuf *r, struct hook_session *s, bool *nomem)
{
	enum hook_field	f;

	*nomem = false;
	while (!r->failed && !*nomem) {
		f = get_enum(r, HOOK_FIELD_COUNT);
		if (r->failed)
			break;
		if (f == HOOKF_END)
			return 0;
		if (f == HOOKF_TX || f == HOOKF_SENDER || f == HOOKF_RCPT)
			get_transaction(r, f, s, nomem);
		else
			get_connection(r, f, s, nomem);
	}
	return -1;
}
