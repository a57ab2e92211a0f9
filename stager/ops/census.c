/*
 * census.c - a pile of devices held against what is known: the inventory, the orders, a list of leavers.
 *
 * For:    `stager census`.
 * Uses:   the store, <stager/batchfile.h> for the list.
 * Called: as an operation.
 * Thread: the recorder's.
 *
 *   census  {"since_ms","units":["ECID",...] (only these; absent: all),"leavers":"name of the file"}, descriptor: the list
 *           -> {"v":1,"devices":[inventory rows seen since then, each with "standing": "known" (an asset tag, an owner, an order, or worked on
 *           here) | "unknown", "leaver": "12 Anna Martin" (line and name of the list), "doubt":[lines] (more than one line means it),
 *           "not_readable":[names of facts.h]}],
 *           "summary":{"devices","known","unknown","leavers" (devices that are on the list),"by_model":{"iPhone 13":4},"by_os":{"17.6.1":3}},
 *           "absent":[rows of the list that no device here is meant by]}
 *           A row means a device by serial, IMEI, UDID, ECID or asset tag; a number is compared whole, never by its end.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <stager/batchfile.h>
#include <stager/facts.h>
#include <stager/file.h>
#include <stager/op.h>

#define CENSUS_MAX 5000            /* rows one message holds; the summary counts all (of the first 100,000) */
#define ABSENT_MAX 1000

static const struct {
	const char *of_list, *of_device, *kind;
} ways[] = {
	{ "serial", "serial", "serial" }, { "imei", "imei", "imei" },  { "imei", "imei2", "imei" },            { "imei2", "imei", "imei" },
	{ "imei2", "imei2", "imei" },     { "udid", "udid", "udid" },  { "ecid", "unit", "unit" }, { "asset_tag", "asset_tag", "tag" },
};

/* "serial:F2LXK0AAAA01": letters of both sides in capitals. */
static bool key_of(const char *kind, const char *value, char *ret, size_t size)
{
	if (!*value || snprintf(ret, size, "%s:%s", kind, value) >= (int)size)
		return false;
	for (char *p = ret + strlen(kind); *p; p++)
		*p = (char)toupper((unsigned char)*p);
	return true;
}

/* {"serial:X": [index of row, ...]} */
static json_t *index_of(const json_t *rows)
{
	json_t *index = json_object(), *row;
	char key[160];
	size_t i;
	json_array_foreach((json_t *)(uintptr_t)rows, i, row)
		for (size_t w = 0; w < STG_ARRAY_LEN(ways); w++) {
			if (!key_of(ways[w].kind, stg_json_str(row, ways[w].of_list), key, sizeof(key)))
				continue;
			json_t *at = json_object_get(index, key);
			if (!at) {
				at = json_array();
				stg_json_put_new(index, key, at);
			}
			size_t n = json_array_size(at);
			if (!n || json_integer_value(json_array_get(at, n - 1)) != (json_int_t)i)
				json_array_append_new(at, json_integer((json_int_t)i));
		}
	return index;
}

struct matching {
	const json_t *rows;
	json_t *index, *used;           /* used: {"12": true}: rows some device was found for */
};

static void add_line(json_t *lines, int64_t line)
{
	size_t i;
	json_t *have;
	json_array_foreach(lines, i, have)
		if (json_integer_value(have) == line)
			return;
	json_array_append_new(lines, json_integer(line));
}

/* Every row that means this device; more than one is a doubt somebody has to settle. True: at least one. */
static bool match(struct matching *m, json_t *device)
{
	STG_AUTO(stg_json_free_at) json_t *lines = json_array();
	const json_t *first = NULL;
	char key[160], text[200];
	for (size_t w = 0; w < STG_ARRAY_LEN(ways); w++) {
		if (!key_of(ways[w].kind, stg_json_str(device, ways[w].of_device), key, sizeof(key)))
			continue;
		const json_t *at = json_object_get(m->index, key);
		for (size_t i = 0; i < json_array_size(at); i++) {
			size_t n = (size_t)json_integer_value(json_array_get(at, i));
			const json_t *row = json_array_get(m->rows, n);
			snprintf(text, sizeof(text), "%zu", n);
			stg_json_put_bool(m->used, text, true);
			add_line(lines, stg_json_int(row, "line", 0));
			first = first ? first : row;
		}
	}
	if (!first)
		return false;
	snprintf(text, sizeof(text), "%" PRIi64 " %.150s", stg_json_int(first, "line", 0),
		 stg_json_str_or(first, "name", stg_json_str_or(first, "asset_tag", stg_json_str(first, "serial"))));
	stg_json_put(device, "leaver", text);
	if (json_array_size(lines) > 1)
		json_object_set(device, "doubt", lines);
	return true;
}

