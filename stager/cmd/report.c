/*
 * report.c - papers about a batch.
 *
 * For:    people and scripts.
 * Uses:   ops/report.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <string.h>

#include <stager/text.h>

#include "_verbs.h"

static void say(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)ret;
	if (strcmp(stg_json_str(in, "out"), "-") != 0)
		fprintf(stderr, _("Hand-over sheet of batch %s written to %s.\n"), stg_json_str(in, "name"), stg_json_str(in, "out"));
}

static const struct verb verbs[] = {
	{ "handover", "report.handover", "name out> --out> --lang=", NULL, NULL, say, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_report = {
	.name = "report",
	.usage = N_("stager report handover BATCH [--out] FILE.pdf [--lang en|fr]\n"
		    "    the sheet that is signed when the devices change hands"),
	.about = N_("papers about a batch: the hand-over sheet"),
	.run = run,
};
