/*
 * _foretold.c - what a rehearsal foretells: what would go wrong, touches, the end of the day.
 *
 * For:    `stager rehearse`, when the last virtual device has come to its end.
 * Uses:   the times of the devices, the balance of the rehearsed batch.
 * Called: rehearse.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <string.h>

#include <stager/error.h>
#include <stager/text.h>

#include "_foretold.h"
#include "_words.h"

#define LINE_BYTES_PER_MS 35000  /* what devices take over USB 2, all of one controller together */

/* What stands in the way, the most frequent first, by its row of errors.def. */
static json_t *problems_of(const struct foretold *f, const json_t *rows)
{
	STG_AUTO(stg_json_free_at) json_t *by_id = json_object();
	json_t *list = json_array(), *row, *one;
	size_t i;
	const char *key;
	json_array_foreach(json_object_get(f->pack, "problems"), i, one) {
		unsigned int id = (unsigned int)stg_json_int(one, "id", 0);
		char code[16];
		snprintf(code, sizeof(code), "STG-%u", id);
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:i, s:[]}", "code", code, "sentence", stg_id_sentence(id), "act", stg_id_act(id), "detail",
						      stg_json_str(one, "detail"), "devices", (int)f->n, "serials"));
	}
	json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
		const char *end = stg_json_str(row, "end");
		unsigned int id = (unsigned int)stg_json_int(row, "code", 0);
		char code[24];
		if (strcmp(end, "staged") == 0 || stg_json_bool(row, "unexpected", false))
			continue;
		snprintf(code, sizeof(code), id ? "STG-%u" : "-", id);
		one = json_object_get(by_id, code);
		if (!one) {
			one = json_pack("{s:s, s:s, s:s, s:s, s:s, s:[]}", "code", code, "end", end, "sentence", id ? stg_id_sentence(id) : stg_json_str(row, "msg"), "act",
					stg_id_act(id), "detail", stg_json_str(row, "msg"), "serials");
			stg_json_put_new(by_id, code, one);
		}
		json_array_append_new(json_object_get(one, "serials"), json_string(stg_json_str(row, "serial")));
	}
	json_object_foreach(by_id, key, one) {
		stg_json_put_int(one, "devices", (int64_t)json_array_size(json_object_get(one, "serials")));
		json_array_append(list, one);
	}
	return list;
}

json_t *foretold_report(const struct foretold *f)
{
	STG_AUTO(stg_free_at) struct rehearsal_device *times = stg_calloc(f->n, sizeof(*times));
	int64_t touches = 0, most = 0;
	size_t slowest = 0;
	for (size_t i = 0; i < f->n; i++) {
		times[i] = f->devices[i].time;
		touches += times[i].touches;
		most = times[i].touches > most ? times[i].touches : most;
		slowest = times[i].took_ms > times[slowest].took_ms ? i : slowest;
	}
	json_t *o = json_pack("{s:i, s:b, s:s, s:s, s:I, s:O, s:O, s:o}", "v", 1, "rehearsal", 1, "blueprint", stg_json_str(f->pack, "name"), "blueprint_sha256",
			      stg_json_str(f->pack, "sha256"), "devices", (json_int_t)f->n, "skipped", f->skipped, "balance", json_object_get(f->batch, "balance"),
			      "problems", problems_of(f, json_object_get(f->batch, "rows")));
	stg_json_put_new(o, "touches", json_pack("{s:I, s:f, s:I}", "sum", (json_int_t)touches, "per_device", (double)touches / (double)f->n, "most", (json_int_t)most));
	stg_json_put_int(o, "ports", (int64_t)f->ports);
	stg_json_put_int(o, "hand_ms", f->hand_ms);
	/* however many ports: all that hang on one controller share one USB 2 line */
	int64_t end_ms = rehearsal_end_ms(times, f->n, f->ports, f->hand_ms), lines = stg_json_int(f->pack, "lines", 0);
	int64_t least_ms = f->app_bytes * (int64_t)f->n / (LINE_BYTES_PER_MS * (lines > 0 ? lines : 1)) + (f->hand_ms + times[slowest].took_ms) / 2;
	stg_json_put_int(o, "app_bytes", f->app_bytes);
	stg_json_put_int(o, "ends_in_ms", f->app_bytes && least_ms > end_ms ? least_ms : end_ms);
	stg_json_put_new(o, "slowest", json_pack("{s:s, s:I}", "serial", f->devices[slowest].serial, "ms", (json_int_t)times[slowest].took_ms));
	stg_json_put_int(o, "took_ms", f->took_ms);
	return o;
}

static void duration(int64_t ms, char ret[32])
{
	if (ms < 120000)
		snprintf(ret, 32, "%lld s", (long long)(ms + 500) / 1000);
	else
		snprintf(ret, 32, "%lld h %02lld min", (long long)(ms + 30000) / 3600000, (long long)((ms + 30000) / 60000) % 60);
}

void foretold_say(const json_t *o)
{
	static const char *const keys[] = { "expected", "staged", "waiting", "hold", "failed", "missing" };
	static const char *const words[] = { N_("expected"), N_("staged"), N_("waiting"), N_("on hold"), N_("failed"), N_("missing") };
	const json_t *touches = json_object_get(o, "touches"), *skipped = json_object_get(o, "skipped");
	char time[32], detail[300];
	size_t i;
	json_t *one;
	printf(_("Rehearsal of %lld devices with %s: nothing real was touched, and no record leaves this machine.\n"), (long long)stg_json_int(o, "devices", 0),
	       stg_json_str(o, "blueprint"));
	for (i = 0; i < STG_ARRAY_LEN(keys); i++)
		printf("  %4lld  %s\n", (long long)stg_json_int(json_object_get(o, "balance"), keys[i], 0), _(words[i]));
	if (json_array_size(skipped))
		printf(_("Left out, because they are no Apple devices: %zu\n"), json_array_size(skipped));
	json_array_foreach(skipped, i, one) {
		stg_printable(stg_json_str(one, "why"), true, detail, sizeof(detail));
		printf(_("  line %lld: %s %s\n"), (long long)stg_json_int(one, "line", 0), stg_json_str(one, "serial"), detail);
	}
	if (json_array_size(json_object_get(o, "problems")))
		puts(_("What would go wrong"));
	json_array_foreach(json_object_get(o, "problems"), i, one) {
		stg_printable(stg_json_str(one, "detail"), true, detail, sizeof(detail));
		printf("  %4lld  %s %s (%s%s%s)\n", (long long)stg_json_int(one, "devices", 0), stg_json_str(one, "sentence"), stg_json_str(one, "act"),
		       stg_json_str(one, "code"), *detail ? ", " : "", detail);
	}
	printf(_("Touches: %.1f per device, %lld at most.\n"), json_real_value(json_object_get(touches, "per_device")), (long long)stg_json_int(touches, "most", 0));
	if (stg_json_int(o, "app_bytes", 0))
		printf(_("Apps and documents: %.1f MB for each device.\n"), (double)stg_json_int(o, "app_bytes", 0) / 1e6);
	duration(stg_json_int(o, "ends_in_ms", 0), time);
	printf(_("On %lld ports with one person it would take %s.\n"), (long long)stg_json_int(o, "ports", 0), time);
}
