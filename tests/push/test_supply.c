/*
 * test_supply.c - where devices come from and are counted: Apple Business Manager, Android zero-touch and GLPI, against
 * servers that behave as mdm-push 4.5, 6.8, 6.10 and 8.2 describe. Apple's and Google's stand under their own names.
 */
#include "vendor.h"

#include <openssl/ecdsa.h>

static json_t *part_of(struct vendor *v, const char *name)
{
	json_t *all = json_object_get(v->things, name);
	if (!all)
		json_object_set_new(v->things, name, all = json_object());
	return all;
}

#define APPLE "api-business.apple.com"
#define APPLE_LOGIN "account.apple.com"
#define ZERO "androiddeviceprovisioning.googleapis.com"
#define GOOGLE_LOGIN "oauth2.googleapis.com"

/* host, login: the names the connector file holds; NULL: the target has the address. */
static struct site *supply_start(struct vendor *v, const struct route *routes, const char *header, const char *value, const char *host, const char *login)
{
	struct site *s = site_start(STG_STORE_PRODUCTION);
	char hosts[128];
	snprintf(hosts, sizeof(hosts), "%s %s", host ? host : "", login ? login : "");
	real_hosts_end();
	if (host)
		real_hosts(s, hosts);
	*v = (struct vendor){ .header = header, .value = value, .host = host, .login = login };
	vendor_start(s, v, routes);
	return s;
}

/* A key for the site's credentials, whose public half the server knows. */
static EVP_PKEY *key;

static void give_key(struct site *s, EVP_PKEY *made)
{
	char *pem;
	BIO *b = BIO_new(BIO_s_mem());
	key = made;
	PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL);
	BIO_write(b, "", 1);
	BIO_get_mem_data(b, &pem);
	json_object_set_new(s->credentials, "key_pem", json_string(pem));
	json_object_del(s->credentials, "secret");
	BIO_free(b);
}

static size_t unbase64url(const char *text, size_t n, unsigned char *ret)
{
	char std[4096];
	size_t k = n;
	for (size_t i = 0; i < n; i++)
		std[i] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
	while (k % 4)
		std[k++] = '=';
	int len = EVP_DecodeBlock(ret, (unsigned char *)std, (int)k);
	return len < 0 ? 0 : (size_t)len - (k - n);
}

/* Header and claims of a token that `key` signed; NULL: it did not. */
static json_t *signed_by_key(const char *jwt)
{
	unsigned char sig[1024], *der = NULL, part[4096];
	const char *dot = strchr(jwt, '.'), *last = strrchr(jwt, '.');
	if (!dot || last == dot)
		return NULL;
	size_t n = unbase64url(last + 1, strlen(last + 1), sig);
	const bool is_ec = EVP_PKEY_get_base_id(key) == EVP_PKEY_EC;
	if (is_ec) {    /* r and s of 32 bytes each, as JWT wants them */
		ECDSA_SIG *raw = ECDSA_SIG_new();
		if (n != 64)
			return NULL;
		ECDSA_SIG_set0(raw, BN_bin2bn(sig, 32, NULL), BN_bin2bn(sig + 32, 32, NULL));
		n = (size_t)i2d_ECDSA_SIG(raw, &der);
		ECDSA_SIG_free(raw);
	}
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = EVP_DigestVerifyInit(c, NULL, EVP_sha256(), NULL, key) == 1 &&
		  EVP_DigestVerify(c, is_ec ? der : sig, n, (const unsigned char *)jwt, (size_t)(last - jwt)) == 1;
	EVP_MD_CTX_free(c);
	OPENSSL_free(der);
	part[unbase64url(jwt, (size_t)(dot - jwt), part)] = 0;
	json_t *all = json_pack("{s:o}", "head", json_loads((char *)part, 0, NULL));
	part[unbase64url(dot + 1, (size_t)(last - dot - 1), part)] = 0;
	stg_json_put_new(all, "claims", json_loads((char *)part, 0, NULL));
	if (!ok) {
		json_decref(all);
		return NULL;
	}
	return all;
}

static char *token(void)
{
	return http(200, json_pack("{s:s,s:s,s:i}", "access_token", "MARKED-TOKEN", "token_type", "Bearer", "expires_in", 3600));
}

