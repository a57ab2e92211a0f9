/*
 * message.h - values between our processes: u32 length (little endian), u8 number of descriptors, then JSON; the
 * descriptors ride along with the first byte. Texts of half a kilobyte and more that stand in the message's own object
 * go beside the JSON (bit 7 of the fifth byte: u32 length, JSON, then for each u8 and u32 lengths, key, text): they are
 * mostly profiles and records in base64, and a parser looks at each byte several times.
 *
 * At most STG_MESSAGE_MAX bytes and STG_MESSAGE_FDS descriptors a message. Every message is an object with "t" (its
 * kind); the first on a connection also carries "v" (STG_MESSAGE_VERSION), a different one is refused in a sentence.
 * Secrets may travel here (base64) between our own processes only; such messages are never logged.
 * Threads: one per socket end.
 */
#ifndef STAGER_MESSAGE_H
#define STAGER_MESSAGE_H

#include <stager/json.h>

#define STG_MESSAGE_VERSION 2
#define STG_MESSAGE_MAX (16u << 20)
#define STG_MESSAGE_FDS 8

/* Blocking forms, for workers and commands. Deadline on CLOCK_BOOTTIME; timeout_ms < 0 waits for ever.
 * STG_E_TIMEOUT, STG_E_GONE (the other end closed), STG_E_PROTOCOL (not one of ours). Descriptors are duplicated by
 * the kernel: the sender still closes its own; the receiver owns what arrives in fds (-1 fills the rest).
 * STG_E_TIMEOUT of recv means that nothing came: it may be called again. Half a message that stops is STG_E_PROTOCOL,
 * and after any failure of send the connection is of no more use. */
bool stg_message_send(int fd, const json_t *msg, const int *fds, size_t n_fds, int64_t timeout_ms, struct stg_error *err);
json_t *stg_message_recv(int fd, int fds[STG_MESSAGE_FDS], int64_t timeout_ms, struct stg_error *err);

/* For event loops: never blocks. */
struct stg_channel;

struct stg_channel *stg_channel_new(int fd);     /* owns fd from here on, makes it non-blocking */
void stg_channel_free(struct stg_channel *c);    /* closes; descriptors not yet taken are closed too */
int stg_channel_fd(const struct stg_channel *c);
/* Queues; false when more than 64 MiB wait already (STG_E_TIMEOUT: the other end does not read). */
bool stg_channel_send(struct stg_channel *c, const json_t *msg, const int *fds, size_t n_fds, struct stg_error *err);
/* True while something waits to be written: watch for EPOLLOUT then. */
bool stg_channel_wants_write(const struct stg_channel *c);
/* Call when readable or writable (level-triggered: it may leave something for the next call), then take all there is
 * with stg_channel_next(), also after false: STG_E_GONE or STG_E_PROTOCOL, free it then. */
bool stg_channel_pump(struct stg_channel *c, struct stg_error *err);
/* The next whole message or NULL; descriptors as in stg_message_recv. The caller owns both. */
json_t *stg_channel_next(struct stg_channel *c, int fds[STG_MESSAGE_FDS]);

/* Pid and uid of the peer of a connected Unix socket. */
bool stg_peer(int fd, int *ret_pid, unsigned int *ret_uid, struct stg_error *err);

/* Unix sockets by path; a path over 107 bytes is refused in a sentence (STG_ID_SOCKET_PATH). */
int stg_unix_listen(const char *path, unsigned int mode, struct stg_error *err);
int stg_unix_connect(const char *path, struct stg_error *err);

#endif
