/*
 * test_worker.c - a worker as the station meets it: order of words, retries, interruptions, the sandbox.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/un.h>

#include "toy_station.h"

static void nothing_is_sent_to_the_device_before_the_beginning_is_on_disk(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy_station_make(&s, HEAD "  - install_profile: {profile: root}\n");
	side_start(&s.side, &toy_driver);
	side_send(&s.side, side_job("steps", &s.arrival, &s.job, ""));
	json_t *m = NULL;
	/* identify needs no beginning; then pair begins and waits for us */
	do {
		m = side_next(&s.side);
		json_decref(m);
	} while (strcmp(stg_json_str(m, "t"), "step_begin") != 0 && !json_object_get(m, "next"));
	struct pollfd p = { .fd = s.side.fd, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 300), 0);
	assert_int_equal(toy->pairs, 0);
	side_send(&s.side, side_word("go"));
	side_until(&s.side, "finished");
	side_wait(&s.side);
	assert_int_equal(toy->pairs, 1);
	toy_station_clear(&s);
}

static void an_end_and_the_next_beginning_travel_together(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy_station_make(&s, HEAD "  - install_profile: {profile: a}\n  - install_profile: {profile: b}\n  - set_name: {name: X}\n");
	toy_ends(toy_run(&s), "staged");
	int joined = 0;
	for (size_t i = 0; i < json_array_size(s.side.words); i++)
		joined += json_object_get(json_array_get(s.side.words, i), "next") != NULL;
	assert_int_equal(joined, 4);    /* identify+pair, pair+a, a+b, b+name */
	assert_int_equal(side_count(&s.side, "step_begin"), 0);
	toy_station_clear(&s);
}

static void an_intake_tells_who_it_is_and_waits(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy_station_make(&s, HEAD);
	side_start(&s.side, &toy_driver);
	side_send(&s.side, side_job("intake", &s.arrival, &s.job, ""));
	const json_t *who = side_until(&s.side, "who");
	assert_string_equal(stg_json_str(who, "trust"), "none");
	assert_string_equal(stg_json_str(json_object_get(who, "identity"), "unit"), "4242");
	assert_string_equal(stg_json_str(json_object_get(who, "identity"), "serial"), "");
	assert_int_equal(toy->pairs, 0);        /* not told to pair */
	side_send(&s.side, side_word("end"));
	assert_int_equal(side_wait(&s.side), 0);
	toy_station_clear(&s);
}

/* An intake that may pair; what it says of the device. */
static const json_t *intake_of(struct toy_station *s)
{
	toy_station_make(s, HEAD);
	side_start(&s->side, &toy_driver);
	json_t *m = side_job("intake", &s->arrival, &s->job, "");
	stg_json_put_bool(m, "pair", true);
	side_send(&s->side, m);
	return side_until(&s->side, "who");
}

static void who_was_denied_is_not_asked_again_until_a_replug(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy->denied = true;
	const json_t *who = intake_of(&s);
	assert_int_equal(stg_json_int(json_object_get(who, "error"), "id", 0), STG_ID_TRUST_DENIED);
	assert_int_equal(toy->pairs, 1);
	side_send(&s.side, side_word("end"));
	assert_int_equal(side_wait(&s.side), 0);
	toy_station_clear(&s);
}

static void a_locked_device_asks_for_its_passcode_and_then_for_the_tap(void **state)
{
	(void)state;
	struct toy_station s;
	char asks[64] = "";
	toy_make();
	toy->locked_pairs = 2;
	toy->taps_needed = 2;
	assert_string_equal(stg_json_str(intake_of(&s), "trust"), "ours");
	for (size_t i = 0; i < json_array_size(s.side.words); i++) {
		const char *ask = stg_json_str(json_array_get(s.side.words, i), "ask");
		snprintf(asks + strlen(asks), sizeof(asks) - strlen(asks), "%s%s", *ask && *asks ? " " : "", ask);
	}
	assert_string_equal(asks, "unlock trust");
	side_send(&s.side, side_word("end"));
	assert_int_equal(side_wait(&s.side), 0);
	toy_station_clear(&s);
}

