/*
 * blueprint.c - ordered lists of steps: check them, read them in plain words.
 *
 * For:    people and scripts.
 * Uses:   ops/blueprint.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <string.h>

#include <stager/text.h>

#include "_verbs.h"

static const struct column blueprints[] = {
	{ "name", N_("name"), COLUMN_TEXT }, { "where", N_("where"), COLUMN_TEXT },
	{ "about", N_("about"), COLUMN_TEXT },
	{ 0 },
};

static const struct verb verbs[] = {
	{ "", "blueprint.list", "", blueprints, NULL, NULL, NULL },
	{ "list", "blueprint.list", "", blueprints, NULL, NULL, NULL },
	{ "show", "blueprint.show", "name --lang=", NULL, NULL, NULL, NULL },
	{ "check", "blueprint.check", "name", NULL, NULL, NULL, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_blueprint = {
	.name = "blueprint",
	.usage = "stager blueprint list\n"
		 "stager blueprint show NAME\n"
		 "stager blueprint check NAME|FILE",
	.about = N_("ordered lists of steps: check them, read them in plain words"),
	.run = run,
};
