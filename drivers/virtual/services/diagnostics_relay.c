/*
 * diagnostics_relay.c - restart, shutdown, battery and a few facts about the hardware.
 *
 * For:    idevicediagnostics, go-ios (reboot, battery) and the product's restart.
 * Uses:   ../device.h: the cable stays in, the device goes and comes back with a new DeviceID.
 * Thread: the bench's one.
 * Facts:  Request -> Status "Success", "Failure", "UnknownRequest" + Diagnostics. Restart and Shutdown happen when the
 *         host closes the socket. MobileGestalt answers MobileGestaltDeprecated since 17.4 (2024).
 */
#include "../bench.h"
#include "../device.h"
#include "../service.h"
#include "../words.h"

#include <stdlib.h>

#define RESTART_MS 35000

struct relay {
	bool restart, shutdown;   /* as soon as the host lets go */
};

static plist_t success(void)
{
	return virt_answer("Status", "Success");
}

static uint64_t cycles_of(const struct virt_device *d)
{
	return d->battery_cycles >= 0 ? (uint64_t)d->battery_cycles : d->ecid % 600;
}

/* Percent: 84 to 100, the same for the same device. */
static uint64_t health_of(const struct virt_device *d)
{
	return d->battery_health >= 0 ? (uint64_t)d->battery_health : 84 + d->ecid % 17;
}

static plist_t battery_of(const struct virt_device *d)
{
	plist_t b = plist_new_dict();
	uint64_t design = d->model && d->model->is_ipad ? 7600 : 3200;
	uint64_t health = health_of(d);

	virt_put_uint(b, "CycleCount", cycles_of(d));
	virt_put_uint(b, "DesignCapacity", design);
	virt_put_uint(b, "NominalChargeCapacity", design * health / 100);
	virt_put_uint(b, "AppleRawMaxCapacity", design * health / 100);
	virt_put_uint(b, "AppleRawCurrentCapacity", design * health / 100 * d->battery_percent / 100);
	virt_put_uint(b, "CurrentCapacity", d->battery_percent);
	virt_put_uint(b, "MaxCapacity", 100);
	virt_put_uint(b, "Temperature", 2690);
	virt_put_uint(b, "Voltage", 4012);
	virt_put_uint(b, "InstantAmperage", d->battery_charging ? 850 : 0);
	virt_put_bool(b, "IsCharging", d->battery_charging);
	virt_put_bool(b, "FullyCharged", d->battery_percent >= 100);
	virt_put_bool(b, "ExternalConnected", true);
	virt_put_bool(b, "AtCriticalLevel", d->battery_percent <= 3);
	virt_put(b, "Serial", d->mlb_serial);
	return b;
}

static plist_t gas_gauge_of(const struct virt_device *d)
{
	plist_t g = plist_new_dict();
	uint64_t design = d->model && d->model->is_ipad ? 7600 : 3200;

	virt_put_uint(g, "CycleCount", cycles_of(d));
	virt_put_uint(g, "DesignCapacity", design);
	virt_put_uint(g, "FullChargeCapacity", design * health_of(d) / 100);
	virt_put(g, "Status", "Success");
	return g;
}

static plist_t wifi_of(void)
{
	plist_t w = plist_new_dict();

	virt_put(w, "Active", "false");   /* a text, as go-ios types it */
	virt_put(w, "Status", "Success");
	return w;
}

static plist_t all_of(const struct virt_device *d)
{
	plist_t all = plist_new_dict(), nand = plist_new_dict(), hdmi = plist_new_dict();

	plist_dict_set_item(all, "GasGauge", gas_gauge_of(d));
	plist_dict_set_item(all, "WiFi", wifi_of());
	virt_put(nand, "Status", "Success");
	plist_dict_set_item(all, "NAND", nand);
	virt_put(hdmi, "Connection", "false");
	virt_put(hdmi, "Status", "Success");
	plist_dict_set_item(all, "HDMI", hdmi);
	return all;
}

/* {"Diagnostics": {name: what}} with Status, the shape of most answers here. */
static plist_t diagnosed(const char *name, plist_t what)
{
	plist_t answer = success(), inner = what;

	if (name) {
		inner = plist_new_dict();
		plist_dict_set_item(inner, name, what);
	}
	plist_dict_set_item(answer, "Diagnostics", inner);
	return answer;
}

/* Since 17.4 the keys are gone for hosts. */
static bool gestalt_is_gone(const struct virt_device *d)
{
	unsigned int minor = 0;
	const char *dot = strchr(d->os->version, '.');

	if (dot)
		minor = (unsigned int)strtoul(dot + 1, NULL, 10);
	return d->os->major > 17 || (d->os->major == 17 && minor >= 4);
}

