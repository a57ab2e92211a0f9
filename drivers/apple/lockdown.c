/*
 * lockdown.c - requests to lockdownd: values, sessions, services; one connection kept for the whole visit.
 *
 * For:    everything that is asked of a device before a service, and to get one.
 * Uses:   link.c, codes/lockdown.c.
 * Called: by the other files of this folder.
 * Thread: the worker's.
 * Facts:  protocols/apple.md 3.1 to 3.7. Differences to the library's own client, on purpose: Error counts whatever Result
 *         says, the echo of Request is required, a session or service without TLS is refused, answers have a ceiling.
 */
#include <stdio.h>
#include <stdlib.h>

#include <stager/clock.h>
#include <stager/watch.h>

#include "device.h"

#define LOCKDOWN_PORT 62078
#define ANSWER_MS 15000
#define STALE_MS 15000      /* Apple's framework speaks of 20 s without a word before a session is dropped */
#define LABEL "stager"

bool apple_lockdown_error(const char *name, const char *request, struct stg_error *err)
{
	char clean[128];
	stg_printable(name, false, clean, sizeof(clean));
	const struct stg_code_row *row = stg_codes_by_name(&stg_codes_lockdown, name, false);
	if (row)
		return stg_fail_id(err, row->code, row->id, row->first, "%s: %s", request, clean);
	/* newer systems say it in words */
	if (strstr(name, "reject new pairings"))
		return stg_fail_id(err, STG_E_HOLD, STG_ID_PAIRING_PROHIBITED, -38, "%s: %s", request, clean);
	row = &stg_codes_lockdown.otherwise;
	return stg_fail_id(err, row->code, row->id, row->first, "%s: %s", request, clean);
}

void apple_lockdown_close(struct apple_device *dev)
{
	apple_link_close_at(&dev->lockdown);
	dev->in_session = false;
}

static bool connect_lockdown(struct apple_device *dev, struct stg_error *err)
{
	if (!dev->lockdown)
		dev->lockdown = apple_link_open(dev, LOCKDOWN_PORT, err);
	return dev->lockdown || stg_while(err, "lockdown");
}

/* One request on the connection there is; the reply in *ret_reply also when it says no. */
static bool exchange(struct apple_device *dev, plist_t ask, plist_t *ret_reply, struct stg_error *err)
{
	const char *request = apple_str(ask, "Request");
	plist_t reply = apple_link_ask(dev->lockdown, ask, &stg_plist_lockdown, ANSWER_MS, err);
	if (!reply) {
		stg_while(err, "lockdown %s", request);
		/* whatever comes later would answer the wrong question */
		apple_lockdown_close(dev);
		return false;
	}
	const char *error = apple_str(reply, "Error");
	bool ok = true;
	if (strcmp(apple_str(reply, "Request"), request) != 0) {
		ok = stg_fail_id(err, STG_E_PROTOCOL, STG_ID_DEVICE_NONSENSE, 0, "lockdown %s: an answer to another question",
				 request);
		apple_lockdown_close(dev);
	} else if (*error) {
		ok = apple_lockdown_error(error, request, err);
	} else if (strcmp(apple_str(reply, "Result"), "Failure") == 0) {
		ok = apple_lockdown_error("Failure", request, err);
	}
	if (ret_reply)
		*ret_reply = reply;
	else
		plist_free(reply);
	return ok;
}

/* iOS running, not the ramdisk of a restore. */
static bool check_type(struct apple_device *dev, struct stg_error *err)
{
	if (dev->type_known)
		return true;
	STG_AUTO(apple_plist_free_at) plist_t ask = plist_new_dict();
	STG_AUTO(apple_plist_free_at) plist_t reply = NULL;
	apple_put_str(ask, "Label", LABEL);
	apple_put_str(ask, "Request", "QueryType");
	if (!exchange(dev, ask, &reply, err))
		return false;
	if (strcmp(apple_str(reply, "Type"), "com.apple.mobile.lockdown") != 0)
		return stg_fail_id(err, STG_E_UNSUPPORTED, STG_ID_NOT_RUNNING_IOS, 0, "it is being restored");
	dev->type_known = true;
	return true;
}

