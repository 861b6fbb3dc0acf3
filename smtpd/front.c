/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * smtpd: the process that faces the Internet.
 *
 * It accepts on sockets that it was given, speaks SMTP on both sides, and
 * holds nothing but what is in flight.  It cannot make a socket, connect,
 * open a file or start a program: connections to next hops come from the
 * dialer, and only to remotes of the configuration.
 *
 * This file is the frame: generations of the configuration, the pipes, the
 * end of a turn, statistics, the end of the process.
 */

#include <sys/types.h>
#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "front.h"
#include "front_ask.h"
#include "front_hook.h"
#include "front_hop.h"
#include "front_limit.h"
#include "list.h"
#include "log.h"
#include "msg.h"
#include "peer.h"
#include "proc.h"
#include "proto.h"
#include "tlsctx.h"

struct stats	stats;

static bool	draining;

bool
front_is_draining(void)
{
	return draining;
}

struct config *
front_conf_ref(struct config *conf)
{
	return conf_ref(conf);
}

/* The last of a generation's sessions and hops tells the parent. */
static void
check_ended(struct config *conf)
{
	if (conf != proc_conf() && conf->refs == 1)
		proc_gen_ended(conf->generation);
}

void
front_conf_unref(struct config *conf)
{
	conf_unref(conf);
	check_ended(conf);
}

int
front_in_list(void *arg, uint32_t id, const char *value,
    const struct addr *ip)
{
	struct conf_obj	*o;

	(void)arg;
	o = proc_conf_obj(offsetof(struct config, lists), id);
	return o != NULL && list_has(o->priv, value, ip);
}

/* --- generations ---------------------------------------------------------- */

struct prepare {
	struct proto_conf_err	*err;
	int			 result;
};

static void
prepare_rule(const struct key *k, struct rule *r, void *arg)
{
	struct prepare	*p = arg;

	(void)k;
	if (p->result == 0)
		p->result = rule_prepare(r, &p->err->line, &p->err->col,
		    p->err->why, sizeof(p->err->why));
}

static int
front_prepare(struct config *conf, struct proto_conf_err *err)
{
	struct prepare	p = { err, 0 };
	size_t		i;

	conf_each_rule(conf, prepare_rule, &p);
	if (p.result == -1)
		return -1;
	for (i = 0; i < conf->lists.n; i++)
		if ((conf->lists.v[i]->priv = list_index((struct conf_list *)
		    (void *)conf->lists.v[i])) == NULL) {
			(void)snprintf(err->why, sizeof(err->why),
			    "list %s: %s", conf->lists.v[i]->name,
			    strerror(errno));
			return -1;
		}
	if (reach_prepare(conf) == -1 || throttle_prepare(conf) == -1) {
		(void)strlcpy(err->why, "no memory", sizeof(err->why));
		return -1;
	}
	return ftls_prepare(conf, err->why, sizeof(err->why));
}

static void
front_release(struct config *conf)
{
	size_t	i;

	ftls_release(conf);
	caps_sweep();
	reach_release(conf);
	throttle_release(conf);
	for (i = 0; i < conf->lists.n; i++) {
		list_free(conf->lists.v[i]->priv);
		conf->lists.v[i]->priv = NULL;
	}
}

static void
front_commit(struct config *conf, struct config *old)
{
	listen_commit(conf);
	limit_commit(conf, old);
	hop_close_idle();
	if (old != NULL)
		check_ended(old);
}

/* --- the end of the process ----------------------------------------------- */

static void
front_stop(uint32_t how)
{
	if (how == STOP_NOW) {
		listen_stop(false);
		session_kill_all();
		hop_close_idle();
		proc_exit();
		return;
	}
	draining = true;
	listen_stop(how == STOP_LEAVE);
	hop_close_idle();
}

static void
front_turn(void)
{
	if (draining && session_drain() == 0) {
		io_flush_all();		/* QUIT to the next hops */
		proc_exit();
	}
	io_flush_all();
	session_reap();
	hop_reap();
}

/* --- statistics ----------------------------------------------------------- */

/* A page of numbers fits the socket's buffer: nobody can make us wait. */
static void
front_ctl(const char *request, int fd)
{
	char	page[4096];
	size_t	n = 0;

	if (strcmp(request, "show stats") == 0) {
#define X(field, name)							\
		n += (size_t)snprintf(page + n, sizeof(page) - n,	\
		    "%s %llu\n", name, (unsigned long long)stats.field);
		STATS(X)
#undef X
	} else if (strcmp(request, "show routes") == 0)
		pool_show(fd);
	(void)send(fd, page, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)close(fd);
}

static void
front_peer_up(struct peer *p)
{
	if (p->role == R_DIALER)
		hop_dialer_up(p);
	else if (p->role == R_VERIFYD) {
		caps_verifyd_up(p);
		take_verifyd_up(p);
	} else if (p->role == R_PROXYD)
		hook_proxyd_up(p);
}

static void
front_peer_down(struct peer *p)
{
	ask_peer_down(p);
	if (p->role == R_VERIFYD)
		ptr_verifyd_down();
	else if (p->role == R_PROXYD)
		hook_proxyd_down(p);
}

static const struct peer_handler	handlers[] = {
	{ MSG_JUDGE_ANS,	ask_answer },
	{ MSG_LOOKUP_ANS,	ask_answer },
	{ MSG_STATE_ANS,	ask_answer },
	{ MSG_DIAL_FD,		hop_dial_fd },
	{ MSG_DIAL_ERR,		hop_dial_err },
	{ MSG_DIAL_WANT,	hop_dial_want },
	{ MSG_MARKED,		judge_marked },
	{ MSG_PTR_ANS,		ptr_told },
	{ MSG_HOOK_VERDICT,	ask_answer },
	{ MSG_REMOTE_CAPS,	caps_told },
	{ MSG_BLOCKED,		block_told },
	{ 0, NULL }
};

static const struct peer_handler	parent_handlers[] = {
	{ MSG_LISTEN_FD,	listen_take },
	{ 0, NULL }
};

static const struct proc_class	front = {
	.name = "smtpd",
	.role = R_SMTPD,
	.handlers = handlers,
	.parent_handlers = parent_handlers,
	.prepare = tlsctx_prepare,
	.peer_up = front_peer_up,
	.peer_down = front_peer_down,
	.conf_prepare = front_prepare,
	.conf_commit = front_commit,
	.conf_release = front_release,
	.stop = front_stop,
	.ctl = front_ctl,
	.turn = front_turn
};

int
main(int argc, char **argv)
{
	proc_run(&front, argc, argv);
}
