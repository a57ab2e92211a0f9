/*
 * test_kill.c - kill -9 of any process at any instant loses nothing and tells nothing twice.
 *
 * STG_SEED picks the run, STG_KILLS and STG_DEVICES its size (the full measure is 200 kills, 40 devices: make soak).
 */
#include "journey.h"

static int number(const char *name, int fallback)
{
	const char *text = getenv(name);
	return text && *text ? atoi(text) : fallback;
}

/* The station itself, the nursery, the mux door, or one of its workers. */
static pid_t victim(struct journey *j, const char **ret_what)
{
	STG_AUTO(stg_json_free_at) json_t *figures = NULL;
	struct stg_error err = { 0 };
	if (!stg_call(&j->caller, "station.show", NULL, NULL, 0, &figures, &err))
		return 0;
	const json_t *workers = json_object_get(figures, "worker_pids");
	uint64_t pick = journey_random(j) % 10;
	if (pick < 3) {
		*ret_what = "station";
		return j->station.pid;
	}
	if (pick == 3) {
		*ret_what = "nursery";
		return (pid_t)stg_json_int(figures, "nursery_pid", 0);
	}
	if (pick == 4) {
		*ret_what = "mux door";
		return (pid_t)stg_json_int(figures, "muxdoor_pid", 0);
	}
	*ret_what = "worker";
	if (!json_array_size(workers))
		return 0;
	return (pid_t)json_integer_value(json_array_get(workers, (size_t)(journey_random(j) % json_array_size(workers))));
}

/* Started again when it went, as systemd would. */
static void revive(struct journey *j)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *figures = NULL;
	if (stg_call(&j->caller, "station.show", NULL, NULL, 0, &figures, &err))
		return;
	journey_station_gone(j);
	journey_station(j);
}

static void nothing_is_lost_or_doubled_when_processes_are_killed(void **state)
{
	(void)state;
	struct journey j;
	int kills = number("STG_KILLS", 24), devices = number("STG_DEVICES", 10), done = 0;
	uint64_t seed = (uint64_t)number("STG_SEED", 7);
	print_message("seed %llu, %d kills, %d devices\n", (unsigned long long)seed, kills, devices);
	journey_begin(&j, devices, "instant", seed, NULL);
	journey_batch(&j, "ipad-hospital-ward", "pool");
	journey_tell(&j, "plug", "all", NULL, NULL);
	int tries = 0;
	while (done < kills && tries++ < kills * 20) {
		const char *what = "";
		journey_let_pass(&j, (int64_t)(1 + journey_random(&j) % 20), 1500);
		pid_t pid = victim(&j, &what);
		if (pid > 1 && kill(pid, SIGKILL) == 0)
			done++;
		revive(&j);
	}
	/* the last victim's death may not have reached the station yet */
	for (int i = 0; i < 3; i++) {
		journey_let_pass(&j, 50, 700);
		revive(&j);
	}
	print_message("killed %d\n", done);
	assert_int_equal(done, kills);
	/* a worker that was killed twice on one attach leaves its device to a person: this is the person */
	STG_AUTO(stg_json_free_at) json_t *again = json_pack("{s:s, s:s, s:s}", "batch", BATCH, "state", "failed", "why", "killed worker");
	(void)stg_call(&j.caller, "job.retry", again, NULL, 0, NULL, NULL);
	STG_AUTO(stg_json_free_at) json_t *batch = journey_op(&j, "batch.show", json_pack("{s:s}", "name", BATCH), NULL);
	size_t i;
	json_t *row;
	json_array_foreach(json_object_get(batch, "rows"), i, row)
		if (strcmp(stg_json_str(row, "end"), "staged") != 0)
			journey_tell(&j, "replug", stg_json_str(row, "serial"), NULL, NULL);
	if (!journey_wait_staged(&j, devices, 300000)) {
		STG_AUTO(stg_json_free_at) json_t *jobs = journey_op(&j, "job.list", json_object(), NULL);
		STG_AUTO(stg_free_at) char *text = stg_json_text(jobs);
		print_message("%s\n", text);
		fail_msg("not all devices were staged at the end (state kept in %s)", j.dir);
	}
	assert_true(journey_wait_drained(&j, 120000));
	journey_agrees(&j, devices);
	STG_AUTO(stg_json_free_at) json_t *log = journey_op(&j, "audit.verify", json_object(), NULL);
	assert_true(stg_json_bool(log, "ok", false));
	journey_end(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost_or_doubled_when_processes_are_killed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
