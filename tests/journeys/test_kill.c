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

/* How many jobs are in the middle of a step. */
static int running(const json_t *figures)
{
	size_t i;
	json_t *one;
	int n = 0;
	json_array_foreach(json_object_get(figures, "running"), i, one)
		n += *stg_json_str(one, "step") != 0;
	return n;
}

/* The station itself, the nursery, the mux door, or one of its workers. 0: nobody, because no step is under way; *ret_idle:
 * nor is any device looked at. */
static pid_t victim(struct journey *j, const char **ret_what, bool *ret_idle)
{
	STG_AUTO(stg_json_free_at) json_t *figures = NULL;
	struct stg_error err = { 0 };
	*ret_idle = false;
	if (!stg_call(&j->caller, "station.show", NULL, NULL, 0, &figures, &err))
		return 0;
	*ret_idle = json_array_size(json_object_get(figures, "running")) == 0;
	if (!running(figures))
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

/* The person at the bench: takes up what failed because its worker was killed twice, and puts those devices in again.
 * False: all are staged. */
static bool help_on(struct journey *j)
{
	bool any = false;
	STG_AUTO(stg_json_free_at) json_t *again = json_pack("{s:s, s:s, s:s}", "batch", BATCH, "state", "failed", "why", "killed worker");
	STG_AUTO(stg_json_free_at) json_t *batch = NULL, *which = json_pack("{s:s}", "name", BATCH);
	(void)stg_call(&j->caller, "job.retry", again, NULL, 0, NULL, NULL);
	if (!stg_call(&j->caller, "batch.show", which, NULL, 0, &batch, NULL))
		return true;
	size_t i;
	json_t *row;
	json_array_foreach(json_object_get(batch, "rows"), i, row)
		if (strcmp(stg_json_str(row, "end"), "staged") != 0) {
			journey_tell(j, "replug", stg_json_str(row, "serial"), NULL, NULL);
			any = true;
		}
	return any;
}

/* One after the other they come to the bench, so that there is work under way from the first kill to the last. */
static bool plug_next(struct journey *j, int *plugged, int devices)
{
	if (*plugged >= devices)
		return false;
	journey_tell(j, "plug", journey_serial(j, (size_t)(*plugged)++), NULL, NULL);
	return true;
}

static void nothing_is_lost_or_doubled_when_processes_are_killed(void **state)
{
	(void)state;
	struct journey j;
	int kills = number("STG_KILLS", 24), devices = number("STG_DEVICES", 10), done = 0, plugged = 0;
	uint64_t seed = (uint64_t)number("STG_SEED", 7);
	print_message("seed %llu, %d kills, %d devices\n", (unsigned long long)seed, kills, devices);
	journey_begin(&j, devices, "fast", seed, NULL);
	journey_batch(&j, "ipad-hospital-ward", "pool");
	(void)plug_next(&j, &plugged, devices);
	int64_t until_ms = stg_boot_ms() + (int64_t)kills * 15000;
	while (done < kills && stg_boot_ms() < until_ms) {
		const char *what = "";
		bool idle = false;
		journey_let_pass(&j, (int64_t)(1 + journey_random(&j) % 8), 700);
		pid_t pid = victim(&j, &what, &idle);
		if (pid > 1 && kill(pid, SIGKILL) == 0)
			done++;         /* only those that met a job in the middle of a step */
		else if (idle && !plug_next(&j, &plugged, devices) && !help_on(&j))
			break;          /* nothing is left to be killed at */
		/* as many kills for each device, whatever the size of the run */
		if (plugged * kills < done * devices)
			(void)plug_next(&j, &plugged, devices);
		revive(&j);
	}
	while (plug_next(&j, &plugged, devices))
		;
	/* the last victim's death may not have reached the station yet */
	for (int i = 0; i < 3; i++) {
		journey_let_pass(&j, 50, 700);
		revive(&j);
	}
	print_message("killed %d while a job was under way\n", done);
	/* a device may be quicker than its killer; most are not, or the test proves nothing */
	assert_true(done >= kills * 3 / 4);
	(void)help_on(&j);
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
