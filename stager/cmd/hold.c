/*
 * hold.c - devices put aside until somebody decides.
 *
 * For:    people and scripts.
 * Uses:   ops/hold.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <string.h>

#include <stager/text.h>

#include "_verbs.h"

static const struct column holds[] = {
	{ "serial", N_("serial"), COLUMN_TEXT }, { "unit", N_("ECID"), COLUMN_TEXT },
	{ "reason", N_("reason"), COLUMN_TEXT }, { "owner", N_("owner"), COLUMN_TEXT },
	{ "since_ms", N_("since"), COLUMN_TIME }, { "code", N_("why"), COLUMN_CODE },
	{ 0 },
};

static const struct verb verbs[] = {
	{ "", "hold.list", "", holds, "holds", NULL, NULL },
	{ "list", "hold.list", "", holds, "holds", NULL, NULL },
	{ "add", "hold.add", "serial --reason= --owner=", NULL, NULL, NULL, NULL },
	{ "release", "hold.release", "serial --why=", NULL, NULL, NULL, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_hold = {
	.name = "hold",
	.usage = "stager hold add SERIAL --reason TEXT [--owner NAME]\n"
		 "stager hold list\n"
		 "stager hold release SERIAL --why TEXT",
	.about = N_("devices put aside until somebody decides"),
	.run = run,
};
