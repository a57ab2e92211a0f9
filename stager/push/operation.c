/*
 * operation.c - what a receiver is still working on: asked for until it is done, forgotten or out of time.
 *
 * For:    exchange.c, for connectors with `operation`.
 * Uses:   request.c, sending.c.
 * Called: before anything else is done with the rows.
 * Thread: the push thread's.
 * Facts:  mdm-push 10.6: after 5 s, 10 s, 30 s, then each minute; a lost reference is looked up by the natural key.
 */
#include <stdio.h>
#include <stdlib.h>

#include <stager/clock.h>

#include "deliver.h"

static const char *op_of(const json_t *row)
{
	return stg_json_str(json_object_get(row, "answer"), "op_ref");
}

/* Asked after 5 s, 10 s, 30 s, then each minute. */
static enum go still_working(struct round *r, const json_t *rows, struct stg_error *err)
{
	static const int64_t waits[] = { 10000, 30000, 60000 };
	const json_t *before = json_object_get(json_array_get(rows, 0), "answer");
	int64_t polls = stg_json_int(before, "polls", 0), since = stg_json_int(before, "op_since_boot_ms", 0);
	bool same_boot = strcmp(stg_json_str(before, "op_boot"), stg_boot_id()) == 0;
	STG_AUTO(stg_json_free_at) json_t *answer = before ? json_deep_copy(before) : json_object();
	stg_json_put_int(answer, "polls", polls + 1);
	if (!same_boot) {
		stg_json_put_int(answer, "op_since_boot_ms", stg_boot_ms());
		stg_json_put(answer, "op_boot", stg_boot_id());
	} else if (stg_boot_ms() - since > stg_json_int(json_object_get(r->target->exchange, "operation"), "most_ms", 86400000)) {
		STG_AUTO(stg_json_free_at) json_t *lost = answer_of("in_doubt", 0, "the receiver did not finish in its time");
		stg_json_put(lost, "op_ref", "-");
		return settle_all(r, rows, "in_doubt", doubt_wait_ms(r->target, LATER_MS), lost, err) ? GO_ON : GO_FAIL;
	}
	return settle_all(r, rows, "op_pending", waits[polls < 3 ? polls : 2], answer, err) ? GO_ON : GO_FAIL;
}

static enum go operation_answer(struct round *r, const json_t *rows, const json_t *records, const struct stg_net_answer *a, struct stg_error *err)
{
	const json_t *op = json_object_get(r->target->exchange, "operation");
	struct stg_error why = { 0 };
	char text[PUSH_TEXT_MAX];
	STG_AUTO(stg_json_free_at) json_t *body = stg_json_parse(stg_buf_view(&a->body), PUSH_ANSWER_MAX, &why);
	STG_AUTO(stg_json_free_at) json_t *done = body ? push_jq(stg_json_str(op, "done"), body, &why) : NULL;
	if (done && !json_is_true(json_array_get(done, 0)))
		return still_working(r, rows, err);
	STG_AUTO(stg_json_free_at) json_t *receipts = done ? receipts_by(r->target, stg_json_str(op, "receipts"), body, records, &why) : NULL;
	if (receipts)
		return settle_by_receipts(r, rows, records, receipts, a->status, err) ? GO_ON : GO_FAIL;
	snprintf(text, sizeof(text), "the operation's answer is not understood: %s", why.msg);
	return pause_target(r, rows, NULL, STG_NET_SERVER, "server", -1, a->status, text, err);
}

/* Asks for one operation; its reference may be lost there, then only a lookup can tell. */
static enum go poll_operation(struct round *r, const json_t *rows, const json_t *records, struct stg_error *err)
{
	const json_t *op = json_object_get(r->target->exchange, "operation");
	struct push_request q = { 0 };
	struct stg_net_answer a = { 0 };
	struct stg_error why = { 0 };
	struct push_words words = { .op_ref = op_of(json_array_get(rows, 0)) };
	enum go g = GO_ON;
	if (!may_ask(r, rows, &g, err))
		return g;
	if (!push_request_make(r->target, op, rows, records, words, push_clock_s(), &q, &why) || !push_request_send(r->target, &q, true, r->stop, &a, &why)) {
		g = pause_target(r, rows, NULL, STG_NET_AUTH, "config", -1, 0, why.msg, err);
	} else if (a.class == STG_NET_OK) {
		push_pace_clear(r->pace);
		note(r, "", 0, "");
		g = operation_answer(r, rows, records, &a, err);
	} else if (a.status == 404 || a.status == 410) {
		STG_AUTO(stg_json_free_at) json_t *lost = answer_of("in_doubt", a.status, "the receiver has forgotten the operation");
		stg_json_put(lost, "op_ref", "-");
		/* what was begun may still be at work: asked at once, it would not be seen and be told a second time */
		g = settle_all(r, rows, "in_doubt", doubt_wait_ms(r->target, LATER_MS), lost, err) ? GO_ON : GO_FAIL;
	} else {
		class_of_question(r->target, &a);
		g = no_answer(r, rows, NULL, &a, err);
	}
	stg_net_answer_clear(&a);
	push_request_clear(&q);
	return g;
}

/* The rows that wait for one operation, each operation for itself; the rest goes to ret_rows. */
enum go operations(struct round *r, const json_t *rows, const json_t *records, json_t *ret_rows, json_t *ret_records, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *refs = json_object();
	const char *ref;
	json_t *list, *row;
	enum go g = GO_ON;
	size_t i;
	json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
		ref = op_of(row);
		if (!json_object_get(r->target->exchange, "operation") || !*ref || strcmp(ref, "-") == 0 || strcmp(stg_json_str(row, "was"), "queued") == 0) {
			json_array_append(ret_rows, row);
			json_array_append(ret_records, json_array_get(records, i));
			continue;
		}
		if (!json_object_get(refs, ref))
			json_object_set_new(refs, ref, json_pack("{s:[],s:[]}", "rows", "records"));
		json_array_append(json_object_get(json_object_get(refs, ref), "rows"), row);
		json_array_append(json_object_get(json_object_get(refs, ref), "records"), json_array_get(records, i));
	}
	json_object_foreach(refs, ref, list) {
		const json_t *part = json_object_get(list, "rows");
		if (g == GO_ON)
			g = poll_operation(r, part, json_object_get(list, "records"), err);
		else if (!settle_back(r, part, 0, NULL, g == GO_FAIL ? NULL : err))
			g = GO_FAIL;
	}
	return g;
}
