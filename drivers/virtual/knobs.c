/*
 * knobs.c - the states of a device that scenarios and the control socket may turn, and how a device is shown.
 *
 * For:    "set X locked true", members of a scenario's devices, "show X".
 * Uses:   device.h.
 * Called: by device.c, control.c.
 * Thread: the bench's only one.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <stager/error.h>

#include "bench.h"
#include "conn.h"
#include "profiles.h"
#include "shelf.h"
#include "tls.h"

/* enum virt_usb_mode */
static const char *const usb_modes[] = { "normal", "recovery", "dfu", "restore", "android", "wtf", "port_dfu" };

/* Plain switches: a word and where it is kept. */
static const struct {
	const char *word;
	size_t offset;
} switches[] = {
#define SWITCH(word) { #word, offsetof(struct virt_device, word) }
	SWITCH(activation_acknowledged), SWITCH(activation_lock), SWITCH(has_network), SWITCH(abm_assigned), SWITCH(find_my),
	SWITCH(at_home_screen), SWITCH(escrow_locked), SWITCH(has_passcode), SWITCH(mdm_line_needed),
	SWITCH(battery_charging), SWITCH(disk_full), SWITCH(auto_trust), SWITCH(string_remove_ignored),
	SWITCH(serial_raw24), SWITCH(long_challenge), SWITCH(enrolment_tap), SWITCH(programme_told), SWITCH(programme_no_pairing), SWITCH(wifi_off),
	SWITCH(esim),
#undef SWITCH
};

static bool truth(const json_t *v)
{
	if (json_is_string(v))
		return strcmp(json_string_value(v), "true") == 0 || strcmp(json_string_value(v), "yes") == 0 ||
		       strcmp(json_string_value(v), "1") == 0 || strcmp(json_string_value(v), "on") == 0;
	return json_is_true(v) || (json_is_integer(v) && json_integer_value(v) != 0);
}

/* As another shop's Configurator left it: set up, with an identity nobody here has. */
static void supervise_by_other(struct virt_device *d, const char *organisation)
{
	struct virt_random r = virt_random_from(d->bench->opt.seed, d->number, 4);
	plist_t c = plist_new_dict(), certs = plist_new_array();
	uint8_t der[300] = { 0x30, 0x82, 0x01, 0x28 };

	virt_random_fill(&r, der + 4, sizeof(der) - 4);
	plist_array_append_item(certs, plist_new_data((const char *)der, sizeof(der)));
	plist_dict_set_item(c, "AllowPairing", plist_new_bool(1));
	plist_dict_set_item(c, "CloudConfigurationUIComplete", plist_new_bool(1));
	plist_dict_set_item(c, "ConfigurationSource", plist_new_uint(2));
	plist_dict_set_item(c, "ConfigurationWasApplied", plist_new_bool(1));
	plist_dict_set_item(c, "IsMDMUnremovable", plist_new_bool(0));
	plist_dict_set_item(c, "IsMandatory", plist_new_bool(1));
	plist_dict_set_item(c, "IsSupervised", plist_new_bool(1));
	plist_dict_set_item(c, "OrganizationMagic", plist_new_string("5F0C7A52-93C4-4C8D-9E51-0B1F2A3C4D5E"));
	plist_dict_set_item(c, "OrganizationName", plist_new_string(organisation));
	plist_dict_set_item(c, "SkipSetup", plist_new_array());
	plist_dict_set_item(c, "SupervisorHostCertificates", certs);
	plist_free(d->cloud_config);
	d->cloud_config = c;
	d->at_home_screen = true;
}

