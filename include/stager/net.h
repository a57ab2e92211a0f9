/*
 * net.h - the only user of libcurl.
 *
 * Every request: https only (http to loopback when `allow_loopback_http`), no redirects followed, no proxy from the
 * environment, ceilings on time and answer, host name and chain checked. `class` tells a caller what a failure means
 * (mdm-push 3.4) so that nobody parses libcurl codes twice:
 *   OFFLINE    nothing reached the server: wait for the line, count no attempt
 *   CLOCK      its certificate is not yet or no longer valid: its fault or our clock's
 *   TRUST      not the server it should be: wrong certificate, redirect, a page instead of an answer
 *   IN_DOUBT   it may have been carried out: read back or repeat only what is harmless to repeat
 *   THROTTLED  wait, the whole target        AUTH  our credentials are refused, the whole target
 *   ROW        this request is refused       SERVER  it cannot now and did nothing
 * Threads: any; each keeps its own connections. SIGPIPE is ignored from stg_net_start() on.
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
	const char *expect_type;                 /* a 2xx of another Content-Type is STG_NET_TRUST (captive portal); NULL: any; a 2xx
						    without body and type is always taken */
	struct stg_stop *stop;
	bool repeat_harmless;                    /* the request may reach the server twice without effect: an idle connection may be
						    used again (libcurl repeats by itself when the server had just closed it) */
	const char *pinned_keys;                 /* "sha256//...;sha256//..." for own servers; NULL: none */
	struct stg_bytes ca_pem;                 /* instead of ca_file; empty: none */
	bool allow_http;                         /* http to any host: only for what protects itself (SCEP), never with anything secret */
	const char *user;                        /* sign in with name and password, NULL: no. Basic goes over https (and to this machine)
						    only, NTLM and Negotiate anywhere */
	const struct stg_secret *password;
	struct evp_pkey_st *client_key;          /* an EVP_PKEY instead of a key in client_pem (it lives in a token); NULL: none */
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
const char *stg_net_class_name(enum stg_net_class c);   /* "ok", "offline", "clock", "trust", "in_doubt", "throttled", ... */
/* Checks what stg_net() would refuse before a byte leaves: scheme, host, no user name or password inside. STG_E_INPUT. */
bool stg_net_url_ok(const char *url, bool allow_loopback_http, struct stg_error *err);
/* True for hosts that cannot leave this machine: 127.0.0.0/8, ::1, localhost. */
bool stg_net_is_loopback(const char *url);

/* An address of something that is no HTTP, taken apart: scheme://host[:port][/path]. */
struct stg_net_place {
	char scheme[16], host[256];              /* an IPv6 address without brackets */
	int port;                                /* 0: none was given */
	char path[1024];                         /* decoded, without the first slash; "" */
	bool is_loopback;
};
/* STG_E_INPUT: not such an address, or with a name, password, question or fragment inside. `form` is what the message expects. */
bool stg_net_place(const char *url, const char *form, struct stg_net_place *ret, struct stg_error *err);

#endif
