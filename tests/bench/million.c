/*
 * million.c - how long `stager status` takes with a million deliveries in the outbox, added to bench.json.
 *
 * For:    `make bench`.
 * Uses:   the store for the state, SQLite beside it to lay down the rows: their MACs are not looked at by the status.
 * Called: run.sh: million BENCH.json STAGER
 * Thread: the only one.
 */
#include "../store/raw.h"

#include <sys/resource.h>
#include <time.h>

#include <stager/clock.h>
#include <stager/file.h>

enum { RUNS = 9 };

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static double now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* A loaded machine makes any command slow: what the command itself costs is told beside. */
static double children_ms(void)
{
	struct rusage r;
	getrusage(RUSAGE_CHILDREN, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e3 + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e3;
}

static void lay_down(const struct state *st)
{
	char path[256];
	sqlite3 *db;
	snprintf(path, sizeof(path), "%s/stager.db", st->dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	raw_run(db, "PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF");
	raw_run(db, "INSERT INTO target (name, connector, created_ms, changed_ms) VALUES ('head-office', 'webhook', 1, 1)");
	raw_run(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)"
		    " INSERT INTO outbox (id, seq, record_id, device, target, phase, state, created_ms, changed_ms, mac)"
		    " SELECT i, i, 'record-' || i, 1, 'head-office', 'E', iif(i % 1000 = 0, 'queued', 'delivered'), i, i, '' FROM n");
	sqlite3_close(db);
}

static double middle(double *ms)
{
	qsort(ms, RUNS, sizeof(*ms), by_size);
	return ms[RUNS / 2];
}

int main(int argc, char **argv)
{
	struct state st;
	double query[RUNS], command[RUNS], cpu[RUNS];
	char line[4096];
	struct stg_error err = { 0 };
	if (argc < 3)
		return 2;
	state_folder(&st);
	/* the command makes the state with a key of its own, as it will open it */
	snprintf(line, sizeof(line), "%s init --rehearsal --state %s >/dev/null", argv[2], st.dir);
	if (system(line) != 0)
		return 1;
	lay_down(&st);
	st.s = stg_store_open_read(st.dir, &err);
	if (!st.s) {
		fprintf(stderr, "million: %s\n", err.msg);
		return 1;
	}
	for (int i = 0; i < RUNS; i++) {
		double from = now_ms();
		json_decref(stg_store_outbox_summary(st.s, &err));
		query[i] = now_ms() - from;
	}
	snprintf(line, sizeof(line), "%s status --json --state %s >/dev/null", argv[2], st.dir);
	for (int i = 0; i < RUNS; i++) {
		double from = now_ms(), spent = children_ms();
		if (system(line) != 0)
			return 1;
		command[i] = now_ms() - from;
		cpu[i] = children_ms() - spent;
	}
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(1u << 20);
	STG_AUTO(stg_json_free_at) json_t *figures = stg_file_read(argv[1], &text, &err) ? stg_json_parse(stg_buf_view(&text), 1u << 20, &err) : NULL;
	if (!figures)
		figures = json_object();
	json_object_set_new(figures, "outbox_summary_ms_million_rows", json_real(middle(query)));
	json_object_set_new(figures, "status_ms_million_rows", json_real(middle(command)));
	json_object_set_new(figures, "status_cpu_ms_million_rows", json_real(middle(cpu)));
	printf("%-40s %10.2f ms\n%-40s %10.2f ms (the whole command, no station; %.2f ms of CPU)\n", "outbox_summary_ms_million_rows", middle(query),
	       "status_ms_million_rows", middle(command), middle(cpu));
	int bad = json_dump_file(figures, argv[1], JSON_INDENT(1) | JSON_PRESERVE_ORDER);
	state_remove(&st);
	/* the promise of the design: measured here, never in a timed test */
	if (middle(command) >= 50)
		printf("million: over the 50 ms that were promised\n");
	return bad ? 1 : 0;
}
