/*
 * pairing.c - trust: dialogs, supervised pairing, pair records.
 *
 * For:    lockdown's Pair and Unpair; mcinstall.c uses the same check of a supervisor's signature.
 * Uses:   OpenSSL (X.509, CMS), device.h.
 * Called: by lockdownd.c, services/mcinstall.c, control.c.
 * Thread: the bench's only one.
 * Facts:  in the Setup Assistant Pair succeeds without a dialog; a host that is trusted already gets its EscrowBag at
 *         once; a supervisor's certificate on an unsupervised device is answered like any other host's; a supervised
 *         device asks for a signed challenge; AllowPairing false refuses all others with MCProtected.
 */
#include "pairing.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stager/error.h>

#include "bench.h"
#include "conn.h"
#include "tls.h"

static const char *text_of(plist_t msg, const char *key)
{
	plist_t node = plist_dict_get_item(msg, key);

	return node && plist_get_node_type(node) == PLIST_STRING ? plist_get_string_ptr(node, NULL) : NULL;
}

static struct stg_bytes data_of(plist_t msg, const char *key)
{
	plist_t node = plist_dict_get_item(msg, key);
	uint64_t len = 0;
	const char *data;

	if (!node || plist_get_node_type(node) != PLIST_DATA)
		return stg_bytes(NULL, 0);
	data = plist_get_data_ptr(node, &len);
	return stg_bytes(data, len);
}

static X509 *read_cert(struct stg_bytes pem)
{
	BIO *bio = pem.len && pem.len < 65536 ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

	BIO_free(bio);
	ERR_clear_error();
	return cert;
}

static bool cert_der(struct stg_bytes pem, struct stg_buf *ret)
{
	X509 *cert = read_cert(pem);
	unsigned char *der = NULL;
	int len = cert ? i2d_X509(cert, &der) : -1;
	bool ok = len > 0 && stg_buf_add(ret, der, (size_t)len, NULL);

	OPENSSL_free(der);
	X509_free(cert);
	return ok;
}

struct virt_record *virt_record_find(struct virt_device *d, const char *host_id)
{
	struct virt_record *r = d->records;

	while (r && strcmp(r->host_id, host_id) != 0)
		r = r->next;
	return r;
}

static void drop_record(struct virt_device *d, const char *host_id)
{
	struct virt_record **at = &d->records;

	while (*at && strcmp((*at)->host_id, host_id) != 0)
		at = &(*at)->next;
	if (*at) {
		struct virt_record *r = *at;

		*at = r->next;
		r->next = NULL;
		virt_record_unref(r);
	}
}

/* Keys and certificates have to hang together: the device's own certificate must carry its present key. */
static struct virt_record *read_record(struct virt_device *d, plist_t from, const char **error)
{
	struct virt_record *r = stg_calloc(1, sizeof(*r));
	struct virt_key *key = virt_device_key(d, NULL);
	const char *host_id = text_of(from, "HostID");
	const char *buid = text_of(from, "SystemBUID");
	EVP_PKEY *pub;

	r->refs = 1;
	r->root_der = STG_BUF(65536);
	r->host_der = STG_BUF(65536);
	r->device_cert = read_cert(data_of(from, "DeviceCertificate"));
	pub = r->device_cert ? X509_get0_pubkey(r->device_cert) : NULL;
	if (!host_id || !host_id[0] || strlen(host_id) >= sizeof(r->host_id)) {
		*error = host_id ? "InvalidHostID" : "MissingHostID";
	} else if (!cert_der(data_of(from, "RootCertificate"), &r->root_der) ||
		   !cert_der(data_of(from, "HostCertificate"), &r->host_der) || !pub || !key ||
		   EVP_PKEY_eq(pub, key->pkey) != 1) {
		ERR_clear_error();
		*error = "InvalidPairRecord";
	} else {
		stg_copy(r->host_id, sizeof(r->host_id), host_id);
		stg_copy(r->system_buid, sizeof(r->system_buid), buid ? buid : "");
		return r;
	}
	virt_record_unref(r);
	return NULL;
}

