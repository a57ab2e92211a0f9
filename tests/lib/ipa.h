/*
 * ipa.h - app packages for tests: as Xcode makes them, or spoilt on purpose.
 *
 * Signed by a throw-away certificate: whose signature it is only a real device judges.
 */
#ifndef TESTS_IPA_H
#define TESTS_IPA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/cms.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <zip.h>

#include <stager/bytes.h>

struct ipa {
	const char *id, *version, *build;
	const char *minimum_os;           /* NULL: 15.0 */
	const char *family;               /* NULL: iPhone and iPad; "1", "2" */
	const char *signing;              /* NULL: in-house; "ad-hoc", "development", "store", "none" */
	const char *udid;                 /* the one device of an ad hoc or development build */
	const char *until;                /* NULL: 2060-01-01 */
	bool no_sharing;
	uint64_t bytes;                   /* of the program: zeroes, stored as they are */
	char fill;                        /* another byte than zero */
	const char *more_name, *more;     /* one more entry */
	bool link;                        /* make it a symbolic link */
};

static inline EVP_PKEY *ipa_key(void)
{
	static EVP_PKEY *key;
	if (!key)
		key = EVP_EC_gen("P-256");
	assert_non_null(key);
	return key;
}

static inline X509 *ipa_certificate(void)
{
	static X509 *x;
	if (x)
		return x;
	x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"Provisioning Profile Signing", -1, -1, 0);
	X509_set_issuer_name(x, name);
	X509_gmtime_adj(X509_getm_notBefore(x), -86400);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400L * 3650);
	X509_set_pubkey(x, ipa_key());
	assert_true(X509_sign(x, ipa_key(), EVP_sha256()) > 0);
	return x;
}

static inline void *ipa_signed(const char *text, size_t *ret_len)
{
	BIO *in = BIO_new_mem_buf(text, -1);
	CMS_ContentInfo *cms = CMS_sign(ipa_certificate(), ipa_key(), NULL, in, CMS_BINARY);
	unsigned char *der = NULL;
	int len = cms ? i2d_CMS_ContentInfo(cms, &der) : -1;
	assert_true(len > 0);
	void *copy = malloc((size_t)len);
	memcpy(copy, der, (size_t)len);
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	*ret_len = (size_t)len;
	return copy;
}

#define IPA_PLIST "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\"><dict>"

static inline zip_int64_t ipa_entry(zip_t *zip, const char *name, void *bytes /* malloc'ed */, size_t len)
{
	zip_source_t *s = zip_source_buffer(zip, bytes, len, 1);
	zip_int64_t i = zip_file_add(zip, name, s, ZIP_FL_OVERWRITE | ZIP_FL_ENC_UTF_8);
	assert_true(i >= 0);
	return i;
}

static inline void ipa_text(zip_t *zip, const char *name, const char *text)
{
	(void)ipa_entry(zip, name, strdup(text), strlen(text));
}

/* Bytes that are made when they are read. */
struct ipa_fill {
	uint64_t left, whole;
	char byte;
};

static inline zip_int64_t ipa_read_fill(void *ctx, void *data, zip_uint64_t len, zip_source_cmd_t cmd)
{
	struct ipa_fill *f = ctx;
	switch (cmd) {
	case ZIP_SOURCE_OPEN:
		f->left = f->whole;
		return 0;
	case ZIP_SOURCE_READ: {
		uint64_t n = len < f->left ? len : f->left;
		memset(data, f->byte, n);
		f->left -= n;
		return (zip_int64_t)n;
	}
	case ZIP_SOURCE_STAT: {
		zip_stat_t *st = data;
		zip_stat_init(st);
		st->valid = ZIP_STAT_SIZE;
		st->size = f->whole;
		return sizeof(*st);
	}
	case ZIP_SOURCE_CLOSE:
	case ZIP_SOURCE_ERROR:
		return 0;
	case ZIP_SOURCE_FREE:
		free(f);
		return 0;
	case ZIP_SOURCE_SUPPORTS:
		return zip_source_make_command_bitmap(ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE, ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR,
						      ZIP_SOURCE_FREE, -1);
	default:
		return -1;
	}
}

