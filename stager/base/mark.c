/*
 * mark.c - a quick sum over a stream of bytes.
 *
 * For:    large files that are kept for long and sent often.
 * Uses:   OpenSSL: AES-256-GCM with everything as additional data and nothing to encrypt.
 * Called: stager/apps (when a file is taken in), drivers (when it is sent).
 * Thread: any; a sum belongs to its holder.
 */
#include <stdlib.h>

#include <openssl/evp.h>

#include <stager/error.h>
#include <stager/mark.h>

#define PIECE_MAX ((size_t)1 << 30)    /* OpenSSL counts in int */

struct stg_mark {
	EVP_CIPHER_CTX *ctx;
};

static bool failed(struct stg_error *err)
{
	return stg_fail(err, STG_E_NOMEM, 0, "no memory for a sum");
}

struct stg_mark *stg_mark_new(struct stg_error *err)
{
	static const uint8_t key[32] = "stager: the sum of a kept file.", iv[12] = { 0 };
	STG_AUTO(stg_mark_free_at) struct stg_mark *m = stg_calloc(1, sizeof(*m));
	m->ctx = EVP_CIPHER_CTX_new();
	if (m->ctx && EVP_EncryptInit_ex(m->ctx, EVP_aes_256_gcm(), NULL, key, iv) == 1)
		return stg_steal(m);
	failed(err);
	return NULL;
}

bool stg_mark_add(struct stg_mark *m, struct stg_bytes piece, struct stg_error *err)
{
	while (piece.len) {
		size_t n = piece.len < PIECE_MAX ? piece.len : PIECE_MAX;
		int out = 0;
		if (EVP_EncryptUpdate(m->ctx, NULL, &out, piece.data, (int)n) != 1)
			return failed(err);
		piece = stg_bytes(piece.data + n, piece.len - n);
	}
	return true;
}

bool stg_mark_end(struct stg_mark *m, char ret[STG_MARK_TEXT], struct stg_error *err)
{
	uint8_t tag[16], none[16];
	int out = 0;
	if (EVP_EncryptFinal_ex(m->ctx, none, &out) != 1 || EVP_CIPHER_CTX_ctrl(m->ctx, EVP_CTRL_GCM_GET_TAG, sizeof(tag), tag) != 1)
		return failed(err);
	stg_hex(stg_bytes(tag, sizeof(tag)), ret);
	return true;
}

void stg_mark_free_at(struct stg_mark **m)
{
	if (*m)
		EVP_CIPHER_CTX_free((*m)->ctx);
	free(*m);
	*m = NULL;
}
