/*
 * test_thousands.c - thousands of mixed and faulty devices, in virtual time: none ends in a wrong state, none is left without a
 * next act, none is erased that should not be.
 *
 * STG_DEVICES of them (make soak: 10,000), STG_SEED chooses. They come in orders of up to 500, every other one a leaver's pile to
 * be erased. Six of ten are in a good state, the rest is locked, set up, somebody else's, assigned, activation-locked, low on
 * power, private... ; whatever it is, half of all meet one to three faults of cable, connection, answers and time on the way.
 */
#include "wave.h"
#include "virtual_time.h"

#define ORDER 500
#define WAVE 48

enum { WARD = 1, LEAVER = 2 };

/* A state, and where a device in it belongs in the end, a person having done what the board asked for. */
static const struct class {
	const char *what;
	int orders;                     /* in which it comes */
	int share;                      /* of a hundred, about */
	const char *knobs[3][2];
	const char *fault[3];           /* for ever */
	const char *ownership, *backup;
	const char *end;
	enum stg_id why;
	int erased;
} classes[] = {
	{ "good", WARD, 50, .end = "staged" },
	{ "new", WARD, 12, .knobs = { { "activated", "false" } }, .end = "staged" },
	{ "set up", WARD, 4, .knobs = { { "at_home_screen", "true" } }, .end = "hold", .why = STG_ID_SETUP_DONE },
	{ "set up and locked", WARD, 4, .knobs = { { "at_home_screen", "true" }, { "locked", "true" } }, .end = "hold", .why = STG_ID_SETUP_DONE },
	{ "somebody else's", WARD, 4, .knobs = { { "supervised_by_other", "ACME Rentals" }, { "auto_trust", "true" } }, .end = "hold",
	  .why = STG_ID_SUPERVISED_BY_OTHER },
	{ "assigned", WARD, 4, .knobs = { { "abm_assigned", "true" } }, .end = "hold", .why = STG_ID_ASSIGNED_CENTRALLY },
	{ "activation-locked", WARD, 4, .knobs = { { "activated", "false" }, { "activation_lock", "true" } }, .end = "hold",
	  .why = STG_ID_ACTIVATION_LOCKED },
	{ "battery low", WARD, 6, .knobs = { { "battery", "7" } }, .end = "staged" },
	{ "takes no profile", WARD, 4, .fault = { "refuse", "MCInstall/InstallProfileSilent", "code=4001" }, .end = "failed" },
	{ "shows no profile", WARD, 4, .fault = { "absent", "MCInstall/InstallProfileSilent", "x=0" }, .end = "failed" },
	{ "good", LEAVER, 56, .knobs = { { "at_home_screen", "true" }, { "auto_trust", "true" } }, .end = "staged", .erased = 1 },
	{ "locked", LEAVER, 8, .knobs = { { "at_home_screen", "true" }, { "locked", "true" } }, .end = "staged", .erased = 1 },
	{ "asks for trust", LEAVER, 8, .knobs = { { "at_home_screen", "true" } }, .end = "staged", .erased = 1 },
	{ "signed in", LEAVER, 5, .knobs = { { "at_home_screen", "true" }, { "auto_trust", "true" }, { "find_my", "true" } }, .end = "hold",
	  .why = STG_ID_FIND_MY_ON },
	{ "somebody else's", LEAVER, 5, .knobs = { { "supervised_by_other", "ACME Rentals" }, { "auto_trust", "true" } }, .end = "hold",
	  .why = STG_ID_ERASE_SECOND },
	{ "private", LEAVER, 5, .knobs = { { "at_home_screen", "true" }, { "auto_trust", "true" } }, .ownership = "personal", .end = "hold",
	  .why = STG_ID_WRONG_OWNERSHIP },
	{ "a copy is wanted", LEAVER, 5, .knobs = { { "at_home_screen", "true" }, { "auto_trust", "true" } }, .backup = "wanted", .end = "hold",
	  .why = STG_ID_BACKUP_WANTED },
	{ "battery low", LEAVER, 8, .knobs = { { "at_home_screen", "true" }, { "auto_trust", "true" }, { "battery", "9" } }, .end = "staged", .erased = 1 },
};

