/*
 * queue.c - devices that cannot go on by themselves, and what each waits for.
 *
 * For:    people at the bench.
 * Uses:   ops/queue.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <string.h>

#include <stager/error.h>
#include <stager/text.h>

#include "_recovery.h"
#include "_verbs.h"

static const struct column rows[] = {
	{ "queue", N_("queue"), COLUMN_WORD }, { "id", N_("number"), COLUMN_TEXT }, { "serial", N_("serial"), COLUMN_TEXT },
	{ "asset_tag", N_("tag"), COLUMN_TEXT }, { "label", N_("port"), COLUMN_TEXT }, { "since_ms", N_("since"), COLUMN_TIME },
	{ "code", N_("why"), COLUMN_CODE }, { "reason", N_("detail"), COLUMN_TEXT }, { 0 },
};

static void say_added(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	unsigned int code = (unsigned int)stg_json_int(ret, "code", 0);
	(void)c, (void)in;
	printf("%s: %s %s\n", stg_json_str(ret, "serial"), stg_id_sentence(code), stg_id_act(code));
	if (code == STG_ID_QUEUED_RESTORE)
		printf("%s\n", recovery_keys(stg_json_str(ret, "model")));
}

static void say_done(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	printf(_("Number %lld stands in no queue any more.\n"), (long long)stg_json_int(ret, "done", 0));
}

static const struct verb verbs[] = {
	{ "", "queue.list", "", rows, "queues", NULL, NULL },
	{ "list", "queue.list", "queue?", rows, "queues", NULL, NULL },
	{ "add", "queue.add", "serial --queue= --order= --*reason= --second= ^second_pin", NULL, NULL, say_added, NULL },
	{ "done", "queue.done", "id# --why=", NULL, NULL, say_done, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_queue = {
	.name = "queue",
	.usage = N_("stager queue [list [line|unlock|locked|canary|mdm|restore|registration]]\n"
		    "    who waits for the line, for an unlock by its kept token, for a decision, for the first of its kind, for the MDM, for a restore\n"
		    "stager queue add SERIAL --reason TEXT [--queue mdm|restore] [--order clear_passcode|lock|erase --second NAME]\n"
		    "    a phone nobody can open: its kept token first, else an order for the MDM with the results, else the restore queue.\n"
		    "    SERIAL may be an ECID, a tag, or a number read off the case\n"
		    "stager queue done NUMBER [--why TEXT]"),
	.about = N_("devices that cannot go on by themselves: line, unlock, MDM, restore"),
	.run = run,
};
