/*
 * clock.c - wall time for people, boot time for deadlines.
 *
 * For:    everybody.
 * Uses:   the kernel's clocks; adjtimex to know whether something disciplines the wall clock.
 * Called: from all rooms.
 * Thread: any.
 */
#include <fcntl.h>
#include <pthread.h>
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
	/* four digits for the year also before 1000, which strftime does not promise */
	char text[80] = "";
	snprintf(text, sizeof(text), "%04lld-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900LL, tm.tm_mon + 1, tm.tm_mday,
		 tm.tm_hour, tm.tm_min, tm.tm_sec, ms);
	memcpy(ret, text, STG_TIME_TEXT - 1);
	ret[STG_TIME_TEXT - 1] = 0;
}

/* Exactly n digits at *p, within [least, most]; moves behind them. */
static bool digits(const char **p, int n, int least, int most, int *ret)
{
	int value = 0;
	for (int i = 0; i < n; i++, (*p)++) {
		if (**p < '0' || **p > '9')
			return false;
		value = value * 10 + (**p - '0');
	}
	*ret = value;
	return value >= least && value <= most;
}

static bool literal(const char **p, char c)
{
	return *(*p)++ == c;
}

bool stg_time_parse(const char *text, int64_t *ret_ms)
{
	static const int month_days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	struct tm tm = { 0 };
	int ms = 0, off_h = 0, off_m = 0;
	const char *p = text;
	/* `&&` stops at the first that does not match, so nothing reads behind the end */
	if (!(digits(&p, 4, 0, 9999, &tm.tm_year) && literal(&p, '-') && digits(&p, 2, 1, 12, &tm.tm_mon) &&
	      literal(&p, '-') && digits(&p, 2, 1, 31, &tm.tm_mday) && literal(&p, 'T') &&
	      digits(&p, 2, 0, 23, &tm.tm_hour) && literal(&p, ':') && digits(&p, 2, 0, 59, &tm.tm_min) &&
	      literal(&p, ':') && digits(&p, 2, 0, 60, &tm.tm_sec)))
		return false;
	bool is_leap = (tm.tm_year % 4 == 0 && tm.tm_year % 100 != 0) || tm.tm_year % 400 == 0;
	if (tm.tm_mday > month_days[tm.tm_mon - 1] + (tm.tm_mon == 2 && is_leap))
		return false;
	if (*p == '.') {
		int scale = 100;
		if (*++p < '0' || *p > '9')
			return false;
		for (; *p >= '0' && *p <= '9'; p++, scale /= 10)
			ms += (*p - '0') * scale;
	}
	char zone = *p++;
	if (zone == '+' || zone == '-') {
		if (!(digits(&p, 2, 0, 23, &off_h) && literal(&p, ':') && digits(&p, 2, 0, 59, &off_m)))
			return false;
	} else if (zone != 'Z') {
		return false;
	}
	if (*p)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	int64_t s = timegm(&tm);
	s -= (zone == '-' ? -1 : 1) * (off_h * 3600 + off_m * 60);
	*ret_ms = s * 1000 + ms;
	return true;
}

static char boot_id[40];

static void read_boot_id(void)
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	char line[40] = "";
	ssize_t n = read(fd, line, 36);
	close(fd);
	if (n == 36)
		memcpy(boot_id, line, 37);
}

const char *stg_boot_id(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, read_boot_id);
	return boot_id;
}

int64_t stg_build_ms(void)
{
	/* the compiler writes its date in the C locale, strptime must not depend on ours */
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm = { 0 };
	char mon[4] = "";
	if (sscanf(__DATE__, "%3s %d %d", mon, &tm.tm_mday, &tm.tm_year) != 3)
		return 0;
	const char *at = strstr(months, mon);
	if (!at)
		return 0;
	tm.tm_mon = (int)((at - months) / 3);
	tm.tm_year -= 1900;
	return ((int64_t)timegm(&tm) - 86400) * 1000;
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
