/* _owners.h - who the devices of an order are for. */
#ifndef OPS_OWNERS_H
#define OPS_OWNERS_H

#include <stager/op.h>

#define OPS_PEOPLE_DAYS 90      /* lists and owners are kept so long where nobody said otherwise (threat-model 15) */

/* The one person this account (also DOMAIN\account), UPN, mail ("Name <mail>") or number means. NULL with *ret_why
 * STG_ID_OWNER_UNKNOWN, _AMBIGUOUS or _DISABLED (then *ret is there all the same), or with an error. */
bool ops_person(struct stg_op_ctx *c, const char *word, json_t **ret, enum stg_id *ret_why, struct stg_error *err);
/* Finds the column of `rows` that says whose a device is and puts what the lists know of that person into the attributes. *ret: NULL when
 * there are no lists or no such column, else {"column","found":N,"problems":[as of a list],"problem_count":N}. */
bool ops_owners(struct stg_op_ctx *c, const char *file_name, const json_t *rows, json_t **ret, struct stg_error *err);
/* What is older than it may be is forgotten. */
bool ops_people_expire(struct stg_op_ctx *c, struct stg_error *err);

#endif
