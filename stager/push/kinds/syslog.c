/*
 * syslog.c - the target that is a SIEM: each result as a syslog message over TLS, plain or as CEF.
 *
 * For:    sites whose security desk wants to see what was staged, failed and wiped.
 * Uses:   <stager/tlsline.h>.
 * Called: delivery.c, target commands.
 * Thread: one at a time; a connection lives as long as one batch.
 * Facts:  RFC 5424 (message), RFC 5425 (frames and TLS, port 6514), CEF 0 with ArcSight's names (mdm-push 7.3). A receiver must take
 *         2,048 bytes: values are cut so that a message stays below.
 *
 * Syslog has no receipt. A batch whose connection was ended by both sides in order is sent_unproven, never delivered; one that broke
 * is in doubt and goes again with the same station, number and record id, by which a receiver tells what came twice.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include <stager/clock.h>
#include <stager/tlsline.h>

#include "../kind.h"

#define ROWS_MOST 200
#define MESSAGE_MAX 2048
#define VALUE_MAX 97
#define FORM "syslog://host:6514"

static bool place_of(const struct push_target *t, struct stg_net_place *ret, struct stg_error *err)
{
	if (!stg_net_place(stg_json_str(t->config, "url"), FORM, ret, err))
		return stg_say(err, STG_ID_TARGET_CONFIG);
	if (!ret->port)
		ret->port = 6514;
	return (strcmp(ret->scheme, "syslog") == 0 && !*ret->path) || stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "'url' is not an address of this kind, " FORM " was expected");
}

static bool check(struct push_target *t, struct stg_error *err)
{
	static const char *const known[] = { "url", "format", "facility", "enterprise", "ca_pem", "site", NULL }, *const formats[] = { "rfc5424", "cef", NULL };
	struct stg_net_place p;
	const char *facility = stg_json_str_or(t->config, "facility", "local0"), *number = stg_json_str(t->config, "enterprise");
	if (!push_config_only(t->config, known, err) || !push_config_one_of(t->config, "format", formats, err) || !place_of(t, &p, err))
		return false;
	if (strlen(facility) != 6 || strncmp(facility, "local", 5) != 0 || facility[5] < '0' || facility[5] > '7')
		return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "facility '%.20s', local0 to local7 was expected", facility);
	if (strlen(number) > 10 || strspn(number, "0123456789") != strlen(number))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "'enterprise' is not a private enterprise number");
	return !t->rehearsal || p.is_loopback || stg_fail_id(err, STG_E_SAFETY, STG_ID_TARGET_REHEARSAL, 0, "target %s is not on this machine", t->name);
}

/* ---- one message ---- */

/* What happened, as a number for CEF, a word, and a severity for each. */
struct what {
	int id, cef_severity, severity;
	const char *name;
};

static struct what what_of(const json_t *record)
{
	const char *outcome = stg_json_str(record, "outcome");
	const json_t *wipe = json_object_get(record, "wipe");
	if (wipe && !stg_json_bool(wipe, "verified", false))
		return (struct what){ 121, 8, 2, "Wipe not verified" };
	if (strcmp(outcome, "failed") == 0)
		return (struct what){ 110, 6, 3, "Device failed" };
	if (wipe)
		return (struct what){ 120, 3, 6, "Device wiped" };
	if (strcmp(outcome, "staged") == 0)
		return (struct what){ 100, 3, 6, "Device staged" };
	if (strcmp(outcome, "revoked") == 0)
		return (struct what){ 130, 5, 5, "Certificate revoked" };
	return (struct what){ 101, 4, 5, "Device not finished" };
}

/* A value on one line, cut between characters, with a backslash before each of `escaped`. */
static bool add_value(struct stg_buf *out, const char *value, const char *escaped, struct stg_error *err)
{
	char cut[VALUE_MAX];
	(void)stg_copy(cut, sizeof(cut), value);
	for (const char *p = cut; *p; p++) {
		const char c = (unsigned char)*p < 0x20 || *p == 0x7f ? ' ' : *p;
		if ((strchr(escaped, c) && !stg_buf_add(out, "\\", 1, err)) || !stg_buf_add(out, &c, 1, err))
			return false;
	}
	return true;
}

