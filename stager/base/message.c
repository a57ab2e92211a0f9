/*
 * message.c - framed JSON over Unix sockets, with descriptors.
 *
 * For:    station, workers, nursery, mux door, commands.
 * Uses:   json, bytes, clock.
 * Called: both ends of every socket between our own processes.
 * Thread: one per socket end.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include <stager/clock.h>
#include <stager/error.h>
#include <stager/message.h>

#define QUEUE_MAX (64u << 20)
#define HEAD 5          /* u32 length, u8 descriptors and APART: a reader must know which message they belong to */
#define APART 0x80      /* the body is u32 length, JSON, then texts: u8 and u32 lengths, key, text */
#define APART_BYTES 512 /* from here on a text of the message itself goes beside its JSON: copied, not parsed */
#define TEXT_HEAD 5
#define READ_STEP 65536

struct out {
	struct out *next;
	size_t len, sent;
	size_t n_fds;
	int fds[STG_MESSAGE_FDS];
	uint8_t bytes[];
};

struct stg_channel {
	int fd;
	struct stg_buf in;
	size_t at;              /* first byte of `in` not handed out yet */
	size_t checked;         /* where the first head begins that was not looked at yet, maybe behind what has come */
	size_t announced;       /* descriptors of the heads between the two */
	int in_fds[STG_MESSAGE_FDS * 4];
	size_t n_in_fds;
	struct out *first, **last;
	size_t queued;
};

static void put_u32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* One sendmsg; descriptors go with the first byte of a message. */
static ssize_t send_some(int fd, const struct out *o)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)(o->bytes + o->sent), .iov_len = o->len - o->sent };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * STG_MESSAGE_FDS)];
	} control;
	if (o->sent == 0 && o->n_fds) {
		memset(&control, 0, sizeof(control));
		m.msg_control = control.room;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * o->n_fds);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * o->n_fds);
		memcpy(CMSG_DATA(c), o->fds, sizeof(int) * o->n_fds);
	}
	return sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static ssize_t recv_some(int fd, uint8_t *to, size_t len, int *fds, size_t room, size_t *n_fds)
{
	struct iovec iov = { .iov_base = to, .iov_len = len };
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * STG_MESSAGE_FDS)];
	} control;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n < 0)
		return n;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t got = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < got; i++) {
			int one;
			memcpy(&one, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (*n_fds < room)
				fds[(*n_fds)++] = one;
			else
				close(one);
		}
	}
	return n;
}

static size_t fds_of(const uint8_t *head)
{
	return head[4] & (APART - 1u);
}

static bool goes_apart(const char *key, const json_t *value)
{
	size_t len = json_string_length(value);
	return len >= APART_BYTES && strlen(key) <= UINT8_MAX && !memchr(json_string_value(value), 0, len);
}

/* Room that the long texts of a message take beside its JSON. */
static size_t apart_size(const json_t *msg)
{
	size_t n = 0;
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)msg, key, value)
		if (goes_apart(key, value))
			n += TEXT_HEAD + strlen(key) + json_string_length(value);
	return n;
}

static char *dump_rest(const json_t *msg, bool all)
{
	if (all)
		return json_dumps(msg, JSON_COMPACT);
	STG_AUTO(stg_json_free_at) json_t *rest = json_object();
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)msg, key, value)
		if (!goes_apart(key, value))
			json_object_set(rest, key, value);
	return json_dumps(rest, JSON_COMPACT);
}

static void put_apart(uint8_t *to, const json_t *msg)
{
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)msg, key, value) {
		if (!goes_apart(key, value))
			continue;
		size_t key_len = strlen(key), len = json_string_length(value);
		to[0] = (uint8_t)key_len;
		put_u32(to + 1, (uint32_t)len);
		memcpy(to + TEXT_HEAD, key, key_len);
		memcpy(to + TEXT_HEAD + key_len, json_string_value(value), len);
		to += TEXT_HEAD + key_len + len;
	}
}

