/* test_travel.c - results of stations reach an office by stick once, whatever happens to the stick; receipts close them. */
#include "../store/store_lib.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <stager/bundle.h>
#include <stager/file.h>
#include <stager/op.h>
#include <stager/payload.h>
#include <stager/push.h>
#include <stager/registry.h>

struct machine {
	struct state st;
	struct stg_keys *keys;
	char name[16];
};

static void machine_start(struct machine *m, const char *name)
{
	snprintf(m->name, sizeof(m->name), "%s", name);
	state_open(&m->st);
	OK((m->keys = stg_keys_open(m->st.dir, err)) != NULL);
	OK(stg_store_set(m->st.s, "station_name", name, err));
}

static void machine_end(struct machine *m)
{
	stg_keys_close(m->keys);
	state_remove(&m->st);
}

/* As the station calls it: one transaction, then what is done outside it. */
static bool call(struct machine *m, const char *name, const json_t *in, int fd, json_t **ret, struct stg_error *told)
{
	const struct stg_op *op = stg_op_find(name);
	struct stg_op_ctx c = { .store = m->st.s, .keys = m->keys, .state_dir = m->st.dir, .actor = "anna", .fds = &fd, .n_fds = 1 };
	assert_non_null(op);
	if (fd >= 0)
		(void)lseek(fd, 0, SEEK_SET);
	OK(stg_store_begin(m->st.s, err));
	bool ok = op->run(&c, in, ret, told);
	if (!ok)
		stg_store_rollback(m->st.s);
	else
		ok = stg_store_commit(m->st.s, told);
	if (ok && c.outside) {
		c.store = NULL;
		ok = c.outside(&c, in, ret, told);
	}
	if (c.carry)
		c.carry_free(c.carry);
	return ok;
}

static int memory(const void *data, size_t len)
{
	int fd = memfd_create("stick", MFD_CLOEXEC);
	assert_true(fd >= 0);
	OK(stg_file_write_fd(fd, stg_bytes(data, len), 0, err));
	return fd;
}

static void trust(struct machine *who, struct machine *whom, const char *role)
{
	json_t *card = NULL, *ret = NULL, *in = json_pack("{s:s,s:s}", "name", whom->name, "role", role);
	OK(call(whom, "bundle.card", NULL, -1, &card, err));
	int fd = memory(stg_json_str(card, "card"), strlen(stg_json_str(card, "card")));
	OK(call(who, "bundle.trust", in, fd, &ret, err));
	close(fd);
	json_decref(card);
	json_decref(in);
	json_decref(ret);
}

/* A bundle on a stick; the caller closes it. */
static int write_bundle(struct machine *from, const char *to, json_t *in, json_t **ret)
{
	int fd = memory("", 0);
	json_t *said = NULL;
	in = in ? in : json_object();
	stg_json_put(in, "to", to);
	OK(call(from, "bundle.export", in, fd, &said, err));
	json_decref(in);
	if (ret)
		*ret = said;
	else
		json_decref(said);
	return fd;
}

static json_t *read_bundle(struct machine *at, int fd, const char *target)
{
	json_t *ret = NULL, *in = json_object();
	stg_json_put(in, "target", target);
	OK(call(at, "bundle.import", in, fd, &ret, err));
	json_decref(in);
	return ret;
}

static void refused(struct machine *at, int fd, enum stg_id id)
{
	json_t *ret = NULL, *in = json_object();
	struct stg_error err = { 0 };
	if (call(at, "bundle.import", in, fd, &ret, &err) || err.id != id)
		fail_msg("expected %u, got %u %s", (unsigned int)id, err.id, err.msg);
	json_decref(in);
	json_decref(ret);
}

static void stage(struct machine *m, int n, const char *batch, enum stg_end end)
{
	struct stg_identity who = phone(n);
	int64_t job = job_for(m->st.s, &who, batch, 0);
	run_steps(m->st.s, job);
	OK(stg_store_job_finish(m->st.s, job, end == STG_END_STAGED ? STG_JOB_DONE : STG_JOB_FAILED, end, NULL, &who, NULL, NULL, err));
}

