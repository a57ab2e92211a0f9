/*
 * exchange.c - the gates a batch of results passes: asked for, looked up, weighed, sent.
 *
 * For:    delivery.c.
 * Uses:   operation.c, lookup.c, sending.c.
 * Called: for each batch of a target that is no file.
 * Thread: the push thread's.
 * Facts:  states of mdm-push 10.1.
 *
 * A batch passes four gates: operations under way are asked for; what may have arrived, or may overwrite, is looked up;
 * what differs is weighed; only the rest is sent. Each row leaves by settle(), whichever gate it comes to.
 */
#include <stdio.h>
#include <stdlib.h>

#include <stager/clock.h>

#include "deliver.h"

#define PARKED_FIRST_MS (5 * 60 * 1000)
#define PARKED_MOST_MS (6 * 3600 * 1000)

/* ---- weighing ---- */

struct sorted {
	json_t *rows[2], *records[2];   /* new ones, those to be changed */
};

static void sorted_clear(struct sorted *s)
{
	for (size_t i = 0; i < 2; i++) {
		json_decref(s->rows[i]);
		json_decref(s->records[i]);
	}
}

static bool needs_lookup(const struct push_target *t, const json_t *row)
{
	const json_t *lookup = json_object_get(t->exchange, "lookup");
	return lookup && (strcmp(stg_json_str(lookup, "when"), "always") == 0 || strcmp(stg_json_str(row, "was"), "queued") != 0);
}

static bool weigh_one(struct round *r, json_t *row, json_t *record, const json_t *found, struct sorted *s, struct stg_error *err)
{
	char text[PUSH_TEXT_MAX];
	const bool in_doubt = strcmp(stg_json_str(row, "was"), "queued") != 0;
	const char *state = "delivered", *said = "ok";
	int64_t wait = 0, tries = stg_json_int(row, "attempts", 1);
	switch (push_weigh(r->target, record, found, in_doubt, stg_json_str(json_object_get(row, "answer"), "decided"), text, sizeof(text))) {
	case PUSH_TELL_NEW:
	case PUSH_TELL_UPDATE: {
		size_t way = json_object_get(record, "found") && json_object_get(r->target->exchange, "update") ? 1 : 0;
		json_array_append(s->rows[way], row);
		json_array_append(s->records[way], record);
		return true;
	}
	case PUSH_SAME:
		snprintf(text, sizeof(text), in_doubt ? "read back: it is there" : "it stands there already");
		break;
	case PUSH_NEWER:
		state = "superseded";
		said = "newer";
		snprintf(text, sizeof(text), "a newer result stands there");
		break;
	case PUSH_CONFLICT:
		state = said = "conflict";
		break;
	case PUSH_UNKNOWN_THERE:
		state = said = "parked";
		wait = (int64_t)PARKED_FIRST_MS << (tries < 7 ? tries - 1 : 6);
		wait = wait < PARKED_MOST_MS ? wait : PARKED_MOST_MS;
		snprintf(text, sizeof(text), "the receiver does not show this device yet");
		break;
	}
	push_credentials_hide(&r->target->credentials, text);
	STG_AUTO(stg_json_free_at) json_t *answer = answer_of(said, 0, text);
	stg_json_put(answer, "id", stg_json_str(found, "id"));
	bool is_done = strcmp(state, "delivered") == 0;
	if (!settle(r, row, state, wait, answer, err))
		return false;
	r->delivered += is_done;
	tell(r, state, 1);
	return true;
}

