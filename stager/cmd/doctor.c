/*
 * doctor.c - is this station fit for work? One line for each thing that must be right, with one act where it is not.
 *
 * For:    the morning, and whoever is asked for help.
 * Uses:   _health.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>

#include <stager/text.h>

#include "_health.h"
#include "_table.h"

static int run(struct stg_cmd_ctx *c)
{
	static const struct column columns[] = {
		{ "level", N_("level"), COLUMN_WORD }, { "check", N_("what"), COLUMN_WORD }, { "text", N_("detail"), COLUMN_DETAIL },
		{ "act", N_("do"), COLUMN_TEXT }, { "code", N_("code"), COLUMN_TEXT }, { 0 },
	};
	struct stg_error err = { 0 };
	struct health h;
	int status = 0;
	if (c->argc > 1) {
		fprintf(stderr, _("stager doctor: it takes no words\n"));
		return 2;
	}
	struct stg_caller *caller = stg_cmd_caller(c, &status);
	if (!caller)
		return status;
	if (!health_look(&h, caller, &err))
		return stg_cmd_tell(c, &err);
	table_print(c, h.lines, columns, json_pack("{s:b}", "fit", h.worst != HEALTH_FAIL));
	json_decref(h.lines);
	return h.worst == HEALTH_FAIL ? 4 : 0;
}

const struct stg_cmd stg_cmd_doctor = {
	.name = "doctor",
	.usage = N_("stager doctor [--json]\n"
		    "    clock, disk, usbmuxd and its options, who may read the state, udev rules, the backup of the keys, and what ends when\n"
		    "    exit status 0: fit for work, warnings or not; 4: something has failed"),
	.about = N_("is this station fit for work? one line each, with one act"),
	.run = run,
};
