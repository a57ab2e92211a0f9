/*
 * intake_check.c - before a returned phone is erased: whose is it, who is signed in, who manages it, what was decided about its data?
 *
 * For:    the leaver's phone. Every question is answered in the evidence, also those that do not stop it; "unknown" is an answer.
 * Uses:   facts of the device, and what inventory, order and people have said (host->origin).
 * Called: worker/run.c.
 * Thread: the worker's only one. Reads only.
 *
 * Facts:  Find My is readable only once the device trusts us, and says "off" in the Setup Assistant whatever the truth (apple.md 3.5).
 *         An Activation Lock shows only when the device is activated (5.1): before, what is known is whether it would be locked.
 */
#include <stdio.h>

#include "steps.h"

static const struct stg_param params[] = {
	{ "backup", STG_PARAM_ENUM, .values = "required note", .about = "required (default): somebody has decided about the data; note: only written down" },
	{ "foreign", STG_PARAM_ENUM, .values = "hold two_persons", .about = "managed by somebody else: hold (default), or two_persons agree to the erase" },
	{ "unknown", STG_PARAM_ENUM, .values = "go_on hold", .about = "what cannot be read: go_on (default) and note it, or hold" },
	{ 0 },
};

struct looking {
	struct stg_step_ctx *c;
	json_t *checks;
	enum stg_id stop;               /* of the first that stops it */
	char why[160];
};

/* One question: verdict "good", "bad" or "unknown"; id: what a person reads and does about it, 0 when good. */
static void answer(struct looking *l, const char *check, const char *verdict, bool stops, enum stg_id id, const char *seen)
{
	json_t *one = json_object();
	stg_json_put(one, "check", check);
	stg_json_put(one, "verdict", verdict);
	stg_json_put(one, "seen", seen);
	if (id)
		stg_json_put_int(one, "code", (int64_t)id);
	stg_json_put_bool(one, "stops", stops);
	json_array_append_new(l->checks, one);
	if (stops && !l->stop) {
		l->stop = id;
		snprintf(l->why, sizeof(l->why), "%s: %s", check, seen);
	}
}

static bool holds_unknown(const struct looking *l)
{
	return strcmp(stg_json_str(l->c->params, "unknown"), "hold") == 0;
}

static void unread(struct looking *l, const char *check, const char *seen)
{
	answer(l, check, "unknown", holds_unknown(l), STG_ID_INTAKE_UNREAD, seen);
}

static void check_pool(struct looking *l, const json_t *origin)
{
	const char *owner = stg_json_str(origin, "ownership");
	if (strcmp(owner, "pool") == 0)
		answer(l, "pool", "good", false, STG_ID_NONE, stg_json_str_or(origin, "batch", "inventory"));
	else if (strcmp(owner, "personal") == 0)
		answer(l, "pool", "bad", true, STG_ID_WRONG_OWNERSHIP, "personal");
	else
		answer(l, "pool", "unknown", true, STG_ID_POOL_UNKNOWN, "nobody says whose it is");
	bool known = stg_json_bool(origin, "known", false);
	answer(l, "inventory", known ? "good" : "unknown", false, known ? STG_ID_NONE : STG_ID_INTAKE_STRANGER,
	       known ? stg_json_str_or(origin, "asset_tag", "staged here before") : "no asset tag, never staged here");
}

static void check_account(struct looking *l, const json_t *origin)
{
	const json_t *f = l->c->facts, *find_my = json_object_get(f, STG_FACT_FIND_MY);
	bool on = json_is_true(find_my), in_setup = json_is_false(json_object_get(f, STG_FACT_SETUP_DONE));
	if (on)
		answer(l, "find_my", "bad", true, STG_ID_FIND_MY_ON, "somebody is signed in");
	else if (!find_my || in_setup)
		unread(l, "find_my", in_setup ? "in the Setup Assistant it always says no" : "it does not say");
	else
		answer(l, "find_my", "good", false, STG_ID_NONE, "off");
	if (stg_json_int(origin, "locked_ms", 0))
		answer(l, "activation_lock", "bad", true, STG_ID_ACTIVATION_LOCKED, "found locked at its last activation");
	else if (on)
		answer(l, "activation_lock", "bad", true, STG_ID_FIND_MY_ON, "it would be locked after the erase");
	else if (!find_my || in_setup)
		unread(l, "activation_lock", "shows only when it is activated");
	else
		answer(l, "activation_lock", "good", false, STG_ID_NONE, "none to be expected");
}

static void check_manager(struct looking *l)
{
	const json_t *f = l->c->facts, *supervised = json_object_get(f, STG_FACT_SUPERVISED);
	char seen[120];
	snprintf(seen, sizeof(seen), "%.100s", stg_json_str_or(f, STG_FACT_SUPERVISED_BY, "an organisation it does not name"));
	bool two = strcmp(stg_json_str(l->c->params, "foreign"), "two_persons") == 0;
	if (!json_is_boolean(supervised))
		unread(l, "managed", "it does not say");
	else if (json_is_false(supervised) && !stg_json_bool(f, STG_FACT_MDM_CONFIGURED, false))
		answer(l, "managed", "good", false, STG_ID_NONE, "by nobody");
	else if (stg_json_bool(f, STG_FACT_OURS, false))
		answer(l, "managed", "good", false, STG_ID_NONE, "by us");
	else
		answer(l, "managed", "bad", !two, STG_ID_SUPERVISED_BY_OTHER, seen);
}

static void check_backup(struct looking *l, const json_t *origin)
{
	const json_t *said = json_object_get(origin, "backup");
	const char *what = stg_json_str(said, "answer");
	bool required = strcmp(stg_json_str(l->c->params, "backup"), "note") != 0;
	char seen[120];
	snprintf(seen, sizeof(seen), "%.20s, by %.80s", what, stg_json_str_or(said, "by", "?"));
	if (strcmp(what, "none") == 0 || strcmp(what, "done") == 0)
		answer(l, "backup", "good", false, STG_ID_NONE, seen);
	else if (strcmp(what, "wanted") == 0)
		answer(l, "backup", "bad", true, STG_ID_BACKUP_WANTED, seen);   /* a copy somebody asked for is never wiped away */
	else
		answer(l, "backup", "unknown", required, STG_ID_BACKUP_UNDECIDED, "nobody has decided");
}

static bool look(struct stg_step_ctx *c, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *origin = NULL;
	if (!c->host->origin || !c->host->origin(c->host->ctx, &origin, err))
		return c->host->origin ? false : stg_fail(err, STG_E_BUG, 0, "this station does not say where devices come from");
	struct looking l = { .c = c, .checks = json_array() };
	check_pool(&l, origin);
	check_account(&l, origin);
	check_manager(&l);
	check_backup(&l, origin);
	step_reread(c, json_pack("{s:o, s:b}", "checks", l.checks, "may_be_erased", !l.stop));
	return !l.stop || stg_fail_id(err, STG_E_HOLD, l.stop, 0, "%s", l.why);
}

/* Reading is the whole step: when nothing speaks against it, nothing needs to begin. */
static bool proven(struct stg_step_ctx *c, bool *ret, struct stg_error *err)
{
	struct stg_error why = { 0 };
	*ret = look(c, &why);
	if (!*ret && why.code != STG_E_HOLD)
		return *err = why, false;
	return true;
}

const struct stg_step stg_step_intake_check = {
	.name = "intake_check",
	.about = "a returned device: whose it is, who is signed in, who manages it, what was decided about its data",
	.params = params,
	.deadline_ms = 60000,
	.gate = true,
	.reads_facts = true,
	.proven = proven,
	.run = look,
};
