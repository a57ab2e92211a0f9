/*
 * test_contracts.c - every request of the shipped connectors, judged by programs not written here: each host by its description
 * in tests/push/contracts, served by prism; sign-ins by oauth2-mock-server and jose (contracts/serve.js).
 *
 * The connectors run as shipped, at the hosts they name (real_hosts.h). A result goes through its phases, is found there the
 * second time and read back where its answer was lost; nothing may be refused, and nothing of a description may stay unasked.
 * That the judges do judge is proven with connectors that are wrong by one word.
 */
#include <dirent.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "vendor.h"

#pragma GCC diagnostic ignored "-Wunused-function"

#define FOLDER "tests/push/contracts"

static struct {
	pid_t pid;
	FILE *to, *from;
	int port;
	char dir[128];
} judges;

/* One order, and what they say to it. */
__attribute__((format(printf, 1, 2))) static json_t *order(const char *fmt, ...)
{
	char line[65536];
	va_list args;
	va_start(args, fmt);
	vfprintf(judges.to, fmt, args);
	va_end(args);
	fputc('\n', judges.to);
	fflush(judges.to);
	if (!fgets(line, sizeof(line), judges.from))
		fail_msg("the judges ended: see their words above");
	json_t *said = json_loads(line, 0, NULL);
	assert_non_null(said);
	return said;
}

static void scene(const char *name)
{
	json_decref(order("scene %s", name));
}

