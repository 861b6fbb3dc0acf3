/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The cache's file: when it is read and written.
 *
 * The parent has the path, we have descriptors: CACHE_FILE to read,
 * CACHE_TMP to write, asked for by CACHE_WANT and given back as CACHE_DONE.
 * What takes long is done in slices, one each turn of the loop, so that what
 * came in meanwhile is answered in between: writing, reading through, giving
 * memory back.
 *
 * A file is written when something has changed: after verify-cache.snapshot;
 * soon when there is more new than the larger of GROWN and a tenth of the
 * file, but not more often than each PAUSE; and at the end, then at one go, as
 * nobody waits for us any more.
 */

#include <sys/types.h>
#include <sys/time.h>

#include <errno.h>
#include <event.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cache.h"
#include "config.h"
#include "log.h"
#include "peer.h"
#include "proc.h"
#include "timer.h"
#include "verifyd.h"
#include "word.h"

#define GROWN		1000		/* changes */
#define SOON		1000		/* ms */
#define PAUSE		10000
#define AGAIN		60000		/* after a failure */
#define RECORDS		250		/* in a slice */
#define BUCKETS		1000
#define OCTETS		(256 * 1024)

enum save_state {
	SAVE_IDLE,
	SAVE_WANTED,		/* CACHE_WANT is sent */
	SAVE_WRITING,
	SAVE_PLACED		/* CACHE_DONE is sent */
};

static struct {
	enum save_state	 state;
	struct timer	 timer;		/* the next one is due */
	bool		 soon;		/* it is set for that */
	struct event	 slice;
	struct mono	 begun;		/* the last one */
	time_t		 written;	/* when it was there; 0 = never */
	bool		 stopping;
	bool		 failed;	/* so the last one did */
	uint64_t	 files;
	char		 path[CACHE_PATH_MAX];	/* "": not told yet */
} save;

static uint64_t
now(void)
{
	return (uint64_t)time(NULL);
}

/* --- slices --------------------------------------------------------------- */

static void
work(void)
{
	struct timeval	at_once = { 0, 0 };

	(void)evtimer_add(&save.slice, &at_once);
}

static void
tell_done(uint32_t status)
{
	peer_send(proc_parent(), MSG_CACHE_DONE, 0, status, -1, NULL);
	save.state = status == 0 ? SAVE_PLACED : SAVE_IDLE;
}

static void
failed(const char *what)
{
	if (!save.failed)
		log_warnx("%s: cannot be written: %s", save.path, what);
	save.failed = true;
}

/* True: there is more to write. */
static bool
write_slice(size_t n)
{
	switch (cache_write_go(n)) {
	case 0:
		return true;
	case 1:
		tell_done(0);
		break;
	default:
		failed(strerror(errno));
		tell_done(1);
	}
	return false;
}

static bool
check_slice(void)
{
	const char	*why;
	int		 r;

	if ((r = cache_check(OCTETS, &why)) == -1)
		log_warnx("%s %s: the cache is empty", save.path, why);
	return r == 0;
}

static void
on_slice(int fd, short events, void *arg)
{
	bool	 more;

	(void)fd;
	(void)events;
	(void)arg;
	more = save.state == SAVE_WRITING && write_slice(RECORDS);
	if (!more)
		more = check_slice();
	if (!cache_tidy(BUCKETS))
		more = true;
	if (more)
		work();
}

/* --- when ----------------------------------------------------------------- */

static void
want(void)
{
	timer_del(&save.timer);
	save.soon = false;
	save.state = SAVE_WANTED;
	save.begun = mono_now();
	peer_send(proc_parent(), MSG_CACHE_WANT, 0, 0, -1, NULL);
}

static void
on_timer(void *arg)
{
	(void)arg;
	if (save.state == SAVE_IDLE)
		want();
}

static int64_t
until_soon(void)
{
	int64_t	 ms = SOON, since;

	if (!mono_is_set(save.begun))
		return ms;
	since = mono_diff(mono_now(), save.begun);
	return PAUSE - since > ms ? PAUSE - since : ms;
}

void
save_turn(void)
{
	struct cache_stats	 st;
	const struct config	*conf = proc_conf();

	if (save.state != SAVE_IDLE || conf == NULL || save.stopping ||
	    save.soon || save.path[0] == '\0')
		return;
	cache_stats(&st);
	if (st.unsaved == 0)
		return;
	if (!save.failed && st.unsaved >= GROWN &&
	    st.unsaved >= st.file / 10) {
		save.soon = true;
		timer_set(&save.timer, until_soon());
	} else if (!timer_is_set(&save.timer))
		timer_set(&save.timer, !save.failed ?
		    conf->verify_cache.snapshot :
		    conf->verify_cache.snapshot > AGAIN ?
		    conf->verify_cache.snapshot : AGAIN);
}

static void
end_or_want(void)
{
	struct cache_stats	 st;

	cache_stats(&st);
	if (st.unsaved == 0 || save.failed || save.path[0] == '\0')
		proc_exit();
	else
		want();
}

