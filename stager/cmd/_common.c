/*
 * _common.c - what every command does the same way: reach the station, say what went wrong.
 *
 * For:    the files of this folder.
 * Uses:   <stager/op.h>, the error rows.
 * Called: from commands.
 * Thread: the command's.
 */
#include <stdio.h>
#include <string.h>
#include <stdlib.h>

#include <stager/cmd.h>
#include <stager/ids.h>
#include <stager/text.h>

#include "_details.h"

/* 1 is for devices that failed. What a person named and is not there, or is there already, was a wrong word: 2. */
static int exit_status(const struct stg_error *err)
{
	switch (err->id) {
	case STG_ID_BATCH_EXISTS:
	case STG_ID_ORG_EXISTS:
	case STG_ID_TARGET_EXISTS:
	case STG_ID_ILLEGAL_MOVE:
	case STG_ID_JOB_OPEN:
	case STG_ID_ORG_OTHER:
		return 2;
	case STG_ID_NO_STATE:
		return 4;
	case STG_ID_LAST_ADMIN:
		return 5;
	case STG_ID_BATCH_OPEN:
	case STG_ID_BATCH_RUNNING:
		return 6;
	default:
		return err->code == STG_E_NOT_FOUND ? 2 : stg_exit_status(err);
	}
}

/*
 * A detail that was made where nobody knew the language may end in the code of a narrower row, "order.csv:3: IMEI '3.56E+14':
 * STG-1628 (+2)": here its sentence and act are put in its place. False when there is none.
 */
static bool spell_out(const char *detail, const char *lang, char *ret, size_t size)
{
	const char *code = NULL;
	char *end = NULL;
	for (const char *p = detail; (p = strstr(p, " STG-")); p++)
		code = p + 1;
	unsigned int id = code ? (unsigned int)strtoul(code + 4, &end, 10) : 0;
	if (!id || !*stg_id_sentence_in(id, lang))
		return false;
	snprintf(ret, size, "%.*s%s %s (STG-%u)%s", (int)(code - detail), detail, stg_id_sentence_in(id, lang), stg_id_act_in(id, lang), id, end);
	return true;
}

/* What a person reads of an error that was given no row of its own: at least what kind it is, and what to do. */
static unsigned int row_of(const struct stg_error *err)
{
	static const enum stg_id kinds[] = {
		[STG_E_BUG] = STG_ID_BUG, [STG_E_NOMEM] = STG_ID_NO_MEMORY, [STG_E_IO] = STG_ID_ANY_IO, [STG_E_TIMEOUT] = STG_ID_ANY_TIMEOUT,
		[STG_E_GONE] = STG_ID_ANY_GONE, [STG_E_PROTOCOL] = STG_ID_ANY_PROTOCOL, [STG_E_REFUSED] = STG_ID_ANY_REFUSED,
		[STG_E_NEEDS_HUMAN] = STG_ID_ANY_HUMAN, [STG_E_NOT_FOUND] = STG_ID_ANY_NOT_FOUND, [STG_E_UNSUPPORTED] = STG_ID_ANY_UNSUPPORTED,
		[STG_E_CANCELLED] = STG_ID_ANY_CANCELLED, [STG_E_UNKNOWN] = STG_ID_ANY_UNKNOWN, [STG_E_WAITING] = STG_ID_ANY_WAITING,
		[STG_E_HOLD] = STG_ID_ANY_HUMAN, [STG_E_USAGE] = STG_ID_ANY_USAGE, [STG_E_INPUT] = STG_ID_ANY_INPUT,
		[STG_E_STATION] = STG_ID_ANY_STATION, [STG_E_SAFETY] = STG_ID_ANY_SAFETY,
	};
	return err->id ? err->id : (size_t)err->code < STG_ARRAY_LEN(kinds) ? kinds[err->code] : STG_ID_BUG;
}

int stg_cmd_tell(const struct stg_cmd_ctx *c, const struct stg_error *err)
{
	char detail[300], shown[800], spelt[800];
	unsigned int row = row_of(err);
	stg_printable(err->msg, true, detail, sizeof(detail));
	bool narrower = spell_out(detail, c->json ? "en" : stg_language(), spelt, sizeof(spelt));
	if (c->json) {
		json_t *j = json_object();
		char code[16];
		snprintf(code, sizeof(code), "STG-%u", (unsigned int)err->id);
		stg_json_put_int(j, "v", 1);
		stg_json_put(j, "code", err->id ? code : stg_code_name(err->code));
		stg_json_put(j, "error", err->id ? stg_id_sentence_in(err->id, "en") : detail);
		stg_json_put(j, "act", stg_id_act_in(row, "en"));
		stg_json_put(j, "detail", narrower ? spelt : detail);
		char *text = stg_json_text(j);
		puts(text);
		free(text);
		json_decref(j);
	} else if (narrower) {
		fprintf(stderr, "stager: %s %s (STG-%u)\n  %s\n", stg_id_sentence(row), stg_id_act(row), row, spelt);
	} else {
		detail_text(detail, shown, sizeof(shown));
		fprintf(stderr, "stager: %s %s (STG-%u%s%s)\n", stg_id_sentence(row), stg_id_act(row), row, shown[0] ? ", " : "", shown);
	}
	return exit_status(err);
}

struct stg_caller *stg_cmd_caller(struct stg_cmd_ctx *c, int *ret_status)
{
	struct stg_error err = { 0 };
	if (c->caller->state_dir[0])
		return c->caller;
	if (stg_caller_open(c->caller, c->state, c->actor, &err))
		return c->caller;
	*ret_status = stg_cmd_tell(c, &err);
	return NULL;
}

bool stg_cmd_call(struct stg_cmd_ctx *c, const char *op, const json_t *in, const int *fds, size_t n_fds, json_t **ret, int *ret_status)
{
	struct stg_error err = { 0 };
	struct stg_caller *caller = stg_cmd_caller(c, ret_status);
	if (!caller)
		return false;
	if (stg_call(caller, op, in, fds, n_fds, ret, &err))
		return true;
	*ret_status = stg_cmd_tell(c, &err);
	return false;
}

bool stg_cmd_hears_usbmuxd(struct stg_caller *caller, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *figures = NULL;
	if (!stg_call(caller, "station.show", NULL, NULL, 0, &figures, err))
		return false;
	return stg_json_bool(figures, "mux", true) || stg_fail_id(err, STG_E_STATION, STG_ID_NO_USBMUXD, 0, "%s", "");
}
