/*
 * delivery.c - results leave the outbox: sent, understood, settled.
 *
 * For:    the push thread and `stager push`.
 * Uses:   target.c, exchange.c, kinds/, pace.c; the inventory only through the door.
 * Called: one round after another, for ever.
 * Thread: one at a time.
 * Facts:  states of mdm-push 10.1, waits of 10.3.
 *
 * Why nothing is lost: a row leaves "sending" only through settle(), and only a positive proof makes it "delivered".
 * Why nothing is doubled: what may have arrived is "in_doubt" and is sent again only where that is harmless (a natural
 * key the receiver knows), else it waits for a person. A target that is down, slow, untrusted or refuses our
 * credentials is left alone as a whole; that never counts against a row.
 */
#include <stdio.h>
#include <stdlib.h>

#include <stager/clock.h>

#include "deliver.h"
#include "kind.h"

#define ONE_REQUEST_MAX 5000
#define DB_WAIT_MOST_MS (7 * 3600 * 1000)

/* ---- telling the inventory ---- */

json_t *answer_of(const char *class, int status, const char *text)
{
	json_t *a = json_object();
	stg_json_put(a, "class", class);
	if (status)
		stg_json_put_int(a, "status", status);
	stg_json_put(a, "text", text);
	stg_json_put_int(a, "at_ms", stg_wall_ms());
	return a;
}

void tell(struct round *r, const char *what, int64_t count)
{
	if (r->door->event)
		r->door->event(r->door->ctx, r->target->name, what, count);
}

/* Outcomes the inventory could not take (disk full): kept, and told again before anything else is sent. */
static bool put_one(struct round *r, const json_t *outcome, struct stg_error *err)
{
	if (r->door->settle(r->door->ctx, stg_json_int(outcome, "id", 0), stg_json_str(outcome, "state"), stg_json_int(outcome, "not_before_ms", 0),
			    json_object_get(outcome, "answer"), err))
		return true;
	if (!r->pace->unsettled)
		r->pace->unsettled = json_array();
	json_array_append(r->pace->unsettled, (json_t *)(uintptr_t)outcome);
	return false;
}

static bool put(struct round *r, const json_t *row, const char *state, int64_t wait_ms, const json_t *answer, struct stg_error *err)
{
	int64_t not_before = wait_ms ? stg_boot_ms() + wait_ms : 0;
	if (not_before && not_before < r->next_boot_ms)
		r->next_boot_ms = not_before;
	STG_AUTO(stg_json_free_at) json_t *outcome = json_object();
	stg_json_put_int(outcome, "id", stg_json_int(row, "id", 0));
	stg_json_put(outcome, "state", state);
	stg_json_put_int(outcome, "not_before_ms", not_before);
	if (answer)
		stg_json_put_new(outcome, "answer", json_deep_copy(answer));
	if (r->gathered)
		return json_array_append(r->gathered, outcome) == 0;
	return put_one(r, outcome, err);
}

void gather(struct round *r)
{
	if (r->door->settle_many)
		r->gathered = json_array();
}

/* All in one transaction; where that fails each by itself, so that one row that has moved meanwhile holds up no other. */
bool put_gathered(struct round *r, bool ok, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *all = r->gathered;
	size_t i;
	json_t *one;
	r->gathered = NULL;
	if (!json_array_size(all) || r->door->settle_many(r->door->ctx, all, NULL))
		return ok;
	json_array_foreach(all, i, one)
		ok = put_one(r, one, ok ? err : NULL) && ok;
	return ok;
}

static json_t *keeping(const json_t *row, const json_t *answer, const char *const *names)
{
	const json_t *before = json_object_get(row, "answer");
	json_t *all = json_deep_copy(answer);
	for (size_t i = 0; names[i]; i++)
		if (json_object_get(before, names[i]) && !json_object_get(all, names[i]))
			json_object_set(all, names[i], json_object_get(before, names[i]));
	return all;
}

