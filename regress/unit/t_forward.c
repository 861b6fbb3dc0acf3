/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Call-forward of verifyd as a process, in its jail; the dialer, smtpd and
 * the parent are played here, and a server with TLS by another process.
 *
 *	t_forward [PROGRAM]
 */

#include "child.h"

#include <tls.h>

#include "t_net.h"

static const char	*program;
static struct child	 ver;
static struct conn	 smtpd0, dialer;
static struct t_cert	 cert;
static struct tls	*server_tls;

/* --- the server ----------------------------------------------------------- */

static struct {
	int		 fd;
	struct tls	*tls;
} sv;

static ssize_t
server_read(char *buf, size_t size)
{
	return sv.tls != NULL ? tls_read(sv.tls, buf, size) :
	    read(sv.fd, buf, size);
}

static void
server_say(const char *s)
{
	if ((sv.tls != NULL ? tls_write(sv.tls, s, strlen(s)) :
	    write(sv.fd, s, strlen(s))) != (ssize_t)strlen(s))
		_exit(1);
}

static void
server_line(const char *line)
{
	if (strncmp(line, "EHLO", 4) == 0)
		server_say(sv.tls != NULL ? "250-here\r\n250 PIPELINING\r\n" :
		    "250-here\r\n250-PIPELINING\r\n250 STARTTLS\r\n");
	else if (strcmp(line, "STARTTLS") == 0) {
		server_say("220 go\r\n");
		if (tls_accept_socket(server_tls, &sv.tls, sv.fd) == -1 ||
		    tls_handshake(sv.tls) == -1)
			_exit(1);
	} else if (strncmp(line, "RCPT TO:<no", 11) == 0)
		server_say("550 5.1.1 nobody\r\n");
	else if (strcmp(line, "QUIT") == 0) {
		server_say("221 bye\r\n");
		_exit(0);
	} else
		server_say("250 2.0.0 fine\r\n");
}

/* Blocking; ends when the client does. */
static void __attribute__((__noreturn__))
serve(int fd)
{
	char	 buf[4096], *end;
	size_t	 len = 0;
	ssize_t	 n;

	sv.fd = fd;
	if (fcntl(fd, F_SETFL, 0) == -1)
		_exit(1);
	server_say("220 here\r\n");
	while ((n = server_read(buf + len, sizeof(buf) - 1 - len)) > 0) {
		len += (size_t)n;
		buf[len] = '\0';
		while ((end = strstr(buf, "\r\n")) != NULL) {
			*end = '\0';
			server_line(buf);
			len -= (size_t)(end + 2 - buf);
			memmove(buf, end + 2, len + 1);
		}
	}
	_exit(0);
}

static pid_t
server_start(int fd[2])
{
	pid_t	pid;

	pair(fd);
	if ((pid = fork()) == -1)
		die("fork");
	if (pid == 0) {
		(void)close(fd[0]);
		serve(fd[1]);
	}
	(void)close(fd[1]);
	return pid;
}

/* --- verifyd -------------------------------------------------------------- */

static char *
copy(const char *s)
{
	char	*p = strdup(s);

	if (p == NULL)
		die("strdup");
	return p;
}

static void
configure(enum remote_tls mode)
{
	struct config		*conf = conf_new(1);
	struct conf_remote	*r = calloc(1, sizeof(*r));

	if (conf == NULL || r == NULL)
		die("conf");
	conf->hostname = copy("us.test");
	conf->log.to = copy("stderr");
	conf->log.level = LOGL_DEBUG;
	r->obj.name = copy("store");
	r->obj.id = 7;
	r->helo = copy("hostname");
	r->mail_from = copy("");
	r->tls.mode = mode;
	r->tls.name = copy("");
	r->tls.ca = copy("system");
	r->timeout.connect = r->timeout.command = 5000;
	r->timeout.idle = 300;
	r->probes = 2;
	r->limits.recipients = r->limits.errors = 50;
	if (strs_add(&r->address, copy("mx.test")) == -1 ||
	    conf_map_add(&conf->remotes, &r->obj) == -1)
		die("conf");
	child_conf(&ver, conf, R_VERIFYD);
	child_sync(&ver);
	conf_unref(conf);
}

static void
ask(uint32_t seq, const char *rcpt)
{
	struct proto_lookup	q = { .path = { LOOK_REMOTE, 7, "" },
				    .what = LOOK_ADDRESS };
	struct wbuf		w = { 0 };

	(void)strlcpy(q.key, rcpt, sizeof(q.key));
	put_lookup(&w, &q);
	conn_send(&smtpd0, MSG_LOOKUP, 1, seq, -1, &w);
}

