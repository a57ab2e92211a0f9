/*
 * window.c - the line: whether activation and results may use it now.
 *
 * For:    people and scripts.
 * Uses:   ops/window.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <string.h>

#include <stager/text.h>

#include "_verbs.h"

static void say(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	puts(stg_json_bool(ret, "open", false) ? _("The line is open.") : _("The line is closed: activation and results wait."));
}

static const struct verb verbs[] = {
	{ "", "window.show", "", NULL, NULL, say, NULL },
	{ "show", "window.show", "", NULL, NULL, say, NULL },
	{ "open", "window.open", "--minutes#", NULL, NULL, say, NULL },
	{ "close", "window.close", "", NULL, NULL, say, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_window = {
	.name = "window",
	.usage = "stager window open [--minutes N]\n"
		 "stager window close\n"
		 "stager window show",
	.about = N_("the line: whether activation and results may use it now"),
	.run = run,
};