/* Looks up what must be, weighs it, and leaves in `s` what is to be sent. */
static enum go weigh(struct round *r, const json_t *rows, const json_t *records, struct sorted *s, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *asked = json_array();
	STG_AUTO(stg_json_free_at) json_t *of = json_array();
	struct stg_net_answer a = { .retry_after_ms = -1 };
	struct stg_error why = { 0 };
	enum go g = GO_ON;
	size_t i;
	json_t *row;
	json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
		bool ask = needs_lookup(r->target, row);
		json_array_append(ask ? asked : s->rows[0], row);
		json_array_append(ask ? of : s->records[0], json_array_get(records, i));
	}
	if (!json_array_size(asked))
		return GO_ON;
	if (!may_ask(r, asked, &g, err))
		return g;
	STG_AUTO(stg_json_free_at) json_t *found = push_lookup(r->target, asked, of, r->stop, &a, &why);
	if (!found) {
		char text[PUSH_TEXT_MAX];
		class_of_question(r->target, &a);
		refusal_text(r->target, &a, text);
		/* one question that the receiver refuses is about one of these records: each for itself, then it is that one */
		bool split = why.code == STG_OK && a.class == STG_NET_ROW && is_row_fault(r->target, a.status);
		if (split && json_array_size(asked) == 1) {
			STG_AUTO(stg_json_free_at) json_t *answer = answer_of("row", a.status, text);
			g = settle_all(r, asked, "rejected", 0, answer, err) ? GO_ON : GO_FAIL;
			tell(r, "rejected", 1);
		} else if (split) {
			for (size_t half = (json_array_size(asked) + 1) / 2, from = 0; from < json_array_size(asked); from += half) {
				size_t to = from + half < json_array_size(asked) ? from + half : json_array_size(asked);
				STG_AUTO(stg_json_free_at) json_t *part = slice(asked, from, to);
				STG_AUTO(stg_json_free_at) json_t *part_of = slice(of, from, to);
				if (g == GO_ON)
					g = weigh(r, part, part_of, s, err);
				else if (!settle_back(r, part, 0, NULL, g == GO_FAIL ? NULL : err))
					g = GO_FAIL;
			}
		} else if (why.code != STG_OK) {
			g = pause_target(r, asked, NULL, STG_NET_SERVER, push_state_of(&why, why.code == STG_E_INPUT ? "config" : "server"), -1, a.status, why.msg, err);
		} else {
			g = no_answer(r, asked, NULL, &a, err);
		}
		stg_net_answer_clear(&a);
		return g;
	}
	stg_net_answer_clear(&a);
	push_pace_clear(r->pace);
	json_array_foreach(asked, i, row) {
		json_t *record = json_array_get(of, i);
		const char *key = push_key_of(record, stg_json_str(r->target->exchange, "natural_key"));
		if (g == GO_FAIL)
			(void)settle(r, row, stg_json_str(row, "was"), 0, NULL, NULL);
		else if (!weigh_one(r, row, record, *key ? json_object_get(found, key) : NULL, s, err))
			g = GO_FAIL;
	}
	return g;
}

/* ---- the gates in their order ---- */

/* After a power cut it is not known when the request left: what a lookup needs to show it begins now. */
static bool too_soon(const struct push_target *t, const json_t *row)
{
	return stg_json_int(json_object_get(t->exchange, "lookup"), "after_ms", 0) && strcmp(stg_json_str(row, "was"), "in_doubt") == 0 &&
	       strcmp(stg_json_str(json_object_get(row, "answer"), "class"), "in_doubt") != 0;
}

