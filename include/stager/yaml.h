/*
 * yaml.h - one typed reader for all our YAML files: each value knows the line it came from.
 *
 * Blueprints, connectors, configuration. A subset of YAML: mappings, lists, scalars; no anchors, aliases, tags or
 * duplicate keys (refused with their line). At most 1 MiB and depth 32. Errors are STG_E_INPUT with
 * "file:line: what was wrong, what was expected".
 */
#ifndef STAGER_YAML_H
#define STAGER_YAML_H

#include <stager/json.h>

struct stg_yaml;   /* one document; owns all nodes */

enum stg_yaml_kind { STG_YAML_SCALAR, STG_YAML_MAP, STG_YAML_LIST };

struct stg_yaml_node {
	enum stg_yaml_kind kind;
	unsigned int line;              /* from 1 */
	const char *scalar;             /* SCALAR: the text, never NULL */
	bool quoted;                    /* SCALAR: was quoted or a block, so it is a string whatever it looks like */
	const char *key;                /* inside a MAP: this entry's key */
	unsigned int key_line;
	struct stg_yaml_node *child;    /* first entry of MAP or LIST */
	struct stg_yaml_node *next;     /* next entry of the same parent */
	const struct stg_yaml_node *same; /* an alias: the node it stands for, perhaps one that holds this very alias; its
					   * children are there, not here. Only from stg_yaml_parse_shared. */
};

/* `name` is used in messages and copied. */
struct stg_yaml *stg_yaml_parse(const char *name, struct stg_bytes text, struct stg_error *err);
/* For files of others that use anchors and aliases; whoever walks the tree bounds his own depth. */
struct stg_yaml *stg_yaml_parse_shared(const char *name, struct stg_bytes text, struct stg_error *err);
void stg_yaml_free(struct stg_yaml *y);
void stg_yaml_free_at(struct stg_yaml **y);
const struct stg_yaml_node *stg_yaml_root(const struct stg_yaml *y);
const char *stg_yaml_name(const struct stg_yaml *y);

/* NULL when absent. */
const struct stg_yaml_node *stg_yaml_get(const struct stg_yaml_node *map, const char *key);
/* "file:line: fmt"; returns false. */
bool stg_yaml_fail(const struct stg_yaml *y, const struct stg_yaml_node *at, struct stg_error *err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Typed readers: false with a message that says what was expected. */
bool stg_yaml_string(const struct stg_yaml *y, const struct stg_yaml_node *n, const char **ret, struct stg_error *err);
bool stg_yaml_int(const struct stg_yaml *y, const struct stg_yaml_node *n, int64_t least, int64_t most, int64_t *ret,
		  struct stg_error *err);
bool stg_yaml_bool(const struct stg_yaml *y, const struct stg_yaml_node *n, bool *ret, struct stg_error *err);
/* "90 s", "500 ms", "5 min", "2 h". */
bool stg_yaml_duration(const struct stg_yaml *y, const struct stg_yaml_node *n, int64_t *ret_ms, struct stg_error *err);
/* Refuses every key of `map` that is not in the NULL-ended list, naming the nearest known one. */
bool stg_yaml_only(const struct stg_yaml *y, const struct stg_yaml_node *map, const char *const *known,
		   struct stg_error *err);
/* The word of a NULL-ended list that `word` was probably meant to be; NULL when none comes near. */
const char *stg_yaml_nearest(const char *word, const char *const *known);
/* Plain JSON of a node: unquoted true/false/integers become those, everything else a string. */
json_t *stg_yaml_json(const struct stg_yaml_node *n);

#endif
