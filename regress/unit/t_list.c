/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Lists, small and big: the same lines as entries of a configuration, and as
 * a file that a verifyd in its jail made of them, must have the same answers;
 * and a file that is none must be found to be that.
 *
 *	t_list [PROGRAM]
 */

#include "child.h"

#include <sys/mman.h>

#include "list.h"
#include "list_entry.h"
#include "list_file.h"

static const char	*program;

/* --- lines ---------------------------------------------------------------- */

static const struct {
	const char	*line, *key, *value, *why;
} lines[] = {
	{ "", "", NULL, NULL },
	{ "  \t", "", NULL, NULL },
	{ "# all of it", "", NULL, NULL },
	{ "  # all of it", "", NULL, NULL },
	{ "a", "a", "", NULL },
	{ "  First.Example  its Value # more\r", "first.example", "its Value",
	    NULL },
	{ "a#b@c\tV#w", "a#b@c", "V#w", NULL },
	{ "10.0.0.0/8 x", "10.0.0.0/8", "x", NULL },
	{ "10.0.0.1/8", NULL, NULL, "not a network" },
	{ "::1/129", NULL, NULL, "not a network" },
	{ "a/b", "a/b", "", NULL },
	{ "a\x01", NULL, NULL, "a control character" },
	{ "a v\rw", NULL, NULL, "a control character" }
};

static void
test_lines(void)
{
	struct list_entry	 e;
	const char		*why;
	char			 text[2048];
	size_t			 i;

	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		(void)strlcpy(text, lines[i].line, sizeof(text));
		why = list_entry_line(&e, text);
		if (lines[i].why != NULL) {
			ok(why != NULL, "line %zu is refused", i);
			is_str(why == NULL ? "" : why, lines[i].why, "why");
			continue;
		}
		ok(why == NULL, "line %zu is taken", i);
		is_str(e.key, lines[i].key, "its key");
		if (e.key[0] != '\0')
			is_str(e.value, lines[i].value, "its value");
	}
	memset(text, 'k', LIST_ENTRY_MAX + 1);
	text[LIST_ENTRY_MAX + 1] = '\0';
	ok(list_entry_line(&e, text) != NULL, "a key that is too long");
	text[LIST_ENTRY_MAX] = '\0';
	ok(list_entry_line(&e, text) == NULL, "the longest key");
	is_int(strlen(e.key), LIST_ENTRY_MAX, "all of it");
}

/* --- small and big -------------------------------------------------------- */

static struct conf_list *
small(const char *text)
{
	struct conf_list	*l = calloc(1, sizeof(*l));
	struct list_entry	 e;
	char			*copy = strdup(text), *p = copy, *line;

	while ((line = strsep(&p, "\n")) != NULL) {
		if (list_entry_line(&e, line) != NULL || e.key[0] == '\0')
			continue;
		(void)strs_add(&l->entries, conf_entry_new(e.key, e.value));
		if (e.alabels[0] != '\0')
			(void)strs_add(&l->entries,
			    conf_entry_new(e.alabels, e.value));
	}
	free(copy);
	return l;
}

static int
text_file(const char *text, size_t len)
{
	int	fd = memfd_create("text", MFD_CLOEXEC);

	if (fd == -1 || write(fd, text, len) != (ssize_t)len ||
	    lseek(fd, 0, SEEK_SET) == -1)
		die("text");
	return fd;
}

/* What a verifyd says of the text; its file is in *fd.  NULL: nothing. */
static struct got *
build(struct child *ch, const char *text, size_t len, int *fd)
{
	*fd = memfd_create("list", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd == -1)
		die("list");
	conn_send(&ch->parent, MSG_LIST_TEXT, 0, 7, text_file(text, len),
	    NULL);
	conn_send(&ch->parent, MSG_LIST_FILE, 0, 7, dup(*fd), NULL);
	return conn_wait(&ch->parent, MSG_LIST_DONE);
}

static void
done_get(struct got *g, struct proto_list *l)
{
	struct msg	m;

	memset(l, 0, sizeof(*l));
	if (!ok(g != NULL && g->seq == 7, "it is done"))
		return;
	m = got_msg(g);
	is_int(get_list(&m, l), 0, "in its form");
	got_free(g);
}

static struct conf_list *
big(const char *text)
{
	struct conf_list	*l = calloc(1, sizeof(*l));
	struct child		 ch;
	struct proto_list	 done_as;
	int			 fd;

	child_start(&ch, program, 0);
	done_get(build(&ch, text, strlen(text), &fd), &done_as);
	child_stop(&ch);
	is_int(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW |
	    F_SEAL_WRITE | F_SEAL_SEAL), 0, "it can be sealed");
	l->big = true;
	l->size = lseek(fd, 0, SEEK_END);
	(void)fds_add(&l->files, fd);
	return l;
}

static const char	text_of_list[] =
    "# a list\n"
    "First.Example  its Value # more\r\n"
    "twice one\n"
    "twice two\n"
    "empty\n"
    "b\xc3\xbc" "cher.example books\n"
    "10.1.0.0/16 wide\n"
    "10.1.2.0/24 narrow, but later\n"
    "192.0.2.0/24 wide\n"
    "192.0.2.7 one\n"
    "2001:db8::/32 six\n"
    "::/0 all of six\n"
    "198.51.100.1 only one\n"
    "no.end the last line";

