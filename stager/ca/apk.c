/*
 * apk.c - the checksums by which Android knows a device-policy controller before it installs it.
 *
 * For:    QR codes and enrolment notes: `stager android checksum`.
 * Uses:   OpenSSL for hashes and to read the certificate.
 * Called: by the operation android.checksum.
 * Thread: any; no state. Reads the file by position, never whole.
 *
 * What the file claims is checked against its size before anything is read by it. Packages signed by JAR signatures alone
 * (before Android 7) are not read.
 *
 * Facts:  source.android.com "APK Signature Scheme v2/v3": the signing block stands before the central directory, ends in its size and
 *         "APK Sig Block 42"; pairs of u64 length, u32 id; signers, signed data, digests, certificates are u32-prefixed.
 *         PROVISIONING_DEVICE_ADMIN_SIGNATURE_CHECKSUM is SHA-256 of the signer's certificate, PACKAGE_CHECKSUM of the file; base64url.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include <stager/android.h>
#include <stager/error.h>
#include <stager/keys.h>

#define SIZE_MAX_BYTES (1ll << 30)
#define END_BYTES 22
#define COMMENT_MAX 65535
#define BLOCK_MAX (16u << 20)
#define ID_V2 0x7109871au
#define ID_V3 0xf05368c0u

static bool bad(struct stg_error *err, const char *why)
{
	return stg_fail_id(err, STG_E_INPUT, STG_ID_APK, 0, "%s", why);
}

static uint64_t number(const uint8_t *p, size_t n)
{
	uint64_t v = 0;
	while (n--)
		v = v << 8 | p[n];
	return v;
}

static bool read_at(int fd, int64_t at, uint8_t *ret, size_t n, struct stg_error *err)
{
	while (n) {
		ssize_t got = pread(fd, ret, n, at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return bad(err, "it is shorter than it says");
		ret += got;
		at += got;
		n -= (size_t)got;
	}
	return true;
}

/* Where the central directory begins: by the end record, the last one that fits the file exactly. */
static bool find_directory(int fd, int64_t size, int64_t *ret, struct stg_error *err)
{
	size_t n = (size_t)(size < END_BYTES + COMMENT_MAX ? size : END_BYTES + COMMENT_MAX);
	STG_AUTO(stg_free_at) char *tail = n >= END_BYTES ? stg_calloc(1, n) : NULL;
	if (!tail)
		return bad(err, "it is no package");
	uint8_t *t = (uint8_t *)tail;
	if (!read_at(fd, size - (int64_t)n, t, n, err))
		return false;
	for (size_t at = n - END_BYTES + 1; at-- > 0;) {
		if (number(t + at, 4) != 0x06054b50u || number(t + at + 20, 2) != n - at - END_BYTES)
			continue;
		uint64_t length = number(t + at + 12, 4), begin = number(t + at + 16, 4);
		if ((int64_t)(begin + length) > size - (int64_t)(n - at))
			return bad(err, "its directory is outside of it");
		*ret = (int64_t)begin;
		return true;
	}
	return bad(err, "it is no package");
}

/* Cuts a u32-prefixed piece off. */
static bool cut(struct stg_bytes *rest, struct stg_bytes *ret)
{
	if (rest->len < 4)
		return false;
	uint64_t n = number(rest->data, 4);
	if (n > rest->len - 4)
		return false;
	*ret = stg_bytes(rest->data + 4, (size_t)n);
	*rest = stg_bytes(rest->data + 4 + n, rest->len - 4 - (size_t)n);
	return true;
}

/* signers > signer > signed data > digests, certificates > the first. */
static bool first_certificate(struct stg_bytes value, struct stg_bytes *ret)
{
	struct stg_bytes signers, signer, signed_data, digests, certificates;
	return cut(&value, &signers) && cut(&signers, &signer) && cut(&signer, &signed_data) && cut(&signed_data, &digests) &&
	       cut(&signed_data, &certificates) && cut(&certificates, ret) && ret->len > 0 && ret->len <= (64u << 10);
}

