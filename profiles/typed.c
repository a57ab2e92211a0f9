/*
 * typed.c - a text that somebody gave becomes the kind of value its place wants.
 *
 * For:    variables: lists and command lines hold texts, a device wants a number for a port and data for a certificate.
 * Uses:   schema.c: the rules say which kind stands where, so no template has to.
 * Called: by fill.c, build.c.
 * Thread: any; no state.
 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "schema.h"

#define DATA_MAX (512u << 10)
#define PLIST_EPOCH_S 978307200LL      /* 2001-01-01 */

/* ---- which kind ---- */

static const struct rule *key_of(const struct stg_profile_rules *r, const struct rule *owner, const char *key)
{
	const struct rule *k = rules_key(r, owner, key), *common = rules_type(r, "*", NULL), *also = owner->also ? rules_type(r, owner->also, NULL) : NULL;
	if (!k && owner->depth == 0 && common)
		k = rules_key(r, common, key);
	if (!k && owner->depth == 0 && also)
		k = rules_key(r, also, key);
	return k;
}

const struct rule *rules_at(const struct stg_profile_rules *r, const struct profile *p, const char *path)
{
	const struct rule *at[RULE_DEPTH_MAX + 2] = { 0 }, *k;
	unsigned int i = 0;
	int used = 0;
	char key[PROFILE_PATH_MAX];
	if (sscanf(path, "PayloadContent[%u]%n", &i, &used) == 1 && used) {
		plist_t one = payload_at(p, i);
		const char *type = one ? tree_str(one, "PayloadType") : NULL;
		k = type ? rules_variant(r, one, type) : NULL;
		path += used;
	} else {
		k = rules_type(r, "Configuration", NULL);
	}
	while (k && *path) {
		at[k->depth] = k;
		const struct rule *owner = k->use_depth ? at[k->use_depth - 1] : k;
		if (*path == '[') {
			path += strcspn(path, "]");
			path += *path == ']';
			k = rules_first(r, owner);
		} else {
			path += *path == '.';
			size_t n = strcspn(path, ".[");
			memcpy(key, path, n);
			key[n] = 0;
			path += n;
			k = n && owner ? key_of(r, owner, key) : NULL;
		}
	}
	return k;
}

/* ---- as this kind ---- */

static bool date_of(const char *text, int64_t *ret)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	char again[32];
	if (!end || *end || strlen(text) != 20)
		return false;
	time_t t = timegm(&tm);
	/* 31 February is not one */
	strftime(again, sizeof(again), "%Y-%m-%dT%H:%M:%SZ", &tm);
	*ret = (int64_t)t - PLIST_EPOCH_S;
	return strcmp(again, text) == 0 && *ret > INT32_MIN && *ret < INT32_MAX;
}

static bool number_of(const char *text, int64_t *ret)
{
	char *end;
	errno = 0;
	*ret = strtoll(text, &end, 10);
	return (isdigit((unsigned char)*text) || (*text == '-' && isdigit((unsigned char)text[1]))) && !*end && !errno;
}

static bool real_of(const char *text, double *ret)
{
	char *end;
	*ret = strtod(text, &end);
	return strspn(text, "0123456789.-") == strlen(text) && end != text && !*end && isfinite(*ret);
}

/* Base64 in one line or in many; around it the lines of a PEM file may stand. */
static bool data_of(const char *text, struct stg_buf *ret)
{
	static const char BEGIN[] = "-----BEGIN ", END[] = "-----END ";
	STG_AUTO(stg_buf_clear) struct stg_buf plain = STG_BUF(DATA_MAX * 2);
	const char *from = text, *to = text + strlen(text);
	if (strncmp(text, BEGIN, sizeof(BEGIN) - 1) == 0) {
		const char *line = strchr(text, '\n'), *end = line ? strstr(line, END) : NULL;
		if (!end)
			return false;
		from = line;
		to = end;
	}
	for (; from < to; from++)
		if (!isspace((unsigned char)*from) && !stg_buf_add(&plain, from, 1, NULL))
			return false;
	return stg_unbase64(stg_buf_str(&plain), ret, NULL) && ret->len;
}

bool typed_set(plist_t node, unsigned int kinds, const char *text)
{
	STG_AUTO(stg_buf_clear) struct stg_buf bytes = STG_BUF(DATA_MAX);
	int64_t n = 0;
	double real = 0;
	if ((kinds & KIND_INTEGER) && number_of(text, &n))
		plist_set_uint_val(node, (uint64_t)n);
	else if ((kinds & KIND_REAL) && real_of(text, &real))
		plist_set_real_val(node, real);
	else if ((kinds & KIND_BOOL) && (strcasecmp(text, "true") == 0 || strcasecmp(text, "false") == 0))
		plist_set_bool_val(node, strcasecmp(text, "true") == 0);
	else if ((kinds & KIND_DATE) && date_of(text, &n))
		plist_set_date_val(node, (int32_t)n, 0);
	else if ((kinds & KIND_DATA) && data_of(text, &bytes))
		plist_set_data_val(node, (const char *)bytes.data, bytes.len);
	else
		return false;
	return true;
}

/* A scheme and what follows it: web clips open mailto: and the addresses of apps as well. */
bool typed_is_url(const char *text)
{
	size_t n = 0;
	while (isalnum((unsigned char)text[n]) || (n && strchr("+.-", text[n]) && text[n]))
		n++;
	if (!isalpha((unsigned char)*text) || text[n] != ':' || !text[n + 1])
		return false;
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p <= ' ' || strchr("\"<>\\^`{|}", *p) || *p == 0x7f)
			return false;
	return strncasecmp(text, "http", 4) != 0 || strstr(text, "://");
}
