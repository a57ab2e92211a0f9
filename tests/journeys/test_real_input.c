/*
 * test_real_input.c - an order as a French spreadsheet exports it, profiles from elsewhere, and devices as they really come.
 *
 * STG_DEVICES says how many, at least one of each kind; STG_DEEP=1 asks go-ios for each device's cloud configuration
 * too (each of its starts costs half a second of CPU), not for one of some kinds only. Every device ends in one end state with its reason; the balance is the list; the inventory, the
 * papers of the batch, the receiver's record and the device itself, asked by ideviceinfo and go-ios, say the same.
 */
#include "foreign.h"
#include "tools.h"

#define DEVICES 28                   /* one of each kind; `make soak` has 60: most of the time is go-ios starting */
#define SETTLE_MS look_number("STG_SETTLE_MS", 240000)
#define EARLIER "NORTH-11"

/* What a hand at the bench does. */
enum hand { NONE, TAPS_TRUST, UNLOCKS, CHARGES, OTHER_PORT, BRINGS_TWIN };

enum { ORDERED = 1, BY_UDID = 2, PERSONAL = 4, OURS = 8, TWIN = 16, IS_MISSING = 32, DEEP = 64 };

static const struct kind {
	const char *word;
	size_t of_60;
	const char *knobs, *faults;      /* members of the device; list of faults */
	const char *end, *wait;
	unsigned int id;                 /* row of errors.def */
	unsigned int flags;
	enum hand hand;
} kinds[] = {
	{ "healthy", 9, "", "", "staged", "", 0, ORDERED | DEEP, NONE },
	{ "a new box", 5, "'activated': false", "", "staged", "", 0, ORDERED | DEEP, NONE },
	{ "in use, somebody's own", 3, "'at_home_screen': true, 'has_passcode': true, 'auto_trust': true", "", "hold", "", STG_ID_SETUP_DONE, ORDERED | PERSONAL | DEEP, NONE },
	{ "in use, trusted by hand", 2, "'at_home_screen': true", "", "hold", "", STG_ID_SETUP_DONE, ORDERED, TAPS_TRUST },
	{ "ours already", 3, "", "", "staged", "", 0, ORDERED | OURS | DEEP, NONE },
	{ "supervised by somebody else", 3, "'supervised_by_other': 'Ailleurs SA', 'auto_trust': true", "", "hold", "", STG_ID_SUPERVISED_BY_OTHER, ORDERED | DEEP, NONE },
	{ "assigned", 2, "'abm_assigned': true", "", "hold", "", STG_ID_ASSIGNED_CENTRALLY, ORDERED | DEEP, NONE },
	{ "slow to show its dialog", 3, "", "{'kind': 'dialog_pending', 'request': 'Pair', 'count': 2}", "staged", "", 0, ORDERED, NONE },
	{ "denied", 2, "", "{'kind': 'refuse', 'request': 'Pair', 'count': -1, 'error': 'UserDeniedPairing'}", "waiting", "person", STG_ID_TRUST_DENIED, ORDERED | BY_UDID, NONE },
	{ "denied, known by its serial only", 1, "", "{'kind': 'refuse', 'request': 'Pair', 'count': -1, 'error': 'UserDeniedPairing'}", "missing", "person", STG_ID_TRUST_DENIED, ORDERED | IS_MISSING, NONE },
	{ "locked, then unlocked", 2, "'locked': true", "", "staged", "", 0, ORDERED, UNLOCKS },
	{ "low battery", 1, "'battery': 5, 'battery_charging': false", "", "waiting", "charge", STG_ID_NEEDS_CHARGE, ORDERED, NONE },
	{ "low battery, then charged", 1, "'battery': 5, 'battery_charging': false", "", "staged", "", 0, ORDERED, CHARGES },
	{ "full", 2, "'disk_full': true",
	  "{'kind': 'refuse', 'request': 'InstallProfile', 'count': -1, 'code': 640, 'domain': 'NSCocoaErrorDomain', 'text': 'There is not enough space.'},"
	  "{'kind': 'refuse', 'request': 'InstallProfileSilent', 'count': -1, 'code': 640, 'domain': 'NSCocoaErrorDomain', 'text': 'There is not enough space.'}",
	  "failed", "", STG_ID_DEVICE_REFUSED, ORDERED, NONE },
	{ "not the model that was ordered", 2, "'model': 'iPhone9,1'", "", "hold", "", STG_ID_WRONG_MODEL, ORDERED, NONE },
	{ "not in the order", 2, "", "", "unexpected", "", STG_ID_NOT_IN_ORDER, 0, NONE },
	{ "another's twin", 1, "", "", "hold", "", STG_ID_TWO_ALIKE, TWIN, NONE },
	{ "has a twin", 1, "", "", "staged", "", 0, ORDERED, BRINGS_TWIN },
	{ "plugged in twice", 2, "", "", "staged", "", 0, ORDERED, OTHER_PORT },
	{ "pulled in mid-step", 2, "", "{'kind': 'unplug_before', 'request': 'InstallProfileSilent', 'back_ms': 700}", "staged", "", 0, ORDERED, NONE },
	{ "restarts while it is supervised", 2, "", "{'kind': 'unplug_after', 'request': 'SetCloudConfiguration', 'back_ms': 400}", "staged", "", 0, ORDERED, NONE },
	{ "slow", 2, "", "{'kind': 'delay', 'request': 'InstallProfileSilent', 'ms': 1500, 'count': 2}, {'kind': 'delay', 'request': 'SetCloudConfiguration', 'ms': 2000}", "staged", "", 0, ORDERED, NONE },
	{ "answers in pieces", 2, "", "{'kind': 'header_split', 'request': 'InstallProfileSilent', 'count': 3}, {'kind': 'drop_after', 'request': 'InstallProfileSilent', 'skip': 1}", "staged", "", 0, ORDERED, NONE },
	{ "said failed, and did it", 2, "", "{'kind': 'reported_failed', 'request': 'InstallProfileSilent'}", "staged", "", 0, ORDERED, NONE },
	{ "said done, once, and did not", 1, "", "{'kind': 'absent', 'request': 'InstallProfileSilent'}", "staged", "", 0, ORDERED, NONE },
	{ "said done, and never did", 1, "", "{'kind': 'absent', 'request': 'InstallProfileSilent', 'skip': 1, 'count': -1}", "failed", "", STG_ID_NOT_PROVEN, ORDERED, NONE },
	{ "locked to an account", 1, "'activated': false, 'activation_lock': true", "", "hold", "", STG_ID_ACTIVATION_LOCKED, ORDERED, NONE },
};

