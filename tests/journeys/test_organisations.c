/*
 * test_organisations.c - one station serves several organisations: each batch's devices become its own organisation's, with
 * that organisation's identity and certificates, and none of the others'.
 */
#include "look.h"

static void make_org(struct journey *j, const char *name)
{
	json_decref(journey_op(j, "org.create", json_pack("{s:s}", "name", name), NULL));
}

static void a_batch_of_another_organisation_is_that_organisations(void **state)
{
	(void)state;
	struct journey j;
	struct stg_error err = { 0 };
	char path[400];
	journey_begin(&j, 1, "instant", 31, NULL);
	make_org(&j, "South Clinic");
	make_org(&j, "East Clinic");            /* the last one made is the default one of a rehearsal */
	snprintf(path, sizeof(path), "%s/order.csv", j.dir);
	STG_AUTO(stg_buf_clear) struct stg_buf csv = STG_BUF(4096);
	assert_true(stg_buf_printf(&csv, &err, "Serial,Tag,Name,Ownership\n%s,A-1,Ward-1,pool\n", journey_serial(&j, 0)));
	journey_must(stg_file_write(path, stg_buf_view(&csv), 0600, &err), &err, "order");
	json_decref(journey_op(&j, "port.allow", json_pack("{s:s}", "port", "*"), NULL));
	json_decref(journey_op(&j, "batch.import", json_pack("{s:s, s:s, s:s}", "name", BATCH, "file", path, "blueprint", "ipad-hospital-ward"), path));

	/* one that nobody made is refused before anything starts */
	json_t *ret = NULL;
	STG_AUTO(stg_json_free_at) json_t *wrong = json_pack("{s:s, s:s}", "name", BATCH, "org", "West Clinic");
	assert_false(stg_call(&j.caller, "batch.start", wrong, NULL, 0, &ret, &err));
	assert_int_equal(err.id, STG_ID_NO_ORGANISATION);
	json_decref(ret);

	json_decref(journey_op(&j, "batch.start", json_pack("{s:s, s:s}", "name", BATCH, "org", "South Clinic"), NULL));
	journey_tell(&j, "plug", "all", NULL, NULL);
	assert_true(journey_wait_staged(&j, 1, 120000));
	STG_AUTO(stg_json_free_at) json_t *there = journey_word(&j, "show", journey_serial(&j, 0), NULL, NULL);
	assert_string_equal(stg_json_str(json_object_get(there, "device"), "supervised_by"), "South Clinic");

	/* its certificates come from that organisation's authority too */
	STG_AUTO(stg_json_free_at) json_t *org = journey_op(&j, "org.show", json_pack("{s:s}", "name", "South Clinic"), NULL);
	STG_AUTO(stg_json_free_at) json_t *certs = journey_op(&j, "ca.list", json_object(), NULL);
	const char *issuer = stg_json_str(org, "issuer");
	assert_true(*issuer);
	size_t i, n = 0;
	json_t *one;
	json_array_foreach(json_is_array(certs) ? certs : json_object_get(certs, "certificates"), i, one)
		n += strcmp(stg_json_str(one, "issuer"), issuer) == 0;
	if (n < 2)
		fail_msg("%zu certificates of South Clinic (%s)", n, issuer);
	journey_end(&j);
}

static void start_order(struct journey *j, const char *batch, const char *blueprint, const char *org, size_t device)
{
	struct stg_error err = { 0 };
	char path[400];
	STG_AUTO(stg_buf_clear) struct stg_buf csv = STG_BUF(4096);
	snprintf(path, sizeof(path), "%s/%s.csv", j->dir, batch);
	assert_true(stg_buf_printf(&csv, &err, "Serial,Tag,Name,Ownership\n%s,%s,%s,pool\n", journey_serial(j, device), batch, batch));
	journey_must(stg_file_write(path, stg_buf_view(&csv), 0600, &err), &err, "order");
	json_decref(journey_op(j, "batch.import", json_pack("{s:s, s:s, s:s}", "name", batch, "file", path, "blueprint", blueprint), path));
	json_decref(journey_op(j, "batch.start", json_pack("{s:s, s:s}", "name", batch, "org", org), NULL));
}