static void an_unexpected_device_is_unpaired_at_once(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy_station_make(&s, HEAD);
	side_start(&s.side, &toy_driver);
	json_t *m = side_job("intake", &s.arrival, &s.job, "");
	stg_json_put_bool(m, "pair", true);
	side_send(&s.side, m);
	const json_t *who = side_until(&s.side, "who");
	assert_string_equal(stg_json_str(who, "trust"), "ours");
	assert_string_equal(stg_json_str(json_object_get(who, "identity"), "serial"), "TOY00000001");
	side_send(&s.side, side_word("unpair"));
	assert_true(stg_json_bool(side_until(&s.side, "unpaired"), "ok", false));
	side_send(&s.side, side_word("end"));
	assert_int_equal(side_wait(&s.side), 0);
	assert_false(toy->trusted);
	toy_station_clear(&s);
}

static void the_same_worker_goes_on_from_intake_to_the_steps(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy_station_make(&s, HEAD "  - set_name: {name: \"{{serial}}\"}\n");
	side_start(&s.side, &toy_driver);
	json_t *m = side_job("intake", &s.arrival, &s.job, "");
	stg_json_put_bool(m, "pair", true);
	side_send(&s.side, m);
	side_until(&s.side, "who");
	m = side_word("steps");
	stg_json_put_new(m, "job", stg_job_json(&s.job));
	side_send(&s.side, m);
	toy_ends(side_until(&s.side, "finished"), "staged");
	assert_int_equal(side_wait(&s.side), 0);
	assert_int_equal(toy->opens, 1);
	assert_int_equal(toy->pairs, 1);
	assert_string_equal(toy->name, "TOY00000001");
	toy_station_clear(&s);
}

static void a_silent_step_is_tried_again_as_the_blueprint_says(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy->install_drops = 2;
	toy_station_make(&s, HEAD "  - install_profile: {profile: a}\n    retry: {times: 2, wait: 10 ms}\n");
	toy_ends(toy_run(&s), "staged");
	assert_int_equal(toy->installs, 3);
	toy_station_clear(&s);

	toy_make();
	toy->install_drops = 9;
	toy_station_make(&s, HEAD "  - install_profile: {profile: a}\n    retry: {times: 2, wait: 10 ms}\n  - set_name: {name: X}\n");
	toy_ends(toy_run(&s), "failed");
	assert_int_equal(toy->installs, 3);
	assert_int_equal(toy->names, 0);
	toy_station_clear(&s);
}

static void a_failed_step_ends_goes_on_or_holds_as_the_blueprint_says(void **state)
{
	(void)state;
	struct toy_station s;
	static const struct {
		const char *rule, *end;
		int names, notes;
	} rows[] = { { "stop", "failed", 0, 0 }, { "continue", "staged", 1, 1 }, { "hold", "hold", 0, 0 } };
	for (size_t i = 0; i < STG_ARRAY_LEN(rows); i++) {
		char yaml[400];
		toy_make();
		toy->install_lies = true;
		snprintf(yaml, sizeof(yaml), HEAD "  - install_profile: {profile: a}\n    on_failure: %s\n    retry: {times: 0}\n  - set_name: {name: X}\n",
			 rows[i].rule);
		toy_station_make(&s, yaml);
		const json_t *last = toy_run(&s);
		toy_ends(last, rows[i].end);
		assert_int_equal(toy->names, rows[i].names);
		assert_int_equal(json_array_size(json_object_get(last, "notes")), rows[i].notes);
		toy_station_clear(&s);
	}
}

static void a_step_whose_condition_does_not_hold_is_skipped(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy_station_make(&s, HEAD "  - set_name: {name: X}\n    when: {os_version: \"< 16\"}\n");
	toy_ends(toy_run(&s), "staged");
	assert_string_equal(side_outcome(&s.side, "03-set_name"), "skipped");
	assert_int_equal(toy->names, 0);
	toy_station_clear(&s);
}

