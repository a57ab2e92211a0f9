/*
 * registry.h - what the build found on disk: drivers, steps, commands, operations, tables of foreign codes, data files.
 *
 * The arrays end with NULL (stg_data with a row without a name). Made by stager/registry.sh and stager/data.sh.
 */
#ifndef STAGER_REGISTRY_H
#define STAGER_REGISTRY_H

#include <stddef.h>

struct stg_driver;
struct stg_step;
struct stg_cmd;
struct stg_op;
struct stg_codes;
struct push_kind;

extern const struct stg_driver *const stg_drivers[];
extern const struct stg_step *const stg_steps[];
extern const struct stg_cmd *const stg_cmds[];
extern const struct stg_op *const stg_op_tables[];
extern const struct stg_codes *const stg_code_tables[];
extern const struct push_kind *const stg_push_kinds[];

/* A file of profiles/blueprints, profiles/templates or stager/push/connectors, under its path in the tree. */
struct stg_data {
	const char *path;
	const unsigned char *bytes;
	size_t len;
};
extern const struct stg_data stg_data[];

/* NULL when there is none of that path. */
const struct stg_data *stg_data_find(const char *path);

#endif
