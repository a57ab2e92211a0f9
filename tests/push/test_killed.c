/*
 * test_killed.c - the process that pushes is killed at any moment, again and again: in the end the receivers hold exactly the results.
 *
 * For:    kill -9 during pushing, with answers that get lost, come late or come twice.
 * Uses:   world.h, own_time.h; a child that stages and pushes from a real inventory.
 * Called: by tests/run.sh with a few kills; STG_KILLS=500 is the whole (`make push-faults`), STG_SEED repeats one.
 * Thread: the test's, and one for each connection of the three receivers.
 *
 * Half of the kills come at a point of an exchange (before it takes effect, after, after the answer), half at any time. Each child
 * says through a pipe which results it has committed; none of those may be missing, and none that is not in the inventory be there.
 */
#include "receivers.h"

#include <fcntl.h>
#include <sys/wait.h>

#define KILLS 10
#define RECEIVERS 3

static const enum mode modes[RECEIVERS] = { HOOK, BATCH, READBACK };

static struct shared {
	_Atomic int victim, kill_in, ready, begun, committed;
} *shared;

static struct world *worlds[RECEIVERS];
static char folder[128];

static long number_of(const char *name, long otherwise)
{
	const char *text = getenv(name);
	return text && *text ? strtol(text, NULL, 10) : otherwise;
}

static struct site *site_again(void)
{
	struct site *s = stg_calloc(1, sizeof(*s));
	int64_t jobs;
	stg_copy(s->st.dir, sizeof(s->st.dir), folder);
	OK((s->st.s = stg_store_open(folder, STG_STORE_PRODUCTION, err)) != NULL);
	state_key(s->st.s);
	OK(stg_store_recover(s->st.s, &jobs, err));
	s->credentials = json_pack("{s:s}", "secret", SECRET);
	s->door = (struct stg_push_door){ .ctx = s, .targets = targets, .credentials = credentials, .take = take, .settle = settle, .settle_many = settle_many, .note = note, .state_dir = s->st.dir };
	return s;
}

static int64_t open_rows(struct site *s)
{
	STG_AUTO(stg_json_free_at) json_t *sum = NULL;
	OK((sum = stg_store_outbox_summary(s->st.s, err)) != NULL);
	return stg_json_int(sum, "waiting", 0);
}

/* Stages a device, pushes, stages the next; or only pushes until nothing waits. */
static void child(bool to_the_end)
{
	struct site *s = site_again();
	shared->ready = getpid();
	for (int n = 0; n < 100000; n++) {
		int64_t delivered = 0, next = INT64_MAX, now;
		if (!to_the_end) {
			s->phones = shared->begun++;   /* each device once, also when its commit was not heard of */
			stage(s, 1);
			shared->committed++;
		}
		OK(stg_push_round(&s->door, NULL, NULL, &delivered, &next, err));
		now = stg_boot_ms();
		if (to_the_end && !open_rows(s))
			break;
		own_time_pass(next == INT64_MAX ? 60000 : next - now < 1 ? 1 : to_the_end || next - now < 20000 ? next - now : 20000);
	}
	stg_store_close(s->st.s);
	_exit(0);
}

static bool ended(pid_t pid)
{
	siginfo_t who = { 0 };
	return waitid(P_PID, (id_t)pid, &who, WEXITED | WNOHANG | WNOWAIT) == 0 && who.si_pid == pid;
}

