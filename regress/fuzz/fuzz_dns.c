/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * dns_reply.c: records in a reply that somebody else wrote.  The first octet
 * of the input is the type.  What comes out is printable, no name that is
 * none but for the odd octets of an MX, sorted, each host once.
 */

#include <strings.h>

#include "fuzz.h"
#include "resolved.h"

static void
check_text(const char *s, size_t size)
{
	size_t	i;

	must(memchr(s, '\0', size) != NULL);
	for (i = 0; s[i] != '\0'; i++)
		must(s[i] >= ' ' && s[i] <= '~');
}

static void
check_mx(const struct proto_dns_records *r)
{
	uint32_t	i, j;

	for (i = 0; i < r->n; i++) {
		must(r->n == 1 || r->record[i].text[0] != '\0');
		must(strspn(r->record[i].text, "abcdefghijklmnopqrstuvwxyz"
		    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.?") ==
		    strlen(r->record[i].text));
		for (j = 0; j < i; j++) {
			must(r->record[j].pref <= r->record[i].pref);
			must(strcasecmp(r->record[j].text,
			    r->record[i].text) != 0);
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const enum dns_type	types[] = { DNS_TYPE_MX,
					    DNS_TYPE_TXT, DNS_TYPE_PTR };
	static struct proto_dns_records	r;
	enum dns_type			type;
	char				*copy;
	uint32_t			i;

	if (len < 1)
		return 0;
	type = types[data[0] % 3];
	copy = exact(data + 1, len - 1);
	dns_reply_records(type, (uint8_t *)copy, len - 1, &r);
	must(r.status == DNS_OK || (r.status == DNS_FAIL && r.n == 0));
	must(r.n <= DNS_RECORDS_MAX);
	for (i = 0; i < r.n; i++) {
		check_text(r.record[i].text, sizeof(r.record[i].text));
		must(type != DNS_TYPE_PTR || hosts_name_ok(r.record[i].text));
	}
	if (type == DNS_TYPE_MX)
		check_mx(&r);
	free(copy);
	return 0;
}
