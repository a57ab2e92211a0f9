/*
 * lookup.c - what the receiver has already, and whether ours may go beside it.
 *
 * For:    delivery.c: before a write that must not happen twice, and before one that would overwrite somebody's value.
 * Uses:   request.c, jq.c.
 * Called: once for each batch whose connector has `lookup`.
 * Thread: the push thread's.
 * Facts:  read-back queries of mdm-push 10.2, policies of 10.5. A record id is a UUIDv7: of two, the greater is the newer.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "parts.h"

#define PAGES_MAX 1000
#define FOUND_MAX 200000

/* ---- asking ---- */

static bool status_means_none(const json_t *lookup, int status)
{
	size_t i;
	json_t *one;
	json_array_foreach(json_object_get(lookup, "none"), i, one)
		if (json_integer_value(one) == status)
			return true;
	return false;
}

/* What one find is about: its key, else the one record that was asked for; a list of all devices names them itself. */
static const char *found_key(const json_t *one, const char *asked, char number[24])
{
	static const char *const names[] = { "key", "serial", "imei", "udid" };
	for (size_t i = 0; i < (*asked ? 1 : STG_ARRAY_LEN(names)); i++) {
		const json_t *value = json_object_get(one, names[i]);
		if (json_is_string(value) && json_string_length(value))
			return json_string_value(value);
		if (json_is_integer(value))
			return snprintf(number, 24, "%lld", (long long)json_integer_value(value)) > 0 ? number : "";
	}
	return asked;
}

/* Where pages are counted: the next number, "" behind a page with nothing on it. One that brings what was there already is no next page:
 * then the receiver does not count as we do, and the list would be half. */
static bool count_on(const json_t *lookup, const char *page, size_t on_page, bool has_new, bool has_old, char *ret_next, size_t size, struct stg_error *err)
{
	bool by_items = strcmp(stg_json_str(lookup, "step"), "items") == 0;
	if (on_page && has_old && !has_new)
		return stg_fail_id(err, STG_E_PROTOCOL, STG_ID_ANSWER_PAGES, 0, "page %.20s brings what another brought", page);
	if (on_page)
		snprintf(ret_next, size, "%lld", strtoll(page, NULL, 10) + (by_items ? (long long)on_page : 1));
	return true;
}

/* Adds what one answer names; what has no key is about the one record that was asked for (`asked`, "" when they were many).
 * What {{page}} is next goes to ret_next, "" when it was the last page. */
static bool read_page(const struct push_target *t, const json_t *lookup, const struct stg_net_answer *a, const char *asked, json_t *by_key, const char *page, char *ret_next,
		      size_t size, struct stg_error *err)
{
	const char *next = stg_json_str(lookup, "next");
	bool has_new = false, has_old = false;
	size_t i;
	json_t *one;
	*ret_next = 0;
	STG_AUTO(stg_json_free_at) json_t *body = a->body.len ? stg_json_parse(stg_buf_view(&a->body), PUSH_ANSWER_MAX, err) : json_null();
	STG_AUTO(stg_json_free_at) json_t *found = body ? push_jq(stg_json_str(lookup, "found"), body, err) : NULL;
	if (!found)
		return stg_while(err, "lookup of connector %s", stg_json_str(t->connector, "name"));
	json_array_foreach(found, i, one) {
		char number[24];
		const char *key = found_key(one, asked, number);
		has_old = has_old || (*key && json_object_get(by_key, key));
		has_new = has_new || (*key && !json_object_get(by_key, key));
		if (*key && json_object_size(by_key) < FOUND_MAX)
			stg_json_put_new(by_key, key, json_incref(one));
	}
	if (*stg_json_str(lookup, "step"))
		return count_on(lookup, page, json_array_size(found), has_new, has_old, ret_next, size, err);
	if (!*next)
		return true;
	STG_AUTO(stg_json_free_at) json_t *more = push_jq(next, body, err);
	if (!more)
		return stg_while(err, "next page of connector %s", stg_json_str(t->connector, "name"));
	const json_t *value = json_array_get(more, 0);
	if (json_is_integer(value))
		snprintf(ret_next, size, "%lld", (long long)json_integer_value(value));
	else if (json_is_string(value) && !stg_copy(ret_next, size, json_string_value(value)))
		return stg_fail(err, STG_E_PROTOCOL, 0, "the next page's address is too long");
	return true;
}

/* All pages of one question. False with class set or with an error. */
static bool ask(const struct push_target *t, const json_t *rows, const json_t *records, struct stg_stop *stop, json_t *by_key, struct stg_net_answer *a,
		struct stg_error *err)
{
	const json_t *lookup = json_object_get(t->exchange, "lookup");
	const char *asked = push_call_is_single(lookup) ? push_key_of(json_array_get(records, 0), stg_json_str(t->exchange, "natural_key")) : "";
	char page[2048], next[2048];
	stg_copy(page, sizeof(page), stg_json_str(lookup, "page"));
	for (int n = 0; n < PAGES_MAX; n++) {
		struct push_request q = { 0 };
		bool ok = push_request_make(t, lookup, rows, records, (struct push_words){ .page = page }, push_clock_s(), &q, err) &&
			  push_request_send(t, &q, true, stop, a, err);
		push_request_clear(&q);
		if (!ok)
			return false;
		if (status_means_none(lookup, a->status))
			return true;
		if (a->class != STG_NET_OK || !read_page(t, lookup, a, asked, by_key, page, next, sizeof(next), err))
			return false;
		if (!*next || strcmp(next, page) == 0)
			return true;
		stg_copy(page, sizeof(page), next);
		stg_net_answer_clear(a);
	}
	return stg_fail_id(err, STG_E_PROTOCOL, STG_ID_ANSWER_PAGES, 0, "more than %d pages", PAGES_MAX);
}

