/*
 * error.c - sets, prefixes and explains errors.
 *
 * For:    everybody; the sentences come from the errors.def of each room, gathered by the build, as are the tries.def.
 * Uses:   <stager/text.h> for the chosen language.
 * Called: from all rooms.
 * Thread: any.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <stager/bytes.h>
#include <stager/error.h>
#include <stager/text.h>

struct row {
	unsigned int id;
	const char *name, *english, *english_act, *french, *french_act;
};

static const struct row rows[] = {
#define STG_ERR(number, name, english, english_act, french, french_act) \
	{ number, #name, english, english_act, french, french_act },
#include "errors.inc"
#undef STG_ERR
};

static const struct {
	unsigned int id;
	const char *english, *french;
} tries[] = {
#define STG_TRIES(name, english, french) { STG_ID_##name, english, french },
#include "tries.inc"
#undef STG_TRIES
};

static const char *const code_names[] = {
	[STG_OK] = "ok", [STG_E_BUG] = "bug", [STG_E_NOMEM] = "nomem", [STG_E_IO] = "io", [STG_E_TIMEOUT] = "timeout",
	[STG_E_GONE] = "gone", [STG_E_PROTOCOL] = "protocol", [STG_E_REFUSED] = "refused",
	[STG_E_NEEDS_HUMAN] = "needs_human", [STG_E_NOT_FOUND] = "not_found", [STG_E_UNSUPPORTED] = "unsupported",
	[STG_E_CANCELLED] = "cancelled", [STG_E_UNKNOWN] = "unknown", [STG_E_WAITING] = "waiting", [STG_E_HOLD] = "hold",
	[STG_E_USAGE] = "usage", [STG_E_INPUT] = "input", [STG_E_STATION] = "station", [STG_E_SAFETY] = "safety",
};

__attribute__((format(printf, 5, 0)))
static void set(struct stg_error *err, enum stg_code code, unsigned int id, int origin, const char *fmt, va_list ap)
{
	if (!err)
		return;
	/* formatted apart, because the arguments may be this error's own message */
	char msg[sizeof(err->msg)];
	if (vsnprintf(msg, sizeof(msg), fmt, ap) >= (int)sizeof(msg))
		stg_mend_end(msg);
	err->code = code;
	err->id = (uint16_t)id;
	err->origin = origin;
	memcpy(err->msg, msg, sizeof(msg));
}

bool stg_fail(struct stg_error *err, enum stg_code code, int origin, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	set(err, code, 0, origin, fmt, ap);
	va_end(ap);
	return false;
}

bool stg_fail_id(struct stg_error *err, enum stg_code code, enum stg_id id, int origin, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	set(err, code, id, origin, fmt, ap);
	va_end(ap);
	return false;
}

bool stg_while(struct stg_error *err, const char *fmt, ...)
{
	if (!err)
		return false;
	char where[160], whole[sizeof(where) + sizeof(err->msg) + 2];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(where, sizeof(where), fmt, ap);
	va_end(ap);
	snprintf(whole, sizeof(whole), "%s: %s", where, err->msg);
	(void)stg_copy(err->msg, sizeof(err->msg), whole);
	return false;
}

bool stg_say(struct stg_error *err, enum stg_id id)
{
	if (err && !err->id)
		err->id = (uint16_t)id;
	return false;
}

void stg_error_reset(struct stg_error *err)
{
	if (err)
		*err = (struct stg_error){ 0 };
}

const char *stg_code_name(enum stg_code code)
{
	return (size_t)code < STG_ARRAY_LEN(code_names) ? code_names[code] : "bug";
}

enum stg_code stg_code_from_name(const char *name)
{
	for (size_t i = 0; i < STG_ARRAY_LEN(code_names); i++)
		if (strcmp(code_names[i], name) == 0)
			return (enum stg_code)i;
	return STG_E_BUG;
}

static const struct row *row_of(unsigned int id)
{
	for (size_t i = 0; i < STG_ARRAY_LEN(rows); i++)
		if (rows[i].id == id)
			return &rows[i];
	return NULL;
}

const char *stg_id_sentence_in(unsigned int id, const char *lang)
{
	const struct row *r = row_of(id);
	return !r ? "" : strcmp(lang, "fr") == 0 ? r->french : r->english;
}

const char *stg_id_act_in(unsigned int id, const char *lang)
{
	const struct row *r = row_of(id);
	return !r ? "" : strcmp(lang, "fr") == 0 ? r->french_act : r->english_act;
}

const char *stg_id_sentence(unsigned int id)
{
	return stg_id_sentence_in(id, stg_language());
}

const char *stg_id_act(unsigned int id)
{
	return stg_id_act_in(id, stg_language());
}

const char *stg_id_name(unsigned int id)
{
	const struct row *r = row_of(id);
	return r ? r->name : "";
}

const char *stg_id_tries_in(unsigned int id, const char *lang)
{
	for (size_t i = 0; i < STG_ARRAY_LEN(tries); i++)
		if (tries[i].id == id)
			return strcmp(lang, "fr") == 0 ? tries[i].french : tries[i].english;
	return "";
}

bool stg_id_nth(unsigned int i, unsigned int *ret_id)
{
	unsigned int last = 0;
	for (unsigned int n = 0; n <= i; n++) {
		unsigned int next = UINT32_MAX;
		for (size_t k = 0; k < STG_ARRAY_LEN(rows); k++)
			if (rows[k].id > last && rows[k].id < next)
				next = rows[k].id;
		if (next == UINT32_MAX)
			return false;
		last = next;
	}
	*ret_id = last;
	return true;
}

int stg_exit_status(const struct stg_error *err)
{
	switch (err->code) {
	case STG_OK:
		return 0;
	case STG_E_USAGE:
		return 2;
	case STG_E_INPUT:
		return 3;
	case STG_E_STATION:
		return 4;
	case STG_E_IO:
		/* the station's own disk; a device's trouble is 1 */
		return err->id == STG_ID_DISK_FULL || err->id == STG_ID_DISK_REFUSES || err->id == STG_ID_DATABASE_DAMAGED ? 4 : 1;
	case STG_E_SAFETY:
		return 5;
	case STG_E_WAITING:
	case STG_E_HOLD:
		return 6;
	default:
		return 1;
	}
}
