/*
 * restore.c - a restore or an update of firmware: may it begin, and how did it end?
 *
 * For:    cmd/restore.c, which runs the program between the two.
 * Uses:   the erase gate, the journal, the catalogue of images.
 * Called: as operations.
 * Thread: the recorder's.
 *
 * A restore is an erase: the same gate, the same order, the same two persons, spent in the same way. What the gate hears of the bus
 * (present, port, how many say they are this one) the station has just said in "devices"; the program is told the ECID, so that
 * whatever is swapped meanwhile, no other device can be hit. An update keeps the data and asks no gate.
 *
 *   restore.begin  {"slot":{ecid,serial,udid,mode,attach,port,label}, "alike":n, "port_allowed":bool, "update":bool, "image":WORD}
 *                  -> {"v":1,"job","unit","serial","model","path","image":{row},"update"}
 *   restore.end    {"job","unit","ok":bool,"percent","id","msg","status","took_ms"} -> {"v":1,"end"}
 */
#include <stdlib.h>
#include <string.h>

#include <stager/blueprint.h>
#include <stager/clock.h>
#include <stager/images.h>
#include <stager/op.h>

#include "../station/gate.h"

#define STEP_N 900                 /* after every step a blueprint may have */
#define STEP_KEY "restore"

static struct stg_identity seen_of(const json_t *slot)
{
	struct stg_identity seen = { .family = "apple" };
	stg_copy(seen.unit, sizeof(seen.unit), stg_json_str(slot, "ecid"));
	stg_copy(seen.serial, sizeof(seen.serial), stg_json_str(slot, "serial"));
	stg_copy(seen.udid, sizeof(seen.udid), stg_json_str(slot, "udid"));
	return seen;
}

/* Does the blueprint its batch was started with ask for two persons at every erase? */
static bool wants_two(struct stg_op_ctx *c, const json_t *row, bool *ret, struct stg_error *err)
{
	*ret = false;
	if (!row)
		return true;
	STG_AUTO(stg_json_free_at) json_t *pins = stg_store_batch_pins(c->store, stg_json_str(row, "batch"), err);
	size_t i;
	json_t *one;
	json_array_foreach(json_object_get(json_object_get(pins, "blueprint"), "steps"), i, one)
		*ret = *ret || (strcmp(stg_json_str(one, "step"), "erase") == 0 && stg_json_bool(json_object_get(one, "params"), "two_persons", false));
	return pins != NULL;
}

static bool gate(struct stg_op_ctx *c, const json_t *in, const struct stg_identity *who, bool *ret_second, struct stg_error *err)
{
	const json_t *slot = json_object_get(in, "slot");
	struct stg_identity seen = seen_of(slot);
	struct stg_error none = { 0 };
	STG_AUTO(stg_json_free_at) json_t *order = stg_store_erase_order(c->store, who->family, who->unit, &none);
	if (!order && none.code != STG_E_NOT_FOUND)
		return *err = none, false;
	STG_AUTO(stg_json_free_at) json_t *row = stg_store_batch_match(c->store, who, &none);
	STG_AUTO(stg_json_free_at) json_t *e = stg_store_exception_for(c->store, who->family, who->unit, who->serial, stg_json_str(order, "by"), &none);
	const struct gate_exception exception = {
		.signed_by = stg_json_str(e, "by"), .names_it = e != NULL, .withdrawn = strcmp(stg_json_str(e, "state"), "withdrawn") == 0,
		.until_ms = stg_json_int(e, "until_ms", 0), .left = stg_json_int(e, "left", 0), .used_for_it = stg_json_int(e, "used_for_it", 1) != 0,
	};
	/* nobody can ask a device in recovery who manages it: somebody else may, and then even a lead's word is one person's */
	if (!wants_two(c, row, ret_second, err))
		return false;
	*ret_second = *ret_second || stg_json_int(order, "people", 0) > 0;
	/* a recovery mode tells no UDID of its own where it cannot be computed: what is not told does not speak against it */
	if (!seen.serial[0])
		stg_copy(seen.serial, sizeof(seen.serial), who->serial);
	if (!seen.udid[0])
		stg_copy(seen.udid, sizeof(seen.udid), who->udid);
	const struct gate_facts facts = {
		.erasing_allowed_here = !getenv("STAGER_NO_ERASE"),
		.blueprint_erases = true,       /* a person has asked for this restore by name */
		.ownership = stg_json_str_or(row, "ownership", "unknown"),
		.batch_started = row != NULL,
		.port_allowed = stg_json_bool(in, "port_allowed", false),
		.ordered = order != NULL,
		.present = true,
		.job_attach = (uint64_t)stg_json_int(slot, "attach", 0),
		.attach = (uint64_t)stg_json_int(slot, "attach", 0),
		.job_identity = who,
		.read_now = &seen,
		.attached_as_this = (unsigned int)stg_json_int(in, "alike", 0),
		.second_needed = *ret_second,
		.ordered_by = stg_json_str(order, "by"),
		.second = stg_json_str(order, "second"),
		.exception = &exception,
		.now_ms = stg_wall_ms(),
	};
	/* whose it is stands in the list; the inventory may have heard of it only now */
	return gate_opens(&facts, err) && stg_store_ownership(c->store, who->family, who->unit, "pool", err);
}