/* A word of the header: printable ASCII without blanks, "-" when there is none. */
static void word_of(const char *from, char *ret, size_t size)
{
	size_t n = 0;
	for (; n < size - 1 && from[n]; n++)
		ret[n] = from[n] > ' ' && from[n] < 0x7f ? from[n] : '-';
	if (!n)
		ret[n++] = '-';
	ret[n] = 0;
}

static const char *first_text(const json_t *value)
{
	const json_t *one = json_is_array(value) ? json_array_get(value, 0) : value;
	return json_is_string(one) ? json_string_value(one) : "";
}

struct field {
	const char *plain, *cef, *label, *value;        /* label: CEF's csNLabel, NULL: the name says it */
};

static size_t fields_of(const json_t *record, const char *sha256, char seq[24], struct field ret[12])
{
	const json_t *d = json_object_get(record, "device");
	snprintf(seq, 24, "%lld", (long long)stg_json_int(record, "seq", 0));
	const struct field all[] = {
		{ "serial", "deviceExternalId", NULL, stg_json_str(d, "serial") }, { "seq", "externalId", NULL, seq }, { "outcome", "outcome", NULL, stg_json_str(record, "outcome") },
		{ "record_id", "cs1", "recordId", stg_json_str(record, "record_id") }, { "asset", "cs2", "assetTag", stg_json_str(record, "asset_tag") },
		{ "imei", "cs3", "imei", first_text(json_object_get(d, "imei")) }, { "model", "cs4", "model", stg_json_str(d, "model") },
		{ "os_version", "cs5", "osVersion", stg_json_str(d, "os_version") }, { "batch", "cs6", "batch", stg_json_str(record, "batch") },
		{ "station", "dvchost", NULL, stg_json_str(record, "station") }, { "port", "deviceInboundInterface", NULL, stg_json_str(record, "port") },
		{ "sha256", "fileHash", NULL, sha256 },
	};
	size_t n = 0;
	for (size_t i = 0; i < STG_ARRAY_LEN(all); i++)
		if (*all[i].value)
			ret[n++] = all[i];
	return n;
}

static bool add_plain(const struct push_target *t, const struct field *f, size_t n, const struct what *w, struct stg_buf *out, struct stg_error *err)
{
	if (!stg_buf_printf(out, err, "[stager@%s", stg_json_str_or(t->config, "enterprise", "32473")))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!stg_buf_printf(out, err, " %s=\"", f[i].plain) || !add_value(out, f[i].value, "\"\\]", err) || !stg_buf_add_str(out, "\"", err))
			return false;
	return stg_buf_printf(out, err, "] \xef\xbb\xbf%s", w->name);
}

static bool add_cef(const struct field *f, size_t n, const struct what *w, int64_t at_ms, struct stg_buf *out, struct stg_error *err)
{
	if (!stg_buf_printf(out, err, "- \xef\xbb\xbf" "CEF:0|stager|stager|" STG_VERSION "|%d|%s|%d|", w->id, w->name, w->cef_severity))
		return false;
	if (at_ms > 0 && !stg_buf_printf(out, err, "rt=%lld ", (long long)at_ms))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (f[i].label && !stg_buf_printf(out, err, "%sLabel=%s ", f[i].cef, f[i].label))
			return false;
		if (!stg_buf_printf(out, err, "%s=", f[i].cef) || !add_value(out, f[i].value, "\\=", err) || (i + 1 < n && !stg_buf_add_str(out, " ", err)))
			return false;
	}
	return true;
}

