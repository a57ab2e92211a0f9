/*
 * org.c - operations on organisations.
 *
 * For:    stager org create|import|show|list|backup|restore.
 * Uses:   <stager/keys.h>, <stager/store.h>.
 * Called: through the table of operations; with the write connection, inside a transaction.
 * Thread: the store's.
 *
 *   org.create   {name, country, domain, email, phone, address, department, crl_url}    -> organisation
 *   org.import   the same and {password}; files: identity, key (or none)                -> organisation
 *   org.show     {name} ("" = the default one)                                          -> organisation
 *   org.list     {}                                                                     -> [organisation]
 *   org.backup   {name, passphrase}; file: open for reading and writing                 -> {name, bytes, sha256, verified_ms}
 *   org.restore  {passphrase}; file                                                     -> organisation
 *   org.certificate  {which: root, issuing, chain or supervisor, name}; file            -> {which}; without a file {pem}
 *
 * Passphrases and passwords arrive as the person typed them, are never stored, never logged, never in an error.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <stager/clock.h>
#include <stager/error.h>
#include <stager/file.h>

#include "_secretly.h"

#define SEALED_MAX (1u << 20)
#define FILE_MAX (1u << 20)
#define PASSPHRASE_MAX 1024

/* What everybody may see of an organisation: no sealed key, certificates in words. */
static json_t *public_of(const json_t *row)
{
	static const char *const kept[] = { "name", "kind", "country", "domain", "email", "phone", "address", "department", "crl_url", "issuer",
					    "root_key", "magic", "recovery_sha256" };
	static const struct { const char *word, *field; } certs[] = { { "supervisor", "supervisor_pem" }, { "root", "root_pem" },
								      { "issuing", "issuing_pem" }, { "signer", "signer_pem" } };
	json_t *j = json_object();
	int64_t first_end = INT64_MAX;
	stg_json_put_int(j, "v", 1);
	for (size_t i = 0; i < STG_ARRAY_LEN(kept); i++)
		stg_json_put(j, kept[i], stg_json_str(row, kept[i]));
	stg_json_put_bool(j, "default", stg_json_bool(row, "default", false));
	stg_json_put_int(j, "created_ms", stg_json_int(row, "created_ms", 0));
	stg_json_put_int(j, "backup_verified_ms", stg_json_int(row, "backup_verified_ms", 0));
	for (size_t i = 0; i < STG_ARRAY_LEN(certs); i++) {
		json_t *cert = stg_certificate_json(stg_bytes_str(stg_json_str(row, certs[i].field)), NULL);
		if (!cert)
			continue;
		int64_t end = stg_json_int(cert, "not_after_ms", INT64_MAX);
		if (end < first_end)
			first_end = end;
		stg_json_put_new(j, certs[i].word, cert);
	}
	if (first_end != INT64_MAX)
		stg_json_put_int(j, "first_expiry_ms", first_end);
	return j;
}

/* As the store has it now: "default" and the time are its own. */
static bool answer(struct stg_op_ctx *c, const char *name, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *row = ops_org(c, name, NULL, err);
	if (!row)
		return false;
	*ret = public_of(row);
	return true;
}

static bool is_free(struct stg_op_ctx *c, const char *name, struct stg_error *err)
{
	struct stg_error why = { 0 };
	STG_AUTO(stg_json_free_at) json_t *row = *name ? stg_store_org(c->store, name, NULL, &why) : NULL;
	if (row)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_ORG_EXISTS, 0, "%.64s", name);
	return true;
}

static bool keep(struct stg_op_ctx *c, const json_t *row, struct stg_bytes sealed, const char *verb, json_t **ret, struct stg_error *err)
{
	const char *name = stg_json_str(row, "name");
	json_t *detail = json_pack("{s:s}", "supervisor_sha256", stg_json_str(row, "supervisor_sha256"));
	/* in a rehearsal the throw-away organisation was there first: the one a person makes is the one meant */
	STG_AUTO(stg_json_free_at) json_t *kept = json_copy((json_t *)(uintptr_t)row);
	if (c->rehearsal)
		stg_json_put_bool(kept, "default", true);
	return stg_store_org_put(c->store, kept, sealed, err) && ops_audit(c, verb, name, detail, err) && answer(c, name, ret, err);
}

