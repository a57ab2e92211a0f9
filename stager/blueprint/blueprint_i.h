/* blueprint_i.h - what the files of this room share. */
#ifndef BLUEPRINT_I_H
#define BLUEPRINT_I_H

#include <stager/blueprint.h>
#include <stager/step.h>
#include <stager/yaml.h>

/* `when:` of a step as the pinned form has it, a new reference. */
json_t *when_read(const struct stg_yaml *y, const struct stg_yaml_node *n, struct stg_error *err);
/* -1, 0, 1; parts that are missing count as 0: "16" = "16.0". */
int version_compare(const char *a, const char *b);

/* The typed params of one step. `site` are the names of the blueprint's own params. */
json_t *params_read(const struct stg_yaml *y, const struct stg_yaml_node *at, const struct stg_yaml_node *n,
		    const struct stg_step *step, const json_t *site, struct stg_error *err);

/* A word for a file or a key: letters, digits, '.', '_', '-'; not beginning with a dot. */
bool name_ok(const char *s);

/* As stg_blueprint_parse; `lenient`: site values that have no default may be missing, for `blueprint check`. */
json_t *blueprint_read(const char *file_name, struct stg_bytes text, const json_t *params, bool lenient,
		       struct stg_error *err);

#endif
