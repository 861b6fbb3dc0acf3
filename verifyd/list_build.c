/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Large lists: from the operator's text to a file of the form of list_file.h.
 *
 * The parent starts a verifyd of its own for this, which has no configuration,
 * no siblings and, of the machine, the two files that it was given: so root
 * parses no text of megabytes, and the process that answers questions does
 * not stand still meanwhile.  The parent ends it.
 *
 * The text is read to its end as it comes, a line is in memory at a time.
 * Each bad line is told, up to twenty of them; the rest is read all the same,
 * for their number.
 */

#include <sys/types.h>

#include <cdb.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "list_entry.h"
#include "list_file.h"
#include "log.h"
#include "peer.h"
#include "siphash.h"
#include "util.h"
#include "verifyd.h"

#define LINE_MAX_LIST	8192		/* octets, with value and comment */
#define ERRORS_TOLD	20

struct build {
	struct peer	*parent;
	uint32_t	 seq;
	struct cdb_make	 cdb;
	struct siphash	 hash;
	uint64_t	 entries;
	uint32_t	 line, errors;
	bool		 broken;	/* no more can be added */
	bool		 bits4[LIST_BITS4], bits6[LIST_BITS6];
};

static int	text_fd = -1;

static void
tell(struct build *b, uint32_t line, const char *why)
{
	struct proto_conf_err	err = { .line = line };
	struct wbuf		w = { 0 };

	if (b->errors++ >= ERRORS_TOLD)
		return;
	(void)strlcpy(err.why, why, sizeof(err.why));
	put_conf_err(&w, &err);
	peer_send(b->parent, MSG_LIST_ERR, 0, b->seq, -1, &w);
}

/* The file, not a line, is at fault. */
static void
fail(struct build *b, const char *why)
{
	if (!b->broken)
		tell(b, 0, why);
	b->broken = true;
}

static void
put(struct build *b, const void *key, size_t klen, const void *value,
    size_t vlen)
{
	if (b->broken)
		return;
	if (cdb_make_add(&b->cdb, key, (unsigned int)klen, value,
	    (unsigned int)vlen) == -1)
		fail(b, errno == ENOMEM ? "too many entries" :
		    strerror(errno));
}

/* The value behind the network's place in the list. */
static void
put_net(struct build *b, const struct list_entry *e)
{
	uint8_t		key[LIST_NET_KEY], value[4 + LINE_MAX_LIST];
	size_t		vlen = strlen(e->value) + 1, i;
	unsigned int	bits = e->net.bits;

	for (i = 0; i < 4; i++)
		value[i] = (uint8_t)(b->entries >> 8 * i);
	memcpy(value + 4, e->value, vlen);
	put(b, key, list_net_key(key, &e->net.net, bits), value, 4 + vlen);
	if (e->net.net.family == ADDR_V4)
		b->bits4[bits] = true;
	else
		b->bits6[bits] = true;
}

static void
add_line(struct build *b, char *line, size_t len)
{
	struct list_entry	 e;
	const char		*why;

	b->line++;
	if (memchr(line, '\0', len) != NULL)
		why = "a NUL in a list";
	else
		why = list_entry_line(&e, line);
	if (why != NULL)
		tell(b, b->line, why);
	if (why != NULL || e.key[0] == '\0')
		return;
	siphash_update(&b->hash, e.key, strlen(e.key) + 1);
	siphash_update(&b->hash, e.value, strlen(e.value) + 1);
	put(b, e.key, strlen(e.key), e.value, strlen(e.value) + 1);
	if (e.alabels[0] != '\0')
		put(b, e.alabels, strlen(e.alabels), e.value,
		    strlen(e.value) + 1);
	if (e.is_net)
		put_net(b, &e);
	if (++b->entries > UINT32_MAX)
		fail(b, "too many entries");
}

/* Take whole lines out of what was read; how much is left over. */
static size_t
take_lines(struct build *b, char *buf, size_t len)
{
	char	*line = buf, *end;

	while ((end = memchr(line, '\n', len)) != NULL) {
		*end = '\0';
		if (end - line >= LINE_MAX_LIST) {
			b->line++;
			tell(b, b->line, "a line of more than 8191 octets");
		} else
			add_line(b, line, (size_t)(end - line));
		len -= (size_t)(end + 1 - line);
		line = end + 1;
	}
	memmove(buf, line, len);
	return len;
}

static void
read_text(struct build *b, int fd)
{
	static char	buf[256 * 1024];
	size_t		len = 0;
	ssize_t		n;

	while (!b->broken) {
		n = read(fd, buf + len, sizeof(buf) - 1 - len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			fail(b, strerror(errno));
		if (n <= 0)
			break;
		len = take_lines(b, buf, len + (size_t)n);
		if (len == sizeof(buf) - 1) {
			b->line++;
			tell(b, b->line, "a line that does not end");
			return;
		}
	}
	buf[len++] = '\n';
	if (len > 1)
		(void)take_lines(b, buf, len);
}

static void
put_form(struct build *b)
{
	uint8_t	form[LIST_FORM] = LIST_MAGIC, *p = form + sizeof(LIST_MAGIC);
	size_t	i;

	for (i = 0; i < LIST_BITS4; i++)
		*p++ = b->bits4[i];
	for (i = 0; i < LIST_BITS6; i++)
		*p++ = b->bits6[i];
	put(b, "", 1, form, sizeof(form));
}

static void
build(struct build *b, int from, int to)
{
	static const uint8_t	 no_secret[SIPHASH_KEY];
	struct proto_list	 done;
	struct wbuf		 w = { 0 };

	setproctitle("verifyd, making a list");
	siphash_init(&b->hash, no_secret);
	if (cdb_make_start(&b->cdb, to) == -1)
		fail(b, strerror(errno));
	read_text(b, from);
	put_form(b);
	if (!b->broken && cdb_make_finish(&b->cdb) == -1)
		fail(b, strerror(errno));
	done.entries = b->entries;
	siphash_final(&b->hash, done.hash);
	put_list(&w, &done);
	peer_send(b->parent, MSG_LIST_DONE, 0, b->seq, -1, &w);
}

int
list_text(struct peer *p, struct msg *m)
{
	(void)p;
	if (m->fd == -1 || get_end(&m->body) == -1)
		return -1;
	close_fd(&text_fd);
	text_fd = msg_take_fd(m);
	return 0;
}

int
list_file(struct peer *p, struct msg *m)
{
	static struct build	b;
	int			fd;

	if (text_fd == -1 || m->fd == -1 || get_end(&m->body) == -1)
		return -1;
	fd = msg_take_fd(m);
	memset(&b, 0, sizeof(b));
	b.parent = p;
	b.seq = m->seq;
	build(&b, text_fd, fd);
	close_fd(&text_fd);
	(void)close(fd);
	return 0;
}
