/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The file of verdicts, and its records.  The first octet says what the rest
 * is: the file as it is; changes to a good one, three octets each, a place and
 * what stands there, and a last one that cuts it; or a record.
 *
 * Whatever the file: questions are answered, and an answer is one that was
 * put in.  A file that was changed is not good.  A record that is taken is
 * printed as it was.
 */

#include <sys/mman.h>

#include <unistd.h>

#include "cache_private.h"
#include "config.h"
#include "fuzz.h"

#define NOW		1700000000ULL
#define KEYS		40

static uint8_t	good[16384];
static size_t	ngood;

static void
key_n(struct cache_key *k, struct cache_verdict *v, unsigned int n)
{
	static char	text[64];

	(void)snprintf(text, sizeof(text), "user %u@example.org", n);
	k->remote = n % 2 ? "a" : "b";
	k->sender = n % 3 ? "" : "s@x";
	k->rcpt = text;
	memset(v, 0, sizeof(*v));
	v->exists = n % 5 != 0;
	v->code = v->exists ? 250 : 550;
	(void)snprintf(v->text, sizeof(v->text), "%.*s", (int)(4 * n % 150),
	    "................................................................"
	    "................................................................"
	    "................................");
}

static void
make_good(void)
{
	static const struct conf_ttl	ttl = { 86400000, 3600000, 43200000,
					    604800000 };
	struct cache_verdict		v;
	struct cache_key		k;
	unsigned int			i;
	int				fd, r;

	must(cache_init() == 0);
	cache_bound(10 * KEYS);
	for (i = 0; i < KEYS; i++) {
		key_n(&k, &v, i);
		cache_store(&k, &v, &ttl, NOW, true);
	}
	fd = memfd_create("cache", MFD_CLOEXEC);
	must(fd != -1 && cache_write_begin(dup(fd), NOW) == 0);
	while ((r = cache_write_go(10)) == 0)
		continue;
	must(r == 1);
	ngood = (size_t)lseek(fd, 0, SEEK_END);
	must(ngood <= sizeof(good));
	must(pread(fd, good, sizeof(good), 0) == (ssize_t)ngood);
	(void)close(fd);
	cache_flush(NULL);
}

static unsigned int
ask_all(void)
{
	struct cache_verdict	v, want;
	struct cache_key	k;
	unsigned int		i, found = 0;

	for (i = 0; i < 2 * KEYS; i++) {
		key_n(&k, &want, i);
		if (cache_find(&k, NOW, &v) == CACHE_MISS)
			continue;
		found++;
		must(i < KEYS && v.exists == want.exists);
		must(v.code == want.code && v.enhanced[0] == '\0');
		must(strcmp(v.text, want.text) == 0);
	}
	return found;
}

static void
try_file(const uint8_t *p, size_t len)
{
	const char	*why;
	int		 fd, r;
	bool		 is_good;

	is_good = len == ngood && memcmp(p, good, len) == 0;
	fd = memfd_create("cache", MFD_CLOEXEC);
	must(fd != -1);
	must(len == 0 || pwrite(fd, p, len, 0) == (ssize_t)len);
	if (cache_load(fd, &why) == -1) {
		must(!is_good && ask_all() == 0);
		return;
	}
	must(ask_all() <= KEYS);
	while ((r = cache_check(1000, &why)) == 0)
		continue;
	must(is_good == (r == 1));
	must(ask_all() == (is_good ? KEYS : 0));
	fd = memfd_create("cache", MFD_CLOEXEC);
	must(fd != -1 && cache_write_begin(fd, NOW) == 0);
	while ((r = cache_write_go(10)) == 0)
		continue;
	must(r == 1);
	cache_write_stop();
}

static void
try_changes(const uint8_t *p, size_t len)
{
	static uint8_t	file[sizeof(good)];
	size_t		at, size = ngood;

	memcpy(file, good, ngood);
	for (; len >= 3; p += 3, len -= 3) {
		at = (size_t)p[0] << 8 | p[1];
		file[at % ngood] = p[2];
	}
	if (len == 2)
		size = ((size_t)p[0] << 8 | p[1]) % (ngood + 1);
	try_file(file, size);
}

static void
try_record(const uint8_t *p, size_t len)
{
	char		 out[RECORD_MAX + 64], *data = exact(p, len);
	uint8_t		 secret[SIPHASH_KEY] = { 0 };
	struct record	 r, again;
	size_t		 n;

	if (len <= RECORD_MAX && record_get(NULL, data, len, &r) == 0) {
		must(r.nwords + r.nenhanced + r.ntext < len);
		n = record_put(secret, &r, out, sizeof(out));
		must(n > 0 && record_get(secret, out, n, &again) == 0);
		must(again.code == r.code && again.expire == r.expire &&
		    again.keep == r.keep && again.refresh == r.refresh);
		must(again.nwords == r.nwords && again.ntext == r.ntext);
		must(again.nenhanced == r.nenhanced);
		out[n / 2] ^= 1;
		must(record_get(secret, out, n, &again) == -1);
	}
	free(data);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (ngood == 0)
		make_good();
	if (size == 0)
		return 0;
	switch (data[0] % 3) {
	case 0:
		try_file(data + 1, size - 1);
		break;
	case 1:
		try_changes(data + 1, size - 1);
		break;
	case 2:
		try_record(data + 1, size - 1);
		break;
	}
	return 0;
}