/* ---- Apple Business Manager ---- */

static char *apple_token(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	char jwt[8192];
	(void)parts;
	(void)in;
	stg_copy(jwt, sizeof(jwt), param_in(v->server->last_body, "client_assertion"));
	bool ok = strcmp(param_in(v->server->last_body, "grant_type"), "client_credentials") == 0;
	ok = ok && strcmp(param_in(v->server->last_body, "scope"), "business.api") == 0;
	ok = ok && strcmp(param_in(v->server->last_body, "client_assertion_type"), "urn:ietf:params:oauth:client-assertion-type:jwt-bearer") == 0;
	if (strcmp(jwt, "MARKED.MINTED.ELSEWHERE") == 0)
		return ok ? token() : http(400, json_pack("{s:s}", "error", "invalid_client"));
	STG_AUTO(stg_json_free_at) json_t *j = signed_by_key(jwt);
	const json_t *claims = json_object_get(j, "claims"), *head = json_object_get(j, "head");
	ok = ok && strcmp(stg_json_str(head, "alg"), "ES256") == 0 && strcmp(stg_json_str(head, "kid"), "KEY1") == 0;
	ok = ok && strcmp(stg_json_str(claims, "aud"), "https://account.apple.com/auth/oauth2/v2/token") == 0;
	ok = ok && strcmp(stg_json_str(claims, "iss"), "BUSINESSAPI.1") == 0 && strcmp(stg_json_str(claims, "sub"), "BUSINESSAPI.1") == 0;
	return ok ? token() : http(400, json_pack("{s:s}", "error", "invalid_client"));
}

static char *apple_error(int status, const char *code, const char *detail)
{
	return http(status, json_pack("{s:[{s:s,s:s,s:s}]}", "errors", "status", "4xx", "code", code, "detail", detail));
}

/* Only that it is assigned, and to which; the serial number does not stand in the answer's data. */
static char *apple_assigned(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	const json_t *server = json_object_get(part_of(v, "devices"), parts[0]);
	(void)in;
	if (!json_is_string(server))
		return apple_error(404, "NOT_FOUND", "there is no resource of this type");
	return http(200, json_pack("{s:{s:s,s:O},s:{}}", "data", "type", "mdmServers", "id", server, "links"));
}

static char *apple_activity(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	const json_t *data = json_object_get(in, "data"), *rel = json_object_get(data, "relationships");
	const json_t *devices = json_object_get(json_object_get(rel, "devices"), "data"), *server = json_object_get(json_object_get(rel, "mdmServer"), "data");
	(void)parts;
	if (strcmp(stg_json_str(json_object_get(data, "attributes"), "activityType"), "ASSIGN_DEVICES") != 0 || !json_array_size(devices) ||
	    strcmp(stg_json_str(server, "type"), "mdmServers") != 0)
		vendor_strange(v, "not an assignment");
	const char *serial = stg_json_str(json_array_get(devices, 0), "id");
	bool known = json_object_get(part_of(v, "devices"), serial) != NULL;
	v->writes++;
	if (known)
		json_object_set_new(part_of(v, "devices"), serial, json_string(stg_json_str(server, "id")));
	return http(201, json_pack("{s:{s:s,s:s,s:{s:s}}}", "data", "type", "orgDeviceActivities", "id", known ? "good" : "bad", "attributes", "status", "IN_PROGRESS"));
}

static char *apple_ask(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	(void)v;
	(void)in;
	return http(200, json_pack("{s:{s:s,s:{s:s,s:s}}}", "data", "id", parts[0], "attributes", "status", "COMPLETED", "subStatus",
				   strcmp(parts[0], "good") == 0 ? "COMPLETED_WITH_SUCCESS" : "COMPLETED_WITH_FAILURE"));
}

static const struct route apple_routes[] = {
	{ "POST", "/auth/oauth2/token", apple_token, true },
	{ "GET", "/v1/orgDevices/*/assignedServer", apple_assigned, false },
	{ "POST", "/v1/orgDeviceActivities", apple_activity, false },
	{ "GET", "/v1/orgDeviceActivities/*", apple_ask, false },
	{ NULL, NULL, NULL, false },
};

