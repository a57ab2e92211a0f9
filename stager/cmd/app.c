/*
 * app.c - the station's own repository of apps, and of documents for them.
 *
 * For:    people and scripts.
 * Uses:   ops/app.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <string.h>

#include <stager/clock.h>
#include <stager/text.h>

#include "_verbs.h"

static const struct column files[] = {
	{ "what", N_("app or document"), COLUMN_TEXT }, { "version", N_("version"), COLUMN_TEXT },
	{ "minimum_os", N_("from system"), COLUMN_TEXT }, { "signing", N_("signed"), COLUMN_WORD },
	{ "signer", N_("by"), COLUMN_TEXT }, { "expires_ms", N_("expires"), COLUMN_TIME },
	{ "mark", N_("hash"), COLUMN_TEXT },
	{ 0 },
};

static void say_row(const json_t *row)
{
	const char *id = stg_json_str(row, "bundle_id");
	size_t i;
	json_t *one;
	if (*id)
		printf(_("%s %s (%s) is in the repository.\n"), id, stg_json_str(row, "version"), stg_json_str(row, "build"));
	else
		printf(_("%s is in the repository.\n"), stg_json_str(row, "name"));
	json_array_foreach(json_object_get(row, "warnings"), i, one)
		printf(_("Mind: %s.\n"), _(json_string_value(one)));
}

static void say_added(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	say_row(ret);
	if (*stg_json_str(ret, "bundle_id"))
		printf(_("In a blueprint: - install_app: {app: %s}\n"), stg_json_str(ret, "bundle_id"));
	else
		printf(_("In a blueprint: - put_document: {app: IDENTIFIER, document: \"%s\"}\n"), stg_json_str(ret, "name"));
}

static void say_removed(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	size_t i;
	json_t *row;
	(void)c, (void)in;
	json_array_foreach((json_t *)(uintptr_t)ret, i, row)
		printf(_("%s %s is out of the repository; devices keep what they have.\n"), stg_json_str_or(row, "bundle_id", stg_json_str(row, "name")),
		       stg_json_str(row, "version"));
}

static const char *signing_words(const char *signing)
{
	static const char *const words[][2] = {
		{ "enterprise", N_("for any device of the organisation (in-house)") }, { "ad-hoc", N_("for devices named in it (ad hoc)") },
		{ "development", N_("a developer's build, for devices named in it") }, { "store", N_("bought in the App Store") },
		{ "none", N_("not signed: devices will refuse it") },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(words); i++)
		if (strcmp(words[i][0], signing) == 0)
			return _(words[i][1]);
	return signing;
}

static void line(const char *title, const char *value)
{
	if (*value)
		printf("%-18s %s\n", title, value);
}

static void say_app(const json_t *row)
{
	const json_t *devices = json_object_get(row, "devices");
	char text[300], day[32];
	snprintf(text, sizeof(text), "%s (%s)", stg_json_str(row, "version"), stg_json_str(row, "build"));
	line(_("name"), stg_json_str(row, "name"));
	line(_("version"), text);
	line(_("from system"), stg_json_str(row, "minimum_os"));
	line(_("signed"), signing_words(stg_json_str(row, "signing")));
	line(_("by"), stg_json_str(row, "signer"));
	day_text(stg_json_int(row, "expires_ms", 0), day);
	line(_("expires"), day);
	if (json_is_array(devices)) {
		snprintf(text, sizeof(text), "%zu", json_array_size(devices));
		line(_("devices named"), text);
	}
	line(_("takes documents"), stg_json_bool(row, "file_sharing", false) ? _("yes") : _("no"));
}

static void say_shown(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	char text[64], day[32];
	size_t i;
	json_t *one;
	(void)c, (void)in;
	puts(stg_json_str_or(ret, "bundle_id", stg_json_str(ret, "name")));
	if (*stg_json_str(ret, "bundle_id"))
		say_app(ret);
	snprintf(text, sizeof(text), "%lld", (long long)stg_json_int(ret, "size", 0));
	line(_("bytes"), text);
	line("SHA-256", stg_json_str(ret, "sha256"));
	day_text(stg_json_int(ret, "added_ms", 0), day);
	snprintf(text, sizeof(text), "%.10s, %.40s", day, stg_json_str(ret, "added_by"));
	line(_("added"), text);
	json_array_foreach(json_object_get(ret, "warnings"), i, one)
		printf(_("Mind: %s.\n"), _(json_string_value(one)));
}

static const struct verb verbs[] = {
	{ "", "app.list", "", files, NULL, NULL, NULL },
	{ "list", "app.list", "", files, NULL, NULL, NULL },
	{ "add", "app.add", "file< --document! --name=", NULL, NULL, say_added, NULL },
	{ "show", "app.show", "app --version=", NULL, NULL, say_shown, NULL },
	{ "remove", "app.remove", "app --version=", NULL, NULL, say_removed, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_app = {
	.name = "app",
	.usage = N_("stager app list\n"
		    "    apps and documents of this station: version, least system, who signed it and until when\n"
		    "stager app add FILE.ipa\n"
		    "    keep an app; blueprints install it with install_app: {app: IDENTIFIER}\n"
		    "stager app add --document FILE [--name NAME]\n"
		    "    keep a file that put_document gives to an app\n"
		    "stager app show IDENTIFIER|NAME|HASH [--version VERSION]\n"
		    "stager app remove IDENTIFIER|NAME|HASH [--version VERSION]\n"
		    "    not while an open batch needs it; devices keep what they have"),
	.about = N_("the station's repository of apps and documents"),
	.run = run,
};
