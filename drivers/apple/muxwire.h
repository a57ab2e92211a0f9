/* muxwire.h - the usbmuxd client protocol as bytes: header, body, address; for the watch and the mux door. */
#ifndef APPLE_MUXWIRE_H
#define APPLE_MUXWIRE_H

#include "plist.h"

#define MUX_MESSAGE_MAX (64u << 10)   /* as usbmuxd itself limits */
#define MUX_HEADER 16

enum mux_result { MUX_OK = 0, MUX_BAD_COMMAND = 1, MUX_BAD_DEVICE = 2, MUX_REFUSED = 3, MUX_INVALID = 22 };

/* Length of the first message in `in` once it is there whole, 0 while it is not. STG_E_PROTOCOL: no such message. */
bool mux_whole(struct stg_bytes in, size_t *ret_len, struct stg_error *err);
/* The body of one whole message; NULL with STG_E_PROTOCOL. */
plist_t mux_read(struct stg_bytes message, uint32_t *ret_tag, struct stg_error *err);
/* Appends header and body. */
bool mux_write(uint32_t tag, plist_t body, struct stg_buf *ret, struct stg_error *err);
bool mux_write_result(uint32_t tag, enum mux_result number, struct stg_buf *ret, struct stg_error *err);
/* A request with the fields every client adds; the caller frees. */
plist_t mux_request(const char *type);
/* The Number of a Result; false when the message is something else. */
bool mux_is_result(plist_t body, uint64_t *ret_number);

/* Starts connecting to usbmuxd: a non-blocking socket, perhaps still connecting (EPOLLOUT tells). -1: STG_E_NOT_FOUND
 * (nobody there), STG_E_TIMEOUT (too many wait in front of us), STG_E_IO. */
int mux_connect(const char *address, struct stg_error *err);

#endif
