/*
 * batch.c - batches: expected devices, their start, their end, and the papers at the end.
 *
 * For:    cmd/batch.c, the demo, rehearsals.
 * Uses:   <stager/batchfile.h>, <stager/blueprint.h>, the store.
 * Called: as operations.
 * Thread: the recorder's.
 *
 *   batch.check   {"file","map":{}} + list     -> {"encoding","separator","columns","rows":[first 5],"count","problems","problem_count",
 *                 "owners"?: as import}
 *   batch.import  {"file","name","blueprint","map":{},"params":{},"abm_blueprint","people":"warn|refuse|off"} + list [+ list of assigned serials]
 *                 -> {"name","count","blueprint","erases","automated","has_route", "registering"? (told before they enrol), "second":{"name","blueprint","count"},"owners"?:
 *                 {"column","found","problems","problem_count"}}: with
 *                 "abm_blueprint" the assigned ones become a batch of their own, NAME-abm
 *   batch.list    -> [{"name","state","blueprint","balance",...}]
 *   batch.show    {"name"} -> the same with "rows"
 *   batch.start   {"name","ports":["A1-A8",...] or "A1-A8","params":{},"until": its last day,"despite": why it begins although something
 *                 it needs ends before} -> {"name","state","blueprint_sha256","ports","warnings"?}
 *   batch.pause, batch.reopen {"name"} -> {"name","state"}
 *   batch.update  {"name","ports","params"} -> {"name","changed","blueprint_sha256","before_sha256","staged_with_old":[serials]}
 *   batch.close   {"name","dir","open":bool,"lang"} -> {"name","result","exceptions","handover","balance"}: paths of what was written
 *
 * Every one that changes something writes an audit row in the same transaction.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <stager/batchfile.h>
#include <stager/blueprint.h>
#include <stager/clock.h>
#include <stager/csv.h>
#include <stager/file.h>
#include <stager/op.h>
#include <stager/report.h>
#include <stager/text.h>

#include "_allow.h"
#include "_expiry.h"
#include "_names.h"
#include "_order.h"
#include "_owners.h"
#include "_override.h"

#define NAME_MAX_BYTES 60
#define SHOWN_ROWS 5
#define OUT_BYTES_MAX ((size_t)256 << 20)

/* ---- the list ---- */

/* The file a person gave. It may be read twice: check, then import. */
static json_t *read_list(int fd, const char *name, const json_t *map, struct stg_error *err)
{
	const char *slash = strrchr(name, '/');
	STG_AUTO(stg_buf_clear) struct stg_buf file = STG_BUF(STG_BATCHFILE_MAX);
	if (fd < 0) {
		stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "FILE");
		return NULL;
	}
	(void)lseek(fd, 0, SEEK_SET);        /* a pipe cannot, ignoring */
	struct stg_error why = { 0 };
	if (!stg_file_read_fd(fd, &file, &why)) {
		stg_fail_id(err, STG_E_INPUT, STG_ID_FILE_UNREADABLE, why.origin, "%.80s: %.120s", name, why.msg);
		return NULL;
	}
	return stg_batchfile_read(slash ? slash + 1 : name, stg_buf_view(&file), map, err);
}

static bool check(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	json_t *list = read_list(stg_op_fd(c, in, "file", 0), stg_json_str_or(in, "file", "list.csv"), json_object_get(in, "map"), err);
	if (!list)
		return false;
	json_t *rows = json_object_get(list, "rows"), *first = json_array();
	for (size_t i = 0; i < json_array_size(rows) && i < SHOWN_ROWS; i++)
		json_array_append(first, json_array_get(rows, i));
	json_t *owners = NULL;
	if (!ops_owners(c, stg_json_str_or(in, "file", "list.csv"), rows, &owners, err)) {
		json_decref(list);
		json_decref(first);
		return false;
	}
	if (owners)
		stg_json_put_new(list, "owners", owners);
	stg_json_put_int(list, "v", 1);
	stg_json_put_int(list, "count", (int64_t)json_array_size(rows));
	stg_json_put_new(list, "rows", first);
	*ret = list;
	return true;
}

/* A batch's name becomes a folder and stands on labels and reports. */
static bool name_ok(const char *name, struct stg_error *err)
{
	size_t n = strlen(name);
	bool ok = n >= 1 && n <= NAME_MAX_BYTES;
	for (size_t i = 0; ok && i < n; i++)
		ok = isalnum((unsigned char)name[i]) || (i && strchr("-_.", name[i]));
	return ok || stg_fail_id(err, STG_E_USAGE, STG_ID_BATCH_NAME, 0, "1-%d: A-Z a-z 0-9 - _ .", NAME_MAX_BYTES);
}

