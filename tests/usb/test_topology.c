/*
 * test_topology.c - the tree of sockets as an own folder: names, modes, moves, clones, half-written entries, nonsense.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stager/bytes.h>
#include <stager/clock.h>
#include <stager/file.h>
#include <stager/topology.h>

static char root[64];

static void put(const char *port, const char *name, const char *value)
{
	char path[300];
	snprintf(path, sizeof(path), "%s/bus/usb/devices/%s/%s", root, port, name);
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	fprintf(f, "%s\n", value);
	fclose(f);
}

static void folder(const char *port)
{
	char path[300];
	snprintf(path, sizeof(path), "%s/bus/usb/devices/%s", root, port);
	assert_true(stg_folder_make(path, 0755, NULL));
}

static void plug(const char *port, const char *vid, const char *pid, const char *serial, int address)
{
	char text[16];
	folder(port);
	snprintf(text, sizeof(text), "%d", address);
	put(port, "devnum", text);
	put(port, "busnum", "2");
	put(port, "idVendor", vid);
	put(port, "speed", "480");
	put(port, "bMaxPower", "500mA");
	put(port, "maxchild", "0");
	put(port, "bDeviceClass", "00");
	if (serial)
		put(port, "serial", serial);
	put(port, "idProduct", pid);
}

static void pull(const char *port)
{
	char text[300];
	snprintf(text, sizeof(text), "rm -rf '%s/bus/usb/devices/%s'", root, port);
	assert_int_equal(system(text), 0);
}

static int setup(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/topo.XXXXXX");
	assert_non_null(mkdtemp(root));
	setenv("STAGER_SYSFS", root, 1);
	char path[300];
	snprintf(path, sizeof(path), "%s/bus/usb/devices", root);
	assert_true(stg_folder_make(path, 0755, NULL));
	return 0;
}

static int teardown(void **state)
{
	char text[100];
	(void)state;
	snprintf(text, sizeof(text), "rm -rf '%s'", root);
	return system(text);
}

/* Events until there are none: "+2-1.4 -2-1.4 ". */
static const char *events(struct stg_topology *t)
{
	static char text[2000];
	struct stg_usb_event e;
	text[0] = 0;
	assert_true(stg_topology_scan(t, NULL));
	while (stg_topology_next(t, &e)) {
		size_t n = strlen(text);
		snprintf(text + n, sizeof(text) - n, "%s%s ", e.kind == STG_USB_ARRIVED ? "+" : "-", e.device.port);
	}
	return text;
}

static bool rings(struct stg_topology *t)
{
	struct pollfd p = { .fd = stg_topology_fd(t), .events = POLLIN };
	return poll(&p, 1, 30000) == 1;
}

static void no_tree_is_an_empty_one_and_is_found_when_it_comes(void **state)
{
	(void)state;
	char path[300];
	snprintf(path, sizeof(path), "%s/bus/usb/devices", root);
	assert_int_equal(rmdir(path), 0);
	STG_AUTO(stg_topology_free_at) struct stg_topology *t = stg_topology_new(NULL);
	assert_string_equal(events(t), "");
	assert_int_equal(stg_topology_count(t), 0);
	assert_true(stg_folder_make(path, 0755, NULL));
	plug("2-1", "05ac", "12a8", "0000811000112233445566AA", 4);
	assert_true(rings(t));
	assert_string_equal(events(t), "+2-1 ");
}

