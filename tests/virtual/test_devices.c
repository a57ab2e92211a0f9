/* test_devices.c - models and identities; a thousand devices in one process. */
#include "../../drivers/virtual/bench.h"
#include "host.h"

static void broken_identities_are_refused(void **state)
{
	static const char *const bad[] = { "{\"model\":\"iPhone99,9\"}", "{\"os\":\"3.1\"}", "{\"udid\":\"xyz\"}",
					   "{\"ecid\":\"zz\"}", "{\"wings\":true}", "{\"battery\":101}" };
	struct virt_options o = { .pace = VIRT_PACE_INSTANT };
	struct virt_bench *b = virt_bench_new(&o, NULL);

	(void)state;
	for (size_t i = 0; i < STG_ARRAY_LEN(bad); i++) {
		json_t *wanted = json_loads(bad[i], 0, NULL);
		struct stg_error err = { 0 };

		if (virt_device_new(b, wanted, &err))
			fail_msg("%s was accepted", bad[i]);
		assert_int_equal(err.code, STG_E_INPUT);
		assert_true(err.msg[0] != '\0');
		json_decref(wanted);
	}
	assert_int_equal(b->n_devices, 0);
	virt_bench_free(b);
}

static void identities_are_well_formed_and_all_different(void **state)
{
	struct virt_options o = { .pace = VIRT_PACE_INSTANT, .seed = 5 };
	struct virt_bench *b = virt_bench_new(&o, NULL);

	(void)state;
	for (size_t i = 0; i < 400; i++)
		assert_non_null(virt_device_new(b, json_null(), NULL));
	for (size_t i = 0; i < b->n_devices; i++) {
		const struct virt_device *d = b->devices[i];
		size_t len = strlen(d->serial);
		char expected[48];

		assert_true(len == 10 || len == 12);
		assert_int_equal(strspn(d->serial, "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"), len);
		if (d->model->has_long_udid) {
			assert_int_equal(strlen(d->udid), 40);
		} else {
			snprintf(expected, sizeof(expected), "%08X-%016llX", d->model->chip_id, (unsigned long long)d->ecid);
			assert_string_equal(d->udid, expected);
		}
		for (int k = 0; k < 2 && d->imei[k][0]; k++)
			assert_true(virt_imei_ok(d->imei[k]));
		assert_int_equal(d->imei[0][0] != '\0', d->model->is_cellular);
		assert_int_equal(strlen(d->wifi), 17);
		assert_true(d->os->major >= d->model->first_os && d->os->major <= d->model->last_os);
		for (size_t j = 0; j < i; j++) {
			assert_string_not_equal(d->serial, b->devices[j]->serial);
			assert_string_not_equal(d->udid, b->devices[j]->udid);
			assert_int_not_equal(d->ecid, b->devices[j]->ecid);
		}
	}
	virt_bench_free(b);
}

static void the_check_digit_is_luhns(void **state)
{
	(void)state;
	assert_int_equal(virt_luhn_digit("7992739871"), '3');
	assert_true(virt_imei_ok("490154203237518"));
	assert_false(virt_imei_ok("490154203237519"));
	assert_false(virt_imei_ok("4.9015E+14"));
}

static void the_table_knows_enough_models_and_systems(void **state)
{
	unsigned int majors = 0;

	(void)state;
	assert_true(virt_models_len >= 20);
	for (size_t i = 0; i < virt_models_len; i++) {
		assert_ptr_equal(virt_model_find(virt_models[i].product_type), &virt_models[i]);
		assert_ptr_equal(virt_model_find(virt_models[i].marketing_name), &virt_models[i]);
		assert_true(virt_models[i].capacities_gb[0] > 0);
	}
	for (size_t i = 0; i < virt_oses_len; i++)
		majors |= 1u << virt_oses[i].major;
	for (unsigned int v = 15; v <= 18; v++)
		assert_true(majors & 1u << v);
	assert_true(majors & 1u << 26);
	assert_string_equal(virt_os_find("17")->version, "17.6.1");
	assert_null(virt_os_find("14"));
}

