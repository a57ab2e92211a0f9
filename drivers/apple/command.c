/*
 * command.c - what only the supervisor may tell a device: about its passcode, its wallpaper, its radio.
 *
 * For:    stg_device_security_info, _unlock_token, _clear_passcode, _clear_restrictions_password, _set_wallpaper, _wifi_power.
 * Uses:   mcinstall.c, lockdown.c (is it locked?), OpenSSL to wipe.
 * Called: through the driver's table.
 * Thread: the worker's.
 * Facts:  protocols/apple.md 4.2 (SetWiFiPowerState), 4.8 (the keybag migration waits for an unlock; the requests themselves are
 *         open after EscalateResponse), 4.9, 4.13 (37002 passcode already set; 37000 and others: not the token).
 */
#include <openssl/crypto.h>

#include "device.h"

#define ASK_MS 30000
#define WALLPAPER_MS 60000
#define TOKEN_MAX (64u << 10)

/* A token in a property list: libplist frees without wiping. */
static void wipe(plist_t dict, const char *key)
{
	struct stg_bytes b = apple_data(dict, key);
	if (b.len)
		OPENSSL_cleanse((void *)(uintptr_t)b.data, b.len);
}

static bool is_locked(struct apple_device *dev, bool *ret, struct stg_error *err)
{
	struct stg_error why = { 0 };
	STG_AUTO(apple_plist_free_at) plist_t holder = plist_new_dict();
	plist_t value = apple_value(dev, APPLE_SESSION, NULL, "PasswordProtected", &why);
	*ret = false;
	if (value) {
		plist_dict_set_item(holder, "v", value);
		*ret = apple_true(holder, "v");
		return true;
	}
	if (why.code == STG_E_NOT_FOUND || why.code == STG_E_REFUSED)
		return true;
	if (err)
		*err = why;
	return stg_while(err, "is it locked");
}

/* For requests about the passcode, which must reach a locked device. *ret_locked: close the connection afterwards. */
static bool prove_even_locked(struct apple_device *dev, bool *ret_locked, struct stg_error *err)
{
	return is_locked(dev, ret_locked, err) && (*ret_locked ? apple_escalate_locked(dev, err) : apple_escalate(dev, err));
}

static void put_flag(json_t *into, const char *name, plist_t info, const char *key)
{
	if (apple_get(info, key))
		stg_json_put_bool(into, name, apple_true(info, key));
}

json_t *apple_security_info(struct stg_device *base, struct stg_error *err)
{
	struct apple_device *dev = apple_device(base);
	STG_AUTO(apple_plist_free_at) plist_t ask = apple_mcinstall_request("SecurityInfo");
	STG_AUTO(apple_plist_free_at) plist_t reply = NULL;
	bool locked = false;
	bool ok = prove_even_locked(dev, &locked, err) && apple_mcinstall_ask(dev, APPLE_MC_READ, ask, ASK_MS, &reply, err);
	if (locked)
		apple_mcinstall_close(dev);
	if (!ok) {
		stg_while(err, "read its security");
		return NULL;
	}
	plist_t info = apple_dict(reply, "SecurityInfo");
	uint64_t caps = 0;
	json_t *now = json_object();
	put_flag(now, "passcode_present", info, "PasscodePresent");
	put_flag(now, "passcode_compliant", info, "PasscodeCompliant");
	put_flag(now, "passcode_compliant_with_profiles", info, "PasscodeCompliantWithProfiles");
	if (apple_uint(info, "HardwareEncryptionCaps", &caps))
		stg_json_put_int(now, "hardware_encryption", (int64_t)caps);
	return now;
}

bool apple_unlock_token(struct stg_device *base, struct stg_secret *ret, struct stg_error *err)
{
	struct apple_device *dev = apple_device(base);
	STG_AUTO(apple_plist_free_at) plist_t ask = apple_mcinstall_request("RequestUnlockToken");
	STG_AUTO(apple_plist_free_at) plist_t reply = NULL;
	/* it changes something: the token given before is void, so it is never asked twice by itself */
	if (!apple_escalate(dev, err) || !apple_mcinstall_ask(dev, APPLE_MC_WRITE, ask, ASK_MS, &reply, err))
		return stg_while(err, "unlock token");
	struct stg_bytes token = apple_data(reply, "UnlockToken");
	bool ok = token.len && token.len <= TOKEN_MAX;
	if (!ok)
		stg_fail_id(err, STG_E_PROTOCOL, STG_ID_DEVICE_NONSENSE, 0, "an unlock token of %zu bytes", token.len);
	ok = ok && stg_secret_set(ret, token, err);
	wipe(reply, "UnlockToken");
	return ok || stg_while(err, "unlock token");
}

