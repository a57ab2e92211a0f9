/*
 * test_apps.c - apps and their documents on the way through the whole station: refused, cut off, damaged, too large; then installed,
 * skipped where they are, brought up to date, read back, and part of the result.
 */
#include <sys/stat.h>

#include "look.h"
#include "ipa.h"

#define APP "org.example.route"

static void put_blueprint(struct journey *j, const char *name, const char *steps)
{
	struct stg_error err = { 0 };
	char path[300], text[2000];
	snprintf(path, sizeof(path), "%s/blueprints", j->state);
	journey_must(stg_folder_make(path, 0700, &err), &err, "blueprints");
	snprintf(path, sizeof(path), "%s/blueprints/%s.yaml", j->state, name);
	snprintf(text, sizeof(text), "name: %s\nabout: apps\nsteps:\n  - identify:\n  - pair:\n%s  - verify:\n", name, steps);
	journey_must(stg_file_write(path, stg_bytes_str(text), 0600, &err), &err, name);
}

static json_t *add_file(struct journey *j, const char *path, const char *document)
{
	json_t *in = json_pack("{s:s, s:[s]}", "file", path, "files", "file");
	if (document) {
		stg_json_put_bool(in, "document", true);
		stg_json_put(in, "name", document);
	}
	return journey_op(j, "app.add", in, path);
}

static const char *file(const struct journey *j, const char *name)
{
	static char path[200];
	snprintf(path, sizeof(path), "%s/%s", j->dir, name);
	return path;
}

static json_t *add_app(struct journey *j, const struct ipa *a)
{
	ipa_make(file(j, "app.ipa"), a);
	return add_file(j, file(j, "app.ipa"), NULL);
}

/* A further order of the same devices. */
static void order(struct journey *j, const char *batch, const char *blueprint, const char *despite)
{
	json_decref(journey_op(j, "batch.import", json_pack("{s:s, s:s, s:s}", "name", batch, "file", file(j, "order.csv"), "blueprint", blueprint),
			       file(j, "order.csv")));
	if (despite)
		look_refused(j, "batch.start", json_pack("{s:s}", "name", batch), STG_E_REFUSED);
	json_decref(journey_op(j, "batch.start", json_pack("{s:s, s:s*}", "name", batch, "despite", despite), NULL));
}

static bool has_app(struct journey *j, const char *serial, const char *id)
{
	STG_AUTO(stg_json_free_at) json_t *d = look_device(j, serial);
	size_t i;
	json_t *one;
	json_array_foreach(json_object_get(d, "apps"), i, one)
		if (strcmp(json_string_value(one), id) == 0)
			return true;
	return false;
}

/* How many files lie where packages are sent to. */
static size_t left_behind(struct journey *j, const char *serial)
{
	STG_AUTO(stg_json_free_at) json_t *d = look_device(j, serial);
	size_t i, n = 0;
	json_t *one;
	json_array_foreach(json_object_get(d, "files"), i, one)
		n += strncmp(stg_json_str(one, "path"), "PublicStaging/", 14) == 0;
	return n;
}

static void fault(struct journey *j, const char *serial, const char *kind, const char *request, const char *a, const char *b)
{
	struct stg_error err = { 0 };
	json_t *answer = bench_word(j->control, &err, "fault", serial, kind, request, a, b, (char *)NULL);
	journey_must(answer != NULL, &err, "fault");
	json_decref(answer);
}

struct ending {
	const char *batch, *serial, *end;
	json_t *row;
};

static bool has_ended(struct journey *j, void *ctx)
{
	struct ending *e = ctx;
	STG_AUTO(stg_json_free_at) json_t *batch = journey_op(j, "batch.show", json_pack("{s:s}", "name", e->batch), NULL);
	size_t i;
	json_t *row;
	json_decref(e->row);
	e->row = NULL;
	json_array_foreach(json_object_get(batch, "rows"), i, row)
		if (strcmp(stg_json_str(row, "serial"), e->serial) == 0)
			e->row = json_incref(row);
	return e->row && strcmp(stg_json_str(e->row, "end"), e->end) == 0;
}

