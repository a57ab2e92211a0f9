/*
 * census.c - what is this pile, and whose? Read only.
 *
 * For:    people in front of a box of phones nobody knows; scripts.
 * Uses:   ops/census.c, stage.c for reading (blueprint census), the live list for those that say nothing.
 * Called: main.c.
 * Thread: the command's.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stager/clock.h>
#include <stager/csv.h>
#include <stager/facts.h>
#include <stager/text.h>

#include "_child.h"
#include "_io.h"
#include "_pages.h"
#include "_stage.h"
#include "_table.h"
#include "_words.h"

static const struct column seen[] = {
	{ "serial", N_("serial"), COLUMN_TEXT }, { "unit", N_("ECID"), COLUMN_TEXT },
	{ "model_name", N_("model"), COLUMN_TEXT }, { "os_version", N_("system"), COLUMN_TEXT },
	{ "standing", N_("standing"), COLUMN_WORD }, { "asset_tag", N_("tag"), COLUMN_TEXT }, { "ownership", N_("ownership"), COLUMN_WORD },
	{ "leaver", N_("leaver"), COLUMN_TEXT }, { "last_seen_ms", N_("last seen"), COLUMN_TIME },
	{ 0 },
};

/* ---- to a file: one row a device, all that was asked for, "not readable" where it did not tell ---- */

static const char *const attributes[] = { "serial", "unit", "udid", "imei", "imei2", "meid", "model_name", "model", "os_version", "build", "wifi_mac",
					  "bluetooth_mac", "asset_tag", "ownership", "standing", "leaver", NULL };

static bool exact(const char *key)
{
	static const char *const texts[] = { "model_name", "asset_tag", "leaver", STG_FACT_SUPERVISED_BY, NULL };
	for (const char *const *t = texts; *t; t++)
		if (strcmp(*t, key) == 0)
			return false;
	return true;
}

static void fact_text(const json_t *value, char *ret, size_t size)
{
	if (json_is_string(value))
		stg_copy(ret, size, json_string_value(value));
	else if (json_is_integer(value))
		snprintf(ret, size, "%lld", (long long)json_integer_value(value));
	else if (json_is_boolean(value))
		stg_copy(ret, size, json_is_true(value) ? "yes" : "no");
	else if (json_is_array(value))
		snprintf(ret, size, "%zu", json_array_size(value));
	else
		stg_copy(ret, size, "not readable");
}

/* `device` NULL: the heading. */
static bool csv_line(FILE *f, const json_t *device, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf line = STG_BUF(1 << 16);
	const json_t *facts = json_object_get(device, "facts");
	char text[300];
	for (const char *const *a = attributes; *a; a++)
		if (!stg_csv_cell(&line, device ? stg_json_str(device, *a) : *a, exact(*a) ? STG_CSV_EXACT : STG_CSV_TEXT, false, err))
			return false;
	for (const struct stg_fact *fact = stg_facts; fact->name; fact++) {
		if (!fact->asked)
			continue;
		fact_text(json_object_get(facts, fact->name), text, sizeof(text));
		if (!stg_csv_cell(&line, device ? text : fact->name, exact(fact->name) ? STG_CSV_EXACT : STG_CSV_TEXT, false, err))
			return false;
	}
	stg_time_text(stg_json_int(device, "last_seen_ms", 0), text);
	if (!stg_csv_cell(&line, device ? text : "last_seen", STG_CSV_EXACT, true, err))
		return false;
	fputs(stg_buf_str(&line), f);
	return true;
}

static int to_file(struct stg_cmd_ctx *c, const json_t *ret, const char *path)
{
	struct stg_error err = { 0 };
	int status = 0;
	size_t i;
	json_t *one;
	FILE *f = out_open(c, path, &status);
	if (!f)
		return status;
	bool ok = csv_line(f, NULL, &err);
	json_array_foreach(json_object_get(ret, "devices"), i, one)
		ok = ok && csv_line(f, one, &err);
	status = out_close(c, f, path);
	return ok ? status : stg_cmd_tell(c, &err);
}

/* ---- for a person ---- */

static void say(struct stg_cmd_ctx *c, const json_t *ret, size_t silent)
{
	const json_t *sum = json_object_get(ret, "summary"), *devices = json_object_get(ret, "devices"), *absent = json_object_get(ret, "absent");
	size_t i;
	json_t *one;
	printf(_("%d known, %d unknown, %d silent.\n"), (int)stg_json_int(sum, "known", 0), (int)stg_json_int(sum, "unknown", 0), (int)silent);
	if (stg_json_int(sum, "leavers", 0) || json_array_size(absent))
		printf(_("%d of them are on the list of leavers; %d on that list are not here.\n"), (int)stg_json_int(sum, "leavers", 0),
		       (int)json_array_size(absent));
	json_array_foreach(devices, i, one) {
		const json_t *doubt = json_object_get(one, "doubt");
		if (doubt)
			printf(_("%s: more than one line of the list means it (%d and %d): settle which.\n"),
			       stg_json_str_or(one, "serial", stg_json_str(one, "unit")), (int)json_integer_value(json_array_get(doubt, 0)),
			       (int)json_integer_value(json_array_get(doubt, 1)));
	}
	(void)c;
}