/* What goes wrong on the way, once each; %d is a number of the kind's own range. */
static const struct {
	const char *kind, *arg;
	int from, to;
	bool of_connections;            /* else of requests */
} faults[] = {
	{ "unplug_before", "back_ms=%d", 50, 90000, false }, { "unplug_after", "back_ms=%d", 50, 90000, false }, { "unplug_before", "x=%d", 0, 0, false },
	{ "drop_before", "x=%d", 0, 0, false }, { "drop_after", "x=%d", 0, 0, false }, { "mute", "x=%d", 0, 0, false },
	{ "delay", "ms=%d", 500, 90000, false }, { "truncate", "x=%d", 0, 0, false }, { "garbage", "x=%d", 0, 0, false },
	{ "header_split", "x=%d", 0, 0, false }, { "wrong_request", "x=%d", 0, 0, false }, { "no_status", "x=%d", 0, 0, false },
	{ "mute_connect", "x=%d", 0, 0, true }, { "connect_hang", "x=%d", 0, 0, true }, { "connect_refused", "x=%d", 0, 0, true },
	{ "drop_bytes", "bytes=%d", 1, 20000, true }, { "tls_hang", "x=%d", 0, 0, true }, { "service_limit", "x=%d", 0, 0, true },
};

struct order {
	int which;
	size_t n;
	size_t faults;
	const struct class *classes[ORDER];
	char armed[ORDER][120];         /* for a person who reads what failed */
};

static const struct class *draw(struct journey *j, int which)
{
	int sum = 0;
	for (size_t c = 0; c < STG_ARRAY_LEN(classes); c++)
		sum += classes[c].orders & which ? classes[c].share : 0;
	int at = (int)(journey_random(j) % (uint64_t)sum);
	for (size_t c = 0;; c++)
		if ((classes[c].orders & which) && (at -= classes[c].share) < 0)
			return &classes[c];
}

static void arm(struct journey *j, const char *serial, const char *kind, const char *a, const char *b, const char *c)
{
	struct stg_error err = { 0 };
	json_t *answer = bench_word(j->control, &err, "fault", serial, kind, a, b, c, (char *)NULL);
	journey_must(answer != NULL, &err, "fault");
	json_decref(answer);
}

static void make_faults(struct journey *j, struct order *o, size_t i)
{
	if (journey_random(j) % 2)
		return;
	for (int n = 1 + (int)(journey_random(j) % 3); n > 0; n--) {
		size_t f = (size_t)(journey_random(j) % STG_ARRAY_LEN(faults)), at = strlen(o->armed[i]);
		char skip[24], arg[40];
		int range = faults[f].to - faults[f].from + 1;
		snprintf(skip, sizeof(skip), "skip=%d", (int)(journey_random(j) % (faults[f].of_connections ? 12 : 90)));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(arg, sizeof(arg), faults[f].arg, faults[f].from + (int)(journey_random(j) % (uint64_t)range));
#pragma GCC diagnostic pop
		arm(j, journey_serial(j, i), faults[f].kind, skip, arg, "count=1");
		snprintf(o->armed[i] + at, sizeof(o->armed[i]) - at, "%s %s %s; ", faults[f].kind, skip, arg);
		o->faults++;
	}
}