bool virt_device_set(struct virt_device *d, const char *knob, const json_t *value, struct stg_error *err)
{
	const char *text = json_is_string(value) ? json_string_value(value) : "";
	int64_t number = json_is_integer(value) ? json_integer_value(value) : text[0] ? strtoll(text, NULL, 10) : 0;

	for (size_t i = 0; i < STG_ARRAY_LEN(switches); i++)
		if (strcmp(switches[i].word, knob) == 0) {
			bool yes = truth(value);

			if (switches[i].offset == offsetof(struct virt_device, at_home_screen) && yes && !d->at_home_screen) {
				d->at_home_screen = true;
				virt_setup_finished(d);
			}
			memcpy((char *)d + switches[i].offset, &yes, sizeof(yes));
			return true;
		}
	if (strcmp(knob, "locked") == 0) {
		d->is_locked = truth(value);
		d->has_passcode = d->has_passcode || d->is_locked;
		if (!d->is_locked)
			d->escrow_locked = false;
	} else if (strcmp(knob, "supervised_by_other") == 0) {
		if (!json_is_string(value) || truth(value))
			text = "Somebody Else Ltd";
		if (truth(value) || json_is_string(value))
			supervise_by_other(d, text);
	} else if (strcmp(knob, "supervised") == 0 && !truth(value)) {
		plist_free(d->cloud_config);
		d->cloud_config = NULL;
	} else if (strcmp(knob, "programme_supervised") == 0) {
		/* assigned without it: what was fetched says so */
		if (d->cloud_config)
			plist_dict_set_item(d->cloud_config, "IsSupervised", plist_new_bool(truth(value)));
	} else if (strcmp(knob, "trust_revoked") == 0) {
		/* as by Settings, Reset Location & Privacy */
		if (truth(value))
			virt_device_forget_records(d);
	} else if (strcmp(knob, "string_remove") == 0) {
		d->string_remove_ignored = strcmp(text, "ignore") == 0;
	} else if (strcmp(knob, "activation_state") == 0) {
		virt_device_set_activation(d, text);
	} else if (strcmp(knob, "activated") == 0) {
		virt_device_set_activation(d, truth(value) ? "Activated" : "Unactivated");
	} else if (strcmp(knob, "battery") == 0) {
		if (number < 0 || number > 100)
			return stg_fail(err, STG_E_INPUT, 0, "battery wants 0 to 100");
		d->battery_percent = (unsigned int)number;
	} else if (strcmp(knob, "jailbroken") == 0) {
		static const struct virt_app shop = { "org.coolstar.SileoStore", "Sileo", "2.5", "2.5", "15.0", .is_system = true };

		d->jailbroken = truth(value);
		if (d->jailbroken)
			virt_shelf_put_app(virt_shelf(d), &shop);
	} else if (strcmp(knob, "battery_health") == 0) {
		d->battery_health = (int)number;
	} else if (strcmp(knob, "battery_cycles") == 0) {
		d->battery_cycles = (int)number;
	} else if (strcmp(knob, "encryption_caps") == 0) {
		d->encryption_caps = (uint64_t)number;
	} else if (strcmp(knob, "app") == 0) {
		/* as if somebody had bought it: "com.example.game/2.1" */
		struct virt_app app = { .minimum_os = "15.0" };

		if (sscanf(text, "%255[^/]/%63s", app.id, app.short_version) < 1)
			return stg_fail(err, STG_E_INPUT, 0, "app wants IDENTIFIER/VERSION");
		stg_copy(app.name, sizeof(app.name), strrchr(app.id, '.') ? strrchr(app.id, '.') + 1 : app.id);
		stg_copy(app.version, sizeof(app.version), app.short_version);
		virt_shelf_put_app(virt_shelf(d), &app);
	} else if (strcmp(knob, "iccid2") == 0) {
		stg_copy(d->iccid2, sizeof(d->iccid2), text);
	} else if (strcmp(knob, "key_bits") == 0) {
		/* what a device of our own making, or an impostor's, might have */
		struct virt_key *key = virt_keys_short(d->bench->keys, (unsigned int)number, err);

		if (!key)
			return false;
		d->key = key;
	} else if (strcmp(knob, "iccid") == 0) {
		stg_copy(d->iccid, sizeof(d->iccid), text);
	} else if (strcmp(knob, "next_token") == 0) {
		stg_copy(d->next_token, sizeof(d->next_token), text);
	} else if (strcmp(knob, "device_name") == 0) {
		stg_copy(d->name, sizeof(d->name), text);
	} else if (strcmp(knob, "set_serial") == 0) {
		/* After a board swap two units may say the same, or zeros. */
		stg_copy(d->serial, sizeof(d->serial), text);
	} else if (strcmp(knob, "set_imei") == 0) {
		stg_copy(d->imei[0], sizeof(d->imei[0]), text);
	} else if (strcmp(knob, "usb_mode") == 0) {
		for (size_t i = 0; i < STG_ARRAY_LEN(usb_modes); i++)
			if (i != VIRT_USB_ANDROID && strcmp(usb_modes[i], text) == 0) {
				d->usb_mode = (enum virt_usb_mode)i;
				return true;
			}
		return stg_fail(err, STG_E_INPUT, 0, "usb_mode is one of normal, recovery, dfu, restore, wtf, port_dfu");
	} else if (strcmp(knob, "os") == 0) {
		const struct virt_os *os = virt_os_find(text);

		if (!os)
			return stg_fail(err, STG_E_INPUT, 0, "no system version '%s' is known", text);
		d->os = os;
	} else {
		return stg_fail(err, STG_E_INPUT, 0, "a device has no knob '%s'", knob);
	}
	return true;
}

