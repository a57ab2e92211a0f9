/*
 * delivery.c - results leave the outbox: sent, understood, settled.
 *
 * For:    the push thread and `stager push`.
 * Uses:   target.c, request.c, file.c, pace.c; the inventory only through the door.
 * Called: one round after another, for ever.
 * Thread: one at a time.
 * Facts:  states of mdm-push 10.1, classes of 3.4, waits of 10.3, halving of 10.4.
 *
 * Why nothing is lost: a row leaves "sending" only through settle(), and only a positive proof makes it "delivered".
 * Why nothing is doubled: what may have arrived is "in_doubt" and is sent again only where that is harmless (a natural
 * key the receiver knows), else it waits for a person. A target that is down, slow, untrusted or refuses our
 * credentials is left alone as a whole; that never counts against a row.
 */
#include <stdio.h>
#include <stdlib.h>

#include <stager/clock.h>

#include "parts.h"

#define ONE_REQUEST_MAX 5000
#define FILE_ROWS 200
#define REFUSED_IN_A_ROW_MAX 3
#define DB_WAIT_MOST_MS (7 * 3600 * 1000)

struct round {
	const struct stg_push_door *door;
	struct push_target *target;
	struct push_pace *pace;
	struct stg_stop *stop;
	const char *old_state, *old_text;
	int64_t delivered, next_boot_ms;
	int64_t max_items;
};

/* ---- telling the inventory ---- */

static json_t *answer_of(const char *class, int status, const char *text)
{
	json_t *a = json_object();
	stg_json_put(a, "class", class);
	if (status)
		stg_json_put_int(a, "status", status);
	stg_json_put(a, "text", text);
	stg_json_put_int(a, "at_ms", stg_wall_ms());
	return a;
}

/* Outcomes the inventory could not take (disk full): kept, and told again before anything else is sent. */
static bool settle(struct round *r, int64_t id, const char *state, int64_t wait_ms, const json_t *answer, struct stg_error *err)
{
	int64_t not_before = wait_ms ? stg_boot_ms() + wait_ms : 0;
	if (wait_ms && stg_boot_ms() + wait_ms < r->next_boot_ms)
		r->next_boot_ms = stg_boot_ms() + wait_ms;
	if (r->door->settle(r->door->ctx, id, state, not_before, answer, err))
		return true;
	if (!r->pace->unsettled)
		r->pace->unsettled = json_array();
	json_t *kept = json_object();
	stg_json_put_int(kept, "id", id);
	stg_json_put(kept, "state", state);
	stg_json_put_int(kept, "not_before_ms", not_before);
	if (answer)
		stg_json_put_new(kept, "answer", json_deep_copy(answer));
	json_array_append_new(r->pace->unsettled, kept);
	return false;
}

static bool settle_again(const struct stg_push_door *door, struct push_pace *p, struct stg_error *err)
{
	while (json_array_size(p->unsettled)) {
		const json_t *kept = json_array_get(p->unsettled, 0);
		struct stg_error why = { 0 };
		/* A row that has moved meanwhile (a person dropped it) cannot be settled and need not be. */
		if (!door->settle(door->ctx, stg_json_int(kept, "id", 0), stg_json_str(kept, "state"), stg_json_int(kept, "not_before_ms", 0),
				  json_object_get(kept, "answer"), &why) && why.code != STG_E_REFUSED && why.code != STG_E_NOT_FOUND) {
			if (err)
				*err = why;
			return false;
		}
		json_array_remove(p->unsettled, 0);
	}
	return true;
}

static bool settle_all(struct round *r, const json_t *rows, const char *state, int64_t wait_ms, const json_t *answer, struct stg_error *err)
{
	bool ok = true;
	size_t i;
	json_t *row;
	json_array_foreach((json_t *)(uintptr_t)rows, i, row)
		ok = settle(r, stg_json_int(row, "id", 0), state, wait_ms, answer, ok ? err : NULL) && ok;
	if (ok && strcmp(state, "delivered") == 0) {
		r->delivered += (int64_t)json_array_size(rows);
		if (r->door->event)
			r->door->event(r->door->ctx, r->target->name, "delivered", (int64_t)json_array_size(rows));
	}
	return ok;
}

