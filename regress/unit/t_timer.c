/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * timer.c under the event loop: never early, each once, whatever its
 * function does to itself and to others.  Nothing here waits by the clock
 * but the loop itself.
 */

#include <sys/types.h>
#include <sys/time.h>

#include <event.h>

#include "t.h"
#include "timer.h"

#define MANY	5000
#define LATE	5000		/* ms: only a broken wheel is that late */

struct probe {
	struct timer	 t;
	struct mono	 due;
	unsigned int	 fired;
	int64_t		 late;		/* at the last firing */
	struct probe	*other;		/* to be deleted or set */
};

static unsigned int	running;

static void
on_fire(void *arg)
{
	struct probe	*p = arg;

	p->fired++;
	p->late = mono_diff(mono_now(), p->due);
	running--;
}

static void
start(struct probe *p, int64_t ms)
{
	timer_set(&p->t, ms);
	p->due = mono_add(mono_now(), ms);
	running++;
}

/* Turn the loop as a process does, until n timers are left running. */
static void
turn_until(unsigned int n)
{
	struct mono	begin = mono_now();

	while (running > n && mono_diff(mono_now(), begin) < 10000) {
		if (event_loop(EVLOOP_ONCE) != 0)
			break;
		mono_turn();
	}
	is_int(running, n, "timers left");
}

static void
check(const struct probe *p, const char *what)
{
	is_int(p->fired, 1, "%s: fired", what);
	ok(p->late >= 0, "%s: %lld ms early", what, (long long)-p->late);
	ok(p->late < LATE, "%s: %lld ms late", what, (long long)p->late);
	ok(!timer_is_set(&p->t), "%s: not set any more", what);
}

static void
test_one(void)
{
	static const int64_t	ms[] = { 0, 1, 49, 50, 51, 99, 100, 120, -5 };
	struct probe		p[nitems(ms)];
	size_t			i;

	memset(p, 0, sizeof(p));
	for (i = 0; i < nitems(ms); i++) {
		timer_init(&p[i].t, on_fire, &p[i]);
		ok(!timer_is_set(&p[i].t), "not set yet");
		start(&p[i], ms[i] < 0 ? 0 : ms[i]);
		if (ms[i] < 0)
			timer_set(&p[i].t, ms[i]);
		ok(timer_is_set(&p[i].t), "set");
	}
	turn_until(0);
	for (i = 0; i < nitems(ms); i++)
		check(&p[i], "one");
	/* The wheel stands still now; it starts again. */
	p[0].fired = 0;
	start(&p[0], 10);
	turn_until(0);
	check(&p[0], "after a rest");
}

static void
test_many(void)
{
	static struct probe	p[MANY];
	size_t			i, wrong = 0;

	for (i = 0; i < MANY; i++) {
		timer_init(&p[i].t, on_fire, &p[i]);
		start(&p[i], (int64_t)(i * 7919 % 400));
	}
	/* Some are taken back, some set anew. */
	for (i = 0; i < MANY; i += 3) {
		timer_del(&p[i].t);
		timer_del(&p[i].t);
		running--;
	}
	for (i = 1; i < MANY; i += 3) {
		running--;
		start(&p[i], (int64_t)(i % 300));
	}
	turn_until(0);
	for (i = 0; i < MANY; i++)
		wrong += i % 3 == 0 ? p[i].fired != 0 :
		    p[i].fired != 1 || p[i].late < 0 || p[i].late > LATE;
	ok(wrong == 0, "%zu of %u", wrong, MANY);
}

/* A function that deletes the other one, which is due in the same tick. */
static void
on_delete(void *arg)
{
	struct probe	*p = arg;

	on_fire(p);
	if (timer_is_set(&p->other->t)) {
		timer_del(&p->other->t);
		running--;
	}
}

/* One that frees the other, and one that sets itself twice more. */
static void
on_free(void *arg)
{
	struct probe	*p = arg;

	on_fire(p);
	if (p->other == NULL)
		return;
	timer_del(&p->other->t);
	running--;
	p->other->other = NULL;
	free(p->other);
	p->other = NULL;
}

static void
on_again(void *arg)
{
	struct probe	*p = arg;

	on_fire(p);
	if (p->fired < 3)
		start(p, p->fired == 1 ? 0 : 60);
}

static void
test_inside(void)
{
	struct probe	 a, b, *c;

	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	timer_init(&a.t, on_delete, &a);
	timer_init(&b.t, on_delete, &b);
	a.other = &b;
	b.other = &a;
	start(&a, 20);
	start(&b, 20);
	turn_until(0);
	is_int(a.fired + b.fired, 1, "one deleted the other");

	memset(&a, 0, sizeof(a));
	c = calloc(1, sizeof(*c));
	timer_init(&a.t, on_free, &a);
	timer_init(&c->t, on_fire, c);
	a.other = c;
	start(c, 5000);
	start(&a, 20);
	turn_until(0);
	is_int(a.fired, 1, "and freed");

	memset(&a, 0, sizeof(a));
	timer_init(&a.t, on_again, &a);
	start(&a, 0);
	turn_until(0);
	is_int(a.fired, 3, "set anew by its own function");
	ok(a.late >= 0 && a.late < LATE, "and not early");
}

/* More than a round of the wheel away: it stays, and can be deleted. */
static void
test_far(void)
{
	struct probe	far, near;

	memset(&far, 0, sizeof(far));
	memset(&near, 0, sizeof(near));
	timer_init(&far.t, on_fire, &far);
	timer_init(&near.t, on_fire, &near);
	/* To the tick one round, so that both lie in one slot. */
	start(&far, 8192 * TIMER_TICK + 40);
	start(&near, 40);
	turn_until(1);
	check(&near, "near");
	is_int(far.fired, 0, "the far one waits for its round");
	ok(timer_is_set(&far.t), "and is still set");
	timer_del(&far.t);
	running--;
}

static void
test_mono(void)
{
	struct mono	m = { 0 }, a = mono_now();
	struct timeval	tv = mono_tv(1250);

	ok(!mono_is_set(m) && !mono_passed(m), "unset");
	ok(mono_is_set(a) && mono_passed(a), "now has come");
	ok(!mono_passed(mono_add(a, 60000)), "later has not");
	is_int(mono_diff(mono_add(a, 5), a), 5, "a difference");
	is_int(mono_diff(mono_now(), a), 0, "a turn has one time");
	ok(tv.tv_sec == 1 && tv.tv_usec == 250000, "timeval");
	tv = mono_tv(-1);
	ok(tv.tv_sec == 0 && tv.tv_usec == 0, "nothing is before now");
}

int
main(void)
{
	(void)event_init();
	timer_start();
	test_mono();
	test_one();
	test_many();
	test_inside();
	test_far();
	return done("t_timer");
}
