/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * From a question to its answer: which records are asked for, in which order,
 * and what is made of them.
 *
 *	DNS_ADDR	A and AAAA at once, put together
 *	DNS_ASK		one type; for PTR_FC then the addresses of the names
 *			that came, all at once
 *
 * A name is confirmed forward if it leads to the address it was found under.
 * Only the first few names of an address are looked at: whoever owns the
 * address could name thousands.  Where none is confirmed and one could not be
 * looked up, the answer is that failure, and not that there is no name: who
 * refuses clients without one must not do so for that.
 *
 * /etc/hosts goes before DNS for addresses and their names, and needs no
 * confirmation; MX and TXT it does not know.
 */

#include <sys/types.h>

#include <netinet/in.h>
#include <arpa/nameser.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolved.h"

/* A name to be confirmed. */
struct find_name {
	struct find	*find;
	char		 text[256];
	enum dns_status	 status;	/* of its addresses */
	bool		 confirmed;
	uint32_t	 ttl;
};

/* --- addresses ------------------------------------------------------------ */

static bool
has(const struct proto_dns_ans *a, const struct addr *addr)
{
	uint32_t	i;

	for (i = 0; i < a->n; i++)
		if (addr_same_ip(&a->addr[i], addr))
			return true;
	return false;
}

static void
add_family(struct proto_dns_ans *a, const struct dns_result *r, size_t max)
{
	size_t	i;

	/* A mapped address of AAAA may be the same as one of A. */
	for (i = 0; i < r->n && i < max; i++)
		if (!has(a, &r->addr[i]))
			a->addr[a->n++] = r->addr[i];
	if (r->n > 0 && r->ttl < a->ttl)
		a->ttl = r->ttl;
}

/*
 * Both families in one answer.  Where there are too many addresses, each
 * gives up the same part.
 */
static void
merge(const struct dns_result *v4, const struct dns_result *v6,
    struct proto_dns_ans *a)
{
	size_t	half = DNS_ADDRS_MAX / 2, max6 = DNS_ADDRS_MAX;

	memset(a, 0, sizeof(*a));
	a->ttl = UINT32_MAX;
	if (v4->n + v6->n > DNS_ADDRS_MAX)
		max6 = v4->n < half ? DNS_ADDRS_MAX - v4->n : half;
	add_family(a, v6, max6);
	add_family(a, v4, DNS_ADDRS_MAX - a->n);
	if (a->n > 0) {
		a->status = DNS_OK;
		return;
	}
	a->ttl = 0;
	if (v4->status == DNS_FAIL || v6->status == DNS_FAIL)
		a->status = DNS_FAIL;
	else if (v4->status == DNS_TIMEOUT || v6->status == DNS_TIMEOUT)
		a->status = DNS_TIMEOUT;
	else
		a->status = DNS_NONE;
}

bool
find_addrs_here(const char *name, struct proto_dns_ans *a)
{
	struct dns_result	r, none = { .status = DNS_NONE };

	if (!hosts_answer(name, &r))
		return false;
	merge(&r, &none, a);
	a->here = true;
	return true;
}

void
find_addrs(const struct find *f, struct proto_dns_ans *a)
{
	merge(&f->v4, &f->v6, a);
}

/* Those of one family, as records. */
static void
addrs_to_records(const struct dns_result *r, enum addr_family family,
    struct proto_dns_records *out)
{
	size_t	i;

	memset(out, 0, sizeof(*out));
	out->status = r->status;
	out->ttl = r->ttl;
	for (i = 0; i < r->n && out->n < DNS_RECORDS_MAX; i++)
		if (r->addr[i].family == family)
			(void)addr_text(&r->addr[i],
			    out->record[out->n++].text,
			    sizeof(out->record[0].text));
	if (out->n == 0)
		out->ttl = 0;
}

static enum addr_family
family_of(enum dns_type type)
{
	return type == DNS_TYPE_A ? ADDR_V4 : ADDR_V6;
}

static void
on_addrs(struct find *f, enum addr_family family, enum dns_status status,
    const uint8_t *p, size_t len)
{
	struct dns_result	*r = family == ADDR_V4 ? &f->v4 : &f->v6;

	if (status == DNS_OK)
		dns_addrs(family, p, len, r);
	else
		r->status = status;
	f->pending--;
	f->fn(f->arg);
}

