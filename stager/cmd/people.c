/*
 * people.c - the people devices are for.
 *
 * For:    people and scripts.
 * Uses:   ops/staff.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stager/clock.h>
#include <stager/text.h>

#include "_verbs.h"

static const struct column people[] = {
	{ "name", N_("name"), COLUMN_TEXT }, { "mail", N_("mail"), COLUMN_TEXT }, { "account", N_("account"), COLUMN_TEXT },
	{ "number", N_("number"), COLUMN_TEXT }, { "department", N_("department"), COLUMN_TEXT }, { "disabled", N_("disabled"), COLUMN_TEXT },
	{ "source", N_("list"), COLUMN_TEXT },
	{ 0 },
};

static void say_kept(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	long long n = (long long)stg_json_int(ret, "people", 0), left = (long long)stg_json_int(ret, "left_out", 0);
	char problem[200];
	(void)c, (void)in;
	printf(ngettext("List %s: %lld person.\n", "List %s: %lld people.\n", (unsigned long)n), stg_json_str(ret, "name"), n);
	stg_printable(stg_json_str(ret, "problem"), true, problem, sizeof(problem));
	if (left)
		printf(_("%lld entries could not be used, the first: %s\n"), left, problem);
}

static void say_list(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	size_t i;
	json_t *list;
	(void)in;
	if (!json_array_size(json_object_get(ret, "lists")))
		puts(_("No list of people is known. Import one: stager people import FILE"));
	json_array_foreach(json_object_get(ret, "lists"), i, list) {
		char when[STG_TIME_TEXT];
		stg_time_text(stg_json_int(list, "at_ms", 0), when);
		printf(_("List %s of %s: %lld people; forgotten after %lld days\n"), stg_json_str(list, "source"), when, (long long)stg_json_int(list, "people", 0),
		       (long long)stg_json_int(ret, "days", 0));
	}
	if (json_array_size(json_object_get(ret, "people"))) {
		puts("");
		table_print(c, json_object_get(ret, "people"), people, NULL);
	}
}

static void say_show(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	static const char *const fields[][2] = {
		{ "name", N_("name") }, { "mail", N_("mail") }, { "upn", N_("UPN") }, { "account", N_("account") }, { "number", N_("number") },
		{ "department", N_("department") }, { "source", N_("list") },
	};
	unsigned int id = (unsigned int)stg_json_int(ret, "code", 0);
	(void)c, (void)in;
	for (size_t i = 0; i < STG_ARRAY_LEN(fields); i++) {
		char text[400];
		stg_printable(stg_json_str(ret, fields[i][0]), true, text, sizeof(text));
		if (*text)
			printf("%s: %s\n", _(fields[i][1]), text);
	}
	if (id)
		printf("\n%s %s (STG-%u)\n", stg_id_sentence(id), stg_id_act(id), id);
}

static void say_forgotten(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	printf(_("Forgotten: %lld people of the lists, the owner of %lld devices and lines. Signed results stay as they are.\n"),
	       (long long)stg_json_int(ret, "people", 0), (long long)stg_json_int(ret, "rows", 0));
}

static void say_days(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	printf(_("Lists of people and owners are forgotten after %lld days.\n"), (long long)stg_json_int(ret, "days", 0));
}

static const struct verb verbs[] = {
	{ "", "people.list", "", NULL, NULL, say_list, NULL },
	{ "list", "people.list", "part?", NULL, NULL, say_list, NULL },
	{ "import", "people.import", "file< --map: --name=", NULL, NULL, say_kept, NULL },
	{ "show", "people.show", "name", NULL, NULL, say_show, NULL },
	{ "forget", "people.forget", "name? --list=", NULL, NULL, say_forgotten, NULL },
	{ "days", "people.days", "days", NULL, NULL, say_days, NULL },
	{ 0 },
};

/* The directory is asked, and its answer kept: two operations, so that nobody waits for the one in the middle. */
static int fetch(struct stg_cmd_ctx *c, const char *name)
{
	int status = 0;
	STG_AUTO(stg_json_free_at) json_t *in = json_pack("{s:s}", "name", name);
	STG_AUTO(stg_json_free_at) json_t *list = NULL;
	STG_AUTO(stg_json_free_at) json_t *ret = NULL;
	if (!stg_cmd_call(c, "people.ask", in, NULL, 0, &list, &status) || !stg_cmd_call(c, "people.keep", list, NULL, 0, &ret, &status))
		return status;
	if (stg_json_bool(list, "plain", false) && !c->quiet)
		fprintf(stderr, "%s\n", _("Names and password went without TLS; this is only for a directory on this machine."));
	if (c->json)
		json_line(ret);
	else if (!c->quiet)
		say_kept(c, in, ret);
	return 0;
}

static int run(struct stg_cmd_ctx *c)
{
	bool fetches = c->argc == 3 && strcmp(c->argv[1], "fetch") == 0 && c->argv[2][0] != '-';
	return fetches ? fetch(c, c->argv[2]) : verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_people = {
	.name = "people",
	.usage = N_("stager people import FILE [--map FIELD=COLUMN] [--name LIST]\n"
		    "    a list of people as CSV or LDIF; it takes the place of the earlier one of that name (file)\n"
		    "    FIELD is account, upn, mail, name, department, number or disabled\n"
		    "stager people fetch TARGET\n"
		    "    the same from a directory, read only: stager target add TARGET --connector ldap\n"
		    "stager people list [TEXT] | show PERSON\n"
		    "    who is known; PERSON is an account, UPN, mail address or employee number\n"
		    "stager people forget PERSON | forget --list LIST | days DAYS\n"
		    "    forgets a person, also as owner of devices, or a list; how long both are kept (90 days)"),
	.about = N_("the people devices are for"),
	.run = run,
};