/* Devices that Apple's business or school manager enrols by itself take the other route: their rows say abm = yes. */
static bool mark_automated(struct stg_op_ctx *c, const json_t *in, json_t *rows, int64_t *ret_n, struct stg_error *err)
{
	*ret_n = 0;
	int fd = stg_op_fd(c, in, "abm", 1);
	if (fd < 0)
		return true;
	STG_AUTO(stg_json_free_at) json_t *list = read_list(fd, stg_json_str_or(in, "abm", "abm.csv"), NULL, err);
	if (!list || !stg_batchfile_ok(list, err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *serials = json_object();
	size_t i;
	json_t *row;
	json_array_foreach(json_object_get(list, "rows"), i, row)
		if (*stg_json_str(row, "serial"))
			stg_json_put_bool(serials, stg_json_str(row, "serial"), true);
	json_array_foreach(rows, i, row) {
		if (!json_object_get(serials, stg_json_str(row, "serial")))
			continue;
		stg_json_put(json_object_get(row, "attributes"), "abm", "yes");
		(*ret_n)++;
	}
	return true;
}

static bool has_step(const json_t *plan, const char *step)
{
	size_t i;
	json_t *one;
	json_array_foreach(json_object_get(plan, "steps"), i, one)
		if (strcmp(stg_json_str(one, "step"), step) == 0)
			return true;
	return false;
}

/* Takes the marked rows out of `rows`; a new list. */
static json_t *take_automated(json_t *rows)
{
	json_t *taken = json_array();
	for (size_t i = 0; i < json_array_size(rows);) {
		json_t *row = json_array_get(rows, i);
		if (strcmp(stg_json_str(json_object_get(row, "attributes"), "abm"), "yes") != 0) {
			i++;
			continue;
		}
		json_array_append(taken, row);
		json_array_remove(rows, i);
	}
	return taken;
}

static bool add_batch(struct stg_op_ctx *c, const char *name, const char *blueprint, const json_t *list, const json_t *rows, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *batch = json_object();
	stg_json_put(batch, "name", name);
	stg_json_put(batch, "blueprint", blueprint);    /* as the person named it: a path stays a path until it is pinned */
	stg_json_put_int(batch, "created_ms", stg_wall_ms());
	json_object_set(batch, "columns", json_object_get(list, "columns"));
	json_object_set(batch, "rows", (json_t *)(uintptr_t)rows);
	if (!stg_store_batch_add(c->store, batch, err))
		return false;
	return stg_op_audit(c, "batch.import", name, NULL, json_pack("{s:I,s:s}", "devices", (json_int_t)json_array_size(rows), "blueprint", blueprint), err);
}

/* The other route is a batch of its own, with its own blueprint and balance: NAME-abm. */
static bool second_route(struct stg_op_ctx *c, const json_t *in, const char *name, char ret_name[64], json_t **ret_plan, struct stg_error *err)
{
	const char *blueprint = stg_json_str(in, "abm_blueprint");
	struct stg_error why = { 0 };
	*ret_plan = stg_blueprint_load(c->state_dir, blueprint, json_object_get(in, "params"), err);
	if (!*ret_plan)
		return false;
	if (!has_step(*ret_plan, "automated_enrolment"))
		return stg_fail_id(err, STG_E_USAGE, STG_ID_NO_ENROLMENT_STEP, 0, "%.63s", blueprint);
	if (snprintf(ret_name, 64, "%s-abm", name) >= 64 || !name_ok(ret_name, err))
		return stg_fail_id(err, STG_E_USAGE, STG_ID_BATCH_NAME, 0, "%s-abm > 63", name);
	STG_AUTO(stg_json_free_at) json_t *there = stg_store_batch(c->store, ret_name, &why);
	return !there || stg_fail_id(err, STG_E_REFUSED, STG_ID_BATCH_EXISTS, 0, "%s", ret_name);
}

/* A file of jobs (joiners, leavers) has a key for each: it goes out again beside the result, so it must be there and be one. */
static bool check_keys(const char *file, const json_t *rows, struct stg_error *err)
{
	static const char *const headings[] = { "key", "cle", "job_key", "ticket" };
	STG_AUTO(stg_json_free_at) json_t *seen = json_object();
	const char *heading = NULL;
	size_t i;
	json_t *row;
	json_array_foreach((json_t *)(uintptr_t)rows, i, row)
		for (size_t k = 0; k < STG_ARRAY_LEN(headings) && !heading; k++)
			if (*stg_json_str(json_object_get(row, "attributes"), headings[k]))
				heading = headings[k];
	json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
		const char *key = heading ? stg_json_str(json_object_get(row, "attributes"), heading) : "";
		long long line = (long long)stg_json_int(row, "line", 0), before = (long long)stg_json_int(seen, key, 0);
		if (heading && !*key)
			return stg_fail_id(err, STG_E_INPUT, STG_ID_JOB_KEY, 0, "%.80s:%lld: %s: -", file, line, heading);
		if (before)
			return stg_fail_id(err, STG_E_INPUT, STG_ID_JOB_KEY, 0, "%.80s:%lld: %s '%.60s' (:%lld)", file, line, heading, key, before);
		if (heading)
			stg_json_put_int(seen, key, line);
	}
	return true;
}

/* Whose each device is, by the lists of people. "refuse": a line nobody can be found for is a mistake of the list. */
static bool find_owners(struct stg_op_ctx *c, const json_t *in, const char *file, json_t *list, json_t **ret, struct stg_error *err)
{
	const char *people = stg_json_str_or(in, "people", "warn");
	if (strcmp(people, "off") == 0)
		return true;
	if (strcmp(people, "warn") != 0 && strcmp(people, "refuse") != 0)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_WRONG, 0, "--people %.40s: warn, refuse, off", people);
	if (!ops_owners(c, file, json_object_get(list, "rows"), ret, err))
		return false;
	if (*ret && strcmp(people, "refuse") == 0) {
		json_array_extend(json_object_get(list, "problems"), json_object_get(*ret, "problems"));
		stg_json_put_int(list, "problem_count", stg_json_int(list, "problem_count", 0) + stg_json_int(*ret, "problem_count", 0));
	}
	return true;
}

