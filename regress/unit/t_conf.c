/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * struct config between processes: what was put is what is got, each role
 * gets its part and no more, no cut or changed octet does harm; ids across
 * reloads; large lists; and the files that the parent reads.
 */

#include <sys/stat.h>

#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include "parent_conf.h"
#include "parent_files.h"
#include "t.h"
#include "wire.h"

static char	dir[] = "/tmp/t_conf.XXXXXX";

static const char yaml[] =
    "hostname: mx.example\n"
    "processes: {smtpd: 3}\n"
    "resolver: {server: [\"127.0.0.1:53\", \"::1\"], timeout: 3s}\n"
    "tls: {certificate: {default: {cert: \"${dir}/cert\","
    " key: \"${dir}/key\"}}}\n"
    "listener:\n"
    "  in: {bind: [\"127.0.0.1:2525\"], tls: starttls,"
    " relay-hosts: [10.0.0.0/8, \"2001:db8::/32\"]}\n"
    "  out: {bind: \"[::1]:2587\", greeting: \"hello there\"}\n"
    "list:\n"
    "  local: [Example.ORG, example.com]\n"
    "  values: {a@b: \"one two\", C@d: THREE}\n"
    "remote:\n"
    "  a: {address: [a.example, 192.0.2.1], port: 26, helo: client,"
    " source: 127.0.0.1}\n"
    "  b: {address: \"::1\", auth: {username: u, password: PASSWORD},"
    " tls: {mode: required, ca: \"${dir}/cert\","
    " cert: \"${dir}/cert\", key: \"${dir}/key\"}}\n"
    "route: {local: a, relay: [{if: sender, in-list: list/values, then: b},"
    " {else: false}]}\n"
    "session:\n"
    "  rcpt: {relay: true, lookup: {domains: list/local}}\n"
    "  data: {bare-newline: [{if: remote-ip, eq: 10.0.0.0/8,"
    " then: normalize}, {else: reject}]}\n";

static struct config *
load(const char *text)
{
	struct conf_errors	 errs = { .errors = { .n = 0 } };
	struct macros		 macros = { .n = 0 };
	struct config		*conf;
	char			 arg[64];

	snprintf(arg, sizeof(arg), "dir=%s", dir);
	macros_add(&macros, arg);
	conf = parent_conf_parse("t", text, strlen(text), &macros, &errs,
	    NULL);
	ok(conf != NULL, "loads");
	conf_errors_print(&errs, stdout);
	conf_errors_clear(&errs);
	macros_clear(&macros);
	if (conf == NULL)
		exit(done("conf"));
	return conf;
}

static struct config *
transfer(const struct config *conf, unsigned int role, size_t *items)
{
	struct wbuf	 w = { .data = NULL };
	struct rbuf	 r;
	struct config	*copy = conf_new(9);
	size_t		 n;

	for (n = 0; conf_put(&w, conf, role, n); n++) {
		ok(wire_ok(&w), "put %zu", n);
		rbuf_init(&r, w.data, w.len);
		is_int(conf_get(&r, copy, role), 0, "get %zu", n);
		wbuf_clear(&w);
	}
	*items = n;
	return copy;
}

/* The octets of all items; for comparing. */
static struct wbuf
octets(const struct config *conf, unsigned int role)
{
	struct wbuf	w = { .data = NULL };
	size_t		n = 0;

	while (conf_put(&w, conf, role, n))
		n++;
	return w;
}

static void
test_roundtrip(const struct config *conf)
{
	static const unsigned int roles[] = {
		R_SMTPD, R_DIALER, R_RESOLVED, R_VERIFYD, R_PROXYD, R_ALL
	};
	struct config	*copy;
	struct wbuf	 a, b;
	size_t		 i, n;

	for (i = 0; i < nitems(roles); i++) {
		copy = transfer(conf, roles[i], &n);
		a = octets(conf, roles[i]);
		b = octets(copy, roles[i]);
		ok(a.len == b.len && memcmp(a.data, b.data, a.len) == 0,
		    "same again, role %x", roles[i]);
		wbuf_clear(&a);
		wbuf_clear(&b);
		conf_unref(copy);
	}
}

