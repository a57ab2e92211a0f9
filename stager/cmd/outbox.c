/*
 * outbox.c - results on their way.
 *
 * For:    people and scripts.
 * Uses:   ops/outbox.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <string.h>

#include <stager/text.h>

#include "_outbox.h"
#include "_verbs.h"

static const struct column rows[] = {
	{ "id", N_("id"), COLUMN_TEXT }, { "target", N_("target"), COLUMN_TEXT }, { "phase", N_("phase"), COLUMN_TEXT },
	{ "serial", N_("serial"), COLUMN_TEXT }, { "state", N_("state"), COLUMN_WORD },
	{ "attempts", N_("tries"), COLUMN_TEXT }, { "code", N_("why"), COLUMN_CODE },
	{ "text", N_("detail"), COLUMN_DETAIL },
	{ 0 },
};

static const struct column targets[] = {
	{ "name", N_("target"), COLUMN_TEXT }, { "waiting", N_("waiting"), COLUMN_TEXT }, { "delivered", N_("delivered"), COLUMN_TEXT },
	{ "rejected", N_("rejected"), COLUMN_TEXT }, { "in_doubt", N_("in doubt"), COLUMN_TEXT }, { "code", N_("why"), COLUMN_CODE },
	{ 0 },
};

static void say_summary(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)in;
	char day[32];
	printf(_("Results: %lld waiting, %lld delivered.\n"), (long long)stg_json_int(ret, "waiting", 0), (long long)stg_json_int(ret, "delivered", 0));
	if (stg_json_int(ret, "carried", 0))
		printf(_("%lld left on a stick and wait for a receipt.\n"), (long long)stg_json_int(ret, "carried", 0));
	if (stg_json_int(ret, "oldest_ms", 0)) {
		day_text(stg_json_int(ret, "oldest_ms", 0), day);
		printf(_("The oldest that waits is of %s.\n"), day);
	}
	if (json_array_size(json_object_get(ret, "by_target")))
		table_print(c, json_object_get(ret, "by_target"), targets, NULL);
	else
		puts(_("No target: stager target add says where results go."));
}

static const struct verb verbs[] = {
	{ "", "outbox.summary", "", NULL, NULL, say_summary, NULL },
	{ "list", "outbox.list", "--target= --state= --serial= --open!", rows, NULL, NULL, NULL },
	{ "retry", "outbox.retry", "--id# --target= --state= --serial= --take=", NULL, NULL, NULL, NULL },
	{ "drop", "outbox.drop", "--*id# --*reason= --second= ^second_pin", NULL, NULL, NULL, NULL },
	{ "explain", "outbox.explain", "id#", NULL, NULL, NULL, NULL },
	{ 0 },
};

/* Below the list, where it ends on a screen: how much of it waits, and for what. */
static int run(struct stg_cmd_ctx *c)
{
	int status = verbs_run(c, verbs), ignored;
	STG_AUTO(stg_json_free_at) json_t *box = NULL;
	const bool is_list = c->argc > 1 && strcmp(c->argv[1], "list") == 0;
	if (status || !is_list || c->json || c->quiet || !stg_cmd_call(c, "outbox.summary", NULL, NULL, 0, &box, &ignored) || !stg_json_int(box, "waiting", 0))
		return status;
	char waits[160];
	outbox_waits(box, waits, sizeof(waits));
	printf("%s\n", waits);
	outbox_reasons(box, "  ");
	return status;
}

const struct stg_cmd stg_cmd_outbox = {
	.name = "outbox",
	.usage = N_("stager outbox list [--target T] [--state S] [--serial S] [--open]\n"
		    "    results that wait, were delivered or were rejected\n"
		    "stager outbox retry [--id N | --target T | --serial S]\n"
		    "stager outbox retry --id N --take ours|theirs\n"
		    "    decides a conflict: our value is written, or the receiver's is left\n"
		    "stager outbox drop --id N --reason TEXT --second NAME\n"
		    "    gives a result up; asks for that person's PIN\n"
		    "stager outbox explain ID\n"
		    "    what was sent, what was answered, what happens next"),
	.about = N_("results on their way"),
	.run = run,
};
