/*
 * hostile.h - bytes that no device would say, said by one: whole replies from a file, replies bent, broken handshakes.
 *
 * Faults of conn.c and mux.c; what is said comes from outside (tests keep the corpus), how it is said is known here.
 */
#ifndef VIRTUAL_HOSTILE_H
#define VIRTUAL_HOSTILE_H

#include "conn.h"

/* fault "reply": the file's bytes instead of the answer to `request`; `ask` is what was asked. True: nobody else answers. */
bool virt_hostile_reply(struct virt_conn *, const char *request, struct stg_bytes ask);
/* fault "handshake": the file's bytes instead of TLS. True: it was meant for this one. */
bool virt_hostile_handshake(struct virt_conn *);
/* fault "certificate": another key, or a certificate out of its time. NULL: none is armed, or OpenSSL does not want to. */
SSL *virt_hostile_tls(struct virt_conn *, struct virt_record *);
/* fault "merge": the file's property list goes into the next answer, key by key; the text "(none)" takes one out. */
void virt_hostile_bend(struct virt_conn *, const char *request);
void virt_hostile_merge(struct virt_conn *, plist_t answer);
/* fault "reply" at Connect: the file's bytes from the mux itself. True: nobody else answers. */
bool virt_hostile_mux(struct virt_device *, struct virt_stream *);
/* All of a file, at most 32 MiB; empty when there is none. */
struct stg_buf virt_hostile_file(const char *path);

#endif
