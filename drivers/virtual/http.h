/*
 * http.h - a small HTTP/1.1 server on the bench's loop, for the two servers that stand beside virtual devices.
 *
 * It answers as told, also wrongly: half an answer, two answers, none. That is why it is not a library's server. One
 * request of a connection at a time; a request is handed over whole (headers up to 32 KiB, body up to 8 MiB).
 */
#ifndef VIRTUAL_HTTP_H
#define VIRTUAL_HTTP_H

#include <openssl/ssl.h>
#include <stager/bytes.h>

#include "loop.h"

struct stg_error;
struct virt_http;       /* one listening address */
struct virt_exchange;   /* one connection, while a request of it waits for its answer */

struct virt_http_request {
	const char *method;     /* "POST" */
	const char *path;       /* "/hook", without the query */
	const char *query;      /* after the "?"; "" when there is none */
	struct stg_bytes body;
};

/* Called for each whole request. The request is borrowed until the answer; the handler answers now or later (a timer
 * of its own, virt_exchange_wait), with exactly one of the functions below. */
typedef void (*virt_http_fn)(struct virt_exchange *, const struct virt_http_request *, void *arg);

/* Listens on "127.0.0.1:0", "[::1]:8443"... Port 0: the kernel chooses. `tls` may be NULL; it is borrowed for good. */
struct virt_http *virt_http_open(struct virt_loop *, const char *listen, SSL_CTX *tls, virt_http_fn, void *arg,
				 struct stg_error *err);
void virt_http_close(struct virt_http *);    /* takes NULL; cuts what is open */
unsigned int virt_http_port(const struct virt_http *);
const char *virt_http_host(const struct virt_http *);   /* "127.0.0.1", "[::1]" */
/* Away: the port refuses connections and open ones are cut. Back: the same port listens again. */
bool virt_http_away(struct virt_http *, bool is_away, struct stg_error *err);
void virt_http_set_tls(struct virt_http *, SSL_CTX *);  /* for connections from now on */

/* A header's value ("" when absent); the name in any case. Good until the answer. */
const char *virt_exchange_header(const struct virt_exchange *, const char *name);
SSL *virt_exchange_tls(const struct virt_exchange *);   /* NULL: plain */
/* Runs the handler's own `then` after that many real milliseconds unless the client goes first. */
void virt_exchange_wait(struct virt_exchange *, int64_t ms, virt_http_fn then, void *arg);

/* `headers` are whole lines ending in "\r\n", "" for none; Content-Length is added. */
void virt_exchange_answer(struct virt_exchange *, unsigned int status, const char *headers, struct stg_bytes body);
enum virt_spoil { VIRT_SPOIL_HALF /* half of it, then closed */, VIRT_SPOIL_TWICE, VIRT_SPOIL_CUT /* nothing, closed */ };
void virt_exchange_spoil(struct virt_exchange *, enum virt_spoil, unsigned int status, const char *headers,
			 struct stg_bytes body);

#endif
