/*
 * inventory.c - devices and their history.
 *
 * For:    people and scripts.
 * Uses:   ops/inventory.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <string.h>

#include <stager/text.h>

#include "_pages.h"
#include "_verbs.h"

static const struct column devices[] = {
	{ "serial", N_("serial"), COLUMN_TEXT }, { "asset_tag", N_("tag"), COLUMN_TEXT },
	{ "name", N_("name"), COLUMN_TEXT }, { "model_name", N_("model"), COLUMN_TEXT },
	{ "os_version", N_("system"), COLUMN_TEXT }, { "ownership", N_("ownership"), COLUMN_TEXT },
	{ "batch", N_("batch"), COLUMN_TEXT }, { "end", N_("end"), COLUMN_STATE },
	{ "last_seen_ms", N_("last seen"), COLUMN_TIME },
	{ 0 },
};

static const struct verb verbs[] = {
	{ "", "inventory.list", "query? --limit#", devices, "devices", NULL, NULL },
	{ "list", "inventory.list", "query? --limit#", devices, "devices", NULL, NULL },
	{ "show", "inventory.show", "serial", NULL, NULL, NULL, NULL },
	{ "add", "inventory.add", "serial --asset_tag= --name= --ownership= --model= --imei=", NULL, NULL, NULL, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	if (c->argc > 1 && strcmp(c->argv[1], "export") == 0)
		return pages_export(c, "inventory.export", "after", NULL);
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_inventory = {
	.name = "inventory",
	.usage = N_("stager inventory list [QUERY]\n"
		    "    QUERY: part of a serial number, a tag, a name, a model\n"
		    "stager inventory show SERIAL\n"
		    "    what is known of one device and what was done to it; --json tells everything\n"
		    "stager inventory add SERIAL [--asset-tag T] [--name N] [--ownership pool|personal|unknown]\n"
		    "stager inventory export FILE [--format csv|json]\n"
		    "    - is standard output"),
	.about = N_("devices and their history"),
	.run = run,
};
