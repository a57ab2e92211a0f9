/*
 * wave.h - a heap of devices taken through the bench in waves, and the person who stands there.
 *
 * A wave is plugged in; when nothing goes on by itself any more, the person does something about each device that does not lie
 * where it belongs, and looks again. Include it after look.h; a test says what "where it belongs" means.
 */
#ifndef TESTS_WAVE_H
#define TESTS_WAVE_H

#include "look.h"

#define IDLE_ROUNDS 500

struct wave {
	size_t first, end;              /* of journey's devices */
	/* Is device i where it belongs? `row` is its row of the batch, `slot` its place on the board; either may be NULL. */
	bool (*lies_well)(struct journey *j, size_t i, const json_t *row, const json_t *slot, void *ctx);
	/* What the person does with it otherwise. False: nothing, the device has its answer and the station has yet to notice it. */
	bool (*hand)(struct journey *j, size_t i, const json_t *row, const json_t *slot, void *ctx);
	void *ctx;
	/* as last looked at */
	size_t open;                    /* not where they belong */
	bool wants_hand;                /* and nothing goes on by itself with any of them */
	char stuck[200];
	json_t *rows, *slots;           /* by serial; by UDID in capitals */
};

static inline void wave_clear(struct wave *w)
{
	json_decref(w->rows);
	json_decref(w->slots);
	w->rows = w->slots = NULL;
}

