/*
 * _common.c - what several steps share: evidence, profiles as listed, supervision as re-read.
 *
 * For:    the other files of this room.
 * Uses:   the device door, the memory of the attach.
 * Called: by steps; stg_step_find() by everyone who has a step's name.
 * Thread: the worker's only one; stg_step_find() any.
 */
#include <stdlib.h>

#include <stager/registry.h>

#include <strings.h>

#include "steps.h"

const struct stg_step *stg_step_find(const char *name)
{
	for (const struct stg_step *const *s = stg_steps; name && *s; s++)
		if (strcmp((*s)->name, name) == 0)
			return *s;
	return NULL;
}

void step_acknowledged(struct stg_step_ctx *c, json_t *what)
{
	stg_json_put_new(c->evidence, "acknowledged", what);
}

void step_reread(struct stg_step_ctx *c, json_t *what)
{
	stg_json_put_new(c->evidence, "reread", what);
}

bool step_is_absent(const struct stg_error *err)
{
	return err->code == STG_E_UNSUPPORTED;
}

bool step_identify_again(struct stg_step_ctx *c, struct stg_error *err)
{
	struct stg_identity now = { 0 };
	if (!stg_device_identify(c->device, &now, err))
		return stg_while(err, "read who it is");
	if (!stg_identity_same(c->identity, &now))
		return stg_fail_id(err, STG_E_HOLD, STG_ID_OTHER_DEVICE, 0, "this attach is of unit %s, unit %s answers", c->identity->unit, now.unit);
	*c->identity = now;
	return true;
}

void step_note_supervised(struct stg_step_ctx *c, bool by_us)
{
	stg_json_put_bool(c->memory, "supervised_by_us", by_us);
}

bool step_supervised_by_us(struct stg_step_ctx *c, bool *ret, struct stg_error *err)
{
	const json_t *known = json_object_get(c->memory, "supervised_by_us");
	if (known) {
		*ret = json_is_true(known);
		return true;
	}
	STG_AUTO(stg_json_free_at) json_t *facts = stg_device_facts(c->device, err);
	if (!facts)
		return stg_while(err, "read supervision");
	*ret = stg_json_bool(facts, STG_FACT_SUPERVISED, false) && stg_json_bool(facts, STG_FACT_OURS, false);
	step_note_supervised(c, *ret);
	return true;
}

const json_t *step_profiles(struct stg_step_ctx *c, bool afresh, struct stg_error *err)
{
	const json_t *known = json_object_get(c->memory, "profiles");
	if (known && !afresh)
		return known;
	json_object_del(c->memory, "profiles");
	json_t *list = stg_device_list_profiles(c->device, err);
	if (!list) {
		stg_while(err, "list profiles");
		return NULL;
	}
	stg_json_put_new(c->memory, "profiles", list);
	return list;
}

const json_t *step_profile_in(const json_t *list, const char *identifier, const char *uuid, int64_t version)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *p = json_array_get(list, i);
		if (strcmp(stg_json_str(p, "identifier"), identifier) == 0 &&
		    (!*uuid || strcasecmp(stg_json_str(p, "uuid"), uuid) == 0) &&
		    (version == 0 || stg_json_int(p, "version", 1) == version))
			return p;
	}
	return NULL;
}

bool step_language_is(const char *asked, const char *shown)
{
	size_t len = strlen(asked);
	return strncasecmp(asked, shown, len) == 0 && strchr("-_@", shown[len]) != NULL;
}

bool step_needs_supervision(struct stg_step_ctx *c, struct stg_error *err)
{
	bool by_us = false;
	if (!step_supervised_by_us(c, &by_us, err))
		return false;
	if (by_us)
		return true;
	if (c->waits)
		return stg_fail_id(err, STG_E_WAITING, STG_ID_WAITS_SUPERVISION, 0, "goes on once the device is supervised");
	return stg_fail_id(err, STG_E_HOLD, STG_ID_NOT_SUPERVISED, 0, "needs a device supervised by us, this one is not");
}

bool step_version_at_least(const char *have, const char *least)
{
	while (*have || *least) {
		char *h = (char *)(uintptr_t)have, *l = (char *)(uintptr_t)least;
		long x = strtol(have, &h, 10), y = strtol(least, &l, 10);
		if (x != y)
			return x > y;
		have = *h == '.' ? h + 1 : "";
		least = *l == '.' ? l + 1 : "";
	}
	return true;
}

bool step_is_activated(struct stg_step_ctx *c, bool *ret, struct stg_error *err)
{
	char state[32] = "";
	*ret = true;
	if (stg_device_activation(c->device, state, err))
		*ret = strcmp(state, "Unactivated") != 0;
	else if (!step_is_absent(err))
		return stg_while(err, "activation state");
	stg_error_reset(err);
	return true;
}
