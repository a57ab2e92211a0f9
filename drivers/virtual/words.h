/* words.h - short words for property lists, shared by the services of a virtual device. */
#ifndef VIRTUAL_WORDS_H
#define VIRTUAL_WORDS_H

#include <plist/plist.h>
#include <stager/bytes.h>
#include <string.h>

/* The text under a key; "" when it is absent or not a text. Borrowed from the list. */
static inline const char *virt_text(plist_t dict, const char *key)
{
	plist_t node = dict && plist_get_node_type(dict) == PLIST_DICT ? plist_dict_get_item(dict, key) : NULL;
	const char *text = node && plist_get_node_type(node) == PLIST_STRING ? plist_get_string_ptr(node, NULL) : NULL;

	return text ? text : "";
}

/* The dictionary, array or other container under a key, of that type; else NULL. Borrowed. */
static inline plist_t virt_node(plist_t dict, const char *key, plist_type type)
{
	plist_t node = dict && plist_get_node_type(dict) == PLIST_DICT ? plist_dict_get_item(dict, key) : NULL;

	return node && plist_get_node_type(node) == type ? node : NULL;
}

/* The data under a key; empty when it is absent or of another type. Borrowed. */
static inline struct stg_bytes virt_data_of(plist_t dict, const char *key)
{
	plist_t node = virt_node(dict, key, PLIST_DATA);
	uint64_t len = 0;
	const char *p = node ? plist_get_data_ptr(node, &len) : NULL;

	return stg_bytes(p, p ? (size_t)len : 0);
}

static inline void virt_put(plist_t dict, const char *key, const char *text)
{
	plist_dict_set_item(dict, key, plist_new_string(text));
}

static inline void virt_put_bool(plist_t dict, const char *key, bool value)
{
	plist_dict_set_item(dict, key, plist_new_bool(value));
}

static inline void virt_put_uint(plist_t dict, const char *key, uint64_t value)
{
	plist_dict_set_item(dict, key, plist_new_uint(value));
}

static inline void virt_put_data(plist_t dict, const char *key, struct stg_bytes value)
{
	plist_dict_set_item(dict, key, plist_new_data((const char *)value.data, value.len));
}

/* {key: text}, the shape of most small answers. */
static inline plist_t virt_answer(const char *key, const char *text)
{
	plist_t dict = plist_new_dict();

	virt_put(dict, key, text);
	return dict;
}

#endif
