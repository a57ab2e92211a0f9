/*
 * sending.c - one request about some records, and what its answer means for each of them.
 *
 * For:    exchange.c; operation.c for answers that come later.
 * Uses:   request.c, jq.c.
 * Called: for what has passed the gates.
 * Thread: the push thread's.
 * Facts:  classes of mdm-push 3.4, halving of 10.4.
 */
#include <stdio.h>
#include <stdlib.h>

#include <stager/clock.h>

#include "deliver.h"

#define REFUSED_IN_A_ROW_MAX 3

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

int64_t doubt_wait_ms(const struct push_target *t, int64_t least_ms)
{
	int64_t after = stg_json_int(json_object_get(t->exchange, "lookup"), "after_ms", 0);
	return after > least_ms ? after : least_ms;
}

bool is_row_fault(const struct push_target *t, int status)
{
	size_t i;
	json_t *one;
	json_array_foreach(json_object_get(t->exchange, "rejects"), i, one)
		if (json_integer_value(one) == status)
			return true;
	return false;
}

/* Receipts by natural key: {"KEY": {"outcome","message"}}; in an answer to one record the key may be left out, and the key "*" is
 * about all that are not named (servers that name only what failed). NULL when the answer cannot be understood. */
json_t *receipts_by(const struct push_target *t, const char *program, const json_t *body, const json_t *records, struct stg_error *err)
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
	const json_t *rest = json_object_get(by_key, "*");
	for (i = 0; rest && i < json_array_size(records); i++) {
		const char *key = push_key_of(json_array_get(records, i), stg_json_str(t->exchange, "natural_key"));
		if (!json_object_get(by_key, key))
			json_object_set(by_key, key, (json_t *)(uintptr_t)rest);
	}
	return by_key;
}

/* Each row by what the answer says of it; a row the answer does not name is in doubt, not delivered. */
bool settle_by_receipts(struct round *r, const json_t *rows, const json_t *records, const json_t *receipts, int status, struct stg_error *err)
{
	const char *natural_key = stg_json_str(r->target->exchange, "natural_key");
	bool ok = true;
	int64_t done = 0;
	size_t i;
	json_t *row;
	gather(r);
	json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
		const char *key = push_key_of(json_array_get(records, i), natural_key);
		const json_t *receipt = *key || json_array_size(rows) == 1 ? json_object_get(receipts, key) : NULL;
		const char *outcome = stg_json_str(receipt, "outcome");
		char text[PUSH_TEXT_MAX];
		stg_printable(stg_json_str(receipt, "message"), true, text, sizeof(text));
		push_credentials_hide(&r->target->credentials, text);
		bool is_done = strcmp(outcome, "done") == 0, is_later = strcmp(outcome, "later") == 0, is_rejected = strcmp(outcome, "rejected") == 0;
		const char *said = !receipt ? "the answer does not name this device" : *text || is_done ? text : "the receiver gives no reason";
		STG_AUTO(stg_json_free_at) json_t *answer = answer_of(is_done ? "ok" : is_later ? "later" : is_rejected ? "row" : "in_doubt", status, said);
		stg_json_put(answer, "id", stg_json_str(receipt, "id"));
		/* an operation that ended without it may have begun with it: looked up before it is told again */
		const bool begun = is_later && json_object_get(r->target->exchange, "operation") && json_object_get(r->target->exchange, "lookup");
		ok = settle(r, row, is_done ? "delivered" : is_later && !begun ? "queued" : is_rejected ? "rejected" : "in_doubt",
			    is_done || is_rejected ? 0 : is_later ? LATER_MS : doubt_wait_ms(r->target, LATER_MS), answer, ok ? err : NULL) && ok;
		done += is_done;
		if (is_rejected)
			tell(r, "rejected", 1);
	}
	ok = put_gathered(r, ok, err);
	r->delivered += done;
	if (done)
		tell(r, "delivered", done);
	return ok;
}

/* ---- one request ---- */

json_t *slice(const json_t *list, size_t from, size_t to)
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
	int64_t row_wait = row_state && strcmp(row_state, "in_doubt") == 0 ? doubt_wait_ms(r->target, 0) : 0;
	if (!stg_stop_pulled(r->stop))  /* else we gave up, not the target */
		note(r, state, push_pace_wait(r->pace, class, retry_after_ms), text);
	return (row_state ? settle_all(r, rows, row_state, row_wait, answer, err) : settle_back(r, rows, 0, answer, err)) ? GO_STOP : GO_FAIL;
}

/* A request that did not come to an answer about our records. `row_state` NULL: nothing was told. */
enum go no_answer(struct round *r, const json_t *rows, const char *row_state, const struct stg_net_answer *a, struct stg_error *err)
{
	char text[PUSH_TEXT_MAX];
	/* a question that is refused says nothing about a record: its trouble is the server's */
	bool is_gone = a->status == 410;
	const char *state = is_gone ? "gone" : a->class == STG_NET_ROW ? "server" : stg_net_class_name(a->class);
	refusal_text(r->target, a, text);
	return pause_target(r, rows, row_state, is_gone ? STG_NET_AUTH : a->class, state, a->retry_after_ms, a->status, a->class == STG_NET_TRUST ? a->text : text, err);
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

void class_of_question(const struct push_target *t, struct stg_net_answer *a)
{
	STG_AUTO(stg_json_free_at) json_t *errors = a->class == STG_NET_OK ? NULL : errors_of(t, a);
	const char *word = stg_json_str(json_array_get(errors, 0), "class");
	if (strcmp(word, "busy") == 0 || strcmp(word, "auth") == 0 || strcmp(word, "server") == 0)
		a->class = class_of(word, a->class);
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
bool may_ask(struct round *r, const json_t *rows, enum go *ret, struct stg_error *err)
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

static bool send_and_prepare(struct round *r, struct push_request *q, struct stg_net_answer *ret, struct stg_error *err)
{
	ahead_begin(r);
	bool ok = push_request_send(r->target, q, false, r->stop, ret, err);
	ahead_end(r);
	return ok;
}

enum go send_rows(struct round *r, const json_t *call, const json_t *rows, const json_t *records, struct stg_error *err)
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
	} else if (!send_and_prepare(r, &q, &a, &why)) {
		g = pause_target(r, rows, NULL, STG_NET_AUTH, push_state_of(&why, "config"), -1, 0, why.msg, err);
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
