/*
 * run.h - a corpus of hostile replies against a real station: hostile devices take row after row, good ones beside them are
 * staged over and over, and everybody is watched.
 *
 * For:    test_hostile.c, and the row "hostile overhead" of tests/bench.
 * Uses:   journey.h; station, workers and mux door are the real ones, each device a virtual one with a fault armed.
 * Called: run_rows().
 * Thread: one.
 *
 * What is on a port is told by the station itself (op "devices"): its word, and how long its present step may still take. A hostile
 * device that is not done when that time is over is a station that forgot it.
 */
#ifndef HOSTILE_RUN_H
#define HOSTILE_RUN_H

#include <inttypes.h>
#include <strings.h>

#include <stager/blueprint.h>
#include <stager/clock.h>

#include "corpus.h"
#include "ipa.h"
#include "look.h"

#define PLACES_MAX 64
#define ROW_MOST_MS 600000         /* no row takes that long, whatever its steps are allowed */
#define LATE_MS 5000               /* a loaded machine; the promise is one second */
#define STILL_MS 300               /* a word that stays so long is the last one */
#define LOOK_EVERY_MS 100
#define GOOD_REST_MS 4000          /* between two rounds of a good one: hands change the device, and the machine is not ours alone */
#define APP "org.example.route"

/* The same work for both, real each time: what was put in is taken out again by the next round. */
static const char BLUEPRINT_TEXT[] =
	"name: tried\nabout: everything a cable carries\nsteps:\n"
	"  - identify:\n"
	"  - pair:\n"
	"  - set_time: {zone: \"Europe/Paris\", language: \"fr\", locale: \"fr_FR\"}\n"
	"    on_failure: continue\n"
	"  - supervise: {department: Ward}\n"
	"  - remove_profile: {identifier: org.example.tried}\n"
	"  - install_profile: {profile: tried, template: yes}\n"
	"    timeout: 5 s\n"
	"  - remove_app: {app: " APP "}\n"
	"    timeout: 5 s\n"
	"  - install_app: {app: " APP "}\n"
	"    timeout: 5 s\n"
	"  - set_name: {name: \"{{serial}}\"}\n"
	"  - verify: {supervised: true}\n";