static void
on_a(void *arg, enum dns_status status, const uint8_t *p, size_t len)
{
	on_addrs(arg, ADDR_V4, status, p, len);
}

static void
on_aaaa(void *arg, enum dns_status status, const uint8_t *p, size_t len)
{
	on_addrs(arg, ADDR_V6, status, p, len);
}

/* --- names of an address -------------------------------------------------- */

static char
hex(unsigned int digit)
{
	return "0123456789abcdef"[digit & 0xf];
}

/* 4.3.2.1.in-addr.arpa, ...8.b.d.0.1.0.0.2.ip6.arpa */
static void
reverse_name(const struct addr *a, char *buf, size_t size)
{
	char	nibbles[65];
	size_t	i;

	if (a->family == ADDR_V4) {
		(void)snprintf(buf, size, "%u.%u.%u.%u.in-addr.arpa",
		    a->ip[3], a->ip[2], a->ip[1], a->ip[0]);
		return;
	}
	for (i = 0; i < 16; i++) {
		nibbles[4 * i] = hex(a->ip[15 - i]);
		nibbles[4 * i + 2] = hex(a->ip[15 - i] >> 4);
		nibbles[4 * i + 1] = nibbles[4 * i + 3] = '.';
	}
	nibbles[64] = '\0';
	(void)snprintf(buf, size, "%sip6.arpa", nibbles);
}

static void
judge(struct find_name *n, const struct dns_result *r)
{
	struct addr	addr;
	size_t		i;

	n->status = r->status;
	n->ttl = r->ttl;
	if (addr_parse(&addr, n->find->name) == -1)
		return;
	for (i = 0; i < r->n; i++)
		if (addr_same_ip(&r->addr[i], &addr))
			n->confirmed = true;
}

static void
on_forward(void *arg, enum dns_status status, const uint8_t *p, size_t len)
{
	struct find_name	*n = arg;
	struct find		*f = n->find;
	struct dns_result	 r = { .status = status };
	struct addr		 addr;

	if (status == DNS_OK && addr_parse(&addr, f->name) == 0)
		dns_addrs(addr.family, p, len, &r);
	judge(n, &r);
	f->pending--;
	f->fn(f->arg);
}

/*
 * The names came: confirm them.  The step that brought them still counts as
 * pending, so that none of these can end the question.
 */
static void
confirm(struct find *f)
{
	struct find_name	*n;
	struct dns_result	 r;
	struct addr		 addr;
	uint32_t		 i;

	if (f->rec->n > FIND_NAMES_MAX)
		f->rec->n = FIND_NAMES_MAX;
	f->names = calloc(FIND_NAMES_MAX, sizeof(*f->names));
	if (f->names == NULL || addr_parse(&addr, f->name) == -1) {
		f->rec->status = DNS_FAIL;
		f->rec->n = 0;
		return;
	}
	f->pending += f->rec->n;
	for (i = 0; i < f->rec->n; i++) {
		n = &f->names[i];
		n->find = f;
		n->status = DNS_TIMEOUT;
		(void)strlcpy(n->text, f->rec->record[i].text,
		    sizeof(n->text));
	}
	for (i = 0; i < f->rec->n; i++) {
		n = &f->names[i];
		if (hosts_answer(n->text, &r)) {
			judge(n, &r);
			f->pending--;
		} else
			dns_ask(n->text, addr.family == ADDR_V4 ? ns_t_a :
			    ns_t_aaaa, on_forward, n);
	}
}

/* Those which are confirmed; if there are none, why. */
static void
confirmed(const struct find *f, struct proto_dns_records *out)
{
	const struct find_name	*n;
	uint32_t		 i;

	memset(out, 0, sizeof(*out));
	out->ttl = f->rec->ttl;
	for (i = 0; i < f->rec->n; i++) {
		n = &f->names[i];
		if (n->confirmed) {
			out->record[out->n++] = f->rec->record[i];
			if (n->ttl < out->ttl)
				out->ttl = n->ttl;
		} else if (n->status == DNS_FAIL || n->status == DNS_TIMEOUT)
			out->status = (uint8_t)n->status;
	}
	if (out->n > 0)
		out->status = DNS_OK;
	else
		out->ttl = 0;
}

