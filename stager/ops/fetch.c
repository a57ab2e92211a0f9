/*
 * fetch.c - operations on enrolment profiles that an MDM gives out.
 *
 * For:    stager profile fetch|fetched|forget; the station, which fetches anew while there is a line.
 * Uses:   <stager/net.h>, <stager/payload.h>, the store; the profile becomes profiles/NAME.mobileconfig, as blueprints find it.
 * Called: through the table of operations.
 * Thread: the store's; servers are asked on a thread that no writer waits for.
 *
 *   profile.fetch    {name, url, mdm, secret, user, header, life_days, once, ca and a descriptor}, or {name} alone: the same again
 *                       -> {name, mdm, host, life_days, once, sealed, profile: base64}: what profile.keep takes
 *   profile.keep     {the same}, or {name, mdm, life_days, once, file and a descriptor}
 *                       -> {name, mdm, host, sha256, obtained_ms, not_after_ms, why, changed}
 *   profile.fetched  {}     -> [{name, mdm, host, obtained_ms, not_after_ms, why, once, due, state: "good", "soon", "ended"}]
 *   profile.forget   {name} -> {name}; the file goes as well
 *
 * What was asked how is kept sealed: an address may hold a token. A secret is named, never given: it is looked up each time.
 * Facts: mdm-push 13.2 (how each MDM gives it out and how long it lives), 13.4 (what ends first).
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include <stager/clock.h>
#include <stager/file.h>
#include <stager/net.h>
#include <stager/payload.h>

#include "_profile.h"
#include "_secretly.h"

#define PURPOSE "fetched profile"
#define ANSWER_MAX (1u << 20)
#define SEALED_MAX (128u << 10)
#define CA_MAX (64u << 10)
#define TIMEOUT_MS 30000
#define DAY_MS 86400000LL
#define SOON_MS (7 * DAY_MS)
#define STALE_MS (7 * DAY_MS)      /* nobody knows when it ends: so old it is fetched anew */
#define LIFE_DAYS_MAX 3650

/* The kinds, and what is peculiar to each. */
static const struct mdm {
	const char *name;
	const char *member;         /* of a JSON answer, which holds the profile; NULL: the answer is the profile */
	int life_days;              /* documented; 0: what it holds says when it ends */
} mdms[] = {
	{ "intune", "value", 14 },  /* Graph .../exportMobileConfig; its download lives two weeks */
	{ "jamf", NULL, 0 },        /* .../mobile-device-enrollment-profile/{id}/download-profile */
	{ "workspace-one", NULL, 0 }, { "ivanti", NULL, 0 }, { "ivanti-epmm", NULL, 0 },
	{ "micromdm", NULL, 0 },    /* .../mdm/enroll; --once with -use-dynamic-challenge */
	{ "nanomdm", NULL, 0 },     /* a file its operator made */
	{ "fleet", NULL, 0 }, { "other", NULL, 0 },
};

static const struct mdm *mdm_of(const char *name, struct stg_error *err)
{
	char all[200] = "";
	for (size_t i = 0; i < STG_ARRAY_LEN(mdms); i++) {
		size_t n = strlen(all);
		if (strcmp(mdms[i].name, name) == 0)
			return &mdms[i];
		snprintf(all + n, sizeof(all) - n, "%s%s", n ? ", " : "", mdms[i].name);
	}
	stg_fail_id(err, STG_E_USAGE, STG_ID_FETCH_MDM, 0, "'%.40s': %s", name, all);
	return NULL;
}

/* ---- what to ask ---- */

struct errand {
	json_t *how;                /* url, mdm, secret, user, header, ca, life_days, once */
	struct stg_secret secret;
	char name[64];
};

static void errand_free(void *carry)
{
	struct errand *e = carry;
	json_decref(e->how);
	stg_secret_clear(&e->secret);
	free(e);
}

static void host_of(const char *url, char ret[128])
{
	const char *from = strstr(url, "://");
	from = from ? from + 3 : url;
	char text[128];
	snprintf(text, sizeof(text), "%.*s", (int)strcspn(from, "/?#"), from);
	stg_printable(text, false, ret, 128);
}

static bool is_token(const char *s)
{
	return strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == strlen(s);
}

static bool wrong(struct stg_error *err, const char *what)
{
	return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_WRONG, 0, "%s", what);
}

