/*
 * exchange.c - one batch of results and its answer: looked up, sent, understood, settled.
 *
 * For:    delivery.c.
 * Uses:   request.c, lookup.c, jq.c.
 * Called: for each batch of a target that is no file.
 * Thread: the push thread's.
 * Facts:  states of mdm-push 10.1, classes of 3.4, halving of 10.4, operations of 10.6.
 *
 * A batch passes four gates: operations under way are asked for; what may have arrived, or may overwrite, is looked up;
 * what differs is weighed; only the rest is sent. Each row leaves by settle(), whichever gate it comes to.
 */
#include <stdio.h>
#include <stdlib.h>

#include <stager/clock.h>

#include "deliver.h"

#define REFUSED_IN_A_ROW_MAX 3
#define LATER_MS 60000
#define PARKED_FIRST_MS (5 * 60 * 1000)
#define PARKED_MOST_MS (6 * 3600 * 1000)

/* ---- understanding an answer ---- */

void refusal_text(const struct push_target *t, const struct stg_net_answer *a, char ret[PUSH_TEXT_MAX])
{
	char raw[2048], shown[256];
	size_t n = a->body.len < sizeof(raw) - 1 ? a->body.len : sizeof(raw) - 1;
	if (n)
		memcpy(raw, a->body.data, n);
	raw[n] = 0;
	push_credentials_hide(&t->credentials, raw);
	stg_printable(raw, true, shown, sizeof(shown));
	snprintf(ret, PUSH_TEXT_MAX, "%.238s%s%s", a->text, *shown ? ": " : "", shown);
}

static bool is_row_fault(const struct push_target *t, int status)
{
	size_t i;
	json_t *one;
	json_array_foreach(json_object_get(t->exchange, "rejects"), i, one)
		if (json_integer_value(one) == status)
			return true;
	return false;
}

/* Receipts by natural key: {"KEY": {"outcome","message"}}; in an answer to one record the key may be left out. NULL when the
 * answer cannot be understood. */
static json_t *receipts_by(const struct push_target *t, const char *program, const json_t *body, const json_t *records, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *list = push_jq(program, body, err);
	if (!list)
		return NULL;
	json_t *by_key = json_object();
	size_t i;
	json_t *one;
	json_array_foreach(list, i, one) {
		const char *key = stg_json_str(one, "key");
		if (!*key && json_array_size(records) == 1)
			key = push_key_of(json_array_get(records, 0), stg_json_str(t->exchange, "natural_key"));
		if (*key || json_array_size(records) == 1)
			json_object_set(by_key, key, one);
	}
	return by_key;
}

/* Each row by what the answer says of it; a row the answer does not name is in doubt, not delivered. */
static bool settle_by_receipts(struct round *r, const json_t *rows, const json_t *records, const json_t *receipts, int status, struct stg_error *err)
{
	const char *natural_key = stg_json_str(r->target->exchange, "natural_key");
	bool ok = true;
	int64_t done = 0;
	size_t i;
	json_t *row;
	json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
		const char *key = push_key_of(json_array_get(records, i), natural_key);
		const json_t *receipt = *key || json_array_size(rows) == 1 ? json_object_get(receipts, key) : NULL;
		const char *outcome = stg_json_str(receipt, "outcome");
		char text[PUSH_TEXT_MAX];
		stg_printable(stg_json_str(receipt, "message"), true, text, sizeof(text));
		push_credentials_hide(&r->target->credentials, text);
		bool is_done = strcmp(outcome, "done") == 0, is_later = strcmp(outcome, "later") == 0, is_rejected = strcmp(outcome, "rejected") == 0;
		STG_AUTO(stg_json_free_at) json_t *answer =
			answer_of(is_done ? "ok" : is_later ? "later" : is_rejected ? "row" : "in_doubt", status, receipt ? text : "the answer does not name this device");
		stg_json_put(answer, "id", stg_json_str(receipt, "id"));
		ok = settle(r, row, is_done ? "delivered" : is_later ? "queued" : is_rejected ? "rejected" : "in_doubt", is_done || is_rejected ? 0 : LATER_MS, answer,
			    ok ? err : NULL) && ok;
		done += is_done;
		if (is_rejected)
			tell(r, "rejected", 1);
	}
	r->delivered += done;
	if (done)
		tell(r, "delivered", done);
	return ok;
}

