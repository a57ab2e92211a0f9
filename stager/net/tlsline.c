/*
 * tlsline.c - bytes over TLS to somebody who never answers.
 *
 * For:    syslog.
 * Uses:   OpenSSL.
 * Called: push/kinds/syslog.c.
 * Thread: any; a connection lives as long as one call.
 * Facts:  RFC 5425: a session is ended with close_notify by both sides; a server that refuses our certificate under TLS 1.3 says so
 *         only after the handshake, in an alert that comes with the first read. rsyslog with GnuTLS never ends a session with
 *         close_notify: it reads ours and closes the connection (8.2302); a refused certificate it answers with the same.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/sockios.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <stager/clock.h>
#include <stager/error.h>
#include <stager/tlsline.h>

#define WAIT_MS 30000

struct line {
	int fd;
	SSL_CTX *ctx;
	SSL *ssl;
	struct stg_stop *stop;
	enum stg_net_class class;
	bool wants_certificate;         /* and we have none */
};

static void line_clear(struct line *l)
{
	SSL_free(l->ssl);
	SSL_CTX_free(l->ctx);
	stg_close_at(&l->fd);
}

static bool fail(struct line *l, enum stg_net_class class, const char *what, const char *why, struct stg_error *err)
{
	char shown[160];
	stg_printable(why, true, shown, sizeof(shown));
	l->class = class;
	return stg_fail(err, class == STG_NET_OFFLINE ? STG_E_GONE : STG_E_REFUSED, 0, "%s: %s", what, shown);
}

/* Until the socket is ready; errno says why not. */
static bool wait_for(const struct line *l, short events)
{
	struct pollfd p[2] = { { l->fd, events, 0 }, { stg_stop_fd(l->stop), POLLIN, 0 } };
	int n;
	do
		n = stg_stop_pulled(l->stop) ? 0 : poll(p, 2, WAIT_MS);
	while (n < 0 && errno == EINTR);
	if (n > 0 && !p[1].revents)
		return true;
	errno = n > 0 || stg_stop_pulled(l->stop) ? ECANCELED : n == 0 ? ETIMEDOUT : errno;
	return false;
}

static bool reach(struct line *l, const struct stg_tlsline *w, struct stg_error *err)
{
	struct addrinfo want = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG }, *list = NULL;
	char port[8];
	snprintf(port, sizeof(port), "%d", w->port);
	int got = getaddrinfo(w->host, port, &want, &list);
	if (got != 0)
		return fail(l, STG_NET_OFFLINE, w->host, gai_strerror(got), err);
	errno = ECONNREFUSED;
	for (const struct addrinfo *a = list; a; a = a->ai_next) {
		int bad = 0;
		socklen_t n = sizeof(bad);
		stg_close_at(&l->fd);
		l->fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (l->fd < 0)
			continue;
		if (connect(l->fd, a->ai_addr, a->ai_addrlen) == 0)
			break;
		if (errno == EINPROGRESS && wait_for(l, POLLOUT) && getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &bad, &n) == 0 && !bad)
			break;
		int why = bad ? bad : errno;
		stg_close_at(&l->fd);
		l->fd = -1;
		errno = why;
	}
	int why = errno;
	freeaddrinfo(list);
	return l->fd >= 0 || fail(l, STG_NET_OFFLINE, w->host, strerror(why), err);
}

static BIO *text_bio(struct stg_bytes pem)
{
	return BIO_new_mem_buf(pem.data, (int)pem.len);
}

static bool add_ca(SSL_CTX *ctx, struct stg_bytes pem)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	BIO *b = text_bio(pem);
	X509 *x;
	int n = 0;
	while (b && (x = PEM_read_bio_X509(b, NULL, NULL, NULL))) {
		n += X509_STORE_add_cert(store, x) == 1;
		X509_free(x);
	}
	BIO_free(b);
	ERR_clear_error();
	return n > 0;
}

static bool add_client(SSL_CTX *ctx, struct stg_bytes pem)
{
	BIO *b = text_bio(pem), *k = text_bio(pem);
	X509 *x = b ? PEM_read_bio_X509(b, NULL, NULL, NULL) : NULL, *more;
	EVP_PKEY *key = k ? PEM_read_bio_PrivateKey(k, NULL, NULL, (void *)(uintptr_t)"") : NULL;
	bool ok = x && key && SSL_CTX_use_certificate(ctx, x) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1;
	while (ok && (more = PEM_read_bio_X509(b, NULL, NULL, NULL)))
		if (SSL_CTX_add_extra_chain_cert(ctx, more) != 1)
			X509_free(more);
	X509_free(x);
	EVP_PKEY_free(key);
	BIO_free(b);
	BIO_free(k);
	ERR_clear_error();
	return ok;
}

/* Called where the server asks for a certificate and none was given. */
static int certificate_wanted(SSL *ssl, X509 **ret_cert, EVP_PKEY **ret_key)
{
	struct line *l = SSL_get_app_data(ssl);
	(void)ret_cert, (void)ret_key;
	l->wants_certificate = true;
	return 0;
}