static bool find_signers(struct stg_bytes pairs, struct stg_bytes *v2, struct stg_bytes *v3)
{
	while (pairs.len >= 12) {
		uint64_t n = number(pairs.data, 8);
		if (n < 4 || n > pairs.len - 8)
			return false;
		uint64_t id = number(pairs.data + 8, 4);
		struct stg_bytes value = stg_bytes(pairs.data + 12, (size_t)n - 4);
		if ((id == ID_V2 && !first_certificate(value, v2)) || (id == ID_V3 && !first_certificate(value, v3)))
			return false;
		pairs = stg_bytes(pairs.data + 8 + n, pairs.len - 8 - (size_t)n);
	}
	return pairs.len == 0;
}

static bool read_block(int fd, int64_t directory, struct stg_buf *ret, struct stg_error *err)
{
	static const char MAGIC[] = "APK Sig Block 42";
	uint8_t foot[24], head[8];
	if (directory < 32 || !read_at(fd, directory - 24, foot, sizeof(foot), err))
		return bad(err, "it is not signed");
	uint64_t n = number(foot, 8);
	if (memcmp(foot + 8, MAGIC, 16) != 0)
		return bad(err, "it has no signature of Android 7 or later");
	if (n < 24 || n > BLOCK_MAX || (int64_t)n + 8 > directory || !read_at(fd, directory - (int64_t)n - 8, head, sizeof(head), err) ||
	    number(head, 8) != n)
		return bad(err, "its signing block is damaged");
	STG_AUTO(stg_free_at) char *block = stg_calloc(1, (size_t)n);
	return read_at(fd, directory - (int64_t)n, (uint8_t *)block, (size_t)n - 24, err) && stg_buf_add(ret, block, (size_t)n - 24, err);
}

static bool hash_file(int fd, int64_t size, uint8_t ret[32], struct stg_error *err)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t chunk[32768];
	bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;
	for (int64_t at = 0; ok && at < size;) {
		size_t n = size - at < (int64_t)sizeof(chunk) ? (size_t)(size - at) : sizeof(chunk);
		ok = read_at(fd, at, chunk, n, err) && EVP_DigestUpdate(ctx, chunk, n) == 1;
		at += (int64_t)n;
	}
	ok = ok && EVP_DigestFinal_ex(ctx, ret, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	return ok || (err && err->code ? false : stg_fail(err, STG_E_NOMEM, 0, "hash a package"));
}

/* base64url without padding, as Android's own tools print it. */
static bool put_checksum(json_t *j, const char *key, const uint8_t sum[32], struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(128);
	char url[64];
	if (!stg_base64(stg_bytes(sum, 32), &text, err) || !stg_copy(url, sizeof(url), stg_buf_str(&text)))
		return false;
	for (char *p = url; *p; p++)
		*p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
	url[strcspn(url, "=")] = 0;
	stg_json_put(j, key, url);
	return true;
}

json_t *stg_android_apk(int fd, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf block = STG_BUF(BLOCK_MAX);
	STG_AUTO(stg_json_free_at) json_t *j = json_object();
	struct stg_bytes v2 = { 0 }, v3 = { 0 };
	struct stat st;
	int64_t directory = 0;
	uint8_t file_sum[32], cert_sum[32];
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > SIZE_MAX_BYTES) {
		bad(err, "a file of at most 1 GiB is expected");
		return NULL;
	}
	if (!find_directory(fd, st.st_size, &directory, err) || !read_block(fd, directory, &block, err))
		return NULL;
	if (!find_signers(stg_buf_view(&block), &v2, &v3) || (!v2.len && !v3.len)) {
		bad(err, "its signing block holds no signer that can be read");
		return NULL;
	}
	struct stg_bytes cert = v2.len ? v2 : v3;
	json_t *signer = stg_certificate_json(cert, NULL);
	if (!signer) {
		bad(err, "its signer has no certificate that can be read");
		return NULL;
	}
	stg_json_put_new(j, "signer", signer);
	stg_sha256(cert, cert_sum);
	if (!hash_file(fd, st.st_size, file_sum, err) || !put_checksum(j, "package_checksum", file_sum, err) ||
	    !put_checksum(j, "signature_checksum", cert_sum, err))
		return NULL;
	stg_json_put(j, "scheme", v2.len ? "v2" : "v3");
	stg_json_put_bool(j, "rotated", v2.len && v3.len && !stg_bytes_equal(v2, v3));
	return stg_steal(j);
}
