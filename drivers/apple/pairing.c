/*
 * pairing.c - trust: made with a record of our own, checked, taken back.
 *
 * For:    stg_device_trust, _pair, _unpair.
 * Uses:   lockdown.c, record.c; the host for the identity, the supervisor's certificate and its signature.
 * Called: through the driver's table.
 * Thread: the worker's.
 * Facts:  protocols/apple.md 3.5, 10; order of calls 11.2. The same PairRecord goes with every retry while a dialog is
 *         open: a new one would make the device forget it.
 */
#include <stdlib.h>

#include <stager/watch.h>

#include "device.h"

#define CHALLENGE_MAX 64
#define VALUES_AGE_MS 300000     /* an address that never changes */

static void put_record_parts(plist_t to, const struct stg_host_identity *who, struct stg_bytes device_certificate)
{
	apple_put_data(to, "DeviceCertificate", device_certificate);
	apple_put_data(to, "HostCertificate", stg_buf_view(&who->host_certificate));
	apple_put_str(to, "HostID", who->host_id);
	apple_put_data(to, "RootCertificate", stg_buf_view(&who->root_certificate));
	apple_put_str(to, "SystemBUID", who->system_buid);
}

static void free_attempt(struct apple_device *dev)
{
	/* libplist frees without wiping: an attempt that was refused leaves no key behind */
	struct stg_bytes keys[] = { apple_data(dev->pair_keep, "HostPrivateKey"), apple_data(dev->pair_keep, "RootPrivateKey") };
	for (size_t i = 0; i < STG_ARRAY_LEN(keys); i++)
		if (keys[i].len)
			explicit_bzero((void *)(uintptr_t)keys[i].data, keys[i].len);
	apple_plist_free_at(&dev->pair_ask);
	apple_plist_free_at(&dev->pair_keep);
}

static bool forget_record(struct apple_device *dev, struct stg_error *err)
{
	static const struct stg_secret nothing = { 0 };
	apple_record_clear(dev);
	dev->record_read = true;
	return dev->base.host->keep_trust(dev->base.host->ctx, dev->udid, &nothing, err) || stg_while(err, "forget the old pair record");
}

/* A record of keys that an erase took away. It goes before the new pairing is asked for: the device may say yes and the cable
 * come out, and it then knows our HostID again, but never the old record's keys. */
static bool is_of_older_keys(struct apple_device *dev, struct stg_bytes public_pem)
{
	char then[65], now[65];
	return dev->record.present && apple_key_sha256(public_pem, now) && apple_tls_ready(dev, NULL) && apple_record_key_sha256(dev, then) &&
	       strcmp(then, now) != 0;
}

static bool prepare_attempt(struct apple_device *dev, struct stg_error *err)
{
	if (dev->pair_ask)
		return true;
	STG_AUTO(stg_host_identity_clear) struct stg_host_identity who = {
		.root_certificate = STG_BUF(APPLE_RECORD_MAX), .host_certificate = STG_BUF(APPLE_RECORD_MAX),
	};
	STG_AUTO(apple_plist_free_at) plist_t key = apple_value(dev, APPLE_PLAIN, NULL, "DevicePublicKey", err);
	STG_AUTO(stg_buf_clear) struct stg_buf certificate = STG_BUF(APPLE_RECORD_MAX);
	if (!key)
		return false;
	uint64_t len = 0;
	const char *pem = apple_is(key, PLIST_DATA) ? plist_get_data_ptr(key, &len) : NULL;
	if (is_of_older_keys(dev, stg_bytes(pem, (size_t)len)) && !forget_record(dev, err))
		return false;
	if (!dev->base.host->host_identity(dev->base.host->ctx, &who, err))
		return stg_while(err, "host identity");
	if (!apple_device_certificate(stg_bytes(pem, (size_t)len), stg_secret_reveal(&who.root_key), &certificate, err))
		return false;
	dev->pair_ask = plist_new_dict();
	put_record_parts(dev->pair_ask, &who, stg_buf_view(&certificate));
	dev->pair_keep = plist_copy(dev->pair_ask);
	apple_put_data(dev->pair_keep, "HostPrivateKey", stg_secret_reveal(&who.host_key));
	apple_put_data(dev->pair_keep, "RootPrivateKey", stg_secret_reveal(&who.root_key));
	apple_put_str(dev->pair_keep, "UDID", dev->udid);
	const char *mac = apple_str(apple_values(dev, VALUES_AGE_MS, NULL), "WiFiAddress");
	if (*mac)
		apple_put_str(dev->pair_keep, "WiFiMACAddress", mac);
	return true;
}

/* Options are taken. */
static bool ask_pair(struct apple_device *dev, plist_t options, plist_t *ret_reply, struct stg_error *err)
{
	STG_AUTO(apple_plist_free_at) plist_t ask = plist_new_dict();
	apple_put_str(ask, "Request", "Pair");
	apple_put_str(ask, "ProtocolVersion", "2");
	plist_dict_set_item(ask, "PairRecord", plist_copy(dev->pair_ask));
	apple_put_bool(options, "ExtendedPairingErrors", true);
	plist_dict_set_item(ask, "PairingOptions", options);
	return apple_lockdown_ask(dev, APPLE_PLAIN, ask, false, ret_reply, err);
}