/* What has nothing to tell, no key, or a twin in this batch goes no further. */
static bool sort_items(struct round *r, const json_t *rows, const json_t *records, json_t *ret_rows, json_t *ret_records, struct stg_error *err)
{
	const char *natural_key = stg_json_str(r->target->exchange, "natural_key");
	const bool has_item = *stg_json_str(r->target->exchange, "item");
	const bool by_key = *natural_key && (*stg_json_str(r->target->exchange, "receipts") || json_object_get(r->target->exchange, "lookup"));
	STG_AUTO(stg_json_free_at) json_t *seen = json_object();
	bool ok = true;
	size_t i;
	json_t *row;
	json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
		json_t *record = json_array_get(records, i);
		const char *key = by_key ? push_key_of(record, natural_key) : "", *state = NULL, *text = "";
		int64_t wait = 0;
		if (has_item && json_is_null(json_object_get(record, "item"))) {
			state = "delivered";
			text = "nothing of this result is for this receiver";
		} else if (by_key && !*key) {
			state = "rejected";
			text = "the result lacks what this receiver knows devices by";
		} else if (too_soon(r->target, row)) {
			state = "in_doubt";
			text = "it may have arrived: the receiver is asked as soon as it would show it";
			wait = stg_json_int(json_object_get(r->target->exchange, "lookup"), "after_ms", 0);
		} else if (by_key && json_object_get(seen, key)) {
			state = "queued";       /* two words about one device never go in one message: the older first */
			wait = 1;
		}
		if (*key)
			stg_json_put_bool(seen, key, true);
		if (!state) {
			json_array_append(ret_rows, row);
			json_array_append(ret_records, record);
			continue;
		}
		const bool is_twin = strcmp(state, "queued") == 0;
		STG_AUTO(stg_json_free_at) json_t *answer = is_twin ? NULL : answer_of(strcmp(state, "rejected") == 0 ? "row" : strcmp(state, "in_doubt") == 0 ? "in_doubt" : "ok", 0, text);
		ok = settle(r, row, is_twin ? stg_json_str(row, "was") : state, wait, answer, ok ? err : NULL) && ok;
		r->delivered += strcmp(state, "delivered") == 0;
	}
	return ok;
}

enum go exchange(struct round *r, const json_t *rows, const json_t *records, struct stg_error *err)
{
	static const char *const calls[] = { "request", "update" };
	STG_AUTO(stg_json_free_at) json_t *open_rows = json_array();
	STG_AUTO(stg_json_free_at) json_t *open_records = json_array();
	STG_AUTO(stg_json_free_at) json_t *new_rows = json_array();
	STG_AUTO(stg_json_free_at) json_t *new_records = json_array();
	STG_AUTO(sorted_clear) struct sorted s = { { json_array(), json_array() }, { json_array(), json_array() } };
	struct stg_error why = { 0 };
	STG_AUTO(stg_json_free_at) json_t *enriched = push_records_enrich(r->target, rows, records, &why);
	if (!enriched) {
		/* a record that the connector's program cannot take is found by trying each alone */
		if (json_array_size(rows) > 1 && why.code == STG_E_REFUSED) {
			enum go g = GO_ON;
			for (size_t i = 0; i < json_array_size(rows); i++) {
				STG_AUTO(stg_json_free_at) json_t *row = slice(rows, i, i + 1);
				STG_AUTO(stg_json_free_at) json_t *record = slice(records, i, i + 1);
				if (g == GO_ON)
					g = exchange(r, row, record, err);
				else if (!settle_back(r, row, 0, NULL, g == GO_FAIL ? NULL : err))
					g = GO_FAIL;
			}
			return g;
		}
		if (why.code != STG_E_REFUSED)
			return pause_target(r, rows, NULL, STG_NET_AUTH, "config", -1, 0, why.msg, err);
		STG_AUTO(stg_json_free_at) json_t *answer = answer_of("row", 0, why.msg);
		return settle_all(r, rows, "rejected", 0, answer, err) ? GO_ON : GO_FAIL;
	}
	enum go g = operations(r, rows, enriched, open_rows, open_records, err);
	if (g != GO_ON)
		return settle_back(r, open_rows, 0, NULL, g == GO_FAIL ? NULL : err) ? g : GO_FAIL;
	if (!sort_items(r, open_rows, open_records, new_rows, new_records, err)) {
		(void)settle_back(r, new_rows, 0, NULL, NULL);
		return GO_FAIL;
	}
	g = weigh(r, new_rows, new_records, &s, err);
	for (size_t i = 0; i < 2; i++) {
		if (g == GO_ON)
			g = send_rows(r, json_object_get(r->target->exchange, calls[i]), s.rows[i], s.records[i], err);
		else if (!settle_back(r, s.rows[i], 0, NULL, g == GO_FAIL ? NULL : err))
			g = GO_FAIL;
	}
	return g;
}