static struct out *encode(const json_t *msg, const int *fds, size_t n_fds, struct stg_error *err)
{
	size_t beside = apart_size(msg);
	char *text = dump_rest(msg, !beside);
	if (!text || n_fds > STG_MESSAGE_FDS) {
		free(text);
		stg_fail(err, STG_E_BUG, 0, "a message that cannot be written");
		return NULL;
	}
	size_t json_len = strlen(text), front = beside ? 4 : 0, len = front + json_len + beside;
	struct out *o = NULL;
	if (len > STG_MESSAGE_MAX) {
		stg_fail(err, STG_E_PROTOCOL, 0, "a message of %zu bytes, at most %u are allowed", len, STG_MESSAGE_MAX);
	} else {
		uint8_t *body = NULL;
		o = stg_calloc(1, sizeof(*o) + HEAD + len);
		body = o->bytes + HEAD;
		o->len = HEAD + len;
		put_u32(o->bytes, (uint32_t)len);
		o->bytes[4] = (uint8_t)(n_fds | (beside ? APART : 0));
		if (beside) {
			put_u32(body, (uint32_t)json_len);
			put_apart(body + front + json_len, msg);
		}
		memcpy(body + front, text, json_len);
		o->n_fds = n_fds;
		for (size_t i = 0; i < n_fds; i++)
			o->fds[i] = fds[i];
	}
	OPENSSL_cleanse(text, json_len);
	free(text);
	return o;
}

static bool wait_for(int fd, short what, int64_t deadline_ms, struct stg_error *err)
{
	for (;;) {
		int64_t left = deadline_ms < 0 ? -1 : deadline_ms - stg_boot_ms();
		if (deadline_ms >= 0 && left <= 0)
			return stg_fail(err, STG_E_TIMEOUT, 0, "no answer in time");
		struct pollfd p = { .fd = fd, .events = what };
		int n = poll(&p, 1, left < 0 ? -1 : left > 3600000 ? 3600000 : (int)left);
		if (n > 0)
			return true;
		if (n < 0 && errno != EINTR)
			return stg_fail(err, STG_E_IO, errno, "poll: %s", strerror(errno));
	}
}

bool stg_message_send(int fd, const json_t *msg, const int *fds, size_t n_fds, int64_t timeout_ms, struct stg_error *err)
{
	struct out *o = encode(msg, fds, n_fds, err);
	if (!o)
		return false;
	int64_t deadline = timeout_ms < 0 ? -1 : stg_boot_ms() + timeout_ms;
	bool ok = true;
	while (ok && o->sent < o->len) {
		ssize_t n = send_some(fd, o);
		if (n >= 0)
			o->sent += (size_t)n;
		else if (errno == EAGAIN)
			ok = wait_for(fd, POLLOUT, deadline, err);
		else if (errno != EINTR)
			ok = stg_fail(err, errno == EPIPE || errno == ECONNRESET ? STG_E_GONE : STG_E_IO, errno, "send: %s",
				      strerror(errno));
	}
	OPENSSL_cleanse(o->bytes, o->len);
	free(o);
	return ok;
}

static bool recv_exact(int fd, uint8_t *to, size_t len, int64_t deadline, int *fds, size_t *n_fds, struct stg_error *err)
{
	size_t got = 0;
	while (got < len) {
		ssize_t n = recv_some(fd, to + got, len - got, fds, STG_MESSAGE_FDS, n_fds);
		if (n > 0) {
			got += (size_t)n;
		} else if (n == 0) {
			return stg_fail(err, STG_E_GONE, 0, "the other side closed the connection");
		} else if (errno == EAGAIN) {
			if (!wait_for(fd, POLLIN, deadline, err))
				return false;
		} else if (errno == ECONNRESET) {
			return stg_fail(err, STG_E_GONE, errno, "the other side closed the connection");
		} else if (errno != EINTR) {
			return stg_fail(err, STG_E_IO, errno, "receive: %s", strerror(errno));
		}
	}
	return true;
}

static bool add_text(json_t *msg, struct stg_bytes key, struct stg_bytes text)
{
	if (memchr(text.data, 0, text.len) || json_object_getn(msg, (const char *)key.data, key.len))
		return false;
	json_t *value = json_stringn((const char *)text.data, text.len);     /* NULL: not UTF-8 */
	return value && json_object_setn_new(msg, (const char *)key.data, key.len, value) == 0;
}

