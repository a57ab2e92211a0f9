/*
 * test_pile.c - sixty devices in one pile, in every state a bench meets: each ends where a careful technician would put it.
 *
 * Three orders lie on the bench at once: new tablets for a ward, leavers' devices to be erased and given out again, and devices
 * that get an app. Every device is plugged in as it is; then a person does what the board asks for (taps, unlocks, charges),
 * and the end is looked at again. The devices' own logs say what was erased. STG_COPIES of each kind (2).
 */
#include "look.h"
#include "ipa.h"
#include "quick.h"

#define APP "org.example.route"
#define KNOBS 4

enum order { WARD, LEAVER, APPS, ORDERS };
static const char *const orders[ORDERS] = { "NORTH-12", "LEAVERS", "ROUNDS" };
static const char *const blueprints[ORDERS] = { "ipad-hospital-ward", "leaver-phone-redeploy", "apps-by-cable" };

/* What a person at the bench does with it after the first look. */
enum hand { NOTHING, TAP, DENY, UNLOCK, CHARGE, RESTART };

struct kind {
	const char *what;
	enum order order;
	const char *knobs[KNOBS][2];
	const char *fault[3];           /* kind, request, one argument */
	bool ours;                      /* staged by this station before */
	const char *ownership, *backup; /* "pool" and "none" when NULL */
	/* where it is put, by its state in the order, and why */
	const char *first;              /* "missing": it does not tell its serial, so the board is what speaks of it */
	const char *asks;               /* then: what the board asks a person for */
	enum stg_id why;                /* the recovery mode's is looked for among all places */
	enum hand hand;
	const char *last;               /* after the hand; NULL: as before */
	enum stg_id last_why;
	int erased;
};

#define HOME { "at_home_screen", "true" }
#define TRUSTS { "auto_trust", "true" }

