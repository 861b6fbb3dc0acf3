/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Questions that scripts wait for.
 *
 * A question is known by its number, which is used once, and by the session
 * for which it is asked; its answer must come from the process that was asked,
 * and be of the type that answers it.  Anything else that comes in is dropped:
 * it is late, or meant for nobody.  So no session is told what another one
 * asked, whatever a process answers.
 *
 * A question ends in one of four ways: it is answered, its process is lost,
 * its time is over, or its coroutine is gone.  The first three go on with the
 * coroutine, from the loop; that may end the call, the session's other
 * questions with it, and begin new ones.  So nothing is held of the table
 * across it, and those of a lost process are marked first.
 *
 * Ops lie in a pool: asking takes no memory from the system.
 */

#include <sys/queue.h>
#include <sys/tree.h>

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "proxyd.h"

#define ANSWER		50		/* from a question's number to its
					   answer's: proto.h */
#define POOL_MAX	4096

TAILQ_HEAD(ops_list, op);

static int
op_cmp(const struct op *a, const struct op *b)
{
	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

static RB_HEAD(ops, op)	ops = RB_INITIALIZER(&ops);
static struct ops_list	pool = TAILQ_HEAD_INITIALIZER(pool);
static struct ops_list	lost = TAILQ_HEAD_INITIALIZER(lost);
static size_t		npool, nops;
static uint32_t		last;
static bool		bad;		/* the answer that is being told */

RB_PROTOTYPE(ops, op, node, op_cmp)
RB_GENERATE(ops, op, node, op_cmp)

size_t
op_count(void)
{
	return nops;
}

void
op_bad(void)
{
	bad = true;
}

void
op_cancel(struct op *op)
{
	if (op == NULL)
		return;
	timer_del(&op->timer);
	RB_REMOVE(ops, &ops, op);
	if (op->lost)
		TAILQ_REMOVE(&lost, op, entry);
	nops--;
	if (npool < POOL_MAX) {
		TAILQ_INSERT_HEAD(&pool, op, entry);
		npool++;
	} else
		free(op);
}

/* Nobody has answered. */
static void
tell_nobody(struct op *op, const char *why)
{
	timer_del(&op->timer);
	op->m = NULL;
	op->why = why;
	co_go(op->co, 0);
}

static void
op_timer(void *arg)
{
	struct op	*op = arg;

	op->late = true;
	tell_nobody(op, "no answer in time");
}

static uint16_t
answer_of(uint16_t type)
{
	return type == MSG_PTR_ASK ? MSG_PTR_ANS : type + ANSWER;
}

static struct op *
op_alloc(void)
{
	struct op	*op;

	if ((op = TAILQ_FIRST(&pool)) != NULL) {
		TAILQ_REMOVE(&pool, op, entry);
		npool--;
	} else if ((op = malloc(sizeof(*op))) == NULL)
		return NULL;
	memset(op, 0, sizeof(*op));
	return op;
}

struct op *
op_new(struct co *co, uint64_t sid, struct peer *p, uint16_t type,
    struct wbuf *body, int64_t timeout)
{
	struct op	*op;

	if ((op = op_alloc()) == NULL) {
		if (body != NULL)
			wbuf_clear(body);
		return NULL;
	}
	op->co = co;
	op->sid = sid;
	/* All numbers are in use only with 4 billion questions out. */
	do
		op->seq = ++last;
	while (op->seq == 0 || RB_INSERT(ops, &ops, op) != NULL);
	nops++;
	timer_init(&op->timer, op_timer, op);
	timer_set(&op->timer, timeout);
	if (p != NULL) {
		op->role = p->role;
		op->index = p->index;
		op->type = answer_of(type);
		peer_send(p, type, sid, op->seq, -1, body);
	}
	return op;
}

int
op_answer(struct peer *p, struct msg *m)
{
	struct op	 key = { .seq = m->seq }, *op;

	op = RB_FIND(ops, &ops, &key);
	if (op == NULL || op->role != p->role || op->index != p->index ||
	    op->type != m->type || op->sid != m->sid) {
		log_debug("%s/%u: nobody waits for this %s",
		    role_name(p->role), p->index, msg_name(m->type));
		return 0;
	}
	timer_del(&op->timer);
	op->m = m;
	bad = false;
	co_go(op->co, 0);
	return bad ? -1 : 0;
}

void
op_peer_down(struct peer *p)
{
	struct op	*op;

	RB_FOREACH(op, ops, &ops)
		if (op->role == p->role && op->index == p->index &&
		    !op->lost) {
			op->lost = true;
			TAILQ_INSERT_TAIL(&lost, op, entry);
		}
	while ((op = TAILQ_FIRST(&lost)) != NULL) {
		TAILQ_REMOVE(&lost, op, entry);
		op->lost = false;
		tell_nobody(op, "the process that was asked is gone");
	}
}
