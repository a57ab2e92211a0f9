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

#include "_details.h"
#include "_verbs.h"

static const struct column targets[] = {
	{ "name", N_("name"), COLUMN_TEXT }, { "connector", N_("connector"), COLUMN_TEXT },
	{ "enabled", N_("on"), COLUMN_TEXT }, { "state", N_("state"), COLUMN_TEXT },
	{ "waiting", N_("waiting"), COLUMN_TEXT }, { "delivered", N_("delivered"), COLUMN_TEXT },
	{ "rejected", N_("rejected"), COLUMN_TEXT }, { "code", N_("why"), COLUMN_CODE },
	{ 0 },
};
static const struct column connectors[] = {
	{ "name", N_("name"), COLUMN_TEXT }, { "where", N_("where"), COLUMN_WORD },
	{ "about", N_("about"), COLUMN_BRIEF },
	{ 0 },
};

static void say_add(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	printf(_("Target %s is kept. Ask whether it answers: stager target test %s\n"), stg_json_str(ret, "name"), stg_json_str(ret, "name"));
}

/* What a target of this connector takes by --config. */
static void say_settings(const json_t *settings)
{
	char text[300], line[500];
	size_t i;
	json_t *one;
	json_array_foreach(settings, i, one) {
		stg_printable(stg_json_str(one, "about"), true, text, sizeof(text));
		snprintf(line, sizeof(line), stg_json_bool(one, "required", false) && !*stg_json_str(one, "default") ? _("--config %s=... (needed): %s") : "--config %s=...: %s",
			 stg_json_str(one, "name"), text);
		printf("  ");
		text_wrapped(line, 2, 6);
		putchar('\n');
	}
}

/* One connector: all that its receiver can and cannot do, and what a target of it wants. */
static void say_connector(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	char safe[640], about[640];
	(void)c, (void)in;
	stg_printable(stg_json_str(ret, "about"), true, safe, sizeof(safe));
	detail_text(safe, about, sizeof(about));
	text_wrapped(about, 0, 0);
	putchar('\n');
	say_settings(json_object_get(ret, "settings"));
	if (*stg_json_str(ret, "console"))
		printf(_("The file its console imports: --connector console --config layout=%s\n"), stg_json_str(ret, "name"));
}

static void say_check(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	if (!*stg_json_str(ret, "file")) {
		printf(_("Target %s: settings, connector and credentials fit together.\n"), stg_json_str(ret, "name"));
		return;
	}
	char about[300];
	stg_printable(stg_json_str(ret, "about"), true, about, sizeof(about));
	printf(_("Connector %s is well formed: %s\n"), stg_json_str(ret, "name"), about);
	say_settings(json_object_get(ret, "settings"));
}

/* Requests read like requests. */
static void say_try(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	const json_t *list = json_object_get(ret, "requests");
	STG_AUTO(stg_json_free_at) json_t *alone = json_pack("[O]", ret);
	const char *name;
	size_t i;
	json_t *one, *value;
	(void)c, (void)in;
	if (*stg_json_str(ret, "path")) {
		printf(_("A line is added to %s (%s).\n"), stg_json_str(ret, "path"), stg_json_str(ret, "format"));
		return;
	}
	if (!*stg_json_str(ret, "url") && !list) {
		puts(_("Nothing of this result is for this target."));
		return;
	}
	json_array_foreach(list ? list : alone, i, one) {
		const char *what = stg_json_str(one, "what"), *phase = stg_json_str(one, "phase");
		printf("%s# %s%s%s\n%s %s\n", i ? "\n" : "", what, *phase ? " " : "", phase, stg_json_str(one, "method"), stg_json_str(one, "url"));
		json_object_foreach(json_object_get(one, "headers"), name, value)
			printf("%s: %s\n", name, json_string_value(value));
		if (*stg_json_str(one, "body"))
			printf("\n%s\n", stg_json_str(one, "body"));
	}
	if (stg_json_bool(ret, "client_certificate", false))
		puts(_("With the target's client certificate."));
}

