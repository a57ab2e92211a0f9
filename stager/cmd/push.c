/*
 * push.c - sends what waits, now.
 *
 * For:    people who do not want to wait for the next attempt.
 * Uses:   op "push.now" of a running station.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <string.h>

#include <stager/clock.h>
#include <stager/text.h>

#include "_child.h"
#include "_table.h"

#define PUSH_MS 60000

struct pushing {
	struct stg_caller *caller;
	int64_t until_ms;
	json_t *last;
};

/* Until nothing waits that could go now, or a minute has passed. */
static bool each(void *ctx, const json_t *event)
{
	struct pushing *p = ctx;
	json_t *sum = NULL;
	(void)event;
	if (!stg_call(p->caller, "outbox.summary", NULL, NULL, 0, &sum, NULL))
		return false;
	json_decref(p->last);
	p->last = sum;
	size_t i;
	json_t *t;
	bool stuck = true;
	json_array_foreach(json_object_get(sum, "by_target"), i, t)
		if (stg_json_int(t, "waiting", 0) && !*stg_json_str(t, "state"))
			stuck = false;
	return stg_json_int(sum, "waiting", 0) > 0 && !stuck && stg_boot_ms() < p->until_ms;
}

static int run(struct stg_cmd_ctx *c)
{
	static const struct column columns[] = {
		{ "name", N_("target"), COLUMN_TEXT }, { "delivered", N_("delivered"), COLUMN_TEXT }, { "waiting", N_("waiting"), COLUMN_TEXT },
		{ "rejected", N_("rejected"), COLUMN_TEXT }, { "in_doubt", N_("in doubt"), COLUMN_TEXT }, { "state", N_("state"), COLUMN_TEXT },
		{ "text", N_("detail"), COLUMN_DETAIL }, { 0 },
	};
	struct stg_error err = { 0 };
	struct child station;
	int status = 0;
	STG_AUTO(stg_json_free_at) json_t *in = json_object();
	for (int i = 1; i < c->argc; i++) {
		if (strcmp(c->argv[i], "--target") == 0 && i + 1 < c->argc)
			stg_json_put(in, "target", c->argv[++i]);
		else {
			fprintf(stderr, _("stager push: it takes nothing but --target T\n"));
			return 2;
		}
	}
	struct stg_caller *caller = stg_cmd_caller(c, &status);
	if (!caller)
		return status;
	if (!station_needed(caller, &station, &err))
		return stg_cmd_tell(c, &err);
	struct pushing p = { .caller = caller, .until_ms = stg_boot_ms() + PUSH_MS };
	if (!stg_call(caller, "push.now", in, NULL, 0, NULL, &err) || !stg_events(caller, each, &p, NULL, &err))
		status = stg_cmd_tell(c, &err);
	else if (p.last)
		table_print(c, json_object_get(p.last, "by_target"), columns, NULL);
	if (!status && stg_json_int(p.last, "waiting", 0) > 0)
		status = 6;
	json_decref(p.last);
	station_release(caller, &station);
	return status;
}

const struct stg_cmd stg_cmd_push = {
	.name = "push",
	.usage = N_("stager push [--target T]\n"
		    "    exit status 6: something still waits"),
	.about = N_("sends what waits in the outbox, now"),
	.run = run,
};
