/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Verdicts of call-forward, remembered: a table in memory over a cdb file.
 *
 *	cache.c		what is found, kept, expired
 *	cache_write.c	what goes into a new file
 *	overlay.c	the table in memory
 *	record.c	a verdict as text
 *	snap.c		the file: reading it
 *	snap_write.c	writing a new one
 *	save.c		when that is done: CACHE_*, posternctl
 *
 * Time is the real one, in seconds, as the file outlives us; it is an
 * argument, and may jump.
 */
#ifndef CACHE_H
#define CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf_ttl;

struct cache_key {
	const char	*remote;	/* its name */
	const char	*sender;	/* the one used; "" = null */
	const char	*rcpt;		/* in normal form */
};

struct cache_verdict {
	bool		exists;
	uint16_t	code;		/* the server's reply */
	char		enhanced[12];	/* "5.1.1"; "" if none */
	char		text[160];	/* of it, cut */
};

enum cache_view {
	CACHE_MISS,		/* ask */
	CACHE_FRESH,		/* the answer */
	CACHE_REFRESH,		/* the answer; ask anew behind it */
	CACHE_STALE		/* a yes that has expired, kept for
				   verify-failure: stale */
};

/*
 * In place of a remote's name: no verdict, but what remotes offer (caps.c).
 * Not flushed with the verdicts.
 */
#define CACHE_CAPS	"=caps"

/* *v is set unless it is a miss. */
enum cache_view	cache_find(const struct cache_key *, uint64_t now,
		    struct cache_verdict *v);
/*
 * Keep a verdict that a server gave now.  probe: it is call-forward's word,
 * and a no does not replace a yes that has not expired, but puts off when it
 * is asked for anew; what a next hop said of a real message does replace it.
 */
void		cache_store(const struct cache_key *,
		    const struct cache_verdict *, const struct conf_ttl *,
		    uint64_t now, bool probe);
/*
 * It was asked for anew, and nobody could tell: a yes that is to be refreshed
 * is not for a minute.
 */
void		cache_put_off(const struct cache_key *, uint64_t now);
/* Forget it.  True if there was one. */
bool		cache_delete(const struct cache_key *, uint64_t now);

/* For posternctl: as cache_find, without counting; the times, too. */
struct cache_times {
	uint64_t	expire, refresh, keep;
};
enum cache_view	cache_peek(const struct cache_key *, uint64_t now,
		    struct cache_verdict *, struct cache_times *);
/* Forget all of a remote, or of all (NULL). */
void		cache_flush(const char *remote);

/* Before anything else; -1 without memory. */
int		cache_init(void);
/* How many verdicts are kept. */
void		cache_bound(size_t entries);
/*
 * Another file than so far; fd is taken, -1: there is none.  -1 and why: it
 * is of no use.
 */
int		cache_load(int fd, const char **why);
/*
 * Read through the file, so many octets of it.  1: it is good, or there is
 * none; 0: go on; -1 and why: it was not, and is dropped.
 */
int		cache_check(size_t octets, const char **why);
/*
 * Give back memory of what a new file has, some buckets at a time; true when
 * there is no more of it.
 */
bool		cache_tidy(size_t buckets);

/*
 * Write a new file: begin with one that is empty (taken), go on for n records
 * at a time (1: it is complete, and closed; 0: go on; -1 and errno: it is
 * given up), or give it up.  When it is in its place: take it, and drop what
 * was in memory only for it.
 */
int		cache_write_begin(int fd, uint64_t now);
int		cache_write_go(size_t n);
void		cache_write_stop(void);
int		cache_write_done(int fd, const char **why);

struct cache_stats {
	size_t		overlay, tombstones, octets;	/* in memory */
	uint32_t	file;				/* records of it */
	uint64_t	size;				/* octets of it */
	bool		checked;
	/* Changes that no file has. */
	uint64_t	unsaved;
	uint64_t	hits, misses, stale, stores, unchanged, deletes;
	uint64_t	evicted, bad;
};
void		cache_stats(struct cache_stats *);

/* --- save.c --------------------------------------------------------------- */

struct msg;
struct peer;

/* Before the first question.  Fatal without memory. */
void		save_start(void);
/* CACHE_FILE, CACHE_TMP. */
int		save_file(struct peer *, struct msg *);
int		save_tmp(struct peer *, struct msg *);
/* At the end of a turn: is there something to write? */
void		save_turn(void);
/* Write what there is, then end the process. */
void		save_stop(void);
/* "show cache", "cache ...": lines for posternctl.  False: not ours. */
bool		save_ctl(const char *request, int fd);
int		save_stats(char *, size_t);

#endif
