/*
 * test_organisations.c - one station serves several organisations: each batch's devices become its own organisation's, with
 * that organisation's identity and certificates, and none of the others'.
 */
#include "journey.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_batch_of_another_organisation_is_that_organisations) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
