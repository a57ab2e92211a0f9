/*
 * peoplefile.h - lists of the people devices are for: CSV and LDIF as a directory exports them.
 *
 * A person: {"account","upn","mail","name","department","number" (of the employee),"disabled":true}; what is not known is left out.
 * Account, UPN, mail or number tell one person from another: an entry without any is none of ours. Nothing else of a person is
 * kept, whatever the file or the directory holds.
 *
 * Both are outside bytes: at most STG_PEOPLE_FILE_MAX bytes, STG_PEOPLE_MAX people; values are UTF-8 without control or hidden
 * characters, of at most STG_PERSON_VALUE_MAX bytes.
 *
 * Threads: any; no state.
 */
#ifndef STAGER_PEOPLEFILE_H
#define STAGER_PEOPLEFILE_H

#include <stager/json.h>

#define STG_PEOPLE_FILE_MAX (64u << 20)
#define STG_PEOPLE_MAX 50000
#define STG_PERSON_VALUE_MAX 200

/* NULL-ended: account upn mail name department number disabled. The first four of stg_person_keys tell one from another. */
extern const char *const stg_person_fields[];
extern const char *const stg_person_keys[];     /* account upn mail number, NULL */

/*
 * Reads a whole file; which of the two it is, its beginning says. `map` (may be NULL) names the columns of a CSV by heading, letter
 * or number, the attributes of an LDIF by name: {"mail":"COL"}. STG_E_INPUT:
 * STG_ID_PEOPLE_FILE or STG_ID_LDIF_CHANGES "file:line: ..." when the file is none; then nothing of it was read.
 * {"format":"csv|ldif","people":[...],"left_out":N,"problem":"file:line: STG-2043" (the first that was left out)}
 */
json_t *stg_peoplefile_read(const char *file_name, struct stg_bytes file, const json_t *map, struct stg_error *err);

/* Which field an attribute of a directory fills, "" none; `map` as above. Names count without case, options (";lang-fr") are none. */
const char *stg_person_field_of(const char *attribute, const json_t *map);
/* Puts a value that came from outside into a person. The first one counts (displayName goes before cn, whatever the order). False: the
 * value cannot be used (binary, not UTF-8, hidden characters, too long); the person is as before. */
bool stg_person_put(json_t *person, const char *attribute, const char *field, struct stg_bytes value);
/* Can it be told from others? Takes our own notes out of it first. */
bool stg_person_finish(json_t *person);
/* A list that came through a message: only fields and values a person may have stay. */
json_t *stg_people_clean(const json_t *people, struct stg_error *err);

#endif
