/*
 * link.h - one connection to one port of the device: connect, TLS with the peer's key checked, framed property lists.
 *
 * The connection is libimobiledevice's (idevice_connect); TLS and framing on its descriptor are ours, because the
 * library's handshake has no deadline, falls back to plaintext, looks at no key, and receives without a ceiling
 * (protocols/apple.md 11.1, threat-model.md 02 and 04 to 07). Every call ends by its deadline or when the stop is pulled.
 * Threads: a link belongs to its device.
 */
#ifndef APPLE_LINK_H
#define APPLE_LINK_H

#include "plist.h"

struct apple_device;
struct apple_link;

/* STG_E_GONE: the device or usbmuxd has gone. STG_E_REFUSED: nobody listens on that port. */
struct apple_link *apple_link_open(struct apple_device *dev, uint16_t port, struct stg_error *err);
/* The device as TLS server: its key must be the one of the pair record, which is checked before anything of ours but the
 * greeting is sent. STG_E_REFUSED + DEVICE_NOT_GENUINE: another key; + TRUST_LOST: it does not take our certificate. */
bool apple_link_secure(struct apple_link *l, struct stg_error *err);
/* u32 length, big endian, and the property list in one write. */
bool apple_link_send(struct apple_link *l, plist_t msg, int64_t timeout_ms, struct stg_error *err);
/* The next message, scanned before libplist sees it. */
plist_t apple_link_receive(struct apple_link *l, const struct stg_plist_limits *limits, int64_t timeout_ms, struct stg_error *err);
/* One after the other. STG_E_GONE when the connection was lost on the way: the request may have been carried out. */
plist_t apple_link_ask(struct apple_link *l, plist_t msg, const struct stg_plist_limits *limits, int64_t timeout_ms,
		       struct stg_error *err);
/* Bytes of another framing, all of them or an error; for services that do not speak property lists. */
bool apple_link_write(struct apple_link *l, struct stg_bytes what, int64_t timeout_ms, struct stg_error *err);
bool apple_link_read(struct apple_link *l, uint8_t *ret, size_t len, int64_t timeout_ms, struct stg_error *err);
/* For how long nothing was said. */
int64_t apple_link_idle_ms(const struct apple_link *l);
bool apple_link_is_secure(const struct apple_link *l);
void apple_link_close(struct apple_link *l);
void apple_link_close_at(struct apple_link **l);

#endif
