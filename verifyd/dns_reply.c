/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Records in the octets of a DNS reply (RFC 1035, section 4).
 *
 * Written by whoever owns the domain that was asked for, so every length is
 * checked, a compressed name must lead backwards at each jump (so it ends),
 * and no octet goes out that was not looked at.  A reply that is not whole
 * counts as none at all: half a list of MX may be the wrong half.
 *
 * Records of the wanted type are taken whatever name they stand under: an
 * alias leads to another name, and it is the server that was asked who says
 * so.  Sections behind the answers are not looked at.
 *
 * Not ares_parse_mx_reply() and its like: they do not tell the TTL.
 */

#include <sys/types.h>

#include <netinet/in.h>
#include <arpa/nameser.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "resolved.h"

#define TEXT_SIZE	sizeof(((struct proto_dns_record *)0)->text)
#define ODD		'?'	/* for an octet that a name cannot have */

/* A reply being read. */
struct reader {
	const uint8_t	*base;
	size_t		 len;
	size_t		 at;
};

/* What is known of an MX besides its record. */
struct order {
	uint32_t	chance;
};

/* --- octets --------------------------------------------------------------- */

static int
read_u16(struct reader *r, uint16_t *v)
{
	if (r->len - r->at < 2)
		return -1;
	*v = (uint16_t)(r->base[r->at] << 8 | r->base[r->at + 1]);
	r->at += 2;
	return 0;
}

static int
read_u32(struct reader *r, uint32_t *v)
{
	uint16_t	high, low;

	if (read_u16(r, &high) == -1 || read_u16(r, &low) == -1)
		return -1;
	*v = (uint32_t)high << 16 | low;
	return 0;
}

static char
name_octet(uint8_t c)
{
	return isascii(c) && (isalnum(c) || c == '-' || c == '_') ? (char)c :
	    ODD;
}

/* Append a label; -1 if the name gets too long. */
static int
add_label(char *name, size_t *n, const uint8_t *p, size_t len)
{
	size_t	i;

	if (*n + 1 + len >= TEXT_SIZE)
		return -1;
	if (*n > 0)
		name[(*n)++] = '.';
	for (i = 0; i < len; i++)
		name[(*n)++] = name_octet(p[i]);
	return 0;
}

/*
 * A name; the root is "".  A pointer must lead before the place where the
 * part of the name that it ends began.
 */
static int
read_name(struct reader *r, char *name)
{
	size_t	at = r->at, start = r->at, n = 0, to;
	bool	jumped = false;
	uint8_t	c;

	for (;;) {
		if (at >= r->len)
			return -1;
		c = r->base[at++];
		if (c == 0)
			break;
		if ((c & NS_CMPRSFLGS) == NS_CMPRSFLGS) {
			if (at >= r->len)
				return -1;
			to = (size_t)(c & 0x3f) << 8 | r->base[at++];
			if (!jumped)
				r->at = at;
			jumped = true;
			if (to >= start)
				return -1;
			at = start = to;
		} else if ((c & NS_CMPRSFLGS) != 0 || c > r->len - at ||
		    add_label(name, &n, r->base + at, c) == -1)
			return -1;
		else
			at += c;
	}
	if (!jumped)
		r->at = at;
	name[n] = '\0';
	return 0;
}

/* --- records -------------------------------------------------------------- */

/* The strings of a TXT record, put together. */
static int
read_text(struct reader *r, size_t end, char *text)
{
	size_t	i, n = 0, len;
	uint8_t	c;

	while (r->at < end) {
		len = r->base[r->at++];
		if (len > end - r->at)
			return -1;
		for (i = 0; i < len && n + 1 < TEXT_SIZE; i++) {
			c = r->base[r->at + i];
			text[n++] = c < 0x20 || c > 0x7e ? ODD : (char)c;
		}
		r->at += len;
	}
	text[n] = '\0';
	return 0;
}

static bool
is_before(const struct proto_dns_record *a, uint32_t chance_a,
    const struct proto_dns_record *b, uint32_t chance_b)
{
	return a->pref != b->pref ? a->pref < b->pref : chance_a < chance_b;
}

static void
remove_at(struct proto_dns_records *out, struct order *order, uint32_t i)
{
	out->n--;
	memmove(out->record + i, out->record + i + 1,
	    (out->n - i) * sizeof(out->record[0]));
	memmove(order + i, order + i + 1, (out->n - i) * sizeof(order[0]));
}

/*
 * In its place; the last one is dropped where there are too many.  A host
 * that is there already keeps its better preference.
 */
