/*
 * tree.c - small words around libplist's tree.
 *
 * For:    the files of this room.
 * Uses:   libplist 2.2.
 * Called: in this room.
 * Thread: any; no state.
 */
#include <stdio.h>
#include <stdlib.h>

#include "inner.h"

bool is_dict(plist_t node)
{
	return node && plist_get_node_type(node) == PLIST_DICT;
}

bool is_list(plist_t node)
{
	return node && plist_get_node_type(node) == PLIST_ARRAY;
}

plist_t tree_get(plist_t dict, const char *key)
{
	return is_dict(dict) ? plist_dict_get_item(dict, key) : NULL;
}

const char *node_str(plist_t node)
{
	if (!node || plist_get_node_type(node) != PLIST_STRING)
		return NULL;
	const char *s = plist_get_string_ptr(node, NULL);
	return s ? s : "";
}

const char *tree_str(plist_t dict, const char *key)
{
	return node_str(tree_get(dict, key));
}

bool tree_int(plist_t dict, const char *key, int64_t *ret)
{
	plist_t node = tree_get(dict, key);
	uint64_t n = 0;
	if (!node || plist_get_node_type(node) != PLIST_UINT)
		return false;
	plist_get_uint_val(node, &n);
	*ret = (int64_t)n;
	return true;
}

bool tree_bool(plist_t dict, const char *key, bool fallback)
{
	plist_t node = tree_get(dict, key);
	uint8_t b = 0;
	if (!node || plist_get_node_type(node) != PLIST_BOOLEAN)
		return fallback;
	plist_get_bool_val(node, &b);
	return b != 0;
}

plist_t payload_at(const struct profile *p, uint32_t i)
{
	plist_t list = tree_get(p->root, "PayloadContent");
	if (!list || plist_get_node_type(list) != PLIST_ARRAY || i >= plist_array_get_size(list))
		return NULL;
	return plist_array_get_item(list, i);
}

bool eap_accepts(plist_t eap, uint64_t type)
{
	plist_t list = tree_get(eap, "AcceptEAPTypes");
	for (uint32_t i = 0; list && plist_get_node_type(list) == PLIST_ARRAY && i < plist_array_get_size(list) && i < 16; i++) {
		uint64_t n = 0;
		plist_t one = plist_array_get_item(list, i);
		if (plist_get_node_type(one) == PLIST_UINT)
			plist_get_uint_val(one, &n);
		if (n == type)
			return true;
	}
	return false;
}

size_t path_key(char *path, const char *key)
{
	size_t n = strlen(path);
	snprintf(path + n, PROFILE_PATH_MAX - n, "%s%s", n ? "." : "", key);
	return n;
}

size_t path_index(char *path, uint32_t i)
{
	size_t n = strlen(path);
	snprintf(path + n, PROFILE_PATH_MAX - n, "[%u]", i);
	return n;
}

/* Depth is bounded: the scanner let at most PROFILE_DEPTH_MAX levels through. */
static void walk(plist_t node, const char *key, char *path, void (*each)(void *, plist_t, const char *, const char *), void *ctx)
{
	each(ctx, node, key, path);
	plist_type type = plist_get_node_type(node);
	if (type == PLIST_DICT) {
		plist_dict_iter it = NULL;
		plist_dict_new_iter(node, &it);
		for (;;) {
			char *k = NULL;
			plist_t v = NULL;
			plist_dict_next_item(node, it, &k, &v);
			if (!v) {
				free(k);
				break;
			}
			size_t n = path_key(path, k);
			walk(v, k, path, each, ctx);
			path[n] = 0;
			free(k);
		}
		free(it);
	} else if (type == PLIST_ARRAY) {
		plist_array_iter it = NULL;
		plist_array_new_iter(node, &it);
		for (uint32_t i = 0;; i++) {
			plist_t v = NULL;
			plist_array_next_item(node, it, &v);
			if (!v)
				break;
			size_t n = path_index(path, i);
			walk(v, "", path, each, ctx);
			path[n] = 0;
		}
		free(it);
	}
}

void tree_walk(plist_t node, char *path, void (*each)(void *ctx, plist_t node, const char *key, const char *path), void *ctx)
{
	walk(node, "", path, each, ctx);
}
