/*
 * jwt.h - signed assertions (RFC 7515, 7519) with a key that stays in stager/keys.
 *
 * For sign-in servers that take a signed text instead of a password: Microsoft (PS256, RS256), Google (RS256), Apple
 * (ES256). A token has three parts of base64url without padding. Numbers in claims are integers.
 * Threads: any; no state.
 */
#ifndef STAGER_JWT_H
#define STAGER_JWT_H

#include <stager/json.h>

/* True for "RS256", "PS256", "ES256". */
bool stg_jwt_alg_ok(const char *alg);
/* Signs with the private key in key_pem (RSA of 2048 bits or more, for ES256 P-256; never encrypted). `header` gets "alg" and
 * "typ" itself. STG_E_INPUT + STG_ID_SIGNING_KEY: there is no such key. The token is a secret as long as it is valid. */
bool stg_jwt_sign(struct stg_bytes key_pem, const char *alg, const json_t *header, const json_t *claims, struct stg_buf *ret, struct stg_error *err);
/* base64url of the SHA-256 of the first certificate in the PEM ("x5t#S256"). STG_E_INPUT + STG_ID_SIGNING_KEY: there is none. */
bool stg_jwt_thumbprint(struct stg_bytes pem, char ret[48], struct stg_error *err);

#endif
