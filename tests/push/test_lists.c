/*
 * test_lists.c - the lists of devices that `stager reconcile import` asks vendors for, against servers that behave as mdm-push 6.2
 * to 6.10 describe: whole over all pages, whatever size the server gives them, or none.
 */
#include "vendor.h"

#define DEVICES 7               /* number 2 and 3, a whole page, are not managed */
#define ON_PAGE 2               /* whatever was asked for */

static bool ignores_page;       /* a server that shows its first page for ever */
static int breaks_at;           /* the page that is a 500; 0: none */
static int asked;

static bool is_managed(int i)
{
	return i != 2 && i != 3;
}

static const char *serial_of(int i)
{
	static char serial[16];
	snprintf(serial, sizeof(serial), "LIST%05d", i);
	return serial;
}

static const char *udid_of(int i)
{
	static char udid[32];
	snprintf(udid, sizeof(udid), "00008110-%016d", i);
	return udid;
}

/* The devices from `from` on that fit on a page, each made by `make`. NULL: this page breaks. */
static json_t *page_from(int from, json_t *(*make)(int i))
{
	json_t *list = json_array();
	if (ignores_page)
		from = 0;
	for (int i = from; i < DEVICES && i < from + ON_PAGE; i++)
		json_array_append_new(list, make(i));
	return list;
}

static char *given_as(const char *type, int status, json_t *body)
{
	STG_AUTO(stg_free_at) char *text = body ? json_dumps(body, JSON_COMPACT) : strdup("");
	json_decref(body);
	if (++asked != breaks_at)
		return http_text(status, type, "", text);
	return http(500, json_pack("{s:s}", "message", "trouble"));
}

static char *given(int status, json_t *body)
{
	return given_as("application/json", status, body);
}

static json_t *jamf_device(int i)
{
	return json_pack("{s:s,s:s,s:{s:b,s:s},s:{s:s}}", "mobileDeviceId", serial_of(i) + 4, "deviceType", "iOS", "general", "managed", is_managed(i), "udid", udid_of(i), "hardware",
			 "serialNumber", serial_of(i));
}

static char *jamf_list(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	(void)parts, (void)in;
	if (strcmp(query(v, "sort"), "mobileDeviceId:asc") != 0 || *query(v, "filter") || atoi(query(v, "page-size")) < 1)
		vendor_strange(v, "not a list");
	return given(200, json_pack("{s:i,s:o}", "totalCount", DEVICES, "results", page_from(atoi(query(v, "page")) * ON_PAGE, jamf_device)));
}

static json_t *wso_device(int i)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:{s:i}}", "SerialNumber", serial_of(i), "Udid", udid_of(i), "Uuid", udid_of(i), "EnrollmentStatus", is_managed(i) ? "Enrolled" : "Unenrolled",
			 "Id", "Value", i);
}

static char *wso_list(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	(void)parts, (void)in;
	if (strncmp(header_of(v, "accept"), "application/json;version=", 25) != 0 || !*query(v, "pagesize"))
		vendor_strange(v, "not a list");
	json_t *list = page_from(atoi(query(v, "page")) * ON_PAGE, wso_device);
	if (!json_array_size(list)) {
		json_decref(list);
		return given(204, NULL);
	}
	return given(200, json_pack("{s:o,s:i,s:i,s:i}", "Devices", list, "Page", atoi(query(v, "page")), "PageSize", ON_PAGE, "Total", DEVICES));
}

static json_t *neurons_device(int i)
{
	return json_pack("{s:s,s:i,s:s}", "serialNumber", serial_of(i), "id", 100 + i, "registrationState", "ACTIVE");
}

static char *neurons_list(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	(void)parts, (void)in;
	if (strcmp(query(v, "dmPartitionId"), "21") != 0 || *query(v, "fq") || atoi(query(v, "rows")) < 1)
		vendor_strange(v, "not a list");
	return given(200, json_pack("{s:n,s:{s:i,s:o}}", "errors", "result", "totalCount", DEVICES, "searchResults", page_from(atoi(query(v, "start")), neurons_device)));
}

static json_t *epmm_device(int i)
{
	return json_pack("{s:s,s:s,s:s}", "common.uuid", udid_of(i), "common.serial_number", serial_of(i), "common.status", is_managed(i) ? "ACTIVE" : "RETIRED");
}

/* Behind the last one: 404, which means nothing there. */
static char *epmm_list(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	(void)parts, (void)in;
	if (strcmp(query(v, "adminDeviceSpaceId"), "1") != 0 || strcmp(query(v, "labelId"), "-1") != 0 || !strstr(query(v, "fields"), "common.serial_number"))
		vendor_strange(v, "not a list");
	json_t *list = page_from(atoi(query(v, "offset")), epmm_device);
	if (!json_array_size(list)) {
		json_decref(list);
		return given(404, json_pack("{s:[{s:s,s:s}]}", "messages", "type", "Error", "localizedMessage", "No devices found"));
	}
	return given(200, json_pack("{s:o,s:i}", "results", list, "totalCount", DEVICES));
}