static const char PROFILE_TEXT[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\"><dict><key>PayloadType</key><string>Configuration</string>"
	"<key>PayloadVersion</key><integer>1</integer><key>PayloadIdentifier</key><string>org.example.tried</string>"
	"<key>PayloadUUID</key><string>B9C0A9C2-0000-4000-8000-000000000001</string><key>PayloadDisplayName</key><string>Tried</string>"
	"<key>PayloadContent</key><array><dict><key>PayloadType</key><string>com.apple.webClip.managed</string><key>PayloadVersion</key>"
	"<integer>1</integer><key>PayloadIdentifier</key><string>org.example.tried.clip</string><key>PayloadUUID</key>"
	"<string>B9C0A9C2-0000-4000-8000-000000000002</string><key>URL</key><string>https://intranet.example/</string>"
	"<key>Label</key><string>Intranet</string><key>IsRemovable</key><true/></dict></array></dict></plist>\n";

enum place_at { PLACE_OUT, PLACE_IN, PLACE_RUNNING, PLACE_LEAVING, PLACE_NO_MORE };

struct place {
	const char *serial, *udid;
	enum place_at at;
	struct row *row;                /* NULL: a good one */
	bool is_good;
	int64_t since_ms, deadline_ms, still_ms;
	int64_t met_before;
	int rounds;
};

struct run {
	struct journey *j;
	struct corpus *corpus;
	json_t *blueprint, *profiles;
	struct place places[PLACES_MAX];
	int n, good;
	size_t next;
	int64_t until_ms, last_ms, began_ms, took_ms;
	/* what was seen */
	int good_rounds;
	int64_t good_ms, longest_ms, latest_ms;
	const struct row *longest;
	int wrong;
	char first_wrong[400];
};

static void run_wrong(struct run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void run_wrong(struct run *r, const char *fmt, ...)
{
	char text_of[400];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text_of, sizeof(text_of), fmt, ap);
	va_end(ap);
	if (r->wrong++ == 0)
		stg_copy(r->first_wrong, sizeof(r->first_wrong), text_of);
	if (r->wrong <= 30)
		print_message("WRONG %s\n", text_of);
}

static bool row_is_free(const struct run *r, size_t i, enum row_wants wants)
{
	const struct row *row = &r->corpus->rows[i];
	return !row->began_ms && row->wants == wants;
}

/* A device nobody has paired with takes a row that wants one; the others in turn. */
static struct row *run_next(struct run *r, const struct place *p)
{
	for (size_t i = 0; p->rounds == 0 && i < r->corpus->n; i++)
		if (row_is_free(r, i, ROW_FRESH))
			return &r->corpus->rows[i];
	for (; r->next < r->corpus->n; r->next++)
		if (!r->corpus->rows[r->next].began_ms)
			return &r->corpus->rows[r->next];
	return NULL;
}

static int64_t faults_met(struct run *r, const struct place *p)
{
	STG_AUTO(stg_json_free_at) json_t *d = look_device(r->j, p->serial);
	return stg_json_int(d, "faults_met", 0);
}

static void plug_with(struct run *r, struct place *p, struct row *row)
{
	struct stg_error err = { 0 };
	char with[200];
	p->row = row;
	row->began_ms = p->since_ms = stg_boot_ms();
	p->met_before = faults_met(r, p);
	/* its trust is a thing of the past: it is asked again */
	if (row->wants == ROW_FRESH && p->rounds)
		journey_tell(r->j, "set", p->serial, "trust_revoked", NULL);
	snprintf(with, sizeof(with), "file=%s", row->file);
	const char *w[6] = { with };
	size_t n = 1;
	for (size_t i = 0; i < STG_ARRAY_LEN(row->words) && row->words[i][0]; i++)
		w[n++] = row->words[i];
	json_t *answer = bench_word(r->j->control, &err, "fault", p->serial, row->kind, row->where, w[0], w[1], w[2], w[3], w[4], (char *)NULL);
	journey_must(answer != NULL, &err, row->name);
	json_decref(answer);
	journey_tell(r->j, "plug", p->serial, NULL, NULL);
	p->at = PLACE_IN;
}

static void order_it(struct run *r, struct place *p)
{
	STG_AUTO(stg_json_free_at) json_t *in = json_pack("{s:[s], s:O, s:O}", "serials", p->udid, "blueprint", r->blueprint, "profiles", r->profiles);
	STG_AUTO(stg_json_free_at) json_t *ret = NULL;
	struct stg_error err = { 0 };
	if (!stg_call(&r->j->caller, "stage", in, NULL, 0, &ret, &err) || !json_array_size(json_object_get(ret, "staging")))
		return;       /* its worker is still leaving: the next look asks again */
	p->at = PLACE_RUNNING;
	p->since_ms = stg_boot_ms();
	p->deadline_ms = p->still_ms = 0;
}

static bool is_last_word(const char *word)
{
	static const char *const last[] = { "staged", "failed", "waiting", "hold", "interrupted", "unexpected" };
	for (size_t i = 0; i < STG_ARRAY_LEN(last); i++)
		if (strcmp(word, last[i]) == 0)
			return true;
	return false;
}

static void ended(struct run *r, struct place *p, const json_t *slot)
{
	struct row *row = p->row;
	int64_t now = stg_boot_ms();
	row->took_ms = now - p->since_ms;
	row->done = true;
	stg_copy(row->end, sizeof(row->end), slot ? stg_json_str(slot, "state") : "gone");
	stg_copy(row->code, sizeof(row->code), stg_json_str(slot, "code"));
	snprintf(row->detail, sizeof(row->detail), "%s", stg_json_str(slot, "detail"));
	row->met = faults_met(r, p) > p->met_before;
	if (row->took_ms > r->longest_ms) {
		r->longest_ms = row->took_ms;
		r->longest = row;
	}
	if (getenv("STG_VERBOSE"))
		print_message("%-70s %-11s %-8s %6" PRIi64 " ms %s%s\n", row->name, row->end, row->code, row->took_ms, row->met ? "" : "NOT MET ", row->detail);
	json_decref(journey_word(r->j, "fault", p->serial, "clear", NULL));
	journey_tell(r->j, "unplug", p->serial, NULL, NULL);
	/* the next row begins a job of its own; whoever cancels makes the station look at every port again, so only where it must be */
	STG_AUTO(stg_json_free_at) json_t *in = json_pack("{s:I, s:s}", "id", (json_int_t)stg_json_int(slot, "job", 0), "why", "the next row");
	bool open = strcmp(row->end, "waiting") == 0 || strcmp(row->end, "hold") == 0 || strcmp(row->end, "interrupted") == 0;
	if (open && stg_json_int(slot, "job", 0))
		(void)stg_call(&r->j->caller, "job.cancel", in, NULL, 0, NULL, NULL);
	p->rounds++;
	p->at = PLACE_LEAVING;
	p->since_ms = now;
}

static void good_ended(struct run *r, struct place *p, const json_t *slot)
{
	if (strcmp(stg_json_str(slot, "state"), "staged") != 0)
		run_wrong(r, "a good device (%s) is %s: %s %s", p->serial, stg_json_str(slot, "state"), stg_json_str(slot, "code"), stg_json_str(slot, "detail"));
	r->good_rounds++;
	r->good_ms += stg_boot_ms() - p->since_ms;
	p->rounds++;
	p->at = PLACE_IN;
	p->since_ms = stg_boot_ms();
}

static void running(struct run *r, struct place *p, const json_t *slot)
{
	int64_t now = stg_boot_ms(), left = stg_json_int(slot, "left_ms", 0);
	if (left)
		p->deadline_ms = now + left;
	if (slot && (left || !is_last_word(stg_json_str(slot, "state")))) {
		p->still_ms = 0;
		if (p->deadline_ms && now > p->deadline_ms + r->latest_ms)
			r->latest_ms = now - p->deadline_ms;
		if ((p->deadline_ms && now > p->deadline_ms + LATE_MS && !left) || now > p->since_ms + ROW_MOST_MS) {
			run_wrong(r, "%s: not done %" PRIi64 " ms after its time (%s, %s)", p->row ? p->row->name : p->serial, now - p->deadline_ms,
				  stg_json_str(slot, "state"), stg_json_str(slot, "step"));
			p->deadline_ms = 0;
			p->is_good ? good_ended(r, p, slot) : ended(r, p, slot);
		}
		return;
	}
	if (!p->still_ms)
		p->still_ms = now;
	if (now - p->still_ms < STILL_MS && !p->is_good)
		return;
	if (p->is_good)
		good_ended(r, p, slot);
	else
		ended(r, p, slot);
}

static bool rows_are_done(const struct run *r)
{
	if (!r->corpus)
		return false;
	for (int i = 0; i < r->n; i++)
		if (!r->places[i].is_good && r->places[i].at != PLACE_NO_MORE)
			return false;
	return true;
}

static void look_at(struct run *r, struct place *p, const json_t *slot)
{
	const char *word = stg_json_str(slot, "state");
	if (p->at == PLACE_OUT) {
		struct row *row = p->is_good ? NULL : run_next(r, p);
		if (row) {
			plug_with(r, p, row);
		} else if (p->is_good) {
			journey_tell(r->j, "plug", p->serial, NULL, NULL);
			p->at = PLACE_IN;
		} else {
			p->at = PLACE_NO_MORE;
		}
	} else if (p->at == PLACE_IN) {
		if (p->is_good && p->rounds && stg_boot_ms() < p->since_ms + GOOD_REST_MS)
			return;
		if (slot && (strcmp(word, "listed") == 0 || (p->is_good && is_last_word(word))) && !(p->is_good && rows_are_done(r)))
			order_it(r, p);
		else if (!p->is_good && stg_boot_ms() > p->since_ms + 60000) {
			run_wrong(r, "%s: plugged in and never listed (%s)", p->row->name, word);
			ended(r, p, slot);
		}
	} else if (p->at == PLACE_RUNNING) {
		running(r, p, slot);
	} else if (p->at == PLACE_LEAVING && !slot) {
		p->at = PLACE_OUT;
	} else if (p->at == PLACE_LEAVING && stg_boot_ms() > p->since_ms + 60000) {
		run_wrong(r, "%s: unplugged and still there (%s)", p->row->name, word);
		p->at = PLACE_NO_MORE;
	}
}

static bool run_each(void *ctx, const json_t *event)
{
	struct run *r = ctx;
	(void)event;
	if (stg_boot_ms() - r->last_ms < LOOK_EVERY_MS)
		return true;
	r->last_ms = stg_boot_ms();
	STG_AUTO(stg_json_free_at) json_t *list = journey_op(r->j, "devices", json_object(), NULL);
	for (int i = 0; i < r->n; i++) {
		const json_t *mine = NULL;
		size_t k;
		json_t *slot;
		json_array_foreach(list, k, slot)
			if (strcasecmp(stg_json_str(slot, "udid"), r->places[i].udid) == 0)
				mine = slot;
		look_at(r, &r->places[i], mine);
	}
	if (stg_boot_ms() > r->until_ms) {
		if (r->corpus)
			run_wrong(r, "the run took longer than it may");
		return false;
	}
	return r->corpus ? !rows_are_done(r) : true;
}

/* Nothing here is about making RSA keys: they come from the bench's drawer, where the library for that was built. Before
 * journey_begin(). */
static inline void run_quick_keys(void)
{
	const char *b = getenv("B");
	char path[4200], folder[4200];
	snprintf(path, sizeof(path), "%s/tests/quick_keys.so", b ? b : "build");
	snprintf(folder, sizeof(folder), "%s/bench-keys", b ? b : "build");
	if (getenv("LD_PRELOAD") || getenv("STG_SANITIZED") || access(path, R_OK) != 0)
		return;
	setenv("STG_QUICK_KEYS", folder, 1);
	setenv("LD_PRELOAD", path, 1);
}

/* A station with an app and a blueprint, ports open to everybody. */
static void run_begin(struct run *r, struct journey *j, struct corpus *c, int good, int hostile)
{
	struct stg_error err = { 0 };
	char path[300];
	*r = (struct run){ .j = j, .corpus = c, .n = good + hostile, .good = good };
	assert_true(r->n <= PLACES_MAX);
	snprintf(path, sizeof(path), "%s/blueprints", j->state);
	journey_must(stg_folder_make(path, 0700, &err), &err, "blueprints");
	snprintf(path, sizeof(path), "%s/blueprints/tried.yaml", j->state);
	journey_must(stg_file_write(path, stg_bytes_str(BLUEPRINT_TEXT), 0600, &err), &err, "blueprint");
	snprintf(path, sizeof(path), "%s/profiles", j->state);
	journey_must(stg_folder_make(path, 0700, &err), &err, "profiles");
	snprintf(path, sizeof(path), "%s/profiles/tried.mobileconfig", j->state);
	journey_must(stg_file_write(path, stg_bytes_str(PROFILE_TEXT), 0600, &err), &err, "profile");
	snprintf(path, sizeof(path), "%s/app.ipa", j->dir);
	ipa_make(path, &(struct ipa){ .id = APP, .version = "1.0", .build = "1", .bytes = 1 << 20 });
	json_decref(journey_op(j, "app.add", json_pack("{s:s, s:[s]}", "file", path, "files", "file"), path));
	json_decref(journey_op(j, "port.allow", json_pack("{s:s}", "port", "*"), NULL));
	r->blueprint = stg_blueprint_load(j->state, "tried", NULL, &err);
	journey_must(r->blueprint != NULL, &err, "load the blueprint");
	r->profiles = stg_blueprint_profiles(j->state, r->blueprint, &err);
	journey_must(r->profiles != NULL, &err, "load the profiles");
	for (int i = 0; i < r->n; i++) {
		r->places[i].serial = journey_serial(j, (size_t)i);
		r->places[i].udid = look_udid(j, (size_t)i);
		r->places[i].is_good = i < good;
	}
}

static void run_rows(struct run *r, int64_t most_ms)
{
	struct stg_error err = { 0 };
	r->began_ms = stg_boot_ms();
	r->until_ms = r->began_ms + most_ms;
	journey_must(stg_events(&r->j->caller, run_each, r, NULL, &err), &err, "events");
	r->took_ms = stg_boot_ms() - r->began_ms;
}

static void run_end(struct run *r)
{
	json_decref(r->blueprint);
	json_decref(r->profiles);
}

#endif