bool settle(struct round *r, const json_t *row, const char *state, int64_t wait_ms, const json_t *answer, struct stg_error *err)
{
	static const char *const names[] = { "decided", "decided_by", NULL };
	STG_AUTO(stg_json_free_at) json_t *all = answer ? keeping(row, answer, names) : NULL;
	return put(r, row, state, wait_ms, all, err);
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

bool put_settled(struct round *r, struct stg_error *err)
{
	struct push_ahead *h = r->ahead;
	bool ok = true;
	size_t i;
	json_t *one;
	if (!h || !h->settled)
		return true;
	if (!r->door->settle_many(r->door->ctx, h->settled, NULL))
		json_array_foreach(h->settled, i, one)
			ok = put_one(r, one, ok ? err : NULL) && ok;
	if (ok)
		ahead_told(r);
	json_decref(h->settled);
	h->settled = NULL;
	return ok;
}

bool settle_all(struct round *r, const json_t *rows, const char *state, int64_t wait_ms, const json_t *answer, struct stg_error *err)
{
	bool ok = true;
	size_t i;
	json_t *row;
	gather(r);
	json_array_foreach((json_t *)(uintptr_t)rows, i, row)
		ok = settle(r, row, state, wait_ms, answer, ok ? err : NULL) && ok;
	if (r->ahead && strcmp(state, "delivered") == 0) {
		ok = put_settled(r, err);
		r->ahead->settled = stg_steal(r->gathered);
		return ok;
	}
	ok = put_gathered(r, ok, err);
	if (ok && strcmp(state, "delivered") == 0) {
		r->delivered += (int64_t)json_array_size(rows);
		tell(r, "delivered", (int64_t)json_array_size(rows));
	}
	return ok;
}

bool settle_back(struct round *r, const json_t *rows, int64_t wait_ms, const json_t *answer, struct stg_error *err)
{
	static const char *const names[] = { "decided", "decided_by", "op_ref", "op_since_boot_ms", "op_boot", "polls", NULL };
	bool ok = true;
	size_t i;
	json_t *row;
	gather(r);
	json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
		STG_AUTO(stg_json_free_at) json_t *all = answer ? keeping(row, answer, names) : NULL;
		ok = put(r, row, stg_json_str_or(row, "was", "queued"), wait_ms, all, ok ? err : NULL) && ok;
	}
	return put_gathered(r, ok, err);
}

/* Notes the target's state with its next try; says nothing when nothing is new. */
void note(struct round *r, const char *state, int64_t wait_ms, const char *text)
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
	bool open = (r->target->kind && r->target->kind->is_local) || !r->door->line || r->door->line(r->door->ctx);
	bool was_closed = strcmp(r->old_state, "line") == 0;
	if (open && was_closed)
		note(r, "", 0, "");
	else if (!open && !was_closed)
		note(r, "line", 0, "");
	return open;
}

/* ---- one batch ---- */

/* A receiver that is no HTTP says what became of each row; those it did not come to are what they were, or in doubt. */
static enum go tell_kind(struct round *r, const json_t *rows, const json_t *records, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *rest = json_array();
	struct push_told told = { 0 };
	bool ok = true;
	int64_t done = 0;
	size_t i;
	json_t *row;
	r->target->kind->deliver(r->target, rows, records, r->stop, &told);
	STG_AUTO(stg_json_free_at) json_t *outcomes = told.outcomes;
	json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
		json_t *one = json_array_get(outcomes, i);
		const char *state = stg_json_str(one, "state");
		if (!*state) {
			json_array_append(rest, row);
			continue;
		}
		const bool is_done = strcmp(state, "delivered") == 0 || strcmp(state, "sent_unproven") == 0;
		STG_AUTO(stg_json_free_at) json_t *answer = answer_of(is_done ? "ok" : strcmp(state, "rejected") == 0 ? "row" : state, told.origin, stg_json_str(one, "text"));
		json_object_update_missing(answer, one);
		json_object_del(answer, "state");
		ok = settle(r, row, state, 0, answer, ok ? err : NULL) && ok;
		done += is_done;
		if (!is_done)
			tell(r, state, 1);
	}
	r->delivered += done;
	if (done)
		tell(r, "delivered", done);
	if (!ok) {
		(void)settle_back(r, rest, 0, NULL, NULL);
		return GO_FAIL;
	}
	if (told.class != STG_NET_OK)
		return pause_target(r, rest, told.class == STG_NET_IN_DOUBT ? "in_doubt" : NULL, told.class, told.state ? told.state : stg_net_class_name(told.class), -1,
				    told.origin, told.text, err);
	push_pace_clear(r->pace);
	note(r, "", 0, "");
	return GO_ON;
}

/* The smaller of what the connector says and what the server has shown to be too much. */
static int64_t most_of(const json_t *exchange, const struct push_pace *p)
{
	int64_t most = stg_json_int(json_object_get(exchange, "batch"), "max_items", 1);
	most = p->max_items && p->max_items < most ? p->max_items : most;
	return most < ONE_REQUEST_MAX ? most : ONE_REQUEST_MAX;
}

