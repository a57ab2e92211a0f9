/*
 * _expiry.h - everything that ends one day.
 *
 * An entry: {"kind","name","what","ends_ms","blocks","text": in English, translated by who reads it}; kind is one of
 *   "identity" (supervision), "root", "authority", "signer", "registration": of an organisation, name
 *   "certificates": of devices; name: the first one's, count: how many end within 30 days of it
 *   "app": its signature; "profile": what: "expiration", "removal", "signer", "certificate", "identity", "enrolment", detail: whose
 *   "challenges": fetched from another SCEP server, name; count
 *   "target": the client certificate for a target; "token": its token; "trusted": a signer that is trusted here
 *   "leaf": the certificates a blueprint issues today; "noted": a date a person has noted, what: the note
 * "blocks": without it a batch that needs it cannot go on. A profile that cannot be read has "code" and "msg" instead of a date.
 */
#ifndef STAGER_OPS_EXPIRY_H
#define STAGER_OPS_EXPIRY_H

#include <stager/op.h>

/* Of the whole station, the first to end first. */
json_t *ops_expiry(struct stg_op_ctx *c, struct stg_error *err);
/* Of what a blueprint needs, pinned: `plan` its JSON form, `profiles` what stg_blueprint_profiles() gave. */
json_t *ops_expiry_of(struct stg_op_ctx *c, const json_t *plan, const json_t *profiles, struct stg_error *err);
/* May a batch begin that lasts until then? An entry that ends before it, or within the day after, refuses: STG_E_REFUSED + STG_ID_BATCH_OUTLIVES.
 * With a reason (`despite`, a lead's) it begins all the same. What ends within a week after it is added to `warnings`. ret_ends: those that
 * would have refused (NULL: not wanted). */
bool ops_expiry_allows(struct stg_op_ctx *c, const json_t *plan, const json_t *profiles, int64_t until_ms, const char *despite, json_t *warnings,
		       json_t **ret_ends, struct stg_error *err);
/* The dates people have noted: {"NAME": {"ends_ms","note","blueprint","by"}}. */
json_t *ops_expiry_noted(struct stg_op_ctx *c, struct stg_error *err);
bool ops_expiry_noted_keep(struct stg_op_ctx *c, const json_t *rows, struct stg_error *err);
/* "2026-12-31" means the end of that day, where the station stands; a time is taken as it is. Before now: STG_ID_TIME_PAST. */
bool ops_expiry_until(const char *text, int64_t *ret_ms, struct stg_error *err);

#endif