static void apple_devices_are_known_by_udid_in_any_spelling(void **state)
{
	(void)state;
	STG_AUTO(stg_topology_free_at) struct stg_topology *t = stg_topology_new(NULL);
	plug("2-1.4", "05ac", "12a8", "0000811000112233445566aa", 4);
	plug("2-1.10", "05ac", "12ab", "00112233445566778899aabbccddeeff00112233", 5);
	plug("usb2", "1d6b", "0002", "0000:00:14.0", 1);
	put("usb2", "maxchild", "16");
	plug("2-1.4:1.0", "05ac", "12a8", "interface", 4);
	assert_string_equal(events(t), "+2-1.4 +2-1.10 ");
	int same = 0;
	const struct stg_usb_device *d = stg_topology_find(t, "00008110-00112233445566AA", &same);
	assert_non_null(d);
	assert_int_equal(same, 1);
	assert_string_equal(d->port, "2-1.4");
	assert_string_equal(d->udid, "00008110-00112233445566AA");
	assert_int_equal(d->mode, STG_MODE_NORMAL);
	assert_string_equal(d->driver, "apple");
	assert_int_equal(d->speed_mbps, 480);
	assert_int_equal(d->max_power_ma, 500);
	assert_non_null(stg_topology_find(t, "0000811000112233445566aa", NULL));
	assert_non_null(stg_topology_find(t, "00112233445566778899AABBCCDDEEFF00112233", NULL));
	assert_null(stg_topology_find(t, "00008110-00112233445566AB", NULL));
	assert_null(stg_topology_find(t, "", NULL));
	/* in the order of the sockets, hubs too */
	assert_int_equal(stg_topology_count(t), 3);
	assert_string_equal(stg_topology_at(t, 0)->port, "usb2");
	assert_string_equal(stg_topology_at(t, 2)->port, "2-1.10");
}

static void a_device_that_moved_is_found_on_its_new_socket(void **state)
{
	(void)state;
	STG_AUTO(stg_topology_free_at) struct stg_topology *t = stg_topology_new(NULL);
	plug("2-1.4", "05ac", "12a8", "0000811000112233445566AA", 4);
	assert_string_equal(events(t), "+2-1.4 ");
	pull("2-1.4");
	plug("2-3", "05ac", "12a8", "0000811000112233445566AA", 5);
	const struct stg_usb_device *d = stg_topology_find(t, "00008110-00112233445566AA", NULL);
	assert_non_null(d);
	assert_string_equal(d->port, "2-3");
	assert_string_equal(events(t), "-2-1.4 +2-3 ");
}

static void a_quick_replug_on_the_same_socket_is_two_events(void **state)
{
	(void)state;
	STG_AUTO(stg_topology_free_at) struct stg_topology *t = stg_topology_new(NULL);
	plug("2-1.4", "05ac", "12a8", "0000811000112233445566AA", 4);
	assert_string_equal(events(t), "+2-1.4 ");
	pull("2-1.4");
	plug("2-1.4", "05ac", "12a8", "0000811000112233445566AA", 9);
	assert_string_equal(events(t), "-2-1.4 +2-1.4 ");
	assert_string_equal(events(t), "");
}

static void two_devices_with_one_name_are_both_counted(void **state)
{
	(void)state;
	STG_AUTO(stg_topology_free_at) struct stg_topology *t = stg_topology_new(NULL);
	plug("2-1", "05ac", "12a8", "0000811000112233445566AA", 4);
	plug("2-2", "05ac", "12a8", "0000811000112233445566AA", 5);
	int same = 0;
	assert_non_null(stg_topology_find(t, "00008110-00112233445566AA", &same));
	assert_int_equal(same, 2);
}

static void recovery_and_dfu_show_their_ecid(void **state)
{
	(void)state;
	STG_AUTO(stg_topology_free_at) struct stg_topology *t = stg_topology_new(NULL);
	plug("2-1", "05ac", "1281",
	     "CPID:8110 CPRV:11 CPFM:03 SCEP:01 BDID:0E ECID:001A2B3C4D5E601E IBFL:3C SRNM:[C8QH10X5N735] IMEI:[356938035643809]", 4);
	plug("2-2", "05ac", "1227", "CPID:8010 CPRV:11 CPFM:03 SCEP:01 BDID:08 ECID:00000000000000FF IBFL:3C SRTG:[iBoot-3332]", 5);
	plug("2-3", "05ac", "1281", "no tags at all", 6);
	events(t);
	const struct stg_usb_device *d = stg_topology_on(t, "2-1");
	assert_int_equal(d->mode, STG_MODE_RECOVERY);
	assert_string_equal(d->unit, "7365887390539806");
	assert_string_equal(d->udid, "00008110-001A2B3C4D5E601E");
	assert_string_equal(d->serial, "C8QH10X5N735");
	/* the UDID of an older chip cannot be computed */
	d = stg_topology_on(t, "2-2");
	assert_int_equal(d->mode, STG_MODE_DFU);
	assert_string_equal(d->unit, "255");
	assert_string_equal(d->udid, "");
	d = stg_topology_on(t, "2-3");
	assert_int_equal(d->mode, STG_MODE_RECOVERY);
	assert_string_equal(d->unit, "");
}

