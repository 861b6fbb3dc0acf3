/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * A verdict as the lines that a transcript has for it: the first says what was
 * decided, the others what comes with it.
 */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "play_show.h"

/* A line is the facts of FACT_MAX octets that it names, two at most. */
void
print_clean(const char *fmt, va_list ap)
{
	char	text[3 * FACT_MAX], *p;

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	for (p = text; *p != '\0'; p++)
		putchar(((unsigned char)*p < ' ' && *p != '\n') ||
		    *p == 0x7f ? '?' : *p);
}

void
print_text(const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	print_clean(fmt, ap);
	va_end(ap);
}

static const char *const	kinds[HOOK_VERDICT_COUNT] = {
	[HOOKV_PASS] = "pass",
	[HOOKV_REPLY] = "reply",
	[HOOKV_ACCEPT] = "accept",
	[HOOKV_REJECT] = "reject",
	[HOOKV_DEFER] = "defer",
	[HOOKV_ERROR] = "error"
};

static void __attribute__((__format__(printf, 2, 3)))
fact(struct facts *f, const char *fmt, ...)
{
	va_list	ap;

	if (f->n == FACTS_MAX)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(f->text[f->n], FACT_MAX, fmt, ap);
	va_end(ap);
	f->met[f->n++] = false;
}

/* "reject 550 5.7.1 text"; more lines are facts of their own: "line text". */
static void
first(struct facts *f, const struct proto_hook_verdict *v)
{
	const char	*p = v->lines == NULL ? "" : v->lines;
	size_t		 n = strcspn(p, "\n");

	if (v->flags & HOOKV_SET_COMMAND)
		fact(f, "pass %s", v->command);
	else if (v->kind == HOOKV_ERROR)
		fact(f, "error %s", v->why);
	else if (v->code == 0)
		fact(f, "%s", kinds[v->kind]);
	else
		fact(f, "%s %u %s%s%.*s", kinds[v->kind], v->code,
		    v->enhanced, v->enhanced[0] == '\0' ? "" : " ",
		    (int)n, p);
	for (p += n; *p == '\n'; p += n) {
		n = strcspn(++p, "\n");
		fact(f, "line %.*s", (int)n, p);
	}
}

void
facts_of(struct facts *f, enum hook_stage stage,
    const struct proto_hook_verdict *v)
{
	uint32_t	i;

	f->n = 0;
	first(f, v);
	if (v->flags & HOOKV_SET_HOST)
		fact(f, "set host=%s", v->host);
	if (v->flags & HOOKV_SET_ADDRESS)
		fact(f, "set %s=%s", stage == HOOK_MAIL ? "sender" :
		    "recipient", v->address);
	if (v->flags & HOOKV_SET_TRANSPORTID)
		fact(f, "set transportid=%s", v->transportid);
	for (i = 0; i < v->extensions.n; i++)
		fact(f, "set extension=%s%s%s", v->extensions.name[i],
		    v->extensions.value[i][0] == '\0' ? "" : " ",
		    v->extensions.value[i]);
	if (v->flags & HOOKV_NEXT)
		fact(f, "next");
	if (v->flags & HOOKV_DISCONNECT)
		fact(f, "close");
}

/* `*' at the end stands for the rest; a word alone for all of its kind. */
static bool
is_met(const char *want, const char *got)
{
	size_t	n = strlen(want);

	if (n > 0 && want[n - 1] == '*')
		return strncmp(want, got, n - 1) == 0;
	if (strcmp(want, got) == 0)
		return true;
	return (strcmp(want, "accept") == 0 || strcmp(want, "reject") == 0 ||
	    strcmp(want, "defer") == 0 || strcmp(want, "reply") == 0 ||
	    strcmp(want, "error") == 0) &&
	    strncmp(want, got, n) == 0 && got[n] == ' ';
}

/* Of an error any part will do: it has the script's name and line before. */
static bool
is_error_met(const char *want, const char *got)
{
	return strncmp(want, "error ", 6) == 0 &&
	    strncmp(got, "error ", 6) == 0 && strstr(got, want + 6) != NULL;
}

bool
facts_meet(struct facts *f, const char *want)
{
	size_t	i;

	for (i = 0; i < f->n; i++)
		if (!f->met[i] && (is_met(want, f->text[i]) ||
		    is_error_met(want, f->text[i]))) {
			f->met[i] = true;
			return true;
		}
	return false;
}

const char *
facts_unmet(const struct facts *f)
{
	size_t	i;

	for (i = 0; i < f->n; i++)
		if (!f->met[i])
			return f->text[i];
	return NULL;
}
