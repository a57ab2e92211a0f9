/*
 * _expiry.c - gathers everything that ends one day, of the station or of what a blueprint needs.
 *
 * For:    `stager expiry`, status, doctor; the start of a batch.
 * Uses:   the store, profiles/ for what ends inside a profile, <stager/apps.h>, <stager/push.h>.
 * Called: by operations.
 * Thread: the store's.
 *
 * Facts: mdm-push 13.4: a run is refused when its time goes beyond the first end less a day, and warned of seven days earlier.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include <stager/apps.h>
#include <stager/blueprint.h>
#include <stager/clock.h>
#include <stager/error.h>
#include <stager/file.h>
#include <stager/payload.h>
#include <stager/push.h>

#include "_allow.h"
#include "_expiry.h"

#define DAY_MS 86400000LL
#define SAFETY_MS DAY_MS
#define WARNED_MS (7 * DAY_MS)
#define SOON_MS (30 * DAY_MS)
#define FILE_MAX (4u << 20)
#define SITE_PROFILES "/etc/stager/profiles"
#define SUFFIX ".mobileconfig"
#define PROFILES_MAX 300
#define NOTED "noted_dates"

static json_t *put(json_t *list, const char *kind, const char *name, const char *what, int64_t ends_ms, bool blocks)
{
	if (ends_ms <= 0)
		return NULL;
	json_t *one = json_object();
	stg_json_put(one, "kind", kind);
	stg_json_put(one, "name", name);
	stg_json_put(one, "what", what);
	stg_json_put_int(one, "ends_ms", ends_ms);
	stg_json_put_bool(one, "blocks", blocks);
	json_array_append_new(list, one);
	return one;
}

static int by_end(const void *a, const void *b)
{
	int64_t x = stg_json_int(*(const json_t *const *)a, "ends_ms", 0), y = stg_json_int(*(const json_t *const *)b, "ends_ms", 0);
	return x < y ? -1 : x > y;
}

/* Each format stands in cmd/_sentences.c as well, for those who read French. */
static void profile_words(const json_t *entry, char *ret, size_t size)
{
	const char *name = stg_json_str(entry, "name"), *what = stg_json_str(entry, "what"), *of = stg_json_str(entry, "detail");
	if (strcmp(what, "expiration") == 0)
		snprintf(ret, size, "Profile %.60s, its own end", name);
	else if (strcmp(what, "removal") == 0)
		snprintf(ret, size, "Profile %.60s, its removal", name);
	else if (strcmp(what, "signer") == 0)
		snprintf(ret, size, "Profile %.60s, its signer %.60s", name, of);
	else if (strcmp(what, "certificate") == 0)
		snprintf(ret, size, "Profile %.60s, the certificate %.60s in it", name, of);
	else if (strcmp(what, "identity") == 0)
		snprintf(ret, size, "Profile %.60s, the identity in it", name);
	else if (strcmp(what, "enrolment") == 0)
		snprintf(ret, size, "Profile %.60s, its time for enrolling", name);
	else
		snprintf(ret, size, "Profile %.60s, which cannot be read", name);
}

static void words_of(const json_t *entry, char *ret, size_t size)
{
	const char *kind = stg_json_str(entry, "kind"), *name = stg_json_str(entry, "name"), *what = stg_json_str(entry, "what");
	long long n = (long long)stg_json_int(entry, "count", 1);
	if (strcmp(kind, "identity") == 0)
		snprintf(ret, size, "The supervision identity of %.80s", name);
	else if (strcmp(kind, "root") == 0)
		snprintf(ret, size, "The root certificate of %.80s", name);
	else if (strcmp(kind, "authority") == 0)
		snprintf(ret, size, "The issuing authority of %.80s", name);
	else if (strcmp(kind, "signer") == 0)
		snprintf(ret, size, "The signer of profiles of %.80s", name);
	else if (strcmp(kind, "registration") == 0)
		snprintf(ret, size, "The registration authority (SCEP) of %.80s", name);
	else if (strcmp(kind, "certificates") == 0)
		snprintf(ret, size, "Of %lld certificates of devices the first, of %.80s", n, name);
	else if (strcmp(kind, "app") == 0)
		snprintf(ret, size, "The app %.100s %.40s", name, what);
	else if (strcmp(kind, "profile") == 0)
		profile_words(entry, ret, size);
	else if (strcmp(kind, "challenges") == 0)
		snprintf(ret, size, "Of %lld challenges of %.80s the first", n, name);
	else if (strcmp(kind, "target") == 0)
		snprintf(ret, size, "The client certificate for the target %.80s", name);
	else if (strcmp(kind, "token") == 0)
		snprintf(ret, size, "The token for the target %.80s", name);
	else if (strcmp(kind, "trusted") == 0)
		snprintf(ret, size, "The trusted signer %.80s", name);
	else if (strcmp(kind, "leaf") == 0)
		snprintf(ret, size, "Certificates that %.80s issues today", name);
	else
		snprintf(ret, size, "%.80s (noted)", name);
}

