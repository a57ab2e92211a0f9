/*
 * kind.c - what the receivers that are no HTTP share.
 *
 * For:    kinds/NAME.c, delivery.c.
 * Uses:   <stager/registry.h>, which lists them as found on disk.
 * Called: by push and by target commands.
 * Thread: any; no state.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stager/file.h>
#include <stager/registry.h>

#include "kind.h"

const struct push_kind *push_kind_find(const char *name)
{
	for (size_t i = 0; stg_push_kinds[i]; i++)
		if (strcmp(stg_push_kinds[i]->name, name) == 0)
			return stg_push_kinds[i];
	return NULL;
}

bool stg_push_is_kind(const char *connector)
{
	return push_kind_find(connector) != NULL;
}

bool stg_push_needs_line(const char *connector)
{
	const struct push_kind *k = push_kind_find(connector);
	return !k || !k->is_local;
}

bool push_config_only(const json_t *config, const char *const *known, struct stg_error *err)
{
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)config, key, value) {
		size_t i = 0;
		while (known[i] && strcmp(known[i], key) != 0)
			i++;
		if (!known[i])
			return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "setting '%.40s' is not known for this connector", key);
		if (!json_is_string(value))
			return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "setting '%.40s' is not a text", key);
	}
	return true;
}

bool push_config_one_of(const json_t *config, const char *key, const char *const *words, struct stg_error *err)
{
	const char *value = stg_json_str(config, key);
	if (!json_object_get(config, key))
		return true;
	for (size_t i = 0; words[i]; i++)
		if (strcmp(words[i], value) == 0)
			return true;
	return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "%s '%.40s', %s, %s%s%s was expected", key, value, words[0], words[1], words[2] ? " or " : "",
			   words[2] ? words[2] : "");
}

void push_told_fail(struct push_told *told, enum stg_net_class class, const char *state, const struct stg_error *why)
{
	told->class = class;
	told->state = state;
	told->origin = why->origin;
	stg_copy(told->text, sizeof(told->text), why->msg);
}

void push_told_row(struct push_told *told, size_t i, const char *state, const char *text, json_t *more)
{
	json_t *one = more ? more : json_object();
	stg_json_put(one, "state", state);
	stg_json_put(one, "text", text);
	if (!told->outcomes)
		told->outcomes = json_array();
	while (json_array_size(told->outcomes) <= i)
		json_array_append_new(told->outcomes, json_null());
	json_array_set_new(told->outcomes, i, one);
}

int push_pem_file(const char *text, char ret_path[40])
{
	int fd = memfd_create("pem", MFD_CLOEXEC);
	if (fd < 0 || fchmod(fd, 0600) != 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
		stg_close_at(&fd);
		return -1;
	}
	snprintf(ret_path, 40, "/proc/self/fd/%d", fd);
	return fd;
}
