/*
 * seal.c - a profile for the eyes of one device; and whose signature is on one.
 *
 * For:    `stager profile encrypt`, `stager profile verify`.
 * Uses:   stager/keys.
 * Called: by the operations profile.*.
 * Thread: any; no state.
 *
 * Facts: profiles-and-certificates 3.3: EncryptedPayloadContent is CMS EnvelopedData around a property list whose root is the list of
 * payloads; name, identifier and UUID stay in the clear. A signature comes after, around the whole.
 */
#include <stdlib.h>

#include <openssl/crypto.h>

#include <stager/keys.h>

#include "inner.h"

static bool take_payloads(struct profile *p, struct stg_bytes certificate, struct stg_buf *ret_cms, struct stg_error *err)
{
	plist_t list = tree_get(p->root, "PayloadContent");
	char *xml = NULL;
	uint32_t len = 0;
	if (!list || tree_bool(p->root, "IsEncrypted", false))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_PROFILE_ENCRYPTED, 0, "%s: there is no payload to encrypt", p->file);
	plist_to_xml(list, &xml, &len);
	bool ok = xml ? stg_cms_encrypt(stg_bytes(xml, len), certificate, ret_cms, err) : stg_fail(err, STG_E_NOMEM, 0, "write the payloads");
	if (xml)
		OPENSSL_cleanse(xml, len);
	free(xml);
	return ok;
}

bool stg_profile_encrypt(const char *file_name, struct stg_bytes file, struct stg_bytes certificate, struct stg_buf *ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf cms = STG_BUF(PROFILE_FILE_MAX);
	struct profile p;
	if (!stg_profile_finished(file_name, file, NULL, err) || !profile_open(file_name, file, &p, err))
		return false;
	bool ok = take_payloads(&p, certificate, &cms, err);
	if (ok) {
		plist_dict_remove_item(p.root, "PayloadContent");
		plist_dict_set_item(p.root, "IsEncrypted", plist_new_bool(1));
		plist_dict_set_item(p.root, "EncryptedPayloadContent", plist_new_data((const char *)cms.data, cms.len));
		ok = profile_write(&p, ret, err);
	}
	profile_close(&p);
	return ok;
}

json_t *stg_profile_signer(const char *file_name, struct stg_bytes file, const json_t *anchor_pems, struct stg_error *err)
{
	static const char *const words[] = { [STG_SIGNER_TRUSTED] = "trusted", [STG_SIGNER_UNKNOWN] = "unknown", [STG_SIGNER_EXPIRED] = "expired",
					     [STG_SIGNER_NOT_YET] = "not_yet" };
	STG_AUTO(stg_buf_clear) struct stg_buf cms = STG_BUF(PROFILE_FILE_MAX);
	struct profile p;
	json_t *who = NULL;
	if (!profile_open(file_name, file, &p, err))
		return NULL;
	if (!p.signer)
		stg_fail_id(err, STG_E_INPUT, STG_ID_PROFILE_NOT_SIGNED, 0, "%s", p.file);
	else if (profile_for_device(&p, file, &cms, err)) {
		who = json_copy(p.signer);
		stg_json_put(who, "trust", words[stg_cms_signer_trust(stg_buf_view(&cms), anchor_pems)]);
	}
	profile_close(&p);
	return who;
}