/* The texts behind the JSON; all of them, and nothing else. */
static bool add_apart(json_t *msg, struct stg_bytes in)
{
	while (in.len >= TEXT_HEAD) {
		size_t key = in.data[0], text = get_u32(in.data + 1);
		if (key > in.len - TEXT_HEAD || text > in.len - TEXT_HEAD - key ||
		    !add_text(msg, stg_bytes(in.data + TEXT_HEAD, key), stg_bytes(in.data + TEXT_HEAD + key, text)))
			return false;
		in = stg_bytes(in.data + TEXT_HEAD + key + text, in.len - TEXT_HEAD - key - text);
	}
	return in.len == 0;
}

static json_t *decode(const uint8_t *head, struct stg_bytes body, struct stg_error *err)
{
	struct stg_bytes text = body, beside = { 0 };
	if (head[4] & APART) {
		size_t len = body.len >= 4 ? get_u32(body.data) : 0;
		if (body.len < 4 || len > body.len - 4) {
			stg_fail(err, STG_E_PROTOCOL, 0, "a message without its JSON");
			return NULL;
		}
		text = stg_bytes(body.data + 4, len);
		beside = stg_bytes(body.data + 4 + len, body.len - 4 - len);
	}
	STG_AUTO(stg_json_free_at) json_t *j = stg_json_parse(text, STG_MESSAGE_MAX, err);
	if (j && !json_is_object(j)) {
		stg_fail(err, STG_E_PROTOCOL, 0, "a message that is not an object");
		return NULL;
	}
	if (j && !add_apart(j, beside)) {
		stg_fail(err, STG_E_PROTOCOL, 0, "a message whose texts cannot be read");
		return NULL;
	}
	return stg_steal(j);
}

json_t *stg_message_recv(int fd, int fds[STG_MESSAGE_FDS], int64_t timeout_ms, struct stg_error *err)
{
	int64_t deadline = timeout_ms < 0 ? -1 : stg_boot_ms() + timeout_ms;
	int got_fds[STG_MESSAGE_FDS];
	size_t n_fds = 0;
	uint8_t head[HEAD];
	json_t *msg = NULL;
	STG_AUTO(stg_buf_clear) struct stg_buf body = STG_BUF(STG_MESSAGE_MAX);
	if (recv_exact(fd, head, 1, deadline, got_fds, &n_fds, err)) {
		struct stg_error why = { 0 };
		bool ok = recv_exact(fd, head + 1, sizeof(head) - 1, deadline, got_fds, &n_fds, &why);
		uint32_t len = ok ? get_u32(head) : 0;
		if (ok && (len > STG_MESSAGE_MAX || fds_of(head) > STG_MESSAGE_FDS))
			ok = stg_fail(&why, STG_E_PROTOCOL, 0, "a message of %u bytes and %zu descriptors", len, fds_of(head));
		ok = ok && stg_buf_reserve(&body, len, &why) && recv_exact(fd, body.data, len, deadline, got_fds, &n_fds, &why);
		body.len = body.data ? len : 0;
		if (ok && n_fds != fds_of(head))
			ok = stg_fail(&why, STG_E_PROTOCOL, 0, "a message with %zu of its %zu descriptors", n_fds, fds_of(head));
		if (ok)
			msg = decode(head, stg_buf_view(&body), &why);
		/* asking again after half a message would read its rest as a head */
		if (!ok && why.code == STG_E_TIMEOUT)
			stg_fail(&why, STG_E_PROTOCOL, 0, "half a message, and no more in time");
		if (!msg && err)
			*err = why;
	}
	for (size_t i = 0; i < STG_MESSAGE_FDS; i++) {
		if (fds)
			fds[i] = msg && i < n_fds ? got_fds[i] : -1;
		if (i < n_fds && (!msg || !fds))
			close(got_fds[i]);
	}
	return msg;
}

struct stg_channel *stg_channel_new(int fd)
{
	struct stg_channel *c = stg_calloc(1, sizeof(*c));
	c->fd = fd;
	c->in = STG_BUF(HEAD + STG_MESSAGE_MAX + READ_STEP);
	c->last = &c->first;
	int flags = fcntl(fd, F_GETFL);
	if (flags >= 0)
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	return c;
}

