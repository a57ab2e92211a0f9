/*
 * reconcile.c - what the MDM has of what was handed over.
 *
 * For:    people and scripts.
 * Uses:   ops/reconcile.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stager/clock.h>
#include <stager/text.h>

#include "_verbs.h"

static const struct column devices[] = {
	{ "batch", N_("batch"), COLUMN_TEXT }, { "serial", N_("serial"), COLUMN_TEXT }, { "asset_tag", N_("tag"), COLUMN_TEXT },
	{ "model_name", N_("model"), COLUMN_TEXT }, { "staged_ms", N_("staged"), COLUMN_TIME }, { "standing", N_("state"), COLUMN_WORD },
	{ "code", N_("why"), COLUMN_CODE }, { 0 },
};

static void say_import(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	long long n = (long long)stg_json_int(ret, "devices", 0), left = (long long)stg_json_int(ret, "left_out", 0);
	char problem[200];
	(void)c, (void)in;
	printf(ngettext("%s: %lld device is in its list.\n", "%s: %lld devices are in its list.\n", (unsigned long)n), stg_json_str(ret, "name"), n);
	stg_printable(stg_json_str(ret, "problem"), true, problem, sizeof(problem));
	if (left)
		printf(_("%lld lines could not be read, the first: %s\n"), left, problem);
}

/* The figures first: they are what is asked for. */
static void say_show(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	size_t i;
	json_t *list;
	(void)in;
	printf(_("Handed over %lld, confirmed %lld (%.1f %%, goal %lld %%), no longer there %lld, never seen %lld\n"), (long long)stg_json_int(ret, "handed_over", 0),
	       (long long)stg_json_int(ret, "confirmed", 0), json_number_value(json_object_get(ret, "rate")), (long long)stg_json_int(ret, "goal", 0),
	       (long long)stg_json_int(ret, "gone", 0), (long long)stg_json_int(ret, "never_seen", 0));
	json_array_foreach(json_object_get(ret, "lists"), i, list) {
		char when[STG_TIME_TEXT];
		stg_time_text(stg_json_int(list, "at_ms", 0), when);
		printf(_("  by the list of %s, %s: %lld devices"), stg_json_str(list, "target"), when, (long long)stg_json_int(list, "devices", 0));
		if (stg_json_int(list, "left_out", 0))
			printf(_(", %lld lines of it could not be read"), (long long)stg_json_int(list, "left_out", 0));
		puts("");
	}
	if (json_array_size(json_object_get(ret, "devices"))) {
		puts("");
		table_print(c, json_object_get(ret, "devices"), devices, NULL);
	}
	unsigned int id = (unsigned int)stg_json_int(ret, "code", 0);
	if (id)
		printf("\n%s %s (STG-%u)\n", stg_id_sentence(id), stg_id_act(id), id);
}

static int show_status(const json_t *ret)
{
	return stg_json_bool(ret, "ok", false) ? 0 : 6;
}

static const struct verb verbs[] = {
	{ "import", "reconcile.import", "name --file< --map:", NULL, NULL, say_import, NULL },
	{ "show", "reconcile.show", "name? --batch= --goal# --all!", NULL, NULL, say_show, show_status },
	{ 0 },
};

/* Without a file the MDM is asked, and its answer kept: two operations, so that nobody waits for the one in the middle. */
static int ask(struct stg_cmd_ctx *c, const char *name)
{
	int status = 0;
	STG_AUTO(stg_json_free_at) json_t *in = json_pack("{s:s}", "name", name);
	STG_AUTO(stg_json_free_at) json_t *list = NULL;
	STG_AUTO(stg_json_free_at) json_t *ret = NULL;
	if (!stg_cmd_call(c, "reconcile.ask", in, NULL, 0, &list, &status) || !stg_cmd_call(c, "reconcile.import", list, NULL, 0, &ret, &status))
		return status;
	if (c->json)
		json_line(ret);
	else if (!c->quiet)
		say_import(c, in, ret);
	return 0;
}

static int run(struct stg_cmd_ctx *c)
{
	bool asks = c->argc == 3 && strcmp(c->argv[1], "import") == 0 && c->argv[2][0] != '-';
	return asks ? ask(c, c->argv[2]) : verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_reconcile = {
	.name = "reconcile",
	.usage = N_("stager reconcile import NAME [--file LIST.csv] [--map FIELD=COLUMN]\n"
		    "    takes the device list of the MDM that target NAME is: asked of itself, or exported there as CSV\n"
		    "stager reconcile show [NAME] [--batch BATCH] [--goal PERCENT] [--all]\n"
		    "    which devices that were handed over it has, and which it never saw; status 6 below the goal (95)"),
	.about = N_("what the MDM has of what was handed over"),
	.run = run,
};
