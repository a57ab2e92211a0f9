/*
 * link.c - one connection to one port of the device: connect, TLS with the peer's key checked, framed property lists.
 *
 * For:    lockdown and every service we speak: MCInstall, activation, installation proxy, diagnostics.
 * Uses:   libimobiledevice for the connection, OpenSSL on its descriptor, libplist behind the scan.
 * Called: by lockdown.c and the services.
 * Thread: the worker's.
 * Facts:  protocols/apple.md 3.1 (framing), 3.6 (TLS: the device is the server), 11.1 (what the library's own does).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#include <stager/clock.h>

#include "device.h"

#define HANDSHAKE_MS 15000
#define CHUNK 16384            /* one TLS record */

struct apple_link {
	struct apple_device *dev;
	idevice_connection_t connection;
	int fd;
	SSL *ssl;
	BIO *out;              /* the SSL's: records wait here and leave together */
	struct stg_buf in;
	int64_t last_ms;
	uint16_t port;
};

static bool gone(struct stg_error *err, const char *what)
{
	return stg_fail_id(err, STG_E_GONE, STG_ID_DEVICE_GONE, 0, "%s", what);
}

struct apple_link *apple_link_open(struct apple_device *dev, uint16_t port, struct stg_error *err)
{
	idevice_connection_t connection = NULL;
	idevice_error_t e = idevice_connect(dev->handle, port, &connection);
	if (e != IDEVICE_E_SUCCESS) {
		/* the library has one answer for a port that is closed and a device that has left; the list tells them apart */
		idevice_t there = NULL;
		if (idevice_new(&there, dev->udid) != IDEVICE_E_SUCCESS) {
			stg_fail_id(err, STG_E_GONE, STG_ID_DEVICE_GONE, (int)e, "connect to port %u: the device has left", port);
			return NULL;
		}
		idevice_free(there);
		const struct stg_code_row *row = stg_codes_by_number(&stg_codes_idevice, NULL, (int64_t)e);
		if (!row || row->code == STG_E_GONE)
			row = &stg_codes_idevice.otherwise;     /* it is still listed */
		stg_fail_id(err, row->code, row->id, (int)e, "connect to port %u: refused", port);
		return NULL;
	}
	int fd = -1;
	if (idevice_connection_get_fd(connection, &fd) != IDEVICE_E_SUCCESS || fd < 0) {
		idevice_disconnect(connection);
		stg_fail(err, STG_E_BUG, 0, "a connection without a descriptor");
		return NULL;
	}
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
		idevice_disconnect(connection);
		stg_fail(err, STG_E_IO, errno, "fcntl: %s", strerror(errno));
		return NULL;
	}
	struct apple_link *l = stg_calloc(1, sizeof(*l));
	l->dev = dev;
	l->connection = connection;
	l->fd = fd;
	l->port = port;
	l->in = STG_BUF(stg_plist_apps.size_bytes + 4 + CHUNK);
	l->last_ms = stg_boot_ms();
	return l;
}

void apple_link_close(struct apple_link *l)
{
	if (!l)
		return;
	if (l->ssl) {
		/* one-sided: devices close without close_notify, and nobody waits for theirs */
		SSL_set_quiet_shutdown(l->ssl, 1);
		SSL_shutdown(l->ssl);
		SSL_free(l->ssl);
		ERR_clear_error();
	}
	idevice_disconnect(l->connection);
	stg_buf_clear(&l->in);
	free(l);
}

void apple_link_close_at(struct apple_link **l)
{
	apple_link_close(*l);
	*l = NULL;
}

int64_t apple_link_idle_ms(const struct apple_link *l)
{
	return stg_boot_ms() - l->last_ms;
}

bool apple_link_is_secure(const struct apple_link *l)
{
	return l->ssl != NULL;
}

static bool wait_for(struct apple_link *l, short what, int64_t deadline_ms, struct stg_error *err)
{
	struct pollfd p[2] = {
		{ .fd = l->fd, .events = what },
		{ .fd = stg_stop_fd(l->dev->base.stop), .events = POLLIN },
	};
	for (;;) {
		int64_t left = deadline_ms - stg_boot_ms();
		if (left <= 0)
			return stg_fail_id(err, STG_E_TIMEOUT, STG_ID_DEVICE_SILENT, 0, "no answer in time");
		int n = poll(p, p[1].fd >= 0 ? 2 : 1, left > 3600000 ? 3600000 : (int)left);
		if (n < 0 && errno != EINTR)
			return stg_fail(err, STG_E_IO, errno, "poll: %s", strerror(errno));
		if (n > 0 && p[1].revents)
			return stg_fail_id(err, STG_E_CANCELLED, STG_ID_TOLD_TO_STOP, 0, "stopped");
		if (n > 0)
			return true;
	}
}

