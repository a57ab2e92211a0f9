/*
 * find.c - looks for a text in everything the station knows.
 *
 * For:    people and scripts.
 * Uses:   ops/find.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <string.h>

#include <stager/text.h>

#include "_verbs.h"

static const struct column found[] = {
	{ "kind", N_("what"), COLUMN_TEXT }, { "serial", N_("serial"), COLUMN_TEXT },
	{ "asset_tag", N_("tag"), COLUMN_TEXT }, { "name", N_("name"), COLUMN_TEXT },
	{ "model_name", N_("model"), COLUMN_TEXT }, { "batch", N_("batch"), COLUMN_TEXT },
	{ "state", N_("state"), COLUMN_WORD }, { "end", N_("end"), COLUMN_WORD },
	{ "subject", N_("subject"), COLUMN_TEXT },
	{ 0 },
};

static const struct verb verbs[] = {
	{ "", "find", "text", found, "found", NULL, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_find = {
	.name = "find",
	.usage = N_("stager find TEXT...\n"
		    "    a serial number, an asset tag, a name, a batch, a certificate"),
	.about = N_("looks for a text in everything the station knows"),
	.run = run,
};
