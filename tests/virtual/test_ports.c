/* test_ports.c - the tree of USB ports follows every plug, move and erase. */
#include <dirent.h>

#include "host.h"

static struct bench bench;

static int begin(void **state)
{
	(void)state;
	bench_begin(&bench, "--iphones", "3", "--ipads", "1", "--androids", "2", "--unplugged", "1", "--slots", "40", "--pace",
		    "instant", NULL);
	return 0;
}

static int end(void **state)
{
	(void)state;
	bench_end(&bench);
	return 0;
}

/* "" when the folder or the attribute is not there. */
static const char *attr(const char *port, const char *name)
{
	static char text[4][256];
	static unsigned int n;
	char path[300], *into = text[n++ % 4];
	FILE *f;

	snprintf(path, sizeof(path), "%s/bus/usb/devices/%s/%s", bench.sysfs, port, name);
	into[0] = '\0';
	f = fopen(path, "r");
	if (!f)
		return into;
	if (!fgets(into, 256, f))
		into[0] = '\0';
	into[strcspn(into, "\n")] = '\0';
	fclose(f);
	return into;
}

static void a_port_that_is_not_there_or_taken_is_refused(void **state)
{
	static const char *const bad[] = { "9-1.1", "2-1.7", "2-1.9", "2-1.7.7.5", "2-1.1.1", "nonsense", "2-1.2" };
	char text[200];

	(void)state;
	tell(&bench, "unplug #1");
	for (size_t i = 0; i < STG_ARRAY_LEN(bad); i++) {
		json_t *a;

		snprintf(text, sizeof(text), "plug #1 %s", bad[i]);
		a = ask_bench(&bench, text);
		if (stg_json_bool(a, "ok", true))
			fail_msg("port %s was accepted", bad[i]);
		json_decref(a);
	}
	tell(&bench, "plug #1 2-3.7.1");
	assert_string_equal(attr("2-3.7.1", "devpath"), "3.7.1");
}

static void the_tree_reads_like_the_kernels(void **state)
{
	(void)state;
	assert_string_equal(attr("usb2", "bDeviceClass"), "09");
	assert_string_equal(attr("2-1", "maxchild"), "7");
	assert_string_equal(attr("2-1.7.7", "bDeviceClass"), "09");
	assert_string_equal(attr("2-1.1", "idVendor"), "05ac");
	assert_string_equal(attr("2-1.1", "idProduct"), "12a8");
	assert_string_equal(attr("2-1.4", "idProduct"), "12ab");
	assert_string_equal(attr("2-1.1", "product"), "iPhone");
	assert_string_equal(attr("2-1.1", "speed"), "480");
	assert_string_equal(attr("2-1.1", "bMaxPower"), "500mA");
	assert_string_equal(attr("2-1.1", "busnum"), "2");
	assert_null(strchr(attr("2-1.1", "serial"), '-'));
	/* An Android is on USB and nowhere else; the last device is not plugged in. */
	assert_true(strcmp(attr("2-1.5", "idVendor"), "18d1") == 0 || strcmp(attr("2-1.5", "idVendor"), "04e8") == 0);
	assert_string_equal(attr("2-1.6", "idVendor"), "");
}

static void a_moved_device_has_another_path_and_a_new_address(void **state)
{
	char serial[64], address[16];

	(void)state;
	stg_copy(serial, sizeof(serial), attr("2-1.1", "serial"));
	stg_copy(address, sizeof(address), attr("2-1.1", "devnum"));
	tell(&bench, "move #1 2-2.7.4");
	assert_string_equal(attr("2-1.1", "serial"), "");
	assert_string_equal(attr("2-2.7.4", "serial"), serial);
	assert_true(atoi(attr("2-2.7.4", "devnum")) > atoi(address));
}

static void the_tree_is_right_before_the_mux_tells(void **state)
{
	int fd = mux_connect(&bench);
	plist_t a;

	(void)state;
	assert_int_equal(mux_result(fd, mux_message("Listen")), 0);
	for (int i = 0; i < 4; i++)
		plist_free(mux_read(fd, NULL));
	for (int i = 0; i < 20; i++) {
		tell(&bench, "replug #2 1");
		a = mux_read(fd, NULL);
		assert_string_equal(text_in(a, "MessageType"), "Detached");
		plist_free(a);
		a = mux_read(fd, NULL);
		assert_string_equal(text_in(a, "MessageType"), "Attached");
		assert_int_equal(number_in(plist_dict_get_item(a, "Properties"), "LocationID"),
				 2 << 16 | atoi(attr("2-1.2", "devnum")));
		plist_free(a);
	}
	close(fd);
}

static void recovery_has_another_identity_on_the_same_port(void **state)
{
	(void)state;
	tell(&bench, "set #1 usb_mode recovery");
	tell(&bench, "wait #1 attached");
	assert_string_equal(attr("2-1.1", "idProduct"), "1281");
	assert_non_null(strstr(attr("2-1.1", "serial"), "ECID:"));
	assert_int_equal(device_id(&bench, bench.udid), 0);
	tell(&bench, "set #1 usb_mode normal");
	tell(&bench, "wait #1 attached");
	assert_string_equal(attr("2-1.1", "idProduct"), "12a8");
	assert_true(device_id(&bench, bench.udid) > 0);
}

static void the_tree_goes_with_the_bench(void **state)
{
	char path[200];
	struct bench other = { 0 };

	(void)state;
	bench_begin(&other, "--iphones", "1", NULL);
	snprintf(path, sizeof(path), "%s/bus", other.sysfs);
	assert_int_equal(access(path, F_OK), 0);
	kill(other.pid, SIGTERM);
	/* End of file on its output: it is gone. */
	assert_true(readable(other.out, HOST_TIMEOUT_MS));
	assert_int_not_equal(access(path, F_OK), 0);
	bench_end(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_port_that_is_not_there_or_taken_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(the_tree_reads_like_the_kernels, begin, end),
		cmocka_unit_test_setup_teardown(a_moved_device_has_another_path_and_a_new_address, begin, end),
		cmocka_unit_test_setup_teardown(the_tree_is_right_before_the_mux_tells, begin, end),
		cmocka_unit_test_setup_teardown(recovery_has_another_identity_on_the_same_port, begin, end),
		cmocka_unit_test_setup_teardown(the_tree_goes_with_the_bench, begin, end),
	};

	return cmocka_run_group_tests_name("virtual ports", tests, NULL, NULL);
}