/* ---- one request ---- */

static enum go send_rows(struct round *r, const json_t *call, const json_t *rows, const json_t *records, struct stg_error *err);

static json_t *slice(const json_t *list, size_t from, size_t to)
{
	json_t *part = json_array();
	for (size_t i = from; i < to; i++)
		json_array_append(part, json_array_get(list, i));
	return part;
}

/* The rows in parts of at most n, each sent for itself; what never left goes back when one of them stops us. */
static enum go in_parts(struct round *r, const json_t *call, const json_t *rows, const json_t *records, size_t n, struct stg_error *err)
{
	size_t all = json_array_size(rows);
	for (size_t from = 0; from < all; from += n) {
		size_t to = from + n < all ? from + n : all;
		STG_AUTO(stg_json_free_at) json_t *part = slice(rows, from, to);
		STG_AUTO(stg_json_free_at) json_t *of = slice(records, from, to);
		enum go g = send_rows(r, call, part, of, err);
		if (g == GO_ON)
			continue;
		STG_AUTO(stg_json_free_at) json_t *rest = slice(rows, to, all);
		return settle_back(r, rest, 0, NULL, g == GO_FAIL ? NULL : err) ? g : GO_FAIL;
	}
	return GO_ON;
}

/* A refused batch is halved until the record at fault stands alone. */
static enum go rejected(struct round *r, const json_t *call, const json_t *rows, const json_t *records, int status, const char *text, struct stg_error *err)
{
	if (json_array_size(rows) > 1)
		return in_parts(r, call, rows, records, (json_array_size(rows) + 1) / 2, err);
	STG_AUTO(stg_json_free_at) json_t *answer = answer_of("row", status, text);
	if (!settle_all(r, rows, "rejected", 0, answer, err))
		return GO_FAIL;
	tell(r, "rejected", 1);
	return GO_ON;
}

enum go pause_target(struct round *r, const json_t *rows, const char *row_state, enum stg_net_class class, const char *state, int64_t retry_after_ms, int status,
		     const char *text, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *answer = answer_of(stg_net_class_name(class), status, text);
	int64_t row_wait = row_state && strcmp(row_state, "in_doubt") == 0 ? stg_json_int(json_object_get(r->target->exchange, "lookup"), "after_ms", 0) : 0;
	if (!stg_stop_pulled(r->stop))  /* else we gave up, not the target */
		note(r, state, push_pace_wait(r->pace, class, retry_after_ms), text);
	return (row_state ? settle_all(r, rows, row_state, row_wait, answer, err) : settle_back(r, rows, 0, answer, err)) ? GO_STOP : GO_FAIL;
}

/* A request that did not come to an answer about our records. `row_state` NULL: nothing was told. */
static enum go no_answer(struct round *r, const json_t *rows, const char *row_state, const struct stg_net_answer *a, struct stg_error *err)
{
	char text[PUSH_TEXT_MAX];
	refusal_text(r->target, a, text);
	return pause_target(r, rows, row_state, a->class, stg_net_class_name(a->class), a->retry_after_ms, a->status, a->class == STG_NET_TRUST ? a->text : text, err);
}

/* What the connector's `errors` makes of a refusal: a class for all, or which records are at fault. */
static json_t *errors_of(const struct push_target *t, const struct stg_net_answer *a)
{
	const char *program = stg_json_str(t->exchange, "errors");
	STG_AUTO(stg_json_free_at) json_t *input = json_object();
	if (!*program || !a->status)
		return NULL;
	json_t *body = stg_json_parse(stg_buf_view(&a->body), PUSH_ANSWER_MAX, NULL);
	if (!body) {
		/* HTML or text: its beginning */
		char shown[1000];
		stg_printable(stg_buf_str(&a->body), true, shown, sizeof(shown));
		body = json_string(shown);
	}
	stg_json_put_int(input, "status", a->status);
	stg_json_put_new(input, "body", body);
	return push_jq(program, input, NULL);
}