static void make(struct journey *j, struct order *o)
{
	struct stg_error err = { 0 };
	char path[128];
	int64_t pool = 0;
	STG_AUTO(stg_buf_clear) struct stg_buf csv = STG_BUF(4 << 20);
	bool ok = stg_buf_add_str(&csv, "Serial Number,Asset Tag,Name,Ownership,Backup\n", &err);
	for (size_t i = 0; i < o->n; i++) {
		const struct class *c = o->classes[i] = draw(j, o->which);
		ok = ok && stg_buf_printf(&csv, &err, "%s,A-%05zu,Heap-%03zu,%s,%s\n", journey_serial(j, i), i, i, c->ownership ? c->ownership : "pool",
					  c->backup ? c->backup : "none");
		pool += !c->ownership;
		for (size_t k = 0; k < STG_ARRAY_LEN(c->knobs) && c->knobs[k][0]; k++)
			journey_tell(j, "set", journey_serial(j, i), c->knobs[k][0], c->knobs[k][1]);
		if (c->fault[0])
			arm(j, journey_serial(j, i), c->fault[0], c->fault[1], c->fault[2], "count=-1");
		make_faults(j, o, i);
	}
	snprintf(path, sizeof(path), "%s/order.csv", j->dir);
	journey_must(ok && stg_file_write(path, stg_buf_view(&csv), 0600, &err), &err, "order");
	look_order(j, o->which == WARD ? "ipad-hospital-ward" : "leaver-phone-redeploy", stg_buf_view(&csv));
	if (o->which == LEAVER)
		json_decref(journey_op(j, "wipe.order", json_pack("{s:s, s:I}", "batch", BATCH, "count", (json_int_t)pool), NULL));
}

/* ---- the person, and what is right ---- */

static bool belongs(struct journey *j, size_t i, const json_t *row, const json_t *slot, void *ctx)
{
	const struct class *c = ((struct order *)ctx)->classes[i];
	(void)j, (void)slot;
	return strcmp(stg_json_str(row, "end"), c->end) == 0 && (!c->why || stg_json_int(row, "why_id", 0) == (int64_t)c->why);
}

/* Does what the board says, and otherwise what people do: out and in again. */
static bool hand(struct journey *j, size_t i, const json_t *row, const json_t *slot, void *ctx)
{
	const char *serial = journey_serial(j, i), *ask = stg_json_str(slot, "ask"), *code = stg_json_str(slot, "code");
	int64_t why = stg_json_int(row, "why_id", 0);
	(void)ctx;
	STG_AUTO(stg_json_free_at) json_t *d = look_device(j, serial);
	if (strcmp(ask, "unlock") == 0 || strcmp(code, "STG-1409") == 0 || why == STG_ID_DEVICE_LOCKED) {
		if (*ask && !stg_json_bool(d, "locked", true))
			return false;
		journey_tell(j, "unlock", serial, NULL, NULL);
		if (!*ask)    /* nobody waits beside it any more */
			journey_tell(j, "replug", serial, NULL, NULL);
		return true;
	}
	if (strcmp(ask, "trust") == 0) {
		if (strcmp(stg_json_str(d, "dialog"), "open") != 0)
			return false;   /* answered, or not there yet: the station is about to ask again */
		/* the dialog may have closed since the board was read */
		json_decref(bench_word(j->control, NULL, "tap", "trust", serial, (char *)NULL));
		return true;
	}
	if (strcmp(code, "STG-1407") == 0)
		journey_tell(j, "set", serial, "auto_trust", "true");    /* stands beside it this time */
	if (why == STG_ID_NEEDS_CHARGE)
		journey_tell(j, "set", serial, "battery", "80");
	if (why == STG_ID_ERASE_NOT_PROVEN)
		wave_erase_anew(j, serial);
	if (why == STG_ID_ERASE_NOT_CONFIRMED)    /* its order was spent by a word whose end nobody saw */
		wave_erase_order(j, serial);
	journey_tell(j, "replug", serial, NULL, NULL);
	return true;
}

static void go_through(struct journey *j, struct order *o, size_t first, size_t end)
{
	struct wave w = { .first = first, .end = end, .lies_well = belongs, .hand = hand, .ctx = o };
	bool all = wave_go(j, &w, 16);
	for (size_t i = first; !all && i < end; i++) {
		const json_t *row = json_object_get(w.rows, journey_serial(j, i));
		if (belongs(j, i, row, NULL, o))
			continue;
		print_message("%s (%s; %s) should be %s for STG-%u\n", journey_serial(j, i), o->classes[i]->what, o->armed[i], o->classes[i]->end,
			      (unsigned int)o->classes[i]->why);
		look_print("   row", json_deep_copy(row));
		look_print("   slot", look_slot(j, look_udid(j, i)));
	}
	if (!all)
		fail_msg("%zu of order %s do not lie where they belong (kept in %s)", w.open, o->which == WARD ? "ward" : "leavers", j->dir);
	wave_away(j, &w);
}

