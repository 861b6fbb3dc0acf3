/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * fuzz_session: verifyd, as the script wants it: what it has in its
 * datasources and remembers of recipients, or that it does not answer.
 *
 * Part of that file: it has included what is used here.
 */
#ifndef SESSION_VERIFYD_H
#define SESSION_VERIFYD_H

/* What it was asked and has not answered. */
struct question {
	LIST_ENTRY(question)	 entry;
	uint64_t		 sid;
	uint32_t		 seq;
	uint16_t		 type;
	struct proto_state	 state;	/* of a MSG_STATE */
	uint32_t		 rates;	/* of it, or of a JUDGE */
	struct mono		 asked;
};

static LIST_HEAD(, question)	questions = LIST_HEAD_INITIALIZER(questions);
static struct peer		verifyd = { .role = R_VERIFYD };
static bool			verifyd_lost;
static int64_t			charged;	/* rates that stay so */
static bool			marked;		/* there are marks */

struct peer *
proc_peer(unsigned int role, unsigned int index)
{
	must(role == R_VERIFYD && index == 0);
	return verifyd_lost ? NULL : &verifyd;
}

/* As verifyd does it: it ends who sends anything else. */
static void
check_state(struct msg *m, struct proto_state *q, uint32_t *rates)
{
	struct proto_rate	r;
	uint32_t		i;
	size_t			n;

	*rates = 0;
	must(get_state(m, q) == 0 && (q->n > 0) == (q->op != STATE_FREE));
	for (i = 0; i < q->n; i++) {
		if (q->op != STATE_GET && q->op != STATE_SET) {
			must(get_rate(&m->body, &r) == 0);
			*rates += r.period > 0;
			continue;
		}
		must(get_blob(&m->body, &n) != NULL && n <= STATE_KEY_MAX);
		if (q->op == STATE_SET)
			must(get_blob(&m->body, &n) != NULL &&
			    n <= STATE_VALUE_MAX);
	}
	must(get_end(&m->body) == 0);
}

/* A word about a recipient, which is not answered. */
static void
check_verdict(struct msg *m)
{
	struct proto_verdict	v;

	must(get_verdict(m, &v) == 0 && v.remote != 0 && v.rcpt[0] != '\0');
	must(v.vouched || v.kind == VERDICT_UNKNOWN);
	must(v.code != 421 && (v.code / 100 == 4 || v.code / 100 == 5));
	must(v.kind != VERDICT_UNKNOWN || v.code / 100 == 5);
}

/*
 * A recipient is asked for in its turn, alone (but for questions that were
 * given up), and of lists nobody is asked before there are marks.
 * True: it is only announced, and not answered.
 */
static bool
check_judge(struct msg *m, uint32_t *rates)
{
	static struct proto_judge	 q;
	const struct question		*other;
	struct proto_rate		 r;
	uint32_t			 i;

	must(get_judge(m, &q) == 0);
	must(q.nrates == 0 || (q.flags & JUDGE_AHEAD) == 0);
	for (i = 0; i < q.nrates; i++)
		must(get_rate(&m->body, &r) == 0 && r.period > 0);
	must(get_end(&m->body) == 0);
	*rates = q.nrates;
	must(strchr(q.rcpt, '@') != NULL);
	must(q.domains.kind != LOOK_LIST);
	must(marked || q.addresses.kind != LOOK_LIST);
	must(q.domains.kind != LOOK_NONE || q.addresses.kind != LOOK_NONE);
	if (q.flags & JUDGE_AHEAD) {
		must(q.addresses.kind != LOOK_NONE);
		return true;
	}
	LIST_FOREACH(other, &questions, entry)
		must(other->type != MSG_JUDGE || other->sid != m->sid ||
		    mono_diff(now, other->asked) >= ASK_TIMEOUT);
	return false;
}

void
peer_send(struct peer *p, uint16_t type, uint64_t sid, uint32_t seq, int fd,
    struct wbuf *body)
{
	struct proto_lookup	 look;
	struct proto_error	 e;
	struct question		*q;
	struct msg		 m = { .fd = -1 };

	must(fd == -1);
	if (p->role == R_PROXYD) {
		proxyd_send(p, type, sid, seq, body);
		if (body != NULL)
			wbuf_clear(body);
		return;
	}
	must(p == &verifyd);
	if (type == MSG_VERDICT) {
		rbuf_init(&m.body, body->data, body->len);
		check_verdict(&m);
		wbuf_clear(body);
		return;
	}
	must((q = calloc(1, sizeof(*q))) != NULL);
	q->sid = sid;
	q->seq = seq;
	q->type = type;
	q->asked = now;
	rbuf_init(&m.body, body->data, body->len);
	m.sid = sid;
	if (type == MSG_STATE)
		check_state(&m, &q->state, &q->rates);
	else if (type == MSG_ADDRESS_ERROR)
		must(get_error(&m, &e) == 0);
	else if (type == MSG_JUDGE) {
		if (check_judge(&m, &q->rates)) {
			free(q);
			wbuf_clear(body);
			return;
		}
	} else {
		must(type == MSG_LOOKUP);
		must(get_lookup(&m, &look) == 0 && look.key[0] != '\0');
	}
	wbuf_clear(body);
	if (type == MSG_STATE && q->state.op == STATE_BACK)
		charged -= q->rates;
	if (type == MSG_ADDRESS_ERROR ||
	    (type == MSG_STATE && (q->state.op == STATE_BACK ||
	    q->state.op == STATE_HELD || q->state.op == STATE_FREE)))
		free(q);
	else
		LIST_INSERT_HEAD(&questions, q, entry);
}

