/*
 * bag.c - named pieces of bytes in one blob.
 *
 * For:    what is sealed together: the keys of an organisation, a host identity.
 * Uses:   bytes. Not JSON: a JSON tree would leave copies of keys in memory that nobody wipes.
 * Called: in this room.
 * Thread: any; no state.
 *
 * Form: for each piece u8 length of the name, the name, u32 big-endian length of the value, the value.
 */
#include "inner.h"

bool keys_bag_put(struct stg_buf *bag, const char *name, struct stg_bytes value, struct stg_error *err)
{
	size_t n = strlen(name);
	if (n == 0 || n > 255 || value.len > UINT32_MAX)
		return stg_fail(err, STG_E_BUG, 0, "a piece named '%s' of %zu bytes", name, value.len);
	uint8_t name_len = (uint8_t)n;
	uint8_t len[4] = { (uint8_t)(value.len >> 24), (uint8_t)(value.len >> 16), (uint8_t)(value.len >> 8), (uint8_t)value.len };
	return stg_buf_add(bag, &name_len, 1, err) && stg_buf_add(bag, name, n, err) && stg_buf_add(bag, len, sizeof(len), err) &&
	       stg_buf_add(bag, value.data, value.len, err);
}

static bool next(struct stg_bytes *rest, struct stg_bytes *name, struct stg_bytes *value)
{
	const uint8_t *p = rest->data;
	size_t left = rest->len;
	if (left < 1)
		return false;
	size_t n = p[0];
	if (left < 1 + n + 4)
		return false;
	const uint8_t *l = p + 1 + n;
	size_t len = (size_t)l[0] << 24 | (size_t)l[1] << 16 | (size_t)l[2] << 8 | l[3];
	if (left - 1 - n - 4 < len)
		return false;
	*name = stg_bytes(p + 1, n);
	*value = stg_bytes(l + 4, len);
	*rest = stg_bytes(l + 4 + len, left - 1 - n - 4 - len);
	return true;
}

bool keys_bag_get(struct stg_bytes bag, const char *name, struct stg_bytes *ret, struct stg_error *err)
{
	struct stg_bytes rest = bag, n, v;
	while (next(&rest, &n, &v)) {
		if (stg_bytes_equal(n, stg_bytes_str(name))) {
			*ret = v;
			return true;
		}
	}
	return stg_fail(err, STG_E_PROTOCOL, 0, "'%s' is missing in a sealed record", name);
}

bool keys_bag_has(struct stg_bytes bag, const char *name)
{
	struct stg_bytes v;
	return keys_bag_get(bag, name, &v, NULL);
}

bool keys_bag_set(struct stg_bytes bag, const char *name, struct stg_bytes value, struct stg_buf *ret, struct stg_error *err)
{
	struct stg_bytes rest = bag, n, v;
	while (next(&rest, &n, &v)) {
		char kept[256];
		memcpy(kept, n.data, n.len);
		kept[n.len] = 0;
		if (strcmp(kept, name) != 0 && !keys_bag_put(ret, kept, v, err))
			return false;
	}
	if (rest.len)
		return stg_fail(err, STG_E_PROTOCOL, 0, "a sealed record is damaged");
	return value.len == 0 || keys_bag_put(ret, name, value, err);
}