json_t *push_lookup(const struct push_target *t, const json_t *rows, const json_t *records, struct stg_stop *stop, struct stg_net_answer *ret_failed,
		    struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *by_key = json_object();
	const bool is_single = push_call_is_single(json_object_get(t->exchange, "lookup"));
	size_t i, n = is_single ? json_array_size(records) : 1;
	for (i = 0; i < n; i++) {
		STG_AUTO(stg_json_free_at) json_t *row = n > 1 ? json_pack("[O]", json_array_get(rows, i)) : json_incref((json_t *)(uintptr_t)rows);
		STG_AUTO(stg_json_free_at) json_t *record = n > 1 ? json_pack("[O]", json_array_get(records, i)) : json_incref((json_t *)(uintptr_t)records);
		const char *key = push_key_of(json_array_get(record, 0), stg_json_str(t->exchange, "natural_key"));
		/* an answer to one question that names others alone may be somebody else's (a cache, a proxy): asked once more */
		for (int tries = 0; tries < 2; tries++) {
			size_t before = json_object_size(by_key);
			stg_net_answer_clear(ret_failed);
			if (!ask(t, row, record, stop, by_key, ret_failed, err))
				return NULL;
			if (!is_single || json_object_size(by_key) == before || json_object_get(by_key, key))
				break;
		}
	}
	return stg_steal(by_key);
}

/* ---- comparing ---- */

static bool is_empty(const json_t *v)
{
	return !v || json_is_null(v) || (json_is_string(v) && !*json_string_value(v));
}

static void shown(const json_t *v, char *ret, size_t size)
{
	STG_AUTO(stg_free_at) char *text = json_is_string(v) ? stg_strdup(json_string_value(v)) : json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
	stg_printable(text ? text : "", true, ret, size);
}

/* "0190b1c2-0000-7000" and "0190b1c200007000" are the same beginning: -1, 0, 1 as theirs is older, the same, newer. */
static int age_of(const char *theirs, const char *ours)
{
	while (*theirs && *ours) {
		if (*theirs == '-' || *ours == '-') {
			theirs += *theirs == '-';
			ours += *ours == '-';
			continue;
		}
		int a = tolower((unsigned char)*theirs++), b = tolower((unsigned char)*ours++);
		if (a != b)
			return a < b ? -1 : 1;
	}
	return 0;
}

enum push_verdict push_weigh(const struct push_target *t, json_t *record, const json_t *found, bool in_doubt, const char *decided, char *ret_text, size_t size)
{
	const json_t *lookup = json_object_get(t->exchange, "lookup"), *have = json_object_get(found, "have");
	const char *pointer = stg_json_str(found, "record"), *field;
	json_t *item = json_object_get(record, "item"), *policy_word;
	bool differs = false, is_wiped = stg_json_bool(json_object_get(record, "wipe"), "verified", false);
	*ret_text = 0;
	if (!found)
		return strcmp(stg_json_str(lookup, "missing"), "park") == 0 ? PUSH_UNKNOWN_THERE : PUSH_TELL_NEW;
	json_object_set(record, "found", (json_t *)(uintptr_t)found);
	int age = *pointer ? age_of(pointer, stg_json_str(record, "record_id")) : 0;
	if (*pointer && age == 0)
		return PUSH_SAME;
	if (*pointer && age > 0)
		return PUSH_NEWER;
	json_object_foreach(json_object_get(t->exchange, "fields"), field, policy_word) {
		(void)policy_word;
		const json_t *ours = json_object_get(item, field), *theirs = json_object_get(have, field);
		/* older words of ours may go; and a device that was erased in between begins anew */
		const char *policy = *decided ? decided : *pointer || is_wiped ? "ours" : push_policy(t, field);
		if (is_empty(ours) || json_equal(ours, theirs))
			continue;
		if (is_empty(theirs) || strcmp(policy, "ours") == 0) {
			differs = true;
		} else if (strcmp(policy, "theirs") == 0) {
			json_object_del(item, field);
		} else {
			char a[100], b[100];
			shown(ours, a, sizeof(a));
			shown(theirs, b, sizeof(b));
			snprintf(ret_text, size, "%.60s: ours '%s', there '%s'", field, a, b);
			return PUSH_CONFLICT;
		}
	}
	/* without fields to compare, that it is there is all there is to know */
	if (!differs)
		return PUSH_SAME;
	if (json_object_get(t->exchange, "update"))
		return PUSH_TELL_UPDATE;
	if (in_doubt && !*decided) {
		snprintf(ret_text, size, "it stands there with other values, and this connector cannot change them");
		return PUSH_CONFLICT;
	}
	return PUSH_TELL_NEW;
}
