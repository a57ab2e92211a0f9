/*
 * devices.c - what is plugged in.
 *
 * For:    people who wonder why nothing happens; scripts.
 * Uses:   op "devices"; starts a station for a moment when none runs.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stager/text.h>
#include <getopt.h>
#include <string.h>

#include "_child.h"
#include "_table.h"
#include "_words.h"

static bool until_settled(void *ctx, const json_t *event)
{
	bool *settled = ctx;
	const char *what = stg_json_str(event, "what");
	if (strcmp(what, "settled") == 0 || stg_json_bool(event, "settled", false))
		*settled = true;
	return !*settled;
}

static int run(struct stg_cmd_ctx *c)
{
	static const struct column columns[] = {
		{ "port", N_("port"), COLUMN_TEXT }, { "label", N_("label"), COLUMN_TEXT }, { "state", N_("state"), COLUMN_STATE },
		{ "serial", N_("serial"), COLUMN_TEXT }, { "udid", N_("UDID"), COLUMN_TEXT }, { "ecid", N_("ECID"), COLUMN_TEXT }, { "model_name", N_("model"), COLUMN_TEXT },
		{ "product", N_("product"), COLUMN_TEXT }, { "os_version", N_("system"), COLUMN_TEXT }, { "code", N_("why"), COLUMN_CODE },
		{ 0 },
	};
	struct stg_error err = { 0 };
	int status = 0;
	bool settled = false;
	struct child station;
	optind = 1;
	if (!words_end(c))
		return 2;
	struct stg_caller *caller = stg_cmd_caller(c, &status);
	if (!caller)
		return status;
	if (!station_needed(caller, &station, &err))
		return stg_cmd_tell(c, &err);
	json_t *list = NULL;
	if (!stg_events(caller, until_settled, &settled, NULL, &err) || !stg_call(caller, "devices", NULL, NULL, 0, &list, &err))
		status = stg_cmd_tell(c, &err);
	else if (json_array_size(list) || stg_cmd_hears_usbmuxd(caller, &err))
		table_print(c, list, columns, NULL);
	else
		status = stg_cmd_tell(c, &err);
	json_decref(list);
	station_release(caller, &station);
	return status;
}

const struct stg_cmd stg_cmd_devices = {
	.name = "devices",
	.usage = N_("stager devices [--json]\n"
		    "    port, state, serial number when it is known; phones that are not staged here are listed and left alone"),
	.about = N_("what is plugged in, on which port, in which state"),
	.run = run,
};