static const char *apple_add(struct site *s)
{
	return vendor_add(s, "apple-business", "A", json_pack("{s:s,s:s,s:s}", "client_id", "BUSINESSAPI.1", "key_id", "KEY1", "server", "OURS"));
}

static void apple_assigns_what_the_organisation_has_and_takes_no_device_from_another_server(void **state)
{
	(void)state;
	struct vendor v;
	STG_AUTO(site_stop) struct site *s = supply_start(&v, apple_routes, "authorization", "Bearer MARKED-TOKEN", APPLE, APPLE_LOGIN);
	give_key(s, EVP_EC_gen("P-256"));
	(void)apple_add(s);
	json_object_set_new(part_of(&v, "devices"), "F2LXK0AA0001", json_true());       /* there, of no server */
	json_object_set_new(part_of(&v, "devices"), "F2LXK0AA0002", json_string("OURS"));
	json_object_set_new(part_of(&v, "devices"), "F2LXK0AA0003", json_string("SCHOOL"));
	stage(s, 4);
	assert_int_equal(round_now(s), 1);
	assert_int_equal(in_state(s, "conflict"), 1);
	assert_non_null(strstr(text_in(s, "conflict"), "there 'SCHOOL'"));
	assert_int_equal(in_state(s, "op_pending"), 2);
	time_passes(s);
	assert_int_equal(round_now(s), 1);
	assert_string_equal(json_string_value(json_object_get(part_of(&v, "devices"), "F2LXK0AA0001")), "OURS");
	assert_string_equal(json_string_value(json_object_get(part_of(&v, "devices"), "F2LXK0AA0003")), "SCHOOL");
	assert_non_null(strstr(text_in(s, "rejected"), "is it in this organisation?"));
	assert_int_equal(v.writes, 2);
	/* the answer to an assignment is lost: it shows by itself */
	json_object_set_new(part_of(&v, "devices"), "F2LXK0AA0005", json_true());
	stage(s, 1);
	server_will(s->server, WAY_ANSWER, NULL);
	server_will(s->server, WAY_CUT_AFTER, NULL);
	assert_int_equal(round_now(s), 0);
	time_passes(s);
	assert_int_equal(round_now(s), 1);
	assert_int_equal(v.writes, 3);
	EVP_PKEY_free(key);
	vendor_clear(&v);
}

static void apple_takes_an_assertion_made_elsewhere_and_a_wrong_one_stops_the_target(void **state)
{
	(void)state;
	struct vendor v;
	STG_AUTO(site_stop) struct site *s = supply_start(&v, apple_routes, "authorization", "Bearer MARKED-TOKEN", APPLE, APPLE_LOGIN);
	json_object_del(s->credentials, "secret");
	json_object_set_new(s->credentials, "token", json_string("MARKED.MINTED.ELSEWHERE"));
	const char *name = apple_add(s);
	json_object_set_new(part_of(&v, "devices"), "F2LXK0AA0001", json_string("OURS"));
	stage(s, 1);
	assert_int_equal(round_now(s), 1);
	json_object_del(s->credentials, "token");
	give_key(s, EVP_EC_gen("P-256"));
	EVP_PKEY *other = key;
	key = EVP_EC_gen("P-256");      /* Apple knows another */
	stage(s, 1);
	assert_int_equal(round_now(s), 0);
	assert_string_equal(state_of(s, name), "auth");
	assert_non_null(strstr(words_of(s, name), "invalid_client"));
	EVP_PKEY_free(other);
	EVP_PKEY_free(key);
	vendor_clear(&v);
}

/* ---- Android zero-touch ---- */

static char *zero_token(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	char jwt[8192];
	(void)parts;
	(void)in;
	stg_copy(jwt, sizeof(jwt), param_in(v->server->last_body, "assertion"));
	STG_AUTO(stg_json_free_at) json_t *j = signed_by_key(jwt);
	return strcmp(stg_json_str(json_object_get(j, "claims"), "scope"), "https://www.googleapis.com/auth/androidworkprovisioning") == 0 ?
	       token() : http(400, json_pack("{s:s}", "error", "invalid_grant"));
}