static bool is_same_trust(const struct virt_record *a, const struct virt_record *b)
{
	return stg_bytes_equal(stg_buf_view(&a->root_der), stg_buf_view(&b->root_der)) &&
	       stg_bytes_equal(stg_buf_view(&a->host_der), stg_buf_view(&b->host_der)) &&
	       X509_cmp(a->device_cert, b->device_cert) == 0;
}

/* From here on the host is trusted. A locked device cannot make an escrow bag. */
static void accept_host(struct virt_device *d, struct virt_record *r, plist_t answer)
{
	drop_record(d, r->host_id);
	virt_random_fill(&d->bench->random, r->escrow_bag, sizeof(r->escrow_bag));
	if (!d->is_locked)
		plist_dict_set_item(answer, "EscrowBag", plist_new_data((const char *)r->escrow_bag, sizeof(r->escrow_bag)));
	r->next = d->records;
	d->records = virt_record_ref(r);
	virt_notify(d, "com.apple.mobile.lockdown.trusted_host_attached");
}

bool virt_supervisor_signed(const struct virt_device *d, struct stg_bytes cms_der, struct stg_bytes content,
			    struct stg_buf *ret_cert, const char **why)
{
	const unsigned char *p = cms_der.data;
	CMS_ContentInfo *cms = cms_der.len ? d2i_CMS_ContentInfo(NULL, &p, (long)cms_der.len) : NULL;
	STACK_OF(X509) *certs = cms ? CMS_get1_certs(cms) : NULL;
	BIO *out = BIO_new(BIO_s_mem());
	unsigned char *der = NULL;
	int der_len = -1;
	char *text;
	bool ok = false;

	*why = "not a CMS message with a certificate";
	if (certs && sk_X509_num(certs) > 0)
		der_len = i2d_X509(sk_X509_value(certs, 0), &der);
	if (der_len > 0) {
		*why = "not signed by a supervisor's certificate";
		if (virt_device_is_supervisor(d, stg_bytes(der, (size_t)der_len))) {
			*why = "signature or content do not match";
			/* The signature must be the first certificate's own, over exactly these bytes. */
			STACK_OF(X509) *one = sk_X509_new_null();

			sk_X509_push(one, sk_X509_value(certs, 0));
			ok = CMS_verify(cms, one, NULL, NULL, out, CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY | CMS_NOINTERN) == 1;
			sk_X509_free(one);
			if (ok) {
				long len = BIO_get_mem_data(out, &text);

				ok = len >= 0 && stg_bytes_equal(stg_bytes(text, (size_t)len), content);
			}
		}
	}
	if (ok && ret_cert)
		ok = stg_buf_add(ret_cert, der, (size_t)der_len, NULL);
	OPENSSL_free(der);
	sk_X509_pop_free(certs, X509_free);
	CMS_ContentInfo_free(cms);
	BIO_free(out);
	ERR_clear_error();
	return ok;
}

static bool allows_pairing(const struct virt_device *d)
{
	plist_t node = d->cloud_config ? plist_dict_get_item(d->cloud_config, "AllowPairing") : NULL;
	uint8_t yes = 1;

	if (node && plist_get_node_type(node) == PLIST_BOOLEAN)
		plist_get_bool_val(node, &yes);
	return yes != 0;
}

/* What a person's lock, finger and restrictions make of it; NULL: trusted. */
static const char *ask_person(struct virt_device *d, const struct virt_record *r)
{
	if (virt_device_is_supervised(d) && !allows_pairing(d))
		return "MCProtected";
	if (d->is_locked)
		return "PasswordProtected";
	if (virt_fault_take(d, "lockdownd", "Pair", "dialog_pending"))
		return "PairingDialogResponsePending";
	if (!d->at_home_screen)
		return NULL;
	switch (d->dialog) {
	case VIRT_DIALOG_TRUSTED:
		if (strcmp(d->dialog_host, r->system_buid) != 0)
			break;
		d->dialog = VIRT_DIALOG_NONE;
		return NULL;
	case VIRT_DIALOG_DENIED:
		return "UserDeniedPairing";
	default:
		break;
	}
	if (d->auto_trust)
		return NULL;
	d->dialog = VIRT_DIALOG_OPEN;
	stg_copy(d->dialog_host, sizeof(d->dialog_host), r->system_buid);
	return "PairingDialogResponsePending";
}

