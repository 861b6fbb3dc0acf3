/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The proxyd process: runs scripts.
 */

#include <unistd.h>

#include "log.h"
#include "proc.h"
#include "proxyd.h"

static const struct peer_handler	handlers[] = {
	{ MSG_LOOKUP_ANS,	op_answer },
	{ MSG_PROBE_ANS,	op_answer },
	{ MSG_PTR_ANS,		op_answer },
	{ MSG_DNS_LOOK_ANS,	op_answer },
	{ MSG_SQL_ANS,		op_answer },
	{ MSG_STATE_ANS,	op_answer },
	{ MSG_SOURCE_UP,	source_up },
	{ 0,			NULL }
};

/* Lines for the parent, as many as a message holds. */
static void
log_out(const char *p, size_t n)
{
	struct wbuf	w;
	size_t		len;

	for (; n > 0; p += len, n -= len) {
		for (len = n > LOG_LINES_MAX ? LOG_LINES_MAX : n;
		    p[len - 1] != '\n'; len--)
			continue;
		w = (struct wbuf){ 0 };
		put_blob(&w, p, len);
		peer_send(proc_parent(), MSG_LOG, 0, 0, -1, &w);
	}
}

static void
stop(uint32_t how)
{
	(void)how;
	proc_exit();
}

static void
ctl(const char *request, int fd)
{
	(void)request;
	(void)close(fd);
}

static const struct proc_class	class = {
	.name = "proxyd",
	.role = R_PROXYD,
	.handlers = handlers,
	.log_through = log_out,
	.stop = stop,
	.ctl = ctl
};

int
main(int argc, char **argv)
{
	proc_run(&class, argc, argv);
}
