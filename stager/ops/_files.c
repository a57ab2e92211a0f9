/*
 * _files.c - which descriptor is which.
 *
 * For:    operations that take more than one file, some of them optional.
 * Uses:   nothing but what came with the call.
 * Called: by operations.
 * Thread: any.
 */
#include <stager/op.h>

int stg_op_fd(const struct stg_op_ctx *c, const json_t *in, const char *name, size_t otherwise)
{
	const json_t *names = json_object_get(in, "files");
	size_t i;
	json_t *one;
	if (!json_is_array(names))
		return otherwise < c->n_fds ? c->fds[otherwise] : -1;
	json_array_foreach((json_t *)(uintptr_t)names, i, one)
		if (json_is_string(one) && strcmp(json_string_value(one), name) == 0 && i < c->n_fds)
			return c->fds[i];
	return -1;
}