/* ---- which step of which job it is ---- */

/* The erase of a blueprint; -1: it has none. */
static int erase_of(const json_t *blueprint, const json_t **ret)
{
	const json_t *steps = json_object_get(blueprint, "steps");
	for (size_t i = 0; i < json_array_size(steps); i++)
		if (strcmp(stg_json_str(*ret = json_array_get(steps, i), "step"), "erase") == 0)
			return (int)i;
	*ret = NULL;
	return -1;
}

/* Its batch's job, where that erases: the restore is this erase, and the blueprint goes on behind it. NULL without an error: there is none. */
static json_t *job_of_batch(struct stg_op_ctx *c, const struct stg_identity *who, const json_t *row, struct stg_error *err)
{
	static const char *const own[] = { "asset_tag", "name", "ownership" };
	const json_t *erase;
	size_t i;
	json_t *one;
	if (!row || strcmp(stg_json_str(row, "end"), "staged") == 0)
		return NULL;
	STG_AUTO(stg_json_free_at) json_t *pins = stg_store_batch_pins(c->store, stg_json_str(row, "batch"), err);
	if (erase_of(json_object_get(pins, "blueprint"), &erase) < 0)
		return NULL;
	STG_AUTO(stg_json_free_at) json_t *list = stg_store_overrides_for(c->store, who, err), *blueprint = json_deep_copy(json_object_get(pins, "blueprint"));
	if (!list)
		return NULL;
	json_array_foreach(list, i, one)
		if (!stg_blueprint_override(blueprint, one, err))
			return NULL;
	STG_AUTO(stg_json_free_at) json_t *attributes = json_object();
	json_object_update(attributes, json_object_get(row, "attributes"));
	for (i = 0; i < STG_ARRAY_LEN(own); i++)
		stg_json_put(attributes, own[i], stg_json_str(row, own[i]));
	return json_pack("{s:s, s:O*, s:O, s:O*, s:O}", "batch", stg_json_str(row, "batch"), "row", json_object_get(row, "row"), "blueprint", blueprint, "profiles",
			 json_object_get(pins, "profiles"), "attributes", attributes);
}

/* What a device gets that has no job and no batch that erases: the restore, and the proof when it is back. An update is proven by its end. */
static json_t *job_of_its_own(bool update)
{
	return update ? json_pack("{s:{s:i,s:s,s:s,s:[]}}", "blueprint", "v", 1, "name", STEP_KEY, "sha256", "", "steps")
		      : json_pack("{s:{s:i,s:s,s:s,s:b,s:[{s:s,s:s,s:{},s:b},{s:s,s:s,s:{}}]}}", "blueprint", "v", 1, "name", STEP_KEY, "sha256", "", "erases", 1, "steps",
				  "step", "erase", "key", "01-erase", "params", "destroys_data", 1, "step", "wait_back", "key", "02-wait_back", "params");
}

static bool new_job(struct stg_op_ctx *c, const struct stg_identity *who, const json_t *slot, bool update, int64_t *ret, struct stg_error *err)
{
	struct stg_error none = { 0 };
	stg_error_reset(err);
	STG_AUTO(stg_json_free_at) json_t *row = update ? NULL : stg_store_batch_match(c->store, who, &none);
	STG_AUTO(stg_json_free_at) json_t *job = job_of_batch(c, who, row, err);
	if (!job && err->code != STG_OK)
		return false;
	if (!job)
		job = job_of_its_own(update);
	stg_json_put(job, "family", who->family);
	stg_json_put(job, "unit", who->unit);
	stg_json_put(job, "actor", c->actor);
	stg_json_put(job, "port", stg_json_str(slot, "port"));
	stg_json_put(job, "label", stg_json_str(slot, "label"));
	return stg_store_job_add(c->store, job, ret, err);
}

