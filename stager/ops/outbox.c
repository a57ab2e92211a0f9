/*
 * outbox.c - what the targets must still be told, and what people decide about it.
 *
 * For:    cmd/outbox.c, the board, the demo.
 * Uses:   the store.
 * Called: as operations.
 * Thread: the recorder's.
 *
 *   outbox.summary {} -> {"waiting","delivered","oldest_ms","by_target":[...]}
 *   outbox.list    {"target","state","serial","open":bool} -> rows
 *   outbox.retry   {"id","take"} or {"target","state","serial"} -> {"retried":N}: rejected, doubtful, parked or undecided ones again;
 *                  take: "ours" or "theirs" decides one conflict
 *   outbox.drop    {"id" or "ids","reason","second","second_pin"} -> {"dropped":N}: a result that will never be told; for good
 *   outbox.explain {"id"} -> the row with its sentence, its act and when it is tried again
 */
#include <stdio.h>
#include <stdlib.h>

#include <stager/clock.h>
#include <stager/op.h>
#include <stager/push.h>

#include "_outbox.h"

json_t *ops_outbox_summary(struct stg_op_ctx *c, struct stg_error *err)
{
	json_t *all = stg_store_outbox_summary(c->store, err), *one;
	size_t i;
	json_array_foreach(json_object_get(all, "by_target"), i, one) {
		unsigned int code = stg_push_state_id(stg_json_str(one, "state"));
		if (code)
			stg_json_put_int(one, "code", code);
	}
	return all;
}

static bool summary(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)in;
	*ret = ops_outbox_summary(c, err);
	if (*ret)
		stg_json_put_int(*ret, "v", 1);
	return *ret != NULL;
}

/* What a person reads of a row: its own refusal first, else why its target does not take anything now. */
static unsigned int id_of(const json_t *row, const char *target_state)
{
	const char *state = stg_json_str(row, "state");
	if (strcmp(state, "rejected") == 0)
		return STG_ID_RECORD_REJECTED;
	if (strcmp(state, "damaged") == 0)
		return STG_ID_ROW_DAMAGED;
	if (strcmp(state, "conflict") == 0)
		return STG_ID_DELIVERY_CONFLICT;
	if (strcmp(state, "parked") == 0)
		return STG_ID_DELIVERY_PARKED;
	if (strcmp(state, "sent_unproven") == 0)
		return STG_ID_DELIVERY_UNPROVEN;
	if (strcmp(state, "op_pending") == 0 && !*target_state)
		return STG_ID_DELIVERY_OPERATION;
	if (strcmp(state, "carried") == 0)
		return STG_ID_DELIVERY_CARRIED;
	if (strcmp(state, "in_doubt") == 0 && !*target_state)
		return STG_ID_DELIVERY_IN_DOUBT;
	if (strcmp(state, "queued") != 0 && strcmp(state, "in_doubt") != 0 && strcmp(state, "op_pending") != 0)
		return 0;
	return stg_push_state_id(target_state);
}

static bool list(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *targets = stg_store_targets(c->store, err);
	json_t *rows = targets ? stg_store_outbox(c->store, in, err) : NULL, *row, *target;
	size_t i, k;
	if (!rows)
		return false;
	json_array_foreach(rows, i, row) {
		const char *state = "";
		json_array_foreach(targets, k, target)
			if (strcmp(stg_json_str(target, "name"), stg_json_str(row, "target")) == 0)
				state = stg_json_str(target, "state");
		unsigned int code = id_of(row, state);
		if (code)
			stg_json_put_int(row, "code", code);
		stg_json_put(row, "text", stg_json_str(json_object_get(row, "answer"), "text"));
	}
	*ret = rows;
	return true;
}

static bool may_retry(const char *state)
{
	static const char *const states[] = { "rejected", "in_doubt", "conflict", "parked", "sent_unproven", "carried" };
	for (size_t i = 0; i < STG_ARRAY_LEN(states); i++)
		if (strcmp(states[i], state) == 0)
			return true;
	return false;
}

/* A person's word about one conflict; it stays with the delivery until it is told. */
static bool decide(struct stg_op_ctx *c, const json_t *in, const json_t *rows, json_t **ret, struct stg_error *err)
{
	const char *take = stg_json_str(in, "take");
	const json_t *row = json_array_get(rows, 0);
	int64_t id = stg_json_int(in, "id", 0);
	bool is_word = strcmp(take, "ours") == 0 || strcmp(take, "theirs") == 0;
	if (!is_word || !id)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_TAKE_WORD, 0, "--take %.20s", take);
	if (!row)
		return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_DELIVERY_UNKNOWN, 0, "%lld", (long long)id);
	if (strcmp(stg_json_str(row, "state"), "conflict") != 0)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_TAKE_WORD, 0, "%lld: %s", (long long)id, stg_json_str(row, "state"));
	STG_AUTO(stg_json_free_at) json_t *answer = json_deep_copy(json_object_get(row, "answer"));
	stg_json_put(answer, "decided", take);
	stg_json_put(answer, "decided_by", c->actor);
	if (!stg_store_outbox_settle(c->store, id, "queued", 0, answer, err) ||
	    !stg_op_audit(c, "outbox.decide", stg_json_str(row, "record_id"), stg_json_str(row, "unit"),
			  json_pack("{s:s,s:s,s:s}", "target", stg_json_str(row, "target"), "take", take, "between", stg_json_str(answer, "text")), err))
		return false;
	*ret = json_pack("{s:i,s:i,s:s}", "v", 1, "retried", 1, "take", take);
	return true;
}

