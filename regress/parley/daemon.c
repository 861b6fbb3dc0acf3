/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The daemon under test: its ports, configuration, control and end.
 *
 * It has ended when it has exited and nobody holds its stderr any more: a
 * process that outlives its parent is a failure too.
 *
 * The ports of the configuration are held by bound sockets from the moment
 * a macro names them.  Linux lets the daemon bind beside such a socket, as
 * it does not listen, so there it is kept until the daemon is ready and
 * nobody else can be given the port in between; elsewhere it is closed
 * just before the start.
 */
#include <sys/socket.h>

#include <netinet/in.h>

#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parley.h"

#define CONTROL_WORDS	8	/* of posternctl's arguments */

#define PORT_MAX	10

struct forbidden {
	TAILQ_ENTRY(forbidden)	 entry;
	char			*glob;
	int			 line;
};

static struct {
	struct child	 child;
	bool		 configured;
	bool		 started;	/* ever */
	bool		 running;	/* as far as we were told */
	bool		 judged;	/* expect exit has looked */
	char		*control;	/* path of its socket */
	struct bytes	 past;		/* the logs of those before */
	TAILQ_HEAD(, forbidden) forbidden;
} daemon_ = { .forbidden = TAILQ_HEAD_INITIALIZER(daemon_.forbidden) };

static struct {
	int	fd[PORT_MAX];		/* 0 is none */
} ports;

/* --- ports ------------------------------------------------------------- */

static char *
port_text(int fd)
{
	struct sockaddr_in	 sin;
	socklen_t		 len = sizeof(sin);

	if (getsockname(fd, (struct sockaddr *)&sin, &len) == -1)
		err(1, "getsockname");
	return xasprintf("%d", ntohs(sin.sin_port));
}

const char *
port_reserve(const char *name)
{
	struct sockaddr_in	 sin = { .sin_family = AF_INET };
	char			*text;
	int			 fd, i = 1, on = 1;

	if (name[4] != '\0') {
		i = name[4] - '0';
		if (i < 2 || i > 9 || name[5] != '\0')
			return NULL;
	}
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1)
		err(1, "no free port");
	/* Only now: with these a port that another shares may be chosen. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == -1)
		err(1, "setsockopt");
	text = port_text(fd);
	macro_set(name, text);
	free(text);
	ports.fd[i] = fd;
	return macro_get(name);
}

static void
ports_release(void)
{
	int	i;

	for (i = 0; i < PORT_MAX; i++) {
		if (ports.fd[i] != 0)
			close(ports.fd[i]);
		ports.fd[i] = 0;
	}
}

/* --- the configuration ------------------------------------------------- */

/* The value of a key at the margin, or NULL; empty if lines follow it. */
static char *
conf_value(const char *text, const char *key)
{
	const char	*p;
	char		*value;
	size_t		 n = strlen(key);

	for (p = text; p != NULL && *p != '\0';) {
		if (strncmp(p, key, n) == 0 && p[n] == ':') {
			p += n + 1;
			p += strspn(p, " \"'");
			value = strndup(p, strcspn(p, " \t\"'\n"));
			return value;
		}
		if ((p = strchr(p, '\n')) != NULL)
			p++;
	}
	return NULL;
}

char *
conf_write(const char *name, const char *text)
{
	char	*path = xasprintf("%s/%s", talk.tmp, name), *value;
	FILE	*f = fopen(path, "w");

	if (f == NULL)
		err(1, "%s", path);
	fputs(text, f);
	if ((value = conf_value(text, "log")) == NULL)
		fputs("log: {to: stderr, level: debug}\n", f);
	free(value);
	if ((value = conf_value(text, "hostname")) == NULL)
		fputs("hostname: mx.test\n", f);
	free(value);
	if ((value = conf_value(text, "verify-cache")) == NULL)
		fprintf(f, "verify-cache: {path: %s/verify.cdb}\n", talk.tmp);
	free(value);
	if ((value = conf_value(text, "control")) == NULL) {
		value = xasprintf("%s/postern.sock", talk.tmp);
		fprintf(f, "control: %s\n", value);
	}
	if (fclose(f) != 0)
		err(1, "%s", path);
	if (strcmp(name, "postern.yaml") == 0) {
		free(daemon_.control);
		daemon_.control = value;
		daemon_.configured = true;
	} else
		free(value);
	return path;
}

/* --- the daemon -------------------------------------------------------- */

unsigned int
lines_count(const struct bytes *b, const char *wanted)
{
	const char	*p = bytes_head(b), *end, *nl;
	unsigned int	 n = 0;

	for (end = p + bytes_len(b); p < end; p = nl + 1) {
		if ((nl = memchr(p, '\n', end - p)) == NULL)
			break;		/* the line is still being written */
		if (glob_in(wanted, p, nl - p))
			n++;
	}
	return n;
}

