/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * posternctl: asks the parent (parent_ctl.c has the language), and prints
 * what it and the other processes answer.
 *
 * A request is one line, made of the arguments; what comes back is read
 * line by line until "end".  Each command has two functions for that, in
 * ctl_show.c.  The limits of time are the reader's: a process that does not
 * answer costs a few seconds and the exit status, not the rest of the answer.
 */

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "smtp.h"
#include "util.h"
#include "word.h"

#define CONTROL		"/var/run/postern.sock"
#define ANSWER_TIME	120000		/* milliseconds of silence */
#define READ_SIZE	4096
#define LINE_LIMIT	(64 * 1024)
#define REQUEST_MAX	4096		/* the parent's limit */

static const struct command {
	const char	*words;
	int		(*line)(struct lines *, char *, bool);
	void		(*end)(bool, bool);
	const char	*args;		/* for usage */
	int		 min, max;	/* number of them */
} commands[] = {
	{ "show cache",		show_fields,	end_fields,	NULL, 0, 0 },
	{ "show routes",	show_fields,	end_routes,	NULL, 0, 0 },
	{ "show scripts",	show_fields,	end_scripts,	NULL, 0, 0 },
	{ "show status",	show_status,	end_status,	NULL, 0, 0 },
	{ "show stats",		show_stats,	end_stats,	NULL, 0, 0 },
	{ "cache get",		show_fields,	end_fields,
	    "remote address [sender]", 2, 3 },
	{ "cache delete",	show_fields,	end_fields,
	    "remote address [sender]", 2, 3 },
	{ "cache flush",	show_fields,	end_fields, "[remote]", 0, 1 },
	{ "log verbose",	show_ok,	end_ok,		NULL, 0, 0 },
	{ "log brief",		show_ok,	end_ok,		NULL, 0, 0 },
	{ "reload",		show_ok,	end_ok,		NULL, 0, 0 },
	{ "drain",		show_ok,	end_ok,		NULL, 0, 0 },
	{ "stop",		show_ok,	end_ok,		NULL, 0, 0 }
};

#define NCOMMANDS	(sizeof(commands) / sizeof(commands[0]))

static void __attribute__((__noreturn__))
usage(void)
{
	size_t	i;

	fprintf(stderr, "usage: posternctl [-j] [-s socket] command\n"
	    "commands:");
	for (i = 0; i < NCOMMANDS; i++)
		fprintf(stderr, "%s\n\t%s%s%s", i == 0 ? "" : ",",
		    commands[i].words, commands[i].args == NULL ? "" : " ",
		    commands[i].args == NULL ? "" : commands[i].args);
	fprintf(stderr, ",\n\tscript test file transcript\n");
	exit(1);
}

/* --- lines ----------------------------------------------------------- */

void
lines_init(struct lines *l, int fd)
{
	memset(l, 0, sizeof(*l));
	l->fd = fd;
	l->passed = -1;
}

void
lines_clear(struct lines *l)
{
	close_fd(&l->fd);
	close_fd(&l->passed);
	free(l->data);
	l->data = NULL;
}

/* What came along: at most one, the parent sends no more at a time. */
static void
take_passed(struct lines *l, struct msghdr *mh)
{
	struct cmsghdr	*cmsg;

	for (cmsg = CMSG_FIRSTHDR(mh); cmsg != NULL;
	    cmsg = CMSG_NXTHDR(mh, cmsg))
		if (cmsg->cmsg_level == SOL_SOCKET &&
		    cmsg->cmsg_type == SCM_RIGHTS) {
			close_fd(&l->passed);
			memcpy(&l->passed, CMSG_DATA(cmsg), sizeof(int));
		}
}

static ssize_t
receive(struct lines *l)
{
	union {
		struct cmsghdr	hdr;
		char		space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec	iov;
	struct msghdr	mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t		n;

	if (l->size - l->len < READ_SIZE) {
		l->size = l->len + 2 * READ_SIZE;
		l->data = xreallocarray(l->data, l->size, 1);
	}
	iov.iov_base = l->data + l->len;
	iov.iov_len = l->size - l->len;
	mh.msg_control = &control;
	mh.msg_controllen = sizeof(control.space);
	n = recvmsg(l->fd, &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n > 0) {
		take_passed(l, &mh);
		l->len += (size_t)n;
	}
	return n;
}

enum lines_result
lines_next(struct lines *l, char **line)
{
	struct pollfd	 pfd = { .fd = l->fd, .events = POLLIN };
	char		*nl;
	ssize_t		 n;

	if (l->used > 0) {
		l->len -= l->used;
		memmove(l->data, l->data + l->used, l->len);
		l->used = 0;
	}
	while (l->len == 0 || (nl = memchr(l->data, '\n', l->len)) == NULL) {
		if (l->len > LINE_LIMIT)
			return LINES_ERROR;
		switch (poll(&pfd, 1, ANSWER_TIME)) {
		case 0:
			return LINES_TIMEOUT;
		case -1:
			if (errno == EINTR)
				continue;
			return LINES_ERROR;
		}
		if ((n = receive(l)) == 0)
			return l->len == 0 ? LINES_EOF : LINES_ERROR;
		if (n == -1 && errno != EAGAIN && errno != EINTR)
			return LINES_ERROR;
	}
	*nl = '\0';
	l->used = (size_t)(nl - l->data) + 1;
	*line = l->data;
	return LINES_OK;
}

/* --- the request ----------------------------------------------------- */

static int
connect_to(const char *path)
{
	struct sockaddr_un	sun = { .sun_family = AF_UNIX };
	int			fd;

	if (strlcpy(sun.sun_path, path, sizeof(sun.sun_path)) >=
	    sizeof(sun.sun_path))
		errx(1, "%s: too long", path);
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1)
		err(1, "socket");
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1)
		err(1, "%s", path);
	return fd;
}

