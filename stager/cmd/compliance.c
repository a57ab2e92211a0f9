/*
 * compliance.c - devices held against rules: from the inventory, or what is plugged in now.
 *
 * For:    people and scripts.
 * Uses:   ops/compliance.c; stage.c for what is plugged in.
 * Called: main.c.
 * Thread: the command's.
 */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stager/rules.h>
#include <stager/text.h>

#include "_child.h"
#include "_io.h"
#include "_stage.h"
#include "_table.h"
#include "_verbs.h"
#include "_words.h"

static const struct column judged[] = {
	{ "serial", N_("serial"), COLUMN_TEXT }, { "asset_tag", N_("tag"), COLUMN_TEXT }, { "model_name", N_("model"), COLUMN_TEXT },
	{ "os_version", N_("system"), COLUMN_TEXT }, { "verdict", N_("verdict"), COLUMN_WORD }, { "first", N_("reason"), COLUMN_DETAIL },
	{ "read_ms", N_("last seen"), COLUMN_TIME }, { 0 },
};
static const struct column files[] = {
	{ "name", N_("name"), COLUMN_TEXT }, { "where", N_("where"), COLUMN_WORD }, { "about", N_("about"), COLUMN_TEXT },
	{ "error", N_("mistake"), COLUMN_DETAIL }, { 0 },
};

/* A path is read by who typed it, a name by the station. */
static bool is_path(const char *name)
{
	size_t len = strlen(name);
	return strchr(name, '/') || (len > 5 && strcmp(name + len - 5, ".yaml") == 0);
}

static int check_inventory(struct stg_cmd_ctx *c, const char *rules, json_t *serials)
{
	STG_AUTO(stg_json_free_at) json_t *in = json_object(), *ret = NULL;
	struct stg_error err = { 0 };
	int status = 0;
	if (is_path(rules)) {
		json_t *read = stg_rules_load(NULL, rules, &err);
		if (!read)
			return stg_cmd_tell(c, &err);
		stg_json_put_new(in, "rules", read);
	} else {
		stg_json_put(in, "rules", rules);
	}
	if (json_array_size(serials))
		json_object_set(in, "serials", serials);
	if (!stg_cmd_call(c, "compliance.check", in, NULL, 0, &ret, &status))
		return status;
	const json_t *sum = json_object_get(ret, "summary");
	int64_t bad = stg_json_int(sum, "broken", 0) + stg_json_int(sum, "unreadable", 0);
	table_print(c, json_object_get(ret, "devices"), judged, json_deep_copy(sum));
	if (!c->json && !c->quiet)
		printf(_("%d compliant, %d break a rule, %d do not tell enough.\n"), (int)stg_json_int(sum, "compliant", 0),
		       (int)stg_json_int(sum, "broken", 0), (int)stg_json_int(sum, "unreadable", 0));
	return bad ? 6 : 0;
}

/* A blueprint of three steps, written for this once. */
static int check_plugged(struct stg_cmd_ctx *c, const char *rules, json_t *serials)
{
	STG_AUTO(stg_json_free_at) json_t *in = json_object();
	char path[PATH_MAX], whole[PATH_MAX];
	const char *tmp = getenv("TMPDIR");
	struct stg_error err = { 0 };
	struct child station;
	int status = 0;
	if (is_path(rules) && !realpath(rules, whole)) {
		stg_fail_id(&err, STG_E_INPUT, STG_ID_FILE_UNREADABLE, 0, "%.200s", rules);
		return stg_cmd_tell(c, &err);
	}
	if (json_array_size(serials))
		json_object_set(in, "serials", serials);
	else
		stg_json_put_bool(in, "all", true);
	snprintf(path, sizeof(path), "%s/stager-rules-XXXXXX.yaml", tmp && *tmp ? tmp : "/tmp");
	int fd = mkstemps(path, 5);
	FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (!f || fprintf(f, "name: compliance\nsteps:\n  - identify:\n  - pair:\n  - check_rules:\n      rules: \"%s\"\n", is_path(rules) ? whole : rules) < 0 ||
	    fclose(f) != 0) {
		stg_fail_id(&err, STG_E_INPUT, STG_ID_FILE_UNWRITABLE, 0, "%.200s", path);
		return stg_cmd_tell(c, &err);
	}
	struct stg_caller *caller = stg_cmd_caller(c, &status);
	if (caller && station_needed(caller, &station, &err)) {
		status = stage_devices(c, caller, path, in);
		station_release(caller, &station);
	} else if (caller) {
		status = stg_cmd_tell(c, &err);
	}
	unlink(path);
	return status;
}

static int check(struct stg_cmd_ctx *c)
{
	enum { PLUGGED = 256 };
	static const struct option options[] = { { "plugged", no_argument, NULL, PLUGGED }, { 0 } };
	STG_AUTO(stg_json_free_at) json_t *serials = json_array();
	bool plugged = false;
	int opt;
	optind = 2;
	while ((opt = word_option(c, options)) != -1) {
		if (opt != PLUGGED)
			return 2;
		plugged = true;
	}
	if (optind >= c->argc) {
		fprintf(stderr, "%s\n", _("stager compliance check: say which rules"));
		return 2;
	}
	const char *rules = c->argv[optind++];
	for (; optind < c->argc; optind++)
		json_array_append_new(serials, json_string(c->argv[optind]));
	return plugged ? check_plugged(c, rules, serials) : check_inventory(c, rules, serials);
}

static const struct verb verbs[] = {
	{ "", "compliance.list", "", files, "files", NULL, NULL },
	{ "list", "compliance.list", "", files, "files", NULL, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	if (c->argc > 1 && strcmp(c->argv[1], "check") == 0)
		return check(c);
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_compliance = {
	.name = "compliance",
	.usage = N_("stager compliance check RULES [SERIAL...]\n"
		    "    every device of the inventory, or these, judged by what was last read of it; ends with 6 when one does not comply\n"
		    "    RULES: a name (rules/NAME.yaml in the state or in /etc/stager) or a file: the lines a step check_rules takes\n"
		    "stager compliance check RULES --plugged [SERIAL...]\n"
		    "    what is plugged in, read and judged now; the verdict is kept with the result and told to every receiver\n"
		    "stager compliance list\n"
		    "    the files of rules"),
	.about = N_("devices judged by rules: from the inventory, or plugged in now"),
	.run = run,
};
