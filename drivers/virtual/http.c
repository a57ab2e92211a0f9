/*
 * http.c - a small HTTP/1.1 server on the bench's loop.
 *
 * For:    activation_server.c and receiver.c.
 * Uses:   stream.h for sockets and TLS.
 * Thread: the bench's one.
 * Facts:  RFC 9112: request line, headers, Content-Length; "Expect: 100-continue" is answered, chunked bodies are
 *         refused with 411, as no client of these two servers sends them.
 */
#include "http.h"

#include "stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stager/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MAX     ((size_t)32 << 10)
#define BODY_MAX     ((size_t)8 << 20)
#define ANSWER_MAX   ((size_t)64 << 20)
#define HEADERS_MAX  64u
#define BACKLOG      128

struct virt_http {
	struct virt_loop *loop;
	struct virt_watch watch;
	int fd;
	struct sockaddr_storage at;
	socklen_t at_len;
	unsigned int port;
	char host[64];
	SSL_CTX *tls;
	virt_http_fn handler;
	void *arg;
	struct virt_exchange *exchanges;
};

struct virt_exchange {
	struct virt_stream stream;
	struct virt_http *http;
	struct virt_exchange *prev, *next;
	struct virt_timer timer;
	virt_http_fn then;
	void *then_arg;
	bool is_busy;               /* a request waits for its answer */
	bool keep_alive;
	bool told_to_go_on;         /* 100 Continue is out for this request */
	struct stg_buf held;        /* the request: head with NULs put in, then the body */
	struct virt_http_request request;
	struct { const char *name, *value; } headers[HEADERS_MAX];
	size_t headers_len;
};

static void forget_request(struct virt_exchange *x)
{
	stg_buf_clear(&x->held);
	x->request = (struct virt_http_request){ 0 };
	x->headers_len = 0;
	x->is_busy = false;
	x->told_to_go_on = false;
}

static void unlink_and_free(struct virt_exchange *x)
{
	if (x->prev)
		x->prev->next = x->next;
	else if (x->http)
		x->http->exchanges = x->next;
	if (x->next)
		x->next->prev = x->prev;
	virt_timer_clear(x->stream.loop, &x->timer);
	forget_request(x);
	free(x);
}

static void on_closed(struct virt_stream *s)
{
	unlink_and_free(VIRT_OWNER(s, struct virt_exchange, stream));
}

const char *virt_exchange_header(const struct virt_exchange *x, const char *name)
{
	for (size_t i = 0; i < x->headers_len; i++)
		if (strcasecmp(x->headers[i].name, name) == 0)
			return x->headers[i].value;
	return "";
}

SSL *virt_exchange_tls(const struct virt_exchange *x)
{
	return x->stream.ssl;
}

static const char *reason(unsigned int status)
{
	switch (status) {
	case 200: return "OK";
	case 202: return "Accepted";
	case 204: return "No Content";
	case 400: return "Bad Request";
	case 401: return "Unauthorized";
	case 403: return "Forbidden";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 409: return "Conflict";
	case 410: return "Gone";
	case 411: return "Length Required";
	case 413: return "Content Too Large";
	case 422: return "Unprocessable Content";
	case 429: return "Too Many Requests";
	case 431: return "Request Header Fields Too Large";
	case 500: return "Internal Server Error";
	case 503: return "Service Unavailable";
	default: return "Answer";
	}
}

static void write_answer(struct virt_exchange *x, unsigned int status, const char *headers, struct stg_bytes body,
			 struct stg_buf *out)
{
	if (!stg_buf_printf(out, NULL, "HTTP/1.1 %u %s\r\n%sContent-Length: %zu\r\n%s\r\n", status, reason(status), headers,
			    body.len, x->keep_alive ? "" : "Connection: close\r\n")
	    || !stg_buf_add(out, body.data, body.len, NULL))
		stg_buf_reset(out);
}

static void done(struct virt_exchange *x)
{
	bool keep = x->keep_alive;

	forget_request(x);
	if (keep)
		virt_stream_pause(&x->stream, false);
	else
		virt_stream_finish(&x->stream);
}

void virt_exchange_answer(struct virt_exchange *x, unsigned int status, const char *headers, struct stg_bytes body)
{
	STG_AUTO(stg_buf_clear) struct stg_buf out = STG_BUF(ANSWER_MAX);

	write_answer(x, status, headers, body, &out);
	virt_stream_send(&x->stream, stg_buf_view(&out));
	done(x);
}

void virt_exchange_spoil(struct virt_exchange *x, enum virt_spoil how, unsigned int status, const char *headers,
			 struct stg_bytes body)
{
	STG_AUTO(stg_buf_clear) struct stg_buf out = STG_BUF(ANSWER_MAX);

