/*
 * test_real_input.c - an order as a French spreadsheet exports it, and devices as they really come.
 *
 * STG_DEVICES=60 is the full size. Every device ends in one end state with a reason; the balance is the list; the
 * inventory, the receiver's record and the devices themselves say the same, and so does Debian's ideviceprovision.
 */
#include "look.h"

/* What is wrong with a device, by its place in the list; the rest of each round of ten is healthy. */
enum { HEALTHY, DIALOG, FRESH, FOREIGN, REPORTED, ABSENT, PULLED, BATTERY, ASSIGNED, DENIED, KINDS };

static const char *const ends[KINDS] = {
	[HEALTHY] = "staged", [DIALOG] = "staged", [FRESH] = "staged", [FOREIGN] = "hold", [REPORTED] = "staged",
	[ABSENT] = NULL, [PULLED] = "staged", [BATTERY] = "waiting", [ASSIGNED] = "hold", [DENIED] = NULL,
};

static void fault(struct journey *j, const char *who, const char *kind, const char *request, const char *more)
{
	struct stg_error err = { 0 };
	json_t *answer = bench_word(j->control, &err, "fault", who, kind, request, more, NULL);
	journey_must(answer != NULL, &err, kind);
	json_decref(answer);
}

static void prepare(struct journey *j, size_t i)
{
	const char *who = journey_serial(j, i);
	switch (i % KINDS) {
	case DIALOG:
		journey_tell(j, "set", who, "at_home_screen", "false");
		journey_tell(j, "set", who, "has_passcode", "false");
		fault(j, who, "dialog_pending", "Pair", NULL);
		break;
	case FRESH:
		journey_tell(j, "set", who, "activated", "false");
		break;
	case FOREIGN:
		journey_tell(j, "set", who, "supervised_by_other", "true");
		journey_tell(j, "set", who, "auto_trust", "true");
		break;
	case REPORTED:
		fault(j, who, "reported_failed", "InstallProfile", NULL);
		break;
	case ABSENT:
		fault(j, who, "absent", "InstallProfile", NULL);
		break;
	case PULLED:
		fault(j, who, "unplug_before", "InstallProfile", "back_ms=800");
		break;
	case BATTERY:
		journey_tell(j, "set", who, "battery", "5");
		journey_tell(j, "set", who, "battery_charging", "false");
		break;
	case ASSIGNED:
		journey_tell(j, "set", who, "abm_assigned", "true");
		break;
	case DENIED:
		fault(j, who, "refuse", "Pair", "error=UserDeniedPairing");
		break;
	}
}

static bool settled(struct journey *j, void *ctx)
{
	(void)ctx;
	STG_AUTO(stg_json_free_at) json_t *batch = journey_op(j, "batch.show", json_pack("{s:s}", "name", BATCH), NULL);
	const json_t *rows = json_object_get(batch, "rows");
	for (size_t i = 0; i < (size_t)j->n; i++) {
		const json_t *row = json_array_get(rows, i);
		const char *end = stg_json_str(row, "end"), *want = ends[i % KINDS];
		if (want && strcmp(end, want) != 0)
			return false;
		/* a denied device has told nobody its name: it may stay missing */
		if (strcmp(end, "running") == 0 || (strcmp(end, "missing") == 0 && i % KINDS != DENIED))
			return false;
	}
	return true;
}

static bool new_boxes_wait(struct journey *j, void *ctx)
{
	(void)ctx;
	for (size_t i = FRESH; i < (size_t)j->n; i += KINDS) {
		STG_AUTO(stg_json_free_at) json_t *row = look_row(j, journey_serial(j, i));
		if (strcmp(stg_json_str(row, "wait"), "line") != 0)
			return false;
	}
	return true;
}

/* What a program from Debian sees of the device. */
static bool tool_answers(const char *udid)
{
	char command[160], line[64];
	snprintf(command, sizeof(command), "timeout 30 ideviceprovision -u %s list 2>&1", udid);
	FILE *p = popen(command, "r");
	assert_non_null(p);
	while (fgets(line, sizeof(line), p))
		;
	return pclose(p) == 0;
}

