/*
 * _pages.c - writes what comes in pages to a file.
 *
 * For:    `stager inventory export`, `stager audit export`, `stager census --out`.
 * Uses:   the operations that answer in pages.
 * Called: from those commands.
 * Thread: the command's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <stager/text.h>

#include "_pages.h"

FILE *out_open(const struct stg_cmd_ctx *c, const char *path, int *ret_status)
{
	struct stg_error err = { 0 };
	if (strcmp(path, "-") == 0)
		return stdout;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "we");
	if (f)
		return f;
	stg_fail_id(&err, STG_E_INPUT, STG_ID_FILE_UNWRITABLE, errno, "%s: %s", path, strerror(errno));
	*ret_status = stg_cmd_tell(c, &err);
	if (fd >= 0)
		close(fd);
	return NULL;
}

int out_close(const struct stg_cmd_ctx *c, FILE *f, const char *path)
{
	struct stg_error err = { 0 };
	bool ok = fflush(f) == 0 && !ferror(f);
	int why = errno;
	if (f != stdout && fclose(f) != 0 && ok) {
		ok = false;
		why = errno;
	}
	if (ok)
		return 0;
	stg_fail_id(&err, STG_E_STATION, why == ENOSPC || why == EFBIG || why == EDQUOT ? STG_ID_DISK_FULL : STG_ID_DISK_REFUSES, why, "%s: %s", path,
		    strerror(why));
	return stg_cmd_tell(c, &err);
}

int pages_export(struct stg_cmd_ctx *c, const char *op, const char *cursor, void (*last)(FILE *to, const json_t *ret))
{
	STG_AUTO(stg_json_free_at) json_t *in = json_object();
	const char *path = NULL;
	int status = 0;
	int64_t rows = 0, next;
	for (int i = 2; i < c->argc; i++) {
		if (strcmp(c->argv[i], "--format") == 0 && i + 1 < c->argc) {
			stg_json_put(in, "format", c->argv[++i]);
		} else if (!path && (c->argv[i][0] != '-' || !c->argv[i][1])) {
			path = c->argv[i];
		} else {
			fprintf(stderr, _("stager %s export: '%s' is not understood\n"), c->argv[0], c->argv[i]);
			return 2;
		}
	}
	if (!path) {
		fprintf(stderr, _("stager %s export: the file is missing (- is standard output)\n"), c->argv[0]);
		return 2;
	}
	FILE *f = NULL;
	do {
		STG_AUTO(stg_json_free_at) json_t *ret = NULL;
		/* the first page before the file: a refused question must not empty a file that is there */
		if (!stg_cmd_call(c, op, in, NULL, 0, &ret, &status) || (!f && !(f = out_open(c, path, &status)))) {
			if (f && f != stdout)
				fclose(f);
			return status;
		}
		fputs(stg_json_str(ret, "text"), f);
		rows += stg_json_int(ret, "rows", 0);
		next = stg_json_int(ret, "next", 0);
		stg_json_put_int(in, cursor, next);
		if (!next && last)
			last(f, ret);
	} while (next);
	status = out_close(c, f, path);
	if (!status && !c->quiet && f != stdout)
		fprintf(stderr, _("%s: %lld rows\n"), path, (long long)rows);
	return status;
}