unsigned int
log_count(const char *wanted)
{
	return lines_count(&daemon_.past, wanted) +
	    lines_count(&daemon_.child.out, wanted);
}

void
log_forbid(int line, const char *wanted)
{
	struct forbidden	*f = xcalloc(1, sizeof(*f));

	f->glob = xstrdup(wanted);
	f->line = line;
	TAILQ_INSERT_TAIL(&daemon_.forbidden, f, entry);
}

static bool
log_has_ready(const struct bytes *b)
{
	const char	*p = bytes_head(b), *end, *nl;

	for (end = p + bytes_len(b); p < end; p = nl + 1) {
		if ((nl = memchr(p, '\n', end - p)) == NULL)
			break;
		if (nl - p == 5 && memcmp(p, "ready", 5) == 0)
			return true;
	}
	return false;
}

static bool
daemon_starting(void *arg)
{
	(void)arg;
	return child_lives(&daemon_.child) &&
	    !log_has_ready(&daemon_.child.out);
}

bool
daemon_wanted(void)
{
	return daemon_.configured && !daemon_.started;
}

int
daemon_start(int line, bool may_exit)
{
	struct child	*ch = &daemon_.child;
	char		*program, *conf;
	char		 d[] = "-d", f[] = "-f";
	int		 rv;

	if (daemon_.running || !daemon_.configured) {
		fail(NULL, line, daemon_.running ? "it runs already" :
		    "there is no conf");
		return -1;
	}
	program = xasprintf("%s/smtpd/postern", talk.build);
	conf = xasprintf("%s/postern.yaml", talk.tmp);
#ifndef __linux__
	ports_release();
#endif
	bytes_add(&daemon_.past, bytes_head(&ch->out), bytes_len(&ch->out));
	bytes_free(&ch->out);
	tracef(NULL, line, "start");
	child_spawn(ch, (char *[]){ program, d, f, conf, NULL });
	daemon_.started = daemon_.running = true;
	daemon_.judged = false;
	rv = loop_while(daemon_starting, NULL, now_us() + talk.deadline);
	ports_release();
	free(program);
	free(conf);
	if (rv == 0 && log_has_ready(&ch->out))
		tracef(NULL, line, "ready");
	else if (rv == -1 && errno == ETIMEDOUT) {
		fail(NULL, line, "timeout: the daemon is not ready");
		return -1;
	} else if (rv == 0 && !may_exit) {
		fail(NULL, line, "the daemon exited, status %d, and was never "
		    "ready", ch->status);
		return -1;
	}
	return rv;
}

/* Wait for its end; the limit is a failure. */
static int
daemon_wait(int line)
{
	int	rv;

	rv = loop_while(child_lives, &daemon_.child, now_us() + talk.deadline);
	if (rv == -1 && errno == ETIMEDOUT)
		fail(NULL, line, daemon_.child.exited ? "timeout: a process "
		    "outlives the daemon" : "timeout: the daemon does not end");
	child_end(&daemon_.child);
	daemon_.running = false;
	tracef(NULL, line, "the daemon's exit status is %d",
	    daemon_.child.status);
	return rv;
}

int
daemon_stop(int line)
{
	if (!daemon_.running) {
		fail(NULL, line, "no daemon is running");
		return -1;
	}
	tracef(NULL, line, "stop");
	if (!daemon_.child.exited)
		kill(daemon_.child.pid, SIGTERM);
	return daemon_wait(line);
}

int
daemon_status(int line)
{
	if (!daemon_.started) {
		fail(NULL, line, "no daemon was started");
		return -1;
	}
	if (daemon_.running && daemon_wait(line) == -1)
		return -1;
	daemon_.judged = true;
	return daemon_.child.status;
}

int
daemon_control(int line, const char *words, struct bytes *out)
{
	char	*argv[CONTROL_WORDS + 4] = { NULL }, *copy, *p;
	char	 s[] = "-s";
	int	 n = 3, rv;

	if (!daemon_.running) {
		fail(NULL, line, "no daemon is running");
		return -1;
	}
	p = copy = xstrdup(words);
	argv[0] = xasprintf("%s/smtpd/posternctl", talk.build);
	argv[1] = s;
	argv[2] = daemon_.control;
	while (n < CONTROL_WORDS + 3 && (argv[n] = next_word(&p)) != NULL)
		n++;
	rv = child_run(line, argv, out);
	free(argv[0]);
	free(copy);
	return rv;
}

int
daemon_check(int line, const char *conf, struct bytes *out)
{
	char	 n[] = "-n", f[] = "-f", *program, *path = xstrdup(conf);
	int	 rv;

	program = xasprintf("%s/smtpd/postern", talk.build);
	rv = child_run(line, (char *[]){ program, n, f, path, NULL }, out);
	free(program);
	free(path);
	return rv;
}

/* --- kill -------------------------------------------------------------- */

