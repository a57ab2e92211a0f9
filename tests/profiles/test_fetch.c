/*
 * test_fetch.c - enrolment profiles as each MDM gives them out; what a server may answer instead, each told apart.
 *
 * The servers stand on loopback (tests/push/server.h); bodies have the shapes of mdm-push 13.2, written here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "../push/server.h"

#include <openssl/cms.h>

#include <stager/clock.h>
#include <stager/file.h>
#include <stager/net.h>
#include <stager/payload.h>
#include <stager/station.h>

#define DAY_MS 86400000LL

static struct caller_box {
	char dir[64], state[96];
	struct stg_caller c;
} desk;
static struct server *web;
static char url[128];

/* ---- what an MDM holds ---- */

#define ENROL(extra, identity) \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n" \
	"<plist version=\"1.0\"><dict><key>PayloadType</key><string>Configuration</string><key>PayloadVersion</key><integer>1</integer>" \
	"<key>PayloadIdentifier</key><string>com.example.mdm.enroll</string><key>PayloadUUID</key><string>0A0A0A0A-1111-4222-8333-000000000001</string>" \
	"<key>PayloadDisplayName</key><string>Enrolment</string>" extra "<key>PayloadContent</key><array>" identity \
	"<dict><key>PayloadType</key><string>com.apple.mdm</string><key>PayloadVersion</key><integer>1</integer><key>PayloadIdentifier</key>" \
	"<string>com.example.mdm</string><key>PayloadUUID</key><string>0A0A0A0A-1111-4222-8333-000000000003</string><key>IdentityCertificateUUID</key>" \
	"<string>0A0A0A0A-1111-4222-8333-000000000002</string><key>Topic</key><string>com.apple.mgmt.External.1</string><key>ServerURL</key>" \
	"<string>https://mdm.example.org/mdm</string><key>CheckInURL</key><string>https://mdm.example.org/checkin</string><key>AccessRights</key>" \
	"<integer>8191</integer></dict></array></dict></plist>\n"
#define SCEP(challenge) \
	"<dict><key>PayloadType</key><string>com.apple.security.scep</string><key>PayloadVersion</key><integer>1</integer><key>PayloadIdentifier</key>" \
	"<string>com.example.scep</string><key>PayloadUUID</key><string>0A0A0A0A-1111-4222-8333-000000000002</string><key>PayloadContent</key><dict>" \
	"<key>URL</key><string>https://mdm.example.org/scep</string><key>Challenge</key><string>" challenge "</string><key>Keysize</key><integer>2048</integer></dict></dict>"
static const char enrolment[] = ENROL("", SCEP("micromdm"));
static const char no_mdm[] =
	"<?xml version=\"1.0\"?><plist version=\"1.0\"><dict><key>PayloadType</key><string>Configuration</string><key>PayloadVersion</key><integer>1</integer>"
	"<key>PayloadIdentifier</key><string>a.b</string><key>PayloadUUID</key><string>0A0A0A0A-1111-4222-8333-000000000001</string><key>PayloadContent</key><array/></dict></plist>";

static void will_answer(const char *status, const char *type, const void *body, size_t len, const char *more)
{
	STG_AUTO(stg_buf_clear) struct stg_buf all = STG_BUF(4u << 20);
	char head[400];
	snprintf(head, sizeof(head), "HTTP/1.1 %s\r\n%s%s%sContent-Length: %zu\r\nConnection: close\r\n%s\r\n", status, type ? "Content-Type: " : "", type ? type : "",
		 type ? "\r\n" : "", len, more);
	assert_true(stg_buf_add_str(&all, head, NULL) && stg_buf_add(&all, body, len, NULL));
	server_will_bytes(web, WAY_ANSWER, all.data, all.len);
}

static void will_give(const char *type, const char *body)
{
	will_answer("200 OK", type, body, strlen(body), "");
}

/* ---- asking ---- */

static bool call(const char *op, json_t *in, json_t **ret, struct stg_error *err)
{
	*err = (struct stg_error){ 0 };
	bool ok = stg_call(&desk.c, op, in, NULL, 0, ret, err);
	json_decref(in);
	return ok;
}

