/*
 * test_bench.c - real workers, sandbox and all, take virtual iPads and iPhones through the shipped blueprints; the bench
 * is asked afterwards what the devices hold.
 */
#include "../apple/desk.h"
#include "worker_side.h"

#include <stager/payload.h>
#include <stager/report.h>

struct floor {
	struct desk d;
	struct side side;
	struct stg_job job;
	json_t *profiles, *rows;
	bool gate_says_no;
	int payloads, tokens, together;
};

/* ---- the station's half ---- */

static void put_b64(json_t *o, const char *key, struct stg_bytes b)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(8u << 20);
	assert_true(stg_base64(b, &text, NULL));
	stg_json_put_new(o, key, json_string(stg_buf_str(&text)));
}

static struct stg_buf take_b64(const json_t *o, const char *key)
{
	struct stg_buf b = STG_BUF(8u << 20);
	assert_true(stg_unbase64(stg_json_str(o, key), &b, NULL));
	return b;
}

static void put_pem(json_t *o, const char *key, struct stg_bytes b)
{
	stg_json_put_new(o, key, json_stringn((const char *)b.data, b.len));
}

static json_t *answer_payload(struct floor *f, const json_t *ask, struct stg_error *err)
{
	const json_t *step = stg_blueprint_step(f->job.blueprint, stg_json_str(ask, "key"));
	assert_non_null(step);
	f->payloads++;
	struct stg_identity who = f->job.identity;
	STG_AUTO(stg_json_free_at) json_t *values = stg_variables_of(&who, f->job.batch, f->job.attributes, f->job.blueprint);
	assert_true(stg_org_values(office.org, values, err));
	stg_json_put(values, "secret.enrolment_wifi", "for the bench only");
	STG_AUTO(stg_json_free_at) json_t *params = stg_variables_fill(json_object_get(step, "params"), values, err);
	if (!params)
		return NULL;
	const char *name = stg_json_str(params, "profile");
	const json_t *pinned = json_object_get(f->profiles, name);
	STG_AUTO(stg_buf_clear) struct stg_buf file = take_b64(pinned, "base64");
	STG_AUTO(stg_payload_clear) struct stg_payload p = { .bytes = STG_BUF(4u << 20) };
	STG_AUTO(stg_json_free_at) json_t *row = NULL;
	bool ok;
	if (strcmp(stg_json_str(step, "step"), "wallpaper") == 0) {
		STG_AUTO(stg_buf_clear) struct stg_buf png = STG_BUF(4u << 20);
		struct stg_wallpaper_ask picture = { .model = who.model, .title = "A-1042", .owner = "", .code = who.serial, .tick = true };
		char sha256[65];
		json_t *o = json_object();
		assert_true(stg_wallpaper_png(&picture, &png, err));
		stg_sha256_hex(stg_buf_view(&png), sha256);
		put_b64(o, "bytes", stg_buf_view(&png));
		stg_json_put(o, "identifier", "wallpaper");
		stg_json_put(o, "sha256", sha256);
		return o;
	}
	if (strcmp(stg_json_str(step, "step"), "issue_certificate") == 0) {
		STG_AUTO(stg_secret_clear) struct stg_secret p12 = { 0 }, password = { 0 };
		STG_AUTO(stg_json_free_at) json_t *issuers = stg_org_issuers(office.org);
		struct stg_leaf_ask leaf = { .common_name = stg_json_str(params, "common_name"), .san = json_object_get(params, "san"),
					     .key_type = "p-256", .days = stg_json_int(params, "days", 365), .purpose = "client" };
		ok = stg_leaf_issue(office.keys, office.org, stg_buf_view(&office.org_sealed), &leaf, NULL, &p12, &password, &row, err) &&
		     stg_profile_with_identity(name, stg_buf_view(&file), values, who.unit, stg_secret_reveal(&p12), stg_secret_reveal(&password),
					       issuers, stg_json_str(row, "sha256"), &p, err);
	} else {
		ok = stg_profile_fill(name, stg_buf_view(&file), values, who.unit, &p, err);
	}
	STG_AUTO(stg_buf_clear) struct stg_buf cms = STG_BUF(4u << 20);
	if (!ok || !stg_org_sign_profile(office.keys, office.org, stg_buf_view(&office.org_sealed), stg_buf_view(&p.bytes), &cms, err))
		return NULL;
	json_t *o = json_object();
	put_b64(o, "bytes", stg_buf_view(&cms));
	stg_json_put(o, "identifier", p.identifier);
	stg_json_put(o, "uuid", p.uuid);
	stg_json_put_int(o, "version", p.version);
	stg_json_put(o, "certificate_sha256", stg_json_str(row, "sha256"));
	return o;
}

