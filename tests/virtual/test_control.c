/* test_control.c - options, scenarios and the words of the control socket. */
#include "host.h"

static struct bench bench;

/* Runs the program with these words; its exit status, what it said on standard error in ret. */
static int run_bench(char *ret, size_t size, ...)
{
	const char *program = getenv("STAGER_BENCH");
	char beside[4200], *argv[20];
	int pipes[2], n = 1, status = 0;
	size_t len = 0;
	ssize_t got;
	va_list ap;
	pid_t pid;

	if (!program) {
		got = readlink("/proc/self/exe", beside, sizeof(beside) - 40);
		beside[got] = '\0';
		for (int i = 0; i < 3; i++)
			*strrchr(beside, '/') = '\0';
		strcat(beside, "/stager-bench");
		program = beside;
	}
	argv[0] = (char *)(uintptr_t)program;
	va_start(ap, size);
	do
		argv[n] = va_arg(ap, char *);
	while (argv[n++]);
	va_end(ap);
	assert_return_code(pipe2(pipes, O_CLOEXEC), errno);
	pid = fork();
	if (pid == 0) {
		dup2(pipes[1], STDERR_FILENO);
		dup2(pipes[1], STDOUT_FILENO);
		execv(program, argv);
		_exit(127);
	}
	close(pipes[1]);
	while (len < size - 1 && (got = read(pipes[0], ret + len, size - 1 - len)) > 0)
		len += (size_t)got;
	ret[len] = '\0';
	close(pipes[0]);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int begin(void **state)
{
	(void)state;
	memset(&bench, 0, sizeof(bench));
	bench_begin(&bench, "--iphones", "2", "--pace", "fast", "--seed", "3", NULL);
	return 0;
}

static int end(void **state)
{
	(void)state;
	bench_end(&bench);
	return 0;
}

static void wrong_options_say_what_is_right(void **state)
{
	char text[8192], path[200] = "unix:/tmp/";

	(void)state;
	assert_int_equal(run_bench(text, sizeof(text), "--iphones", "many", NULL), 2);
	assert_non_null(strstr(text, "usage"));
	assert_int_equal(run_bench(text, sizeof(text), "--pace", "slow", NULL), 2);
	assert_int_equal(run_bench(text, sizeof(text), "--time-scale", "0", NULL), 2);
	assert_int_equal(run_bench(text, sizeof(text), "--time-scale", "fast", NULL), 2);
	assert_int_equal(run_bench(text, sizeof(text), "--line", "ajar", NULL), 2);
	assert_int_equal(run_bench(text, sizeof(text), "surprise", NULL), 2);
	assert_int_equal(run_bench(text, sizeof(text), "--usbmuxd", "tcp:192.0.2.1:27015", NULL), 4);
	assert_non_null(strstr(text, "loopback"));
	memset(path + 10, 'x', 150);
	assert_int_equal(run_bench(text, sizeof(text), "--usbmuxd", path, NULL), 3);
	assert_non_null(strstr(text, "107"));
	assert_int_equal(run_bench(text, sizeof(text), "ctl", "unix:/nonexistent/ctl", "list", NULL), 4);
	assert_int_equal(run_bench(text, sizeof(text), "ctl", NULL), 2);
}

static void a_broken_scenario_is_refused_with_its_device(void **state)
{
	char text[8192], dir[] = "/tmp/vs.XXXXXX", path[64];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s.json", dir);
	assert_int_not_equal(run_bench(text, sizeof(text), "--scenario", path, NULL), 0);
	write_file(path, "{\"devices\": [");
	assert_int_not_equal(run_bench(text, sizeof(text), "--scenario", path, NULL), 0);
	write_file(path, "{\"devices\": [{\"model\": \"iPhone14,7\"}, {\"model\": \"Nokia 3310\"}]}");
	assert_int_equal(run_bench(text, sizeof(text), "--scenario", path, NULL), 3);
	assert_non_null(strstr(text, "device 2"));
	assert_non_null(strstr(text, "Nokia"));
	write_file(path, "{\"devices\": [{\"model\": \"iPhone14,7\", \"faults\": [{\"kind\": \"gremlin\"}]}]}");
	assert_int_equal(run_bench(text, sizeof(text), "--scenario", path, NULL), 3);
	unlink(path);
	rmdir(dir);
}

static void a_folder_of_somebody_else_is_left_alone(void **state)
{
	char text[8192], dir[] = "/tmp/vs.XXXXXX", path[100];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "mkdir -p %s/bus/usb/devices/photos", dir);
	assert_int_equal(system(path), 0);
	assert_int_equal(run_bench(text, sizeof(text), "--sysfs", dir, NULL), 3);
	assert_non_null(strstr(text, "not made by a bench"));
	snprintf(path, sizeof(path), "rmdir %s/bus/usb/devices/photos && rm -rf %s", dir, dir);
	assert_int_equal(system(path), 0);
}

