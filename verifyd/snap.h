/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The file of verdicts: a cdb, and no other program's.
 *
 *	snap.c		reading it, reading it through
 *	snap_write.c	writing a new one
 *
 * Keys are hashes of 16 octets, values are records (record.h).  The last
 * record has the key SNAP_KEY and the value
 *
 *	postern-verdicts FORMAT COUNT SECRET HASH
 *
 * COUNT the number of the others, SECRET what their keys are hashed under,
 * HASH the SipHash-128, under SECRET, of all octets of the file but those of
 * this value: of the records up to it, of the tables, then of the first 2048
 * octets.
 */
#ifndef SNAP_H
#define SNAP_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"
#include "siphash.h"

#define SNAP_KEY	"postern.verdicts"	/* SIPHASH_LEN octets */
#define SNAP_META	104			/* octets of its value */
#define SNAP_TOC	2048
#define SNAP_TABLES	256
#define SNAP_HEAD	8			/* of a record: two lengths */
#define SNAP_SLOT	8			/* of a table */
#define SNAP_CHUNK	(64 * 1024)

struct snap_table {
	uint32_t	at, slots;
};

/* One that is read. */
struct snap {
	int			 fd;		/* -1: none */
	uint64_t		 size;
	uint64_t		 end;		/* of the records: SNAP_KEY's */
	uint32_t		 count;
	uint8_t			 secret[SIPHASH_KEY];
	uint8_t			 hash[SIPHASH_LEN];
	struct snap_table	 table[SNAP_TABLES];
	/* Of snap_check: the next octet, the hash so far. */
	bool			 checked;
	uint64_t		 at;
	struct siphash		 sum;
};

/* A place in a file, for going through its records. */
struct snap_walk {
	uint64_t	 next;		/* octet of the file behind buf */
	size_t		 at, len;	/* in buf */
	char		*buf;		/* SNAP_CHUNK; ours */
};

/* Takes the descriptor.  -1 and what is wrong with the file. */
int	snap_open(struct snap *, int fd, const char **why);
/* Nothing is done for one that is not open. */
void	snap_close(struct snap *);
/*
 * Read so many octets more of it, to see whether it is as it was written.
 * 1: it is, 0: go on; -1 and why: it is not.
 */
int	snap_check(struct snap *, size_t octets, const char **why);
/*
 * The value of a key: its length, and up to RECORD_MAX octets in value; 0:
 * it is not there, or what is there cannot be read.
 */
size_t	snap_find(const struct snap *, const uint8_t *key, char *value);

/* -1 without memory. */
int	snap_walk_init(struct snap_walk *);
void	snap_walk_clear(struct snap_walk *);
/*
 * The next record: views that are good until the next call.  1, or 0 at the
 * end, or -1 and errno (EPROTO: the file is damaged).
 */
int	snap_walk_next(struct snap_walk *, const struct snap *,
	    const uint8_t **key, const char **value, size_t *len);

/* --- snap_write.c --------------------------------------------------------- */

struct snap_slots {
	uint32_t	(*slot)[2];	/* hash, place */
	uint32_t	 n, room;
};

/* One that is written. */
struct snap_new {
	int			 fd;
	uint8_t			 secret[SIPHASH_KEY];
	uint64_t		 pos;		/* of the next octet */
	char			*buf;		/* SNAP_CHUNK of them wait */
	size_t			 len;
	struct siphash		 sum;
	uint32_t		 count;
	uint64_t		 meta;		/* where SNAP_KEY's value is */
	unsigned int		 tables;	/* written so far */
	struct snap_table	 table[SNAP_TABLES];
	struct snap_slots	 slots[SNAP_TABLES];
};

/* Takes the descriptor of an empty file.  -1 and errno. */
int	snap_new_init(struct snap_new *, int fd,
	    const uint8_t *secret);
/* Closes the descriptor, too. */
void	snap_new_clear(struct snap_new *);
/* -1 and errno; EFBIG: the file has no room for more (4 GiB). */
int	snap_new_add(struct snap_new *, const uint8_t *key, const char *value,
	    size_t len);
/*
 * No more records: write n of the tables.  1: the file is complete, 0: go
 * on; -1 and errno.
 */
int	snap_new_finish(struct snap_new *, unsigned int n);

/* The hash of cdb. */
uint32_t snap_hash(const void *, size_t);
void	snap_put32(void *, uint32_t);
uint32_t snap_get32(const void *);
/* The value of SNAP_KEY; the getter says -1 for what is none of ours. */
void	snap_put_meta(char *, uint32_t count, const uint8_t *secret,
	    const uint8_t *hash);
int	snap_get_meta(const char *, uint32_t *count, uint8_t *secret,
	    uint8_t *hash);

#endif