static json_t *answer_relay(struct floor *f, const json_t *ask, struct stg_error *err)
{
	const json_t *h = json_object_get(ask, "http");
	STG_AUTO(stg_buf_clear) struct stg_buf body = take_b64(h, "body");
	struct stg_http http = { .method = stg_json_str(h, "method"), .url_path = stg_json_str(h, "url_path"),
				 .content_type = stg_json_str(h, "content_type"), .body = stg_buf_view(&body) };
	STG_AUTO(stg_http_answer_clear) struct stg_http_answer got = { .body = STG_BUF(8u << 20) };
	if (!relay(&f->d, &http, &got, err))
		return NULL;
	json_t *o = json_object(), *a = json_object();
	stg_json_put_new(o, "http", a);
	stg_json_put_int(a, "status", got.status);
	stg_json_put(a, "content_type", got.content_type);
	stg_json_put_new(a, "headers", json_incref(got.headers));
	put_b64(a, "body", stg_buf_view(&got.body));
	return o;
}

static json_t *answer(void *ctx, const char *what, const json_t *ask, struct stg_error *err)
{
	struct floor *f = ctx;
	if (strcmp(what, "payload") == 0)
		return answer_payload(f, ask, err);
	if (strcmp(what, "relay") == 0)
		return answer_relay(f, ask, err);
	STG_AUTO(stg_json_free_at) json_t *o = json_object();
	STG_AUTO(stg_buf_clear) struct stg_buf out = STG_BUF(1u << 20);
	if (strcmp(what, "host_identity") == 0) {
		STG_AUTO(stg_host_identity_clear) struct stg_host_identity h = { 0 };
		if (!host_identity(&f->d, &h, err))
			return NULL;
		stg_json_put(o, "host_id", h.host_id);
		stg_json_put(o, "system_buid", h.system_buid);
		put_pem(o, "root_certificate", stg_buf_view(&h.root_certificate));
		put_pem(o, "host_certificate", stg_buf_view(&h.host_certificate));
		put_pem(o, "root_key", stg_secret_reveal(&h.root_key));
		put_pem(o, "host_key", stg_secret_reveal(&h.host_key));
	} else if (strcmp(what, "keep_trust") == 0) {
		STG_AUTO(stg_buf_clear) struct stg_buf record = take_b64(ask, "record");
		STG_AUTO(stg_secret_clear) struct stg_secret secret = { 0 };
		if (!stg_secret_set(&secret, stg_buf_view(&record), err) || !keep_trust(&f->d, stg_json_str(ask, "udid"), &secret, err))
			return NULL;
	} else if (strcmp(what, "escrow") == 0) {
		return json_pack("{s:{s:s, s:i}}", "receipt", "key_sha256", "beef", "escrow", 1);
	} else if (strcmp(what, "supervisor") == 0) {
		if (!supervisor(&f->d, &out, err))
			return NULL;
		put_b64(o, "der", stg_buf_view(&out));
	} else if (strcmp(what, "sign_challenge") == 0) {
		STG_AUTO(stg_buf_clear) struct stg_buf challenge = take_b64(ask, "challenge");
		if (!sign_challenge(&f->d, stg_buf_view(&challenge), &out, err))
			return NULL;
		put_b64(o, "cms", stg_buf_view(&out));
	} else if (strcmp(what, "erase_token") == 0) {
		f->tokens++;
		if (f->gate_says_no) {
			stg_fail(err, STG_E_SAFETY, 0, "not pool equipment");
			return NULL;
		}
	}
	return stg_steal(o);
}

/* ---- a job on one device ---- */