/* The device's open job, else a new one; running, on this attach. The caller owns *ret. */
static bool job_for(struct stg_op_ctx *c, const struct stg_identity *who, const json_t *slot, bool update, json_t **ret, struct stg_error *err)
{
	struct stg_error none = { 0 };
	int64_t id = 0;
	STG_AUTO(stg_json_free_at) json_t *open = stg_store_job_open(c->store, who->family, who->unit, &none);
	STG_AUTO(stg_json_free_at) json_t *move = json_pack("{s:s, s:s, s:I}", "port", stg_json_str(slot, "port"), "label", stg_json_str(slot, "label"),
							    "attach", (json_int_t)stg_json_int(slot, "attach", 0));
	if (!open && none.code != STG_E_NOT_FOUND)
		return *err = none, false;
	if (open) {
		const char *state = stg_json_str(open, "state");
		id = stg_json_int(open, "id", 0);
		if (strcmp(state, "running") == 0)
			return stg_fail_id(err, STG_E_REFUSED, STG_ID_ILLEGAL_MOVE, 0, "job %lld is running", (long long)id);
		if (strcmp(state, "waiting") != 0 && !stg_store_job_move(c->store, id, STG_JOB_WAITING, NULL, err))
			return false;
	} else if (!new_job(c, who, slot, update, &id, err)) {
		return false;
	}
	return stg_store_job_move(c->store, id, STG_JOB_RUNNING, move, err) && (*ret = stg_store_job(c->store, id, err));
}

/* What the journal keeps of it before it begins. An erase by restore is proven as any other, by who comes back: see steps/erase.c. */
static json_t *asked_of(const struct stg_identity *who, const json_t *slot, const json_t *image, const json_t *params, bool update)
{
	json_t *o = json_pack("{s:s,s:{s:s,s:s,s:s},s:b,s:s}", "unit", who->unit, "image", "sha256", stg_json_str(image, "sha256"), "version", stg_json_str(image, "version"),
			      "build", stg_json_str(image, "build"), "erases", !update, "mode", stg_json_str(slot, "mode"));
	stg_json_put(o, "serial", who->serial);
	stg_json_put(o, "key_sha256", who->key_sha256);
	stg_json_put(o, "os_version", who->os_version);
	stg_json_put(o, "purge_statement", stg_json_str(params, "purge_statement"));
	stg_json_put_int(o, "attach", stg_json_int(slot, "attach", 0));
	return o;
}

