/*
 * test_uem.c - the connectors for Workspace ONE, Ivanti Neurons, Ivanti EPMM, BlackBerry UEM and Google Workspace against
 * servers that behave as mdm-push 4.6, 4.7 and 6.3 to 6.7 describe.
 */
#include "vendor.h"

static json_t *part_of(struct vendor *v, const char *name)
{
	json_t *all = json_object_get(v->things, name);
	if (!all)
		json_object_set_new(v->things, name, all = json_object());
	return all;
}

static struct site *uem_start(struct vendor *v, const struct route *routes, const char *header, const char *value)
{
	struct site *s = site_start(STG_STORE_PRODUCTION);
	*v = (struct vendor){ .header = header, .value = value };
	vendor_start(s, v, routes);
	return s;
}

/* "user:MARKED-SECRET-1" */
#define BASIC "Basic dXNlcjpNQVJLRUQtU0VDUkVULTE="

/* What is lost on its way back is found again and not told twice; the same for all. `answers` come before the write. */
static void lost_once(struct site *s, struct vendor *v, int answers)
{
	for (int i = 0; i < answers; i++)
		server_will(s->server, WAY_ANSWER, NULL);
	server_will(s->server, WAY_CUT_AFTER, NULL);
	assert_int_equal(round_now(s), 0);
	assert_int_equal(in_state(s, "in_doubt"), 1);
	assert_int_equal(v->writes, 1);
	time_passes(s);
	assert_int_equal(round_now(s), 1);
}

/* ---- Workspace ONE UEM ---- */

#define OG "6b9b1f8e-0000-4000-8000-000000000001"
#define USER "6b9b1f8e-0000-4000-8000-000000000002"

static bool versioned(struct vendor *v, bool with_body)
{
	bool ok = strncmp(header_of(v, "accept"), "application/json;version=", 25) == 0 &&
		  (!with_body || strncmp(header_of(v, "content-type"), "application/json;version=", 25) == 0);
	if (!ok)
		vendor_strange(v, "no version");
	return ok;
}

/* Two on a page, so that pages are walked. */
static char *wso_tokens(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	const char *serial = query(v, "serial_number");
	json_t *list = json_array(), *one;
	const char *key;
	int page = atoi(query(v, "page")), n = 0;
	(void)in;
	if (strcmp(parts[0], OG) != 0 || !versioned(v, false))
		return http(400, json_pack("{s:i,s:s}", "errorCode", 1000, "message", "bad request"));
	json_object_foreach(part_of(v, "tokens"), key, one) {
		/* as a search does: what begins so */
		if (strncmp(key, query(v, "serial_number"), strlen(serial)) != 0)
			continue;
		if (n / 2 == page)
			json_array_append_new(list, json_pack("{s:s,s:s,s:s}", "serial_number", key, "uuid", key, "enrollment_status", "REGISTERED"));
		n++;
	}
	return http(200, json_pack("{s:o,s:i,s:i,s:i}", "tokens", list, "page", page, "page_size", 2, "total", n));
}

static char *wso_register(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	static const char *const outer[] = { "registration_type!", "device_registration_record!", NULL };
	static const char *const keys[] = { "user_uuid!", "friendly_name", "ownership_type!", "platform_id!", "serial_number!", "imei", "device_udid", "asset_number", "message_type",
					    "tags", "custom_attributes", NULL };
	const json_t *record = json_object_get(in, "device_registration_record");
	const char *serial = stg_json_str(record, "serial_number");
	if (strcmp(parts[0], OG) != 0 || !versioned(v, true) || !only_keys(v, in, outer) || !only_keys(v, record, keys) || strcmp(stg_json_str(record, "user_uuid"), USER) != 0)
		return http(400, json_pack("{s:i,s:s}", "errorCode", 1000, "message", "bad request"));
	if (v->bad && strcmp(serial, v->bad) == 0)
		return http(400, json_pack("{s:i,s:s,s:s}", "errorCode", 1001, "message", "the serial number is on the deny list", "activityId", OG));
	v->writes++;
	/* a second registration makes a second token: what must never be seen here */
	if (json_object_get(part_of(v, "tokens"), serial))
		vendor_strange(v, "registered twice");
	json_object_set(part_of(v, "tokens"), serial, (json_t *)(uintptr_t)record);
	return http_text(200, "application/json", "", "");
}

