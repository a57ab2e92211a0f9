/*
 * secret.c - values that blueprints use and nobody reads: Wi-Fi passphrases, tokens.
 *
 * For:    people and scripts.
 * Uses:   ops/secret.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <string.h>

#include <stager/text.h>

#include "_verbs.h"

static const struct column secrets[] = {
	{ "name", N_("name"), COLUMN_TEXT }, { "created_ms", N_("made"), COLUMN_TIME },
	{ "changed_ms", N_("changed"), COLUMN_TIME },
	{ 0 },
};

static const struct verb verbs[] = {
	{ "", "secret.list", "", secrets, NULL, NULL, NULL },
	{ "list", "secret.list", "", secrets, NULL, NULL, NULL },
	{ "set", "secret.set", "name ^value", NULL, NULL, NULL, NULL },
	{ "remove", "secret.remove", "name", NULL, NULL, NULL, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_secret = {
	.name = "secret",
	.usage = N_("stager secret set NAME\n"
		    "    the value comes from a prompt or standard input; a blueprint says {{secret.NAME}}\n"
		    "stager secret list\n"
		    "stager secret remove NAME"),
	.about = N_("values that blueprints use and nobody reads: Wi-Fi passphrases, tokens"),
	.run = run,
};