static json_t *sorted(json_t *list)
{
	size_t n = json_array_size(list);
	json_t **all = stg_calloc(n + 1, sizeof(*all)), *ret = json_array();
	for (size_t i = 0; i < n; i++)
		all[i] = json_array_get(list, i);
	qsort(all, n, sizeof(*all), by_end);
	for (size_t i = 0; i < n; i++) {
		char text[200];
		words_of(all[i], text, sizeof(text));
		stg_json_put(all[i], "text", text);
		json_array_append(ret, all[i]);
	}
	free(all);
	return ret;
}

/* ---- organisations ---- */

static const struct { const char *field, *kind; } certs[] = {
	{ "supervisor_pem", "identity" }, { "root_pem", "root" }, { "issuing_pem", "authority" }, { "signer_pem", "signer" }, { "ra_pem", "registration" },
};

static int64_t put_certificate(json_t *list, const json_t *org, size_t which, bool blocks)
{
	const char *pem = stg_json_str(org, certs[which].field);
	STG_AUTO(stg_json_free_at) json_t *cert = *pem ? stg_certificate_json(stg_bytes_str(pem), NULL) : NULL;
	int64_t ends_ms = stg_json_int(cert, "not_after_ms", 0);
	put(list, certs[which].kind, stg_json_str(org, "name"), stg_json_str(cert, "cn"), ends_ms, blocks);
	return ends_ms;
}

static bool add_organisations(struct stg_op_ctx *c, json_t *list, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *orgs = stg_store_orgs(c->store, err);
	for (size_t i = 0; i < json_array_size(orgs); i++)
		for (size_t k = 0; k < STG_ARRAY_LEN(certs); k++)
			put_certificate(list, json_array_get(orgs, i), k, false);
	return orgs != NULL;
}

/* One entry for all: who looks after one looks after all of them. */
static bool add_certificates(struct stg_op_ctx *c, json_t *list, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *first = stg_store_certificate_next(c->store, err);
	int64_t ends_ms = stg_json_int(first, "not_after_ms", 0);
	if (!first || !ends_ms)
		return first != NULL;
	STG_AUTO(stg_json_free_at) json_t *filter = json_pack("{s:s, s:I}", "status", "installed", "expires_before_ms", (json_int_t)(ends_ms + SOON_MS));
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_certificates(c->store, filter, err);
	json_t *one = put(list, "certificates", stg_json_str(first, "device_serial"), stg_json_str(first, "subject"), ends_ms, false);
	if (rows && one)
		stg_json_put_int(one, "count", (int64_t)json_array_size(rows));
	return rows != NULL;
}

/* ---- apps, profiles ---- */

static bool add_apps(struct stg_op_ctx *c, json_t *list, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *rows = stg_apps_list(c->state_dir, err);
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		put(list, "app", stg_json_str(row, "bundle_id"), stg_json_str(row, "version"), stg_json_int(row, "expires_ms", 0), false);
	}
	return rows != NULL;
}

