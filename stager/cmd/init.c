/*
 * init.c - makes a state directory, production or rehearsal, for life.
 *
 * For:    administrators; other commands make one by themselves when there is none.
 * Uses:   <stager/station.h>.
 * Called: main.c.
 * Thread: the command's.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include <stager/cmd.h>
#include <stager/station.h>
#include <stager/text.h>

#include "_words.h"

static int run(struct stg_cmd_ctx *c)
{
	static const struct option options[] = { { "rehearsal", no_argument, NULL, 'r' }, { 0 } };
	enum stg_store_kind kind = STG_STORE_ANY;
	struct stg_error err = { 0 };
	int opt, status = 0;
	optind = 1;
	while ((opt = word_option(c, options)) != -1) {
		if (opt != 'r')
			return 2;
		kind = STG_STORE_REHEARSAL;
	}
	if (!words_end(c))
		return 2;
	struct stg_caller *caller = stg_cmd_caller(c, &status);
	if (!caller)
		return status;
	if (caller->fd >= 0) {
		stg_fail_id(&err, STG_E_STATION, STG_ID_STATE_HELD, 0, "%s", caller->state_dir);
		return stg_cmd_tell(c, &err);
	}
	if (!stg_state_open(caller->state_dir, kind, &caller->store, &caller->keys, &err))
		return stg_cmd_tell(c, &err);
	bool rehearsal = stg_store_kind_of(caller->store) == STG_STORE_REHEARSAL;
	if (c->json)
		printf("{\"v\":1,\"state\":\"%s\",\"kind\":\"%s\"}\n", caller->state_dir, rehearsal ? "rehearsal" : "production");
	else if (rehearsal)
		printf(_("%s is a rehearsal state: virtual devices only, its records are marked.\n"), caller->state_dir);
	else
		printf(_("%s is a production state. Next: stager org create NAME, then stager org backup FILE.\n"), caller->state_dir);
	return 0;
}

const struct stg_cmd stg_cmd_init = {
	.name = "init",
	.usage = N_("stager init [--rehearsal] [--state DIR]\n"
		    "    other commands make a state by themselves: a rehearsal when USBMUXD_SOCKET_ADDRESS is set; the kind never changes"),
	.about = N_("makes the state directory: production, or rehearsal for virtual devices"),
	.run = run,
};