static void facts_lost_with_the_connection_are_asked_again(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy->facts_drop_from = 1;
	toy->facts_drops = 1;
	toy_station_make(&s, HEAD "  - require: {setup_assistant: true}\n  - set_name: {name: X}\n    when: {supervised: false}\n");
	toy_ends(toy_run(&s), "staged");
	assert_string_equal(side_outcome(&s.side, "04-set_name"), "done");
	toy_station_clear(&s);
}

static void facts_that_stay_lost_are_a_failure_and_not_a_reason_to_skip_or_to_hold(void **state)
{
	(void)state;
	static const char *const after[] = { "  - require: {setup_assistant: true}\n",
					     "  - set_name: {name: X}\n    when: {supervised: true}\n" };
	for (size_t i = 0; i < STG_ARRAY_LEN(after); i++) {
		struct toy_station s;
		char text[256];
		toy_make();
		toy->facts_drop_from = 1;
		toy->facts_drops = 100;
		snprintf(text, sizeof(text), HEAD "%s", after[i]);
		toy_station_make(&s, text);
		toy_ends(toy_run(&s), "failed");
		assert_int_equal(toy->names, 0);
		toy_station_clear(&s);
	}
}

static void a_device_pulled_before_a_requirement_is_interrupted_not_held(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy->gone_at_facts = true;
	toy_station_make(&s, HEAD "  - require: {setup_assistant: true}\n");
	toy_ends(toy_run(&s), "interrupted");
	toy->gone_at_facts = false;
	toy->present = true;
	toy_ends(toy_run_again(&s), "staged");
	toy_station_clear(&s);
}

static bool pull_at_second_profile(void *ctx, const json_t *msg)
{
	(void)ctx;
	const json_t *next = json_object_get(msg, "next");
	if (strcmp(stg_json_str(next, "key"), "04-install_profile-b") == 0)
		toy->present = false;
	return true;
}

static void a_device_pulled_in_the_middle_goes_on_from_the_first_unproven_step(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy_station_make(&s, HEAD "  - install_profile: {profile: a}\n  - install_profile: {profile: b}\n  - set_name: {name: X}\n");
	s.side.watch = pull_at_second_profile;
	toy_ends(toy_run(&s), "interrupted");
	assert_string_equal(side_outcome(&s.side, "03-install_profile-a"), "done");
	assert_string_equal(side_outcome(&s.side, "04-install_profile-b"), "interrupted");
	toy->present = true;
	s.side.watch = NULL;
	int before = toy->installs;
	toy_ends(toy_run_again(&s), "staged");
	assert_string_equal(side_outcome(&s.side, "03-install_profile-a"), "proven");
	assert_int_equal(toy->installs, before + 1);
	toy_station_clear(&s);
}

static int kill_after;

static bool kill_at_word(void *ctx, const json_t *msg)
{
	(void)ctx;
	(void)msg;
	return kill_after-- > 0;
}

/* SIGKILL at every word in turn; what the journal had by then is all the next worker knows. */
static void a_worker_killed_at_any_word_loses_and_doubles_nothing(void **state)
{
	(void)state;
	static const char yaml[] = HEAD "  - set_time:\n  - activate:\n  - supervise:\n  - install_profile: {profile: a}\n"
				   "  - issue_certificate: {common_name: x}\n  - install_profile: {profile: mdm, when: after_setup}\n"
				   "  - set_name: {name: X}\n  - verify: {supervised: true}\n";
	for (int at = 0;; at++) {
		struct toy_station s;
		toy_make();
		toy_station_make(&s, yaml);
		s.side.watch = kill_at_word;
		kill_after = at;
		const json_t *last = toy_run(&s);
		s.side.watch = NULL;
		if (last) {
			toy_ends(last, "staged");
			assert_true(at > 9);
			toy_station_clear(&s);
			break;
		}
		toy_ends(toy_run_again(&s), "staged");
		assert_int_equal(toy->supervises, 1);
		assert_int_equal(toy->n_profiles, 2);
		assert_true(toy->pairs <= 1 && toy->supervised && toy->stored[0]);
		toy_station_clear(&s);
	}
}

