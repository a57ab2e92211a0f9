/*
 * settings.c - name, clock, language: values of lockdown that a host may set.
 *
 * For:    stg_device_set_name, _set_time, _get_time, _set_language.
 * Uses:   lockdown.c.
 * Called: through the driver's table.
 * Thread: the worker's.
 * Facts:  protocols/apple.md 3.4 (TimeIntervalSince1970 accepts an integer, TimeZone counts during setup), 4.10 (order: locale,
 *         then language).
 */
#include <math.h>

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