static char *wso_device(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	(void)parts;
	(void)in;
	if (strcmp(query(v, "searchby"), "Serialnumber") != 0 || !versioned(v, false))
		vendor_strange(v, "not a search");
	const json_t *d = json_object_get(part_of(v, "devices"), query(v, "id"));
	return d ? http(200, json_pack("{s:s,s:s,s:{s:i}}", "SerialNumber", query(v, "id"), "AssetNumber", "x", "Id", "Value", 7)) :
		   http(404, json_pack("{s:i,s:s}", "errorCode", 404, "message", "Device not found"));
}

static char *wso_attributes(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	static const char *const keys[] = { "serial_number!", "device_custom_attributes!", NULL };
	json_t *failed = json_array(), *one;
	size_t i;
	(void)parts;
	if (!json_is_array(in) || json_array_size(in) > 500 || !versioned(v, true))
		vendor_strange(v, "not a list of at most 500");
	json_array_foreach((json_t *)(uintptr_t)in, i, one) {
		const char *serial = stg_json_str(one, "serial_number");
		(void)only_keys(v, one, keys);
		if (v->bad && strcmp(serial, v->bad) == 0)
			json_array_append_new(failed, json_pack("{s:s,s:i,s:s}", "serial_number", serial, "error_code", 5002, "message", "no such attribute"));
		else
			json_object_set(part_of(v, "attributes"), serial, json_object_get(one, "device_custom_attributes"));
	}
	v->writes++;
	int n = (int)json_array_size(in), bad = (int)json_array_size(failed);
	return http(200, json_pack("{s:i,s:i,s:i,s:s,s:o}", "total_items", n, "accepted_items", n - bad, "failed_items", bad, "activity_id", OG, "failed_devices", failed));
}

static const struct route wso_routes[] = {
	{ "POST", "/connect/token", oauth_token, true },
	{ "GET", "/API/mdm/groups/*/enrollment-tokens", wso_tokens, false },
	{ "POST", "/API/mdm/groups/*/enrollment-tokens", wso_register, false },
	{ "GET", "/API/mdm/devices", wso_device, false },
	{ "PUT", "/API/mdm/devices/customattributes", wso_attributes, false },
	{ NULL, NULL, NULL, false },
};

static const char *wso_add(struct site *s, const char *phases)
{
	char url[64];
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", s->server->port);
	return vendor_add(s, "workspace-one", phases, json_pack("{s:s,s:s,s:s,s:s,s:s}", "login", url, "client_id", "CLIENT", "group", OG, "staging_user", USER, "tag", "staged"));
}

static void workspace_one_registers_each_serial_once(void **state)
{
	(void)state;
	struct vendor v;
	STG_AUTO(site_stop) struct site *s = uem_start(&v, wso_routes, "authorization", "Bearer MARKED-TOKEN");
	(void)wso_add(s, "A");
	/* others that begin like ours, over more than one page */
	json_object_set_new(part_of(&v, "tokens"), "F2LXK0AA0001-A", json_object());
	json_object_set_new(part_of(&v, "tokens"), "F2LXK0AA0001-B", json_object());
	stage(s, 1);
	lost_once(s, &v, 3);
	v.bad = "F2LXK0AA0002";
	stage(s, 2);
	assert_int_equal(round_now(s), 1);
	assert_int_equal(in_state(s, "rejected"), 1);
	assert_non_null(strstr(text_in(s, "rejected"), "on the deny list"));
	const json_t *r = json_object_get(part_of(&v, "tokens"), "F2LXK0AA0003");
	assert_string_equal(stg_json_str(r, "asset_number"), "A-1042");
	assert_string_equal(stg_json_str(json_array_get(json_object_get(r, "tags"), 0), "name"), "staged");
	assert_int_equal(stg_json_int(r, "platform_id", 0), 2);
	assert_int_equal(v.writes, 2);
	vendor_clear(&v);
}

