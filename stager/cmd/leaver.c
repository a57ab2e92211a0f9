/*
 * leaver.c - a returned phone: what was decided about its data, and what the intake found.
 *
 * For:    people at the bench.
 * Uses:   ops/leaver.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <string.h>

#include <stager/text.h>

#include "_verbs.h"

static const struct column checks[] = {
	{ "check", N_("check"), COLUMN_WORD }, { "verdict", N_("verdict"), COLUMN_WORD }, { "code", N_("why"), COLUMN_CODE },
	{ "seen", N_("detail"), COLUMN_TEXT }, { 0 },
};

static void say_decided(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	const char *answer = stg_json_str(ret, "answer");
	(void)c, (void)in;
	printf(_("Written down for %zu devices: %s\n"), json_array_size(json_object_get(ret, "serials")),
	       strcmp(answer, "none") == 0 ? _("nothing is to be kept") : strcmp(answer, "done") == 0 ? _("a copy was made") : _("a copy is still wanted"));
}

static const struct verb verbs[] = {
	{ "backup", "leaver.backup", "serials... --*answer= --*by=", NULL, NULL, say_decided, NULL },
	{ "show", "leaver.show", "serial", checks, "checks", NULL, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_leaver = {
	.name = "leaver",
	.usage = N_("stager leaver backup SERIAL... --answer none|done|wanted --by NAME\n"
		    "    what was decided about the data on it, and by whom: nothing is to be kept, a copy was made, a copy is still wanted\n"
		    "stager leaver show SERIAL\n"
		    "    what the checks found when it was plugged in, each with its reason and what to do"),
	.about = N_("a returned phone: its data, its owner, its locks"),
	.run = run,
};
