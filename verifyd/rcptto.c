/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * PROBE in, PROBE_ANS out: would that server take this recipient?
 *
 * All of the work is call-forward's (verify.c): the cache, the question that
 * is under way already, the queue of a server and its connections.  A host
 * that is the name of a remote is that remote; any other is made up (adhoc.c).
 * What is different is what an answer means.  A script asks whether the server
 * would take the recipient now, so any reply to RCPT but 2xx is a no; the cache
 * keeps what it always does, that there is such a mailbox or not.
 *
 * The sender is the script's, whatever mail-from says, as it asked under it.
 * What a script gives is parsed like what a client says, and sent in normal
 * form.
 *
 * So many questions may be out; less than call-forward has room for, so that
 * scripts leave some for sessions.
 */

#include <sys/types.h>
#include <sys/queue.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adhoc.h"
#include "config.h"
#include "look.h"
#include "peer.h"
#include "proc.h"
#include "proto_script.h"
#include "rcptto.h"
#include "smtp.h"
#include "verify.h"

#define OUT_MAX		8192		/* PROBEs without an answer */
#define TIMEOUT_MAX	(10 * 60 * 1000)	/* ms */
#define PORT		25

struct asked {
	LIST_ENTRY(asked)	 entry;
	struct peer		*peer;
	uint64_t		 sid;
	uint32_t		 seq;
	struct verify		*verify;
};

static LIST_HEAD(, asked)	all = LIST_HEAD_INITIALIZER(all);
static struct {
	size_t		out;		/* without an answer now */
	uint64_t	asked, cached, yes, no, failed;
} count;

static const char *const	stages[AT_COUNT] = {
	[AT_CONNECT] = "connect", [AT_RESOLVE] = "resolve",
	[AT_BANNER] = "banner", [AT_EHLO] = "ehlo", [AT_TLS] = "tls",
	[AT_AUTH] = "auth", [AT_MAIL] = "mail", [AT_RCPT] = "rcpt",
	[AT_TIMEOUT] = "timeout"
};

/* --- answers -------------------------------------------------------------- */

static void
send_answer(struct peer *p, uint64_t sid, uint32_t seq,
    const struct proto_probe_ans *ans)
{
	struct wbuf	w = { 0 };

	switch ((enum probe_result)ans->result) {
	case PROBE_YES:
		count.yes++;
		break;
	case PROBE_NO:
		count.no++;
		break;
	case PROBE_FAILED:
	case PROBE_RESULT_COUNT:
		count.failed++;
		break;
	}
	count.cached += ans->cached;
	put_probe_ans(&w, ans);
	peer_send(p, MSG_PROBE_ANS, sid, seq, -1, &w);
}

static int
refuse(struct peer *p, const struct msg *m, enum look_at at, const char *why)
{
	struct proto_probe_ans	ans = { .result = PROBE_FAILED };

	(void)strlcpy(ans.stage, stages[at], sizeof(ans.stage));
	(void)strlcpy(ans.text, why, sizeof(ans.text));
	send_answer(p, m->sid, m->seq, &ans);
	return 0;
}

static enum probe_result
result_of(const struct look_answer *a)
{
	if (a->answer == LOOKUP_YES)
		return PROBE_YES;
	if (a->answer == LOOKUP_NO || (a->code != 0 && a->at == AT_RCPT))
		return PROBE_NO;
	return PROBE_FAILED;
}

static void
on_answer(void *arg, const struct look_answer *a)
{
	struct asked		*q = arg;
	struct proto_probe_ans	 ans = { .cached = a->by == JUDGE_BY_CACHE,
				    .code = a->code };
	const char		*text = a->code != 0 ? a->text : a->why;

	ans.result = (uint8_t)result_of(a);
	(void)strlcpy(ans.stage, stages[a->at], sizeof(ans.stage));
	if (a->code != 0)
		(void)strlcpy(ans.enhanced, a->enhanced,
		    sizeof(ans.enhanced));
	(void)strlcpy(ans.text, text, sizeof(ans.text));
	ans.text[strcspn(ans.text, "\n")] = '\0';
	send_answer(q->peer, q->sid, q->seq, &ans);
	LIST_REMOVE(q, entry);
	count.out--;
	free(q);
}

