/*
 * census.c - what has been seen on the bench, read only.
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

static const struct column seen[] = {
	{ "serial", N_("serial"), COLUMN_TEXT }, { "unit", N_("ECID"), COLUMN_TEXT },
	{ "model_name", N_("model"), COLUMN_TEXT }, { "os_version", N_("system"), COLUMN_TEXT },
	{ "asset_tag", N_("tag"), COLUMN_TEXT }, { "ownership", N_("ownership"), COLUMN_TEXT },
	{ "last_seen_ms", N_("last seen"), COLUMN_TIME },
	{ 0 },
};

static const struct verb verbs[] = {
	{ "", "census", "", seen, "devices", NULL, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_census = {
	.name = "census",
	.usage = "stager census [--out FILE]",
	.about = N_("what has been seen on the bench, read only"),
	.run = run,
};