static int judges_start(void **state)
{
	char peers[300], pem[8192], path[300], hosts[2048] = "", line[256];
	int in[2], out[2];
	struct dirent *e;
	(void)state;
	DIR *d = opendir(FOLDER);
	if (!d)
		return -1;
	while ((e = readdir(d))) {
		size_t n = strlen(e->d_name);
		if (n > 5 && strcmp(e->d_name + n - 5, ".yaml") == 0)
			snprintf(hosts + strlen(hosts), sizeof(hosts) - strlen(hosts), "%s%.*s", *hosts ? " " : "", (int)n - 5, e->d_name);
	}
	closedir(d);
	const char *tmp = getenv("TMPDIR"), *b = getenv("B");
	snprintf(judges.dir, sizeof(judges.dir), "%s/judges.XXXXXX", tmp && strlen(tmp) < 80 ? tmp : "/tmp");
	snprintf(peers, sizeof(peers), "%.250s/peers", b ? b : "build");
	if (access(peers, F_OK) != 0)
		snprintf(peers, sizeof(peers), "build/peers");
	if (access(peers, F_OK) != 0 || !mkdtemp(judges.dir) || pipe(in) != 0 || pipe(out) != 0) {
		print_message("prism is missing: make deps-check\n");
		return -1;
	}
	struct made cert = real_certificate(hosts);
	made_pem(&cert, true, pem, sizeof(pem));
	made_clear(&cert);
	snprintf(path, sizeof(path), "%s/hosts.pem", judges.dir);
	OK(stg_file_write(path, stg_bytes_str(pem), 0600, err));
	judges.pid = fork();
	if (judges.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(in[0], 0);
		dup2(out[1], 1);
		for (int i = 0; i < 2; i++)
			close(in[i]), close(out[i]);
		execlp("node", "node", FOLDER "/serve.js", peers, FOLDER, path, (char *)NULL);
		perror("node: make deps-check");
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	judges.to = fdopen(in[1], "w");
	judges.from = fdopen(out[0], "r");
	if (judges.pid < 0 || !judges.to || !judges.from || !fgets(line, sizeof(line), judges.from))
		return -1;
	STG_AUTO(stg_json_free_at) json_t *up = json_loads(line, 0, NULL);
	judges.port = (int)stg_json_int(up, "port", 0);
	return judges.port ? 0 : -1;
}

static int judges_stop(void **state)
{
	char command[200];
	(void)state;
	fclose(judges.to);
	fclose(judges.from);
	waitpid(judges.pid, NULL, 0);
	snprintf(command, sizeof(command), "rm -rf '%s'", judges.dir);
	return system(command);
}

/* ---- the connectors ---- */

enum with { WITH_SECRET, WITH_TOKEN, WITH_RSA, WITH_CERTIFICATE, WITH_EC };

static const struct told {
	const char *connector, *hosts, *phases, *config;
	enum with with;
	bool is_android, is_lost;       /* is_lost: the answer to the second result's write is */
	int delivered;                  /* of two results, in all phases: the first becomes enrolled, the second stands there already */
} all[] = {
	{ "intune", "graph.microsoft.com login.microsoftonline.com", "ABE", "{\"tenant\":\"TENANT\",\"client_id\":\"APP\",\"category\":\"Ward\"}", WITH_SECRET, false, false, 4 },
	{ "intune", "graph.microsoft.com login.microsoftonline.com", "ABE", "{\"tenant\":\"TENANT\",\"client_id\":\"APP\",\"category\":\"Ward\"}", WITH_CERTIFICATE, false, false, 4 },
	{ "jamf-pro", "acme.jamfcloud.com", "AB", "{\"url\":\"https://acme.jamfcloud.com\",\"client_id\":\"CLIENT\"}", WITH_SECRET, false, false, 3 },
	{ "workspace-one", "as001.awmdm.com na.uemauth.workspaceone.com", "AB", "{\"url\":\"https://as001.awmdm.com\",\"client_id\":\"CLIENT\",\"tag\":\"staged\","
	  "\"group\":\"6b9b1f8e-0000-4000-8000-000000000001\",\"staging_user\":\"6b9b1f8e-0000-4000-8000-000000000002\"}", WITH_SECRET, false, false, 3 },
	{ "google-workspace", "cloudidentity.googleapis.com oauth2.googleapis.com", "A", "{\"client_id\":\"sa@project.iam\",\"key_id\":\"k1\",\"admin\":\"admin@example.com\"}",
	  WITH_RSA, true, false, 2 },
	{ "android-zero-touch", "androiddeviceprovisioning.googleapis.com oauth2.googleapis.com", "A",
	  "{\"client_id\":\"sa@project.iam\",\"partner\":\"77\",\"customer\":\"1234567\",\"configuration\":\"42\"}", WITH_RSA, true, true, 2 },
	{ "apple-business", "api-business.apple.com account.apple.com", "A", "{\"client_id\":\"BUSINESSAPI.1\",\"key_id\":\"KEY1\",\"server\":\"OURS\",\"policy.server\":\"ours\"}",
	  WITH_EC, false, false, 2 },
	{ "ivanti-neurons", "na1.mobileiron.com", "B", "{\"url\":\"https://na1.mobileiron.com\",\"user\":\"user\",\"partition\":\"21\"}", WITH_SECRET, false, false, 1 },
	{ "ivanti-epmm", "core.example.org", "B", "{\"url\":\"https://core.example.org\",\"user\":\"user\",\"label\":\"Staged here\"}", WITH_SECRET, false, false, 1 },
	{ "blackberry-uem", "uem.example.org", "AB", "{\"url\":\"https://uem.example.org/T/api/v1\",\"user\":\"user\",\"enrollment_configuration\":\"CONF\"}",
	  WITH_SECRET, false, false, 2 },
	{ "snipe-it", "assets.example.org", "E", "{\"url\":\"https://assets.example.org\",\"model_id\":\"3\",\"status_id\":\"2\"}", WITH_TOKEN, false, false, 2 },
	{ "glpi", "glpi.example.org", "E", "{\"url\":\"https://glpi.example.org\",\"user\":\"user\",\"agent_id\":\"7a1f0c0e-0000-4000-8000-000000000001\"}", WITH_SECRET, false, false, 2 },
	{ "webhook", "hook.example.org", "E", "{\"url\":\"https://hook.example.org/hook\"}", WITH_SECRET, false, false, 2 },
};

static void put_pem(struct site *s, EVP_PKEY *key, bool with_certificate)
{
	char *text;
	BIO *b = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL);
	if (with_certificate) {
		X509 *cert = X509_new();
		X509_set_version(cert, 2);
		X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
		X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
		X509_set_pubkey(cert, key);
		X509_sign(cert, key, EVP_sha256());
		PEM_write_bio_X509(b, cert);
		X509_free(cert);
	}
	BIO_write(b, "", 1);
	BIO_get_mem_data(b, &text);
	json_object_set_new(s->credentials, "key_pem", json_string(text));
	BIO_free(b);
}

