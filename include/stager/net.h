/*
 * net.h - the only user of libcurl.
 *
 * Every request: https only (http to loopback when `allow_loopback_http`), no redirects followed, no proxy from the
 * environment, ceilings on time and answer, host name and chain checked. `class` tells a caller what a failure means
 * (mdm-push 3.4) so that nobody parses libcurl codes twice.
 */
#ifndef STAGER_NET_H
#define STAGER_NET_H

#include <stager/json.h>
#include <stager/secret.h>
#include <stager/stop.h>

enum stg_net_class { STG_NET_OK, STG_NET_OFFLINE, STG_NET_CLOCK, STG_NET_TRUST, STG_NET_IN_DOUBT, STG_NET_THROTTLED, STG_NET_AUTH, STG_NET_ROW, STG_NET_SERVER };

struct stg_net_ask {
	const char *method, *url;
	const json_t *headers;                   /* object of strings */
	const char *secret_header;               /* name of one header whose value is secret, NULL: none */
	const struct stg_secret *secret_value;
	struct stg_bytes body;
	const char *ca_file;                     /* NULL: the system's */
	struct stg_bytes client_pem;             /* certificate + key for mutual TLS, empty: none */
	bool allow_loopback_http;
	int64_t timeout_ms;
	size_t answer_max;
	const char *expect_type;                 /* a 2xx of another Content-Type is STG_NET_TRUST (captive portal); NULL: any */
	struct stg_stop *stop;
};
struct stg_net_answer {
	enum stg_net_class class;
	int status;
	bool sent_something;
	int64_t retry_after_ms;                  /* from the raw header, clamped; -1: none */
	json_t *headers;                         /* lower-case names */
	struct stg_buf body;
	char text[240];                          /* what went wrong, no secrets */
};

bool stg_net_start(struct stg_error *err);       /* once, before threads; refuses a libcurl without OpenSSL */
/* False only when nothing could be tried at all (bad URL, no memory); else look at class. */
bool stg_net(const struct stg_net_ask *ask, struct stg_net_answer *ret, struct stg_error *err);
void stg_net_answer_clear(struct stg_net_answer *a);
const char *stg_net_class_name(enum stg_net_class c);

#endif