static const char *dialog_name(enum virt_dialog dialog)
{
	static const char *const names[] = { "none", "open", "trusted", "denied" };

	return names[dialog];
}

static json_t *show_profiles(const struct virt_profile *p)
{
	json_t *list = json_array();

	for (; p; p = p->next) {
		json_t *one = json_object();
		char sum[65];

		stg_sha256_hex(stg_buf_view(&p->bytes), sum);
		stg_json_put(one, "identifier", p->identifier);
		stg_json_put(one, "uuid", p->uuid);
		stg_json_put(one, "name", p->display_name);
		stg_json_put_bool(one, "silent", p->silent);
		stg_json_put_int(one, "size_bytes", (int64_t)p->bytes.len);
		stg_json_put(one, "sha256", sum);
		json_array_append_new(list, one);
	}
	return list;
}

/* Property lists as JSON: data as base64. */
static json_t *from_plist(plist_t node)
{
	switch (plist_get_node_type(node)) {
	case PLIST_BOOLEAN: {
		uint8_t yes = 0;

		plist_get_bool_val(node, &yes);
		return json_boolean(yes);
	}
	case PLIST_UINT: {
		uint64_t n = 0;

		plist_get_uint_val(node, &n);
		return json_integer((json_int_t)n);
	}
	case PLIST_REAL: {
		double x = 0;

		plist_get_real_val(node, &x);
		return json_real(x);
	}
	case PLIST_STRING:
		return json_string(plist_get_string_ptr(node, NULL));
	case PLIST_DATA: {
		STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(64u << 20);
		uint64_t len = 0;
		const char *data = plist_get_data_ptr(node, &len);

		stg_base64(stg_bytes(data, len), &text, NULL);
		return json_string(stg_buf_str(&text));
	}
	case PLIST_ARRAY: {
		json_t *a = json_array();

		for (uint32_t i = 0; i < plist_array_get_size(node); i++)
			json_array_append_new(a, from_plist(plist_array_get_item(node, i)));
		return a;
	}
	case PLIST_DICT: {
		json_t *o = json_object();
		plist_dict_iter it = NULL;

		plist_dict_new_iter(node, &it);
		for (;;) {
			char *key = NULL;
			plist_t value = NULL;

			plist_dict_next_item(node, it, &key, &value);
			if (!key)
				break;
			json_object_set_new(o, key, from_plist(value));
			free(key);
		}
		free(it);
		return o;
	}
	default:
		return json_null();
	}
}