static void add_profile(json_t *list, const char *name, const char *path, struct stg_bytes bytes, bool blocks)
{
	struct stg_error why = { 0 };
	STG_AUTO(stg_json_free_at) json_t *ends = stg_profile_ends(path, bytes, &why);
	if (!ends) {
		json_t *one = json_object();
		stg_json_put(one, "kind", "profile");
		stg_json_put(one, "name", name);
		stg_json_put_int(one, "code", why.id);
		stg_json_put(one, "msg", why.msg);
		json_array_append_new(list, one);
	}
	for (size_t i = 0; i < json_array_size(ends); i++) {
		const json_t *e = json_array_get(ends, i);
		json_t *one = put(list, "profile", name, stg_json_str(e, "kind"), stg_json_int(e, "ends_ms", 0), blocks);
		if (one && *stg_json_str(e, "name"))
			stg_json_put(one, "detail", stg_json_str(e, "name"));
	}
}

static void add_folder(json_t *list, const char *folder)
{
	DIR *d = opendir(folder);
	const struct dirent *e;
	size_t n_read = 0, m = sizeof(SUFFIX) - 1;
	while (d && (e = readdir(d)) && n_read < PROFILES_MAX) {
		STG_AUTO(stg_buf_clear) struct stg_buf bytes = STG_BUF(FILE_MAX);
		char path[1400], name[256];
		size_t n = strlen(e->d_name);
		if (n <= m || e->d_name[0] == '.' || strcmp(e->d_name + n - m, SUFFIX) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		snprintf(name, sizeof(name), "%.*s", (int)(n - m), e->d_name);
		n_read++;
		if (stg_file_read(path, &bytes, NULL))
			add_profile(list, name, path, stg_buf_view(&bytes), false);
	}
	if (d)
		closedir(d);
}

/* How long an MDM's enrolment profile lives is known from where it came, not from what is in it. `only`: these names; NULL: all. */
static bool add_fetched(struct stg_op_ctx *c, json_t *list, const json_t *only, bool blocks, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_fetched(c->store, err);
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *name = stg_json_str(row, "name"), *why = stg_json_str(row, "why");
		if ((only && !json_object_get(only, name)) || (strcmp(why, "life") != 0 && strcmp(why, "given") != 0))
			continue;       /* the rest is in the file itself */
		json_t *one = put(list, "profile", name, "enrolment", stg_json_int(row, "not_after_ms", 0), blocks);
		if (one)
			stg_json_put(one, "detail", stg_json_str(row, "mdm"));
	}
	return rows != NULL;
}

/* ---- servers, people ---- */

static bool add_challenges(struct stg_op_ctx *c, json_t *list, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *servers = stg_store_scep_servers(c->store, err);
	for (size_t i = 0; i < json_array_size(servers); i++) {
		const json_t *s = json_array_get(servers, i);
		int64_t open = stg_json_int(s, "open", 0);
		json_t *one = open ? put(list, "challenges", stg_json_str(s, "name"), "", stg_json_int(s, "next_expiry_ms", 0), false) : NULL;
		if (one)
			stg_json_put_int(one, "count", open);
	}
	return servers != NULL;
}

static bool add_targets(struct stg_op_ctx *c, json_t *list, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *targets = stg_store_targets(c->store, err);
	for (size_t i = 0; i < json_array_size(targets); i++) {
		STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(1 << 20);
		STG_AUTO(stg_secret_clear) struct stg_secret plain = { 0 };
		const char *name = stg_json_str(json_array_get(targets, i), "name");
		STG_AUTO(stg_json_free_at) json_t *row = stg_store_target(c->store, name, &sealed, NULL);
		if (!row || !sealed.len || !stg_keys_open_sealed(c->keys, "target", stg_buf_view(&sealed), &plain, NULL))
			continue;
		STG_AUTO(stg_json_free_at) json_t *ends = stg_push_ends(&plain);
		for (size_t k = 0; k < json_array_size(ends); k++) {
			const json_t *e = json_array_get(ends, k);
			put(list, strcmp(stg_json_str(e, "kind"), "token") == 0 ? "token" : "target", name, stg_json_str(e, "name"), stg_json_int(e, "ends_ms", 0), false);
		}
	}
	return targets != NULL;
}

static bool add_trusted(struct stg_op_ctx *c, json_t *list, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *allowed = ops_allow_list(c, err);
	for (size_t i = 0; i < json_array_size(allowed); i++) {
		const json_t *one = json_array_get(allowed, i);
		put(list, "trusted", stg_json_str(one, "value"), stg_json_str(one, "name"), stg_json_int(one, "ends_ms", 0), false);
	}
	return allowed != NULL;
}