static void floor_job(struct floor *f, const char *blueprint)
{
	struct stg_error err = { 0 };
	f->side = (struct side){ .answer = answer, .ctx = f };
	f->rows = json_array();
	f->job = (struct stg_job){ .id = 1, .batch = "NORTH-12" };
	f->job.blueprint = stg_blueprint_load("", blueprint, NULL, &err);
	if (!f->job.blueprint)
		fail_msg("%s", err.msg);
	f->profiles = stg_blueprint_profiles("", f->job.blueprint, &err);
	if (!f->profiles)
		fail_msg("%s", err.msg);
	f->job.attributes = json_pack("{s:s, s:s, s:s}", "asset_tag", "A-1042", "ownership", "pool", "ward", "B");
	f->job.values = json_pack("{s:s}", "organisation", "North Hospital");
}

static void floor_end(struct floor *f)
{
	side_clear(&f->side);
	stg_job_clear(&f->job);
	json_decref(f->profiles);
	json_decref(f->rows);
	desk_end(&f->d);
}

static void print_words(const struct floor *f)
{
	for (size_t i = 0; i < json_array_size(f->side.words); i++) {
		const json_t *m = json_array_get(f->side.words, i);
		if (strcmp(stg_json_str(m, "t"), "step_end") == 0)
			print_error("  %-36s %-10s %s\n", stg_json_str(m, "key"), stg_json_str(m, "outcome"),
				    stg_json_str(json_object_get(m, "error"), "msg"));
	}
}

/* One attach, as a station does it: intake, then the steps in the same worker. */
static const json_t *floor_attach(struct floor *f)
{
	char mux[120];
	snprintf(mux, sizeof(mux), "UNIX:%s", f->d.bench.mux);
	f->d.arrival.attach++;
	f->job.attach = f->d.arrival.attach;
	side_start(&f->side, NULL);
	json_t *m = side_job("intake", &f->d.arrival, &f->job, mux);
	stg_json_put_bool(m, "pair", true);
	side_send(&f->side, m);
	const json_t *who = side_until(&f->side, "who");
	struct stg_error err = { 0 };
	if (json_object_get(who, "error"))
		fail_msg("intake: %s", stg_json_str(json_object_get(who, "error"), "msg"));
	assert_true(stg_identity_from_json(json_object_get(who, "identity"), &f->job.identity, &err));
	m = side_word("steps");
	stg_json_put_new(m, "job", stg_job_json(&f->job));
	side_send(&f->side, m);
	const json_t *last = side_until(&f->side, "finished");
	assert_int_equal(side_wait(&f->side), 0);
	return last;
}

static void ends(const struct floor *f, const json_t *last, const char *end)
{
	if (strcmp(stg_json_str(last, "end"), end) == 0)
		return;
	print_words(f);
	fail_msg("expected '%s', got '%s': %s", end, stg_json_str(last, "end"), stg_json_str(json_object_get(last, "why"), "msg"));
}

static void next_attach(struct floor *f)
{
	char udid[STG_UDID_MAX];
	side_journal(&f->side, f->rows, &f->job);
	side_clear(&f->side);
	assert_true(stg_udid_clean(f->d.bench.udid, udid));
	uint64_t attach = f->d.arrival.attach;
	f->d.arrival = arrival_of(udid);
	f->d.arrival.attach = attach;
}

#define HAS_PROFILE(f, id)                                                                     \
	do {                                                                                   \
		STG_AUTO(stg_device_close_at) struct stg_device *dev_ = desk_open(&(f)->d);    \
		assert_true(has_profile(dev_, id));                                            \
	} while (0)

/* ---- stories ---- */

static void a_wards_ipad_is_staged_in_one_attach_with_two_handshakes(void **state)
{
	(void)state;
	struct floor f = { 0 };
	desk_begin(&f.d, "--iphones", "0", "--ipads", "1");
	floor_job(&f, "ipad-hospital-ward");
	const json_t *last = floor_attach(&f);
	ends(&f, last, "staged");
	assert_int_equal(f.d.kept, 1);
	assert_int_equal(count_of(&f.d.bench, f.d.bench.udid, "com.apple.mobile.MCInstall SetCloudConfiguration"), 1);
	assert_int_equal(f.payloads, 7);
	assert_true(stg_json_bool(json_object_get(last, "facts"), "ours", false));
	assert_int_equal(strlen(stg_json_str(json_object_get(last, "identity"), "serial")) > 0, 1);
	STG_AUTO(stg_json_free_at) json_t *there = show(&f.d.bench, f.d.bench.udid);
	assert_string_equal(stg_json_str(there, "name"), "A-1042");
	STG_AUTO(stg_json_free_at) json_t *stats = ask_bench(&f.d.bench, "stats");
	int64_t handshakes = stg_json_int(json_object_get(stats, "counts"), "tls handshakes", -1) +
			     stg_json_int(json_object_get(stats, "counts"), "tls resumed", 0);
	if (handshakes < 1 || handshakes > 3)
		fail_msg("%lld TLS handshakes, at most three are allowed", (long long)handshakes);

	/* plugged in once more: everything is proven by re-reading, nothing is written */
	int payloads = f.payloads;
	next_attach(&f);
	last = floor_attach(&f);
	ends(&f, last, "staged");
	assert_int_equal(f.payloads, payloads);
	assert_int_equal(count_of(&f.d.bench, f.d.bench.udid, "com.apple.mobile.MCInstall SetCloudConfiguration"), 1);
	assert_int_equal(count_of(&f.d.bench, f.d.bench.udid, "com.apple.mobile.MCInstall Settings"), 1);
	floor_end(&f);
}