static bool
holds(const struct wbuf *w, const char *text)
{
	return memmem(w->data, w->len, text, strlen(text)) != NULL;
}

static void
test_smtpd(const struct config *conf)
{
	struct config		*c;
	struct conf_listener	*in;
	struct conf_remote	*b;
	struct conf_list	*values;
	struct conf_cert	*cert;
	struct wbuf		 w;
	size_t			 n;

	c = transfer(conf, R_SMTPD, &n);
	is_int(n, 1 + 1 + 2 + 2 + 2, "items");
	is_str(c->hostname, "mx.example", "hostname");
	in = (struct conf_listener *)conf_find(&c->listeners, "in");
	ok(in != NULL, "listener");
	is_int(in->tls, LTLS_STARTTLS, "tls");
	is_int(in->relay_hosts.n, 2, "relay-hosts");
	is_int(in->max_sessions, 20000, "default");
	is_str(in->bind.v[0], "127.0.0.1:2525", "bind");
	b = (struct conf_remote *)conf_find(&c->remotes, "b");
	ok(b->tls.verify, "verify by default");
	is_int(b->tls.mode, RTLS_REQUIRED, "mode");
	is_str((char *)b->tls.ca_file.data, "PEM\n", "ca");
	is_str((char *)b->tls.key.data, "SECRET\n", "key");
	ok(b->tls.key.secret && !b->tls.cert.secret, "secret");
	ok(conf_find_id(&c->remotes, b->obj.id) == &b->obj, "by id");
	values = (struct conf_list *)conf_find(&c->lists, "values");
	is_str(values->entries.v[0], "a@b", "entry");
	is_str(conf_entry_value(values->entries.v[0]), "one two", "value");
	is_str(values->entries.v[1], "c@d", "lower case");
	is_str(conf_entry_value(values->entries.v[1]), "THREE", "as is");
	cert = (struct conf_cert *)conf_find(&c->tls.certs, "default");
	is_str((char *)cert->key.data, "SECRET\n", "key");
	is_int(c->session.timeout, 300000, "duration");
	is_int(c->session.max_size, 25 << 20, "size");
	is_int(c->nsmtpd, conf->nsmtpd, "workers");
	is_int(c->nproxyd, conf->nproxyd, "those of scripts");
	ok(c->control == NULL, "not told");
	ok(c->route.session == NULL, "off");
	conf_unref(c);
	w = octets(conf, R_SMTPD);
	ok(w.secret, "holds a secret");
	ok(holds(&w, "SECRET"), "holds it");
	wbuf_clear(&w);
}

/* The dialer learns where to connect, and where not, and nothing else. */
static void
test_dialer(const struct config *conf)
{
	struct config		*c;
	struct conf_listener	*l;
	struct conf_remote	*a;
	struct wbuf		 w;
	size_t			 n;

	c = transfer(conf, R_DIALER, &n);
	is_int(n, 1 + 2 + 2, "items");
	a = (struct conf_remote *)conf_find(&c->remotes, "a");
	is_str(a->address.v[1], "192.0.2.1", "address");
	is_int(a->port, 26, "port");
	is_str(a->source.v[0], "127.0.0.1", "source");
	is_int(a->timeout.connect, 10000, "connect");
	is_int(a->timeout.command, 0, "not told");
	ok(a->helo == NULL, "not told");
	is_int(c->lists.n + c->tls.certs.n, 0, "not told");
	l = (struct conf_listener *)c->listeners.v[0];
	ok(l->bind.n > 0 && l->greeting == NULL, "addresses that are ours");
	ok(c->hostname != NULL, "our name");
	conf_unref(c);
	w = octets(conf, R_DIALER);
	ok(!holds(&w, "SECRET") && !holds(&w, "PEM"), "no key");
	wbuf_clear(&w);
	w = octets(conf, R_RESOLVED);
	ok(!holds(&w, "SECRET") && !holds(&w, "a.example"), "no key");
	ok(holds(&w, "127.0.0.1:53"), "name servers");
	wbuf_clear(&w);
}

