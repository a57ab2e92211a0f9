/*
 * check.c - the rules every profile must keep, whatever it configures.
 *
 * For:    refusing a profile before a device does, with the place in the file.
 * Uses:   the tree words of this room.
 * Called: by read (the first error), lint (all), fill (after filling in).
 * Thread: any; no state.
 *
 * Facts: profiles-and-certificates 1.1, 1.2 and 8.3 (Apple's TopLevel.yaml and CommonPayloadKeys.yaml, iOS 18.1):
 * identifiers and UUIDs are unique in one file, UUIDs without regard to case; references name a certificate payload of
 * the same profile, an identity where the device shows itself, a certificate where it checks somebody.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <stager/ids.h>
#include <stager/variable.h>

#include "inner.h"

#define IDENTIFIER_MAX 255
#define UUID_TEXT_MAX 39
#define FINDINGS_MAX 100
#define PAYLOADS_MAX 500
#define REFERENCES_MAX 1000

void finding(struct findings *f, const char *level, const char *path, const char *fmt, ...)
{
	size_t most = strcmp(level, "error") == 0 ? FINDINGS_MAX : FINDINGS_MAX / 2;
	if (json_array_size(f->list) >= most)
		return;
	char what[240], clean[300];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	stg_printable(what, true, clean, sizeof(clean));
	json_t *j = json_object();
	stg_json_put(j, "level", level);
	stg_json_put(j, "path", path);
	unsigned long column = 0, line = profile_place(f->p, path, &column);
	if (line) {
		stg_json_put_int(j, "line", (int64_t)line);
		stg_json_put_int(j, "column", (int64_t)column);
	}
	stg_json_put(j, "text", clean);
	json_array_append_new(f->list, j);
}

bool findings_pass(const struct findings *f, struct stg_error *err)
{
	size_t i;
	json_t *one;
	json_array_foreach(f->list, i, one) {
		if (strcmp(stg_json_str(one, "level"), "error") == 0)
			return profile_fail(f->p, STG_ID_PROFILE_RULE, stg_json_str(one, "path"), err, "%s", stg_json_str(one, "text"));
	}
	return true;
}

/* A text that must be there. NULL after saying what is wrong. */
static const char *required(struct findings *f, plist_t dict, const char *where, const char *key, size_t most)
{
	char path[PROFILE_PATH_MAX];
	stg_copy(path, sizeof(path), where);
	plist_t node = tree_get(dict, key);
	if (!node) {
		finding(f, "error", path, "the required key %s is missing", key);
		return NULL;
	}
	path_key(path, key);
	const char *text = node_str(node);
	if (!text)
		finding(f, "error", path, "must be text");
	else if (!*text)
		finding(f, "error", path, "must not be empty");
	else if (strlen(text) > most)
		finding(f, "error", path, "longer than %zu bytes", most);
	else
		return text;
	return NULL;
}

static void check_version(struct findings *f, plist_t dict, const char *where)
{
	char path[PROFILE_PATH_MAX];
	int64_t n = 0;
	stg_copy(path, sizeof(path), where);
	if (!tree_get(dict, "PayloadVersion")) {
		finding(f, "error", path, "the required key PayloadVersion is missing");
		return;
	}
	path_key(path, "PayloadVersion");
	if (!tree_int(dict, "PayloadVersion", &n))
		finding(f, "error", path, "must be a whole number (<integer>1</integer>)");
	else if (n != 1)
		finding(f, "error", path, "must be 1: it is the version of the format, not of the content");
}

static void check_uuid(struct findings *f, const char *uuid, const char *where)
{
	char path[PROFILE_PATH_MAX];
	stg_copy(path, sizeof(path), where);
	path_key(path, "PayloadUUID");
	if (uuid && !stg_variable_any(uuid) && !stg_uuid_ok(uuid))
		finding(f, "warning", path, "does not look like a UUID (8-4-4-4-12 hexadecimal digits)");
}

