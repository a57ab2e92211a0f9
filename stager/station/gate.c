/*
 * gate.c - the erase gate: every condition, each with its own sentence.
 *
 * For:    the one place that lets an erase be sent.
 * Uses:   identities only; what is on disk (order, token) is brought here as facts.
 * Called: asks.c when a worker asks for its token; tests/station/test_gate.c a million times.
 * Thread: any; no state.
 */
#include <string.h>
#include <strings.h>

#include <stager/error.h>

#include "gate.h"

static bool no(struct stg_error *err, enum stg_id id, const char *why)
{
	return stg_fail_id(err, STG_E_SAFETY, id, 0, "erase refused: %s", why);
}

/* One person under two names would be no second person; who ordered must be known for that to be told. */
static bool is_another(const char *person, const char *ordered_by)
{
	return person && *person && ordered_by && *ordered_by && strcasecmp(person, ordered_by) != 0;
}

/* NULL: it stands in for the second person. */
static const char *against(const struct gate_exception *e, const struct gate_facts *f)
{
	if (!e || !e->names_it)
		return "nobody agreed, and no exception names it";
	if (!is_another(e->signed_by, f->ordered_by))
		return "who signed the exception is who ordered the erase";
	if (e->withdrawn)
		return "the exception was withdrawn";
	if (f->now_ms >= e->until_ms)
		return "the hour of the exception has passed";
	if (e->used_for_it)
		return "the exception was used for this device";
	return e->left > 0 ? NULL : "the exception is used up";
}

bool gate_opens(const struct gate_facts *f, struct stg_error *err)
{
	if (!f->erasing_allowed_here)
		return no(err, STG_ID_ERASE_SWITCHED_OFF, "this station was started with STAGER_NO_ERASE");
	if (!f->blueprint_erases)
		return no(err, STG_ID_ERASE_NOT_IN_BLUEPRINT, "the job's blueprint has no erase step here");
	if (!f->ownership || strcmp(f->ownership, "pool") != 0)
		return no(err, STG_ID_ERASE_NOT_POOL, "its ownership is not 'pool'");
	if (!f->batch_started)
		return no(err, STG_ID_ERASE_NOT_IN_BATCH, "it is in no started batch");
	if (!f->port_allowed)
		return no(err, STG_ID_ERASE_PORT, "its port is not allowed");
	if (!f->ordered)
		return no(err, STG_ID_ERASE_NOT_CONFIRMED, "nobody has typed its count or serial");
	if (f->second_needed && !is_another(f->second, f->ordered_by) && against(f->exception, f))
		return no(err, STG_ID_ERASE_SECOND, against(f->exception, f));
	if (!f->present || f->job_attach == 0 || f->job_attach != f->attach)
		return no(err, STG_ID_ERASE_OTHER_ATTACH, "it was plugged in again since");
	if (!f->read_now || !f->job_identity || !f->read_now->serial[0] || !f->read_now->udid[0] ||
	    !stg_identity_same(f->job_identity, f->read_now))
		return no(err, STG_ID_ERASE_OTHER_DEVICE, "what was re-read is not the device of this job");
	if (f->attached_as_this != 1)
		return no(err, STG_ID_ERASE_TWO_ALIKE, "two attached devices say they are this one");
	if (f->token_spent)
		return no(err, STG_ID_ERASE_TOKEN_SPENT, "this attach has used its one permission");
	return true;
}