/* The rows of one phase, as many at once as its batch holds. */
static enum go deliver_phase(struct round *r, const char *phase, const json_t *rows, const json_t *records, struct stg_error *err)
{
	size_t all = json_array_size(rows), most = 1;
	enum go g = GO_ON;
	for (size_t from = 0; from < all; from += most) {
		STG_AUTO(stg_json_free_at) json_t *part = json_array();
		STG_AUTO(stg_json_free_at) json_t *of = json_array();
		bool known = push_target_phase(r->target, phase);
		most = known ? (size_t)most_of(r->target->exchange, r->pace) : all;
		for (size_t i = from; i < all && i < from + most; i++) {
			json_array_append(part, json_array_get(rows, i));
			json_array_append(of, json_array_get(records, i));
		}
		if (g != GO_ON)
			g = settle_back(r, part, 0, NULL, g == GO_FAIL ? NULL : err) ? g : GO_FAIL;
		else if (known)
			g = exchange(r, part, of, err);
		else
			g = pause_target(r, part, NULL, STG_NET_AUTH, "config", -1, 0, "the connector has no such phase: add the target again", err);
	}
	return g;
}

/* Each phase speaks to the receiver in its own way. */
static enum go deliver(struct round *r, const json_t *rows, const json_t *records, struct stg_error *err)
{
	static const char *const letters[] = { "P", "A", "B", "E" };
	enum go g = GO_ON;
	if (r->target->kind)
		return tell_kind(r, rows, records, err);
	for (size_t k = 0; k < STG_ARRAY_LEN(letters); k++) {
		STG_AUTO(stg_json_free_at) json_t *part = json_array();
		STG_AUTO(stg_json_free_at) json_t *of = json_array();
		size_t i;
		json_t *row;
		json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
			if (strcmp(stg_json_str_or(row, "phase", "E"), letters[k]) != 0)
				continue;
			json_array_append(part, row);
			json_array_append(of, json_array_get(records, i));
		}
		if (g == GO_ON)
			g = deliver_phase(r, letters[k], part, of, err);
		else if (!settle_back(r, part, 0, NULL, g == GO_FAIL ? NULL : err))
			g = GO_FAIL;
	}
	return g;
}

/* ---- one target ---- */

/* What may have arrived is told again where the receiver knows it by its key, or can be asked. */
static bool may_repeat(struct push_target *t, const json_t *row)
{
	return t->kind || !push_target_phase(t, stg_json_str_or(row, "phase", "E")) || *stg_json_str(t->exchange, "natural_key") ||
	       *stg_json_str(json_object_get(row, "answer"), "op_ref");
}

/* Sorts out what must not be sent; the rest goes to ret_rows with its records. */
static bool sort_out(struct round *r, const json_t *taken, json_t *ret_rows, json_t *ret_records, struct stg_error *err)
{
	bool ok = true;
	size_t i;
	json_t *row;
	json_array_foreach((json_t *)(uintptr_t)taken, i, row) {
		const char *state = NULL, *text = "";
		json_t *record = json_object_get(row, "record");
		if (!record || strcmp(stg_json_str(record, "record_id"), stg_json_str(row, "record_id")) != 0) {
			state = "rejected";
			text = "the record cannot be read";
		} else if (stg_json_bool(record, "rehearsal", false) && !r->door->rehearsal) {
			state = "rejected";
			text = "a rehearsal's record never leaves";
		} else if (strcmp(stg_json_str(row, "was"), "in_doubt") == 0 && !may_repeat(r->target, row)) {
			state = "in_doubt";
			text = "it may have arrived and cannot be looked up: a person must decide (retry or drop)";
		}
		if (!state) {
			json_array_append(ret_rows, row);
			json_array_append(ret_records, record);
			continue;
		}
		STG_AUTO(stg_json_free_at) json_t *answer = answer_of("row", 0, text);
		ok = settle(r, row, state, strcmp(state, "in_doubt") == 0 ? 3600000 : 0, answer, ok ? err : NULL) && ok;
	}
	return ok;
}

