/*
 * site.h - a real inventory with results in it, a target, and a receiver that misbehaves as told. A "round" is what the
 * push thread does.
 */
#ifndef TESTS_PUSH_SITE_H
#define TESTS_PUSH_SITE_H

#include <signal.h>

#include "../store/store_lib.h"
#include "server.h"

#include <stager/file.h>
#include <stager/push.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"

#define SECRET "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

struct site {
	struct state st;
	struct server *server;
	struct stg_push_door door;
	json_t *credentials;        /* "" as JSON text per target would hide nothing here: one for all */
	int settle_fails;
	int phones;
};

/* ---- the door, as the station opens it ---- */

static json_t *targets(void *ctx, struct stg_error *err)
{
	return stg_store_targets(((struct site *)ctx)->st.s, err);
}

static bool credentials(void *ctx, const char *target, struct stg_secret *ret, struct stg_error *err)
{
	struct site *s = ctx;
	(void)target;
	if (!s->credentials)
		return true;
	STG_AUTO(stg_free_at) char *text = stg_json_text(s->credentials);
	return stg_secret_set(ret, stg_bytes_str(text), err);
}

static json_t *take(void *ctx, const char *target, int64_t most, struct stg_error *err)
{
	return stg_store_outbox_take(((struct site *)ctx)->st.s, target, most, stg_boot_ms(), err);
}

static bool settle(void *ctx, int64_t id, const char *state, int64_t not_before_ms, const json_t *answer, struct stg_error *err)
{
	struct site *s = ctx;
	if (s->settle_fails > 0) {
		s->settle_fails--;
		return stg_fail(err, STG_E_IO, 0, "disk full");
	}
	return stg_store_outbox_settle(s->st.s, id, state, not_before_ms, answer, err);
}

static bool settle_many(void *ctx, const json_t *outcomes, struct stg_error *err)
{
	struct site *s = ctx;
	if (s->settle_fails > 0)
		return stg_fail(err, STG_E_IO, 0, "disk full");
	return stg_store_outbox_settle_many(s->st.s, outcomes, err);
}

static bool note(void *ctx, const char *target, const char *state, int64_t not_before_ms, const char *text, struct stg_error *err)
{
	return stg_store_target_note(((struct site *)ctx)->st.s, target, state, not_before_ms, text, err);
}

/* ---- the scene ---- */

static struct site *site_start(enum stg_store_kind kind)
{
	struct site *s = stg_calloc(1, sizeof(*s));
	state_open_kind(&s->st, kind);
	s->server = server_start(NULL, NULL);
	s->credentials = json_pack("{s:s}", "secret", SECRET);
	s->door = (struct stg_push_door){ .ctx = s, .targets = targets, .credentials = credentials, .take = take, .settle = settle, .settle_many = settle_many, .note = note,
					  .rehearsal = kind == STG_STORE_REHEARSAL, .state_dir = s->st.dir };
	return s;
}

static void site_stop(struct site **sp)
{
	struct site *s = *sp;
	server_stop_at(&s->server);
	json_decref(s->credentials);
	state_remove(&s->st);
	free(s);
}

/* Names are unique in this program: the pace of a target is kept by name. */
static const char *target_add(struct site *s, const char *connector, json_t *config)
{
	static char name[32];
	static int n;
	snprintf(name, sizeof(name), "t%d", ++n);
	json_t *target = json_pack("{s:s,s:s,s:o}", "name", name, "connector", connector, "config", config);
	OK(stg_store_target_put(s->st.s, target, stg_bytes(NULL, 0), err));
	json_decref(target);
	return name;
}

static const char *webhook_add(struct site *s)
{
	char url[64];
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/hook", s->server->port);
	return target_add(s, "webhook", json_pack("{s:s}", "url", url));
}

static void stage(struct site *s, int count)
{
	for (int i = 0; i < count; i++) {
		struct stg_identity who = phone(++s->phones);
		int64_t job = job_for(s->st.s, &who, NULL, 0);
		run_steps(s->st.s, job);
		OK(stg_store_job_finish(s->st.s, job, STG_JOB_DONE, STG_END_STAGED, NULL, &who, NULL, NULL, err));
	}
}

/* One round as if every wait was over. */
static int64_t round_now(struct site *s)
{
	int64_t delivered = 0, next = 0;
	struct stg_push_door door = s->door;
	door.at_once = true;
	OK(stg_push_round(&door, NULL, NULL, &delivered, &next, err));
	return delivered;
}

static int64_t in_state(struct site *s, const char *state)
{
	STG_AUTO(stg_json_free_at) json_t *filter = json_pack("{s:s}", "state", state);
	STG_AUTO(stg_json_free_at) json_t *rows = NULL;
	OK((rows = stg_store_outbox(s->st.s, filter, err)) != NULL);
	return (int64_t)json_array_size(rows);
}

static const char *state_of(struct site *s, const char *target)
{
	static char state[32];
	STG_AUTO(stg_json_free_at) json_t *row = NULL;
	OK((row = stg_store_target(s->st.s, target, NULL, err)) != NULL);
	stg_copy(state, sizeof(state), stg_json_str(row, "state"));
	return state;
}

/* Everything at the receiver once, nothing left, no id with two bodies. */
static void all_once(struct site *s, int expected)
{
	assert_int_equal(in_state(s, "delivered"), expected);
	assert_int_equal(in_state(s, "queued") + in_state(s, "sending") + in_state(s, "in_doubt"), 0);
	assert_int_equal(s->server->applied, expected);
	assert_int_equal(s->server->conflicts, 0);
}

#pragma GCC diagnostic pop
#endif