json_t *virt_device_show(const struct virt_device *d)
{
	json_t *o = json_object();
	json_t *records = json_array();
	char ecid[24];

	stg_json_put_int(o, "number", d->number);
	stg_json_put(o, "serial", d->serial);
	if (d->model) {
		stg_json_put(o, "udid", d->udid);
		snprintf(ecid, sizeof(ecid), "0x%llX", (unsigned long long)d->ecid);
		stg_json_put(o, "ecid", ecid);
		stg_json_put(o, "imei", d->imei[0]);
		stg_json_put(o, "imei2", d->imei[1]);
		stg_json_put(o, "model", d->model->product_type);
		stg_json_put(o, "model_name", d->model->marketing_name);
		stg_json_put(o, "os", d->os->version);
		stg_json_put(o, "build", d->os->build);
		stg_json_put(o, "wifi", d->wifi);
		stg_json_put_int(o, "capacity_bytes", (int64_t)d->capacity_bytes);
	}
	stg_json_put(o, "kind", !d->model ? "android" : d->model->is_ipad ? "ipad" : "iphone");
	stg_json_put(o, "name", d->name);
	stg_json_put(o, "port", d->port);
	stg_json_put_bool(o, "plugged", d->is_plugged);
	stg_json_put_bool(o, "on", d->is_on);
	stg_json_put_bool(o, "attached", virt_device_is_attached(d));
	stg_json_put(o, "usb_mode", usb_modes[d->usb_mode]);
	stg_json_put_int(o, "device_id", d->device_id);
	stg_json_put_int(o, "attach_count", d->attach_count);
	stg_json_put_int(o, "touched_us", d->touched_us);
	stg_json_put_int(o, "longest_idle_us", d->longest_idle_us);
	stg_json_put_int(o, "generation", d->generation);
	stg_json_put(o, "activation_state", d->activation_state);
	stg_json_put_bool(o, "supervised", virt_device_is_supervised(d));
	plist_t by = d->cloud_config ? plist_dict_get_item(d->cloud_config, "OrganizationName") : NULL;
	if (by && plist_get_node_type(by) == PLIST_STRING)
		stg_json_put(o, "supervised_by", plist_get_string_ptr(by, NULL));
	stg_json_put_bool(o, "locked", d->is_locked);
	for (size_t i = 0; i < STG_ARRAY_LEN(switches); i++) {
		bool yes;

		memcpy(&yes, (const char *)d + switches[i].offset, sizeof(yes));
		stg_json_put_bool(o, switches[i].word, yes);
	}
	stg_json_put(o, "iccid", d->iccid);
	stg_json_put_int(o, "battery", d->battery_percent);
	stg_json_put(o, "dialog", dialog_name(d->dialog));
	for (const struct virt_record *r = d->records; r; r = r->next)
		json_array_append_new(records, json_string(r->host_id));
	stg_json_put_new(o, "hosts", records);
	if (d->cloud_config)
		stg_json_put_new(o, "cloud_configuration", from_plist(d->cloud_config));
	stg_json_put_new(o, "profiles", show_profiles(d->profiles));
	stg_json_put_new(o, "queued", show_profiles(d->queued));
	stg_json_put(o, "wallpaper_lock", d->wallpaper_lock);
	stg_json_put(o, "wallpaper_home", d->wallpaper_home);
	stg_json_put_int(o, "stored_profile_bytes", (int64_t)d->stored_profile.len);
	stg_json_put_new(o, "values", from_plist(d->values));
	stg_json_put_new(o, "faults", virt_fault_list(d));
	stg_json_put_int(o, "faults_met", d->faults_met);
	stg_json_put_new(o, "counts", json_copy(d->counts));
	if (d->model) {
		STG_AUTO(stg_json_free_at) json_t *shelf = virt_shelf_json((struct virt_device *)(uintptr_t)d);

		json_object_update(o, shelf);
	}
	return o;
}