static const char *const models[] = {
	"iPad7,11", "iPhone10,1", "iPad11,1", "iPhone11,8", "iPad11,7", "iPhone12,1", "iPad8,1", "iPhone12,8", "iPad12,2", "iPhone13,2", "iPad13,1",
	"iPhone14,5", "iPad14,2", "iPhone14,6", "iPad13,19", "iPhone15,2", "iPad13,16", "iPhone15,4", "iPad14,3", "iPhone16,1", "iPad16,3", "iPhone17,3",
	"iPad15,8", "iPhone18,3",
};

struct real {
	struct journey j;
	json_t *rows;                    /* of the order and unexpected, as batch.show says them at the end */
	json_t *slots, *inventory, *jobs, *records, *result, *exceptions, *org;
	size_t kind[512];
	bool done[512];                  /* the hand has been there */
	bool line_open;
	int64_t compared;
};

static const struct kind *kind_of(const struct real *r, size_t i)
{
	return &kinds[r->kind[i]];
}

/* ---- the bench ---- */

static size_t share_out(struct real *r, size_t n)
{
	size_t i = 0;
	if (n < STG_ARRAY_LEN(kinds))
		n = STG_ARRAY_LEN(kinds);
	if (n > STG_ARRAY_LEN(r->kind))
		n = STG_ARRAY_LEN(r->kind);
	for (size_t round = 0; i < n; round++) {
		size_t before = i;
		for (size_t k = 0; k < STG_ARRAY_LEN(kinds) && i < n; k++)
			if (round < kinds[k].of_60)
				r->kind[i++] = k;
		while (i == before && i < n)
			r->kind[i++] = 0;
	}
	return n;
}

/* JSON that reads well in C: with ' for ". */
static json_t *quoted(char open, const char *inner, char close)
{
	struct stg_error err = { 0 };
	char text[1024];
	snprintf(text, sizeof(text), "%c%s%c", open, inner, close);
	for (char *p = text; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	json_t *o = stg_json_parse(stg_bytes_str(text), sizeof(text), &err);
	journey_must(o != NULL, &err, text);
	return o;
}

static void scenario(const struct real *r, size_t n, char ret_path[64])
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *all = json_object();
	json_t *devices = json_array();
	stg_json_put_new(all, "devices", devices);
	for (size_t i = 0; i < n; i++) {
		json_t *one = quoted('{', kind_of(r, i)->knobs, '}');
		stg_json_put_new(one, "faults", quoted('[', kind_of(r, i)->faults, ']'));
		stg_json_put_bool(one, "plugged", false);
		if (!json_object_get(one, "model"))
			stg_json_put(one, "model", models[i % STG_ARRAY_LEN(models)]);
		json_array_append_new(devices, one);
	}
	STG_AUTO(stg_free_at) char *text = stg_json_text(all);
	snprintf(ret_path, 64, "/tmp/stgreal-XXXXXX");
	int fd = mkstemp(ret_path);
	assert_true(fd >= 0);
	close(fd);
	journey_must(stg_file_write(ret_path, stg_bytes_str(text), 0600, &err), &err, "scenario");
}

static bool is_in(const struct real *r, size_t i, unsigned int flag)
{
	return (kind_of(r, i)->flags & flag) != 0;
}

/* The twin says the serial of the one that has a twin; what is known of it by itself is its UDID. */
static size_t index_of(const struct real *r, enum hand hand)
{
	size_t i = 0;
	while (i < (size_t)r->j.n && kind_of(r, i)->hand != hand)
		i++;
	return i;
}

