/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * lookupd and PostgreSQL.  As it is, servers that are none: ports where
 * nobody listens, or says nothing, or nonsense; and names.
 *
 *	t_lookupd_pq
 *
 * For regress/real/lookupd.sh, which has real servers: a lookupd of these
 * URIs that is asked line by line.
 *
 *	t_lookupd_pq -i timeout connections uri ...
 *		QUERY [KEY]	prints the answer as one line
 *		many N QUERY KEY
 *				N at once: how many were as the first, of N
 *		sql~TEXT[~VALUE ...]
 *				as a script; values as put_script() has them
 *		flood N SECONDS	so many of a script that sleep, not waited for
 *		log TEXT	how often it logged that
 *		stat NAME	a number of show stats
 *		end
 */

#include "lookupd_child.h"

#include <netinet/in.h>

#include "addr.h"

static struct conn	resolved;

static void
queries(void)
{
	query_add("n", "SELECT n FROM users WHERE address = :key;");
	query_add("place", "SELECT n FROM users WHERE address = ? -- it\n");
	query_add("all", "SELECT address, n FROM users ORDER BY n");
	query_add("cast", "SELECT :key::int + 1 AS sum");
	query_add("null", "SELECT NULL AS x, '' AS y");
	query_add("add", "INSERT INTO users VALUES (:key, 9)");
	query_add("bad", "SELECT m FROM users");
	query_add("sleep", "SELECT pg_sleep(:key::float)");
	query_add("many", "SELECT generate_series(1, :key::int) AS i");
	query_add("big", "SELECT repeat('x', 1000000)");
	query_add("type", "SELECT * FROM changing");
	query_add("alter", "ALTER TABLE changing ADD COLUMN b int");
	query_add("whoami", "SELECT pg_backend_pid()");
	query_add("text", "SELECT $$:no$$ || ':no' || :key AS t");
}

/* --- servers that are none ------------------------------------------------ */

/* A socket of loopback, and its port. */
static int
server(uint16_t *port, bool listening)
{
	struct sockaddr_in	sin = { .sin_family = AF_INET,
				    .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t		len = sizeof(sin);
	int			fd;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1 || bind(fd, (struct sockaddr *)&sin, len) == -1 ||
	    (listening && listen(fd, 16) == -1) ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) == -1)
		die("server");
	*port = ntohs(sin.sin_port);
	return fd;
}

static const char *
uri_of(const char *host, uint16_t port)
{
	static char	uri[256];

	(void)snprintf(uri, sizeof(uri), "postgresql://u:hidden-word@%s:%u/"
	    "mail\n", host, port);
	return uri;
}

static const char *
ask_n(uint64_t sid)
{
	put_ask(&asker0, sid, 0, "n", 9, "key", "a@example.org", NULL);
	return answer(&asker0, sid);
}

static void
is_cannot(const char *got, const char *what, const char *name)
{
	ok(got[0] == '!' && strstr(got, what) != NULL, "%s: %s", name, got);
	ok(strstr(got, "hidden-word") == NULL, "no password in it");
}

static void
finish(void)
{
	is_int((int64_t)child_logged(&db, "hidden-word"), 0,
	    "no password in the log");
	end();
}

static void
test_refused(void)
{
	uint16_t	port;
	int		fd = server(&port, false);
	uint64_t	i;

	conf_begin(400, 3);
	queries();
	begin(uri_of("127.0.0.1", port));
	is_cannot(ask_n(1), "", "refused");
	for (i = 2; i < 6; i++)
		is_cannot(ask_n(i), "", "still");
	is_cannot(ask_n(6), "refused", "not waited for");
	is_int((int64_t)child_logged(&db, "Connection refused"), 1, "said "
	    "once");
	finish();
	(void)close(fd);
}

static void
test_silent(void)
{
	uint16_t	port;
	int		fd = server(&port, true);
	uint64_t	i;

	conf_begin(200, 2);
	queries();
	begin(uri_of("127.0.0.1", port));
	for (i = 1; i <= 50; i++)
		put_ask(i % 2 ? &asker0 : &asker1, i, 0, "n", 9, NULL);
	for (i = 1; i <= 50; i++)
		is_cannot(answer(i % 2 ? &asker0 : &asker1, i), "in time",
		    "a server that says nothing");
	is_int(child_stat(&db, "lookupd.cannot"), 50, "each has an answer");
	finish();
	(void)close(fd);
}