static bool life_ok(const json_t *in, struct stg_error *err)
{
	int64_t days = stg_json_int(in, "life_days", 0);
	return (days >= 0 && days <= LIFE_DAYS_MAX) || wrong(err, "--life-days: 1 to 3650");
}

/* As the person says it. */
static json_t *how_said(struct stg_op_ctx *c, const json_t *in, struct stg_error *err)
{
	static const char *const texts[] = { "url", "secret", "user", "header" };
	STG_AUTO(stg_buf_clear) struct stg_buf ca = STG_BUF(CA_MAX);
	STG_AUTO(stg_json_free_at) json_t *how = json_object();
	const char *url = stg_json_str(in, "url"), *mdm = stg_json_str_or(in, "mdm", "other");
	if (!mdm_of(mdm, err) || !life_ok(in, err))
		return NULL;
	/* where a secret is sent is an administrator's word: any address could be its reader */
	if (*stg_json_str(in, "secret") && !stg_op_may(c, "admin", err))
		return NULL;
	if (strlen(url) > 2000 || !stg_net_url_ok(url, true, err)) {
		err->code = STG_E_USAGE;
		stg_say(err, STG_ID_WORD_WRONG);
		return NULL;
	}
	if (!is_token(stg_json_str(in, "header")) || ((*stg_json_str(in, "header") || *stg_json_str(in, "user")) && !*stg_json_str(in, "secret"))) {
		wrong(err, "--header and --user go with --secret: the name of a header, of an account");
		return NULL;
	}
	for (size_t i = 0; i < STG_ARRAY_LEN(texts); i++)
		stg_json_put(how, texts[i], stg_json_str(in, texts[i]));
	stg_json_put(how, "mdm", mdm);
	stg_json_put_int(how, "life_days", stg_json_int(in, "life_days", 0));
	stg_json_put_bool(how, "once", stg_json_bool(in, "once", false));
	if (*stg_json_str(in, "ca")) {
		if (!ops_fd_file(stg_op_fd(c, in, "ca", SIZE_MAX), "--ca", STG_ID_FILE_UNREADABLE, &ca, err))
			return NULL;
		stg_json_put(how, "ca", stg_buf_str(&ca));
	}
	return stg_steal(how);
}

static json_t *row_of(struct stg_store *s, const char *name, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_fetched(s, err);
	size_t i;
	json_t *one;
	json_array_foreach(rows, i, one)
		if (strcmp(stg_json_str(one, "name"), name) == 0)
			return json_incref(one);
	if (rows)
		stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_FETCH_UNKNOWN, 0, "%.64s", name);
	return NULL;
}

static json_t *unsealed(struct stg_op_ctx *c, const char *base64, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(SEALED_MAX);
	STG_AUTO(stg_secret_clear) struct stg_secret plain = { 0 };
	if (!stg_unbase64(base64, &sealed, err) || !stg_keys_open_sealed(c->keys, PURPOSE, stg_buf_view(&sealed), &plain, err))
		return NULL;
	return stg_json_parse(stg_secret_reveal(&plain), SEALED_MAX, err);
}

/* As it was asked before. */
static json_t *how_before(struct stg_op_ctx *c, const char *name, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *row = row_of(c->store, name, err);
	if (row && !*stg_json_str(row, "sealed")) {
		stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "--from: %.64s came as a file", name);
		return NULL;
	}
	return row ? unsealed(c, stg_json_str(row, "sealed"), err) : NULL;
}

static bool secret_of(struct stg_op_ctx *c, struct errand *e, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(64u << 10);
	const char *name = stg_json_str(e->how, "secret");
	struct stg_error why = { 0 };
	if (!*name)
		return true;
	if (!stg_store_secret_get(c->store, name, &sealed, &why))
		return stg_fail_id(err, why.code, why.code == STG_E_NOT_FOUND ? STG_ID_SECRET_UNKNOWN : (enum stg_id)why.id, 0, "%.64s", name);
	return stg_keys_open_sealed(c->keys, "secret", stg_buf_view(&sealed), &e->secret, err);
}

/* ---- asking ---- */

static bool bearer(const struct stg_secret *token, struct stg_secret *ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(64u << 10);
	struct stg_bytes plain = stg_secret_reveal(token);
	return stg_buf_add_str(&text, "Bearer ", err) && stg_buf_add(&text, plain.data, plain.len, err) && stg_secret_set(ret, stg_buf_view(&text), err);
}

