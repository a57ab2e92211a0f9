/*
 * _table.c - prints lists and documents.
 *
 * For:    the commands of this folder.
 * Uses:   gettext, the board's words for states.
 * Called: from commands.
 * Thread: the command's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <stager/clock.h>
#include <stager/text.h>

#include "_board.h"
#include "_table.h"

#define COLUMNS_MAX 16
#define CELL 200

void json_line(const json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT | JSON_PRESERVE_ORDER);
	if (!text)
		abort();
	puts(text);
	free(text);
}

static const json_t *look(const json_t *obj, const char *path)
{
	char first[64];
	const char *dot = strchr(path, '.');
	if (!dot)
		return json_object_get(obj, path);
	snprintf(first, sizeof(first), "%.*s", (int)(dot - path), path);
	return look(json_object_get(obj, first), dot + 1);
}

/* A word the program knows itself by (of a state, a role, ...): in English it stands as programs read it. */
static const char *word_of(const char *value)
{
	static const char *const words[][2] = {
		{ "new", N_("word: new") }, { "imported", N_("word: imported") }, { "started", N_("word: started") },
		{ "paused", N_("word: paused") }, { "reopened", N_("word: reopened") }, { "closed", N_("word: closed") },
		{ "waiting", N_("word: waiting") }, { "running", N_("word: running") }, { "parked", N_("word: parked") },
		{ "hold", N_("word: hold") }, { "interrupted", N_("word: interrupted") }, { "done", N_("word: done") },
		{ "failed", N_("word: failed") }, { "cancelled", N_("word: cancelled") }, { "missing", N_("word: missing") },
		{ "staged", N_("word: staged") }, { "line", N_("word: line") }, { "person", N_("word: person") },
		{ "charge", N_("word: charge") }, { "registration", N_("word: registration") }, { "proven", N_("word: proven") },
		{ "skipped", N_("word: skipped") }, { "unknown", N_("word: unknown") }, { "issued", N_("word: issued") },
		{ "installed", N_("word: installed") }, { "revoked", N_("word: revoked") }, { "superseded", N_("word: superseded") },
		{ "built-in", N_("word: built-in") }, { "pool", N_("word: pool") }, { "personal", N_("word: personal") },
		{ "ok", N_("word: ok") }, { "warn", N_("word: warn") }, { "bad", N_("word: bad") }, { "disk", N_("word: disk") },
		{ "clock", N_("word: clock") }, { "outbox", N_("word: outbox") }, { "expiry", N_("word: expiry") },
		{ "identities", N_("word: identities") }, { "delivered", N_("word: delivered") },
		{ "rejected", N_("word: rejected") }, { "technician", N_("word: technician") }, { "lead", N_("word: lead") },
		{ "admin", N_("word: admin") }, { "auditor", N_("word: auditor") }, { "device", N_("word: device") },
		{ "certificate", N_("word: certificate") },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(words) && strcmp(stg_language(), "en") != 0; i++)
		if (strcmp(words[i][0], value) == 0)
			return _(words[i][1]);
	return value;
}

static void cell(const struct column *col, const json_t *row, char ret[CELL])
{
	const json_t *v = look(row, col->key);
	ret[0] = 0;
	if (json_is_integer(v) && col->kind == COLUMN_TIME) {
		time_t s = (time_t)(json_integer_value(v) / 1000);
		struct tm tm;
		/* a few milliseconds are a duration, not a day in 1970 */
		if (json_integer_value(v) && llabs(json_integer_value(v)) < 100000000000LL)
			snprintf(ret, CELL, "%lld ms", (long long)json_integer_value(v));
		else if (json_integer_value(v) && localtime_r(&s, &tm))
			strftime(ret, CELL, "%Y-%m-%d %H:%M:%S", &tm);
	} else if (json_is_integer(v) && col->kind == COLUMN_CODE) {
		stg_copy(ret, CELL, json_integer_value(v) ? stg_id_sentence((unsigned int)json_integer_value(v)) : "");
	} else if (json_is_integer(v)) {
		snprintf(ret, CELL, "%lld", (long long)json_integer_value(v));
	} else if (json_is_boolean(v)) {
		stg_copy(ret, CELL, json_is_true(v) ? _("yes") : _("no"));
	} else if (json_is_string(v) && col->kind == COLUMN_STATE && *json_string_value(v)) {
		snprintf(ret, CELL, "%s %s", board_sign(json_string_value(v)), board_word(json_string_value(v)));
	} else if (json_is_string(v) && col->kind == COLUMN_CODE && strncmp(json_string_value(v), "STG-", 4) == 0) {
		stg_copy(ret, CELL, stg_id_sentence((unsigned int)strtoul(json_string_value(v) + 4, NULL, 10)));
	} else if (json_is_string(v)) {
		stg_printable(col->kind == COLUMN_WORD ? word_of(json_string_value(v)) : json_string_value(v), true, ret, CELL);
	} else if (json_is_array(v)) {
		size_t i, at = 0;
		json_t *one;
		json_array_foreach(v, i, one)
			if (json_is_string(one) && at < CELL - 2)
				at += (size_t)snprintf(ret + at, CELL - at, "%s%s", at ? " " : "", json_string_value(one));
		if (at >= CELL)
			ret[CELL - 1] = 0;
	}
}