static void
test_nonsense(void)
{
	static const char	*const words[] = {
		"HTTP/1.1 400 Bad Request\r\n\r\n", "N", "",
		"NR\0\0\0\x7f", "E\0\0\0\x05\0"
	};
	struct pollfd		pfd;
	uint16_t		port;
	size_t			i;
	int			peer;

	pfd.fd = server(&port, true);
	pfd.events = POLLIN;
	conf_begin(400, 1);
	queries();
	begin(uri_of("127.0.0.1", port));
	put_ask(&asker0, 1, 0, "n", 9, NULL);
	for (i = 0; i < nitems(words); i++) {
		if (poll(&pfd, 1, 300) != 1)
			break;		/* it is held down by now */
		if ((peer = accept(pfd.fd, NULL, NULL)) == -1)
			die("accept");
		(void)send(peer, words[i], strlen(words[i]) + 1,
		    MSG_NOSIGNAL);
		(void)close(peer);
	}
	ok(i >= 1, "it has heard nonsense");
	is_cannot(answer(&asker0, 1), "", "nonsense");
	finish();
	(void)close(pfd.fd);
}

/* The next question to resolved; 0 if there is none. */
static uint64_t
want_name(const char *name)
{
	struct proto_dns	 q;
	struct msg		 m;
	struct got		*g = conn_wait(&resolved, MSG_DNS_ADDR);
	uint64_t		 sid;

	if (!ok(g != NULL, "resolved is asked"))
		return 0;
	m = got_msg(g);
	ok(get_dns(&m, &q) == 0, "DNS_ADDR");
	is_str(q.name, name, "the name");
	sid = g->sid;
	got_free(g);
	return sid;
}

static void
send_address(uint64_t sid, uint8_t status, const char *addr)
{
	struct proto_dns_ans	a = { .status = status, .ttl = 60 };
	struct wbuf		w = { 0 };

	if (addr != NULL && addr_parse(&a.addr[a.n++], addr) == -1)
		die(addr);
	put_dns_ans(&w, &a);
	conn_send(&resolved, MSG_DNS_ADDR_ANS, sid, 0, -1, &w);
}

static void
test_names(void)
{
	struct pollfd	pfd;
	uint16_t	port;
	uint64_t	sid;
	int		peer;

	pfd.fd = server(&port, true);
	pfd.events = POLLIN;
	conf_begin(3000, 1);
	queries();
	begin(uri_of("db.example.org", port));
	put_ask(&asker0, 1, 0, "n", 9, NULL);
	child_sync(&db);
	/* Asked once there is a resolved, and again of the next one. */
	child_peer(&db, &resolved, R_RESOLVED, 0);
	(void)want_name("db.example.org");
	conn_close(&resolved);
	child_peer(&db, &resolved, R_RESOLVED, 0);
	sid = want_name("db.example.org");
	send_address(sid + 1000, DNS_NONE, NULL);	/* not its question */
	send_address(sid, DNS_OK, "127.0.0.1");
	ok(poll(&pfd, 1, WAIT_MAX) == 1, "it connects");
	if ((peer = accept(pfd.fd, NULL, NULL)) == -1)
		die("accept");
	(void)close(peer);
	sid = want_name("db.example.org");
	send_address(sid, DNS_NONE, NULL);
	is_cannot(answer(&asker0, 1), "", "no address");
	/* Withdrawn: the asker has gone. */
	put_ask(&asker1, 2, 0, "n", 9, NULL);
	child_sync(&db);
	conn_close(&asker1);
	child_sync(&db);
	child_peer(&db, &asker1, R_VERIFYD, 1);
	want_up(&asker1);
	finish();
	conn_close(&resolved);
	(void)close(pfd.fd);
}

/* --- one that knows the protocol, and breaks it --------------------------- */

#define AUTH_OK		"R\0\0\0\x08\0\0\0\0"
#define READY		"Z\0\0\0\x05I"
#define NOTICE		"N\0\0\0\x10Mpsst-psst\0\0"
#define PARSED		"1\0\0\0\x04"
#define BOUND		"2\0\0\0\x04"
/* A column "n" of texts, without and with the head of its message. */
#define COLUMN		"n\0\0\0\0\0\0\0\0\0\0\x19"	\
			"\xff\xff\xff\xff\xff\xff\0\0"