/* The same with an erase: at most one, ever; and an end that says so. */
static void a_worker_killed_around_an_erase_never_erases_twice(void **state)
{
	(void)state;
	for (int at = 0;; at++) {
		struct toy_station s;
		toy_make();
		toy_station_make(&s, HEAD "  - erase:\n  - wait_back:\n");
		s.side.watch = kill_at_word;
		kill_after = at;
		const json_t *last = toy_run(&s);
		s.side.watch = NULL;
		const json_t *again = toy_run_again(&s);
		bool begun = json_object_get(s.job.begun, "03-erase") != NULL;
		if (strcmp(stg_json_str(again, "end"), "interrupted") == 0)
			again = toy_run_again(&s);
		/* begun and killed before anything was sent: nobody can know that, so a person decides */
		if (toy->erases == 0)
			toy_ends(again, "hold");
		else
			toy_ends(again, "staged");
		assert_true(toy->erases == (begun ? toy->erases : 1));
		assert_true(toy->erases <= 1);
		toy_station_clear(&s);
		if (last)
			break;
	}
}

static void told_to_end_it_finishes_the_step_and_leaves(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy_station_make(&s, HEAD "  - set_name: {name: X}\n");
	side_start(&s.side, &toy_driver);
	side_send(&s.side, side_job("steps", &s.arrival, &s.job, ""));
	json_t *m = side_next(&s.side);
	json_decref(m);
	side_send(&s.side, side_word("end"));
	const json_t *last = side_until(&s.side, "finished");
	toy_ends(last, "interrupted");
	assert_int_equal(side_wait(&s.side), 0);
	assert_int_equal(toy->names, 0);
	toy_station_clear(&s);
}

static void without_a_station_it_leaves_and_touches_nothing_more(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy_station_make(&s, HEAD "  - set_name: {name: X}\n");
	side_start(&s.side, &toy_driver);
	side_send(&s.side, side_job("steps", &s.arrival, &s.job, ""));
	json_t *m = side_next(&s.side);
	json_decref(m);
	close(s.side.fd);
	s.side.fd = -1;
	side_wait(&s.side);
	assert_int_equal(toy->pairs, 0);
	toy_station_clear(&s);
}

static void a_first_message_of_another_version_is_refused(void **state)
{
	(void)state;
	struct toy_station s;
	toy_make();
	toy_station_make(&s, HEAD);
	side_start(&s.side, &toy_driver);
	json_t *m = side_job("steps", &s.arrival, &s.job, "");
	stg_json_put_int(m, "v", STG_MESSAGE_VERSION + 1);
	side_send(&s.side, m);
	const json_t *last = side_until(&s.side, "finished");
	assert_int_equal(stg_json_int(json_object_get(last, "why"), "id", 0), STG_ID_VERSION_MISMATCH);
	side_wait(&s.side);
	assert_int_equal(toy->opens, 0);
	toy_station_clear(&s);
}

static void jobs_and_arrivals_survive_the_wire(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	struct stg_arrival a = { .driver = "apple", .port = "2-1.4.16", .usb_serial = "00008101001", .udid = "00008101-001", .maker = "Apple",
				 .product = "iPad", .vid = 0x5ac, .pid = 0x12ab, .mode = STG_MODE_RECOVERY, .handle = 9, .attach = 1ull << 40, .at_ms = 5 };
	struct stg_arrival b;
	STG_AUTO(stg_json_free_at) json_t *o = stg_arrival_json(&a);
	assert_true(stg_arrival_from_json(o, &b, &err));
	assert_memory_equal(&a, &b, sizeof(a));
	stg_json_put(o, "port", "a port path that is far too long to be one of any kernel there ever was");
	assert_false(stg_arrival_from_json(o, &b, &err));
	STG_AUTO(stg_job_clear) struct stg_job j = { 0 };
	STG_AUTO(stg_json_free_at) json_t *wrong = json_pack("{s:[]}", "blueprint");
	assert_false(stg_job_from_json(wrong, &j, &err));
}

