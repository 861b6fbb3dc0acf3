/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Answers that need no name server.
 *
 * /etc/hosts is read anew for each question: it is short, in the kernel's
 * cache, and whoever has edited it need not tell us.  An editor which puts a
 * new file in its place takes it away from a jail that knows files and not
 * names (landlock): then the entries that were read last stay in use.  The
 * file goes before everything else, as people expect of it; localhost has an
 * answer even where it is silent, and never leaves the machine.
 *
 * Only names of letters, digits, hyphens and underscores are asked: what
 * else may stand in a DNS label would have to be escaped for c-ares, and is
 * no host's name.
 */

#include <sys/types.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <paths.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "log.h"
#include "resolved.h"

#ifndef _PATH_HOSTS
#define _PATH_HOSTS	"/etc/hosts"
#endif

#define HOSTS_MAX	(256 * 1024)	/* octets of the file looked at */

static struct {
	char	text[HOSTS_MAX];
	size_t	len;
	bool	warned;
} hosts;

bool
hosts_name_ok(const char *s)
{
	size_t	i, label = 0, len = strlen(s);
	bool	digits = true;

	if (len > 0 && s[len - 1] == '.')
		len--;
	if (len == 0 || len > 253)
		return false;
	for (i = 0; i < len; i++) {
		if (s[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
			digits = true;
			continue;
		}
		if (!isdigit((unsigned char)s[i]))
			digits = false;
		if (!isalnum((unsigned char)s[i]) && s[i] != '-' &&
		    s[i] != '_')
			return false;
		if (++label > 63)
			return false;
	}
	return label > 0 && !digits;
}

/* The same, a dot at the end not looked at. */
static bool
name_equal(const char *a, size_t na, const char *b, size_t nb)
{
	if (na > 0 && a[na - 1] == '.')
		na--;
	if (nb > 0 && b[nb - 1] == '.')
		nb--;
	return na == nb && strncasecmp(a, b, na) == 0;
}

bool
hosts_is_localhost(const char *s)
{
	static const char	local[] = "localhost";
	size_t			len = strlen(s), n = sizeof(local) - 1;

	if (len > 0 && s[len - 1] == '.')
		len--;
	if (len < n || strncasecmp(s + len - n, local, n) != 0)
		return false;
	return len == n || s[len - n - 1] == '.';
}

static bool
is_unspecified(const struct addr *a)
{
	static const uint8_t	zero[16];

	return memcmp(a->ip, zero, sizeof(zero)) == 0;
}

void
result_add(struct dns_result *r, const struct addr *a)
{
	size_t	i;

	/* To connect to 0.0.0.0 is to connect to oneself. */
	if (is_unspecified(a) || r->n >= DNS_ADDRS_MAX)
		return;
	for (i = 0; i < r->n; i++)
		if (addr_same_ip(&r->addr[i], a))
			return;
	r->addr[r->n++] = *a;
}

/* The next word of a line; *p behind it. */
static size_t
next_word(const char **p, const char *end, const char **word)
{
	while (*p < end && (**p == ' ' || **p == '\t' || **p == '\r'))
		(*p)++;
	*word = *p;
	while (*p < end && **p != ' ' && **p != '\t' && **p != '\r')
		(*p)++;
	return (size_t)(*p - *word);
}

/* The address that a line begins with; *p behind it.  -1: none. */
static int
line_addr(const char **p, const char *end, struct addr *a)
{
	const char	*word;
	char		 ip[ADDR_TEXT_MAX];
	size_t		 n = next_word(p, end, &word);

	if (n == 0 || n >= sizeof(ip))
		return -1;
	memcpy(ip, word, n);
	ip[n] = '\0';
	return addr_parse(a, ip);
}

static void
find_in_line(const char *p, const char *end, const char *name,
    struct dns_result *r)
{
	struct addr	 a;
	const char	*word;
	size_t		 n;

	if (line_addr(&p, end, &a) == -1)
		return;
	while ((n = next_word(&p, end, &word)) > 0)
		if (name_equal(word, n, name, strlen(name))) {
			result_add(r, &a);
			return;
		}
}

/* The next line without its comment; false at the end. */
static bool
next_line(const char **p, const char *end, const char **line,
    const char **line_end)
{
	const char	*hash;

	if (*p >= end)
		return false;
	*line = *p;
	*line_end = memchr(*p, '\n', (size_t)(end - *p));
	if (*line_end == NULL)
		*line_end = end;
	*p = *line_end + 1;
	hash = memchr(*line, '#', (size_t)(*line_end - *line));
	if (hash != NULL)
		*line_end = hash;
	return true;
}

void
hosts_find(const char *text, size_t len, const char *name,
    struct dns_result *r)
{
	const char	*p = text, *line, *line_end;

	while (next_line(&p, text + len, &line, &line_end))
		find_in_line(line, line_end, name, r);
}

/* Add a name that DNS could have, without the dot at its end. */
static void
add_name(struct proto_dns_records *r, const char *word, size_t n)
{
	char		 name[256];
	uint32_t	 i;

	if (n > 0 && word[n - 1] == '.')
		n--;
	if (n >= sizeof(name) || r->n >= DNS_RECORDS_MAX)
		return;
	memcpy(name, word, n);
	name[n] = '\0';
	if (!hosts_name_ok(name))
		return;
	for (i = 0; i < r->n; i++)
		if (strcasecmp(r->record[i].text, name) == 0)
			return;
	(void)strlcpy(r->record[r->n++].text, name, sizeof(name));
}

void
hosts_find_names(const char *text, size_t len, const struct addr *addr,
    struct proto_dns_records *r)
{
	struct addr	 a;
	const char	*p = text, *line, *line_end, *word;
	size_t		 n;

	while (next_line(&p, text + len, &line, &line_end)) {
		if (line_addr(&line, line_end, &a) == -1 ||
		    !addr_same_ip(&a, addr))
			continue;
		if ((n = next_word(&line, line_end, &word)) > 0)
			add_name(r, word, n);
	}
}

/* Read the file into where it is kept; what is kept stays if it is closed. */
static void
read_file(void)
{
	ssize_t	n;
	int	fd;

	if ((fd = open(_PATH_HOSTS, O_RDONLY | O_CLOEXEC)) == -1) {
		if (errno == ENOENT)
			hosts.len = 0;
		else if (!hosts.warned) {
			hosts.warned = true;
			log_warn("%s: the entries read before are used until "
			    "the next start", _PATH_HOSTS);
		}
		return;
	}
	hosts.len = 0;
	while (hosts.len < sizeof(hosts.text) && (n = read(fd, hosts.text +
	    hosts.len, sizeof(hosts.text) - hosts.len)) > 0)
		hosts.len += (size_t)n;
	(void)close(fd);
}

void
hosts_prepare(void)
{
	read_file();
}

bool
hosts_answer(const char *name, struct dns_result *r)
{
	static const char *const	loop[] = { "::1", "127.0.0.1" };
	struct addr			a;
	size_t				i;

	memset(r, 0, sizeof(*r));
	if (!hosts_name_ok(name)) {
		r->status = DNS_NONE;
		return true;
	}
	read_file();
	hosts_find(hosts.text, hosts.len, name, r);
	if (r->n == 0 && hosts_is_localhost(name))
		for (i = 0; i < 2; i++)
			if (addr_parse(&a, loop[i]) == 0)
				result_add(r, &a);
	r->status = DNS_OK;
	r->ttl = HOSTS_TTL;
	return r->n > 0;
}

bool
hosts_names(const struct addr *addr, struct proto_dns_records *r)
{
	static const char *const	loop[] = { "::1", "127.0.0.1" };
	struct addr			a;
	size_t				i;

	memset(r, 0, sizeof(*r));
	read_file();
	hosts_find_names(hosts.text, hosts.len, addr, r);
	for (i = 0; i < 2 && r->n == 0; i++)
		if (addr_parse(&a, loop[i]) == 0 && addr_same_ip(&a, addr))
			add_name(r, "localhost", strlen("localhost"));
	r->status = DNS_OK;
	r->ttl = HOSTS_TTL;
	return r->n > 0;
}