static bool is_staged(struct journey *j, void *ctx)
{
	STG_AUTO(stg_json_free_at) json_t *batch = journey_op(j, "batch.show", json_pack("{s:s}", "name", (const char *)ctx), NULL);
	return stg_json_int(json_object_get(batch, "balance"), "staged", 0) == 1;
}

static void belongs_to(struct journey *j, size_t device, const char *org, int64_t written)
{
	STG_AUTO(stg_json_free_at) json_t *there = look_device(j, journey_serial(j, device));
	assert_string_equal(stg_json_str(there, "supervised_by"), org);
	assert_int_equal(look_sent(j, journey_serial(j, device), "SetCloudConfiguration"), written);
	assert_string_equal(stg_json_str(there, "dialog"), "none");
}

/* What the worker before it was given (identity, certificates) is not what the next one at this socket gets. */
static void two_organisations_take_turns_at_one_port(void **state)
{
	(void)state;
	struct journey j;
	static const char port[] = "2-1.1";
	journey_begin(&j, 2, "instant", 32, NULL);
	make_org(&j, "South Clinic");
	make_org(&j, "East Clinic");
	json_decref(journey_op(&j, "port.allow", json_pack("{s:s}", "port", "*"), NULL));
	start_order(&j, "SOUTH", "ipad-hospital-ward", "South Clinic", 0);
	start_order(&j, "EAST", "ipad-hospital-ward", "East Clinic", 1);
	journey_tell(&j, "plug", journey_serial(&j, 0), port, NULL);
	assert_true(look_until(&j, is_staged, (char[]){ "SOUTH" }, LOOK_MS));
	journey_tell(&j, "unplug", journey_serial(&j, 0), NULL, NULL);
	journey_tell(&j, "plug", journey_serial(&j, 1), port, NULL);
	assert_true(look_until(&j, is_staged, (char[]){ "EAST" }, LOOK_MS));
	belongs_to(&j, 0, "South Clinic", 1);
	belongs_to(&j, 1, "East Clinic", 1);
	journey_tell(&j, "unplug", journey_serial(&j, 1), NULL, NULL);

	/* each comes back to the same socket, set up and having forgotten the station: its own organisation's identity opens it */
	struct stg_error err = { 0 };
	char path[160];
	snprintf(path, sizeof(path), "%s/blueprints", j.state);
	journey_must(stg_folder_make(path, 0700, &err), &err, path);
	snprintf(path, sizeof(path), "%s/blueprints/again.yaml", j.state);
	journey_must(stg_file_write(path, stg_bytes_str("name: again\nsteps:\n  - identify:\n  - pair:\n  - activate:\n  - supervise:\n"
							 "  - install_profile: {profile: lock-screen, template: yes, supervised: yes}\n"
							 "  - verify: {supervised: true}\n"), 0600, &err), &err, path);
	for (size_t i = 0; i < 2; i++) {
		char batch[] = "AGAIN-1";
		batch[6] = (char)('1' + i);
		journey_tell(&j, "set", journey_serial(&j, i), "at_home_screen", "true");
		journey_tell(&j, "set", journey_serial(&j, i), "trust_revoked", "true");
		start_order(&j, batch, "again", i ? "East Clinic" : "South Clinic", i);
		journey_tell(&j, "plug", journey_serial(&j, i), port, NULL);
		assert_true(look_until(&j, is_staged, batch, LOOK_MS));
		journey_tell(&j, "unplug", journey_serial(&j, i), NULL, NULL);
		belongs_to(&j, i, i ? "East Clinic" : "South Clinic", 1);
		STG_AUTO(stg_json_free_at) json_t *there = look_device(&j, journey_serial(&j, i));
		assert_int_equal(json_array_size(json_object_get(there, "hosts")), 1);
	}
	journey_end(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = { 
		cmocka_unit_test(a_batch_of_another_organisation_is_that_organisations),
		cmocka_unit_test(two_organisations_take_turns_at_one_port),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
