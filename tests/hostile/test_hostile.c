/*
 * test_hostile.c - devices that answer with a corpus of hostile replies, one after the other, while seven good ones are staged
 * beside them: each reply ends by its deadline, kills nobody's worker, fills no memory and disturbs no neighbour.
 *
 * All of it takes minutes: here each second row, in `make soak` every one. STG_ROWS=TEXT tries only rows with TEXT in their name,
 * STG_EVERY=N each N-th, STG_FROM=N begins with the N-th, STG_VERBOSE=1 shows what became of each.
 */
#include "look.h"

#include "forms.h"
#include "talks.h"

#include "run.h"

#define GOOD 7
#define HOSTILE 28
#define WORKER_MOST_KIB (256 << 10)
#define ASKED_ROWS 300

static struct corpus corpus;

/* Keeps what STG_ROWS and STG_EVERY say. */
static void choose(struct corpus *c)
{
	const char *only = getenv("STG_ROWS");
	int every = look_number("STG_EVERY", only ? 1 : 2), from = look_number("STG_FROM", 0);
	size_t n = 0;
	for (size_t i = 0; i < c->n; i++)
		if ((!only || strstr(c->rows[i].name, only)) && i >= (size_t)from && (i - (size_t)from) % (size_t)(every > 0 ? every : 1) == 0)
			c->rows[n++] = c->rows[i];
	c->n = n;
}

static size_t lines_with(const struct journey *j, const char *text)
{
	char command[400];
	snprintf(command, sizeof(command), "grep -cF '%s' %s/station.log", text, j->dir);
	FILE *f = popen(command, "re");
	size_t n = 0;
	assert_non_null(f);
	if (fscanf(f, "%zu", &n) != 1)
		n = 0;
	pclose(f);
	return n;
}

static void hostile_replies_end_by_their_deadline_and_disturb_nobody(void **state)
{
	(void)state;
	struct journey j;
	struct run r;
	setenv("STAGER_POOL", "40,0", 0);
	run_quick_keys();
	journey_begin(&j, GOOD + HOSTILE, "fast", 42, NULL);
	snprintf(corpus.dir, sizeof(corpus.dir), "%s/corpus", j.dir);
	struct stg_error err = { 0 };
	journey_must(stg_folder_make(corpus.dir, 0700, &err), &err, "corpus");
	forms(&corpus);
	talks(&corpus);
	size_t whole = corpus.n;
	assert_true(whole >= ASKED_ROWS);
	choose(&corpus);
	run_begin(&r, &j, &corpus, GOOD, HOSTILE);
	run_rows(&r, look_number("STG_MOST_S", 1800) * INT64_C(1000));

	size_t not_met = 0, ends[4] = { 0 };
	for (size_t i = 0; i < corpus.n; i++) {
		const struct row *row = &corpus.rows[i];
		if (!row->done)
			run_wrong(&r, "%s: never tried", row->name);
		else if (!row->met && not_met++ < 10)
			run_wrong(&r, "%s: nobody asked for it (%s %s)", row->name, row->end, row->detail);
		ends[strcmp(row->end, "staged") == 0 ? 0 : strcmp(row->end, "failed") == 0 ? 1 : strcmp(row->end, "hold") == 0 ? 2 : 3]++;
	}
	STG_AUTO(stg_json_free_at) json_t *show = journey_op(&j, "station.show", json_object(), NULL);
	int64_t peak = stg_json_int(show, "worker_rss_kib", 0);
	size_t killed = lines_with(&j, "nothing for too long"), signals = lines_with(&j, "the worker was ended by signal"),
	       nonsense = lines_with(&j, "said something it may not");
	print_message("%zu of %zu replies in %" PRIi64 " s: %zu staged all the same, %zu failed, %zu on hold, %zu otherwise; longest %" PRIi64
		      " ms (%s); %zu ended by the station at their deadline; worker's peak %.1f MiB; good devices: %d times staged, %" PRIi64
		      " ms each\n",
		      corpus.n, whole, r.took_ms / 1000, ends[0], ends[1], ends[2], ends[3], r.longest_ms, r.longest ? r.longest->name : "",
		      killed, (double)peak / 1024, r.good_rounds, r.good_rounds ? r.good_ms / r.good_rounds : 0);
	/* a worker that dies of what it reads is a parser that believed it */
	if (signals > killed)
		run_wrong(&r, "%zu workers died by a signal, %zu of them at a deadline", signals, killed);
	if (nonsense)
		run_wrong(&r, "%zu workers said what they may not", nonsense);
	if (peak > WORKER_MOST_KIB)
		run_wrong(&r, "a worker had %" PRIi64 " KiB", peak);
	if (r.good_rounds < GOOD)
		run_wrong(&r, "the good devices were staged %d times", r.good_rounds);
	run_end(&r);
	if (r.wrong)
		fail_msg("%d things are wrong, the first: %s (%s)", r.wrong, r.first_wrong, j.dir);
	journey_end(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hostile_replies_end_by_their_deadline_and_disturb_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
