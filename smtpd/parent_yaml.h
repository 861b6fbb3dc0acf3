/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * postern.yaml as a tree of nodes, before anybody knows what they mean.
 */
#ifndef PARENT_YAML_H
#define PARENT_YAML_H

#include <stdbool.h>
#include <stddef.h>

struct conf_errors;

enum node_kind { NODE_SCALAR, NODE_MAP, NODE_SEQ };

struct node {
	enum node_kind	  kind;
	unsigned int	  line, col;	/* from 1 */
	char		 *key;		/* of a map's member, else NULL */
	unsigned int	  key_line, key_col;
	char		 *text;		/* SCALAR; no NUL in it */
	bool		  quoted;	/* SCALAR in quotes, or a block */
	bool		  bare;		/* a number, word of YAML or the like:
					   printed without quotes */
	bool		  is_default;	/* not in the file */
	bool		  bad;		/* has been complained about */
	struct node	**kids;		/* MAP, SEQ */
	size_t		  nkids;
};

/* -D name=value: ${name} in a scalar. */
struct macro {
	char	*name;
	char	*value;
};

struct macros {
	struct macro	*v;
	size_t		 n;
};

#define YAML_SIZE_MAX	(1024 * 1024)
#define YAML_DEPTH_MAX	32

/*
 * Read a document.  The tree, to be freed by node_free (an empty document is
 * an empty map); NULL if it could not be read to its end.  Errors are added
 * in that case, but also beside a tree (a duplicate key, an alias).  macros
 * may be NULL.  file is for the messages.
 */
struct node	*node_parse(const char *file, const char *data, size_t len,
		    const struct macros *, struct conf_errors *);
void		 node_free(struct node *);

/* A new node at the place of another one, which may be NULL. */
struct node	*node_new(enum node_kind, const struct node *at);
/* Append to a map or a sequence; key NULL for the latter. */
void		 node_add(struct node *, const char *key, struct node *kid);
/* The member of a map; NULL if there is none, or it is no map, or NULL. */
struct node	*node_child(const struct node *, const char *key);
/* Replace the text of a scalar. */
void		 node_set(struct node *, const char *text, bool bare);
/* Same kinds, keys and texts all the way down? */
bool		 node_equal(const struct node *, const struct node *);
/* A plain `false', an empty map or sequence, or nothing at all. */
bool		 node_is_false(const struct node *);

/* "name=value"; -1 if it is none.  A later one of a name wins. */
int		 macros_add(struct macros *, const char *);
void		 macros_clear(struct macros *);

#endif