	write_answer(x, status, headers, body, &out);
	if (how == VIRT_SPOIL_CUT) {
		forget_request(x);
		virt_stream_drop(&x->stream);
		return;
	}
	/* Half is cut within the body: clients notice that by Content-Length, but take a cut head for an answer. */
	virt_stream_send(&x->stream, stg_bytes(out.data, how == VIRT_SPOIL_HALF ? out.len - (body.len + 1) / 2 : out.len));
	if (how == VIRT_SPOIL_TWICE)
		virt_stream_send(&x->stream, stg_buf_view(&out));
	else
		x->keep_alive = false;
	done(x);
}

static void waited(struct virt_timer *t)
{
	struct virt_exchange *x = VIRT_OWNER(t, struct virt_exchange, timer);

	x->then(x, &x->request, x->then_arg);
}

void virt_exchange_wait(struct virt_exchange *x, int64_t ms, virt_http_fn then, void *arg)
{
	x->then = then;
	x->then_arg = arg;
	virt_timer_set(x->http->loop, &x->timer, ms, waited);
}

/* Cuts the head into words in place. False: not a request we understand. */
static bool parse_head(struct virt_exchange *x, char *head)
{
	char *line = head, *next = strstr(line, "\r\n"), *space, *query;

	*next = '\0';
	space = strchr(line, ' ');
	if (!space)
		return false;
	*space = '\0';
	x->request.method = line;
	x->request.path = space + 1;
	space = strchr(space + 1, ' ');
	if (!space || strncmp(space + 1, "HTTP/1.", 7) != 0)
		return false;
	*space = '\0';
	x->keep_alive = space[8] == '1';
	query = strchr(x->request.path, '?');
	x->request.query = query ? query + 1 : "";
	if (query)
		*query = '\0';
	for (line = next + 2; *line; line = next + 2) {
		char *colon;

		next = strstr(line, "\r\n");
		if (!next || next == line)
			break;
		*next = '\0';
		colon = strchr(line, ':');
		if (!colon || x->headers_len == HEADERS_MAX)
			return false;
		*colon++ = '\0';
		colon += strspn(colon, " \t");
		x->headers[x->headers_len].name = line;
		x->headers[x->headers_len++].value = colon;
	}
	if (strcasecmp(virt_exchange_header(x, "Connection"), "close") == 0)
		x->keep_alive = false;
	return true;
}

static size_t refuse(struct virt_exchange *x, size_t len, unsigned int status)
{
	x->keep_alive = false;
	virt_exchange_answer(x, status, "", stg_bytes(NULL, 0));
	return len;
}

static size_t on_bytes(struct virt_stream *s, struct stg_bytes in)
{
	struct virt_exchange *x = VIRT_OWNER(s, struct virt_exchange, stream);
	const uint8_t *end = memmem(in.data, in.len < HEAD_MAX ? in.len : HEAD_MAX, "\r\n\r\n", 4);
	const char *length;
	char *after;
	unsigned long body_len;
	size_t head_len;

	if (x->is_busy)
		return 0;
	if (!end)
		return in.len < HEAD_MAX ? 0 : refuse(x, in.len, 431);
	head_len = (size_t)(end - in.data) + 4;
	if (memchr(in.data, '\0', head_len))
		return refuse(x, in.len, 400);
	x->held = STG_BUF(HEAD_MAX + BODY_MAX + 16);
	if (!stg_buf_add(&x->held, in.data, head_len, NULL))
		return refuse(x, in.len, 500);
	if (!parse_head(x, (char *)x->held.data))
		return refuse(x, in.len, 400);
	length = virt_exchange_header(x, "Content-Length");
	if (*virt_exchange_header(x, "Transfer-Encoding"))
		return refuse(x, in.len, 411);
	errno = 0;
	body_len = strtoul(*length ? length : "0", &after, 10);
	if (errno || *after || *length == '-')
		return refuse(x, in.len, 400);
	if (body_len > BODY_MAX)
		return refuse(x, in.len, 413);
	if (in.len - head_len < body_len) {
		bool wants_word = !x->told_to_go_on
			&& strcasecmp(virt_exchange_header(x, "Expect"), "100-continue") == 0;

		forget_request(x);
		x->told_to_go_on = true;
		if (wants_word)
			virt_stream_send(s, stg_bytes_str("HTTP/1.1 100 Continue\r\n\r\n"));
		return 0;
	}
	/* The words point into `held`: it must not move. */
	x->request.body = stg_bytes(NULL, body_len);
	x->is_busy = true;
	if (body_len > 0) {
		uint8_t *old = x->held.data;

		if (!stg_buf_add(&x->held, in.data + head_len, body_len, NULL))
			return refuse(x, in.len, 500);
		if (x->held.data != old) {
			ptrdiff_t by = x->held.data - old;

			x->request.method += by;
			x->request.path += by;
			if (*x->request.query)
				x->request.query += by;
			for (size_t i = 0; i < x->headers_len; i++) {
				x->headers[i].name += by;
				x->headers[i].value += by;
			}
		}
		x->request.body.data = x->held.data + head_len;
	}
	virt_stream_pause(s, true);
	x->http->handler(x, &x->request, x->http->arg);
	return head_len + body_len;
}