static void a_fresh_iphone_without_a_line_waits_and_is_finished_when_it_opens(void **state)
{
	(void)state;
	struct floor f = { 0 };
	desk_begin(&f.d, "--iphones", "1", "--fresh");
	f.d.line_closed = true;
	floor_job(&f, "iphone-new-in-box");
	const json_t *last = floor_attach(&f);
	ends(&f, last, "waiting");
	assert_string_equal(stg_json_str(json_object_get(last, "why"), "wait"), "line");
	assert_int_equal(count_of(&f.d.bench, f.d.bench.udid, "com.apple.mobile.MCInstall SetCloudConfiguration"), 0);
	int payloads = f.payloads;
	assert_true(payloads >= 4);             /* what needs no activation was done */
	f.d.line_closed = false;
	next_attach(&f);
	last = floor_attach(&f);
	ends(&f, last, "staged");
	assert_int_equal(count_of(&f.d.bench, f.d.bench.udid, "com.apple.mobile.MCInstall SetCloudConfiguration"), 1);
	assert_int_equal(f.payloads, payloads + 2);     /* lock screen and restrictions */
	floor_end(&f);
}

static void a_returned_phone_is_erased_once_and_proven_empty(void **state)
{
	(void)state;
	struct floor f = { 0 };
	desk_begin(&f.d, "--iphones", "1");
	tell(&f.d.bench, "set %s at_home_screen true", f.d.bench.udid);
	tell(&f.d.bench, "set %s auto_trust true", f.d.bench.udid);
	floor_job(&f, "returned-phone-wipe");
	const json_t *last = floor_attach(&f);
	ends(&f, last, "interrupted");
	assert_string_equal(stg_json_str(json_object_get(last, "why"), "code"), "expect_return");
	next_attach(&f);
	last = floor_attach(&f);
	ends(&f, last, "staged");
	assert_string_equal(side_outcome(&f.side, "03-erase"), "proven");
	assert_int_equal(f.tokens, 1);
	assert_int_equal(count_of(&f.d.bench, f.d.bench.udid, "com.apple.mobile.MCInstall EraseDevice"), 1);
	floor_end(&f);
}

static void a_closed_gate_leaves_the_phone_as_it_is(void **state)
{
	(void)state;
	struct floor f = { 0 };
	desk_begin(&f.d, "--iphones", "1");
	f.gate_says_no = true;
	floor_job(&f, "returned-phone-wipe");
	ends(&f, floor_attach(&f), "hold");
	assert_int_equal(count_of(&f.d.bench, f.d.bench.udid, "com.apple.mobile.MCInstall EraseDevice"), 0);
	floor_end(&f);
}

