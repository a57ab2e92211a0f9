/*
 * token.c - keys that live in a PKCS#11 token: a smart card, a hardware module, SoftHSM.
 *
 * For:    an issuing key that nobody can copy, not even whoever steals the disk.
 * Uses:   OpenSSL's engine "pkcs11" (libengine-pkcs11-openssl): the one file that does.
 * Called: by authority.c and opened.c; the first call loads the engine, after the nursery was forked.
 * Thread: any; a lock guards the loading. The key's handle may be used by several threads: the engine has its own locks.
 *
 * Debian 12 has no PKCS#11 provider for OpenSSL 3, only the engine, whose interface OpenSSL calls deprecated; hence the define.
 * The engine knows one module per process. The module is code that runs as the station: only a file that root alone
 * could have put there is loaded.
 *
 * Facts: RFC 7512 (URIs); profiles-and-certificates 4.7 (engine 0.4.12 with SoftHSM 2.6.1: issue and CMS sign work).
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>

#include <openssl/engine.h>
#include <openssl/err.h>

#include <stager/ids.h>

#include "inner.h"

#define URI_MAX 512
#define PIN_MAX 64
#define CKR_PIN_INCORRECT 0xa0     /* PKCS#11 2.40, 3.1 */
#define CKR_PIN_LOCKED 0xa4
#define MODULE_DEFAULT "/usr/lib/x86_64-linux-gnu/p11-kit-proxy.so"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static ENGINE *engine;
static char loaded[256];

static bool bad_uri(struct stg_error *err, const char *why)
{
	return stg_fail_id(err, STG_E_USAGE, STG_ID_TOKEN_URI, 0, "%s", why);
}

static bool unescape(const char *from, size_t n, char *ret, size_t size)
{
	size_t at = 0;
	for (size_t i = 0; i < n && at + 1 < size; i++) {
		unsigned int c = (unsigned char)from[i];
		if (c == '%') {
			if (i + 2 >= n || !isxdigit((unsigned char)from[i + 1]) || !isxdigit((unsigned char)from[i + 2]) || sscanf(from + i + 1, "%2x", &c) != 1)
				return false;
			i += 2;
		}
		if (!c)
			return false;
		ret[at++] = (char)c;
	}
	ret[at] = 0;
	return true;
}

/* Takes the module out of the URI: the engine wants to be told of it apart. `ret_uri` is the rest. */
static bool take_module(const char *uri, char *ret_uri, size_t uri_size, char *ret_module, size_t module_size, struct stg_error *err)
{
	static const char START[] = "pkcs11:", MODULE[] = "module-path=";
	size_t at = 0;
	if (strncmp(uri, START, sizeof(START) - 1) != 0 || strlen(uri) >= URI_MAX)
		return bad_uri(err, "expected pkcs11:token=NAME;object=NAME, at most 511 bytes");
	for (const char *p = uri; *p; p++)
		if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f)
			return bad_uri(err, "write other characters as %XX");
	if (strstr(uri, "pin-value") || strstr(uri, "pin-source"))
		return bad_uri(err, "the PIN is typed, it does not stand in the URI");
	stg_copy(ret_module, module_size, MODULE_DEFAULT);
	for (const char *p = uri; *p;) {
		size_t n = strcspn(p, ";?&");
		bool is_module = strncmp(p, MODULE, sizeof(MODULE) - 1) == 0;
		if (is_module && !unescape(p + sizeof(MODULE) - 1, n - (sizeof(MODULE) - 1), ret_module, module_size))
			return bad_uri(err, "module-path is not written well");
		size_t take = p[n] ? n + 1 : n;
		if (!is_module && at + take < uri_size) {
			memcpy(ret_uri + at, p, take);
			at += take;
		}
		p += take;
	}
	while (at && strchr(";?&", ret_uri[at - 1]))
		at--;
	ret_uri[at] = 0;
	return true;
}

static bool is_roots(const char *path, struct stg_error *err)
{
	struct stat st;
	if (path[0] != '/' || stat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & 022))
		return stg_fail_id(err, STG_E_STATION, STG_ID_TOKEN_MODULE, 0, "%.200s: a file of root that nobody else may write is expected", path);
	return true;
}

/* With the lock held. */
static bool load(const char *module, struct stg_error *err)
{
	if (engine)
		return strcmp(loaded, module) == 0 ||
		       stg_fail_id(err, STG_E_STATION, STG_ID_TOKEN_MODULE, 0, "%.200s is in use: one module at a time", loaded);
	if (!is_roots(module, err))
		return false;
	OPENSSL_init_crypto(OPENSSL_INIT_ENGINE_DYNAMIC, NULL);
	ENGINE *e = ENGINE_by_id("pkcs11");
	bool ok = e && ENGINE_ctrl_cmd_string(e, "QUIET", NULL, 0) == 1 && ENGINE_ctrl_cmd_string(e, "MODULE_PATH", module, 0) == 1 && ENGINE_init(e) == 1;
	ERR_clear_error();
	if (!ok) {
		ENGINE_free(e);
		return stg_fail_id(err, STG_E_STATION, STG_ID_TOKEN_MODULE, 0,
				   e ? "%.200s cannot be loaded" : "the package libengine-pkcs11-openssl is missing (%.100s)", module);
	}
	engine = e;
	stg_copy(loaded, sizeof(loaded), module);
	return true;
}

/* The engine prints addresses it does not find, a PIN in them too: it is told of it apart. With the lock held. */
static bool tell_pin(struct stg_bytes pin, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(PIN_MAX + 1);
	if (!pin.len)
		return true;
	return stg_buf_add(&text, pin.data, pin.len, err) &&
	       (ENGINE_ctrl_cmd_string(engine, "PIN", stg_buf_str(&text), 0) == 1 || stg_fail_id(err, STG_E_REFUSED, STG_ID_TOKEN_KEY, 0, "the engine takes no PIN"));
}

/* 0: the token did not judge a PIN. */
static int pin_refused(void)
{
	int found = 0;
	for (unsigned long e; (e = ERR_get_error()) != 0;) {
		int why = ERR_GET_REASON(e);
		const char *where = ERR_lib_error_string(e);
		if (where && strstr(where, "PKCS#11") && (why == CKR_PIN_INCORRECT || why == CKR_PIN_LOCKED))
			found = why;
	}
	return found;
}

EVP_PKEY *keys_token_key(const char *uri, struct stg_bytes pin, struct stg_error *err)
{
	char plain[URI_MAX], module[256];
	struct stg_error why = { 0 };
	if (pin.len > PIN_MAX || !take_module(uri, plain, sizeof(plain), module, sizeof(module), err))
		return NULL;
	pthread_mutex_lock(&lock);
	EVP_PKEY *key = load(module, &why) && tell_pin(pin, &why) ? ENGINE_load_private_key(engine, plain, NULL, NULL) : NULL;
	pthread_mutex_unlock(&lock);
	int refused = pin_refused();
	if (!key && why.code == STG_OK)
		stg_fail_id(&why, STG_E_REFUSED, STG_ID_TOKEN_KEY, refused, refused ? "%.200s: the token refuses the PIN" : "%.200s: no such token or key", plain);
	if (!key && err)
		*err = why;
	return key;
}

EVP_PKEY *stg_token_key(const char *uri, struct stg_bytes pin, struct stg_error *err)
{
	return keys_token_key(uri, pin, err);
}

bool stg_token_uri_ok(const char *uri, struct stg_error *err)
{
	char plain[URI_MAX], module[256];
	return take_module(uri, plain, sizeof(plain), module, sizeof(module), err);
}