static bool import(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *name = stg_json_str(in, "name"), *blueprint = stg_json_str(in, "blueprint");
	char second[64] = "";
	int64_t automated;
	if (!*name || !*blueprint)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "--name, --blueprint");
	if (!name_ok(name, err))
		return false;
	if (*stg_json_str(in, "abm_blueprint") && stg_op_fd(c, in, "abm", 1) < 0)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "--abm LIST.csv");
	STG_AUTO(stg_json_free_at) json_t *list = read_list(stg_op_fd(c, in, "file", 0), stg_json_str_or(in, "file", "list.csv"), json_object_get(in, "map"), err);
	if (!list || !stg_batchfile_ok(list, err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *plan = stg_blueprint_load(c->state_dir, blueprint, json_object_get(in, "params"), err);
	STG_AUTO(stg_json_free_at) json_t *plan_abm = NULL;
	STG_AUTO(stg_json_free_at) json_t *rows_abm = json_array();
	json_t *rows = json_object_get(list, "rows");
	STG_AUTO(stg_json_free_at) json_t *owners = NULL;
	if (!plan || !find_owners(c, in, stg_json_str_or(in, "file", "list.csv"), list, &owners, err) ||
	    !check_keys(stg_json_str_or(in, "file", "list.csv"), rows, err) || !mark_automated(c, in, rows, &automated, err))
		return false;
	int64_t count = (int64_t)json_array_size(rows);
	if (automated && *stg_json_str(in, "abm_blueprint")) {
		if (!second_route(c, in, name, second, &plan_abm, err))
			return false;
		json_decref(rows_abm);
		rows_abm = take_automated(rows);
	}
	/* two devices of one name in one pile: told with its line, not on the bench */
	const char *file = stg_json_str_or(in, "file", "list.csv");
	ops_check_names(plan, file, rows, list);
	ops_check_names(plan_abm, file, rows_abm, list);
	if (!stg_batchfile_ok(list, err))
		return false;
	if (*second && !add_batch(c, second, stg_json_str(in, "abm_blueprint"), list, rows_abm, err))
		return false;
	/* an order of assigned devices alone has no other half */
	if ((json_array_size(rows) || !*second) && !add_batch(c, name, blueprint, list, rows, err))
		return false;
	*ret = json_pack("{s:i,s:s,s:I,s:s,s:b,s:I,s:b}", "v", 1, "name", name, "count", (json_int_t)(count - (*second ? automated : 0)), "blueprint",
			 stg_json_str_or(plan, "name", blueprint), "erases", stg_json_bool(plan, "erases", false), "automated", (json_int_t)automated,
			 "has_route", *second || has_step(plan, "automated_enrolment"));
	if (owners)
		json_object_set(*ret, "owners", owners);
	int64_t registering = 0;
	for (int i = 0; i < 2; i++) {
		struct stg_error none = { 0 };
		STG_AUTO(stg_json_free_at) json_t *batch = i && !*second ? NULL : stg_store_batch(c->store, i ? second : name, &none);
		registering += stg_json_int(json_object_get(batch, "registration"), "wanted", 0);
	}
	if (registering)
		stg_json_put_int(*ret, "registering", registering);
	if (*second)
		stg_json_put_new(*ret, "second", json_pack("{s:s,s:s,s:I}", "name", second, "blueprint", stg_json_str(plan_abm, "name"), "count", (json_int_t)automated));
	return true;
}

/* ---- looking ---- */

static bool list(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)in;
	*ret = stg_store_batches(c->store, err);
	return *ret != NULL;
}