static bool begin(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const json_t *slot = json_object_get(in, "slot");
	bool update = stg_json_bool(in, "update", false), line = false, second = false;
	struct stg_identity who, seen = seen_of(slot);
	int64_t until = 0;
	char path[4096];
	if (!stg_op_may(c, "technician", err) || !stg_store_device_find(c->store, "apple", seen.unit, &who, err))
		return false;
	if (!stg_identity_same(&who, &seen))
		return stg_fail_id(err, STG_E_HOLD, STG_ID_OTHER_DEVICE, 0, "ECID %s is %s in the inventory", seen.unit, who.serial);
	STG_AUTO(stg_json_free_at) json_t *image = stg_image_find(c->state_dir, who.model, stg_json_str(in, "image"), err);
	if (!image || !stg_store_window(c->store, &line, &until, err))
		return false;
	if (!line)
		return stg_fail_id(err, STG_E_WAITING, STG_ID_RESTORE_LINE, 0, "%s", who.serial);
	if (!update && !gate(c, in, &who, &second, err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *job = NULL;
	const json_t *erase = NULL;
	if (!job_for(c, &who, slot, update, &job, err))
		return false;
	int64_t id = stg_json_int(job, "id", 0);
	int n = update ? -1 : erase_of(json_object_get(job, "blueprint"), &erase);
	STG_AUTO(stg_json_free_at) json_t *asked = asked_of(&who, slot, image, json_object_get(erase, "params"), update);
	if (!stg_store_step_begin(c->store, id, n >= 0 ? n : STEP_N, n >= 0 ? stg_json_str(erase, "key") : STEP_KEY, n >= 0 ? "erase" : STEP_KEY, asked, err) ||
	    (!update && !stg_store_erase_spend_two(c->store, who.family, who.unit, id, (uint64_t)stg_json_int(slot, "attach", 0), second, err)) ||
	    !stg_op_audit(c, update ? "update.begin" : "restore.begin", stg_json_str(image, "sha256"), who.unit, NULL, err))
		return false;
	stg_image_path(c->state_dir, stg_json_str(image, "sha256"), path, sizeof(path));
	*ret = json_pack("{s:i,s:I,s:s,s:s,s:s,s:s,s:O,s:b}", "v", 1, "job", (json_int_t)id, "unit", who.unit, "serial", who.serial, "model", who.model, "path", path,
			 "image", image, "update", update);
	return true;
}

/* The queue of restores lets it go, also when its job goes on with other steps. */
static bool leave_queue(struct stg_op_ctx *c, const char *unit, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_queues(c->store, "restore", err);
	size_t i;
	json_t *row;
	json_array_foreach(rows, i, row)
		if (strcmp(stg_json_str(row, "unit"), unit) == 0 &&
		    !stg_store_queue_done(c->store, stg_json_int(row, "id", 0), c->actor, "restored", err))
			return false;
	return rows != NULL;
}

/* The step that began it, still open: the journal knows which. */
static bool open_step(struct stg_op_ctx *c, int64_t job, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_steps(c->store, job, err);
	for (size_t i = json_array_size(rows); i > 0; i--) {
		json_t *one = json_array_get(rows, i - 1);
		if (!*stg_json_str(one, "outcome") && json_object_get(json_object_get(one, "asked"), "image"))
			return *ret = json_incref(one), true;
	}
	return rows && stg_fail_id(err, STG_E_REFUSED, STG_ID_ILLEGAL_MOVE, 0, "job %lld began no restore", (long long)job);
}

static bool end_job(struct stg_op_ctx *c, const json_t *job, bool erases, bool ok, const struct stg_error *why, const char **ret_end, struct stg_error *err)
{
	int64_t id = stg_json_int(job, "id", 0);
	bool own = strcmp(stg_json_str(job, "blueprint_name"), STEP_KEY) == 0, line = why->code == STG_E_WAITING;
	STG_AUTO(stg_json_free_at) json_t *reason = json_pack("{s:s,s:i,s:s,s:s,s:s}", "wait", line ? "line" : "person", "id", (int)why->id, "code",
							      stg_code_name(why->code), "msg", why->msg, "step", STEP_KEY);
	/* its own steps follow when it comes back, the proof of an erase among them; what was not restored waits as it did */
	if (ok && (!own || erases))
		return *ret_end = "waiting", stg_store_job_move(c->store, id, STG_JOB_WAITING, NULL, err);
	if (ok)
		return *ret_end = "staged", stg_store_job_finish(c->store, id, STG_JOB_DONE, STG_END_STAGED, NULL, NULL, NULL, NULL, err);
	/* a job that has nothing else to do is over: it must not be "staged" at the next plug. The queue keeps the device. */
	*ret_end = own ? "failed" : "waiting";
	return stg_store_job_finish(c->store, id, own ? STG_JOB_FAILED : STG_JOB_PARKED, own ? STG_END_FAILED : STG_END_WAITING, reason, NULL, NULL, NULL, err);
}

static bool finish(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	int64_t id = stg_json_int(in, "job", 0), percent = stg_json_int(in, "percent", 0);
	bool ok = stg_json_bool(in, "ok", false);
	struct stg_error why = { 0 };
	const char *end = "";
	STG_AUTO(stg_json_free_at) json_t *job = stg_store_job(c->store, id, err);
	if (!job)
		return false;
	if (strcmp(stg_json_str(job, "unit"), stg_json_str(in, "unit")) != 0 || strcmp(stg_json_str(job, "state"), "running") != 0)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_ILLEGAL_MOVE, 0, "job %lld is %s", (long long)id, stg_json_str(job, "state"));
	if (!ok)
		stg_fail_id(&why, strcmp(stg_json_str(in, "code"), "waiting") == 0 ? STG_E_WAITING : STG_E_REFUSED, (enum stg_id)stg_json_int(in, "id", STG_ID_RESTORE_FAILED),
			    (int)stg_json_int(in, "status", 0), "%.200s", stg_json_str(in, "msg"));
	STG_AUTO(stg_json_free_at) json_t *step = NULL;
	if (!open_step(c, id, &step, err))
		return false;
	bool erases = strcmp(stg_json_str(step, "step"), "erase") == 0;
	STG_AUTO(stg_json_free_at) json_t *evidence = json_pack("{s:b, s:O, s:{s:I, s:I}}", "acknowledged", ok, "asked", json_object_get(step, "asked"), "reread", "percent",
								(json_int_t)percent, "status", (json_int_t)stg_json_int(in, "status", 0));
	/* once the system image was on its way nobody knows what is left of the old one; and an erase is done when the device shows it */
	const char *outcome = ok && !erases ? "done" : ok || percent > 30 ? "unknown" : "failed";
	if (!stg_store_step_end(c->store, id, (int)stg_json_int(step, "n", STEP_N), stg_json_str(step, "key"), outcome, evidence, ok ? NULL : &why,
				stg_json_int(in, "took_ms", 0), err) ||
	    (ok && !leave_queue(c, stg_json_str(in, "unit"), err)) || !end_job(c, job, erases, ok, &why, &end, err) ||
	    !stg_op_audit(c, "restore.end", ok ? "done" : "failed", stg_json_str(in, "unit"), NULL, err))
		return false;
	*ret = json_pack("{s:i, s:s}", "v", 1, "end", end);
	return true;
}

const struct stg_op stg_ops_restore[] = {
	{ "restore.begin", STG_OP_STORE, begin },
	{ "restore.end", STG_OP_STORE, finish },
	{ 0 },
};
