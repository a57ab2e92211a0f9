/*
 * set_time.c - the device's clock, zone, language and region. Before any certificate: a wrong clock rejects them.
 *
 * For:    devices out of the box and after an erase, whose clock may be years off.
 * Uses:   the device door. The zone cannot be read back; the clock is.
 * Called: worker/run.c.
 * Thread: the worker's only one.
 */
#include <stdlib.h>

#include "steps.h"

enum { CLOSE_ENOUGH_MS = 120000 };

static const struct stg_param params[] = {
	{ "zone", STG_PARAM_STRING, .variables = true, .about = "such as Europe/Paris" },
	{ "language", STG_PARAM_STRING, .variables = true, .about = "such as fr" },
	{ "locale", STG_PARAM_STRING, .variables = true, .about = "such as fr_FR" },
	{ 0 },
};

static bool wants_more(const struct stg_step_ctx *c)
{
	return *stg_json_str(c->params, "zone") || *stg_json_str(c->params, "language") ||
	       *stg_json_str(c->params, "locale");
}

static bool proven(struct stg_step_ctx *c, bool *ret, struct stg_error *err)
{
	int64_t now_ms = 0;
	*ret = false;
	/* zone and language show nowhere: they are set once, by this job */
	if (wants_more(c) && !c->ran && !c->proven_before)
		return true;
	if (!stg_device_get_time(c->device, &now_ms, err))
		return stg_while(err, "read its clock");
	int64_t off_ms = now_ms - stg_wall_ms();
	*ret = llabs(off_ms) <= CLOSE_ENOUGH_MS;
	char text[STG_TIME_TEXT];
	stg_time_text(now_ms, text);
	json_t *seen = json_object();
	stg_json_put(seen, "time", text);
	stg_json_put_int(seen, "off_by_ms", off_ms);
	step_reread(c, seen);
	return true;
}

static bool run(struct stg_step_ctx *c, struct stg_error *err)
{
	const char *zone = stg_json_str(c->params, "zone"), *language = stg_json_str(c->params, "language");
	const char *locale = stg_json_str(c->params, "locale");
	int64_t before_ms = 0;
	json_t *ack = json_object();
	if (stg_device_get_time(c->device, &before_ms, err))
		stg_json_put_int(ack, "was_off_by_ms", before_ms - stg_wall_ms());
	stg_error_reset(err);
	step_acknowledged(c, ack);
	if (!stg_device_set_time(c->device, stg_wall_ms(), *zone ? zone : NULL, err))
		return false;
	if (!*language && !*locale)
		return true;
	return stg_device_set_language(c->device, *language ? language : NULL, *locale ? locale : NULL, err) ||
	       stg_while(err, "set language");
}

const struct stg_step stg_step_set_time = {
	.name = "set_time",
	.about = "sets the device's clock, zone, language and region",
	.params = params,
	.deadline_ms = 60000,
	.needs_trust = true,
	.proven = proven,
	.run = run,
};