/* One of a channel's queue: its descriptors are duplicates, closed already if its first byte has gone. */
static void free_out(struct out *o)
{
	for (size_t i = 0; i < o->n_fds && o->sent == 0; i++)
		close(o->fds[i]);
	OPENSSL_cleanse(o->bytes, o->len);
	free(o);
}

void stg_channel_free(struct stg_channel *c)
{
	if (!c)
		return;
	close(c->fd);
	stg_buf_clear(&c->in);
	for (size_t i = 0; i < c->n_in_fds; i++)
		close(c->in_fds[i]);
	while (c->first) {
		struct out *o = c->first;
		c->first = o->next;
		free_out(o);
	}
	free(c);
}

int stg_channel_fd(const struct stg_channel *c)
{
	return c->fd;
}

bool stg_channel_wants_write(const struct stg_channel *c)
{
	return c->first != NULL;
}

static bool flush(struct stg_channel *c, struct stg_error *err)
{
	while (c->first) {
		struct out *o = c->first;
		ssize_t n = send_some(c->fd, o);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0)
			return stg_fail(err, STG_E_GONE, errno, "send: %s", strerror(errno));
		if (o->sent == 0)
			for (size_t i = 0; i < o->n_fds; i++)
				close(o->fds[i]);
		o->sent += (size_t)n;
		if (o->sent < o->len)
			continue;
		c->first = o->next;
		if (!c->first)
			c->last = &c->first;
		c->queued -= o->len;
		free_out(o);
	}
	return true;
}

bool stg_channel_send(struct stg_channel *c, const json_t *msg, const int *fds, size_t n_fds, struct stg_error *err)
{
	if (c->queued > QUEUE_MAX)
		return stg_fail(err, STG_E_TIMEOUT, 0, "the other side does not read its messages");
	struct out *o = encode(msg, fds, n_fds, err);
	if (!o)
		return false;
	for (size_t i = 0; i < n_fds; i++) {
		o->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
		if (o->fds[i] < 0) {
			stg_fail(err, STG_E_IO, errno, "pass on descriptor %d: %s", fds[i], strerror(errno));
			o->n_fds = i;
			free_out(o);
			return false;
		}
	}
	*c->last = o;
	c->last = &o->next;
	c->queued += o->len;
	/* a dead peer is noticed by the next pump, which is where its owner can free it */
	(void)flush(c, NULL);
	return true;
}

/* Drops what was handed out, so that there is always room for the rest of one message and a step more. */
static void compact(struct stg_channel *c)
{
	if (c->at == 0)
		return;
	size_t rest = c->in.len - c->at;
	memmove(c->in.data, c->in.data + c->at, rest);
	OPENSSL_cleanse(c->in.data + rest, c->at);
	c->in.len = rest;
	c->checked -= c->at;
	c->at = 0;
	if (rest == 0 && c->in.cap > 8 * READ_STEP)
		stg_buf_clear(&c->in);
}

/* Looks at each head once: what it claims, and whether the descriptors that came belong to a message. */
static bool check_heads(struct stg_channel *c, struct stg_error *err)
{
	while (c->checked + HEAD <= c->in.len) {
		const uint8_t *head = c->in.data + c->checked;
		uint32_t len = get_u32(head);
		if (len > STG_MESSAGE_MAX || fds_of(head) > STG_MESSAGE_FDS)
			return stg_fail(err, STG_E_PROTOCOL, 0, "a message of %u bytes and %zu descriptors", len, fds_of(head));
		c->announced += fds_of(head);
		c->checked += HEAD + len;
	}
	/* descriptors come with the first byte, maybe before the rest of the head */
	size_t most = c->announced + (c->checked < c->in.len ? STG_MESSAGE_FDS : 0);
	return c->n_in_fds <= most || stg_fail(err, STG_E_PROTOCOL, 0, "descriptors that no message announced");
}

static bool has_whole(const struct stg_channel *c)
{
	return c->in.len >= c->at + HEAD && c->in.len >= c->at + HEAD + get_u32(c->in.data + c->at);
}