static bool failed(struct stg_error *err, enum stg_code code, enum stg_id id, const struct stg_net_answer *a, const char *host, const char *what)
{
	char clean[120];
	stg_printable(what, true, clean, sizeof(clean));
	return stg_fail_id(err, code, id, a->status, "%.100s: %s", host, clean);
}

static bool begins(const char *text, size_t left, const char *word)
{
	size_t n = strlen(word);
	return left >= n && strncasecmp(text, word, n) == 0;
}

/* What went wrong, in the order in which a person would look. */
static bool understand(const struct stg_net_answer *a, const char *host, struct stg_error *err)
{
	const char *location = stg_json_str(a->headers, "location"), *type = stg_json_str(a->headers, "content-type");
	char to[128];
	switch (a->class) {
	case STG_NET_OK: {
		size_t at = 0;
		while (at < a->body.len && strchr(" \t\r\n", a->body.data[at]))
			at++;
		const char *text = (const char *)a->body.data + at;
		size_t left = a->body.len - at;
		if (strncasecmp(type, "text/html", 9) == 0 || begins(text, left, "<!doctype html") || begins(text, left, "<html"))
			return failed(err, STG_E_REFUSED, STG_ID_FETCH_PAGE, a, host, "HTML");
		return left > 0 || failed(err, STG_E_PROTOCOL, STG_ID_FETCH_NONE, a, host, "an empty answer");
	}
	case STG_NET_AUTH:
		return failed(err, STG_E_REFUSED, STG_ID_FETCH_DENIED, a, host, a->text);
	case STG_NET_CLOCK:
		return failed(err, STG_E_PROTOCOL, STG_ID_FETCH_CLOCK, a, host, a->text);
	case STG_NET_TRUST:
		if (a->status == 511)
			return failed(err, STG_E_REFUSED, STG_ID_FETCH_PAGE, a, host, a->text);
		if (a->status >= 300 && a->status < 400) {
			host_of(*location == '/' ? host : location, to);
			return failed(err, STG_E_PROTOCOL, STG_ID_FETCH_ELSEWHERE, a, host, *location ? to : "it does not say where");
		}
		return failed(err, STG_E_PROTOCOL, STG_ID_FETCH_TRUST, a, host, a->text);
	case STG_NET_ROW:
		return failed(err, STG_E_NOT_FOUND, STG_ID_FETCH_NONE, a, host, a->text);
	case STG_NET_THROTTLED:
	case STG_NET_SERVER:
		return failed(err, STG_E_TIMEOUT, STG_ID_FETCH_BUSY, a, host, a->text);
	case STG_NET_OFFLINE:
	case STG_NET_IN_DOUBT:
		if (strstr(a->text, "larger than"))
			return failed(err, STG_E_PROTOCOL, STG_ID_FETCH_LARGE, a, host, a->text);
		/* it began to answer */
		if (a->status)
			return failed(err, STG_E_TIMEOUT, STG_ID_FETCH_SHORT, a, host, a->text);
		break;
	}
	return failed(err, STG_E_TIMEOUT, STG_ID_FETCH_UNREACHED, a, host, a->text);
}

/* The profile out of the answer: as it is, or the member of a JSON object that holds it. */
static bool profile_in(const struct mdm *mdm, struct stg_bytes body, const char *host, struct stg_buf *ret, struct stg_error *err)
{
	size_t at = 0;
	while (at < body.len && strchr(" \t\r\n", body.data[at]))
		at++;
	if (at == body.len || body.data[at] != '{')
		return stg_buf_add(ret, body.data, body.len, err);
	STG_AUTO(stg_json_free_at) json_t *j = stg_json_parse(body, ANSWER_MAX, NULL);
	const json_t *inside = mdm->member ? json_object_get(j, mdm->member) : NULL, *fault = json_object_get(j, "error");
	if (json_is_string(inside) && json_string_length(inside))
		return stg_buf_add(ret, json_string_value(inside), json_string_length(inside), err);
	char said[120];
	stg_printable(json_is_object(fault) ? stg_json_str(fault, "message") : json_is_string(fault) ? json_string_value(fault) : "JSON without a profile", true, said,
		      sizeof(said));
	return stg_fail_id(err, STG_E_PROTOCOL, j ? STG_ID_FETCH_FORM : STG_ID_FETCH_SHORT, 0, "%.100s: %s", host, j ? said : "JSON that does not end");
}

