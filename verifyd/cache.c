/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Verdicts of call-forward, remembered.
 *
 * What is asked for is looked for in memory, then in the file.  In memory is
 * what was learnt since the file was written, and tombstones of what is to be
 * found no more; all of it goes into the next file (cache_write.c).
 *
 * A yes is answered until it expires; past its refresh time whoever is
 * answered asks anew behind that.  An expired yes is kept on for those who
 * want it while the server cannot be asked.  A no is answered until it
 * expires, and is then a miss.  As in Postfix's verify(8), a probe's no does
 * not replace a yes that has not expired: a server that loses its user
 * database for an hour shall not have its users refused for a day.  What a
 * next hop said of a real message is believed.  A yes that was asked for anew
 * without an answer, or with a no, is left alone for a while, so that a server
 * in trouble does not get a question with each recipient.
 *
 * The clock may jump.  Verdicts that are good for longer than any period
 * there is are misses: they were kept while the clock was ahead.
 *
 * At most `entries' verdicts are kept, in file and memory together.  Of those
 * in memory the one that was not used for longest goes; a new file leaves out
 * what expires next (cache_write.c), so that a tenth is free again.  A tenth
 * of the bound is always granted to the memory, however full the file is.
 *
 * Rejected: an append-only journal (the file is written anew in half a
 * second, and to lose some minutes of a cache costs some probes), counting
 * what is both in memory and in the file once (the bound is one of memory and
 * disk, not of addresses).
 */

#include <sys/types.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdlib.h>
#include <string.h>

#include "cache_private.h"
#include "config.h"

#define RETRY		60	/* s: at least, until a yes is asked again */
#define TRIM		(64UL * 1024 * 1024)	/* octets given back */

struct cache	cache = { .snap = { .fd = -1 }, .mark = 1 };

/* A question, with what was found. */
struct found {
	char		 words[RECORD_MAX];
	size_t		 nwords;
	uint8_t		 hash[SIPHASH_LEN];
	struct entry	*entry;		/* NULL: not in memory */
	bool		 in_file;
	bool		 good;		/* there is a record */
	struct record	 rec;
	char		 value[RECORD_MAX];
};

uint64_t
cache_last(const struct record *r, uint64_t now)
{
	uint64_t	 last = r->code < 300 && r->keep > r->expire ?
			    r->keep : r->expire;

	return last > now + CACHE_LIFE_MAX ? 0 : last;
}

/* --- what was flushed ----------------------------------------------------- */

/* Is the first of its words this one? */
static bool
is_of(const struct record *r, const char *word)
{
	size_t	 n = strlen(word);

	return r->nwords > n && r->words[n] == ' ' &&
	    memcmp(r->words, word, n) == 0;
}

bool
cache_is_flushed(const struct record *r)
{
	size_t	 i;

	for (i = 0; i < cache.nflushed; i++)
		if (is_of(r, cache.flushed[i]))
			return true;
	return cache.flushed_all && !is_of(r, CACHE_CAPS);
}

void
cache_flush_end(void)
{
	while (cache.nflushed > 0)
		free(cache.flushed[--cache.nflushed]);
	free(cache.flushed);
	cache.flushed = NULL;
	cache.flushed_all = false;
}

static void
flush_note(const char *remote)
{
	char	**more;
	size_t	  i;

	if (remote == NULL || cache.flushed_all) {
		cache.flushed_all = true;
		return;
	}
	for (i = 0; i < cache.nflushed; i++)
		if (strcmp(cache.flushed[i], remote) == 0)
			return;
	more = recallocarray(cache.flushed, cache.nflushed,
	    cache.nflushed + 1, sizeof(*more));
	if (more != NULL)
		cache.flushed = more;
	if (more == NULL || (more[cache.nflushed] = strdup(remote)) == NULL)
		cache.flushed_all = true;	/* rather too much */
	else
		cache.nflushed++;
}

void
cache_flush(const char *remote)
{
	struct entry	*e, *next;
	struct record	 r;
	size_t		 i;

	flush_note(remote);
	cache.flush_mark = cache.mark;
	cache.stats.unsaved++;
	for (i = 0; i < cache.overlay.buckets; i++)
		for (e = overlay_bucket(&cache.overlay, i); e != NULL;
		    e = next) {
			next = LIST_NEXT(e, chain);
			if (e->len > 0 && record_get(NULL, e->record, e->len,
			    &r) == 0 && cache_is_flushed(&r))
				overlay_drop(&cache.overlay, e);
		}
}

/* --- finding -------------------------------------------------------------- */

/* False: it cannot be kept, as it is too long. */
static bool
look(const struct cache_key *k, struct found *f)
{
	const char	*data = f->value;
	size_t		 len = 0;

	f->nwords = record_words(k, f->words, sizeof(f->words));
	f->in_file = f->good = false;
	if (f->nwords == 0)
		return false;
	record_hash(cache.snap.secret, f->words, f->nwords, f->hash);
	f->entry = overlay_find(&cache.overlay, f->hash);
	if (f->entry != NULL) {
		data = f->entry->record;
		len = f->entry->len;
	} else if ((len = snap_find(&cache.snap, f->hash, f->value)) > 0)
		f->in_file = true;
	if (len == 0)
		return true;
	f->good = record_get(f->in_file ? cache.snap.secret : NULL, data,
	    len, &f->rec) == 0 && f->rec.nwords == f->nwords &&
	    memcmp(f->rec.words, f->words, f->nwords) == 0;
	if (!f->good)
		cache.stats.bad++;
	else if (f->in_file && cache_is_flushed(&f->rec))
		f->good = false;
	return true;
}

static enum cache_view
view_of(const struct found *f, uint64_t now)
{
	const struct record	*r = &f->rec;

	if (!f->good || now >= cache_last(r, now))
		return CACHE_MISS;
	if (now >= r->expire)
		return CACHE_STALE;
	if (r->code < 300 && r->refresh != 0 && now >= r->refresh)
		return CACHE_REFRESH;
	return CACHE_FRESH;
}

static void
copy(char *to, size_t size, const char *from, size_t n)
{
	if (n >= size)
		n = size - 1;
	memcpy(to, from, n);
	to[n] = '\0';
}

static void
verdict_of(const struct record *r, struct cache_verdict *v)
{
	v->exists = r->code < 300;
	v->code = r->code;
	copy(v->enhanced, sizeof(v->enhanced), r->enhanced, r->nenhanced);
	copy(v->text, sizeof(v->text), r->text, r->ntext);
}

enum cache_view
cache_find(const struct cache_key *k, uint64_t now, struct cache_verdict *v)
{
	struct found	 f;
	enum cache_view	 view = CACHE_MISS;

	if (look(k, &f))
		view = view_of(&f, now);
	switch (view) {
	case CACHE_MISS:
		cache.stats.misses++;
		return view;
	case CACHE_FRESH:
	case CACHE_REFRESH:
		cache.stats.hits++;
		break;
	case CACHE_STALE:
		cache.stats.stale++;
		break;
	}
	if (f.entry != NULL)
		overlay_touch(&cache.overlay, f.entry);
	verdict_of(&f.rec, v);
	return view;
}

enum cache_view
cache_peek(const struct cache_key *k, uint64_t now, struct cache_verdict *v,
    struct cache_times *t)
{
	struct found	 f;
	enum cache_view	 view;

	if (!look(k, &f) || (view = view_of(&f, now)) == CACHE_MISS)
		return CACHE_MISS;
	verdict_of(&f.rec, v);
	t->expire = f.rec.expire;
	t->refresh = f.rec.refresh;
	t->keep = f.rec.keep;
	return view;
}

/* --- storing -------------------------------------------------------------- */

/* Does a file, or the one that is being written, say something of it? */
static bool
is_pinned(const struct found *f)
{
	if (f->entry == NULL)
		return f->in_file;
	return f->entry->pinned ||
	    (cache.writing != 0 && f->entry->written == cache.writing);
}

/* Have room for one more that is in memory only. */
static void
make_room(void)
{
	struct entry	*e;
	size_t		 room = cache.bound / 10;

	if (cache.bound > cache.snap.count &&
	    cache.bound - cache.snap.count > room)
		room = cache.bound - cache.snap.count;
	while (cache.overlay.loose >= room &&
	    (e = overlay_oldest(&cache.overlay)) != NULL) {
		if (e->mark >= cache.overlay.floor)
			cache.stats.evicted++;
		overlay_drop(&cache.overlay, e);
	}
}

/* Its record, or len 0: nothing. */
static void
put(struct found *f, const char *record, size_t len)
{
	bool	 pinned = is_pinned(f);

	cache.stats.unsaved++;
	if (len == 0 && !pinned) {
		if (f->entry != NULL)
			overlay_drop(&cache.overlay, f->entry);
		return;
	}
	if (f->entry != NULL)
		overlay_drop(&cache.overlay, f->entry);
	if (!pinned)
		make_room();
	/* Without memory the file's word stands. */
	(void)overlay_set(&cache.overlay, f->hash, record, len, pinned,
	    cache.mark);
}

static void
put_record(struct found *f, const struct record *r)
{
	char	 data[RECORD_MAX];
	size_t	 len;

	len = record_put(cache.snap.secret, r, data, sizeof(data));
	put(f, data, len);
}

/* Seconds; it is never in the past. */
static uint64_t
after(uint64_t now, int64_t ms)
{
	return now + (uint64_t)(ms < 0 ? 0 : ms) / 1000;
}

static void
store_yes(struct found *f, struct record *r, const struct conf_ttl *ttl,
    uint64_t now)
{
	r->expire = after(now, ttl->positive);
	r->refresh = ttl->refresh <= 0 ? 0 : after(now, ttl->refresh);
	r->keep = after(now, ttl->keep);
	if (r->keep < r->expire)
		r->keep = r->expire;
	put_record(f, r);
}

/* The yes stands; until when it is not asked for again. */
static void
put_off(struct found *f, uint64_t next, uint64_t now)
{
	struct record	 r = f->rec;

	cache.stats.unchanged++;
	if (next < now + RETRY)
		next = now + RETRY;
	if (r.refresh == 0 || r.refresh >= next)
		return;
	r.refresh = next;
	put_record(f, &r);
}

void
cache_store(const struct cache_key *k, const struct cache_verdict *v,
    const struct conf_ttl *ttl, uint64_t now, bool probe)
{
	struct found	 f;
	struct record	 r = { .code = v->code };
	enum cache_view	 view;

	if (!look(k, &f))
		return;
	cache.stats.stores++;
	if (v->exists != (v->code >= 200 && v->code < 300))
		r.code = v->exists ? 250 : 550;
	if (!v->exists && (r.code < 500 || r.code > 599))
		r.code = 550;
	r.words = f.words;
	r.nwords = f.nwords;
	r.enhanced = v->enhanced;
	r.nenhanced = strspn(v->enhanced, "0123456789.");
	r.text = v->text;
	r.ntext = strlen(v->text);
	view = view_of(&f, now);
	if (v->exists) {
		store_yes(&f, &r, ttl, now);
		return;
	}
	if (probe && view != CACHE_MISS && view != CACHE_STALE &&
	    f.rec.code < 300) {
		put_off(&f, after(now, ttl->negative), now);
		return;
	}
	if (ttl->negative <= 0) {
		if (view != CACHE_MISS)
			put(&f, NULL, 0);
		return;
	}
	r.expire = r.keep = after(now, ttl->negative);
	put_record(&f, &r);
}

void
cache_put_off(const struct cache_key *k, uint64_t now)
{
	struct found	 f;

	if (look(k, &f) && view_of(&f, now) == CACHE_REFRESH)
		put_off(&f, now, now);
}

bool
cache_delete(const struct cache_key *k, uint64_t now)
{
	struct found	 f;

	if (!look(k, &f) || view_of(&f, now) == CACHE_MISS)
		return false;
	cache.stats.deletes++;
	put(&f, NULL, 0);
	return true;
}

/* --- the file ------------------------------------------------------------- */

int
cache_init(void)
{
	arc4random_buf(cache.snap.secret, sizeof(cache.snap.secret));
	if (cache.bound == 0)
		cache.bound = 1000;
	return overlay_init(&cache.overlay);
}

void
cache_bound(size_t entries)
{
	cache.bound = entries;
}

static void
rekey_one(const struct entry *e, const uint8_t *secret)
{
	struct record	 r;
	uint8_t		 hash[SIPHASH_LEN];
	char		 data[RECORD_MAX];
	size_t		 len;

	if (record_get(NULL, e->record, e->len, &r) == -1)
		return;
	record_hash(secret, r.words, r.nwords, hash);
	len = record_put(secret, &r, data, sizeof(data));
	if (len > 0)
		(void)overlay_set(&cache.overlay, hash, data, len, true,
		    cache.mark);
}

/*
 * The memory goes on under another secret.  Tombstones were about another
 * file.
 */
static void
rekey(const uint8_t *secret)
{
	struct overlay	 old = cache.overlay;
	struct entry	*e;
	size_t		 i;

	if (overlay_init(&cache.overlay) == -1) {
		cache.overlay = old;
		return;
	}
	for (i = 0; i < old.buckets; i++)
		while ((e = overlay_bucket(&old, i)) != NULL) {
			if (e->mark >= old.floor && e->len > 0)
				rekey_one(e, secret);
			overlay_drop(&old, e);
		}
	overlay_free(&old);
}

int
cache_load(int fd, const char **why)
{
	struct snap	 new = { .fd = -1 };

	cache_write_stop();
	cache_flush_end();
	if (fd != -1 && snap_open(&new, fd, why) == 0) {
		rekey(new.secret);
		snap_close(&cache.snap);
		cache.snap = new;
		return 0;
	}
	rekey(cache.snap.secret);
	snap_close(&cache.snap);
	return fd == -1 ? 0 : -1;
}

int
cache_check(size_t octets, const char **why)
{
	int	 r;

	if (cache.snap.fd == -1)
		return 1;
	if ((r = snap_check(&cache.snap, octets, why)) == -1)
		snap_close(&cache.snap);
	return r;
}

/*
 * What stands between the entries that went stays, so the heap does not get
 * smaller by itself.  It takes a millisecond for 3 MB: only where it is
 * worth that.
 */
static void
trim(void)
{
	if (cache.most < cache.overlay.octets + TRIM)
		return;
	cache.most = 0;
#ifdef __GLIBC__
	(void)malloc_trim(0);
#endif
}

bool
cache_tidy(size_t buckets)
{
	if (!overlay_sweep(&cache.overlay, buckets))
		return false;
	trim();
	return true;
}

void
cache_stats(struct cache_stats *st)
{
	*st = cache.stats;
	st->overlay = cache.overlay.entries;
	st->tombstones = cache.overlay.tombstones;
	st->octets = cache.overlay.octets;
	st->file = cache.snap.fd == -1 ? 0 : cache.snap.count;
	st->size = cache.snap.fd == -1 ? 0 : cache.snap.size;
	st->checked = cache.snap.fd == -1 || cache.snap.checked;
}
