/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What the files that turn the tree into a struct config share; nobody else
 * includes it.  parent_conf.c walks the rows, parent_value.c types single
 * values, parent_check.c looks at strings, parent_rule.c compiles rules,
 * parent_lookup.c checks where look-ups lead, parent_cross.c what concerns
 * several keys.
 *
 * Loading also makes the tree canonical, in place: defaults are added, keys
 * are ordered as in the tables, values are written in one way.  What
 * `postern -nv' prints is this tree.
 */
#ifndef PARENT_LOAD_H
#define PARENT_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "parent_error.h"
#include "parent_yaml.h"

struct load {
	const char		*file;
	struct conf_errors	*errs;
	struct node		*root;
	struct config		*conf;
	bool			 dry;	/* a default, for comparison only */
	bool			 in_mx;	/* within remote.mx */
	bool			 use_mx;	/* a route leads to mx */
	char			 path[256];	/* of the key at hand */
};

/* --- parent_conf.c -------------------------------------------------------- */

/* An error at a node's value, at its key. */
void	load_error(struct load *, const struct node *, const char *, ...)
	    __attribute__((__format__(printf, 3, 4)));
void	load_key_error(struct load *, const struct node *, const char *, ...)
	    __attribute__((__format__(printf, 3, 4)));
/* Append ".name" to the path; give what is returned to path_pop. */
size_t	path_push(struct load *, const char *name);
void	path_pop(struct load *, size_t);
/* The fields of a struct (base NULL: check only). */
void	load_struct(struct load *, const struct schema *, struct node *,
	    void *base);
/* What features that are not built say. */
#define NOT_BUILT	"this version of postern cannot do that yet"

/* --- parent_value.c ------------------------------------------------------- */

/* Any value but STRUCT, MAP, SEQ; dst NULL: check only. */
void	load_value(struct load *, const struct key *, struct node *,
	    void *dst);
/*
 * A single scalar as a number of some type (BOOL, INT, DURATION, SIZE, WORD),
 * checked against the row and made canonical.  -1 after an error.
 */
int	load_number(struct load *, const struct key *, enum key_type,
	    struct node *, int64_t *);
/* A single scalar as a string that the row allows.  -1 after an error. */
int	load_string(struct load *, const struct key *, struct node *);
/* Is there exactly one scalar?  If not, an error. */
bool	is_scalar(struct load *, const struct node *, const char *wanted);
/*
 * A scalar where a list is wanted is a list of one: the node is changed to
 * that.  False after an error.
 */
bool	to_list(struct load *, struct node *);
/* "5m", "25mb": as the file would have it. */
void	format_number(enum key_type, int64_t, char *, size_t);
/* Decimal digits only.  -1: not a number; *rest is where it ends. */
int	parse_digits(const char *, int64_t *, const char **rest);
int	parse_duration(const char *, int64_t *);
int	parse_size(const char *, int64_t *);

/* --- parent_check.c ------------------------------------------------------- */

/* NULL, or what is wrong with the text. */
const char *check_text(enum conf_check, const char *);
/*
 * A domain, or an address, that is not ASCII, with its domain in A-labels: to
 * be freed.  NULL if there is nothing to convert, or it cannot be.
 */
char	*conf_alabels(const char *);
/* The same for the text of a node, where the check is of a host's name. */
void	check_alabels(enum conf_check, struct node *);
/* NULL or what is wrong with the name of a remote, a list, ... */
const char *check_name(const char *);
/* Does it name an object of the file?  An error if not. */
void	check_ref(struct load *, const struct key *, const struct node *);
void	check_object(struct load *, const struct node *, const char *map,
	    const char *name);
/*
 * The candidate nearest to a word in which a letter or so may be wrong;
 * NULL if there is none.  Offer them one by one.
 */
struct nearest {
	const char	*word;
	const char	*best;
	size_t		 distance;
};
void	nearest_init(struct nearest *, const char *word);
void	nearest_offer(struct nearest *, const char *candidate);

/* --- parent_rule.c -------------------------------------------------------- */

/* To be freed with rule_free; NULL after an error. */
struct rule *load_rule(struct load *, const struct key *, struct node *);
/* Set the ids of the lists that a rule names. */
void	rule_resolve(struct rule *, const struct config *);

/* --- parent_lookup.c ------------------------------------------------------ */

/* What is asked by a path. */
enum lookup_asks { ASKS_ADDRESS, ASKS_DOMAIN, ASKS_VALUE };

/* Does the path lead to somebody who can tell?  An error if not. */
void	check_lookup(struct load *, const struct node *, enum lookup_asks);
/* The same for the name of a directory, asked for domains and addresses. */
void	check_directory_ref(struct load *, const struct node *);
/* Has each directory what its type needs? */
void	load_directories(struct load *);

/* --- parent_cross.c ------------------------------------------------------- */

void	load_cross(struct load *);

/* --- parent_source.c ------------------------------------------------------ */

/* Open the files of the datasources. */
void	load_sources(struct load *);

#endif