/* What a cable does in the middle of a blueprint: each ends staged. */
static void whatever_breaks_in_the_middle_it_is_staged_in_the_end(void **state)
{
	(void)state;
	static const char *const faults[] = {
		"drop_after SetCloudConfiguration", "drop_before SetCloudConfiguration", "drop_after InstallProfileSilent skip=1",
		"drop_before InstallProfileSilent", "reported_failed InstallProfileSilent", "absent InstallProfileSilent",
		"garbage GetProfileList skip=1", "truncate InstallProfileSilent", "drop_after StoreProfile", "drop_before Escalate",
		"drop_after SetValue", "unplug_after InstallProfileSilent", "unplug_before SetCloudConfiguration",
		"unplug_after SetCloudConfiguration", "bomb GetCloudConfiguration skip=1",
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(faults); i++) {
		struct floor f = { 0 };
		desk_begin(&f.d, "--iphones", "0", "--ipads", "1");
		floor_job(&f, "ipad-hospital-ward");
		tell(&f.d.bench, "fault %s %s", f.d.bench.udid, faults[i]);
		const json_t *last = floor_attach(&f);
		for (int again = 0; again < 3 && strcmp(stg_json_str(last, "end"), "interrupted") == 0; again++) {
			STG_AUTO(stg_json_free_at) json_t *there = show(&f.d.bench, f.d.bench.udid);
			if (!stg_json_bool(there, "attached", true))
				tell(&f.d.bench, "plug %s", f.d.bench.udid);
			next_attach(&f);
			last = floor_attach(&f);
		}
		if (strcmp(stg_json_str(last, "end"), "staged") != 0) {
			print_words(&f);
			fail_msg("fault %s: '%s' %s", faults[i], stg_json_str(last, "end"), stg_json_str(json_object_get(last, "why"), "msg"));
		}
		STG_AUTO(stg_json_free_at) json_t *there = show(&f.d.bench, f.d.bench.udid);
		assert_true(stg_json_bool(there, "supervised", false));
		assert_string_equal(stg_json_str(there, "name"), "A-1042");
		floor_end(&f);
	}
}

/* ---- assigned devices ---- */

#define SUPERVISES "com.apple.mobile.MCInstall SetCloudConfiguration"
#define FETCHES "com.apple.mobile.MCInstall DownloadAndApplyCloudConfiguration"

static void assigned(struct floor *f)
{
	desk_begin(&f->d, "--iphones", "0", "--ipads", "1", "--fresh");
	tell(&f->d.bench, "set %s abm_assigned true", f->d.bench.udid);
	tell(&f->d.bench, "set %s programme_told true", f->d.bench.udid);
	tell(&f->d.bench, "line open");
	floor_job(f, "automated-enrolment");
}

static json_t *params_of(struct floor *f, const char *key)
{
	return json_object_get((json_t *)(uintptr_t)stg_blueprint_step(f->job.blueprint, key), "params");
}

static void is_enrolled(struct floor *f)
{
	STG_AUTO(stg_device_close_at) struct stg_device *dev = desk_open(&f->d);
	assert_true(has_profile(dev, "org.example.mdm"));
	assert_false(has_profile(dev, "io.stager.wifi-enrolment"));
	assert_int_equal(count_of(&f->d.bench, f->d.bench.udid, SUPERVISES), 0);
}

static void an_assigned_ipad_enrols_over_the_benchs_wifi_which_leaves_again(void **state)
{
	(void)state;
	struct floor f = { 0 };
	assigned(&f);
	const json_t *last = floor_attach(&f);
	ends(&f, last, "staged");
	is_enrolled(&f);
	assert_int_equal(f.d.signed_challenges, 0);
	assert_int_equal(count_of(&f.d.bench, f.d.bench.udid, FETCHES), 1);

	/* plugged in once more: it is proven by its own words, nothing is asked of anybody */
	int64_t fetched = count_of(&f.d.bench, f.d.bench.udid, FETCHES);
	next_attach(&f);
	ends(&f, floor_attach(&f), "staged");
	assert_int_equal(count_of(&f.d.bench, f.d.bench.udid, FETCHES), fetched);
	assert_string_equal(side_outcome(&f.side, "06-automated_enrolment"), "proven");
	floor_end(&f);
}

static void without_a_line_an_assigned_ipad_waits_and_keeps_its_wifi(void **state)
{
	(void)state;
	struct floor f = { 0 };
	assigned(&f);
	f.d.line_closed = true;
	tell(&f.d.bench, "line closed");
	const json_t *last = floor_attach(&f);
	ends(&f, last, "waiting");
	assert_string_equal(stg_json_str(json_object_get(last, "why"), "wait"), "line");
	assert_int_equal(count_of(&f.d.bench, f.d.bench.udid, FETCHES), 0);
	HAS_PROFILE(&f, "io.stager.wifi-enrolment");
	f.d.line_closed = false;
	tell(&f.d.bench, "line open");
	next_attach(&f);
	ends(&f, floor_attach(&f), "staged");
	is_enrolled(&f);
	floor_end(&f);
}