static void a_socket_in_use_is_not_taken(void **state)
{
	char text[8192], address[160];

	(void)state;
	snprintf(address, sizeof(address), "unix:%s", bench.mux);
	assert_int_equal(run_bench(text, sizeof(text), "--usbmuxd", address, NULL), 4);
	assert_true(device_id(&bench, bench.udid) > 0);
	snprintf(address, sizeof(address), "%s/letter", bench.dir);
	write_file(address, "dear");
	assert_int_equal(run_bench(text, sizeof(text), "--usbmuxd", address, NULL), 4);
	assert_int_equal(access(address, F_OK), 0);
}

static void a_scenario_puts_devices_where_it_says(void **state)
{
	char dir[] = "/tmp/vs.XXXXXX", path[64];
	struct bench b = { 0 };
	json_t *d;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s.json", dir);
	write_file(path, "{\"devices\": [{\"serial\": \"AAAA11112222\", \"model\": \"iPhone 12\"},"
			 " {\"serial\": \"BBBB11112222\", \"port\": \"2-1.1\", \"faults\": [{\"kind\": \"mute\", \"request\": \"Pair\"}]},"
			 " {\"serial\": \"CCCC11112222\", \"plugged\": false, \"locked\": true}]}");
	bench_begin(&b, "--scenario", path, NULL);
	d = show(&b, "BBBB11112222");
	assert_string_equal(stg_json_str(d, "port"), "2-1.1");
	assert_int_equal(json_array_size(json_object_get(d, "faults")), 1);
	json_decref(d);
	d = show(&b, "AAAA11112222");
	assert_string_equal(stg_json_str(d, "port"), "2-1.2");
	assert_string_equal(stg_json_str(d, "model"), "iPhone13,2");
	json_decref(d);
	d = show(&b, "CCCC11112222");
	assert_false(stg_json_bool(d, "attached", true));
	assert_true(stg_json_bool(d, "locked", false));
	json_decref(d);
	bench_end(&b);
	unlink(path);
	rmdir(dir);
}

static void words_that_make_no_sense_are_refused(void **state)
{
	static const char *const words[] = { "dance", "show nobody", "plug #1", "tap trust #1", "tap hard #1", "line ajar",
					     "set #1 wings true", "battery #1 300", "mux stop", "wait #1 happy", "accept #1",
					     "move #9 2-1.3", "add {" };

	(void)state;
	for (size_t i = 0; i < STG_ARRAY_LEN(words); i++) {
		json_t *a = ask_bench(&bench, words[i]);

		if (stg_json_bool(a, "ok", true) || !stg_json_str(a, "error")[0])
			fail_msg("'%s' was accepted", words[i]);
		json_decref(a);
	}
}

static void a_lock_for_a_time_opens_by_itself(void **state)
{
	json_t *d;

	(void)state;
	tell(&bench, "lock #1 400");   /* 20 ms at this pace */
	do {
		d = show(&bench, "#1");
		if (!stg_json_bool(d, "locked", true))
			break;
		json_decref(d);
		poll(NULL, 0, 5);
	} while (true);
	assert_true(stg_json_bool(d, "has_passcode", false));
	json_decref(d);
}

static int begin_hastily(void **state)
{
	(void)state;
	memset(&bench, 0, sizeof(bench));
	bench_begin(&bench, "--iphones", "2", "--pace", "real", "--time-scale", "1000", "--seed", "3", NULL);
	return 0;
}

/* Half an hour of a real device is 1.8 s here: without the scale the wait would end first, and not well. */
static void a_long_day_is_short_at_a_time_scale(void **state)
{
	(void)state;
	tell(&bench, "erase #1 1800000");
	tell(&bench, "wait #1 erased 1");
	tell(&bench, "wait #1 attached timeout=300");
}

/* make bench asks the devices how long a port stood idle. */
static void a_device_says_how_long_nobody_asked_it_anything(void **state)
{
	json_t *d = show(&bench, "#2");
	int64_t touched_us = stg_json_int(d, "touched_us", 0), idle_us = 0;

	(void)state;
	json_decref(d);
	assert_true(touched_us > 0);
	poll(NULL, 0, 30);
	tell(&bench, "unplug #2");
	tell(&bench, "plug #2");
	d = show(&bench, "#2");
	assert_true(stg_json_int(d, "touched_us", 0) >= touched_us + 30000);
	idle_us = stg_json_int(d, "longest_idle_us", -1);
	json_decref(d);
	assert_int_equal(idle_us, 0);
}

