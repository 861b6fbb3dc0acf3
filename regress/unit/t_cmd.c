/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * smtp_cmd.c.  A line is parsed out of memory that ends where it ends.  What
 * was understood of it is written down as one string, so that a case says
 * all that may be seen and nothing more.
 */

#include <ctype.h>

#include "smtp.h"
#include "t.h"

static const struct {
	const char		*in;
	enum smtp_verb		 verb;
	enum smtp_cmd_error	 error;
	const char		*want;	/* see describe() */
} cases[] = {
	/* verbs and whether they have arguments */
	{ "NOOP", VERB_NOOP, CMD_OK, "" },
	{ "noop", VERB_NOOP, CMD_OK, "" },
	{ "NoOp anything at all", VERB_NOOP, CMD_OK, "" },
	{ "QUIT \t ", VERB_QUIT, CMD_OK, "" },
	{ "QUIT now", VERB_QUIT, CMD_ARG_NONE, "" },
	{ "DATA", VERB_DATA, CMD_OK, "" },
	{ "DATA x", VERB_DATA, CMD_ARG_NONE, "" },
	{ "RSET x", VERB_RSET, CMD_ARG_NONE, "" },
	{ "STARTTLS", VERB_STARTTLS, CMD_OK, "" },
	{ "STARTTLS x", VERB_STARTTLS, CMD_ARG_NONE, "" },
	{ "HELP", VERB_HELP, CMD_OK, "" },
	{ "VRFY alice", VERB_VRFY, CMD_OK, "" },
	{ "VRFY", VERB_VRFY, CMD_ARG_MISSING, "" },
	{ "AUTH", VERB_AUTH, CMD_ARG_MISSING, "" },
	{ "AUTH PLAIN dGVzdA==", VERB_AUTH, CMD_OK, "" },
	{ "ETRN", VERB_ETRN, CMD_OK, "" },
	{ "XDUMPCONTEXT", VERB_XDUMPCONTEXT, CMD_OK, "" },
	{ "XCLIENT", VERB_XCLIENT, CMD_ARG_MISSING, "" },
	{ "", VERB_NONE, CMD_UNKNOWN, "" },
	{ " NOOP", VERB_NONE, CMD_UNKNOWN, "" },
	{ "NOO", VERB_NONE, CMD_UNKNOWN, "" },
	{ "NOOPX", VERB_NONE, CMD_UNKNOWN, "" },
	{ "NOOP\tx", VERB_NONE, CMD_UNKNOWN, "" },
	{ "UNKNOWN", VERB_NONE, CMD_UNKNOWN, "" },
	{ "GET / HTTP/1.1", VERB_NONE, CMD_UNKNOWN, "" },

	/* the client's name */
	{ "EHLO mail.example.org", VERB_EHLO, CMD_OK,
	    "hello=mail.example.org " },
	{ "helo a b c", VERB_HELO, CMD_OK, "hello=a " },
	{ "LHLO [192.0.2.1]", VERB_LHLO, CMD_OK, "hello=[192.0.2.1] " },
	{ "EHLO", VERB_EHLO, CMD_ARG_MISSING, "" },
	{ "EHLO   ", VERB_EHLO, CMD_ARG_MISSING, "" },
	{ "EHLO a\x01", VERB_EHLO, CMD_SYNTAX, "" },
	{ "EHLO a\x7f", VERB_EHLO, CMD_SYNTAX, "" },
	{ "EHLO a\tb", VERB_EHLO, CMD_SYNTAX, "" },
	{ "EHLO \xc3\xa9", VERB_EHLO, CMD_OK, "hello=\xc3\xa9 " },

	/* MAIL */
	{ "MAIL FROM:<a@b>", VERB_MAIL, CMD_OK, "a@b " },
	{ "mail from:<a@b>", VERB_MAIL, CMD_OK, "a@b " },
	{ "MAIL FROM: <a@b>", VERB_MAIL, CMD_OK, "a@b " },
	{ "MAIL FROM:<>", VERB_MAIL, CMD_OK, "<> " },
	{ "MAIL FROM:<a@b> ", VERB_MAIL, CMD_OK, "a@b " },
	{ "MAIL", VERB_MAIL, CMD_ARG_MISSING, "" },
	{ "MAIL FROM:", VERB_MAIL, CMD_SYNTAX, "path=1 " },
	{ "MAIL FROM", VERB_MAIL, CMD_SYNTAX, "" },
	{ "MAIL FROM <a@b>", VERB_MAIL, CMD_SYNTAX, "" },
	{ "MAIL FROM :<a@b>", VERB_MAIL, CMD_SYNTAX, "" },
	{ "MAIL  FROM:<a@b>", VERB_MAIL, CMD_SYNTAX, "" },
	{ "MAIL FROM:  <a@b>", VERB_MAIL, CMD_SYNTAX, "path=1 " },
	{ "MAIL FROM:a@b", VERB_MAIL, CMD_SYNTAX, "path=1 " },
	{ "MAIL TO:<a@b>", VERB_MAIL, CMD_SYNTAX, "" },
	{ "MAIL FROM:<a@b", VERB_MAIL, CMD_PATH, "path=1 " },
	{ "MAIL FROM:<a>", VERB_MAIL, CMD_PATH, "path=1 " },
	{ "MAIL FROM:<postmaster>", VERB_MAIL, CMD_PATH, "path=1 " },
	{ "MAIL FROM:<\xff@b>", VERB_MAIL, CMD_PATH, "path=5 " },
	{ "MAIL FROM:<a@b>SIZE=1", VERB_MAIL, CMD_SYNTAX, "a@b " },
	{ "MAIL FROM:<a@b>\tSIZE=1", VERB_MAIL, CMD_SYNTAX, "a@b " },
	{ "MAIL FROM:<a@b>  SIZE=1", VERB_MAIL, CMD_SYNTAX, "a@b " },
	{ "MAIL FROM:<a@b> SIZE=1  BODY=7BIT", VERB_MAIL, CMD_SYNTAX,
	    "a@b SIZE=1 " },
	{ "MAIL FROM:<a@b> =1", VERB_MAIL, CMD_SYNTAX, "a@b bad[=1]" },
	{ "MAIL FROM:<a@b> -A", VERB_MAIL, CMD_SYNTAX, "a@b bad[-A]" },
	{ "MAIL FROM:<a@b> A_B=1", VERB_MAIL, CMD_SYNTAX, "a@b bad[A_B=1]" },
	{ "MAIL FROM:<a@b> X", VERB_MAIL, CMD_PARAM_UNKNOWN,
	    "a@b X bad[X]" },
	{ "MAIL FROM:<a@b> X=y=z SIZE=1", VERB_MAIL, CMD_PARAM_UNKNOWN,
	    "a@b X=y=z SIZE=1 bad[X=y=z]" },

	/* SIZE and BODY */
	{ "MAIL FROM:<a@b> SIZE=0", VERB_MAIL, CMD_OK, "a@b SIZE=0 size=0 " },
	{ "MAIL FROM:<a@b> size=12 body=8bitmime", VERB_MAIL, CMD_OK,
	    "a@b size=12 body=8bitmime size=12 body=2 " },
	{ "MAIL FROM:<a@b> SIZE=18446744073709551615", VERB_MAIL, CMD_OK,
	    "a@b SIZE=18446744073709551615 size=18446744073709551615 " },
	{ "MAIL FROM:<a@b> SIZE=18446744073709551616", VERB_MAIL, CMD_PARAM,
	    "a@b SIZE=18446744073709551616 bad[SIZE=18446744073709551616]" },
	{ "MAIL FROM:<a@b> SIZE=00000000000000000001", VERB_MAIL, CMD_OK,
	    "a@b SIZE=00000000000000000001 size=1 " },
	{ "MAIL FROM:<a@b> SIZE=000000000000000000001", VERB_MAIL, CMD_PARAM,
	    "a@b SIZE=000000000000000000001 bad[SIZE=000000000000000000001]" },
	{ "MAIL FROM:<a@b> SIZE", VERB_MAIL, CMD_PARAM, "a@b SIZE bad[SIZE]" },
	{ "MAIL FROM:<a@b> SIZE=", VERB_MAIL, CMD_PARAM,
	    "a@b SIZE= bad[SIZE=]" },
	{ "MAIL FROM:<a@b> SIZE=-1", VERB_MAIL, CMD_PARAM,
	    "a@b SIZE=-1 bad[SIZE=-1]" },
	{ "MAIL FROM:<a@b> SIZE=1x", VERB_MAIL, CMD_PARAM,
	    "a@b SIZE=1x bad[SIZE=1x]" },
	{ "MAIL FROM:<a@b> SIZE=1 SIZE=1", VERB_MAIL, CMD_PARAM,
	    "a@b SIZE=1 SIZE=1 bad[SIZE=1]" },
	{ "MAIL FROM:<a@b> BODY=7BIT", VERB_MAIL, CMD_OK,
	    "a@b BODY=7BIT body=1 " },
	{ "MAIL FROM:<a@b> BODY=BINARYMIME", VERB_MAIL, CMD_OK,
	    "a@b BODY=BINARYMIME body=3 " },
	{ "MAIL FROM:<a@b> BODY=9BIT", VERB_MAIL, CMD_PARAM,
	    "a@b BODY=9BIT bad[BODY=9BIT]" },

	/* SMTPUTF8, RET, ENVID, AUTH */
	{ "MAIL FROM:<a@b> SMTPUTF8", VERB_MAIL, CMD_OK,
	    "a@b SMTPUTF8 smtputf8 " },
	{ "MAIL FROM:<a@b> SMTPUTF8=", VERB_MAIL, CMD_PARAM,
	    "a@b SMTPUTF8= bad[SMTPUTF8=]" },
	{ "MAIL FROM:<a@b> SMTPUTF8=1", VERB_MAIL, CMD_PARAM,
	    "a@b SMTPUTF8=1 bad[SMTPUTF8=1]" },
	{ "MAIL FROM:<\xc3\xa9@b> SMTPUTF8", VERB_MAIL, CMD_OK,
	    "\xc3\xa9@b SMTPUTF8 smtputf8 " },
	{ "MAIL FROM:<a@b> RET=HDRS ENVID=x+2By", VERB_MAIL, CMD_OK,
	    "a@b RET=HDRS ENVID=x+2By ret=2 envid=x+2By " },
	{ "MAIL FROM:<a@b> RET=full", VERB_MAIL, CMD_OK,
	    "a@b RET=full ret=1 " },
	{ "MAIL FROM:<a@b> RET=ALL", VERB_MAIL, CMD_PARAM,
	    "a@b RET=ALL bad[RET=ALL]" },
	{ "MAIL FROM:<a@b> ENVID=x+", VERB_MAIL, CMD_PARAM,
	    "a@b ENVID=x+ bad[ENVID=x+]" },
	{ "MAIL FROM:<a@b> ENVID=x+0A", VERB_MAIL, CMD_PARAM,
	    "a@b ENVID=x+0A bad[ENVID=x+0A]" },
	{ "MAIL FROM:<a@b> ENVID=a=b", VERB_MAIL, CMD_PARAM,
	    "a@b ENVID=a=b bad[ENVID=a=b]" },
	{ "MAIL FROM:<a@b> AUTH=<>", VERB_MAIL, CMD_OK,
	    "a@b AUTH=<> auth=<> " },
	{ "MAIL FROM:<a@b> AUTH=e+3Dmc2@example.com", VERB_MAIL, CMD_OK,
	    "a@b AUTH=e+3Dmc2@example.com auth=e+3Dmc2@example.com " },
	{ "MAIL FROM:<a@b> AUTH", VERB_MAIL, CMD_PARAM, "a@b AUTH bad[AUTH]" },
	{ "MAIL FROM:<a@b> AUTH=\xc3\xa9", VERB_MAIL, CMD_PARAM,
	    "a@b AUTH=\xc3\xa9 bad[AUTH=\xc3\xa9]" },
	{ "MAIL FROM:<a@b> NOTIFY=NEVER", VERB_MAIL, CMD_PARAM_UNKNOWN,
	    "a@b NOTIFY=NEVER bad[NOTIFY=NEVER]" },

	/* RCPT */
	{ "RCPT TO:<a@b>", VERB_RCPT, CMD_OK, "a@b " },
	{ "RCPT TO: <a@b>", VERB_RCPT, CMD_OK, "a@b " },
	{ "RCPT TO:<postmaster>", VERB_RCPT, CMD_OK, "postmaster " },
	{ "RCPT TO:<@x,@y:a@b>", VERB_RCPT, CMD_OK, "a@b " },
	{ "RCPT TO:<>", VERB_RCPT, CMD_PATH, "path=1 " },
	{ "RCPT FROM:<a@b>", VERB_RCPT, CMD_SYNTAX, "" },
	{ "RCPT TO:<a@b> SIZE=1", VERB_RCPT, CMD_PARAM_UNKNOWN,
	    "a@b SIZE=1 bad[SIZE=1]" },
	{ "RCPT TO:<a@b> NOTIFY=NEVER", VERB_RCPT, CMD_OK,
	    "a@b NOTIFY=NEVER notify=1 " },
	{ "RCPT TO:<a@b> NOTIFY=success,DELAY,Failure", VERB_RCPT, CMD_OK,
	    "a@b NOTIFY=success,DELAY,Failure notify=14 " },
	{ "RCPT TO:<a@b> NOTIFY=NEVER,DELAY", VERB_RCPT, CMD_PARAM,
	    "a@b NOTIFY=NEVER,DELAY bad[NOTIFY=NEVER,DELAY]" },
	{ "RCPT TO:<a@b> NOTIFY=DELAY,NEVER", VERB_RCPT, CMD_PARAM,
	    "a@b NOTIFY=DELAY,NEVER bad[NOTIFY=DELAY,NEVER]" },
	{ "RCPT TO:<a@b> NOTIFY=DELAY,", VERB_RCPT, CMD_PARAM,
	    "a@b NOTIFY=DELAY, bad[NOTIFY=DELAY,]" },
	{ "RCPT TO:<a@b> NOTIFY=,DELAY", VERB_RCPT, CMD_PARAM,
	    "a@b NOTIFY=,DELAY bad[NOTIFY=,DELAY]" },
	{ "RCPT TO:<a@b> NOTIFY=", VERB_RCPT, CMD_PARAM,
	    "a@b NOTIFY= bad[NOTIFY=]" },
	{ "RCPT TO:<a@b> NOTIFY", VERB_RCPT, CMD_PARAM,
	    "a@b NOTIFY bad[NOTIFY]" },
	{ "RCPT TO:<a@b> ORCPT=rfc822;a+2Bc@b", VERB_RCPT, CMD_OK,
	    "a@b ORCPT=rfc822;a+2Bc@b orcpt=rfc822;a+2Bc@b " },
	{ "RCPT TO:<a@b> ORCPT=X-400;C+3DUS", VERB_RCPT, CMD_OK,
	    "a@b ORCPT=X-400;C+3DUS orcpt=X-400;C+3DUS " },
	{ "RCPT TO:<a@b> ORCPT=a@b", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=a@b bad[ORCPT=a@b]" },
	{ "RCPT TO:<a@b> ORCPT=;a@b", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=;a@b bad[ORCPT=;a@b]" },
	{ "RCPT TO:<a@b> ORCPT=rfc822;", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=rfc822; bad[ORCPT=rfc822;]" },
	{ "RCPT TO:<a@b> ORCPT=rfc822;a+0D+0Ab", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=rfc822;a+0D+0Ab bad[ORCPT=rfc822;a+0D+0Ab]" },
	{ "RCPT TO:<a@b> ORCPT=rfc822;\xc3\xa9@b", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=rfc822;\xc3\xa9@b bad[ORCPT=rfc822;\xc3\xa9@b]" },
	{ "RCPT TO:<a@b> ORCPT=utf-8;\xc3\xa9@b", VERB_RCPT, CMD_OK,
	    "a@b ORCPT=utf-8;\xc3\xa9@b orcpt=utf-8;\xc3\xa9@b 8bit " },
	{ "RCPT TO:<a@b> ORCPT=UTF-8;\\x{E9}\\x{1F4E7}@b", VERB_RCPT, CMD_OK,
	    "a@b ORCPT=UTF-8;\\x{E9}\\x{1F4E7}@b "
	    "orcpt=UTF-8;\\x{E9}\\x{1F4E7}@b " },
	{ "RCPT TO:<a@b> ORCPT=utf-8;\\x{10FFFF}", VERB_RCPT, CMD_OK,
	    "a@b ORCPT=utf-8;\\x{10FFFF} orcpt=utf-8;\\x{10FFFF} " },
	{ "RCPT TO:<a@b> ORCPT=utf-8;\\x{110000}", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=utf-8;\\x{110000} bad[ORCPT=utf-8;\\x{110000}]" },
	{ "RCPT TO:<a@b> ORCPT=utf-8;\\x{D800}", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=utf-8;\\x{D800} bad[ORCPT=utf-8;\\x{D800}]" },
	{ "RCPT TO:<a@b> ORCPT=utf-8;\\x{0A}", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=utf-8;\\x{0A} bad[ORCPT=utf-8;\\x{0A}]" },
	{ "RCPT TO:<a@b> ORCPT=utf-8;\\x{0E9}", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=utf-8;\\x{0E9} bad[ORCPT=utf-8;\\x{0E9}]" },
	{ "RCPT TO:<a@b> ORCPT=utf-8;\\x{E9", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=utf-8;\\x{E9 bad[ORCPT=utf-8;\\x{E9]" },
	{ "RCPT TO:<a@b> ORCPT=utf-8;\\", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=utf-8;\\ bad[ORCPT=utf-8;\\]" },
	{ "RCPT TO:<a@b> ORCPT=utf-8;\xe9@b", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=utf-8;\xe9@b bad[ORCPT=utf-8;\xe9@b]" },

	/* DSN (RFC 3461) */
	{ "MAIL FROM:<a@b> RET=full,hdrs", VERB_MAIL, CMD_PARAM,
	    "a@b RET=full,hdrs bad[RET=full,hdrs]" },
	{ "MAIL FROM:<a@b> RET=", VERB_MAIL, CMD_PARAM,
	    "a@b RET= bad[RET=]" },
	{ "MAIL FROM:<a@b> ENVID=a+20b", VERB_MAIL, CMD_OK,
	    "a@b ENVID=a+20b envid=a+20b " },
	{ "MAIL FROM:<a@b> ENVID=+2B+3D", VERB_MAIL, CMD_OK,
	    "a@b ENVID=+2B+3D envid=+2B+3D " },
	{ "MAIL FROM:<a@b> ENVID=a+09b", VERB_MAIL, CMD_PARAM,
	    "a@b ENVID=a+09b bad[ENVID=a+09b]" },
	{ "MAIL FROM:<a@b> ENVID=a+7F", VERB_MAIL, CMD_PARAM,
	    "a@b ENVID=a+7F bad[ENVID=a+7F]" },
	{ "MAIL FROM:<a@b> ENVID=a+2b", VERB_MAIL, CMD_PARAM,
	    "a@b ENVID=a+2b bad[ENVID=a+2b]" },
	{ "MAIL FROM:<a@b> ENVID=a+C3+A9", VERB_MAIL, CMD_PARAM,
	    "a@b ENVID=a+C3+A9 bad[ENVID=a+C3+A9]" },
	{ "MAIL FROM:<a@b> ENVID=\xc3\xa9", VERB_MAIL, CMD_PARAM,
	    "a@b ENVID=\xc3\xa9 bad[ENVID=\xc3\xa9]" },
	{ "MAIL FROM:<a@b> ENVID=", VERB_MAIL, CMD_PARAM,
	    "a@b ENVID= bad[ENVID=]" },
	{ "MAIL FROM:<a@b> ENVID", VERB_MAIL, CMD_PARAM,
	    "a@b ENVID bad[ENVID]" },
	{ "MAIL FROM:<a@b> RET=FULL RET=HDRS", VERB_MAIL, CMD_PARAM,
	    "a@b RET=FULL RET=HDRS bad[RET=HDRS]" },
	{ "MAIL FROM:<a@b> ENVID=a ENVID=a", VERB_MAIL, CMD_PARAM,
	    "a@b ENVID=a ENVID=a bad[ENVID=a]" },
	{ "MAIL FROM:<a@b> ORCPT=rfc822;a@b", VERB_MAIL, CMD_PARAM_UNKNOWN,
	    "a@b ORCPT=rfc822;a@b bad[ORCPT=rfc822;a@b]" },
	{ "RCPT TO:<a@b> RET=FULL", VERB_RCPT, CMD_PARAM_UNKNOWN,
	    "a@b RET=FULL bad[RET=FULL]" },
	{ "RCPT TO:<a@b> ENVID=a", VERB_RCPT, CMD_PARAM_UNKNOWN,
	    "a@b ENVID=a bad[ENVID=a]" },
	{ "RCPT TO:<a@b> NOTIFY=never", VERB_RCPT, CMD_OK,
	    "a@b NOTIFY=never notify=1 " },
	{ "RCPT TO:<a@b> NOTIFY=SUCCESS", VERB_RCPT, CMD_OK,
	    "a@b NOTIFY=SUCCESS notify=2 " },
	{ "RCPT TO:<a@b> NOTIFY=FAILURE", VERB_RCPT, CMD_OK,
	    "a@b NOTIFY=FAILURE notify=4 " },
	{ "RCPT TO:<a@b> NOTIFY=DELAY", VERB_RCPT, CMD_OK,
	    "a@b NOTIFY=DELAY notify=8 " },
	{ "RCPT TO:<a@b> NOTIFY=DELAY,DELAY", VERB_RCPT, CMD_OK,
	    "a@b NOTIFY=DELAY,DELAY notify=8 " },
	{ "RCPT TO:<a@b> NOTIFY=NEVER,NEVER", VERB_RCPT, CMD_PARAM,
	    "a@b NOTIFY=NEVER,NEVER bad[NOTIFY=NEVER,NEVER]" },
	{ "RCPT TO:<a@b> NOTIFY=DELAYED", VERB_RCPT, CMD_PARAM,
	    "a@b NOTIFY=DELAYED bad[NOTIFY=DELAYED]" },
	{ "RCPT TO:<a@b> NOTIFY=DELAY;FAILURE", VERB_RCPT, CMD_PARAM,
	    "a@b NOTIFY=DELAY;FAILURE bad[NOTIFY=DELAY;FAILURE]" },
	{ "RCPT TO:<a@b> NOTIFY=,", VERB_RCPT, CMD_PARAM,
	    "a@b NOTIFY=, bad[NOTIFY=,]" },
	{ "RCPT TO:<a@b> NOTIFY=DELAY,,FAILURE", VERB_RCPT, CMD_PARAM,
	    "a@b NOTIFY=DELAY,,FAILURE bad[NOTIFY=DELAY,,FAILURE]" },
	{ "RCPT TO:<a@b> NOTIFY=NEVER NOTIFY=NEVER", VERB_RCPT, CMD_PARAM,
	    "a@b NOTIFY=NEVER NOTIFY=NEVER bad[NOTIFY=NEVER]" },
	{ "RCPT TO:<a@b> ORCPT=rfc822;+22a+20b+22@c", VERB_RCPT, CMD_OK,
	    "a@b ORCPT=rfc822;+22a+20b+22@c orcpt=rfc822;+22a+20b+22@c " },
	{ "RCPT TO:<a@b> ORCPT=rfc822;a+2bc@b", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=rfc822;a+2bc@b bad[ORCPT=rfc822;a+2bc@b]" },
	{ "RCPT TO:<a@b> ORCPT=rfc822;a+09b", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=rfc822;a+09b bad[ORCPT=rfc822;a+09b]" },
	{ "RCPT TO:<a@b> ORCPT=rfc822;+C3+A9@b", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=rfc822;+C3+A9@b bad[ORCPT=rfc822;+C3+A9@b]" },
	{ "RCPT TO:<a@b> ORCPT=rfc822;a=b", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=rfc822;a=b bad[ORCPT=rfc822;a=b]" },
	{ "RCPT TO:<a@b> ORCPT=rf_c;a", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=rf_c;a bad[ORCPT=rf_c;a]" },
	{ "RCPT TO:<a@b> ORCPT=rfc822", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=rfc822 bad[ORCPT=rfc822]" },
	{ "RCPT TO:<a@b> ORCPT=", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT= bad[ORCPT=]" },
	{ "RCPT TO:<a@b> ORCPT=rfc822;a ORCPT=rfc822;a", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=rfc822;a ORCPT=rfc822;a bad[ORCPT=rfc822;a]" },

	/* and RFC 6533, section 3 */
	{ "RCPT TO:<a@b> ORCPT=utf-8;a@b", VERB_RCPT, CMD_OK,
	    "a@b ORCPT=utf-8;a@b orcpt=utf-8;a@b " },
	{ "RCPT TO:<a@b> ORCPT=utf-8;", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=utf-8; bad[ORCPT=utf-8;]" },
	{ "RCPT TO:<a@b> ORCPT=utf-8;a+2Bb@c", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=utf-8;a+2Bb@c bad[ORCPT=utf-8;a+2Bb@c]" },
	{ "RCPT TO:<a@b> ORCPT=utf-8;a=b@c", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=utf-8;a=b@c bad[ORCPT=utf-8;a=b@c]" },
	{ "RCPT TO:<a@b> "
	    "ORCPT=utf-8;a\\x{2B}\\x{3D}\\x{5C}\\x{20}@c", VERB_RCPT, CMD_OK,
	    "a@b ORCPT=utf-8;a\\x{2B}\\x{3D}\\x{5C}\\x{20}@c "
	    "orcpt=utf-8;a\\x{2B}\\x{3D}\\x{5C}\\x{20}@c " },
	{ "RCPT TO:<a@b> ORCPT=utf-8;\\x{e9}@b", VERB_RCPT, CMD_OK,
	    "a@b ORCPT=utf-8;\\x{e9}@b orcpt=utf-8;\\x{e9}@b " },
	{ "RCPT TO:<a@b> ORCPT=utf-8;\\x{41}@b", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=utf-8;\\x{41}@b bad[ORCPT=utf-8;\\x{41}@b]" },
	{ "RCPT TO:<a@b> ORCPT=utf-8;\\x{7F}@b", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=utf-8;\\x{7F}@b bad[ORCPT=utf-8;\\x{7F}@b]" },
	{ "RCPT TO:<a@b> ORCPT=utf-8;\\x{01}@b", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=utf-8;\\x{01}@b bad[ORCPT=utf-8;\\x{01}@b]" },
	{ "RCPT TO:<a@b> ORCPT=utf-8;\\x{10}@b", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=utf-8;\\x{10}@b bad[ORCPT=utf-8;\\x{10}@b]" },
	{ "RCPT TO:<a@b> ORCPT=utf-8;\\x{80}@b", VERB_RCPT, CMD_OK,
	    "a@b ORCPT=utf-8;\\x{80}@b orcpt=utf-8;\\x{80}@b " },
	{ "RCPT TO:<a@b> ORCPT=utf-8;\\x{}@b", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=utf-8;\\x{}@b bad[ORCPT=utf-8;\\x{}@b]" },
	{ "RCPT TO:<a@b> ORCPT=utf-8;\\x{9}@b", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=utf-8;\\x{9}@b bad[ORCPT=utf-8;\\x{9}@b]" },
	{ "RCPT TO:<a@b> ORCPT=utf-8;\\X{E9}@b", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=utf-8;\\X{E9}@b bad[ORCPT=utf-8;\\X{E9}@b]" },
	{ "RCPT TO:<a@b> ORCPT=utf-8;\\\\@b", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=utf-8;\\\\@b bad[ORCPT=utf-8;\\\\@b]" },
	{ "RCPT TO:<a@b> ORCPT=utf-8;\\x{DFFF}@b", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=utf-8;\\x{DFFF}@b bad[ORCPT=utf-8;\\x{DFFF}@b]" },
	{ "RCPT TO:<a@b> ORCPT=utf-8;\\x{1000000}", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=utf-8;\\x{1000000} bad[ORCPT=utf-8;\\x{1000000}]" },
	{ "RCPT TO:<a@b> ORCPT=utf-8;\xc3\xa9\\x{E9}@b", VERB_RCPT, CMD_OK,
	    "a@b ORCPT=utf-8;\xc3\xa9\\x{E9}@b "
	    "orcpt=utf-8;\xc3\xa9\\x{E9}@b 8bit " },
	{ "RCPT TO:<a@b> ORCPT=utf-8;a@b\x7f", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=utf-8;a@b\x7f bad[ORCPT=utf-8;a@b\x7f]" },
	{ "RCPT TO:<a@b> ORCPT=utf-8;\xed\xa0\x80@b", VERB_RCPT, CMD_PARAM,
	    "a@b ORCPT=utf-8;\xed\xa0\x80@b bad[ORCPT=utf-8;\xed\xa0\x80@b]" },

	/* BDAT */
	{ "BDAT 0", VERB_BDAT, CMD_OK, "size=0 " },
	{ "BDAT 86 LAST", VERB_BDAT, CMD_OK, "size=86 last " },
	{ "bdat 86 last", VERB_BDAT, CMD_OK, "size=86 last " },
	{ "BDAT 18446744073709551615", VERB_BDAT, CMD_OK,
	    "size=18446744073709551615 " },
	{ "BDAT 18446744073709551616", VERB_BDAT, CMD_SYNTAX, "" },
	{ "BDAT", VERB_BDAT, CMD_ARG_MISSING, "" },
	{ "BDAT LAST", VERB_BDAT, CMD_SYNTAX, "" },
	{ "BDAT -1", VERB_BDAT, CMD_SYNTAX, "" },
	{ "BDAT +1", VERB_BDAT, CMD_SYNTAX, "" },
	{ "BDAT 0x10", VERB_BDAT, CMD_SYNTAX, "" },
	{ "BDAT 1 FIRST", VERB_BDAT, CMD_SYNTAX, "" },
	{ "BDAT 1 LAST x", VERB_BDAT, CMD_SYNTAX, "" },
	{ "BDAT 1  LAST", VERB_BDAT, CMD_SYNTAX, "" },
};

static char	 out[4096];

static void __attribute__((__format__(printf, 1, 2)))
say(const char *fmt, ...)
{
	size_t	 n = strlen(out);
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(out + n, sizeof(out) - n, fmt, ap);
	va_end(ap);
}

static void
say_slice(const char *name, struct slice s)
{
	if (s.p != NULL)
		say("%s=%.*s ", name, (int)s.n, s.p);
}

/* address, parameters as sent, what became of them; or what is wrong */
static void
describe(const struct smtp_cmd *cmd, enum smtp_cmd_error error)
{
	char		 address[SMTP_MAILBOX_MAX + 1];
	const struct smtp_param *p;
	size_t		 i;

	out[0] = '\0';
	if (cmd->path_error != PATH_OK)
		say("path=%d ", cmd->path_error);
	if (smtp_path_print(&cmd->path, address, sizeof(address)) > 0)
		say("%s ", address);
	else if (cmd->path.null)
		say("<> ");
	for (i = 0; i < cmd->nparams; i++) {
		p = &cmd->params[i];
		say("%.*s%s%.*s ", (int)p->key.n, p->key.p,
		    p->value.p != NULL ? "=" : "", (int)p->value.n,
		    p->value.p != NULL ? p->value.p : "");
	}
	if (error != CMD_OK) {
		if (cmd->bad.n > 0)
			say("bad[%.*s]", (int)cmd->bad.n, cmd->bad.p);
		return;
	}
	say_slice("hello", cmd->hello);
	if ((cmd->have & HAVE_SIZE) || cmd->verb == VERB_BDAT)
		say("size=%llu ", (unsigned long long)cmd->size);
	if (cmd->have & HAVE_BODY)
		say("body=%d ", cmd->body);
	if (cmd->have & HAVE_SMTPUTF8)
		say("smtputf8 ");
	if (cmd->have & HAVE_RET)
		say("ret=%d ", cmd->ret);
	if (cmd->have & HAVE_NOTIFY)
		say("notify=%u ", cmd->notify);
	say_slice("envid", cmd->envid);
	say_slice("orcpt", cmd->orcpt);
	if (cmd->orcpt_utf8)
		say("8bit ");
	say_slice("auth", cmd->auth);
	if (cmd->last)
		say("last ");
}

static enum smtp_cmd_error
parse(struct smtp_cmd *cmd, const char *in)
{
	enum smtp_cmd_error	 error;
	struct slice		 line;
	char			*copy;

	line.n = strlen(in);
	copy = malloc(line.n + (line.n == 0));
	if (copy == NULL)
		abort();
	memcpy(copy, in, line.n);
	line.p = copy;
	/* what nobody set must not be looked at */
	memset(cmd, 0x5a, sizeof(*cmd));
	error = smtp_cmd_parse(cmd, line);
	describe(cmd, error);
	free(copy);
	return error;
}

static void
test_limits(void)
{
	static struct smtp_cmd	 cmd;
	char			 line[2048];
	size_t			 i;

	snprintf(line, sizeof(line), "EHLO %0255d", 1);
	is_int(parse(&cmd, line), CMD_OK, "a name of 255");
	snprintf(line, sizeof(line), "EHLO %0256d", 1);
	is_int(parse(&cmd, line), CMD_SYNTAX, "a name of 256");

	snprintf(line, sizeof(line), "MAIL FROM:<> ENVID=%0100d", 1);
	is_int(parse(&cmd, line), CMD_OK, "ENVID of 100");
	snprintf(line, sizeof(line), "MAIL FROM:<> ENVID=%0101d", 1);
	is_int(parse(&cmd, line), CMD_PARAM, "ENVID of 101");
	snprintf(line, sizeof(line), "RCPT TO:<a@b> ORCPT=rfc822;%0493d", 1);
	is_int(parse(&cmd, line), CMD_OK, "ORCPT of 500");
	snprintf(line, sizeof(line), "RCPT TO:<a@b> ORCPT=rfc822;%0494d", 1);
	is_int(parse(&cmd, line), CMD_PARAM, "ORCPT of 501");

	strlcpy(line, "MAIL FROM:<>", sizeof(line));
	for (i = 0; i < SMTP_PARAM_MAX; i++)
		strlcat(line, " X", sizeof(line));
	is_int(parse(&cmd, line), CMD_PARAM_UNKNOWN, "32 parameters");
	is_int(cmd.nparams, SMTP_PARAM_MAX, "are all there");
	strlcat(line, " X", sizeof(line));
	is_int(parse(&cmd, line), CMD_PARAM, "33 parameters");
}

static const struct {
	const char	*in;
	const char	*want;		/* NULL: none */
} xtexts[] = {
	{ "", "" },
	{ "abc", "abc" },
	{ "a+2Bb+3D", "a+b=" },
	{ "+20", " " },
	{ "+C3+A9", "\xc3\xa9" },
	{ "+c3", NULL },
	{ "+Cf", NULL },
	{ "+", NULL },
	{ "+2", NULL },
	{ "+2G", NULL },
	{ "+-1", NULL },
	{ "a=b", NULL },
	{ "a b", NULL },
	{ "\xc3\xa9", NULL },
	{ "a\x7f", NULL },
	{ "+00", NULL },
	{ "+0A", NULL },
	{ "+7F", NULL },
};

static void
test_xtext(void)
{
	struct slice	 s;
	char		 buf[8];
	size_t		 i;
	int		 n, want;

	for (i = 0; i < nitems(xtexts); i++) {
		s.p = xtexts[i].in;
		s.n = strlen(s.p);
		want = xtexts[i].want == NULL ? -1 :
		    (int)strlen(xtexts[i].want);
		n = smtp_xtext_decode(s, buf, sizeof(buf));
		is_int(n, want, "xtext %s", s.p);
		is_int(smtp_xtext_decode(s, NULL, 0), want,
		    "xtext %s, length only", s.p);
		if (n != -1 && want != -1)
			is_str(buf, xtexts[i].want, "xtext %s", s.p);
	}
	s.p = "12345678";
	s.n = 7;
	is_int(smtp_xtext_decode(s, buf, sizeof(buf)), 7, "xtext that fits");
	s.n = 8;
	is_int(smtp_xtext_decode(s, buf, sizeof(buf)), -1, "and not");
}

/* Every verb has its name, in any case, and no beginning of it has. */
static void
test_verbs(void)
{
	struct slice	 s;
	char		 name[32];
	unsigned int	 i, j;

	for (i = VERB_NONE + 1; i < VERB_COUNT; i++) {
		strlcpy(name, smtp_verb_name(i), sizeof(name));
		s.p = name;
		s.n = strlen(name);
		is_int(smtp_verb_parse(s), i, "verb %s", name);
		for (j = 0; name[j] != '\0'; j++)
			name[j] = tolower((unsigned char)name[j]);
		is_int(smtp_verb_parse(s), i, "verb %s", name);
		s.n--;
		is_int(smtp_verb_parse(s), VERB_NONE, "all but all of %s",
		    name);
	}
	is_str(smtp_verb_name(VERB_NONE), "UNKNOWN", "no verb");
}

int
main(void)
{
	static struct smtp_cmd	 cmd;
	size_t			 i;

	for (i = 0; i < nitems(cases); i++) {
		is_int(parse(&cmd, cases[i].in), cases[i].error,
		    "error of %s", cases[i].in);
		is_int(cmd.verb, cases[i].verb, "verb of %s", cases[i].in);
		is_str(out, cases[i].want, "%s", cases[i].in);
	}
	test_limits();
	test_xtext();
	test_verbs();
	return done("t_cmd");
}
