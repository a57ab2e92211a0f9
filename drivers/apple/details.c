/*
 * details.c - what takes a device longer to tell: its battery's health, what is installed, signs of a jailbreak.
 *
 * For:    stg_device_details: a census, an inventory, rules.
 * Uses:   lockdown.c, apps.c, profiles.c, codes/diagnostics.c.
 * Called: through the driver's table.
 * Thread: the worker's.
 * Facts:  protocols/apple.md 5.6: IORegistry, EntryClass IOPMPowerSource; health is NominalChargeCapacity (older systems:
 *         AppleRawMaxCapacity) of DesignCapacity. Signs, none of them sure: com.apple.afc2 serves the whole file system and comes
 *         with a jailbreak's file conduit alone; boot-args (3.4, NonVolatileRAM) are empty on a device as it is sold; the shops
 *         and loaders of jailbreaks by their published identifiers. A jailbreak can hide from all three: that nothing was found
 *         is all that can be said.
 */
#include <stdio.h>

#include <stager/clock.h>
#include <stager/facts.h>

#include "device.h"

#define RELAY "com.apple.mobile.diagnostics_relay"
#define RELAY_MS 30000
#define APPS_MAX 1000            /* what a record carries; nobody has put more onto a phone */

/* "No" is an answer, and leaves the fact unknown; a lost connection is none. */
static bool is_answer(const struct stg_error *why)
{
	return why->code == STG_E_REFUSED || why->code == STG_E_UNSUPPORTED || why->code == STG_E_NEEDS_HUMAN || why->code == STG_E_PROTOCOL ||
	       why->code == STG_E_NOT_FOUND;
}

/* ---- the battery ---- */

static bool diagnosed(plist_t reply, struct stg_error *err)
{
	const char *status = apple_str(reply, "Status");
	if (strcmp(status, "Success") == 0)
		return true;
	const struct stg_code_row *row = stg_codes_by_name(&stg_codes_diagnostics, status, false);
	char clean[80];
	stg_printable(status, false, clean, sizeof(clean));
	row = row ? row : &stg_codes_diagnostics.otherwise;
	return stg_fail_id(err, row->code, row->id, 0, "battery: %s", clean);
}

static bool put_battery(struct apple_device *dev, json_t *facts, struct stg_error *err)
{
	STG_AUTO(apple_link_close_at) struct apple_link *l = apple_service(dev, RELAY, err);
	STG_AUTO(apple_plist_free_at) plist_t ask = plist_new_dict();
	if (!l)
		return stg_while(err, "battery");
	apple_put_str(ask, "Request", "IORegistry");
	apple_put_str(ask, "EntryClass", "IOPMPowerSource");
	STG_AUTO(apple_plist_free_at) plist_t reply = apple_link_ask(l, ask, &stg_plist_device, RELAY_MS, err);
	if (!reply)
		return stg_while(err, "battery");
	if (!diagnosed(reply, err))
		return false;
	plist_t battery = apple_dict(apple_dict(reply, "Diagnostics"), "IORegistry");
	uint64_t now = 0, design = 0, cycles = 0;
	if (!apple_uint(battery, "NominalChargeCapacity", &now) || !now)
		(void)apple_uint(battery, "AppleRawMaxCapacity", &now);
	/* a gauge that was not calibrated says more than a new one holds, or nonsense: nonsense is not told */
	if (apple_uint(battery, "DesignCapacity", &design) && design && design < 100000 && now && now < 2 * design)
		stg_json_put_int(facts, STG_FACT_BATTERY_HEALTH, (int64_t)(now >= design ? 100 : now * 100 / design));
	if (apple_uint(battery, "CycleCount", &cycles) && cycles < 100000)
		stg_json_put_int(facts, STG_FACT_BATTERY_CYCLES, (int64_t)cycles);
	return true;
}

/* ---- what is installed ---- */

static bool put_list(json_t *facts, const char *name, json_t *list /* taken */)
{
	while (json_array_size(list) > APPS_MAX)
		json_array_remove(list, APPS_MAX);
	if (list)
		stg_json_put_new(facts, name, list);
	return list != NULL;
}

static bool put_apps(struct apple_device *dev, json_t *facts, struct stg_error *err)
{
	json_t *list = apple_list_apps(&dev->base, err), *one;
	size_t i;
	json_array_foreach(list, i, one) {
		json_object_del(one, "build");
		json_object_del(one, "signer");
	}
	return put_list(facts, STG_FACT_INSTALLED_APPS, list);
}

