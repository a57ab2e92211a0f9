/* ids.h - random bytes and identifiers. Text forms are 36 characters and a NUL, lower case. */
#ifndef STAGER_IDS_H
#define STAGER_IDS_H

#include <stager/bytes.h>

#define STG_UUID_TEXT 37

void stg_random(void *ret, size_t len);         /* from the kernel; aborts the program if that fails */
void stg_uuid4(char ret[STG_UUID_TEXT]);
void stg_uuid7(char ret[STG_UUID_TEXT]);        /* RFC 9562: time-ordered (strictly within a process), made once, never again */
/* Same name in the same space, same id, always (SHA-1 form, version 5). `space` is a UUID text. */
void stg_uuid5(const char *space, const char *name, char ret[STG_UUID_TEXT]);
bool stg_uuid_ok(const char *text);

#endif