static json_t *absent_of(const struct matching *m)
{
	json_t *absent = json_array();
	char text[32];
	for (size_t i = 0; i < json_array_size(m->rows) && json_array_size(absent) < ABSENT_MAX; i++) {
		snprintf(text, sizeof(text), "%zu", i);
		if (!json_object_get(m->used, text))
			json_array_append(absent, json_array_get(m->rows, i));
	}
	return absent;
}

static json_t *read_leavers(struct stg_op_ctx *c, const json_t *in, struct stg_error *err)
{
	const char *name = stg_json_str(in, "leavers"), *slash = strrchr(name, '/');
	STG_AUTO(stg_buf_clear) struct stg_buf file = STG_BUF(STG_BATCHFILE_MAX);
	struct stg_error why = { 0 };
	int fd = stg_op_fd(c, in, "leavers", 0);
	if (!*name || fd < 0)
		return json_object();
	(void)lseek(fd, 0, SEEK_SET);        /* a pipe cannot, ignoring */
	if (!stg_file_read_fd(fd, &file, &why)) {
		stg_fail_id(err, STG_E_INPUT, STG_ID_FILE_UNREADABLE, why.origin, "%.80s: %.120s", name, why.msg);
		return NULL;
	}
	json_t *list = stg_batchfile_read(slash ? slash + 1 : name, stg_buf_view(&file), NULL, err);
	if (list && !stg_batchfile_ok(list, err)) {
		json_decref(list);
		return NULL;
	}
	return list;
}

/* Somebody has said whose it is, or something was done to it here; having been read is nothing. */
static bool is_known(struct stg_op_ctx *c, const json_t *device, bool *ret, struct stg_error *err)
{
	struct stg_identity who = { 0 };
	const char *owner = stg_json_str(device, "ownership");
	*ret = *stg_json_str(device, "asset_tag") || strcmp(owner, "pool") == 0 || strcmp(owner, "personal") == 0 || *stg_json_str(device, "batch");
	if (*ret)
		return true;
	stg_copy(who.family, sizeof(who.family), stg_json_str(device, "family"));
	stg_copy(who.unit, sizeof(who.unit), stg_json_str(device, "unit"));
	stg_copy(who.serial, sizeof(who.serial), stg_json_str(device, "serial"));
	STG_AUTO(stg_json_free_at) json_t *origin = stg_store_origin(c->store, &who, err);
	*ret = origin && (stg_json_bool(origin, "known", false) || stg_json_bool(origin, "in_order", false));
	return origin != NULL;
}

static void count(json_t *into, const char *key)
{
	if (*key)
		stg_json_put_int(into, key, stg_json_int(into, key, 0) + 1);
}

static bool is_among(const json_t *units, const char *unit)
{
	size_t i;
	json_t *one;
	json_array_foreach((json_t *)(uintptr_t)units, i, one)
		if (strcmp(json_string_value(one), unit) == 0)
			return true;
	return !units;
}

static bool census(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *leavers = read_leavers(c, in, err);
	STG_AUTO(stg_json_free_at) json_t *all = leavers ? stg_store_inventory(c->store, "", 0, err) : NULL;
	if (!all)
		return false;
	int64_t since = stg_json_int(in, "since_ms", 0);
	const json_t *units = json_object_get(in, "units");
	STG_AUTO(stg_json_free_at) json_t *index = index_of(json_object_get(leavers, "rows")), *used = json_object();
	STG_AUTO(stg_json_free_at) json_t *devices = json_array(), *models = json_object(), *systems = json_object();
	struct matching m = { .rows = json_object_get(leavers, "rows"), .index = index, .used = used };
	json_t *one;
	size_t i;
	int64_t seen = 0, known = 0, leaving = 0;
	json_array_foreach(all, i, one) {
		bool is = false;
		/* what was only typed in was never seen */
		if (strcmp(stg_json_str(one, "family"), "scan") == 0 || stg_json_int(one, "last_seen_ms", 0) < since ||
		    !is_among(units, stg_json_str(one, "unit")))
			continue;
		if (!is_known(c, one, &is, err))
			return false;
		seen++;
		known += is;
		leaving += match(&m, one);
		stg_json_put(one, "standing", is ? "known" : "unknown");
		stg_json_put_new(one, "not_readable", stg_facts_missing(json_object_get(one, "facts")));
		count(models, stg_json_str_or(one, "model_name", stg_json_str(one, "model")));
		count(systems, stg_json_str(one, "os_version"));
		if (json_array_size(devices) < CENSUS_MAX)
			json_array_append(devices, one);
	}
	*ret = json_pack("{s:i,s:{s:I,s:I,s:I,s:I,s:O,s:O}}", "v", 1, "summary", "devices", (json_int_t)seen, "known", (json_int_t)known, "unknown",
			 (json_int_t)(seen - known), "leavers", (json_int_t)leaving, "by_model", models, "by_os", systems);
	json_object_set(*ret, "devices", devices);
	stg_json_put_new(*ret, "absent", absent_of(&m));
	return true;
}

const struct stg_op stg_ops_census[] = {
	{ "census", STG_OP_STORE, census },
	{ 0 },
};
