/* raw.h - the connections the store opens, seen from below: to damage rows, and to count rows read without an index. */
#ifndef STORE_RAW_H
#define STORE_RAW_H

#include "store_lib.h"

#include <sqlite3.h>

static sqlite3 *raw_last;                 /* the connection opened last */
static int raw_scanned;                   /* rows stepped over without an index since raw_watch() */
static char raw_worst[4096];              /* the statement that stepped over most of them */
static int raw_worst_steps;

__attribute__((unused)) static int raw_trace(unsigned int kind, void *ctx, void *stmt, void *ns)
{
	(void)ctx, (void)ns;
	if (kind != SQLITE_TRACE_PROFILE)
		return 0;
	int steps = sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_FULLSCAN_STEP, 1);
	raw_scanned += steps;
	if (steps > raw_worst_steps) {
		raw_worst_steps = steps;
		snprintf(raw_worst, sizeof(raw_worst), "%s", sqlite3_sql(stmt));
	}
	return 0;
}

static int raw_opened(sqlite3 *db, char **text, const struct sqlite3_api_routines *api)
{
	(void)text, (void)api;
	raw_last = db;
	return sqlite3_trace_v2(db, SQLITE_TRACE_PROFILE, raw_trace, NULL);
}

__attribute__((unused)) static void raw_begin(void)
{
	sqlite3_auto_extension((void (*)(void))raw_opened);
}

__attribute__((unused)) static void raw_watch(void)
{
	raw_scanned = raw_worst_steps = 0;
	raw_worst[0] = 0;
}

__attribute__((unused)) static void raw_run(sqlite3 *db, const char *sql)
{
	char *text = NULL;
	if (sqlite3_exec(db, sql, NULL, NULL, &text) != SQLITE_OK)
		fail_msg("%s: %s", sql, text);
}

#endif