static void check_root(struct findings *f)
{
	plist_t root = f->p->root;
	if (!is_dict(root)) {
		finding(f, "error", "", "a profile must be a dictionary");
		return;
	}
	const char *type = required(f, root, "", "PayloadType", IDENTIFIER_MAX);
	if (type && strcmp(type, "Profile Service") == 0)
		finding(f, "error", "PayloadType", "this asks a device to enrol over the air (Profile Service); it is not a profile to install");
	else if (type && strcmp(type, "Configuration") != 0)
		finding(f, "error", "PayloadType", "this is a single payload, not a profile: expected Configuration");
	check_version(f, root, "");
	required(f, root, "", "PayloadIdentifier", IDENTIFIER_MAX);
	check_uuid(f, required(f, root, "", "PayloadUUID", UUID_TEXT_MAX), "");
	plist_t content = tree_get(root, "PayloadContent");
	if (tree_bool(root, "IsEncrypted", false)) {
		plist_t sealed = tree_get(root, "EncryptedPayloadContent");
		if (!sealed || plist_get_node_type(sealed) != PLIST_DATA)
			finding(f, "error", "", "IsEncrypted is set, but EncryptedPayloadContent is missing");
	} else if (!content) {
		finding(f, "error", "", "the required key PayloadContent is missing");
	} else if (plist_get_node_type(content) != PLIST_ARRAY) {
		finding(f, "error", "PayloadContent", "must be a list of payloads");
	} else if (plist_array_get_size(content) == 0) {
		finding(f, "warning", "PayloadContent", "there is no payload in this profile");
	} else if (plist_array_get_size(content) > PAYLOADS_MAX) {
		finding(f, "error", "PayloadContent", "more than %d payloads", PAYLOADS_MAX);
	}
	if (tree_get(root, "ConsentText"))
		finding(f, "warning", "ConsentText", "forces a question on the device: it cannot be installed silently");
}

struct seen {
	const char *text;
	uint32_t order;          /* 0 the profile itself, then its payloads */
	char path[96];
};

static int by_text(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;
	return strcasecmp(x->text, y->text);
}

/* Tells of each text that occurs twice. */
static void check_twice(struct findings *f, struct seen *seen, size_t n, const char *key)
{
	qsort(seen, n, sizeof(*seen), by_text);
	for (size_t i = 1; i < n; i++) {
		if (strcasecmp(seen[i].text, seen[i - 1].text) != 0)
			continue;
		const struct seen *first = seen[i].order < seen[i - 1].order ? &seen[i] : &seen[i - 1];
		const struct seen *second = first == &seen[i] ? &seen[i - 1] : &seen[i];
		unsigned long line = profile_line(f->p, first->path);
		if (line)
			finding(f, "error", second->path, "this %s is used twice (first at line %lu)", key, line);
		else
			finding(f, "error", second->path, "this %s is used twice (first at %s)", key, first->path);
	}
}

static void check_each_payload(struct findings *f, struct seen *uuids, size_t *n_uuids, struct seen *ids, size_t *n_ids)
{
	plist_t one;
	for (uint32_t i = 0; i < PAYLOADS_MAX && (one = payload_at(f->p, i)); i++) {
		char where[64];
		snprintf(where, sizeof(where), "PayloadContent[%u]", i);
		if (!is_dict(one)) {
			finding(f, "error", where, "a payload must be a dictionary");
			continue;
		}
		required(f, one, where, "PayloadType", IDENTIFIER_MAX);
		check_version(f, one, where);
		const char *id = required(f, one, where, "PayloadIdentifier", IDENTIFIER_MAX);
		const char *uuid = required(f, one, where, "PayloadUUID", UUID_TEXT_MAX);
		check_uuid(f, uuid, where);
		if (id) {
			ids[*n_ids].text = id;
			ids[*n_ids].order = i + 1;
			snprintf(ids[(*n_ids)++].path, 96, "%s.PayloadIdentifier", where);
		}
		if (uuid) {
			uuids[*n_uuids].text = uuid;
			uuids[*n_uuids].order = i + 1;
			snprintf(uuids[(*n_uuids)++].path, 96, "%s.PayloadUUID", where);
		}
	}
}