bool stg_channel_pump(struct stg_channel *c, struct stg_error *err)
{
	/* a peer that has gone may have said something before: what it said comes first */
	bool sent = flush(c, err);
	compact(c);
	for (int round = 0; round < 16; round++) {
		if (has_whole(c) && (c->in.len + READ_STEP > c->in.max || c->n_in_fds + STG_MESSAGE_FDS > STG_ARRAY_LEN(c->in_fds)))
			break; /* these first; what is left keeps the socket readable */
		if (!stg_buf_reserve(&c->in, READ_STEP, err))
			return false;
		ssize_t n = recv_some(c->fd, c->in.data + c->in.len, READ_STEP, c->in_fds, STG_ARRAY_LEN(c->in_fds), &c->n_in_fds);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		/* what has arrived whole is still handed out by stg_channel_next() */
		if (n <= 0)
			return stg_fail(err, STG_E_GONE, n < 0 ? errno : 0, "the other side closed the connection");
		c->in.len += (size_t)n;
		if (!check_heads(c, err))
			return false;
	}
	return sent;
}

json_t *stg_channel_next(struct stg_channel *c, int fds[STG_MESSAGE_FDS])
{
	for (size_t i = 0; fds && i < STG_MESSAGE_FDS; i++)
		fds[i] = -1;
	/* behind a head that was refused nothing is handed out */
	if (!has_whole(c) || c->checked <= c->at)
		return NULL;
	const uint8_t *head = c->in.data + c->at;
	uint32_t len = get_u32(head);
	size_t n_fds = fds_of(head);
	json_t *msg = n_fds <= c->n_in_fds ? decode(head, stg_bytes(head + HEAD, len), NULL) : NULL;
	c->at += HEAD + len;
	c->announced -= n_fds;
	size_t taken = n_fds < c->n_in_fds ? n_fds : c->n_in_fds;
	for (size_t i = 0; i < taken; i++) {
		if (fds && msg)
			fds[i] = c->in_fds[i];
		else
			close(c->in_fds[i]);
	}
	c->n_in_fds -= taken;
	memmove(c->in_fds, c->in_fds + taken, c->n_in_fds * sizeof(int));
	/* something unreadable is handed on as an empty message: its receiver knows no such kind and hangs up */
	return msg ? msg : json_object();
}

bool stg_peer(int fd, int *ret_pid, unsigned int *ret_uid, struct stg_error *err)
{
	struct ucred who;
	socklen_t len = sizeof(who);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0)
		return stg_fail(err, STG_E_IO, errno, "peer credentials: %s", strerror(errno));
	*ret_pid = who.pid;
	*ret_uid = who.uid;
	return true;
}

static bool unix_address(const char *path, struct sockaddr_un *ret, struct stg_error *err)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (!stg_copy(ret->sun_path, sizeof(ret->sun_path), path))
		return stg_fail_id(err, STG_E_STATION, STG_ID_SOCKET_PATH, 0, "socket path of %zu bytes, at most 107: %s",
				   strlen(path), path);
	return true;
}

int stg_unix_listen(const char *path, unsigned int mode, struct stg_error *err)
{
	struct sockaddr_un a;
	if (!unix_address(path, &a, err))
		return -1;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		stg_fail(err, STG_E_STATION, errno, "socket: %s", strerror(errno));
		return -1;
	}
	(void)unlink(path);
	mode_t before = umask(0777 & ~mode);
	int bound = bind(fd, (struct sockaddr *)&a, sizeof(a));
	umask(before);
	if (bound != 0 || chmod(path, mode) != 0 || listen(fd, 512) != 0) {
		stg_fail(err, STG_E_STATION, errno, "listen on %s: %s", path, strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

int stg_unix_connect(const char *path, struct stg_error *err)
{
	struct sockaddr_un a;
	if (!unix_address(path, &a, err))
		return -1;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
		stg_fail(err, errno == ENOENT || errno == ECONNREFUSED ? STG_E_NOT_FOUND : STG_E_IO, errno, "connect to %s: %s",
			 path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}
