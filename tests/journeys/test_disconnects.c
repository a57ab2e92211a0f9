/*
 * test_disconnects.c - every shipped blueprint, cut at every request in every way: in the end each device is what an uninterrupted
 * one is, and nothing is lost, done twice, stuck, or done to another device.
 *
 * For each blueprint one device goes through undisturbed: it says how many requests there are, and what a device is like
 * afterwards. Then a device for each request and each kind of cut. STG_CUTS_EACH of them for each blueprint (0: all, as in make soak);
 * STG_ROUNDS repeats all with a second cut somewhere while the first is being recovered from. STG_SEED chooses where.
 * STG_BLUEPRINT names one. In virtual time: what is waited for costs nothing.
 */
#include "wave.h"
#include "cuts.h"
#include "ipa.h"
#include "virtual_time.h"

#define APP "org.example.route"
#define WAVE 32

struct plan {
	const char *blueprint;
	bool iphones;
	const char *knobs[4][2];
	int erased;
	void (*prepare)(struct journey *j);
	bool takes_app;
	int fires;                      /* of a hundred cuts at least; 0: 80 */
};

static void a_wifi_for_enrolment(struct journey *j)
{
	json_decref(journey_op(j, "secret.set", json_pack("{s:s, s:s}", "name", "enrolment_wifi", "value", "for the bench only"), NULL));
}

static const char *in_dir(const struct journey *j, const char *name)
{
	static char path[200];
	snprintf(path, sizeof(path), "%s/%s", j->dir, name);
	return path;
}

static void an_app(struct journey *j)
{
	struct stg_error err = { 0 };
	ipa_make(in_dir(j, "app.ipa"), &(struct ipa){ .id = APP, .version = "1.0", .build = "1", .bytes = 1 << 20 });
	json_decref(journey_op(j, "app.add", json_pack("{s:s, s:[s]}", "file", in_dir(j, "app.ipa"), "files", "file"), in_dir(j, "app.ipa")));
	journey_must(stg_file_write(in_dir(j, "depots.csv"), stg_bytes_str("depot;city\n1;Lyon\n"), 0600, &err), &err, "document");
	json_decref(journey_op(j, "app.add", json_pack("{s:s, s:[s], s:b, s:s}", "file", in_dir(j, "depots.csv"), "files", "file", "document", 1, "name",
						       "depots.csv"), in_dir(j, "depots.csv")));
}

/* The shipped role without its canaries: here all go at once. */
static void field_staff(struct journey *j)
{
	struct stg_error err = { 0 };
	char path[300];
	snprintf(path, sizeof(path), "%s/blueprints", j->state);
	journey_must(stg_folder_make(path, 0700, &err), &err, "blueprints");
	snprintf(path, sizeof(path), "%s/blueprints/field-staff-at-once.yaml", j->state);
	journey_must(stg_file_write(path, stg_bytes_str("name: field-staff-at-once\nextends: iphone-field-staff\nabout: all at once\ncanaries: 0\n"), 0600,
				    &err), &err, "blueprint");
}

static const struct plan plans[] = {
	{ .blueprint = "ipad-hospital-ward" },
	{ .blueprint = "iphone-new-in-box", .iphones = true, .knobs = { { "activated", "false" } } },
	{ .blueprint = "leaver-phone-redeploy", .iphones = true, .knobs = { { "at_home_screen", "true" }, { "auto_trust", "true" } }, .erased = 1 },
	{ .blueprint = "returned-phone-wipe", .iphones = true, .knobs = { { "at_home_screen", "true" }, { "auto_trust", "true" } }, .erased = 1 },
	{ .blueprint = "automated-enrolment", .knobs = { { "activated", "false" }, { "abm_assigned", "true" } }, .prepare = a_wifi_for_enrolment },
	{ .blueprint = "apps-by-cable", .prepare = an_app, .takes_app = true, .fires = 50 },
	{ .blueprint = "compliance-check", .knobs = { { "os", "18.5" } } },
	{ .blueprint = "field-staff-at-once", .iphones = true, .knobs = { { "activated", "false" } }, .prepare = field_staff },
	{ .blueprint = "census" },
};