/* The key a target signs in with; the judges know its public half. */
static void give_key(struct site *s, enum with with)
{
	unsigned char coded[4096];
	char *text;
	EVP_PKEY *key = with == WITH_EC ? EVP_EC_gen("P-256") : EVP_RSA_gen(2048);
	BIO *b = BIO_new(BIO_s_mem());
	put_pem(s, key, with == WITH_CERTIFICATE);
	PEM_write_bio_PUBKEY(b, key);
	long n = BIO_get_mem_data(b, &text);
	EVP_EncodeBlock(coded, (unsigned char *)text, (int)n);
	json_decref(order("key %s", (char *)coded));
	BIO_free(b);
	EVP_PKEY_free(key);
}

static const char *told_begin(struct site *s, const struct told *t)
{
	json_object_clear(s->credentials);
	real_hosts_at(s, t->hosts, judges.port);
	if (t->with == WITH_SECRET)
		stg_json_put(s->credentials, "secret", strcmp(t->connector, "webhook") == 0 ? SECRET : "MARKED-SECRET-1");
	else if (t->with == WITH_TOKEN)
		stg_json_put(s->credentials, "token", "MARKED-TOKEN-1");
	else
		give_key(s, t->with);
	json_t *config = json_loads(t->config, 0, NULL);
	assert_non_null(config);
	static char name[32];
	static int n;
	snprintf(name, sizeof(name), "contract%d", ++n);
	json_t *target = json_pack("{s:s,s:s,s:s,s:o}", "name", name, "connector", t->connector, "phase", t->phases, "config", config);
	OK(stg_store_target_put(s->st.s, target, stg_bytes(NULL, 0), err));
	json_decref(target);
	return name;
}

/* Until nothing moves any more: an operation, a read-back and a second phase take a round each. */
static void rounds(struct site *s)
{
	for (int i = 0; i < 4; i++) {
		(void)round_now(s);
		time_passes(s);
	}
}

static void (*const stage_one[])(struct site *, int) = { stage, stage_android };

static void each_request_of_each_connector_is_as_described(void **state)
{
	(void)state;
	for (size_t i = 0; i < STG_ARRAY_LEN(all); i++) {
		const struct told *t = &all[i];
		STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
		const char *name = told_begin(s, t);
		scene("");
		stage_one[t->is_android](s, 1);
		rounds(s);
		scene("enrolled");
		rounds(s);
		scene("there");
		if (t->is_lost)
			json_decref(order("cut"));
		stage_one[t->is_android](s, 1);
		rounds(s);
		scene("");
		STG_AUTO(stg_json_free_at) json_t *test = NULL;
		OK((test = stg_push_test(&s->door, name, err)) != NULL);
		struct stg_error e = { 0 };
		STG_AUTO(stg_json_free_at) json_t *devices = stg_push_devices(&s->door, name, NULL, &e);
		if (!devices && e.code != STG_E_UNSUPPORTED)
			fail_msg("%s: its devices: %s", t->connector, e.msg);
		STG_AUTO(stg_json_free_at) json_t *report = order("report %s", t->hosts);
		size_t k;
		json_t *one;
		json_array_foreach(json_object_get(report, "violations"), k, one)
			print_message("%s: %s\n", t->connector, json_string_value(one));
		json_array_foreach(json_object_get(report, "unasked"), k, one)
			print_message("%s: never asked: %s\n", t->connector, json_string_value(one));
		assert_int_equal(json_array_size(json_object_get(report, "violations")), 0);
		assert_int_equal(json_array_size(json_object_get(report, "unasked")), 0);
		if (!stg_json_bool(test, "ok", false))
			fail_msg("%s: its test: %s", t->connector, stg_json_str(test, "text"));
		if (in_state(s, "delivered") != t->delivered)
			fail_msg("%s: %lld delivered, %d were expected; the target is '%s': %s", t->connector, (long long)in_state(s, "delivered"), t->delivered, state_of(s, name),
				 words_of(s, name));
		real_hosts_end();
	}
}

/* ---- wrong by one word ---- */