static const struct virt_stream_ops stream_ops = { .bytes = on_bytes, .closed = on_closed };

static void on_accept(struct virt_watch *w, uint32_t events)
{
	struct virt_http *h = VIRT_OWNER(w, struct virt_http, watch);

	(void)events;
	for (;;) {
		int fd = accept4(h->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct virt_exchange *x;
		SSL *ssl;

		if (fd < 0)
			return;
		x = stg_calloc(1, sizeof(*x));
		x->http = h;
		x->next = h->exchanges;
		if (x->next)
			x->next->prev = x;
		h->exchanges = x;
		virt_stream_open(&x->stream, h->loop, fd, &stream_ops);
		ssl = h->tls ? SSL_new(h->tls) : NULL;
		if (ssl)
			virt_stream_secure(&x->stream, ssl);
		else if (h->tls)
			virt_stream_drop(&x->stream);
	}
}

static bool parse_address(const char *text, struct virt_http *h, struct stg_error *err)
{
	const char *colon = strrchr(text, ':');
	struct sockaddr_in *four = (struct sockaddr_in *)(void *)&h->at;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)&h->at;
	char host[64];
	unsigned long port = colon ? strtoul(colon + 1, NULL, 10) : 65536;

	if (!colon || (size_t)(colon - text) >= sizeof(host) || port > 65535)
		return stg_fail(err, STG_E_USAGE, 0, "'%s' is not an address like 127.0.0.1:0", text);
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = htons((uint16_t)port);
		h->at_len = sizeof(*four);
	} else if (host[0] == '[' && strchr(host, ']')
		   && (*strchr(host, ']') = '\0', inet_pton(AF_INET6, host + 1, &six->sin6_addr) == 1)) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons((uint16_t)port);
		h->at_len = sizeof(*six);
	} else {
		return stg_fail(err, STG_E_USAGE, 0, "'%s' is not an address like 127.0.0.1:0", text);
	}
	snprintf(h->host, sizeof(h->host), "%.*s", (int)(colon - text), text);
	return true;
}

static bool start_listening(struct virt_http *h, struct stg_error *err)
{
	int one = 1;

	h->fd = socket(h->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (h->fd < 0)
		return stg_fail(err, STG_E_IO, errno, "socket: %s", strerror(errno));
	setsockopt(h->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(h->fd, (struct sockaddr *)&h->at, h->at_len) != 0 || listen(h->fd, BACKLOG) != 0
	    || getsockname(h->fd, (struct sockaddr *)&h->at, &h->at_len) != 0) {
		int saved = errno;

		close(h->fd);
		h->fd = -1;
		return stg_fail(err, STG_E_IO, saved, "listen on %s: %s", h->host, strerror(saved));
	}
	h->port = ntohs(h->at.ss_family == AF_INET ? ((struct sockaddr_in *)(void *)&h->at)->sin_port
						   : ((struct sockaddr_in6 *)(void *)&h->at)->sin6_port);
	h->watch.ready = on_accept;
	virt_watch_set(h->loop, &h->watch, h->fd, EPOLLIN);
	return true;
}

static void stop_listening(struct virt_http *h)
{
	if (h->fd < 0)
		return;
	virt_watch_clear(h->loop, &h->watch);
	close(h->fd);
	h->fd = -1;
}

struct virt_http *virt_http_open(struct virt_loop *loop, const char *address, SSL_CTX *tls, virt_http_fn handler, void *arg,
				 struct stg_error *err)
{
	struct virt_http *h = stg_calloc(1, sizeof(*h));

	h->loop = loop;
	h->fd = -1;
	h->tls = tls;
	h->handler = handler;
	h->arg = arg;
	if (!parse_address(address, h, err) || !start_listening(h, err)) {
		free(h);
		return NULL;
	}
	return h;
}

static void cut_all(struct virt_http *h)
{
	while (h->exchanges) {
		struct virt_exchange *x = h->exchanges;

		virt_stream_cut(&x->stream);
		unlink_and_free(x);
	}
}

void virt_http_close(struct virt_http *h)
{
	if (!h)
		return;
	stop_listening(h);
	cut_all(h);
	free(h);
}

bool virt_http_away(struct virt_http *h, bool is_away, struct stg_error *err)
{
	if (is_away) {
		stop_listening(h);
		for (struct virt_exchange *x = h->exchanges; x; x = x->next)
			virt_stream_drop(&x->stream);
		return true;
	}
	return h->fd >= 0 || start_listening(h, err);
}

void virt_http_set_tls(struct virt_http *h, SSL_CTX *tls)
{
	h->tls = tls;
}

unsigned int virt_http_port(const struct virt_http *h)
{
	return h->port;
}

const char *virt_http_host(const struct virt_http *h)
{
	return h->host;
}
