/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * What next hops said of recipients when mail came for them: it corrects
 * what call-forward has found out.
 *
 * Where a recipient was vouched for and the next hop would not have it, the
 * one who vouched and the one who has the mailbox do not agree.  A mark makes
 * such a recipient live for an hour: then the next hop's word is the
 * client's, and no mail is taken that has to bounce.
 *
 * A mark may be pressed out by others, and is gone with the process: then
 * the next hop refuses once more, and it is there again.
 */

#include <stddef.h>
#include <string.h>
#include <time.h>

#include "cache.h"
#include "config.h"
#include "log.h"
#include "peer.h"
#include "proc.h"
#include "state.h"
#include "verify.h"

#define MARKS		65536
#define OCTETS		(16 * 1024 * 1024)
#define MARK_LIFE	(60 * 60 * 1000)	/* ms */
#define KEY_MAX		(sizeof(uint32_t) + 2 * LOOK_ADDR_MAX)

static struct state	*marks;

void
verdict_start(void)
{
	if ((marks = state_new(MARKS, OCTETS)) == NULL)
		fatal("marks");
}

/* Remote, sender, recipient: its length; 0: too long to be one. */
static size_t
mark_key(char key[KEY_MAX], uint32_t remote, const char *sender,
    const char *rcpt)
{
	size_t	s = strlen(sender) + 1, r = strlen(rcpt);

	if (sizeof(remote) + s + r > KEY_MAX)
		return 0;
	memcpy(key, &remote, sizeof(remote));
	memcpy(key + sizeof(remote), sender, s);
	memcpy(key + sizeof(remote) + s, rcpt, r);
	return sizeof(remote) + s + r;
}

static void
mark(const struct proto_verdict *v)
{
	char	key[KEY_MAX];
	size_t	n = mark_key(key, v->remote, v->sender, v->rcpt);

	if (n > 0 && state_set(marks, 0, key, n, "", 0, MARK_LIFE,
	    mono_now()) == -1)
		log_debug("mark: no memory");
}

bool
verdict_is_marked(uint32_t remote, const char *sender, const char *rcpt)
{
	char		 key[KEY_MAX];
	size_t		 n = mark_key(key, remote, sender, rcpt), len;
	const void	*value;

	return n > 0 && state_get(marks, 0, key, n, mono_now(), &value, &len);
}

/* What the server that vouched, or was not asked, should have said. */
static void
correct(const struct proto_verdict *v, const struct conf_remote *remote)
{
	struct cache_key	k;
	struct cache_verdict	no = { .exists = false, .code = v->code };
	uint64_t		now = (uint64_t)time(NULL);

	k.remote = remote->obj.name;
	k.sender = verify_sender(remote, v->sender);
	k.rcpt = v->rcpt;
	switch ((enum verdict_kind)v->kind) {
	case VERDICT_UNKNOWN:
		(void)strlcpy(no.enhanced, v->enhanced, sizeof(no.enhanced));
		(void)strlcpy(no.text, v->text, sizeof(no.text));
		no.text[strcspn(no.text, "\n")] = '\0';
		cache_store(&k, &no, &remote->ttl, now, false);
		break;
	case VERDICT_REFUSED:
		(void)cache_delete(&k, now);
		break;
	case VERDICT_KIND_COUNT:
		break;
	}
}

int
verdict_told(struct peer *p, struct msg *m)
{
	const struct conf_remote	*remote;
	struct proto_verdict		 v;

	(void)p;
	if (get_verdict(m, &v) == -1)
		return -1;
	remote = (const struct conf_remote *)(void *)proc_conf_obj(
	    offsetof(struct config, remotes), v.asked);
	if (v.asked != 0 && remote != NULL)
		correct(&v, remote);
	if (v.vouched)
		mark(&v);
	return 0;
}
