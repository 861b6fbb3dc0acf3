/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Questions: to other processes, and of settings that depend on the session.
 */
#ifndef FRONT_ASK_H
#define FRONT_ASK_H

#include "front.h"

/* --- front_ask.c ---------------------------------------------------------- */

/* ms; where it needs nobody but the process that is asked. */
#define ASK_TIMEOUT	10000

/*
 * Ask the process of that role; body is taken.  done is called once, from the
 * event loop, never from here, unless the session ends before.  Until then
 * the session reads nothing, and no answer is told while a tarpit lasts;
 * afterwards it goes on unless done made it wait for something else.  Out
 * of memory, the session ends.
 *
 * done's message has been looked at: its getter does not fail and takes it
 * to its end.  It is valid until done returns.  NULL: cannot tell (no such
 * process, its pipe was lost, too late).
 */
void		 ask_send(struct session *, unsigned int role, uint16_t type,
		    struct wbuf *body, int64_t timeout,
		    void (*done)(struct session *, struct msg *));
/* The same where there are several of that role: this one. */
void		 ask_peer(struct session *, struct peer *, uint16_t type,
		    struct wbuf *body, int64_t timeout,
		    void (*done)(struct session *, struct msg *));
/*
 * Wait until a process of that role is there; done's message is NULL in any
 * case, and it looks for itself.
 */
void		 ask_for_peer(struct session *, unsigned int role,
		    int64_t timeout,
		    void (*done)(struct session *, struct msg *));
/*
 * The timeout (ms) for what is looked up by that path, "db/NAME/QUERY": those
 * of all who may be asked on the way, and a little.  For several paths, one
 * behind the other, add them: all questions of a command together end before
 * its client has gone.
 */
int64_t		 ask_wait(const struct config *, const char *path);
/*
 * As ask_send, but the session goes on meanwhile: done is called whatever it
 * does then.  ask_attend: now it waits for what it asked quietly.
 */
void		 ask_quietly(struct session *, unsigned int role,
		    uint16_t type, struct wbuf *body, int64_t timeout,
		    void (*done)(struct session *, struct msg *));
void		 ask_attend(struct session *);
/* A tarpit is over: tell what was answered meanwhile. */
void		 ask_resume(struct session *);
/* The session ends: nobody waits for the answers any more. */
void		 ask_forget(struct session *);
/* From the process that was asked. */
int		 ask_answer(struct peer *, struct msg *);
/* The pipe to a process is gone, and what it was asked with it. */
void		 ask_peer_down(struct peer *);
/* A process is there: those who waited for one are told. */
void		 ask_peer_up(struct peer *);

/* --- front_reach.c -------------------------------------------------------- */

/* For all listeners of a generation; -1 without memory. */
int		 reach_prepare(struct config *);
void		 reach_release(struct config *);
/*
 * Call fn for every remote that the routes can name to this listener's
 * clients, each once.  False: they can lead elsewhere too (mx).
 */
bool		 front_reach(const struct conf_listener *,
		    void (*fn)(struct conf_remote *, void *), void *);

/* --- front_rule.c --------------------------------------------------------- */

/*
 * A setting's value for the command that is being run.  The environment is
 * the caller's, from session_env and what else it knows.
 *
 * RULE_NEED: a look-up is out.  The caller returns at once, having done
 * nothing yet: the same command is run from its beginning when the answer is
 * there.  RULE_CANNOT: nobody can tell, 451 4.4.3.  A string is the rule's,
 * the configuration's, or valid until the command is over.
 */
enum rule_result rule_ask(struct session *, const struct rule *,
		    const struct rule_env *, struct rule_value *);
/* The same where nothing can wait: what is not held here cannot be told. */
enum rule_result rule_now(struct session *, const struct rule *,
		    const struct rule_env *, struct rule_value *);
/*
 * What is remembered (proto.h, STATE) under a key of text, for the command
 * that is being run: results as rule_ask's.  The value, of text too, is valid
 * until the command is over; NULL: nothing is.
 */
enum rule_result memory_ask(struct session *, enum state_table,
		    const char *key, const char **value);
/*
 * What is looked up in one place for the command that is being run, all of it
 * (proto.h, LOOKUP): results as rule_ask's, but RULE_CANNOT also for a server
 * that would not tell.  *values: one a line, valid until the command is over;
 * NULL: there is nothing.
 */
enum rule_result lookup_ask(struct session *, const struct proto_path *,
		    enum look_what, const char *key, int64_t timeout,
		    const char **values);
/*
 * What verifyd was asked of the recipient whose command is being run: its
 * question and its answer; never NULL but without memory, where the session
 * ends.  While it is out, the command is not over.
 */
struct judgement {
	enum { ASK_NOT, ASK_OUT, ASK_OVER } state;
	bool			 rode;		/* with rates */
	struct proto_judge_ans	 ans;
};
struct judgement *command_judgement(struct session *);
/* Was it asked?  Makes none. */
bool		 command_has_asked(const struct session *);
/* The recipient is another one now: it was not asked about that. */
void		 command_forget_judgement(struct session *);
/*
 * What the stage's script was asked for the command that is being run, and has
 * said (front_stage.h); NULL: it was not asked.  The command, which asks for
 * something (command_hold), takes it.
 */
struct staged	*command_staged(const struct session *);
void		 command_set_staged(struct session *, struct staged *);
/* A command's function has returned: drop what it looked up, unless it asks. */
void		 command_over(struct session *);
/* Drop it in any case: the session is gone. */
void		 command_free(struct session *);
/* ms since the command that is being run asked for the first time; or 0. */
int64_t		 command_age(const struct session *);

/*
 * For questions of another kind: command_hold keeps the command until
 * command_told runs it again, with an answer; -1: the session ended.
 * command_recall: that answer, ANSWER_NONE where nothing was asked (or noted)
 * under that name.
 */
int		 command_hold(struct session *, const char *what);
bool		 command_is_held(const struct session *, const char *what);
void		 command_told(struct session *, bool known, uint32_t value);
int		 command_note(struct session *, const char *what,
		    uint32_t value);
enum rule_answer command_recall(const struct session *, const char *what,
		    uint32_t *value);

#endif