/* The records an error names are settled, the others go again by themselves. False: it named none. */
static bool settle_named(struct round *r, const json_t *call, const json_t *rows, const json_t *records, const json_t *errors, int status, enum go *ret, struct stg_error *err)
{
	const char *natural_key = stg_json_str(r->target->exchange, "natural_key");
	STG_AUTO(stg_json_free_at) json_t *others = json_array();
	STG_AUTO(stg_json_free_at) json_t *of = json_array();
	bool ok = true;
	size_t i, k;
	json_t *row, *one;
	if (!*natural_key)
		return false;
	json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
		const char *key = push_key_of(json_array_get(records, i), natural_key);
		const json_t *named = NULL;
		json_array_foreach((json_t *)(uintptr_t)errors, k, one)
			if (*key && strcmp(stg_json_str(one, "key"), key) == 0)
				named = one;
		if (!named) {
			json_array_append(others, row);
			json_array_append(of, json_array_get(records, i));
			continue;
		}
		char text[PUSH_TEXT_MAX];
		bool is_done = strcmp(stg_json_str(named, "class"), "done") == 0;
		stg_printable(stg_json_str(named, "message"), true, text, sizeof(text));
		push_credentials_hide(&r->target->credentials, text);
		STG_AUTO(stg_json_free_at) json_t *answer = answer_of(is_done ? "ok" : "row", status, text);
		ok = settle(r, row, is_done ? "delivered" : "rejected", 0, answer, ok ? err : NULL) && ok;
		r->delivered += is_done;
		tell(r, is_done ? "delivered" : "rejected", 1);
	}
	if (json_array_size(others) == json_array_size(rows))
		return false;
	*ret = !ok ? GO_FAIL : json_array_size(others) ? send_rows(r, call, others, of, err) : GO_ON;
	if (!ok)
		(void)settle_back(r, others, 0, NULL, NULL);
	return true;
}

static enum stg_net_class class_of(const char *word, enum stg_net_class otherwise)
{
	static const struct {
		const char *word;
		enum stg_net_class class;
	} words[] = { { "busy", STG_NET_THROTTLED }, { "auth", STG_NET_AUTH }, { "server", STG_NET_SERVER }, { "doubt", STG_NET_IN_DOUBT }, { "row", STG_NET_ROW } };
	for (size_t i = 0; i < STG_ARRAY_LEN(words); i++)
		if (strcmp(words[i].word, word) == 0)
			return words[i].class;
	return otherwise;
}

static enum go refused(struct round *r, const json_t *call, const json_t *rows, const json_t *records, const struct stg_net_answer *a, bool is_fault, const char *reason,
		       struct stg_error *err)
{
	char text[PUSH_TEXT_MAX];
	refusal_text(r->target, a, text);
	if (*reason)
		snprintf(text, sizeof(text), "%.238s: %.240s", a->text, reason);
	if (a->status == 410)
		return pause_target(r, rows, NULL, STG_NET_AUTH, "gone", -1, a->status, text, err);
	if (a->status == 413 && json_array_size(rows) > 1)
		r->pace->max_items = (int64_t)json_array_size(rows) / 2;
	if (is_fault || is_row_fault(r->target, a->status))
		return rejected(r, call, rows, records, a->status, text, err);
	/* Not this record's fault as far as one can tell (a wrong path answers 404 to everything): again later, the others
	 * meanwhile; after some of these the target as a whole is left alone. */
	if (++r->pace->refused_in_a_row >= REFUSED_IN_A_ROW_MAX || json_array_size(rows) > 1)
		return pause_target(r, rows, NULL, STG_NET_ROW, "server", -1, a->status, text, err);
	STG_AUTO(stg_json_free_at) json_t *answer = answer_of("later", a->status, text);
	int64_t attempts = stg_json_int(json_array_get(rows, 0), "attempts", 1), wait = 30000LL << (attempts < 10 ? attempts : 10);
	if (wait > 6 * 3600 * 1000)
		wait = 6 * 3600 * 1000;
	return settle_all(r, rows, "queued", wait, answer, err) ? GO_ON : GO_FAIL;
}