static const char *identifier_ok(struct vendor *v, const json_t *id)
{
	static const char *const keys[] = { "imei", "imei2", "meid", "serialNumber", "manufacturer", "model", NULL };
	bool whole = *stg_json_str(id, "imei") || (*stg_json_str(id, "serialNumber") && *stg_json_str(id, "manufacturer") && *stg_json_str(id, "model"));
	if (!only_keys(v, id, keys) || !whole)
		vendor_strange(v, "not a device identifier");
	return stg_json_str_or(id, "imei", stg_json_str(id, "serialNumber"));
}

static char *zero_find(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	const char *which = identifier_ok(v, json_object_get(in, "deviceIdentifier"));
	if (strcmp(parts[0], "77") != 0 || !json_is_string(json_object_get(in, "limit")))
		vendor_strange(v, "not a question");
	return json_object_get(part_of(v, "claims"), which) ?
	       http(200, json_pack("{s:[{s:s,s:[{s:s,s:s}]}],s:i}", "devices", "deviceId", "9007", "claims", "ownerCompanyId", "1234567", "sectionType", "SECTION_TYPE_ZERO_TOUCH",
				   "totalSize", 1)) :
	       http(200, json_object());
}

static char *zero_claim(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	static const char *const keys[] = { "deviceIdentifier!", "sectionType!", "customerId!", "configurationId", "deviceMetadata", NULL };
	json_t *claims = json_object_get(in, "claims"), *rows = json_array(), *one;
	size_t i;
	(void)parts;
	json_array_foreach(claims, i, one) {
		const char *which = identifier_ok(v, json_object_get(one, "deviceIdentifier"));
		if (!only_keys(v, one, keys) || strcmp(stg_json_str(one, "customerId"), "1234567") != 0)
			vendor_strange(v, "not a claim");
		bool bad = v->bad && strcmp(which, v->bad) == 0;
		if (!bad)
			json_object_set(part_of(v, "claims"), which, one);
		json_array_append_new(rows, bad ? json_pack("{s:O,s:{s:s,s:s,s:s}}", "claim", one, "result", "status", "SINGLE_DEVICE_STATUS_INVALID_DEVICE_IDENTIFIER", "errorIdentifier",
							    "INVALID_DEVICE", "errorMessage", "the device is not known to its maker") :
						  json_pack("{s:O,s:{s:s,s:s}}", "claim", one, "result", "status", "SINGLE_DEVICE_STATUS_SUCCESS", "deviceId", "9007"));
	}
	v->writes++;
	json_object_set_new(v->things, "rows", rows);
	return http(200, json_pack("{s:s}", "name", "operations/op-1"));
}

static char *zero_operation(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	(void)in;
	if (strcmp(parts[0], "op-1") != 0)
		vendor_strange(v, "no such operation");
	return http(200, json_pack("{s:s,s:b,s:{s:i,s:O}}", "name", "operations/op-1", "done", 1, "response", "successCount", 1, "perDeviceStatus", json_object_get(v->things, "rows")));
}

static void zero_touch_claims_many_at_once_and_each_has_its_own_result(void **state)
{
	(void)state;
	static const struct route routes[] = { { "POST", "/token", zero_token, true }, { "POST", "/v1/partners/*/devices:findByIdentifier", zero_find, false },
					       { "POST", "/v1/partners/*/devices:claimAsync", zero_claim, false }, { "GET", "/v1/operations/*", zero_operation, false },
					       { NULL, NULL, NULL, false } };
	struct vendor v;
	STG_AUTO(site_stop) struct site *s = supply_start(&v, routes, "authorization", "Bearer MARKED-TOKEN", ZERO, GOOGLE_LOGIN);
	give_key(s, EVP_RSA_gen(2048));
	(void)vendor_add(s, "android-zero-touch", "A", json_pack("{s:s,s:s,s:s}", "client_id", "sa@project.iam", "partner", "77", "customer", "1234567"));
	v.bad = "353245010000002";
	stage_android(s, 3);
	assert_int_equal(round_now(s), 0);
	assert_int_equal(in_state(s, "op_pending"), 3);
	assert_int_equal(v.writes, 1);
	time_passes(s);
	assert_int_equal(round_now(s), 2);
	assert_non_null(strstr(text_in(s, "rejected"), "INVALID_DEVICE the device is not known to its maker"));
	assert_string_equal(stg_json_str(json_object_get(json_object_get(json_object_get(part_of(&v, "claims"), "353245010000001"), "deviceMetadata"), "entries"), "asset"), "A-1042");
	/* lost on its way: asked for by identifier, each for itself, and not claimed again */
	stage_android(s, 2);
	server_will(s->server, WAY_CUT_AFTER, NULL);
	assert_int_equal(round_now(s), 0);
	assert_int_equal(in_state(s, "in_doubt"), 2);
	time_passes(s);
	assert_int_equal(round_now(s), 2);
	assert_int_equal(calls_of(&v, "POST /v1/partners/*/devices:findByIdentifier"), 2);
	assert_int_equal(v.writes, 2);
	EVP_PKEY_free(key);
	vendor_clear(&v);
}