static bool start_session(struct apple_device *dev, struct stg_error *err)
{
	STG_AUTO(apple_plist_free_at) plist_t ask = plist_new_dict();
	STG_AUTO(apple_plist_free_at) plist_t reply = NULL;
	apple_put_str(ask, "Label", LABEL);
	apple_put_str(ask, "Request", "StartSession");
	apple_put_str(ask, "HostID", dev->record.host_id);
	apple_put_str(ask, "SystemBUID", dev->record.system_buid);
	if (!exchange(dev, ask, &reply, err))
		return false;
	if (!apple_true(reply, "EnableSessionSSL")) {
		apple_lockdown_close(dev);
		return stg_fail_id(err, STG_E_PROTOCOL, STG_ID_DEVICE_NOT_GENUINE, 0, "the device wants a session without TLS");
	}
	if (!apple_link_secure(dev->lockdown, err)) {
		apple_lockdown_close(dev);
		return stg_while(err, "session");
	}
	dev->in_session = true;
	return true;
}

/* A connection nobody used for long may be dead already: a new one costs less than a lost answer. */
static void drop_if_stale(struct apple_device *dev)
{
	if (dev->lockdown && apple_link_idle_ms(dev->lockdown) > STALE_MS)
		apple_lockdown_close(dev);
}

bool apple_session(struct apple_device *dev, struct stg_error *err)
{
	if (!apple_record_load(dev, err))
		return false;
	if (!dev->record.present)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_NO_TRUST, 0, "no pair record");
	drop_if_stale(dev);
	if (dev->in_session && dev->lockdown)
		return true;
	bool kept = dev->lockdown != NULL;
	if (!connect_lockdown(dev, err))
		return false;
	if (check_type(dev, err) && start_session(dev, err))
		return true;
	if (!kept || !err || err->code != STG_E_GONE)
		return false;
	stg_error_reset(err);
	return connect_lockdown(dev, err) && start_session(dev, err);
}

static bool ready(struct apple_device *dev, enum apple_lockdown_way way, struct stg_error *err)
{
	if (way == APPLE_SESSION)
		return apple_session(dev, err);
	return connect_lockdown(dev, err) && check_type(dev, err);
}

bool apple_lockdown_ask(struct apple_device *dev, enum apple_lockdown_way way, plist_t ask, bool again, plist_t *ret_reply,
			struct stg_error *err)
{
	apple_put_str(ask, "Label", LABEL);
	/* a question begun inside a session is not asked again outside: the device would answer it with less */
	if (dev->in_session)
		way = APPLE_SESSION;
	else
		drop_if_stale(dev);
	for (int round = 0;; round++) {
		bool kept = dev->lockdown != NULL;
		struct stg_error why = { 0 };
		plist_t reply = NULL;
		bool ok = ready(dev, way, &why) && exchange(dev, ask, &reply, &why);
		if (!ok && again && kept && round == 0 && why.code == STG_E_GONE) {
			apple_plist_free_at(&reply);
			apple_lockdown_close(dev);
			continue;
		}
		if (ret_reply)
			*ret_reply = reply;
		else
			apple_plist_free_at(&reply);
		if (!ok && err)
			*err = why;
		return ok;
	}
}

plist_t apple_value(struct apple_device *dev, enum apple_lockdown_way way, const char *domain, const char *key,
		    struct stg_error *err)
{
	STG_AUTO(apple_plist_free_at) plist_t ask = plist_new_dict();
	STG_AUTO(apple_plist_free_at) plist_t reply = NULL;
	apple_put_str(ask, "Request", "GetValue");
	if (domain)
		apple_put_str(ask, "Domain", domain);
	if (key)
		apple_put_str(ask, "Key", key);
	if (!apple_lockdown_ask(dev, way, ask, true, &reply, err)) {
		stg_while(err, "%s%s%s", domain ? domain : "", domain && key ? "/" : "", key ? key : "");
		return NULL;
	}
	plist_t value = apple_get(reply, "Value");
	if (!value) {
		stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_DEVICE_CANNOT, 0, "no value %s", key ? key : "");
		return NULL;
	}
	return plist_copy(value);
}

