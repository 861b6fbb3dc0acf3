/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Questions that wait for the database, so that nobody has it for himself.
 *
 * Each asker has a line of its own, and those who have one take turns: a
 * worker of proxyd with ten thousand questions costs verifyd one of them.
 * Within a line it is first come, first served; but questions of scripts may
 * be passed over, where what is left is kept for others.
 *
 * Rejected: one line for all (the one with the most questions has the
 * database), priorities (scripts would starve while verifyd is busy, and wait
 * for that with sessions).
 */

#include "lookupd.h"

TAILQ_HEAD(asker_turns, asker);

static struct asker_turns	turns = TAILQ_HEAD_INITIALIZER(turns);
static size_t			waiting, scripts_waiting;

void
wait_add(struct ask *a, bool first)
{
	struct asker	*who = a->asker;

	if (TAILQ_EMPTY(&who->waiting))
		TAILQ_INSERT_TAIL(&turns, who, turn);
	if (first)
		TAILQ_INSERT_HEAD(&who->waiting, a, entry);
	else
		TAILQ_INSERT_TAIL(&who->waiting, a, entry);
	waiting++;
	scripts_waiting += a->script;
}

void
wait_remove(struct ask *a)
{
	struct asker	*who = a->asker;

	TAILQ_REMOVE(&who->waiting, a, entry);
	if (TAILQ_EMPTY(&who->waiting))
		TAILQ_REMOVE(&turns, who, turn);
	waiting--;
	scripts_waiting -= a->script;
}

/* Its first one, if that may be taken. */
static struct ask *
first_of(struct asker *who, bool scripts)
{
	struct ask	*a = TAILQ_FIRST(&who->waiting);

	return scripts || !a->script ? a : NULL;
}

struct ask *
wait_take(bool scripts)
{
	struct asker	*who;
	struct ask	*a = NULL;

	TAILQ_FOREACH(who, &turns, turn)
		if ((a = first_of(who, scripts)) != NULL)
			break;
	if (a == NULL)
		return NULL;
	/* Its next turn is behind all others. */
	TAILQ_REMOVE(&turns, who, turn);
	TAILQ_INSERT_TAIL(&turns, who, turn);
	wait_remove(a);
	return a;
}

struct ask *
wait_last(void)
{
	struct asker	*who = TAILQ_LAST(&turns, asker_turns);

	return who == NULL ? NULL : TAILQ_LAST(&who->waiting, ask_queue);
}

size_t
wait_count(bool scripts)
{
	return scripts ? waiting : waiting - scripts_waiting;
}