static bool show(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *batch = stg_store_batch(c->store, stg_json_str(in, "name"), err);
	json_t *rows = batch ? stg_store_batch_rows(c->store, stg_json_str(in, "name"), err) : NULL;
	size_t i;
	json_t *row;
	if (!rows)
		return false;
	json_array_foreach(rows, i, row)
		stg_json_put(row, "reason", *stg_json_str(row, "hold_reason") ? stg_json_str(row, "hold_reason") : stg_json_str(row, "msg"));
	stg_json_put_int(batch, "v", 1);
	stg_json_put_new(batch, "rows", rows);
	*ret = stg_steal(batch);
	return true;
}

/* Which state it is in and which it cannot take are words of the store, not of a person. */
static bool set_state(struct stg_op_ctx *c, const char *name, const char *to, const json_t *pins, struct stg_error *err)
{
	struct stg_error why = { 0 };
	if (stg_store_batch_state(c->store, name, to, pins, &why))
		return true;
	if (err)
		*err = why;
	return why.id == STG_ID_ILLEGAL_MOVE ? stg_fail_id(err, why.code, STG_ID_ILLEGAL_MOVE, 0, "%s", name) : false;
}

/* ---- ports ---- */

static bool ports_add(struct stg_op_ctx *c, const char *word, json_t *ports, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *found = stg_store_port_resolve(c->store, word, err);
	size_t i, k;
	json_t *one, *have;
	json_array_foreach(found, i, one) {
		bool again = false;
		json_array_foreach(ports, k, have)
			again = again || json_equal(have, one);
		if (!again)
			json_array_append(ports, one);
	}
	return found != NULL;
}

/* Ports named by the person are allowed from here on; NULL when none were named. */
static bool ports_of(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const json_t *asked = json_object_get(in, "ports");
	*ret = NULL;
	if (json_array_size(asked) == 0 && !*stg_json_str(in, "ports"))
		return true;
	STG_AUTO(stg_json_free_at) json_t *ports = json_array();
	size_t i;
	json_t *one;
	if (json_is_string(asked)) {
		STG_AUTO(stg_free_at) char *words = stg_strdup(json_string_value(asked));
		char *rest = NULL;
		for (char *w = strtok_r(words, ", ", &rest); w; w = strtok_r(NULL, ", ", &rest))
			if (!ports_add(c, w, ports, err))
				return false;
	}
	json_array_foreach((json_t *)(uintptr_t)asked, i, one)
		if (!json_is_string(one) || !ports_add(c, json_string_value(one), ports, err))
			return json_is_string(one) ? false : stg_fail_id(err, STG_E_USAGE, STG_ID_UNKNOWN_PORT, 0, "%s", "");
	json_array_foreach(ports, i, one)
		if (!stg_store_port_put(c->store, json_string_value(one), NULL, 1, err))
			return false;
	*ret = stg_steal(ports);
	return true;
}

/* ---- states ---- */

/* What a job will need, byte for byte, whatever the files say later. */
static json_t *make_pins(struct stg_op_ctx *c, const json_t *in, const char *blueprint, json_t *ports, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *plan = stg_blueprint_load(c->state_dir, blueprint, json_object_get(in, "params"), err);
	STG_AUTO(stg_json_free_at) json_t *profiles = plan ? stg_blueprint_profiles(c->state_dir, plan, err) : NULL;
	if (!profiles)
		return NULL;
	/* --org says it for this batch; else the blueprint may, else it is the default one */
	if (*stg_json_str(in, "org"))
		stg_json_put(plan, "organisation", stg_json_str(in, "org"));
	if (json_object_get(in, "canaries"))
		stg_json_put_int(plan, "canaries", stg_json_int(in, "canaries", 0));
	const char *org = stg_json_str(plan, "organisation");
	struct stg_error why = { 0 };
	STG_AUTO(stg_json_free_at) json_t *row = *org ? stg_store_org(c->store, org, NULL, &why) : NULL;
	if (*org && !row) {
		stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_NO_ORGANISATION, 0, "no organisation '%.64s'", org);
		return NULL;
	}
	json_t *pins = json_pack("{s:O,s:O}", "blueprint", plan, "profiles", profiles);
	if (ports)
		json_object_set(pins, "ports", ports);
	return pins;
}

