/*
 * stop.c - ends the running station, and says what still runs and for how long.
 *
 * For:    the evening.
 * Uses:   op "station.stop".
 * Called: main.c.
 * Thread: the command's.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <stager/file.h>
#include <stager/text.h>

#include "_table.h"

#define GRACE_MS 60000

static int run(struct stg_cmd_ctx *c)
{
	int status = 0;
	bool now = false;
	for (int i = 1; i < c->argc; i++) {
		if (strcmp(c->argv[i], "--now") != 0) {
			fprintf(stderr, _("stager stop: it takes nothing but --now\n"));
			return 2;
		}
		now = true;
	}
	struct stg_caller *caller = stg_cmd_caller(c, &status);
	if (!caller)
		return status;
	struct stg_error err = { 0 };
	if (caller->fd < 0) {
		stg_fail_id(&err, STG_E_STATION, STG_ID_NO_STATION, 0, "%s", caller->state_dir);
		return stg_cmd_tell(c, &err);
	}
	STG_AUTO(stg_json_free_at) json_t *in = json_pack("{s:b}", "now", now), *ret = NULL;
	json_t *figures = NULL;
	struct pollfd station = { .fd = -1, .events = POLLIN };
	if (stg_call(caller, "station.show", NULL, NULL, 0, &figures, &err))
		station.fd = (int)syscall(SYS_pidfd_open, (pid_t)stg_json_int(figures, "pid", 0), 0);
	if (!stg_cmd_call(c, "station.stop", in, NULL, 0, &ret, &status)) {
		json_decref(figures);
		stg_close_at(&station.fd);
		return status;
	}
	json_decref(figures);
	const json_t *running = json_object_get(ret, "running");
	int64_t longest = 0, erasing = 0;
	size_t i;
	json_t *one;
	json_array_foreach(running, i, one) {
		int64_t seconds = stg_json_int(one, "seconds", 0);
		longest = seconds > longest ? seconds : longest;
		erasing += stg_json_bool(one, "erasing", false);
	}
	if (c->json) {
		document_print(c, ret);
	} else if (!json_array_size(running)) {
		puts(_("Nothing runs. The station stops."));
	} else {
		static const struct column columns[] = {
			{ "port", N_("port"), COLUMN_TEXT }, { "label", N_("label"), COLUMN_TEXT }, { "serial", N_("serial"), COLUMN_TEXT },
			{ "step", N_("step"), COLUMN_TEXT }, { "seconds", N_("at most (s)"), COLUMN_TEXT }, { 0 },
		};
		table_print(c, running, columns, NULL);
		printf(_("%zu still run (%lld erasing); the station stops in at most %lld s. Do not unplug.\n"), json_array_size(running),
		       (long long)erasing, (long long)longest);
	}
	/* whoever types the next command must find the state free */
	if (station.fd >= 0) {
		(void)poll(&station, 1, (int)(longest * 1000 + GRACE_MS));
		close(station.fd);
	}
	return 0;
}

const struct stg_cmd stg_cmd_stop = {
	.name = "stop",
	.usage = N_("stager stop [--now]\n"
		    "    waits for what runs; --now interrupts it, to go on at the next start"),
	.about = N_("ends the running station; says what still runs and for how long"),
	.run = run,
};