static bool put_text(json_t *j, const char *key, struct stg_bytes bytes, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(ANSWER_MAX * 2);
	if (!stg_base64(bytes, &text, err))
		return false;
	stg_json_put(j, key, stg_buf_str(&text));
	return true;
}

static bool put_sealed(struct stg_op_ctx *c, const json_t *how, json_t *out, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(SEALED_MAX);
	char *text = json_dumps(how, JSON_COMPACT | JSON_SORT_KEYS);
	bool ok = text && stg_keys_seal(c->keys, PURPOSE, stg_bytes_str(text), &sealed, err) && put_text(out, "sealed", stg_buf_view(&sealed), err);
	free(text);
	return ok;
}

static bool ask(const struct errand *e, struct stg_buf *ret, struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret value = { 0 };
	const char *user = stg_json_str(e->how, "user"), *header = stg_json_str(e->how, "header"), *ca = stg_json_str(e->how, "ca");
	bool has_secret = stg_secret_is_set(&e->secret) && !*user;
	char host[128];
	struct stg_net_ask a = { .method = "GET", .url = stg_json_str(e->how, "url"), .allow_loopback_http = true, .timeout_ms = TIMEOUT_MS, .answer_max = ANSWER_MAX,
				 .repeat_harmless = true, .user = *user ? user : NULL, .password = *user ? &e->secret : NULL, .ca_pem = stg_bytes_str(ca) };
	struct stg_net_answer answer;
	host_of(a.url, host);
	if (has_secret && !*header && !bearer(&e->secret, &value, err))
		return false;
	a.secret_header = !has_secret ? NULL : *header ? header : "Authorization";
	a.secret_value = *header ? &e->secret : &value;
	if (!stg_net(&a, &answer, err))
		return false;
	const struct mdm *mdm = mdm_of(stg_json_str(e->how, "mdm"), err);
	bool ok = mdm && understand(&answer, host, err) && profile_in(mdm, stg_buf_view(&answer.body), host, ret, err);
	stg_net_answer_clear(&answer);
	return ok;
}

static bool fetch_outside(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const struct errand *e = c->carry;
	STG_AUTO(stg_buf_clear) struct stg_buf profile = STG_BUF(ANSWER_MAX);
	STG_AUTO(stg_json_free_at) json_t *out = json_object();
	char host[128];
	(void)in;
	if (!ask(e, &profile, err))
		return false;
	host_of(stg_json_str(e->how, "url"), host);
	stg_json_put_int(out, "v", 1);
	stg_json_put(out, "name", e->name);
	stg_json_put(out, "mdm", stg_json_str(e->how, "mdm"));
	stg_json_put(out, "host", host);
	stg_json_put_int(out, "life_days", stg_json_int(e->how, "life_days", 0));
	stg_json_put_bool(out, "once", stg_json_bool(e->how, "once", false));
	if (!put_sealed(c, e->how, out, err) || !put_text(out, "profile", stg_buf_view(&profile), err))
		return false;
	*ret = stg_steal(out);
	return true;
}

static bool fetch(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *name = stg_json_str(in, "name");
	bool open = false;
	(void)ret;
	if (!stg_op_may(c, "technician", err) || !ops_profile_name_ok(name, err))
		return false;
	struct errand *e = stg_calloc(1, sizeof(*e));
	c->carry = e;
	c->carry_free = errand_free;
	c->outside = fetch_outside;
	stg_copy(e->name, sizeof(e->name), name);
	e->how = *stg_json_str(in, "url") ? how_said(c, in, err) : how_before(c, name, err);
	if (!e->how || !secret_of(c, e, err) || !stg_store_window(c->store, &open, NULL, err))
		return false;
	if (!open && !stg_net_is_loopback(stg_json_str(e->how, "url")))
		return stg_fail_id(err, STG_E_WAITING, STG_ID_LINE_CLOSED, 0, "%s", name);
	if (c->rehearsal && !stg_net_is_loopback(stg_json_str(e->how, "url")))
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_TARGET_REHEARSAL, 0, "%s", name);
	char host[128];
	host_of(stg_json_str(e->how, "url"), host);
	return ops_audit(c, "profile.fetch", name, json_pack("{s:s,s:s}", "mdm", stg_json_str(e->how, "mdm"), "host", host), err);
}