/* The answer names something that is still being done: it will be asked for. */
static bool begins_operation(struct round *r, const json_t *rows, const json_t *body, int status, enum go *ret, struct stg_error *err)
{
	const json_t *op = json_object_get(r->target->exchange, "operation");
	STG_AUTO(stg_json_free_at) json_t *out = op ? push_jq(stg_json_str(op, "ref"), body, NULL) : NULL;
	const char *ref = json_string_value(json_array_get(out, 0));
	if (!ref || !*ref || strlen(ref) > 1000)
		return false;
	STG_AUTO(stg_json_free_at) json_t *answer = answer_of("operation", status, "");
	stg_json_put(answer, "op_ref", ref);
	stg_json_put_int(answer, "op_since_boot_ms", stg_boot_ms());
	stg_json_put(answer, "op_boot", stg_boot_id());
	*ret = settle_all(r, rows, "op_pending", 5000, answer, err) ? GO_ON : GO_FAIL;
	return true;
}

static enum go accepted(struct round *r, const json_t *rows, const json_t *records, const struct stg_net_answer *a, struct stg_error *err)
{
	const char *receipts_program = stg_json_str(r->target->exchange, "receipts");
	struct stg_error why = { 0 };
	enum go g;
	push_pace_clear(r->pace);
	note(r, "", 0, "");
	if (!*receipts_program && !json_object_get(r->target->exchange, "operation")) {
		STG_AUTO(stg_json_free_at) json_t *answer = answer_of("ok", a->status, "");
		return settle_all(r, rows, "delivered", 0, answer, err) ? GO_ON : GO_FAIL;
	}
	STG_AUTO(stg_json_free_at) json_t *body = stg_json_parse(stg_buf_view(&a->body), PUSH_ANSWER_MAX, &why);
	if (body && begins_operation(r, rows, body, a->status, &g, err))
		return g;
	STG_AUTO(stg_json_free_at) json_t *receipts = !body ? NULL : *receipts_program ? receipts_by(r->target, receipts_program, body, records, &why) : json_object();
	if (receipts)
		return settle_by_receipts(r, rows, records, receipts, a->status, err) ? GO_ON : GO_FAIL;
	char text[PUSH_TEXT_MAX];
	snprintf(text, sizeof(text), "HTTP %d, but its answer is not understood: %s", a->status, why.msg);
	return pause_target(r, rows, "in_doubt", STG_NET_IN_DOUBT, "in_doubt", -1, a->status, text, err);
}

/* An answer that is no success: its class by the wire, unless the connector's `errors` knows better. */
static enum go understood(struct round *r, const json_t *call, const json_t *rows, const json_t *records, struct stg_net_answer *a, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *errors = errors_of(r->target, a);
	const json_t *first = json_array_get(errors, 0);
	const char *word = stg_json_str(first, "class");
	char reason[PUSH_TEXT_MAX];
	enum go g;
	stg_printable(stg_json_str(first, "message"), true, reason, sizeof(reason));
	push_credentials_hide(&r->target->credentials, reason);
	if (first && settle_named(r, call, rows, records, errors, a->status, &g, err))
		return g;
	if (strcmp(word, "done") == 0) {
		STG_AUTO(stg_json_free_at) json_t *answer = answer_of("ok", a->status, reason);
		return settle_all(r, rows, "delivered", 0, answer, err) ? GO_ON : GO_FAIL;
	}
	a->class = class_of(word, a->class);
	switch (a->class) {
	case STG_NET_ROW:
		return refused(r, call, rows, records, a, strcmp(word, "row") == 0, reason, err);
	case STG_NET_IN_DOUBT:
		return no_answer(r, rows, "in_doubt", a, err);
	default:
		/* An answer of the wrong kind to a write that was sent proves nothing either way. */
		return no_answer(r, rows, a->class == STG_NET_TRUST && a->sent_something && a->status / 100 == 2 ? "in_doubt" : "queued", a, err);
	}
}