/* The device ends with this row of errors.def. */
static void ends_with(struct journey *j, const char *batch, const char *serial, const char *end, unsigned int id)
{
	struct ending e = { batch, serial, end, NULL };
	bool came = look_until(j, has_ended, &e, LOOK_MS / 3);
	if (!came || stg_json_int(e.row, "why_id", 0) != id) {
		STG_AUTO(stg_free_at) char *text = stg_json_text(e.row);
		fail_msg("%s is not %s for %u: %s", serial, end, id, text);
	}
	json_decref(e.row);
}

static void is_staged(struct journey *j, const char *batch, const char *serial)
{
	struct ending e = { batch, serial, "staged", NULL };
	if (!look_until(j, has_ended, &e, LOOK_MS / 3)) {
		STG_AUTO(stg_free_at) char *text = stg_json_text(e.row);
		fail_msg("%s is not staged: %s", serial, text);
	}
	json_decref(e.row);
}

/* ---- what does not go in ---- */

static void what_a_device_would_refuse_is_not_even_sent(void **state)
{
	(void)state;
	static const struct {
		struct ipa ipa;
		unsigned int id;
	} cases[] = {
		{ { .id = APP, .version = "1", .build = "1", .minimum_os = "99.0" }, STG_ID_APP_NEEDS_OTHER_DEVICE },
		{ { .id = APP, .version = "1", .build = "1", .signing = "ad-hoc", .udid = "00008101-0000000000000001" }, STG_ID_APP_NOT_SIGNED_FOR_IT },
		/* no batch begins with it, but for a lead's word */
		{ { .id = APP, .version = "1", .build = "1", .until = "2020-01-01" }, STG_ID_APP_EXPIRED },
	};
	struct journey j;
	char name[32];
	journey_begin(&j, 1, "instant", 60, NULL);
	const char *serial = journey_serial(&j, 0);
	/* one order after the other, the same device */
	for (size_t i = 0; i < STG_ARRAY_LEN(cases); i++) {
		json_decref(add_app(&j, &cases[i].ipa));
		put_blueprint(&j, "apps", "  - install_app: {app: " APP "}\n");
		snprintf(name, sizeof(name), i ? "ORDER-%zu" : BATCH, i);
		if (!i)
			journey_batch(&j, "apps", "pool");
		else
			order(&j, name, "apps", cases[i].id == STG_ID_APP_EXPIRED ? "to see what the device says" : NULL);
		journey_tell(&j, i ? "replug" : "plug", serial, NULL, NULL);
		ends_with(&j, name, serial, "failed", cases[i].id);
		json_decref(journey_op(&j, "batch.close", json_pack("{s:s, s:b}", "name", name, "open", 1), NULL));
		json_decref(journey_op(&j, "app.remove", json_pack("{s:s}", "app", APP), NULL));
	}
	assert_int_equal(look_sent(&j, serial, "FileOpen"), 0);
	assert_int_equal(look_sent(&j, serial, "Install"), 0);
	journey_end(&j);
}

