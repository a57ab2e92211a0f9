/*
 * test_marked.c - a target's secrets are marked, used, repeated to us by hostile servers in every place they can, and found nowhere.
 *
 * Looked into: every file of the state folder, the outbox, the targets, what `try` and `test` say, what this program logs.
 */
#include "site.h"

#include <fcntl.h>
#include <ftw.h>

#include <stager/log.h>

/* With signs that a form encodes, so that both forms must be found. */
#define SECRET_1 "MARKED+secret/1=&x ~"
#define TOKEN_1 "MARKED.token-1:/y"
#define GIVEN_TOKEN "MARKED-given-token-from-the-sign-in"

static int found;
static char log_path[160];

static void look(const char *where, const char *data, size_t n)
{
	const char *at = memmem(data, n, "MARKED", 6), *coded = memmem(data, n, "TUFSS0VE", 8);
	at = at ? at : coded;
	if (!at)
		return;
	found++;
	print_message("in %s: %.60s\n", where, at);
}

static int look_file(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	STG_AUTO(stg_buf_clear) struct stg_buf b = STG_BUF(64u << 20);
	(void)ftw;
	if (kind == FTW_F && S_ISREG(st->st_mode) && stg_file_read(path, &b, NULL))
		look(path, (const char *)b.data, b.len);
	return 0;
}

static void look_json(const char *where, const json_t *j)
{
	STG_AUTO(stg_free_at) char *text = j ? json_dumps(j, JSON_ENCODE_ANY) : NULL;
	if (text)
		look(where, text, strlen(text));
}

static void look_everywhere(struct site *s, const char *target)
{
	struct stg_error why = { 0 };
	struct stg_secret secret = { 0 };
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_outbox(s->st.s, NULL, &why);
	STG_AUTO(stg_json_free_at) json_t *targets_now = stg_store_targets(s->st.s, &why);
	STG_AUTO(stg_json_free_at) json_t *tested = stg_push_test(&s->door, target, &why);
	look("the test's error", why.msg, strlen(why.msg));
	STG_AUTO(stg_json_free_at) json_t *row = stg_store_target(s->st.s, target, NULL, &why);
	OK(credentials(s, target, &secret, err));
	STG_AUTO(stg_json_free_at) json_t *tried = stg_push_try(row, &secret, NULL, false, s->st.dir, &why);
	look("the try's error", why.msg, strlen(why.msg));
	stg_secret_clear(&secret);
	look_json("the outbox", rows);
	look_json("the targets", targets_now);
	look_json("test", tested);
	look_json("try", tried);
	assert_int_equal(nftw(s->st.dir, look_file, 16, FTW_PHYS), 0);
	STG_AUTO(stg_buf_clear) struct stg_buf log = STG_BUF(64u << 20);
	if (stg_file_read(log_path, &log, NULL))
		look("the log", (const char *)log.data, log.len);
}

