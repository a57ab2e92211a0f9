/*
 * server.h - a web server inside the test that misbehaves as told, and counts what took effect.
 *
 * Plain sockets and OpenSSL, so that it can cut an answer in the middle or close after applying. One connection at a
 * time, one request each. A request with a webhook-id takes effect once per id; the same id with another body is a
 * conflict. server_will() queues what the next requests meet; after that everything is answered well.
 */
#ifndef TESTS_PUSH_SERVER_H
#define TESTS_PUSH_SERVER_H

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <stager/bytes.h>
#include <stager/error.h>
#include <stager/json.h>

enum way {
	WAY_ANSWER,         /* with `text` as the whole answer, NULL: 200 and {"ok":true} */
	WAY_CUT_BEFORE,     /* close without applying */
	WAY_CUT_AFTER,      /* apply, then close without a word */
	WAY_HALF,           /* apply, then half an answer */
	WAY_SILENT,         /* apply, then say nothing until the other side leaves */
	WAY_REFUSE,         /* `text` as the answer, without applying */
	WAY_HUGE,           /* apply, then 17 MiB */
};

struct server {
	int fd, port;
	pthread_t thread;
	pthread_mutex_t lock;
	SSL_CTX *tls;
	int wake[2];
	struct {
		enum way way;
		char *text;         /* a copy: the asker may use its own again while ours is still being sent */
		size_t len;
	} will[64];
	size_t next, n;
	_Atomic int requests, applied, conflicts;   /* applied: distinct ids; read by the test while the server serves */
	json_t *by_id, *last_headers;
	char last_body[262144];
	/* a receiver that behaves like a vendor's: the whole answer to the request just read (last_headers, last_body), malloc'ed; NULL:
	 * none. Called also where the answer then gets lost, because the request took effect. */
	char *(*vendor)(struct server *, void *ctx);
	void *vendor_ctx;
};

/* ---- certificates, made in the test ---- */

struct made {
	X509 *cert;
	EVP_PKEY *key;
};

static inline void made_clear(struct made *m)
{
	X509_free(m->cert);
	EVP_PKEY_free(m->key);
	*m = (struct made){ 0 };
}

/* Signed by `by` (NULL: itself, a CA), valid from `from_s` to `to_s` seconds from now. */
static inline struct made make_certificate(const char *cn, const char *san, const struct made *by, long from_s, long to_s)
{
	struct made m = { .cert = X509_new(), .key = EVP_EC_gen("P-256") };
	static long serial;
	X509V3_CTX ctx;
	ASN1_INTEGER_set(X509_get_serialNumber(m.cert), ++serial);
	X509_set_version(m.cert, 2);
	X509_gmtime_adj(X509_getm_notBefore(m.cert), from_s);
	X509_gmtime_adj(X509_getm_notAfter(m.cert), to_s);
	X509_set_pubkey(m.cert, m.key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(m.cert), "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(m.cert, X509_get_subject_name(by ? by->cert : m.cert));
	X509V3_set_ctx(&ctx, by ? by->cert : m.cert, m.cert, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, san ? NID_subject_alt_name : NID_basic_constraints, san ? san : "critical,CA:TRUE");
	X509_add_ext(m.cert, e, -1);
	X509_EXTENSION_free(e);
	X509_sign(m.cert, by ? by->key : m.key, EVP_sha256());
	return m;
}

static inline void made_pem(const struct made *m, bool with_key, char *ret, size_t size)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *text;
	PEM_write_bio_X509(b, m->cert);
	if (with_key)
		PEM_write_bio_PrivateKey(b, m->key, NULL, NULL, 0, NULL, NULL);
	long n = BIO_get_mem_data(b, &text);
	snprintf(ret, size, "%.*s", (int)n, text);
	BIO_free(b);
}

/* ---- one connection ---- */

struct end {
	int fd;
	SSL *ssl;
};

static inline int end_read(struct end *e, void *data, int n)
{
	return e->ssl ? SSL_read(e->ssl, data, n) : (int)recv(e->fd, data, (size_t)n, 0);
}

