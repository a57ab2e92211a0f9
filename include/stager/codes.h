/*
 * codes.h - what the codes of other programs and of devices mean to us: the tables of the failure doctor.
 *
 * One table for each protocol, in the room that meets its codes: a file drivers/ROOM/codes/NAME.c that ends in
 * `const struct stg_codes stg_codes_NAME`. The build finds it; `stager explain PROTOCOL CODE` reads it, and the room
 * itself makes its errors from it, so that the two never differ. Constant data; any thread.
 */
#ifndef STAGER_CODES_H
#define STAGER_CODES_H

#include <stddef.h>

#include <stager/error.h>

struct stg_code_row {
	const char *domain;             /* how an error domain ends ("KeybagErrorDomain"); NULL: the protocol has no domains */
	const char *name;               /* the word on the wire; NULL: none */
	int first, last;                /* the number, or a range of them; 0, 0: none */
	enum stg_code code;             /* what a caller acts on */
	uint16_t id;                    /* what a person reads */
};

struct stg_codes {
	const char *protocol;           /* "lockdown": what is typed after `stager explain`, in any case of letters */
	const char *also;               /* other words for it, divided by blanks; NULL: none */
	const struct stg_code_row *rows;   /* ends with id 0; the first that fits counts */
	struct stg_code_row otherwise;  /* what a code is that is in no row */
};

bool stg_codes_is(const struct stg_codes *t, const char *protocol);
/* NULL: no row. Words are compared as they are spelt on the wire; with `loose` in any case of letters. */
const struct stg_code_row *stg_codes_by_name(const struct stg_codes *t, const char *name, bool loose);
/* `domain` may be NULL: any. Domains come with MC or, on newer systems, DMC in front: the end decides. */
const struct stg_code_row *stg_codes_by_number(const struct stg_codes *t, const char *domain, int64_t number);

#endif
