/*
 * blueprint.h - an ordered list of steps, read from YAML, typed.
 *
 * Errors are STG_E_INPUT, "file:line: what was wrong, what was expected". Where a name is looked up: the state's
 * blueprints/, /etc/stager/blueprints, built in. A job keeps the pinned JSON form, so an edit changes nothing that runs.
 *
 * JSON form: {"v":1,"name","about","organisation" (absent: the default one),"sha256","erases":bool,"params":{},"requires":{...},"steps":[{"key":"03-install_profile-wifi","step",
 * "params":{},"when":[...],"retry":{"times","wait_ms"},"on_failure":"stop|continue|hold","timeout_ms","destroys_data","from":"ward.yaml:12"}],
 * "canaries":n (the first n of a new kind before the rest; absent: none), "parents":[{"name","path","sha256" of the file}], "abstract":true, "from":{"params":{name:"ward.yaml:3"|"given"},"requires":{},"organisation"}}.
 * "sha256" is that of what is done: parents count by what they contribute; where a line stands does not count.
 */
#ifndef STAGER_BLUEPRINT_H
#define STAGER_BLUEPRINT_H

#include <stager/identity.h>
#include <stager/json.h>

struct stg_yaml;

/* Parses and checks against the step tables; new reference. `params` (object of strings, may be NULL) gives site values. */
json_t *stg_blueprint_parse(const char *file_name, struct stg_bytes text, const json_t *params, struct stg_error *err);
/* The same for a file that may extend others: parents are looked up by name, in the state's folder first. */
json_t *stg_blueprint_parse_in(const char *state_dir, const char *file_name, struct stg_bytes text, const json_t *params, struct stg_error *err);
json_t *stg_blueprint_check_in(const char *state_dir, const char *file_name, struct stg_bytes text, struct stg_error *err);
/* By name (search order above) or by path when it holds a '/' or ends in .yaml. */
json_t *stg_blueprint_load(const char *state_dir, const char *name_or_path, const json_t *params, struct stg_error *err);
/* The file itself, with its comments: for showing, and for starting a blueprint of one's own. ret_path: where it was found. */
bool stg_blueprint_text(const char *state_dir, const char *name, struct stg_buf *ret, char *ret_path, size_t path_size, struct stg_error *err);
/* As stg_blueprint_parse, but params without a default may be missing: for checking a file that is used elsewhere. */
json_t *stg_blueprint_check(const char *file_name, struct stg_bytes text, struct stg_error *err);
/* [{"name","about","where":"state|site|built-in","path","erases","steps"}], "error" instead of the last two for a wrong file */
json_t *stg_blueprint_list(const char *state_dir);

/* One device does otherwise: changes the given tree (a deep copy of what was pinned). `override` as stg_store_overrides() gives it.
 * STG_E_HOLD + STG_ID_OVERRIDE_WRONG: it names a param or a step that is not there, or one that may not be left out. */
bool stg_blueprint_override(json_t *blueprint, const json_t *override, struct stg_error *err);

/* The extra checks of a canary, put behind the given tree's steps: restarted, everything read once more. */
bool stg_blueprint_canary(json_t *blueprint, struct stg_error *err);

/* The profile files a blueprint names, with their bytes pinned: {"NAME": {"sha256","base64","template":bool}}; for `batch start`.
 * Its apps and documents too, under the keys of apps.h ("app:ID", "document:NAME"): their rows, without bytes. */
json_t *stg_blueprint_profiles(const char *state_dir, const json_t *blueprint, struct stg_error *err);

/* Does a condition name a fact that only the supervisor can read (facts.h)? */
bool stg_blueprint_when_asks_owner(const json_t *when);
/* True when a step's `when:` conditions hold for these facts and attributes. */
bool stg_blueprint_when(const json_t *when, const json_t *facts, const json_t *attributes);

/* Fills {{name}} and {{name|default}} ("{{{{" is a literal) in every string of a JSON tree, from a flat object of
 * strings (nested names as "batch.NAME", "secret.NAME"). STG_E_INPUT names the path and the variable that is unknown.
 * New reference. */
json_t *stg_variables_fill(const json_t *tree, const json_t *values, struct stg_error *err);
bool stg_variables_fill_text(const char *text, const json_t *values, struct stg_buf *ret, struct stg_error *err);
/* Names used in a tree, as a JSON list of strings. */
json_t *stg_variables_used(const json_t *tree);
/* The flat object a job's variables come from: serial, udid, ecid, imei, imei2, model, os_version..., the attributes both as
 * "batch.NAME" and, where nothing else has that name, as "NAME", asset_tag, and the blueprint's params. `blueprint` may be
 * NULL. Secrets are added by whoever may read them, as "secret.NAME". New reference. */
json_t *stg_variables_of(const struct stg_identity *who, const char *batch, const json_t *attributes, const json_t *blueprint);
/* The step of a pinned blueprint with this key (borrowed) or NULL. */
const json_t *stg_blueprint_step(const json_t *blueprint, const char *key);

#endif