static bool create(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(SEALED_MAX);
	STG_AUTO(stg_json_free_at) json_t *row = NULL;
	return is_free(c, stg_json_str(in, "name"), err) && stg_store_clock_ok(c->store, err) && stg_org_make(c->keys, in, &row, &sealed, err) &&
	       keep(c, row, stg_buf_view(&sealed), "org.create", ret, err);
}

static bool import(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(SEALED_MAX), identity = STG_BUF(FILE_MAX), key = STG_BUF(FILE_MAX);
	STG_AUTO(stg_secret_clear) struct stg_secret password = { 0 };
	STG_AUTO(stg_json_free_at) json_t *row = NULL;
	bool has_password = json_string_length(json_object_get(in, "password")) > 0, has_key = c->n_fds > 1 && c->fds[1] >= 0;
	return is_free(c, stg_json_str(in, "name"), err) && stg_store_clock_ok(c->store, err) && ops_file(c, 0, "identity", STG_ID_IDENTITY_FILE, &identity, err) &&
	       (!has_key || ops_file(c, 1, "key", STG_ID_IDENTITY_FILE, &key, err)) && (!has_password || ops_secret(in, "password", PASSPHRASE_MAX, &password, err)) &&
	       stg_org_import(c->keys, in, stg_buf_view(&identity), stg_buf_view(&key), &password, &row, &sealed, err) &&
	       keep(c, row, stg_buf_view(&sealed), "org.import", ret, err);
}

static bool show(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	return answer(c, stg_json_str(in, "name"), ret, err);
}

static bool list(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)in;
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_orgs(c->store, err);
	if (!rows)
		return false;
	*ret = json_array();
	for (size_t i = 0; i < json_array_size(rows); i++)
		json_array_append_new(*ret, public_of(json_array_get(rows, i)));
	return true;
}

static bool not_verified(struct stg_error *err, int why)
{
	return stg_fail_id(err, STG_E_IO, STG_ID_BACKUP_NOT_VERIFIED, why, "%s", why ? strerror(why) : "");
}

static bool write_file(int fd, struct stg_bytes what, struct stg_error *err)
{
	struct stg_error why = { 0 };
	if (ftruncate(fd, 0) != 0 && errno != EINVAL)
		return not_verified(err, errno);
	if (!stg_file_write_fd(fd, what, 0, &why))
		return not_verified(err, why.origin);
	return fsync(fd) == 0 || not_verified(err, errno);
}

/* From the disk, not from memory: what was cached of it is given up first. */
static bool read_file(int fd, struct stg_buf *ret, struct stg_error *err)
{
	uint8_t chunk[8192];
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	for (off_t at = 0;;) {
		ssize_t n = pread(fd, chunk, sizeof(chunk), at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return not_verified(err, errno);
		if (n == 0)
			return true;
		if (!stg_buf_add(ret, chunk, (size_t)n, err))
			return false;
		at += n;
	}
}

static bool backup(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(SEALED_MAX), file = STG_BUF(FILE_MAX), back = STG_BUF(FILE_MAX), less = STG_BUF(SEALED_MAX);
	STG_AUTO(stg_secret_clear) struct stg_secret passphrase = { 0 };
	char hash[65];
	if (c->n_fds < 1 || c->fds[0] < 0)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "FILE");
	STG_AUTO(stg_json_free_at) json_t *row = ops_org(c, stg_json_str(in, "name"), &sealed, err);
	if (!row || !ops_secret(in, "passphrase", PASSPHRASE_MAX, &passphrase, err) ||
	    !stg_org_backup(c->keys, row, stg_buf_view(&sealed), &passphrase, &file, err))
		return false;
	if (!write_file(c->fds[0], stg_buf_view(&file), err) || !read_file(c->fds[0], &back, err))
		return false;
	if (!stg_bytes_equal(stg_buf_view(&back), stg_buf_view(&file)))
		return not_verified(err, 0);
	if (!stg_org_backup_verify(c->keys, row, stg_buf_view(&sealed), stg_buf_view(&back), &passphrase, err))
		return stg_say(err, STG_ID_BACKUP_NOT_VERIFIED);

	bool had_root = strcmp(stg_json_str(row, "root_key"), "here") == 0;
	if (had_root && !stg_org_drop_root(c->keys, row, stg_buf_view(&sealed), &less, err))
		return false;
	const char *name = stg_json_str(row, "name");
	int64_t now = stg_wall_ms();
	stg_sha256_hex(stg_buf_view(&back), hash);
	json_object_set_new(row, "backup_verified_ms", json_integer(now));
	json_t *detail = json_pack("{s:s,s:b}", "sha256", hash, "holds_root_key", had_root);
	if (!stg_store_org_put(c->store, row, stg_buf_view(had_root ? &less : &sealed), err) || !ops_audit(c, "org.backup", name, detail, err))
		return false;
	*ret = json_pack("{s:i,s:s,s:I,s:s,s:I,s:b}", "v", 1, "name", name, "bytes", (json_int_t)back.len, "sha256", hash, "verified_ms",
			 (json_int_t)now, "holds_root_key", had_root);
	return true;
}