static void a_refusal_of_the_device_is_told_and_leaves_nothing_behind(void **state)
{
	(void)state;
	static const struct {
		const char *error;
		unsigned int id;
	} cases[] = {
		{ "error=ApplicationVerificationFailed", STG_ID_APP_NOT_SIGNED_FOR_IT }, { "error=DeviceOSVersionTooLow", STG_ID_APP_NEEDS_OTHER_DEVICE },
		{ "error=InstallProhibited", STG_ID_APP_FORBIDDEN },
		{ "error=SomethingNobodyKnows", STG_ID_APP_SERVICE_FAILED },
	};
	struct journey j;
	int n = STG_ARRAY_LEN(cases) + 2;
	journey_begin(&j, n, "instant", 65, NULL);
	json_decref(add_app(&j, &(struct ipa){ .id = APP, .version = "1", .build = "1", .bytes = 3 << 20 }));
	put_blueprint(&j, "apps", "  - install_app: {app: " APP "}\n");
	for (size_t i = 0; i < STG_ARRAY_LEN(cases); i++)
		fault(&j, journey_serial(&j, i), "refuse", "Install", cases[i].error, "detail=3892346901");
	/* full already, and full in the middle of the file */
	const char *full = journey_serial(&j, STG_ARRAY_LEN(cases)), *fills = journey_serial(&j, STG_ARRAY_LEN(cases) + 1);
	journey_tell(&j, "set", full, "disk_full", "true");
	fault(&j, fills, "disk_full", "FileWrite", "skip=5", "count=1");
	journey_batch(&j, "apps", "pool");
	journey_tell(&j, "plug", "all", NULL, NULL);
	for (size_t i = 0; i < STG_ARRAY_LEN(cases); i++) {
		ends_with(&j, BATCH, journey_serial(&j, i), "failed", cases[i].id);
		assert_int_equal(left_behind(&j, journey_serial(&j, i)), 0);
	}
	ends_with(&j, BATCH, full, "failed", STG_ID_DEVICE_FULL);
	assert_int_equal(look_sent(&j, full, "FileOpen"), 0);
	ends_with(&j, BATCH, fills, "failed", STG_ID_DEVICE_FULL);
	assert_int_equal(left_behind(&j, fills), 0);
	for (int i = 0; i < n; i++)
		assert_false(has_app(&j, journey_serial(&j, (size_t)i), APP));
	journey_end(&j);
}

static void an_app_that_is_acknowledged_and_not_there_is_not_believed(void **state)
{
	(void)state;
	struct journey j;
	journey_begin(&j, 1, "instant", 66, NULL);
	json_decref(add_app(&j, &(struct ipa){ .id = APP, .version = "1", .build = "1" }));
	put_blueprint(&j, "apps", "  - install_app: {app: " APP "}\n");
	fault(&j, journey_serial(&j, 0), "absent", "Install", "count=-1", NULL);
	journey_batch(&j, "apps", "pool");
	journey_tell(&j, "plug", "all", NULL, NULL);
	ends_with(&j, BATCH, journey_serial(&j, 0), "failed", STG_ID_NOT_PROVEN);
	journey_end(&j);
}

/* A disk that has lost a bit, a row that names another file: nothing of it reaches a device's apps. */
static void a_kept_file_that_has_changed_is_not_installed(void **state)
{
	(void)state;
	struct journey j;
	char path[300];
	journey_begin(&j, 1, "instant", 67, NULL);
	STG_AUTO(stg_json_free_at) json_t *row = add_app(&j, &(struct ipa){ .id = APP, .version = "1", .build = "1", .bytes = 3 << 20 });
	put_blueprint(&j, "apps", "  - install_app: {app: " APP "}\n");
	journey_batch(&j, "apps", "pool");
	snprintf(path, sizeof(path), "%s/apps/%s.file", j.state, stg_json_str(row, "sha256"));
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0 && pwrite(fd, "?", 1, 2 << 20) == 1);
	close(fd);
	journey_tell(&j, "plug", "all", NULL, NULL);
	ends_with(&j, BATCH, journey_serial(&j, 0), "failed", STG_ID_APP_FILE_DAMAGED);
	assert_int_equal(look_sent(&j, journey_serial(&j, 0), "Install"), 0);
	assert_int_equal(left_behind(&j, journey_serial(&j, 0)), 0);
	journey_end(&j);
}