static void
forget_questions(void)
{
	struct question	*q;

	while ((q = LIST_FIRST(&questions)) != NULL) {
		LIST_REMOVE(q, entry);
		free(q);
	}
}

/* What a recipient is, or that the message was delivered to it. */
static bool
put_remembered(struct wbuf *w, enum state_table table, unsigned int n)
{
	static const char *const	classes[] = { "delivered", "4xx", "5xx",
	    "alone", "4xx", "5xx", "x", "" };
	char				value[64];
	bool				found = n % 2 == 1;

	n /= 2;
	(void)snprintf(value, sizeof(value), "%s %lld%s", classes[n % 8],
	    n % 32 == 31 ? 0LL : (long long)time(NULL),
	    n % 8 == 4 || n % 8 == 5 ? " given" : "");
	put_bool(w, found);
	if (!found || table == STATE_DELIVERED)
		value[0] = '\0';
	put_blob(w, value, strlen(value));
	return found;
}

static void
put_state_answer(struct wbuf *w, const struct question *whole, unsigned int n)
{
	const struct proto_state	*q = &whole->state;
	struct proto_state_ans		 ans = { .op = q->op, .n = q->n };
	uint32_t			 i, found = 0;

	if (q->op == STATE_TAKE && n % 3 == 2)
		ans.over = 1 + n % q->n;
	else if (q->op == STATE_TAKE)
		charged += whole->rates;
	put_state_ans(w, &ans);
	for (i = 0; q->op == STATE_GET && i < q->n; i++) {
		found += put_remembered(w, (enum state_table)q->table, n);
		n = order();
	}
	if (q->op == STATE_GET && q->table == STATE_DELIVERED)
		delivered += found == q->n;
}

static void
put_look_answer(struct wbuf *w, unsigned int n)
{
	struct proto_lookup_ans	 ans = { .answer = LOOKUP_NO };

	if (n % 3 == 1)
		ans.answer = LOOKUP_CANNOT;
	else if (n % 3 == 2) {
		ans.answer = LOOKUP_YES;
		(void)strlcpy(ans.value, n % 4 == 1 ? "b1" : n % 4 == 2 ?
		    "b2" : n % 4 == 3 ? "true" : "none", sizeof(ans.value));
	}
	put_lookup_ans(w, &ans);
}

/* The last answer may have been lost with a verifyd: there is another. */
static void
verifyd_back(void)
{
	verifyd_lost = false;
	take_verifyd_up(&verifyd);
}

static void
put_judge_answer(struct wbuf *w, const struct question *q, unsigned int n)
{
	struct proto_judge_ans	 ans = { .verdict =
	    (uint8_t)(n % JUDGE_VERDICT_COUNT) };

	ans.by = (uint8_t)(n / JUDGE_VERDICT_COUNT % JUDGE_BY_COUNT);
	ans.remote = n % 2;
	(void)strlcpy(ans.why, n % 3 == 0 ? "550 no" : "", sizeof(ans.why));
	ans.charged = ans.verdict == JUDGE_VOUCHED ||
	    ans.verdict == JUDGE_LIVE;
	if (ans.charged && q->rates > 0 && n % 7 == 6)
		ans.over = 1 + n % q->rates;
	if (ans.charged)
		charged += ans.over > 0 ? ans.over - 1 : q->rates;
	put_judge_ans(w, &ans);
}

/* For so long (ms) there can be marks. */
static void
verifyd_marks(uint32_t ms)
{
	struct msg	m = { .fd = -1, .seq = ms };

	marked = ms > 0;
	must(judge_marked(&verifyd, &m) == 0);
}

static void
note_tarpit(struct session *s, void *arg)
{
	if (s->wait == WAIT_TARPIT)
		*(bool *)arg = true;
}

/* May this answer not be heard?  What it charges stays so. */
static bool
is_lost(const struct question *q, unsigned int n)
{
	bool	lost = n == 0xf0 || n == 0xf1 || session_count() == 0 ||
		    mono_diff(now, q->asked) >= ASK_TIMEOUT;

	session_each(note_tarpit, &lost);
	return lost;
}

/* Answer one, well or badly, or be lost; false: nothing was asked. */
static bool
verifyd_step(void)
{
	struct question		*q = LIST_FIRST(&questions);
	struct wbuf		 w = { .data = NULL };
	struct msg		 m = { .fd = -1 };
	unsigned int		 n;

	if (q == NULL)
		return false;
	if ((n = order()) == 0xff) {
		verifyd_lost = true;
		forget_questions();
		ask_peer_down(&verifyd);
		unsure = true;
		return true;
	}
	if (n == 0xf2)
		verifyd_marks(60 * 60 * 1000);
	unsure |= is_lost(q, n);
	m.sid = q->sid;
	m.seq = n == 0xf0 ? q->seq + 1 : q->seq;
	m.type = q->type == MSG_STATE ? MSG_STATE_ANS : q->type == MSG_JUDGE ?
	    MSG_JUDGE_ANS : MSG_LOOKUP_ANS;
	if (q->type == MSG_STATE)
		put_state_answer(&w, q, n);
	else if (q->type == MSG_JUDGE)
		put_judge_answer(&w, q, n);
	else
		put_look_answer(&w, n);
	rbuf_init(&m.body, w.data, n == 0xf1 ? w.len - 1 : w.len);
	LIST_REMOVE(q, entry);
	free(q);
	must(ask_answer(&verifyd, &m) == (n == 0xf1 ? -1 : 0));
	wbuf_clear(&w);
	return true;
}

#endif
