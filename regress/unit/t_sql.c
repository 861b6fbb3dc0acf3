/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * sql_params.c: from names to numbers, what is passed over, and where a
 * statement ends.
 */

#include "sql_params.h"
#include "t.h"

static const struct {
	const char	*in;
	const char	*lite;		/* "!why", or what becomes of it */
	const char	*pq;		/* NULL: as lite, with $ for ? */
	const char	*names;		/* in order; "?0" for a `?' */
} cases[] = {
	{ "SELECT 1", "SELECT 1", NULL, "" },
	{ "SELECT :a", "SELECT ?1", NULL, "a" },
	{ "SELECT $a, :a,:b", "SELECT ?1, ?1,?2", NULL, "a b" },
	{ "SELECT ?, :k, ?", "SELECT ?1, ?2, ?3", NULL, "?0 k ?1" },
	{ "x=:key AND y=:key_2", "x=?1 AND y=?2", NULL, "key key_2" },
	{ ":a:b", "?1?2", NULL, "a b" },

	/* quotes, identifiers */
	{ "':a' || :b", "':a' || ?1", NULL, "b" },
	{ "'it''s :a' || :b", "'it''s :a' || ?1", NULL, "b" },
	{ "\"a\"\"b:c\" = :d", "\"a\"\"b:c\" = ?1", NULL, "d" },
	{ "':a", "!a quote is not closed", NULL, "" },
	{ "\":a", "!a quote is not closed", NULL, "" },
	{ "`:a` = :b", "`:a` = ?1", "`$1` = $2", NULL },
	{ "[:a] = :b", "[:a] = ?1", "[$1] = $2", NULL },
	{ "x'3a61' = :b", "x'3a61' = ?1", NULL, "b" },
	{ "E'\\':a' || :b", "!a quote is not closed", "E'\\':a' || $1",
	    NULL },
	{ "name'\\' || :b", "name'\\' || ?1", NULL, "b" },

	/* comments become a blank */
	{ "a -- :x ';\n= :b", "a  \n= ?1", NULL, "b" },
	{ "a /* :x ' */= :b", "a  = ?1", NULL, "b" },
	{ "a /* /* */ :b", "a   ?1", "!a comment is not closed", NULL },
	{ "a /* /* */ :x */ :b", "a   ?1 */ ?2", "a   $1", NULL },
	{ "a /*/ :b", "!a comment is not closed", NULL, "" },
	{ "a - - :b / * :c", "a - - ?1 / * ?2", NULL, "b c" },

	/* casts, slices, assignments */
	{ ":a::int", "?1::int", NULL, "a" },
	{ "a::text = :b", "a::text = ?1", NULL, "b" },
	{ "x[1:2]", "x[1:2]", NULL, "" },
	{ "f(a := :b)", "f(a := ?1)", NULL, "b" },

	/* between dollars */
	{ "$$:a$$ || :b", "!`$' without a name: parameters have names",
	    "$$:a$$ || $1", NULL },
	{ "$x$ :a $$ $x$ || :b", NULL, "$x$ :a $$ $x$ || $1", NULL },
	{ "$x$ :a", NULL, "!what is between dollars is not closed", NULL },
	{ "a$b = $c", "a$b = ?1", NULL, "c" },
	{ "$1", "!`$' without a name: parameters have names", NULL, "" },
	{ "?1", "?1", NULL, "?0" },
	{ "?2, ?1, ?2, ?, :a, ?", "?1, ?2, ?1, ?3, ?4, ?5", NULL,
	    "?1 ?0 ?2 a ?3" },
	{ "?, ?1, ?", "?1, ?1, ?2", NULL, "?0 ?1" },
	{ "?0", "!places are ?1 to ?100", NULL, "" },
	{ "?101", "!places are ?1 to ?100", NULL, "" },
	{ "?4294967297", "!places are ?1 to ?100", NULL, "" },
	{ "?1a", "!a parameter's name has ASCII letters, digits and _", NULL,
	    "" },
	{ "@a", "!`@': parameters are written as :name", "@a", NULL },

	/* one statement */
	{ "SELECT 1;", "SELECT 1", NULL, "" },
	{ "SELECT 1 ; \n-- end\n/* of it */ ", "SELECT 1  \n \n  ", NULL,
	    "" },
	{ "SELECT 1; SELECT 2", "!more than one statement", NULL, "" },
	{ "SELECT 1;;", "!more than one statement", NULL, "" },
	{ "';' || :a", "';' || ?1", NULL, "a" },
	{ "", "!empty", NULL, "" },
	{ " -- nothing", "!empty", NULL, "" },
	{ ";", "!empty", NULL, "" },

	/* numbers and words as a whole */
	{ "1e5:a", "1e5?1", NULL, "a" },
	{ "na:me", "na?1", NULL, "me" },
	{ ": a", ": a", NULL, "" },
	{ ":\xc3\xa9", "!a parameter's name has ASCII letters, digits and _",
	    ":\xc3\xa9", NULL },
	{ ":a\xc3\xa9", "!a parameter's name has ASCII letters, digits and _",
	    NULL, "" },
	{ "\xc3\xa9:a", "\xc3\xa9?1", NULL, "a" },
	{ ":aaaaaaaaaabbbbbbbbbbccccccccccd", "?1", NULL,
	    "aaaaaaaaaabbbbbbbbbbccccccccccd" },
	{ ":aaaaaaaaaabbbbbbbbbbccccccccccdd",
	    "!a parameter's name is longer than 31 octets", NULL, "" }
};

