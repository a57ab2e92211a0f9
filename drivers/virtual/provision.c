/*
 * provision.c - provisioning profiles: what an app of one's own carries to be allowed to run.
 *
 * For:    misagent, installation_proxy.
 * Uses:   OpenSSL for the CMS wrapping, <stager/plistscan.h>.
 * Thread: any.
 */
#include "provision.h"

#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <stager/plistscan.h>

static void cms_free_at(CMS_ContentInfo **p)
{
	CMS_ContentInfo_free(*p);
}

static void bio_free_at(BIO **p)
{
	BIO_free(*p);
}

bool virt_provision_open(struct stg_bytes profile, struct stg_buf *ret)
{
	const unsigned char *p = profile.data;
	STG_AUTO(cms_free_at) CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &p, (long)profile.len);
	STG_AUTO(bio_free_at) BIO *out = BIO_new(BIO_s_mem());
	char *text = NULL;
	long len;
	bool fits = cms && out && CMS_verify(cms, NULL, NULL, NULL, out, CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY) == 1;

	ERR_clear_error();
	if (!fits)
		return false;
	len = BIO_get_mem_data(out, &text);
	return len > 0 && stg_plist_scan(stg_bytes(text, (size_t)len), &stg_plist_device, NULL, NULL)
		&& stg_buf_add(ret, text, (size_t)len, NULL);
}
