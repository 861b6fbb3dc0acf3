/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * sql_params.c on any text, judged by SQLite: what was read without an error
 * and is good SQL has as many parameters as were counted, and nothing behind
 * the statement.  Then rows.c, of whose octets the reader must find all.
 */

#include <sqlite3.h>

#include "fuzz.h"
#include "lookupd.h"
#include "msg.h"
#include "sql_params.h"

static sqlite3	*lite;

static void
check_names(const struct sql_params *sql)
{
	size_t	i, j;

	must(sql->n <= SQL_PARAMS_MAX);
	for (i = 0; i < sql->n; i++) {
		must(strlen(sql->param[i].name) < SQL_NAME_MAX);
		for (j = 0; j < i && sql->param[i].name[0] != '\0'; j++)
			must(strcmp(sql->param[i].name,
			    sql->param[j].name) != 0);
	}
}

static void
check_by_sqlite(const struct sql_params *sql)
{
	sqlite3_stmt	*st = NULL;
	const char	*tail = NULL;

	if (sqlite3_prepare_v2(lite, sql->text, -1, &st, &tail) == SQLITE_OK) {
		must(st != NULL);
		must(tail[strspn(tail, " \t\n\v\f\r")] == '\0');
		must(sqlite3_bind_parameter_count(st) == (int)sql->n);
	}
	(void)sqlite3_finalize(st);
}

static void
read_both(const char *text)
{
	struct sql_params	 sql;

	if (sql_params_read(&sql, text, SQL_PQ) == NULL) {
		check_names(&sql);
		must(strlen(sql.text) <= 4 * strlen(text));
		sql_params_clear(&sql);
	}
	if (sql_params_read(&sql, text, SQL_SQLITE) == NULL) {
		check_names(&sql);
		check_by_sqlite(&sql);
		sql_params_clear(&sql);
	}
}

static void
get_value(struct rbuf *body, bool typed)
{
	struct sql_value	v;

	if (typed) {
		get_sql_value(body, &v);
	} else {
		(void)get_bool(body);
		(void)get_blob(body, &v.len);
	}
}

/* The input as values: each octet is the length of one, 255 is NULL. */
static void
make_rows(const uint8_t *data, size_t len, bool typed)
{
	struct rows	 r;
	struct rbuf	 body;
	char		 name[16];
	size_t		 i, n, columns = len == 0 ? 0 : data[0] % 4;
	uint32_t	 row, found = 0;

	rows_init(&r, typed);
	for (i = 0; i < columns; i++)
		rows_column(&r, "name");
	for (i = 1; i < len && columns > 0 && rows_next(&r, 5);)
		for (n = 0; n < columns; n++, i++)
			if (i >= len || data[i] == 255)
				rows_value(&r, SQL_NULL, data, 0);
			else if (data[i] == 254)
				rows_value(&r, SQL_INT, "-1", 2);
			else
				rows_value(&r, SQL_TEXT, data, data[i] % len);
	must(r.failed == NULL && r.a.nrows <= 5);
	rbuf_init(&body, r.body.data, r.body.len);
	for (i = 0; i < columns; i++)
		get_str(&body, name, sizeof(name));
	for (row = 0; row < r.a.nrows; row++)
		for (n = 0; n < columns; n++, found++)
			get_value(&body, typed);
	must(get_end(&body) == 0 && found == r.a.nrows * columns);
	rows_clear(&r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char	*text;

	if (lite == NULL)
		must(sqlite3_open(":memory:", &lite) == SQLITE_OK &&
		    sqlite3_exec(lite, "CREATE TABLE t (a, b)", NULL, NULL,
		    NULL) == SQLITE_OK);
	must((text = malloc(len + 1)) != NULL);
	memcpy(text, data, len);
	text[len] = '\0';
	read_both(text);
	free(text);
	make_rows(data, len, false);
	make_rows(data, len, true);
	return 0;
}
