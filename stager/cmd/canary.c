/*
 * canary.c - the first of a new model, system or blueprint, before the rest of its kind.
 *
 * For:    leads.
 * Uses:   ops/canary.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>

#include <stager/text.h>

#include "_verbs.h"

static const struct column canaries[] = {
	{ "id", N_("number"), COLUMN_TEXT }, { "model", N_("model"), COLUMN_TEXT }, { "os", N_("system"), COLUMN_TEXT },
	{ "blueprint", N_("blueprint"), COLUMN_TEXT }, { "state", N_("state"), COLUMN_WORD }, { "staged", N_("staged"), COLUMN_TEXT },
	{ "wanted", N_("of"), COLUMN_TEXT }, { "serial", N_("serial"), COLUMN_TEXT }, { "code", N_("why"), COLUMN_CODE },
	{ 0 },
};

static void say_released(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	printf(_("Kind %lld is released: the rest of it goes on without its canaries.\n"), (long long)stg_json_int(ret, "released", 0));
}

static const struct verb verbs[] = {
	{ "", "canary.list", "", canaries, "canaries", NULL, NULL },
	{ "list", "canary.list", "", canaries, "canaries", NULL, NULL },
	{ "release", "canary.release", "id --*why=", NULL, NULL, say_released, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_canary = {
	.name = "canary",
	.usage = N_("stager canary list\n"
		    "    kinds (model, system, blueprint) that were tried: testing, passed, failed, released\n"
		    "stager canary release NUMBER --why TEXT\n"
		    "    the rest of a kind goes on although its canaries are not through, or one failed; a lead's word"),
	.about = N_("the first of a new model, system or blueprint, before the rest of its kind"),
	.run = run,
};