static void check_erased(struct journey *j, const struct order *o)
{
	for (size_t i = 0; i < o->n; i++) {
		STG_AUTO(stg_json_free_at) json_t *d = look_device(j, journey_serial(j, i));
		if (stg_json_int(d, "generation", -1) != o->classes[i]->erased)
			fail_msg("%s (%s) was erased %lld times, not %d", journey_serial(j, i), o->classes[i]->what, (long long)stg_json_int(d, "generation", -1),
				 o->classes[i]->erased);
	}
}

static void check_close(struct journey *j, const struct order *o, size_t staged)
{
	STG_AUTO(stg_json_free_at) json_t *batch = journey_op(j, "batch.show", json_pack("{s:s}", "name", BATCH), NULL);
	STG_AUTO(stg_json_free_at) json_t *closed = journey_op(j, "batch.close", json_pack("{s:s, s:b}", "name", BATCH, "open", 1), NULL);
	const json_t *b = json_object_get(closed, "balance");
	assert_int_equal(stg_json_int(b, "expected", -1), o->n);
	assert_int_equal(stg_json_int(b, "staged", -1), staged);
	assert_int_equal(stg_json_int(b, "staged", 0) + stg_json_int(b, "waiting", 0) + stg_json_int(b, "hold", 0) + stg_json_int(b, "failed", 0) +
			 stg_json_int(b, "missing", 0), o->n);
	size_t i;
	json_t *row;
	json_array_foreach(json_object_get(batch, "rows"), i, row) {
		unsigned int why = (unsigned int)stg_json_int(row, "why_id", 0);
		if (strcmp(stg_json_str(row, "end"), "staged") != 0 && (!why || !*stg_id_act(why)))
			fail_msg("%s is %s without a next act (STG-%u)", stg_json_str(row, "serial"), stg_json_str(row, "end"), why);
	}
	STG_AUTO(stg_json_free_at) json_t *log = journey_op(j, "audit.verify", json_object(), NULL);
	assert_true(stg_json_bool(log, "ok", false));
}

static size_t one_order(int which, size_t n, uint64_t seed)
{
	static const char *const options[] = { "--slots", "64", NULL };
	static struct order o;
	struct journey j;
	size_t staged = 0;
	int64_t from = stg_boot_ms();
	memset(&o, 0, sizeof(o));
	o.which = which;
	o.n = n;
	journey_begin(&j, (int)n, "instant", seed, options);
	make(&j, &o);
	for (size_t first = 0; first < n; first += WAVE)
		go_through(&j, &o, first, first + WAVE < n ? first + WAVE : n);
	for (size_t i = 0; i < n; i++)
		staged += strcmp(o.classes[i]->end, "staged") == 0;
	check_erased(&j, &o);
	assert_true(look_drained(&j));
	assert_int_equal(wave_told_once(&j), staged);
	check_close(&j, &o, staged);
	journey_end(&j);
	print_message("%s: %zu devices, %zu faults, %zu staged, %lld s\n", which == WARD ? "ward" : "leavers", n, o.faults, staged,
		      (long long)(stg_boot_ms() - from) / 1000);
	return n;
}

static void each_of_thousands_lies_where_it_belongs(void **state)
{
	(void)state;
	size_t all = (size_t)look_number("STG_DEVICES", getenv("STG_SANITIZED") ? 24 : 96), seed = (size_t)look_number("STG_SEED", 83);
	size_t most = all < 2 * ORDER ? (all + 1) / 2 : ORDER;
	for (size_t done = 0, round = 0; done < all; round++) {
		size_t n = all - done < most ? all - done : most;
		done += one_order(round % 2 ? LEAVER : WARD, n, seed + round);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_of_thousands_lies_where_it_belongs),
	};
	return cmocka_run_group_tests(tests, virtual_group_begin, virtual_group_end);
}
