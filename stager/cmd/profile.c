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
#include "_show.h"
#include "_verbs.h"

static const struct column profiles[] = {
	{ "name", N_("name"), COLUMN_TEXT }, { "where", N_("where"), COLUMN_WORD },
	{ 0 },
};

static const struct verb verbs[] = {
	/* how these are read: _lint.c, _show.c; here for the list of words */
	{ "lint", "profile.lint", "", NULL, NULL, NULL, NULL },
	{ "show", "profile.show", "", NULL, NULL, NULL, NULL },
	{ "list", "profile.list", "", profiles, NULL, NULL, NULL },
	{ "schema", "profile.schema.show", "", NULL, NULL, NULL, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	if (c->argc > 1 && strcmp(c->argv[1], "lint") == 0)
		return lint_run(c);
	if (c->argc > 1 && strcmp(c->argv[1], "show") == 0)
		return show_run(c);
	if (c->argc > 1 && strcmp(c->argv[1], "schema") == 0)
		return schema_run(c);
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_profile = {
	.name = "profile",
	.usage = N_("stager profile lint FILE... [--os 17.4] [--supervised|--unsupervised] [--device SERIAL] [--key FILE]\n"
		    "    mistakes, with the place of each; for this release, for a device of the inventory;\n"
		    "    an encrypted one is opened with --key; signers are held against the organisations and /etc/stager/signers/*.pem\n"
		    "stager profile show FILE|NAME [--diff OLD] [--device SERIAL]\n"
		    "    what it would do to a device, in plain words; --diff: what has changed since OLD; --device: whether it is on that device\n"
		    "stager profile list\n"
		    "    those of the state, of /etc/stager/profiles, and the built-in ones\n"
		    "stager profile schema show|import DIR\n"
		    "    the rules profiles are checked by; import: newer ones from a copy of Apple's device-management"),
	.about = N_("configuration profiles: check them, read them in plain words"),
	.run = run,
};
