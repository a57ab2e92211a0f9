/*
 * audit.c - who did what: a log that shows when it was changed.
 *
 * For:    people and scripts.
 * Uses:   ops/audit.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stager/text.h>

#include "_pages.h"
#include "_verbs.h"

static const struct column entries[] = {
	{ "seq", N_("no"), COLUMN_TEXT }, { "time", N_("time"), COLUMN_TEXT }, { "actor", N_("who"), COLUMN_TEXT },
	{ "verb", N_("what"), COLUMN_TEXT }, { "object", N_("object"), COLUMN_TEXT },
	{ "unit", N_("device"), COLUMN_TEXT }, { "outcome", N_("outcome"), COLUMN_TEXT },
	{ 0 },
};

static void say(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	printf(_("%lld entries, %lld checkpoints: nothing was changed.\n"), (long long)stg_json_int(ret, "rows", 0),
	       (long long)stg_json_int(ret, "checkpoints", 0));
}

static const struct verb verbs[] = {
	{ "", "audit.list", "--from# --limit# --last#", entries, "rows", NULL, NULL },
	{ "list", "audit.list", "--from# --limit# --last#", entries, "rows", NULL, NULL },
	{ "verify", "audit.verify", "", NULL, NULL, say, NULL },
	{ 0 },
};

/* What a later reader needs to check the rows: where the station signed them, and with which key. */
static void checkpoints(FILE *to, const json_t *ret)
{
	json_t *j = json_object();
	json_object_set(j, "checkpoints", json_object_get(ret, "checkpoints"));
	stg_json_put(j, "public_key", stg_json_str(ret, "public_key"));
	char *text = stg_json_text(j);
	fprintf(to, "%s\n", text);
	free(text);
	json_decref(j);
}

static int run(struct stg_cmd_ctx *c)
{
	if (c->argc > 1 && strcmp(c->argv[1], "export") == 0)
		return pages_export(c, "audit.export", "from", checkpoints);
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_audit = {
	.name = "audit",
	.usage = N_("stager audit list [--last N]\n"
		    "    who did what and when, the newest last\n"
		    "stager audit verify\n"
		    "    proves that no row of the log was changed, taken out or put in\n"
		    "stager audit export FILE\n"
		    "    JSON Lines with the signed checkpoints; - is standard output"),
	.about = N_("who did what: a log that shows when it was changed"),
	.run = run,
};
