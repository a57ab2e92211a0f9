/*
 * test_jamf.c - the connector for Jamf Pro against a server that behaves as mdm-push 4.4 and 6.2 describe: client
 * credentials, inventory preload v2 (one record by POST, replaced whole by PUT), mobile devices by RSQL filter and section,
 * extension attributes that must exist, errors as a list.
 */
#include "vendor.h"

#define PRELOAD "/api/v2/inventory-preload/records"

static char *jamf_error(int status, const char *code, const char *field, const char *what)
{
	return http(status, json_pack("{s:i,s:[{s:s,s:s,s:s,s:s}]}", "httpStatus", status, "errors", "code", code, "field", field, "description", what, "id", "0"));
}

/* RSQL, the one form we send: serialNumber=="X". */
static const char *serial_asked(struct vendor *v)
{
	static char serial[64];
	const char *f = query(v, "filter");
	if (strncmp(f, "serialNumber==\"", 15) != 0 || !strchr(f + 15, '"') || atoi(query(v, "page-size")) < 1)
		vendor_strange(v, "not a filter by serial number");
	else
		snprintf(serial, sizeof(serial), "%.*s", (int)strcspn(f + 15, "\""), f + 15);
	return serial;
}

static char *preload_list(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	json_t *results = json_array(), *one;
	const char *id, *serial;
	(void)parts;
	(void)in;
	if (!*query(v, "filter"))
		return http(200, json_pack("{s:i,s:o}", "totalCount", 0, "results", results));
	serial = serial_asked(v);
	json_object_foreach(json_object_get(v->things, "preload"), id, one)
		if (strcmp(stg_json_str(one, "serialNumber"), serial) == 0)
			json_array_append(results, one);
	return http(200, json_pack("{s:i,s:o}", "totalCount", (int)json_array_size(results), "results", results));
}

/* What the reference takes; user columns would make users, so a test that sends one has gone wrong. */
static bool preload_ok(struct vendor *v, const json_t *in, char **ret_error)
{
	static const char *const keys[] = { "serialNumber!", "deviceType!", "assetTag", "barCode1", "barCode2", "poNumber", "department", "vendor", "extensionAttributes", NULL };
	const char *type = stg_json_str(in, "deviceType");
	*ret_error = NULL;
	if (!only_keys(v, in, keys))
		*ret_error = jamf_error(400, "INVALID_FIELD", "", "not a field");
	else if (strcmp(type, "Mobile Device") != 0)
		*ret_error = jamf_error(400, "INVALID_FIELD", "deviceType", "not a device type");
	else if (v->bad && strcmp(stg_json_str(in, "serialNumber"), v->bad) == 0)
		*ret_error = jamf_error(400, "SIZE_EXCEEDED", "assetTag", "is longer than 255");
	return !*ret_error;
}

static char *preload_post(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	json_t *all = json_object_get(v->things, "preload"), *one;
	const char *id;
	char name[24], *error;
	(void)parts;
	if (!preload_ok(v, in, &error))
		return error;
	json_object_foreach(all, id, one)
		if (strcmp(stg_json_str(one, "serialNumber"), stg_json_str(in, "serialNumber")) == 0)
			return jamf_error(400, "DUPLICATE_FIELD", "serialNumber", "is there already");
	snprintf(name, sizeof(name), "%zu", json_object_size(all) + 1);
	one = json_deep_copy(in);
	stg_json_put(one, "id", name);
	json_object_set_new(all, name, one);
	v->writes++;
	return http(201, json_pack("{s:s,s:s}", "id", name, "href", PRELOAD));
}

static char *preload_put(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	json_t *all = json_object_get(v->things, "preload");
	char *error;
	if (!json_object_get(all, parts[0]))
		return jamf_error(404, "NOT_FOUND", "id", "no such record");
	if (!preload_ok(v, in, &error))
		return error;
	json_t *one = json_deep_copy(in);       /* replaced: what is not sent is gone */
	stg_json_put(one, "id", parts[0]);
	json_object_set_new(all, parts[0], one);
	v->writes++;
	return http(200, json_incref(one));
}

