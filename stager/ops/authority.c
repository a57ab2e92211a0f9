/*
 * authority.c - operations that give an organisation another certificate authority.
 *
 * For:    stager ca root create|import, stager ca request|accept.
 * Uses:   <stager/keys.h>, <stager/store.h>.
 * Called: through the table of operations; with the write connection, inside a transaction.
 * Thread: the store's.
 *
 *   ca.root_create  {org, key, years, issuing_key, pkcs11, token_pin}                        -> {issuer, issuing, root}
 *   ca.root_import  {org, issuing_key, pkcs11, token_pin, key_passphrase}; files: root, root_key -> the same
 *   ca.request      {org, issuing_key, pkcs11, token_pin}; file: request                     -> {v}
 *   ca.accept       {org}; files: file, root (may be left out)                               -> as ca.root_create
 *
 * An administrator's acts, each with its audit row. The organisation's backup has to be made again after all but ca.request.
 */
#include <stager/clock.h>
#include <stager/error.h>

#include "_secretly.h"

#define SEALED_MAX (1u << 20)
#define FILE_MAX (256u << 10)
#define PIN_MAX 64
#define PASSPHRASE_MAX 1024

struct change {
	json_t *org;
	struct stg_buf sealed, next;
	struct stg_secret pin, passphrase;
	struct stg_ca_ask ask;
};

static void change_clear(struct change *a)
{
	json_decref(a->org);
	stg_buf_clear(&a->sealed);
	stg_buf_clear(&a->next);
	stg_secret_clear(&a->pin);
	stg_secret_clear(&a->passphrase);
}

static bool begin(struct stg_op_ctx *c, const json_t *in, struct change *ret, struct stg_error *err)
{
	*ret = (struct change){ .sealed = STG_BUF(SEALED_MAX), .next = STG_BUF(SEALED_MAX) };
	if (!stg_op_may(c, "admin", err) || !stg_store_clock_ok(c->store, err))
		return false;
	if (json_string_length(json_object_get(in, "token_pin")) && !ops_secret(in, "token_pin", PIN_MAX, &ret->pin, err))
		return false;
	if (json_string_length(json_object_get(in, "key_passphrase")) && !ops_secret(in, "key_passphrase", PASSPHRASE_MAX, &ret->passphrase, err))
		return false;
	ret->ask = (struct stg_ca_ask){
		.root_key = stg_json_str(in, "key"),
		.root_years = stg_json_int(in, "years", 0),
		.issuing_key = stg_json_str(in, "issuing_key"),
		.token_uri = stg_json_str(in, "pkcs11"),
		.token_pin = &ret->pin,
	};
	return (ret->org = ops_org(c, stg_json_str(in, "org"), &ret->sealed, err)) != NULL;
}

static bool keep(struct stg_op_ctx *c, struct change *a, const char *verb, json_t **ret, struct stg_error *err)
{
	json_t *detail = json_pack("{s:s,s:s}", "issuer", stg_json_str(a->org, "issuer"), "issuing_key",
				   *stg_json_str(a->org, "issuing_uri") ? stg_json_str(a->org, "issuing_uri") : "sealed file");
	if (!stg_store_org_put(c->store, a->org, stg_buf_view(&a->next), err) || !ops_audit(c, verb, stg_json_str(a->org, "name"), detail, err))
		return false;
	json_t *root = stg_certificate_json(stg_bytes_str(stg_json_str(a->org, "root_pem")), NULL),
	       *issuing = stg_certificate_json(stg_bytes_str(stg_json_str(a->org, "issuing_pem")), NULL);
	*ret = json_pack("{s:i,s:s,s:s,s:s,s:o*,s:o*}", "v", 1, "organisation", stg_json_str(a->org, "name"), "issuer", stg_json_str(a->org, "issuer"),
			 "root_key", stg_json_str(a->org, "root_key"), "root", root, "issuing", issuing);
	return true;
}

static bool root_create(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(change_clear) struct change a;
	return begin(c, in, &a, err) && stg_ca_root_make(c->keys, a.org, stg_buf_view(&a.sealed), &a.ask, &a.next, err) &&
	       keep(c, &a, "ca.root_create", ret, err);
}

static bool read_file(const struct stg_op_ctx *c, const json_t *in, const char *name, size_t place, struct stg_buf *ret, struct stg_error *err)
{
	int fd = stg_op_fd(c, in, name, place);
	struct stg_op_ctx one = { .fds = &fd, .n_fds = 1 };
	return ops_file(&one, 0, name, STG_ID_CA_UNSUITABLE, ret, err);
}

static bool root_import(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(change_clear) struct change a;
	STG_AUTO(stg_buf_clear) struct stg_buf root = STG_BUF(FILE_MAX), key = STG_BUF(FILE_MAX);
	return begin(c, in, &a, err) && read_file(c, in, "root", 0, &root, err) && read_file(c, in, "root_key", 1, &key, err) &&
	       stg_ca_root_import(c->keys, a.org, stg_buf_view(&a.sealed), stg_buf_view(&root), stg_buf_view(&key), &a.passphrase, &a.ask, &a.next, err) &&
	       keep(c, &a, "ca.root_import", ret, err);
}

static bool request(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(change_clear) struct change a;
	STG_AUTO(stg_buf_clear) struct stg_buf pem = STG_BUF(FILE_MAX);
	if (!begin(c, in, &a, err) || !stg_ca_request(c->keys, a.org, stg_buf_view(&a.sealed), &a.ask, &pem, &a.next, err) ||
	    !stg_store_org_put(c->store, a.org, stg_buf_view(&a.next), err) ||
	    !ops_audit(c, "ca.request", stg_json_str(a.org, "name"), NULL, err))
		return false;
	*ret = json_pack("{s:i,s:s}", "v", 1, "organisation", stg_json_str(a.org, "name"));
	if (c->n_fds && c->fds[0] >= 0)
		return ops_write(c->fds[0], stg_buf_view(&pem), err);
	stg_json_put(*ret, "request", stg_buf_str(&pem));
	return true;
}

static bool accept(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(change_clear) struct change a;
	STG_AUTO(stg_buf_clear) struct stg_buf file = STG_BUF(FILE_MAX), root = STG_BUF(FILE_MAX);
	return begin(c, in, &a, err) && read_file(c, in, "file", 0, &file, err) &&
	       (stg_op_fd(c, in, "root", 1) < 0 || read_file(c, in, "root", 1, &root, err)) &&
	       stg_ca_accept(c->keys, a.org, stg_buf_view(&a.sealed), stg_buf_view(&file), stg_buf_view(&root), &a.next, err) &&
	       keep(c, &a, "ca.accept", ret, err);
}

const struct stg_op stg_ops_authority[] = {
	{ "ca.root_create", STG_OP_STORE, root_create },
	{ "ca.root_import", STG_OP_STORE, root_import },
	{ "ca.request", STG_OP_STORE, request },
	{ "ca.accept", STG_OP_STORE, accept },
	{ 0 },
};
