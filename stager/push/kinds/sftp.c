/*
 * sftp.c - the target that is a folder on an SFTP server: a CSV file for each batch.
 *
 * For:    importers that watch a folder: asset inventories, head office's night run.
 * Uses:   <stager/sftp.h>, csv.c.
 * Called: delivery.c, target commands.
 * Thread: one at a time; a connection lives as long as one batch.
 * Facts:  names and order of mdm-push 7.2: the file under a temporary name, read back, renamed; then its manifest, in the same
 *         way, because importers begin with the manifest.
 *
 * A file's name says whose results are in it, from which number to which, and the beginning of its hash. What may have arrived
 * is looked for in the files that could hold it before it is written again: so a folder that keeps its files gets each result
 * once. An importer that takes files away goes by `record_id`, the first column, as with any doubtful delivery.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include <stager/sftp.h>

#include "../kind.h"

#define ROWS_MOST 500
#define FILE_MAX (8u << 20)
#define FORM "sftp://host:22/folder"

static bool place_of(const struct push_target *t, struct stg_net_place *ret, char folder[1024], struct stg_error *err)
{
	if (!stg_net_place(stg_json_str(t->config, "url"), FORM, ret, err))
		return stg_say(err, STG_ID_TARGET_CONFIG);
	if (strcmp(ret->scheme, "sftp") != 0)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "'url' begins with %s://, " FORM " was expected", ret->scheme);
	*folder = '/';
	(void)stg_copy(folder + 1, 1023, ret->path);
	size_t n = strlen(folder);
	if (n > 1 && folder[n - 1] == '/')
		folder[n - 1] = 0;
	return (n > 1 && stg_sftp_path_ok(folder)) || stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "'url' names no folder, " FORM " was expected");
}

/* 32 bytes in base64, with or without its last sign and the word before it. */
static bool pin_of(const struct push_target *t, char ret[64], struct stg_error *err)
{
	const char *key = stg_json_str(t->config, "host_key");
	if (strncmp(key, "SHA256:", 7) == 0)
		key += 7;
	stg_copy(ret, 64, key);
	size_t n = strlen(ret);
	if (n && ret[n - 1] == '=')
		ret[--n] = 0;
	bool ok = n == 43;
	for (size_t i = 0; i < n; i++)
		ok = ok && (isalnum((unsigned char)ret[i]) || ret[i] == '+' || ret[i] == '/');
	return ok || stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "setting 'host_key' is not a fingerprint, SHA256:... of the server's ed25519 key was expected");
}

static bool check(struct push_target *t, struct stg_error *err)
{
	static const char *const known[] = { "url", "user", "host_key", "site", NULL };
	struct stg_net_place p;
	char folder[1024], pin[64];
	if (!push_config_only(t->config, known, err) || !place_of(t, &p, folder, err) || !pin_of(t, pin, err))
		return false;
	if (!*stg_json_str(t->config, "user"))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "setting 'user' is missing: the account of this station");
	return !t->rehearsal || p.is_loopback || stg_fail_id(err, STG_E_SAFETY, STG_ID_TARGET_REHEARSAL, 0, "target %s is not on this machine", t->name);
}

/* ---- a connection ---- */

static struct stg_sftp *open_to(const struct push_target *t, struct stg_stop *stop, char folder[1024], struct stg_error *err)
{
	struct stg_net_place p;
	char pin[64];
	const char *key = stg_json_str(t->credentials.values, "key_pem");
	if (!place_of(t, &p, folder, err) || !pin_of(t, pin, err))
		return NULL;
	const struct stg_sftp_where where = { .host = p.host, .port = p.port, .user = stg_json_str(t->config, "user"), .host_key = pin, .key_pem = stg_bytes_str(key),
					      .password = stg_json_str(t->credentials.values, "secret"), .stop = stop };
	return stg_sftp_new(&where, err);
}

/* `is_last`: what is asked for may have been done although the line broke. */
static void give_up(const struct stg_sftp *s, bool is_last, struct push_told *told, const struct stg_error *why)
{
	enum stg_net_class class = s ? stg_sftp_class(s) : STG_NET_AUTH;
	const char *state = !s ? "config" : class == STG_NET_TRUST ? "host_key" : class == STG_NET_SERVER ? "folder" : NULL;
	if (class == STG_NET_IN_DOUBT && !is_last)
		class = STG_NET_OFFLINE;
	push_told_fail(told, class, state, why);
}

/* ---- names and contents ---- */

struct drop {
	char base[200];                 /* without .csv and .json */
	struct stg_buf csv, manifest;
};

static void drop_clear(struct drop *d)
{
	stg_buf_clear(&d->csv);
	stg_buf_clear(&d->manifest);
}

static void station_word(const json_t *record, char ret[32])
{
	const char *station = stg_json_str_or(record, "station", "station");
	size_t n = 0;
	for (; n < 24 && station[n]; n++)
		ret[n] = isalnum((unsigned char)station[n]) ? station[n] : '-';
	ret[n] = 0;
}

