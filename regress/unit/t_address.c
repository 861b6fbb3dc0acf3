/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * verifyd's address.c: what is cut from an address is in normal form again.
 */

#include "look.h"
#include "t.h"

static const struct {
	const char	*address;
	const char	*cut;		/* NULL: nothing can be */
	const char	*local;
} cases[] = {
	{ "u@a.test", NULL, "u" },
	{ "u+x@a.test", "u@a.test", "u+x" },
	{ "u+x+y@a.test", "u@a.test", "u+x+y" },
	{ "u+@a.test", "u@a.test", "u+" },
	{ "+u@a.test", NULL, "+u" },
	{ "u@a+b.test", NULL, "u" },
	{ "\"+u v\"@a.test", NULL, "+u v" },
	{ "\"u v+x\"@a.test", "\"u v\"@a.test", "u v+x" },
	{ "\"u+x y\"@a.test", "u@a.test", "u+x y" },
	{ "\"u.+x y\"@a.test", "\"u.\"@a.test", "u.+x y" },
	{ "\"u..v+x\"@a.test", "\"u..v\"@a.test", "u..v+x" },
	{ "\"u@v+x\"@a.test", "\"u@v\"@a.test", "u@v+x" },
	{ "\"u\\\"+x\"@a.test", "\"u\\\"\"@a.test", "u\"+x" },
	{ "\"u\\\\+x\"@a.test", "\"u\\\\\"@a.test", "u\\+x" },
	{ "u.+x@a.test", "\"u.\"@a.test", "u.+x" },
	{ "u.v+x@a.test", "u.v@a.test", "u.v+x" },
	{ "@a.test", NULL, "" },
	{ "u+x", NULL, "u+x" },
	{ "", NULL, "" }
};

int
main(void)
{
	char	out[LOOK_ADDR_MAX], big[LOOK_ADDR_MAX + 8];
	size_t	i;
	bool	cut;

	for (i = 0; i < nitems(cases); i++) {
		cut = address_cut(cases[i].address, out);
		is_int(cut, cases[i].cut != NULL, "%s", cases[i].address);
		if (cut && cases[i].cut != NULL)
			is_str(out, cases[i].cut, "cut");
		is_int((long long)address_local(cases[i].address, out),
		    (long long)strlen(cases[i].local), "its length");
		is_str(out, cases[i].local, "local part");
	}
	memset(big, 'u', sizeof(big));
	(void)strlcpy(big + sizeof(big) - 10, "+x@a.test", 10);
	ok(!address_cut(big, out), "too long to be one");
	(void)strlcpy(big + LOOK_ADDR_MAX - 10, ".+@a.test", 10);
	ok(!address_cut(big, out), "no room for quotes");
	(void)strlcpy(big + LOOK_ADDR_MAX - 10, "v+@a.test", 10);
	ok(address_cut(big, out) && strlen(out) == LOOK_ADDR_MAX - 2,
	    "room without");
	memset(big, 'u', sizeof(big));
	(void)strlcpy(big + sizeof(big) - 10, "+x@a.test", 10);
	is_int((long long)address_local(big, out), LOOK_ADDR_MAX - 1,
	    "what there is room for");
	return done("t_address");
}