static bool message_of(const struct push_target *t, const json_t *row, const json_t *record, struct stg_buf *out, struct stg_error *err)
{
	struct field f[12];
	char host[100], id[33], seq[24], when[STG_TIME_TEXT] = "-", sum[65];
	int64_t at_ms = 0;
	const json_t *time = json_object_get(record, "time");
	const struct what w = what_of(record);
	const bool is_cef = strcmp(stg_json_str(t->config, "format"), "cef") == 0;
	stg_sha256_hex(stg_bytes_str(stg_json_str(row, "payload")), sum);
	size_t n = fields_of(record, *stg_json_str(row, "payload") ? sum : stg_json_str(row, "payload_sha256"), seq, f);
	word_of(stg_json_str(record, "station"), host, sizeof(host));
	word_of(stg_json_str(record, "outcome"), id, sizeof(id));
	for (char *p = id; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	/* a clock that was never set tells no time */
	if (strcmp(stg_json_str(time, "trust"), "unset") != 0 && stg_time_parse(stg_json_str(time, "wall"), &at_ms))
		stg_time_text(at_ms, when);
	int pri = (16 + stg_json_str_or(t->config, "facility", "local0")[5] - '0') * 8 + w.severity;
	return stg_buf_printf(out, err, "<%d>1 %s %s stager - %s ", pri, when, host, id) && (is_cef ? add_cef(f, n, &w, at_ms, out, err) : add_plain(t, f, n, &w, out, err));
}

/* Frames: the length in bytes, a blank, the message. */
static bool frames_of(const struct push_target *t, const json_t *rows, const json_t *records, struct stg_buf *out, struct stg_error *err)
{
	size_t i;
	json_t *row;
	json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
		STG_AUTO(stg_buf_clear) struct stg_buf one = STG_BUF(MESSAGE_MAX);
		if (!message_of(t, row, json_array_get(records, i), &one, err) || !stg_buf_printf(out, err, "%zu ", one.len) || !stg_buf_add(out, one.data, one.len, err))
			return false;
	}
	return true;
}

/* ---- telling ---- */

static bool send_all(const struct push_target *t, struct stg_bytes what, struct stg_stop *stop, struct push_told *told)
{
	struct stg_error why = { 0 };
	struct stg_net_place p;
	enum stg_net_class class = STG_NET_AUTH;
	const char *state = "config";
	if (place_of(t, &p, &why)) {
		const struct stg_tlsline line = { .host = p.host, .port = p.port, .ca_pem = stg_bytes_str(stg_json_str(t->config, "ca_pem")),
						  .client_pem = stg_bytes_str(stg_json_str(t->credentials.values, "client_pem")), .stop = stop };
		if (stg_tlsline_send(&line, what, &class, &why))
			return true;
		state = NULL;
	}
	push_told_fail(told, class, state, &why);
	return false;
}

static void deliver(const struct push_target *t, const json_t *rows, const json_t *records, struct stg_stop *stop, struct push_told *told)
{
	STG_AUTO(stg_buf_clear) struct stg_buf frames = STG_BUF(ROWS_MOST * (MESSAGE_MAX + 8u));
	struct stg_error why = { 0 };
	if (!frames_of(t, rows, records, &frames, &why)) {
		push_told_fail(told, STG_NET_SERVER, "config", &why);
		return;
	}
	if (!send_all(t, stg_buf_view(&frames), stop, told))
		return;
	for (size_t i = 0; i < json_array_size(rows); i++)
		push_told_row(told, i, "sent_unproven", "sent; syslog gives no receipt", NULL);
}

static void test(const struct push_target *t, struct push_told *told)
{
	(void)send_all(t, stg_bytes("", 0), NULL, told);
}

static json_t *shown(const struct push_target *t, const json_t *rows, const json_t *records, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf frames = STG_BUF(ROWS_MOST * (MESSAGE_MAX + 8u));
	return frames_of(t, rows, records, &frames, err) ?
		       json_pack("{s:s,s:s,s:s,s:s}", "what", "request", "method", "SEND", "url", stg_json_str(t->config, "url"), "body", stg_buf_str(&frames)) : NULL;
}

const struct push_kind stg_push_kind_syslog = {
	.name = "syslog",
	.about = "A SIEM by syslog over TLS, plain or as CEF. Syslog gives no receipt: sent is all that can be said, and after a broken line a message may come twice",
	.has_credentials = true,
	.most = ROWS_MOST,
	.check = check,
	.deliver = deliver,
	.test = test,
	.shown = shown,
};