/* --- records -------------------------------------------------------------- */

static void
on_records(void *arg, enum dns_status status, const uint8_t *p, size_t len)
{
	struct find	*f = arg;

	if (status == DNS_OK)
		dns_reply_records(f->type, p, len, f->rec);
	else
		f->rec->status = (uint8_t)status;
	if (f->type == DNS_TYPE_PTR_FC && f->rec->n > 0 && !f->over)
		confirm(f);
	f->pending--;
	f->fn(f->arg);
}

bool
find_records_here(enum dns_type type, const char *name,
    struct proto_dns_records *out)
{
	struct dns_result	r;
	struct addr		addr;

	memset(out, 0, sizeof(*out));
	out->status = DNS_NONE;
	switch (type) {
	case DNS_TYPE_A:
	case DNS_TYPE_AAAA:
		if (!hosts_answer(name, &r))
			return false;
		addrs_to_records(&r, family_of(type), out);
		return true;
	case DNS_TYPE_MX:
	case DNS_TYPE_TXT:
		if (hosts_is_localhost(name))
			out->status = DNS_OK;	/* and has none */
		return out->status == DNS_OK || !hosts_name_ok(name);
	case DNS_TYPE_PTR:
	case DNS_TYPE_PTR_FC:
		return addr_parse(&addr, name) == -1 ||
		    hosts_names(&addr, out);
	case DNS_TYPE_COUNT:
		break;
	}
	return true;
}

/* What DNS is asked for. */
static void
ask_records(struct find *f)
{
	struct addr	addr;
	char		name[sizeof(f->name)];

	switch (f->type) {
	case DNS_TYPE_A:
		dns_ask(f->name, ns_t_a, on_a, f);
		break;
	case DNS_TYPE_AAAA:
		dns_ask(f->name, ns_t_aaaa, on_aaaa, f);
		break;
	case DNS_TYPE_MX:
		dns_ask(f->name, ns_t_mx, on_records, f);
		break;
	case DNS_TYPE_TXT:
		dns_ask(f->name, ns_t_txt, on_records, f);
		break;
	case DNS_TYPE_PTR:
	case DNS_TYPE_PTR_FC:
		if (addr_parse(&addr, f->name) == -1)
			break;		/* find_records_here() said so */
		reverse_name(&addr, name, sizeof(name));
		dns_ask(name, ns_t_ptr, on_records, f);
		break;
	case DNS_TYPE_COUNT:
		break;
	}
}

void
find_init(struct find *f, void (*fn)(void *), void *arg)
{
	memset(f, 0, sizeof(*f));
	f->v4.status = f->v6.status = DNS_TIMEOUT;
	f->fn = fn;
	f->arg = arg;
}

void
find_start(struct find *f)
{
	/* All count as begun first: c-ares may answer at once. */
	f->pending = f->both ? 2 : 1;
	if (f->both) {
		dns_ask(f->name, ns_t_aaaa, on_aaaa, f);
		dns_ask(f->name, ns_t_a, on_a, f);
		return;
	}
	if ((f->rec = calloc(1, sizeof(*f->rec))) == NULL) {
		f->v4.status = f->v6.status = DNS_FAIL;
		f->pending--;
		f->fn(f->arg);
		return;
	}
	f->rec->status = DNS_TIMEOUT;
	ask_records(f);
}

void
find_records(const struct find *f, struct proto_dns_records *out)
{
	if (f->type == DNS_TYPE_A || f->type == DNS_TYPE_AAAA) {
		addrs_to_records(f->type == DNS_TYPE_A ? &f->v4 : &f->v6,
		    family_of(f->type), out);
	} else if (f->rec == NULL) {
		memset(out, 0, sizeof(*out));
		out->status = (uint8_t)f->v4.status;
	} else if (f->names != NULL)
		confirmed(f, out);
	else
		*out = *f->rec;
}

void
find_clear(struct find *f)
{
	free(f->rec);
	free(f->names);
	f->rec = NULL;
	f->names = NULL;
}