static void
answer(enum lookup_answer want, const char *why)
{
	struct proto_lookup_ans	 a;
	struct got		*g = conn_wait(&smtpd0, MSG_LOOKUP_ANS);
	struct msg		 m;

	if (!ok(g != NULL, "an answer")) {
		child_show_log(&ver);
		exit(done("t_forward"));
	}
	m = got_msg(g);
	is_int(get_lookup_ans(&m, &a), 0, "it is whole");
	is_int(a.answer, want, "it says %s", a.why);
	ok(strstr(a.why, why) != NULL, "why: %s", a.why);
	got_free(g);
}

/* Give what it asks the dialer for. */
static uint64_t
give(int fd)
{
	struct proto_dial_fd	 f = { .host = "mx.test" };
	struct proto_dial	 d;
	struct got		*g = conn_wait(&dialer, MSG_DIAL_REQ);
	struct wbuf		 w = { 0 };
	struct msg		 m;
	uint64_t		 sid;

	if (!ok(g != NULL, "a connection is asked for"))
		exit(done("t_forward"));
	m = got_msg(g);
	is_int(get_dial(&m, &d), 0, "its question");
	is_int(d.remote, 7, "to the remote");
	sid = g->sid;
	got_free(g);
	put_dial_fd(&w, &f);
	conn_send(&dialer, MSG_DIAL_FD, sid, 0, fd, &w);
	return sid;
}

static void
begin(enum remote_tls mode)
{
	child_start(&ver, program, 0);
	child_peer(&ver, &smtpd0, R_SMTPD, 0);
	child_peer(&ver, &dialer, R_DIALER, 0);
	configure(mode);
}

static void
end(void)
{
	child_stop(&ver);
	conn_close(&smtpd0);
	conn_close(&dialer);
}

/* --- tests ---------------------------------------------------------------- */

static void
test_mode(enum remote_tls mode)
{
	struct got	*g;
	uint64_t	 sid;
	pid_t		 pid;
	int		 fd[2], status;

	begin(mode);
	pid = server_start(fd);
	ask(1, "yes@d.test");
	ask(2, "no@d.test");
	sid = give(fd[0]);
	answer(LOOKUP_YES, "");
	answer(LOOKUP_NO, "550 5.1.1 nobody");
	is_int(child_stat(&ver, "verifyd.probe.yes"), 1, "counted");
	is_int(child_stat(&ver, "verifyd.probe.connections"), 1, "kept");
	g = conn_wait(&dialer, MSG_DIAL_DONE);
	ok(g != NULL && g->sid == sid, "idle: the lease ends");
	got_free(g);
	ok(waitpid(pid, &status, 0) == pid && status == 0,
	    "with QUIT: %#x", status);
	end();
}

/* The dialer dies with the question, and the next one is asked. */
static void
test_dialer_lost(void)
{
	pid_t	pid;
	int	fd[2], status;

	begin(RTLS_OFF);
	pid = server_start(fd);
	ask(1, "yes@d.test");
	conn_expect(&dialer, MSG_DIAL_REQ, "one is asked");
	conn_close(&dialer);
	child_peer(&ver, &dialer, R_DIALER, 0);
	(void)give(fd[0]);
	answer(LOOKUP_YES, "");
	end();
	ok(waitpid(pid, &status, 0) == pid, "the server ends");
}

int
main(int argc, char **argv)
{
	struct tls_config	*conf;
	struct conf_file	 c, k;

	(void)signal(SIGPIPE, SIG_IGN);
	program = child_program(argc, argv, "verifyd");
	t_cert_make(&cert, "mx.test", "DNS:mx.test", NULL, 24);
	c = t_pem(cert.cert_pem);
	k = t_pem(cert.key_pem);
	if ((conf = tls_config_new()) == NULL ||
	    tls_config_set_keypair_mem(conf, c.data, c.len, k.data,
	    k.len) == -1 || (server_tls = tls_server()) == NULL ||
	    tls_configure(server_tls, conf) == -1)
		die("tls");
	test_mode(RTLS_OFF);
	test_mode(RTLS_OPPORTUNISTIC);
	test_mode(RTLS_REQUIRED);
	test_dialer_lost();
	t_cert_free(&cert);
	return done("t_forward");
}
