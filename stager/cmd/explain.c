/*
 * explain.c - what a code means, what to do and what the station does by itself; ours and those of others.
 *
 * For:    whoever reads STG-1042 on a board, a label or in a log, or "error -71" in another program's.
 * Uses:   the error rows, the tables of foreign codes.
 * Called: main.c.
 * Thread: the command's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stager/codes.h>
#include <stager/registry.h>
#include <stager/text.h>

#include "_table.h"

#define NOTHING_EN "Nothing: it waits for you."
#define NOTHING_FR "Rien : elle vous attend."

static const char *or(const char *text, const char *otherwise)
{
	return *text ? text : otherwise;
}

static json_t *row(unsigned int id)
{
	char code[16];
	snprintf(code, sizeof(code), "STG-%u", id);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "code", code, "name", stg_id_name(id), "sentence_en", stg_id_sentence_in(id, "en"),
			 "act_en", stg_id_act_in(id, "en"), "auto_en", or(stg_id_tries_in(id, "en"), NOTHING_EN), "sentence_fr",
			 stg_id_sentence_in(id, "fr"), "act_fr", stg_id_act_in(id, "fr"), "auto_fr", or(stg_id_tries_in(id, "fr"), NOTHING_FR));
}

static void print(const struct stg_cmd_ctx *c, const json_t *list, bool as_table)
{
	static const struct column en[] = { { "code", N_("code"), COLUMN_TEXT }, { "sentence_en", N_("means"), COLUMN_TEXT }, { "act_en", N_("do"), COLUMN_TEXT }, { 0 } };
	static const struct column fr[] = { { "code", N_("code"), COLUMN_TEXT }, { "sentence_fr", N_("means"), COLUMN_TEXT }, { "act_fr", N_("do"), COLUMN_TEXT }, { 0 } };
	bool french = strcmp(stg_language(), "fr") == 0;
	if (c->json || as_table) {
		table_print(c, list, french ? fr : en, NULL);
		return;
	}
	size_t i;
	json_t *one;
	json_array_foreach((json_t *)(uintptr_t)list, i, one) {
		const char *foreign = stg_json_str(one, "foreign");
		if (*foreign)
			printf("%s\n", foreign);
		printf("%s  %s\n", stg_json_str(one, "code"), stg_json_str(one, french ? "sentence_fr" : "sentence_en"));
		printf("  %s %s\n", _("You:"), stg_json_str(one, french ? "act_fr" : "act_en"));
		printf("  %s %s\n", _("The station:"), stg_json_str(one, french ? "auto_fr" : "auto_en"));
	}
}

/* ---- ours ---- */

static int explain_ours(const struct stg_cmd_ctx *c, const char *wanted)
{
	STG_AUTO(stg_json_free_at) json_t *list = json_array();
	unsigned int id;
	unsigned int number = wanted ? (unsigned int)strtoul(wanted + (strncasecmp(wanted, "STG-", 4) == 0 ? 4 : 0), NULL, 10) : 0;
	for (unsigned int i = 0; stg_id_nth(i, &id); i++)
		if (!wanted || id == number || strcasecmp(stg_id_name(id), wanted) == 0)
			json_array_append_new(list, row(id));
	if (wanted && !json_array_size(list)) {
		char shown[40];
		stg_printable(wanted, true, shown, sizeof(shown));
		fprintf(stderr, _("stager: there is no code '%s'; `stager explain` lists them all\n"), shown);
		return 2;
	}
	print(c, list, !wanted);
	return 0;
}

/* ---- those of others ---- */

static const struct stg_codes *table_of(const char *protocol)
{
	for (const struct stg_codes *const *t = stg_code_tables; *t; t++)
		if (stg_codes_is(*t, protocol))
			return *t;
	return NULL;
}

static bool number_of(const char *text, long *ret)
{
	char *end;
	errno = 0;
	*ret = strtol(text, &end, 0);
	return end != text && !*end && !errno && *ret >= INT32_MIN && *ret <= INT32_MAX;
}

static const struct stg_code_row *row_of(const struct stg_codes *t, const char *domain, const char *code)
{
	long number;
	if (!number_of(code, &number))
		return stg_codes_by_name(t, code, true);
	const struct stg_code_row *r = stg_codes_by_number(t, domain, number);
	/* logs write 71 as often as -71 */
	return r ? r : stg_codes_by_number(t, domain, -number);
}