static int64_t count(struct machine *m, const char *state)
{
	json_t *filter = json_pack("{s:s}", "state", state), *rows;
	OK((rows = stg_store_outbox(m->st.s, filter, err)) != NULL);
	int64_t n = (int64_t)json_array_size(rows);
	json_decref(filter);
	json_decref(rows);
	return n;
}

static void order(struct machine *m, const char *name, int devices)
{
	json_t *rows = json_array();
	for (int i = 1; i <= devices; i++) {
		struct stg_identity who = phone(i);
		json_array_append_new(rows, json_pack("{s:i,s:s}", "line", i + 1, "serial", who.serial));
	}
	json_t *batch = json_pack("{s:s,s:s,s:o}", "name", name, "blueprint", "iphone-new-in-box", "rows", rows);
	OK(stg_store_batch_add(m->st.s, batch, err));
	json_decref(batch);
	OK(stg_store_batch_state(m->st.s, name, "started", NULL, err));
}

static int64_t balance(struct machine *m, const char *what)
{
	json_t *b;
	OK((b = stg_store_batch(m->st.s, "NORTH-12", err)) != NULL);
	int64_t n = stg_json_int(json_object_get(b, "balance"), what, -1);
	json_decref(b);
	return n;
}

/* Everything that is due for a target is told to it; what was told. */
static int64_t tell(struct machine *m, const char *target)
{
	json_t *rows, *one;
	size_t i;
	OK((rows = stg_store_outbox_take(m->st.s, target, 1000, stg_boot_ms(), err)) != NULL);
	json_array_foreach(rows, i, one)
		OK(stg_store_outbox_settle(m->st.s, stg_json_int(one, "id", 0), "delivered", 0, NULL, err));
	int64_t n = (int64_t)json_array_size(rows);
	json_decref(rows);
	return n;
}

static struct machine a, b, office;

static int start(void **unused)
{
	(void)unused;
	machine_start(&a, "bench-a");
	machine_start(&b, "bench-b");
	machine_start(&office, "office");
	trust(&office, &a, "station");
	trust(&office, &b, "station");
	trust(&a, &office, "office");
	trust(&b, &office, "office");
	add_target(a.st.s, "mdm", "E");
	add_target(b.st.s, "mdm", "E");
	add_target(office.st.s, "mdm", "E");
	return 0;
}

static int end(void **unused)
{
	(void)unused;
	machine_end(&a);
	machine_end(&b);
	machine_end(&office);
	return 0;
}

static void a_bundle_that_is_cut_changed_or_foreign_is_refused(void **unused)
{
	(void)unused;
	STG_AUTO(stg_buf_clear) struct stg_buf file = STG_BUF(1u << 20);
	stage(&a, 1, NULL, STG_END_STAGED);
	int fd = write_bundle(&a, "office", NULL, NULL);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	OK(stg_file_read_fd(fd, &file, err));
	assert_true(file.len > 1000);
	json_t *whole = NULL, *in = json_object();
	OK(call(&office, "bundle.inspect", in, fd, &whole, err));
	for (size_t at = 0; at < file.len; at += 97) {
		int cut = memory(file.data, at);
		refused(&office, cut, STG_ID_BUNDLE_DAMAGED);
		close(cut);
	}
	/* A byte changed is refused. The few that nothing depends on (a version number, the name of the encrypted content's type,
	 * a letter of the reader's name in the other case) may pass, and then what is read is what was signed. */
	size_t tried = 0, passed = 0;
	for (size_t at = 0; at < file.len; at += 31, tried++) {
		struct stg_error err = { 0 };
		json_t *ret = NULL;
		file.data[at] ^= 0x20;
		int changed = memory(file.data, file.len);
		file.data[at] ^= 0x20;
		if (call(&office, "bundle.inspect", in, changed, &ret, &err)) {
			assert_true(json_equal(ret, whole));
			passed++;
		} else {
			assert_true(err.id == STG_ID_BUNDLE_DAMAGED || err.id == STG_ID_BUNDLE_NOT_FOR_US);
		}
		close(changed);
		json_decref(ret);
	}
	assert_true(passed * 20 < tried);
	json_decref(whole);
	json_decref(in);
	refused(&b, fd, STG_ID_BUNDLE_NOT_FOR_US);
	/* nobody we know */
	json_t *ret = NULL;
	in = json_pack("{s:s}", "name", "bench-a");
	OK(call(&office, "bundle.distrust", in, -1, &ret, err));
	refused(&office, fd, STG_ID_BUNDLE_SIGNER);
	assert_int_equal(count(&office, "queued"), 0);
	json_decref(ret);
	json_decref(in);
	close(fd);
}