static const char *sha256_of(const json_t *pins)
{
	return stg_json_str(json_object_get(pins, "blueprint"), "sha256");
}

static json_t *pins_detail(const json_t *pins)
{
	json_t *detail = json_object(), *sums = json_object(), *one;
	const char *name;
	stg_json_put(detail, "blueprint_sha256", sha256_of(pins));
	json_object_foreach(json_object_get(pins, "profiles"), name, one)
		stg_json_put(sums, name, stg_json_str(one, "sha256"));
	stg_json_put_new(detail, "profiles_sha256", sums);
	const json_t *parents = json_object_get(json_object_get(pins, "blueprint"), "parents");
	json_t *files = json_object();
	size_t i;
	json_array_foreach((json_t *)(uintptr_t)parents, i, one)
		stg_json_put(files, stg_json_str(one, "name"), stg_json_str(one, "sha256"));
	if (json_object_size(files))
		json_object_set(detail, "parents_sha256", files);
	json_decref(files);
	return detail;
}

/* Would it outlive something it needs? Who lets it begin all the same says why, and both stand in the audit log. */
static bool check_ends(struct stg_op_ctx *c, const json_t *in, json_t *pins, json_t *warnings, json_t *detail, struct stg_error *err)
{
	const char *until = stg_json_str(in, "until"), *despite = stg_json_str(in, "despite");
	int64_t until_ms = stg_json_int(pins, "until_ms", 0);
	STG_AUTO(stg_json_free_at) json_t *ends = NULL;
	if (*until && !ops_expiry_until(until, &until_ms, err))
		return false;
	if (until_ms)
		stg_json_put_int(pins, "until_ms", until_ms);
	if (!ops_expiry_allows(c, json_object_get(pins, "blueprint"), json_object_get(pins, "profiles"), until_ms, despite, warnings, &ends, err))
		return false;
	if (json_array_size(ends)) {
		stg_json_put(detail, "despite", despite);
		json_object_set(detail, "ends", ends);
	}
	return true;
}

static bool start(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *name = stg_json_str(in, "name");
	STG_AUTO(stg_json_free_at) json_t *batch = stg_store_batch(c->store, name, err);
	STG_AUTO(stg_json_free_at) json_t *old = batch ? stg_store_batch_pins(c->store, name, err) : NULL;
	STG_AUTO(stg_json_free_at) json_t *ports = NULL;
	if (!old || !ports_of(c, in, &ports, err))
		return false;
	/* Paused and started again: what was pinned stays pinned, only `batch update` changes it. */
	bool is_pinned = json_object_get(old, "blueprint") != NULL;
	STG_AUTO(stg_json_free_at) json_t *pins = is_pinned ? json_deep_copy(old) : make_pins(c, in, stg_json_str(batch, "blueprint"), ports, err);
	if (!pins)
		return false;
	if (is_pinned && ports)
		json_object_set(pins, "ports", ports);
	/* what each device of the batch would stumble over, said once and before the first one */
	STG_AUTO(stg_json_free_at) json_t *warnings = json_array();
	STG_AUTO(stg_json_free_at) json_t *detail = pins_detail(pins);
	if (!ops_warn_order(json_object_get(pins, "blueprint"), json_object_get(pins, "profiles"), warnings, err) ||
	    !ops_allow_warn(c, json_object_get(pins, "profiles"), warnings, err) || !check_ends(c, in, pins, warnings, detail, err))
		return false;
	if (!set_state(c, name, "started", pins, err) || !stg_op_audit(c, "batch.start", name, NULL, json_incref(detail), err))
		return false;
	json_t *said = json_pack("{s:i,s:s,s:s,s:s}", "v", 1, "name", name, "state", "started", "blueprint_sha256", sha256_of(pins));
	if (json_array_size(warnings))
		json_object_set(said, "warnings", warnings);
	json_object_set_new(said, "ports", json_deep_copy(json_object_get(pins, "ports") ? json_object_get(pins, "ports") : json_null()));
	*ret = said;
	return true;
}