static void order_name(size_t i, char ret[64])
{
	snprintf(ret, 64, "Péd. %zu – lit %zu", i / 4, i);
}

static void write_order(struct real *r, struct stg_buf *ret)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(1 << 20);
	bool ok = stg_buf_add_str(&text, "N° de série;Modèle;Étiquette;Nom;Propriété;Service;Prix HT;Remarque;UDID\r\n", &err);
	for (size_t i = 0; ok && i < (size_t)r->j.n; i++) {
		char name[64];
		order_name(i, name);
		bool in = is_in(r, i, ORDERED);
		/* in the place of one that came without being ordered stands one that was ordered and never came */
		const char *serial = journey_serial(&r->j, i);
		ok = in ? stg_buf_printf(&text, &err, "%s%s;", serial, i % 7 == 3 ? " " : "") : stg_buf_printf(&text, &err, "JAMAIS%04zuX;", i);
		ok = ok && stg_buf_printf(&text, &err, "\"%s\";HN-%04zu;%s;%s;Pédiatrie;1 049,%02zu;%s;%s\r\n", in ? "iPad ou iPhone; 64 Go" : "iPad", 1000 + i, name,
					  is_in(r, i, PERSONAL) ? "personal" : "pool", i % 100,
					  i % 5 == 1 ? "\"Chariot \"\"rouge\"\"\r\nprise du bas\"" : "reçu le 3/11/2025 à l’œil",
					  is_in(r, i, BY_UDID) ? look_udid(&r->j, i) : "");
	}
	ok = ok && stg_buf_add_str(&text, ";;;;;;;;\r\n\r\n\r\n", &err);
	journey_must(ok, &err, "order");
	foreign_windows(stg_buf_str(&text), ret);
}

/* Some of the devices were supervised by us on an earlier day. */
static void the_day_before(struct real *r)
{
	struct stg_error err = { 0 };
	struct journey *j = &r->j;
	STG_AUTO(stg_buf_clear) struct stg_buf csv = STG_BUF(1 << 16);
	char path[128];
	int64_t n = 0;
	bool ok = stg_buf_add_str(&csv, "Serial Number;Ownership\n", &err);
	for (size_t i = 0; ok && i < (size_t)j->n; i++)
		if (is_in(r, i, OURS)) {
			n++;
			ok = stg_buf_printf(&csv, &err, "%s;pool\n", journey_serial(j, i));
		}
	snprintf(path, sizeof(path), "%s/earlier.csv", j->dir);
	journey_must(ok && stg_file_write(path, stg_buf_view(&csv), 0600, &err), &err, "earlier order");
	json_decref(journey_op(j, "port.allow", json_pack("{s:s}", "port", "*"), NULL));
	json_decref(journey_op(j, "batch.import", json_pack("{s:s, s:s, s:s}", "name", EARLIER, "file", path, "blueprint", "la-veille"), path));
	json_decref(journey_op(j, "batch.start", json_pack("{s:s}", "name", EARLIER), NULL));
	for (size_t i = 0; i < (size_t)j->n; i++)
		if (is_in(r, i, OURS))
			journey_tell(j, "plug", journey_serial(j, i), NULL, NULL);
	for (size_t i = 0; i < (size_t)j->n; i++)
		if (is_in(r, i, OURS)) {
			struct look_at at = { look_udid(j, i), "state", "staged" };
			assert_true(look_until(j, look_slot_is, &at, SETTLE_MS));
			journey_tell(j, "unplug", journey_serial(j, i), NULL, NULL);
			/* it went to somebody, who set it up */
			journey_tell(j, "set", journey_serial(j, i), "at_home_screen", "true");
		}
	json_decref(journey_op(j, "batch.close", json_pack("{s:s}", "name", EARLIER), NULL));
}

/* ---- the hands, until all have come to rest ---- */

static const json_t *row_of(const struct real *r, const char *serial, const char *udid)
{
	size_t i;
	json_t *row;
	json_array_foreach(r->rows, i, row)
		if ((*serial && strcmp(stg_json_str(row, "serial"), serial) == 0) || (*udid && strcasecmp(stg_json_str(row, "udid"), udid) == 0))
			return row;
	return NULL;
}

static const json_t *slot_of(const struct real *r, const char *udid)
{
	size_t i;
	json_t *slot;
	json_array_foreach(r->slots, i, slot)
		if (strcasecmp(stg_json_str(slot, "udid"), udid) == 0)
			return slot;
	return NULL;
}