/* Notes the target's state with its next try; says nothing when nothing is new. */
static void note(struct round *r, const char *state, int64_t wait_ms, const char *text)
{
	if (wait_ms) {
		int64_t due = stg_boot_ms() + wait_ms;
		r->pace->due_boot_ms = due;
		if (due < r->next_boot_ms)
			r->next_boot_ms = due;
	}
	if (!*state && !*r->old_state)
		return;
	struct stg_error err = { 0 };
	/* The note is for people; a failure to write it must not stop deliveries, ignoring. */
	(void)r->door->note(r->door->ctx, r->target->name, state, wait_ms ? stg_boot_ms() + wait_ms : 0, text, &err);
	if (r->door->event && strcmp(state, r->old_state) != 0)
		r->door->event(r->door->ctx, r->target->name, *state ? state : "ok", 0);
	r->old_state = "";
	if (*state)
		r->old_state = "?";     /* anything else is news from now on */
}

/* A closed line is nobody's fault: nothing is sent, nothing counted, and the push thread is woken when it opens. */
static bool may_leave(struct round *r)
{
	bool open = r->target->is_file || !r->door->line || r->door->line(r->door->ctx);
	bool was_closed = strcmp(r->old_state, "line") == 0;
	if (open && was_closed)
		note(r, "", 0, "");
	else if (!open && !was_closed)
		note(r, "line", 0, "");
	return open;
}

/* ---- understanding an answer ---- */

/* What is kept of a refusal: the server's own words, short, printable, without our secrets. */
static void refusal_text(const struct push_target *t, const struct stg_net_answer *a, char ret[PUSH_TEXT_MAX])
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
	json_array_foreach(json_object_get(t->connector, "rejects"), i, one)
		if (json_integer_value(one) == status)
			return true;
	return false;
}

/* The answer's receipts by natural key: {"KEY": {"outcome","message"}}; NULL when it cannot be understood. */
static json_t *receipts_of(const struct push_target *t, const struct stg_net_answer *a, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *body = stg_json_parse(stg_buf_view(&a->body), PUSH_ANSWER_MAX, err);
	STG_AUTO(stg_json_free_at) json_t *list = body ? push_jq(stg_json_str(t->connector, "receipts"), body, err) : NULL;
	if (!list)
		return NULL;
	json_t *by_key = json_object();
	size_t i;
	json_t *one;
	json_array_foreach(list, i, one)
		if (*stg_json_str(one, "key"))
			stg_json_put_new(by_key, stg_json_str(one, "key"), json_incref(one));
	return by_key;
}

/* Each row by what the answer says of it; a row the answer does not name is in doubt, not delivered. */
static bool settle_by_receipts(struct round *r, const json_t *rows, const json_t *records, const json_t *receipts, int status, struct stg_error *err)
{
	const char *natural_key = stg_json_str(r->target->connector, "natural_key");
	bool ok = true;
	int64_t done = 0;
	size_t i;
	json_t *row;
	json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
		const char *key = push_key_of(json_array_get(records, i), natural_key);
		const json_t *receipt = *key ? json_object_get(receipts, key) : NULL;
		const char *outcome = stg_json_str(receipt, "outcome");
		char text[PUSH_TEXT_MAX];
		stg_printable(stg_json_str(receipt, "message"), true, text, sizeof(text));
		push_credentials_hide(&r->target->credentials, text);
		bool is_done = strcmp(outcome, "done") == 0, is_later = strcmp(outcome, "later") == 0, is_rejected = strcmp(outcome, "rejected") == 0;
		STG_AUTO(stg_json_free_at) json_t *answer =
			answer_of(is_done ? "ok" : is_later ? "later" : is_rejected ? "row" : "in_doubt", status, receipt ? text : "the answer does not name this device");
		ok = settle(r, stg_json_int(row, "id", 0), is_done ? "delivered" : is_later ? "queued" : is_rejected ? "rejected" : "in_doubt",
			    is_done || is_rejected ? 0 : 60000, answer, ok ? err : NULL) && ok;
		done += is_done;
	}
	r->delivered += done;
	if (done && r->door->event)
		r->door->event(r->door->ctx, r->target->name, "delivered", done);
	return ok;
}

/* ---- one request ---- */

enum go { GO_ON, GO_STOP, GO_FAIL };    /* with this target: next rows, leave it alone now, the inventory failed */

static enum go deliver(struct round *r, const json_t *rows, const json_t *records, struct stg_error *err);

static json_t *slice(const json_t *list, size_t from, size_t to)
{
	json_t *part = json_array();
	for (size_t i = from; i < to; i++)
		json_array_append(part, json_array_get(list, i));
	return part;
}