static const struct kind kinds[] = {
	/* a ward's new tablets */
	{ "new", WARD, .knobs = { { "activated", "false" } }, .first = "staged" },
	{ "new, activated by its Wi-Fi", WARD, .first = "staged" },
	{ "set up by somebody, locked", WARD, .knobs = { HOME, { "locked", "true" } }, .first = "missing", .asks = "unlock",
	  .why = STG_ID_DEVICE_LOCKED, .hand = UNLOCK, .last = "hold", .last_why = STG_ID_SETUP_DONE },
	{ "somebody else's", WARD, .knobs = { { "supervised_by_other", "ACME Rentals" }, TRUSTS }, .first = "hold", .why = STG_ID_SUPERVISED_BY_OTHER },
	{ "ours already", WARD, .ours = true, .first = "staged" },
	{ "assigned in Apple Business Manager", WARD, .knobs = { { "abm_assigned", "true" } }, .first = "hold", .why = STG_ID_ASSIGNED_CENTRALLY },
	{ "activation-locked", WARD, .knobs = { { "activated", "false" }, { "activation_lock", "true" } }, .first = "hold",
	  .why = STG_ID_ACTIVATION_LOCKED },
	{ "in recovery", WARD, .knobs = { { "usb_mode", "recovery" } }, .first = "missing", .why = STG_ID_IN_RECOVERY, .hand = RESTART, .last = "staged" },
	{ "battery nearly empty", WARD, .knobs = { { "battery", "5" } }, .first = "waiting", .why = STG_ID_NEEDS_CHARGE, .hand = CHARGE, .last = "staged" },
	{ "flaky cable", WARD, .fault = { "unplug_before", NULL, "skip=30" }, .first = "staged" },
	{ "asks for trust", WARD, .knobs = { HOME }, .first = "missing", .asks = "trust", .why = STG_ID_TRUST_PENDING, .hand = TAP,
	  .last = "hold", .last_why = STG_ID_SETUP_DONE },
	/* leavers' devices: an erase was ordered for each that is the pool's */
	{ "a leaver's", LEAVER, .knobs = { HOME, TRUSTS }, .first = "staged", .erased = 1 },
	{ "signed in", LEAVER, .knobs = { HOME, TRUSTS, { "find_my", "true" } }, .first = "hold", .why = STG_ID_FIND_MY_ON },
	{ "locked", LEAVER, .knobs = { HOME, { "locked", "true" } }, .first = "missing", .asks = "unlock",
	  .why = STG_ID_DEVICE_LOCKED, .hand = UNLOCK, .last = "staged", .erased = 1 },
	{ "somebody else's", LEAVER, .knobs = { { "supervised_by_other", "ACME Rentals" }, TRUSTS }, .first = "hold", .why = STG_ID_ERASE_SECOND },
	{ "ours already, trust reset", LEAVER, .ours = true, .knobs = { { "trust_revoked", "true" }, HOME }, .first = "staged", .erased = 1 },
	{ "assigned in Apple Business Manager", LEAVER, .knobs = { HOME, TRUSTS, { "abm_assigned", "true" } }, .first = "hold",
	  .why = STG_ID_ASSIGNED_CENTRALLY, .erased = 1 },
	{ "in recovery", LEAVER, .knobs = { HOME, TRUSTS, { "usb_mode", "recovery" } }, .first = "missing", .why = STG_ID_IN_RECOVERY },
	{ "battery low", LEAVER, .knobs = { HOME, TRUSTS, { "battery", "25" } }, .first = "waiting", .why = STG_ID_NEEDS_CHARGE, .hand = CHARGE,
	  .last = "staged", .erased = 1 },
	{ "private", LEAVER, .ownership = "personal", .knobs = { HOME, TRUSTS }, .first = "hold", .why = STG_ID_WRONG_OWNERSHIP },
	{ "nobody says whose", LEAVER, .ownership = "", .knobs = { HOME, TRUSTS }, .first = "hold", .why = STG_ID_POOL_UNKNOWN },
	{ "a copy is wanted", LEAVER, .backup = "wanted", .knobs = { HOME, TRUSTS }, .first = "hold", .why = STG_ID_BACKUP_WANTED },
	{ "nobody decided about a copy", LEAVER, .backup = "", .knobs = { HOME, TRUSTS }, .first = "hold", .why = STG_ID_BACKUP_UNDECIDED },
	{ "flaky cable", LEAVER, .knobs = { HOME, TRUSTS }, .fault = { "unplug_after", "GetCloudConfiguration", "skip=0" }, .first = "staged", .erased = 1 },
	{ "the erase's answer is lost", LEAVER, .knobs = { HOME, TRUSTS }, .fault = { "unplug_after", "EraseDevice", "skip=0" }, .first = "staged", .erased = 1 },
	{ "a stranger refuses trust", LEAVER, .knobs = { HOME }, .first = "missing", .asks = "trust", .why = STG_ID_TRUST_PENDING, .hand = DENY,
	  .last = "missing", .last_why = STG_ID_TRUST_DENIED },
	/* an app and its document */
	{ "gets its app", APPS, .first = "staged" },
	{ "full", APPS, .knobs = { { "disk_full", "true" } }, .first = "failed", .why = STG_ID_DEVICE_FULL },
	{ "asks for trust", APPS, .knobs = { HOME }, .first = "missing", .asks = "trust", .why = STG_ID_TRUST_PENDING, .hand = TAP, .last = "staged" },
	{ "flaky cable in the middle of the app", APPS, .fault = { "unplug_before", "FileWrite", "skip=1" }, .first = "staged" },
};

static struct journey bench;
static size_t copies;

#define EACH(i) for (size_t i = 0; i < STG_ARRAY_LEN(kinds) * copies; i++)
#define KIND(i) (&kinds[(i) % STG_ARRAY_LEN(kinds)])

/* ---- the pile is made ---- */

static void write_order(struct journey *j, const char *name, const char *blueprint, int which /* an order; -1: those that were ours before */)
{
	struct stg_error err = { 0 };
	char path[128];
	STG_AUTO(stg_buf_clear) struct stg_buf csv = STG_BUF(1 << 20);
	snprintf(path, sizeof(path), "%s/%s.csv", j->dir, name);
	bool ok = stg_buf_add_str(&csv, "Serial Number,Asset Tag,Name,Ownership,Backup\n", &err);
	EACH(i) {
		const struct kind *k = KIND(i);
		if (which < 0 ? !k->ours : k->order != (enum order)which)
			continue;
		ok = ok && stg_buf_printf(&csv, &err, "%s,A-%04zu,Pile-%02zu,%s,%s\n", journey_serial(j, i), 1000 + i, i,
					  k->ownership ? k->ownership : "pool", k->backup ? k->backup : "none");
	}
	journey_must(ok && stg_file_write(path, stg_buf_view(&csv), 0600, &err), &err, "order");
	json_t *in = json_pack("{s:s, s:s, s:s}", "name", name, "file", path, "blueprint", blueprint), *start = json_pack("{s:s}", "name", name);
	if (which == APPS) {
		json_object_set_new(in, "params", json_pack("{s:s, s:s}", "app", APP, "document", "depots.csv"));
		json_object_set(start, "params", json_object_get(in, "params"));
	}
	json_decref(journey_op(j, "batch.import", in, path));
	json_decref(journey_op(j, "batch.start", start, NULL));
}

