/*
 * explain.c - what a code means and what to do, in both languages.
 *
 * For:    whoever reads STG-1042 on a board, a label or in a log.
 * Uses:   the error rows.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stager/text.h>

#include "_table.h"

static json_t *row(unsigned int id)
{
	char code[16];
	snprintf(code, sizeof(code), "STG-%u", id);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "code", code, "name", stg_id_name(id), "sentence_en", stg_id_sentence_in(id, "en"),
			 "act_en", stg_id_act_in(id, "en"), "sentence_fr", stg_id_sentence_in(id, "fr"), "act_fr", stg_id_act_in(id, "fr"));
}

static int run(struct stg_cmd_ctx *c)
{
	static const struct column en[] = { { "code", N_("code"), COLUMN_TEXT }, { "sentence_en", N_("means"), COLUMN_TEXT }, { "act_en", N_("do"), COLUMN_TEXT }, { 0 } };
	static const struct column fr[] = { { "code", N_("code"), COLUMN_TEXT }, { "sentence_fr", N_("means"), COLUMN_TEXT }, { "act_fr", N_("do"), COLUMN_TEXT }, { 0 } };
	STG_AUTO(stg_json_free_at) json_t *list = json_array();
	unsigned int id;
	const char *wanted = c->argc > 1 ? c->argv[1] : NULL;
	unsigned int number = wanted ? (unsigned int)strtoul(wanted + (strncasecmp(wanted, "STG-", 4) == 0 ? 4 : 0), NULL, 10) : 0;
	for (unsigned int i = 0; stg_id_nth(i, &id); i++)
		if (!wanted || id == number || (wanted && strcasecmp(stg_id_name(id), wanted) == 0))
			json_array_append_new(list, row(id));
	if (wanted && !json_array_size(list)) {
		char shown[40];
		stg_printable(wanted, true, shown, sizeof(shown));
		fprintf(stderr, _("stager: there is no code '%s'; `stager explain` lists them all\n"), shown);
		return 2;
	}
	if (c->json || !wanted) {
		table_print(c, list, strcmp(stg_language(), "fr") == 0 ? fr : en, NULL);
	} else {
		const json_t *one = json_array_get(list, 0);
		bool french = strcmp(stg_language(), "fr") == 0;
		printf("%s  %s\n         %s\n", stg_json_str(one, "code"), stg_json_str(one, french ? "sentence_fr" : "sentence_en"),
		       stg_json_str(one, french ? "act_fr" : "act_en"));
	}
	return 0;
}

const struct stg_cmd stg_cmd_explain = {
	.name = "explain",
	.usage = N_("stager explain [CODE]\n"
		    "    CODE as it stands in a message: STG-1316; without one, all of them"),
	.about = N_("what a code means and what to do next"),
	.run = run,
};