/* A refused batch is halved until the record at fault stands alone. */
static enum go halves(struct round *r, const json_t *rows, const json_t *records, struct stg_error *err)
{
	size_t n = json_array_size(rows), half = n / 2;
	for (size_t k = 0; k < 2; k++) {
		STG_AUTO(stg_json_free_at) json_t *part = slice(rows, k ? half : 0, k ? n : half);
		STG_AUTO(stg_json_free_at) json_t *of = slice(records, k ? half : 0, k ? n : half);
		enum go g = deliver(r, part, of, err);
		if (g == GO_ON)
			continue;
		if (k == 0) {
			/* the second half never left */
			STG_AUTO(stg_json_free_at) json_t *rest = slice(rows, half, n);
			if (!settle_all(r, rest, "queued", 0, NULL, g == GO_FAIL ? NULL : err))
				g = GO_FAIL;
		}
		return g;
	}
	return GO_ON;
}

static enum go rejected(struct round *r, const json_t *rows, const json_t *records, int status, const char *text, struct stg_error *err)
{
	if (json_array_size(rows) > 1)
		return halves(r, rows, records, err);
	STG_AUTO(stg_json_free_at) json_t *answer = answer_of("row", status, text);
	if (!settle_all(r, rows, "rejected", 0, answer, err))
		return GO_FAIL;
	if (r->door->event)
		r->door->event(r->door->ctx, r->target->name, "rejected", 1);
	return GO_ON;
}

static enum go pause_target(struct round *r, const json_t *rows, const char *row_state, enum stg_net_class class, const char *state, int64_t retry_after_ms,
			    int status, const char *text, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *answer = answer_of(stg_net_class_name(class), status, text);
	if (stg_stop_pulled(r->stop))   /* we gave up, not the target */
		return settle_all(r, rows, row_state, 0, answer, err) ? GO_STOP : GO_FAIL;
	int64_t wait = push_pace_wait(r->pace, class, retry_after_ms);
	note(r, state, wait, text);
	return settle_all(r, rows, row_state, 0, answer, err) ? GO_STOP : GO_FAIL;
}

static enum go refused(struct round *r, const json_t *rows, const json_t *records, const struct stg_net_answer *a, struct stg_error *err)
{
	char text[PUSH_TEXT_MAX];
	refusal_text(r->target, a, text);
	if (a->status == 410)
		return pause_target(r, rows, "queued", STG_NET_AUTH, "gone", -1, a->status, text, err);
	if (is_row_fault(r->target, a->status))
		return rejected(r, rows, records, a->status, text, err);
	/* Not this record's fault as far as one can tell (a wrong path answers 404 to everything): again later, the others
	 * meanwhile; after some of these the target as a whole is left alone. */
	if (++r->pace->refused_in_a_row >= REFUSED_IN_A_ROW_MAX || json_array_size(rows) > 1)
		return pause_target(r, rows, "queued", STG_NET_ROW, "server", -1, a->status, text, err);
	STG_AUTO(stg_json_free_at) json_t *answer = answer_of("later", a->status, text);
	int64_t attempts = stg_json_int(json_array_get(rows, 0), "attempts", 1), wait = 30000LL << (attempts < 10 ? attempts : 10);
	if (wait > 6 * 3600 * 1000)
		wait = 6 * 3600 * 1000;
	return settle_all(r, rows, "queued", wait, answer, err) ? GO_ON : GO_FAIL;
}

static enum go accepted(struct round *r, const json_t *rows, const json_t *records, const struct stg_net_answer *a, struct stg_error *err)
{
	push_pace_clear(r->pace);
	note(r, "", 0, "");
	if (!*stg_json_str(r->target->connector, "receipts")) {
		STG_AUTO(stg_json_free_at) json_t *answer = answer_of("ok", a->status, "");
		return settle_all(r, rows, "delivered", 0, answer, err) ? GO_ON : GO_FAIL;
	}
	struct stg_error why = { 0 };
	STG_AUTO(stg_json_free_at) json_t *receipts = receipts_of(r->target, a, &why);
	if (receipts)
		return settle_by_receipts(r, rows, records, receipts, a->status, err) ? GO_ON : GO_FAIL;
	char text[PUSH_TEXT_MAX];
	snprintf(text, sizeof(text), "HTTP %d, but its answer is not understood: %s", a->status, why.msg);
	return pause_target(r, rows, "in_doubt", STG_NET_IN_DOUBT, "in_doubt", -1, a->status, text, err);
}

