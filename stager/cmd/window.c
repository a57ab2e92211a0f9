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
#include <time.h>

#include <stager/text.h>

#include "_verbs.h"

static void say(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	int64_t until_ms = stg_json_int(ret, "until_ms", 0);
	if (!stg_json_bool(ret, "open", false)) {
		puts(_("The line is closed: activation and results wait."));
	} else if (!until_ms) {
		puts(_("The line is open."));
	} else {
		char hour[16];
		time_t at = (time_t)(until_ms / 1000);
		struct tm tm;
		strftime(hour, sizeof(hour), "%H:%M", localtime_r(&at, &tm));
		printf(_("The line is open until %s, then it closes by itself.\n"), hour);
	}
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
	.usage = N_("stager window show\n"
		    "stager window open [--minutes N]\n"
		    "    activation and results may use the line; after N minutes it closes by itself\n"
		    "stager window close\n"
		    "    they wait; everything else goes on"),
	.about = N_("the line: whether activation and results may use it now"),
	.run = run,
};