static bool move(struct stg_op_ctx *c, const json_t *in, const char *to, const char *verb, const char *state, json_t **ret, struct stg_error *err)
{
	const char *name = stg_json_str(in, "name");
	if (!set_state(c, name, to, NULL, err) || !stg_op_audit(c, verb, name, NULL, NULL, err))
		return false;
	*ret = json_pack("{s:i,s:s,s:s}", "v", 1, "name", name, "state", state);
	return true;
}

static bool pause_batch(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	return move(c, in, "paused", "batch.pause", "paused", ret, err);
}

static bool reopen(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	return move(c, in, "reopened", "batch.reopen", "paused", ret, err);
}

static json_t *staged_serials(struct stg_op_ctx *c, const char *name, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_batch_rows(c->store, name, err);
	if (!rows)
		return NULL;
	json_t *serials = json_array(), *row;
	size_t i;
	json_array_foreach(rows, i, row)
		if (strcmp(stg_json_str(row, "end"), "staged") == 0)
			json_array_append_new(serials, json_string(*stg_json_str(row, "serial") ? stg_json_str(row, "serial") : stg_json_str(row, "ecid")));
	return serials;
}

static bool update(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *name = stg_json_str(in, "name");
	STG_AUTO(stg_json_free_at) json_t *batch = stg_store_batch(c->store, name, err);
	STG_AUTO(stg_json_free_at) json_t *old = batch ? stg_store_batch_pins(c->store, name, err) : NULL;
	STG_AUTO(stg_json_free_at) json_t *ports = NULL;
	if (!old || !ports_of(c, in, &ports, err))
		return false;
	if (!json_object_get(old, "blueprint"))
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_BATCH_NEVER_STARTED, 0, "%s", name);
	STG_AUTO(stg_json_free_at) json_t *pins = make_pins(c, in, stg_json_str(batch, "blueprint"), ports ? ports : json_object_get(old, "ports"), err);
	if (!pins)
		return false;
	/* whose devices they are was said at the start, and stays so unless it is said anew */
	const char *org = stg_json_str(json_object_get(old, "blueprint"), "organisation");
	if (*org && !*stg_json_str(json_object_get(pins, "blueprint"), "organisation"))
		stg_json_put(json_object_get(pins, "blueprint"), "organisation", org);
	if (stg_json_int(old, "until_ms", 0))
		stg_json_put_int(pins, "until_ms", stg_json_int(old, "until_ms", 0));
	STG_AUTO(stg_json_free_at) json_t *warnings = json_array(), *detail = pins_detail(pins);
	if (!check_ends(c, in, pins, warnings, detail, err))
		return false;
	/* a line that moved, a comment in a parent: what is done stays the same */
	bool changed = strcmp(sha256_of(pins), sha256_of(old)) != 0 || strcmp(stg_json_str(json_object_get(pins, "blueprint"), "organisation"), org) != 0 ||
		       !json_equal(json_object_get(pins, "profiles"), json_object_get(old, "profiles")) ||
		       stg_json_int(pins, "until_ms", 0) != stg_json_int(old, "until_ms", 0);
	STG_AUTO(stg_json_free_at) json_t *serials = changed ? staged_serials(c, name, err) : json_array();
	if (!serials)
		return false;
	if ((changed || ports) && (!stg_store_batch_state(c->store, name, stg_json_str(batch, "state"), pins, err) ||
				   !stg_op_audit(c, "batch.update", name, NULL, json_incref(detail), err)))
		return false;
	*ret = json_pack("{s:i,s:s,s:b,s:s,s:s,s:O}", "v", 1, "name", name, "changed", changed, "blueprint_sha256", sha256_of(pins), "before_sha256",
			 sha256_of(old), "staged_with_old", serials);
	if (json_array_size(warnings))
		json_object_set(*ret, "warnings", warnings);
	return true;
}

/* ---- the end ---- */

static const struct out_column {
	const char *heading, *key;
	enum stg_csv_kind kind;
} row_columns[] = {
	{ "Serial Number", "serial", STG_CSV_EXACT }, { "UDID", "udid", STG_CSV_EXACT }, { "ECID", "ecid", STG_CSV_EXACT }, { "IMEI", "imei", STG_CSV_EXACT },
	{ "IMEI2", "imei2", STG_CSV_EXACT }, { "Name", "name", STG_CSV_TEXT }, { "Asset Tag", "asset_tag", STG_CSV_TEXT }, { "Ownership", "ownership", STG_CSV_EXACT },
}, end_columns[] = {
	/* our own reader passes over headings that begin so: an exceptions.csv can be the next batch */
	{ "stager:outcome", "end", STG_CSV_EXACT }, { "stager:code", "code", STG_CSV_EXACT }, { "stager:reason", "reason", STG_CSV_TEXT },
	{ "stager:record", "record_id", STG_CSV_EXACT }, { "stager:model", "model", STG_CSV_TEXT }, { "stager:finished", "ended_ms", STG_CSV_EXACT },
};

