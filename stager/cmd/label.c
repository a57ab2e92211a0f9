/*
 * label.c - the label of one device, as a picture or for a label printer.
 *
 * For:    people and scripts.
 * Uses:   ops/report.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <string.h>

#include <stager/text.h>

#include "_verbs.h"

static void say(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)ret;
	/* on standard output stands the label itself */
	if (strcmp(stg_json_str(in, "out"), "-") != 0)
		fprintf(stderr, _("Label of %s written to %s.\n"), stg_json_str(in, "serial"), stg_json_str(in, "out"));
}

static const struct verb verbs[] = {
	{ "preview", "label.preview", "serial out> --out> --batch= --lang=", NULL, NULL, say, NULL },
	{ "print", "label.print", "serial out> --out> --batch= --lang=", NULL, NULL, say, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_label = {
	.name = "label",
	.usage = N_("stager label preview SERIAL [--out] FILE.png [--batch NAME]\n"
		    "    the label as a picture\n"
		    "stager label print SERIAL [--out] /dev/usb/lp0 [--batch NAME]\n"
		    "    ZPL for a label printer; a file or - as well"),
	.about = N_("the label of a device: picture, or ZPL for a printer"),
	.run = run,
};