/* A write of many records is one call of the kernel, not one for each: the mux door wakes up for every one of them. */
static bool flush(struct apple_link *l, int64_t deadline_ms, struct stg_error *err)
{
	char *data;
	size_t sent = 0, len = (size_t)BIO_get_mem_data(l->out, &data);
	while (sent < len) {
		ssize_t n = send(l->fd, data + sent, len - sent, MSG_NOSIGNAL);
		if (n > 0)
			sent += (size_t)n;
		else if (n < 0 && errno == EAGAIN) {
			if (!wait_for(l, POLLOUT, deadline_ms, err))
				return false;
		} else if (n < 0 && errno != EINTR) {
			return gone(err, "send: the connection was closed");
		}
	}
	if (len)
		(void)BIO_reset(l->out);
	return true;
}

/* Our last word, an alert, to somebody who may not be listening any more. */
static void flush_once(struct apple_link *l)
{
	char *data;
	long len = BIO_get_mem_data(l->out, &data);
	if (len > 0)
		(void)!send(l->fd, data, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)BIO_reset(l->out);
}

/* After a TLS call that did not succeed: true when it is worth calling again. */
static bool tls_again(struct apple_link *l, int rc, int64_t deadline_ms, const char *what, struct stg_error *err)
{
	int why = SSL_get_error(l->ssl, rc), e = errno;
	if (why == SSL_ERROR_WANT_READ)
		return flush(l, deadline_ms, err) && wait_for(l, POLLIN, deadline_ms, err);
	if (why == SSL_ERROR_WANT_WRITE)
		return flush(l, deadline_ms, err);
	flush_once(l);
	unsigned long first = ERR_peek_error();
	char text[120] = "";
	if (first)
		ERR_error_string_n(first, text, sizeof(text));
	bool by_alert = first && ERR_GET_REASON(first) >= SSL_AD_REASON_OFFSET;
	bool eof = why == SSL_ERROR_ZERO_RETURN || why == SSL_ERROR_SYSCALL ||
		   (first && ERR_GET_REASON(first) == SSL_R_UNEXPECTED_EOF_WHILE_READING);
	ERR_clear_error();
	if (eof)
		return stg_fail_id(err, STG_E_GONE, STG_ID_DEVICE_GONE, why == SSL_ERROR_SYSCALL ? e : 0,
				   "%s: the connection was closed", what);
	if (by_alert)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_TRUST_LOST, ERR_GET_REASON(first) - SSL_AD_REASON_OFFSET,
				   "%s: the device refused our certificate (%s)", what, text);
	return stg_fail_id(err, STG_E_PROTOCOL, STG_ID_DEVICE_NONSENSE, ERR_GET_REASON(first), "%s: %s", what, text);
}

bool apple_link_secure(struct apple_link *l, struct stg_error *err)
{
	struct apple_device *dev = l->dev;
	if (!apple_tls_ready(dev, err))
		return false;
	/* bytes that came before the handshake would be taken for protected ones */
	if (l->in.len)
		return stg_fail_id(err, STG_E_PROTOCOL, STG_ID_DEVICE_NONSENSE, 0, "bytes before TLS");
	SSL *ssl = SSL_new(dev->tls);
	BIO *in = BIO_new_socket(l->fd, BIO_NOCLOSE), *out = BIO_new(BIO_s_mem());
	if (!ssl || !in || !out) {
		BIO_free(in);
		BIO_free(out);
		SSL_free(ssl);
		return stg_fail(err, STG_E_NOMEM, 0, "TLS");
	}
	SSL_set_bio(ssl, in, out);
	l->ssl = ssl;
	l->out = out;
	SSL_set_app_data(ssl, dev);
	SSL_set_connect_state(ssl);
	if (dev->tls_session)
		SSL_set_session(ssl, dev->tls_session);
	dev->wrong_key = false;
	int64_t deadline = stg_boot_ms() + HANDSHAKE_MS;
	int rc;
	ERR_clear_error();
	while ((rc = SSL_do_handshake(ssl)) != 1) {
		if (tls_again(l, rc, deadline, "TLS", err))
			continue;
		if (dev->wrong_key)
			return stg_fail_id(err, STG_E_REFUSED, STG_ID_DEVICE_NOT_GENUINE, 0,
					   "TLS: the key is not the one we paired with");
		return false;
	}
	if (!flush(l, deadline, err))
		return false;
	/* a resumed session was checked when it was made; anything else went through the callback or is not accepted */
	if (SSL_get_verify_result(ssl) != X509_V_OK || (!SSL_session_reused(ssl) && !SSL_get0_peer_certificate(ssl)))
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_DEVICE_NOT_GENUINE, 0, "TLS: the device showed no certificate");
	l->last_ms = stg_boot_ms();
	return true;
}

