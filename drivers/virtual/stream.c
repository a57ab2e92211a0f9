/*
 * stream.c - one accepted socket: bytes in, bytes out, with or without TLS, never blocking.
 *
 * For:    mux clients, lockdown and service connections, control clients, HTTP.
 * Uses:   OpenSSL, loop.h, <stager/bytes.h>.
 * Called: by the owners of the streams.
 * Thread: the bench's only one.
 */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_MAX (40u << 20)
#define OUT_MAX (64u << 20)
#define KEEP_BYTES 16384        /* buffers above this are given back when they run empty: there may be 1,000 streams */
#define READS_A_ROUND 8         /* then others have their turn */

static uint8_t scratch[65536];  /* single-threaded, and never kept across a call out */

static void pump(struct virt_stream *s);

static void close_fd(struct virt_stream *s)
{
	if (s->fd < 0)
		return;
	virt_watch_clear(s->loop, &s->watch);
	if (s->ssl) {
		SSL_free(s->ssl);
		s->ssl = NULL;
	}
	close(s->fd);
	s->fd = -1;
	s->state = VIRT_STREAM_DEAD;
}

static void fire_soon(struct virt_timer *t)
{
	struct virt_stream *s = VIRT_OWNER(t, struct virt_stream, soon);

	if (s->state == VIRT_STREAM_DEAD) {
		if (!s->told) {
			s->told = true;
			stg_buf_clear(&s->in);
			stg_buf_clear(&s->out);
			s->ops->closed(s);   /* frees the owner */
		}
		return;
	}
	pump(s);
}

static void call_soon(struct virt_stream *s)
{
	if (!virt_timer_is_set(&s->soon))
		virt_timer_set(s->loop, &s->soon, 0, fire_soon);
}

static void die(struct virt_stream *s)
{
	close_fd(s);
	call_soon(s);
}

static void shrink(struct stg_buf *b)
{
	if (b->cap > KEEP_BYTES)
		stg_buf_clear(b);
	else
		stg_buf_reset(b);
}

static void set_interest(struct virt_stream *s)
{
	bool wants_out = s->out.len > s->out_sent && s->state != VIRT_STREAM_HANDSHAKE;
	uint32_t events = (s->paused ? 0 : EPOLLIN) | (wants_out || s->state == VIRT_STREAM_HANDSHAKE ? EPOLLOUT : 0);

	if (s->state == VIRT_STREAM_DEAD)
		return;
	if (s->state == VIRT_STREAM_HANDSHAKE) {
		/* OpenSSL says itself which of the two it waits for. */
		events = SSL_want_write(s->ssl) ? EPOLLOUT : EPOLLIN;
	}
	if (!virt_watch_set(s->loop, &s->watch, s->fd, events))
		die(s);
}

/* What OpenSSL left behind after a call: true to wait and go on, false when the connection is over. */
static bool tls_goes_on(struct virt_stream *s, int ret)
{
	int why = SSL_get_error(s->ssl, ret);

	ERR_clear_error();
	return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
}

static ssize_t write_some(struct virt_stream *s, const uint8_t *data, size_t len)
{
	if (s->cut_after_bytes >= 0 && (int64_t)len > s->cut_after_bytes)
		len = (size_t)s->cut_after_bytes;
	if (len == 0)
		return 0;
	if (s->ssl) {
		int n = SSL_write(s->ssl, data, (int)(len > 16384 * 8 ? 16384 * 8 : len));

		return n > 0 ? n : tls_goes_on(s, n) ? 0 : -1;
	} else {
		ssize_t n = send(s->fd, data, len, MSG_NOSIGNAL);

		return n >= 0 ? n : errno == EAGAIN || errno == EINTR ? 0 : -1;
	}
}