static bool prepare(struct line *l, const struct stg_tlsline *w, struct stg_error *err)
{
	uint8_t address[16];
	bool is_address = inet_pton(AF_INET, w->host, address) == 1 || inet_pton(AF_INET6, w->host, address) == 1;
	l->ctx = SSL_CTX_new(TLS_client_method());
	if (!l->ctx || SSL_CTX_set_min_proto_version(l->ctx, TLS1_2_VERSION) != 1)
		return fail(l, STG_NET_SERVER, "TLS", "no memory", err);
	SSL_CTX_set_verify(l->ctx, SSL_VERIFY_PEER, NULL);
	if (w->ca_pem.len ? !add_ca(l->ctx, w->ca_pem) : SSL_CTX_set_default_verify_paths(l->ctx) != 1)
		return fail(l, STG_NET_TRUST, "TLS", "the CA's certificate cannot be read", err);
	if (w->client_pem.len && !add_client(l->ctx, w->client_pem))
		return fail(l, STG_NET_AUTH, "TLS", "our certificate or its key cannot be read", err);
	SSL_CTX_set_client_cert_cb(l->ctx, certificate_wanted);
	l->ssl = SSL_new(l->ctx);
	if (!l->ssl || SSL_set_app_data(l->ssl, l) != 1 || SSL_set_fd(l->ssl, l->fd) != 1)
		return fail(l, STG_NET_SERVER, "TLS", "no memory", err);
	if (is_address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(l->ssl), w->host) != 1 : SSL_set1_host(l->ssl, w->host) != 1 || SSL_set_tlsext_host_name(l->ssl, w->host) != 1)
		return fail(l, STG_NET_SERVER, "TLS", "the server's name cannot be checked", err);
	return true;
}

/* Waits for what OpenSSL wants next. False: it wants nothing, or it did not come. */
static bool again(struct line *l, int result)
{
	switch (SSL_get_error(l->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return wait_for(l, POLLIN);
	case SSL_ERROR_WANT_WRITE:
		return wait_for(l, POLLOUT);
	default:
		return false;
	}
}

static const char *reason(void)
{
	const char *said = ERR_reason_error_string(ERR_peek_last_error());
	return said ? said : errno ? strerror(errno) : "the connection was closed";
}

static bool handshake(struct line *l, const struct stg_tlsline *w, struct stg_error *err)
{
	int n;
	ERR_clear_error();
	while (errno = 0, (n = SSL_connect(l->ssl)) != 1)
		if (!again(l, n)) {
			long verified = SSL_get_verify_result(l->ssl);
			if (verified == X509_V_ERR_CERT_NOT_YET_VALID || verified == X509_V_ERR_CERT_HAS_EXPIRED)
				return fail(l, STG_NET_CLOCK, w->host, X509_verify_cert_error_string(verified), err);
			if (verified != X509_V_OK)
				return fail(l, STG_NET_TRUST, w->host, X509_verify_cert_error_string(verified), err);
			/* what speaks no TLS is not the server it should be */
			return fail(l, ERR_peek_last_error() ? STG_NET_TRUST : STG_NET_OFFLINE, w->host, reason(), err);
		}
	return true;
}

/* After bytes went out: refused for our certificate, or nobody knows. */
static bool broken(struct line *l, const struct stg_tlsline *w, struct stg_error *err)
{
	int why = ERR_GET_REASON(ERR_peek_last_error());
	bool is_ours = why == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED || why == SSL_R_TLSV1_ALERT_UNKNOWN_CA || why == SSL_R_SSLV3_ALERT_BAD_CERTIFICATE ||
		       why == SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN || why == SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED || why == SSL_R_TLSV1_ALERT_ACCESS_DENIED;
	char why_not[128];
	snprintf(why_not, sizeof(why_not), "%s%s", reason(), l->wants_certificate ? "; it asked for a certificate of ours, and there is none" : "");
	return fail(l, is_ours ? STG_NET_AUTH : STG_NET_IN_DOUBT, w->host, why_not, err);
}

/* The server closed without a word of TLS. Did it read all before? Whoever closes with bytes unread, or is sent more afterwards,
 * answers with a reset; so where all was acknowledged and there is no reset, our close_notify was its last reading too. */
static bool closed_after_all(const struct line *l)
{
	int unacknowledged = 1, trouble = 1;
	socklen_t n = sizeof(trouble);
	return ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING && ioctl(l->fd, SIOCOUTQ, &unacknowledged) == 0 && unacknowledged == 0 &&
	       getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &trouble, &n) == 0 && trouble == 0;
}

/* Both sides say that this was all, each in its way. */
static bool end_session(struct line *l, const struct stg_tlsline *w, struct stg_error *err)
{
	char none[256];
	int n;
	ERR_clear_error();
	while (errno = 0, (n = SSL_shutdown(l->ssl)) < 0)
		if (!again(l, n))
			return broken(l, w, err);
	/* a syslog server says nothing; whatever it says is read until its own end */
	while (n == 0) {
		errno = 0;
		int got = SSL_read(l->ssl, none, sizeof(none));
		if (got > 0 || again(l, got))
			continue;
		if (SSL_get_error(l->ssl, got) != SSL_ERROR_ZERO_RETURN && !closed_after_all(l))
			return broken(l, w, err);
		n = 1;
	}
	return true;
}

bool stg_tlsline_send(const struct stg_tlsline *w, struct stg_bytes what, enum stg_net_class *ret_class, struct stg_error *err)
{
	STG_AUTO(line_clear) struct line l = { .fd = -1, .stop = w->stop };
	bool ok = stg_net_start(err) && reach(&l, w, err) && prepare(&l, w, err) && handshake(&l, w, err);
	size_t at = 0, n;
	while (ok && at < what.len) {
		ERR_clear_error();
		errno = 0;
		int got = SSL_write_ex(l.ssl, what.data + at, what.len - at, &n);
		if (got == 1)
			at += n;
		else if (!again(&l, got))
			ok = broken(&l, w, err);
	}
	ok = ok && end_session(&l, w, err);
	*ret_class = ok ? STG_NET_OK : l.class;
	ERR_clear_error();
	return ok;
}