static bool send_all(struct apple_link *l, struct stg_bytes what, int64_t deadline, struct stg_error *err)
{
	size_t sent = 0;
	ERR_clear_error();
	while (sent < what.len) {
		if (l->ssl) {
			size_t n = 0;
			int rc = SSL_write_ex(l->ssl, what.data + sent, what.len - sent, &n);
			if (rc == 1)
				sent += n;
			if (rc == 1 ? !flush(l, deadline, err) : !tls_again(l, rc, deadline, "send", err))
				return false;
			continue;
		}
		ssize_t n = send(l->fd, what.data + sent, what.len - sent, MSG_NOSIGNAL);
		if (n > 0)
			sent += (size_t)n;
		else if (n < 0 && errno == EAGAIN) {
			if (!wait_for(l, POLLOUT, deadline, err))
				return false;
		} else if (n < 0 && errno != EINTR) {
			return gone(err, "send: the connection was closed");
		}
	}
	return true;
}

/* Adds what is there to l->in, at least one byte. */
static bool receive_some(struct apple_link *l, int64_t deadline, struct stg_error *err)
{
	if (!stg_buf_reserve(&l->in, CHUNK, err))
		return false;
	ERR_clear_error();
	for (;;) {
		if (l->ssl) {
			size_t n = 0;
			int rc = SSL_read_ex(l->ssl, l->in.data + l->in.len, CHUNK, &n);
			if (rc == 1) {
				l->in.len += n;
				return true;
			}
			if (!tls_again(l, rc, deadline, "receive", err))
				return false;
			continue;
		}
		ssize_t n = recv(l->fd, l->in.data + l->in.len, CHUNK, 0);
		if (n > 0) {
			l->in.len += (size_t)n;
			return true;
		}
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			return gone(err, "receive: the connection was closed");
		if (errno == EAGAIN && !wait_for(l, POLLIN, deadline, err))
			return false;
	}
}

bool apple_link_send(struct apple_link *l, plist_t msg, int64_t timeout_ms, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf out = STG_BUF(stg_plist_device.size_bytes);
	static const uint8_t room[4];
	if (!stg_buf_add(&out, room, 4, err) || !apple_plist_write(msg, &out, err))
		return false;
	uint32_t len = (uint32_t)(out.len - 4);
	for (int i = 0; i < 4; i++)
		out.data[i] = (uint8_t)(len >> (24 - 8 * i));
	return send_all(l, stg_buf_view(&out), stg_boot_ms() + timeout_ms, err);
}

plist_t apple_link_receive(struct apple_link *l, const struct stg_plist_limits *limits, int64_t timeout_ms, struct stg_error *err)
{
	int64_t deadline = stg_boot_ms() + timeout_ms;
	size_t need = 4;
	while (l->in.len < need || need == 4) {
		if (l->in.len < need && !receive_some(l, deadline, err))
			return NULL;
		if (need == 4 && l->in.len >= 4) {
			const uint8_t *p = l->in.data;
			size_t len = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
			if (len == 0 || len > limits->size_bytes) {
				stg_fail_id(err, STG_E_PROTOCOL, STG_ID_DEVICE_NONSENSE, 0, "an answer of %zu bytes, at most %zu",
					    len, limits->size_bytes);
				return NULL;
			}
			need = 4 + len;
		}
	}
	plist_t p = apple_plist_read(stg_bytes(l->in.data + 4, need - 4), limits, err);
	memmove(l->in.data, l->in.data + need, l->in.len - need);
	l->in.len -= need;
	l->last_ms = stg_boot_ms();
	if (!p)
		stg_say(err, STG_ID_DEVICE_NONSENSE);
	return p;
}

bool apple_link_write(struct apple_link *l, struct stg_bytes what, int64_t timeout_ms, struct stg_error *err)
{
	return send_all(l, what, stg_boot_ms() + timeout_ms, err);
}

bool apple_link_read(struct apple_link *l, uint8_t *ret, size_t len, int64_t timeout_ms, struct stg_error *err)
{
	int64_t deadline = stg_boot_ms() + timeout_ms;
	for (size_t got = 0; got < len;) {
		if (!l->in.len && !receive_some(l, deadline, err))
			return false;
		size_t take = l->in.len < len - got ? l->in.len : len - got;
		memcpy(ret + got, l->in.data, take);
		memmove(l->in.data, l->in.data + take, l->in.len - take);
		l->in.len -= take;
		got += take;
	}
	l->last_ms = stg_boot_ms();
	return true;
}

plist_t apple_link_ask(struct apple_link *l, plist_t msg, const struct stg_plist_limits *limits, int64_t timeout_ms,
		       struct stg_error *err)
{
	/* an answer before the question belongs to nothing we asked */
	if (l->in.len) {
		stg_fail_id(err, STG_E_PROTOCOL, STG_ID_DEVICE_NONSENSE, 0, "an answer before the question");
		return NULL;
	}
	int64_t deadline = stg_boot_ms() + timeout_ms;
	if (!apple_link_send(l, msg, timeout_ms, err) || !wait_for(l, POLLIN, deadline, err))
		return NULL;
	return apple_link_receive(l, limits, deadline - stg_boot_ms(), err);
}
