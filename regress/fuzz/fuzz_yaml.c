/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Any octets as postern.yaml: the tree, the schema, the rules.  What is
 * accepted must print as text that is accepted without a warning that was
 * not there before and prints the same; and what is refused says why.
 */

#include "fuzz.h"
#include "parent_conf.h"
#include "parent_print.h"

/* Load and print; NULL if it was refused. */
static char *
load(const char *data, size_t len, size_t *outlen, size_t *warnings)
{
	struct conf_errors	 errs = { .errors = { .n = 0 } };
	struct config		*conf;
	struct node		*tree;
	char			*out = NULL;
	FILE			*f;
	uint32_t		 id = 0;

	conf = parent_conf_parse("fuzz", data, len, NULL, &errs, &tree);
	must((conf == NULL) == (errs.errors.n > 0));
	*warnings = errs.warnings.n;
	if (conf != NULL) {
		f = open_memstream(&out, outlen);
		must(f != NULL);
		parent_conf_print(f, tree);
		fclose(f);
		conf_assign_ids(conf, NULL, &id);
	}
	node_free(tree);
	conf_unref(conf);
	conf_errors_clear(&errs);
	return out;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char	*copy, *first, *second;
	size_t	 n1, n2, w1, w2;

	/* An exact copy with a NUL, as from parent_file_read. */
	if ((copy = malloc(len + 1)) == NULL)
		return 0;
	memcpy(copy, data, len);
	copy[len] = '\0';
	if ((first = load(copy, len, &n1, &w1)) != NULL) {
		second = load(first, n1, &n2, &w2);
		must(second != NULL);
		must(n1 == n2 && memcmp(first, second, n1) == 0);
		must(w1 == w2);
		free(second);
	}
	free(first);
	free(copy);
	return 0;
}
