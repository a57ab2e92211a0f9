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
#include "_details.h"
#include "_table.h"

#define COLUMNS_MAX 16
#define CELL 640
#define LINE_COLUMNS 80

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
		{ "charge", N_("word: charge") }, { "registration", N_("word: registration") }, { "kept", N_("word: kept") }, { "known", N_("word: known") }, { "compliant", N_("word: compliant") }, { "broken", N_("word: broken") }, { "unreadable", N_("word: unreadable") }, { "proven", N_("word: proven") },
		{ "skipped", N_("word: skipped") }, { "unknown", N_("word: unknown") }, { "issued", N_("word: issued") },
		{ "installed", N_("word: installed") }, { "revoked", N_("word: revoked") }, { "superseded", N_("word: superseded") },
		{ "built-in", N_("word: built-in") }, { "pool", N_("word: pool") }, { "personal", N_("word: personal") },
		{ "error", N_("word: error") }, { "warning", N_("word: warning") }, { "note", N_("word: note") },
		{ "ok", N_("word: ok") }, { "warn", N_("word: warn") }, { "fail", N_("word: fail") },
		{ "testing", N_("word: testing") }, { "passed", N_("word: passed") }, { "released", N_("word: released") }, { "disk", N_("word: disk") },
		{ "backup", N_("word: backup") }, { "permissions", N_("word: permissions") }, { "identity", N_("word: identity") },
		{ "certificates", N_("word: certificates") }, { "profile", N_("word: profile") }, { "station", N_("word: station") },
		{ "state", N_("word: state") }, { "udev rules", N_("word: udev rules") }, { "usbmuxd version", N_("word: usbmuxd version") },
		{ "socket", N_("word: socket") }, { "organisation", N_("word: organisation") },
		{ "clock", N_("word: clock") }, { "outbox", N_("word: outbox") },
		{ "identities", N_("word: identities") }, { "delivered", N_("word: delivered") },
		{ "rejected", N_("word: rejected") }, { "technician", N_("word: technician") }, { "lead", N_("word: lead") },
		{ "admin", N_("word: admin") }, { "auditor", N_("word: auditor") }, { "device", N_("word: device") },
		{ "certificate", N_("word: certificate") }, { "queued", N_("word: queued") }, { "sending", N_("word: sending") },
		{ "op_pending", N_("word: op_pending") }, { "in_doubt", N_("word: in_doubt") }, { "conflict", N_("word: conflict") },
		{ "sent_unproven", N_("word: sent_unproven") }, { "dropped", N_("word: dropped") }, { "damaged", N_("word: damaged") }, { "carried", N_("word: carried") }, { "office", N_("word: office") },
		{ "expected", N_("word: expected") }, { "batch", N_("word: batch") }, { "record", N_("word: record") }, { "job", N_("word: job") },
		{ "made", N_("word: made") }, { "here", N_("word: here") }, { "in_backup", N_("word: in_backup") },
		{ "elsewhere", N_("word: elsewhere") },
		{ "good", N_("word: good") }, { "soon", N_("word: soon") }, { "ended", N_("word: ended") }, { "bad", N_("word: bad") }, { "inventory", N_("word: inventory") }, { "find_my", N_("word: find_my") },
		{ "activation_lock", N_("word: activation_lock") }, { "managed", N_("word: managed") },
		{ "unlock", N_("word: unlock") }, { "unlock_token", N_("word: unlock_token") }, { "locked", N_("word: locked") }, { "mdm", N_("word: mdm") }, { "restore", N_("word: restore") },
		{ "noted", N_("word: noted") }, { "target", N_("word: target") }, { "soon", N_("word: soon") }, { "ended", N_("word: ended") },
		{ "host", N_("word: host") }, { "app", N_("word: app") }, { "signer", N_("word: signer") },
		{ "open", N_("word: open") }, { "used", N_("word: used") }, { "past", N_("word: past") }, { "withdrawn", N_("word: withdrawn") },
		{ "confirmed", N_("word: confirmed") }, { "gone", N_("word: gone") }, { "never_seen", N_("word: never_seen") },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(words) && strcmp(stg_language(), "en") != 0; i++)
		if (strcmp(words[i][0], value) == 0)
			return _(words[i][1]);
	return value;
}

/* Up to the first end of a clause that stands in no brackets. */
static size_t brief_len(const char *text)
{
	size_t n = 0;
	int inside = 0;
	for (; text[n] && (inside > 0 || !((text[n] == '.' || text[n] == ':') && text[n + 1] == ' ')); n++)
		inside += (text[n] == '(') - (text[n] == ')');
	while (n && text[n - 1] == ' ')
		n--;
	return n;
}

void text_wrapped(const char *text, size_t begin, size_t indent)
{
	size_t at = begin;
	bool is_first = true;
	char word[CELL];
	while (*text) {
		size_t n = strcspn(text, " ");
		snprintf(word, sizeof(word), "%.*s", (int)n, text);
		size_t w = stg_text_columns(word);
		if (!is_first && at + 1 + w > LINE_COLUMNS) {
			printf("\n%*s", (int)indent, "");
			at = indent;
			is_first = true;
		}
		printf("%s%s", is_first ? "" : " ", word);
		at += w + !is_first;
		is_first = false;
		text += n;
		text += strspn(text, " ");
	}
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
		char safe[CELL];
		stg_printable(col->kind == COLUMN_WORD ? word_of(json_string_value(v)) : json_string_value(v), true, safe, sizeof(safe));
		if (col->kind == COLUMN_DETAIL || col->kind == COLUMN_BRIEF)
			detail_text(safe, ret, CELL);
		else
			memcpy(ret, safe, sizeof(safe));
		if (col->kind == COLUMN_BRIEF)
			ret[brief_len(ret)] = 0;
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
		size_t indent = 0;
		for (size_t k = 0; k < n; k++) {
			cell(&columns[k], row, text);
			if (k + 1 == n && columns[k].kind == COLUMN_BRIEF) {
				text_wrapped(text, indent, indent);
				continue;
			}
			indent += widths[k] + 2;
			printf("%s%*s", text, k + 1 < n ? (int)(widths[k] - stg_text_columns(text) + 2) : 0, "");
		}
		putchar('\n');
	}
}

