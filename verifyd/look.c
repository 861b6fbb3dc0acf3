/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Looking up by any path: look_ask leads to whoever knows, and LOOKUP asks it
 * for smtpd and proxyd.
 *
 * A question names an object by its id, which is never given to another one;
 * it is taken from the newest generation that has it.  What a question that
 * is out still needs of an object it has copied, as the generation may go.
 *
 * So many questions may be out.  One beyond that is answered at once: nobody
 * can tell.
 */

#include <sys/types.h>
#include <sys/queue.h>

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "list.h"
#include "look.h"
#include "peer.h"
#include "proc.h"
#include "util.h"
#include "verify.h"

#define OUT_MAX		65536		/* LOOKUPs without an answer */

/* A LOOKUP that waits. */
struct lookup {
	LIST_ENTRY(lookup)	 entry;
	struct peer		*peer;
	uint64_t		 sid;
	uint32_t		 seq;
	struct look		 look;
};

static LIST_HEAD(, lookup)	lookups = LIST_HEAD_INITIALIZER(lookups);

static struct {
	size_t		out;		/* without an answer now */
	uint64_t	asked, yes, no, cannot;
} count;

/* --- a generation --------------------------------------------------------- */

int
look_prepare(struct config *conf, struct proto_conf_err *err)
{
	struct conf_obj	*o;
	size_t		 i;

	for (i = 0; i < conf->lists.n; i++) {
		o = conf->lists.v[i];
		o->priv = list_index((struct conf_list *)(void *)o);
		if (o->priv == NULL) {
			(void)strlcpy(err->why, "memory", sizeof(err->why));
			return -1;
		}
	}
	if (source_prepare(conf, err) == -1)
		return -1;
	return directory_prepare(conf, err);
}

void
look_release(struct config *conf)
{
	size_t	i;

	for (i = 0; i < conf->lists.n; i++) {
		list_free(conf->lists.v[i]->priv);
		conf->lists.v[i]->priv = NULL;
	}
	directory_release(conf);
	source_release(conf);
}

/* --- asking --------------------------------------------------------------- */

bool
look_tell(struct look_to to, enum lookup_answer answer, enum judge_by by,
    const char *why)
{
	struct look_answer	a = { .answer = answer, .by = by,
				    .why = why };

	to.done(to.arg, &a);
	return false;
}

bool
look_tell_value(struct look_to to, enum judge_by by, const char *value)
{
	struct look_answer	a = { .answer = LOOKUP_YES, .by = by,
				    .why = "", .values = &value,
				    .nvalues = 1 };

	to.done(to.arg, &a);
	return false;
}

/*
 * Only who asks for anything at all may mean an address of a network; and who
 * does that need not know that entries are in lower case.
 */
static bool
ask_list(const struct conf_obj *list, const struct look_question *q,
    struct look_to to)
{
	struct addr	 ip;
	const char	*value;
	char		 key[LOOK_KEY_MAX];
	bool		 is_ip;

	(void)strlcpy(key, q->key, sizeof(key));
	ascii_lower(key);
	is_ip = q->what == LOOK_KEY && addr_parse(&ip, key) == 0;
	value = list_value(list->priv, key, is_ip ? &ip : NULL);
	return value == NULL ?
	    look_tell(to, LOOKUP_NO, JUDGE_BY_LIST, "") :
	    look_tell_value(to, JUDGE_BY_LIST, value);
}

static void
cancel_verify(void *v)
{
	verify_cancel(v);
}

static bool
ask_remote(struct look *l, const struct conf_obj *remote,
    const struct look_question *q, struct look_to to)
{
	struct verify_question	 v = {
		.remote = (const struct conf_remote *)(const void *)remote,
		.what = q->what == LOOK_KEY ? LOOK_ADDRESS : q->what,
		.flags = q->flags, .rcpt = q->key, .sender = q->sender
	};
	struct verify		*out;

	if (q->what == LOOK_DOMAIN)
		return look_tell(to, LOOKUP_CANNOT, JUDGE_BY_NONE,
		    "a server is not asked for domains");
	if ((out = verify_ask(&v, to.done, to.arg)) == NULL)
		return false;
	l->cancel = cancel_verify;
	l->of = out;
	return true;
}

/* The object of a path; NULL if no generation has it. */
static const struct conf_obj *
path_object(const struct proto_path *path)
{
	switch ((enum lookup_kind)path->kind) {
	case LOOK_LIST:
		return proc_conf_obj(offsetof(struct config, lists),
		    path->id);
	case LOOK_DIRECTORY:
		return proc_conf_obj(offsetof(struct config, directories),
		    path->id);
	case LOOK_DB:
		return proc_conf_obj(offsetof(struct config, datasources),
		    path->id);
	case LOOK_REMOTE:
		return proc_conf_obj(offsetof(struct config, remotes),
		    path->id);
	case LOOK_NONE:
	case LOOK_KIND_COUNT:
		break;
	}
	return NULL;
}

