/*
 * clock.h - the two clocks.
 *
 * Deadlines, leases and backoff use stg_boot_ms() (CLOCK_BOOTTIME); labels, certificates and retention use
 * stg_wall_ms(), milliseconds UTC since 1970. A wall time never decides an order.
 */
#ifndef STAGER_CLOCK_H
#define STAGER_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STG_TIME_TEXT 32

int64_t stg_boot_ms(void);
int64_t stg_wall_ms(void);
/* CPU time used by this process and the children it has reaped, in microseconds. */
int64_t stg_cpu_us(void);
/* RFC 3339 UTC with milliseconds: "2026-11-22T02:38:57.123Z". */
void stg_time_text(int64_t wall_ms, char ret[STG_TIME_TEXT]);
bool stg_time_parse(const char *text, int64_t *ret_ms);
/* The kernel's boot id, "" if unreadable. */
const char *stg_boot_id(void);

enum stg_time_quality { STG_TIME_UNSET, STG_TIME_RTC, STG_TIME_OPERATOR, STG_TIME_NTP };
enum stg_time_quality stg_time_quality(void);
const char *stg_time_quality_name(enum stg_time_quality q);
/* Wall time of this build: a clock before it is wrong. */
int64_t stg_build_ms(void);

#endif