void
save_stop(void)
{
	if (save.stopping)
		return;
	save.stopping = true;
	switch (save.state) {
	case SAVE_IDLE:
		end_or_want();
		break;
	case SAVE_WRITING:
		/* It lacks what was learnt since it was begun. */
		cache_write_stop();
		tell_done(1);
		want();
		break;
	case SAVE_WANTED:
	case SAVE_PLACED:
		break;
	}
}

/* --- frames --------------------------------------------------------------- */

int
save_tmp(struct peer *p, struct msg *m)
{
	int	 fd = m->fd == -1 ? -1 : msg_take_fd(m);

	(void)p;
	if (get_end(&m->body) == -1 || save.state != SAVE_WANTED) {
		if (fd != -1)
			(void)close(fd);
		return -1;
	}
	save.state = SAVE_IDLE;
	if (fd == -1)
		save.failed = true;	/* the parent has said why */
	else if (cache_write_begin(fd, now()) == -1) {
		failed(strerror(errno));
		tell_done(1);
	} else
		save.state = SAVE_WRITING;
	if (!save.stopping) {
		if (save.state == SAVE_WRITING)
			work();
		return 0;
	}
	if (save.state == SAVE_WRITING)
		while (write_slice(RECORDS))
			continue;
	proc_exit();
	return 0;
}

/* The answer to CACHE_DONE; fd -1: it came to nothing. */
static void
placed(int fd)
{
	const char	*why = "the parent could not put it in its place";

	save.state = SAVE_IDLE;
	if (fd == -1)
		save.failed = true;
	else if (cache_write_done(fd, &why) == -1)
		failed(why);
	else {
		save.failed = false;
		save.written = time(NULL);
		save.files++;
		log_debug("%s is written", save.path);
	}
}

static void
load(int fd)
{
	const char	*why = NULL;

	timer_del(&save.timer);
	save.soon = false;
	save.failed = false;
	save.written = 0;
	if (cache_load(fd, &why) == -1)
		log_warnx("%s %s: the cache is empty", save.path, why);
	else if (fd != -1)
		log_debug("%s is read", save.path);
	if (save.state == SAVE_WRITING)
		tell_done(1);
}

int
save_file(struct peer *p, struct msg *m)
{
	struct proto_cache_file	 f;

	(void)p;
	if (get_cache_file(m, &f) == -1)
		return -1;
	if (m->seq == 1) {
		if (save.state != SAVE_PLACED)
			return m->fd == -1 ? 0 : -1;
		placed(msg_take_fd(m));
	} else {
		(void)strlcpy(save.path, f.path, sizeof(save.path));
		load(msg_take_fd(m));
	}
	work();
	if (save.stopping && save.state == SAVE_IDLE)
		end_or_want();
	return 0;
}

void
save_start(void)
{
	if (cache_init() == -1)
		fatal("cache");
	timer_init(&save.timer, on_timer, NULL);
	evtimer_set(&save.slice, on_slice, NULL);
}

/* --- posternctl ----------------------------------------------------------- */

static void
show(int fd)
{
	struct cache_stats	 st;
	char			 text[CACHE_PATH_MAX + 1024];
	int			 n;

	cache_stats(&st);
	n = snprintf(text, sizeof(text),
	    "path %s\n"
	    "entries %" PRIu64 "\n"
	    "file.entries %u\n"
	    "file.octets %" PRIu64 "\n"
	    "file.age %lld\n"
	    "file.checked %s\n"
	    "memory.entries %zu\n"
	    "memory.tombstones %zu\n"
	    "memory.octets %zu\n"
	    "unsaved %" PRIu64 "\n"
	    "hits %" PRIu64 "\n"
	    "stale %" PRIu64 "\n"
	    "misses %" PRIu64 "\n"
	    "stores %" PRIu64 "\n"
	    "unchanged %" PRIu64 "\n"
	    "deletes %" PRIu64 "\n"
	    "evicted %" PRIu64 "\n"
	    "damaged %" PRIu64 "\n"
	    "files %" PRIu64 "\n",
	    save.path, (uint64_t)st.file + st.overlay - st.tombstones,
	    st.file, st.size, save.written == 0 ? -1LL :
	    (long long)(time(NULL) - save.written),
	    st.checked ? "yes" : "no", st.overlay, st.tombstones, st.octets,
	    st.unsaved, st.hits, st.stale, st.misses, st.stores,
	    st.unchanged, st.deletes, st.evicted, st.bad, save.files);
	if (n > 0 && write(fd, text, (size_t)n) == -1)
		log_debug("control: %s", strerror(errno));
}

