/*
 * springboardservices.c - the home screen: which icon stands where.
 *
 * For:    tools that read or arrange icons.
 * Uses:   ../shelf.h for the apps.
 * Thread: the bench's one.
 * Facts:  {command: getIconState, formatVersion} -> an array of pages, the dock first; setIconState has no answer
 *         (libimobiledevice, 2024).
 */
#include "../device.h"
#include "../service.h"
#include "../shelf.h"
#include "../words.h"

/* One transparent point: there are no pictures on a virtual device. */
static const uint8_t PNG[] = {
	0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13, 'I', 'H', 'D', 'R', 0, 0, 0, 1, 0, 0, 0, 1, 8, 6, 0, 0, 0,
	0x1f, 0x15, 0xc4, 0x89, 0, 0, 0, 13, 'I', 'D', 'A', 'T', 0x78, 0x9c, 0x63, 0, 1, 0, 0, 5, 0, 1, 0x0d, 0x0a, 0x2d,
	0xb4, 0, 0, 0, 0, 'I', 'E', 'N', 'D', 0xae, 0x42, 0x60, 0x82,
};

static plist_t icons(struct virt_device *d)
{
	const struct virt_shelf *shelf = virt_shelf(d);
	plist_t pages = plist_new_array(), dock = plist_new_array(), first = plist_new_array();

	for (size_t i = 0; i < virt_shelf_apps(shelf); i++) {
		const struct virt_app *app = virt_shelf_app(shelf, i);
		plist_t icon = virt_answer("bundleIdentifier", app->id);

		virt_put(icon, "displayIdentifier", app->id);
		virt_put(icon, "displayName", app->name);
		plist_array_append_item(i < 4 ? dock : first, icon);
	}
	plist_array_append_item(pages, dock);
	plist_array_append_item(pages, first);
	return pages;
}

static void message(struct virt_conn *c, plist_t msg)
{
	struct virt_device *d = virt_conn_device(c);
	const char *command = virt_text(msg, "command");
	plist_t answer;

	if (strcmp(command, "getIconState") == 0) {
		virt_send_plist(c, icons(d));
	} else if (strcmp(command, "setIconState") == 0) {
		/* arranged; nothing of ours looks at the order */
	} else if (strcmp(command, "getIconPNGData") == 0 || strcmp(command, "getHomeScreenWallpaperPNGData") == 0
		   || strcmp(command, "getWallpaperPreviewImage") == 0) {
		answer = plist_new_dict();
		virt_put_data(answer, "pngData", stg_bytes(PNG, sizeof(PNG)));
		virt_send_plist(c, answer);
	} else if (strcmp(command, "getInterfaceOrientation") == 0) {
		answer = plist_new_dict();
		virt_put_uint(answer, "interfaceOrientation", 1);
		virt_send_plist(c, answer);
	} else if (strcmp(command, "getHomeScreenIconMetrics") == 0) {
		answer = plist_new_dict();
		virt_put_uint(answer, "homeScreenIconColumns", 4);
		virt_put_uint(answer, "homeScreenIconRows", 6);
		virt_put_uint(answer, "homeScreenIconDockMaxCount", 4);
		virt_put_uint(answer, "homeScreenWidth", d->model->screen_width);
		virt_put_uint(answer, "homeScreenHeight", d->model->screen_height);
		virt_send_plist(c, answer);
	} else if (strcmp(command, "getWallpaperInfo") == 0) {
		virt_send_plist(c, plist_new_dict());
	} else {
		virt_send_plist(c, virt_answer("Error", "UnknownCommand"));
	}
}

const struct virt_service virt_service_springboardservices = {
	.names = { "com.apple.springboardservices" },
	.framing = VIRT_PLIST,
	.message = message,
};