/* ---- what a device is like ---- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* All of it that a blueprint changes, as one text; what is each device's own is named "own". */
static void likeness(struct journey *j, size_t i, char *ret, size_t size)
{
	STG_AUTO(stg_json_free_at) json_t *d = look_device(j, journey_serial(j, i));
	const char *names[64];
	char own[32];
	size_t n = 0, at = 0, k;
	json_t *one;
	snprintf(own, sizeof(own), "Ward-%02zu", i);
	const char *name = stg_json_str(d, "name");
	at += (size_t)snprintf(ret + at, size - at, "name %s; %s; supervised %d by %s; %s; stored %d; erased %lld; passcode %d; hosts %zu; home %d;",
			       strcmp(name, own) == 0 ? "own" : strncmp(name, "Ward-", 5) == 0 ? name : "as it was", stg_json_str(d, "activation_state"),
			       stg_json_bool(d, "supervised", false), stg_json_str(d, "supervised_by"), stg_json_bool(d, "locked", false) ? "locked" : "open",
			       stg_json_int(d, "stored_profile_bytes", 0) > 0, (long long)stg_json_int(d, "generation", 0),
			       stg_json_bool(d, "has_passcode", false), json_array_size(json_object_get(d, "hosts")), stg_json_bool(d, "at_home_screen", false));
	json_array_foreach(json_object_get(d, "profiles"), k, one)
		if (n < STG_ARRAY_LEN(names))
			names[n++] = stg_json_str(one, "identifier");
	json_array_foreach(json_object_get(d, "apps"), k, one)
		if (n < STG_ARRAY_LEN(names))
			names[n++] = json_string_value(one);
	qsort(names, n, sizeof(*names), by_text);
	for (k = 0; k < n && at < size; k++)
		at += (size_t)snprintf(ret + at, size - at, " %s", names[k]);
}

/* ---- going through ---- */

static bool is_staged(struct journey *j, size_t i, const json_t *row, const json_t *slot, void *ctx)
{
	(void)j, (void)i, (void)slot, (void)ctx;
	return strcmp(stg_json_str(row, "end"), "staged") == 0;
}

static bool plug_again(struct journey *j, size_t i, const json_t *row, const json_t *slot, void *ctx)
{
	(void)slot, (void)ctx;
	if (stg_json_int(row, "why_id", 0) == STG_ID_ERASE_NOT_PROVEN)
		wave_erase_anew(j, journey_serial(j, i));
	journey_tell(j, "replug", journey_serial(j, i), NULL, NULL);
	return true;
}

static void go_through(struct journey *j, const struct plan *p, size_t first, size_t end)
{
	struct wave w = { .first = first, .end = end, .lies_well = is_staged, .hand = plug_again };
	if (wave_go(j, &w, 12)) {
		wave_away(j, &w);
		return;
	}
	for (size_t i = first; i < end; i++) {
		const json_t *row = json_object_get(w.rows, journey_serial(j, i));
		if (is_staged(j, i, row, NULL, NULL))
			continue;
		look_print("row", json_deep_copy(row));
		look_print("slot", look_slot(j, look_udid(j, i)));
		fail_msg("%s: %zu not staged in the end, %s is device %zu (kept in %s)", p->blueprint, w.open, journey_serial(j, i), i, j->dir);
	}
}

/* ---- cutting ---- */

static void nothing_was_done_to(struct journey *j, const char *stranger)
{
	static const char *const never[] = { "SetCloudConfiguration", "InstallProfile", "InstallProfileSilent", "StoreProfile", "EraseDevice", "SetValue", "Install" };
	for (size_t i = 0; i < STG_ARRAY_LEN(never); i++)
		if (look_sent(j, stranger, never[i]) != 0)
			fail_msg("%s, which is in no order, was asked for %s", stranger, never[i]);
}

static void begin_plan(struct journey *j, const struct plan *p, size_t devices)
{
	char count[16];
	snprintf(count, sizeof(count), "%zu", devices + 1);
	const char *iphones[] = { "--ipads", "0", "--iphones", count, NULL };
	struct stg_error err = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf csv = STG_BUF(4 << 20);
	journey_begin(j, (int)devices + 1, "instant", (uint64_t)look_number("STG_SEED", 71), p->iphones ? iphones : NULL);
	bool ok = stg_buf_add_str(&csv, "Serial Number,Asset Tag,Name,Ownership,Backup\n", &err);
	for (size_t i = 0; i < devices; i++)
		ok = ok && stg_buf_printf(&csv, &err, "%s,A-%05zu,Ward-%02zu,pool,none\n", journey_serial(j, i), i, i);
	journey_must(ok && stg_file_write(in_dir(j, "order.csv"), stg_buf_view(&csv), 0600, &err), &err, "order");
	if (p->prepare)
		p->prepare(j);
	json_decref(journey_op(j, "port.allow", json_pack("{s:s}", "port", "*"), NULL));
	json_decref(journey_op(j, "target.add", json_pack("{s:s, s:s, s:{s:s}}", "name", "head-office", "connector", "webhook", "config", "url",
							  stg_json_str(json_object_get(j->bench.ready, "receiver"), "url")), NULL));
	json_t *in = json_pack("{s:s, s:s, s:s}", "name", BATCH, "file", in_dir(j, "order.csv"), "blueprint", p->blueprint), *start = json_pack("{s:s}", "name", BATCH);
	if (p->takes_app) {
		json_object_set_new(in, "params", json_pack("{s:s, s:s}", "app", APP, "document", "depots.csv"));
		json_object_set(start, "params", json_object_get(in, "params"));
	}
	json_decref(journey_op(j, "batch.import", in, in_dir(j, "order.csv")));
	json_decref(journey_op(j, "batch.start", start, NULL));
	if (p->erased)
		json_decref(journey_op(j, "wipe.order", json_pack("{s:s, s:I}", "batch", BATCH, "count", (json_int_t)devices), NULL));
	for (size_t i = 0; i <= devices; i++)
		for (size_t k = 0; k < STG_ARRAY_LEN(p->knobs) && p->knobs[k][0]; k++)
			journey_tell(j, "set", journey_serial(j, i), p->knobs[k][0], p->knobs[k][1]);
}