static bool restore(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(SEALED_MAX), file = STG_BUF(FILE_MAX);
	STG_AUTO(stg_secret_clear) struct stg_secret passphrase = { 0 };
	STG_AUTO(stg_json_free_at) json_t *row = NULL;
	if (!ops_file(c, 0, "backup", STG_ID_BACKUP_DAMAGED, &file, err) || !ops_secret(in, "passphrase", PASSPHRASE_MAX, &passphrase, err) ||
	    !stg_org_restore(c->keys, stg_buf_view(&file), &passphrase, &row, &sealed, err))
		return false;
	/* over the same organisation it mends lost keys; over another of that name it would strand its devices */
	struct stg_error why = { 0 };
	STG_AUTO(stg_json_free_at) json_t *old = stg_store_org(c->store, stg_json_str(row, "name"), NULL, &why);
	if (old && strcmp(stg_json_str(old, "supervisor_sha256"), stg_json_str(row, "supervisor_sha256")) != 0)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_ORG_OTHER, 0, "%.64s", stg_json_str(row, "name"));
	return keep(c, row, stg_buf_view(&sealed), "org.restore", ret, err);
}

/* What a RADIUS server or an MDM has to know of us; all of it is public. */
static bool certificate(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	static const struct { const char *word, *first, *second; } kinds[] = { { "root", "root_pem", "" }, { "issuing", "issuing_pem", "" },
									       { "chain", "issuing_pem", "root_pem" }, { "supervisor", "supervisor_pem", "" } };
	STG_AUTO(stg_buf_clear) struct stg_buf pem = STG_BUF(FILE_MAX);
	const char *which = stg_json_str(in, "which");
	size_t i = 0;
	while (i < STG_ARRAY_LEN(kinds) && strcmp(kinds[i].word, which) != 0)
		i++;
	if (i == STG_ARRAY_LEN(kinds))
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_WRONG, 0, "'%.40s': root, issuing, chain, supervisor", which);
	STG_AUTO(stg_json_free_at) json_t *row = ops_org(c, stg_json_str(in, "name"), NULL, err);
	if (!row || !stg_buf_add_str(&pem, stg_json_str(row, kinds[i].first), err) || !stg_buf_add_str(&pem, stg_json_str(row, kinds[i].second), err))
		return false;
	*ret = json_pack("{s:i,s:s,s:s}", "v", 1, "which", which, "name", stg_json_str(row, "name"));
	if (c->n_fds && c->fds[0] >= 0)
		return ops_write(c->fds[0], stg_buf_view(&pem), err);
	stg_json_put(*ret, "pem", stg_buf_str(&pem));
	return true;
}

const struct stg_op stg_ops_org[] = {
	{ "org.create", STG_OP_STORE, create },
	{ "org.import", STG_OP_STORE, import },
	{ "org.show", STG_OP_STORE, show },
	{ "org.list", STG_OP_STORE, list },
	{ "org.backup", STG_OP_STORE, backup },
	{ "org.restore", STG_OP_STORE, restore },
	{ "org.certificate", STG_OP_STORE, certificate },
	{ 0 },
};