static void a_batch_that_names_an_unknown_app_does_not_start(void **state)
{
	(void)state;
	struct journey j;
	struct stg_error err = { 0 };
	journey_begin(&j, 1, "instant", 68, NULL);
	json_decref(add_app(&j, &(struct ipa){ .id = APP, .version = "1", .build = "1" }));
	put_blueprint(&j, "apps", "  - install_app: {app: " APP ", version: \"2\"}\n");
	STG_AUTO(stg_json_free_at) json_t *in = json_pack("{s:s}", "name", "apps");
	json_t *ret = NULL;
	assert_false(stg_call(&j.caller, "blueprint.check", in, NULL, 0, &ret, &err));
	assert_int_equal(err.id, STG_ID_APP_UNKNOWN);
	put_blueprint(&j, "apps", "  - put_document: {app: " APP ", document: plan.txt}\n");
	assert_false(stg_call(&j.caller, "blueprint.check", in, NULL, 0, &ret, &err));
	assert_int_equal(err.id, STG_ID_DOCUMENT_UNKNOWN);
	put_blueprint(&j, "apps", "  - install_app: {app: \"../etc\"}\n");
	assert_false(stg_call(&j.caller, "blueprint.check", in, NULL, 0, &ret, &err));
	assert_int_equal(err.code, STG_E_INPUT);
	journey_end(&j);
}

/* ---- what goes in ---- */

struct watch {
	struct journey_wait wait;
	int64_t most;
};

static bool watch_percent(void *ctx, const json_t *event)
{
	struct watch *w = ctx;
	const json_t *slot = json_object_get(event, "slot");
	int64_t percent = stg_json_int(slot, "percent", 0);
	if (strcmp(stg_json_str(slot, "step"), "install_app") == 0 && percent > w->most)
		w->most = percent;
	return journey_until_staged(&w->wait, event);
}

static void an_app_is_installed_once_skipped_when_there_and_brought_up_to_date(void **state)
{
	(void)state;
	struct journey j;
	struct stg_error err = { 0 };
	journey_begin(&j, 2, "instant", 70, NULL);
	const char *one = journey_serial(&j, 0), *cut = journey_serial(&j, 1);
	json_decref(add_app(&j, &(struct ipa){ .id = APP, .version = "1.2", .build = "12", .bytes = 9 << 20 }));
	journey_must(stg_file_write(file(&j, "plan.txt"), stg_bytes_str("ward 3, second floor\n"), 0600, &err), &err, "plan");
	json_decref(add_file(&j, file(&j, "plan.txt"), "plan.txt"));
	put_blueprint(&j, "apps", "  - install_app: {app: " APP "}\n    retry: {times: 2, wait: 1 s}\n"
				  "  - put_document: {app: " APP ", document: plan.txt}\n"
				  "  - put_document: {app: " APP ", document: plan.txt, to: Documents/deep/er/plan.txt}\n");
	/* the cable comes out in the middle of the file, and the connection breaks once more at the end */
	fault(&j, cut, "unplug_before", "FileWrite", "skip=11", "back_ms=300");
	fault(&j, cut, "drop_after", "Install", "count=1", NULL);
	journey_batch(&j, "apps", "pool");
	journey_tell(&j, "plug", "all", NULL, NULL);
	struct watch w = { .wait = { .j = &j, .until_ms = stg_boot_ms() + LOOK_MS, .staged = 2, .events = 2 } };
	journey_must(stg_events(&j.caller, watch_percent, &w, NULL, &err), &err, "events");
	/* whoever stands before the board sees it come nearer */
	assert_in_range(w.most, 50, 100);
	if (!journey_wait_staged(&j, 2, LOOK_MS)) {
		look_print("rows", journey_op(&j, "batch.show", json_pack("{s:s}", "name", BATCH), NULL));
		fail_msg("not staged (%s)", j.dir);
	}
	assert_true(has_app(&j, one, APP) && has_app(&j, cut, APP));
	assert_int_equal(look_sent(&j, one, "Install"), 1);
	assert_int_equal(left_behind(&j, one) + left_behind(&j, cut), 0);
	STG_AUTO(stg_json_free_at) json_t *d = look_device(&j, one);
	STG_AUTO(stg_free_at) char *files = stg_json_text(json_object_get(d, "files"));
	assert_non_null(strstr(files, APP "/Documents/plan.txt"));
	assert_non_null(strstr(files, APP "/Documents/deep/er/plan.txt"));
	assert_null(strstr(files, ".stager-"));

	/* the result names it, with the hash of the file */
	assert_true(journey_wait_drained(&j, LOOK_MS));
	STG_AUTO(stg_json_free_at) json_t *records = journey_word(&j, "receiver", "records", NULL, NULL);
	STG_AUTO(stg_free_at) char *told = stg_json_text(records);
	assert_non_null(strstr(told, "\"app_id\":\"" APP "\""));

	/* an open batch keeps what it began with */
	STG_AUTO(stg_json_free_at) json_t *remove = json_pack("{s:s}", "app", APP);
	json_t *ret = NULL;
	assert_false(stg_call(&j.caller, "app.remove", remove, NULL, 0, &ret, &err));
	assert_int_equal(err.id, STG_ID_APP_IN_USE);
	json_decref(journey_op(&j, "batch.close", json_pack("{s:s, s:b}", "name", BATCH, "open", 1), NULL));

	/* the same order again: it is there, nothing is sent */
	order(&j, "SECOND", "apps", NULL);
	journey_tell(&j, "replug", one, NULL, NULL);
	is_staged(&j, "SECOND", one);
	assert_int_equal(look_sent(&j, one, "Install"), 1);
	json_decref(journey_op(&j, "batch.close", json_pack("{s:s, s:b}", "name", "SECOND", "open", 1), NULL));

	/* a newer build in the repository: brought up to date; its documents stay */
	json_decref(add_app(&j, &(struct ipa){ .id = APP, .version = "1.10", .build = "110", .bytes = 5 << 20, .fill = 'x' }));
	order(&j, "THIRD", "apps", NULL);
	journey_tell(&j, "replug", one, NULL, NULL);
	is_staged(&j, "THIRD", one);
	assert_int_equal(look_sent(&j, one, "Install"), 1);
	assert_int_equal(look_sent(&j, one, "Upgrade"), 1);
	journey_end(&j);
}