static void switched_off_is_gone_and_on_is_back(void **state)
{
	(void)state;
	tell(&bench, "power #1 off");
	assert_int_equal(device_id(&bench, bench.udid), 0);
	tell(&bench, "power #1 on");
	tell(&bench, "wait #1 attached");
	assert_true(device_id(&bench, bench.udid) > 0);
}

/* The restart that was asked for first would end sooner. */
static void an_erase_during_a_restart_takes_its_own_time(void **state)
{
	json_t *d;

	(void)state;
	tell(&bench, "restart #1 100");
	tell(&bench, "erase #1 2000000");
	tell(&bench, "restart #2 2000");
	tell(&bench, "wait #2 attached");
	d = show(&bench, "#1");
	assert_false(stg_json_bool(d, "attached", true));
	json_decref(d);
}

static void counters_tell_what_was_asked(void **state)
{
	struct link l = lockdown(&bench, bench.udid);
	json_t *a;

	(void)state;
	plist_free(link_ask(&l, lockdown_request("QueryType")));
	plist_free(get_value(&l, NULL, "ProductType"));
	link_close(&l);
	assert_int_equal(count_of(&bench, "#1", "lockdownd QueryType"), 1);
	a = ask_bench(&bench, "log #1 clear");
	assert_string_equal(json_string_value(json_array_get(json_object_get(a, "log"), 0)), "lockdownd QueryType");
	assert_string_equal(json_string_value(json_array_get(json_object_get(a, "log"), 1)), "lockdownd GetValue");
	json_decref(a);
	assert_int_equal(count_of(&bench, "#1", "lockdownd QueryType"), 0);
	a = ask_bench(&bench, "stats");
	assert_true(stg_json_int(json_object_get(a, "counts"), "mux Connect", 0) >= 1);
	assert_true(stg_json_int(a, "most_connections", 0) >= 1);
	json_decref(a);
}

static void a_bench_dies_with_whoever_started_it(void **state)
{
	int pipes[2];
	struct bench b = { 0 };
	char text[120];
	pid_t starter;

	(void)state;
	assert_return_code(pipe2(pipes, O_CLOEXEC), errno);
	starter = fork();
	if (starter == 0) {
		bench_begin(&b, NULL);
		(void)!write(pipes[1], &b, sizeof(b));
		_exit(0);   /* the bench is not told */
	}
	close(pipes[1]);
	assert_int_equal(read(pipes[0], &b, sizeof(b)), sizeof(b));
	waitpid(starter, NULL, 0);
	for (int i = 0; kill(b.pid, 0) == 0 && i < HOST_TIMEOUT_MS / 10; i++) {
		char path[64], line[200] = "";
		FILE *f;

		/* Nobody may reap it here but init: dead is dead. */
		snprintf(path, sizeof(path), "/proc/%d/stat", (int)b.pid);
		f = fopen(path, "r");
		if (f && fgets(line, sizeof(line), f) && strstr(line, ") Z ")) {
			fclose(f);
			break;
		}
		if (f)
			fclose(f);
		assert_true(i + 1 < HOST_TIMEOUT_MS / 10);
		poll(NULL, 0, 10);
	}
	close(pipes[0]);
	snprintf(text, sizeof(text), "rm -rf '%s'", b.dir);
	assert_int_equal(system(text), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_options_say_what_is_right),
		cmocka_unit_test(a_broken_scenario_is_refused_with_its_device),
		cmocka_unit_test(a_folder_of_somebody_else_is_left_alone),
		cmocka_unit_test_setup_teardown(a_socket_in_use_is_not_taken, begin, end),
		cmocka_unit_test_setup_teardown(words_that_make_no_sense_are_refused, begin, end),
		cmocka_unit_test(a_scenario_puts_devices_where_it_says),
		cmocka_unit_test_setup_teardown(a_lock_for_a_time_opens_by_itself, begin, end),
		cmocka_unit_test_setup_teardown(a_long_day_is_short_at_a_time_scale, begin_hastily, end),
		cmocka_unit_test_setup_teardown(a_device_says_how_long_nobody_asked_it_anything, begin, end),
		cmocka_unit_test_setup_teardown(switched_off_is_gone_and_on_is_back, begin, end),
		cmocka_unit_test_setup_teardown(an_erase_during_a_restart_takes_its_own_time, begin, end),
		cmocka_unit_test_setup_teardown(counters_tell_what_was_asked, begin, end),
		cmocka_unit_test(a_bench_dies_with_whoever_started_it),
	};

	return cmocka_run_group_tests_name("virtual control", tests, NULL, NULL);
}
