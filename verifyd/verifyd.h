/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * verifyd: what is known about addresses, and remembered for all.
 *
 *	cache.h		verdicts of call-forward, remembered
 *	caps.c		what remotes offer: REMOTE_SEEN, REMOTE_CAPS
 *	dnslook.c	DNS for scripts: DNS_LOOK
 *	errors.c	clients' errors by address: ADDRESS_ERROR, BLOCKED
 *	list_build.c	large lists, in a process of its own: LIST
 *	ptr.c		names of clients' addresses, from resolved: PTR
 *	rate.c		how often something may happen: see rate.h
 *	routes.c	what is known of remotes, for posternctl
 *	shared.c	what the workers remember together: STATE
 *	look.c ...	what is looked up, and judged by it: see look.h
 *	lookup.c	a key in a cdb file
 *	tally.c		what sessions hold at a time: see tally.h
 *	verifyd.c	the process: who asks, and which part answers
 *
 * It opens nothing and connects nowhere: files come from the parent as
 * descriptors, names from resolved.
 *
 * A part's handlers return -1 for what its sender should not have sent
 * (peer.h); its stats function writes lines "NAME VALUE" as snprintf(3) does.
 */
#ifndef VERIFYD_H
#define VERIFYD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct msg;
struct peer;

/* verifyd.c --------------------------------------------------------------- */

/* Call fn for every smtpd that there is a pipe to. */
void	verifyd_each_smtpd(void (*fn)(struct peer *, const void *),
	    const void *arg);

/* caps.c ------------------------------------------------------------------ */

/* A new smtpd: tell it all that is known. */
void	caps_peer_up(struct peer *);
/* REMOTE_SEEN. */
int	caps_seen(struct peer *, struct msg *);
/* We have greeted a remote ourselves, and this (EXT_*) is what it offered. */
void	caps_met(uint32_t remote, uint32_t caps);
/* At the end of a turn: tell all what is new. */
void	caps_turn(void);
/* A new generation: what the cache remembers of its remotes. */
void	caps_restore(const struct config *);
/* A generation has gone: forget what was only in that one. */
void	caps_prune(void);
int	caps_stats(char *, size_t);

/* What a remote offers; false: that is not known. */
bool	caps_of(uint32_t remote, uint32_t *caps);

/* list_build.c ------------------------------------------------------------ */

/* LIST_TEXT, LIST_FILE: nothing else is done meanwhile. */
int	list_text(struct peer *, struct msg *);
int	list_file(struct peer *, struct msg *);
/* errors.c ---------------------------------------------------------------- */

/* Before the first message.  Fatal without memory. */
void	errors_start(void);
/* A new smtpd: tell it who is blocked. */
void	errors_peer_up(struct peer *);
/* ADDRESS_ERROR. */
int	errors_add(struct peer *, struct msg *);
int	errors_stats(char *, size_t);

/* marked.c ---------------------------------------------------------------- */

/* VERDICT. */
int	marked_verdict(struct peer *, struct msg *);
/* A new smtpd. */
void	marked_peer_up(struct peer *);

/* routes.c ---------------------------------------------------------------- */

/* "show routes": lines for posternctl. */
void	routes_show(const struct config *, int fd);

/* ptr.c ------------------------------------------------------------------- */

/* Before the first question.  Fatal without memory. */
void	ptr_start(void);
/* PTR_ASK, and resolved's DNS_ANS to what it makes us ask. */
int	ptr_ask(struct peer *, struct msg *);
int	ptr_dns_ans(struct peer *, struct msg *);
/* resolved is there, or lost: who waits is told DNS_FAIL. */
void	ptr_resolved_up(struct peer *);
void	ptr_resolved_down(void);
/* There is a new asker, or one has gone. */
void	ptr_peer_up(struct peer *);
void	ptr_peer_down(const struct peer *);
int	ptr_stats(char *, size_t);

/* dnslook.c --------------------------------------------------------------- */

/* Its questions to resolved have this bit in their sid, ptr.c's have not. */
#define DNSLOOK_SID	(1ULL << 63)

/* DNS_LOOK, and resolved's DNS_ANS to what it makes us ask. */
int	dnslook_ask(struct peer *, struct msg *);
int	dnslook_ans(struct peer *, struct msg *);
/* As those of ptr.c. */
void	dnslook_resolved_up(struct peer *);
void	dnslook_resolved_down(void);
void	dnslook_peer_up(struct peer *);
void	dnslook_peer_down(const struct peer *);
int	dnslook_stats(char *, size_t);

/* shared.c ---------------------------------------------------------------- */

/* Before the first question.  Fatal without memory. */
void	shared_start(void);
/* STATE. */
int	shared_state(struct peer *, struct msg *);
int	shared_stats(char *, size_t);

#endif