static void workspace_one_names_only_the_devices_that_failed(void **state)
{
	(void)state;
	struct vendor v;
	STG_AUTO(site_stop) struct site *s = uem_start(&v, wso_routes, "authorization", "Bearer MARKED-TOKEN");
	(void)wso_add(s, "B");
	stage(s, 4);
	for (int i = 1; i <= 3; i++) {
		char serial[32];
		snprintf(serial, sizeof(serial), "F2LXK0AA%04d", i);
		json_object_set_new(part_of(&v, "devices"), serial, json_true());
	}
	v.bad = "F2LXK0AA0002";
	assert_int_equal(round_now(s), 2);
	assert_int_equal(in_state(s, "parked"), 1);
	assert_int_equal(in_state(s, "rejected"), 1);
	assert_non_null(strstr(text_in(s, "rejected"), "5002 no such attribute"));
	assert_int_equal(v.writes, 1);                  /* one call for all */
	assert_int_equal(json_array_size(json_object_get(part_of(&v, "attributes"), "F2LXK0AA0003")), 3);
	vendor_clear(&v);
}

static void workspace_one_on_premises_takes_name_password_and_the_groups_key(void **state)
{
	(void)state;
	struct vendor v;
	STG_AUTO(site_stop) struct site *s = uem_start(&v, wso_routes, "authorization", BASIC);
	v.also = "aw-tenant-code";
	v.also_value = "MARKED-KEY";
	json_object_set_new(s->credentials, "token", json_string("MARKED-KEY"));
	const char *name = vendor_add(s, "workspace-one", "A", json_pack("{s:s,s:s,s:s}", "user", "user", "group", OG, "staging_user", USER));
	stage(s, 1);
	assert_int_equal(round_now(s), 1);
	assert_int_equal(calls_of(&v, "POST /connect/token"), 0);
	v.also_value = "another";
	stage(s, 1);
	assert_int_equal(round_now(s), 0);
	assert_string_equal(state_of(s, name), "auth");
	(void)words_of(s, name);
	vendor_clear(&v);
}

/* ---- Ivanti Neurons for MDM ---- */

static char *neurons_devices(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	json_t *list = json_array(), *one;
	const char *key;
	(void)parts;
	(void)in;
	if (strcmp(query(v, "dmPartitionId"), "21") != 0 || strncmp(query(v, "fq"), "serialNumber EQ '", 17) != 0)
		vendor_strange(v, "not a search");
	/* a server that does not know the filter shows everything */
	json_object_foreach(part_of(v, "devices"), key, one)
		json_array_append_new(list, json_pack("{s:s,s:i,s:s}", "serialNumber", key, "id", 7, "registrationState", "ACTIVE"));
	return http(200, json_pack("{s:n,s:{s:i,s:o}}", "errors", "result", "totalCount", (int)json_array_size(list), "searchResults", list));
}

static void neurons_confirms_a_device_only_by_its_own_serial(void **state)
{
	(void)state;
	static const struct route routes[] = { { "GET", "/api/v1/device", neurons_devices, false }, { NULL, NULL, NULL, false } };
	struct vendor v;
	STG_AUTO(site_stop) struct site *s = uem_start(&v, routes, "authorization", BASIC);
	const char *name = vendor_add(s, "ivanti-neurons", "B", json_pack("{s:s,s:s}", "user", "user", "partition", "21"));
	json_object_set_new(part_of(&v, "devices"), "SOMEOTHER1", json_true());
	stage(s, 2);
	assert_int_equal(round_now(s), 0);
	assert_int_equal(in_state(s, "parked"), 2);
	json_object_set_new(part_of(&v, "devices"), "F2LXK0AA0002", json_true());
	time_passes(s);
	assert_int_equal(round_now(s), 1);
	assert_int_equal(in_state(s, "parked"), 1);
	json_object_set_new(s->credentials, "secret", json_string("MARKED-SECRET-2"));
	time_passes(s);
	assert_int_equal(round_now(s), 0);
	assert_string_equal(state_of(s, name), "auth");
	(void)words_of(s, name);
	vendor_clear(&v);
}

/* ---- Ivanti EPMM ---- */