int
save_stats(char *text, size_t size)
{
	struct cache_stats	 st;

	cache_stats(&st);
	return snprintf(text, size,
	    "verifyd.cache.entries %" PRIu64 "\n"
	    "verifyd.cache.memory %zu\n"
	    "verifyd.cache.hits %" PRIu64 "\n"
	    "verifyd.cache.stale %" PRIu64 "\n"
	    "verifyd.cache.misses %" PRIu64 "\n"
	    "verifyd.cache.stores %" PRIu64 "\n"
	    "verifyd.cache.evicted %" PRIu64 "\n"
	    "verifyd.cache.files %" PRIu64 "\n",
	    (uint64_t)st.file + st.overlay - st.tombstones, st.octets,
	    st.hits, st.stale, st.misses, st.stores, st.evicted, save.files);
}

static void __attribute__((__format__(printf, 2, 3)))
say(int fd, const char *fmt, ...)
{
	char	 text[2048];
	va_list	 ap;
	int	 n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < sizeof(text) &&
	    write(fd, text, (size_t)n) == -1)
		log_debug("control: %s", strerror(errno));
}

struct args {
	char	 remote[256];
	char	 rcpt[LOOK_ADDR_MAX];
	char	 sender[LOOK_ADDR_MAX];
};

static const struct conf_remote *
find_remote(const char *name)
{
	const struct config	*conf = proc_conf();

	return conf == NULL ? NULL :
	    (const struct conf_remote *)conf_find(&conf->remotes, name);
}

/* HOST:PORT, which no remote is called: what scripts have asked (adhoc.c). */
static bool
is_host(const char *name)
{
	return strchr(name, ':') != NULL;
}

/* REMOTE ADDRESS [SENDER]; false: it was said what is wrong. */
static bool
get_args(const char *line, struct args *a, int fd)
{
	const struct conf_remote	*r;

	if (word_get(&line, a->remote, sizeof(a->remote)) == -1 ||
	    word_get(&line, a->rcpt, sizeof(a->rcpt)) == -1) {
		say(fd, "error: wanted a remote and an address\n");
		return false;
	}
	r = find_remote(a->remote);
	if (r == NULL && !is_host(a->remote)) {
		say(fd, "error: there is no remote of this name\n");
		return false;
	}
	if (word_get(&line, a->sender, sizeof(a->sender)) == 0) {
		if (strcmp(a->sender, "<>") == 0)
			a->sender[0] = '\0';
		return true;
	}
	if (r == NULL || strcmp(r->mail_from, "sender") == 0) {
		say(fd, "error: it is asked with the client's sender: say "
		    "which\n");
		return false;
	}
	(void)strlcpy(a->sender, r->mail_from, sizeof(a->sender));
	return true;
}

static long long
left(uint64_t when)
{
	return (long long)when - (long long)now();
}

static void
do_get(const char *line, int fd)
{
	static const char	*const names[] = { "none", "fresh", "refresh",
				    "stale" };
	struct cache_verdict	 v;
	struct cache_times	 t;
	enum cache_view		 view;
	struct cache_key	 k;
	struct args		 a;

	if (!get_args(line, &a, fd))
		return;
	k = (struct cache_key){ a.remote, a.sender, a.rcpt };
	view = cache_peek(&k, now(), &v, &t);
	say(fd, "remote %s\naddress %s\nsender %s\nstate %s\n", a.remote,
	    a.rcpt, a.sender[0] == '\0' ? "<>" : a.sender, names[view]);
	if (view == CACHE_MISS)
		return;
	say(fd, "exists %s\nexpires %lld\n", v.exists ? "yes" : "no",
	    left(t.expire));
	if (v.exists && t.refresh != 0)
		say(fd, "refresh %lld\n", left(t.refresh));
	if (v.exists)
		say(fd, "keep %lld\n", left(t.keep));
	say(fd, "code %u\nenhanced %s\ntext %s\n", v.code,
	    v.enhanced[0] == '\0' ? "-" : v.enhanced, v.text);
}

static void
do_delete(const char *line, int fd)
{
	struct cache_key	 k;
	struct args		 a;

	if (!get_args(line, &a, fd))
		return;
	k = (struct cache_key){ a.remote, a.sender, a.rcpt };
	if (cache_delete(&k, now()))
		say(fd, "ok\n");
	else
		say(fd, "error: there is no such verdict\n");
}

static void
do_flush(const char *line, int fd)
{
	char	 remote[256];

	if (*line == '\0')
		cache_flush(NULL);
	else if (word_get(&line, remote, sizeof(remote)) == -1 ||
	    (find_remote(remote) == NULL && !is_host(remote))) {
		say(fd, "error: there is no remote of this name\n");
		return;
	} else
		cache_flush(remote);
	if (save.state == SAVE_IDLE && !save.stopping &&
	    save.path[0] != '\0')
		want();
	say(fd, "ok\n");
}

bool
save_ctl(const char *request, int fd)
{
	if (strcmp(request, "show cache") == 0)
		show(fd);
	else if (strncmp(request, "cache get ", 10) == 0)
		do_get(request + 10, fd);
	else if (strncmp(request, "cache delete ", 13) == 0)
		do_delete(request + 13, fd);
	else if (strncmp(request, "cache flush", 11) == 0)
		do_flush(request + 11 + strspn(request + 11, " "), fd);
	else
		return false;
	return true;
}
