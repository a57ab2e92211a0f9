/*
 * form.c - the archive inside a bundle: written, and read as something hostile.
 *
 * For:    export, inspect and import of bundles.
 * Uses:   <stager/tar.h>, jansson.
 * Called: stager/ops/bundle.c.
 * Thread: any.
 *
 * The signature says who wrote an archive, not that he meant well: names are few and known, sizes and counts bounded,
 * every byte is of a member that the manifest names, and nothing stands beside.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include <stager/bundle.h>
#include <stager/error.h>

#define MANIFEST_MAX (256u << 10)
#define LINE_MAX_BYTES (4u << 20)

static const char *const lists[] = { "records.ndjson", "deliveries.ndjson", "receipts.ndjson", "evidence.ndjson" };
static const char *const kinds[] = { "blueprint", "profile", "app", "connector", "rules" };

bool stg_bundle_file(const struct stg_bundle_member *m, char ret_kind[16], char ret_name[STG_TAR_NAME_MAX])
{
	if (strncmp(m->name, "files/", 6) != 0)
		return false;
	for (size_t i = 0; i < STG_ARRAY_LEN(kinds); i++) {
		size_t n = strlen(kinds[i]);
		const char *name = m->name + 6 + n + 1;
		if (strncmp(m->name + 6, kinds[i], n) != 0 || m->name[6 + n] != '/' || !*name || strchr(name, '/'))
			continue;
		stg_copy(ret_kind, 16, kinds[i]);
		stg_copy(ret_name, STG_TAR_NAME_MAX, name);
		return true;
	}
	return false;
}

static bool is_known(const struct stg_bundle_member *m)
{
	char kind[16], name[STG_TAR_NAME_MAX];
	for (size_t i = 0; i < STG_ARRAY_LEN(lists); i++)
		if (strcmp(m->name, lists[i]) == 0)
			return true;
	return stg_bundle_file(m, kind, name);
}

void stg_bundle_name(const char *station, int64_t seq, char ret[48])
{
	char short_name[17];
	size_t n = 0;
	for (; *station && n < sizeof(short_name) - 1; station++)
		if (isalnum((unsigned char)*station) || (n && *station == '-'))
			short_name[n++] = (char)toupper((unsigned char)*station);
	while (n && short_name[n - 1] == '-')
		n--;
	short_name[n] = 0;
	snprintf(ret, 48, "%s-%06lld.STB", n ? short_name : "STATION", (long long)(seq % 1000000));
}

bool stg_bundle_pack(json_t *manifest, const struct stg_bundle_member *members, size_t n_members, int64_t wall_ms, struct stg_buf *ret,
		     char ret_sha256[65], struct stg_error *err)
{
	json_t *list = json_array();
	stg_json_put(manifest, "schema", STG_BUNDLE_SCHEMA);
	stg_json_put_new(manifest, "members", list);
	if (n_members > STG_BUNDLE_MEMBERS_MAX)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_BUNDLE_TOO_LARGE, 0, "%zu files, %d at most", n_members, STG_BUNDLE_MEMBERS_MAX);
	for (size_t i = 0; i < n_members; i++) {
		char sum[65];
		if (!is_known(&members[i]))
			return stg_fail(err, STG_E_BUG, 0, "a bundle holds no '%s'", members[i].name);
		stg_sha256_hex(members[i].bytes, sum);
		json_array_append_new(list, json_pack("{s:s,s:I,s:s}", "name", members[i].name, "size", (json_int_t)members[i].bytes.len, "sha256", sum));
	}
	STG_AUTO(stg_free_at) char *text = stg_json_text(manifest);
	stg_sha256_hex(stg_bytes_str(text), ret_sha256);
	struct stg_error why = { 0 };
	bool ok = stg_tar_add(ret, "manifest.json", stg_bytes_str(text), wall_ms, &why);
	for (size_t i = 0; ok && i < n_members; i++)
		ok = stg_tar_add(ret, members[i].name, members[i].bytes, wall_ms, &why);
	if (ok && stg_tar_end(ret, &why))
		return true;
	if (why.code == STG_E_PROTOCOL)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_BUNDLE_TOO_LARGE, 0, "more than %zu bytes", ret->max);
	if (err)
		*err = why;
	return false;
}

/* ---- reading ---- */

static bool odd(struct stg_error *err, const char *what, const char *name)
{
	return stg_fail_id(err, STG_E_INPUT, STG_ID_BUNDLE_CONTENT, 0, "%s%s%.100s", what, *name ? ": " : "", name);
}