static json_t *uem_device(int i)
{
	return json_pack("{s:s,s:s,s:n}", "guid", serial_of(i), "udid", udid_of(i), "imei");
}

static char *uem_session(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	(void)v, (void)parts, (void)in;
	return http_text(200, "text/plain", "", "MARKED-SESSION");
}

static char *uem_list(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	(void)parts, (void)in;
	if (strcmp(header_of(v, "accept"), "application/vnd.blackberry.devices-v1+json") != 0 || *query(v, "query") || atoi(query(v, "max")) > 1000)
		vendor_strange(v, "not a list");
	return given_as("application/vnd.blackberry.devices-v1+json", 200, json_pack("{s:o,s:b}", "devices", page_from(atoi(query(v, "offset")), uem_device), "hasMore", 1));
}

static char *any_token(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	(void)v, (void)parts, (void)in;
	return http(200, json_pack("{s:s,s:s,s:i}", "access_token", "MARKED-TOKEN", "token_type", "Bearer", "expires_in", 3600));
}

static json_t *google_device(int i)
{
	char name[32];
	snprintf(name, sizeof(name), "devices/%d", i);
	return json_pack("{s:s,s:s,s:s}", "name", name, "serialNumber", serial_of(i), "deviceType", "ANDROID");
}

static char *google_list(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	char next[16];
	int from = atoi(query(v, "pageToken"));
	(void)parts, (void)in;
	if (strcmp(query(v, "view"), "USER_ASSIGNED_DEVICES") != 0 || strcmp(query(v, "customer"), "customers/my_customer") != 0 || *query(v, "filter"))
		vendor_strange(v, "not a list");
	json_t *answer = json_pack("{s:o}", "devices", page_from(from, google_device));
	snprintf(next, sizeof(next), "%d", from + ON_PAGE);
	if (from + ON_PAGE < DEVICES)
		stg_json_put(answer, "nextPageToken", next);
	return given(200, answer);
}

static json_t *apple_device(int i)
{
	return json_pack("{s:s,s:s}", "type", "orgDevices", "id", serial_of(i));
}

static char *apple_list(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	char next[160];
	int from = atoi(query(v, "cursor"));
	(void)in;
	if (strcmp(parts[0], "OURS") != 0 || atoi(query(v, "limit")) > 1000)
		vendor_strange(v, "not a list");
	json_t *links = json_object();
	snprintf(next, sizeof(next), "http://127.0.0.1:%d/v1/mdmServers/OURS/relationships/devices?limit=1000&cursor=%d", v->server->port, from + ON_PAGE);
	if (from + ON_PAGE < DEVICES)
		stg_json_put(links, "next", next);
	return given(200, json_pack("{s:o,s:o,s:{}}", "data", page_from(from, apple_device), "links", links, "meta"));
}

#define END { NULL, NULL, NULL, false }
static const struct route jamf_routes[] = { { "POST", "/api/v1/oauth/token", oauth_token, true }, { "GET", "/api/v2/mobile-devices/detail", jamf_list, false }, END };
static const struct route wso_routes[] = { { "POST", "/connect/token", oauth_token, true }, { "GET", "/API/mdm/devices/search", wso_list, false }, END };
static const struct route neurons_routes[] = { { "GET", "/api/v1/device", neurons_list, false }, END };
static const struct route epmm_routes[] = { { "GET", "/api/v2/devices", epmm_list, false }, END };
static const struct route uem_routes[] = { { "POST", "/util/authorization", uem_session, true }, { "GET", "/devices", uem_list, false }, END };
static const struct route google_routes[] = { { "POST", "/token", any_token, true }, { "GET", "/v1/devices", google_list, false }, END };
static const struct route apple_routes[] = { { "POST", "/auth/oauth2/token", any_token, true }, { "GET", "/v1/mdmServers/*/relationships/devices", apple_list, false }, END };

static const struct list {
	const char *connector, *config;
	const struct route *routes;
	const char *value;              /* the Authorization that is wanted */
	int devices;
	bool by_udid, counts;           /* counts: the pages are counted by us */
} lists[] = {
	{ "jamf-pro", "{\"client_id\":\"CLIENT\"}", jamf_routes, "Bearer MARKED-TOKEN", DEVICES - 2, false, true },
	{ "workspace-one", "{\"client_id\":\"CLIENT\",\"group\":\"g\",\"staging_user\":\"u\"}", wso_routes, "Bearer MARKED-TOKEN", DEVICES - 2, false, true },
	{ "ivanti-neurons", "{\"user\":\"user\",\"partition\":\"21\"}", neurons_routes, "Basic dXNlcjpNQVJLRUQtU0VDUkVULTE=", DEVICES, false, true },
	{ "ivanti-epmm", "{\"user\":\"user\"}", epmm_routes, "Basic dXNlcjpNQVJLRUQtU0VDUkVULTE=", DEVICES - 2, false, true },
	{ "blackberry-uem", "{\"user\":\"user\",\"enrollment_configuration\":\"c\"}", uem_routes, "MARKED-SESSION", DEVICES, true, true },
	{ "google-workspace", "{\"client_id\":\"sa\",\"key_id\":\"k1\",\"admin\":\"a@example.com\"}", google_routes, "Bearer MARKED-TOKEN", DEVICES, false, false },
	{ "apple-business", "{\"client_id\":\"BUSINESSAPI.1\",\"key_id\":\"K\",\"server\":\"OURS\"}", apple_routes, "Bearer MARKED-TOKEN", DEVICES, false, false },
};