static void spawn(bool to_the_end, unsigned int *dice)
{
	int status;
	shared->kill_in = to_the_end ? INT32_MAX : rand_r(dice) % 2 ? 1 + rand_r(dice) % 12 : INT32_MAX;
	pid_t pid = fork();
	if (pid == 0)
		child(to_the_end);
	shared->victim = to_the_end ? 0 : pid;
	if (!to_the_end) {
		/* at a point of an exchange, or at any time: the latest moment ends those whose point never comes */
		int64_t wait_us = shared->kill_in == INT32_MAX ? rand_r(dice) % 60000 : 2000000;
		for (int64_t us = 0; us < wait_us && !ended(pid); us += shared->ready == pid ? 500 : 0)
			(void)syscall(SYS_nanosleep, &(struct timespec){ .tv_nsec = 500000 }, NULL);
		(void)kill(pid, SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	shared->victim = 0;
	if (to_the_end)
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	else if (WIFEXITED(status))
		fail_msg("a child ended by itself, with %d", WEXITSTATUS(status));
}

static void agree(struct site *s)
{
	STG_AUTO(stg_json_free_at) json_t *rows = NULL;
	STG_AUTO(stg_json_free_at) json_t *all = json_object();
	size_t i;
	json_t *row;
	OK((rows = stg_store_outbox(s->st.s, all, err)) != NULL);
	size_t each = 0;
	json_array_foreach(rows, i, row) {
		const char *state = stg_json_str(row, "state"), *record = stg_json_str(row, "record_id"), *serial = stg_json_str(row, "serial");
		int k = atoi(stg_json_str(row, "target") + 1) - 1;
		if (strcmp(state, "delivered") != 0)
			fail_msg("a row is '%s': %s", state, stg_json_str(json_object_get(row, "answer"), "text"));
		const struct world *w = worlds[k];
		each += k == 0;
		if (k == 0 ? !json_object_get(w->told, record) : k == 1 ? !json_object_get(w->told, serial) : !json_object_get(w->assets, serial))
			fail_msg("LOST at %s: %s %s", mode_names[w->mode], serial, record);
		if (k == 2 && strstr(stg_json_str(json_object_get(w->assets, serial), "note"), record) == NULL)
			fail_msg("LOST at %s: %s holds %s", mode_names[w->mode], serial, stg_json_str(json_object_get(w->assets, serial), "note"));
	}
	assert_true(each >= (size_t)shared->committed);
	assert_int_equal(json_array_size(rows), each * RECEIVERS);
	assert_int_equal(json_object_size(worlds[0]->told), each);
	assert_int_equal(worlds[0]->two_bodies, 0);
	assert_int_equal(worlds[2]->applied_again, 0);
	print_message("%zu results (%d acknowledged), each once at each of %d receivers, after %d + %d + %d requests\n", each, shared->committed, RECEIVERS,
		      worlds[0]->requests, worlds[1]->requests, worlds[2]->requests);
}

static void killed_at_any_moment_each_result_is_there_once(void **state)
{
	(void)state;
	long kills = number_of("STG_KILLS", KILLS);
	unsigned int seed = (unsigned int)number_of("STG_SEED", (long)(stg_wall_ms() & 0xffffff)), dice = seed;
	print_message("%ld kills, seed %u (STG_SEED)\n", kills, seed);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(shared != MAP_FAILED);
	struct site *s = site_start(STG_STORE_PRODUCTION);
	connectors_write(s);
	for (int i = 0; i < RECEIVERS; i++) {
		worlds[i] = world_start();
		worlds[i]->mode = modes[i];
		worlds[i]->dice = seed + (unsigned)i;
		worlds[i]->faults_in_100 = 30;
		worlds[i]->kill_in = &shared->kill_in;
		worlds[i]->victim = &shared->victim;
		(void)receiver_add(s, worlds[i]);
	}
	stg_copy(folder, sizeof(folder), s->st.dir);
	stg_store_close(s->st.s);
	for (long i = 0; i < kills; i++)
		spawn(false, &dice);
	spawn(true, &dice);
	OK((s->st.s = stg_store_open(folder, STG_STORE_PRODUCTION, err)) != NULL);
	state_key(s->st.s);
	agree(s);
	for (int i = 0; i < RECEIVERS; i++)
		world_stop(worlds[i]);
	site_stop(&s);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	own_time_begin();
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_at_any_moment_each_result_is_there_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
