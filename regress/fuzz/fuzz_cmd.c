/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * smtp_cmd.c: every slice lies in the line; what is marked as there is well-
 * formed; a MAIL or RCPT printed from what was understood is understood as
 * the same.
 */

#include <strings.h>

#include "fuzz.h"
#include "smtp.h"

static void
within(struct slice s, struct slice line)
{
	if (s.p != NULL)
		must(s.p >= line.p && s.p + s.n <= line.p + line.n);
}

static void
check_slices(const struct smtp_cmd *cmd, struct slice line)
{
	size_t	 i;

	must(cmd->nparams <= SMTP_PARAM_MAX);
	within(cmd->arg, line);
	within(cmd->hello, line);
	within(cmd->envid, line);
	within(cmd->orcpt, line);
	within(cmd->auth, line);
	within(cmd->bad, line);
	for (i = 0; i < cmd->nparams; i++) {
		must(cmd->params[i].key.n > 0);
		within(cmd->params[i].key, line);
		within(cmd->params[i].value, line);
	}
}

static void
check_printable(const char *s)
{
	for (; *s != '\0'; s++)
		must(*s >= ' ' && *s < 0x7f);
}

/* 8-bit octets are told, are UTF-8, and are in no other type. */
static void
check_orcpt(const struct smtp_cmd *cmd)
{
	struct slice	 v = cmd->orcpt;
	char		 buf[SMTP_ORCPT_MAX + 1];
	bool		 eight = false;
	size_t		 i;

	must(v.n <= SMTP_ORCPT_MAX && smtp_is_utf8(v));
	for (i = 0; i < v.n; i++) {
		must((unsigned char)v.p[i] > ' ' && v.p[i] != 0x7f);
		if ((unsigned char)v.p[i] >= 0x80)
			eight = true;
	}
	must(eight == cmd->orcpt_utf8);
	while (v.n > 0 && v.p[0] != ';') {
		v.p++;
		v.n--;
	}
	must(v.n > 1);
	if (strncasecmp(cmd->orcpt.p, "utf-8;", 6) == 0)
		return;
	v.p++;
	v.n--;
	must(smtp_xtext_decode(v, buf, sizeof(buf)) > 0 && !eight);
	check_printable(buf);
}

static void
check_good(const struct smtp_cmd *cmd)
{
	char	 buf[256];

	if (cmd->verb == VERB_EHLO)
		must(cmd->hello.n > 0 || cmd->arg.p[0] == ' ');
	if (cmd->have & HAVE_ENVID) {
		must(smtp_xtext_decode(cmd->envid, buf, sizeof(buf)) > 0);
		check_printable(buf);
	}
	if (cmd->have & HAVE_ORCPT)
		check_orcpt(cmd);
	if (cmd->have & HAVE_NOTIFY)
		must(cmd->notify != 0 && (!(cmd->notify & NOTIFY_NEVER) ||
		    cmd->notify == NOTIFY_NEVER));
}

static size_t
add(char *out, size_t n, struct slice s)
{
	must(n + s.n < 8192);
	memcpy(out + n, s.p, s.n);
	return n + s.n;
}

static size_t
print(const struct smtp_cmd *cmd, char *out)
{
	struct slice	 equals = { "=", 1 }, space = { " ", 1 };
	char		 path[SMTP_MAILBOX_MAX + 1];
	size_t		 i, n;

	smtp_path_print(&cmd->path, path, sizeof(path));
	n = snprintf(out, 8192, "%s %s:<%s>", smtp_verb_name(cmd->verb),
	    cmd->verb == VERB_MAIL ? "FROM" : "TO", path);
	for (i = 0; i < cmd->nparams; i++) {
		n = add(out, n, space);
		n = add(out, n, cmd->params[i].key);
		if (cmd->params[i].value.p == NULL)
			continue;
		n = add(out, n, equals);
		n = add(out, n, cmd->params[i].value);
	}
	return n;
}

static void
check_again(const struct smtp_cmd *cmd)
{
	static struct smtp_cmd	 again;
	static char		 out[8192];
	struct slice		 line = { out, 0 };

	line.n = print(cmd, out);
	must(smtp_cmd_parse(&again, line) == CMD_OK);
	must(again.verb == cmd->verb && again.have == cmd->have);
	must(again.size == cmd->size && again.body == cmd->body);
	must(again.ret == cmd->ret && again.notify == cmd->notify);
	must(again.nparams == cmd->nparams);
	must(again.path.null == cmd->path.null);
	must(strcmp(again.path.local, cmd->path.local) == 0);
	must(strcmp(again.path.domain, cmd->path.domain) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	static struct smtp_cmd	 cmd;
	enum smtp_cmd_error	 error;
	struct slice		 line;
	char			*copy, decoded[64];
	int			 n;

	if (len > 4096 || memchr(in, '\r', len) != NULL ||
	    memchr(in, '\n', len) != NULL || memchr(in, '\0', len) != NULL)
		return 0;
	copy = exact(in, len);
	line.p = copy;
	line.n = len;

	n = smtp_xtext_decode(line, decoded, sizeof(decoded));
	if (n >= 0)
		must(smtp_xtext_decode(line, NULL, 0) == n &&
		    strlen(decoded) == (size_t)n);

	error = smtp_cmd_parse(&cmd, line);
	check_slices(&cmd, line);
	must((error == CMD_UNKNOWN) == (cmd.verb == VERB_NONE));
	must((error == CMD_PATH) <= (cmd.path_error != PATH_OK));
	if (error == CMD_OK) {
		must(cmd.path_error == PATH_OK);
		check_good(&cmd);
		if (cmd.verb == VERB_MAIL || cmd.verb == VERB_RCPT)
			check_again(&cmd);
	}
	free(copy);
	return 0;
}
