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

/* 1 is for devices that failed. What a person named and is not there, or is there already, was a wrong word: 2. */
static int exit_status(const struct stg_error *err)
{
	switch (err->id) {
	case STG_ID_BATCH_EXISTS:
	case STG_ID_ORG_EXISTS:
	case STG_ID_TARGET_EXISTS:
	case STG_ID_ILLEGAL_MOVE:
	case STG_ID_JOB_OPEN:
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

int stg_cmd_tell(const struct stg_cmd_ctx *c, const struct stg_error *err)
{
	char detail[300], spelt[800];
	stg_printable(err->msg, true, detail, sizeof(detail));
	bool narrower = spell_out(detail, c->json ? "en" : stg_language(), spelt, sizeof(spelt));
	if (c->json) {
		json_t *j = json_object();
		char code[16];
		snprintf(code, sizeof(code), "STG-%u", (unsigned int)err->id);
		stg_json_put_int(j, "v", 1);
		stg_json_put(j, "code", err->id ? code : stg_code_name(err->code));
		stg_json_put(j, "error", err->id ? stg_id_sentence_in(err->id, "en") : detail);
		stg_json_put(j, "act", stg_id_act_in(err->id, "en"));
		stg_json_put(j, "detail", narrower ? spelt : detail);
		char *text = stg_json_text(j);
		puts(text);
		free(text);
		json_decref(j);
	} else if (err->id && narrower) {
		fprintf(stderr, "stager: %s %s (STG-%u)\n  %s\n", stg_id_sentence(err->id), stg_id_act(err->id), (unsigned int)err->id, spelt);
	} else if (err->id) {
		fprintf(stderr, "stager: %s %s (STG-%u%s%s)\n", stg_id_sentence(err->id), stg_id_act(err->id), (unsigned int)err->id,
			detail[0] ? ", " : "", detail);
	} else {
		fprintf(stderr, "stager: %s\n", detail[0] ? detail : stg_code_name(err->code));
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
