/*
 * image.c - system images kept on this station.
 *
 * For:    whoever restores or updates devices.
 * Uses:   ops/image.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>

#include <stager/text.h>

#include "_verbs.h"

static const struct column images[] = {
	{ "version", N_("version"), COLUMN_TEXT }, { "build", N_("build"), COLUMN_TEXT }, { "mark", N_("SHA-256"), COLUMN_TEXT },
	{ "file", N_("file"), COLUMN_TEXT }, { "products", N_("for"), COLUMN_TEXT }, { 0 },
};

static void say_added(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	printf(_("%s %s is kept for %zu products. Each restore with it is signed by the maker: that needs a line.\n"), stg_json_str(ret, "version"),
	       stg_json_str(ret, "build"), json_array_size(json_object_get(ret, "products")));
}

static void say_removed(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	printf(_("Removed: %s\n"), stg_json_str(ret, "removed"));
}

static const struct verb verbs[] = {
	{ "", "image.list", "", images, "images", NULL, NULL },
	{ "list", "image.list", "", images, "images", NULL, NULL },
	{ "add", "image.add", "file<", NULL, NULL, say_added, NULL },
	{ "remove", "image.remove", "image", NULL, NULL, say_removed, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_image = {
	.name = "image",
	.usage = N_("stager image [list]\n"
		    "stager image add FILE.ipsw\n"
		    "    copied by its hash; which products it is for is read from it\n"
		    "stager image remove VERSION|BUILD|SHA-256\n"
		    "The maker signs each restore for one device when it happens: an image is of no use without a line."),
	.about = N_("system images kept for restores and updates"),
	.run = run,
};