/* Credentials are opened for one round and wiped with it. */
static bool open_credentials(struct round *r, struct stg_error *err)
{
	struct stg_secret text = { 0 };
	bool ok = (r->target->kind && !r->target->kind->has_credentials) || (r->door->credentials(r->door->ctx, r->target->name, &text, err) &&
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
		STG_AUTO(stg_json_free_at) json_t *taken = ahead_taken(r);
		if (!json_array_size(taken)) {
			json_decref(taken);
			taken = r->door->take(r->door->ctx, r->target->name, r->max_items, err);
		}
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

/* The same with the next batch made ready while the receiver works, where that can do no harm. */
static bool work_through(struct round *r, struct stg_error *err)
{
	struct push_ahead ahead = { 0 };
	if (ahead_may(r)) {
		r->ahead = &ahead;
		r->target->made = &ahead.made;
	}
	bool ok = work(r, err);
	ok = put_settled(r, ok ? err : NULL) && ok;
	if (ahead.taken)        /* it never left */
		ok = settle_back(r, ahead.taken, 0, NULL, ok ? err : NULL) && ok;
	json_decref(ahead.taken);
	stg_buf_clear(&ahead.made.body);
	r->target->made = NULL;
	r->ahead = NULL;
	return ok;
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

/* As many as the largest batch of the connector's phases. */
static int64_t most_items(const struct push_target *t, const struct push_pace *p)
{
	const json_t *phases = json_object_get(t->connector, "phases");
	int64_t most = phases ? 1 : most_of(t->connector, p);
	const char *letter;
	json_t *x;
	json_object_foreach((json_t *)(uintptr_t)phases, letter, x)
		most = most_of(x, p) > most ? most_of(x, p) : most;
	return most;
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
		r.max_items = t.kind ? t.kind->most : most_items(&t, r.pace);
		ok = work_through(&r, err);
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

/* The target of that name with its credentials. */
bool open_named(const struct stg_push_door *door, const char *target, struct push_target *t, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *targets = door->targets(door->ctx, err);
	json_t *row = NULL, *one;
	size_t i;
	json_array_foreach(targets, i, one)
		if (strcmp(stg_json_str(one, "name"), target) == 0)
			row = one;
	if (!targets)
		return false;
	if (!row)
		return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_TARGET_UNKNOWN, 0, "no target '%.48s'", target);
	struct round r = { .door = door, .target = t };
	return push_target_open(row, door->rehearsal, door->state_dir, t, err) && open_credentials(&r, err);
}

json_t *stg_push_schema(const struct stg_push_door *door, const char *target, bool apply, struct stg_error *err)
{
	STG_AUTO(push_target_clear) struct push_target t = { 0 };
	if (!open_named(door, target, &t, err))
		return NULL;
	if (t.kind && t.kind->schema)
		/* cppcheck-suppress returnDanglingLifetime ; what it answers is its own and no part of `t` */
		return t.kind->schema(&t, apply, err);
	stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_NO_SCHEMA, 0, "%s", t.name);
	return NULL;
}

json_t *stg_push_test(const struct stg_push_door *door, const char *target, struct stg_error *err)
{
	STG_AUTO(push_target_clear) struct push_target t = { 0 };
	if (!open_named(door, target, &t, err))
		return NULL;
	json_t *said = json_object();
	stg_json_put(said, "name", t.name);
	if (t.kind) {
		struct push_told told = { 0 };
		t.kind->test(&t, &told);
		const char *state = told.class == STG_NET_OK ? "" : told.state ? told.state : stg_net_class_name(told.class);
		stg_json_put_bool(said, "ok", told.class == STG_NET_OK);
		if (!t.kind->is_local)
			stg_json_put(said, "class", told.class == STG_NET_OK ? "ok" : state);
		stg_json_put(said, "text", told.text);
		return said;
	}
	/* The connector's own question where it has one; else only whether the address is the server it should be. */
	const json_t *test = json_object_get(t.connector, "test");
	STG_AUTO(stg_json_free_at) json_t *exchange = json_pack("{s:{s:s}}", "answer", "type", "any");
	STG_AUTO(stg_json_free_at) json_t *call = json_pack("{s:s,s:s}", "method", test ? stg_json_str(test, "method") : "HEAD", "path",
							    test ? stg_json_str(test, "path") : stg_json_str(json_object_get(t.connector, "request"), "path"));
	if (test)
		json_object_set(call, "headers", json_object_get(test, "headers"));
	stg_json_put_int(t.connector, "timeout_ms", 5000);  /* a person waits meanwhile */
	t.exchange = exchange;
	struct push_request q = { 0 };
	struct stg_net_answer a = { 0 };
	STG_AUTO(stg_json_free_at) json_t *rows = json_pack("[{s:s}]", "record_id", "00000000-0000-7000-8000-000000000000");
	STG_AUTO(stg_json_free_at) json_t *none = json_array();
	bool asked = push_request_make(&t, call, rows, none, (struct push_words){ 0 }, push_clock_s(), &q, err) && push_request_send(&t, &q, true, NULL, &a, err);
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
		if (push_clock_offset_s()) {
			stg_json_put_int(said, "clock_off_s", push_clock_offset_s());
			stg_json_put_int(said, "code", STG_ID_SERVER_CLOCK);
		}
	}
	stg_net_answer_clear(&a);
	push_request_clear(&q);
	if (asked)
		return said;
	json_decref(said);
	return NULL;
}