static json_t *rows_of(struct journey *j, const char *batch)
{
	STG_AUTO(stg_json_free_at) json_t *b = journey_op(j, "batch.show", json_pack("{s:s}", "name", batch), NULL);
	return json_incref(json_object_get(b, "rows"));
}

/* All rows of all orders, by serial: {"serial": row}. A new reference. */
static json_t *all_rows(struct journey *j)
{
	json_t *all = json_object();
	for (size_t o = 0; o < ORDERS; o++) {
		STG_AUTO(stg_json_free_at) json_t *rows = rows_of(j, orders[o]);
		size_t i;
		json_t *row;
		json_array_foreach(rows, i, row)
			if (!stg_json_bool(row, "unexpected", false))
				json_object_set(all, stg_json_str(row, "serial"), row);
	}
	return all;
}

static void put_own_blueprint(struct journey *j)
{
	static const char text[] = "name: before\nabout: staged by us, a year ago\nsteps:\n  - identify:\n  - pair:\n  - supervise:\n";
	struct stg_error err = { 0 };
	char path[160];
	snprintf(path, sizeof(path), "%s/blueprints", j->state);
	journey_must(stg_folder_make(path, 0700, &err), &err, "blueprints");
	snprintf(path, sizeof(path), "%s/blueprints/before.yaml", j->state);
	journey_must(stg_file_write(path, stg_bytes_str(text), 0600, &err), &err, "blueprint");
}

static void put_app(struct journey *j)
{
	struct stg_error err = { 0 };
	char path[160];
	snprintf(path, sizeof(path), "%s/app.ipa", j->dir);
	ipa_make(path, &(struct ipa){ .id = APP, .version = "1.0", .build = "1", .bytes = 3 << 20 });
	json_decref(journey_op(j, "app.add", json_pack("{s:s, s:[s]}", "file", path, "files", "file"), path));
	snprintf(path, sizeof(path), "%s/depots.csv", j->dir);
	journey_must(stg_file_write(path, stg_bytes_str("depot;city\n1;Lyon\n"), 0600, &err), &err, "document");
	json_decref(journey_op(j, "app.add", json_pack("{s:s, s:[s], s:b, s:s}", "file", path, "files", "file", "document", 1, "name", "depots.csv"), path));
}

static bool before_is_over(struct journey *j, void *ctx)
{
	(void)ctx;
	STG_AUTO(stg_json_free_at) json_t *rows = rows_of(j, "BEFORE");
	size_t i, staged = 0;
	json_t *row;
	json_array_foreach(rows, i, row)
		staged += strcmp(stg_json_str(row, "end"), "staged") == 0;
	return staged == json_array_size(rows);
}

static void stage_before(struct journey *j)
{
	put_own_blueprint(j);
	write_order(j, "BEFORE", "before", -1);
	EACH(i)
		if (KIND(i)->ours)
			journey_tell(j, "plug", journey_serial(j, i), NULL, NULL);
	assert_true(look_until(j, before_is_over, NULL, LOOK_MS));
	EACH(i)
		if (KIND(i)->ours)
			journey_tell(j, "unplug", journey_serial(j, i), NULL, NULL);
	json_decref(journey_op(j, "batch.close", json_pack("{s:s}", "name", "BEFORE"), NULL));
}

static void make_state(struct journey *j, size_t i)
{
	const struct kind *k = KIND(i);
	const char *serial = journey_serial(j, i);
	for (size_t n = 0; n < KNOBS && k->knobs[n][0]; n++)
		journey_tell(j, "set", serial, k->knobs[n][0], k->knobs[n][1]);
	if (k->fault[0]) {
		struct stg_error err = { 0 };
		const char *request = k->fault[1] ? k->fault[1] : "";
		json_t *answer = bench_word(j->control, &err, "fault", serial, k->fault[0], request, k->fault[2], "back_ms=300", (char *)NULL);
		journey_must(answer != NULL, &err, "fault");
		json_decref(answer);
	}
}