/* A second organisation's old app goes; one that shares no files takes no documents. */
static void an_app_is_removed_and_one_without_sharing_is_named(void **state)
{
	(void)state;
	struct journey j;
	struct stg_error err = { 0 };
	journey_begin(&j, 1, "instant", 71, NULL);
	const char *serial = journey_serial(&j, 0);
	json_decref(add_app(&j, &(struct ipa){ .id = APP, .version = "1", .build = "1", .no_sharing = true }));
	json_decref(add_app(&j, &(struct ipa){ .id = "org.example.old", .version = "1", .build = "1" }));
	journey_must(stg_file_write(file(&j, "plan.txt"), stg_bytes_str("x"), 0600, &err), &err, "plan");
	json_decref(add_file(&j, file(&j, "plan.txt"), "plan.txt"));
	put_blueprint(&j, "apps", "  - install_app: {app: org.example.old}\n  - install_app: {app: " APP "}\n  - remove_app: {app: org.example.old}\n"
				  "  - remove_app: {app: org.example.never}\n  - put_document: {app: " APP ", document: plan.txt}\n");
	journey_batch(&j, "apps", "pool");
	journey_tell(&j, "plug", "all", NULL, NULL);
	ends_with(&j, BATCH, serial, "failed", STG_ID_APP_NO_SHARING);
	assert_true(has_app(&j, serial, APP));
	assert_false(has_app(&j, serial, "org.example.old"));
	/* what was never there is not asked to go */
	assert_int_equal(look_sent(&j, serial, "Uninstall"), 1);
	journey_end(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_device_would_refuse_is_not_even_sent),
		cmocka_unit_test(a_refusal_of_the_device_is_told_and_leaves_nothing_behind),
		cmocka_unit_test(an_app_that_is_acknowledged_and_not_there_is_not_believed),
		cmocka_unit_test(a_kept_file_that_has_changed_is_not_installed),
		cmocka_unit_test(a_batch_that_names_an_unknown_app_does_not_start),
		cmocka_unit_test(an_app_is_installed_once_skipped_when_there_and_brought_up_to_date),
		cmocka_unit_test(an_app_is_removed_and_one_without_sharing_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