static bool manifest_of(const char *base, struct stg_bytes csv, struct stg_buf *ret, struct stg_error *err)
{
	char sum[65], file[220];
	int64_t rows = -1;
	stg_sha256_hex(csv, sum);
	snprintf(file, sizeof(file), "%s.csv", base);
	for (size_t i = 0; i < csv.len; i++)
		rows += csv.data[i] == '\n';
	STG_AUTO(stg_json_free_at) json_t *m = json_pack("{s:s,s:s,s:I,s:s}", "schema", "stager.csv/1", "file", file, "rows", (json_int_t)rows, "sha256", sum);
	STG_AUTO(stg_free_at) char *text = stg_json_text(m);
	return stg_buf_add_str(ret, text, err) && stg_buf_add(ret, "\n", 1, err);
}

/* A file of these records. */
static bool drop_make(const json_t *records, struct drop *d, struct stg_error *err)
{
	char station[32], sum[65];
	int64_t first = INT64_MAX, last = 0;
	size_t i;
	json_t *r;
	d->csv = STG_BUF(FILE_MAX);
	d->manifest = STG_BUF(4096);
	if (!push_csv_heading(&d->csv, err))
		return false;
	json_array_foreach((json_t *)(uintptr_t)records, i, r) {
		int64_t seq = stg_json_int(r, "seq", 0);
		first = seq < first ? seq : first;
		last = seq > last ? seq : last;
		if (!push_csv_line(r, &d->csv, err))
			return false;
	}
	station_word(json_array_get(records, 0), station);
	stg_sha256_hex(stg_buf_view(&d->csv), sum);
	snprintf(d->base, sizeof(d->base), "stager_%s_%lld-%lld_%.16s", station, (long long)first, (long long)last, sum);
	return manifest_of(d->base, stg_buf_view(&d->csv), &d->manifest, err);
}

static bool in_list(const json_t *names, const char *name)
{
	size_t i;
	json_t *one;
	json_array_foreach((json_t *)(uintptr_t)names, i, one)
		if (strcmp(json_string_value(one), name) == 0)
			return true;
	return false;
}

/* Under a temporary name, read back, then renamed. A final name that is there is ours: its hash stands in it. */
static bool put(struct stg_sftp *s, const char *folder, const char *name, struct stg_bytes what, bool *ret_last, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf there = STG_BUF(FILE_MAX);
	char part[1400], final[1400];
	struct stg_error why = { 0 };
	snprintf(part, sizeof(part), "%s/.%s.part", folder, name);
	snprintf(final, sizeof(final), "%s/%s", folder, name);
	*ret_last = false;
	if (!stg_sftp_put(s, part, what, err) || !stg_sftp_get(s, part, &there, err))
		return false;
	if (!stg_bytes_equal(what, stg_buf_view(&there)))
		return stg_fail(err, STG_E_IO, 0, "%s: other bytes stand there than were written", part);
	*ret_last = true;
	if (stg_sftp_rename(s, part, final, &why))
		return true;
	STG_AUTO(stg_json_free_at) json_t *names = stg_sftp_class(s) == STG_NET_SERVER ? stg_sftp_list(s, folder, err) : NULL;
	if (in_list(names, name))
		return true;
	if (err)
		*err = why;
	return false;
}

/* ---- telling ---- */

/* "stager_STATION_FIRST-LAST_HASH.csv" that could hold this number. */
static bool could_hold(const char *name, const char *station, int64_t seq)
{
	char begins[64];
	long long first, last;
	int end = 0;
	snprintf(begins, sizeof(begins), "stager_%s_", station);
	size_t n = strlen(begins);
	if (strncmp(name, begins, n) != 0 || sscanf(name + n, "%lld-%lld_%*16[0-9a-f]%n", &first, &last, &end) != 2 || !end || strcmp(name + n + end, ".csv") != 0)
		return false;
	return first <= seq && seq <= last;
}

/* Settles doubtful rows that stand in a file there; a file without its manifest gets it now. */
static bool read_back(struct stg_sftp *s, const char *folder, const json_t *rows, const json_t *records, struct push_told *told, struct stg_error *err)
{
	bool any = false, is_last;
	size_t i, k;
	json_t *row, *name;
	json_array_foreach((json_t *)(uintptr_t)rows, i, row)
		any = any || strcmp(stg_json_str(row, "was"), "queued") != 0;
	if (!any)
		return true;
	STG_AUTO(stg_json_free_at) json_t *names = stg_sftp_list(s, folder, err);
	json_array_foreach(names, k, name) {
		STG_AUTO(stg_buf_clear) struct stg_buf csv = STG_BUF(FILE_MAX);
		const char *file = json_string_value(name);
		char path[1400], manifest[270], base[260], mark[96];
		bool is_read = false;
		json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
			const json_t *r = json_array_get(records, i);
			char station[32];
			station_word(r, station);
			if (strcmp(stg_json_str(row, "was"), "queued") == 0 || !could_hold(file, station, stg_json_int(r, "seq", 0)))
				continue;
			snprintf(path, sizeof(path), "%s/%s", folder, file);
			if (!is_read && !stg_sftp_get(s, path, &csv, err))
				return false;
			is_read = true;
			snprintf(mark, sizeof(mark), "\n\"%s\",", stg_json_str(row, "record_id"));
			if (!memmem(csv.data, csv.len, mark, strlen(mark)))
				continue;
			snprintf(base, sizeof(base), "%.*s", (int)(strlen(file) - 4), file);
			snprintf(manifest, sizeof(manifest), "%s.json", base);
			if (!in_list(names, manifest)) {
				STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(4096);
				if (!manifest_of(base, stg_buf_view(&csv), &text, err) || !put(s, folder, manifest, stg_buf_view(&text), &is_last, err))
					return false;
				json_array_append_new(names, json_string(manifest));
			}
			push_told_row(told, i, "delivered", "read back: it is there", NULL);
		}
	}
	return names != NULL;
}