/* --- questions ------------------------------------------------------------ */

/* An address in normal form; false: it is none. */
static bool
normal(const char *from, int flags, char to[LOOK_ADDR_MAX])
{
	struct smtp_path	path;
	struct slice		s = { from, strlen(from) };
	size_t			used;

	if (smtp_path_parse(&path, s, flags | PATH_BARE, &used) != PATH_OK ||
	    used != s.n)
		return false;
	return smtp_path_normal(&path, to, LOOK_ADDR_MAX) < LOOK_ADDR_MAX;
}

static const struct conf_remote *
find_remote(const struct proto_probe *p, const char **why)
{
	const struct config		*conf = proc_conf();
	const struct conf_remote	*r = NULL;

	if (conf != NULL)
		r = (const struct conf_remote *)(const void *)
		    conf_find(&conf->remotes, p->host);
	if (r != NULL && (p->port == 0 || p->port == r->port))
		return r;
	return adhoc_get(p->host, p->port == 0 ? PORT : p->port, why);
}

/* NULL: too many are out, or there is no memory. */
static struct asked *
asked_new(struct peer *p, const struct msg *m)
{
	struct asked	*q;

	if (count.out >= OUT_MAX || (q = calloc(1, sizeof(*q))) == NULL)
		return NULL;
	q->peer = p;
	q->sid = m->sid;
	q->seq = m->seq;
	LIST_INSERT_HEAD(&all, q, entry);
	count.out++;
	return q;
}

int
rcptto_probe(struct peer *p, struct msg *m)
{
	static struct proto_probe	 ask;
	struct verify_question		 vq = { .what = LOOK_ADDRESS,
					    .flags = LOOK_AS_GIVEN };
	char				 rcpt[LOOK_ADDR_MAX];
	char				 sender[LOOK_ADDR_MAX];
	const char			*why;
	struct asked			*q;
	struct verify			*v;

	if (get_probe(m, &ask) == -1)
		return -1;
	count.asked++;
	if (!normal(ask.rcpt, PATH_FORWARD, rcpt))
		return refuse(p, m, AT_RCPT, "no address of a recipient");
	if (!normal(ask.sender, PATH_REVERSE, sender))
		return refuse(p, m, AT_MAIL, "no address of a sender");
	if ((vq.remote = find_remote(&ask, &why)) == NULL)
		return refuse(p, m, AT_RESOLVE, why);
	vq.rcpt = rcpt;
	vq.sender = sender;
	vq.timeout = ask.timeout < TIMEOUT_MAX ? ask.timeout : TIMEOUT_MAX;
	if ((q = asked_new(p, m)) == NULL)
		return refuse(p, m, AT_CONNECT, "too many questions");
	/* It may be answered at once, and gone. */
	if ((v = verify_ask(&vq, on_answer, q)) != NULL)
		q->verify = v;
	return 0;
}

void
rcptto_peer_down(const struct peer *p)
{
	struct asked	*q, *next;

	for (q = LIST_FIRST(&all); q != NULL; q = next) {
		next = LIST_NEXT(q, entry);
		if (q->peer != p)
			continue;
		verify_cancel(q->verify);
		LIST_REMOVE(q, entry);
		count.out--;
		free(q);
	}
}

int
rcptto_stats(char *text, size_t size)
{
	return snprintf(text, size,
	    "verifyd.script.probes %llu\n"
	    "verifyd.script.probes.cached %llu\n"
	    "verifyd.script.probes.yes %llu\n"
	    "verifyd.script.probes.no %llu\n"
	    "verifyd.script.probes.failed %llu\n"
	    "verifyd.script.probes.out %zu\n",
	    (unsigned long long)count.asked, (unsigned long long)count.cached,
	    (unsigned long long)count.yes, (unsigned long long)count.no,
	    (unsigned long long)count.failed, count.out);
}