/* False when the stream died. */
static bool flush(struct virt_stream *s)
{
	while (s->out.len > s->out_sent) {
		ssize_t n = write_some(s, s->out.data + s->out_sent, s->out.len - s->out_sent);

		if (n < 0) {
			die(s);
			return false;
		}
		s->out_sent += (size_t)n;
		if (s->cut_after_bytes >= 0) {
			s->cut_after_bytes -= n;
			if (s->cut_after_bytes <= 0) {
				die(s);
				return false;
			}
		}
		if (n == 0)
			return true;
	}
	s->out_sent = 0;
	shrink(&s->out);
	if (s->tls_after_flush) {
		s->tls_after_flush = false;
		s->state = VIRT_STREAM_HANDSHAKE;
	} else if (s->plain_after_flush) {
		s->plain_after_flush = false;
		SSL_shutdown(s->ssl);
		ERR_clear_error();
		s->state = VIRT_STREAM_LEAVING_TLS;
	} else if (s->finishing) {
		if (s->ssl && s->state == VIRT_STREAM_TLS)
			SSL_shutdown(s->ssl);
		ERR_clear_error();
		die(s);
		return false;
	}
	return true;
}

/* Hands `s->in` to the owner as long as it takes some. */
static void deliver(struct virt_stream *s)
{
	size_t taken = 0;

	while (taken < s->in.len && !s->paused && !s->finishing && !s->tls_after_flush && !s->plain_after_flush &&
	       (s->state == VIRT_STREAM_PLAIN || s->state == VIRT_STREAM_TLS)) {
		size_t n = s->ops->bytes(s, stg_bytes(s->in.data + taken, s->in.len - taken));

		if (s->fd < 0)
			return;      /* dropped or moved from inside */
		if (n == 0)
			break;
		taken += n;
	}
	if (taken == s->in.len) {
		shrink(&s->in);
	} else if (taken > 0) {
		memmove(s->in.data, s->in.data + taken, s->in.len - taken);
		s->in.len -= taken;
	}
}

static bool handshake(struct virt_stream *s)
{
	int ret = SSL_accept(s->ssl);

	if (ret == 1) {
		s->state = VIRT_STREAM_TLS;
		if (s->ops->secured)
			s->ops->secured(s);
		return s->fd >= 0;
	}
	if (!tls_goes_on(s, ret)) {
		die(s);
		return false;
	}
	return false;
}

/* After our close_notify the other side answers with its own, or speaks plainly at once, or is gone. */
static bool leave_tls(struct virt_stream *s)
{
	uint8_t first;
	ssize_t n = recv(s->fd, &first, 1, MSG_PEEK);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		die(s);
		return false;
	}
	if (n < 0)
		return false;
	if (first >= 0x14 && first <= 0x17) {   /* a TLS record */
		int ret = SSL_read(s->ssl, scratch, sizeof(scratch));

		if (ret > 0 || SSL_get_error(s->ssl, ret) == SSL_ERROR_WANT_READ) {
			ERR_clear_error();
			return false;
		}
		ERR_clear_error();
	}
	SSL_free(s->ssl);
	s->ssl = NULL;
	s->state = VIRT_STREAM_PLAIN;
	if (s->ops->plained)
		s->ops->plained(s);
	return s->fd >= 0;
}

/* Bytes read, 0 for nothing now, -1 at the end. */
static ssize_t read_some(struct virt_stream *s)
{
	if (s->ssl) {
		int n = SSL_read(s->ssl, scratch, sizeof(scratch));

		return n > 0 ? n : tls_goes_on(s, n) ? 0 : -1;
	} else {
		ssize_t n = recv(s->fd, scratch, sizeof(scratch), 0);

		return n > 0 ? n : n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
	}
}

static void read_in(struct virt_stream *s)
{
	for (int i = 0; i < READS_A_ROUND && !s->paused && !s->finishing; i++) {
		ssize_t n;

		if (s->state == VIRT_STREAM_HANDSHAKE && !handshake(s))
			break;
		if (s->state == VIRT_STREAM_LEAVING_TLS && !leave_tls(s))
			break;
		if (s->state == VIRT_STREAM_DEAD || s->tls_after_flush || s->plain_after_flush)
			break;
		n = read_some(s);
		if (n == 0)
			break;
		if (n < 0 || (!s->mute && !s->deaf && !stg_buf_add(&s->in, scratch, (size_t)n, NULL))) {
			die(s);
			return;
		}
		deliver(s);
		if (s->fd < 0)
			return;
	}
	/* OpenSSL may hold decrypted bytes that epoll knows nothing of. */
	if (s->fd >= 0 && s->ssl && s->state == VIRT_STREAM_TLS && SSL_pending(s->ssl) > 0 && !s->paused)
		call_soon(s);
}

