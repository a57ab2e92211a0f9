/* steps.h - what several steps share. */
#ifndef STEPS_H
#define STEPS_H

#include <stager/clock.h>
#include <stager/error.h>
#include <stager/facts.h>
#include <stager/step.h>

/* Evidence: what was asked for, what the device acknowledged, what was re-read. Take the reference. */
void step_acknowledged(struct stg_step_ctx *c, json_t *what);
void step_reread(struct stg_step_ctx *c, json_t *what);

/* Reads who it is afresh into c->identity. STG_E_HOLD + STG_ID_OTHER_DEVICE, and nothing is taken over, when it is not the
 * device of this attach: what came later would else compare an impostor with itself. */
bool step_identify_again(struct stg_step_ctx *c, struct stg_error *err);

/* Is the device supervised by our organisation? Remembered for the attach; re-read when nothing is remembered. */
bool step_supervised_by_us(struct stg_step_ctx *c, bool *ret, struct stg_error *err);
void step_note_supervised(struct stg_step_ctx *c, bool by_us);

/* Installed profiles, as last listed in this attach. Borrowed; NULL on error. */
const json_t *step_profiles(struct stg_step_ctx *c, bool afresh, struct stg_error *err);
/* The entry with this identifier, UUID and version, or NULL. Empty uuid: any; version 0: any. */
const json_t *step_profile_in(const json_t *list, const char *identifier, const char *uuid, int64_t version);

/* install_profile and issue_certificate: one payload of the station, installed or stored for after setup. */
bool step_payload_check(const json_t *params, struct stg_error *err);
bool step_payload_run(struct stg_step_ctx *c, struct stg_error *err);
bool step_payload_proven(struct stg_step_ctx *c, bool *ret, struct stg_error *err);
/* {"key": {"identifier","uuid","version"}} of what this job installed, for verify. Borrowed. */
const json_t *step_expected_profiles(struct stg_step_ctx *c);
/* A later step took this profile off again: verify does not look for it. */
void step_forget_expected(struct stg_step_ctx *c, const char *identifier);

/* The file the running step wants, asked of the station once; its row in the repository (apps.h). NULL on error. */
const json_t *step_file(struct stg_step_ctx *c, struct stg_error *err);
bool step_bundle_id_check(const json_t *params, const char *name, struct stg_error *err);
/* {"IDENTIFIER": "version"} of apps this job has seen to, for verify. Borrowed. */
const json_t *step_expected_apps(struct stg_step_ctx *c);
void step_expect_app(struct stg_step_ctx *c, const char *bundle_id, const char *version);
void step_forget_app(struct stg_step_ctx *c, const char *bundle_id);

/* "fr" is shown as "fr" or "fr-FR", "fr_FR" with a calendar behind it: what was asked for is the beginning. */
bool step_language_is(const char *asked, const char *shown);
/* What only a supervised device does waits for the supervision that waits for a line; else STG_E_HOLD + STG_ID_NOT_SUPERVISED. */
bool step_needs_supervision(struct stg_step_ctx *c, struct stg_error *err);
/* Dotted numbers; a shorter one is followed by zeros. */
bool step_version_at_least(const char *have, const char *least);

/* True when the operation is there; STG_E_UNSUPPORTED otherwise stays an error for the caller. */
bool step_is_absent(const struct stg_error *err);
/* Activated, or not to be told by this family (true then). False: the device could not be asked. */
bool step_is_activated(struct stg_step_ctx *c, bool *ret, struct stg_error *err);

#endif