static enum go send_rows(struct round *r, const json_t *rows, const json_t *records, struct stg_error *err)
{
	struct push_request q = { 0 };
	struct stg_net_answer a = { 0 };
	struct stg_error why = { 0 };
	enum go g;
	char text[PUSH_TEXT_MAX];
	if (!push_request_make(r->target, rows, records, stg_wall_ms() / 1000, &q, &why)) {
		if (why.code == STG_E_REFUSED || why.code == STG_E_PROTOCOL)
			g = rejected(r, rows, records, 0, why.msg, err);
		else
			g = pause_target(r, rows, "queued", STG_NET_AUTH, why.code == STG_E_INPUT ? "config" : "server", -1, 0, why.msg, err);
	} else if (!push_request_send(r->target, &q, r->stop, &a, &why)) {
		g = pause_target(r, rows, "queued", STG_NET_AUTH, "config", -1, 0, why.msg, err);
	} else {
		switch (a.class) {
		case STG_NET_OK:
			g = accepted(r, rows, records, &a, err);
			break;
		case STG_NET_ROW:
			g = refused(r, rows, records, &a, err);
			break;
		case STG_NET_IN_DOUBT:
			g = pause_target(r, rows, "in_doubt", a.class, "in_doubt", a.retry_after_ms, a.status, a.text, err);
			break;
		case STG_NET_OFFLINE:
		case STG_NET_CLOCK:
		case STG_NET_TRUST:
		case STG_NET_THROTTLED:
		case STG_NET_AUTH:
		case STG_NET_SERVER:
		default:
			refusal_text(r->target, &a, text);
			/* An answer of the wrong kind to a write that was sent proves nothing either way. */
			g = pause_target(r, rows, a.class == STG_NET_TRUST && a.sent_something && a.status / 100 == 2 ? "in_doubt" : "queued", a.class,
					 stg_net_class_name(a.class), a.retry_after_ms, a.status, a.class == STG_NET_TRUST ? a.text : text, err);
			break;
		}
	}
	stg_net_answer_clear(&a);
	push_request_clear(&q);
	return g;
}

static enum go write_rows(struct round *r, const json_t *rows, const json_t *records, struct stg_error *err)
{
	struct stg_error why = { 0 };
	int64_t added;
	if (!push_file_deliver(r->target, rows, records, &added, &why))
		return pause_target(r, rows, "queued", STG_NET_SERVER, why.code == STG_E_INPUT ? "config" : "disk", -1, why.origin, why.msg, err);
	push_pace_clear(r->pace);
	note(r, "", 0, "");
	STG_AUTO(stg_json_free_at) json_t *answer = answer_of("ok", 0, "");
	return settle_all(r, rows, "delivered", 0, answer, err) ? GO_ON : GO_FAIL;
}

static enum go deliver(struct round *r, const json_t *rows, const json_t *records, struct stg_error *err)
{
	return r->target->is_file ? write_rows(r, rows, records, err) : send_rows(r, rows, records, err);
}

/* ---- one target ---- */

/* Sorts out what must not be sent; the rest goes to ret_rows with its records. */
static bool sort_out(struct round *r, const json_t *taken, json_t *ret_rows, json_t *ret_records, struct stg_error *err)
{
	bool repeat_harmless = r->target->is_file || *stg_json_str(r->target->connector, "natural_key");
	bool ok = true;
	size_t i;
	json_t *row;
	json_array_foreach((json_t *)(uintptr_t)taken, i, row) {
		int64_t id = stg_json_int(row, "id", 0);
		const char *state = NULL, *text = "";
		STG_AUTO(stg_json_free_at) json_t *record = stg_json_parse(stg_bytes_str(stg_json_str(row, "payload")), PUSH_RECORD_MAX, NULL);
		if (!record || strcmp(stg_json_str(record, "record_id"), stg_json_str(row, "record_id")) != 0) {
			state = "rejected";
			text = "the record cannot be read";
		} else if (stg_json_bool(record, "rehearsal", false) && !r->door->rehearsal) {
			state = "rejected";
			text = "a rehearsal's record never leaves";
		} else if (strcmp(stg_json_str(row, "was"), "queued") != 0 && !repeat_harmless) {
			state = "in_doubt";
			text = "it may have arrived and cannot be looked up: a person must decide (retry or drop)";
		}
		if (!state) {
			json_array_append(ret_rows, row);
			json_array_append(ret_records, record);
			continue;
		}
		STG_AUTO(stg_json_free_at) json_t *answer = answer_of("row", 0, text);
		ok = settle(r, id, state, strcmp(state, "in_doubt") == 0 ? 3600000 : 0, answer, ok ? err : NULL) && ok;
	}
	return ok;
}

