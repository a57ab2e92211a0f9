/*
 * device.c - the one door to a driver: an absent operation becomes "unsupported".
 *
 * For:    steps and the worker, which never look into a driver's table.
 * Uses:   <stager/driver.h>, the list of drivers found by the build.
 * Called: by workers; stg_driver_find() and stg_driver_for() by anyone.
 * Thread: a device belongs to the thread that opened it; the rest has no state.
 */
#include <ctype.h>
#include <string.h>

#include <stager/driver.h>
#include <stager/error.h>
#include <stager/registry.h>
#include <stager/watch.h>

const struct stg_driver *stg_driver_find(const char *name)
{
	for (const struct stg_driver *const *d = stg_drivers; name && *d; d++)
		if (strcmp((*d)->name, name) == 0)
			return *d;
	return NULL;
}

const struct stg_driver *stg_driver_for(const struct stg_arrival *a)
{
	for (const struct stg_driver *const *d = stg_drivers; *d; d++)
		if ((*d)->claims(a))
			return *d;
	return NULL;
}

struct stg_device *stg_device_open(const struct stg_arrival *a, const struct stg_host *host, struct stg_stop *stop,
				   struct stg_error *err)
{
	const struct stg_driver *d = a->driver[0] ? stg_driver_find(a->driver) : stg_driver_for(a);
	if (!d) {
		stg_fail_id(err, STG_E_UNSUPPORTED, STG_ID_NO_DRIVER, 0, "no driver for %04x:%04x", a->vid, a->pid);
		return NULL;
	}
	struct stg_device *dev = d->open(a, host, stop, err);
	if (dev) {
		dev->driver = d;
		dev->host = host;
		dev->stop = stop;
	}
	return dev;
}

void stg_device_close(struct stg_device *dev)
{
	if (dev)
		dev->driver->close(dev);
}

void stg_device_close_at(struct stg_device **dev)
{
	stg_device_close(*dev);
	*dev = NULL;
}

static bool lacks(const struct stg_device *dev, const char *what, struct stg_error *err)
{
	return stg_fail_id(err, STG_E_UNSUPPORTED, STG_ID_DEVICE_CANNOT, 0, "the %s driver cannot %s", dev->driver->name, what);
}

static bool may_go_on(const struct stg_device *dev, struct stg_error *err)
{
	return !stg_stop_pulled(dev->stop) || stg_fail_id(err, STG_E_CANCELLED, STG_ID_TOLD_TO_STOP, 0, "stopped");
}