static void a_station_may_not_send_what_an_office_sends(void **unused)
{
	(void)unused;
	/* the office holds bench-a for an office: what it sends is results, and refused as such; and the other way round */
	json_t *ret = NULL, *in = json_pack("{s:s}", "name", "bench-a");
	OK(call(&office, "bundle.distrust", in, -1, &ret, err));
	json_decref(ret);
	json_decref(in);
	trust(&office, &a, "office");
	stage(&a, 1, NULL, STG_END_STAGED);
	int fd = write_bundle(&a, "office", NULL, NULL);
	refused(&office, fd, STG_ID_BUNDLE_ROLE);
	close(fd);
	struct stg_error err = { 0 };
	in = json_pack("{s:s,s:[s]}", "to", "office", "blueprint", "census");
	fd = memory("", 0);
	ret = NULL;
	assert_false(call(&a, "bundle.export", in, fd, &ret, &err));
	assert_int_equal(err.id, STG_ID_BUNDLE_ROLE);
	assert_int_equal(count(&a, "carried"), 1);
	close(fd);
	json_decref(in);
}

static void a_delivery_on_a_stick_is_told_once_and_closed_by_its_receipt(void **unused)
{
	(void)unused;
	json_t *said;
	stage(&a, 1, NULL, STG_END_STAGED);
	stage(&a, 2, NULL, STG_END_FAILED);
	int lost = write_bundle(&a, "office", NULL, &said);
	assert_int_equal(stg_json_int(said, "deliveries", 0), 2);
	json_decref(said);
	/* the line is back: nothing of it is sent from here */
	assert_int_equal(tell(&a, "mdm"), 0);
	assert_int_equal(count(&a, "carried"), 2);

	/* that stick is lost; the next one has it all again, and says which is missing */
	stage(&a, 3, NULL, STG_END_STAGED);
	int fd = write_bundle(&a, "office", NULL, &said);
	assert_int_equal(stg_json_int(said, "deliveries", 0), 3);
	assert_int_equal(stg_json_int(said, "again", 0), 2);
	json_decref(said);
	said = read_bundle(&office, fd, NULL);
	assert_int_equal(json_array_size(json_object_get(said, "missing")), 1);
	assert_int_equal(stg_json_int(said, "new", 0), 3);
	json_decref(said);
	assert_int_equal(tell(&office, "mdm"), 3);

	/* the lost stick turns up, and the other one is read again: nothing is told twice */
	said = read_bundle(&office, lost, NULL);
	assert_int_equal(stg_json_int(said, "new", -1), 0);
	assert_int_equal(json_array_size(json_object_get(said, "missing")), 0);
	json_decref(said);
	said = read_bundle(&office, fd, NULL);
	assert_true(stg_json_bool(said, "again", false));
	json_decref(said);
	assert_int_equal(tell(&office, "mdm"), 0);

	int back = write_bundle(&office, "bench-a", NULL, &said);
	assert_int_equal(stg_json_int(said, "receipts", 0), 3);
	json_decref(said);
	said = read_bundle(&a, back, NULL);
	assert_int_equal(stg_json_int(said, "closed", 0), 3);
	json_decref(said);
	assert_int_equal(count(&a, "delivered"), 3);
	assert_int_equal(count(&a, "carried"), 0);
	/* a replayed receipt closes nothing more, and there is nothing to write any more */
	said = read_bundle(&a, back, NULL);
	assert_int_equal(stg_json_int(said, "closed", -1), 0);
	json_decref(said);
	struct stg_error err = { 0 };
	json_t *in = json_pack("{s:s}", "to", "office"), *ret = NULL;
	int none = memory("", 0);
	assert_false(call(&a, "bundle.export", in, none, &ret, &err));
	assert_int_equal(err.id, STG_ID_BUNDLE_NOTHING);
	json_decref(in);
	close(none);
	close(lost);
	close(fd);
	close(back);
}

