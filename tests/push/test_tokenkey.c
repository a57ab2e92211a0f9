/*
 * test_tokenkey.c - mutual TLS with a key in a PKCS#11 token (SoftHSM) against a server that wants ours: first all that goes wrong.
 */
#include "server.h"
#include "site.h"

#include <fcntl.h>

#define MODULE "/usr/lib/softhsm/libsofthsm2.so"

static char home[128];

static void run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void run(const char *format, ...)
{
	char command[600];
	va_list args;
	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command) != 0)
		fail_msg("%s", command);
}

static void put_key(const struct made *m, const char *token, const char *label, const char *id)
{
	char path[200];
	snprintf(path, sizeof(path), "%s/key.pem", home);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(PEM_write_PKCS8PrivateKey(f, m->key, NULL, NULL, 0, NULL, NULL), 1);
	fclose(f);
	run("softhsm2-util --import %s --token %s --label %s --id %s --pin 5678 >%s/log 2>&1", path, token, label, id, home);
	(void)unlink(path);
}

static struct {
	struct made ca, other, server, client, stranger;
} c;

/* What a target with this key, certificate and PIN comes to. */
static void meets(struct site *s, const char *object, const struct made *cert, const char *pin, const char *expected, enum stg_id id)
{
	char url[64], ca[8192], pem[8192], uri[300];
	int64_t delivered, next;
	made_pem(&c.ca, false, ca, sizeof(ca));
	made_pem(cert, false, pem, sizeof(pem));
	snprintf(url, sizeof(url), "https://127.0.0.1:%d/hook", s->server->port);
	snprintf(uri, sizeof(uri), "pkcs11:%s?module-path=" MODULE, object);
	json_object_clear(s->credentials);
	stg_json_put(s->credentials, "secret", SECRET);
	stg_json_put(s->credentials, "client_pem", pem);
	stg_json_put(s->credentials, "pin", pin);
	const char *name = target_add(s, "webhook", json_pack("{s:s,s:s,s:s}", "url", url, "ca_pem", ca, "client_key", uri));
	int before = s->server->applied;
	stage(s, 1);
	OK(stg_push_round(&s->door, name, NULL, &delivered, &next, err));
	STG_AUTO(stg_json_free_at) json_t *row = stg_store_target(s->st.s, name, NULL, NULL);
	if (strcmp(stg_json_str(row, "state"), expected) != 0)
		fail_msg("state '%s' (%s), '%s' was expected", stg_json_str(row, "state"), stg_json_str(row, "text"), expected);
	assert_int_equal(stg_push_state_id(stg_json_str(row, "state")), id);
	assert_null(strstr(stg_json_str(row, "text"), pin));
	assert_int_equal(s->server->applied, before + !*expected);
	stg_json_put_bool(row, "enabled", false);
	OK(stg_store_target_put(s->st.s, row, stg_bytes(NULL, 0), err));
}

/* What the engine prints would be in the journal. */
static void nothing_was_printed(const char *path, const char *word)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(1 << 20);
	OK(stg_file_read(path, &text, err));
	if (strstr(stg_buf_str(&text), word))
		fail_msg("printed: %s", stg_buf_str(&text));
}