/* The attributes of all rows, in the order they first appear. */
static json_t *attribute_names(const json_t *rows)
{
	json_t *seen = json_object(), *names = json_array(), *row, *value;
	const char *key;
	size_t i;
	json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
		json_object_foreach(json_object_get(row, "attributes"), key, value) {
			if (json_object_get(seen, key))
				continue;
			stg_json_put_bool(seen, key, true);
			json_array_append_new(names, json_string(key));
		}
	}
	json_decref(seen);
	return names;
}

static void cell_text(const json_t *row, const char *key, char *ret, size_t size)
{
	const json_t *value = json_object_get(row, key);
	char when[STG_TIME_TEXT];
	ret[0] = 0;
	if (strcmp(key, "code") == 0) {
		int64_t id = stg_json_int(row, "code", 0);
		if (id)
			snprintf(ret, size, "STG-%lld", (long long)id);
	} else if (strcmp(key, "reason") == 0) {
		unsigned int id = (unsigned int)stg_json_int(row, "code", 0);
		const char *held = stg_json_str(row, "hold_reason"), *said = stg_json_str(row, "msg");
		stg_copy(ret, size, *held ? held : id && *stg_id_sentence(id) ? stg_id_sentence(id) : said);
	} else if (strcmp(key, "ended_ms") == 0) {
		if (json_integer_value(value)) {
			stg_time_text(json_integer_value(value), when);
			stg_copy(ret, size, when);
		}
	} else if (json_is_integer(value)) {
		snprintf(ret, size, "%lld", (long long)json_integer_value(value));
	} else if (json_is_string(value)) {
		stg_copy(ret, size, json_string_value(value));
	}
}

static bool write_heading(const json_t *names, struct stg_buf *out, struct stg_error *err)
{
	size_t i;
	json_t *name;
	for (i = 0; i < STG_ARRAY_LEN(row_columns); i++)
		if (!stg_csv_cell(out, row_columns[i].heading, STG_CSV_EXACT, false, err))
			return false;
	json_array_foreach((json_t *)(uintptr_t)names, i, name)
		if (!stg_csv_cell(out, json_string_value(name), STG_CSV_TEXT, false, err))
			return false;
	for (i = 0; i < STG_ARRAY_LEN(end_columns); i++)
		if (!stg_csv_cell(out, end_columns[i].heading, STG_CSV_EXACT, i + 1 == STG_ARRAY_LEN(end_columns), err))
			return false;
	return true;
}

static bool write_row(const json_t *row, const json_t *names, struct stg_buf *out, struct stg_error *err)
{
	char text[2048];
	size_t i;
	json_t *name;
	for (i = 0; i < STG_ARRAY_LEN(row_columns); i++) {
		cell_text(row, row_columns[i].key, text, sizeof(text));
		if (!stg_csv_cell(out, text, row_columns[i].kind, false, err))
			return false;
	}
	json_array_foreach((json_t *)(uintptr_t)names, i, name) {
		cell_text(json_object_get(row, "attributes"), json_string_value(name), text, sizeof(text));
		if (!stg_csv_cell(out, text, STG_CSV_TEXT, false, err))
			return false;
	}
	for (i = 0; i < STG_ARRAY_LEN(end_columns); i++) {
		cell_text(row, end_columns[i].key, text, sizeof(text));
		if (i == 0 && stg_json_bool(row, "unexpected", false))
			stg_copy(text, sizeof(text), "unexpected");
		if (!stg_csv_cell(out, text, end_columns[i].kind, i + 1 == STG_ARRAY_LEN(end_columns), err))
			return false;
	}
	return true;
}

static bool is_exception(const json_t *row)
{
	return !stg_json_bool(row, "unexpected", false) && strcmp(stg_json_str(row, "end"), "staged") != 0;
}

static bool write_lists(const char *dir, const json_t *rows, char ret_result[4096], char ret_exceptions[4096], struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf result = STG_BUF(OUT_BYTES_MAX);
	STG_AUTO(stg_buf_clear) struct stg_buf exceptions = STG_BUF(OUT_BYTES_MAX);
	STG_AUTO(stg_json_free_at) json_t *names = attribute_names(rows);
	size_t i;
	json_t *row;
	if (!write_heading(names, &result, err) || !write_heading(names, &exceptions, err))
		return false;
	json_array_foreach((json_t *)(uintptr_t)rows, i, row)
		if (!write_row(row, names, &result, err) || (is_exception(row) && !write_row(row, names, &exceptions, err)))
			return false;
	return stg_path_join(ret_result, 4096, dir, "result.csv", err) && stg_path_join(ret_exceptions, 4096, dir, "exceptions.csv", err) &&
	       stg_folder_make(dir, 0750, err) && stg_file_write(ret_result, stg_buf_view(&result), 0640, err) &&
	       stg_file_write(ret_exceptions, stg_buf_view(&exceptions), 0640, err);
}

