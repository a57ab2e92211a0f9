/*
 * listen.h - the only user of libmicrohttpd: answers requests on one address of the station's own network.
 *
 * Bound to the numeric address a person configured and to nothing else; "0.0.0.0" and "::" are refused. Plain HTTP: what is served here
 * protects itself (SCEP) or is public. Ceilings on connections (64, 16 of one address), head (64 KiB), body (of the route), idle
 * time (15 s). Handlers run on the listener's threads and may block.
 */
#ifndef STAGER_LISTEN_H
#define STAGER_LISTEN_H

#include <stager/bytes.h>

struct stg_listen;

struct stg_listen_request {
	const char *method, *path, *query;   /* query: raw, without the question mark; "" when there is none */
	struct stg_bytes body;
	const char *peer;                    /* numeric address */
};
/* The handler fills it in; body is freed by the listener. */
struct stg_listen_answer {
	int status;                          /* 500 when nothing is set */
	const char *type;                    /* of the body; static text */
	struct stg_buf body;                 /* at most 1 MiB */
	int retry_after_s;                   /* 0: none */
};
struct stg_listen_route {
	const char *path;                    /* this and everything below it; the first that fits */
	size_t body_max;                     /* 0: GET only */
	void (*handle)(void *ctx, const struct stg_listen_request *ask, struct stg_listen_answer *ret);
};
struct stg_listen_setup {
	const char *address;                 /* "192.168.77.1:8090", "[fd00::1]:8090"; port 0: any free one */
	const struct stg_listen_route *routes;
	size_t n_routes;
	void *ctx;
	unsigned int threads;                /* 1 to 16 */
};

/* STG_E_USAGE + STG_ID_LISTEN_ADDRESS, STG_E_STATION + STG_ID_LISTEN_BUSY. */
struct stg_listen *stg_listen_start(const struct stg_listen_setup *setup, struct stg_error *err);
void stg_listen_stop(struct stg_listen *l);
unsigned int stg_listen_port(const struct stg_listen *l);
/* Is this an address one may listen on? */
bool stg_listen_address_ok(const char *address, struct stg_error *err);

#endif
