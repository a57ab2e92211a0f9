/*
 * watch.h - which Apple devices usbmuxd announces, told through one pollable descriptor.
 *
 * For the station's event loop: no thread, nothing blocks, nothing is lost. The watch keeps one Listen connection to
 * usbmuxd (address: USBMUXD_SOCKET_ADDRESS as libusbmuxd reads it, else /run/usbmuxd, else /var/run/usbmuxd) and opens it
 * again by itself for as long as it takes. When the connection goes, every device is reported as left; when usbmuxd is
 * back, they arrive again. Every answer passes stg_plist_scan first.
 * Facts: protocols/apple.md 1.2 to 1.4, usbmuxd 1.1.1, libusbmuxd 2.0.2 (2026-11).
 * Threads: one.
 */
#ifndef STAGER_WATCH_H
#define STAGER_WATCH_H

#include <stddef.h>

#include <stager/arrival.h>
#include <stager/error.h>
#include <stager/secret.h>

struct stg_watch;

enum stg_watch_kind {
	STG_WATCH_ARRIVED,  /* arrival: driver "apple", udid, usb_serial, vid, pid, handle, mode NORMAL, at_ms; port and attach are the station's to fill */
	STG_WATCH_LEFT,     /* arrival: udid and handle of what has gone */
	STG_WATCH_UP,       /* usbmuxd answers; arrivals of what is plugged in follow */
	STG_WATCH_DOWN,     /* usbmuxd cannot be reached; told once; err says how (id STG_ID_NO_USBMUXD) */
};

struct stg_watch_event {
	enum stg_watch_kind kind;
	struct stg_arrival arrival;
	struct stg_error err;      /* DOWN only */
};

/* Fails only without memory or descriptors: a usbmuxd that is not there is an event, not an error. */
struct stg_watch *stg_watch_open(struct stg_error *err);
/* An epoll descriptor: readable when stg_watch_next() has something to do. The watch owns it. */
int stg_watch_fd(const struct stg_watch *w);
/* The next event; false: nothing more for now. Call until false, once after opening and whenever the descriptor is readable. */
bool stg_watch_next(struct stg_watch *w, struct stg_watch_event *ret);
bool stg_watch_is_up(const struct stg_watch *w);
void stg_watch_close(struct stg_watch *w);
void stg_watch_close_at(struct stg_watch **w);

/* Gives usbmuxd a pair record (an XML property list) under the UDID as usbmuxd spells it, for other programs on this machine.
 * Blocks for a moment. STG_E_IO: it was not kept; STG_E_NOT_FOUND: there is nothing in `record`. */
bool stg_trust_share(const char *udid, uint32_t handle, const struct stg_secret *record, struct stg_error *err);
/* Whether usbmuxd serves its clients now: asks for its list on a connection of its own. Blocks up to timeout_ms (at most 60 s).
 * STG_E_TIMEOUT: it is busy or wedged; others: it is not there. Any thread. */
bool stg_mux_answers(int64_t timeout_ms, struct stg_error *err);
/* Where usbmuxd is: "UNIX:/run/usbmuxd" or "127.0.0.1:27015". */
void stg_mux_address(char *ret, size_t size);
/* A UDID as the rest of the program compares it: upper case, a 24-character one gets its hyphen. False: not a UDID (ret = ""). */
bool stg_udid_clean(const char *text, char ret[STG_UDID_MAX]);

#endif
