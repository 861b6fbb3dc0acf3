/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Large lists: list_entry.c on any text, list_file.c on files that are not
 * what they should be.  The first octet says which: lines; a file as it is;
 * changes to a good one, three octets each, a place and what stands there,
 * and a last one that cuts it.
 *
 * Whatever the file, nothing is read beyond it, and a value is a string in
 * it.  A good file has every key that was put into it, and no other.
 */

#include <sys/mman.h>

#include <cdb.h>
#include <unistd.h>

#include "fuzz.h"
#include "list_entry.h"
#include "list_file.h"

#define KEYS	40

static uint8_t	good[16384];
static size_t	ngood;

/* --- lines ---------------------------------------------------------------- */

static void
check_entry(const struct list_entry *e, const char *why)
{
	size_t	i, n = strlen(e->key);

	must(n <= LIST_ENTRY_MAX);
	must(strlen(e->alabels) < sizeof(e->alabels));
	if (why != NULL || n == 0)
		return;
	must(e->value != NULL);
	for (i = 0; i < n; i++) {
		must((unsigned char)e->key[i] > ' ');
		must(e->key[i] < 'A' || e->key[i] > 'Z');
	}
	for (i = 0; e->value[i] != '\0'; i++)
		must((unsigned char)e->value[i] >= ' ' ||
		    e->value[i] == '\t');
	must(!idn_is_8bit(e->alabels) || strchr(e->alabels, '@') != NULL);
}

static void
lines(const uint8_t *data, size_t len)
{
	struct list_entry	 e;
	const uint8_t		*end;
	char			*line;
	size_t			 n;

	while (len > 0) {
		end = memchr(data, '\n', len);
		n = end == NULL ? len : (size_t)(end - data);
		line = malloc(n + 1);
		must(line != NULL);
		memcpy(line, data, n);
		line[n] = '\0';
		check_entry(&e, list_entry_line(&e, line));
		free(line);
		n += end != NULL;
		data += n;
		len -= n;
	}
}

/* --- files ---------------------------------------------------------------- */

static void
key_of(char *key, size_t size, unsigned int i)
{
	(void)snprintf(key, size, "user%u@example.org", i);
}

static void
add(struct cdb_make *m, const void *key, size_t klen, const void *value,
    size_t vlen)
{
	must(cdb_make_add(m, key, (unsigned int)klen, value,
	    (unsigned int)vlen) == 0);
}

static void
make_good(void)
{
	struct cdb_make	 m;
	struct cidr	 net;
	uint8_t		 form[LIST_FORM] = LIST_MAGIC, key[LIST_NET_KEY];
	char		 text[64];
	unsigned int	 i;
	int		 fd = memfd_create("list", MFD_CLOEXEC);

	must(fd != -1 && cdb_make_start(&m, fd) == 0);
	for (i = 0; i < KEYS; i++) {
		key_of(text, sizeof(text), i);
		add(&m, text, strlen(text), text, i == 0 ? 0 : i % 8 + 1);
		key_of(text, sizeof(text), i + KEYS);
		add(&m, text, strlen(text), "", 1);
	}
	must(cidr_parse(&net, "192.0.2.0/24") == 0);
	add(&m, key, list_net_key(key, &net.net, net.bits), "\0\0\0\0v", 6);
	form[sizeof(LIST_MAGIC) + 24] = 1;
	must(cidr_parse(&net, "2001:db8::/32") == 0);
	add(&m, key, list_net_key(key, &net.net, net.bits), "\0\0\0\0w", 6);
	form[sizeof(LIST_MAGIC) + LIST_BITS4 + 32] = 1;
	add(&m, "", 1, form, sizeof(form));
	must(cdb_make_finish(&m) == 0);
	ngood = (size_t)lseek(fd, 0, SEEK_END);
	must(ngood <= sizeof(good));
	must(pread(fd, good, sizeof(good), 0) == (ssize_t)ngood);
	must(close(fd) == 0);
}

/* All of the string is in the file. */
static bool
found(const struct list_file *f, const char *v)
{
	if (v == NULL)
		return false;
	must((const uint8_t *)v >= f->p);
	must((const uint8_t *)v + strlen(v) < f->p + f->size);
	return true;
}

static void
ask_all(const uint8_t *p, size_t len, bool is_good)
{
	static const char *const ips[] = { "192.0.2.7", "2001:db8::1",
				    "192.0.3.1", "::1" };
	struct list_file	 f;
	struct addr		 ip;
	char			*copy = exact(p, len), key[64];
	unsigned int		 i;
	bool			 yes;

	if (list_file_view(&f, copy, len) == -1) {
		must(!is_good);
		free(copy);
		return;
	}
	for (i = 0; i < 2 * KEYS; i++) {
		key_of(key, sizeof(key), i);
		yes = found(&f, list_file_value(&f, key));
		must(!is_good || yes == (i >= KEYS));
	}
	must(!found(&f, list_file_value(&f, "")));
	yes = found(&f, list_file_value(&f, "nobody@example.org"));
	must(!is_good || !yes);
	for (i = 0; i < sizeof(ips) / sizeof(ips[0]); i++) {
		must(addr_parse(&ip, ips[i]) == 0);
		yes = found(&f, list_file_net(&f, &ip));
		must(!is_good || yes == (i < 2));
	}
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint8_t	 file[sizeof(good)];
	size_t		 i, n;
	bool		 changed = false;

	if (ngood == 0)
		make_good();
	if (len == 0)
		return 0;
	if (data[0] % 3 == 0)
		lines(data + 1, len - 1);
	if (data[0] % 3 == 1)
		ask_all(data + 1, len - 1, false);
	if (data[0] % 3 != 2)
		return 0;
	memcpy(file, good, ngood);
	for (i = 1; i + 3 <= len; i += 3) {
		n = (data[i] | (size_t)data[i + 1] << 8) % ngood;
		changed = changed || file[n] != data[i + 2];
		file[n] = data[i + 2];
	}
	n = ngood;
	if (i < len)
		n = n * data[i] / 255;
	ask_all(file, n, !changed && n == ngood);
	return 0;
}