/* verifyd: who the remotes are, not their passwords. */
static void
test_verifyd(const struct config *conf)
{
	struct config		*c;
	struct conf_remote	*a;
	struct wbuf		 w;
	size_t			 n;

	c = transfer(conf, R_VERIFYD, &n);
	a = (struct conf_remote *)conf_find(&c->remotes, "a");
	is_str(a->address.v[1], "192.0.2.1", "address");
	is_int(a->port, 26, "port");
	ok(a->helo != NULL, "helo");
	ok(a->auth.password == NULL, "not told");
	is_int(c->lists.n, 2, "lists");
	is_int(c->listeners.n + c->tls.certs.n, 0, "not told");
	conf_unref(c);
	w = octets(conf, R_VERIFYD);
	ok(!holds(&w, "PASSWORD"), "no password");
	wbuf_clear(&w);
}

static struct conf_datasource *
add_source(struct config *conf, uint32_t id, const char *name, int nfiles)
{
	struct conf_datasource	*ds = calloc(1, sizeof(*ds));

	ds->obj.id = id;
	ds->obj.name = strdup(name);
	for (; nfiles > 0; nfiles--)
		(void)fds_add(&ds->files, dup(STDOUT_FILENO));
	(void)conf_map_add(&conf->datasources, &ds->obj);
	return ds;
}

/* Open files go beside the items, to verifyd only. */
static void
test_open_files(void)
{
	struct config		*from = conf_new(1), *to = conf_new(1);
	struct conf_datasource	*a, *b;
	uint8_t			 map;
	uint32_t		 id, ids = 0;
	size_t			 n;
	int			 fd;

	a = add_source(from, 5, "none", 0);
	b = add_source(from, 6, "two", 2);
	(void)add_source(from, 7, "one", 1);
	for (n = 0; (fd = conf_fd(from, R_VERIFYD, n, &map, &id)) != -1;
	    n++) {
		if (n == 0)
			is_int(fd, b->files.v[0], "the first");
		ids = ids * 10 + id;
	}
	is_int(n, 3, "files");
	is_int(ids, 667, "of whom");
	is_int(conf_fd(from, R_SMTPD, 0, &map, &id), -1, "none for smtpd");
	ok(conf_obj_same(&schema_datasource, &a->obj, &b->obj),
	    "the same, as far as postern.yaml says");

	(void)conf_fd(from, R_VERIFYD, 0, &map, &id);
	b = add_source(to, 6, "two", 0);
	is_int(conf_fd_take(to, R_VERIFYD, map, 6, dup(STDOUT_FILENO)), 0,
	    "taken");
	is_int(conf_fd_take(to, R_VERIFYD, map, 6, dup(STDOUT_FILENO)), 0,
	    "another");
	is_int(b->files.n, 2, "both are there");
	fd = dup(STDOUT_FILENO);
	is_int(conf_fd_take(to, R_VERIFYD, map, 7, fd), -1, "no such object");
	is_int(fcntl(fd, F_GETFD), -1, "closed");
	is_int(conf_fd_take(to, R_SMTPD, map, 6, dup(STDOUT_FILENO)), -1,
	    "not smtpd's");
	is_int(conf_fd_take(to, R_VERIFYD, 0, 6, dup(STDOUT_FILENO)), -1,
	    "another map");
	is_int(conf_fd_take(to, R_VERIFYD, 200, 6, dup(STDOUT_FILENO)), -1,
	    "no such map");
	fd = b->files.v[1];
	conf_unref(to);
	is_int(fcntl(fd, F_GETFD), -1, "closed with its object");
	conf_unref(from);
}

/* Every cut of every item is refused, and leaves nothing half done. */
static void
test_truncated(const struct config *conf)
{
	struct wbuf	 w = { .data = NULL };
	struct rbuf	 r;
	struct config	*c;
	size_t		 n, i;
	int		 res;

	for (n = 0; conf_put(&w, conf, R_SMTPD, n); n++) {
		for (i = 0; i < w.len; i++) {
			c = conf_new(1);
			rbuf_init(&r, w.data, i);
			res = conf_get(&r, c, R_SMTPD);
			if (res != -1)
				is_int(res, -1, "item %zu cut at %zu", n, i);
			conf_unref(c);
		}
		put_u8(&w, 0);
		c = conf_new(1);
		rbuf_init(&r, w.data, w.len);
		is_int(conf_get(&r, c, R_SMTPD), -1, "item %zu, more", n);
		conf_unref(c);
		wbuf_clear(&w);
	}
	ok(n == 8, "items");
}

