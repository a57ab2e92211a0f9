/*
 * escrow.c - unlock tokens on their way to the safe and back.
 *
 * For:    asks.c ("escrow", "unlock_token").
 * Uses:   stager/keys (seal, take), the recorder.
 * Called: on the main loop.
 * Thread: main loop, maker (sealing), recorder; each hand-over is a task.
 *
 * A token comes in clear from the worker, is sealed to the recovery key at once, and is answered only when it is on disk: a
 * device that has given a token nobody kept would be asked again, which voids it anyway. Out: only into the step that clears
 * the passcode, once, after the audit row is on disk.
 */
#include <stdlib.h>
#include <string.h>

#include "station_i.h"

#define TOKEN_MAX (64u << 10)
#define SEALED_MAX (128u << 10)

struct item {
	struct stg_station *station;
	uint64_t attach;
	unsigned int ref;
	int64_t job;
	json_t *ask, *answer;
	struct stg_identity who;
	struct stg_secret token;
	struct stg_buf sealed;
	char org[128], *recovery_pem, key_sha256[65];
};

static void item_free(struct item *i)
{
	json_decref(i->ask);
	json_decref(i->answer);
	stg_secret_clear(&i->token);
	stg_buf_clear(&i->sealed);
	free(i->recovery_pem);
	free(i);
}

static struct item *item_new(struct stg_station *s, const struct slot *slot, const json_t *m)
{
	struct item *i = stg_calloc(1, sizeof(*i));
	i->station = s;
	i->attach = slot->arrival.attach;
	i->ref = slot->worker->ref;
	i->job = slot->job;
	i->ask = json_incref((json_t *)(uintptr_t)m);
	i->who = slot->identity;
	i->sealed = STG_BUF(SEALED_MAX);
	const struct cache_org *org = slot_org(s, slot);
	if (org) {
		stg_copy(i->org, sizeof(i->org), stg_json_str(org->row, "name"));
		i->recovery_pem = stg_strdup(stg_json_str(org->row, "recovery_pem"));
		stg_copy(i->key_sha256, sizeof(i->key_sha256), stg_json_str(org->row, "recovery_sha256"));
	}
	return i;
}

static void answered(void *arg, bool ok, const struct stg_error *err)
{
	struct item *i = arg;
	struct slot *slot = slot_by_attach(i->station, i->attach);
	if (!ok)
		stg_log_error(STG_LOG_WARNING, &(struct stg_tag){ .room = "escrow", .job = i->job, .unit = i->who.serial }, err);
	if (slot && slot->worker && slot->worker->ref == i->ref)
		ask_answer(slot, i->ask, ok ? stg_steal(i->answer) : NULL, ok ? NULL : err);
	item_free(i);
}

static bool audit(struct stg_store *store, const struct item *i, const char *verb, const char *object, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *entry = json_pack("{s:s, s:s, s:s, s:I, s:s, s:s}", "actor", "station", "verb", verb, "object",
							     object, "job", (json_int_t)i->job, "unit", i->who.unit, "outcome", "done");
	return stg_store_audit(store, entry, err);
}

/* ---- in ---- */

static bool seal_run(struct stg_store *store, void *arg, struct stg_error *err)
{
	(void)store;
	struct item *i = arg;
	bool ok = stg_escrow_seal(i->recovery_pem, &i->who, &i->token, &i->sealed, err);
	stg_secret_clear(&i->token);
	return ok;
}

static bool keep_run(struct stg_store *store, void *arg, struct stg_error *err)
{
	struct item *i = arg;
	char hash[65];
	int64_t id = 0;
	STG_AUTO(stg_json_free_at) json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "family", i->who.family, "unit", i->who.unit,
		"serial", i->who.serial, "kind", "unlock_token", "org", i->org, "key_sha256", i->key_sha256, "job", (json_int_t)i->job);
	if (!stg_store_escrow_add(store, row, stg_buf_view(&i->sealed), &id, err) || !audit(store, i, "escrow.keep", i->key_sha256, err))
		return false;
	stg_sha256_hex(stg_buf_view(&i->sealed), hash);
	i->answer = json_pack("{s:{s:s, s:I, s:s}}", "receipt", "key_sha256", i->key_sha256, "escrow", (json_int_t)id, "sealed_sha256", hash);
	return true;
}

static void sealed(void *arg, bool ok, const struct stg_error *err)
{
	struct item *i = arg;
	if (ok)
		queue_post(i->station->recorder, keep_run, answered, i);
	else
		answered(i, false, err);
}

static bool begin_escrow(struct item *i, const json_t *m, struct stg_error *err)
{
	const char *text = stg_json_str(m, "token");
	STG_AUTO(stg_buf_clear) struct stg_buf plain = STG_BUF(TOKEN_MAX);
	if (!i->recovery_pem || !*i->recovery_pem)
		return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_NO_RECOVERY_KEY, 0, "organisation %s", i->org);
	if (!*text) {
		i->answer = json_pack("{s:{s:s}}", "receipt", "key_sha256", i->key_sha256);
		return true;
	}
	return stg_unbase64(text, &plain, err) && stg_secret_set(&i->token, stg_buf_view(&plain), err);
}

/* ---- out ---- */

static bool spend_run(struct stg_store *store, void *arg, struct stg_error *err)
{
	struct item *i = arg;
	/* taken before it is noted: an audit row that cannot be written costs a second opening, never a use without a row */
	return stg_escrow_take(i->who.family, i->who.unit, &i->token, err) && audit(store, i, "unlock.use", "unlock_token", err);
}

static void spent(void *arg, bool ok, const struct stg_error *err)
{
	struct item *i = arg;
	struct stg_error why = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(TOKEN_MAX * 2);
	if (ok && stg_base64(stg_secret_reveal(&i->token), &text, &why))
		i->answer = json_pack("{s:s}", "token", stg_buf_str(&text));
	answered(i, i->answer != NULL, ok ? &why : err);
}

static bool step_is(const struct slot *slot, const char *name)
{
	return slot->state == SLOT_STEPS && slot->worker->what && strcmp(slot->worker->what->name, name) == 0;
}

void escrow_ask(struct stg_station *s, struct slot *slot, const json_t *m)
{
	const char *what = stg_json_str(m, "what");
	struct stg_error err = { 0 };
	struct item *i = item_new(s, slot, m);
	if (strcmp(what, "escrow") == 0 && step_is(slot, "escrow_unlock_token")) {
		if (begin_escrow(i, m, &err)) {
			if (stg_secret_is_set(&i->token))
				queue_post_first(s->maker, seal_run, sealed, i);
			else
				answered(i, true, NULL);
			return;
		}
	} else if (strcmp(what, "unlock_token") == 0 && step_is(slot, "clear_passcode")) {
		queue_post(s->recorder, spend_run, spent, i);
		return;
	} else {
		stg_fail(&err, STG_E_REFUSED, 0, "a worker may not ask for '%s' now", what);
	}
	answered(i, false, &err);
}