static char *epmm_devices(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	char serial[64] = "";
	const char *q = query(v, "query");
	(void)parts;
	(void)in;
	if (sscanf(q, "common.serial_number='%60[^']'", serial) != 1 || strcmp(query(v, "adminDeviceSpaceId"), "1") != 0)
		vendor_strange(v, "not a query");
	if (!json_object_get(part_of(v, "devices"), serial))
		return http(404, json_pack("{s:[{s:s,s:s}]}", "messages", "type", "Error", "localizedMessage", "No devices found"));
	return http(200, json_pack("{s:[{s:s,s:s}],s:i}", "results", "common.uuid", "uuid-1", "common.serial_number", serial, "totalCount", 1));
}

static char *epmm_label(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	(void)in;
	if (strcmp(query(v, "action"), "apply") != 0 || strcmp(parts[1], "uuid-1") != 0 || strcmp(header_of(v, "accept"), "application/json") != 0)
		vendor_strange(v, "not a label for a device");
	if (strcmp(parts[0], "Staged here") != 0)
		return http(400, json_pack("{s:[{s:s,s:s}]}", "messages", "type", "Error", "localizedMessage", "There is no such label"));
	v->writes++;
	return http(200, json_pack("{s:[]}", "messages"));
}

static void epmm_labels_a_device_once_it_is_there(void **state)
{
	(void)state;
	static const struct route routes[] = { { "GET", "/api/v2/devices", epmm_devices, false }, { "PUT", "/api/v1/dm/labels/*/*", epmm_label, false }, { NULL, NULL, NULL, false } };
	struct vendor v;
	STG_AUTO(site_stop) struct site *s = uem_start(&v, routes, "authorization", BASIC);
	(void)vendor_add(s, "ivanti-epmm", "B", json_pack("{s:s,s:s}", "user", "user", "label", "Staged here"));
	stage(s, 1);
	assert_int_equal(round_now(s), 0);
	assert_int_equal(in_state(s, "parked"), 1);
	json_object_set_new(part_of(&v, "devices"), "F2LXK0AA0001", json_true());
	time_passes(s);
	lost_once(s, &v, 1);
	assert_true(v.writes <= 2);                     /* the same label again changes nothing there */
	(void)vendor_add(s, "ivanti-epmm", "B", json_pack("{s:s,s:s}", "user", "user", "label", "None"));
	stage(s, 1);
	json_object_set_new(part_of(&v, "devices"), "F2LXK0AA0002", json_true());
	assert_int_equal(round_now(s), 1);
	assert_non_null(strstr(text_in(s, "rejected"), "There is no such label"));
	vendor_clear(&v);
}

/* ---- BlackBerry UEM ---- */

static char *uem_session(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	static const char *const keys[] = { "provider!", "username!", "password!", "domain", NULL };
	(void)parts;
	if (!only_keys(v, in, keys) || strcmp(header_of(v, "content-type"), "application/vnd.blackberry.authorizationrequest-v1+json") != 0)
		return http(400, NULL);
	/* base64 of MARKED-SECRET-1 */
	if (strcmp(stg_json_str(in, "password"), "TUFSS0VELVNFQ1JFVC0x") != 0 || strcmp(stg_json_str(in, "username"), "o'\"user") != 0)
		return http(401, json_pack("{s:s}", "message", "Invalid credentials MARKED-SECRET-2"));
	return http_text(200, "text/plain", "", "MARKED-SESSION+abc=\r\n");
}

static char *uem_dep(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	char serial[64] = "";
	json_t *list = json_array();
	(void)parts;
	(void)in;
	if (sscanf(query(v, "query"), "serialNumber=%60s", serial) != 1 || strcmp(header_of(v, "accept"), "application/vnd.blackberry.depdevices-v1+json") != 0)
		vendor_strange(v, "not a search");
	json_t *d = json_object_get(part_of(v, "dep"), serial);
	if (d) {
		json_t *one = json_pack("{s:s,s:s}", "serialNumber", serial, "guid", serial);
		if (json_is_string(d))
			json_object_set_new(one, "enrollmentConfiguration", json_pack("{s:O}", "guid", d));
		json_array_append_new(list, one);
	}
	STG_AUTO(stg_json_free_at) json_t *all = json_pack("{s:o,s:b}", "depDevices", list, "hasMore", 0);
	STG_AUTO(stg_free_at) char *text = json_dumps(all, 0);
	return http_text(200, "application/vnd.blackberry.depdevices-v1+json", "", text);
}

