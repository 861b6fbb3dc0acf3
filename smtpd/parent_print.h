/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The effective configuration as text.
 */
#ifndef PARENT_PRINT_H
#define PARENT_PRINT_H

#include <stdio.h>

struct node;

/*
 * Print the tree that parent_conf_load gave: YAML which, loaded again,
 * prints the same.  Passwords are printed as they were written.
 */
void	parent_conf_print(FILE *, const struct node *);

#endif
