/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * A large list as a file that processes share: a cdb, and in it
 *
 *	KEY			VALUE NUL
 *	NUL f BITS IP		place (u32) VALUE NUL
 *	NUL			the form: LIST_FORM
 *
 * KEY is an entry (list_entry.h); f is the family of a network (enum
 * addr_family), IP its 4 or 16 octets, place its number in the list, since
 * the first network that fits decides.  No entry has a NUL.  Of several
 * records of one key the first counts.  Numbers are little-endian, as in all
 * of a cdb.
 */
#ifndef LIST_FILE_H
#define LIST_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"

/* "postern list 1" NUL, and then which lengths of networks there are. */
#define LIST_MAGIC	"postern list 1"
#define LIST_BITS4	33
#define LIST_BITS6	129
#define LIST_FORM	(sizeof(LIST_MAGIC) + LIST_BITS4 + LIST_BITS6)
#define LIST_NET_KEY	19		/* octets of a network's key at most */

/* An open one.  Views of it may be copied. */
struct list_file {
	const uint8_t	*p;
	size_t		 size;
	const uint8_t	*bits4, *bits6;	/* by length: 1 = there are some */
};

/*
 * Map a file of that size, which nobody can change any more.  The descriptor
 * stays the caller's and is not needed afterwards.  -1 and errno; EINVAL: it
 * is no such file.
 */
int	list_file_open(struct list_file *, int fd, int64_t size);
void	list_file_close(struct list_file *);
/* The same on memory, which must outlive it.  -1: it is no such file. */
int	list_file_view(struct list_file *, const void *, size_t);
/*
 * The value of a key, of the first network that holds an address: in the
 * file; NULL if there is none.  Nothing is allocated, and nothing is read
 * that is not in the file, whatever is in it.
 */
const char	*list_file_value(const struct list_file *, const char *key);
const char	*list_file_net(const struct list_file *, const struct addr *);
/* The key of a network; returns its length.  bits: of the address. */
size_t	list_net_key(uint8_t key[LIST_NET_KEY], const struct addr *,
	    unsigned int bits);

#endif