static const char *list_begin(struct site *s, struct vendor *v, const struct list *l)
{
	char url[64], *pem;
	*v = (struct vendor){ .header = "authorization", .value = l->value };
	vendor_start(s, v, l->routes);
	ignores_page = false;
	breaks_at = asked = 0;
	if (l->routes == google_routes) {
		EVP_PKEY *key = EVP_RSA_gen(2048);
		BIO *b = BIO_new(BIO_s_mem());
		PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL);
		BIO_write(b, "", 1);
		BIO_get_mem_data(b, &pem);
		json_object_set_new(s->credentials, "key_pem", json_string(pem));
		json_object_del(s->credentials, "secret");
		BIO_free(b);
		EVP_PKEY_free(key);
	}
	if (l->routes == apple_routes) {
		json_object_clear(s->credentials);
		stg_json_put(s->credentials, "token", "MARKED.MINTED.ELSEWHERE");
	}
	json_t *config = json_loads(l->config, 0, NULL);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", s->server->port);
	if (l->routes == wso_routes || l->routes == google_routes || l->routes == apple_routes)
		stg_json_put(config, "login", url);
	return vendor_add(s, l->connector, "A", config);
}

/* ---- failing ---- */

static void a_list_that_breaks_off_or_does_not_end_is_none(void **state)
{
	(void)state;
	for (size_t i = 0; i < STG_ARRAY_LEN(lists); i++) {
		struct vendor v;
		struct stg_error e = { 0 };
		STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
		const char *name = list_begin(s, &v, &lists[i]);
		breaks_at = 3;
		if (stg_push_devices(&s->door, name, NULL, &e) || !e.id)
			fail_msg("%s: a list although its third page broke", lists[i].connector);
		breaks_at = asked = 0;
		ignores_page = true;
		e = (struct stg_error){ 0 };
		if (lists[i].counts && (stg_push_devices(&s->door, name, NULL, &e) || e.id != STG_ID_MDM_LIST_BROKEN || !strstr(e.msg, "brings what another brought")))
			fail_msg("%s: %u: %s", lists[i].connector, e.id, e.msg);
		vendor_clear(&v);
	}
}

static void a_step_that_cannot_be_meant_is_refused(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"page: \"0\", step: sometimes", "step: pages", "page: \"0\", step: pages, next: '.next'",
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(wrong); i++) {
		char text[400];
		snprintf(text, sizeof(text), "name: x\nabout: x\nauth: {kind: none}\nrequest: {method: POST, path: /, body: .}\ndevices: {method: GET, path: '/d?p={{page}}', found: '.[]', %s}\n", wrong[i]);
		FAILS(stg_connector_read("x.yaml", stg_bytes_str(text), err), STG_E_INPUT, 0);
	}
}

/* ---- what it is for ---- */

static void every_list_comes_whole_and_without_what_is_not_managed(void **state)
{
	(void)state;
	for (size_t i = 0; i < STG_ARRAY_LEN(lists); i++) {
		struct vendor v;
		size_t k;
		json_t *one;
		STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
		const char *name = list_begin(s, &v, &lists[i]);
		STG_AUTO(stg_json_free_at) json_t *got = NULL;
		OK((got = stg_push_devices(&s->door, name, NULL, err)) != NULL);
		if ((int)json_array_size(got) != lists[i].devices)
			fail_msg("%s: %zu devices", lists[i].connector, json_array_size(got));
		json_array_foreach(got, k, one) {
			const char *told = stg_json_str(one, lists[i].by_udid ? "udid" : "serial");
			int n = atoi(told + strlen(told) - 5);
			assert_string_equal(told, lists[i].by_udid ? udid_of(n) : serial_of(n));
			assert_true(lists[i].devices == DEVICES || is_managed(n));
			assert_true(*stg_json_str(one, "id"));
			if (lists[i].by_udid)
				assert_string_equal(stg_json_str(one, "serial"), "");
		}
		vendor_clear(&v);
	}
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_that_breaks_off_or_does_not_end_is_none),
		cmocka_unit_test(a_step_that_cannot_be_meant_is_refused),
		cmocka_unit_test(every_list_comes_whole_and_without_what_is_not_managed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