/* A spreadsheet would take it for a formula, and what names a device must not be changed. */
static bool is_formula(const json_t *record)
{
	static const char *const exact[] = { "serial", "imei", "udid" };
	for (size_t i = 0; i < STG_ARRAY_LEN(exact); i++) {
		const json_t *v = json_object_get(json_object_get(record, "device"), exact[i]);
		const char *text = json_string_value(json_is_array(v) ? json_array_get(v, 0) : v);
		if (text && *text && strchr("=+-@\t\r", *text))
			return true;
	}
	return false;
}

static void deliver(const struct push_target *t, const json_t *rows, const json_t *records, struct stg_stop *stop, struct push_told *told)
{
	STG_AUTO(drop_clear) struct drop d = { 0 };
	STG_AUTO(stg_json_free_at) json_t *open = json_array();
	STG_AUTO(stg_json_free_at) json_t *places = json_array();
	struct stg_error why = { 0 };
	char folder[1024], csv[220], manifest[220];
	bool is_last = false;
	size_t i;
	json_t *r;
	STG_AUTO(stg_sftp_free_at) struct stg_sftp *s = open_to(t, stop, folder, &why);
	if (!s || !read_back(s, folder, rows, records, told, &why)) {
		give_up(s, false, told, &why);
		return;
	}
	json_array_foreach((json_t *)(uintptr_t)records, i, r) {
		if (json_is_object(json_array_get(told->outcomes, i)))
			continue;
		if (is_formula(r)) {
			push_told_row(told, i, "rejected", "its serial number or IMEI begins like a formula", NULL);
			continue;
		}
		json_array_append(open, r);
		json_array_append_new(places, json_integer((json_int_t)i));
	}
	if (!json_array_size(open))
		return;
	if (!drop_make(open, &d, &why)) {
		push_told_fail(told, STG_NET_SERVER, "config", &why);
		return;
	}
	snprintf(csv, sizeof(csv), "%s.csv", d.base);
	snprintf(manifest, sizeof(manifest), "%s.json", d.base);
	if (!put(s, folder, csv, stg_buf_view(&d.csv), &is_last, &why)) {
		give_up(s, is_last, told, &why);
		return;
	}
	if (!put(s, folder, manifest, stg_buf_view(&d.manifest), &is_last, &why)) {
		/* the results are there, what begins the import is not: read back, then the rest */
		give_up(s, true, told, &why);
		told->class = told->class == STG_NET_TRUST ? STG_NET_TRUST : STG_NET_IN_DOUBT;
		return;
	}
	json_array_foreach(places, i, r)
		push_told_row(told, (size_t)json_integer_value(r), "delivered", csv, NULL);
}

/* Lists the folder; whether it can be written is known with the first file. */
static void test(const struct push_target *t, struct push_told *told)
{
	struct stg_error why = { 0 };
	char folder[1024];
	STG_AUTO(stg_sftp_free_at) struct stg_sftp *s = open_to(t, NULL, folder, &why);
	STG_AUTO(stg_json_free_at) json_t *names = s ? stg_sftp_list(s, folder, &why) : NULL;
	if (!names)
		give_up(s, false, told, &why);
}

static json_t *shown(const struct push_target *t, const json_t *rows, const json_t *records, struct stg_error *err)
{
	STG_AUTO(drop_clear) struct drop d = { 0 };
	char url[1400];
	(void)rows;
	if (!drop_make(records, &d, err))
		return NULL;
	snprintf(url, sizeof(url), "%.1000s/%s.csv", stg_json_str(t->config, "url"), d.base);
	return json_pack("{s:s,s:s,s:s,s:s}", "what", "request", "method", "PUT", "url", url, "body", stg_buf_str(&d.csv));
}

const struct push_kind stg_push_kind_sftp = {
	.name = "sftp",
	.about = "CSV files in a folder of an SFTP server, each with a manifest; an importer that takes files away goes by record_id",
	.has_credentials = true,
	.most = ROWS_MOST,
	.check = check,
	.deliver = deliver,
	.test = test,
	.shown = shown,
};