#define ONE_COLUMN	"T\0\0\0\x1a\0\x01" COLUMN
#define ONE_VALUE	"D\0\0\0\x0b\0\x01\0\0\0\x01" "7"
#define TWO_VALUES	"D\0\0\0\x10\0\x02\0\0\0\x01" "7\0\0\0\x01" "8"
#define TWO_COLUMNS	"T\0\0\0\x2e\0\x02" COLUMN COLUMN
#define SELECTED	"C\0\0\0\x0dSELECT 1\0"
#define COMPLETE	SELECTED READY
#define COPY_OUT	"H\0\0\0\x07\0\0\0"
#define HUGE		"D\x7f\xff\xff\xf0\0\x01\x7f\xff\xff\xe0"
#define OCTETS(s)	{ (s), sizeof(s) - 1 }

struct octets {
	const char	*p;
	size_t		 n;
};

static const struct octets	hello = OCTETS(AUTH_OK NOTICE NOTICE READY);
static const struct octets	parsed = OCTETS(NOTICE PARSED READY);
static const struct octets	good = OCTETS(BOUND ONE_COLUMN ONE_VALUE
				    NOTICE COMPLETE);

static void
tell(int fd, const struct octets *o)
{
	if (send(fd, o->p, o->n, MSG_NOSIGNAL) == -1)
		_exit(0);
}

/* Until its Sync, or the whole of the first message; false: the end. */
static bool
hear(int fd, bool first)
{
	static char	text[65536];
	ssize_t		n;

	do
		n = recv(fd, text, sizeof(text), 0);
	while (n > 0 && !first && (n < 5 || text[n - 5] != 'S'));
	return n > 0;
}

/*
 * The first question is answered by that, and all others well.
 */
static pid_t
breaker(int fd, const struct octets *bad)
{
	pid_t	pid = fork();
	int	peer;
	bool	served = false;

	if (pid != 0)
		return pid;
	while ((peer = accept(fd, NULL, NULL)) != -1) {
		if (fork() != 0) {
			(void)close(peer);
			served = true;
			continue;
		}
		(void)hear(peer, true);
		tell(peer, &hello);
		if (hear(peer, false))
			tell(peer, &parsed);
		while (hear(peer, false)) {
			tell(peer, served ? &good : bad);
			served = true;
		}
		_exit(0);
	}
	_exit(0);
}

/* What it says of a server that breaks the rules; then all is well. */
static void
breaks(const struct octets *bad, const char *want, const char *name)
{
	uint16_t	 port;
	uint64_t	 i = 2;
	int		 fd = server(&port, true);
	pid_t		 pid = breaker(fd, bad);
	const char	*got;
	char		 uri[256];

	conf_begin(700, 1);
	queries();
	(void)snprintf(uri, sizeof(uri), "postgresql://u:hidden-word@127.0.0.1:"
	    "%u/mail?sslmode=disable\n", port);
	begin(uri);
	got = ask_n(1);
	ok(strstr(got, want) != NULL, "%s: %s", name, got);
	do
		got = ask_n(i);
	while (strcmp(got, "n|7") != 0 && i++ < 8);
	is_str(got, "n|7", "and another connection");
	is_int((int64_t)child_logged(&db, "psst-psst"), 0, "its notices are "
	    "not ours");
	(void)kill(pid, SIGKILL);
	finish();
	(void)close(fd);
}

static void
test_breakers(void)
{
	static const struct octets	copies = OCTETS(BOUND COPY_OUT);
	static const struct octets	many = OCTETS(BOUND ONE_COLUMN
					    ONE_VALUE ONE_VALUE ONE_VALUE
					    ONE_VALUE ONE_VALUE ONE_VALUE
					    ONE_VALUE ONE_VALUE ONE_VALUE
					    ONE_VALUE ONE_VALUE);
	static const struct octets	more = OCTETS(BOUND ONE_COLUMN
					    ONE_VALUE SELECTED TWO_COLUMNS
					    TWO_VALUES COMPLETE);
	static const struct octets	huge = OCTETS(BOUND ONE_COLUMN HUGE);
	static const struct octets	nothing = OCTETS(BOUND);
	static const struct octets	noise = OCTETS("x\xff\xff\xff\xff");

	breaks(&copies, "!COPY is no query", "COPY");
	breaks(&many, "n|7|7|7|7|7|7|7|7|7+", "rows without an end");
	breaks(&more, "row description", "columns that change");
	breaks(&huge, "", "a row of two gigabytes");
	breaks(&nothing, "!no answer in time", "nothing more");
	breaks(&noise, "n|7", "nonsense, and once more");
}