static bool put_profiles(struct apple_device *dev, json_t *facts, struct stg_error *err)
{
	return put_list(facts, STG_FACT_INSTALLED_PROFILES, apple_list_profiles(&dev->base, err));
}

/* ---- signs of a jailbreak ---- */

static const char *const loaders[] = {
	"com.saurik.Cydia", "org.coolstar.SileoStore", "xyz.willy.Zebra", "me.apptapp.installer", "com.opa334.Dopamine", "com.opa334.TrollStore",
	"science.xnu.undecimus", "org.coolstar.electra", "org.coolstar.odyssey", "kjc.loader", "com.samiiau.loader", "com.tigisoftware.Filza", NULL,
};

static void add_sign(json_t *signs, const char *kind, const char *what)
{
	char clean[120], text[160];
	stg_printable(what, true, clean, sizeof(clean));
	snprintf(text, sizeof(text), "%s %s", kind, clean);
	json_array_append_new(signs, json_string(text));
}

static bool look_at_files(struct apple_device *dev, json_t *signs, struct stg_error *err)
{
	bool there = false;
	if (!apple_service_is_there(dev, "com.apple.afc2", &there, err))
		return false;
	if (there)
		add_sign(signs, "service", "com.apple.afc2");
	return true;
}

static bool look_at_start(struct apple_device *dev, json_t *signs, struct stg_error *err)
{
	plist_t v = apple_values(dev, INT64_MAX, err), nvram = apple_dict(v, "NonVolatileRAM");
	struct stg_bytes data = apple_data(nvram, "boot-args");
	char text[100] = "";
	if (!v)
		return false;
	snprintf(text, sizeof(text), "%.99s", apple_str(nvram, "boot-args"));
	if (data.len)
		snprintf(text, sizeof(text), "%.*s", (int)(data.len < sizeof(text) ? data.len : sizeof(text) - 1), (const char *)data.data);
	if (*text)
		add_sign(signs, "boot-args", text);
	return true;
}

static bool look_at_apps(struct apple_device *dev, json_t *signs, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *found = apple_apps_among(dev, loaders, err);
	for (size_t i = 0; i < json_array_size(found); i++)
		add_sign(signs, "app", json_string_value(json_array_get(found, i)));
	return found != NULL;
}

/* Each looks at something else; one that cannot be asked leaves the others. "None found" only when every one of them could look. */
static bool put_signs(struct apple_device *dev, json_t *facts, struct stg_error *err)
{
	bool (*const look[])(struct apple_device *, json_t *, struct stg_error *) = { look_at_files, look_at_start, look_at_apps };
	STG_AUTO(stg_json_free_at) json_t *signs = json_array();
	size_t looked = 0;
	for (size_t i = 0; i < STG_ARRAY_LEN(look); i++) {
		struct stg_error why = { 0 };
		if (look[i](dev, signs, &why)) {
			looked++;
		} else if (!is_answer(&why)) {
			if (err)
				*err = why;
			return stg_while(err, "signs of a jailbreak");
		}
	}
	if (!json_array_size(signs) && looked < STG_ARRAY_LEN(look))
		return true;
	stg_json_put(facts, STG_FACT_JAILBREAK, json_array_size(signs) ? STG_SIGNS_FOUND : STG_SIGNS_NONE);
	stg_json_put_new(facts, STG_FACT_JAILBREAK_SIGNS, stg_steal(signs));
	return true;
}

/* ---- all of it ---- */

json_t *apple_details(struct stg_device *base, unsigned int what, struct stg_error *err)
{
	static const struct {
		enum stg_detail which;
		bool (*put)(struct apple_device *, json_t *, struct stg_error *);
	} parts[] = {
		{ STG_DETAIL_BATTERY, put_battery }, { STG_DETAIL_APPS, put_apps },
		{ STG_DETAIL_PROFILES, put_profiles }, { STG_DETAIL_SIGNS, put_signs },
	};
	struct apple_device *dev = apple_device(base);
	STG_AUTO(stg_json_free_at) json_t *facts = json_object();
	for (size_t i = 0; i < STG_ARRAY_LEN(parts); i++) {
		struct stg_error why = { 0 };
		if (!(what & parts[i].which) || parts[i].put(dev, facts, &why))
			continue;
		/* who does not trust us tells nothing of this */
		if (is_answer(&why) || why.id == STG_ID_NO_TRUST || why.id == STG_ID_TRUST_LOST)
			continue;
		if (err)
			*err = why;
		stg_while(err, "details");
		return NULL;
	}
	if (json_object_size(facts))
		stg_json_put_int(facts, STG_FACT_DETAILS_S, stg_wall_ms() / 1000);
	return stg_steal(facts);
}