bool
look_ask(struct look *l, const struct look_question *q, struct look_to to)
{
	const struct conf_obj	*o = path_object(&q->path);

	l->cancel = NULL;
	if (o == NULL)
		return look_tell(to, LOOKUP_CANNOT, JUDGE_BY_NONE,
		    "not in the configuration");
	switch ((enum lookup_kind)q->path.kind) {
	case LOOK_LIST:
		return ask_list(o, q, to);
	case LOOK_DIRECTORY:
		return directory_ask(l,
		    (const struct conf_directory *)(const void *)o, q, to);
	case LOOK_DB:
		return source_ask(l,
		    (const struct conf_datasource *)(const void *)o, q, to);
	case LOOK_REMOTE:
		return ask_remote(l, o, q, to);
	case LOOK_NONE:
	case LOOK_KIND_COUNT:
		break;
	}
	return false;
}

void
look_cancel(struct look *l)
{
	if (l->cancel != NULL)
		l->cancel(l->of);
	l->cancel = NULL;
}

/* --- LOOKUP --------------------------------------------------------------- */

static void
lookup_free(struct lookup *l)
{
	LIST_REMOVE(l, entry);
	count.out--;
	free(l);
}

static void
count_answer(enum lookup_answer answer)
{
	switch (answer) {
	case LOOKUP_YES:
		count.yes++;
		break;
	case LOOKUP_NO:
		count.no++;
		break;
	case LOOKUP_CANNOT:
	case LOOKUP_LIVE:
	case LOOKUP_ANSWER_COUNT:
		count.cannot++;
		break;
	}
}

static void
lookup_done(void *arg, const struct look_answer *a)
{
	static struct proto_lookup_ans	 ans;
	struct lookup			*l = arg;
	struct wbuf			 w = { 0 };
	size_t				 i;

	ans.answer = (uint8_t)a->answer;
	ans.why[0] = ans.value[0] = '\0';
	ans.n = 0;
	if (a->answer == LOOKUP_YES && a->nvalues > 0) {
		ans.n = (uint32_t)(a->nvalues > LOOK_ROWS_MAX ?
		    LOOK_ROWS_MAX : a->nvalues);
		(void)strlcpy(ans.value, a->values[0], sizeof(ans.value));
	} else
		(void)strlcpy(ans.why, a->why, sizeof(ans.why));
	count_answer(a->answer);
	put_lookup_ans(&w, &ans);
	for (i = 1; i < ans.n; i++)
		put_line(&w, a->values[i]);
	peer_send(l->peer, MSG_LOOKUP_ANS, l->sid, l->seq, -1, &w);
	lookup_free(l);
}

/* Too many are out, or there is no memory. */
static void
refuse(struct peer *p, const struct msg *m)
{
	static const struct proto_lookup_ans	 ans = {
		.answer = LOOKUP_CANNOT, .why = "too many questions"
	};
	struct wbuf				 w = { 0 };

	count.cannot++;
	put_lookup_ans(&w, &ans);
	peer_send(p, MSG_LOOKUP_ANS, m->sid, m->seq, -1, &w);
}

int
look_lookup(struct peer *p, struct msg *m)
{
	static struct proto_lookup	 q;
	struct look_question		 ask;
	struct lookup			*l;

	if (get_lookup(m, &q) == -1)
		return -1;
	count.asked++;
	l = count.out < OUT_MAX ? calloc(1, sizeof(*l)) : NULL;
	if (l == NULL) {
		refuse(p, m);
		return 0;
	}
	l->peer = p;
	l->sid = m->sid;
	l->seq = m->seq;
	LIST_INSERT_HEAD(&lookups, l, entry);
	count.out++;
	ask.path = q.path;
	ask.what = (enum look_what)q.what;
	ask.flags = 0;
	ask.key = q.key;
	ask.sender = q.sender;
	(void)look_ask(&l->look, &ask, (struct look_to){ lookup_done, l });
	return 0;
}

void
look_peer_down(const struct peer *p)
{
	struct lookup	*l, *next;

	for (l = LIST_FIRST(&lookups); l != NULL; l = next) {
		next = LIST_NEXT(l, entry);
		if (l->peer != p)
			continue;
		look_cancel(&l->look);
		lookup_free(l);
	}
}

int
look_stats(char *text, size_t size)
{
	return snprintf(text, size,
	    "verifyd.lookup.asked %llu\n"
	    "verifyd.lookup.yes %llu\n"
	    "verifyd.lookup.no %llu\n"
	    "verifyd.lookup.cannot %llu\n"
	    "verifyd.lookup.out %zu\n",
	    (unsigned long long)count.asked, (unsigned long long)count.yes,
	    (unsigned long long)count.no, (unsigned long long)count.cannot,
	    count.out);
}