static int begin(void **state)
{
	struct journey *j = &bench;
	*state = j;
	quick_keys();
	copies = (size_t)look_number("STG_COPIES", getenv("STG_DEVICES") ? 1 : 2);
	journey_begin(j, (int)(STG_ARRAY_LEN(kinds) * copies), "instant", 61, NULL);
	json_decref(journey_op(j, "port.allow", json_pack("{s:s}", "port", "*"), NULL));
	json_decref(journey_op(j, "target.add", json_pack("{s:s, s:s, s:{s:s}}", "name", "head-office", "connector", "webhook", "config", "url",
							  stg_json_str(json_object_get(j->bench.ready, "receiver"), "url")), NULL));
	stage_before(j);
	EACH(i)
		make_state(j, i);
	put_app(j);
	int64_t pool = 0;
	EACH(i)
		pool += KIND(i)->order == LEAVER && !KIND(i)->ownership;
	for (int o = 0; o < ORDERS; o++)
		write_order(j, orders[o], blueprints[o], o);
	json_decref(journey_op(j, "wipe.order", json_pack("{s:s, s:I}", "batch", orders[LEAVER], "count", (json_int_t)pool), NULL));
	return 0;
}

static int end(void **state)
{
	journey_end(*state);
	return 0;
}

/* ---- where each is put ---- */

struct looking {
	bool last;                      /* after the hand */
	char wrong[200];
};

/* A device nobody can name yet: its place on the board asks for the hand, or, when it has waited long enough, says why it waits. */
static bool on_board(struct journey *j, size_t i, bool last)
{
	const struct kind *k = KIND(i);
	enum stg_id why = last && k->last ? k->last_why : k->why;
	char code[16];
	if (!k->asks)
		return true;
	snprintf(code, sizeof(code), "STG-%u", (unsigned int)why);
	STG_AUTO(stg_json_free_at) json_t *slot = look_slot(j, look_udid(j, i));
	return strcmp(stg_json_str(slot, "code"), code) == 0 || (!last && strcmp(stg_json_str(slot, "ask"), k->asks) == 0);
}

static bool as_wanted(struct journey *j, const json_t *rows, size_t i, bool last, char *ret, size_t size)
{
	const struct kind *k = KIND(i);
	const char *serial = journey_serial(j, i), *want = last && k->last ? k->last : k->first;
	enum stg_id why = last && k->last ? k->last_why : k->why;
	const json_t *row = json_object_get(rows, serial);
	bool there = strcmp(want, "missing") != 0;
	if (strcmp(stg_json_str(row, "end"), want) == 0 && (there ? !why || stg_json_int(row, "why_id", 0) == (int64_t)why : on_board(j, i, last)))
		return true;
	snprintf(ret, size, "%s (%s, %s): %s for STG-%lld, not %s for STG-%u", serial, orders[k->order], k->what, stg_json_str(row, "end"),
		 (long long)stg_json_int(row, "why_id", 0), want, (unsigned int)why);
	return false;
}

static bool all_as_wanted(struct journey *j, void *ctx)
{
	struct looking *l = ctx;
	STG_AUTO(stg_json_free_at) json_t *rows = all_rows(j);
	EACH(i)
		if (!as_wanted(j, rows, i, l->last, l->wrong, sizeof(l->wrong)))
			return false;
	return true;
}

/* Shows every one that lies wrong, not only the first. */
static void must_come(struct journey *j, bool last)
{
	struct looking l = { .last = last };
	if (look_until(j, all_as_wanted, &l, look_number("STG_PILE_MS", LOOK_MS * 2 / 3)))
		return;
	STG_AUTO(stg_json_free_at) json_t *rows = all_rows(j);
	EACH(i)
		if (!as_wanted(j, rows, i, last, l.wrong, sizeof(l.wrong))) {
			print_message("%s\n", l.wrong);
			json_t *row = json_object_get(rows, journey_serial(j, i));
			look_print("   row", json_incref(row));
			look_print("   slot", look_slot(j, look_udid(j, i)));
		}
	fail_msg("the pile does not lie as it should (kept in %s)", j->dir);
}

static void not_erased_wrongly(struct journey *j, bool last)
{
	EACH(i) {
		const struct kind *k = KIND(i);
		const char *serial = journey_serial(j, i);
		STG_AUTO(stg_json_free_at) json_t *d = look_device(j, serial);
		int64_t sent = look_sent(j, serial, "EraseDevice"), want = last || !k->hand ? k->erased : 0;
		if (sent != want || stg_json_int(d, "generation", -1) != want)
			fail_msg("%s (%s, %s): asked to erase %lld times, erased %lld times, not %lld", serial, orders[k->order], k->what, (long long)sent,
				 (long long)stg_json_int(d, "generation", -1), (long long)want);
	}
}