static void act(struct real *r, size_t i, const json_t *row, const json_t *slot)
{
	struct journey *j = &r->j;
	const char *who = look_udid(j, i);
	bool staged = strcmp(stg_json_str(row, "end"), "staged") == 0;
	struct stg_error err = { 0 };
	switch (r->done[i] ? NONE : kind_of(r, i)->hand) {
	case NONE:
		return;
	case TAPS_TRUST:
		if (strcmp(stg_json_str(slot, "ask"), "trust") != 0)
			return;
		json_decref(bench_word(j->control, &err, "tap", "trust", who, NULL));
		r->done[i] = err.code == STG_OK;         /* the dialog was there */
		return;
	case UNLOCKS:
		if (strcmp(stg_json_str(slot, "ask"), "unlock") != 0)
			return;
		journey_tell(j, "unlock", who, NULL, NULL);
		break;
	case CHARGES:
		if (strcmp(stg_json_str(row, "wait"), "charge") != 0 || strcmp(stg_json_str(slot, "state"), "waiting") != 0)
			return;
		journey_tell(j, "battery", who, "80", NULL);
		journey_tell(j, "replug", who, "300", NULL);
		break;
	case OTHER_PORT:
		if (!staged || strcmp(stg_json_str(slot, "state"), "staged") != 0)
			return;
		journey_tell(j, "replug", who, "300", NULL);
		break;
	case BRINGS_TWIN:
		if (!staged)
			return;
		for (size_t t = 0; t < (size_t)j->n; t++)
			if (is_in(r, t, TWIN)) {
				journey_tell(j, "set", look_udid(j, t), "set_serial", journey_serial(j, i));
				journey_tell(j, "plug", look_udid(j, t), NULL, NULL);
			}
		break;
	}
	r->done[i] = true;
}

static bool is_at_rest(const struct real *r, size_t i, const json_t *row, const json_t *slot)
{
	const struct kind *k = kind_of(r, i);
	const char *word = stg_json_str(slot, "state");
	if (k->hand != NONE && !r->done[i])
		return false;
	if (k->flags & IS_MISSING)
		return strcmp(word, "waiting") == 0;
	return strcmp(word, k->end) == 0 && (!(k->flags & ORDERED) || strcmp(stg_json_str(row, "end"), k->end) == 0) &&
	       (!(k->flags & ORDERED) || strcmp(stg_json_str(row, "wait"), k->wait) == 0);
}

static void look_again(struct real *r)
{
	STG_AUTO(stg_json_free_at) json_t *batch = journey_op(&r->j, "batch.show", json_pack("{s:s}", "name", BATCH), NULL);
	json_decref(r->rows);
	json_decref(r->slots);
	r->rows = json_incref(json_object_get(batch, "rows"));
	r->slots = journey_op(&r->j, "devices", json_object(), NULL);
}

static bool all_rest(struct journey *j, void *ctx)
{
	struct real *r = ctx;
	bool all = true, boxes_wait = true;
	look_again(r);
	for (size_t i = 0; i < (size_t)j->n; i++) {
		const json_t *row = row_of(r, is_in(r, i, TWIN) ? "" : journey_serial(j, i), look_udid(j, i)), *slot = slot_of(r, look_udid(j, i));
		act(r, i, row, slot);
		all = is_at_rest(r, i, row, slot) && all;
		if (strstr(kind_of(r, i)->knobs, "'activated': false"))
			boxes_wait = boxes_wait && strcmp(stg_json_str(row, "wait"), "line") == 0;
	}
	if (boxes_wait && !r->line_open) {
		/* half-way: every new box has said that it waits for the line, and was told nothing it may not be told yet */
		for (size_t i = 0; i < (size_t)j->n; i++)
			if (strstr(kind_of(r, i)->knobs, "'activated': false"))
				assert_int_equal(look_sent(j, look_udid(j, i), "SetCloudConfiguration"), 0);
		journey_tell(j, "line", "open", NULL, NULL);
		json_decref(journey_op(j, "window.open", json_object(), NULL));
		r->line_open = true;
	}
	return all;
}

/* ---- what they say ---- */

static void same(struct real *r, size_t i, const char *what, const char *a, const char *b)
{
	r->compared++;
	/* the old UDIDs of 40 digits are written in capitals here and in small letters there */
	bool differs = strlen(a) == 40 && strspn(a, "0123456789ABCDEFabcdef") == 40 ? strcasecmp(a, b) != 0 : strcmp(a, b) != 0;
	if (differs)
		fail_msg("%s (%s): %s is '%s' here and '%s' there", journey_serial(&r->j, i), kind_of(r, i)->word, what, a, b);
}

static const char *yes_no(const json_t *j, const char *key)
{
	const json_t *v = json_object_get(j, key);
	return json_is_true(v) ? "yes" : json_is_false(v) ? "no" : "not said";
}

static const json_t *find(const json_t *list, const char *key, const char *value)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcasecmp(stg_json_str(json_array_get(list, i), key), value) == 0)
			return json_array_get(list, i);
	return NULL;
}

/* The receiver's last word on a device; before it, each id came once. */
static const json_t *record_of(const struct real *r, const char *unit)
{
	const json_t *last = NULL;
	for (size_t i = 0; i < json_array_size(r->records); i++) {
		const json_t *data = json_object_get(json_object_get(json_array_get(r->records, i), "body"), "data");
		if (strcmp(stg_json_str(json_object_get(data, "device"), "unit"), unit) == 0 && strcmp(stg_json_str(data, "batch"), BATCH) == 0)
			last = data;
	}
	return last;
}