/* Not now, by the target's own rate: everything waits its turn. */
static bool may_ask(struct round *r, const json_t *rows, enum go *ret, struct stg_error *err)
{
	int64_t due;
	if (push_pace_may_ask(r->pace, json_object_get(r->target->connector, "rate"), &due))
		return true;
	if (due < r->next_boot_ms)
		r->next_boot_ms = due;
	r->pace->due_boot_ms = due;
	*ret = settle_back(r, rows, 0, NULL, err) ? GO_STOP : GO_FAIL;
	return false;
}

/* A server that counts says when it takes the next one. */
static void heed_limits(struct round *r, const struct stg_net_answer *a)
{
	const char *left = stg_json_str(a->headers, "x-ratelimit-remaining"), *reset = stg_json_str(a->headers, "x-ratelimit-reset");
	int64_t s = strtoll(reset, NULL, 10);
	if (strcmp(left, "0") != 0 || s <= 0)
		return;
	if (s > 1000000000)
		s -= push_clock_s();
	if (s > 0 && s <= 6 * 3600)
		note(r, "throttled", push_pace_wait(r->pace, STG_NET_THROTTLED, s * 1000), "the server's limit is used up");
}

static enum go send_rows(struct round *r, const json_t *call, const json_t *rows, const json_t *records, struct stg_error *err)
{
	struct push_request q = { 0 };
	struct stg_net_answer a = { 0 };
	struct stg_error why = { 0 };
	enum go g = GO_ON;
	if (!json_array_size(rows))
		return GO_ON;
	if (push_call_is_single(call) && json_array_size(rows) > 1)
		return in_parts(r, call, rows, records, 1, err);
	if (!push_request_make(r->target, call, rows, records, (struct push_words){ 0 }, push_clock_s(), &q, &why)) {
		if (why.code == STG_E_REFUSED || why.code == STG_E_PROTOCOL)
			g = rejected(r, call, rows, records, 0, why.msg, err);
		else
			g = pause_target(r, rows, NULL, STG_NET_AUTH, why.code == STG_E_INPUT ? "config" : "server", -1, 0, why.msg, err);
	} else if (!may_ask(r, rows, &g, err)) {
		;
	} else if (!push_request_send(r->target, &q, false, r->stop, &a, &why)) {
		g = pause_target(r, rows, NULL, STG_NET_AUTH, "config", -1, 0, why.msg, err);
	} else {
		g = a.class == STG_NET_OK ? accepted(r, rows, records, &a, err) : understood(r, call, rows, records, &a, err);
		heed_limits(r, &a);
		if (g == GO_ON && r->pace->due_boot_ms > stg_boot_ms())
			g = GO_STOP;
	}
	stg_net_answer_clear(&a);
	push_request_clear(&q);
	return g;
}

/* ---- operations under way ---- */

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
		return settle_all(r, rows, "in_doubt", LATER_MS, lost, err) ? GO_ON : GO_FAIL;
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
		g = settle_all(r, rows, "in_doubt", 0, lost, err) ? GO_ON : GO_FAIL;
	} else {
		g = no_answer(r, rows, NULL, &a, err);
	}
	stg_net_answer_clear(&a);
	push_request_clear(&q);
	return g;
}

/* The rows that wait for one operation, each operation for itself; the rest goes to ret_rows. */
static enum go operations(struct round *r, const json_t *rows, const json_t *records, json_t *ret_rows, json_t *ret_records, struct stg_error *err)
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
			g = pause_target(r, asked, NULL, STG_NET_SERVER, why.code == STG_E_INPUT ? "config" : "server", -1, a.status, why.msg, err);
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