static inline void end_write(struct end *e, const char *data, size_t n)
{
	while (n) {
		int k = e->ssl ? SSL_write(e->ssl, data, (int)(n < 65536 ? n : 65536)) : (int)send(e->fd, data, n, MSG_NOSIGNAL);
		if (k <= 0)
			return;
		data += k;
		n -= (size_t)k;
	}
}

/* Headers get lower-case names; false when the other side left. */
static inline bool server_read(struct server *s, struct end *e)
{
	static char head[262144];
	size_t n = 0;
	char *end = NULL;
	while (!end && n < sizeof(head) - 1) {
		int k = end_read(e, head + n, (int)(sizeof(head) - 1 - n));
		if (k <= 0)
			return false;
		n += (size_t)k;
		head[n] = 0;
		end = strstr(head, "\r\n\r\n");
	}
	if (!end)
		return false;
	size_t body_at = (size_t)(end - head) + 4;
	json_t *headers = json_object();
	char *rest = NULL;
	*end = 0;
	char *line = strtok_r(head, "\r\n", &rest);
	stg_json_put(headers, ":request", line);
	if (e->ssl)     /* the host that was asked for, before a byte of the request */
		stg_json_put(headers, ":sni", SSL_get_servername(e->ssl, TLSEXT_NAMETYPE_host_name) ? SSL_get_servername(e->ssl, TLSEXT_NAMETYPE_host_name) : "");
	while ((line = strtok_r(NULL, "\r\n", &rest))) {
		char *colon = strchr(line, ':');
		if (!colon)
			continue;
		*colon = 0;
		for (char *p = line; *p; p++)
			*p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
		colon++;
		while (*colon == ' ')
			colon++;
		stg_json_put(headers, line, colon);
	}
	size_t want = (size_t)atol(stg_json_str(headers, "content-length")), have = n - body_at;
	if (want >= sizeof(s->last_body))
		want = sizeof(s->last_body) - 1;
	pthread_mutex_lock(&s->lock);
	s->requests++;
	json_decref(s->last_headers);
	s->last_headers = headers;
	memcpy(s->last_body, head + body_at, have < want ? have : want);
	bool ok = true;
	while (ok && have < want) {
		int k = end_read(e, s->last_body + have, (int)(want - have));
		ok = k > 0;
		have += ok ? (size_t)k : 0;
	}
	s->last_body[have < want ? have : want] = 0;
	pthread_mutex_unlock(&s->lock);
	return ok;
}

static inline void server_apply(struct server *s)
{
	pthread_mutex_lock(&s->lock);
	const char *id = stg_json_str(s->last_headers, "webhook-id"), *before = json_string_value(json_object_get(s->by_id, id));
	if (before && strcmp(before, s->last_body) != 0)
		s->conflicts++;
	if (!before) {
		s->applied++;
		json_object_set_new(s->by_id, id, json_string(s->last_body));
	}
	pthread_mutex_unlock(&s->lock);
}