static void the_key_stays_in_the_token_and_each_trouble_has_its_name(void **state)
{
	(void)state;
	char path[200], spoken[200];
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	if (access(MODULE, R_OK) != 0 || system("command -v softhsm2-util >/dev/null") != 0)
		skip();
	snprintf(home, sizeof(home), "%s/stgtoken.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	assert_non_null(mkdtemp(home));
	snprintf(path, sizeof(path), "%s/conf", home);
	FILE *f = fopen(path, "w");
	fprintf(f, "directories.tokendir = %s/tokens\nobjectstore.backend = file\n", home);
	fclose(f);
	run("mkdir %s/tokens", home);
	setenv("SOFTHSM2_CONF", path, 1);
	run("softhsm2-util --init-token --free --label bench --so-pin 12345678 --pin 5678 >%s/log 2>&1", home);
	c.ca = make_certificate("CA", NULL, NULL, -3600, 86400);
	c.other = make_certificate("Other CA", NULL, NULL, -3600, 86400);
	c.server = make_certificate("server", "IP:127.0.0.1", &c.ca, -3600, 86400);
	c.client = make_certificate("us", "DNS:us.example", &c.ca, -3600, 86400);
	c.stranger = make_certificate("them", "DNS:them.example", &c.other, -3600, 86400);
	put_key(&c.client, "bench", "mdm", "01");
	put_key(&c.stranger, "bench", "strange", "02");
	server_stop_at(&s->server);
	s->server = server_start(&c.server, &c.ca);

	snprintf(spoken, sizeof(spoken), "%s/spoken", home);
	fflush(stderr);
	int kept = dup(2), into = open(spoken, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	dup2(into, 2);
	close(into);
	meets(s, "token=nosuch;object=mdm", &c.client, "5678", "token_gone", STG_ID_TARGET_TOKEN_GONE);
	meets(s, "token=bench;object=mdm", &c.client, "9041", "token_pin", STG_ID_TARGET_TOKEN_PIN);
	/* the same PIN again is not shown to the token, which would lock itself */
	meets(s, "token=bench;object=mdm", &c.client, "9041", "token_pin", STG_ID_TARGET_TOKEN_PIN);
	meets(s, "token=bench;object=nosuch", &c.client, "5678", "token_gone", STG_ID_TARGET_TOKEN_GONE);
	meets(s, "token=bench;object=mdm", &c.stranger, "5678", "token_pair", STG_ID_TARGET_TOKEN_PAIR);
	/* a key and certificate that fit one another, of somebody the server does not know */
	meets(s, "token=bench;object=strange", &c.stranger, "5678", "auth", STG_ID_TARGET_AUTH);
	meets(s, "token=bench;object=mdm", &c.client, "5678", "", 0);
	dup2(kept, 2);
	close(kept);
	nothing_was_printed(spoken, "9041");
	nothing_was_printed(spoken, "5678");
	struct made *all[] = { &c.ca, &c.other, &c.server, &c.client, &c.stranger };
	for (size_t i = 0; i < STG_ARRAY_LEN(all); i++)
		made_clear(all[i]);
	run("rm -rf %s", home);
}

static void what_is_missing_beside_the_key_is_told_before_anything_is_kept(void **state)
{
	(void)state;
	static const struct {
		const char *uri, *pem, *pin;
		enum stg_id id;
	} cases[] = {
		{ "file:/key", "-----BEGIN CERTIFICATE", "1234", STG_ID_TOKEN_URI }, { "pkcs11:token=a;object=b?pin-value=1234", "-----BEGIN CERTIFICATE", "1234", STG_ID_TOKEN_URI },
		{ "pkcs11:token=a;object=b", "", "1234", STG_ID_TARGET_CREDENTIALS }, { "pkcs11:token=a;object=b", "-----BEGIN CERTIFICATE", "", STG_ID_TARGET_CREDENTIALS },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(cases); i++) {
		json_t *credentials = json_object();
		stg_json_put(credentials, "secret", SECRET);
		stg_json_put(credentials, "client_pem", cases[i].pem);
		stg_json_put(credentials, "pin", cases[i].pin);
		STG_AUTO(stg_free_at) char *text = stg_json_text(credentials);
		STG_AUTO(stg_json_free_at) json_t *target = json_pack("{s:s,s:s,s:{s:s,s:s}}", "name", "t", "connector", "webhook", "config", "url", "https://127.0.0.1/", "client_key", cases[i].uri);
		struct stg_secret secret = { 0 };
		OK(stg_secret_set(&secret, stg_bytes_str(text), err));
		struct stg_error e = { 0 };
		assert_false(stg_push_check(target, &secret, false, "/nonexistent", &e));
		if (e.id != (unsigned int)cases[i].id)
			fail_msg("%zu: %u %s", i, (unsigned int)e.id, e.msg);
		stg_secret_clear(&secret);
		json_decref(credentials);
	}
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_missing_beside_the_key_is_told_before_anything_is_kept),
		cmocka_unit_test(the_key_stays_in_the_token_and_each_trouble_has_its_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