static void
outcome(const char *in, enum sql_dialect dialect, char *out, char *names)
{
	struct sql_params	 sql;
	const char		*why;
	size_t			 i;
	char			 one[64];

	names[0] = '\0';
	if ((why = sql_params_read(&sql, in, dialect)) != NULL) {
		(void)snprintf(out, 512, "!%s", why);
		return;
	}
	(void)strlcpy(out, sql.text, 512);
	for (i = 0; i < sql.n; i++) {
		if (sql.param[i].name[0] == '\0')
			(void)snprintf(one, sizeof(one), "?%u",
			    sql.param[i].place);
		else
			(void)strlcpy(one, sql.param[i].name, sizeof(one));
		if (i > 0)
			(void)strlcat(names, " ", 512);
		(void)strlcat(names, one, 512);
	}
	sql_params_clear(&sql);
}

/* The text for SQLite as PostgreSQL would have it. */
static void
to_dollars(const char *lite, char *out, size_t size)
{
	size_t	i;

	(void)strlcpy(out, lite, size);
	for (i = 0; out[i] != '\0' && out[0] != '!'; i++)
		if (out[i] == '?')
			out[i] = '$';
}

static void
test_cases(void)
{
	char	got[512], names[512], want[512];
	size_t	i;

	for (i = 0; i < nitems(cases); i++) {
		if (cases[i].lite != NULL) {
			outcome(cases[i].in, SQL_SQLITE, got, names);
			is_str(got, cases[i].lite, "sqlite: %s", cases[i].in);
		}
		if (cases[i].names != NULL)
			is_str(names, cases[i].names, "names of %s",
			    cases[i].in);
		outcome(cases[i].in, SQL_PQ, got, names);
		if (cases[i].pq == NULL)
			to_dollars(cases[i].lite, want, sizeof(want));
		else
			(void)strlcpy(want, cases[i].pq, sizeof(want));
		is_str(got, want, "postgresql: %s", cases[i].in);
	}
}

static const struct {
	const char	*in, *verb;
	bool		 writes;
} verbs[] = {
	{ "SELECT 1", "select", false },
	{ " -- update\n/* insert */ ((Select 'delete')", "select", false },
	{ "WITH x AS (Insert INTO t VALUES (1) RETURNING 1) SELECT 1",
	    "with", true },
	{ "replace INTO t VALUES (1)", "replace", true },
	{ "BEGIN;", "begin", false },
	{ "a2345678901234567 update", "", true },
	{ "\"update\"", "", false },
	{ "1", "", false }
};

static void
test_verbs(void)
{
	struct sql_params	sql;
	size_t			i;

	for (i = 0; i < nitems(verbs); i++) {
		ok(sql_params_read(&sql, verbs[i].in, SQL_SQLITE) == NULL,
		    "%s", verbs[i].in);
		is_str(sql.verb, verbs[i].verb, "verb of %s", verbs[i].in);
		is_int(sql.writes, verbs[i].writes, "it writes");
		sql_params_clear(&sql);
	}
}

/* A hundred are taken, and their numbers have three digits. */
static void
test_many(void)
{
	struct sql_params	sql;
	char			text[2048] = "SELECT ", one[16];
	size_t			i;

	for (i = 0; i < SQL_PARAMS_MAX; i++) {
		(void)snprintf(one, sizeof(one), ":p%zu,", i);
		(void)strlcat(text, one, sizeof(text));
	}
	ok(sql_params_read(&sql, text, SQL_PQ) == NULL, "100 parameters");
	is_int(sql.n, SQL_PARAMS_MAX, "all of them");
	ok(strstr(sql.text, ",$9,$10,") != NULL &&
	    strstr(sql.text, ",$100,") != NULL, "numbers");
	sql_params_clear(&sql);
	(void)strlcat(text, ":one_more", sizeof(text));
	is_str(sql_params_read(&sql, text, SQL_PQ), "more than 100 parameters",
	    "101");
	(void)memset(text, '?', SQL_PARAMS_MAX);
	text[SQL_PARAMS_MAX] = '\0';
	ok(sql_params_read(&sql, text, SQL_SQLITE) == NULL, "100 places");
	is_int(sql.param[99].place, 99, "the last place");
	sql_params_clear(&sql);
}

int
main(void)
{
	test_cases();
	test_verbs();
	test_many();
	return done("sql");
}
