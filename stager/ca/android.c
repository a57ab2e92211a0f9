/*
 * android.c - CA files and an enterprise Wi-Fi as Android takes them.
 *
 * For:    `stager android ca|wifi`, the Android driver.
 * Uses:   OpenSSL.
 * Called: by the operations android.*.
 * Thread: any; no state.
 *
 * Facts: since Android 11 QPR1 an enterprise network without a root CA and a domain (or alternative names) is refused, and a
 * "subject match" compares a part of a name, which an attacker can have certified (profiles-and-certificates 7).
 */
#include <ctype.h>
#include <stdio.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <stager/android.h>
#include <stager/error.h>

#define CA_MAX (64u << 10)
#define SSID_MAX 32
#define TEXT_MAX 200
#define DOMAINS_MAX 4
#define AUTHORITIES_MAX 4

static bool bad(struct stg_error *err, const char *what, const char *expected)
{
	char shown[120];
	stg_printable(what, true, shown, sizeof(shown));
	return stg_fail_id(err, STG_E_USAGE, STG_ID_ANDROID_WIFI, 0, "%s: expected %s", shown, expected);
}

static X509 *read_ca(struct stg_bytes in, struct stg_error *err)
{
	X509 *cert = NULL;
	if (in.len && in.len <= CA_MAX && in.data[0] == 0x30) {
		const unsigned char *p = in.data;
		cert = d2i_X509(NULL, &p, (long)in.len);
	} else if (in.len && in.len <= CA_MAX) {
		BIO *bio = BIO_new_mem_buf(in.data, (int)in.len);
		cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
		BIO_free(bio);
	}
	ERR_clear_error();
	if (cert && X509_check_ca(cert) == 1)
		return cert;
	stg_fail_id(err, STG_E_INPUT, STG_ID_CA_UNSUITABLE, 0, cert ? "the certificate is no CA" : "no certificate in PEM or DER");
	X509_free(cert);
	return NULL;
}

static bool to_der(X509 *cert, struct stg_buf *ret, struct stg_error *err)
{
	uint8_t *der = NULL;
	int n = i2d_X509(cert, &der);
	bool ok = n > 0 && stg_buf_add(ret, der, (size_t)n, err);
	OPENSSL_free(der);
	return ok;
}

bool stg_android_ca(struct stg_bytes pem_or_der, bool as_pem, struct stg_buf *ret, char ret_name[16], struct stg_error *err)
{
	X509 *cert = read_ca(pem_or_der, err);
	if (!cert)
		return false;
	bool ok;
	snprintf(ret_name, 16, "%08lx.0", X509_subject_name_hash_old(cert) & 0xffffffffUL);
	if (as_pem) {
		BIO *out = BIO_new(BIO_s_mem());
		char *text = NULL;
		long n = out && PEM_write_bio_X509(out, cert) == 1 ? BIO_get_mem_data(out, &text) : 0;
		ok = n > 0 && stg_buf_add(ret, text, (size_t)n, err);
		BIO_free(out);
	} else {
		ok = to_der(cert, ret, err);
	}
	X509_free(cert);
	return ok || (err && err->code ? false : stg_fail(err, STG_E_NOMEM, 0, "write a CA"));
}

/* A whole host name of two labels at least: a bare "com" would let everybody in. */
static bool is_domain(const char *s)
{
	size_t n = strlen(s);
	bool dot = false;
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '.')
			dot = dot || (i > 0 && i + 1 < n);
		if (s[i] == '.' && (i == 0 || i + 1 == n || s[i + 1] == '.'))
			return false;
		if (!isalnum((unsigned char)s[i]) && s[i] != '-' && s[i] != '.')
			return false;
	}
	return dot && n <= TEXT_MAX;
}

static bool add_domains(json_t *j, const json_t *domains, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf all = STG_BUF(1024);
	size_t n = json_array_size(domains);
	if (n < 1 || n > DOMAINS_MAX)
		return bad(err, "domains", "1 to 4 names of the RADIUS server: Android refuses a network without");
	for (size_t i = 0; i < n; i++) {
		const char *one = json_string_value(json_array_get(domains, i));
		if (!one || !is_domain(one))
			return bad(err, one ? one : "domains", "a host name such as radius.example.org");
		if (!stg_buf_add_str(&all, i ? ";" : "", err) || !stg_buf_add_str(&all, one, err))
			return false;
	}
	stg_json_put(j, "domainSuffixMatch", stg_buf_str(&all));
	return true;
}

/* All of them: a helper that takes the last one alone breaks chains. */
static bool add_authorities(json_t *j, const json_t *authorities, struct stg_error *err)
{
	json_t *list = json_array();
	size_t n = json_array_size(authorities);
	bool ok = n >= 1 && n <= AUTHORITIES_MAX ? true : bad(err, "authorities", "1 to 4 CA certificates: Android refuses a network without");
	for (size_t i = 0; ok && i < n; i++) {
		STG_AUTO(stg_buf_clear) struct stg_buf der = STG_BUF(CA_MAX), text = STG_BUF(CA_MAX * 2);
		const char *pem = json_string_value(json_array_get(authorities, i));
		X509 *cert = read_ca(stg_bytes_str(pem ? pem : ""), err);
		ok = cert && to_der(cert, &der, err) && stg_base64(stg_buf_view(&der), &text, err);
		X509_free(cert);
		if (ok)
			json_array_append_new(list, json_string(stg_buf_str(&text)));
	}
	stg_json_put_new(j, "caCertificates", list);
	return ok;
}

json_t *stg_android_wifi(const struct stg_android_wifi_ask *ask, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *j = json_object();
	const char *ssid = ask->ssid ? ask->ssid : "", *identity = ask->identity ? ask->identity : "", *alias = ask->key_alias ? ask->key_alias : "";
	bool ok = *ssid && strlen(ssid) <= SSID_MAX ? true : bad(err, "ssid", "a name of 1 to 32 bytes");
	ok = ok && (*alias && strlen(alias) <= TEXT_MAX ? true : bad(err, "key_alias", "the name of the installed identity"));
	ok = ok && (*identity && strlen(identity) <= TEXT_MAX ? true : bad(err, "identity", "what the device calls itself to the network"));
	if (!ok || !add_domains(j, ask->domains, err) || !add_authorities(j, ask->authorities, err))
		return NULL;
	stg_json_put_int(j, "v", 1);
	stg_json_put(j, "ssid", ssid);
	stg_json_put_bool(j, "hiddenSsid", ask->hidden);
	stg_json_put(j, "security", "WPA_EAP");
	stg_json_put(j, "eapMethod", "TLS");
	stg_json_put(j, "identity", identity);
	stg_json_put(j, "anonymousIdentity", ask->anonymous_identity ? ask->anonymous_identity : "");
	stg_json_put(j, "clientKeyAlias", alias);
	return stg_steal(j);
}