static void every_mode_is_known_by_its_numbers_and_names(void **state)
{
	(void)state;
	STG_AUTO(stg_topology_free_at) struct stg_topology *t = stg_topology_new(NULL);
	static const struct {
		const char *pid, *product;
		enum stg_mode mode;
	} all[] = {
		{ "1290", "iPhone", STG_MODE_NORMAL }, { "12a8", "iPhone", STG_MODE_NORMAL }, { "12af", "iPad", STG_MODE_NORMAL },
		{ "1280", "x", STG_MODE_RECOVERY }, { "1281", "x", STG_MODE_RECOVERY }, { "1282", "x", STG_MODE_RECOVERY },
		{ "1283", "x", STG_MODE_RECOVERY }, { "1227", "x", STG_MODE_DFU }, { "1222", "x", STG_MODE_WTF },
		{ "f014", "x", STG_MODE_PORT_DFU }, { "12a8", "Apple Mobile Device (Restore Mode)", STG_MODE_RESTORE },
		{ "1284", "x", STG_MODE_FOREIGN }, { "12b0", "x", STG_MODE_FOREIGN }, { "127f", "x", STG_MODE_FOREIGN },
	};
	char port[32];
	for (int i = 0; i < (int)STG_ARRAY_LEN(all); i++) {
		snprintf(port, sizeof(port), "2-%d", i + 1);
		folder(port);
		put(port, "product", all[i].product);
		plug(port, "05ac", all[i].pid, "00008110001A2B3C4D5E601E", i + 2);
	}
	events(t);
	for (int i = 0; i < (int)STG_ARRAY_LEN(all); i++) {
		snprintf(port, sizeof(port), "2-%d", i + 1);
		const struct stg_usb_device *d = stg_topology_on(t, port);
		assert_non_null(d);
		assert_int_equal(d->mode, all[i].mode);
		assert_int_equal(d->is_phone, all[i].mode != STG_MODE_FOREIGN);
		/* not one of them is taken for another maker's, not one keyboard for a phone */
		assert_string_equal(d->driver, all[i].mode == STG_MODE_FOREIGN ? "" : "apple");
	}
	/* the ramdisk of a restore keeps the UDID, and the ECID is in it */
	const struct stg_usb_device *d = stg_topology_on(t, "2-11");
	assert_string_equal(d->udid, "00008110-001A2B3C4D5E601E");
	assert_string_equal(d->unit, "7365887390539806");
}

static void the_boot_loader_names_its_model(void **state)
{
	(void)state;
	STG_AUTO(stg_topology_free_at) struct stg_topology *t = stg_topology_new(NULL);
	plug("2-1", "05ac", "1281", "CPID:8110 BDID:0A ECID:001A2B3C4D5E601E SRNM:[C8QH10X5N735]", 4);
	plug("2-2", "05ac", "1281", "CPID:8110 BDID:7F ECID:001A2B3C4D5E601F", 5);
	plug("2-3", "05ac", "1227", "BDID:0A ECID:001A2B3C4D5E6020", 6);
	plug("2-4", "05ac", "1281", "CPID:99998110 BDID:0A ECID:001A2B3C4D5E6021", 7);
	plug("2-5", "05ac", "1281", "CPID:8110 ECID:0 BDID:0A", 8);
	events(t);
	assert_string_equal(stg_topology_on(t, "2-1")->model, "iPhone14,5");
	assert_string_equal(stg_topology_on(t, "2-2")->model, "");
	assert_string_equal(stg_topology_on(t, "2-3")->model, "");
	assert_string_equal(stg_topology_on(t, "2-3")->udid, "");
	assert_string_equal(stg_topology_on(t, "2-4")->udid, "");
	assert_string_equal(stg_topology_on(t, "2-5")->unit, "");
	assert_string_equal(stg_topology_on(t, "2-5")->udid, "");
}