/* Everything we said comes back, in all places of an answer; the status goes round. */
static char *repeats(struct server *s, void *ctx)
{
	static const char *const lines[] = { "400 X", "401 X", "403 X", "404 X", "409 X", "422 X", "429 X\r\nRetry-After: MARKED", "500 X", "503 X", "302 X\r\nLocation: /?MARKED", "200 X" };
	int *n = ctx;
	char *all = NULL;
	const char *auth = stg_json_str(s->last_headers, "authorization"), *name;
	json_t *value;
	STG_AUTO(stg_buf_clear) struct stg_buf said = STG_BUF(1u << 20);
	STG_AUTO(stg_json_free_at) json_t *body = NULL;
	if (strstr(stg_json_str(s->last_headers, ":request"), "/token") && *n % 3) {
		if (asprintf(&all, "HTTP/1.1 200 X\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{\"access_token\":\"%s\",\"expires_in\":3600}", GIVEN_TOKEN) < 0)
			abort();
		++*n;
		return all;
	}
	(void)stg_buf_printf(&said, NULL, "you said %s and %s; ", s->last_body, auth);
	json_object_foreach(s->last_headers, name, value)
		(void)stg_buf_printf(&said, NULL, "%s: %s, ", name, json_string_value(value));
	body = json_pack("{s:s,s:s,s:s,s:s,s:[{s:s,s:s,s:s}]}", "error", auth, "error_description", stg_buf_str(&said), "message", stg_buf_str(&said), "name", "", "results",
			 "key", "F2LXK0AA0001", "outcome", "rejected", "message", stg_buf_str(&said));
	STG_AUTO(stg_free_at) char *text = stg_json_text(body);
	if (asprintf(&all, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nX-Echo: %s\r\nConnection: close\r\n\r\n%s", lines[(size_t)(*n)++ % STG_ARRAY_LEN(lines)], auth, text) < 0)
		abort();
	return all;
}

static const char *connector(struct site *s, const char *auth)
{
	static int number;
	char path[256], text[2048], url[64], name[32];
	snprintf(path, sizeof(path), "%s/connectors", s->st.dir);
	OK(stg_folder_make(path, 0700, err));
	snprintf(name, sizeof(name), "marked%d", ++number);
	snprintf(path, sizeof(path), "%s/connectors/%s.yaml", s->st.dir, name);
	snprintf(text, sizeof(text),
		 "name: %s\nabout: x\nauth: %s\nsettings: {client_id: {about: who}, user: {about: who}}\nbatch: {max_items: 2}\nnatural_key: serial\n"
		 "request: {method: POST, path: /import, body: '[.[].device.serial]'}\nreceipts: '.results[] | {key, outcome, message}'\n"
		 "errors: '{class: \"\", message: (.body.message? // \"\")}'\ntest: {method: GET, path: /ping}\n", name, auth);
	OK(stg_file_write(path, stg_bytes_str(text), 0600, err));
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", s->server->port);
	json_t *config = json_pack("{s:s,s:s,s:s}", "url", url, "client_id", "bench", "user", "bench");
	return target_add(s, name, config);
}

static void a_secret_that_is_repeated_to_us_is_kept_nowhere(void **state)
{
	(void)state;
	static const char *const auths[] = {
		"{kind: bearer}", "{kind: basic}", "{kind: header, header: x-key}", "{kind: hmac-webhook, also: [bearer]}",
		"{kind: oauth2-client-credentials, token_url: \"{{base_url}}/token\"}", "{kind: oauth2-minted-assertion, token_url: \"{{base_url}}/token\"}",
		"{kind: oauth2-client-assertion, token_url: \"{{base_url}}/token\"}", "{kind: jwt-bearer, token_url: \"{{base_url}}/token\"}",
	};
	char pem[8192];
	struct made ca = make_certificate("MARKED-name", NULL, NULL, -10, 86400);
	EVP_PKEY *rsa = EVP_RSA_gen(2048);
	BIO *b = BIO_new(BIO_s_mem());
	char *text;
	PEM_write_bio_PrivateKey(b, rsa, NULL, NULL, 0, NULL, NULL);
	long n = BIO_get_mem_data(b, &text);
	snprintf(pem, sizeof(pem), "%.*s", (int)n, text);
	BIO_free(b);
	EVP_PKEY_free(rsa);
	made_clear(&ca);
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	int answers = 0;
	snprintf(log_path, sizeof(log_path), "%s/../marked-%d.log", s->st.dir, (int)getpid());
	fflush(stderr);
	int keep = dup(2), log = open(log_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(keep >= 0 && log >= 0 && dup2(log, 2) == 2);
	s->server->vendor = repeats;
	s->server->vendor_ctx = &answers;
	for (size_t i = 0; i < STG_ARRAY_LEN(auths); i++) {
		json_object_clear(s->credentials);
		bool by_key = strstr(auths[i], "client-assertion") || strstr(auths[i], "jwt-bearer");
		bool by_token = strstr(auths[i], "bearer}") || strstr(auths[i], "header") || strstr(auths[i], "minted") || strstr(auths[i], "also");
		if (by_key)
			json_object_set_new(s->credentials, "key_pem", json_string(pem));
		else if (by_token)
			json_object_set_new(s->credentials, "token", json_string(TOKEN_1));
		if (!by_key && (!by_token || strstr(auths[i], "also")))
			json_object_set_new(s->credentials, "secret", json_string(strstr(auths[i], "hmac") ? "whsec_TUFSS0VELWtleS1vZi1obWFjLTEyMzQ1Njc4" : SECRET_1));
		s->phones = 0;
		const char *target = connector(s, auths[i]);
		stage(s, 2);
		for (int k = 0; k < 12; k++) {
			int64_t delivered, next;
			struct stg_error e = { 0 };
			struct stg_push_door door = s->door;
			door.at_once = true;
			if (!stg_push_round(&door, target, NULL, &delivered, &next, &e))
				look("the round's error", e.msg, strlen(e.msg));
			stg_log_error(STG_LOG_WARNING, &(struct stg_tag){ .room = "push" }, &e);
			if (k % 6 == 5)
				look_everywhere(s, target);
		}
		/* assertions are no less secret for being short-lived */
		STG_AUTO(stg_json_free_at) json_t *rows = stg_store_outbox(s->st.s, NULL, NULL);
		STG_AUTO(stg_free_at) char *all = stg_json_text(rows);
		assert_null(strstr(all, "eyJ"));
		assert_null(strstr(all, "PRIVATE KEY"));
		STG_AUTO(stg_json_free_at) json_t *row = NULL;
		OK((row = stg_store_target(s->st.s, target, NULL, err)) != NULL);
		stg_json_put_bool(row, "enabled", false);
		OK(stg_store_target_put(s->st.s, row, stg_bytes(NULL, 0), err));
	}
	fflush(stderr);
	assert_int_equal(dup2(keep, 2), 2);
	close(keep);
	close(log);
	unlink(log_path);
	print_message("%d answers that repeat everything\n", answers);
	assert_true(answers > 60);
	assert_int_equal(found, 0);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_secret_that_is_repeated_to_us_is_kept_nowhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
