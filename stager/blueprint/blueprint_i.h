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

/* Into the params of a check_rules step: what the file it names says and it does not say itself. Others are left alone. */
bool rules_pin(const struct stg_yaml *y, const struct stg_yaml_node *at, const char *state_dir, json_t *params, struct stg_error *err);

/* A word for a file or a key: letters, digits, '.', '_', '-'; not beginning with a dot. */
bool name_ok(const char *s);

/* As stg_blueprint_parse; `lenient`: site values that have no default may be missing, for `blueprint check`. */
json_t *blueprint_read(const char *state_dir, const char *file_name, struct stg_bytes text, const json_t *params, bool lenient,
		       struct stg_error *err);

/* ---- inherit.c ---- */
#define LAYERS_MAX 32
#define ENTRIES_MAX 100

/* One file; the blueprint itself is the last, before it all it extends, the farthest first. */
struct layer {
	struct stg_yaml *y;
	const struct stg_yaml_node *root;
	char name[64], sha256[65];
};
struct layers {
	struct layer list[LAYERS_MAX];
	size_t n;
};
bool layers_gather(const char *state_dir, const char *file_name, struct stg_bytes text, struct layers *ret, struct stg_error *err);
void layers_free_at(struct layers **l);
/* [{"name","path","sha256" of the file}], without the blueprint itself. */
json_t *layers_parents(const struct layers *l);
/* "north-site.yaml:12" */
void line_of(const struct stg_yaml *y, unsigned int line, char *ret, size_t size);

struct entry {
	const struct stg_yaml *y;
	const struct stg_yaml_node *node;
};
struct entries {
	struct entry list[ENTRIES_MAX + 1];
	size_t n;
};
/* The effective list. */
bool layers_steps(const struct layers *l, struct entries *ret, struct stg_error *err);

#endif
