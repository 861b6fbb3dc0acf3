/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The verifyd process: who asks, and which part answers.
 *
 * One process for all workers, so that what one of them learns the others
 * know.  All of it is memory that may be lost: a worker that gets no answer
 * goes on as if nothing were remembered.
 *
 * To drain means to go on until the last asker has gone: their sessions may
 * still have questions.
 */

#include <sys/types.h>
#include <sys/queue.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adhoc.h"
#include "cache.h"
#include "config.h"
#include "io.h"
#include "log.h"
#include "look.h"
#include "peer.h"
#include "probe.h"
#include "proc.h"
#include "rate.h"
#include "rcptto.h"
#include "tally.h"
#include "tlsctx.h"
#include "verify.h"
#include "verifyd.h"

struct asker {
	LIST_ENTRY(asker)	 entry;
	struct peer		*peer;
};

static LIST_HEAD(, asker)	askers = LIST_HEAD_INITIALIZER(askers);
static bool			draining;

/* Whose question was it? */
static int
dns_ans(struct peer *p, struct msg *m)
{
	return (m->sid & DNSLOOK_SID) != 0 ? dnslook_ans(p, m) :
	    ptr_dns_ans(p, m);
}

static const struct peer_handler	handlers[] = {
	{ MSG_STATE,		shared_state },
	{ MSG_REMOTE_SEEN,	caps_seen },
	{ MSG_ADDRESS_ERROR,	errors_add },
	{ MSG_JUDGE,		judge_ask },
	{ MSG_LOOKUP,		look_lookup },
	{ MSG_QUERY_ANS,	query_ans },
	{ MSG_SOURCE_UP,	query_source_up },
	{ MSG_PTR_ASK,		ptr_ask },
	{ MSG_VERDICT,		marked_verdict },
	{ MSG_DNS_LOOK,		dnslook_ask },
	{ MSG_DNS_ANS,		dns_ans },
	{ MSG_DIAL_FD,		probe_dial_fd },
	{ MSG_DIAL_ERR,		probe_dial_err },
	{ MSG_DIAL_WANT,	probe_dial_want },
	{ MSG_PROBE,		rcptto_probe },
	{ 0,			NULL }
};

static const struct peer_handler	parent_handlers[] = {
	{ MSG_CACHE_FILE,	save_file },
	{ MSG_CACHE_TMP,	save_tmp },
	{ MSG_LIST_TEXT,	list_text },
	{ MSG_LIST_FILE,	list_file },
	{ 0,			NULL }
};

void
verifyd_each_smtpd(void (*fn)(struct peer *, const void *), const void *arg)
{
	struct asker	*a;

	LIST_FOREACH(a, &askers, entry)
		if (a->peer->role == R_SMTPD)
			fn(a->peer, arg);
}

static void
peer_up(struct peer *p)
{
	struct asker	*a;

	if (p->role == R_RESOLVED) {
		ptr_resolved_up(p);
		dnslook_resolved_up(p);
		return;
	}
	if (p->role == R_LOOKUPD) {
		query_peer_up(p);
		return;
	}
	if (p->role == R_DIALER) {
		probe_dialer_up();
		return;
	}
	if ((a = calloc(1, sizeof(*a))) == NULL)
		fatal("asker");
	a->peer = p;
	p->arg = a;
	LIST_INSERT_HEAD(&askers, a, entry);
	ptr_peer_up(p);
	dnslook_peer_up(p);
	if (p->role == R_SMTPD) {
		caps_peer_up(p);
		errors_peer_up(p);
		marked_peer_up(p);
	}
}

static void
leave(void)
{
	probe_stop();
	save_stop();
}

static void
end_if_drained(void)
{
	if (draining && LIST_EMPTY(&askers))
		leave();
}

static void
peer_down(struct peer *p)
{
	struct asker	*a = p->arg;

	if (p->role == R_RESOLVED) {
		ptr_resolved_down();
		dnslook_resolved_down();
		return;
	}
	if (p->role == R_LOOKUPD) {
		query_peer_down(p);
		return;
	}
	if (p->role == R_DIALER)
		return;		/* who waits there asks the next one */
	judge_peer_down(p);
	look_peer_down(p);
	rcptto_peer_down(p);
	ptr_peer_down(p);
	dnslook_peer_down(p);
	tally_worker_gone(p);
	LIST_REMOVE(a, entry);
	free(a);
	p->arg = NULL;
	end_if_drained();
}

static int
conf_prepare(struct config *conf, struct proto_conf_err *err)
{
	return look_prepare(conf, err) == -1 ||
	    probe_prepare(conf, err) == -1 ? -1 : 0;
}

static void
conf_commit(struct config *conf, struct config *old)
{
	(void)old;
	cache_bound((size_t)conf->verify_cache.entries);
	caps_restore(conf);
	probe_commit();
}

static void
conf_release(struct config *conf)
{
	probe_release(conf);
	look_release(conf);
	caps_prune();
}

static void
start(void)
{
	shared_start();
	rate_start();
	errors_start();
	ptr_start();
	verify_start();
	save_start();
}

static void
stop(uint32_t how)
{
	if (how == STOP_NOW) {
		leave();
		return;
	}
	draining = true;
	end_if_drained();
}

static void
show_stats(int fd)
{
	static int	 (*const parts[])(char *, size_t) = {
		shared_stats,
		rate_stats,
		tally_stats,
		errors_stats,
		caps_stats,
		ptr_stats,
		dnslook_stats,
		look_stats,
		query_stats,
		judge_stats,
		verify_stats,
		target_stats,
		probe_stats,
		rcptto_stats,
		adhoc_stats,
		save_stats
	};
	char		 text[1024];
	size_t		 i;
	int		 n;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		n = parts[i](text, sizeof(text));
		if (write(fd, text, (size_t)n) == -1)
			log_debug("show stats: %s", strerror(errno));
	}
}

static void
ctl(const char *request, int fd)
{
	if (strcmp(request, "show stats") == 0)
		show_stats(fd);
	else if (strcmp(request, "show routes") == 0)
		routes_show(proc_conf(), fd);
	else
		(void)save_ctl(request, fd);
	(void)close(fd);
}

static void
turn(void)
{
	caps_turn();
	probe_turn();
	save_turn();
	io_flush_all();
}

static const struct proc_class	class = {
	.name = "verifyd",
	.role = R_VERIFYD,
	.handlers = handlers,
	.parent_handlers = parent_handlers,
	.prepare = tlsctx_prepare,
	.start = start,
	.peer_up = peer_up,
	.peer_down = peer_down,
	.conf_prepare = conf_prepare,
	.conf_commit = conf_commit,
	.conf_release = conf_release,
	.stop = stop,
	.ctl = ctl,
	.turn = turn
};

int
main(int argc, char **argv)
{
	proc_run(&class, argc, argv);
}