static const struct {
	const char *connector, *right, *wrong;
} slips[] = {
	{ "intune", "importedDeviceIdentityType: \"serialNumber\"", "importedDeviceIdentityType: \"serial\"" },
	{ "intune", "overwriteImportedDeviceIdentities: false", "overwriteImportedDeviceIdentitys: false" },
	{ "intune", "sign: PS256", "sign: RS256" },
	{ "intune", "id: \"categories\", method", "name: \"categories\", method" },
	{ "jamf-pro", "barCode2: .record_id", "barCode3: .record_id" },
	{ "workspace-one", "asset_number: .asset_tag", "assetNumber: .asset_tag" },
	{ "workspace-one", "&page={{page}}", "&pg={{page}}" },
	{ "google-workspace", "deviceType:", "type:" },
	{ "android-zero-touch", "customerId: .target.customer", "customerId: (.target.customer | tonumber)" },
	{ "apple-business", "type: \"mdmServers\"", "type: \"mdmServer\"" },
	{ "apple-business", "oauth2/v2/token", "oauth2/token" },
	{ "ivanti-neurons", "rows=50&start=0&dmPartitionId=", "rows=50&start=0&partition=" },
	{ "ivanti-epmm", "fields=common.uuid", "columns=common.uuid" },
	{ "blackberry-uem", "query=serialNumber=", "query=serial=" },
	{ "snipe-it", "status_id: (.target.status_id | tonumber)", "status: (.target.status_id | tonumber)" },
	{ "glpi", "ssn: .device.serial", "serial: .device.serial" },
	{ "webhook", "{type: (if", "{kind: (if" },
};

/* The shipped file with `right` replaced where it stands first, where the site's own connectors are. */
static void slip(struct site *s, size_t i)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(1 << 20);
	STG_AUTO(stg_buf_clear) struct stg_buf changed = STG_BUF(1 << 20);
	char path[300];
	snprintf(path, sizeof(path), "stager/push/connectors/%s.yaml", slips[i].connector);
	OK(stg_file_read(path, &text, err));
	const char *at = strstr(stg_buf_str(&text), slips[i].right);
	if (!at)
		fail_msg("%s has no '%s' any more", path, slips[i].right);
	OK(stg_buf_add(&changed, stg_buf_str(&text), (size_t)(at - stg_buf_str(&text)), err));
	OK(stg_buf_add_str(&changed, slips[i].wrong, err) && stg_buf_add_str(&changed, at + strlen(slips[i].right), err));
	snprintf(path, sizeof(path), "%s/connectors", s->st.dir);
	OK(stg_folder_make(path, 0700, err));
	snprintf(path, sizeof(path), "%s/connectors/%s.yaml", s->st.dir, slips[i].connector);
	OK(stg_file_write(path, stg_buf_view(&changed), 0600, err));
}

static void a_connector_that_is_wrong_by_one_word_is_found_out(void **state)
{
	(void)state;
	for (size_t i = 0; i < STG_ARRAY_LEN(slips); i++) {
		const struct told *t = all;
		while (strcmp(t->connector, slips[i].connector) != 0 || (strstr(slips[i].right, "sign:") && t->with != WITH_CERTIFICATE))
			t++;
		STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
		slip(s, i);
		(void)told_begin(s, t);
		scene("");
		stage_one[t->is_android](s, 1);
		(void)round_now(s);
		STG_AUTO(stg_json_free_at) json_t *report = order("report %s", t->hosts);
		if (!json_array_size(json_object_get(report, "violations")))
			fail_msg("%s with '%s' pleased them", slips[i].connector, slips[i].wrong);
		real_hosts_end();
	}
}

static void no_shipped_connector_goes_unjudged(void **state)
{
	(void)state;
	STG_AUTO(stg_json_free_at) json_t *list = stg_connector_list(NULL);
	size_t i;
	json_t *one;
	json_array_foreach(list, i, one) {
		const char *name = stg_json_str(one, "name");
		bool judged = false, slipped = false;
		STG_AUTO(stg_json_free_at) json_t *connector = stg_push_is_kind(name) ? NULL : stg_connector_load(NULL, name, NULL);
		/* what is no HTTP has real servers for judges; some have only a file for a console */
		if (!connector || (!json_object_get(connector, "request") && !json_object_get(connector, "phases")))
			continue;
		for (size_t k = 0; k < STG_ARRAY_LEN(all); k++)
			judged = judged || strcmp(all[k].connector, name) == 0;
		for (size_t k = 0; k < STG_ARRAY_LEN(slips); k++)
			slipped = slipped || strcmp(slips[k].connector, name) == 0;
		if (!judged || !slipped)
			fail_msg("%s: nobody judges what it sends: see " FOLDER "/README.md", name);
	}
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_request_of_each_connector_is_as_described),
		cmocka_unit_test(a_connector_that_is_wrong_by_one_word_is_found_out),
		cmocka_unit_test(no_shipped_connector_goes_unjudged),
	};
	return cmocka_run_group_tests(tests, judges_start, judges_stop);
}
