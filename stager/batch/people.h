/* people.h - what the two readers of people share. */
#ifndef STAGER_BATCH_PEOPLE_H
#define STAGER_BATCH_PEOPLE_H

#include "parts.h"

struct people {
	const char *file_name;
	json_t *list;
	int64_t left_out;
	char problem[200];              /* the first that was left out: "file:line: STG-2043" */
};

/* One who was read, from the line it began on; counted as left out when it cannot be told from others. STG_ID_LIST_TOO_LARGE. */
bool people_add(struct people *to, json_t *person, unsigned int line, struct stg_error *err);

/* ---- ldif.c ---- */
/* Does the first line that says something begin an LDIF? */
bool people_is_ldif(struct stg_bytes text);
bool people_read_ldif(const char *file_name, struct stg_bytes text, const json_t *map, struct people *to, struct stg_error *err);

#endif