static void what_was_begun_stays_begun_until_the_device_shows_it(void **state)
{
	(void)state;
	json_t *proven = NULL, *begun = NULL;
	STG_AUTO(stg_json_free_at) json_t *rows = json_pack(
		"[{s:s, s:s, s:{s:b}}, {s:s, s:s, s:{s:{s:i}}}, {s:s, s:s}, {s:s, s:{s:i}}, {s:s, s:s, s:{}}, {s:s, s:s, s:{}}, {s:s, s:s, s:{s:i}}, {s:s, s:s, s:{}},"
		" {s:s, s:s, s:{s:{s:i}}}, {s:s, s:s, s:{}, s:{}}]",
		"key", "01-a", "outcome", "done", "evidence", "reread", 1,
		"key", "02-erase", "outcome", "unknown", "evidence", "asked", "attach", 7,
		"key", "02-erase", "outcome", "failed",
		"key", "03-open", "asked", "x", 1,
		"key", "04-b", "outcome", "interrupted", "evidence",
		"key", "04-b", "outcome", "proven", "evidence",
		"key", "01-a", "outcome", "failed", "asked", "x", 1,
		"key", "02-erase", "outcome", "unknown", "asked",    /* pulled while it was looked for: what was sent stays what was sent */
		"key", "05-erase", "outcome", "proven", "evidence", "asked", "attach", 8,
		"key", "05-erase", "outcome", "failed", "asked", "evidence");    /* no answer while it was looked for: it stays proven */
	assert_non_null(rows);
	stg_job_hints(rows, &proven, &begun);
	assert_null(json_object_get(proven, "01-a"));          /* it failed later: nothing of it counts */
	assert_int_equal(stg_json_int(json_object_get(json_object_get(begun, "02-erase"), "asked"), "attach", 0), 7);
	assert_int_equal(stg_json_int(json_object_get(json_object_get(begun, "03-open"), "asked"), "x", 0), 1);
	assert_non_null(json_object_get(proven, "04-b"));
	assert_int_equal(stg_json_int(json_object_get(json_object_get(proven, "05-erase"), "asked"), "attach", 0), 8);
	assert_null(json_object_get(begun, "04-b"));
	json_decref(proven);
	json_decref(begun);
}

#ifndef STG_SANITIZED
/* A driver whose open() tries what a taken-over worker would try; the error says what was possible. */
static struct stg_device *burglar(const struct stg_arrival *a, const struct stg_host *h, struct stg_stop *stop, struct stg_error *err)
{
	(void)a;
	(void)h;
	(void)stop;
	char possible[200] = "";
	struct rlimit core, space;
	char *const argv[] = { "true", NULL };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
#define TRY(name, call)                                                                         \
	do {                                                                                    \
		errno = 0;                                                                      \
		if ((long)(call) >= 0 || errno != EPERM)                                        \
			snprintf(possible + strlen(possible), sizeof(possible) - strlen(possible), " %s", name); \
	} while (0)
	TRY("write-a-file", open("/tmp/burglar", O_WRONLY | O_CREAT, 0600));
	TRY("read-a-file", open("/etc/passwd", O_RDONLY));
	TRY("exec", execv("/bin/true", argv));
	TRY("inet", socket(AF_INET, SOCK_STREAM, 0));
	TRY("inet6", socket(AF_INET6, SOCK_STREAM, 0));
	TRY("netlink", socket(AF_NETLINK, SOCK_RAW, 0));
	TRY("unix-datagram", socket(AF_UNIX, SOCK_DGRAM, 0));
	TRY("ptrace", ptrace(PTRACE_TRACEME, 0, NULL, NULL));
	TRY("kill-the-station", kill(getppid(), 0));
	TRY("unlink", unlink("/tmp/burglar"));
	TRY("rename", rename("/tmp/burglar", "/tmp/burglar2"));
	TRY("bind", bind(0, (struct sockaddr *)&un, sizeof(un)));
	TRY("executable-memory", (long)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == -1 ? -1 : 0);
	TRY("fork", fork());
	TRY("setuid", setuid(0));
	TRY("chroot", chroot("/"));
	TRY("more-files", setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 1024, 1024 }));
	TRY("dumpable-again", prctl(PR_SET_DUMPABLE, 1));
	if (getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_max != 0)
		snprintf(possible + strlen(possible), sizeof(possible) - strlen(possible), " core");
	if (getrlimit(RLIMIT_AS, &space) != 0 || space.rlim_max > 256u << 20)
		snprintf(possible + strlen(possible), sizeof(possible) - strlen(possible), " space");
	if (getenv("SSLKEYLOGFILE") || getenv("LIBIMOBILEDEVICE_DEBUG") || getenv("https_proxy"))
		snprintf(possible + strlen(possible), sizeof(possible) - strlen(possible), " environment");
	int door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (door < 0)
		snprintf(possible + strlen(possible), sizeof(possible) - strlen(possible), " NO-DOOR");
	stg_fail(err, STG_E_REFUSED, 0, "possible:%s", possible);
	return NULL;
}

