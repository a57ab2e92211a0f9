/*
 * ids.c - random bytes and identifiers.
 *
 * For:    record ids, attach epochs, payload UUIDs.
 * Uses:   getrandom, OpenSSL's SHA-1 (version 5 identifiers are defined by it; nothing is protected by it).
 * Called: from all rooms.
 * Thread: any.
 */
#include <ctype.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include <openssl/evp.h>

#include <stager/clock.h>
#include <stager/ids.h>

void stg_random(void *ret, size_t len)
{
	uint8_t *p = ret;
	while (len) {
		ssize_t n = getrandom(p, len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			abort();
		p += n;
		len -= (size_t)n;
	}
}

static void write_uuid(const uint8_t b[16], char ret[STG_UUID_TEXT])
{
	snprintf(ret, STG_UUID_TEXT, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2],
		 b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

static void stamp(uint8_t b[16], unsigned int version)
{
	b[6] = (uint8_t)((b[6] & 0x0f) | version << 4);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
}

void stg_uuid4(char ret[STG_UUID_TEXT])
{
	uint8_t b[16];
	stg_random(b, sizeof(b));
	stamp(b, 4);
	write_uuid(b, ret);
}

void stg_uuid7(char ret[STG_UUID_TEXT])
{
	/* Milliseconds and the 12 bits behind them count as one number that only rises: within a millisecond, and while
	 * the wall clock is set back, this process still makes them in order. */
	static _Atomic uint64_t last;
	uint8_t b[16];
	stg_random(b, sizeof(b));
	uint64_t now = (uint64_t)stg_wall_ms() << 12, before = last, next;
	do {
		next = now > before ? now : before + 1;
	} while (!atomic_compare_exchange_weak(&last, &before, next));
	for (int i = 0; i < 6; i++)
		b[i] = (uint8_t)(next >> (52 - 8 * i));
	b[6] = (uint8_t)(next >> 8 & 0x0f);
	b[7] = (uint8_t)next;
	stamp(b, 7);
	write_uuid(b, ret);
}

bool stg_uuid_ok(const char *text)
{
	for (int i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
			return false;
	}
	return text[36] == 0;
}

void stg_uuid5(const char *space, const char *name, char ret[STG_UUID_TEXT])
{
	uint8_t in[16] = { 0 }, digest[EVP_MAX_MD_SIZE];
	char hex[33] = "";
	size_t at = 0;
	for (const char *p = space; *p && at < 32; p++)
		if (*p != '-')
			hex[at++] = *p;
	for (int i = 0; i < 16; i++) {
		char two[3] = { hex[2 * i], hex[2 * i + 1], 0 };
		in[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	if (!c || EVP_DigestInit_ex(c, EVP_sha1(), NULL) != 1 || EVP_DigestUpdate(c, in, sizeof(in)) != 1 ||
	    EVP_DigestUpdate(c, name, strlen(name)) != 1 || EVP_DigestFinal_ex(c, digest, NULL) != 1)
		abort();
	EVP_MD_CTX_free(c);
	stamp(digest, 5);
	write_uuid(digest, ret);
}
