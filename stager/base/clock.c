/*
 * clock.c - wall time for people, boot time for deadlines.
 *
 * For:    everybody.
 * Uses:   the kernel's clocks; adjtimex to know whether something disciplines the wall clock.
 * Called: from all rooms.
 * Thread: any.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include <stager/clock.h>

static int64_t read_ms(clockid_t which)
{
	struct timespec t;
	if (clock_gettime(which, &t) != 0)
		abort();
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t stg_boot_ms(void)
{
	return read_ms(CLOCK_BOOTTIME);
}

int64_t stg_wall_ms(void)
{
	return read_ms(CLOCK_REALTIME);
}

static int64_t usage_us(int who)
{
	struct rusage u;
	getrusage(who, &u);
	return (int64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

int64_t stg_cpu_us(void)
{
	return usage_us(RUSAGE_SELF) + usage_us(RUSAGE_CHILDREN);
}

void stg_time_text(int64_t wall_ms, char ret[STG_TIME_TEXT])
{
	time_t s = (time_t)(wall_ms / 1000);
	int ms = (int)(wall_ms % 1000);
	if (ms < 0) {
		ms += 1000;
		s--;
	}
	struct tm tm;
	gmtime_r(&s, &tm);
	size_t n = strftime(ret, STG_TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(ret + n, STG_TIME_TEXT - n, ".%03dZ", ms);
}

bool stg_time_parse(const char *text, int64_t *ret_ms)
{
	struct tm tm = { 0 };
	int used = 0, ms = 0, off_h = 0, off_m = 0;
	char sign = 0;
	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
		   &tm.tm_sec, &used) != 6)
		return false;
	const char *rest = text + used;
	if (*rest == '.') {
		int scale = 100;
		for (rest++; *rest >= '0' && *rest <= '9'; rest++, scale /= 10)
			ms += (*rest - '0') * scale;
	}
	if (*rest != 'Z' || rest[1]) {
		if (sscanf(rest, "%c%2d:%2d%n", &sign, &off_h, &off_m, &used) != 3 || (sign != '+' && sign != '-') ||
		    rest[used])
			return false;
	}
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	time_t s = timegm(&tm);
	s -= (sign == '-' ? -1 : 1) * (off_h * 3600 + off_m * 60);
	*ret_ms = (int64_t)s * 1000 + ms;
	return true;
}

const char *stg_boot_id(void)
{
	static char id[40];
	if (!id[0]) {
		int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
		if (fd >= 0) {
			char line[40] = "";
			ssize_t n = read(fd, line, 36);
			close(fd);
			if (n == 36)
				memcpy(id, line, 37);
		}
	}
	return id;
}

int64_t stg_build_ms(void)
{
	static int64_t made;
	if (!made) {
		struct tm tm = { 0 };
		/* the compiler writes its date in the C locale, strptime must not depend on ours */
		static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
		char mon[4] = "";
		if (sscanf(__DATE__, "%3s %d %d", mon, &tm.tm_mday, &tm.tm_year) == 3) {
			tm.tm_mon = (int)((strstr(months, mon) - months) / 3);
			tm.tm_year -= 1900;
			made = ((int64_t)timegm(&tm) - 86400) * 1000;
		}
	}
	return made;
}

enum stg_time_quality stg_time_quality(void)
{
	if (stg_wall_ms() < stg_build_ms())
		return STG_TIME_UNSET;
	struct timex t = { 0 };
	int state = adjtimex(&t);
	return state >= 0 && state != TIME_ERROR && !(t.status & STA_UNSYNC) ? STG_TIME_NTP : STG_TIME_RTC;
}

const char *stg_time_quality_name(enum stg_time_quality q)
{
	static const char *const names[] = { "unset", "rtc", "operator", "ntp" };
	return names[q];
}