/* The SQL goes to standard output as it is, so that it can be given to the database's administrator. */
static void say_schema(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	if (!stg_json_bool(ret, "applied", false))
		fputs(stg_json_str(ret, "sql"), stdout);
	else
		printf(_("Target %s has its tables, version %lld.\n"), stg_json_str(ret, "name"), (long long)stg_json_int(ret, "have", 0));
}

/* Offline is nobody's failure and may be over in an hour. */
static int test_status(const json_t *ret)
{
	return stg_json_bool(ret, "ok", false) ? 0 : strcmp(stg_json_str(ret, "class"), "offline") == 0 ? 6 : 1;
}

static const struct verb verbs[] = {
	{ "", "target.list", "", targets, NULL, NULL, NULL },
	{ "list", "target.list", "", targets, NULL, NULL, NULL },
	{ "add", "target.add", "name --url= --connector= --config: --auth= --replace! --cert< --ca< --key< --pin< ^secret? ^token?", NULL, NULL, say_add, NULL },
	{ "check", "target.check", "name", NULL, NULL, say_check, NULL },
	{ "try", "target.try", "name --record_id= --record<", NULL, NULL, say_try, NULL },
	{ "test", "target.test", "name", NULL, NULL, NULL, test_status },
	{ "schema", "target.schema", "name --apply!", NULL, NULL, say_schema, NULL },
	{ "remove", "target.remove", "name", NULL, NULL, NULL, NULL },
	{ "connectors", "target.connectors", "name?", connectors, NULL, say_connector, NULL },
	{ 0 },
};

/* A connector's file travels as a descriptor: the station may run as somebody who cannot read it. */
static const struct verb by_file[] = {
	{ "check", "target.check", "file<", NULL, NULL, say_check, NULL },
	{ 0 },
};

static bool checks_a_file(const struct stg_cmd_ctx *c)
{
	bool found = false;
	for (int i = 2; i < c->argc && strcmp(c->argv[1], "check") == 0; i++) {
		size_t len = strlen(c->argv[i]);
		found |= c->argv[i][0] != '-' && (strchr(c->argv[i], '/') || (len > 5 && strcmp(c->argv[i] + len - 5, ".yaml") == 0));
	}
	return found;
}

static int run(struct stg_cmd_ctx *c)
{
	return verbs_run(c, checks_a_file(c) ? by_file : verbs);
}

const struct stg_cmd stg_cmd_target = {
	.name = "target",
	.usage = N_("stager target add NAME [--url URL] [--connector webhook|file|postgresql|sftp|syslog|ldap|intune|...] [--config KEY=VALUE] [--auth KIND] [--cert FILE] [--ca FILE] [--key FILE] [--pin FILE] [--replace]\n"
		    "    asks for the secret (webhook's, client's or password) and the token; an empty answer is none; two lines of standard input do\n"
		    "    --cert: certificate and key for mutual TLS; --key: the key to sign in with, with its certificate where the server wants it\n"
		    "    --config client_key=pkcs11:token=NAME;object=NAME: the key of --cert stays in that token; its PIN is the first line of --pin\n"
		    "stager target list | check NAME | connectors [CONNECTOR]\n"
		    "    check: what is wrong with its settings; connectors: the kinds there are, or all about one\n"
		    "stager target check FILE.yaml\n"
		    "    what is wrong with a connector file, with the line\n"
		    "stager target try NAME [--record-id ID | --record FILE]\n"
		    "    shows the requests without sending them, secrets masked; FILE holds one result as JSON\n"
		    "stager target test NAME\n"
		    "    asks the server whether it answers\n"
		    "stager target schema NAME [--apply]\n"
		    "    the tables a shared inventory needs, as SQL for its administrator; --apply makes or upgrades them there\n"
		    "stager target remove NAME"),
	.about = N_("the systems that get the results"),
	.run = run,
};