/* An iPad with USB-C is on the 5 Gbit/s half of its socket when it runs and on the 480 Mbit/s half in recovery. */
static void a_socket_has_one_name_at_every_speed(void **state)
{
	(void)state;
	char path[300];
	STG_AUTO(stg_topology_free_at) struct stg_topology *t = stg_topology_new(NULL);
	static const struct {
		const char *port, *peer, *speed, *socket;
	} all[] = {
		{ "3-1.4", "../../../usb2/2-1/2-1:1.0/2-1-port4", "5000", "2-1.4" },
		{ "3-2", "../../usb2/2-0:1.0/usb2-port7", "10000", "2-7" },
		{ "2-9", "../../usb3/3-0:1.0/usb3-port9", "480", "2-9" },         /* the peer of the slow half is not asked */
		{ "3-3", "nonsense", "5000", "3-3" }, { "3-4", "../2-1-port", "5000", "3-4" }, { "3-5", "../2-1-port4x", "5000", "3-5" },
		{ "3-6", "../..-port4", "5000", "3-6" }, { "3-7", "", "5000", "3-7" },
		{ "3-8", "../2-1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1-port14", "5000", "3-8" },
	};
	for (int i = 0; i < (int)STG_ARRAY_LEN(all); i++) {
		snprintf(path, sizeof(path), "%s/port", all[i].port);
		folder(path);
		snprintf(path, sizeof(path), "%s/bus/usb/devices/%s/port/peer", root, all[i].port);
		if (all[i].peer[0])
			assert_int_equal(symlink(all[i].peer, path), 0);
		char serial[40];
		snprintf(serial, sizeof(serial), "00008110001A2B3C4D5E60%02d", i);
		plug(all[i].port, "05ac", "12a8", serial, i + 2);
		put(all[i].port, "speed", all[i].speed);
	}
	events(t);
	for (int i = 0; i < (int)STG_ARRAY_LEN(all); i++) {
		const struct stg_usb_device *d = stg_topology_on(t, all[i].port);
		struct stg_arrival a;
		assert_non_null(d);
		assert_string_equal(d->socket, all[i].socket);
		stg_usb_arrival(d, &a);
		assert_string_equal(a.port, all[i].socket);
	}
	/* found by the name people know */
	assert_string_equal(stg_topology_on(t, "2-1.4")->port, "3-1.4");
}

static void endpoints_are_counted_when_they_are_there(void **state)
{
	(void)state;
	STG_AUTO(stg_topology_free_at) struct stg_topology *t = stg_topology_new(NULL);
	plug("2-1.4", "05ac", "12a8", "0000811000112233445566aa", 4);
	events(t);
	assert_int_equal(stg_topology_on(t, "2-1.4")->endpoints, 0);
	/* the configuration comes later, and nobody says so */
	folder("2-1.4/2-1.4:4.0");
	put("2-1.4/2-1.4:4.0", "bNumEndpoints", "03");
	folder("2-1.4/2-1.4:4.1");
	put("2-1.4/2-1.4:4.1", "bNumEndpoints", "02");
	folder("2-1.4/2-1.4:4.2");
	put("2-1.4/2-1.4:4.2", "bNumEndpoints", "ffffffffffff");
	folder("2-1.4/2-1.5:4.2");
	put("2-1.4/2-1.5:4.2", "bNumEndpoints", "09");
	stg_topology_recount(t);
	assert_int_equal(stg_topology_on(t, "2-1.4")->endpoints, 6);
}

static void others_are_listed_and_left_alone(void **state)
{
	(void)state;
	STG_AUTO(stg_topology_free_at) struct stg_topology *t = stg_topology_new(NULL);
	plug("2-1", "18d1", "4ee7", "0A1B2C3D4E5F", 4);
	put("2-1", "product", "Pixel \033[31m7\xe2\x80\xae");
	plug("2-2", "05ac", "024f", "keyboard", 5);
	events(t);
	const struct stg_usb_device *d = stg_topology_on(t, "2-1");
	assert_int_equal(d->mode, STG_MODE_FOREIGN);
	assert_string_equal(d->driver, "");
	assert_null(strchr(d->product, '\033'));
	assert_null(strstr(d->product, "\xe2\x80\xae"));
	d = stg_topology_on(t, "2-2");
	assert_int_equal(d->mode, STG_MODE_FOREIGN);
	assert_string_equal(d->driver, "");
}

