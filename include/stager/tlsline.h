/*
 * tlsline.h - bytes over TLS to somebody who never answers: syslog.
 *
 * Chain, name and dates of the server are checked as for HTTPS; TLS 1.2 or later. A call blocks at most half a minute without
 * progress and gives up when `stop` is pulled. Any thread.
 */
#ifndef STAGER_TLSLINE_H
#define STAGER_TLSLINE_H

#include <stager/net.h>

struct stg_tlsline {
	const char *host;
	int port;
	struct stg_bytes ca_pem;        /* empty: the system's */
	struct stg_bytes client_pem;    /* certificate and key for mutual TLS; empty: none */
	struct stg_stop *stop;
};

/* Connects, sends all of it (nothing: only asks whether it could), ends the session in order and waits until the other side has ended it
 * too, or has closed after it took every byte. True: it has, so everything came as far as its TLS; what it does with it nobody says. Else ret_class: OFFLINE, TRUST, CLOCK,
 * AUTH (our certificate) - nothing was taken - or IN_DOUBT. */
bool stg_tlsline_send(const struct stg_tlsline *where, struct stg_bytes what, enum stg_net_class *ret_class, struct stg_error *err);

#endif