static void
add_mx(struct proto_dns_records *out, struct order *order,
    const struct proto_dns_record *rec)
{
	uint32_t	chance = arc4random(), i;

	for (i = 0; i < out->n; i++) {
		if (strcasecmp(out->record[i].text, rec->text) != 0)
			continue;
		if (out->record[i].pref <= rec->pref)
			return;
		remove_at(out, order, i);
		break;
	}
	for (i = 0; i < out->n; i++)
		if (is_before(rec, chance, &out->record[i], order[i].chance))
			break;
	if (i == DNS_RECORDS_MAX)
		return;
	if (out->n == DNS_RECORDS_MAX)
		out->n--;
	memmove(out->record + i + 1, out->record + i,
	    (out->n - i) * sizeof(out->record[0]));
	memmove(order + i + 1, order + i, (out->n - i) * sizeof(order[0]));
	out->record[i] = *rec;
	order[i].chance = chance;
	out->n++;
}

static void
add_ptr(struct proto_dns_records *out, const struct proto_dns_record *rec)
{
	uint32_t	i;

	if (out->n == DNS_RECORDS_MAX || !hosts_name_ok(rec->text))
		return;
	for (i = 0; i < out->n; i++)
		if (strcasecmp(out->record[i].text, rec->text) == 0)
			return;
	out->record[out->n++] = *rec;
}

/* The data of a record of the wanted type, up to end. */
static int
read_data(struct reader *r, size_t end, enum dns_type type,
    struct proto_dns_records *out, struct order *order)
{
	struct proto_dns_record	rec = { 0 };

	if (type == DNS_TYPE_TXT) {
		if (read_text(r, end, rec.text) == -1)
			return -1;
		if (out->n < DNS_RECORDS_MAX)
			out->record[out->n++] = rec;
		return 0;
	}
	if (type == DNS_TYPE_MX && read_u16(r, &rec.pref) == -1)
		return -1;
	if (read_name(r, rec.text) == -1 || r->at != end)
		return -1;
	if (type == DNS_TYPE_MX)
		add_mx(out, order, &rec);
	else
		add_ptr(out, &rec);
	return 0;
}

static uint16_t
wire_type(enum dns_type type)
{
	return type == DNS_TYPE_MX ? ns_t_mx : type == DNS_TYPE_TXT ?
	    ns_t_txt : ns_t_ptr;
}

static int
read_record(struct reader *r, enum dns_type type,
    struct proto_dns_records *out, struct order *order)
{
	char		owner[TEXT_SIZE];
	uint16_t	wire, class, len;
	uint32_t	ttl;
	size_t		end;

	if (read_name(r, owner) == -1 || read_u16(r, &wire) == -1 ||
	    read_u16(r, &class) == -1 || read_u32(r, &ttl) == -1 ||
	    read_u16(r, &len) == -1 || len > r->len - r->at)
		return -1;
	end = r->at + len;
	if (class == ns_c_in && (wire == wire_type(type) ||
	    wire == ns_t_cname)) {
		/* The top bit is no TTL: RFC 2181, section 8. */
		if (ttl > INT32_MAX)
			ttl = 0;
		if (ttl < out->ttl)
			out->ttl = ttl;
	}
	if (class == ns_c_in && wire == wire_type(type) &&
	    read_data(r, end, type, out, order) == -1)
		return -1;
	r->at = end;
	return 0;
}

static int
read_reply(struct reader *r, enum dns_type type,
    struct proto_dns_records *out)
{
	struct order	order[DNS_RECORDS_MAX + 1];
	char		name[TEXT_SIZE];
	uint16_t	head[6];
	size_t		i;

	for (i = 0; i < 6; i++)
		if (read_u16(r, &head[i]) == -1)
			return -1;
	for (i = 0; i < head[2]; i++) {
		if (read_name(r, name) == -1 || r->len - r->at < 4)
			return -1;
		r->at += 4;
	}
	for (i = 0; i < head[3]; i++)
		if (read_record(r, type, out, order) == -1)
			return -1;
	/* Only one that is alone says "no mail": RFC 7505, section 3. */
	for (i = 0; type == DNS_TYPE_MX && out->n > 1 && i < out->n; i++)
		if (out->record[i].text[0] == '\0')
			remove_at(out, order, (uint32_t)i);
	return 0;
}

void
dns_reply_records(enum dns_type type, const uint8_t *p, size_t len,
    struct proto_dns_records *out)
{
	struct reader	r = { .base = p, .len = len };

	memset(out, 0, sizeof(*out));
	out->ttl = UINT32_MAX;
	if (read_reply(&r, type, out) == -1) {
		memset(out, 0, sizeof(*out));
		out->status = DNS_FAIL;
		return;
	}
	out->status = DNS_OK;
	if (out->n == 0)
		out->ttl = 0;
}