/* One octet changed: refused or not, the sanitizers have nothing to say. */
static void
test_changed(const struct config *conf)
{
	static const uint8_t	 to[] = { 0, 1, 2, 127, 128, 255 };
	struct wbuf		 w = { .data = NULL };
	struct rbuf		 r;
	struct config		*c;
	size_t			 n, i, j;
	unsigned int		 refused = 0;
	uint8_t			 was;

	for (n = 0; conf_put(&w, conf, R_SMTPD, n); n++) {
		for (i = 0; i < w.len; i++) {
			was = w.data[i];
			for (j = 0; j < nitems(to); j++) {
				w.data[i] = to[j];
				c = conf_new(1);
				rbuf_init(&r, w.data, w.len);
				refused += conf_get(&r, c, R_SMTPD) == -1;
				conf_unref(c);
			}
			w.data[i] = was;
		}
		wbuf_clear(&w);
	}
	ok(refused > 1000, "%u refused", refused);
}

static void
test_twice(const struct config *conf)
{
	struct wbuf	 w = { .data = NULL };
	struct rbuf	 r;
	struct config	*c = conf_new(1);
	size_t		 n;

	for (n = 0; conf_put(&w, conf, R_SMTPD, n); n++) {
		rbuf_init(&r, w.data, w.len);
		is_int(conf_get(&r, c, R_SMTPD), 0, "once");
		rbuf_init(&r, w.data, w.len);
		is_int(conf_get(&r, c, R_SMTPD), -1, "twice");
		wbuf_clear(&w);
	}
	conf_unref(c);
	/* An object that is none of the role's. */
	conf_put(&w, conf, R_SMTPD, 1);
	c = conf_new(1);
	rbuf_init(&r, w.data, w.len);
	is_int(conf_get(&r, c, R_DIALER), -1, "not the dialer's");
	conf_unref(c);
	wbuf_clear(&w);
}

/* --- ids ------------------------------------------------------------------ */

static uint32_t
id_of(const struct conf_map *m, const char *name)
{
	const struct conf_obj	*o = conf_find(m, name);

	return o == NULL ? 0 : o->id;
}

static void
test_ids(void)
{
	struct config	*one = load(yaml), *two = load(yaml), *three;
	char		*text, *p;
	uint32_t	 next = 100, i;

	conf_assign_ids(one, NULL, &next);
	is_int(next, 107, "one for each");
	conf_assign_ids(two, one, &next);
	is_int(next, 107, "nothing has changed");
	is_int(id_of(&two->remotes, "b"), id_of(&one->remotes, "b"), "b");
	/* Another port of one remote, another entry of one list. */
	text = strdup(yaml);
	p = strstr(text, "port: 26");
	p[7] = '7';
	p = strstr(text, "example.com]");
	p[0] = 'f';
	three = load(text);
	free(text);
	conf_assign_ids(three, two, &next);
	is_int(next, 109, "two have changed");
	ok(id_of(&three->remotes, "a") != id_of(&two->remotes, "a"), "a");
	is_int(id_of(&three->remotes, "b"), id_of(&two->remotes, "b"), "b");
	ok(id_of(&three->lists, "local") > 107, "local");
	for (i = 0; i < three->route.relay->nnodes; i++)
		if (three->route.relay->nodes[i].op == OP_LIST)
			is_int(three->route.relay->nodes[i].id,
			    id_of(&three->lists, "values"), "in the rule");
	conf_unref(one);
	conf_unref(two);
	conf_unref(three);
}

#define LARGE	30000

/* --- large lists ---------------------------------------------------------- */

