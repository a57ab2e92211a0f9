/*
 * status.c - five lines: batch, ports, hands, line and outbox, first expiry.
 *
 * For:    whoever walks up to the bench.
 * Uses:   op "status".
 * Called: main.c, also without a subcommand.
 * Thread: the command's.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <stager/clock.h>
#include <stager/text.h>

#include "_outbox.h"
#include "_details.h"
#include "_table.h"
#include "_watch.h"

static const char *batch_word(const char *state)
{
	static const char *const words[][2] = {
		{ "imported", N_("imported") }, { "started", N_("started") }, { "paused", N_("paused") }, { "reopened", N_("open again") },
		{ "closed", N_("finished") },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(words); i++)
		if (strcmp(words[i][0], state) == 0)
			return _(words[i][1]);
	return state;
}

static void batches(const json_t *list)
{
	size_t i;
	json_t *b;
	if (!json_array_size(list))
		puts(_("Batch    none. Import one: stager batch import FILE --name NAME --blueprint B"));
	json_array_foreach(list, i, b) {
		const json_t *n = json_object_get(b, "balance");
		printf(_("Batch    %s (%s): %lld of %lld staged, %lld running, %lld waiting, %lld on hold, %lld failed\n"), stg_json_str(b, "name"),
		       batch_word(stg_json_str(b, "state")), (long long)stg_json_int(n, "staged", 0), (long long)stg_json_int(n, "expected", 0),
		       (long long)stg_json_int(n, "running", 0), (long long)stg_json_int(n, "waiting", 0), (long long)stg_json_int(n, "hold", 0),
		       (long long)stg_json_int(n, "failed", 0));
	}
}

static void outbox(const json_t *ret)
{
	const json_t *line = json_object_get(ret, "line"), *box = json_object_get(ret, "outbox");
	int64_t waiting = stg_json_int(box, "waiting", 0);
	bool is_open = stg_json_bool(line, "open", true);
	int64_t until_ms = stg_json_int(line, "until_ms", 0);
	char open[80];
	if (is_open && until_ms) {
		char hour[16];
		time_t at = (time_t)(until_ms / 1000);
		struct tm tm;
		strftime(hour, sizeof(hour), "%H:%M", localtime_r(&at, &tm));
		snprintf(open, sizeof(open), _("open until %s"), hour);
	} else {
		snprintf(open, sizeof(open), "%s", is_open ? _("open") : _("closed"));
	}
	if (!waiting && stg_json_int(box, "carried", 0)) {
		printf(_("Line     %s; %lld results left on a stick, receipts awaited\n"), open, (long long)stg_json_int(box, "carried", 0));
	} else if (!waiting) {
		printf(_("Line     %s; outbox empty, %lld delivered\n"), open, (long long)stg_json_int(box, "delivered", 0));
	} else {
		char waits[160];
		outbox_waits(box, waits, sizeof(waits));
		printf(_("Line     %s; %s\n"), open, waits);
		outbox_reasons(box, "         ");
	}
}

/* A line of its own only when somebody stands in a queue. */
static void queues(const json_t *counts)
{
	static const char *const words[][2] = {
		{ "line", N_("for the line") }, { "unlock", N_("to unlock") }, { "locked", N_("locked") }, { "canary", N_("for a canary") },
		{ "mdm", N_("for the MDM") }, { "restore", N_("to restore") }, { "registration", N_("for registration") },
	};
	char text[300] = "";
	for (size_t i = 0; i < STG_ARRAY_LEN(words); i++) {
		int64_t n = stg_json_int(counts, words[i][0], 0);
		size_t at = strlen(text);
		if (!n)
			continue;
		if (at)
			at += (size_t)snprintf(text + at, sizeof(text) - at, ", ");
		snprintf(text + at, sizeof(text) - at, "%lld %s", (long long)n, _(words[i][1]));
	}
	if (text[0])
		printf(_("Queues   %s; see: stager queue\n"), text);
}

static int run(struct stg_cmd_ctx *c)
{
	int status = 0;
	json_t *ret = NULL;
	for (int i = 1; i < c->argc; i++) {
		if (strcmp(c->argv[i], "--watch") == 0)
			return board_watch(c, NULL);
		fprintf(stderr, _("stager status: '%s' is one word too many\n"), c->argv[i]);
		return 2;
	}
	if (!stg_cmd_call(c, "status", NULL, NULL, 0, &ret, &status))
		return status;
	if (c->json) {
		document_print(c, ret);
	} else {
		const json_t *ports = json_object_get(ret, "ports"), *hand = json_object_get(ret, "hand"), *expiry = json_object_get(ret, "expiry");
		const json_t *next = json_object_get(hand, "next");
		bool running = c->caller->fd >= 0;
		char until[32];
		batches(json_object_get(ret, "batches"));
		printf(_("Ports    %lld busy; station %s\n"), (long long)stg_json_int(ports, "busy", 0), running ? _("running") : _("not running (stager run)"));
		int64_t hands = stg_json_int(hand, "waiting", 0);
		if (hands)
			printf(_("Hands    %lld needed; next: %s %s %s\n"), (long long)hands, stg_json_str_or(next, "label", stg_json_str(next, "port")),
			       stg_json_str(next, "serial"), stg_id_sentence((unsigned int)stg_json_int(next, "id", 0)));
		else
			puts(_("Hands    none needed"));
		outbox(ret);
		queues(json_object_get(ret, "queues"));
		day_text(stg_json_int(expiry, "not_after_ms", 0), until);
		if (expiry) {
			char what[300];
			detail_text(stg_json_str(expiry, "text"), what, sizeof(what));
			printf(_("Expires  first: %s on %s\n"), what, until);
		}
		else {
			puts(_("Expires  nothing known"));
		}
		const json_t *clock = json_object_get(ret, "clock");
		if (clock && !stg_json_bool(clock, "ok", true))
			printf("%s %s\n", stg_id_sentence((unsigned int)stg_json_int(clock, "id", 0)),
			       stg_id_act((unsigned int)stg_json_int(clock, "id", 0)));
		if (strcmp(stg_json_str(ret, "kind"), "rehearsal") == 0)
			puts(_("This is a rehearsal state: virtual devices only."));
	}
	json_decref(ret);
	return 0;
}

const struct stg_cmd stg_cmd_status = {
	.name = "status",
	.usage = N_("stager [status] [--json]\n"
		    "stager status --watch\n"
		    "    the live board, until Ctrl-C or the station stops"),
	.about = N_("five lines: batch, ports busy, hands, line and outbox, first expiry"),
	.run = run,
};