static int
signal_number(const char *name)
{
	static const struct {
		const char	*name;
		int		 number;
	} signals[] = {
		{ "ABRT", SIGABRT }, { "CONT", SIGCONT }, { "HUP", SIGHUP },
		{ "INT", SIGINT }, { "KILL", SIGKILL }, { "QUIT", SIGQUIT },
		{ "SEGV", SIGSEGV }, { "STOP", SIGSTOP }, { "TERM", SIGTERM },
		{ "USR1", SIGUSR1 }, { "USR2", SIGUSR2 }
	};
	size_t	i;

	if (strncmp(name, "SIG", 3) == 0)
		name += 3;
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (strcmp(signals[i].name, name) == 0)
			return signals[i].number;
	return -1;
}

/* The pid in "ROLE INDEX pid PID ..."; -1 if it is another line. */
static pid_t
status_pid(char *line, const char *role, const char *index)
{
	char		*w[4], *p = line;
	const char	*why;
	size_t		 i;
	long long	 pid;

	for (i = 0; i < 4; i++)
		if ((w[i] = next_word(&p)) == NULL)
			return -1;
	if (strcmp(w[0], role) != 0 || strcmp(w[2], "pid") != 0 ||
	    (index != NULL && strcmp(w[1], index) != 0))
		return -1;
	pid = strtonum(w[3], 2, INT32_MAX, &why);
	return why == NULL ? (pid_t)pid : -1;
}

/* Whom the last signal was for that posternctl was asked about. */
static struct {
	char	role[32];
	pid_t	pid;
} known;

bool
daemon_knows(const char *words)
{
	size_t	n = strcspn(words, " ");

	return strncmp(words, "postern ", 8) == 0 || (known.pid > 0 &&
	    strlen(known.role) == n && strncmp(words, known.role, n) == 0);
}

static pid_t
role_pid(int line, const char *role, const char *index)
{
	struct bytes	 out;
	pid_t		 pid = -1;
	char		*text, *p, *l;

	if (strcmp(role, "postern") == 0)
		return daemon_.child.pid;
	if (daemon_control(line, "show status", &out) == -1)
		return -1;
	text = p = bytes_str(&out);
	while (pid == -1 && (l = strsep(&p, "\n")) != NULL)
		pid = status_pid(l, role, index);
	free(text);
	if (pid == -1)
		fail(NULL, line, "show status names no %s", role);
	(void)strlcpy(known.role, role, sizeof(known.role));
	known.pid = pid;
	return pid;
}

int
daemon_kill(int line, char *words, bool may_ask)
{
	char	*role = next_word(&words), *index = NULL, *name;
	int	 number;
	pid_t	 pid;

	name = next_word(&words);
	if (name != NULL && name[0] >= '0' && name[0] <= '9') {
		index = name;
		name = next_word(&words);
	}
	if (name == NULL || (number = signal_number(name)) == -1) {
		fail(NULL, line, "kill ROLE [INDEX] SIGNAL");
		return -1;
	}
	if (!daemon_.running) {
		fail(NULL, line, "no daemon is running");
		return -1;
	}
	if (!may_ask && strcmp(role, "postern") != 0)
		pid = known.pid;
	else if ((pid = role_pid(line, role, index)) == -1)
		return -1;
	tracef(NULL, line, "kill %s %s (%d)", role, name, (int)pid);
	if (kill(pid, number) == -1) {
		fail(NULL, line, "kill: %s", strerror(errno));
		return -1;
	}
	return 0;
}

/* --- the end ----------------------------------------------------------- */

static void
log_judge(void)
{
	static const char *const	 never[] = { "AddressSanitizer",
	    "LeakSanitizer", "runtime error:", "SIGSYS", "bad system call" };
	struct forbidden		*f;
	size_t				 i;

	for (i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		if (log_count(never[i]) > 0)
			fail(NULL, 0, "the log has \"%s\"", never[i]);
	TAILQ_FOREACH(f, &daemon_.forbidden, entry)
		if (log_count(f->glob) > 0)
			fail(NULL, f->line, "the log has %s", f->glob);
}

void
daemon_finish(void)
{
	struct child	*ch = &daemon_.child;
	bool		 early = ch->exited;

	ports_release();
	if (daemon_.running)
		daemon_stop(0);
	children_end();			/* after an interrupt */
	if (!daemon_.started)
		return;
	if (ch->status != 0 && !daemon_.judged)
		fail(NULL, 0, "the daemon's exit status is %d", ch->status);
	else if (early && daemon_.running)
		fail(NULL, 0, "the daemon ended by itself");
	log_judge();
}

void
daemon_print_log(void)
{
	if (!daemon_.started)
		return;
	printf("--- log\n%.*s%.*s--- end of the log\n",
	    (int)bytes_len(&daemon_.past), bytes_head(&daemon_.past),
	    (int)bytes_len(&daemon_.child.out),
	    bytes_head(&daemon_.child.out));
}