/* --- for a script --------------------------------------------------------- */

static void
many(const char *count, const char *query, const char *key)
{
	static uint64_t	sid = 1000000;
	uint64_t	first = sid + 1, last = sid + strtoull(count, NULL, 10);
	char		one[4096] = "";
	const char	*got;
	size_t		same = 0;

	while (sid < last)
		put_ask(&asker0, ++sid, 0, query, 9, "key", key, NULL);
	/* They are answered in any order: t_ok counts no sid here. */
	for (; first <= last; first++) {
		got = answer(&asker0, 0);
		if (one[0] == '\0')
			(void)strlcpy(one, got, sizeof(one));
		same += strcmp(one, got) == 0;
	}
	printf("%zu %s\n", same, one);
}

/* TEXT~VALUE ... */
static void
ask_as_script(char *line)
{
	char	*part[5] = { NULL, NULL, NULL, NULL, NULL };
	size_t	 i;

	for (i = 0; i < nitems(part) && line != NULL; i++)
		part[i] = strsep(&line, "~");
	put_script(&script0, ++script_sid, 9, part[0], part[1], part[2],
	    part[3], part[4], NULL);
	printf("%s\n", script_answer(&script0, script_sid));
}

/* A worker that has a thousand sessions. */
static void
flood(const char *count, const char *seconds)
{
	uint64_t	i, n = strtoull(count, NULL, 10);
	char		value[32];

	(void)snprintf(value, sizeof(value), "r:%s", seconds);
	for (i = 0; i < n; i++)
		put_script(&script1, i, 9, "SELECT pg_sleep(?::float)",
		    value, NULL);
	printf("%llu\n", (unsigned long long)n);
}

static void
command(char *line)
{
	static uint64_t	 sid;
	char		*word[4] = { NULL, NULL, NULL, NULL };
	size_t		 i;

	line[strcspn(line, "\n")] = '\0';
	if (strncmp(line, "sql~", 4) == 0) {
		ask_as_script(line + 4);
		(void)fflush(stdout);
		return;
	}
	for (i = 0; i < nitems(word) && line != NULL; i++)
		word[i] = strsep(&line, " ");
	if (strcmp(word[0], "many") == 0 && word[3] != NULL)
		many(word[1], word[2], word[3]);
	else if (strcmp(word[0], "flood") == 0 && word[2] != NULL)
		flood(word[1], word[2]);
	else if (strcmp(word[0], "log") == 0)
		printf("%zu\n", child_logged(&db, word[1]));
	else if (strcmp(word[0], "stat") == 0)
		printf("%lld\n", child_stat(&db, word[1]));
	else {
		put_ask(&asker0, ++sid, 0, word[0], 9, "key",
		    word[1] == NULL ? "" : word[1], NULL);
		printf("%s\n", answer(&asker0, 0));
	}
	(void)fflush(stdout);
}

static int
interactive(int argc, char **argv)
{
	static char	 uris[8192];
	char		*line = NULL;
	size_t		 size = 0;
	int		 i;

	any_sid = true;
	for (i = 4; i < argc; i++) {
		(void)strlcat(uris, argv[i], sizeof(uris));
		(void)strlcat(uris, "\n", sizeof(uris));
	}
	conf_begin(strtoll(argv[2], NULL, 10), strtoll(argv[3], NULL, 10));
	queries();
	ds->scripts = true;
	begin(uris);
	while (getline(&line, &size, stdin) > 0 &&
	    strcmp(line, "end\n") != 0)
		command(line);
	free(line);
	child_stop(&db);
	return t_failed > 0;
}

int
main(int argc, char **argv)
{
	program = child_program(1, argv, "lookupd");
	if (argc > 4 && strcmp(argv[1], "-i") == 0)
		return interactive(argc, argv);
	test_refused();
	test_silent();
	test_nonsense();
	test_names();
	test_breakers();
	return done("lookupd_pq");
}