/* ---- keeping ---- */

/* A property list whose end is missing, a signature shorter than it says: cut on the way, not wrong in the MDM. */
static bool is_cut(struct stg_bytes b)
{
	size_t at = 0;
	while (at < b.len && strchr(" \t\r\n", b.data[at]))
		at++;
	const uint8_t *p = b.data + at;
	size_t left = b.len - at, says = 0;
	if (left > 5 && p[0] == '<')
		return !memmem(p, left, "</plist>", 8) && memmem(p, left, "<plist", 6);
	if (left < 5 || p[0] != 0x30 || p[1] < 0x81 || p[1] > 0x84)
		return false;
	for (unsigned int i = 0; i < p[1] - 0x80u; i++)
		says = says << 8 | p[2 + i];
	return says > left;
}

static bool is_enrolment(const char *name, struct stg_bytes file, struct stg_error *err)
{
	struct stg_error why = { 0 };
	STG_AUTO(stg_json_free_at) json_t *read = stg_profile_read(name, file, &why);
	if (!read)
		return stg_fail_id(err, STG_E_INPUT, is_cut(file) ? STG_ID_FETCH_SHORT : why.id == STG_ID_PROFILE_SIGNATURE ? STG_ID_PROFILE_SIGNATURE : STG_ID_FETCH_FORM, 0,
				   "%s", why.msg);
	return stg_json_bool(read, "has_mdm", false) || stg_json_bool(read, "encrypted", false) ||
	       stg_fail_id(err, STG_E_INPUT, STG_ID_FETCH_FORM, 0, "%s: there is no com.apple.mdm payload in it", name);
}

/* The first day it does not work any more: what it holds, the documented life, the earlier of them. */
static bool ends(const char *name, struct stg_bytes file, int64_t obtained_ms, int64_t life_days, int64_t *ret_ms, char ret_why[32], struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *list = stg_profile_ends(name, file, err);
	size_t i;
	json_t *one;
	if (!list)
		return false;
	*ret_ms = life_days ? obtained_ms + life_days * DAY_MS : 0;
	stg_copy(ret_why, 32, life_days ? "life" : "");
	json_array_foreach(list, i, one) {
		int64_t ms = stg_json_int(one, "ends_ms", 0);
		if (*ret_ms && ms >= *ret_ms)
			continue;
		*ret_ms = ms;
		stg_copy(ret_why, 32, stg_json_str(one, "kind"));
	}
	return true;
}

static bool is_mine(struct stg_op_ctx *c, const char *name, const char *path, json_t **ret_row, struct stg_error *err)
{
	struct stg_error why = { 0 };
	*ret_row = row_of(c->store, name, &why);
	if (*ret_row || why.code != STG_E_NOT_FOUND)
		return *ret_row || (*err = why, false);
	return access(path, F_OK) != 0 || stg_fail_id(err, STG_E_USAGE, STG_ID_PROFILE_NAME_WRONG, 0, "%s: a profile of that name is there, and was not fetched", name);
}