static bool fetch(json_t *in, json_t **ret_kept, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *got = NULL;
	return call("profile.fetch", in, &got, err) && call("profile.keep", json_incref(got), ret_kept, err);
}

static json_t *asked(const char *name, const char *mdm, const char *secret)
{
	json_t *in = json_object();
	stg_json_put(in, "name", name);
	stg_json_put(in, "mdm", mdm);
	stg_json_put(in, "url", url);
	stg_json_put(in, "secret", secret);
	return in;
}

static void refused(json_t *in, enum stg_id id, const char *words)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *kept = NULL;
	char path[200];
	bool ok = fetch(in, &kept, &err);
	if (ok || err.id != id || !strstr(err.msg, words))
		fail_msg("got %u '%s', expected %u '%s'", err.id, ok ? "kept" : err.msg, id, words);
	assert_true(*stg_id_sentence_in(err.id, "fr") && *stg_id_act_in(err.id, "en"));
	snprintf(path, sizeof(path), "%s/profiles/bad.mobileconfig", desk.state);
	assert_int_not_equal(access(path, F_OK), 0);
}

static json_t *good(json_t *in)
{
	struct stg_error err = { 0 };
	json_t *kept = NULL;
	if (!fetch(in, &kept, &err))
		fail_msg("%u %s", err.id, err.msg);
	return kept;
}