static void a_taken_over_worker_can_speak_to_its_cable_and_nothing_else(void **state)
{
	(void)state;
	const char *preload = getenv("LD_PRELOAD");
	if (preload && strstr(preload, "/vgpreload_"))
		skip();         /* valgrind needs everything itself */
	struct toy_station s;
	static struct stg_driver burgling;
	burgling = toy_driver;
	burgling.open = burglar;
	toy_make();
	toy_station_make(&s, HEAD);
	setenv("SSLKEYLOGFILE", "/tmp/keys", 1);
	setenv("LIBIMOBILEDEVICE_DEBUG", "9", 1);
	setenv("https_proxy", "http://127.0.0.1:9", 1);
	s.side.answer = NULL;
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	s.side.pid = fork();
	if (s.side.pid == 0) {
		close(pair[0]);
		stg_leave(stg_worker_boxed(pair[1], &burgling));
	}
	close(pair[1]);
	s.side.fd = pair[0];
	s.side.words = json_array();
	unsetenv("SSLKEYLOGFILE");
	unsetenv("LIBIMOBILEDEVICE_DEBUG");
	unsetenv("https_proxy");
	side_send(&s.side, side_job("steps", &s.arrival, &s.job, ""));
	const json_t *last = side_until(&s.side, "finished");
	assert_string_equal(stg_json_str(json_object_get(last, "why"), "msg"), "open: possible:");
	side_wait(&s.side);
	toy_station_clear(&s);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_sent_to_the_device_before_the_beginning_is_on_disk),
		cmocka_unit_test(an_end_and_the_next_beginning_travel_together),
		cmocka_unit_test(an_intake_tells_who_it_is_and_waits),
		cmocka_unit_test(who_was_denied_is_not_asked_again_until_a_replug),
		cmocka_unit_test(a_locked_device_asks_for_its_passcode_and_then_for_the_tap),
		cmocka_unit_test(an_unexpected_device_is_unpaired_at_once),
		cmocka_unit_test(the_same_worker_goes_on_from_intake_to_the_steps),
		cmocka_unit_test(a_silent_step_is_tried_again_as_the_blueprint_says),
		cmocka_unit_test(a_failed_step_ends_goes_on_or_holds_as_the_blueprint_says),
		cmocka_unit_test(a_step_whose_condition_does_not_hold_is_skipped),
		cmocka_unit_test(facts_lost_with_the_connection_are_asked_again),
		cmocka_unit_test(facts_that_stay_lost_are_a_failure_and_not_a_reason_to_skip_or_to_hold),
		cmocka_unit_test(a_device_pulled_before_a_requirement_is_interrupted_not_held),
		cmocka_unit_test(a_device_pulled_in_the_middle_goes_on_from_the_first_unproven_step),
		cmocka_unit_test(a_worker_killed_at_any_word_loses_and_doubles_nothing),
		cmocka_unit_test(a_worker_killed_around_an_erase_never_erases_twice),
		cmocka_unit_test(told_to_end_it_finishes_the_step_and_leaves),
		cmocka_unit_test(without_a_station_it_leaves_and_touches_nothing_more),
		cmocka_unit_test(a_first_message_of_another_version_is_refused),
		cmocka_unit_test(jobs_and_arrivals_survive_the_wire),
		cmocka_unit_test(what_was_begun_stays_begun_until_the_device_shows_it),
#ifndef STG_SANITIZED
		cmocka_unit_test(a_taken_over_worker_can_speak_to_its_cable_and_nothing_else),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
