/*
 * expiry.c - the calendar: what ends when.
 *
 * For:    whoever plans a batch, and whoever renews things.
 * Uses:   ops/expiry.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <string.h>

#include <stager/text.h>

#include "_verbs.h"

static const struct column entries[] = {
	{ "ends_ms", N_("ends"), COLUMN_TIME }, { "state", N_("state"), COLUMN_WORD }, { "text", N_("what"), COLUMN_DETAIL },
	{ "blocks", N_("stops a batch"), COLUMN_TEXT }, { "what", N_("detail"), COLUMN_TEXT },
	{ 0 },
};

static void say_noted(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	char day[32];
	(void)c, (void)in;
	day_text(stg_json_int(ret, "ends_ms", 0), day);
	printf(_("%s ends on %s: noted.\n"), stg_json_str(ret, "name"), day);
}

static void say_forgotten(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	printf(_("%s is no longer in the calendar.\n"), stg_json_str(ret, "name"));
}

static const struct verb verbs[] = {
	{ "", "expiry", "--batch= --blueprint= --params: --days#", entries, "entries", NULL, NULL },
	{ "list", "expiry", "--batch= --blueprint= --params: --days#", entries, "entries", NULL, NULL },
	{ "note", "expiry.note", "name --*until= --note= --blueprint=", NULL, NULL, say_noted, NULL },
	{ "forget", "expiry.forget", "name", NULL, NULL, say_forgotten, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_expiry = {
	.name = "expiry",
	.usage = N_("stager expiry [--batch NAME|--blueprint NAME] [--days N]\n"
		    "    what ends when, the first first: identities, authorities, profiles and what is in them, apps, challenges, credentials, noted\n"
		    "    dates; of the whole station, or of what a batch or a blueprint needs; --days: within so many days\n"
		    "stager expiry note NAME --until 2027-03-01 [--note TEXT] [--blueprint NAME]\n"
		    "    a date no file tells, as of a push certificate; with a blueprint it stops batches as well\n"
		    "stager expiry forget NAME"),
	.about = N_("the calendar: what ends when, and which day stops a batch"),
	.run = run,
};