/* The file is what came, byte for byte, and nobody else reads it. */
static void is_kept(const char *name, struct stg_bytes expected)
{
	STG_AUTO(stg_buf_clear) struct stg_buf file = STG_BUF(1 << 20);
	struct stg_error err = { 0 };
	struct stat st;
	char path[200];
	snprintf(path, sizeof(path), "%s/profiles/%s.mobileconfig", desk.state, name);
	assert_true(stg_file_read(path, &file, &err));
	assert_true(stg_bytes_equal(stg_buf_view(&file), expected));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static const char *header(const char *name)
{
	return stg_json_str(web->last_headers, name);
}

/* ---- what is no profile ---- */

static void a_page_for_people_is_told_as_such(void **state)
{
	(void)state;
	will_give("text/html; charset=utf-8", "<!DOCTYPE html><html><body>Sign in</body></html>");
	refused(asked("bad", "jamf", ""), STG_ID_FETCH_PAGE, "127.0.0.1");
	will_give("application/octet-stream", "\n<HTML><head>");
	refused(asked("bad", "other", ""), STG_ID_FETCH_PAGE, "HTML");
	will_answer("511 Network Authentication Required", "text/html", "<html>", 6, "");
	refused(asked("bad", "other", ""), STG_ID_FETCH_PAGE, "511");
}

static void an_address_elsewhere_is_never_followed(void **state)
{
	(void)state;
	int before = web->requests;
	will_answer("302 Found", NULL, "", 0, "Location: https://login.example.net/oauth?state=secret-word\r\n");
	refused(asked("bad", "intune", ""), STG_ID_FETCH_ELSEWHERE, "login.example.net");
	will_answer("301 Moved", NULL, "", 0, "Location: /somewhere\r\n");
	refused(asked("bad", "intune", ""), STG_ID_FETCH_ELSEWHERE, "127.0.0.1");
	will_answer("307 Moved", NULL, "", 0, "");
	refused(asked("bad", "intune", ""), STG_ID_FETCH_ELSEWHERE, "does not say where");
	assert_int_equal(web->requests, before + 3);
}

static void a_refused_sign_in_is_told(void **state)
{
	(void)state;
	will_answer("401 Unauthorized", "application/json", "{}", 2, "WWW-Authenticate: Bearer\r\n");
	refused(asked("bad", "jamf", "token"), STG_ID_FETCH_DENIED, "HTTP 401");
	assert_string_equal(header("authorization"), "Bearer MARKED-TOKEN");
	will_answer("403 Forbidden", NULL, "", 0, "");
	refused(asked("bad", "jamf", "token"), STG_ID_FETCH_DENIED, "HTTP 403");
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *none = NULL;
	assert_false(fetch(asked("bad", "jamf", "nosuch"), &none, &err));
	assert_int_equal(err.id, STG_ID_SECRET_UNKNOWN);
}

static void answers_too_long_too_short_or_absent_are_told_apart(void **state)
{
	(void)state;
	server_will(web, WAY_HUGE, NULL);
	refused(asked("bad", "other", ""), STG_ID_FETCH_LARGE, "larger than");
	/* the length was announced */
	char cut[sizeof(enrolment) + 200];
	snprintf(cut, sizeof(cut), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%.700s", sizeof(enrolment) - 1, enrolment);
	server_will(web, WAY_ANSWER, cut);
	refused(asked("bad", "other", ""), STG_ID_FETCH_SHORT, "127.0.0.1");
	/* and where it was not, the property list has no end */
	snprintf(cut, sizeof(cut), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n%.700s", enrolment);
	server_will(web, WAY_ANSWER, cut);
	refused(asked("bad", "other", ""), STG_ID_FETCH_SHORT, "");
	server_will(web, WAY_ANSWER, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"value\": \"<?xml");
	refused(asked("bad", "intune", ""), STG_ID_FETCH_SHORT, "does not end");
	server_will(web, WAY_ANSWER, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
	refused(asked("bad", "other", ""), STG_ID_FETCH_NONE, "an empty answer");
	will_answer("404 Not Found", NULL, "", 0, "");
	refused(asked("bad", "other", ""), STG_ID_FETCH_NONE, "HTTP 404");
	server_will(web, WAY_CUT_BEFORE, NULL);
	refused(asked("bad", "other", ""), STG_ID_FETCH_UNREACHED, "");
	will_answer("503 Unavailable", NULL, "", 0, "");
	refused(asked("bad", "other", ""), STG_ID_FETCH_BUSY, "503");
	will_answer("429 Slow down", NULL, "", 0, "Retry-After: 20\r\n");
	refused(asked("bad", "other", ""), STG_ID_FETCH_BUSY, "429");
}

static void what_is_no_enrolment_is_not_kept(void **state)
{
	(void)state;
	will_give("application/x-apple-aspen-config", no_mdm);
	refused(asked("bad", "other", ""), STG_ID_FETCH_FORM, "no com.apple.mdm");
	will_give("application/json", "{\"error\": {\"code\": \"ResourceNotFound\", \"message\": \"No such profile\"}}");
	refused(asked("bad", "intune", ""), STG_ID_FETCH_FORM, "No such profile");
	will_give("application/json", "{\"value\": 7}");
	refused(asked("bad", "intune", ""), STG_ID_FETCH_FORM, "JSON without a profile");
	/* only one kind wraps it */
	will_give("application/json", "{\"value\": \"<plist/>\"}");
	refused(asked("bad", "jamf", ""), STG_ID_FETCH_FORM, "JSON without a profile");
	will_give("text/plain", "hello");
	refused(asked("bad", "other", ""), STG_ID_FETCH_FORM, "neither a property list nor");
	/* the first half of an enrolment over the air: a device takes it from a browser only */
	will_give(NULL, "<?xml version=\"1.0\"?><plist version=\"1.0\"><dict><key>PayloadType</key><string>Profile Service</string><key>PayloadVersion</key><integer>1</integer>"
			"<key>PayloadIdentifier</key><string>a.b</string><key>PayloadUUID</key><string>0A0A0A0A-1111-4222-8333-000000000001</string>"
			"<key>PayloadContent</key><dict/></dict></plist>");
	refused(asked("bad", "fleet", ""), STG_ID_FETCH_FORM, "enrol over the air");
}

static void a_profile_that_has_ended_is_not_kept(void **state)
{
	(void)state;
	static const char past[] = ENROL("<key>RemovalDate</key><date>2020-01-01T00:00:00Z</date>", SCEP("x"));
	will_give("application/x-apple-aspen-config", past);
	refused(asked("bad", "other", ""), STG_ID_FETCH_EXPIRED, "removal: 2020-01-01");
}

static void a_server_with_a_wrong_certificate_is_not_asked(void **state)
{
	(void)state;
	struct server *plain = web;
	char before[128];
	stg_copy(before, sizeof(before), url);
	struct made ca = make_certificate("CA", NULL, NULL, -86400 * 30, 86400 * 30);
	struct made old = make_certificate("mdm", "IP:127.0.0.1", &ca, -86400 * 20, -86400), other = make_certificate("mdm", "DNS:other.example", &ca, -60, 86400);
	char pem[8192], path[120];
	made_pem(&ca, false, pem, sizeof(pem));
	snprintf(path, sizeof(path), "%s/ca.pem", desk.dir);
	struct stg_error err = { 0 };
	assert_true(stg_file_write(path, stg_bytes_str(pem), 0600, &err));
	const struct { const struct made *cert; bool with_ca; enum stg_id id; } cases[] = {
		{ &old, true, STG_ID_FETCH_CLOCK }, { &other, true, STG_ID_FETCH_TRUST }, { &old, false, STG_ID_FETCH_TRUST },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(cases); i++) {
		web = server_start(cases[i].cert, NULL);
		snprintf(url, sizeof(url), "https://127.0.0.1:%d/enrol", web->port);
		json_t *in = asked("bad", "other", "token");
		STG_AUTO(stg_json_free_at) json_t *got = NULL;
		STG_AUTO(stg_close_at) int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (cases[i].with_ca) {
			stg_json_put(in, "ca", path);
			stg_json_put_new(in, "files", json_pack("[s]", "ca"));
		}
		err = (struct stg_error){ 0 };
		assert_false(stg_call(&desk.c, "profile.fetch", in, &fd, cases[i].with_ca ? 1 : 0, &got, &err));
		/* an expired certificate of a CA nobody knows may be told either way */
		if (err.id != cases[i].id && !(i == 2 && err.id == STG_ID_FETCH_CLOCK))
			fail_msg("case %zu: %u %s", i, err.id, err.msg);
		assert_int_equal(web->requests, 0);
		json_decref(in);
		server_stop_at(&web);
	}
	made_clear(&ca);
	made_clear(&old);
	made_clear(&other);
	web = plain;
	stg_copy(url, sizeof(url), before);
}

static void words_that_make_no_sense_are_refused(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *none = NULL;
	json_t *in = asked("bad", "nosuch", "");
	assert_false(call("profile.fetch", in, &none, &err));
	assert_int_equal(err.id, STG_ID_FETCH_MDM);
	assert_non_null(strstr(err.msg, "workspace-one"));
	assert_false(call("profile.fetch", asked("../bad", "other", ""), &none, &err));
	assert_int_equal(err.id, STG_ID_PROFILE_NAME_WRONG);
	assert_false(call("profile.fetch", json_pack("{s:s}", "name", "never"), &none, &err));
	assert_int_equal(err.id, STG_ID_FETCH_UNKNOWN);
	assert_false(call("profile.fetch", json_pack("{s:s,s:s}", "name", "bad", "url", "http://mdm.example.org/x"), &none, &err));
	assert_non_null(strstr(err.msg, "https://"));
	assert_false(call("profile.fetch", json_pack("{s:s,s:s}", "name", "bad", "url", "https://u:p@mdm.example.org/x"), &none, &err));
	assert_null(strstr(err.msg, "u:p"));
	assert_false(call("profile.fetch", json_pack("{s:s,s:s,s:s}", "name", "bad", "url", url, "header", "X-A: b\r\nX"), &none, &err));
	assert_int_equal(err.code, STG_E_USAGE);
	/* not what this station sealed */
	assert_false(call("profile.keep", json_pack("{s:s,s:s,s:s}", "name", "bad", "sealed", "AAAA", "profile", "AAAA"), &none, &err));
	assert_false(call("profile.forget", json_pack("{s:s}", "name", "never"), &none, &err));
	assert_int_equal(err.id, STG_ID_FETCH_UNKNOWN);
}

/* A profile somebody made is not overwritten by one of the same name from elsewhere. */
static void a_profile_made_by_hand_is_left_alone(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *none = NULL;
	char path[200];
	snprintf(path, sizeof(path), "%s/profiles", desk.state);
	assert_true(stg_folder_make(path, 0700, &err));
	snprintf(path, sizeof(path), "%s/profiles/mine.mobileconfig", desk.state);
	assert_true(stg_file_write(path, stg_bytes_str("mine"), 0600, &err));
	will_give("application/x-apple-aspen-config", enrolment);
	assert_false(fetch(asked("mine", "other", ""), &none, &err));
	assert_non_null(strstr(err.msg, "was not fetched"));
	is_kept("mine", stg_bytes_str("mine"));
}

/* Whoever may choose the address would be the secret's reader; the same again is anybody's. */
static void only_an_administrator_says_where_a_secret_goes(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *none = NULL, *kept = NULL;
	char tess[sizeof(desk.c.actor)];
	stg_copy(tess, sizeof(tess), desk.c.actor);
	will_give("application/x-apple-aspen-config", enrolment);
	kept = good(asked("theirs", "jamf", "token"));
	assert_true(call("user.add", json_pack("{s:s,s:s,s:s}", "name", "boss", "role", "admin", "pin", "471147"), &none, &err));
	json_decref(none);
	none = NULL;
	if (!call("user.add", json_pack("{s:s,s:s,s:s,s:s,s:s}", "name", "tess", "role", "technician", "pin", "471148", "second", "boss", "second_pin", "471147"), &none, &err))
		fail_msg("%s", err.msg);
	stg_copy(desk.c.actor, sizeof(desk.c.actor), "tess");
	int before = web->requests;
	json_decref(none);
	none = NULL;
	assert_false(call("profile.fetch", asked("bad", "jamf", "token"), &none, &err));
	assert_int_equal(web->requests, before);
	will_give("application/x-apple-aspen-config", enrolment);
	json_decref(kept);
	kept = good(json_pack("{s:s}", "name", "theirs"));
	stg_copy(desk.c.actor, sizeof(desk.c.actor), tess);
}

/* A closed line is not looked through, but this machine is no line. */
static void a_closed_line_holds_fetching_back(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *none = NULL, *kept = NULL, *closed = NULL, *opened = NULL;
	assert_true(call("window.close", json_object(), &closed, &err));
	assert_false(call("profile.fetch", json_pack("{s:s,s:s}", "name", "bad", "url", "https://mdm.example.org/x"), &none, &err));
	assert_int_equal(err.id, STG_ID_LINE_CLOSED);
	assert_int_equal(stg_exit_status(&err), 6);
	will_give("application/x-apple-aspen-config", enrolment);
	kept = good(asked("near", "other", ""));
	assert_true(call("window.open", json_object(), &opened, &err));
}

/* ---- as each gives it out ---- */

static void intune_wraps_it_in_json_and_it_lives_two_weeks(void **state)
{
	(void)state;
	STG_AUTO(stg_json_free_at) json_t *j = json_pack("{s:s,s:s}", "@odata.context", "https://graph.example/$metadata#Edm.String", "value", enrolment), *kept = NULL;
	STG_AUTO(stg_free_at) char *text = json_dumps(j, 0);
	will_give("application/json;odata.metadata=minimal", text);
	kept = good(asked("intune", "intune", "token"));
	assert_string_equal(header("authorization"), "Bearer MARKED-TOKEN");
	is_kept("intune", stg_bytes_str(enrolment));
	int64_t life = stg_json_int(kept, "not_after_ms", 0) - stg_json_int(kept, "obtained_ms", 0);
	assert_int_equal(life, 14 * DAY_MS);
	assert_string_equal(stg_json_str(kept, "why"), "life");
	assert_non_null(strstr(stg_json_str(kept, "host"), "127.0.0.1"));
	assert_null(json_object_get(kept, "sealed"));
}

static void jamf_signs_it_and_the_signature_stays(void **state)
{
	(void)state;
	struct made ca = make_certificate("Jamf CA", NULL, NULL, -86400, 86400 * 90), signer = make_certificate("JSS", "DNS:jss.example", &ca, -86400, 86400 * 40);
	BIO *in = BIO_new_mem_buf(enrolment, (int)sizeof(enrolment) - 1);
	CMS_ContentInfo *cms = CMS_sign(signer.cert, signer.key, NULL, in, CMS_BINARY | CMS_NOSMIMECAP);
	uint8_t *der = NULL;
	int n = i2d_CMS_ContentInfo(cms, &der);
	will_answer("200 OK", "application/x-apple-aspen-config", der, (size_t)n, "");
	STG_AUTO(stg_json_free_at) json_t *kept = good(asked("jamf", "jamf", "token"));
	is_kept("jamf", stg_bytes(der, (size_t)n));
	/* the signer ends first */
	assert_string_equal(stg_json_str(kept, "why"), "signer");
	/* cut on the way */
	will_answer("200 OK", "application/x-apple-aspen-config", der, (size_t)n / 2, "");
	refused(asked("bad", "jamf", "token"), STG_ID_FETCH_SHORT, "");
	/* and edited on the way */
	uint8_t *at = memmem(der, (size_t)n, "8191", 4);
	at[0] = '7';
	will_answer("200 OK", "application/x-apple-aspen-config", der, (size_t)n, "");
	refused(asked("bad", "jamf", "token"), STG_ID_PROFILE_SIGNATURE, "does not match");
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	made_clear(&ca);
	made_clear(&signer);
}

static void workspace_one_wants_an_account_or_a_header_of_its_own(void **state)
{
	(void)state;
	json_t *in = asked("ws1", "workspace-one", "token");
	stg_json_put(in, "user", "stager");
	will_answer("401 Unauthorized", NULL, "", 0, "WWW-Authenticate: Basic realm=\"console\"\r\n");
	will_give("application/x-apple-aspen-config", enrolment);
	STG_AUTO(stg_json_free_at) json_t *kept = good(in), *again = NULL;
	assert_true(stg_json_bool(kept, "changed", false));
	assert_int_equal(strncmp(header("authorization"), "Basic ", 6), 0);
	in = asked("ws1", "workspace-one", "token");
	stg_json_put(in, "header", "aw-tenant-code");
	will_give("application/x-apple-aspen-config", enrolment);
	again = good(in);
	assert_string_equal(header("aw-tenant-code"), "MARKED-TOKEN");
	assert_string_equal(header("authorization"), "");
	assert_false(stg_json_bool(again, "changed", true));
}

static void ivanti_gives_a_file_behind_a_token_in_the_address(void **state)
{
	(void)state;
	char with_token[160];
	json_t *in = asked("ivanti", "ivanti", "");
	snprintf(with_token, sizeof(with_token), "%s?pin=MARKED-PIN", url);
	stg_json_put(in, "url", with_token);
	will_give("application/x-apple-aspen-config; charset=utf-8", enrolment);
	STG_AUTO(stg_json_free_at) json_t *kept = good(in), *list = NULL;
	assert_null(strstr(stg_json_str(kept, "host"), "MARKED"));
	struct stg_error err = { 0 };
	/* the address is kept sealed, and shown nowhere */
	assert_true(call("profile.fetched", json_object(), &list, &err));
	STG_AUTO(stg_free_at) char *text = json_dumps(list, 0);
	assert_null(strstr(text, "MARKED"));
	assert_null(strstr(text, "sealed"));
	char db[160];
	snprintf(db, sizeof(db), "grep -rqa MARKED-PIN %s", desk.state);
	assert_int_not_equal(system(db), 0);
}

/* Its own server sends no type, and a new challenge each time: good for one device. */
static void micromdm_gives_a_new_challenge_each_time(void **state)
{
	(void)state;
	static const char other[] = ENROL("", SCEP("b25lIG9mIG1hbnk="));
	json_t *in = asked("micro", "micromdm", "");
	stg_json_put_bool(in, "once", true);
	will_give(NULL, enrolment);
	STG_AUTO(stg_json_free_at) json_t *first = good(in), *second = NULL;
	assert_true(stg_json_bool(first, "once", false));
	assert_int_equal(stg_json_int(first, "not_after_ms", -1), 0);
	will_give(NULL, other);
	/* the same again: nothing but its name */
	second = good(json_pack("{s:s}", "name", "micro"));
	assert_true(stg_json_bool(second, "changed", false));
	assert_true(stg_json_bool(second, "once", false));
	is_kept("micro", stg_bytes_str(other));
}

static void nanomdm_is_a_file_of_its_operator(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *kept = NULL, *none = NULL, *gone = NULL;
	char path[200];
	snprintf(path, sizeof(path), "%s/enroll.mobileconfig", desk.dir);
	assert_true(stg_file_write(path, stg_bytes_str(enrolment), 0600, &err));
	STG_AUTO(stg_close_at) int fd = open(path, O_RDONLY | O_CLOEXEC);
	STG_AUTO(stg_json_free_at) json_t *in = json_pack("{s:s,s:s,s:s,s:i,s:[s]}", "name", "nano", "mdm", "nanomdm", "file", path, "life_days", 3, "files", "file");
	if (!stg_call(&desk.c, "profile.keep", in, &fd, 1, &kept, &err))
		fail_msg("%s", err.msg);
	is_kept("nano", stg_bytes_str(enrolment));
	assert_int_equal(stg_json_int(kept, "not_after_ms", 0) - stg_json_int(kept, "obtained_ms", 0), 3 * DAY_MS);
	/* a file cannot be fetched again */
	assert_false(call("profile.fetch", json_pack("{s:s}", "name", "nano"), &none, &err));
	assert_non_null(strstr(err.msg, "came as a file"));
	assert_true(call("profile.forget", json_pack("{s:s}", "name", "nano"), &gone, &err));
	snprintf(path, sizeof(path), "%s/profiles/nano.mobileconfig", desk.state);
	assert_int_not_equal(access(path, F_OK), 0);
}

/* ---- up and down ---- */

static int up(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *none = NULL;
	snprintf(desk.dir, sizeof(desk.dir), "%s/fetch.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!mkdtemp(desk.dir))
		return -1;
	snprintf(desk.state, sizeof(desk.state), "%s/state", desk.dir);
	web = server_start(NULL, NULL);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/enrol", web->port);
	return stg_caller_open(&desk.c, desk.state, "tester", &err) &&
	       call("secret.set", json_pack("{s:s,s:s}", "name", "token", "value", "MARKED-TOKEN"), &none, &err) ? 0 : -1;
}

static int down(void **state)
{
	(void)state;
	char command[120];
	server_stop_at(&web);
	stg_caller_close(&desk.c);
	snprintf(command, sizeof(command), "rm -rf %s", desk.dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_for_people_is_told_as_such),
		cmocka_unit_test(an_address_elsewhere_is_never_followed),
		cmocka_unit_test(a_refused_sign_in_is_told),
		cmocka_unit_test(answers_too_long_too_short_or_absent_are_told_apart),
		cmocka_unit_test(what_is_no_enrolment_is_not_kept),
		cmocka_unit_test(a_profile_that_has_ended_is_not_kept),
		cmocka_unit_test(a_server_with_a_wrong_certificate_is_not_asked),
		cmocka_unit_test(words_that_make_no_sense_are_refused),
		cmocka_unit_test(a_profile_made_by_hand_is_left_alone),
		cmocka_unit_test(a_closed_line_holds_fetching_back),
		cmocka_unit_test(intune_wraps_it_in_json_and_it_lives_two_weeks),
		cmocka_unit_test(jamf_signs_it_and_the_signature_stays),
		cmocka_unit_test(workspace_one_wants_an_account_or_a_header_of_its_own),
		cmocka_unit_test(ivanti_gives_a_file_behind_a_token_in_the_address),
		cmocka_unit_test(micromdm_gives_a_new_challenge_each_time),
		cmocka_unit_test(nanomdm_is_a_file_of_its_operator),
		cmocka_unit_test(only_an_administrator_says_where_a_secret_goes),
	};
	return cmocka_run_group_tests(tests, up, down);
}
