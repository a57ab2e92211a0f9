/*
 * house_arrest.c - the files of one app: asks which, then speaks AFC on the same socket.
 *
 * For:    tools that put documents into an app.
 * Uses:   afc.h below the app's own folder, which lies beside the media folder.
 * Thread: the bench's one.
 * Facts:  {Command: VendContainer|VendDocuments, Identifier} -> {Status: Complete} then AFC, or {Error:
 *         ApplicationLookupFailed} (libimobiledevice, go-ios); InstallationLookupFailed for Documents of an app without
 *         UIFileSharingEnabled (ifuse 1.1.4) and, taken to be the same, for the container of a build that is not a developer's.
 */
#include "afc.h"

#include "../service.h"
#include "../words.h"

#include <stager/plistscan.h>
#include <stdio.h>

#define ASK_MAX ((size_t)64 << 10)

struct arrest {
	bool is_vended;
	struct virt_afc afc;
};

static void vend(struct virt_conn *c, struct arrest *a, plist_t ask)
{
	struct virt_shelf *shelf = virt_shelf(virt_conn_device(c));
	const char *command = virt_text(ask, "Command"), *id = virt_text(ask, "Identifier");
	const struct virt_app *app = virt_shelf_app_by_id(shelf, id);
	char documents[VIRT_PATH_MAX];
	int n;

	if (strcmp(command, "VendContainer") != 0 && strcmp(command, "VendDocuments") != 0) {
		virt_send_plist(c, virt_answer("Error", "InvalidCommand"));
		return;
	}
	n = snprintf(a->afc.root, sizeof(a->afc.root), "%s-containers/%s", VIRT_SHELF_ASIDE, id);
	if (!app || app->is_system || strchr(id, '/') || n < 0 || (size_t)n >= sizeof(a->afc.root)) {
		virt_send_plist(c, virt_answer("Error", "ApplicationLookupFailed"));
		return;
	}
	if (strcmp(command, "VendDocuments") == 0 ? !app->shares_files : !app->is_debuggable) {
		virt_send_plist(c, virt_answer("Error", "InstallationLookupFailed"));
		return;
	}
	snprintf(documents, sizeof(documents), "%s/Documents", a->afc.root);
	if (virt_shelf_make_folder(shelf, documents) != VIRT_SHELF_OK) {
		virt_send_plist(c, virt_answer("Error", "InstallationLookupFailed"));
		return;
	}
	a->is_vended = true;
	virt_send_plist(c, virt_answer("Status", "Complete"));
}

static size_t bytes(struct virt_conn *c, struct stg_bytes in)
{
	struct arrest *a = virt_state(c);
	plist_t ask = NULL;
	size_t len;

	if (a->is_vended)
		return virt_afc_bytes(c, &a->afc, in);
	if (in.len < 4)
		return 0;
	len = (size_t)in.data[0] << 24 | (size_t)in.data[1] << 16 | (size_t)in.data[2] << 8 | in.data[3];
	if (len > ASK_MAX) {
		virt_close(c);
		return in.len;
	}
	if (in.len - 4 < len)
		return 0;
	if (stg_plist_scan(stg_bytes(in.data + 4, len), &stg_plist_device, NULL, NULL))
		plist_from_memory((const char *)in.data + 4, (uint32_t)len, &ask);
	if (ask) {
		virt_device_note(virt_conn_device(c), virt_conn_service(c), virt_text(ask, "Command"));
		vend(c, a, ask);
		plist_free(ask);
	} else {
		virt_close(c);
	}
	return 4 + len;
}

const struct virt_service virt_service_house_arrest = {
	.names = { "com.apple.mobile.house_arrest" },
	.framing = VIRT_RAW,
	.state_size = sizeof(struct arrest),
	.bytes = bytes,
};
