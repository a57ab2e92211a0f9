/*
 * android.c - operations on what Android wants of certificates.
 *
 * For:    stager android ca|wifi|checksum.
 * Uses:   <stager/android.h>, <stager/keys.h>, the store for the organisation.
 * Called: through the table of operations.
 * Thread: the store's.
 *
 *   android.ca        {org, pem: bool}; files: file, authority (or none: the organisation's root)   -> {name: SUBJECTHASH.0, sha256}
 *   android.wifi      {ssid, identity, anonymous, domains, alias, hidden, org}; files: file, authority (or none) -> the configuration
 *   android.checksum  file: apk                                                                    -> as stg_android_apk()
 */
#include <stager/android.h>
#include <stager/error.h>

#include "_secretly.h"

#define FILE_MAX (256u << 10)

/* The file of a CA, or the root of the organisation. */
static bool authority(struct stg_op_ctx *c, const json_t *in, struct stg_buf *ret, struct stg_error *err)
{
	int fd = stg_op_fd(c, in, "authority", 1);
	struct stg_op_ctx one = { .fds = &fd, .n_fds = 1 };
	if (fd >= 0)
		return ops_file(&one, 0, "authority", STG_ID_CA_UNSUITABLE, ret, err);
	STG_AUTO(stg_json_free_at) json_t *org = ops_org(c, stg_json_str(in, "org"), NULL, err);
	return org && stg_buf_add_str(ret, stg_json_str(org, "root_pem"), err);
}

static bool deliver(struct stg_op_ctx *c, const json_t *in, struct stg_bytes what, struct stg_error *err)
{
	int fd = stg_op_fd(c, in, "file", 0);
	return fd < 0 || ops_write(fd, what, err);
}

static bool ca(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf from = STG_BUF(FILE_MAX), out = STG_BUF(FILE_MAX);
	char name[16], hash[65];
	if (!authority(c, in, &from, err) || !stg_android_ca(stg_buf_view(&from), stg_json_bool(in, "pem", false), &out, name, err) ||
	    !deliver(c, in, stg_buf_view(&out), err))
		return false;
	stg_sha256_hex(stg_buf_view(&out), hash);
	*ret = json_pack("{s:i,s:s,s:s}", "v", 1, "name", name, "sha256", hash);
	return true;
}

static bool wifi(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf pem = STG_BUF(FILE_MAX), from = STG_BUF(FILE_MAX);
	char name[16];
	/* through the same door as every CA: DER is taken as well, and what is none is refused */
	if (!authority(c, in, &from, err) || !stg_android_ca(stg_buf_view(&from), true, &pem, name, err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *authorities = json_pack("[s]", stg_buf_str(&pem));
	struct stg_android_wifi_ask ask = {
		.ssid = stg_json_str(in, "ssid"),
		.identity = stg_json_str(in, "identity"),
		.anonymous_identity = stg_json_str(in, "anonymous"),
		.domains = json_object_get(in, "domain"),
		.authorities = authorities,
		.key_alias = stg_json_str(in, "alias"),
		.hidden = stg_json_bool(in, "hidden", false),
	};
	STG_AUTO(stg_json_free_at) json_t *config = stg_android_wifi(&ask, err);
	if (!config)
		return false;
	STG_AUTO(stg_free_at) char *text = stg_json_text(config);
	if (!deliver(c, in, stg_bytes_str(text), err))
		return false;
	*ret = stg_steal(config);
	return true;
}

static bool checksum(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)in;
	if (c->n_fds < 1 || c->fds[0] < 0)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "FILE.apk");
	if (!(*ret = stg_android_apk(c->fds[0], err)))
		return false;
	stg_json_put_int(*ret, "v", 1);
	return true;
}

const struct stg_op stg_ops_android[] = {
	{ "android.ca", STG_OP_STORE, ca },
	{ "android.wifi", STG_OP_STORE, wifi },
	{ "android.checksum", STG_OP_STORE, checksum },
	{ 0 },
};