bool apple_clear_passcode(struct stg_device *base, const struct stg_secret *token, struct stg_error *err)
{
	struct apple_device *dev = apple_device(base);
	STG_AUTO(apple_plist_free_at) plist_t ask = apple_mcinstall_request("ClearPasscode");
	struct stg_error why = { 0 };
	bool locked = false;
	if (!stg_secret_is_set(token))
		return stg_fail(err, STG_E_BUG, 0, "clear a passcode without a token");
	apple_put_data(ask, "UnlockToken", stg_secret_reveal(token));
	bool ok = prove_even_locked(dev, &locked, &why) && apple_mcinstall_ask(dev, APPLE_MC_WRITE, ask, ASK_MS, NULL, &why);
	wipe(ask, "UnlockToken");
	/* what comes next is proved anew, with the keybag of an unlocked device */
	apple_mcinstall_close(dev);
	apple_plist_free_at(&dev->values);
	if (ok)
		return true;
	/* what the keybag says no to is the token: being locked is why we are here */
	if (why.origin >= 37000 && why.origin <= 37099) {
		why.code = STG_E_REFUSED;
		why.id = STG_ID_TOKEN_REFUSED;
	}
	if (err)
		*err = why;
	return stg_while(err, "clear the passcode");
}

static bool plain_command(struct apple_device *dev, plist_t ask, struct stg_error *err)
{
	return apple_escalate(dev, err) && apple_mcinstall_ask(dev, APPLE_MC_WRITE, ask, ASK_MS, NULL, err);
}

bool apple_clear_restrictions_password(struct stg_device *base, struct stg_error *err)
{
	STG_AUTO(apple_plist_free_at) plist_t ask = apple_mcinstall_request("ClearRestrictionsPassword");
	return plain_command(apple_device(base), ask, err) || stg_while(err, "clear the restrictions code");
}

bool apple_wifi_power(struct stg_device *base, bool on, struct stg_error *err)
{
	STG_AUTO(apple_plist_free_at) plist_t ask = apple_mcinstall_request("SetWiFiPowerState");
	apple_put_bool(ask, "PowerState", on);
	return plain_command(apple_device(base), ask, err) || stg_while(err, "Wi-Fi %s", on ? "on" : "off");
}

bool apple_set_wallpaper(struct stg_device *base, struct stg_bytes image, enum stg_wallpaper where, struct stg_error *err)
{
	struct apple_device *dev = apple_device(base);
	STG_AUTO(apple_plist_free_at) plist_t ask = apple_mcinstall_request("Settings");
	STG_AUTO(apple_plist_free_at) plist_t reply = NULL;
	plist_t list = plist_new_array(), item = plist_new_dict();
	apple_put_str(item, "Item", "Wallpaper");
	apple_put_uint(item, "Where", (uint64_t)where);
	apple_put_data(item, "Image", image);
	plist_array_append_item(list, item);
	plist_dict_set_item(ask, "Settings", list);
	if (!apple_escalate(dev, err) || !apple_mcinstall_ask(dev, APPLE_MC_WRITE, ask, WALLPAPER_MS, &reply, err))
		return stg_while(err, "wallpaper");
	/* the request is acknowledged whatever becomes of its items: each has a status of its own */
	plist_t results = apple_array(reply, "Settings");
	plist_t one = results && plist_array_get_size(results) == 1 ? plist_array_get_item(results, 0) : NULL;
	if (!one || strcmp(apple_str(one, "Item"), "Wallpaper") != 0)
		return stg_fail_id(err, STG_E_PROTOCOL, STG_ID_DEVICE_NONSENSE, 0, "wallpaper: an answer about something else");
	return apple_mc_accepted(one, "Wallpaper", err) || stg_while(err, "wallpaper of %zu bytes", image.len);
}
