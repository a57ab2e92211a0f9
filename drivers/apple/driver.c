/*
 * driver.c - the door to iPhones and iPads.
 *
 * For:    drivers/device.c, which is all that looks into the table.
 * Uses:   libimobiledevice and libusbmuxd for devices and connections; the files beside for everything said over them.
 * Called: in a worker process; claims() anywhere.
 * Thread: the worker's.
 * Facts:  protocols/apple.md 11.1: SIGPIPE kills without a handler; the library's debug mode prints property lists.
 */
#include <signal.h>
#include <stdlib.h>

#include <libimobiledevice/libimobiledevice.h>
#include <usbmuxd.h>

#include <stager/watch.h>

#include "device.h"

#define VENDOR_APPLE 0x05ac

static bool claims(const struct stg_arrival *a)
{
	return a->vid == VENDOR_APPLE && a->mode != STG_MODE_FOREIGN;
}

static bool prepare(const char *mux, struct stg_error *err)
{
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return stg_fail(err, STG_E_BUG, 0, "SIGPIPE");
	unsetenv("LIBIMOBILEDEVICE_DEBUG");
	unsetenv("SSLKEYLOGFILE");
	idevice_set_debug_level(0);
	libusbmuxd_set_debug_level(0);
	if (mux && setenv("USBMUXD_SOCKET_ADDRESS", mux, 1) != 0)
		return stg_fail(err, STG_E_NOMEM, 0, "environment");
	return true;
}

static void close_device(struct stg_device *base)
{
	struct apple_device *dev = apple_device(base);
	if (!dev)
		return;
	apple_mcinstall_close(dev);
	apple_leave_for_recovery(dev);
	apple_lockdown_close(dev);
	apple_link_close_at(&dev->leaving);
	apple_record_clear(dev);
	apple_plist_free_at(&dev->pair_ask);
	apple_plist_free_at(&dev->pair_keep);
	apple_plist_free_at(&dev->values);
	json_decref(dev->slow_facts);
	apple_owner_facts_forget(dev);
	if (dev->handle)
		idevice_free(dev->handle);
	free(dev);
}

static struct stg_device *open_device(const struct stg_arrival *a, const struct stg_host *host, struct stg_stop *stop,
				      struct stg_error *err)
{
	if (a->mode != STG_MODE_NORMAL) {
		stg_fail_id(err, STG_E_UNSUPPORTED, STG_ID_NOT_RUNNING_IOS, 0, "it is in %s mode", stg_mode_name(a->mode));
		return NULL;
	}
	/* the names a device gives itself go into requests: only what is a UDID does */
	char udid[STG_UDID_MAX];
	if (!stg_udid_clean(a->udid[0] ? a->udid : a->usb_serial, udid)) {
		stg_fail_id(err, STG_E_PROTOCOL, STG_ID_DEVICE_NONSENSE, 0, "its serial string is no UDID");
		return NULL;
	}
	struct apple_device *dev = stg_calloc(1, sizeof(*dev));
	dev->base.host = host;
	dev->base.stop = stop;
	/* older phones have lower-case UDIDs, and the library compares letter by letter: behind the door the clean form is
	 * listed, at usbmuxd itself the device's own spelling */
	const char *const spellings[] = { udid, a->udid, a->usb_serial };
	idevice_error_t e = IDEVICE_E_NO_DEVICE;
	for (size_t i = 0; i < STG_ARRAY_LEN(spellings) && e != IDEVICE_E_SUCCESS; i++) {
		if (!spellings[i][0])
			continue;
		e = idevice_new(&dev->handle, spellings[i]);
		if (e == IDEVICE_E_SUCCESS)
			stg_copy(dev->udid, sizeof(dev->udid), spellings[i]);
	}
	if (e != IDEVICE_E_SUCCESS) {
		stg_fail_id(err, STG_E_GONE, STG_ID_DEVICE_GONE, (int)e, "%s is not there", udid);
		close_device(&dev->base);
		return NULL;
	}
	return &dev->base;
}

const struct stg_driver stg_driver_apple = {
	.name = "apple",
	.claims = claims,
	.prepare = prepare,
	.open = open_device,
	.close = close_device,
	.identify = apple_identify,
	.facts = apple_facts,
	.owner_facts = apple_owner_facts,
	.trust = apple_trust,
	.pair = apple_pair,
	.unpair = apple_unpair,
	.activation = apple_activation,
	.activate = apple_activate,
	.supervise = apple_supervise,
	.configuration = apple_configuration,
	.fetch_configuration = apple_fetch_configuration,
	.install_profile = apple_install_profile,
	.store_profile = apple_store_profile,
	.stored_profile = apple_stored_profile,
	.remove_profile = apple_remove_profile,
	.list_profiles = apple_list_profiles,
	.list_apps = apple_list_apps,
	.set_name = apple_set_name,
	.set_time = apple_set_time,
	.get_time = apple_get_time,
	.set_language = apple_set_language,
	.settings = apple_settings,
	.restart = apple_restart,
	.erase = apple_erase,
	.warm = apple_warm,
	.security_info = apple_security_info,
	.unlock_token = apple_unlock_token,
	.clear_passcode = apple_clear_passcode,
	.clear_restrictions_password = apple_clear_restrictions_password,
	.set_wallpaper = apple_set_wallpaper,
	.wifi_power = apple_wifi_power,
	.shutdown = apple_shutdown,
	.enter_recovery = apple_enter_recovery,
	.find_app = apple_find_app,
	.install_app = apple_install_app,
	.remove_app = apple_remove_app,
	.put_document = apple_put_document,
	.find_document = apple_find_document,
	.details = apple_details,
};