static bool read_manifest(struct stg_bytes bytes, struct stg_bundle *b, struct stg_error *err)
{
	struct stg_error why = { 0 };
	b->manifest = stg_json_parse(bytes, MANIFEST_MAX, &why);
	if (!json_is_object(b->manifest))
		return odd(err, "its manifest is none", why.msg);
	stg_sha256_hex(bytes, b->sha256);
	const char *schema = stg_json_str(b->manifest, "schema");
	if (strncmp(schema, "stager.bundle/", 14) == 0 && strcmp(schema, STG_BUNDLE_SCHEMA) != 0)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_BUNDLE_NEWER, 0, "%.40s, this program reads " STG_BUNDLE_SCHEMA, schema);
	if (strcmp(schema, STG_BUNDLE_SCHEMA) != 0 || !json_is_array(json_object_get(b->manifest, "members")))
		return odd(err, "its manifest is none", "");
	return true;
}

static bool as_named(const struct stg_bundle_member *m, const json_t *named, struct stg_error *err)
{
	char sum[65];
	stg_sha256_hex(m->bytes, sum);
	if (strcmp(stg_json_str(named, "name"), m->name) != 0)
		return odd(err, "a member its manifest does not name", m->name);
	if (stg_json_int(named, "size", -1) != (int64_t)m->bytes.len || strcmp(stg_json_str(named, "sha256"), sum) != 0)
		return odd(err, "a member that is not what its manifest says", m->name);
	return is_known(m) || odd(err, "a member of no known kind", m->name);
}

bool stg_bundle_unpack(struct stg_bytes archive, struct stg_bundle *ret, struct stg_error *err)
{
	STG_AUTO(stg_bundle_clear) struct stg_bundle b = { 0 };
	struct stg_bundle_member m;
	struct stg_error why = { 0 };
	size_t at = 0, i = 0;
	int got;
	if (stg_tar_next(archive, &at, m.name, &m.bytes, &why) != 1)
		return odd(err, *why.msg ? why.msg : "it is empty", "");
	if (strcmp(m.name, "manifest.json") != 0)
		return odd(err, "its first member is no manifest", m.name);
	if (!read_manifest(m.bytes, &b, err))
		return false;
	const json_t *named = json_object_get(b.manifest, "members");
	while ((got = stg_tar_next(archive, &at, m.name, &m.bytes, &why)) == 1) {
		if (i == STG_BUNDLE_MEMBERS_MAX)
			return odd(err, "too many members", "");
		for (size_t k = 0; k < i; k++)
			if (strcmp(b.members[k].name, m.name) == 0)
				return odd(err, "a member stands in it twice", m.name);
		if (!as_named(&m, json_array_get(named, i), err))
			return false;
		b.members[i++] = m;
	}
	if (got < 0)
		return odd(err, why.msg, "");
	if (i != json_array_size(named))
		return odd(err, "a member that its manifest names is absent", "");
	b.n_members = i;
	*ret = b;
	b = (struct stg_bundle){ 0 };
	return true;
}

void stg_bundle_clear(struct stg_bundle *b)
{
	stg_json_free_at(&b->manifest);
	*b = (struct stg_bundle){ 0 };
}

json_t *stg_bundle_lines(const struct stg_bundle *b, const char *member, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *list = json_array();
	struct stg_bytes left = { 0 };
	for (size_t i = 0; i < b->n_members; i++)
		if (strcmp(b->members[i].name, member) == 0)
			left = b->members[i].bytes;
	while (left.len) {
		struct stg_error why = { 0 };
		const uint8_t *end = memchr(left.data, '\n', left.len);
		size_t n = end ? (size_t)(end - left.data) : left.len;
		json_t *one = end ? stg_json_parse(stg_bytes(left.data, n), LINE_MAX_BYTES, &why) : NULL;
		json_t *text = json_is_object(one) ? json_stringn((const char *)left.data, n) : NULL;
		if (!text || json_array_size(list) == STG_BUNDLE_LINES_MAX) {
			json_decref(one);
			json_decref(text);
			odd(err, text ? "too many lines" : "a line that is no object", member);
			return NULL;
		}
		json_array_append_new(list, json_pack("{s:o,s:o}", "text", text, "json", one));
		left = stg_bytes(end + 1, left.len - n - 1);
	}
	return stg_steal(list);
}