/* ---- reading what is plugged in ---- */

static bool until_settled(void *ctx, const json_t *event)
{
	bool *settled = ctx;
	if (strcmp(stg_json_str(event, "what"), "settled") == 0 || stg_json_bool(event, "settled", false))
		*settled = true;
	return !*settled;
}

/* The ECIDs of what stands there now, and how many there are: some do not say who they are. */
static json_t *plugged(struct stg_caller *caller, size_t *ret_all, struct stg_error *err)
{
	bool settled = false;
	STG_AUTO(stg_json_free_at) json_t *list = NULL;
	size_t i;
	json_t *one;
	if (!stg_events(caller, until_settled, &settled, NULL, err) || !stg_call(caller, "devices", NULL, NULL, 0, &list, err))
		return NULL;
	json_t *units = json_array();
	json_array_foreach(list, i, one) {
		const char *ecid = stg_json_str(one, "ecid");
		if (strcmp(stg_json_str(one, "mode"), "foreign") == 0)
			continue;
		++*ret_all;
		if (*ecid)
			json_array_append_new(units, json_string(ecid));
	}
	return units;
}

static int read_all(struct stg_cmd_ctx *c, json_t **ret_units, size_t *ret_all)
{
	STG_AUTO(stg_json_free_at) json_t *in = json_pack("{s:b}", "all", 1);
	struct stg_error err = { 0 };
	struct child station;
	int status = 0;
	struct stg_caller *caller = stg_cmd_caller(c, &status);
	if (!caller)
		return status;
	if (!station_needed(caller, &station, &err))
		return stg_cmd_tell(c, &err);
	bool json = c->json;
	c->json = false;               /* one document on standard output, and that is the census */
	status = stage_devices(c, caller, "census", in);
	c->json = json;
	*ret_units = status == 2 || status == 3 ? NULL : plugged(caller, ret_all, &err);
	if (!*ret_units && err.code != STG_OK)
		status = stg_cmd_tell(c, &err);
	station_release(caller, &station);
	return *ret_units ? 0 : status;
}

static int run(struct stg_cmd_ctx *c)
{
	enum { OUT = 256, LEAVERS, READ };
	static const struct option options[] = {
		{ "out", required_argument, NULL, OUT }, { "leavers", required_argument, NULL, LEAVERS }, { "read", no_argument, NULL, READ }, { 0 },
	};
	STG_AUTO(stg_json_free_at) json_t *in = json_object(), *ret = NULL, *units = NULL;
	const char *out = NULL, *leavers = NULL;
	bool read = false;
	size_t all = 0, silent = 0;
	int opt, status = 0, fd = -1;
	optind = 1;
	while ((opt = word_option(c, options)) != -1) {
		switch (opt) {
		case OUT: out = optarg; break;
		case LEAVERS: leavers = optarg; break;
		case READ: read = true; break;
		default: return 2;
		}
	}
	if (!words_end(c))
		return 2;
	/* a list that cannot be read is told before a device is asked */
	struct stg_error err = { 0 };
	if (leavers && (fd = input_open(leavers, &err)) < 0)
		return stg_cmd_tell(c, &err);
	if (read && (status = read_all(c, &units, &all)) != 0) {
		if (fd >= 0)
			close(fd);
		return status;
	}
	if (units)
		json_object_set(in, "units", units);
	if (leavers)
		stg_json_put(in, "leavers", leavers);
	bool ok = stg_cmd_call(c, "census", in, &fd, leavers ? 1 : 0, &ret, &status);
	if (fd >= 0)
		close(fd);
	if (!ok)
		return status;
	size_t told = json_array_size(json_object_get(ret, "devices"));
	silent = all > told ? all - told : 0;
	if (out)
		status = to_file(c, ret, out);
	if (out && strcmp(out, "-") == 0)
		return status;
	if (!out || c->json) {
		json_t *sum = json_deep_copy(json_object_get(ret, "summary"));
		stg_json_put_int(sum, "silent", (int64_t)silent);
		json_object_set(sum, "absent", json_object_get(ret, "absent"));
		table_print(c, json_object_get(ret, "devices"), seen, sum);
	}
	if (!c->json && !c->quiet)
		say(c, ret, silent);
	return status;
}

const struct stg_cmd stg_cmd_census = {
	.name = "census",
	.usage = N_("stager census [--read] [--leavers LIST.csv] [--out FILE.csv]\n"
		    "    every device the bench has seen: known (an asset tag, an owner, an order, work done here) or unknown\n"
		    "    --read: only what is plugged in now, read anew; nothing is written to any of it and nobody has to tap anything\n"
		    "    --leavers: which of them stand on this list (serial, IMEI, UDID or asset tag), and who on it is not here\n"
		    "    --out: all that was read, one row a device; what it does not tell is called \"not readable\""),
	.about = N_("what is this pile, and whose? read only"),
	.run = run,
};
