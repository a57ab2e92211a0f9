/* testca.h - a throw-away certificate authority for servers of the bench: never for anything real. */
#ifndef VIRTUAL_TESTCA_H
#define VIRTUAL_TESTCA_H

#include <openssl/ssl.h>
#include <stdbool.h>

struct stg_error;

/* Makes, unless they are there, in `dir`: ca.pem; server.pem and server.key (127.0.0.1, ::1, localhost);
 * expired.pem (same key, ended yesterday); client.pem and client.key. All P-256, valid for a year. */
bool virt_testca_make(const char *dir, struct stg_error *err);

/* A server's context from PEM files; `client_ca` NULL: clients need no certificate. The caller frees it. */
SSL_CTX *virt_testca_server(const char *cert, const char *key, const char *client_ca, struct stg_error *err);

#endif
