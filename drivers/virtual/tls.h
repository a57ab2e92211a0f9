/* tls.h - TLS as a device does it: the server, with the certificate the host made for its key at pairing. */
#ifndef VIRTUAL_TLS_H
#define VIRTUAL_TLS_H

#include "bench.h"

struct virt_key {
	EVP_PKEY *pkey;
	struct stg_buf public_pem;   /* PKCS#1, as lockdown's DevicePublicKey */
};

/* 64 RSA-2048 keys, made when first needed and kept in a folder that several benches may share. */
struct virt_keys *virt_keys_open(const char *dir /* NULL: memory only */);
void virt_keys_close(struct virt_keys *);
#define VIRT_KEYS 64
/* Key i of the folder; the set owns it. */
struct virt_key *virt_keys_get(struct virt_keys *, unsigned int i, struct stg_error *err);
/* A key of so few bits that nobody should believe it; the last one made, the set owns it. Between 512 and 2047. */
struct virt_key *virt_keys_short(struct virt_keys *, unsigned int bits, struct stg_error *err);
/* Makes those that are missing, so that nobody waits for them later. */
bool virt_keys_make_all(struct virt_keys *, struct stg_error *err);
/* The key this device has in its present generation. */
struct virt_key *virt_device_key(struct virt_device *, struct stg_error *err);

SSL_CTX *virt_tls_context(struct stg_error *err);
/* A server for one connection; checks that the client's certificate is the record's root or host certificate, byte for
 * byte. NULL when the device's key does not fit the record's device certificate (erased since). Borrows the record: it
 * must live as long as the connection. */
SSL *virt_tls_new(struct virt_bench *, struct virt_device *, struct virt_record *);

#endif