/* An address in normal form, as its key in the cache has it. */
static void
put_address(char *line, size_t *len, const char *text)
{
	char			 normal[SMTP_MAILBOX_MAX + 1] = "<>";
	struct smtp_path	 path;
	struct slice		 s = { text, strlen(text) };
	size_t			 used;
	int			 bare = text[0] == '<' ? 0 : PATH_BARE;

	if (text[0] != '\0' && strcmp(text, "<>") != 0) {
		if (smtp_path_parse(&path, s, PATH_FORWARD | bare, &used) !=
		    PATH_OK || used != s.n)
			errx(1, "%s: not an address", text);
		(void)smtp_path_normal(&path, normal, sizeof(normal));
	}
	*len = word_put(line, *len, REQUEST_MAX, normal);
}

/* The words of the command, then what follows it: a remote, addresses. */
static void
ask(int fd, const struct command *cmd, int argc, char *argv[])
{
	char	line[REQUEST_MAX];
	size_t	len = strlcpy(line, cmd->words, sizeof(line));
	int	i;

	line[len++] = ' ';
	for (i = 0; i < argc; i++) {
		if (i == 0)
			len = word_put(line, len, sizeof(line), argv[0]);
		else
			put_address(line, &len, argv[i]);
		if (len == 0)
			errx(1, "%s: too long", argv[i]);
	}
	line[len - 1] = '\n';
	if (send(fd, line, len, MSG_NOSIGNAL) != (ssize_t)len)
		err(1, "send");
}

/*
 * The arguments as a command, whose words are taken off them; NULL: there is
 * none like that.
 */
static const struct command *
find_command(int *argc, char **argv[])
{
	const struct command	*cmd;
	char			 words[64];
	int			 n, left;

	for (cmd = commands; cmd < commands + NCOMMANDS; cmd++) {
		n = strchr(cmd->words, ' ') == NULL ? 1 : 2;
		left = *argc - n;
		if (left < cmd->min || left > cmd->max)
			continue;
		(void)snprintf(words, sizeof(words), "%s%s%s", (*argv)[0],
		    n == 1 ? "" : " ", n == 1 ? "" : (*argv)[1]);
		if (strcmp(cmd->words, words) != 0)
			continue;
		*argc -= n;
		*argv += n;
		return cmd;
	}
	return NULL;
}

/* The lines of the answer up to its end; the exit status. */
static int
answer(struct lines *l, const struct command *cmd, bool json)
{
	char	*line;
	bool	 errors = false;

	for (;;) {
		switch (lines_next(l, &line)) {
		case LINES_OK:
			break;
		case LINES_TIMEOUT:
			errx(1, "postern does not answer");
		case LINES_EOF:
		case LINES_ERROR:
			errx(1, "postern ended the connection");
		}
		if (strcmp(line, "end") == 0)
			break;
		if (strncmp(line, "error: ", 7) == 0) {
			fprintf(stderr, "%s\n", line + 7);
			errors = true;
		} else if (cmd->line(l, line, json) == -1)
			errors = true;
	}
	cmd->end(json, errors);
	return errors;
}

int
main(int argc, char *argv[])
{
	const struct command	*cmd;
	struct lines		 l;
	const char		*path = CONTROL;
	bool			 json = false;
	int			 ch, status;

	while ((ch = getopt(argc, argv, "js:")) != -1) {
		switch (ch) {
		case 'j':
			json = true;
			break;
		case 's':
			path = optarg;
			break;
		default:
			usage();
		}
	}
	argc -= optind;
	argv += optind;
	if (argc == 4 && strcmp(argv[0], "script") == 0 &&
	    strcmp(argv[1], "test") == 0)
		script_test(argv[2], argv[3]);
	if ((cmd = find_command(&argc, &argv)) == NULL)
		usage();
	lines_init(&l, connect_to(path));
	ask(l.fd, cmd, argc, argv);
	status = answer(&l, cmd, json);
	lines_clear(&l);
	if (fflush(stdout) != 0)
		err(1, "stdout");
	return status;
}
