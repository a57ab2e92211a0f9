/*
 * census.c - what has been seen on the bench, read only.
 *
 * For:    people and scripts.
 * Uses:   ops/find.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <string.h>

#include <stager/clock.h>
#include <stager/csv.h>
#include <stager/text.h>

#include "_pages.h"
#include "_verbs.h"

static const struct column seen[] = {
	{ "serial", N_("serial"), COLUMN_TEXT }, { "unit", N_("ECID"), COLUMN_TEXT },
	{ "model_name", N_("model"), COLUMN_TEXT }, { "os_version", N_("system"), COLUMN_TEXT },
	{ "asset_tag", N_("tag"), COLUMN_TEXT }, { "ownership", N_("ownership"), COLUMN_WORD },
	{ "last_seen_ms", N_("last seen"), COLUMN_TIME },
	{ 0 },
};

static const struct verb verbs[] = {
	{ "", "census", "", seen, "devices", NULL, NULL },
	{ 0 },
};

static bool write_csv(FILE *f, const json_t *devices, struct stg_error *err)
{
	size_t n = STG_ARRAY_LEN(seen) - 1, i;
	json_t *one;
	STG_AUTO(stg_buf_clear) struct stg_buf line = STG_BUF(1 << 16);
	for (size_t k = 0; k < n; k++)
		if (!stg_csv_cell(&line, seen[k].key, STG_CSV_EXACT, k + 1 == n, err))
			return false;
	fputs(stg_buf_str(&line), f);
	json_array_foreach(devices, i, one) {
		stg_buf_reset(&line);
		for (size_t k = 0; k < n; k++) {
			char time[STG_TIME_TEXT];
			const char *text = stg_json_str(one, seen[k].key);
			if (seen[k].kind == COLUMN_TIME) {
				stg_time_text(stg_json_int(one, seen[k].key, 0), time);
				text = time;
			}
			if (!stg_csv_cell(&line, text, strcmp(seen[k].key, "serial") == 0 || strcmp(seen[k].key, "unit") == 0 ? STG_CSV_EXACT :
					  STG_CSV_TEXT, k + 1 == n, err))
				return false;
		}
		fputs(stg_buf_str(&line), f);
	}
	return true;
}

static int to_file(struct stg_cmd_ctx *c, const char *path)
{
	STG_AUTO(stg_json_free_at) json_t *ret = NULL;
	struct stg_error err = { 0 };
	int status = 0;
	FILE *f;
	if (!stg_cmd_call(c, "census", NULL, NULL, 0, &ret, &status) || !(f = out_open(c, path, &status)))
		return status;
	bool ok = write_csv(f, json_object_get(ret, "devices"), &err);
	status = out_close(c, f, path);
	return ok ? status : stg_cmd_tell(c, &err);
}

static int run(struct stg_cmd_ctx *c)
{
	if (c->argc == 3 && strcmp(c->argv[1], "--out") == 0)
		return to_file(c, c->argv[2]);
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_census = {
	.name = "census",
	.usage = N_("stager census [--out FILE.csv]\n"
		    "    every device the bench has seen; nothing is written to any of them"),
	.about = N_("what has been seen on the bench, read only"),
	.run = run,
};