/* What `stager WORD list --json` prints: the program itself, line by line. */
static json_t *printed(struct real *r, const char *word)
{
	char command[4400], line[65536];
	json_t *list = json_array();
	snprintf(command, sizeof(command), "'%s' --state '%s' --json %s list", r->j.program, r->j.state, word);
	FILE *p = popen(command, "r");
	assert_non_null(p);
	while (fgets(line, sizeof(line), p)) {
		json_t *one = stg_json_parse(stg_bytes_str(line), sizeof(line), NULL);
		assert_non_null(one);
		if (json_object_get(one, "summary"))
			json_decref(one);
		else
			json_array_append_new(list, one);
	}
	assert_int_equal(pclose(p), 0);
	return list;
}

static void profiles_agree(struct real *r, size_t i, const json_t *record, const json_t *shown, const json_t *asked)
{
	const json_t *told = json_object_get(record, "profiles"), *have = json_object_get(shown, "profiles");
	char count[2][24];
	snprintf(count[0], sizeof(count[0]), "%zu", json_array_size(told));
	snprintf(count[1], sizeof(count[1]), "%zu", json_array_size(asked));
	same(r, i, "number of profiles", count[0], count[1]);
	for (size_t p = 0; p < json_array_size(told); p++) {
		const json_t *one = json_array_get(told, p);
		const char *id = stg_json_str(one, "identifier");
		const json_t *on = find(asked, "Identifier", id), *kept = find(have, "identifier", id);
		same(r, i, "profile", id, stg_json_str(on, "Identifier"));
		same(r, i, "its UUID", stg_json_str(one, "uuid"), stg_json_str(json_object_get(on, "Metadata"), "PayloadUUID"));
		same(r, i, "its bytes", stg_json_str(one, "sha256"), stg_json_str(kept, "sha256"));
	}
}

/* The papers of the batch against its rows. */
static void papers_agree(struct real *r, size_t i, const json_t *row)
{
	const json_t *line = find(r->result, "Asset Tag", stg_json_str(row, "asset_tag")), *exception = find(r->exceptions, "Asset Tag", stg_json_str(row, "asset_tag"));
	static const char *const pairs[][2] = { { "Serial Number", "serial" }, { "UDID", "udid" }, { "ECID", "ecid" }, { "Name", "name" }, { "Ownership", "ownership" },
						{ "stager:outcome", "end" }, { "stager:record", "record_id" }, { "stager:model", "model" } };
	assert_non_null(line);
	assert_true((exception != NULL) == (strcmp(stg_json_str(row, "end"), "staged") != 0));
	for (size_t p = 0; p < STG_ARRAY_LEN(pairs); p++) {
		same(r, i, pairs[p][0], stg_json_str(line, pairs[p][0]), stg_json_str(row, pairs[p][1]));
		if (exception)
			same(r, i, pairs[p][0], stg_json_str(exception, pairs[p][0]), stg_json_str(row, pairs[p][1]));
	}
	/* what the order said beside, with its accents, commas and line breaks */
	same(r, i, "remark", stg_json_str(line, "remarque"), i % 5 == 1 ? "Chariot \"rouge\"\nprise du bas" : "reçu le 3/11/2025 à l’œil");
}

