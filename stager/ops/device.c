/*
 * device.c - a device that is lost, and one that was found again.
 *
 * For:    cmd/device.c.
 * Uses:   the store: holds, the register of certificates, orders for the MDM.
 * Called: as operations, inside one transaction: all of it or nothing.
 * Thread: the recorder's.
 *
 *   device.lost   {"serial" (or ECID, UDID, IMEI, tag),"reason","second","second_pin"} -> {"v":1,"serial","held":bool,"revoked":[serial_hex],
 *                 "order":"lock|lock_and_erase|","target":bool}. Locking harms nobody and is ordered at once; erasing from afar is an
 *                 erase: a second person agrees and the device is the owner's. "order" is empty when the inventory does not know it.
 *   device.found  {"serial","why"} -> {"v":1,"serial","withdrawn":n}. What was revoked stays so.
 */
#include <string.h>

#include "_device.h"
#include "_revocation.h"

static bool revoke(struct stg_op_ctx *c, const char *key, const char *value, json_t *done, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *filter = json_object();
	if (!*value)
		return true;
	stg_json_put(filter, key, value);
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_certificates(c->store, filter, err);
	size_t i;
	json_t *row;
	if (!rows)
		return false;
	json_array_foreach(rows, i, row) {
		const char *one = stg_json_str(row, "serial_hex");
		if (strcmp(stg_json_str(row, "status"), "revoked") == 0)
			continue;
		if (!stg_store_certificate_status(c->store, one, "revoked", "key_compromise", err))
			return false;
		json_array_append_new(done, json_string(one));
	}
	return true;
}

/* An order that waits is given up for this one. */
static bool withdraw(struct stg_op_ctx *c, const struct stg_identity *who, const char *why, int64_t *ret_n, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_queues(c->store, "mdm", err);
	size_t i;
	json_t *row;
	if (!rows)
		return false;
	json_array_foreach(rows, i, row) {
		if (strcmp(stg_json_str(row, "unit"), who->unit) != 0)
			continue;
		if (!stg_store_queue_done(c->store, stg_json_int(row, "id", 0), c->actor, why, err))
			return false;
		++*ret_n;
	}
	return true;
}

static bool order(struct stg_op_ctx *c, const json_t *in, const struct stg_identity *who, const char *reason, const char **ret, struct stg_error *err)
{
	int64_t n = 0;
	*ret = "lock";
	if (*stg_json_str(in, "second")) {
		STG_AUTO(stg_json_free_at) json_t *origin = stg_store_origin(c->store, who, err);
		if (!origin)
			return false;
		if (strcmp(stg_json_str(origin, "ownership"), "pool") != 0)
			return stg_fail_id(err, STG_E_SAFETY, STG_ID_ERASE_NOT_POOL, 0, "%s", who->serial);
		if (!stg_op_second(c, in, "lead", err))
			return false;
		*ret = "lock_and_erase";
	}
	/* two orders in two results, in that order: an MDM that can only lock has locked it */
	return withdraw(c, who, "lost", &n, err) && stg_store_mdm_order(c->store, who, "lock", reason, c->actor, err) &&
	       (strcmp(*ret, "lock") == 0 ||
		(withdraw(c, who, "erase", &n, err) && stg_store_mdm_order(c->store, who, "erase", reason, c->actor, err)));
}

/* Telling the MDM left its job parked; from there nothing goes on hold. */
static bool unpark(struct stg_op_ctx *c, const struct stg_identity *who, struct stg_error *err)
{
	struct stg_error none = { 0 };
	STG_AUTO(stg_json_free_at) json_t *job = stg_store_job_open(c->store, who->family, who->unit, &none);
	return !job || strcmp(stg_json_str(job, "state"), "parked") != 0 ||
	       stg_store_job_move(c->store, stg_json_int(job, "id", 0), STG_JOB_WAITING, NULL, err);
}

static bool hold(struct stg_op_ctx *c, const struct stg_identity *who, const char *serial, const char *reason, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *row = json_object();
	stg_json_put(row, "family", who->family);
	stg_json_put(row, "unit", who->unit);
	stg_json_put(row, "serial", who->serial[0] || who->unit[0] ? who->serial : serial);
	stg_json_put(row, "reason", reason);
	stg_json_put(row, "owner", c->actor);
	stg_json_put_int(row, "id", STG_ID_DEVICE_LOST);
	return (!who->unit[0] || unpark(c, who, err)) && stg_store_hold_add(c->store, row, err);
}

static bool lost(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *word = stg_json_str(in, "serial"), *reason = stg_json_str_or(in, "reason", "lost"), *ordered = "";
	struct stg_identity who = { 0 };
	bool is_known = false, has_target = false;
	if (!*word)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "SERIAL");
	if (!stg_op_may(c, "technician", err) || !ops_known(c, word, &who, &is_known, err) || !ops_takes_order(c, *stg_json_str(in, "second") ? "erase" : "lock", &has_target, err))
		return false;
	const char *serial = is_known && who.serial[0] ? who.serial : word;
	STG_AUTO(stg_json_free_at) json_t *revoked = json_array();
	if (!revoke(c, "unit", who.unit, revoked, err) || !revoke(c, "device_serial", serial, revoked, err))
		return false;
	/* a typing error must not look like help */
	if (!is_known && json_array_size(revoked) == 0)
		return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_UNKNOWN_DEVICE, 0, "%.64s", word);
	int64_t queued = 0;
	if ((is_known && !order(c, in, &who, reason, &ordered, err)) || !ops_tell_revoked(c, revoked, &queued, err))
		return false;
	json_t *detail = json_pack("{s:s,s:s,s:s,s:O}", "serial", serial, "reason", reason, "order", ordered, "certificates", revoked);
	if (!hold(c, &who, serial, reason, err) || !stg_op_audit(c, "device.lost", serial, who.unit, detail, err))
		return false;
	*ret = json_pack("{s:i,s:s,s:b,s:O,s:s,s:b}", "v", 1, "serial", serial, "held", 1, "revoked", revoked, "order", ordered, "target", has_target);
	return true;
}

static bool found(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *word = stg_json_str(in, "serial"), *why = stg_json_str_or(in, "why", "found");
	struct stg_identity who = { 0 };
	bool is_known = false;
	int64_t withdrawn = 0;
	if (!*word)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "SERIAL");
	if (!stg_op_may(c, "technician", err) || !ops_known(c, word, &who, &is_known, err))
		return false;
	const char *serial = is_known && who.serial[0] ? who.serial : word;
	if (!stg_store_hold_release(c->store, is_known ? who.unit : serial, c->actor, why, err) ||
	    (is_known && !withdraw(c, &who, why, &withdrawn, err)))
		return false;
	json_t *detail = json_pack("{s:s,s:s}", "serial", serial, "why", why);
	if (!stg_op_audit(c, "device.found", serial, who.unit, detail, err))
		return false;
	*ret = json_pack("{s:i,s:s,s:I}", "v", 1, "serial", serial, "withdrawn", (json_int_t)withdrawn);
	return true;
}

const struct stg_op stg_ops_device[] = {
	{ "device.lost", STG_OP_STORE, lost },
	{ "device.found", STG_OP_STORE, found },
	{ 0 },
};
