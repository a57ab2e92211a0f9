/*
 * _rehearsal.c - tomorrow's list as virtual devices, and how long it takes on so many sockets.
 *
 * For:    stager rehearse.
 * Uses:   <stager/csv.h>.
 * Called: rehearse.c.
 * Thread: the command's.
 *
 * A list says of a device what its columns say: model (product type, order number or name) and state (new, used, locked,
 * supervised, recovery; in French too). What it does not say is as a new device is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <stager/csv.h>
#include <stager/text.h>

#include "_rehearsal.h"

/* The first of these columns that the list has; a heading in another language is another column. */
static const char *detail(const json_t *row, const char *const *names)
{
	const json_t *attributes = json_object_get(row, "attributes");
	for (; *names; names++)
		if (*stg_json_str(attributes, *names))
			return stg_json_str(attributes, *names);
	return "";
}

static const char *const model_columns[] = { "model", "modele", "device_model", "product_type", "product", "produit", "type", "model_name", "article", NULL };
static const char *const system_columns[] = { "platform", "plateforme", "os", "operating_system", "systeme", "system", NULL };
static const char *const state_columns[] = { "state", "etat", "condition", "device_state", NULL };

static bool says(const char *text, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcasestr(text, words[i]))
			return true;
	return false;
}

static bool is_other(const json_t *row)
{
	static const char *const words[] = { "android", "samsung", "galaxy", "pixel", "zebra", "honeywell", "xiaomi", "oppo", "motorola", "crosscall", "sm-", "windows",
					     "chromebook", "fairphone", "nokia", "datalogic" };
	return says(detail(row, model_columns), words, STG_ARRAY_LEN(words)) || says(detail(row, system_columns), words, STG_ARRAY_LEN(words));
}

json_t *rehearsal_skip(json_t *rows)
{
	json_t *skipped = json_array();
	for (size_t i = 0; i < json_array_size(rows);) {
		const json_t *row = json_array_get(rows, i);
		if (!is_other(row)) {
			i++;
			continue;
		}
		json_t *one = json_object();
		stg_json_put_int(one, "line", stg_json_int(row, "line", 0));
		stg_json_put(one, "serial", stg_json_str(row, "serial"));
		stg_json_put(one, "why", *detail(row, model_columns) ? detail(row, model_columns) : detail(row, system_columns));
		json_array_append_new(skipped, one);
		json_array_remove(rows, i);
	}
	return skipped;
}

static const char *const own[] = { "serial", "udid", "ecid", "imei", "imei2", "name", "asset_tag", "ownership" };

bool rehearsal_csv(const json_t *rows, struct stg_buf *ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *names = json_object();
	size_t i;
	const char *key;
	json_t *row, *value;
	json_array_foreach((json_t *)(uintptr_t)rows, i, row)
		json_object_update(names, json_object_get(row, "attributes"));
	for (size_t k = 0; k < STG_ARRAY_LEN(own); k++)
		if (!stg_csv_cell(ret, own[k], STG_CSV_EXACT, false, err))
			return false;
	json_object_foreach(names, key, value)
		if (!stg_csv_cell(ret, value ? key : "", STG_CSV_EXACT, false, err))
			return false;
	if (!stg_csv_cell(ret, "stager:rehearsal", STG_CSV_EXACT, true, err))
		return false;
	json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
		for (size_t k = 0; k < STG_ARRAY_LEN(own); k++)
			if (!stg_csv_cell(ret, stg_json_str(row, own[k]), k < 5 || k == 7 ? STG_CSV_EXACT : STG_CSV_TEXT, false, err))
				return false;
		json_object_foreach(names, key, value)
			if (!stg_csv_cell(ret, value ? stg_json_str(json_object_get(row, "attributes"), key) : "", STG_CSV_TEXT, false, err))
				return false;
		if (!stg_csv_cell(ret, "", STG_CSV_EXACT, true, err))
			return false;
	}
	return true;
}

/* What stands in a row about the device's state, and what a day brings to those of which nothing is said. */
static void put_state(json_t *o, const char *state, bool fresh, bool day, size_t i)
{
	static const char *const locked[] = { "locked", "verrouill" }, *const used[] = { "used", "returned", "utilis", "retour", "occasion" },
			  *const foreign[] = { "supervised", "supervis" }, *const recovery[] = { "recovery", "récup", "recup" };
	bool is_locked = says(state, locked, STG_ARRAY_LEN(locked)), is_used = is_locked || says(state, used, STG_ARRAY_LEN(used));
	bool is_foreign = says(state, foreign, STG_ARRAY_LEN(foreign));
	if (day && !*state) {
		is_locked = i % 12 == 3;
		is_foreign = i % 24 == 7;
		is_used = is_locked || i % 24 == 15;
		if (i % 24 == 19)
			stg_json_put_int(o, "battery", 4);
	}
	stg_json_put_bool(o, "activated", is_used || is_foreign || !fresh);
	if (is_used)
		stg_json_put_bool(o, "at_home_screen", true);
	if (is_locked)
		stg_json_put_bool(o, "locked", true);
	if (is_foreign)
		stg_json_put_bool(o, "supervised_by_other", true);
	if (says(state, recovery, STG_ARRAY_LEN(recovery)))
		stg_json_put(o, "usb_mode", "recovery");
}

bool rehearsal_scenario(const json_t *rows, const char *kind, bool fresh, bool day, struct stg_buf *ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *devices = json_array();
	size_t i;
	json_t *row;
	json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
		const char *model = detail(row, model_columns);
		json_t *o = json_object();
		char ecid[32];
		stg_json_put(o, "kind", strcasestr(*model ? model : kind, "ipad") ? "ipad" : "iphone");
		stg_json_put(o, "model_like", model);
		stg_json_put(o, "serial", stg_json_str(row, "serial"));
		stg_json_put(o, "udid", stg_json_str(row, "udid"));
		snprintf(ecid, sizeof(ecid), "%llx", strtoull(stg_json_str(row, "ecid"), NULL, 10));
		if (*stg_json_str(row, "ecid"))
			stg_json_put(o, "ecid", ecid);
		stg_json_put(o, "imei", stg_json_str(row, "imei"));
		stg_json_put(o, "imei2", stg_json_str(row, "imei2"));
		stg_json_put_bool(o, "plugged", false);
		put_state(o, detail(row, state_columns), fresh, day, i);
		json_array_append_new(devices, o);
	}
	STG_AUTO(stg_json_free_at) json_t *all = json_pack("{s:O}", "devices", devices);
	STG_AUTO(stg_free_at) char *text = stg_json_text(all);
	return stg_buf_add_str(ret, text, err);
}

int64_t rehearsal_end_ms(const struct rehearsal_device *devices, size_t n, size_t ports, int64_t hand_ms)
{
	STG_AUTO(stg_free_at) int64_t *free_at = stg_calloc(ports ? ports : 1, sizeof(*free_at));
	int64_t hands = 0, end = 0;
	for (size_t i = 0; i < n && ports; i++) {
		size_t port = 0;
		for (size_t k = 1; k < ports; k++)
			if (free_at[k] < free_at[port])
				port = k;
		int64_t begin = free_at[port] > hands ? free_at[port] : hands;
		hands = begin + hand_ms;
		free_at[port] = begin + devices[i].took_ms + hand_ms * (devices[i].touches ? devices[i].touches : 1);
		end = free_at[port] > end ? free_at[port] : end;
	}
	return end;
}