static void json_lines(const json_t *list, json_t *summary)
{
	size_t i;
	json_t *row;
	json_array_foreach(list, i, row) {
		json_t *out = json_pack("{s:i}", "v", 1);
		json_object_update(out, row);
		json_line(out);
		json_decref(out);
	}
	json_t *last = json_object();
	json_t *sum = summary ? json_incref(summary) : json_object();
	stg_json_put_int(sum, "v", 1);
	stg_json_put_int(sum, "count", (int64_t)json_array_size(list));
	stg_json_put_new(last, "summary", sum);
	json_line(last);
	json_decref(last);
}

void table_print(const struct stg_cmd_ctx *c, const json_t *list, const struct column *columns, json_t *summary)
{
	size_t widths[COLUMNS_MAX] = { 0 }, n = 0, i;
	json_t *row;
	char text[CELL];
	if (c->json) {
		json_lines(list, summary);
		json_decref(summary);
		return;
	}
	json_decref(summary);
	while (n < COLUMNS_MAX && columns[n].key) {
		widths[n] = stg_text_columns(_(columns[n].title));
		json_array_foreach(list, i, row) {
			cell(&columns[n], row, text);
			size_t w = stg_text_columns(text);
			if (w > widths[n])
				widths[n] = w;
		}
		n++;
	}
	if (!json_array_size(list)) {
		if (!c->quiet)
			fprintf(stderr, "%s\n", _("(nothing)"));
		return;
	}
	for (size_t k = 0; k < n && !c->quiet; k++)
		printf("%s%*s", _(columns[k].title), k + 1 < n ? (int)(widths[k] - stg_text_columns(_(columns[k].title)) + 2) : 0, "");
	if (!c->quiet)
		putchar('\n');
	json_array_foreach(list, i, row) {
		for (size_t k = 0; k < n; k++) {
			cell(&columns[k], row, text);
			printf("%s%*s", text, k + 1 < n ? (int)(widths[k] - stg_text_columns(text) + 2) : 0, "");
		}
		putchar('\n');
	}
}

static void members(const json_t *doc, int depth)
{
	const char *key;
	json_t *v;
	char text[CELL];
	json_object_foreach((json_t *)(uintptr_t)doc, key, v) {
		struct column col = { .key = key, .kind = strlen(key) > 3 && strcmp(key + strlen(key) - 3, "_ms") == 0 ? COLUMN_TIME : COLUMN_TEXT };
		if (strcmp(key, "v") == 0)
			continue;
		if (json_is_object(v)) {
			printf("%*s%s:\n", depth * 2, "", key);
			members(v, depth + 1);
			continue;
		}
		if (json_is_array(v) && json_is_object(json_array_get(v, 0))) {
			size_t i;
			json_t *one;
			printf("%*s%s:\n", depth * 2, "", key);
			json_array_foreach(v, i, one) {
				printf("%*s-\n", depth * 2 + 2, "");
				members(one, depth + 2);
			}
			continue;
		}
		/* the dot of a nested path must not be looked for in a flat key */
		json_t *wrap = json_object();
		json_object_set(wrap, "x", v);
		col.key = "x";
		cell(&col, wrap, text);
		json_decref(wrap);
		printf("%*s%s: %s\n", depth * 2, "", key, text);
	}
}

void document_print(const struct stg_cmd_ctx *c, const json_t *doc)
{
	if (c->json) {
		json_t *out = json_pack("{s:i}", "v", 1);
		json_object_update(out, (json_t *)(uintptr_t)doc);
		json_line(out);
		json_decref(out);
		return;
	}
	members(doc, 0);
}

void day_text(int64_t wall_ms, char ret[32])
{
	time_t s = (time_t)(wall_ms / 1000);
	struct tm tm;
	ret[0] = 0;
	if (localtime_r(&s, &tm))
		strftime(ret, 32, "%Y-%m-%d", &tm);
}
