/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Any octets as the frames that carry a configuration to a child.  The first
 * octet chooses the role; then items, each with two octets of its length
 * before it.  What is taken in must be usable: rules can be evaluated, and
 * putting it again and getting that gives the same octets.
 */

#include "config.h"
#include "fuzz.h"
#include "wire.h"

static const unsigned int roles[] = { R_SMTPD, R_DIALER, R_RESOLVED, R_VERIFYD,
	R_ALL };

static int
in_list(void *arg, uint32_t id, const char *value, const struct addr *ip)
{
	(void)arg;
	(void)ip;
	return (id + strlen(value)) & 1;
}

static void
use_rule(const struct key *k, struct rule *r, void *arg)
{
	struct rule_env		 env = { .list = in_list };
	struct rule_memo	 memo = { .answer = { 0 } };
	struct rule_value	 v;
	char			 why[128];
	unsigned int		 leaf, line, col;

	(void)k;
	(void)arg;
	(void)rule_prepare(r, &line, &col, why, sizeof(why));
	env.str[RV_SENDER] = "a@b.example";
	while (rule_eval(r, &env, &memo, &v, &leaf) == RULE_NEED) {
		must(leaf < RULE_LEAVES_MAX && memo.answer[leaf] == 0);
		memo.answer[leaf] = ANSWER_YES;
	}
	(void)rule_is_constant(r, &v);
}

/* All items of a configuration behind each other. */
static void
put_all(struct wbuf *w, const struct config *conf, unsigned int role,
    struct config *copy)
{
	struct wbuf	 item = { .data = NULL };
	struct rbuf	 r;
	size_t		 n;

	for (n = 0; conf_put(&item, conf, role, n); n++) {
		must(wire_ok(&item));
		put_blob(w, item.data, item.len);
		if (copy != NULL) {
			rbuf_init(&r, item.data, item.len);
			must(conf_get(&r, copy, role) == 0);
		}
		wbuf_clear(&item);
	}
}

static void
check_again(const struct config *conf, unsigned int role)
{
	struct wbuf	 a = { .data = NULL }, b = { .data = NULL };
	struct config	*copy;

	copy = conf_new(2);
	must(copy != NULL);
	put_all(&a, conf, role, copy);
	put_all(&b, copy, role, NULL);
	must(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
	wbuf_clear(&a);
	wbuf_clear(&b);
	conf_unref(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct config	*conf;
	struct rbuf	 r;
	unsigned int	 role;
	size_t		 n;
	int		 res = 0;

	if (len < 1 || (conf = conf_new(1)) == NULL)
		return 0;
	role = roles[data[0] % 4];
	data++;
	len--;
	while (res == 0 && len >= 2) {
		n = (size_t)data[0] | (size_t)data[1] << 8;
		data += 2;
		len -= 2;
		if (n > len)
			n = len;
		rbuf_init(&r, data, n);
		res = conf_get(&r, conf, role);
		data += n;
		len -= n;
	}
	if (res == 0 && conf->settled) {
		conf_each_rule(conf, use_rule, NULL);
		check_again(conf, role);
	}
	conf_unref(conf);
	return 0;
}