static inline void server_one(struct server *s, struct end *e)
{
	static const char good[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\nConnection: close\r\n\r\n{\"ok\":true}";
	static const char endless[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n";
	enum way way = WAY_ANSWER;
	STG_AUTO(stg_free_at) char *own = NULL;
	size_t len = sizeof(good) - 1;
	char c[256];
	pthread_mutex_lock(&s->lock);
	if (s->next < s->n) {
		way = s->will[s->next].way;
		own = stg_steal(s->will[s->next].text);
		len = own ? s->will[s->next].len : len;
		s->next++;
	}
	pthread_mutex_unlock(&s->lock);
	if (!server_read(s, e) || way == WAY_CUT_BEFORE)
		return;
	if (way != WAY_REFUSE)
		server_apply(s);
	if (s->vendor && way != WAY_REFUSE) {
		pthread_mutex_lock(&s->lock);
		char *said = s->vendor(s, s->vendor_ctx);
		pthread_mutex_unlock(&s->lock);
		if (own) {
			free(said);
		} else {
			own = said;
			len = said ? strlen(said) : len;
		}
	}
	const char *text = own ? own : good;
	switch (way) {
	case WAY_ANSWER:
	case WAY_REFUSE:
		end_write(e, text, len);
		break;
	case WAY_HALF:
		end_write(e, text, len - 4);
		break;
	case WAY_SILENT:
		while (end_read(e, c, sizeof(c)) > 0)
			;
		break;
	case WAY_HUGE: {
		char *page = malloc(1 << 20);
		memset(page, ' ', 1 << 20);
		end_write(e, endless, sizeof(endless) - 1);
		for (int i = 0; i < 17; i++)
			end_write(e, page, 1 << 20);
		free(page);
		break;
	}
	case WAY_CUT_AFTER:
	case WAY_CUT_BEFORE:
		break;
	}
}

static inline void *server_run(void *arg)
{
	struct server *s = arg;
	for (;;) {
		struct pollfd p[2] = { { .fd = s->fd, .events = POLLIN }, { .fd = s->wake[0], .events = POLLIN } };
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return NULL;
		if (p[1].revents)
			return NULL;
		struct end e = { .fd = accept(s->fd, NULL, NULL) };
		if (e.fd < 0)
			continue;
		struct timeval limit = { .tv_sec = 60 };
		setsockopt(e.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		if (s->tls) {
			e.ssl = SSL_new(s->tls);
			SSL_set_fd(e.ssl, e.fd);
		}
		if (!e.ssl || SSL_accept(e.ssl) == 1) {
			server_one(s, &e);
			if (e.ssl)
				SSL_shutdown(e.ssl);
		}
		ERR_clear_error();
		SSL_free(e.ssl);
		/* what the other side still sends is read away: a reset would take our last words with it. A client that keeps its
		 * connection for later holds nobody up. */
		char c[4096];
		struct pollfd rest[3] = { { .fd = e.fd, .events = POLLIN }, p[0], p[1] };
		shutdown(e.fd, SHUT_WR);
		while (poll(rest, 3, -1) > 0 && rest[0].revents && recv(e.fd, c, sizeof(c), 0) > 0)
			;
		close(e.fd);
	}
}

/* tls: NULL = plain http. client_ca: wants a certificate of it. */
static inline struct server *server_start(const struct made *tls, const struct made *client_ca)
{
	struct server *s = calloc(1, sizeof(*s));
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	pthread_mutex_init(&s->lock, NULL);
	s->by_id = json_object();
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(s->fd, (struct sockaddr *)&at, len) != 0 || listen(s->fd, 64) != 0 || getsockname(s->fd, (struct sockaddr *)&at, &len) != 0 || pipe(s->wake) != 0)
		abort();
	s->port = ntohs(at.sin_port);
	if (tls) {
		s->tls = SSL_CTX_new(TLS_server_method());
		SSL_CTX_use_certificate(s->tls, tls->cert);
		SSL_CTX_use_PrivateKey(s->tls, tls->key);
		if (client_ca) {
			X509_STORE_add_cert(SSL_CTX_get_cert_store(s->tls), client_ca->cert);
			SSL_CTX_set_verify(s->tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
		}
	}
	if (pthread_create(&s->thread, NULL, server_run, s) != 0)
		abort();
	return s;
}

static inline void server_stop_at(struct server **sp)
{
	struct server *s = *sp;
	if (!s)
		return;
	if (write(s->wake[1], "x", 1) != 1)
		abort();
	pthread_join(s->thread, NULL);
	close(s->fd);
	close(s->wake[0]);
	close(s->wake[1]);
	SSL_CTX_free(s->tls);
	for (size_t i = s->next; i < s->n; i++)
		free(s->will[i].text);
	json_decref(s->by_id);
	json_decref(s->last_headers);
	pthread_mutex_destroy(&s->lock);
	free(s);
	*sp = NULL;
}

static inline void server_will_bytes(struct server *s, enum way way, const void *bytes, size_t len)
{
	pthread_mutex_lock(&s->lock);
	if (s->next == s->n)
		s->next = s->n = 0;
	s->will[s->n].way = way;
	s->will[s->n].len = len;
	s->will[s->n].text = bytes ? malloc(len + 1) : NULL;
	if (bytes)
		memcpy(s->will[s->n].text, bytes, len);
	s->n++;
	pthread_mutex_unlock(&s->lock);
}

static inline void server_will(struct server *s, enum way way, const char *text)
{
	server_will_bytes(s, way, text, text ? strlen(text) : 0);
}

#endif
