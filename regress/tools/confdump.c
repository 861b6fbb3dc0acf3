/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * confdump [-v] [-D name=value] file
 *
 * Read a configuration with the parent's own code, in a process that does
 * nothing else: print what is wrong with it, or with -v the effective
 * configuration.  For regress/config, and for looking at a file on a machine
 * where postern does not run.  Exits 1 where there are errors.
 */

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "parent_conf.h"
#include "parent_print.h"

static void
usage(void)
{
	fprintf(stderr, "usage: confdump [-v] [-D name=value] file\n");
	exit(2);
}

int
main(int argc, char *argv[])
{
	struct conf_errors	 errs = { .errors = { .n = 0 } };
	struct macros		 macros = { .n = 0 };
	struct config		*conf;
	struct node		*tree;
	uint32_t		 id = 0;
	int			 ch, verbose = 0, res = 1;

	while ((ch = getopt(argc, argv, "D:v")) != -1) {
		switch (ch) {
		case 'D':
			if (macros_add(&macros, optarg) == -1)
				errx(2, "-D %s: want name=value", optarg);
			break;
		case 'v':
			verbose = 1;
			break;
		default:
			usage();
		}
	}
	if (argc - optind != 1)
		usage();
	conf = parent_conf_load(argv[optind], &macros, &errs, &tree);
	conf_errors_print(&errs, stderr);
	if (conf != NULL) {
		conf_assign_ids(conf, NULL, &id);
		if (verbose)
			parent_conf_print(stdout, tree);
		res = 0;
	}
	node_free(tree);
	conf_unref(conf);
	conf_errors_clear(&errs);
	macros_clear(&macros);
	return res;
}
