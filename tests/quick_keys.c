/*
 * quick_keys.c - RSA keys from a drawer, for runs under valgrind: making one takes seventeen seconds of CPU there.
 *
 * Preloaded by tests/run.sh, into every program of the run. An RSA-2048 key comes from the folder STG_QUICK_KEYS, which
 * `stager-bench keys` has filled with 00.pem to 63.pem; everything else is made as always. Each process begins at
 * another place of the drawer and takes one after the other.
 */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>

#define DRAWER 64

static EVP_PKEY *from_drawer(void)
{
	static atomic_uint taken;
	const char *folder = getenv("STG_QUICK_KEYS");
	char path[4096];
	if (!folder)
		return NULL;
	unsigned int n = ((unsigned int)getpid() * 7u + atomic_fetch_add(&taken, 1)) % DRAWER;
	if (snprintf(path, sizeof(path), "%s/%02u.pem", folder, n) >= (int)sizeof(path))
		return NULL;
	FILE *f = fopen(path, "re");
	EVP_PKEY *key = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;
	if (f)
		fclose(f);
	return key;
}

EVP_PKEY *EVP_PKEY_Q_keygen(OSSL_LIB_CTX *ctx, const char *properties, const char *type, ...)
{
	EVP_PKEY *(*real)(OSSL_LIB_CTX *, const char *, const char *, ...);
	void *symbol = dlsym(RTLD_NEXT, "EVP_PKEY_Q_keygen");
	EVP_PKEY *key = NULL;
	va_list more;
	if (!symbol)
		return NULL;
	memcpy(&real, &symbol, sizeof(real));
	va_start(more, type);
	if (strcasecmp(type, "RSA") == 0) {
		size_t bits = va_arg(more, size_t);
		if (bits == 2048)
			key = from_drawer();
		if (!key)
			key = real(ctx, properties, type, bits);
	} else if (strcasecmp(type, "EC") == 0) {
		key = real(ctx, properties, type, va_arg(more, char *));
	} else {
		key = real(ctx, properties, type);
	}
	va_end(more);
	return key;
}
