/*
 * _secretly.c - what the operations about keys share.
 *
 * For:    org.*, secret.*, ca.*, profile.*.
 * Uses:   <stager/store.h>, <stager/file.h>.
 * Called: by those operations.
 * Thread: the store's.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <stager/error.h>
#include <stager/file.h>

#include "_secretly.h"

#define ANSWER_MAX (8u << 20)

bool ops_secret(const json_t *in, const char *key, size_t most, struct stg_secret *ret, struct stg_error *err)
{
	const json_t *v = json_object_get(in, key);
	if (!json_is_string(v) || json_string_length(v) == 0)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_TYPED_NOTHING, 0, "%s", "");
	if (json_string_length(v) > most)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_TYPED_LONG, 0, "> %zu", most);
	return stg_secret_set(ret, stg_bytes(json_string_value(v), json_string_length(v)), err);
}

bool ops_audit(struct stg_op_ctx *c, const char *verb, const char *object, json_t *detail, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *entry = json_object();
	stg_json_put(entry, "actor", c->actor);
	stg_json_put(entry, "verb", verb);
	stg_json_put(entry, "object", object);
	stg_json_put(entry, "outcome", "done");
	if (detail)
		stg_json_put_new(entry, "detail", detail);
	return stg_store_audit(c->store, entry, err);
}

bool ops_fd_file(int fd, const char *what, enum stg_id too_large, struct stg_buf *ret, struct stg_error *err)
{
	if (fd < 0)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "FILE: %s", what);
	struct stg_error why = { 0 };
	if (stg_file_read_fd(fd, ret, &why))
		return true;
	enum stg_id id = why.code == STG_E_PROTOCOL ? too_large : STG_ID_FILE_UNREADABLE;
	return stg_fail_id(err, STG_E_INPUT, id, why.origin, "%s: %s", what, why.msg);
}

bool ops_file(const struct stg_op_ctx *c, size_t i, const char *what, enum stg_id too_large, struct stg_buf *ret, struct stg_error *err)
{
	return ops_fd_file(i < c->n_fds ? c->fds[i] : -1, what, too_large, ret, err);
}

bool ops_deliver(struct stg_op_ctx *c, const json_t *in, const char *file, json_t *out, const char *key, struct stg_bytes bytes, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(ANSWER_MAX);
	int fd = stg_op_fd(c, in, file, SIZE_MAX);
	if (fd >= 0)
		return ops_write(fd, bytes, err);
	if (!stg_base64(bytes, &text, err))
		return false;
	stg_json_put_new(out, key, json_stringn(stg_buf_str(&text), text.len));
	return true;
}

bool ops_secret_value(struct stg_op_ctx *c, const char *name, json_t *values, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(64u << 10);
	STG_AUTO(stg_secret_clear) struct stg_secret plain = { 0 };
	char key[160];
	snprintf(key, sizeof(key), "secret.%s", name);
	if (!stg_store_secret_get(c->store, name, &sealed, err) || !stg_keys_open_sealed(c->keys, "secret", stg_buf_view(&sealed), &plain, err))
		return stg_while(err, "secret %s", name);
	stg_json_put_new(values, key, json_stringn((const char *)stg_secret_reveal(&plain).data, stg_secret_reveal(&plain).len));
	return true;
}

bool ops_write(int fd, struct stg_bytes what, struct stg_error *err)
{
	struct stg_error why = { 0 };
	if (!stg_file_write_fd(fd, what, -1, &why))
		(void)!ftruncate(fd, 0);
	/* a pipe cannot be synced, and need not be */
	else if (fsync(fd) == 0 || errno == EINVAL || errno == EROFS)
		return true;
	else
		stg_fail(&why, STG_E_IO, errno, "%s", strerror(errno));
	bool full = why.origin == ENOSPC || why.origin == EDQUOT || why.origin == EFBIG;
	return stg_fail_id(err, STG_E_STATION, full ? STG_ID_DISK_FULL : STG_ID_DISK_REFUSES, why.origin, "%.200s", why.msg);
}

json_t *ops_org(struct stg_op_ctx *c, const char *name, struct stg_buf *ret_sealed, struct stg_error *err)
{
	struct stg_error why = { 0 };
	json_t *row = stg_store_org(c->store, name, ret_sealed, &why);
	if (row)
		return row;
	if (why.code == STG_E_NOT_FOUND)
		stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_NO_ORGANISATION, 0, "%.64s", name);
	else if (err)
		*err = why;
	return NULL;
}