/* What a member of a document is called; one without a name of its own is shown as programs know it, without its dashes. */
static const char *title_of(const char *key, char room[64])
{
	static const char *const titles[][2] = {
		{ "name", N_("name") }, { "kind", N_("made here or imported") }, { "country", N_("country") }, { "domain", N_("domain") },
		{ "email", N_("e-mail") }, { "phone", N_("telephone") }, { "address", N_("address") }, { "department", N_("department") },
		{ "crl_url", N_("revocation list") }, { "issuer", N_("issuer") }, { "root_key", N_("key of the root") },
		{ "magic", N_("supervision word") }, { "default", N_("used unless another is named") }, { "created_ms", N_("made on") },
		{ "backup_verified_ms", N_("backup verified") }, { "supervisor", N_("supervision identity") }, { "root", N_("root authority") },
		{ "issuing", N_("issuing authority") }, { "signer", N_("signer of profiles") }, { "first_expiry_ms", N_("first to expire") },
		{ "cn", N_("common name") }, { "subject", N_("subject") }, { "serial_hex", N_("number") }, { "not_before_ms", N_("valid from") },
		{ "not_after_ms", N_("valid until") }, { "sha256", N_("fingerprint SHA-256") }, { "spki_sha256", N_("key's fingerprint SHA-256") },
		{ "key", N_("kind of key") }, { "is_ca", N_("authority") }, { "waiting", N_("waiting") }, { "delivered", N_("delivered") },
		{ "oldest_ms", N_("oldest since") }, { "by_target", N_("by target") }, { "state", N_("state") }, { "serial", N_("serial") },
		{ "target", N_("target") }, { "attempts", N_("tries") }, { "code", N_("why") }, { "text", N_("detail") }, { "act", N_("to do") },
		{ "retried", N_("queued again") }, { "dropped", N_("given up") }, { "id", N_("id") }, { "batch", N_("batch") }, { "job", N_("job") },
		{ "blueprint", N_("blueprint") }, { "role", N_("role") }, { "model", N_("model") }, { "reason", N_("reason") }, { "revoked", N_("revoked") },
		{ "next_ms", N_("tried again on") }, { "target_state", N_("state of the target") }, { "target_text", N_("what the target said") },
		{ "sentence", N_("sentence") }, { "phase", N_("phase") }, { "answer", N_("answer") }, { "record_id", N_("record") }, { "unit", N_("ECID") },
		{ "sent_ms", N_("sent on") }, { "not_before", N_("valid from") }, { "at_ms", N_("at") },
		{ "issuing_key", N_("key of the issuing authority") }, { "ra", N_("registration authority (SCEP)") }, { "previous", N_("earlier authorities") },
		{ "pending", N_("request that waits") }, { "certificates", N_("certificates") }, { "organisation", N_("organisation") },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(titles); i++)
		if (strcmp(titles[i][0], key) == 0)
			return _(titles[i][1]);
	stg_copy(room, 64, key);
	size_t len = strlen(room);
	if (len > 3 && strcmp(room + len - 3, "_ms") == 0)
		room[len - 3] = 0;
	for (char *p = room; (p = strchr(p, '_'));)
		*p = ' ';
	return room;
}

/* Members whose value is one of our own words; a device called "line" keeps its name. */
static bool is_word(const char *key)
{
	static const char *const keys[] = { "state", "kind", "root_key", "end", "role", "status", "ownership" };
	for (size_t i = 0; i < STG_ARRAY_LEN(keys); i++)
		if (strcmp(keys[i], key) == 0)
			return true;
	return false;
}

static bool is_empty(const json_t *v)
{
	return json_is_null(v) || (json_is_string(v) && !json_string_length(v)) || ((json_is_array(v) || json_is_object(v)) && !json_array_size(v) && !json_object_size(v));
}

static void members(const json_t *doc, int depth)
{
	const char *key;
	json_t *v;
	char text[CELL], room[64];
	json_object_foreach((json_t *)(uintptr_t)doc, key, v) {
		struct column col = { .key = key, .kind = strlen(key) > 3 && strcmp(key + strlen(key) - 3, "_ms") == 0 ? COLUMN_TIME : is_word(key) ? COLUMN_WORD : COLUMN_TEXT };
		bool no_time = col.kind == COLUMN_TIME && !json_integer_value(v);
		if (strcmp(key, "v") == 0 || is_empty(v) || no_time)
			continue;
		/* the row's own sentence, in the language of who reads it and not of the station */
		if (strcmp(key, "code") == 0)
			col.kind = COLUMN_CODE;
		else if ((strcmp(key, "act") == 0 || strcmp(key, "sentence") == 0) && json_object_get(doc, "code"))
			continue;
		const char *title = title_of(key, room);
		if (json_is_object(v)) {
			printf("%*s%s:\n", depth * 2, "", title);
			members(v, depth + 1);
			continue;
		}
		if (json_is_array(v) && json_is_object(json_array_get(v, 0))) {
			size_t i;
			json_t *one;
			printf("%*s%s:\n", depth * 2, "", title);
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
		printf("%*s%s: %s\n", depth * 2, "", title, text);
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