/* A device that has an identity: inventory, record, row and tool. */
static void device_agrees(struct real *r, size_t i, const json_t *row, bool trusted, bool deep)
{
	const struct kind *k = kind_of(r, i);
	const char *udid = look_udid(&r->j, i);
	STG_AUTO(stg_json_free_at) json_t *info = tools_plist(&r->j, udid, "info");
	STG_AUTO(stg_json_free_at) json_t *shown = look_device(&r->j, udid);
	const json_t *known = find(r->inventory, "udid", udid), *record = record_of(r, stg_json_str(known, "unit"));
	const json_t *who = json_object_get(record, "device"), *facts = json_object_get(known, "facts"), *told = json_object_get(record, "facts");
	static const char *const pairs[][2] = {
		{ "udid", "UniqueDeviceID" }, { "unit", "UniqueChipID" }, { "model", "ProductType" }, { "os_version", "ProductVersion" }, { "build", "BuildVersion" },
		{ "hardware", "HardwareModel" }, { "device_class", "DeviceClass" }, { "serial", "SerialNumber" }, { "wifi_mac", "WiFiAddress" },
	};
	if (!known)
		fail_msg("%s (%s) is not in the inventory", journey_serial(&r->j, i), k->word);
	if (!json_object_size(info))
		fail_msg("%s (%s): ideviceinfo got no answer", journey_serial(&r->j, i), k->word);
	for (size_t p = 0; p < STG_ARRAY_LEN(pairs); p++) {
		const char *says = stg_json_str(info, pairs[p][1]);
		/* a stranger on the cable is told less */
		if (!trusted && !*says)
			continue;
		same(r, i, pairs[p][1], stg_json_str(known, pairs[p][0]), says);
		if (record)
			same(r, i, pairs[p][0], stg_json_str(who, pairs[p][0]), says);
	}
	if (!trusted)
		return;
	same(r, i, "IMEI", stg_json_str(known, "imei"), stg_json_str(info, "InternationalMobileEquipmentIdentity"));
	same(r, i, "activation", stg_json_str(facts, "activation_state"), stg_json_str(info, "ActivationState"));
	STG_AUTO(stg_json_free_at) json_t *chaperone = tools_plist(&r->j, udid, "chaperone");
	if (json_object_get(facts, "supervised"))
		same(r, i, "supervised", yes_no(facts, "supervised"), yes_no(chaperone, "DeviceIsChaperoned"));
	STG_AUTO(stg_json_free_at) json_t *asked = tools_json(&r->j, udid, "profiles");
	if (!json_is_array(asked))
		fail_msg("%s (%s): go-ios lists no profiles", journey_serial(&r->j, i), k->word);
	profiles_agree(r, i, record, shown, asked);
	if (record) {
		same(r, i, "activation at the receiver", stg_json_str(told, "activation_state"), stg_json_str(info, "ActivationState"));
		same(r, i, "supervised at the receiver", yes_no(told, "supervised"), yes_no(facts, "supervised"));
		same(r, i, "supervisor at the receiver", stg_json_str(told, "supervised_by"), stg_json_str(facts, "supervised_by"));
	}
	if (deep) {
		STG_AUTO(stg_json_free_at) json_t *cloud = tools_json(&r->j, udid, "cloud");
		const json_t *config = json_object_get(cloud, "CloudConfiguration");
		same(r, i, "go-ios' question", stg_json_str(cloud, "Status"), "Acknowledged");
		same(r, i, "organisation", stg_json_str(facts, "supervised_by"), stg_json_str(config, "OrganizationName"));
		same(r, i, "supervision", json_is_true(json_object_get(facts, "supervised")) ? "yes" : "no", json_is_true(json_object_get(config, "IsSupervised")) ? "yes" : "no");
	}
	if (strcmp(k->end, "staged") != 0)
		return;
	char name[64];
	order_name(i, name);
	same(r, i, "name", stg_json_str(info, "DeviceName"), name);
	same(r, i, "name in the inventory", stg_json_str(known, "name"), name);
	same(r, i, "supervised", yes_no(chaperone, "DeviceIsChaperoned"), "yes");
	same(r, i, "supervised by", stg_json_str(facts, "supervised_by"), stg_json_str(r->org, "name"));
	same(r, i, "ours", yes_no(facts, "ours"), "yes");
	same(r, i, "activation", stg_json_str(info, "ActivationState"), "Activated");
	assert_int_equal(json_array_size(asked), 7);
	(void)row;
}

static void end_agrees(struct real *r, size_t i, const json_t *row)
{
	const struct kind *k = kind_of(r, i);
	const json_t *known = find(r->inventory, "udid", look_udid(&r->j, i)), *record = record_of(r, stg_json_str(known, "unit"));
	const json_t *slot = slot_of(r, look_udid(&r->j, i));
	char id[16], code[24];
	snprintf(code, sizeof(code), "STG-%u", k->id);
	if (k->id)
		same(r, i, "code on the board", stg_json_str(slot, "code"), code);
	if (k->flags & IS_MISSING) {
		same(r, i, "end", stg_json_str(row, "end"), "missing");
		assert_null(record);
		return;
	}
	if (!(k->flags & ORDERED)) {
		assert_null(record);
		if (!(k->flags & TWIN))
			assert_true(stg_json_bool(row, "unexpected", false));
		/* nothing was written, and the trust that was needed to know it was taken back */
		STG_AUTO(stg_json_free_at) json_t *shown = look_device(&r->j, look_udid(&r->j, i));
		assert_int_equal(json_array_size(json_object_get(shown, "profiles")), 0);
		assert_false(stg_json_bool(shown, "supervised", true));
		if (!(k->flags & TWIN))
			assert_int_equal(json_array_size(json_object_get(shown, "hosts")), 0);
		r->compared++;
		return;
	}
	if (!record)
		fail_msg("%s (%s): the receiver knows nothing of it", journey_serial(&r->j, i), k->word);
	const json_t *job = NULL;
	for (size_t n = 0; n < json_array_size(r->jobs); n++)
		if (strcmp(stg_json_str(json_array_get(r->jobs, n), "unit"), stg_json_str(known, "unit")) == 0 &&
		    strcmp(stg_json_str(json_array_get(r->jobs, n), "batch"), BATCH) == 0)
			job = json_array_get(r->jobs, n);
	same(r, i, "end", stg_json_str(row, "end"), k->end);
	same(r, i, "end in the inventory", stg_json_str(known, "end"), k->end);
	same(r, i, "end of its job", stg_json_str(job, "end"), k->end);
	same(r, i, "end at the receiver", stg_json_str(record, "outcome"), k->end);
	same(r, i, "wait", stg_json_str(row, "wait"), k->wait);
	same(r, i, "wait at the receiver", stg_json_str(json_object_get(record, "reason"), "wait"), k->wait);
	same(r, i, "record", stg_json_str(row, "record_id"), stg_json_str(record, "record_id"));
	same(r, i, "record in the inventory", stg_json_str(known, "record_id"), stg_json_str(record, "record_id"));
	same(r, i, "tag", stg_json_str(row, "asset_tag"), stg_json_str(record, "asset_tag"));
	same(r, i, "tag in the inventory", stg_json_str(row, "asset_tag"), stg_json_str(known, "asset_tag"));
	same(r, i, "ownership", stg_json_str(row, "ownership"), stg_json_str(json_object_get(record, "order"), "ownership"));
	same(r, i, "price", stg_json_str(json_object_get(row, "attributes"), "prix_ht"), stg_json_str(json_object_get(record, "order"), "prix_ht"));
	snprintf(id, sizeof(id), "%u", k->id);
	snprintf(code, sizeof(code), "%lld", (long long)stg_json_int(row, "why_id", 0));
	same(r, i, "reason", code, id);
	snprintf(code, sizeof(code), "%lld", (long long)stg_json_int(json_object_get(record, "reason"), "id", 0));
	same(r, i, "reason at the receiver", code, id);
	if (k->id && !*stg_json_str(row, "reason"))
		fail_msg("%s (%s) is %s for no reason", journey_serial(&r->j, i), k->word, k->end);
}