/* Only the sections that were asked for are in the answer. */
static char *devices(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	const char *serial = serial_asked(v), *line = stg_json_str(v->server->last_headers, ":request");
	const json_t *d = json_object_get(json_object_get(v->things, "devices"), serial);
	json_t *results = json_array();
	(void)parts;
	(void)in;
	if (d) {
		json_t *one = json_pack("{s:O,s:s}", "mobileDeviceId", json_object_get(d, "id"), "deviceType", "iOS"), *list = json_array(), *value;
		const char *name;
		json_object_foreach(json_object_get(d, "ea"), name, value)
			json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:[O]}", "id", "1", "name", name, "type", "STRING", "value", value));
		if (strstr(line, "section=HARDWARE"))
			json_object_set_new(one, "hardware", json_pack("{s:s}", "serialNumber", serial));
		if (strstr(line, "section=GENERAL"))
			json_object_set_new(one, "general", json_pack("{s:O,s:s}", "assetTag", json_object_get(d, "assetTag"), "displayName", "iPhone"));
		if (strstr(line, "section=EXTENSION_ATTRIBUTES"))
			json_object_set(one, "extensionAttributes", list);
		json_decref(list);
		json_array_append_new(results, one);
	}
	return http(200, json_pack("{s:i,s:o}", "totalCount", (int)json_array_size(results), "results", results));
}

static char *device_patch(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	static const char *const keys[] = { "assetTag", "updatedExtensionAttributes", NULL }, *const ea_keys[] = { "name!", "type!", "value!", NULL };
	const char *serial;
	json_t *d, *ea;
	size_t i;
	if (!only_keys(v, in, keys))
		return jamf_error(400, "INVALID_FIELD", "", "not a field");
	json_object_foreach(json_object_get(v->things, "devices"), serial, d) {
		if (strcmp(stg_json_str(d, "id"), parts[0]) != 0)
			continue;
		json_array_foreach(json_object_get(in, "updatedExtensionAttributes"), i, ea)
			if (!only_keys(v, ea, ea_keys) || !json_object_get(json_object_get(d, "ea"), stg_json_str(ea, "name")))
				return jamf_error(400, "INVALID_FIELD", "updatedExtensionAttributes", "there is no extension attribute of this name");
		json_array_foreach(json_object_get(in, "updatedExtensionAttributes"), i, ea)
			json_object_set(json_object_get(d, "ea"), stg_json_str(ea, "name"), json_array_get(json_object_get(ea, "value"), 0));
		if (json_object_get(in, "assetTag"))
			json_object_set(d, "assetTag", json_object_get(in, "assetTag"));
		v->writes++;
		return http(200, json_pack("{s:s}", "id", parts[0]));
	}
	return jamf_error(404, "NOT_FOUND", "id", "no such device");
}

static const struct route routes[] = {
	{ "POST", "/api/v1/oauth/token", oauth_token, true },
	{ "GET", PRELOAD, preload_list, false },
	{ "POST", PRELOAD, preload_post, false },
	{ "PUT", PRELOAD "/*", preload_put, false },
	{ "GET", "/api/v2/mobile-devices/detail", devices, false },
	{ "PATCH", "/api/v2/mobile-devices/*", device_patch, false },
	{ NULL, NULL, NULL, false },
};

static struct site *jamf_start(struct vendor *v)
{
	struct site *s = site_start(STG_STORE_PRODUCTION);
	*v = (struct vendor){ .header = "authorization", .value = "Bearer MARKED-TOKEN" };
	v->things = json_pack("{s:{},s:{}}", "preload", "devices");
	vendor_start(s, v, routes);
	return s;
}

static const char *jamf_add(struct site *s, const char *phases)
{
	return vendor_add(s, "jamf-pro", phases, json_pack("{s:s}", "client_id", "CLIENT"));
}

static json_t *preload_of(struct vendor *v, const char *id)
{
	return json_object_get(json_object_get(v->things, "preload"), id);
}

/* ---- failing ---- */