static void pump(struct virt_stream *s)
{
	if (s->state != VIRT_STREAM_HANDSHAKE && !flush(s))
		return;
	if (s->in.len > 0)
		deliver(s);
	if (s->fd >= 0)
		read_in(s);
	if (s->fd >= 0 && s->state != VIRT_STREAM_HANDSHAKE && !flush(s))
		return;
	if (s->fd >= 0)
		set_interest(s);
}

static void on_ready(struct virt_watch *w, uint32_t events)
{
	struct virt_stream *s = VIRT_OWNER(w, struct virt_stream, watch);

	if ((events & (EPOLLHUP | EPOLLERR)) && s->paused) {
		die(s);   /* gone while we work for it: nothing to read any more */
		return;
	}
	pump(s);
}

void virt_stream_open(struct virt_stream *s, struct virt_loop *loop, int fd, const struct virt_stream_ops *ops)
{
	*s = (struct virt_stream){ .ops = ops, .loop = loop, .fd = fd, .cut_after_bytes = -1,
				   .in = STG_BUF(IN_MAX), .out = STG_BUF(OUT_MAX) };
	s->watch.ready = on_ready;
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	set_interest(s);
}

void virt_stream_adopt(struct virt_stream *to, struct virt_stream *from, const struct virt_stream_ops *ops)
{
	int fd = from->fd;

	virt_watch_clear(from->loop, &from->watch);
	virt_timer_clear(from->loop, &from->soon);
	from->fd = -1;
	from->state = VIRT_STREAM_DEAD;
	virt_stream_open(to, from->loop, fd, ops);
	to->in = from->in;
	to->out = from->out;
	to->out_sent = from->out_sent;
	from->in = STG_BUF(IN_MAX);
	from->out = STG_BUF(OUT_MAX);
	call_soon(to);
}

void virt_stream_send(struct virt_stream *s, struct stg_bytes what)
{
	if (s->fd < 0 || s->mute || what.len == 0)
		return;
	if (!stg_buf_add(&s->out, what.data, what.len, NULL))
		die(s);
	else
		call_soon(s);
}

void virt_stream_pause(struct virt_stream *s, bool paused)
{
	if (s->paused == paused)
		return;
	s->paused = paused;
	if (s->fd < 0)
		return;
	set_interest(s);
	call_soon(s);
}

void virt_stream_secure(struct virt_stream *s, SSL *ssl)
{
	if (s->fd < 0 || s->ssl) {
		SSL_free(ssl);
		return;
	}
	SSL_set_fd(ssl, s->fd);
	SSL_set_accept_state(ssl);
	s->ssl = NULL;
	s->tls_after_flush = true;
	/* The plain answer goes out before SSL exists for writing; flush() turns the state. */
	if (!flush(s)) {
		SSL_free(ssl);
		return;
	}
	s->ssl = ssl;
	if (s->tls_after_flush) {
		/* The socket was full in the middle of an answer of a few hundred bytes: the other side is not reading. */
		die(s);
		return;
	}
	call_soon(s);
}

void virt_stream_plain(struct virt_stream *s)
{
	if (s->fd < 0 || s->state != VIRT_STREAM_TLS)
		return;
	s->plain_after_flush = true;
	call_soon(s);
}

void virt_stream_strip(struct virt_stream *s)
{
	if (s->fd < 0)
		return;
	SSL_free(s->ssl);
	s->ssl = NULL;
	s->state = VIRT_STREAM_PLAIN;
	s->deaf = true;
	call_soon(s);
}

void virt_stream_finish(struct virt_stream *s)
{
	if (s->fd < 0)
		return;
	s->finishing = true;
	call_soon(s);
}

void virt_stream_cut(struct virt_stream *s)
{
	close_fd(s);
	virt_timer_clear(s->loop, &s->soon);
	stg_buf_clear(&s->in);
	stg_buf_clear(&s->out);
	s->told = true;
}

void virt_stream_drop(struct virt_stream *s)
{
	if (s->state != VIRT_STREAM_DEAD)
		die(s);
}