/* ---- the day ---- */

static void balance_agrees(struct real *r, const json_t *balance)
{
	static const char *const parts[] = { "staged", "waiting", "hold", "failed", "missing", "running" };
	int64_t sum = 0, rows = 0;
	for (size_t p = 0; p < STG_ARRAY_LEN(parts); p++) {
		int64_t count = 0;
		for (size_t i = 0; i < json_array_size(r->rows); i++)
			count += !stg_json_bool(json_array_get(r->rows, i), "unexpected", false) && strcmp(stg_json_str(json_array_get(r->rows, i), "end"), parts[p]) == 0;
		assert_int_equal(stg_json_int(balance, parts[p], -1), count);
		sum += count;
	}
	for (size_t i = 0; i < json_array_size(r->rows); i++)
		rows += !stg_json_bool(json_array_get(r->rows, i), "unexpected", false);
	assert_int_equal(sum, rows);
	assert_int_equal(rows, r->j.n);
	assert_int_equal(stg_json_int(balance, "expected", 0), r->j.n);
	assert_int_equal(stg_json_int(balance, "running", -1), 0);
	assert_int_equal(stg_json_int(balance, "unexpected", -1), (int64_t)json_array_size(r->rows) - rows);
}

static void show_those_not_at_rest(struct real *r)
{
	for (size_t i = 0; i < (size_t)r->j.n; i++) {
		const json_t *row = row_of(r, is_in(r, i, TWIN) ? "" : journey_serial(&r->j, i), look_udid(&r->j, i)), *slot = slot_of(r, look_udid(&r->j, i));
		if (is_at_rest(r, i, row, slot) && !getenv("STG_SHOW"))
			continue;
		print_message("%zu %s: %s\n  row: %s %s %lld %s\n", i, kind_of(r, i)->word, look_udid(&r->j, i), stg_json_str(row, "end"), stg_json_str(row, "wait"),
			      (long long)stg_json_int(row, "why_id", 0), stg_json_str(row, "reason"));
		look_print("  slot", json_incref((json_t *)(uintptr_t)slot));
	}
}

static void collect(struct real *r)
{
	char path[192];
	struct journey *j = &r->j;
	STG_AUTO(stg_json_free_at) json_t *all = journey_word(j, "receiver", "records", NULL, NULL);
	r->records = json_incref(json_object_get(all, "records"));
	r->inventory = printed(r, "inventory");
	r->jobs = printed(r, "job");
	r->org = journey_op(j, "org.show", json_object(), NULL);
	snprintf(path, sizeof(path), "%s/papers", j->dir);
	/* three never came and some wait: the person says that the batch ends all the same */
	json_decref(journey_op(j, "batch.close", json_pack("{s:s, s:s, s:b}", "name", BATCH, "dir", path, "open", true), NULL));
	snprintf(path, sizeof(path), "%s/papers/result.csv", j->dir);
	r->result = tools_csv(path);
	snprintf(path, sizeof(path), "%s/papers/exceptions.csv", j->dir);
	r->exceptions = tools_csv(path);
	/* the exceptions are the next order */
	STG_AUTO(stg_json_free_at) json_t *next = journey_op(j, "batch.check", json_pack("{s:s}", "file", path), path);
	assert_int_equal(stg_json_int(next, "count", 0), (int64_t)json_array_size(r->exceptions));
	assert_int_equal(stg_json_int(next, "problem_count", 0), 0);
}