static void a_bundle_that_never_reached_its_stick_leaves_everything_as_it_was(void **unused)
{
	(void)unused;
	json_t *said, *ret = NULL;
	stage(&a, 1, NULL, STG_END_STAGED);
	int fd = write_bundle(&a, "office", NULL, &said);
	OK(call(&a, "bundle.undo", said, -1, &ret, err));
	json_decref(said);
	json_decref(ret);
	assert_int_equal(count(&a, "queued"), 1);
	close(fd);
	fd = write_bundle(&a, "office", NULL, &said);
	assert_int_equal(stg_json_int(said, "seq", 0), 1);
	json_decref(said);
	json_decref(read_bundle(&office, fd, NULL));
	close(fd);

	/* a stick that cannot be written says so */
	struct stg_error err = { 0 };
	json_t *in = json_pack("{s:s}", "to", "office");
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	stage(&a, 2, NULL, STG_END_STAGED);
	ret = NULL;
	assert_false(call(&a, "bundle.export", in, full, &ret, &err));
	assert_int_equal(err.id, STG_ID_STICK_FULL);
	close(full);
	int locked = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_false(call(&a, "bundle.export", in, locked, &ret, &err));
	assert_int_equal(err.id, STG_ID_STICK_UNWRITABLE);
	close(locked);
	json_decref(in);
}

static void a_station_that_went_back_in_time_is_noticed(void **unused)
{
	(void)unused;
	json_t *said, *ret = NULL;
	stage(&a, 1, NULL, STG_END_STAGED);
	int first = write_bundle(&a, "office", NULL, &said);
	json_decref(read_bundle(&office, first, NULL));
	/* restored: it has forgotten that it wrote number 1 */
	OK(call(&a, "bundle.undo", said, -1, &ret, err));
	json_decref(said);
	json_decref(ret);
	stage(&a, 2, NULL, STG_END_STAGED);
	/* its row is still known here by the bundle that was undone: a new row begins, so make it the old one's sibling */
	int second = write_bundle(&a, "office", NULL, &said);
	json_decref(said);
	json_decref(read_bundle(&office, second, NULL));
	close(first);
	close(second);
	/* the same with two bundles, where the row's name is known */
	int third = write_bundle(&a, "office", NULL, &said);
	json_decref(read_bundle(&office, third, NULL));
	ret = NULL;
	OK(call(&a, "bundle.undo", said, -1, &ret, err));
	json_decref(said);
	json_decref(ret);
	stage(&a, 3, NULL, STG_END_STAGED);
	int fork = write_bundle(&a, "office", NULL, NULL);
	refused(&office, fork, STG_ID_BUNDLE_CHAIN);
	ret = NULL;
	json_t *in = json_pack("{s:s}", "to", "office");
	OK(call(&a, "bundle.restart", in, -1, &ret, err));
	json_decref(ret);
	json_decref(in);
	int anew = write_bundle(&a, "office", NULL, &said);
	assert_int_equal(stg_json_int(said, "seq", 0), 1);
	json_decref(said);
	json_decref(read_bundle(&office, anew, NULL));
	assert_int_equal(tell(&office, "mdm"), 3);
	close(third);
	close(fork);
	close(anew);
}

static char *rows_of(struct machine *m)
{
	json_t *rows, *one, *shown = json_array();
	size_t i;
	OK((rows = stg_store_batch_rows(m->st.s, "NORTH-12", err)) != NULL);
	json_array_foreach(rows, i, one)
		json_array_append_new(shown, json_pack("{s:s,s:s,s:s,s:s}", "serial", stg_json_str(one, "serial"), "end", stg_json_str(one, "end"), "record",
						       stg_json_str(one, "record_id"), "label", stg_json_str(one, "label")));
	char *text = stg_json_text(shown);
	json_decref(shown);
	json_decref(rows);
	return text;
}

