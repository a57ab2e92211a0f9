/*
 * override.c - one device does otherwise than its blueprint, with a reason and an end.
 *
 * For:    leads.
 * Uses:   ops/override.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>

#include <stager/text.h>

#include "_verbs.h"

static const struct column overrides[] = {
	{ "id", N_("number"), COLUMN_TEXT }, { "serial", N_("serial"), COLUMN_TEXT }, { "active", N_("holds"), COLUMN_TEXT },
	{ "until_ms", N_("until"), COLUMN_TIME }, { "by", N_("by"), COLUMN_TEXT }, { "reason", N_("reason"), COLUMN_TEXT },
	{ 0 },
};

static void say_added(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	char until[32];
	(void)c, (void)in;
	day_text(stg_json_int(ret, "until_ms", 0), until);
	printf(_("Exception %lld: %s until %s. It holds for jobs that begin from now on.\n"), (long long)stg_json_int(ret, "id", 0), stg_json_str(ret, "serial"), until);
	if (!stg_json_bool(ret, "checked", false))
		puts(_("The device is in no order: whether it fits is seen when its job begins."));
}

static void say_ended(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	printf(_("Exception %lld has ended.\n"), (long long)stg_json_int(ret, "ended", 0));
}

static const struct verb verbs[] = {
	{ "", "override.list", "", overrides, "overrides", NULL, NULL },
	{ "list", "override.list", "serial?", overrides, "overrides", NULL, NULL },
	{ "add", "override.add", "serial --set: --skip, --*reason= --*until=", NULL, NULL, say_added, NULL },
	{ "end", "override.end", "id", NULL, NULL, say_ended, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_override = {
	.name = "override",
	.usage = N_("stager override list [SERIAL]\n"
		    "stager override add SERIAL [--set PARAM=VALUE]... [--skip STEP]... --reason TEXT --until 2026-12-31\n"
		    "    this device gets another value or leaves a step out; told in its record, on the sheet and on the label\n"
		    "stager override end NUMBER\n"
		    "    jobs that begin from now on do without it"),
	.about = N_("one device does otherwise than its blueprint, with a reason and an end"),
	.run = run,
};