/* Many do it as soon as they have a network. */
static void a_device_that_fetches_by_itself_is_believed_when_it_shows_it(void **state)
{
	(void)state;
	struct floor f = { 0 };
	assigned(&f);
	tell(&f.d.bench, "set %s programme_told false", f.d.bench.udid);
	ends(&f, floor_attach(&f), "staged");
	is_enrolled(&f);
	floor_end(&f);
}

static void out_of_reach_of_its_service_it_waits_for_a_line(void **state)
{
	(void)state;
	struct floor f = { 0 };
	assigned(&f);
	tell(&f.d.bench, "set %s activated true", f.d.bench.udid);
	tell(&f.d.bench, "line closed");
	const json_t *last = floor_attach(&f);
	ends(&f, last, "waiting");
	assert_string_equal(stg_json_str(json_object_get(last, "why"), "wait"), "line");
	assert_string_equal(side_outcome(&f.side, "06-automated_enrolment"), "waiting");
	floor_end(&f);
}

static void a_device_nobody_assigned_waits_for_its_registration(void **state)
{
	(void)state;
	struct floor f = { 0 };
	assigned(&f);
	tell(&f.d.bench, "set %s abm_assigned false", f.d.bench.udid);
	const json_t *last = floor_attach(&f);
	ends(&f, last, "waiting");
	assert_string_equal(stg_json_str(json_object_get(last, "why"), "wait"), "registration");
	floor_end(&f);
}

static struct floor *tapping;

static bool enrol_when_asked(void *ctx, const json_t *m)
{
	(void)ctx;
	if (strcmp(stg_json_str(m, "t"), "person") == 0 && strcmp(stg_json_str(m, "ask"), "enrol") == 0)
		tell(&tapping->d.bench, "accept %s", tapping->d.bench.udid);
	return true;
}

static void where_remote_management_asks_a_person_taps_and_it_goes_on(void **state)
{
	(void)state;
	struct floor f = { 0 };
	assigned(&f);
	tell(&f.d.bench, "set %s enrolment_tap true", f.d.bench.udid);
	tapping = &f;
	f.side.watch = enrol_when_asked;
	ends(&f, floor_attach(&f), "staged");
	is_enrolled(&f);
	floor_end(&f);
}

static void a_device_of_another_organisation_is_held(void **state)
{
	(void)state;
	struct floor f = { 0 };
	assigned(&f);
	stg_json_put(params_of(&f, "06-automated_enrolment"), "organisation", "North Hospital");
	const json_t *last = floor_attach(&f);
	ends(&f, last, "hold");
	assert_int_equal(stg_json_int(json_object_get(last, "why"), "id", 0), STG_ID_ENROLMENT_FOREIGN);
	floor_end(&f);
}

static void a_device_supervised_by_cable_cannot_enrol_by_itself(void **state)
{
	(void)state;
	struct floor f = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf der = { 0 };
	assigned(&f);
	tell(&f.d.bench, "set %s activated true", f.d.bench.udid);
	tell(&f.d.bench, "set %s abm_assigned false", f.d.bench.udid);
	struct stg_supervision what = supervision(&der);
	struct stg_device *dev = desk_open(&f.d);
	DO(stg_device_pair(dev, &err));
	DO(stg_device_supervise(dev, &what, NULL, &err));
	stg_device_close(dev);
	const json_t *last = floor_attach(&f);
	ends(&f, last, "hold");
	assert_int_equal(stg_json_int(json_object_get(last, "why"), "id", 0), STG_ID_CONFIGURED_BY_CABLE);
	assert_int_equal(count_of(&f.d.bench, f.d.bench.udid, FETCHES), 0);
	floor_end(&f);
}

/* Every connection there is breaks while the device fetches: what comes next has to open a session again. */
static bool cut_off_when_it_enrols(void *ctx, const json_t *m)
{
	const char *who = tapping->d.bench.udid;
	(void)ctx;
	const json_t *begins = json_object_get(m, "next") ? json_object_get(m, "next") : m;
	if (strcmp(stg_json_str(begins, "key"), "06-automated_enrolment") == 0 && strcmp(stg_json_str(m, "t"), "finished") != 0 &&
	    json_object_get(begins, "attempt")) {
		tell(&tapping->d.bench, "fault %s drop_after DownloadAndApplyCloudConfiguration", who);
		tell(&tapping->d.bench, "fault %s drop_before StartService count=3", who);
	}
	return true;
}