static void a_lost_answer_is_read_back_when_the_cluster_shows_it(void **state)
{
	(void)state;
	struct vendor v;
	STG_AUTO(site_stop) struct site *s = jamf_start(&v);
	(void)jamf_add(s, "A");
	stage(s, 1);
	server_will(s->server, WAY_ANSWER, NULL);       /* token */
	server_will(s->server, WAY_ANSWER, NULL);       /* lookup */
	server_will(s->server, WAY_CUT_AFTER, NULL);    /* stored, the answer is lost */
	assert_int_equal(round_now(s), 0);
	assert_int_equal(in_state(s, "in_doubt"), 1);
	assert_int_equal(round_now(s), 0);              /* within a minute another node may not show it: not asked yet */
	assert_int_equal(calls_of(&v, "GET " PRELOAD), 1);
	time_passes(s);
	assert_int_equal(round_now(s), 1);
	assert_int_equal(v.writes, 1);
	assert_int_equal(json_object_size(json_object_get(v.things, "preload")), 1);
	vendor_clear(&v);
}

static void a_record_that_jamf_refuses_keeps_its_words_and_stops_nobody(void **state)
{
	(void)state;
	struct vendor v;
	STG_AUTO(site_stop) struct site *s = jamf_start(&v);
	v.bad = "F2LXK0AA0002";
	(void)jamf_add(s, "A");
	stage(s, 3);
	assert_int_equal(round_now(s), 2);
	assert_int_equal(in_state(s, "rejected"), 1);
	assert_non_null(strstr(text_in(s, "rejected"), "SIZE_EXCEEDED assetTag is longer than 255"));
	vendor_clear(&v);
}

static void a_client_that_is_refused_stops_the_target(void **state)
{
	(void)state;
	struct vendor v;
	STG_AUTO(site_stop) struct site *s = jamf_start(&v);
	json_object_set_new(s->credentials, "secret", json_string("MARKED-SECRET-2"));
	const char *name = jamf_add(s, "AB");
	stage(s, 1);
	assert_int_equal(round_now(s), 0);
	assert_string_equal(state_of(s, name), "auth");
	assert_non_null(strstr(words_of(s, name), "wrong ***"));
	json_object_set_new(s->credentials, "secret", json_string("MARKED-SECRET-1"));
	char *denied = jamf_error(403, "INVALID_PRIVILEGE", "", "Forbidden");
	server_will(s->server, WAY_ANSWER, NULL);
	server_will(s->server, WAY_REFUSE, denied);
	free(denied);
	assert_int_equal(round_now(s), 0);
	assert_string_equal(state_of(s, name), "auth");
	assert_int_equal(in_state(s, "queued"), 2);
	vendor_clear(&v);
}

static void a_tag_that_differs_waits_for_a_person_and_foreign_columns_stay(void **state)
{
	(void)state;
	struct vendor v;
	STG_AUTO(site_stop) struct site *s = jamf_start(&v);
	(void)jamf_add(s, "A");
	json_t *all = json_object_get(v.things, "preload");
	json_object_set_new(all, "1", json_pack("{s:s,s:s,s:s,s:s}", "id", "1", "serialNumber", "F2LXK0AA0001", "deviceType", "Mobile Device", "assetTag", "OTHER"));
	json_object_set_new(all, "2", json_pack("{s:s,s:s,s:s,s:s,s:[{s:s,s:s}]}", "id", "2", "serialNumber", "F2LXK0AA0002", "deviceType", "Mobile Device", "department",
						"Ward 3", "extensionAttributes", "name", "Cart", "value", "7"));
	json_object_set_new(all, "3", json_pack("{s:s,s:s,s:s,s:s,s:s}", "id", "3", "serialNumber", "F2LXK0AA0003", "deviceType", "Mobile Device", "assetTag", "OTHER",
						"barCode2", "ffffffff-0000-7000-8000-000000000000"));
	stage(s, 3);
	assert_int_equal(round_now(s), 1);
	assert_int_equal(in_state(s, "conflict"), 1);
	assert_non_null(strstr(text_in(s, "conflict"), "ours 'A-1042', there 'OTHER'"));
	assert_int_equal(in_state(s, "superseded"), 1);         /* a newer result stands there */
	assert_string_equal(stg_json_str(preload_of(&v, "1"), "assetTag"), "OTHER");
	assert_string_equal(stg_json_str(preload_of(&v, "2"), "department"), "Ward 3");
	assert_string_equal(stg_json_str(preload_of(&v, "2"), "assetTag"), "A-1042");
	assert_int_equal(json_array_size(json_object_get(preload_of(&v, "2"), "extensionAttributes")), 1);
	assert_int_equal(v.writes, 1);
	vendor_clear(&v);
}

