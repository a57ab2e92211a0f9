/*
 * settings.c - name, clock, language: values of lockdown that a host may set.
 *
 * For:    stg_device_set_name, _set_time, _get_time, _set_language, _settings.
 * Uses:   lockdown.c.
 * Called: through the driver's table.
 * Thread: the worker's.
 * Facts:  protocols/apple.md 3.4 (TimeIntervalSince1970 accepts an integer, TimeZone counts during setup), 4.10 (order: locale,
 *         then language).
 */
#include <math.h>

#include <stager/facts.h>

#include "device.h"

#define INTERNATIONAL "com.apple.international"

bool apple_set_name(struct stg_device *base, const char *name, struct stg_error *err)
{
	struct apple_device *dev = apple_device(base);
	apple_plist_free_at(&dev->values);
	return apple_value_set(dev, NULL, "DeviceName", plist_new_string(name), err);
}

bool apple_set_time(struct stg_device *base, int64_t wall_ms, const char *zone, struct stg_error *err)
{
	struct apple_device *dev = apple_device(base);
	apple_plist_free_at(&dev->values);
	if (!apple_value_set(dev, NULL, "TimeIntervalSince1970", plist_new_uint((uint64_t)(wall_ms / 1000)), err))
		return false;
	return !zone || apple_value_set(dev, NULL, "TimeZone", plist_new_string(zone), err);
}

bool apple_get_time(struct stg_device *base, int64_t *ret_wall_ms, struct stg_error *err)
{
	STG_AUTO(apple_plist_free_at) plist_t holder = plist_new_dict();
	plist_t value = apple_value(apple_device(base), APPLE_SESSION, NULL, "TimeIntervalSince1970", err);
	double seconds;
	if (!value)
		return false;
	plist_dict_set_item(holder, "t", value);
	if (!apple_number(holder, "t", &seconds) || !isfinite(seconds) || fabs(seconds) > 1e11)
		return stg_fail_id(err, STG_E_PROTOCOL, STG_ID_DEVICE_NONSENSE, 0, "a clock that is not a number");
	*ret_wall_ms = (int64_t)(seconds * 1000);
	return true;
}

bool apple_set_language(struct stg_device *base, const char *language, const char *locale, struct stg_error *err)
{
	struct apple_device *dev = apple_device(base);
	if (locale && !apple_value_set(dev, INTERNATIONAL, "Locale", plist_new_string(locale), err))
		return false;
	return !language || apple_value_set(dev, INTERNATIONAL, "Language", plist_new_string(language), err);
}

static bool put_setting(struct apple_device *dev, const char *domain, const char *key, const char *fact, json_t *into, struct stg_error *err)
{
	struct stg_error why = { 0 };
	char text[256];
	STG_AUTO(apple_plist_free_at) plist_t value = apple_value(dev, APPLE_SESSION, domain, key, &why);
	if (!value && why.code != STG_E_NOT_FOUND && why.code != STG_E_REFUSED) {
		if (err)
			*err = why;
		return false;
	}
	if (apple_is(value, PLIST_STRING)) {
		stg_printable(plist_get_string_ptr(value, NULL), true, text, sizeof(text));
		stg_json_put(into, fact, text);
	}
	return true;
}

json_t *apple_settings(struct stg_device *base, struct stg_error *err)
{
	struct apple_device *dev = apple_device(base);
	STG_AUTO(stg_json_free_at) json_t *now = json_object();
	if (!put_setting(dev, NULL, "TimeZone", STG_FACT_TIME_ZONE, now, err) ||
	    !put_setting(dev, INTERNATIONAL, "Language", STG_FACT_LANGUAGE, now, err) ||
	    !put_setting(dev, INTERNATIONAL, "Locale", STG_FACT_LOCALE, now, err))
		return NULL;
	return stg_steal(now);
}