static void
test_large(void)
{
	struct config		*conf, *copy, *other;
	struct conf_list	*l;
	struct rule_value	 v;
	FILE			*f;
	char			*text;
	size_t			 i, items, len;
	uint32_t		 id = 0;

	f = open_memstream(&text, &len);
	fprintf(f, "hostname: a.example\n"
	    "listener: {l: {bind: \":25\"}}\nlist:\n  big:\n"
	    "    First.Example: its Value\n");
	for (i = 1; i < LARGE; i++)
		fprintf(f, "    user%zu@domain.example: \"\"\n", i);
	fclose(f);
	conf = load(text);
	free(text);
	conf_assign_ids(conf, NULL, &id);
	copy = transfer(conf, R_SMTPD, &items);
	ok(items > 4 && items < 40, "%zu items", items);
	l = (struct conf_list *)conf_find(&copy->lists, "big");
	is_int(l->entries.n, LARGE, "entries");
	is_str(l->entries.v[0], "first.example", "first");
	is_str(conf_entry_value(l->entries.v[0]), "its Value", "its value");
	is_str(l->entries.v[LARGE - 1], "user29999@domain.example", "last");
	ok(conf_obj_same(conf_map_row(conf, 3, &(struct conf_map *){ NULL })
	    ->sub, conf->lists.v[0], &l->obj), "same");
	free(l->entries.v[LARGE - 1]);
	l->entries.v[LARGE - 1] = conf_entry_new("user29999@domain.examplf",
	    "");
	ok(!conf_obj_same(conf_map_row(conf, 3, &(struct conf_map *){ NULL })
	    ->sub, conf->lists.v[0], &l->obj), "the last one differs");
	ok(rule_is_constant(conf->session.relay, &v) && v.num == 0,
	    "relay is off by default");
	conf_unref(copy);
	/* The entries of a list that was never announced. */
	other = conf_new(1);
	{
		struct wbuf	w = { .data = NULL };
		struct rbuf	r;

		conf_put(&w, conf, R_SMTPD, 3);
		rbuf_init(&r, w.data, w.len);
		is_int(conf_get(&r, other, R_SMTPD), -1, "of no list");
		wbuf_clear(&w);
	}
	conf_unref(other);
	conf_unref(conf);
}

/* --- files ---------------------------------------------------------------- */

static void
write_file(const char *name, const char *text, mode_t mode)
{
	char	 path[128];
	FILE	*f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if ((f = fopen(path, "w")) == NULL)
		exit(done("conf"));
	fputs(text, f);
	fclose(f);
	chmod(path, mode);
}

static int
read_file(const char *name, bool secret, size_t max, char *why, size_t size)
{
	struct conf_file	f;
	char			path[128];
	int			res;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	why[0] = '\0';
	res = parent_file_read_max(path, &f, secret, max, why, size);
	is_str(f.path, path, "path");
	if (res == 0)
		ok(f.data[f.len] == '\0', "terminated");
	else
		ok(f.data == NULL && f.len == 0, "empty after an error");
	free(f.data);
	free(f.path);
	return res;
}

static void
test_files(void)
{
	char	why[256], path[128];

	is_int(read_file("none", false, 100, why, sizeof(why)), -1, "none");
	is_str(why, "open: No such file or directory", "none");
	is_int(read_file(".", false, 100, why, sizeof(why)), -1, "dir");
	is_str(why, "not a regular file", "dir");
	snprintf(path, sizeof(path), "%s/fifo", dir);
	mkfifo(path, 0600);
	is_int(read_file("fifo", false, 100, why, sizeof(why)), -1, "fifo");
	is_str(why, "not a regular file", "fifo");
	unlink(path);
	write_file("f", "12345", 0644);
	is_int(read_file("f", false, 5, why, sizeof(why)), 0, "exactly");
	is_int(read_file("f", false, 4, why, sizeof(why)), -1, "too large");
	is_str(why, "larger than 4 octets", "too large");
	is_int(read_file("f", true, 5, why, sizeof(why)), -1, "0644");
	is_str(why, "mode 0644 is readable by others, want 0600", "0644");
	write_file("f", "12345", 0620);
	is_int(read_file("f", true, 5, why, sizeof(why)), -1, "0620");
	is_str(why, "mode 0620 is writable by others, want 0600", "0620");
	write_file("f", "12345", 0640);
	is_int(read_file("f", true, 5, why, sizeof(why)), 0, "0640");
	write_file("f", "", 0600);
	is_int(read_file("f", true, 5, why, sizeof(why)), 0, "empty");
	if (geteuid() == 0) {
		snprintf(path, sizeof(path), "%s/f", dir);
		if (chown(path, 12345, (gid_t)-1) == 0) {
			is_int(read_file("f", true, 5, why, sizeof(why)), -1,
			    "owner");
			is_str(why, "owner is uid 12345, want root or uid 0",
			    "owner");
		}
	}
}