/* Every operation passes here: is there one, and has nobody pulled the stop meanwhile? */
#define CALL(operation, what, ...)                                             \
	do {                                                                   \
		if (!dev->driver->operation)                                   \
			return lacks(dev, what, err);                          \
		return may_go_on(dev, err) && dev->driver->operation(dev, ##__VA_ARGS__, err); \
	} while (0)

#define CALL_FOR_LIST(operation, what, ...)                                    \
	do {                                                                   \
		if (!dev->driver->operation) {                                 \
			lacks(dev, what, err);                                 \
			return NULL;                                           \
		}                                                              \
		return may_go_on(dev, err) ? dev->driver->operation(dev, ##__VA_ARGS__, err) : NULL; \
	} while (0)

bool stg_device_identify(struct stg_device *dev, struct stg_identity *ret, struct stg_error *err)
{
	CALL(identify, "identify", ret);
}

json_t *stg_device_facts(struct stg_device *dev, struct stg_error *err)
{
	CALL_FOR_LIST(facts, "read facts");
}

json_t *stg_device_settings(struct stg_device *dev, struct stg_error *err)
{
	CALL_FOR_LIST(settings, "tell its zone and language");
}

json_t *stg_device_owner_facts(struct stg_device *dev, struct stg_error *err)
{
	CALL_FOR_LIST(owner_facts, "tell what its supervisor may know");
}

json_t *stg_device_configuration(struct stg_device *dev, struct stg_error *err)
{
	CALL_FOR_LIST(configuration, "tell its configuration");
}

bool stg_device_fetch_configuration(struct stg_device *dev, struct stg_error *err)
{
	CALL(fetch_configuration, "fetch its configuration");
}

bool stg_device_trust(struct stg_device *dev, enum stg_trust *ret, struct stg_error *err)
{
	CALL(trust, "tell whether it trusts us", ret);
}

bool stg_device_pair(struct stg_device *dev, struct stg_error *err)
{
	CALL(pair, "pair");
}

bool stg_device_unpair(struct stg_device *dev, struct stg_error *err)
{
	CALL(unpair, "unpair");
}

bool stg_device_activation(struct stg_device *dev, char ret[32], struct stg_error *err)
{
	CALL(activation, "tell its activation state", ret);
}

bool stg_device_activate(struct stg_device *dev, struct stg_error *err)
{
	CALL(activate, "be activated");
}

bool stg_device_supervise(struct stg_device *dev, const struct stg_supervision *what, json_t **ret_read, struct stg_error *err)
{
	CALL(supervise, "be supervised", what, ret_read);
}

bool stg_device_install_profile(struct stg_device *dev, struct stg_bytes profile, enum stg_install how, struct stg_error *err)
{
	CALL(install_profile, "install a profile", profile, how);
}

bool stg_device_store_profile(struct stg_device *dev, struct stg_bytes profile, struct stg_error *err)
{
	CALL(store_profile, "store a profile", profile);
}

bool stg_device_stored_profile(struct stg_device *dev, struct stg_buf *ret, struct stg_error *err)
{
	CALL(stored_profile, "show a stored profile", ret);
}

bool stg_device_remove_profile(struct stg_device *dev, const char *identifier, struct stg_error *err)
{
	CALL(remove_profile, "remove a profile", identifier);
}

json_t *stg_device_list_profiles(struct stg_device *dev, struct stg_error *err)
{
	CALL_FOR_LIST(list_profiles, "list profiles");
}

json_t *stg_device_list_apps(struct stg_device *dev, struct stg_error *err)
{
	CALL_FOR_LIST(list_apps, "list apps");
}

bool stg_device_set_name(struct stg_device *dev, const char *name, struct stg_error *err)
{
	CALL(set_name, "set its name", name);
}

bool stg_device_set_time(struct stg_device *dev, int64_t wall_ms, const char *zone, struct stg_error *err)
{
	CALL(set_time, "set its clock", wall_ms, zone);
}

bool stg_device_get_time(struct stg_device *dev, int64_t *ret_wall_ms, struct stg_error *err)
{
	CALL(get_time, "tell its clock", ret_wall_ms);
}

bool stg_device_set_language(struct stg_device *dev, const char *language, const char *locale, struct stg_error *err)
{
	CALL(set_language, "set its language", language, locale);
}

bool stg_device_restart(struct stg_device *dev, struct stg_error *err)
{
	CALL(restart, "restart");
}

bool stg_device_erase(struct stg_device *dev, bool keep_esim, struct stg_error *err)
{
	CALL(erase, "erase itself", keep_esim);
}

json_t *stg_device_security_info(struct stg_device *dev, struct stg_error *err)
{
	CALL_FOR_LIST(security_info, "tell whether it has a passcode");
}

bool stg_device_unlock_token(struct stg_device *dev, struct stg_secret *ret, struct stg_error *err)
{
	CALL(unlock_token, "give an unlock token", ret);
}

bool stg_device_clear_passcode(struct stg_device *dev, const struct stg_secret *token, struct stg_error *err)
{
	CALL(clear_passcode, "clear its passcode", token);
}

bool stg_device_clear_restrictions_password(struct stg_device *dev, struct stg_error *err)
{
	CALL(clear_restrictions_password, "clear its restrictions code");
}

bool stg_device_set_wallpaper(struct stg_device *dev, struct stg_bytes image, enum stg_wallpaper where, struct stg_error *err)
{
	CALL(set_wallpaper, "set its wallpaper", image, where);
}

bool stg_device_wifi_power(struct stg_device *dev, bool on, struct stg_error *err)
{
	CALL(wifi_power, "switch its Wi-Fi", on);
}

bool stg_device_shutdown(struct stg_device *dev, struct stg_error *err)
{
	CALL(shutdown, "switch itself off");
}

bool stg_device_enter_recovery(struct stg_device *dev, struct stg_error *err)
{
	CALL(enter_recovery, "go into recovery mode");
}

json_t *stg_device_find_app(struct stg_device *dev, const char *bundle_id, struct stg_error *err)
{
	CALL_FOR_LIST(find_app, "look up an app", bundle_id);
}

bool stg_device_install_app(struct stg_device *dev, const struct stg_app_package *app, struct stg_error *err)
{
	CALL(install_app, "install an app", app);
}

bool stg_device_remove_app(struct stg_device *dev, const char *bundle_id, struct stg_error *err)
{
	CALL(remove_app, "remove an app", bundle_id);
}

bool stg_device_put_document(struct stg_device *dev, const struct stg_app_document *document, struct stg_error *err)
{
	CALL(put_document, "take a document", document);
}

json_t *stg_device_find_document(struct stg_device *dev, const struct stg_app_document *document, struct stg_error *err)
{
	CALL_FOR_LIST(find_document, "show a document", document);
}

bool stg_udid_clean(const char *text, char ret[STG_UDID_MAX])
{
	size_t len = strlen(text), out = 0;
	ret[0] = 0;
	if (len != 40 && len != 24 && !(len == 25 && text[8] == '-'))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (len == 25 && i == 8)
			continue;
		if (!isxdigit((unsigned char)text[i])) {
			ret[0] = 0;
			return false;
		}
		if (out == 8 && len != 40)
			ret[out++] = '-';
		ret[out++] = (char)toupper((unsigned char)text[i]);
	}
	ret[out] = 0;
	return true;
}

json_t *stg_device_details(struct stg_device *dev, unsigned int what, struct stg_error *err)
{
	CALL_FOR_LIST(details, "tell more of itself", what);
}