static json_t *foreign_row(const struct stg_codes *t, const struct stg_code_row *r, const char *said)
{
	json_t *one = row(r->id);
	char text[200];
	snprintf(text, sizeof(text), "%s %s%s%s", t->protocol, said, r->name && strcasecmp(r->name, said) != 0 ? " " : "",
		 r->name && strcasecmp(r->name, said) != 0 ? r->name : "");
	stg_json_put(one, "foreign", text);
	stg_json_put(one, "protocol", t->protocol);
	stg_json_put(one, "acts_as", stg_code_name(r->code));
	return one;
}

static int list_table(const struct stg_cmd_ctx *c, const struct stg_codes *t)
{
	STG_AUTO(stg_json_free_at) json_t *list = json_array();
	static const struct column en[] = { { "foreign", N_("theirs"), COLUMN_TEXT }, { "code", N_("code"), COLUMN_TEXT }, { "sentence_en", N_("means"), COLUMN_TEXT }, { 0 } };
	static const struct column fr[] = { { "foreign", N_("theirs"), COLUMN_TEXT }, { "code", N_("code"), COLUMN_TEXT }, { "sentence_fr", N_("means"), COLUMN_TEXT }, { 0 } };
	for (const struct stg_code_row *r = t->rows; r->id; r++) {
		char said[60];
		if (r->first == r->last)
			snprintf(said, sizeof(said), r->first ? "%d" : "%.0d", r->first);
		else
			snprintf(said, sizeof(said), "%d..%d", r->first, r->last);
		json_array_append_new(list, foreign_row(t, r, *said || !r->name ? said : r->name));
	}
	table_print(c, list, strcmp(stg_language(), "fr") == 0 ? fr : en, NULL);
	return 0;
}

static int unknown_protocol(const char *typed)
{
	char shown[40];
	stg_printable(typed, true, shown, sizeof(shown));
	fprintf(stderr, _("stager explain: no codes of '%s' are known; there are those of"), shown);
	for (const struct stg_codes *const *t = stg_code_tables; *t; t++)
		fprintf(stderr, " %s", (*t)->protocol);
	fputc('\n', stderr);
	return 2;
}

static int explain_theirs(const struct stg_cmd_ctx *c)
{
	const struct stg_codes *t = table_of(c->argv[1]);
	const char *domain = c->argc > 3 ? c->argv[2] : NULL, *code = c->argv[c->argc - 1];
	if (!t)
		return unknown_protocol(c->argv[1]);
	if (c->argc == 2)
		return list_table(c, t);
	const struct stg_code_row *r = row_of(t, domain, code);
	char shown[80];
	stg_printable(code, true, shown, sizeof(shown));
	STG_AUTO(stg_json_free_at) json_t *list = json_array();
	json_array_append_new(list, foreign_row(t, r ? r : &t->otherwise, shown));
	/* what is in no list is said so, and handled as the device's plain no */
	if (!r) {
		stg_json_put_bool(json_array_get(list, 0), "known", false);
		fprintf(stderr, _("stager explain: %s has no code '%s' that we know; it is taken as this:\n"), t->protocol, shown);
	}
	print(c, list, false);
	return 0;
}

static int run(struct stg_cmd_ctx *c)
{
	if (c->argc > 4) {
		fprintf(stderr, "%s\n", _("stager explain: say CODE, or PROTOCOL CODE"));
		return 2;
	}
	if (c->argc > 2 || (c->argc == 2 && table_of(c->argv[1])))
		return explain_theirs(c);
	return explain_ours(c, c->argc > 1 ? c->argv[1] : NULL);
}

const struct stg_cmd stg_cmd_explain = {
	.name = "explain",
	.usage = N_("stager explain [CODE]\n"
		    "    CODE as it stands in a message: STG-1316; without one, all of them\n"
		    "stager explain PROTOCOL [[DOMAIN] CODE]\n"
		    "    what somebody else's code means: lockdown -17, MCInstall 14002, keybag 37002, AFC 18, restore 4013,\n"
		    "    installation_proxy DeviceOSVersionTooLow, usbmuxd 3, usb -71, libusb -3; without CODE, all of that list"),
	.about = N_("what a code means and what to do next"),
	.run = run,
};