static void a_batch_split_over_stations_has_one_balance_in_any_order_of_sticks(void **unused)
{
	(void)unused;
	struct machine second;
	machine_start(&second, "office2");
	trust(&second, &a, "station");
	trust(&second, &b, "station");
	trust(&a, &second, "office");
	trust(&b, &second, "office");
	add_target(second.st.s, "mdm", "E");
	order(&a, "NORTH-12", 6);
	order(&b, "NORTH-12", 6);
	order(&office, "NORTH-12", 6);
	order(&second, "NORTH-12", 6);
	/* 1, 2 on A; 3 on B; 4 failed on A and was then done on B; 5 on both */
	stage(&a, 1, "NORTH-12", STG_END_STAGED);
	stage(&a, 2, "NORTH-12", STG_END_STAGED);
	stage(&a, 4, "NORTH-12", STG_END_FAILED);
	stage(&a, 5, "NORTH-12", STG_END_STAGED);
	usleep(5000);   /* one moment must be later than the other to be the last word */
	stage(&b, 3, "NORTH-12", STG_END_STAGED);
	stage(&b, 4, "NORTH-12", STG_END_STAGED);
	stage(&b, 5, "NORTH-12", STG_END_STAGED);
	int from_a = write_bundle(&a, "office", NULL, NULL), from_b = write_bundle(&b, "office", NULL, NULL);
	int also_a = write_bundle(&a, "office2", NULL, NULL), also_b = write_bundle(&b, "office2", NULL, NULL);
	json_decref(read_bundle(&office, from_a, NULL));
	json_t *said = read_bundle(&office, from_b, NULL);
	assert_string_equal(json_string_value(json_array_get(json_object_get(said, "twice"), 0)), phone(5).serial);
	json_decref(said);
	json_decref(read_bundle(&second, also_b, NULL));
	json_decref(read_bundle(&second, also_a, NULL));
	assert_int_equal(balance(&office, "expected"), 6);
	assert_int_equal(balance(&office, "staged"), 5);
	assert_int_equal(balance(&office, "failed"), 0);
	assert_int_equal(balance(&office, "missing"), 1);
	char *one = rows_of(&office), *two = rows_of(&second);
	assert_string_equal(one, two);
	free(one);
	free(two);
	/* and our own numbers stay a row of their own */
	stage(&office, 6, "NORTH-12", STG_END_STAGED);
	json_t *records;
	OK((records = stg_store_records(office.st.s, "NORTH-12", err)) != NULL);
	assert_int_equal(stg_json_int(json_array_get(records, json_array_size(records) - 1), "seq", 0), 1);
	json_decref(records);
	close(from_a);
	close(from_b);
	close(also_a);
	close(also_b);
	machine_end(&second);
}

static void a_target_that_the_office_lacks_is_said_before_anything_is_kept(void **unused)
{
	(void)unused;
	add_target(a.st.s, "elsewhere", "E");
	stage(&a, 1, NULL, STG_END_STAGED);
	int fd = write_bundle(&a, "office", NULL, NULL);
	refused(&office, fd, STG_ID_BUNDLE_TARGET);
	assert_int_equal(count(&office, "queued"), 0);
	json_decref(read_bundle(&office, fd, "mdm"));
	assert_int_equal(tell(&office, "mdm"), 1);
	/* both of the station's targets get their receipt */
	int back = write_bundle(&office, "bench-a", NULL, NULL);
	json_t *said = read_bundle(&a, back, NULL);
	assert_int_equal(stg_json_int(said, "closed", 0), 2);
	json_decref(said);
	close(fd);
	close(back);
}

static void a_blueprint_goes_inwards_once_and_only_if_it_is_sound(void **unused)
{
	(void)unused;
	char path[256];
	json_t *said;
	int fd = write_bundle(&office, "bench-a", json_pack("{s:[s]}", "blueprint", "census"), NULL);
	said = read_bundle(&a, fd, NULL);
	assert_int_equal(json_array_size(json_object_get(said, "taken")), 1);
	json_decref(said);
	snprintf(path, sizeof(path), "%s/blueprints/census.yaml", a.st.dir);
	assert_int_equal(access(path, R_OK), 0);
	/* replaced since: the old bundle does not bring it back */
	assert_int_equal(unlink(path), 0);
	json_decref(read_bundle(&a, fd, NULL));
	assert_int_not_equal(access(path, F_OK), 0);
	close(fd);
	snprintf(path, sizeof(path), "%s/blueprints", office.st.dir);
	OK(stg_folder_make(path, 0700, err));
	snprintf(path, sizeof(path), "%s/blueprints/odd.yaml", office.st.dir);
	OK(stg_file_write(path, stg_bytes_str("name: odd\nsteps:\n  - no_such_step\n"), 0600, err));
	fd = write_bundle(&office, "bench-a", json_pack("{s:[s]}", "blueprint", "odd"), NULL);
	refused(&a, fd, STG_ID_BUNDLE_FILE);
	close(fd);
}