/* Credentials are opened for one round and wiped with it. */
static bool open_credentials(struct round *r, struct stg_error *err)
{
	struct stg_secret text = { 0 };
	bool ok = r->target->is_file || (r->door->credentials(r->door->ctx, r->target->name, &text, err) &&
					 push_credentials_parse(&text, &r->target->credentials, err));
	stg_secret_clear(&text);
	return ok;
}

static bool work(struct round *r, struct stg_error *err)
{
	for (enum go g = GO_ON; g == GO_ON;) {
		if (stg_stop_pulled(r->stop))
			return true;
		if (!may_leave(r))
			return true;
		STG_AUTO(stg_json_free_at) json_t *taken = r->door->take(r->door->ctx, r->target->name, r->max_items, err);
		if (!taken)
			return stg_while(err, "outbox of %s", r->target->name);
		if (!json_array_size(taken))
			return true;
		STG_AUTO(stg_json_free_at) json_t *rows = json_array();
		STG_AUTO(stg_json_free_at) json_t *records = json_array();
		struct stg_error why = { 0 };
		if (!sort_out(r, taken, rows, records, err))
			return false;
		if (!json_array_size(rows))
			continue;
		if (!r->target->credentials.values && !open_credentials(r, &why))
			g = pause_target(r, rows, "queued", STG_NET_AUTH, "config", -1, 0, why.msg, err);
		else
			g = deliver(r, rows, records, err);
		if (g == GO_FAIL)
			return stg_while(err, "outbox of %s", r->target->name);
	}
	return true;
}

/* Is this target to be left alone now? A wait noted by an earlier process holds too, unless the clock has jumped. */
static bool must_wait(struct round *r, const json_t *row, bool by_person)
{
	int64_t left = stg_json_int(row, "not_before_ms", 0) - stg_boot_ms(), now = stg_boot_ms();
	/* no wait is noted when the target was just added again, or never failed */
	if (by_person || left > DB_WAIT_MOST_MS || !stg_json_int(row, "not_before_ms", 0)) {
		if (left > 0)
			(void)r->door->note(r->door->ctx, r->target->name, r->old_state, 0, r->old_text, NULL);
		push_pace_clear(r->pace);
		return false;
	}
	if (left > 0 && r->pace->due_boot_ms < now + left)
		r->pace->due_boot_ms = now + left;
	if (r->pace->due_boot_ms <= now)
		return false;
	r->next_boot_ms = r->pace->due_boot_ms;
	return true;
}

static bool round_of(const struct stg_push_door *door, const json_t *row, bool by_person, struct stg_stop *stop, int64_t *delivered, int64_t *next_ms,
		     struct stg_error *err)
{
	STG_AUTO(push_target_clear) struct push_target t = { 0 };
	struct round r = { .door = door, .target = &t, .stop = stop, .next_boot_ms = INT64_MAX, .old_state = stg_json_str(row, "state"),
			   .old_text = stg_json_str(row, "text") };
	struct stg_error why = { 0 };
	stg_copy(t.name, sizeof(t.name), stg_json_str(row, "name"));
	r.pace = push_pace_of(t.name);
	if (!settle_again(door, r.pace, err))
		return false;
	bool ok = true;
	if (must_wait(&r, row, by_person)) {
		ok = true;
	} else if (push_target_open(row, door->rehearsal, door->state_dir, &t, &why)) {
		r.max_items = t.is_file ? FILE_ROWS : stg_json_int(json_object_get(t.connector, "batch"), "max_items", 1);
		if (r.max_items > ONE_REQUEST_MAX)
			r.max_items = ONE_REQUEST_MAX;
		ok = work(&r, err);
	} else if (by_person) {
		if (err)
			*err = why;
		ok = false;
	} else {
		stg_copy(t.name, sizeof(t.name), stg_json_str(row, "name"));
		note(&r, why.code == STG_E_SAFETY ? "safety" : "config", push_pace_wait(r.pace, STG_NET_AUTH, -1), why.msg);
	}
	*delivered += r.delivered;
	if (r.next_boot_ms < *next_ms)
		*next_ms = r.next_boot_ms;
	return ok;
}