static void compare(struct journey *j, const json_t *rows)
{
	STG_AUTO(stg_json_free_at) json_t *all = journey_word(j, "receiver", "records", NULL, NULL);
	STG_AUTO(stg_json_free_at) json_t *last = json_object();
	const json_t *records = json_object_get(all, "records");
	int asked = 0;
	for (size_t i = 0; i < json_array_size(records); i++) {
		const json_t *data = json_object_get(json_object_get(json_array_get(records, i), "body"), "data");
		json_object_set_new(last, stg_json_str(json_object_get(data, "device"), "serial"), json_string(stg_json_str(data, "outcome")));
	}
	for (size_t i = 0; i < (size_t)j->n; i++) {
		const json_t *row = json_array_get(rows, i);
		const char *serial = stg_json_str(row, "serial"), *end = stg_json_str(row, "end");
		assert_string_equal(serial, journey_serial(j, i));
		STG_AUTO(stg_json_free_at) json_t *device = look_device(j, serial);
		bool staged = strcmp(end, "staged") == 0;
		bool told = strcmp(stg_json_str(last, serial), "staged") == 0;
		bool supervised = stg_json_bool(device, "supervised", false);
		if (staged != told)
			fail_msg("%s is %s here, '%s' at the receiver", serial, end, stg_json_str(last, serial));
		if (staged && (!supervised || json_array_size(json_object_get(device, "profiles")) < 4))
			fail_msg("%s is staged, and the device does not say so", serial);
		if (!staged && strcmp(end, "missing") != 0 && !*stg_json_str(row, "reason") && !stg_json_int(row, "code", 0))
			fail_msg("%s is %s for no reason", serial, end);
		if (strcmp(end, "missing") == 0)
			continue;
		STG_AUTO(stg_json_free_at) json_t *known = journey_op(j, "inventory.show", json_pack("{s:s}", "serial", serial), NULL);
		assert_string_equal(stg_json_str(known, "end"), end);
		assert_int_equal(strcasecmp(stg_json_str(known, "udid"), stg_json_str(device, "udid")), 0);
		if (staged && asked < 3) {
			asked++;
			/* a program not written here: the device still answers a session after all this */
			if (!tool_answers(stg_json_str(device, "udid")))
				fail_msg("%s: ideviceprovision gets no answer", serial);
		}
	}
}

static void every_device_of_a_real_order_ends_in_one_state(void **state)
{
	(void)state;
	struct journey j;
	struct stg_error err = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf csv = STG_BUF(1 << 20);
	journey_begin(&j, look_number("STG_DEVICES", 20), "instant", 31, NULL);
	/* Windows-1252: ° is B0, É is C9, é is E9, è is E8 */
	bool ok = stg_buf_add_str(&csv, "N\xB0 de s\xE9rie;\xC9tiquette;Nom;Propri\xE9t\xE9;Service\r\n", &err);
	for (size_t i = 0; ok && i < (size_t)j.n; i++)
		ok = stg_buf_printf(&csv, &err, "%s;A-%04zu;\"Chir. g\xE9n\xE9rale; lit %zu\";pool;Pi\xE8" "ce %zu\r\n", journey_serial(&j, i), 1000 + i, i,
				    i);
	journey_must(ok, &err, "order");
	look_order(&j, "ipad-hospital-ward", stg_buf_view(&csv));
	for (size_t i = 0; i < (size_t)j.n; i++)
		prepare(&j, i);
	journey_tell(&j, "line", "closed", NULL, NULL);
	json_decref(journey_op(&j, "window.close", json_object(), NULL));
	journey_tell(&j, "plug", "all", NULL, NULL);
	if (!look_until(&j, new_boxes_wait, NULL, 60000)) {
		for (size_t i = FRESH; i < (size_t)j.n; i += KINDS)
			look_print("new box", look_row(&j, journey_serial(&j, i)));
		fail_msg("not every new box waits for the line");
	}
	journey_tell(&j, "line", "open", NULL, NULL);
	json_decref(journey_op(&j, "window.open", json_object(), NULL));
	bool all = look_until(&j, settled, NULL, 60000);
	STG_AUTO(stg_json_free_at) json_t *batch = journey_op(&j, "batch.show", json_pack("{s:s}", "name", BATCH), NULL);
	const json_t *rows = json_object_get(batch, "rows"), *balance = json_object_get(batch, "balance");
	if (!all || getenv("STG_SHOW"))
		for (size_t i = 0; i < json_array_size(rows); i++) {
			const json_t *row = json_array_get(rows, i);
			print_message("%zu %s %s %s %s\n", i, stg_json_str(row, "serial"), stg_json_str(row, "end"), stg_json_str(row, "wait"),
				      stg_json_str(row, "reason"));
		}
	assert_true(all);
	int64_t sum = 0;
	static const char *const parts[] = { "staged", "waiting", "hold", "failed", "missing", "running" };
	for (size_t p = 0; p < STG_ARRAY_LEN(parts); p++) {
		int64_t count = 0;
		for (size_t i = 0; i < (size_t)j.n; i++)
			count += strcmp(stg_json_str(json_array_get(rows, i), "end"), parts[p]) == 0;
		assert_int_equal(stg_json_int(balance, parts[p], -1), count);
		sum += count;
	}
	assert_int_equal(sum, j.n);
	assert_int_equal(stg_json_int(balance, "expected", 0), j.n);
	assert_true(look_drained(&j));
	compare(&j, rows);
	journey_end(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_device_of_a_real_order_ends_in_one_state),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
