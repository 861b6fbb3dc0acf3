/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * The verifyd process and its file of verdicts: when it wants one, what is
 * in it, and that a restart has it.  The parent is played here; what is
 * remembered is what a remote offers, since that needs no server.
 */

#include <sys/mman.h>

#include "child.h"

static const char	*program;
static struct child	 ver;
static struct conn	 smtpd;
static struct conf_remote remote = { .obj = { .id = 7, .name = NULL } };

static int
new_file(void)
{
	int	fd = memfd_create("cache", MFD_CLOEXEC);

	if (fd == -1)
		die("memfd_create");
	return fd;
}

/* A descriptor of its own: a place of reading is shared. */
static int
again(int fd)
{
	char	path[64];
	int	other;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if ((other = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		die(path);
	return other;
}

static void
send_file(int fd, uint32_t seq)
{
	struct proto_cache_file	f = { "/nowhere/verify.cdb" };
	struct wbuf		w = { 0 };

	put_cache_file(&w, &f);
	conn_send(&ver.parent, MSG_CACHE_FILE, 0, seq, fd, &w);
}

static void
seen(uint32_t caps)
{
	struct proto_caps	c = { .remote = 7, .caps = caps };
	struct wbuf		w = { 0 };

	put_caps(&w, &c);
	conn_send(&smtpd, MSG_REMOTE_SEEN, 0, 0, -1, &w);
}

static void
is_told(uint32_t want, const char *name)
{
	struct got		*g = conn_wait(&smtpd, MSG_REMOTE_CAPS);
	struct proto_caps	 c = { 0 };
	struct msg		 m;

	ok(g != NULL, "told %s", name);
	if (g == NULL)
		return;
	m = got_msg(g);
	ok(get_caps(&m, &c) == 0, "well");
	is_int(c.caps, want, "caps %s", name);
	got_free(g);
}

static void
begin(int fd)
{
	struct config	*conf = conf_new(1);
	struct conf_obj	*obj = &remote.obj;

	child_start(&ver, program, 0);
	send_file(fd, 0);
	remote.obj.name = (char[]){ "lmtp" };
	conf->verify_cache.snapshot = 1000;
	conf->remotes.v = &obj;
	conf->remotes.n = 1;
	child_conf(&ver, conf, R_VERIFYD);
	conf->remotes.n = 0;
	conf->remotes.v = NULL;
	conf_unref(conf);
	child_sync(&ver);
	child_peer(&ver, &smtpd, R_SMTPD, 0);
}

/* It wants a file, and says when it has written this one. */
static void
is_written(int fd)
{
	conn_expect(&ver.parent, MSG_CACHE_WANT, "it wants a file");
	conn_send(&ver.parent, MSG_CACHE_TMP, 0, 0, dup(fd), NULL);
	conn_expect(&ver.parent, MSG_CACHE_DONE, "it is written");
}

static void
kill_it(void)
{
	(void)kill(ver.pid, SIGKILL);
	(void)child_wait(&ver);
	conn_close(&ver.parent);
	conn_close(&smtpd);
	(void)close(ver.log);
}

/* Written in its time, there at the next start, written at the end. */
static void
test_restart(void)
{
	int	fd = new_file(), last = new_file();

	begin(-1);
	seen(0x41);
	is_told(0x41, "at first");
	is_written(fd);
	send_file(again(fd), 1);
	is_int(child_stat(&ver, "verifyd.cache.files"), 1, "one file");
	is_int(child_stat(&ver, "verifyd.cache.entries"), 1, "one entry");
	kill_it();

	begin(again(fd));
	is_told(0x41, "from the file");
	seen(0x3);
	is_told(0x3, "anew");
	conn_send(&ver.parent, MSG_STOP, 0, 0, -1, NULL);
	is_written(last);
	is_int(child_wait(&ver), 0, "it ends well");
	conn_close(&ver.parent);
	conn_close(&smtpd);
	(void)close(ver.log);

	begin(again(last));
	is_told(0x3, "from what was written at the end");
	/* Nothing has changed. */
	child_stop(&ver);
	conn_close(&smtpd);

	/* Killed while it writes: the old one is there. */
	begin(again(last));
	seen(0x7);
	is_told(0x3, "from the file");
	is_told(0x7, "anew");
	conn_expect(&ver.parent, MSG_CACHE_WANT, "it wants a file");
	conn_send(&ver.parent, MSG_CACHE_TMP, 0, 0, new_file(), NULL);
	kill_it();
	begin(again(last));
	is_told(0x3, "from the old file");
	child_stop(&ver);
	conn_close(&smtpd);
	(void)close(fd);
	(void)close(last);
}

static void
test_bad(void)
{
	int	fd = new_file(), tmp;

	if (ftruncate(fd, 10000) == -1)
		die("ftruncate");
	begin(fd);
	is_int((long long)child_logged(&ver, "/nowhere/verify.cdb is not a "
	    "whole file of verdicts"), 1, "one line");
	is_int(child_stat(&ver, "verifyd.cache.entries"), 0, "empty");
	seen(0x41);
	is_told(0x41, "at first");
	/* No file can be made; at the end it is not asked for again. */
	conn_expect(&ver.parent, MSG_CACHE_WANT, "it wants a file");
	conn_send(&ver.parent, MSG_CACHE_TMP, 0, 0, -1, NULL);
	child_stop(&ver);
	conn_close(&smtpd);

	begin(-1);
	seen(0x41);
	is_told(0x41, "at first");
	tmp = open("/dev/full", O_RDWR | O_CLOEXEC);
	is_written(tmp);
	is_int((long long)child_logged(&ver, "cannot be written"), 1,
	    "the disk is full");
	is_int(child_stat(&ver, "verifyd.cache.entries"), 1, "in memory");
	child_stop(&ver);
	conn_close(&smtpd);
	(void)close(tmp);

	/* What was not asked for. */
	begin(-1);
	conn_send(&ver.parent, MSG_CACHE_TMP, 0, 0, new_file(), NULL);
	ok(child_wait(&ver) != 0, "a file that it did not want");
	conn_close(&ver.parent);
	conn_close(&smtpd);
	(void)close(ver.log);
}

int
main(int argc, char **argv)
{
	program = child_program(argc, argv, "verifyd");
	test_restart();
	test_bad();
	return done("save");
}