json_t *ops_expiry_noted(struct stg_op_ctx *c, struct stg_error *err)
{
	STG_AUTO(stg_free_at) char *text = stg_store_get(c->store, NOTED, err);
	json_t *rows = text && *text ? json_loads(text, 0, NULL) : NULL;
	if (!text)
		return NULL;
	if (json_is_object(rows))
		return rows;
	json_decref(rows);
	return json_object();
}

bool ops_expiry_noted_keep(struct stg_op_ctx *c, const json_t *rows, struct stg_error *err)
{
	STG_AUTO(stg_free_at) char *text = json_dumps(rows, JSON_COMPACT | JSON_SORT_KEYS);
	return text ? stg_store_set(c->store, NOTED, text, err) : stg_fail(err, STG_E_NOMEM, 0, "no memory for a list");
}

/* Those of a blueprint hold it up; those of none are for people. */
static bool add_noted(struct stg_op_ctx *c, json_t *list, const char *blueprint, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *rows = ops_expiry_noted(c, err);
	const char *name;
	json_t *row;
	json_object_foreach(rows, name, row) {
		const char *of = stg_json_str(row, "blueprint");
		if (blueprint && strcmp(of, blueprint) != 0)
			continue;
		json_t *one = put(list, "noted", name, stg_json_str(row, "note"), stg_json_int(row, "ends_ms", 0), blueprint != NULL);
		if (one)
			stg_json_put(one, "blueprint", of);
	}
	return rows != NULL;
}

json_t *ops_expiry(struct stg_op_ctx *c, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *list = json_array();
	char folder[1024];
	snprintf(folder, sizeof(folder), "%s/profiles", c->state_dir);
	if (!add_organisations(c, list, err) || !add_certificates(c, list, err) || !add_apps(c, list, err) || !add_fetched(c, list, NULL, false, err) ||
	    !add_challenges(c, list, err) || !add_targets(c, list, err) || !add_trusted(c, list, err) || !add_noted(c, list, NULL, err))
		return NULL;
	add_folder(list, folder);
	add_folder(list, SITE_PROFILES);
	return sorted(list);
}

/* ---- what a blueprint needs ---- */

static const json_t *find_step(const json_t *plan, const char *step)
{
	const json_t *steps = json_object_get(plan, "steps");
	for (size_t i = 0; i < json_array_size(steps); i++)
		if (strcmp(stg_json_str(json_array_get(steps, i), "step"), step) == 0)
			return json_array_get(steps, i);
	return NULL;
}

/* The organisation's certificates as far as a step uses them. */
static void add_needed(json_t *list, const json_t *org, const json_t *plan, bool signs)
{
	const json_t *issue = find_step(plan, "issue_certificate");
	for (size_t k = 0; k < STG_ARRAY_LEN(certs); k++) {
		bool is_used = strcmp(certs[k].kind, "identity") == 0 ? find_step(plan, "supervise") || find_step(plan, "pair") :
			       strcmp(certs[k].kind, "signer") == 0 ? signs : issue && strcmp(certs[k].kind, "registration") != 0;
		int64_t ends_ms = is_used ? put_certificate(list, org, k, true) : 0;
		if (!ends_ms || strcmp(certs[k].kind, "authority") != 0)
			continue;
		/* what is issued today: never longer than its issuer */
		int64_t leaf_ms = stg_wall_ms() + stg_json_int(json_object_get(issue, "params"), "days", 365) * DAY_MS;
		put(list, "leaf", stg_json_str(org, "name"), "", leaf_ms < ends_ms ? leaf_ms : ends_ms, false);
	}
}