static void attributes_wait_for_the_device_and_need_their_extension_attributes(void **state)
{
	(void)state;
	struct vendor v;
	STG_AUTO(site_stop) struct site *s = jamf_start(&v);
	(void)jamf_add(s, "AB");
	stage(s, 2);
	assert_int_equal(round_now(s), 2);
	assert_int_equal(in_state(s, "parked"), 2);
	json_object_set_new(json_object_get(v.things, "devices"), "F2LXK0AA0001",
			    json_pack("{s:s,s:s,s:{s:s,s:s,s:s}}", "id", "77", "assetTag", "", "ea", "Staging Outcome", "", "Staging Record", "", "Cart", "7"));
	json_object_set_new(json_object_get(v.things, "devices"), "F2LXK0AA0002", json_pack("{s:s,s:s,s:{}}", "id", "78", "assetTag", "", "ea"));
	time_passes(s);
	assert_int_equal(round_now(s), 1);
	const json_t *d = json_object_get(json_object_get(v.things, "devices"), "F2LXK0AA0001");
	assert_string_equal(stg_json_str(d, "assetTag"), "A-1042");
	assert_string_equal(stg_json_str(json_object_get(d, "ea"), "Staging Outcome"), "ok");
	assert_int_equal(strlen(stg_json_str(json_object_get(d, "ea"), "Staging Record")), 36);
	assert_string_equal(stg_json_str(json_object_get(d, "ea"), "Cart"), "7");
	assert_int_equal(in_state(s, "rejected"), 1);
	assert_non_null(strstr(text_in(s, "rejected"), "no extension attribute of this name"));
	vendor_clear(&v);
}

static void a_lost_answer_about_attributes_is_found_again_by_the_record(void **state)
{
	(void)state;
	struct vendor v;
	STG_AUTO(site_stop) struct site *s = jamf_start(&v);
	(void)jamf_add(s, "B");
	json_object_set_new(json_object_get(v.things, "devices"), "F2LXK0AA0001",
			    json_pack("{s:s,s:s,s:{s:s,s:s}}", "id", "77", "assetTag", "", "ea", "Staging Outcome", "", "Staging Record", ""));
	stage(s, 1);
	server_will(s->server, WAY_ANSWER, NULL);
	server_will(s->server, WAY_ANSWER, NULL);
	server_will(s->server, WAY_CUT_AFTER, NULL);
	assert_int_equal(round_now(s), 0);
	time_passes(s);
	assert_int_equal(round_now(s), 1);
	assert_int_equal(v.writes, 1);
	vendor_clear(&v);
}

/* ---- and well ---- */

static void each_device_stands_there_once_and_android_is_not_for_jamf(void **state)
{
	(void)state;
	struct vendor v;
	STG_AUTO(site_stop) struct site *s = jamf_start(&v);
	(void)jamf_add(s, "A");
	stage(s, 3);
	stage_android(s, 1);
	assert_int_equal(round_now(s), 4);
	assert_int_equal(v.writes, 3);
	assert_int_equal(calls_of(&v, "POST /api/v1/oauth/token"), 1);
	assert_string_equal(stg_json_str(preload_of(&v, "1"), "assetTag"), "A-1042");
	assert_int_equal(strlen(stg_json_str(preload_of(&v, "1"), "barCode2")), 36);
	assert_int_equal(round_now(s), 0);
	vendor_clear(&v);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lost_answer_is_read_back_when_the_cluster_shows_it),
		cmocka_unit_test(a_record_that_jamf_refuses_keeps_its_words_and_stops_nobody),
		cmocka_unit_test(a_client_that_is_refused_stops_the_target),
		cmocka_unit_test(a_tag_that_differs_waits_for_a_person_and_foreign_columns_stay),
		cmocka_unit_test(attributes_wait_for_the_device_and_need_their_extension_attributes),
		cmocka_unit_test(a_lost_answer_about_attributes_is_found_again_by_the_record),
		cmocka_unit_test(each_device_stands_there_once_and_android_is_not_for_jamf),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
