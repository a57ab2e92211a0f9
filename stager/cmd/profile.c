/*
 * profile.c - configuration profiles: check them, read them in plain words.
 *
 * For:    people and scripts.
 * Uses:   ops/profile.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <string.h>

#include <stager/text.h>

#include "_lint.h"
#include "_verbs.h"

static const struct column profiles[] = {
	{ "name", N_("name"), COLUMN_TEXT }, { "where", N_("where"), COLUMN_WORD },
	{ 0 },
};

static void say_words(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	size_t i;
	json_t *one;
	(void)c;
	printf("%s: %s\n", stg_json_str(in, "file"), stg_json_str(json_object_get(ret, "profile"), "name"));
	json_array_foreach(json_object_get(ret, "words"), i, one)
		printf("  - %s\n", json_string_value(one));
}

static const struct verb verbs[] = {
	/* how these two are read: _lint.c; here for the list of words */
	{ "lint", "profile.lint", "", NULL, NULL, NULL, NULL },
	{ "show", "profile.show", "file< --lang=", NULL, NULL, say_words, NULL },
	{ "list", "profile.list", "", profiles, NULL, NULL, NULL },
	{ "schema", "profile.schema.show", "", NULL, NULL, NULL, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	if (c->argc > 1 && strcmp(c->argv[1], "lint") == 0)
		return lint_run(c);
	if (c->argc > 1 && strcmp(c->argv[1], "schema") == 0)
		return schema_run(c);
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_profile = {
	.name = "profile",
	.usage = N_("stager profile lint FILE... [--os 17.4] [--supervised|--unsupervised] [--device SERIAL] [--key FILE]\n"
		    "    mistakes, with the place of each; for this release, for a device of the inventory;\n"
		    "    an encrypted one is opened with --key; signers are held against the organisations and /etc/stager/signers/*.pem\n"
		    "stager profile show FILE\n"
		    "    what it would do to a device, in plain words\n"
		    "stager profile list\n"
		    "    those of the state, of /etc/stager/profiles, and the built-in ones\n"
		    "stager profile schema show|import DIR\n"
		    "    the rules profiles are checked by; import: newer ones from a copy of Apple's device-management"),
	.about = N_("configuration profiles: check them, read them in plain words"),
	.run = run,
};