/* Devices that have not come to rest: without `open` they keep the batch from closing. */
static bool at_rest(const char *name, const json_t *rows, bool open, struct stg_error *err)
{
	char some[120] = "";
	int count = 0;
	size_t i;
	json_t *row;
	json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
		const char *end = stg_json_str(row, "end");
		bool runs = strcmp(end, "running") == 0, is_open = strcmp(end, "waiting") == 0 || strcmp(end, "missing") == 0;
		if (stg_json_bool(row, "unexpected", false) || !(runs || (is_open && !open)))
			continue;
		const char *serial = stg_json_str(row, "serial");
		size_t at = strlen(some);
		if (count++ < 4)
			snprintf(some + at, sizeof(some) - at, "%s%.24s", at ? ", " : "", *serial ? serial : stg_json_str(row, "udid"));
	}
	if (!count)
		return true;
	return stg_fail_id(err, STG_E_REFUSED, STG_ID_BATCH_OPEN, 0, "%s: %d: %s%s", name, count, some, count > 4 ? ", ..." : "");
}

static bool write_sheet(struct stg_op_ctx *c, const json_t *in, const char *dir, const json_t *batch, const json_t *rows, char ret_path[4096], struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf pdf = { 0 };
	STG_AUTO(stg_free_at) char *station = stg_store_get(c->store, "station_name", err);
	const char *lang = strcmp(stg_json_str_or(in, "lang", stg_language()), "fr") == 0 ? "fr" : "en";
	if (!station)
		return false;
	const struct stg_handover h = { .batch = batch, .rows = rows, .lang = lang, .station = station, .now_ms = stg_wall_ms(), .is_rehearsal = c->rehearsal };
	return stg_report_handover(&h, &pdf, err) && stg_path_join(ret_path, 4096, dir, "handover.pdf", err) &&
	       stg_file_write(ret_path, stg_buf_view(&pdf), 0640, err);
}

static bool close_batch(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *name = stg_json_str(in, "name");
	char own[4096], result[4096], exceptions[4096], sheet[4096];
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_batch_rows(c->store, name, err);
	if (!rows || !at_rest(name, rows, stg_json_bool(in, "open", false), err) || !ops_put_overrides(c, rows, err))
		return false;
	if (snprintf(own, sizeof(own), "%s/batches/%s", c->state_dir, name) >= (int)sizeof(own))
		return stg_fail_id(err, STG_E_STATION, STG_ID_SOCKET_PATH, 0, "%.200s", c->state_dir);
	const char *dir = stg_json_str_or(in, "dir", own);
	if (*dir != '/' && dir != own)  /* the station's folder is not the person's */
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_WRONG, 0, "--dir %.80s: /...", dir);
	/* The state first: a batch that may not close writes no papers. A failure below undoes it with the operation. */
	if (!set_state(c, name, "closed", NULL, err) || !write_lists(dir, rows, result, exceptions, err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *batch = stg_store_batch(c->store, name, err);
	if (!batch || !write_sheet(c, in, dir, batch, rows, sheet, err))
		return false;
	const json_t *balance = json_object_get(batch, "balance");
	if (!stg_op_audit(c, "batch.close", name, NULL, json_deep_copy(balance), err))
		return false;
	*ret = json_pack("{s:i,s:s,s:s,s:s,s:s,s:s,s:O}", "v", 1, "name", name, "state", "closed", "result", result, "exceptions", exceptions, "handover",
			 sheet, "balance", balance);
	return true;
}

const struct stg_op stg_ops_batch[] = {
	{ "batch.check", STG_OP_STORE, check },
	{ "batch.import", STG_OP_STORE, import },
	{ "batch.list", STG_OP_STORE, list },
	{ "batch.show", STG_OP_STORE, show },
	{ "batch.start", STG_OP_STORE, start },
	{ "batch.pause", STG_OP_STORE, pause_batch },
	{ "batch.update", STG_OP_STORE, update },
	{ "batch.reopen", STG_OP_STORE, reopen },
	{ "batch.close", STG_OP_STORE, close_batch },
	{ 0 },
};