static bool answer_challenge(struct apple_device *dev, plist_t refusal, plist_t *ret_reply, struct stg_error *err)
{
	struct stg_bytes challenge = apple_data(apple_dict(refusal, "ExtendedResponse"), "PairingChallenge");
	STG_AUTO(stg_buf_clear) struct stg_buf cms = STG_BUF(APPLE_RECORD_MAX);
	if (!challenge.len || challenge.len > CHALLENGE_MAX)
		return stg_fail_id(err, STG_E_PROTOCOL, STG_ID_DEVICE_NONSENSE, 0, "a pairing challenge of %zu bytes", challenge.len);
	if (!dev->base.host->sign_challenge(dev->base.host->ctx, challenge, &cms, err))
		return stg_while(err, "pairing challenge");
	plist_t options = plist_new_dict();
	apple_put_data(options, "ChallengeResponse", stg_buf_view(&cms));
	return ask_pair(dev, options, ret_reply, err);
}

/* The bag may be missing when the device is locked: one we have is not thrown away for that. */
static void keep_bag(struct apple_device *dev, plist_t reply)
{
	struct stg_bytes bag = apple_data(reply, "EscrowBag");
	if (!bag.len && dev->record.present && strcmp(dev->record.host_id, apple_str(dev->pair_keep, "HostID")) == 0)
		bag = dev->record.escrow_bag;
	if (bag.len)
		apple_put_data(dev->pair_keep, "EscrowBag", bag);
}

static bool keep_record(struct apple_device *dev, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf xml = STG_BUF(APPLE_RECORD_MAX);
	STG_AUTO(stg_secret_clear) struct stg_secret secret = { 0 };
	if (!apple_plist_write(dev->pair_keep, &xml, err) || !stg_secret_set(&secret, stg_buf_view(&xml), err) ||
	    !dev->base.host->keep_trust(dev->base.host->ctx, dev->udid, &secret, err))
		return stg_while(err, "keep the pair record");
	plist_t whole = stg_steal(dev->pair_keep);
	free_attempt(dev);
	dev->record_read = true;
	return apple_record_take(dev, whole, err);
}

static bool is_lost_trust(const struct stg_error *err)
{
	return err->id == STG_ID_TRUST_LOST || err->id == STG_ID_NO_TRUST;
}

bool apple_trust(struct stg_device *base, enum stg_trust *ret, struct stg_error *err)
{
	struct apple_device *dev = apple_device(base);
	struct stg_error why = { 0 };
	*ret = STG_TRUST_NONE;
	if (apple_session(dev, &why)) {
		*ret = STG_TRUST_OURS;
		return true;
	}
	if (is_lost_trust(&why))
		return true;
	if (why.id == STG_ID_DEVICE_LOCKED || why.id == STG_ID_DEVICE_FIRST_UNLOCK) {
		*ret = STG_TRUST_LOCKED;
		return true;
	}
	if (err)
		*err = why;
	return false;
}

bool apple_pair(struct stg_device *base, struct stg_error *err)
{
	struct apple_device *dev = apple_device(base);
	const struct stg_host *host = base->host;
	struct stg_error why = { 0 };
	if (!dev->pair_ask) {
		if (apple_session(dev, &why))
			return true;
		if (!is_lost_trust(&why)) {
			if (err)
				*err = why;
			return false;
		}
	}
	if (!prepare_attempt(dev, err))
		return stg_while(err, "pair");
	STG_AUTO(stg_buf_clear) struct stg_buf supervisor = STG_BUF(APPLE_RECORD_MAX);
	STG_AUTO(apple_plist_free_at) plist_t reply = NULL;
	plist_t options = plist_new_dict();
	if (host->supervisor && host->supervisor(host->ctx, &supervisor, NULL) && supervisor.len)
		apple_put_data(options, "SupervisorCertificate", stg_buf_view(&supervisor));
	stg_error_reset(&why);
	bool ok = ask_pair(dev, options, &reply, &why);
	if (!ok && strcmp(apple_str(reply, "Error"), "MCChallengeRequired") == 0) {
		STG_AUTO(apple_plist_free_at) plist_t refusal = stg_steal(reply);
		stg_error_reset(&why);
		ok = answer_challenge(dev, refusal, &reply, &why);
	}
	if (!ok) {
		/* the same record goes with the next attempt only while a dialog waits for its answer */
		if (why.code != STG_E_NEEDS_HUMAN)
			free_attempt(dev);
		if (err)
			*err = why;
		return false;
	}
	keep_bag(dev, reply);
	return keep_record(dev, err);
}

bool apple_unpair(struct stg_device *base, struct stg_error *err)
{
	struct apple_device *dev = apple_device(base);
	if (!apple_record_load(dev, err))
		return false;
	if (dev->record.present) {
		STG_AUTO(apple_plist_free_at) plist_t ask = plist_new_dict();
		struct stg_error why = { 0 };
		plist_t part = plist_new_dict();
		apple_put_data(part, "DeviceCertificate", dev->record.device_certificate);
		apple_put_data(part, "HostCertificate", dev->record.host_certificate);
		apple_put_str(part, "HostID", dev->record.host_id);
		apple_put_data(part, "RootCertificate", dev->record.root_certificate);
		apple_put_str(part, "SystemBUID", dev->record.system_buid);
		apple_put_str(ask, "Request", "Unpair");
		apple_put_str(ask, "ProtocolVersion", "2");
		plist_dict_set_item(ask, "PairRecord", part);
		if (!apple_lockdown_ask(dev, APPLE_PLAIN, ask, true, NULL, &why) && !is_lost_trust(&why)) {
			if (err)
				*err = why;
			return stg_while(err, "unpair");
		}
	}
	/* what was open under the old trust ends with it */
	apple_mcinstall_close(dev);
	apple_lockdown_close(dev);
	free_attempt(dev);
	return forget_record(dev, err);
}
