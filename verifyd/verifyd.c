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

#include "config.h"
#include "log.h"
#include "peer.h"
#include "proc.h"
#include "verifyd.h"

struct asker {
	LIST_ENTRY(asker)	 entry;
	struct peer		*peer;
};

static LIST_HEAD(, asker)	askers = LIST_HEAD_INITIALIZER(askers);
static bool			draining;

/* Databases are not asked yet: which one this is matters to nobody. */
static int
source_up(struct peer *p, struct msg *m)
{
	struct proto_source	up;

	(void)p;
	return get_source(m, &up);
}

static const struct peer_handler	handlers[] = {
	{ MSG_STATE,		shared_state },
	{ MSG_REMOTE_SEEN,	caps_seen },
	{ MSG_LOOKUP,		source_lookup },
	{ MSG_PTR_ASK,		ptr_ask },
	{ MSG_DNS_ANS,		ptr_dns_ans },
	{ MSG_SOURCE_UP,	source_up },
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
		return;
	}
	if ((a = calloc(1, sizeof(*a))) == NULL)
		fatal("asker");
	a->peer = p;
	p->arg = a;
	LIST_INSERT_HEAD(&askers, a, entry);
	ptr_peer_up(p);
	if (p->role == R_SMTPD)
		caps_peer_up(p);
}

static void
end_if_drained(void)
{
	if (draining && LIST_EMPTY(&askers))
		proc_exit();
}

static void
peer_down(struct peer *p)
{
	struct asker	*a = p->arg;

	if (p->role == R_RESOLVED) {
		ptr_resolved_down();
		return;
	}
	ptr_peer_down(p);
	LIST_REMOVE(a, entry);
	free(a);
	p->arg = NULL;
	end_if_drained();
}

static void
conf_release(struct config *conf)
{
	source_release(conf);
	caps_prune();
}

static void
start(void)
{
	shared_start();
	ptr_start();
}

static void
stop(uint32_t how)
{
	if (how == STOP_NOW) {
		proc_exit();
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
		caps_stats,
		ptr_stats,
		source_stats
	};
	char		 text[512];
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
	(void)close(fd);
}

static const struct proc_class	class = {
	.name = "verifyd",
	.role = R_VERIFYD,
	.handlers = handlers,
	.start = start,
	.peer_up = peer_up,
	.peer_down = peer_down,
	.conf_prepare = source_prepare,
	.conf_release = conf_release,
	.stop = stop,
	.ctl = ctl,
	.turn = caps_turn
};

int
main(int argc, char **argv)
{
	proc_run(&class, argc, argv);
}
