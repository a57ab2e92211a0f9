/*
 * receiver.h - the receiving server of the demo, rehearsals and tests: what an MDM's webhook is to a station.
 *
 * It takes results (Standard Webhooks), remembers each once, writes them as JSON Lines, and misbehaves on request. In
 * the ready line: {"receiver": {"url", "port", "records_url", "file", and with TLS "ca", "client_cert", "client_key"}}.
 *
 *   POST /hook            one result; webhook-id is what makes a second sending harmless
 *   GET  /records         {"v", counts, "records": [{"id", "seq", "received_ms", "deliveries", "body"}]}; ?from=SEQ
 *   GET  /stats           the counts alone
 *   POST /fault           a JSON array of words, as after `ctl ... receiver`
 */
#ifndef VIRTUAL_RECEIVER_H
#define VIRTUAL_RECEIVER_H

#include <stager/json.h>

struct stg_error;
struct virt_bench;
struct virt_loop;
struct virt_receiver;

struct virt_receiver_options {
	const char *listen;        /* "127.0.0.1:0"; NULL: no receiver */
	const char *dir;           /* records.jsonl and made certificates; NULL: memory only, and TLS needs a folder */
	bool tls, mutual_tls;      /* mutual implies TLS */
	const char *cert, *key, *client_ca;   /* PEM files; NULL: made in dir */
	const char *bearer_file;   /* the token it wants; NULL: none */
	const char *secret_file;   /* "whsec_..." lines, any of which may have signed; NULL: signatures are not looked at */
};

/* Takes its words out of argv: --receiver ADDRESS, --receiver-dir, -tls, -mtls, -cert, -key, -client-ca, -bearer-file,
 * -secret-file. False when one lacks its value. */
bool virt_receiver_take_options(struct virt_receiver_options *, int *argc, char **argv, struct stg_error *err);

struct virt_receiver *virt_receiver_open(struct virt_loop *, const struct virt_receiver_options *, struct stg_error *err);
void virt_receiver_close(struct virt_receiver *);   /* takes NULL */
json_t *virt_receiver_ready(const struct virt_receiver *);   /* for the ready line; a new reference */

/* Words of the control socket after "receiver": down [MS], up, slow MS [N], half [N], cut [N], twice [N],
 * status CODE [RETRY_AFTER_S] [N], error-after [N], lost [N], expired, valid, stats, records [FROM], forget. N: for so many
 * requests, left out: until `up`. `ret` is filled with the counts. */
bool virt_receiver_words(struct virt_receiver *, const json_t *words, json_t *ret, struct stg_error *err);

/* In a bench: opens it, adds the verb and its part of the ready line. */
bool virt_receiver_start(struct virt_bench *, const struct virt_receiver_options *, struct stg_error *err);
void virt_receiver_stop(struct virt_bench *);

/* `stager-bench receiver OPTIONS`: the receiver alone, until SIGTERM or end of standard input. The exit status. */
int virt_receiver_main(int argc, char **argv);

#endif
