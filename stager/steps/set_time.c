/*
 * set_time.c - the device's clock, zone, language and region. Before any certificate: a wrong clock rejects them.
 *
 * For:    devices out of the box and after an erase, whose clock may be years off.
 * Uses:   the device door; clock, zone, language and region are read again.
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

/* What this step wants and the device shows otherwise: the names go into `seen`. */
static bool settings_hold(struct stg_step_ctx *c, const json_t *now, json_t *seen)
{
	static const struct { const char *param, *fact; } wanted[] = {
		{ "zone", STG_FACT_TIME_ZONE }, { "language", STG_FACT_LANGUAGE }, { "locale", STG_FACT_LOCALE },
	};
	bool hold = true;
	for (size_t i = 0; i < STG_ARRAY_LEN(wanted); i++) {
		const char *asked = stg_json_str(c->params, wanted[i].param), *shown = stg_json_str(now, wanted[i].fact);
		if (!*asked)
			continue;
		stg_json_put(seen, wanted[i].fact, shown);
		if (i == 0 ? strcmp(asked, shown) == 0 : step_language_is(asked, shown))
			continue;
		/* past the Setup Assistant a device keeps its own zone, and finds the right one by itself */
		if (i == 0 && stg_json_bool(c->facts, STG_FACT_SETUP_DONE, false))
			continue;
		hold = false;
	}
	return hold;
}

static bool settings_are_right(struct stg_step_ctx *c, json_t *seen, bool *ret, struct stg_error *err)
{
	struct stg_error why = { 0 };
	*ret = true;
	if (!wants_more(c))
		return true;
	STG_AUTO(stg_json_free_at) json_t *now = stg_device_settings(c->device, &why);
	if (now) {
		*ret = settings_hold(c, now, seen);
	} else if (step_is_absent(&why)) {
		/* a family that does not tell: set once, by this job */
		*ret = c->ran || c->proven_before;
	} else {
		if (err)
			*err = why;
		return stg_while(err, "read its settings");
	}
	return true;
}

static bool proven(struct stg_step_ctx *c, bool *ret, struct stg_error *err)
{
	int64_t now_ms = 0;
	bool right = false;
	STG_AUTO(stg_json_free_at) json_t *seen = json_object();
	*ret = false;
	if (!stg_device_get_time(c->device, &now_ms, err))
		return stg_while(err, "read its clock");
	if (!settings_are_right(c, seen, &right, err))
		return false;
	int64_t off_ms = now_ms - stg_wall_ms();
	*ret = right && llabs(off_ms) <= CLOSE_ENOUGH_MS;
	char text[STG_TIME_TEXT];
	stg_time_text(now_ms, text);
	stg_json_put(seen, "time", text);
	stg_json_put_int(seen, "off_by_ms", off_ms);
	step_reread(c, stg_steal(seen));
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