static char *uem_assign(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	json_t *one = json_array_get(json_object_get(in, "depDevices"), 0);
	if (strcmp(header_of(v, "content-type"), "application/vnd.blackberry.depdevices-v1+json") != 0 || json_array_size(json_object_get(in, "depDevices")) != 1)
		vendor_strange(v, "not an assignment");
	if (strcmp(parts[0], "CONF") != 0)
		return http(404, json_pack("{s:s}", "message", "no such configuration"));
	v->writes++;
	json_object_set_new(part_of(v, "dep"), stg_json_str(one, "guid"), json_string(parts[0]));
	return http_text(204, "application/json", "", "");
}

static char *uem_devices(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	char udid[64] = "";
	(void)parts;
	(void)in;
	if (sscanf(query(v, "query"), "udid=%60s", udid) != 1)
		vendor_strange(v, "not a search");
	return json_object_get(part_of(v, "devices"), udid) ? http(200, json_pack("{s:[{s:s,s:s}]}", "devices", "udid", udid, "guid", "g")) : http(200, json_pack("{s:[]}", "devices"));
}

static void blackberry_opens_a_session_and_assigns_what_apple_shows_there(void **state)
{
	(void)state;
	static const struct route routes[] = { { "POST", "/T/api/v1/util/authorization", uem_session, true }, { "GET", "/T/api/v1/depDevices", uem_dep, false },
					       { "POST", "/T/api/v1/enrollmentConfigurations/*/depDevices", uem_assign, false },
					       { "GET", "/T/api/v1/devices", uem_devices, false }, { NULL, NULL, NULL, false } };
	struct vendor v;
	char url[80];
	STG_AUTO(site_stop) struct site *s = uem_start(&v, routes, "authorization", "MARKED-SESSION+abc=");
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/T/api/v1", s->server->port);
	json_t *target = json_pack("{s:s,s:s,s:s,s:{s:s,s:s,s:s}}", "name", "uem", "connector", "blackberry-uem", "phase", "AB", "config", "url", url, "user", "o'\"user",
				   "enrollment_configuration", "CONF");
	OK(stg_store_target_put(s->st.s, target, stg_bytes(NULL, 0), err));
	stage(s, 3);
	stage_android(s, 1);
	json_object_set_new(s->credentials, "secret", json_string("MARKED-SECRET-2"));
	assert_int_equal(round_now(s), 0);
	assert_string_equal(state_of(s, "uem"), "auth");
	(void)words_of(s, "uem");
	json_object_set_new(s->credentials, "secret", json_string("MARKED-SECRET-1"));
	json_object_set_new(part_of(&v, "dep"), "F2LXK0AA0001", json_true());
	json_object_set_new(part_of(&v, "dep"), "F2LXK0AA0002", json_string("OTHER"));
	assert_int_equal(round_now(s), 1 + 2);          /* nothing of the Android phone is for it */
	assert_string_equal(json_string_value(json_object_get(part_of(&v, "dep"), "F2LXK0AA0001")), "CONF");
	assert_int_equal(in_state(s, "conflict"), 1);
	assert_int_equal(in_state(s, "parked"), 1 + 3);
	assert_int_equal(v.writes, 1);
	assert_int_equal(calls_of(&v, "POST /T/api/v1/util/authorization"), 2);
	/* a session the server has forgotten is opened anew, once */
	char *gone = http(401, NULL);
	server_will(s->server, WAY_REFUSE, gone);
	free(gone);
	json_object_set_new(part_of(&v, "devices"), "00008110-00000000000A0001", json_true());
	time_passes(s);
	assert_int_equal(round_now(s), 1);
	assert_int_equal(calls_of(&v, "POST /T/api/v1/util/authorization"), 3);
	json_decref(target);
	vendor_clear(&v);
}

/* ---- Google Workspace ---- */

static EVP_PKEY *google_key;

