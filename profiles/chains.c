/*
 * chains.c - do the certificates of a profile agree with the authorities beside them?
 *
 * For:    a leaf that no server will take, because its issuer's constraints forbid it, is found before it is on forty devices.
 * Uses:   OpenSSL 3.
 * Called: by cross.c.
 * Thread: any; no state.
 *
 * Facts: profiles-and-certificates 4.1 (how name constraints are enforced, which names no constraint can judge) and 8.3, row 30. Only what is in
 * the profile is looked at: an issuer that is elsewhere says nothing here. Dates and kinds of keys are told by certs.c.
 */
#include <stdio.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "inner.h"

#define CERTIFICATES_MAX 100

struct held {
	X509 *cert;
	char path[96];
};

struct all {
	struct held at[CERTIFICATES_MAX];
	size_t n;
};

static void hold(struct all *a, X509 *cert, const char *path)
{
	if (!cert || a->n == CERTIFICATES_MAX) {
		X509_free(cert);
		return;
	}
	a->at[a->n].cert = cert;
	stg_copy(a->at[a->n++].path, sizeof(a->at->path), path);
}

static bool is_self_issued(X509 *cert)
{
	return X509_NAME_cmp(X509_get_subject_name(cert), X509_get_issuer_name(cert)) == 0;
}

static bool has_issuer(const struct all *a, X509 *cert)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->at[i].cert != cert && X509_NAME_cmp(X509_get_subject_name(a->at[i].cert), X509_get_issuer_name(cert)) == 0)
			return true;
	return false;
}

/* The first thing that is wrong with the certificate itself; what is wrong above it is told of what stands above. */
struct first {
	int error;
};

static int note(int ok, X509_STORE_CTX *ctx)
{
	struct first *first = X509_STORE_CTX_get_app_data(ctx);
	int error = X509_STORE_CTX_get_error(ctx), depth = X509_STORE_CTX_get_error_depth(ctx);
	bool is_above = error == X509_V_ERR_PATH_LENGTH_EXCEEDED || (error == X509_V_ERR_INVALID_CA && depth == 1);
	if (!ok && !first->error && (depth == 0 || is_above))
		first->error = error;
	return 1;
}

static int judge(const struct all *a, X509 *cert)
{
	struct first first = { 0 };
	X509_STORE *tops = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	STACK_OF(X509) *others = sk_X509_new_null();
	for (size_t i = 0; tops && others && i < a->n; i++) {
		X509 *one = a->at[i].cert;
		if (one == cert)
			continue;
		if (is_self_issued(one) || !has_issuer(a, one))
			X509_STORE_add_cert(tops, one);
		else
			sk_X509_push(others, one);
	}
	if (tops && ctx && others && X509_STORE_set_flags(tops, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME) == 1 &&
	    X509_STORE_CTX_init(ctx, tops, cert, others) == 1) {
		X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(ctx), 0);
		X509_STORE_CTX_set_app_data(ctx, &first);
		X509_STORE_CTX_set_verify_cb(ctx, note);
		(void)X509_verify_cert(ctx);
	}
	sk_X509_free(others);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(tops);
	ERR_clear_error();
	return first.error;
}

static void tell(struct findings *f, const char *path, X509 *cert, int error)
{
	char raw[200] = "", issuer[160];
	X509_NAME_get_text_by_NID(X509_get_issuer_name(cert), NID_commonName, raw, sizeof(raw));
	stg_printable(*raw ? raw : "?", true, issuer, sizeof(issuer));
	switch (error) {
	case X509_V_ERR_PERMITTED_VIOLATION:
		finding(f, "error", path, "the certificate has a name outside those its issuer %.80s permits", issuer);
		break;
	case X509_V_ERR_EXCLUDED_VIOLATION:
		finding(f, "error", path, "the certificate has a name its issuer %.80s excludes", issuer);
		break;
	case X509_V_ERR_SUBTREE_MINMAX:
	case X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE:
	case X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX:
	case X509_V_ERR_UNSUPPORTED_NAME_SYNTAX:
		finding(f, "error", path, "the certificate has a name that the constraints of its issuer %.80s cannot judge", issuer);
		break;
	case X509_V_ERR_PATH_LENGTH_EXCEEDED:
		finding(f, "error", path, "the certificate stands below more authorities than its issuers permit (pathlen)");
		break;
	case X509_V_ERR_INVALID_CA:
		finding(f, "error", path, "the certificate's issuer %.80s is no certificate authority", issuer);
		break;
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
		finding(f, "error", path, "the certificate's signature is not that of its issuer %.80s beside it", issuer);
		break;
	default:
		break;
	}
}

void cross_chains(struct findings *f)
{
	struct all a = { .n = 0 };
	plist_t one;
	char path[PROFILE_PATH_MAX];
	for (uint32_t i = 0; i < 500 && (one = payload_at(f->p, i)); i++) {
		snprintf(path, sizeof(path), "PayloadContent[%u].PayloadContent", i);
		STACK_OF(X509) *more = NULL;
		X509 *cert = payload_certificate(one, &more);
		hold(&a, cert, path);
		while (more && sk_X509_num(more))
			hold(&a, sk_X509_shift(more), path);
		sk_X509_free(more);
	}
	for (size_t i = 0; i < a.n; i++)
		if (!is_self_issued(a.at[i].cert) && has_issuer(&a, a.at[i].cert))
			tell(f, a.at[i].path, a.at[i].cert, judge(&a, a.at[i].cert));
	for (size_t i = 0; i < a.n; i++)
		X509_free(a.at[i].cert);
}