static const struct {
	const char	*value, *ip, *found;
} asked[] = {
	{ "first.example", NULL, "its Value" },
	{ "first.exampl", NULL, NULL },
	{ "", NULL, NULL },
	{ "twice", NULL, "one" },
	{ "empty", NULL, "" },
	{ "b\xc3\xbc" "cher.example", NULL, "books" },
	{ "xn--bcher-kva.example", NULL, "books" },
	{ "no.end", NULL, "the last line" },
	{ "10.1.0.0/16", NULL, "wide" },
	{ NULL, "10.1.2.3", "wide" },
	{ NULL, "10.1.255.255", "wide" },
	{ NULL, "10.2.0.0", NULL },
	{ NULL, "192.0.2.7", "wide" },
	{ "192.0.2.7", "192.0.2.7", "one" },
	{ "empty", "192.0.2.7", "" },
	{ NULL, "198.51.100.1", "only one" },
	{ NULL, "198.51.100.2", NULL },
	{ NULL, "2001:db8:1::1", "six" },
	{ NULL, "2001:db9::1", "all of six" }
};

static void
check(const char *what, const struct list_index *x)
{
	struct addr	 ip;
	const char	*v;
	size_t		 i;

	for (i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		if (asked[i].ip != NULL && addr_parse(&ip, asked[i].ip) == -1)
			die("ip");
		v = list_value(x, asked[i].value,
		    asked[i].ip == NULL ? NULL : &ip);
		ok((v == NULL) == (asked[i].found == NULL),
		    "%s: question %zu has its answer", what, i);
		if (v != NULL && asked[i].found != NULL)
			is_str(v, asked[i].found, "that");
		ok(list_has(x, asked[i].value, asked[i].ip == NULL ? NULL :
		    &ip) == (v != NULL), "%s: question %zu, without it",
		    what, i);
	}
}

static void
list_drop(struct conf_list *l)
{
	strs_clear(&l->entries);
	if (l->files.n > 0)
		(void)close(l->files.v[0]);
	free(l->files.v);
	free(l);
}

static void
test_both(void)
{
	struct conf_list	*l = small(text_of_list);
	struct list_index	*x = list_index(l);

	ok(x != NULL, "small");
	check("small", x);
	list_free(x);
	list_drop(l);

	l = big(text_of_list);
	x = list_index(l);
	ok(x != NULL, "big");
	check("big", x);
	list_free(x);
	list_drop(l);

	l = small("");
	x = list_index(l);
	ok(!list_has(x, "a", NULL), "small, nothing in it");
	list_free(x);
	list_drop(l);
	l = big("");
	x = list_index(l);
	ok(x != NULL && !list_has(x, "a", NULL), "big, nothing in it");
	list_free(x);
	list_drop(l);
	ok(!list_has(NULL, "a", NULL), "none at all");
}

/* --- errors --------------------------------------------------------------- */

static void
test_errors(void)
{
	static const struct {
		uint32_t	 line;
		const char	*why;
	} wanted[] = {
		{ 2, "not a network" }, { 4, "a NUL in a list" },
		{ 5, "a control character" },
		{ 6, "a line of more than 8191 octets" }
	};
	struct child		 ch;
	struct proto_conf_err	 err;
	struct proto_list	 before, after, l;
	struct got		*g;
	struct msg		 m;
	char			 text[20000] = "a\n10.0.0.1/8\nb\nc\1d\ne\3\n";
	size_t			 len = strlen(text), i;
	int			 fd;

	text[strcspn(text, "\1")] = '\0';
	memset(text + len, 'x', 9000);
	len += 9000;
	text[len++] = '\n';
	child_start(&ch, program, 0);
	done_get(build(&ch, text, len, &fd), &l);
	(void)close(fd);
	for (i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		g = conn_wait(&ch.parent, MSG_LIST_ERR);
		if (!ok(g != NULL, "error %zu", i))
			break;
		m = got_msg(g);
		is_int(get_conf_err(&m, &err), 0, "in its form");
		is_int(err.line, wanted[i].line, "its line");
		is_str(err.why, wanted[i].why, "why");
		got_free(g);
	}
	/* The same process goes on; a comment is no other list. */
	done_get(build(&ch, "a v\nb\n", 6, &fd), &before);
	(void)close(fd);
	done_get(build(&ch, "# c\na  v\nB\n", 11, &fd), &after);
	(void)close(fd);
	is_int(before.entries, 2, "entries");
	ok(memcmp(before.hash, after.hash, sizeof(before.hash)) == 0,
	    "the same entries, the same hash");
	done_get(build(&ch, "a w\nb\n", 6, &fd), &after);
	(void)close(fd);
	ok(memcmp(before.hash, after.hash, sizeof(before.hash)) != 0,
	    "another value, another hash");
	child_stop(&ch);
}

/* --- files that are none -------------------------------------------------- */

static void
test_damaged(void)
{
	struct conf_list	*l = big(text_of_list);
	struct list_file	 f;
	size_t			 size = (size_t)l->size, i;
	uint8_t			*p = malloc(size), *q;
	int64_t			 said = l->size;

	if (pread(l->files.v[0], p, size, 0) != (ssize_t)size)
		die("pread");
	is_int(list_file_view(&f, p, size), 0, "all of it");
	for (i = 0; i < size; i++) {
		q = malloc(i);		/* nothing behind its end */
		memcpy(q, p, i);
		if (list_file_view(&f, q, i) == 0)
			ok(false, "cut at %zu", i);
		free(q);
	}
	ok(true, "cut anywhere, it is none");
	memset(p, 0, size);
	is_int(list_file_view(&f, p, size), -1, "zeroes");
	l->size = 0;
	ok(list_index(l) == NULL && errno == EINVAL, "no size");
	l->size = said - 1;
	ok(list_index(l) == NULL && errno == EINVAL, "another size");
	free(p);
	list_drop(l);
}

int
main(int argc, char **argv)
{
	program = child_program(argc, argv, "verifyd");
	test_lines();
	test_both();
	test_errors();
	test_damaged();
	return done("t_list");
}