static plist_t gestalt(struct virt_device *d, plist_t msg)
{
	/* MobileGestalt's word, lockdown's word. */
	static const char *const same[][2] = {
		{ "BasebandStatus", "BasebandStatus" }, { "BuildVersion", "BuildVersion" }, { "ChipID", "ChipID" },
		{ "DeviceClass", "DeviceClass" }, { "DeviceName", "DeviceName" }, { "UserAssignedDeviceName", "DeviceName" },
		{ "HardwarePlatform", "HardwarePlatform" }, { "HWModelStr", "HardwareModel" }, { "ProductType", "ProductType" },
		{ "ProductVersion", "ProductVersion" }, { "RegionInfo", "RegionInfo" }, { "ModelNumber", "ModelNumber" },
		{ "SerialNumber", "SerialNumber" }, { "UniqueChipID", "UniqueChipID" },
		{ "UniqueDeviceID", "UniqueDeviceID" }, { "WifiAddress", "WiFiAddress" },
		{ "InternationalMobileEquipmentIdentity", "InternationalMobileEquipmentIdentity" },
	};
	plist_t keys = virt_node(msg, "MobileGestaltKeys", PLIST_ARRAY), out = plist_new_dict();

	if (gestalt_is_gone(d)) {
		virt_put(out, "Status", "MobileGestaltDeprecated");
		return diagnosed("MobileGestalt", out);
	}
	for (uint32_t i = 0; keys && i < plist_array_get_size(keys); i++) {
		plist_t node = plist_array_get_item(keys, i), value = NULL;
		const char *key = plist_get_node_type(node) == PLIST_STRING ? plist_get_string_ptr(node, NULL) : "";

		if (strcmp(key, "BatteryCurrentCapacity") == 0)
			value = plist_new_uint(d->battery_percent);
		for (size_t n = 0; !value && n < STG_ARRAY_LEN(same); n++)
			if (strcmp(key, same[n][0]) == 0)
				value = virt_value(d, NULL, same[n][1], true);
		if (value)
			plist_dict_set_item(out, key, value);
	}
	virt_put(out, "Status", "Success");
	return diagnosed("MobileGestalt", out);
}

static plist_t io_registry(const struct virt_device *d, plist_t msg)
{
	const char *class = virt_text(msg, "EntryClass"), *name = virt_text(msg, "EntryName");
	plist_t root;

	if (strcmp(class, "IOPMPowerSource") == 0 || strcmp(name, "AppleSmartBattery") == 0
	    || strcmp(name, "AppleARMPMUCharger") == 0)
		return diagnosed("IORegistry", battery_of(d));
	if (*virt_text(msg, "CurrentPlane")) {
		root = virt_answer("name", "Root");
		virt_put(root, "IOKitBuildVersion", "Darwin Kernel Version 23.5.0");
		return diagnosed("IORegistry", root);
	}
	return success();   /* nothing of that name: no Diagnostics */
}

static void message(struct virt_conn *c, plist_t msg)
{
	struct virt_device *d = virt_conn_device(c);
	struct relay *r = virt_state(c);
	const char *request = virt_text(msg, "Request");

	if (strcmp(request, "Restart") == 0) {
		r->restart = true;
		virt_send_plist(c, success());
	} else if (strcmp(request, "Shutdown") == 0) {
		r->shutdown = true;
		virt_send_plist(c, success());
	} else if (strcmp(request, "Sleep") == 0) {
		virt_send_plist(c, success());
	} else if (strcmp(request, "All") == 0) {
		virt_send_plist(c, diagnosed(NULL, all_of(d)));
	} else if (strcmp(request, "GasGauge") == 0) {
		virt_send_plist(c, diagnosed("GasGauge", gas_gauge_of(d)));
	} else if (strcmp(request, "WiFi") == 0) {
		virt_send_plist(c, diagnosed("WiFi", wifi_of()));
	} else if (strcmp(request, "NAND") == 0 || strcmp(request, "HDMI") == 0) {
		virt_send_plist(c, diagnosed(request, success()));
	} else if (strcmp(request, "MobileGestalt") == 0) {
		virt_send_plist(c, gestalt(d, msg));
	} else if (strcmp(request, "IORegistry") == 0) {
		virt_send_plist(c, io_registry(d, msg));
	} else if (strcmp(request, "Goodbye") == 0) {
		virt_send_plist(c, success());
		virt_close(c);
	} else {
		virt_send_plist(c, virt_answer("Status", "UnknownRequest"));
	}
}

static void restart_now(struct virt_device *d, void *arg)
{
	(void)arg;
	virt_device_restart(d, RESTART_MS, VIRT_USB_NORMAL);
}

static void shutdown_now(struct virt_device *d, void *arg)
{
	(void)arg;
	virt_device_shutdown(d);
}

/* Not inside closed(): going away closes the other connections of the device too. */
static void closed(struct virt_conn *c)
{
	const struct relay *r = virt_state(c);
	struct virt_device *d = virt_conn_device(c);

	if (!virt_device_is_attached(d))
		return;
	if (r->restart)
		virt_device_after(d, 0, restart_now, NULL);
	else if (r->shutdown)
		virt_device_after(d, 0, shutdown_now, NULL);
}

const struct virt_service virt_service_diagnostics_relay = {
	.names = { "com.apple.mobile.diagnostics_relay", "com.apple.iosdiagnostics.relay" },
	.framing = VIRT_PLIST,
	.state_size = sizeof(struct relay),
	.message = message,
	.closed = closed,
};