static void what_is_given_is_taken(void **state)
{
	struct virt_options o = { .pace = VIRT_PACE_INSTANT };
	struct virt_bench *b = virt_bench_new(&o, NULL);
	json_t *wanted = json_loads("{\"serial\":\"F2LXK0AAAA01\",\"model\":\"iPad (10th generation)\",\"os\":\"17.5.1\","
				    "\"udid\":\"00008101-000A1B2C3D4E5F26\",\"imei\":\"490154203237518\",\"locked\":true,"
				    "\"at_home_screen\":true,\"capacity_gb\":256}", 0, NULL);
	struct virt_device *d = virt_device_new(b, wanted, NULL);

	(void)state;
	assert_non_null(d);
	assert_string_equal(d->serial, "F2LXK0AAAA01");
	assert_string_equal(d->model->product_type, "iPad13,18");
	assert_string_equal(d->os->build, "21F90");
	assert_true(d->ecid == 0x000A1B2C3D4E5F26u);
	assert_true(d->is_locked && d->has_passcode && d->at_home_screen);
	assert_ptr_equal(virt_device_find(b, "F2LXK0AAAA01"), d);
	assert_ptr_equal(virt_device_find(b, "00008101-000a1b2c3d4e5f26"), d);
	assert_ptr_equal(virt_device_find(b, "490154203237518"), d);
	assert_ptr_equal(virt_device_find(b, "0xA1B2C3D4E5F26"), d);
	json_decref(wanted);
	virt_bench_free(b);
}

static json_t *list_of(const char *seed, const char *iphones)
{
	struct bench b = { 0 };
	json_t *a;

	bench_begin(&b, "--iphones", iphones, "--ipads", "3", "--mixed", "--seed", seed, "--pace", "instant", NULL);
	a = ask_bench(&b, "list");
	bench_end(&b);
	return a;
}

static void the_same_seed_makes_the_same_bench(void **state)
{
	json_t *a = list_of("42", "20"), *b = list_of("42", "20"), *c = list_of("43", "20");

	(void)state;
	assert_true(json_equal(a, b));
	assert_false(json_equal(a, c));
	json_decref(a);
	json_decref(b);
	json_decref(c);
}

static int64_t peak_kib(pid_t pid)
{
	char path[64], line[200];
	long kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmHWM: %ld", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

/* Without a tree of files: what is measured is the bench, not the file system. */
static void a_thousand_devices_are_small_and_listed_at_once(void **state)
{
	struct bench b = { .without_sysfs = true };
	json_t *d;
	plist_t a;
	int fd;

	(void)state;
	bench_begin(&b, "--pace", "instant", "--iphones", "1000", NULL);
	fd = mux_connect(&b);
	mux_send(fd, mux_message("ListDevices"), 1);
	a = mux_read(fd, NULL);
	assert_int_equal(plist_array_get_size(plist_dict_get_item(a, "DeviceList")), 1000);
	plist_free(a);
	close(fd);
	d = show(&b, "#1000");
	assert_true(stg_json_bool(d, "attached", false));
	json_decref(d);
#ifndef STG_SANITIZED
	assert_true(peak_kib(b.pid) < 512 * 1024);
#endif
	assert_true(peak_kib(b.pid) > 0);
	bench_end(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(broken_identities_are_refused),
		cmocka_unit_test(identities_are_well_formed_and_all_different),
		cmocka_unit_test(the_check_digit_is_luhns),
		cmocka_unit_test(the_table_knows_enough_models_and_systems),
		cmocka_unit_test(what_is_given_is_taken),
		cmocka_unit_test(the_same_seed_makes_the_same_bench),
		cmocka_unit_test(a_thousand_devices_are_small_and_listed_at_once),
	};

	return cmocka_run_group_tests_name("virtual devices", tests, NULL, NULL);
}
