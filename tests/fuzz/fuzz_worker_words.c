/*
 * fuzz_worker_words.c - what a worker, perhaps taken over by its device, tells the station: read with doubt, and said again the same.
 *
 * For:    make fuzz, and the replay of its corpus in the normal check.
 * Called: by libFuzzer or replay.c.
 * Thread: one.
 */
#include <stdlib.h>
#include <string.h>

#include <stager/arrival.h>
#include <stager/error.h>
#include <stager/identity.h>
#include <stager/job.h>
#include <stager/json.h>
#include <stager/worker.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what)
{
	if (!what)
		abort();
}

static void as_identity(const json_t *j)
{
	struct stg_identity a = { 0 }, b = { 0 };
	struct stg_error err = { 0 };
	if (!stg_identity_from_json(j, &a, &err)) {
		must(err.code != STG_OK);
		return;
	}
	STG_AUTO(stg_json_free_at) json_t *said = stg_identity_json(&a);
	must(stg_identity_from_json(said, &b, &err));
	must(memcmp(&a, &b, sizeof(a)) == 0);
}

static void as_arrival(const json_t *j)
{
	struct stg_arrival a = { 0 }, b = { 0 };
	struct stg_error err = { 0 };
	if (!stg_arrival_from_json(j, &a, &err)) {
		must(err.code != STG_OK);
		return;
	}
	STG_AUTO(stg_json_free_at) json_t *said = stg_arrival_json(&a);
	must(stg_arrival_from_json(said, &b, &err));
}

static void as_job(const json_t *j)
{
	STG_AUTO(stg_job_clear) struct stg_job job = { 0 };
	struct stg_error err = { 0 };
	if (!stg_job_from_json(j, &job, &err)) {
		must(err.code != STG_OK);
		return;
	}
	STG_AUTO(stg_json_free_at) json_t *said = stg_job_json(&job);
	must(said != NULL);
}

static void as_error(const json_t *j)
{
	struct stg_error err = { 0 };
	stg_json_to_error(j, &err);
	must(memchr(err.msg, 0, sizeof(err.msg)) != NULL);
	STG_AUTO(stg_json_free_at) json_t *said = stg_json_from_error(&err);
	must(said != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *j = stg_json_parse(stg_bytes(data, size), 1 << 20, &err);
	if (!j)
		return 0;
	as_identity(j);
	as_arrival(j);
	as_job(j);
	as_error(j);
	return 0;
}
