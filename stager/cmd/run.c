/*
 * run.c - the station: watches USB, runs jobs, pushes when it can.
 *
 * For:    systemd (Type=notify), people, and commands that need a station for a moment.
 * Uses:   <stager/station.h>.
 * Called: main.c.
 * Thread: becomes the station's main loop.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <signal.h>
#include <unistd.h>

#include <stager/cmd.h>
#include <stager/log.h>
#include <stager/push.h>
#include <stager/report.h>
#include <stager/station.h>
#include <stager/text.h>

#include "_words.h"

#define WORKERS_MAX 1000

/* The one JSON line on standard output that tells whoever started us how it went. */
static void say_ready(const struct stg_error *err, const char *socket)
{
	json_t *j = json_object();
	stg_json_put_bool(j, "ready", !err);
	stg_json_put_int(j, "v", 1);
	stg_json_put(j, "socket", socket);
	if (err)
		stg_json_put_new(j, "error", stg_json_from_error(err));
	char *text = stg_json_text(j);
	puts(text);
	fflush(stdout);
	free(text);
	json_decref(j);
}

static int run(struct stg_cmd_ctx *c)
{
	enum { WITH_PARENT = 256, WORKERS };
	static const struct option options[] = {
		{ "with-parent", no_argument, NULL, WITH_PARENT },
		{ "workers", required_argument, NULL, WORKERS },
		{ 0 },
	};
	struct stg_station_setup setup = { .kind = STG_STORE_ANY, .draw_wallpaper = stg_wallpaper_png };
	struct stg_error err = { 0 };
	bool with_parent = false;
	char *end = NULL;
	int opt;
	optind = 1;
	while ((opt = word_option(c, options)) != -1) {
		if (opt == WITH_PARENT)
			with_parent = true;
		else if (opt == WORKERS)
			setup.max_workers = (int)strtol(optarg, &end, 10);
		else
			return 2;
		if (opt == WORKERS && (*end || setup.max_workers < 1 || setup.max_workers > WORKERS_MAX)) {
			fprintf(stderr, _("stager run: --workers takes a number from 1 to %d\n"), WORKERS_MAX);
			return 2;
		}
	}
	if (!words_end(c))
		return 2;
	const char *level = getenv("STAGER_LOG");
	if (level)
		stg_log_set_level(strcmp(level, "debug") == 0 ? STG_LOG_DEBUG : strcmp(level, "info") == 0 ? STG_LOG_INFO : STG_LOG_NOTICE);
	if (with_parent) {
		pid_t parent = getppid();
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			return 0;
	}
	/* first of all: neither the nursery nor the connectors' programs may inherit a thread, a key or the database */
	struct stg_nursery *nursery = stg_nursery_start(&err);
	struct stg_caller where = { .fd = -1 };
	struct stg_station *s = NULL;
	if (nursery && stg_push_begin(&err) && stg_caller_open(&where, c->state, c->actor, &err)) {
		bool service = getenv("NOTIFY_SOCKET") != NULL && !c->state && !getenv("STAGER_STATE");
		if (where.fd >= 0) {
			stg_fail_id(&err, STG_E_STATION, STG_ID_STATE_HELD, 0, "%s", where.state_dir);
		} else {
			setup.state_dir = where.state_dir;
			setup.notify = getenv("NOTIFY_SOCKET") != NULL;
			setup.socket = service ? "/run/stager/stager.sock" : NULL;
			setup.socket_mode = service ? 0660 : 0600;
			s = stg_station_start(nursery, &setup, &err);
		}
	}
	bool told = !isatty(STDOUT_FILENO);
	if (told)
		say_ready(s ? NULL : &err, where.socket);
	bool ok = s && stg_station_run(s, &err);
	stg_station_free(s);
	stg_nursery_stop(nursery);
	stg_caller_close(&where);
	return ok ? 0 : stg_cmd_tell(c, &err);
}

const struct stg_cmd stg_cmd_run = {
	.name = "run",
	.usage = N_("stager run [--state DIR] [--workers N]\n"
		    "    until Ctrl-C or `stager stop`; --workers: how many devices at once (96)"),
	.about = N_("the station: watches USB, runs jobs, pushes when it can"),
	.run = run,
};
