/*
 * fuzz_message.c - any bytes on a socket between our processes, read by both ways of receiving.
 *
 * For:    make fuzz, and the replay of its corpus in the normal check.
 * Uses:   <stager/message.h>, a socket pair; the first byte says how many descriptors ride along.
 * Called: by libFuzzer or replay.c.
 * Thread: one.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stager/error.h>
#include <stager/message.h>

#define SENT_MAX 65536  /* goes into a socket's buffer without a reader */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A connection whose other end said all this and hung up. */
static int spoken(const uint8_t *data, size_t size, size_t n_fds)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		abort();
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = size };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * 16)];
	} control = { .room = { 0 } };
	if (n_fds) {
		m.msg_control = control.room;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		for (size_t i = 0; i < n_fds; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &pair[1], sizeof(int));
	}
	if (size && sendmsg(pair[1], &m, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)size)
		abort();
	close(pair[1]);
	return pair[0];
}

static void take(json_t *msg, int fds[STG_MESSAGE_FDS])
{
	if (!json_is_object(msg))
		abort();
	for (size_t i = 0; i < STG_MESSAGE_FDS; i++)
		stg_close_at(&fds[i]);
	json_decref(msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > SENT_MAX)
		return 0;
	size_t n_fds = data[0] % 10;
	data++;
	size--;

	struct stg_error err = { 0 };
	int fds[STG_MESSAGE_FDS];
	json_t *msg;
	/* descriptors that ride along keep the other end open: the end is then the deadline */
	int fd = spoken(data, size, n_fds);
	while ((msg = stg_message_recv(fd, fds, n_fds ? 0 : 10000, &err)))
		take(msg, fds);
	if (err.code != STG_E_GONE && err.code != STG_E_PROTOCOL && err.code != STG_E_TIMEOUT)
		abort();
	close(fd);

	struct stg_channel *c = stg_channel_new(spoken(data, size, n_fds));
	bool alive = true;
	for (int round = 0; alive && round < 4; round++) {
		alive = stg_channel_pump(c, &err);
		while ((msg = stg_channel_next(c, fds)))
			take(msg, fds);
	}
	stg_channel_free(c);
	return 0;
}