static void
clean(void)
{
	static const char *const names[] = { "cert", "key", "list", "f" };
	char			 path[128];
	size_t			 i;

	for (i = 0; i < nitems(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

/* What is not ASCII is there as it is compared: see smtp_path_normal(). */
static void
test_idn(void)
{
	static const char *const	 entries[] = {
		"b\xc3\xbc\x63her.example", "xn--bcher-kva.example",
		"j\xc3\xb6rg", "xn--jrg-sna", "\xc3\xbc@b.example",
		"a@\xc3\xbc", "a@xn--tda", "\xe2\x98\x83", "ascii.example"
	};
	static const char *const	 operands[] = {
		"a@xn--tda", "@xn--bcher-kva.example", "b\xc3\xbc",
		"B\xc3\xbc", "\xe2\x98\x83.example", "mx.xn--tda"
	};
	struct config			*conf;
	struct conf_list		*l;
	const struct rule		*r;
	size_t				 i;

	conf = load("hostname: mx.\xc3\xbc\n"
	    "listener: {a: {bind: \"127.0.0.1:25\"}}\n"
	    "list: {l: {B\xc3\xbc" "cher.Example: V, j\xc3\xb6rg: V,"
	    " \xc3\xbc@b.example: V, A@\xc3\xbc: V, \xe2\x98\x83: V,"
	    " ascii.EXAMPLE: V}}\n"
	    "session: {rcpt: {relay: [{any-of: ["
	    "{if: rcpt, eq: A@\xc3\xbc},"
	    "{if: sender, ends-with: \"@b\xc3\xbc" "cher.Example\"},"
	    "{if: rcpt-domain, starts-with: B\xc3\xbc},"
	    "{if: rcpt-domain, matches: B\xc3\xbc},"
	    "{if: sender-domain, eq: \xe2\x98\x83.example},"
	    "{if: helo-domain, eq: MX.\xc3\xbc}], then: true},"
	    "{else: false}]}}\n"
	    "remote: {b: {address: 192.0.2.1}}\n"
	    "route: {relay: b}\n");
	is_str(conf->hostname, "mx.xn--tda", "hostname");
	l = (struct conf_list *)conf_find(&conf->lists, "l");
	is_int(l->entries.n, nitems(entries), "entries");
	for (i = 0; i < l->entries.n && i < nitems(entries); i++) {
		is_str(l->entries.v[i], entries[i], "entry %zu", i);
		is_str(conf_entry_value(l->entries.v[i]), "V", "value %zu", i);
	}
	r = conf->session.relay;
	is_int(r->nstrs, nitems(operands), "operands");
	for (i = 0; i < r->nstrs && i < nitems(operands); i++)
		is_str(r->strs[i], operands[i], "operand %zu", i);
	conf_unref(conf);
}

int
main(void)
{
	struct config	*conf;
	uint32_t	 id = 0;

	if (mkdtemp(dir) == NULL)
		return 1;
	write_file("cert", "PEM\n", 0644);
	write_file("key", "SECRET\n", 0600);
	conf = load(yaml);
	conf_assign_ids(conf, NULL, &id);
	test_roundtrip(conf);
	test_smtpd(conf);
	test_dialer(conf);
	test_verifyd(conf);
	test_open_files();
	test_truncated(conf);
	test_changed(conf);
	test_twice(conf);
	conf_unref(conf);
	test_idn();
	test_ids();
	test_large();
	test_files();
	clean();
	return done("conf");
}
