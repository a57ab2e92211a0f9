/*
 * pin.c - blueprints and profiles as they were when a batch or job began, kept once however many jobs use them.
 *
 * For:    batches and jobs.
 * Uses:   SQLite; a few parsed bodies stay in memory, because every job of a batch has the same ones and a set of profiles
 *         has hundreds of kilobytes (reading it cost 3 ms a job, writing its hash 2 ms: measured).
 * Called: batch.c, journal.c.
 * Thread: the one that has the store. The trees it gives are shared and must not be changed; jansson counts references
 *         atomically, so they may travel to other threads.
 */
#include <stdlib.h>

#include "db.h"

static struct pin_slot *oldest(struct stg_store *s)
{
	struct pin_slot *slot = &s->pins[0];
	for (size_t i = 1; i < PINS_KEPT; i++)
		if (s->pins[i].used < slot->used)
			slot = &s->pins[i];
	return slot;
}

static void remember(struct stg_store *s, const char *sha256, json_t *tree)
{
	struct pin_slot *slot = oldest(s);
	json_decref(slot->tree);
	slot->tree = json_incref(tree);
	slot->used = ++s->pin_clock;
	stg_copy(slot->sha256, sizeof(slot->sha256), sha256);
}

void pin_forget(struct stg_store *s)
{
	for (size_t i = 0; i < PINS_KEPT; i++) {
		json_decref(s->pins[i].tree);
		s->pins[i] = (struct pin_slot){ 0 };
	}
}

bool pin_put(struct stg_store *s, const json_t *body, char ret_sha256[65], struct stg_error *err)
{
	for (size_t i = 0; i < PINS_KEPT; i++) {
		/* the slot holds a reference: the same address is the same tree */
		if (s->pins[i].tree == body) {
			s->pins[i].used = ++s->pin_clock;
			stg_copy(ret_sha256, 65, s->pins[i].sha256);
			return true;
		}
	}
	char *text = stg_json_text(body);
	stg_sha256_hex(stg_bytes_str(text), ret_sha256);
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "INSERT INTO pin (sha256, body) VALUES (:sha256, :body) ON CONFLICT DO NOTHING");
	stmt_text(&q, ":sha256", ret_sha256);
	stmt_text(&q, ":body", text);
	free(text);
	if (!stmt_done(&q, err))
		return false;
	remember(s, ret_sha256, (json_t *)(uintptr_t)body);
	return true;
}

json_t *pin_get(struct stg_store *s, const char *sha256, struct stg_error *err)
{
	for (size_t i = 0; i < PINS_KEPT; i++) {
		if (s->pins[i].tree && strcmp(s->pins[i].sha256, sha256) == 0) {
			s->pins[i].used = ++s->pin_clock;
			return json_incref(s->pins[i].tree);
		}
	}
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT body FROM pin WHERE sha256 = :sha256");
	stmt_text(&q, ":sha256", sha256);
	if (!stmt_one(&q, STG_ID_DATABASE_DAMAGED, "a pinned blueprint is missing", err))
		return NULL;
	json_t *tree = col_json(&q, 0, err);
	if (tree)
		remember(s, sha256, tree);
	return tree;
}