/* ---- GLPI ---- */

#define AGENT "7a1f0c0e-0000-4000-8000-000000000001"

/* As the published schema of inventories: no other member at the top. */
static char *glpi_inventory(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	static const char *const top[] = { "action!", "itemtype!", "deviceid!", "tag", "content!", NULL };
	const json_t *content = json_object_get(in, "content");
	const char *serial = stg_json_str(json_object_get(content, "bios"), "ssn");
	(void)parts;
	if (!only_keys(v, in, top) || strcmp(header_of(v, "glpi-agent-id"), AGENT) != 0 || strcmp(stg_json_str(in, "itemtype"), "Phone") != 0 ||
	    !*stg_json_str(content, "versionclient") || !*serial)
		vendor_strange(v, "not an inventory");
	v->writes++;
	if (v->bad && strcmp(v->bad, serial) == 0)
		return http(200, json_pack("{s:s,s:s,s:i}", "status", "error", "message", "refused by a rule", "expiration", 24));
	bool again = json_object_get(part_of(v, "phones"), serial) != NULL;
	json_object_set(part_of(v, "phones"), serial, (json_t *)(uintptr_t)content);
	return http(200, again ? json_pack("{s:s,s:i}", "status", "ok", "expiration", 24) : json_pack("{s:s,s:s}", "status", "pending", "expiration", "30s"));
}

static void glpi_is_told_until_it_says_ok_and_a_rule_may_refuse(void **state)
{
	(void)state;
	static const struct route routes[] = { { "POST", "/front/inventory.php", glpi_inventory, false }, { NULL, NULL, NULL, false } };
	struct vendor v;
	STG_AUTO(site_stop) struct site *s = supply_start(&v, routes, "authorization", "Basic dXNlcjpNQVJLRUQtU0VDUkVULTE=", NULL, NULL);
	(void)vendor_add(s, "glpi", "E", json_pack("{s:s,s:s}", "user", "user", "agent_id", AGENT));
	v.bad = "F2LXK0AA0002";
	stage(s, 2);
	assert_int_equal(round_now(s), 0);
	assert_int_equal(in_state(s, "queued"), 1);     /* pending there */
	assert_string_equal(text_in(s, "rejected"), "refused by a rule");
	time_passes(s);
	assert_int_equal(round_now(s), 1);
	const json_t *bios = json_object_get(json_object_get(part_of(&v, "phones"), "F2LXK0AA0001"), "bios");
	assert_string_equal(stg_json_str(bios, "assettag"), "A-1042");
	assert_string_equal(stg_json_str(bios, "smanufacturer"), "Apple");
	/* lost: the same document again makes no second phone */
	stage(s, 1);
	server_will(s->server, WAY_CUT_AFTER, NULL);
	assert_int_equal(round_now(s), 0);
	time_passes(s);
	assert_int_equal(round_now(s), 1);
	assert_int_equal(json_object_size(part_of(&v, "phones")), 2);
	vendor_clear(&v);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(apple_assigns_what_the_organisation_has_and_takes_no_device_from_another_server),
		cmocka_unit_test(apple_takes_an_assertion_made_elsewhere_and_a_wrong_one_stops_the_target),
		cmocka_unit_test(zero_touch_claims_many_at_once_and_each_has_its_own_result),
		cmocka_unit_test(glpi_is_told_until_it_says_ok_and_a_rule_may_refuse),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