static size_t unbase64url(const char *text, size_t n, unsigned char *ret)
{
	char std[4096];
	for (size_t i = 0; i < n; i++)
		std[i] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
	size_t k = n;
	while (k % 4)
		std[k++] = '=';
	int len = EVP_DecodeBlock(ret, (unsigned char *)std, (int)k);
	return len < 0 ? 0 : (size_t)len - (k - n);
}

/* The grant of RFC 7523: signed by the service account's key, for this audience, acting for the administrator. */
static char *google_token(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	char jwt[8192];
	unsigned char sig[1024], claims[4096] = "";
	(void)parts;
	(void)in;
	stg_copy(jwt, sizeof(jwt), param_in(v->server->last_body, "assertion"));
	char *dot = strchr(jwt, '.'), *last = strrchr(jwt, '.');
	if (strcmp(param_in(v->server->last_body, "grant_type"), "urn:ietf:params:oauth:grant-type:jwt-bearer") != 0 || !dot || last == dot)
		return http(400, json_pack("{s:s}", "error", "invalid_request"));
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	size_t n = unbase64url(last + 1, strlen(last + 1), sig);
	bool ok = EVP_DigestVerifyInit(c, NULL, EVP_sha256(), NULL, google_key) == 1 && EVP_DigestVerify(c, sig, n, (unsigned char *)jwt, (size_t)(last - jwt)) == 1;
	EVP_MD_CTX_free(c);
	claims[unbase64url(dot + 1, (size_t)(last - dot - 1), claims)] = 0;
	STG_AUTO(stg_json_free_at) json_t *j = json_loads((char *)claims, 0, NULL);
	if (!ok || strcmp(stg_json_str(j, "sub"), "admin@example.com") != 0 || strcmp(stg_json_str(j, "iss"), "sa@project.iam") != 0 ||
	    stg_json_int(j, "exp", 0) - stg_json_int(j, "iat", 0) > 3600 || strcmp(stg_json_str(j, "scope"), "https://www.googleapis.com/auth/cloud-identity.devices") != 0)
		return http(400, json_pack("{s:s,s:s}", "error", "invalid_grant", "error_description", "Invalid JWT Signature."));
	return http(200, json_pack("{s:s,s:s,s:i}", "access_token", "MARKED-TOKEN", "token_type", "Bearer", "expires_in", 3599));
}

static char *google_error(int code, const char *status, const char *message, const char *reason)
{
	return http(code, json_pack("{s:{s:i,s:s,s:s,s:[{s:s}]}}", "error", "code", code, "message", message, "status", status, "errors", "reason", reason));
}

static char *google_list(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	(void)parts;
	(void)in;
	if (strncmp(query(v, "filter"), "serial:", 7) != 0 || strcmp(query(v, "customer"), "customers/my_customer") != 0)
		vendor_strange(v, "not a list");
	const json_t *tag = json_object_get(part_of(v, "devices"), query(v, "filter") + 7);
	if (!tag)
		return http(200, json_object());
	/* an empty first page with more behind it is allowed */
	if (!*query(v, "pageToken"))
		return http(200, json_pack("{s:s}", "nextPageToken", "p+2"));
	return http(200, json_pack("{s:[{s:s,s:s,s:s,s:O}]}", "devices", "name", "devices/1", "deviceType", "ANDROID", "serialNumber", query(v, "filter") + 7, "assetTag", tag));
}

static char *google_create(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	static const char *const keys[] = { "deviceType!", "serialNumber!", "assetTag", NULL };
	const char *serial = stg_json_str(in, "serialNumber");
	(void)parts;
	if (!only_keys(v, in, keys))
		return google_error(400, "INVALID_ARGUMENT", "bad request", "badRequest");
	if (json_object_get(part_of(v, "devices"), serial))
		return google_error(409, "ALREADY_EXISTS", "Requested entity already exists", "alreadyExists");
	v->writes++;
	if (v->bad && strcmp(v->bad, serial) == 0)
		return http(200, json_pack("{s:s,s:b,s:{s:i,s:s}}", "name", "operations/x", "done", 1, "error", "code", 3, "message", "the serial number is not valid"));
	json_object_set_new(part_of(v, "devices"), serial, json_string(stg_json_str(in, "assetTag")));
	return http(200, json_pack("{s:s}", "name", "operations/abc"));
}

