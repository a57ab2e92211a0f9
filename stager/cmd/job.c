/*
 * job.c - jobs: one device through one blueprint.
 *
 * For:    people and scripts.
 * Uses:   ops/job.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <string.h>

#include <stager/text.h>

#include "_verbs.h"

static const struct column jobs[] = {
	{ "id", N_("job"), COLUMN_TEXT }, { "serial", N_("serial"), COLUMN_TEXT },
	{ "asset_tag", N_("tag"), COLUMN_TEXT }, { "batch", N_("batch"), COLUMN_TEXT },
	{ "state", N_("state"), COLUMN_WORD }, { "wait", N_("waits for"), COLUMN_WORD },
	{ "step", N_("step"), COLUMN_TEXT }, { "code", N_("why"), COLUMN_CODE }, { "msg", N_("detail"), COLUMN_DETAIL },
	{ "changed_ms", N_("since"), COLUMN_TIME },
	{ 0 },
};
static const struct column done[] = {
	{ "id", N_("job"), COLUMN_TEXT }, { "serial", N_("serial"), COLUMN_TEXT },
	{ 0 },
};

static const struct verb verbs[] = {
	{ "", "job.list", "--state= --batch= --serial= --open!", jobs, "jobs", NULL, NULL },
	{ "list", "job.list", "--state= --batch= --serial= --open!", jobs, "jobs", NULL, NULL },
	{ "show", "job.show", "serial? --id# --serial=", NULL, NULL, NULL, NULL },
	{ "retry", "job.retry", "serial? --id# --serial= --batch= --state= --why=", done, "retried", NULL, NULL },
	{ "cancel", "job.cancel", "serial? --id# --serial= --batch= --state= --why=", done, "cancelled", NULL, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_job = {
	.name = "job",
	.usage = N_("stager job list [--state S] [--batch B] [--serial S] [--open]\n"
		    "    --open  only those without an end\n"
		    "stager job show SERIAL | --id ID\n"
		    "    every step with its evidence\n"
		    "stager job retry SERIAL | --id ID | --batch B [--state failed] [--why TEXT]\n"
		    "    goes on at the first step that was not proven\n"
		    "stager job cancel SERIAL | --id ID | --batch B [--why TEXT]"),
	.about = N_("jobs: one device through one blueprint"),
	.run = run,
};
