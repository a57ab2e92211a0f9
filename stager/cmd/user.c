/*
 * user.c - people, their roles and PINs.
 *
 * For:    people and scripts.
 * Uses:   ops/people.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <string.h>

#include <stager/text.h>

#include "_verbs.h"

static const struct column people[] = {
	{ "name", N_("name"), COLUMN_TEXT }, { "role", N_("role"), COLUMN_WORD },
	{ "has_pin", N_("PIN"), COLUMN_TEXT }, { "disabled", N_("disabled"), COLUMN_TEXT },
	{ 0 },
};

static const struct verb verbs[] = {
	{ "", "user.list", "", people, "people", NULL, NULL },
	{ "list", "user.list", "", people, "people", NULL, NULL },
	{ "add", "user.add", "name --*role= --second= ^pin ^second_pin", NULL, NULL, NULL, NULL },
	{ "role", "user.role", "name role --second= ^second_pin", NULL, NULL, NULL, NULL },
	{ "pin", "user.pin", "name --second= ^pin ^second_pin", NULL, NULL, NULL, NULL },
	{ "disable", "user.disable", "name --second= ^second_pin", NULL, NULL, NULL, NULL },
	{ "enable", "user.enable", "name --second= ^second_pin", NULL, NULL, NULL, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_user = {
	.name = "user",
	.usage = N_("stager user add NAME --role technician|lead|admin|auditor\n"
		    "    asks for a PIN\n"
		    "stager user list | role NAME ROLE | pin NAME | disable NAME | enable NAME    [--second NAME]\n"
		    "    --second  the administrator who agrees; asks for that PIN"),
	.about = N_("people, their roles and PINs"),
	.run = run,
};
