/*
 * _tar.c - one header of 512 bytes and the content, filled up to 512, for each file.
 *
 * For:    the support bundle.
 * Uses:   base.
 * Called: support.c.
 * Thread: the command's.
 *
 * Facts: IEEE Std 1003.1-2017, pax, "ustar Interchange Format".
 */
#include <stdio.h>
#include <string.h>

#include <stager/file.h>

#include "_tar.h"

#define BLOCK 512

struct ustar {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], kind, link[100], magic[6], version[2], user[32], group[32], major[8],
		minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct ustar) == BLOCK, "a header is one block");

/* Octal with leading zeros and a NUL. */
static void octal(char *field, size_t size, uint64_t value)
{
	char text[32];
	snprintf(text, sizeof(text), "%0*llo", (int)size - 1, (unsigned long long)value);
	memcpy(field, text, size);
}

bool tar_add(int fd, const char *path, struct stg_bytes what, int64_t wall_ms, struct stg_error *err)
{
	struct ustar h = { .kind = '0', .magic = "ustar", .version = { '0', '0' } };
	static const char none[BLOCK];
	unsigned int sum = 0;
	if (!stg_copy(h.name, sizeof(h.name), path))
		return stg_fail(err, STG_E_BUG, 0, "a name of %zu bytes in an archive", strlen(path));
	octal(h.mode, sizeof(h.mode), 0600);
	octal(h.uid, sizeof(h.uid), 0);
	octal(h.gid, sizeof(h.gid), 0);
	octal(h.size, sizeof(h.size), what.len);
	octal(h.mtime, sizeof(h.mtime), (uint64_t)(wall_ms / 1000));
	memset(h.sum, ' ', sizeof(h.sum));
	for (size_t i = 0; i < sizeof(h); i++)
		sum += ((const unsigned char *)&h)[i];
	octal(h.sum, 7, sum);
	size_t rest = what.len % BLOCK;
	return stg_file_write_fd(fd, stg_bytes(&h, sizeof(h)), -1, err) && stg_file_write_fd(fd, what, -1, err) &&
	       (!rest || stg_file_write_fd(fd, stg_bytes(none, BLOCK - rest), -1, err));
}

bool tar_end(int fd, struct stg_error *err)
{
	static const char none[2 * BLOCK];
	return stg_file_write_fd(fd, stg_bytes(none, sizeof(none)), -1, err);
}