static void each_lies_where_a_careful_technician_would_put_it(void **state)
{
	struct journey *j = *state;
	journey_tell(j, "plug", "all", NULL, NULL);
	must_come(j, false);
	not_erased_wrongly(j, false);
}

/* In recovery: no serial of the list is at fault, the board names the place and the act. */
static void what_shows_no_system_is_on_the_board_with_an_act(void **state)
{
	struct journey *j = *state;
	STG_AUTO(stg_json_free_at) json_t *slots = journey_op(j, "devices", json_object(), NULL);
	size_t i, n = 0, want = 0;
	json_t *slot;
	json_array_foreach(slots, i, slot)
		n += strcmp(stg_json_str(slot, "state"), "recovery") == 0 && strcmp(stg_json_str(slot, "code"), "STG-1440") == 0;
	EACH(k)
		want += KIND(k)->why == STG_ID_IN_RECOVERY;
	assert_int_equal(n, want);
}

static void act(struct journey *j, size_t i)
{
	const char *serial = journey_serial(j, i);
	switch (KIND(i)->hand) {
	case TAP:
		journey_tell(j, "tap", "trust", serial, NULL);
		break;
	case DENY:
		journey_tell(j, "tap", "deny", serial, NULL);
		break;
	case UNLOCK:
		journey_tell(j, "set", serial, "auto_trust", "true");
		journey_tell(j, "unlock", serial, NULL, NULL);
		break;
	case CHARGE:
		journey_tell(j, "unplug", serial, NULL, NULL);
		journey_tell(j, "set", serial, "battery", "80");
		journey_tell(j, "plug", serial, NULL, NULL);
		break;
	case RESTART:
		journey_tell(j, "unplug", serial, NULL, NULL);
		journey_tell(j, "set", serial, "usb_mode", "normal");
		journey_tell(j, "plug", serial, NULL, NULL);
		break;
	case NOTHING:
		break;
	}
}

static void what_the_board_asks_for_is_done_and_they_go_on(void **state)
{
	struct journey *j = *state;
	EACH(i)
		act(j, i);
	must_come(j, true);
	not_erased_wrongly(j, true);
}

static int64_t counted(const json_t *rows, const char *end)
{
	size_t i;
	json_t *row;
	int64_t n = 0;
	json_array_foreach((json_t *)(uintptr_t)rows, i, row)
		n += !stg_json_bool(row, "unexpected", false) && strcmp(stg_json_str(row, "end"), end) == 0;
	return n;
}

/* Every order closes, its sum is right, and each device that is not staged has a sentence and one act beside it. */
static void the_balance_closes(void **state)
{
	struct journey *j = *state;
	static const char *const ends[] = { "staged", "waiting", "hold", "failed", "missing" };
	assert_true(look_drained(j));
	for (size_t o = 0; o < ORDERS; o++) {
		STG_AUTO(stg_json_free_at) json_t *rows = rows_of(j, orders[o]);
		STG_AUTO(stg_json_free_at) json_t *closed = journey_op(j, "batch.close", json_pack("{s:s, s:b}", "name", orders[o], "open", 1), NULL);
		const json_t *b = json_object_get(closed, "balance");
		int64_t sum = 0, want = 0;
		for (size_t e = 0; e < STG_ARRAY_LEN(ends); e++) {
			assert_int_equal(stg_json_int(b, ends[e], 0), counted(rows, ends[e]));
			sum += stg_json_int(b, ends[e], 0);
		}
		EACH(i)
			want += KIND(i)->order == (enum order)o;
		assert_int_equal(stg_json_int(b, "expected", -1), want);
		assert_int_equal(sum, want);
		assert_int_equal(stg_json_int(b, "unexpected", 0), 0);
		size_t i;
		json_t *row;
		json_array_foreach(rows, i, row) {
			const char *e = stg_json_str(row, "end");
			if (strcmp(e, "staged") == 0 || strcmp(e, "missing") == 0)
				continue;
			unsigned int why = (unsigned int)stg_json_int(row, "why_id", 0);
			if (!why || !*stg_id_act(why))
				fail_msg("%s is %s without a next act", stg_json_str(row, "serial"), e);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_lies_where_a_careful_technician_would_put_it),
		cmocka_unit_test(what_shows_no_system_is_on_the_board_with_an_act),
		cmocka_unit_test(what_the_board_asks_for_is_done_and_they_go_on),
		cmocka_unit_test(the_balance_closes),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