/* Its configuration forbids pairing: what was open stays open to the end of the visit, the next visit is told no. */
static void an_enrolment_that_ends_our_trust_is_read_to_its_end_or_held(void **state)
{
	(void)state;
	struct floor f = { 0 };
	assigned(&f);
	tell(&f.d.bench, "set %s programme_no_pairing true", f.d.bench.udid);
	ends(&f, floor_attach(&f), "staged");
	floor_end(&f);

	struct floor g = { 0 };
	assigned(&g);
	tell(&g.d.bench, "set %s programme_no_pairing true", g.d.bench.udid);
	tapping = &g;
	g.side.watch = cut_off_when_it_enrols;
	const json_t *last = floor_attach(&g);
	ends(&g, last, "hold");
	assert_int_equal(stg_json_int(json_object_get(last, "why"), "id", 0), STG_ID_ENROLMENT_UNREAD);
	floor_end(&g);
}

/* ---- taps ---- */

static bool tap_when_asked(void *ctx, const json_t *m)
{
	(void)ctx;
	if (strcmp(stg_json_str(m, "t"), "person") == 0)
		tell(&tapping->d.bench, "%s", strcmp(stg_json_str(m, "ask"), "trust") == 0 ? "tap trust all" : "unlock all");
	return true;
}

static void a_phone_at_its_home_screen_is_paired_by_a_tap(void **state)
{
	(void)state;
	struct floor f = { 0 };
	desk_begin(&f.d, "--iphones", "1");
	tell(&f.d.bench, "set %s at_home_screen true", f.d.bench.udid);
	floor_job(&f, "returned-phone-wipe");
	tapping = &f;
	f.side.watch = tap_when_asked;
	ends(&f, floor_attach(&f), "interrupted");
	assert_true(side_count(&f.side, "person") >= 1);
	assert_int_equal(f.tokens, 1);
	floor_end(&f);
}

static void a_phone_somebody_else_supervises_is_held(void **state)
{
	(void)state;
	struct floor f = { 0 };
	desk_begin(&f.d, "--iphones", "1");
	f.d.use_other_org = true;
	floor_job(&f, "iphone-new-in-box");
	ends(&f, floor_attach(&f), "staged");
	/* the same phone comes to our bench, still trusting the cable */
	side_clear(&f.side);
	f.d.use_other_org = false;
	const json_t *last = floor_attach(&f);
	ends(&f, last, "hold");
	assert_int_equal(stg_json_int(json_object_get(last, "why"), "id", 0), STG_ID_SUPERVISED_BY_OTHER);
	floor_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wards_ipad_is_staged_in_one_attach_with_two_handshakes),
		cmocka_unit_test(a_fresh_iphone_without_a_line_waits_and_is_finished_when_it_opens),
		cmocka_unit_test(a_returned_phone_is_erased_once_and_proven_empty),
		cmocka_unit_test(a_closed_gate_leaves_the_phone_as_it_is),
		cmocka_unit_test(whatever_breaks_in_the_middle_it_is_staged_in_the_end),
		cmocka_unit_test(an_assigned_ipad_enrols_over_the_benchs_wifi_which_leaves_again),
		cmocka_unit_test(without_a_line_an_assigned_ipad_waits_and_keeps_its_wifi),
		cmocka_unit_test(a_device_that_fetches_by_itself_is_believed_when_it_shows_it),
		cmocka_unit_test(out_of_reach_of_its_service_it_waits_for_a_line),
		cmocka_unit_test(a_device_nobody_assigned_waits_for_its_registration),
		cmocka_unit_test(where_remote_management_asks_a_person_taps_and_it_goes_on),
		cmocka_unit_test(a_device_of_another_organisation_is_held),
		cmocka_unit_test(a_device_supervised_by_cable_cannot_enrol_by_itself),
		cmocka_unit_test(an_enrolment_that_ends_our_trust_is_read_to_its_end_or_held),
		cmocka_unit_test(a_phone_at_its_home_screen_is_paired_by_a_tap),
		cmocka_unit_test(a_phone_somebody_else_supervises_is_held),
	};
	return cmocka_run_group_tests(tests, office_open, office_close);
}