static void ask_the_tools(struct real *r, bool *trusted, bool *deep)
{
	struct stg_error err = { 0 };
	struct stg_store *store = NULL;
	struct stg_keys *keys = NULL;
	struct journey *j = &r->j;
	STG_AUTO(stg_buf_clear) struct stg_buf list = STG_BUF(1 << 16);
	bool asked[STG_ARRAY_LEN(kinds)] = { 0 }, all = getenv("STG_DEEP") != NULL;
	stg_caller_close(&j->caller);
	child_stop(&j->station, 30000);
	journey_must(stg_state_open(j->state, STG_STORE_REHEARSAL, &store, &keys, &err), &err, "open the state");
	for (size_t i = 0; i < (size_t)j->n; i++) {
		trusted[i] = tools_give_trust(store, keys, look_udid(j, i));
		deep[i] = trusted[i] && (all || (is_in(r, i, DEEP) && !asked[r->kind[i]]));
		asked[r->kind[i]] |= deep[i];
		journey_must(stg_buf_printf(&list, &err, "%s %s %s\n", look_udid(j, i), trusted[i] ? "trusted" : "bare", deep[i] ? "deep" : "flat"), &err, "list");
	}
	stg_store_close(store);
	stg_keys_close(keys);
	tools_ask(j, stg_buf_view(&list));
}

static void no_profile_in_utf16(const struct journey *j)
{
	char command[4400], said[512] = "";
	snprintf(command, sizeof(command), "'%s' --lang en profile lint '%s/profiles/utf16.mobileconfig' 2>&1", j->program, j->state);
	FILE *p = popen(command, "r");
	assert_non_null(p);
	size_t n = fread(said, 1, sizeof(said) - 1, p);
	said[n] = 0;
	assert_int_equal(WEXITSTATUS(pclose(p)), 3);
	assert_non_null(strstr(said, "UTF-16"));
}

static void every_device_of_a_real_order_ends_in_one_state_that_all_agree_on(void **state)
{
	(void)state;
	static struct real r;
	static bool trusted[STG_ARRAY_LEN(r.kind)], deep[STG_ARRAY_LEN(r.kind)];
	struct journey *j = &r.j;
	char path[64];
	STG_AUTO(stg_buf_clear) struct stg_buf csv = STG_BUF(1 << 20);
	size_t n = share_out(&r, (size_t)look_number("STG_DEVICES", DEVICES));
	scenario(&r, n, path);
	journey_begin(j, 0, "instant", 31, (const char *const[]){ "--scenario", path, NULL });
	unlink(path);
	j->n = (int)json_array_size(j->devices);
	assert_int_equal(j->n, n);
	assert_true(index_of(&r, BRINGS_TWIN) < n);
	journey_station_gone(j);
	tools_fill_pool(j, n + 4);
	journey_station(j);
	foreign_make(j);
	no_profile_in_utf16(j);
	the_day_before(&r);

	write_order(&r, &csv);
	look_order(j, "chez-nous", stg_buf_view(&csv));
	journey_tell(j, "line", "closed", NULL, NULL);
	json_decref(journey_op(j, "window.close", json_object(), NULL));
	for (size_t i = 0; i < n; i++)
		if (!is_in(&r, i, TWIN))
			journey_tell(j, "plug", look_udid(j, i), NULL, NULL);
	int64_t began_ms = stg_boot_ms();
	bool rest = look_until(j, all_rest, &r, SETTLE_MS);
	int64_t staged_ms = stg_boot_ms();
	if (!rest || getenv("STG_SHOW"))
		show_those_not_at_rest(&r);
	assert_true(rest);
	assert_true(look_drained(j));
	look_again(&r);
	STG_AUTO(stg_json_free_at) json_t *balance = journey_balance(j);
	balance_agrees(&r, balance);
	/* what was found done is not done again */
	for (size_t i = 0; i < n; i++)
		if (kind_of(&r, i)->hand == OTHER_PORT)
			assert_int_equal(look_sent(j, look_udid(j, i), "InstallProfileSilent") + look_sent(j, look_udid(j, i), "InstallProfile"), 7);
	collect(&r);
	ask_the_tools(&r, trusted, deep);
	int64_t devices = 0, asked_ms = stg_boot_ms();
	for (size_t i = 0; i < n; i++) {
		const json_t *row = row_of(&r, is_in(&r, i, TWIN) ? "" : journey_serial(j, i), look_udid(j, i));
		end_agrees(&r, i, row);
		if (is_in(&r, i, ORDERED)) {
			papers_agree(&r, i, row);
			if (!trusted[i] && kind_of(&r, i)->id != STG_ID_TRUST_DENIED)
				fail_msg("%s (%s): the station has no pair record", look_udid(j, i), kind_of(&r, i)->word);
		}
		/* the twin was never taken for a device of its own; who denied was never known but by its UDID */
		if (!is_in(&r, i, TWIN)) {
			device_agrees(&r, i, row, trusted[i], deep[i]);
			devices++;
		}
	}
	print_message("%lld comparisons of %lld devices; at rest after %lld s, asked in %lld s\n", (long long)r.compared, (long long)devices,
		      (long long)(staged_ms - began_ms) / 1000, (long long)(asked_ms - staged_ms) / 1000);
	assert_true(devices == (int64_t)n - 1 && r.compared > devices * 20);
	json_t *const all[] = { r.rows, r.slots, r.inventory, r.jobs, r.records, r.result, r.exceptions, r.org };
	for (size_t i = 0; i < STG_ARRAY_LEN(all); i++)
		json_decref(all[i]);
	journey_end(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_device_of_a_real_order_ends_in_one_state_that_all_agree_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
