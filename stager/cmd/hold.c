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

static void say_added(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c;
	printf(_("%s is on hold: %s\n"), stg_json_str(ret, "held"), stg_json_str(in, "reason"));
}

static void say_released(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	printf(_("%s is released: its job goes on, now or at its next plug.\n"), stg_json_str(ret, "released"));
}

static const struct verb verbs[] = {
	{ "", "hold.list", "", holds, "holds", NULL, NULL },
	{ "list", "hold.list", "", holds, "holds", NULL, NULL },
	{ "add", "hold.add", "serial --*reason= --owner= --unknown!", NULL, NULL, say_added, NULL },
	{ "release", "hold.release", "serial --why=", NULL, NULL, say_released, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_hold = {
	.name = "hold",
	.usage = N_("stager hold list\n"
		    "stager hold add SERIAL --reason TEXT [--owner NAME] [--unknown]\n"
		    "    nothing is done to the device until it is released; --unknown also for one that no list and no inventory knows\n"
		    "stager hold release SERIAL --why TEXT\n"
		    "    its job goes on, now or at its next plug"),
	.about = N_("devices put aside until somebody decides"),
	.run = run,
};