bool apple_value_set(struct apple_device *dev, const char *domain, const char *key, plist_t value, struct stg_error *err)
{
	STG_AUTO(apple_plist_free_at) plist_t ask = plist_new_dict();
	apple_put_str(ask, "Request", "SetValue");
	if (domain)
		apple_put_str(ask, "Domain", domain);
	apple_put_str(ask, "Key", key);
	plist_dict_set_item(ask, "Value", value);
	/* setting the same value twice is setting it once */
	return apple_lockdown_ask(dev, APPLE_SESSION, ask, true, NULL, err) || stg_while(err, "set %s", key);
}

plist_t apple_values(struct apple_device *dev, int64_t max_age_ms, struct stg_error *err)
{
	bool trusted = dev->in_session;
	if (dev->values && dev->values_trusted >= trusted && stg_boot_ms() - dev->values_ms <= max_age_ms)
		return dev->values;
	plist_t fresh = apple_value(dev, APPLE_PLAIN, NULL, NULL, err);
	if (!fresh)
		return NULL;
	if (!apple_is(fresh, PLIST_DICT)) {
		plist_free(fresh);
		stg_fail_id(err, STG_E_PROTOCOL, STG_ID_DEVICE_NONSENSE, 0, "values that are not a dictionary");
		return NULL;
	}
	char udid[STG_UDID_MAX], ours[STG_UDID_MAX];
	if (stg_udid_clean(apple_str(fresh, "UniqueDeviceID"), udid) && stg_udid_clean(dev->udid, ours) && strcmp(udid, ours) != 0) {
		plist_free(fresh);
		stg_fail_id(err, STG_E_REFUSED, STG_ID_DEVICE_NOT_GENUINE, 0, "it calls itself %s, plugged in is %s", udid, ours);
		return NULL;
	}
	apple_plist_free_at(&dev->values);
	dev->values = fresh;
	dev->values_ms = stg_boot_ms();
	dev->values_trusted = dev->in_session;
	return fresh;
}

static bool ask_for_service(struct apple_device *dev, const char *name, bool with_bag, plist_t *ret_reply, struct stg_error *err)
{
	STG_AUTO(apple_plist_free_at) plist_t ask = plist_new_dict();
	apple_put_str(ask, "Request", "StartService");
	apple_put_str(ask, "Service", name);
	if (with_bag)
		apple_put_data(ask, "EscrowBag", dev->record.escrow_bag);
	return apple_lockdown_ask(dev, APPLE_SESSION, ask, true, ret_reply, err);
}

struct apple_link *apple_service(struct apple_device *dev, const char *name, struct stg_error *err)
{
	STG_AUTO(apple_plist_free_at) plist_t reply = NULL;
	struct stg_error why = { 0 };
	bool ok = ask_for_service(dev, name, false, &reply, &why);
	if (!ok && why.id == STG_ID_DEVICE_LOCKED && dev->record.escrow_bag.len) {
		/* the bag opens a locked device that was unlocked since it started */
		apple_plist_free_at(&reply);
		ok = ask_for_service(dev, name, true, &reply, &why);
	}
	uint64_t port = 0;
	if (ok && (!apple_uint(reply, "Port", &port) || port == 0 || port > 0xffff))
		ok = stg_fail_id(&why, STG_E_PROTOCOL, STG_ID_DEVICE_NONSENSE, 0, "no port");
	if (ok && !apple_true(reply, "EnableServiceSSL"))
		ok = stg_fail_id(&why, STG_E_PROTOCOL, STG_ID_DEVICE_NOT_GENUINE, 0, "the device wants it without TLS");
	struct apple_link *l = ok ? apple_link_open(dev, (uint16_t)port, &why) : NULL;
	if (l && apple_link_secure(l, &why))
		return l;
	apple_link_close(l);
	stg_while(&why, "service %s", name);
	if (err)
		*err = why;
	return NULL;
}

bool apple_service_is_there(struct apple_device *dev, const char *name, bool *ret, struct stg_error *err)
{
	struct stg_error why = { 0 };
	*ret = ask_for_service(dev, name, false, NULL, &why);
	/* "there is no such service" is an answer; "not now" is none */
	if (*ret || why.code == STG_E_UNSUPPORTED)
		return true;
	if (err)
		*err = why;
	return stg_while(err, "is there %s", name);
}
