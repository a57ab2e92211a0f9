/*
 * log.c - one line for each thing that happened, to standard error or to rotating files.
 *
 * For:    everybody.
 * Uses:   nothing of ours above bytes and clock.
 * Called: from all rooms.
 * Thread: any; one lock around the write.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stager/bytes.h>
#include <stager/clock.h>
#include <stager/file.h>
#include <stager/log.h>

#define FILE_MAX (8 << 20)
#define FILES 5

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int most = STG_LOG_NOTICE;
static char folder[256];
static int file = -1;

void stg_log_set_level(enum stg_log_level most_detailed)
{
	most = (int)most_detailed;
}

static bool open_file(struct stg_error *err)
{
	char path[320];
	snprintf(path, sizeof(path), "%s/stager.log", folder);
	file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	return file >= 0 || stg_fail(err, STG_E_IO, errno, "open %s: %s", path, strerror(errno));
}

static void rotate(void)
{
	struct stat st;
	if (fstat(file, &st) != 0 || st.st_size < FILE_MAX)
		return;
	char from[320], to[320];
	for (int i = FILES - 1; i >= 1; i--) {
		snprintf(from, sizeof(from), i == 1 ? "%s/stager.log" : "%s/stager.log.%d", folder, i - 1);
		snprintf(to, sizeof(to), "%s/stager.log.%d", folder, i);
		(void)rename(from, to);
	}
	close(file);
	file = -1;
	if (!open_file(NULL))
		folder[0] = 0;
}

bool stg_log_to_files(const char *dir, struct stg_error *err)
{
	pthread_mutex_lock(&lock);
	if (file >= 0)
		close(file);
	file = -1;
	bool ok = true;
	if (dir)
		ok = (stg_copy(folder, sizeof(folder), dir) || stg_fail(err, STG_E_PROTOCOL, 0, "log folder name too long")) &&
		     open_file(err);
	pthread_mutex_unlock(&lock);
	return ok;
}

void stg_log(enum stg_log_level level, const struct stg_tag *tag, const char *fmt, ...)
{
	if ((int)level > most)
		return;
	int kept_errno = errno;
	char raw[1024], text[1024], unit[64] = "", line[1400], when[STG_TIME_TEXT];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	stg_printable(raw, true, text, sizeof(text));
	if (tag && tag->unit)
		stg_printable(tag->unit, false, unit, sizeof(unit));
	char where[128] = "";
	if (tag && tag->job)
		snprintf(where, sizeof(where), "%s[%lld%s%s] ", tag->room, (long long)tag->job, unit[0] ? " " : "", unit);
	else if (tag)
		snprintf(where, sizeof(where), "%s%s%s%s ", tag->room, unit[0] ? "[" : "", unit, unit[0] ? "]" : ":");

	pthread_mutex_lock(&lock);
	int n;
	int fd = file >= 0 ? file : STDERR_FILENO;
	static int journal = -1;
	if (journal < 0)
		journal = getenv("JOURNAL_STREAM") != NULL;
	if (file >= 0) {
		stg_time_text(stg_wall_ms(), when);
		n = snprintf(line, sizeof(line), "%s <%d> %s%s\n", when, (int)level, where, text);
	} else if (journal) {
		n = snprintf(line, sizeof(line), "<%d>%s%s\n", (int)level, where, text);
	} else {
		n = snprintf(line, sizeof(line), "stager: %s%s\n", where, text);
	}
	if (n >= (int)sizeof(line))
		n = sizeof(line) - 1;
	if (write(fd, line, (size_t)n) < 0) {
		/* nowhere left to say it */
	}
	if (file >= 0)
		rotate();
	pthread_mutex_unlock(&lock);
	errno = kept_errno;
}

void stg_log_error(enum stg_log_level level, const struct stg_tag *tag, const struct stg_error *err)
{
	if (err->id)
		stg_log(level, tag, "STG-%u %s: %s", (unsigned int)err->id, stg_code_name(err->code), err->msg);
	else
		stg_log(level, tag, "%s: %s", stg_code_name(err->code), err->msg);
}
