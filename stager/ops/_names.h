/* _names.h - the names a list would give its devices, looked at before the first one is plugged in. */
#ifndef OPS_NAMES_H
#define OPS_NAMES_H

#include <stager/error.h>
#include <stager/json.h>

/* Adds one problem of a line to list["problems"] and list["problem_count"]. */
void ops_list_problem(json_t *list, const char *file_name, int64_t line, enum stg_id id, const char *about);
/* Adds to list["problems"] (batchfile.h) a row whose device the blueprint would give a name that is too long, or an earlier
 * row's. What only a device can tell (a model in its name) is not looked at. `list` is a list that was read; borrowed. */
void ops_check_names(const json_t *blueprint, const char *file_name, const json_t *rows, json_t *list);

#endif