static void a_folder_that_is_not_whole_yet_is_waited_for(void **state)
{
	(void)state;
	STG_AUTO(stg_topology_free_at) struct stg_topology *t = stg_topology_new(NULL);
	assert_string_equal(events(t), "");
	folder("2-1");
	put("2-1", "idVendor", "05ac");
	assert_string_equal(events(t), "");
	plug("2-1", "05ac", "12a8", "0000811000112233445566AA", 4);
	int64_t until = stg_boot_ms() + 30000;
	const char *seen = "";
	while (!*seen && stg_boot_ms() < until) {
		rings(t);
		seen = events(t);
	}
	assert_string_equal(seen, "+2-1 ");
}

static void nonsense_in_the_tree_harms_nobody(void **state)
{
	(void)state;
	STG_AUTO(stg_topology_free_at) struct stg_topology *t = stg_topology_new(NULL);
	char big[5000];
	memset(big, 'A', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	plug("2-1", "05ac", "12a8", big, 4);
	plug("2-2", "zzzz", "12a8", "x", 4);
	plug("2-3", "05ac", "fffff", "x", 4);
	plug("2-4", "05ac", "1281", "ECID:zz CPID:ffffffffffffffffffffff SRNM:[ ECID:1234567890123456789", 4);
	folder("2-");
	folder("2-1..4");
	folder("2-1.");
	folder("-1");
	folder("2-1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1");
	put("2-1", "speed", "999999999999999999999");
	events(t);
	assert_non_null(stg_topology_on(t, "2-1"));
	assert_string_equal(stg_topology_on(t, "2-1")->udid, "");
	assert_null(stg_topology_on(t, "2-2"));
	assert_string_equal(stg_topology_on(t, "2-4")->unit, "");
}

static void a_tree_of_a_thousand_is_read_once(void **state)
{
	(void)state;
	STG_AUTO(stg_topology_free_at) struct stg_topology *t = stg_topology_new(NULL);
	for (int i = 0; i < 300; i++) {
		char port[32], serial[32];
		snprintf(port, sizeof(port), "2-%d.%d", i / 16 + 1, i % 16 + 1);
		snprintf(serial, sizeof(serial), "00008110%016X", (unsigned int)i + 1);
		plug(port, "05ac", "12a8", serial, i + 2);
	}
	events(t);
	assert_int_equal(stg_topology_count(t), 300);
	/* files changed behind its back are not looked at without a reason */
	put("2-1.1", "product", "changed");
	for (int i = 0; i < 300; i++) {
		char udid[64];
		snprintf(udid, sizeof(udid), "00008110-%016X", (unsigned int)i + 1);
		assert_non_null(stg_topology_find(t, udid, NULL));
	}
	assert_string_equal(stg_topology_on(t, "2-1.1")->product, "");
}

static void sockets_have_parents_and_an_order(void **state)
{
	char parent[STG_PORT_MAX];
	(void)state;
	assert_true(stg_port_parent("2-1.4.16", parent));
	assert_string_equal(parent, "2-1.4");
	assert_true(stg_port_parent("2-1", parent));
	assert_string_equal(parent, "usb2");
	assert_false(stg_port_parent("usb2", parent));
	assert_false(stg_port_parent("nonsense", parent));
	assert_true(stg_port_compare("2-1.2", "2-1.10") < 0);
	assert_true(stg_port_compare("10-1", "2-1") > 0);
	assert_true(stg_port_compare("2-1", "2-1.1") < 0);
	assert_true(stg_port_compare("usb2", "2-1") < 0);
	assert_true(stg_port_compare("usb3", "2-1") > 0);
	assert_int_equal(stg_port_compare("2-1.4", "2-1.4"), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(no_tree_is_an_empty_one_and_is_found_when_it_comes),
		T(apple_devices_are_known_by_udid_in_any_spelling),
		T(a_device_that_moved_is_found_on_its_new_socket),
		T(a_quick_replug_on_the_same_socket_is_two_events),
		T(two_devices_with_one_name_are_both_counted),
		T(recovery_and_dfu_show_their_ecid),
		T(every_mode_is_known_by_its_numbers_and_names),
		T(the_boot_loader_names_its_model),
		T(a_socket_has_one_name_at_every_speed),
		T(endpoints_are_counted_when_they_are_there),
		T(others_are_listed_and_left_alone),
		T(a_folder_that_is_not_whole_yet_is_waited_for),
		T(nonsense_in_the_tree_harms_nobody),
		T(a_tree_of_a_thousand_is_read_once),
		T(sockets_have_parents_and_an_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