static inline void ipa_profile(zip_t *zip, const struct ipa *a)
{
	char text[4000], who[300];
	size_t len = 0;
	bool named = a->signing != NULL;
	snprintf(who, sizeof(who), named ? "<key>ProvisionedDevices</key><array><string>%s</string></array>" : "<key>ProvisionsAllDevices</key><true/>",
		 a->udid ? a->udid : "00000000-0000000000000000");
	snprintf(text, sizeof(text), IPA_PLIST "<key>Name</key><string>Fleet</string><key>TeamName</key><string>North Hospital</string>"
		 "<key>TeamIdentifier</key><array><string>ABCDE12345</string></array><key>UUID</key><string>0F8B9A3C-1C3D-4F5E-9A7B-6C5D4E3F2A1B</string>"
		 "%s<key>ExpirationDate</key><date>%sT00:00:00Z</date><key>Entitlements</key><dict><key>application-identifier</key>"
		 "<string>ABCDE12345.%s</string><key>get-task-allow</key><%s/></dict></dict></plist>\n",
		 who, a->until ? a->until : "2060-01-01", a->id, named && strcmp(a->signing, "development") == 0 ? "true" : "false");
	void *der = ipa_signed(text, &len);
	(void)ipa_entry(zip, "Payload/Tool.app/embedded.mobileprovision", der, len);
}

static inline void ipa_make(const char *path, const struct ipa *a)
{
	int why = 0;
	char text[4000], families[200];
	(void)unlink(path);
	zip_t *zip = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &why);
	assert_non_null(zip);
	snprintf(families, sizeof(families), a->family ? "<integer>%s</integer>" : "<integer>1</integer><integer>2</integer>", a->family ? a->family : "");
	snprintf(text, sizeof(text), IPA_PLIST "<key>CFBundleIdentifier</key><string>%s</string><key>CFBundleExecutable</key><string>Tool</string>"
		 "<key>CFBundleName</key><string>Tool</string><key>CFBundleVersion</key><string>%s</string>"
		 "<key>CFBundleShortVersionString</key><string>%s</string><key>MinimumOSVersion</key><string>%s</string>"
		 "<key>UIFileSharingEnabled</key><%s/><key>UIDeviceFamily</key><array>%s</array></dict></plist>\n",
		 a->id, a->build, a->version, a->minimum_os ? a->minimum_os : "15.0", a->no_sharing ? "false" : "true", families);
	ipa_text(zip, "Payload/Tool.app/Info.plist", text);
	if (a->signing && strcmp(a->signing, "store") == 0) {
		ipa_text(zip, "iTunesMetadata.plist", IPA_PLIST "<key>artistName</key><string>Tool Makers</string></dict></plist>\n");
		ipa_text(zip, "Payload/Tool.app/SC_Info/Tool.sinf", "sinf");
	} else if (!a->signing || strcmp(a->signing, "none") != 0) {
		ipa_profile(zip, a);
	}
	if (a->more_name) {
		zip_int64_t i = ipa_entry(zip, a->more_name, strdup(a->more ? a->more : ""), strlen(a->more ? a->more : ""));
		if (a->link)
			zip_file_set_external_attributes(zip, (zip_uint64_t)i, 0, ZIP_OPSYS_UNIX, 0120777u << 16);
	}
	struct ipa_fill *f = calloc(1, sizeof(*f));
	*f = (struct ipa_fill){ .whole = a->bytes ? a->bytes : 4096, .byte = a->fill };
	zip_int64_t program = zip_file_add(zip, "Payload/Tool.app/Tool", zip_source_function(zip, ipa_read_fill, f), ZIP_FL_ENC_UTF_8);
	assert_true(program >= 0);
	zip_set_file_compression(zip, (zip_uint64_t)program, ZIP_CM_STORE, 0);
	if (zip_close(zip) != 0)
		fail_msg("%s: %s", path, zip_strerror(zip));
}

#endif
