/*
 * misagent.c - provisioning profiles: what an app of one's own needs, not configuration profiles.
 *
 * For:    ideviceprovision and the app installers.
 * Uses:   ../shelf.h, OpenSSL for the CMS wrapping.
 * Thread: the bench's one.
 * Facts:  {MessageType, Profile|ProfileID, ProfileType} -> {Status, Payload}; 0 is good, 0xE8008013 a bad signature,
 *         0xE8008001 an unknown profile (libimobiledevice, 2024).
 */
#include "../device.h"
#include "../service.h"
#include "../shelf.h"
#include "../words.h"

#include <openssl/bio.h>
#include <openssl/cms.h>
#include <stager/plistscan.h>

#define STATUS_OK            0u
#define STATUS_BAD_SIGNATURE 0xE8008013u
#define STATUS_UNKNOWN       0xE8008001u
#define STATUS_NO_SPACE      0xE8008012u

static void cms_free_at(CMS_ContentInfo **p)
{
	CMS_ContentInfo_free(*p);
}

static void bio_free_at(BIO **p)
{
	BIO_free(*p);
}

static void plist_free_at(plist_t *p)
{
	if (*p)
		plist_free(*p);
}

/* The UUID inside a provisioning profile: CMS around a property list. The signer is not checked, as no Apple signs
 * for virtual devices, but the signature must fit the content. */
static bool uuid_of(struct stg_bytes profile, char ret[64])
{
	const unsigned char *p = profile.data;
	STG_AUTO(cms_free_at) CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &p, (long)profile.len);
	STG_AUTO(bio_free_at) BIO *out = BIO_new(BIO_s_mem());
	STG_AUTO(plist_free_at) plist_t list = NULL;
	char *text = NULL;
	long len;

	if (!cms || !out || CMS_verify(cms, NULL, NULL, NULL, out, CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY) != 1)
		return false;
	len = BIO_get_mem_data(out, &text);
	if (len <= 0 || !stg_plist_scan(stg_bytes(text, (size_t)len), &stg_plist_device, NULL, NULL))
		return false;
	plist_from_memory(text, (uint32_t)len, &list);
	return list && *virt_text(list, "UUID") && stg_copy(ret, 64, virt_text(list, "UUID"));
}

static void message(struct virt_conn *c, plist_t msg)
{
	struct virt_shelf *shelf = virt_shelf(virt_conn_device(c));
	const char *type = virt_text(msg, "MessageType");
	plist_t answer = plist_new_dict();
	uint64_t status = STATUS_OK;
	char uuid[64];

	if (strcmp(type, "CopyAll") == 0 || strcmp(type, "Copy") == 0) {
		plist_t all = plist_new_array();

		for (size_t i = 0; i < virt_shelf_provisions(shelf); i++) {
			struct stg_bytes one = virt_shelf_provision(shelf, i);

			plist_array_append_item(all, plist_new_data((const char *)one.data, one.len));
		}
		plist_dict_set_item(answer, "Payload", all);
	} else if (strcmp(type, "Install") == 0) {
		struct stg_bytes profile = virt_data_of(msg, "Profile");

		if (!uuid_of(profile, uuid))
			status = STATUS_BAD_SIGNATURE;
		else if (virt_shelf_put_provision(shelf, uuid, profile) != VIRT_SHELF_OK)
			status = STATUS_NO_SPACE;
	} else if (strcmp(type, "Remove") == 0) {
		if (virt_shelf_remove_provision(shelf, virt_text(msg, "ProfileID")) != VIRT_SHELF_OK)
			status = STATUS_UNKNOWN;
	} else {
		status = STATUS_UNKNOWN;
	}
	virt_put_uint(answer, "Status", status);
	virt_send_plist(c, answer);
}

const struct virt_service virt_service_misagent = {
	.names = { "com.apple.misagent" },
	.framing = VIRT_PLIST,
	.message = message,
};
