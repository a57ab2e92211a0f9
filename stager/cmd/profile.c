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

#include "_verbs.h"

static const struct column findings[] = {
	{ "level", N_("level"), COLUMN_WORD }, { "line", N_("line"), COLUMN_TEXT },
	{ "path", N_("where"), COLUMN_TEXT }, { "text", N_("what"), COLUMN_DETAIL },
	{ 0 },
};
static const struct column profiles[] = {
	{ "name", N_("name"), COLUMN_TEXT }, { "where", N_("where"), COLUMN_WORD },
	{ 0 },
};

static int lint_status(const json_t *ret)
{
	size_t i;
	json_t *one;
	json_array_foreach(ret, i, one)
		if (strcmp(stg_json_str(one, "level"), "error") == 0)
			return 3;
	return 0;
}

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
	{ "lint", "profile.lint", "file<", findings, NULL, NULL, lint_status },
	{ "show", "profile.show", "file< --lang=", NULL, NULL, say_words, NULL },
	{ "list", "profile.list", "", profiles, NULL, NULL, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_profile = {
	.name = "profile",
	.usage = N_("stager profile lint FILE\n"
		    "    mistakes, with the place of each\n"
		    "stager profile show FILE\n"
		    "    what it would do to a device, in plain words\n"
		    "stager profile list\n"
		    "    those of the state, of /etc/stager/profiles, and the built-in ones"),
	.about = N_("configuration profiles: check them, read them in plain words"),
	.run = run,
};
