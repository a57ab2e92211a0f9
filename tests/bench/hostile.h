/*
 * hostile.h - what hostile devices cost the good ones beside them: seven are staged over and over, alone and beside fourteen that
 * answer with the corpus of tests/hostile.
 *
 * For:    measure.c. BENCH_HOSTILE_EVERY (8) takes each so manieth reply.
 * Uses:   tests/hostile, whole journeys at pace real.
 * Called: measure.c.
 * Thread: one.
 */
#ifndef BENCH_HOSTILE_H
#define BENCH_HOSTILE_H

#include "../hostile/forms.h"
#include "../hostile/talks.h"

#include "../hostile/run.h"

#define HOSTILE_GOOD 7
#define HOSTILE_BESIDE 14
#define HOSTILE_ALONE_MS 60000

/* Milliseconds of one staging of a good device, from its order to staged; *ret_rows: replies tried beside. */
static double hostile_round_ms(bool beside, size_t *ret_rows, double *ret_worker_mib, int *ret_wrong)
{
	static struct corpus corpus;
	const char *every_text = getenv("BENCH_HOSTILE_EVERY");
	size_t every = every_text && atoi(every_text) > 0 ? (size_t)atoi(every_text) : 8, n = 0;
	struct journey j;
	struct run r;
	struct stg_error err = { 0 };
	setenv("STAGER_POOL", "24,0", 1);
	journey_begin(&j, HOSTILE_GOOD + HOSTILE_BESIDE, "real", 46, NULL);
	corpus.n = 0;
	snprintf(corpus.dir, sizeof(corpus.dir), "%s/corpus", j.dir);
	journey_must(stg_folder_make(corpus.dir, 0700, &err), &err, "corpus");
	forms(&corpus);
	talks(&corpus);
	for (size_t i = 0; i < corpus.n; i += every)
		corpus.rows[n++] = corpus.rows[i];
	corpus.n = n;
	run_begin(&r, &j, beside ? &corpus : NULL, HOSTILE_GOOD, beside ? HOSTILE_BESIDE : 0);
	run_rows(&r, beside ? 900000 : HOSTILE_ALONE_MS);
	STG_AUTO(stg_json_free_at) json_t *show = journey_op(&j, "station.show", json_object(), NULL);
	*ret_worker_mib = (double)stg_json_int(show, "worker_rss_kib", 0) / 1024;
	*ret_rows = n;
	*ret_wrong = r.wrong;
	double ms = r.good_rounds ? (double)r.good_ms / r.good_rounds : -1;
	run_end(&r);
	journey_end(&j);
	return ms;
}

#endif
