/*
 * target.c - the systems that get the results.
 *
 * For:    people and scripts.
 * Uses:   ops/target.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <string.h>

#include <stager/text.h>

#include "_verbs.h"

static const struct column targets[] = {
	{ "name", N_("name"), COLUMN_TEXT }, { "connector", N_("connector"), COLUMN_TEXT },
	{ "enabled", N_("on"), COLUMN_TEXT }, { "state", N_("state"), COLUMN_TEXT },
	{ "waiting", N_("waiting"), COLUMN_TEXT }, { "delivered", N_("delivered"), COLUMN_TEXT },
	{ "rejected", N_("rejected"), COLUMN_TEXT }, { "code", N_("why"), COLUMN_CODE },
	{ 0 },
};
static const struct column connectors[] = {
	{ "name", N_("name"), COLUMN_TEXT }, { "about", N_("about"), COLUMN_DETAIL },
	{ "where", N_("where"), COLUMN_WORD },
	{ 0 },
};

static void say_add(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	printf(_("Target %s is kept. Ask whether it answers: stager target test %s\n"), stg_json_str(ret, "name"), stg_json_str(ret, "name"));
}

/* Offline is nobody's failure and may be over in an hour. */
static int test_status(const json_t *ret)
{
	return stg_json_bool(ret, "ok", false) ? 0 : strcmp(stg_json_str(ret, "class"), "offline") == 0 ? 6 : 1;
}

static const struct verb verbs[] = {
	{ "", "target.list", "", targets, NULL, NULL, NULL },
	{ "list", "target.list", "", targets, NULL, NULL, NULL },
	{ "add", "target.add", "name --url= --connector= --config: --auth= --replace! --cert< --ca< ^secret? ^token?", NULL, NULL, say_add, NULL },
	{ "check", "target.check", "name", NULL, NULL, NULL, NULL },
	{ "try", "target.try", "name --record_id=", NULL, NULL, NULL, NULL },
	{ "test", "target.test", "name", NULL, NULL, NULL, test_status },
	{ "remove", "target.remove", "name", NULL, NULL, NULL, NULL },
	{ "connectors", "target.connectors", "", connectors, NULL, NULL, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_target = {
	.name = "target",
	.usage = N_("stager target add NAME --url URL [--connector webhook|file|...] [--config KEY=VALUE] [--auth KIND] [--cert FILE] [--ca FILE] [--replace]\n"
		    "    asks for the webhook secret and the bearer token; an empty answer is none; two lines of standard input do\n"
		    "stager target list | check NAME | connectors\n"
		    "    check: what is wrong with its settings; connectors: the kinds there are\n"
		    "stager target try NAME [--record-id ID]\n"
		    "    shows the request without sending it\n"
		    "stager target test NAME\n"
		    "    asks the server whether it answers\n"
		    "stager target remove NAME"),
	.about = N_("the systems that get the results"),
	.run = run,
};