/* How many requests a device of this blueprint is asked, and what it is like then. */
static size_t measure(const struct plan *p)
{
	struct journey j;
	begin_plan(&j, p, 1);
	go_through(&j, p, 0, 1);
	size_t k = cut_requests(&j, journey_serial(&j, 0));
	journey_end(&j);
	return k;
}

/* Returns how many were cut. */
static size_t cut_everywhere(const struct plan *p, size_t requests, bool twice)
{
	struct journey j;
	size_t all = requests * CUTS, want = (size_t)look_number("STG_CUTS_EACH", getenv("STG_VALGRIND") ? 2 : 12);
	size_t n = want == 0 || want > all ? all : want, fired = 0;
	char reference[4000], like[4000];
	begin_plan(&j, p, n + 1);
	const char *stranger = journey_serial(&j, n + 1);
	journey_tell(&j, "set", stranger, "auto_trust", "true");
	for (size_t i = 1; i <= n; i++) {
		/* spread evenly over requests, and over the kinds by another measure */
		size_t request = n == all ? (i - 1) / CUTS : (i - 1) * requests / n;
		size_t kind = n == all ? (i - 1) % CUTS : ((i - 1) + (size_t)look_number("STG_SEED", 71)) % CUTS;
		cut_arm(&j, i, request, &cuts[kind], stranger);
		if (twice)
			cut_arm(&j, i, request + 1 + (size_t)(journey_random(&j) % 40), &cuts[journey_random(&j) % CUTS], stranger);
	}
	go_through(&j, p, 0, 1);
	likeness(&j, 0, reference, sizeof(reference));
	for (size_t first = 1; first <= n; first += WAVE)
		go_through(&j, p, first, first + WAVE <= n + 1 ? first + WAVE : n + 1);
	for (size_t i = 1; i <= n; i++) {
		likeness(&j, i, like, sizeof(like));
		if (strcmp(like, reference) != 0)
			fail_msg("%s: %s, cut at request %zu, is another than one that was not cut:\n%s\n%s\n(kept in %s)", p->blueprint, journey_serial(&j, i),
				 n == all ? (i - 1) / CUTS : (i - 1) * requests / n, like, reference, j.dir);
		STG_AUTO(stg_json_free_at) json_t *d = look_device(&j, journey_serial(&j, i));
		assert_int_equal(stg_json_int(d, "generation", -1), p->erased);
		fired += (twice ? 2 : 1) - json_array_size(json_object_get(d, "faults"));
	}
	nothing_was_done_to(&j, stranger);
	assert_true(look_drained(&j));
	assert_int_equal(wave_told_once(&j), n + 1);
	STG_AUTO(stg_json_free_at) json_t *log = journey_op(&j, "audit.verify", json_object(), NULL);
	assert_true(stg_json_bool(log, "ok", false));
	journey_end(&j);
	/* a cut after the last request meets nobody, and not every service knows every kind; most do, or the test proves nothing */
	if (fired * 100 < n * (twice ? 2 : 1) * (size_t)(p->fires ? p->fires : 80))
		fail_msg("%s: only %zu cuts of %zu met anybody", p->blueprint, fired, n * (twice ? 2 : 1));
	return fired;
}

static void a_device_cut_anywhere_ends_as_if_it_had_not_been(void **state)
{
	(void)state;
	size_t sum = 0;
	const char *only = getenv("STG_BLUEPRINT");
	int rounds = look_number("STG_ROUNDS", 1);
	for (size_t i = 0; i < STG_ARRAY_LEN(plans); i++) {
		if (only && strcmp(only, plans[i].blueprint) != 0)
			continue;
		int64_t from = stg_boot_ms();
		size_t requests = measure(&plans[i]), cut = 0;
		for (int r = 0; r < rounds; r++)
			cut += cut_everywhere(&plans[i], requests, r > 0);
		print_message("%s: %zu requests, %zu cuts, %lld s\n", plans[i].blueprint, requests, cut, (long long)(stg_boot_ms() - from) / 1000);
		sum += cut;
	}
	print_message("%zu cuts in all\n", sum);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_cut_anywhere_ends_as_if_it_had_not_been),
	};
	return cmocka_run_group_tests(tests, virtual_group_begin, virtual_group_end);
}