static void updates_go_inwards_a_connector_and_newer_payload_rules(void **unused)
{
	(void)unused;
	char path[256];
	const struct stg_data *shipped = stg_data_find("profiles/schema/ios.rules");
	assert_non_null(shipped);
	snprintf(path, sizeof(path), "%s/schema", office.st.dir);
	OK(stg_folder_make(path, 0700, err));
	snprintf(path, sizeof(path), "%s/schema/ios.rules", office.st.dir);
	OK(stg_file_write(path, stg_bytes(shipped->bytes, shipped->len), 0600, err));
	int fd = write_bundle(&office, "bench-a", json_pack("{s:[s],s:[s]}", "connector", "webhook", "rules", "ios"), NULL);
	json_t *said = read_bundle(&a, fd, NULL);
	assert_int_equal(json_array_size(json_object_get(said, "taken")), 2);
	json_decref(said);
	close(fd);
	json_t *connector = NULL;
	snprintf(path, sizeof(path), "%s/connectors/webhook.yaml", a.st.dir);
	assert_int_equal(access(path, R_OK), 0);
	OK((connector = stg_connector_load(a.st.dir, "webhook", err)) != NULL);
	json_decref(connector);
	struct stg_profile_rules *rules = NULL;
	OK((rules = stg_profile_rules_kept(a.st.dir, err)) != NULL);
	stg_profile_rules_free(rules);

	/* what the checks refuse is not kept, and what stands there stays */
	snprintf(path, sizeof(path), "%s/schema/ios.rules", office.st.dir);
	OK(stg_file_write(path, stg_bytes_str("no rules\n"), 0600, err));
	fd = write_bundle(&office, "bench-a", json_pack("{s:[s]}", "rules", "ios"), NULL);
	refused(&a, fd, STG_ID_BUNDLE_FILE);
	close(fd);
	OK((rules = stg_profile_rules_kept(a.st.dir, err)) != NULL);
	stg_profile_rules_free(rules);
	snprintf(path, sizeof(path), "%s/connectors", office.st.dir);
	OK(stg_folder_make(path, 0700, err));
	snprintf(path, sizeof(path), "%s/connectors/odd.yaml", office.st.dir);
	OK(stg_file_write(path, stg_bytes_str("name: odd\nrequest: {method: EXPLODE}\n"), 0600, err));
	fd = write_bundle(&office, "bench-a", json_pack("{s:[s]}", "connector", "odd"), NULL);
	refused(&a, fd, STG_ID_BUNDLE_FILE);
	close(fd);
	snprintf(path, sizeof(path), "%s/connectors/odd.yaml", a.st.dir);
	assert_int_not_equal(access(path, F_OK), 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, start, end)
	const struct CMUnitTest tests[] = {
		CASE(a_bundle_that_is_cut_changed_or_foreign_is_refused),
		CASE(a_station_may_not_send_what_an_office_sends),
		CASE(a_delivery_on_a_stick_is_told_once_and_closed_by_its_receipt),
		CASE(a_bundle_that_never_reached_its_stick_leaves_everything_as_it_was),
		CASE(a_station_that_went_back_in_time_is_noticed),
		CASE(a_batch_split_over_stations_has_one_balance_in_any_order_of_sticks),
		CASE(a_target_that_the_office_lacks_is_said_before_anything_is_kept),
		CASE(a_blueprint_goes_inwards_once_and_only_if_it_is_sound),
		CASE(updates_go_inwards_a_connector_and_newer_payload_rules),
	};
	return cmocka_run_group_tests_name("bundles travel", tests, NULL, NULL);
}