static bool keep(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf file = STG_BUF(ANSWER_MAX);
	STG_AUTO(stg_json_free_at) json_t *how = NULL, *row = json_object(), *before = NULL;
	const char *name = stg_json_str(in, "name"), *sealed = stg_json_str(in, "sealed");
	char path[1024], hash[65], why[32];
	int64_t now = stg_wall_ms(), ends_ms = 0;
	if (!stg_op_may(c, "technician", err) || !ops_profile_name_ok(name, err))
		return false;
	const struct mdm *mdm = mdm_of(stg_json_str_or(in, "mdm", "other"), err);
	if (!mdm || !life_ok(in, err) || (*sealed && !(how = unsealed(c, sealed, err))))
		return false;
	if (*stg_json_str(in, "file") ? !ops_fd_file(stg_op_fd(c, in, "file", SIZE_MAX), stg_json_str(in, "file"), STG_ID_FETCH_LARGE, &file, err)
				      : !stg_unbase64(stg_json_str(in, "profile"), &file, err))
		return false;
	/* a file may be what the MDM's own answer was saved as */
	STG_AUTO(stg_buf_clear) struct stg_buf profile = STG_BUF(ANSWER_MAX);
	if (!profile_in(mdm, stg_buf_view(&file), name, &profile, err))
		return false;
	struct stg_bytes bytes = stg_buf_view(&profile);
	snprintf(path, sizeof(path), "%s/profiles/%s.mobileconfig", c->state_dir, name);
	if (!stg_store_clock_ok(c->store, err) || !is_mine(c, name, path, &before, err) || !is_enrolment(name, bytes, err) ||
	    !ends(name, bytes, now, stg_json_int(in, "life_days", 0) ? stg_json_int(in, "life_days", 0) : mdm->life_days, &ends_ms, why, err))
		return false;
	if (ends_ms && ends_ms <= now) {
		char when[STG_TIME_TEXT];
		stg_time_text(ends_ms, when);
		return stg_fail_id(err, STG_E_INPUT, STG_ID_FETCH_EXPIRED, 0, "%s: %s: %s", name, why, when);
	}
	stg_sha256_hex(bytes, hash);
	stg_json_put(row, "mdm", mdm->name);
	stg_json_put(row, "host", stg_json_str(in, "host"));
	stg_json_put(row, "sha256", hash);
	stg_json_put_int(row, "obtained_ms", now);
	stg_json_put_int(row, "not_after_ms", ends_ms);
	stg_json_put(row, "why", why);
	stg_json_put(row, "by", c->actor);
	stg_json_put_bool(row, "once", stg_json_bool(in, "once", false));
	stg_json_put(row, "sealed", sealed);
	char folder[1024];
	snprintf(folder, sizeof(folder), "%s/profiles", c->state_dir);
	if (!stg_store_fetched_put(c->store, name, row, err) ||
	    !ops_audit(c, "profile.keep", name, json_pack("{s:s,s:s,s:I}", "sha256", hash, "mdm", mdm->name, "not_after_ms", (json_int_t)ends_ms), err))
		return false;
	if (!stg_folder_make(folder, 0700, err) || !stg_file_write(path, bytes, 0600, err))
		return stg_say(err, STG_ID_DISK_REFUSES);
	json_object_del(row, "sealed");
	stg_json_put_int(row, "v", 1);
	stg_json_put(row, "name", name);
	stg_json_put_bool(row, "changed", strcmp(stg_json_str(before, "sha256"), hash) != 0);
	*ret = stg_steal(row);
	return true;
}

/* ---- those there are ---- */

static bool is_due(const json_t *row, int64_t now)
{
	int64_t got = stg_json_int(row, "obtained_ms", 0), end = stg_json_int(row, "not_after_ms", 0);
	if (!*stg_json_str(row, "sealed") || stg_json_bool(row, "once", false))
		return false;
	return now - got > (end ? (end - got) / 2 : STALE_MS);
}

static bool list(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_fetched(c->store, err);
	int64_t now = stg_wall_ms();
	size_t i;
	json_t *row;
	(void)in;
	json_array_foreach(rows, i, row) {
		int64_t end = stg_json_int(row, "not_after_ms", 0);
		stg_json_put_bool(row, "due", is_due(row, now));
		stg_json_put(row, "state", end && end <= now ? "ended" : end && end - now < SOON_MS ? "soon" : "good");
		json_object_del(row, "sealed");
		/* nobody knows: nothing is shown */
		if (!end)
			json_object_del(row, "not_after_ms");
	}
	*ret = stg_steal(rows);
	return *ret != NULL;
}

static bool forget(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *name = stg_json_str(in, "name");
	char path[1024];
	if (!stg_op_may(c, "technician", err) || !ops_profile_name_ok(name, err) || !stg_store_fetched_put(c->store, name, NULL, err) ||
	    !ops_audit(c, "profile.forget", name, NULL, err))
		return false;
	snprintf(path, sizeof(path), "%s/profiles/%s.mobileconfig", c->state_dir, name);
	(void)unlink(path);
	*ret = json_pack("{s:i,s:s}", "v", 1, "name", name);
	return true;
}

const struct stg_op stg_ops_fetch[] = {
	{ "profile.fetch", STG_OP_STORE, fetch },
	{ "profile.keep", STG_OP_STORE, keep },
	{ "profile.fetched", STG_OP_STORE, list },
	{ "profile.forget", STG_OP_STORE, forget },
	{ 0 },
};