/* ---- references ---- */

static bool is_identity(const char *type)
{
	return strcmp(type, "com.apple.security.pkcs12") == 0 || strcmp(type, "com.apple.security.scep") == 0 ||
	       strcmp(type, "com.apple.security.acme") == 0;
}

static bool is_certificate(const char *type)
{
	return strcmp(type, "com.apple.security.root") == 0 || strcmp(type, "com.apple.security.pkcs1") == 0 ||
	       strcmp(type, "com.apple.security.pem") == 0;
}

static const char *type_with_uuid(const struct profile *p, const char *uuid)
{
	plist_t one;
	for (uint32_t i = 0; i < PAYLOADS_MAX && (one = payload_at(p, i)); i++) {
		const char *u = tree_str(one, "PayloadUUID");
		if (u && strcasecmp(u, uuid) == 0)
			return tree_str(one, "PayloadType");
	}
	return NULL;
}

static void check_reference(struct findings *f, const char *uuid, const char *path, bool wants_identity)
{
	if (stg_variable_any(uuid) || f->n_references > REFERENCES_MAX)
		return;
	if (f->n_references++ == REFERENCES_MAX) {
		finding(f, "error", path, "more than %d references to certificates", REFERENCES_MAX);
		return;
	}
	const char *type = type_with_uuid(f->p, uuid);
	if (!type)
		finding(f, "error", path, "refers to a certificate that is not in this profile");
	else if (wants_identity && !is_identity(type))
		finding(f, "error", path, is_certificate(type) ? "is a CA certificate, an identity is needed" : "is no certificate, an identity is needed");
	else if (!wants_identity && !is_certificate(type) && !is_identity(type))
		finding(f, "error", path, "refers to a payload that is no certificate");
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);
	return n >= m && strcmp(text + n - m, end) == 0;
}

/* Which reference a list belongs to is in its path: the items themselves have no key. */
static bool in_list(const char *path, const char *end)
{
	const char *bracket = strrchr(path, '[');
	size_t n = bracket ? (size_t)(bracket - path) : 0, m = strlen(end);
	return bracket && ends_with(path, "]") && n >= m && strncmp(path + n - m, end, m) == 0;
}

static void check_value(void *ctx, plist_t node, const char *key, const char *path)
{
	struct findings *f = ctx;
	const char *text = node_str(node);
	if (!text)
		return;
	for (const char *p = text; *p; p++) {
		if ((unsigned char)*p < 0x20 && *p != '\n' && *p != '\r' && *p != '\t') {
			finding(f, "error", path, "holds a control character");
			break;
		}
	}
	if (ends_with(key, "CertificateUUID") || strcmp(key, "certificateUUID") == 0)
		check_reference(f, text, path, true);
	else if (in_list(path, "PayloadCertificateAnchorUUID") || in_list(path, "PinningCertificateUUIDs"))
		check_reference(f, text, path, false);
}

void check_shape(struct findings *f)
{
	check_root(f);
	if (!is_dict(f->p->root))
		return;
	struct seen *uuids = stg_calloc(PAYLOADS_MAX + 1, sizeof(*uuids)), *ids = stg_calloc(PAYLOADS_MAX + 1, sizeof(*ids));
	size_t n_uuids = 0, n_ids = 0;
	const char *own = tree_str(f->p->root, "PayloadUUID");
	if (own && *own) {
		uuids[n_uuids].text = own;
		snprintf(uuids[n_uuids++].path, 96, "PayloadUUID");
	}
	check_each_payload(f, uuids, &n_uuids, ids, &n_ids);
	check_twice(f, uuids, n_uuids, "PayloadUUID");
	check_twice(f, ids, n_ids, "PayloadIdentifier");
	free(uuids);
	free(ids);
	char path[PROFILE_PATH_MAX] = "";
	tree_walk(f->p->root, path, check_value, f);
}