static bool add_pinned(json_t *list, const json_t *profiles, bool *ret_signs, bool *ret_scep, struct stg_error *err)
{
	const char *name;
	json_t *one;
	json_object_foreach((json_t *)(uintptr_t)profiles, name, one) {
		STG_AUTO(stg_buf_clear) struct stg_buf bytes = STG_BUF(FILE_MAX);
		if (!json_object_get(one, "base64")) {
			put(list, "app", stg_json_str_or(one, "bundle_id", name), stg_json_str(one, "version"), stg_json_int(one, "expires_ms", 0), true);
			continue;
		}
		if (!stg_unbase64(stg_json_str(one, "base64"), &bytes, err))
			return false;
		*ret_signs |= !stg_profile_is_signed(stg_buf_view(&bytes));
		*ret_scep |= memmem(bytes.data, bytes.len, "com.apple.security.scep", 23) != NULL;
		add_profile(list, name, stg_json_str(one, "path"), stg_buf_view(&bytes), true);
	}
	return true;
}

json_t *ops_expiry_of(struct stg_op_ctx *c, const json_t *plan, const json_t *profiles, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *list = json_array();
	bool signs = false, scep = false;
	if (!add_pinned(list, profiles, &signs, &scep, err) || !add_fetched(c, list, profiles ? profiles : list, true, err) ||
	    !add_noted(c, list, stg_json_str(plan, "name"), err) || (scep && !add_challenges(c, list, err)))
		return NULL;
	struct stg_error why = { 0 };
	STG_AUTO(stg_json_free_at) json_t *org = stg_store_org(c->store, stg_json_str(plan, "organisation"), NULL, &why);
	/* without one nothing of it ends; that it is needed is told elsewhere */
	if (org)
		add_needed(list, org, plan, signs);
	return sorted(list);
}

/* ---- the start of a batch ---- */

static void day_of(int64_t ms, char ret[16])
{
	time_t at = (time_t)(ms / 1000);
	struct tm tm;
	if (!localtime_r(&at, &tm) || !strftime(ret, 16, "%Y-%m-%d", &tm))
		stg_copy(ret, 16, "?");
}

bool ops_expiry_until(const char *text, int64_t *ret_ms, struct stg_error *err)
{
	struct tm tm = { .tm_hour = 23, .tm_min = 59, .tm_sec = 59, .tm_isdst = -1 };
	const char *rest = strptime(text, "%Y-%m-%d", &tm);
	if (rest && !*rest)
		*ret_ms = (int64_t)mktime(&tm) * 1000;
	else if (!stg_time_parse(text, ret_ms))
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_WRONG, 0, "--until %.40s: 2026-12-31", text);
	return *ret_ms > stg_wall_ms() || stg_fail_id(err, STG_E_USAGE, STG_ID_TIME_PAST, 0, "%.40s", text);
}

bool ops_expiry_allows(struct stg_op_ctx *c, const json_t *plan, const json_t *profiles, int64_t until_ms, const char *despite, json_t *warnings,
		       json_t **ret_ends, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *all = ops_expiry_of(c, plan, profiles, err), *ends = json_array();
	int64_t now = stg_wall_ms(), last = until_ms > now ? until_ms : now;
	char on[16], batch[16];
	if (*despite && (strlen(despite) < 3 || strlen(despite) > 200))
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_WRONG, 0, "--despite: 3-200");
	if (!all || (*despite && !stg_op_may(c, "lead", err)))
		return false;
	day_of(last, batch);
	for (size_t i = 0; i < json_array_size(all); i++) {
		json_t *one = json_array_get(all, i);
		int64_t ends_ms = stg_json_int(one, "ends_ms", 0);
		if (!stg_json_bool(one, "blocks", false) || !ends_ms || ends_ms >= last + SAFETY_MS + WARNED_MS)
			continue;
		char text[300];
		const char *words = stg_json_str(one, "text");
		day_of(ends_ms, on);
		if (ends_ms < last + SAFETY_MS)
			json_array_append(ends, one);
		if (ends_ms < last + SAFETY_MS && !*despite)
			return until_ms ? stg_fail_id(err, STG_E_REFUSED, STG_ID_BATCH_OUTLIVES, 0, "%s ends on %s, the batch on %s", words, on, batch)
					: stg_fail_id(err, STG_E_REFUSED, STG_ID_BATCH_OUTLIVES, 0, "%s ends on %s", words, on);
		snprintf(text, sizeof(text), "%s ends on %s", words, on);
		json_array_append_new(warnings, json_string(text));
	}
	if (ret_ends)
		*ret_ends = json_incref(ends);
	return true;
}
