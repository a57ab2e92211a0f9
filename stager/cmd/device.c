/*
 * device.c - one device: lost, found.
 *
 * For:    people at the bench.
 * Uses:   ops/device.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <string.h>

#include <stager/text.h>

#include "_verbs.h"

static void say_lost(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	const char *order = stg_json_str(ret, "order");
	(void)c, (void)in;
	printf(_("%s is marked as lost: it will not be staged.\n"), stg_json_str(ret, "serial"));
	printf(_("Certificates revoked: %zu. Publish the list: stager ca crl FILE; tell others: stager ca handover FILE\n"),
	       json_array_size(json_object_get(ret, "revoked")));
	if (!*order)
		printf(_("The inventory does not know it: lock and wipe it in your MDM yourself.\n"));
	else if (!stg_json_bool(ret, "target", false))
		printf(_("No target takes orders here: lock and wipe it in your MDM yourself.\n"));
	else if (strcmp(order, "lock") == 0)
		printf(_("The order to lock it goes out with the results. To have it wiped as well a second person agrees: --second NAME\n"));
	else
		printf(_("The order to lock and wipe it goes out with the results.\n"));
}

static void say_found(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	printf(_("%s may be staged again. Its old certificates stay revoked: staging gives it new ones.\n"), stg_json_str(ret, "serial"));
	if (stg_json_int(ret, "withdrawn", 0))
		printf(_("An order for the MDM was withdrawn here; if it went out already, undo it in the MDM.\n"));
}

static const struct verb verbs[] = {
	{ "lost", "device.lost", "serial --reason= --second= ^second_pin", NULL, NULL, say_lost, NULL },
	{ "found", "device.found", "serial --why=", NULL, NULL, say_found, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_device = {
	.name = "device",
	.usage = N_("stager device lost SERIAL [--reason TEXT] [--second NAME]\n"
		    "    marks it, revokes its certificates, orders its lock from the MDM; with a second person (lead) also its wipe\n"
		    "stager device found SERIAL [--why TEXT]\n"
		    "    it may be staged again; what was revoked stays revoked"),
	.about = N_("one device: lost, found"),
	.run = run,
};