static bool retry(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	if (!stg_json_int(in, "id", 0) && !*stg_json_str(in, "target") && !*stg_json_str(in, "serial"))
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "--id | --target | --serial");
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_outbox(c->store, in, err);
	int64_t n = 0;
	size_t i;
	json_t *row;
	if (!rows)
		return false;
	if (*stg_json_str(in, "take"))
		return decide(c, in, rows, ret, err);
	json_array_foreach(rows, i, row) {
		const char *state = stg_json_str(row, "state");
		bool is_late = strcmp(state, "queued") == 0 && stg_json_int(row, "not_before_ms", 0) > stg_boot_ms();
		if (!may_retry(state) && !is_late)
			continue;
		if (!stg_store_outbox_settle(c->store, stg_json_int(row, "id", 0), "queued", 0, NULL, err) ||
		    !stg_op_audit(c, "outbox.retry", stg_json_str(row, "record_id"), stg_json_str(row, "unit"), json_pack("{s:s,s:s}", "target", stg_json_str(row, "target"), "was", state), err))
			return false;
		n++;
	}
	if (!n && stg_json_int(in, "id", 0))
		return json_array_size(rows) ? stg_fail_id(err, STG_E_REFUSED, STG_ID_DELIVERY_SETTLED, 0, "%lld", (long long)stg_json_int(in, "id", 0)) :
					       stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_DELIVERY_UNKNOWN, 0, "%lld", (long long)stg_json_int(in, "id", 0));
	*ret = json_pack("{s:i,s:I}", "v", 1, "retried", (json_int_t)n);
	return true;
}

static bool drop_one(struct stg_op_ctx *c, const json_t *in, int64_t id, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *filter = json_pack("{s:I}", "id", (json_int_t)id);
	STG_AUTO(stg_json_free_at) json_t *rows = id > 0 ? stg_store_outbox(c->store, filter, err) : json_array();
	const json_t *row = json_array_get(rows, 0);
	if (!rows)
		return false;
	if (!row)
		return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_DELIVERY_UNKNOWN, 0, "%lld", (long long)id);
	STG_AUTO(stg_json_free_at) json_t *why = json_pack("{s:s,s:s,s:s,s:s,s:I}", "class", "dropped", "text", stg_json_str(in, "reason"), "by", c->actor, "second",
							   stg_json_str(in, "second"), "at_ms", (json_int_t)stg_wall_ms());
	struct stg_error not_so = { 0 };
	if (!stg_store_outbox_settle(c->store, id, "dropped", 0, why, &not_so)) {
		if (err)
			*err = not_so;
		return not_so.id == STG_ID_ILLEGAL_MOVE ? stg_fail_id(err, not_so.code, STG_ID_ILLEGAL_MOVE, 0, "%lld", (long long)id) : false;
	}
	return stg_op_audit(c, "outbox.drop", stg_json_str(row, "record_id"), stg_json_str(row, "unit"),
		     json_pack("{s:s,s:s,s:s,s:s}", "target", stg_json_str(row, "target"), "was", stg_json_str(row, "state"), "reason", stg_json_str(in, "reason"),
			       "second", stg_json_str(in, "second")), err);
}

static bool drop(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const json_t *ids = json_object_get(in, "ids");
	int64_t n = 0;
	size_t i;
	json_t *one;
	if (!*stg_json_str(in, "reason"))
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "--reason");
	/* One person alone must not be able to make a result disappear. */
	if (!stg_op_second(c, in, "lead", err))
		return false;
	if (!ids) {
		if (!drop_one(c, in, stg_json_int(in, "id", 0), err))
			return false;
		n = 1;
	}
	json_array_foreach((json_t *)(uintptr_t)ids, i, one) {
		if (!drop_one(c, in, json_integer_value(one), err))
			return false;
		n++;
	}
	*ret = json_pack("{s:i,s:I}", "v", 1, "dropped", (json_int_t)n);
	return true;
}

static bool explain(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	int64_t id = stg_json_int(in, "id", 0);
	STG_AUTO(stg_json_free_at) json_t *filter = json_pack("{s:I}", "id", (json_int_t)id);
	STG_AUTO(stg_json_free_at) json_t *rows = id > 0 ? stg_store_outbox(c->store, filter, err) : json_array();
	json_t *row = json_array_get(rows, 0);
	if (!rows)
		return false;
	if (!row)
		return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_DELIVERY_UNKNOWN, 0, "%lld", (long long)id);
	STG_AUTO(stg_json_free_at) json_t *target = stg_store_target(c->store, stg_json_str(row, "target"), NULL, err);
	if (!target)
		return false;
	unsigned int code = id_of(row, stg_json_str(target, "state"));
	json_t *said = json_deep_copy(row);
	int64_t row_due = stg_json_int(row, "not_before_ms", 0), target_due = stg_json_int(target, "not_before_ms", 0);
	stg_json_put_int(said, "v", 1);
	stg_json_put(said, "target_state", stg_json_str(target, "state"));
	stg_json_put(said, "target_text", stg_json_str(target, "text"));
	if (code) {
		stg_json_put_int(said, "code", code);
		stg_json_put(said, "sentence", stg_id_sentence(code));
		stg_json_put(said, "act", stg_id_act(code));
	}
	if ((row_due || target_due) && strcmp(stg_json_str(row, "state"), "carried") != 0)
		/* those count from the start of this machine; a person has a clock on the wall */
		stg_json_put_int(said, "next_ms", (row_due > target_due ? row_due : target_due) - stg_boot_ms() + stg_wall_ms());
	*ret = said;
	return true;
}

const struct stg_op stg_ops_outbox[] = {
	{ "outbox.summary", STG_OP_STORE, summary },
	{ "outbox.list", STG_OP_STORE, list },
	{ "outbox.retry", STG_OP_STORE, retry },
	{ "outbox.drop", STG_OP_STORE, drop },
	{ "outbox.explain", STG_OP_STORE, explain },
	{ 0 },
};