bool stg_push_round(const struct stg_push_door *door, const char *only_target, struct stg_stop *stop, int64_t *ret_delivered, int64_t *ret_next_ms,
		    struct stg_error *err)
{
	int64_t delivered = 0, next_ms = INT64_MAX;
	bool found = false, ok = true;
	STG_AUTO(stg_json_free_at) json_t *targets = door->targets(door->ctx, err);
	if (!targets || !stg_net_start(err))
		return false;
	size_t i;
	json_t *row;
	json_array_foreach(targets, i, row) {
		if (only_target ? strcmp(stg_json_str(row, "name"), only_target) != 0 : !stg_json_bool(row, "enabled", true))
			continue;
		found = true;
		/* One target's trouble with the inventory must not keep the others waiting; the first is told. */
		struct stg_error why = { 0 };
		if (!round_of(door, row, only_target || door->at_once, stop, &delivered, &next_ms, &why)) {
			if (ok && err)
				*err = why;
			ok = false;
		}
		if (stg_stop_pulled(stop))
			break;
	}
	*ret_delivered = delivered;
	*ret_next_ms = next_ms;
	if (only_target && !found)
		return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_TARGET_UNKNOWN, 0, "no target '%.48s'", only_target);
	return ok;
}

/* ---- asking without telling ---- */

json_t *stg_push_test(const struct stg_push_door *door, const char *target, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *targets = door->targets(door->ctx, err);
	STG_AUTO(push_target_clear) struct push_target t = { 0 };
	struct stg_error why = { 0 };
	json_t *row = NULL, *one;
	size_t i;
	json_array_foreach(targets, i, one)
		if (strcmp(stg_json_str(one, "name"), target) == 0)
			row = one;
	if (!targets)
		return NULL;
	if (!row) {
		stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_TARGET_UNKNOWN, 0, "no target '%.48s'", target);
		return NULL;
	}
	struct round r = { .door = door, .target = &t };
	if (!push_target_open(row, door->rehearsal, door->state_dir, &t, err) || !open_credentials(&r, err))
		return NULL;
	json_t *said = json_object();
	stg_json_put(said, "name", t.name);
	if (t.is_file) {
		bool ok = push_file_test(&t, &why);
		stg_json_put_bool(said, "ok", ok);
		stg_json_put(said, "text", why.msg);
		return said;
	}
	/* The connector's own question where it has one; else only whether the address is the server it should be. */
	STG_AUTO(stg_json_free_at) json_t *question = json_deep_copy(t.connector);
	const json_t *test = json_object_get(t.connector, "test");
	json_t *request = json_object_get(question, "request");
	stg_json_put(request, "method", test ? stg_json_str(test, "method") : "HEAD");
	stg_json_put_new(request, "path", json_string(test ? stg_json_str(test, "path") : stg_json_str(request, "path")));
	stg_json_put(request, "body", "\"\"");
	json_object_del(request, "headers");
	stg_json_put(json_object_get(question, "answer"), "type", "any");
	stg_json_put_int(question, "timeout_ms", 5000);     /* a person waits meanwhile */
	json_decref(t.connector);
	t.connector = json_incref(question);

	struct push_request q = { 0 };
	struct stg_net_answer a = { 0 };
	STG_AUTO(stg_json_free_at) json_t *rows = json_pack("[{s:s}]", "record_id", "00000000-0000-7000-8000-000000000000");
	STG_AUTO(stg_json_free_at) json_t *none = json_array();
	bool asked = push_request_make(&t, rows, none, stg_wall_ms() / 1000, &q, err) && push_request_send(&t, &q, NULL, &a, err);
	if (asked) {
		/* without a question of its own, any answer but a refusal of us proves address, certificate and line */
		bool ok = a.class == STG_NET_OK || (!test && a.status && (a.class == STG_NET_ROW || a.class == STG_NET_SERVER || a.class == STG_NET_THROTTLED));
		char text[PUSH_TEXT_MAX];
		refusal_text(&t, &a, text);
		stg_json_put_bool(said, "ok", ok);
		stg_json_put_bool(said, "credentials_proven", ok && test);
		stg_json_put(said, "class", stg_net_class_name(a.class));
		stg_json_put_int(said, "status", a.status);
		stg_json_put(said, "text", ok ? "" : text);
	}
	stg_net_answer_clear(&a);
	push_request_clear(&q);
	if (asked)
		return said;
	json_decref(said);
	return NULL;
}