static char *google_operation(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	(void)in;
	if (strcmp(parts[0], "abc") != 0)
		return google_error(404, "NOT_FOUND", "no such operation", "notFound");
	if (calls_of(v, "GET /v1/operations/*") == 1)
		return http(200, json_pack("{s:s,s:b}", "name", "operations/abc", "done", 0));
	return http(200, json_pack("{s:s,s:b,s:{s:s}}", "name", "operations/abc", "done", 1, "response", "name", "devices/1"));
}

static void google_takes_android_by_serial_and_finishes_in_its_time(void **state)
{
	(void)state;
	static const struct route routes[] = { { "POST", "/token", google_token, true }, { "GET", "/v1/devices", google_list, false }, { "POST", "/v1/devices", google_create, false },
					       { "GET", "/v1/operations/*", google_operation, false }, { NULL, NULL, NULL, false } };
	struct vendor v;
	char *pem;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	v = (struct vendor){ .header = "authorization", .value = "Bearer MARKED-TOKEN", .host = "cloudidentity.googleapis.com", .login = "oauth2.googleapis.com" };
	real_hosts(s, "cloudidentity.googleapis.com oauth2.googleapis.com");
	vendor_start(s, &v, routes);
	google_key = EVP_RSA_gen(2048);
	BIO *b = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(b, google_key, NULL, NULL, 0, NULL, NULL);
	BIO_write(b, "", 1);
	BIO_get_mem_data(b, &pem);
	json_object_set_new(s->credentials, "key_pem", json_string(pem));
	json_object_del(s->credentials, "secret");
	BIO_free(b);
	const char *name = vendor_add(s, "google-workspace", "A", json_pack("{s:s,s:s,s:s}", "client_id", "sa@project.iam", "key_id", "k1", "admin", "admin@example.com"));
	stage(s, 1);                                    /* an iPhone comes there from Apple */
	stage_android(s, 1);
	assert_int_equal(round_now(s), 1);
	assert_int_equal(in_state(s, "op_pending"), 1);
	time_passes(s);
	assert_int_equal(round_now(s), 0);
	time_passes(s);
	assert_int_equal(round_now(s), 1);
	assert_string_equal(json_string_value(json_object_get(part_of(&v, "devices"), "R5CT0002")), "A-1042");
	/* lost on its way: it stands there */
	stage_android(s, 1);
	server_will(s->server, WAY_ANSWER, NULL);
	server_will(s->server, WAY_CUT_AFTER, NULL);
	assert_int_equal(round_now(s), 0);
	time_passes(s);
	assert_int_equal(round_now(s), 1);
	assert_int_equal(v.writes, 2);
	/* another tag there is a conflict, and decided for ours it is still not doubled */
	json_object_set_new(part_of(&v, "devices"), "R5CT0004", json_string("OTHER"));
	stage_android(s, 1);
	assert_int_equal(round_now(s), 0);
	assert_int_equal(in_state(s, "conflict"), 1);
	v.bad = "R5CT0005";
	stage_android(s, 1);
	assert_int_equal(round_now(s), 0);
	assert_non_null(strstr(text_in(s, "rejected"), "the serial number is not valid"));
	/* 403 about the rate is no matter of rights */
	char *busy = google_error(403, "PERMISSION_DENIED", "Rate Limit Exceeded", "userRateLimitExceeded");
	server_will(s->server, WAY_REFUSE, busy);
	free(busy);
	stage_android(s, 1);
	assert_int_equal(round_now(s), 0);
	assert_string_equal(state_of(s, name), "throttled");
	EVP_PKEY_free(google_key);
	vendor_clear(&v);
	real_hosts_end();
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(workspace_one_registers_each_serial_once),
		cmocka_unit_test(workspace_one_names_only_the_devices_that_failed),
		cmocka_unit_test(workspace_one_on_premises_takes_name_password_and_the_groups_key),
		cmocka_unit_test(neurons_confirms_a_device_only_by_its_own_serial),
		cmocka_unit_test(epmm_labels_a_device_once_it_is_there),
		cmocka_unit_test(blackberry_opens_a_session_and_assigns_what_apple_shows_there),
		cmocka_unit_test(google_takes_android_by_serial_and_finishes_in_its_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