/* Bytes that text-minded signers spoil: some of CR, LF and NUL are always among them. */
static void make_challenge(struct virt_device *d, uint8_t ret[8])
{
	virt_random_fill(&d->bench->random, ret, 8);
	ret[1] = '\n';
	ret[4] = '\r';
	ret[6] = '\0';
}

static const char *ask_supervisor(struct virt_device *d, plist_t options, plist_t answer)
{
	struct stg_bytes response = data_of(options, "ChallengeResponse");
	uint8_t challenge[VIRT_LONG_CHALLENGE] = { 0 };
	const char *why;

	if (response.data) {
		STG_AUTO(stg_buf_clear) struct stg_buf asked = STG_BUF(64);
		bool ok = d->pair_challenge[0] && stg_unhex(d->pair_challenge, &asked, NULL) &&
			  virt_supervisor_signed(d, response, stg_buf_view(&asked), NULL, &why);

		d->pair_challenge[0] = '\0';
		return ok ? NULL : "MCProtected";
	}
	make_challenge(d, challenge);
	stg_hex(stg_bytes(challenge, 8), d->pair_challenge);
	{
		plist_t extended = plist_new_dict();

		plist_dict_set_item(extended, "PairingChallenge", plist_new_data((const char *)challenge, d->long_challenge ? sizeof(challenge) : 8));
		plist_dict_set_item(answer, "ExtendedResponse", extended);
	}
	return "MCChallengeRequired";
}

void virt_pair(struct virt_device *d, plist_t msg, plist_t answer)
{
	plist_t from = plist_dict_get_item(msg, "PairRecord");
	plist_t options = plist_dict_get_item(msg, "PairingOptions");
	const char *error = NULL;
	struct virt_record *r = NULL, *known;
	bool has_options = options && plist_get_node_type(options) == PLIST_DICT;

	if (!from || plist_get_node_type(from) != PLIST_DICT)
		error = "MissingPairRecord";
	else
		r = read_record(d, from, &error);
	if (r) {
		known = virt_record_find(d, r->host_id);
		if (known && is_same_trust(known, r)) {
			/* Trusted already: the same bag again. */
			if (!d->is_locked)
				plist_dict_set_item(answer, "EscrowBag",
						    plist_new_data((const char *)known->escrow_bag, sizeof(known->escrow_bag)));
			virt_record_unref(r);
			return;
		}
		if (has_options && (data_of(options, "ChallengeResponse").data ||
				    virt_device_is_supervisor(d, data_of(options, "SupervisorCertificate"))))
			error = ask_supervisor(d, options, answer);
		else
			error = ask_person(d, r);
		if (!error)
			accept_host(d, r, answer);
		virt_record_unref(r);
	}
	if (error)
		plist_dict_set_item(answer, "Error", plist_new_string(error));
}

const char *virt_unpair(struct virt_device *d, plist_t msg)
{
	plist_t from = plist_dict_get_item(msg, "PairRecord");
	const char *host_id = from && plist_get_node_type(from) == PLIST_DICT ? text_of(from, "HostID") : NULL;

	if (!host_id)
		return from ? "MissingHostID" : "MissingPairRecord";
	if (!virt_record_find(d, host_id))
		return "InvalidHostID";
	drop_record(d, host_id);
	return NULL;
}

bool virt_tap(struct virt_device *d, bool trust, struct stg_error *err)
{
	if (d->dialog != VIRT_DIALOG_OPEN)
		return stg_fail(err, STG_E_INPUT, 0, "no dialog is open on %s", d->serial);
	d->dialog = trust ? VIRT_DIALOG_TRUSTED : VIRT_DIALOG_DENIED;
	return true;
}