static inline void wave_udid(const char *udid, char ret[64])
{
	stg_copy(ret, 64, udid);
	for (char *c = ret; *c; c++)
		*c = (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
}

static inline bool wave_works(const char *word)
{
	static const char *const words[] = { "working", "looking", "queued", "listed" };
	for (size_t i = 0; i < STG_ARRAY_LEN(words); i++)
		if (strcmp(word, words[i]) == 0)
			return true;
	return false;
}

static inline void wave_look(struct journey *j, struct wave *w)
{
	STG_AUTO(stg_json_free_at) json_t *batch = journey_op(j, "batch.show", json_pack("{s:s}", "name", BATCH), NULL);
	STG_AUTO(stg_json_free_at) json_t *slots = journey_op(j, "devices", json_object(), NULL);
	size_t i;
	json_t *one;
	char udid[64];
	wave_clear(w);
	w->rows = json_object();
	w->slots = json_object();
	json_array_foreach(json_object_get(batch, "rows"), i, one)
		json_object_set(w->rows, stg_json_str(one, "serial"), one);
	json_array_foreach(slots, i, one) {
		wave_udid(stg_json_str(one, "udid"), udid);
		if (*udid)
			json_object_set(w->slots, udid, one);
	}
	w->open = 0;
	w->wants_hand = true;
	for (i = w->first; i < w->end; i++) {
		wave_udid(look_udid(j, i), udid);
		const json_t *row = json_object_get(w->rows, journey_serial(j, i)), *slot = json_object_get(w->slots, udid);
		if (w->lies_well(j, i, row, slot, w->ctx))
			continue;
		w->open++;
		/* one that is not plugged in waits for a hand, and the order says so of it */
		if (slot && wave_works(stg_json_str(slot, "state"))) {
			w->wants_hand = false;
			snprintf(w->stuck, sizeof(w->stuck), "%s: %s, %s", journey_serial(j, i), stg_json_str(slot, "state"), stg_json_str(row, "end"));
		}
	}
}

static inline bool wave_rests(struct journey *j, void *ctx)
{
	struct wave *w = ctx;
	wave_look(j, w);
	return w->open == 0 || w->wants_hand;
}

/* Was there anything to do? */
static inline bool wave_hands(struct journey *j, struct wave *w)
{
	bool any = false;
	char udid[64];
	for (size_t i = w->first; i < w->end; i++) {
		wave_udid(look_udid(j, i), udid);
		const json_t *row = json_object_get(w->rows, journey_serial(j, i)), *slot = json_object_get(w->slots, udid);
		if (!w->lies_well(j, i, row, slot, w->ctx))
			any = w->hand(j, i, row, slot, w->ctx) || any;
	}
	return any;
}

/* Plugs in the wave and stands beside it, taking a hand to it at most `rounds` times. False: some do not lie where they belong
 * (w->open of them); the test fails when one neither goes on nor says what it wants. What is done stays plugged in. */
static inline bool wave_go(struct journey *j, struct wave *w, int rounds)
{
	int idle = 0;
	for (size_t i = w->first; i < w->end; i++)
		journey_tell(j, "plug", journey_serial(j, i), NULL, NULL);
	for (;;) {
		w->stuck[0] = 0;
		if (!look_until(j, wave_rests, w, LOOK_MS))
			fail_msg("stuck: %s (kept in %s)", w->stuck, j->dir);
		if (!w->open)
			return true;
		/* a pulled one is on its way back: only what still stands still a moment later is a person's */
		journey_let_pass(j, 4, 400);
		wave_look(j, w);
		if (!w->open || !w->wants_hand)
			continue;
		if (rounds == 0)
			return false;
		/* what failed is taken up again, all at once */
		STG_AUTO(stg_json_free_at) json_t *again = json_pack("{s:s, s:s, s:s}", "batch", BATCH, "state", "failed", "why", "another try");
		(void)stg_call(&j->caller, "job.retry", again, NULL, 0, NULL, NULL);
		if (wave_hands(j, w)) {
			rounds--;
			idle = 0;
		} else if (++idle == IDLE_ROUNDS) {
			fail_msg("%zu are answered, and the station does not notice (kept in %s)", w->open, j->dir);
		}
	}
}

static inline void wave_away(struct journey *j, struct wave *w)
{
	for (size_t i = w->first; i < w->end; i++)
		journey_tell(j, "unplug", journey_serial(j, i), NULL, NULL);
	wave_clear(w);
}

static inline void wave_erase_order(struct journey *j, const char *serial)
{
	json_decref(journey_op(j, "wipe.order", json_pack("{s:[{s:s, s:s}]}", "serials", "serial", serial, "confirm", serial + strlen(serial) - 4), NULL));
}

/* Nobody knows whether the word to erase arrived: it is never sent again by itself. A person looks, and if the device is not empty
 * orders it once more; an empty one is plugged in again, and the station reads for itself. */
static inline void wave_erase_anew(struct journey *j, const char *serial)
{
	STG_AUTO(stg_json_free_at) json_t *d = look_device(j, serial);
	if (stg_json_int(d, "generation", -1) > 0)
		return;
	json_decref(journey_op(j, "job.cancel", json_pack("{s:s, s:s}", "serial", serial, "why", "not empty"), NULL));
	wave_erase_order(j, serial);
}

/* Each serial once as staged at the receiver, no record twice; how many serials. */
static inline size_t wave_told_once(struct journey *j)
{
	STG_AUTO(stg_json_free_at) json_t *finals = json_object(), *ids = json_object();
	for (int64_t from = 0;;) {
		char text[24];
		snprintf(text, sizeof(text), "%lld", (long long)from);
		STG_AUTO(stg_json_free_at) json_t *all = journey_word(j, "receiver", "records", text, NULL);
		const json_t *records = json_object_get(all, "records");
		size_t n = json_array_size(records);
		for (size_t i = 0; i < n; i++) {
			const json_t *one = json_array_get(records, i);
			const json_t *data = json_object_get(json_object_get(one, "body"), "data");
			const char *serial = stg_json_str(json_object_get(data, "device"), "serial"), *id = stg_json_str(one, "id");
			if (json_object_get(ids, id))
				fail_msg("record %s came twice", id);
			json_object_set_new(ids, id, json_true());
			if (strcmp(stg_json_str(data, "outcome"), "staged") != 0)
				continue;
			if (json_object_get(finals, serial))
				fail_msg("%s was told as staged twice", serial);
			json_object_set_new(finals, serial, json_true());
		}
		if (n == 0)
			return json_object_size(finals);
		from += (int64_t)n;
	}
}

#endif
