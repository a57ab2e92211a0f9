/*
 * stage.c - one-shot staging of what is plugged in, with the live board.
 *
 * For:    a single device, or a table full of them without an order. A blueprint that erases is refused.
 * Uses:   op "stage" and the station's events; starts a station for a moment when none runs.
 * Called: main.c.
 * Thread: the command's.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stager/blueprint.h>
#include <stager/clock.h>
#include <stager/text.h>

#include "_board.h"
#include "_io.h"
#include "_child.h"
#include "_details.h"
#include "_stage.h"
#include "_words.h"
#include "_table.h"

struct stage {
	struct board *board;
	json_t *udids;            /* what was asked for, by UDID: {"UDID": last state} */
	bool settled;
	int64_t until_ms;
};

static bool settle(void *ctx, const json_t *event)
{
	struct stage *st = ctx;
	if (strcmp(stg_json_str(event, "what"), "settled") == 0 || stg_json_bool(event, "settled", false))
		st->settled = true;
	return !st->settled;
}

static bool open_state(const char *state)
{
	static const char *const open[] = { "", "queued", "looking", "working", "person", "interrupted", "listed" };
	for (size_t i = 0; i < STG_ARRAY_LEN(open); i++)
		if (strcmp(open[i], state) == 0)
			return true;
	return false;
}

/* Until each device asked for has come to an end state; one that was pulled may come back on any port. */
static bool each(void *ctx, const json_t *event)
{
	struct stage *st = ctx;
	const json_t *slot = json_object_get(event, "slot");
	const char *udid = stg_json_str(slot, "udid");
	if (event)
		board_event(st->board, event);
	board_draw(st->board);
	if (slot && json_object_get(st->udids, udid))
		json_object_set_new(st->udids, udid, json_incref((json_t *)(uintptr_t)slot));
	const char *key;
	json_t *last;
	bool any = false;
	json_object_foreach(st->udids, key, last)
		any = any || open_state(stg_json_str(last, "state"));
	return any && stg_boot_ms() < st->until_ms;
}

static int outcome(struct stg_cmd_ctx *c, const struct stage *st)
{
	int failed = 0, other = 0;
	const char *key;
	json_t *slot;
	STG_AUTO(stg_json_free_at) json_t *list = json_array();
	json_object_foreach(st->udids, key, slot) {
		const char *state = stg_json_str(slot, "state");
		failed += strcmp(state, "failed") == 0;
		other += strcmp(state, "failed") != 0 && strcmp(state, "staged") != 0;
		json_array_append(list, slot);
	}
	if (c->json) {
		static const struct column none[] = { { 0 } };
		table_print(c, list, none, json_pack("{s:i, s:i, s:i}", "staged", (int)json_array_size(list) - failed - other, "failed", failed,
						     "open", other));
	}
	return failed ? 1 : other ? 6 : 0;
}

/* What has ended would be refused by one device after the other. */
static bool allowed(struct stg_caller *caller, json_t *in, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *ask = json_object(), *ret = NULL;
	json_object_set(ask, "plan", json_object_get(in, "blueprint"));
	json_object_set(ask, "profiles", json_object_get(in, "profiles"));
	stg_json_put(ask, "despite", stg_json_str(in, "despite"));
	json_object_del(in, "despite");
	if (!stg_call(caller, "expiry.allows", ask, NULL, 0, &ret, err))
		return false;
	detail_warnings(json_object_get(ret, "warnings"));
	return true;
}

