/*
 * devices.c - the list of devices an MDM has, asked of itself.
 *
 * For:    `stager reconcile import`.
 * Uses:   lookup.c, which reads page after page.
 * Called: by a command or on a thread of the station that nobody waits for.
 * Thread: any.
 *
 * Half a list would make devices "never seen" that are there: it comes whole or not at all.
 */
#include <stdio.h>
#include <stdlib.h>

#include "deliver.h"

#define DEVICES_MAX 100000

static json_t *as_list(const json_t *by_key)
{
	json_t *list = json_array(), *one;
	const char *key;
	json_object_foreach((json_t *)(uintptr_t)by_key, key, one) {
		const json_t *id = json_object_get(one, "id");
		char number[24];
		json_t *device = json_object();
		stg_json_put(device, "serial", stg_json_str_or(one, "serial", json_object_get(one, "imei") || json_object_get(one, "udid") ? "" : key));
		stg_json_put(device, "imei", stg_json_str(one, "imei"));
		stg_json_put(device, "udid", stg_json_str(one, "udid"));
		if (json_is_integer(id))
			snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(id));
		stg_json_put(device, "id", json_is_integer(id) ? number : stg_json_str(one, "id"));
		json_array_append_new(list, device);
	}
	return list;
}

/* What kind of answer this receiver gives: some have a media type for each call. */
static const char *answer_type(const struct push_target *t)
{
	const json_t *phases = json_object_get(t->connector, "phases");
	const json_t *exchange = phases ? json_object_iter_value(json_object_iter((json_t *)(uintptr_t)phases)) : t->connector;
	return stg_json_str_or(json_object_get(exchange, "answer"), "type", "application/json");
}

json_t *stg_push_devices(const struct stg_push_door *door, const char *target, struct stg_stop *stop, struct stg_error *err)
{
	STG_AUTO(push_target_clear) struct push_target t = { 0 };
	struct stg_net_answer a = { .retry_after_ms = -1 };
	struct stg_error why = { 0 };
	if (!stg_net_start(err) || !open_named(door, target, &t, err))
		return NULL;
	const json_t *call = json_object_get(t.connector, "devices");
	if (!call) {
		stg_fail_id(err, STG_E_UNSUPPORTED, STG_ID_CONNECTOR_NO_LIST, 0, "connector %s", stg_json_str(t.connector, "name"));
		return NULL;
	}
	STG_AUTO(stg_json_free_at) json_t *exchange =
		json_pack("{s:O,s:s,s:{s:s,s:i}}", "lookup", call, "natural_key", "serial", "answer", "type", answer_type(&t), "max_bytes", (int)PUSH_ANSWER_MAX);
	STG_AUTO(stg_json_free_at) json_t *rows = json_pack("[{s:s}]", "record_id", "00000000-0000-7000-8000-000000000000");
	STG_AUTO(stg_json_free_at) json_t *records = json_pack("[{}]");
	t.exchange = exchange;
	STG_AUTO(stg_json_free_at) json_t *found = push_lookup(&t, rows, records, stop, &a, &why);
	bool is_whole = found && json_object_size(found) <= DEVICES_MAX;
	if (!is_whole) {
		char text[PUSH_TEXT_MAX];
		refusal_text(&t, &a, text);
		if (found)
			snprintf(text, sizeof(text), "more than %d devices", DEVICES_MAX);
		/* offline and refused credentials have sentences of their own */
		unsigned int id = !found && why.code == STG_OK ? stg_push_state_id(stg_net_class_name(a.class)) : 0;
		stg_fail_id(err, a.class == STG_NET_OFFLINE ? STG_E_TIMEOUT : STG_E_PROTOCOL, id ? id : STG_ID_MDM_LIST_BROKEN, a.status, "%s: %.200s", t.name,
			    why.code != STG_OK ? why.msg : text);
	}
	stg_net_answer_clear(&a);
	return is_whole ? as_list(found) : NULL;
}
