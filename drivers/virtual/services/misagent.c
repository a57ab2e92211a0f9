/*
 * misagent.c - provisioning profiles: what an app of one's own needs, not configuration profiles.
 *
 * For:    ideviceprovision and the app installers.
 * Uses:   ../shelf.h, ../provision.h.
 * Thread: the bench's one.
 * Facts:  {MessageType, Profile|ProfileID, ProfileType} -> {Status, Payload}; 0 is good, 0xE8008013 a bad signature,
 *         0xE8008001 an unknown profile (libimobiledevice, 2024).
 */
#include "../device.h"
#include "../provision.h"
#include "../service.h"
#include "../shelf.h"
#include "../words.h"

#define STATUS_OK            0u
#define STATUS_BAD_SIGNATURE 0xE8008013u
#define STATUS_UNKNOWN       0xE8008001u
#define STATUS_NO_SPACE      0xE8008012u

static void plist_free_at(plist_t *p)
{
	if (*p)
		plist_free(*p);
}

static bool uuid_of(struct stg_bytes profile, char ret[64])
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF((size_t)1 << 20);
	STG_AUTO(plist_free_at) plist_t list = NULL;

	if (!virt_provision_open(profile, &text))
		return false;
	plist_from_memory((const char *)text.data, (uint32_t)text.len, &list);
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