int stage_devices(struct stg_cmd_ctx *c, struct stg_caller *caller, const char *blueprint, json_t *in)
{
	struct stg_error err = { 0 };
	struct stage st = { .until_ms = stg_boot_ms() + 4 * 3600000LL };
	STG_AUTO(stg_json_free_at) json_t *plan = stg_blueprint_load(caller->state_dir, blueprint, json_object_get(in, "params"), &err);
	STG_AUTO(stg_json_free_at) json_t *profiles = plan ? stg_blueprint_profiles(caller->state_dir, plan, &err) : NULL;
	STG_AUTO(stg_json_free_at) json_t *ret = NULL;
	if (!profiles || !stg_events(caller, settle, &st, NULL, &err))
		return stg_cmd_tell(c, &err);
	json_object_set(in, "blueprint", plan);
	json_object_set(in, "profiles", profiles);
	if (!allowed(caller, in, &err))
		return stg_cmd_tell(c, &err);
	if (!stg_call(caller, "stage", in, NULL, 0, &ret, &err))
		return stg_cmd_tell(c, &err);
	const json_t *staging = json_object_get(ret, "staging");
	if (!json_array_size(staging)) {
		if (stg_cmd_hears_usbmuxd(caller, &err))
			stg_fail_id(&err, STG_E_WAITING, STG_ID_NOTHING_PLUGGED, 0, "%s", "");
		return stg_cmd_tell(c, &err);
	}
	size_t i;
	json_t *one;
	st.udids = json_object();
	json_array_foreach(staging, i, one)
		json_object_set_new(st.udids, stg_json_str(one, "udid"), json_object());
	st.board = board_new(c->json || c->quiet ? BOARD_SILENT : BOARD_AUTO, stderr);
	bool ok = stg_events(caller, each, &st, NULL, &err);
	board_free(st.board);
	int status = ok ? outcome(c, &st) : stg_cmd_tell(c, &err);
	json_decref(st.udids);
	return status;
}

static int run(struct stg_cmd_ctx *c)
{
	enum { BLUEPRINT = 256, PORT, SERIAL, ALL, PARAMS, DESPITE };
	static const struct option options[] = {
		{ "blueprint", required_argument, NULL, BLUEPRINT }, { "port", required_argument, NULL, PORT },
		{ "serial", required_argument, NULL, SERIAL }, { "all", no_argument, NULL, ALL },
		{ "params", required_argument, NULL, PARAMS },
		{ "despite", required_argument, NULL, DESPITE }, { 0 },
	};
	STG_AUTO(stg_json_free_at) json_t *in = json_object(), *serials = json_array(), *params = json_object();
	const char *blueprint = NULL, *despite = "";
	struct stg_error err = { 0 };
	struct child station;
	int opt, status = 0;
	optind = 1;
	while ((opt = word_option(c, options)) != -1) {
		char *eq;
		switch (opt) {
		case BLUEPRINT: blueprint = optarg; break;
		case PORT: stg_json_put(in, "port", optarg); break;
		case SERIAL:
			if (strcmp(optarg, "-") != 0) {
				json_array_append_new(serials, json_string(optarg));
			} else if (!input_lines(serials)) {
				fprintf(stderr, _("stager stage: '-' takes at most 10000 lines of at most 250 bytes of text\n"));
				return 2;
			}
			break;
		case DESPITE: despite = optarg; break;
		case ALL: stg_json_put_bool(in, "all", true); break;
		case PARAMS:
			eq = strchr(optarg, '=');
			if (!eq) {
				fprintf(stderr, _("stager stage: --params takes KEY=VALUE\n"));
				return 2;
			}
			*eq = 0;
			stg_json_put(params, optarg, eq + 1);
			break;
		default: return 2;
		}
	}
	if (!words_end(c))
		return 2;
	if (json_array_size(serials))
		json_object_set(in, "serials", serials);
	if (!blueprint || (!json_object_size(in))) {
		fprintf(stderr, "%s\n", _("stager stage: say --blueprint B and one of --port P, --serial S, --all"));
		return 2;
	}
	json_object_set(in, "params", params);
	stg_json_put(in, "despite", despite);
	struct stg_caller *caller = stg_cmd_caller(c, &status);
	if (!caller)
		return status;
	if (!station_needed(caller, &station, &err))
		return stg_cmd_tell(c, &err);
	status = stage_devices(c, caller, blueprint, in);
	station_release(caller, &station);
	return status;
}

const struct stg_cmd stg_cmd_stage = {
	.name = "stage",
	.usage = N_("stager stage --blueprint B (--port P | --serial S... | --all) [--params KEY=VALUE] [--despite REASON]\n"
		    "    --despite: a lead lets it begin although something it needs has ended (see: stager expiry)\n"
		    "    --serial - reads serials from standard input, as a scanner types them"),
	.about = N_("one-shot staging of what is plugged in; never erases"),
	.run = run,
};
