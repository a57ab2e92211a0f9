/*
 * error.h - the one error type of the house.
 *
 * `code` is what a caller acts on, `origin` is what one looks up (errno, lockdown, libusb or HTTP number), `id` is
 * the row of an errors.def that a person reads, `msg` is untranslated detail with the widest context first.
 * There is no allocation, so running out of memory can be told too. Threads: a value, belongs to its holder.
 */
#ifndef STAGER_ERROR_H
#define STAGER_ERROR_H

#include <stdbool.h>
#include <stdint.h>

enum stg_code {
	STG_OK,
	STG_E_BUG,          /* we broke a promise of our own */
	STG_E_NOMEM,
	STG_E_IO,
	STG_E_TIMEOUT,      /* the other side said nothing in time: worth another try */
	STG_E_GONE,         /* unplugged, or the connection was closed on us */
	STG_E_PROTOCOL,     /* it said something we cannot accept */
	STG_E_REFUSED,      /* it understood and said no: do not retry */
	STG_E_NEEDS_HUMAN,  /* a tap, a passcode, a decision: the id says what */
	STG_E_NOT_FOUND,
	STG_E_UNSUPPORTED,
	STG_E_CANCELLED,
	STG_E_UNKNOWN,      /* it may or may not have happened: re-read, never repeat blindly */
	STG_E_WAITING,      /* cannot go on yet, nobody's fault: a line, charge, registration; the id says for what */
	STG_E_HOLD,         /* somebody must decide about this device */
	STG_E_USAGE,        /* exit 2: the command line is wrong */
	STG_E_INPUT,        /* exit 3: a file the person gave is wrong; msg begins file:line: */
	STG_E_STATION,      /* exit 4: the station cannot work */
	STG_E_SAFETY,       /* exit 5: refused for safety */
};

/* Rows of every errors.def, gathered by the build: STG_ID_NO_USBMUXD and so on, 0 = not for people. */
enum stg_id {
	STG_ID_NONE = 0,
#define STG_ERR(number, name, english, english_act, french, french_act) STG_ID_##name = number,
#include "errors.inc"
#undef STG_ERR
};

struct stg_error {
	enum stg_code code;
	uint16_t id;
	int origin;
	char msg[240];
};

/* Both set *err (which may be NULL) and return false, so that `return stg_fail(...)` reads well. */
bool stg_fail(struct stg_error *err, enum stg_code code, int origin, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
bool stg_fail_id(struct stg_error *err, enum stg_code code, enum stg_id id, int origin, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* Prefixes where we were; keeps code, id and origin. Returns false. */
bool stg_while(struct stg_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Gives an error that has none yet the row a person reads. Returns false. */
bool stg_say(struct stg_error *err, enum stg_id id);

void stg_error_reset(struct stg_error *err);
const char *stg_code_name(enum stg_code code);   /* "timeout", "gone", ... stable, used in --json and the journal */
enum stg_code stg_code_from_name(const char *name); /* STG_E_BUG for an unknown word */

/* What a person reads of row `id` in the language chosen with stg_language_set(); "" for 0 or an unknown row. */
const char *stg_id_sentence(unsigned int id);
const char *stg_id_act(unsigned int id);
const char *stg_id_sentence_in(unsigned int id, const char *lang);
const char *stg_id_act_in(unsigned int id, const char *lang);
const char *stg_id_name(unsigned int id);        /* "NO_USBMUXD" */
/* What the station does about it without being asked (rows of every tries.def); "" where nobody wrote any: it does nothing. */
const char *stg_id_tries_in(unsigned int id, const char *lang);
/* Walks all rows in rising order: i from 0; false at the end. */
bool stg_id_nth(unsigned int i, unsigned int *ret_id);

/* Exit status of design.md 3 for an error that ends a command. */
int stg_exit_status(const struct stg_error *err);

#endif
