/*
 * mcinstall.c - the profile service: one connection for the whole visit, reading, proof of supervision.
 *
 * For:    supervision, profiles, erase: whatever com.apple.mobile.MCInstall does.
 * Uses:   lockdown.c for the connection, the host for the supervisor's certificate and signature.
 * Called: by supervise.c, profiles.c, erase.c, facts.c.
 * Thread: the worker's.
 * Facts:  protocols/apple.md 4.1, 4.2, 4.8. The proof belongs to the connection; requests are strictly one after the other.
 */
#include <stdlib.h>

#include "device.h"

#define SERVICE "com.apple.mobile.MCInstall"
#define READ_MS 30000
#define ESCALATE_MS 30000
#define KEYBAG_MS 320000     /* the device itself waits up to 300 s for an unlock */
#define HELLO_MS 10000
#define HELLO_AFTER_MS 3000  /* a connection that was silent for so long is greeted before something is changed */
#define CHALLENGE_MAX 64

plist_t apple_mcinstall_request(const char *type)
{
	plist_t ask = plist_new_dict();
	apple_put_str(ask, "RequestType", type);
	return ask;
}

void apple_mcinstall_close(struct apple_device *dev)
{
	apple_link_close_at(&dev->mcinstall);
	dev->escalated = false;
}

static bool connect_service(struct apple_device *dev, struct stg_error *err)
{
	if (!dev->mcinstall) {
		dev->escalated = false;
		dev->mcinstall = apple_service(dev, SERVICE, err);
	}
	return dev->mcinstall != NULL;
}

static plist_t exchange(struct apple_device *dev, plist_t ask, int64_t timeout_ms, struct stg_error *err)
{
	plist_t reply = apple_link_ask(dev->mcinstall, ask, &stg_plist_device, timeout_ms, err);
	if (!reply) {
		stg_while(err, "%s", apple_str(ask, "RequestType"));
		/* its next words could belong to this question */
		apple_mcinstall_close(dev);
	}
	return reply;
}

/* Is somebody still there? A connection that is not is replaced, as long as nothing was proved on it. */
static bool greet(struct apple_device *dev, struct stg_error *err)
{
	if (!dev->mcinstall || apple_link_idle_ms(dev->mcinstall) < HELLO_AFTER_MS)
		return connect_service(dev, err);
	bool was_escalated = dev->escalated;
	STG_AUTO(apple_plist_free_at) plist_t hello = apple_mcinstall_request("HelloHostIdentifier");
	STG_AUTO(apple_plist_free_at) plist_t reply = exchange(dev, hello, HELLO_MS, NULL);
	if (reply)
		return true;
	return connect_service(dev, err) && (!was_escalated || apple_escalate(dev, err));
}

bool apple_mcinstall_ask(struct apple_device *dev, enum apple_mc way, plist_t ask, int64_t timeout_ms, plist_t *ret_reply,
			 struct stg_error *err)
{
	bool kept = dev->mcinstall != NULL;
	struct stg_error why = { 0 };
	if (way == APPLE_MC_WRITE)
		apple_owner_facts_forget(dev);
	if (!(way == APPLE_MC_WRITE ? greet(dev, &why) : connect_service(dev, &why))) {
		/* nothing was sent: for the caller that is not an unknown outcome */
		if (why.code == STG_E_UNKNOWN)
			why.code = STG_E_GONE;
		if (err)
			*err = why;
		return false;
	}
	plist_t reply = exchange(dev, ask, timeout_ms, &why);
	if (!reply && way == APPLE_MC_READ && kept && why.code == STG_E_GONE) {
		stg_error_reset(&why);
		if (connect_service(dev, &why))
			reply = exchange(dev, ask, timeout_ms, &why);
	}
	if (!reply && way == APPLE_MC_WRITE && (why.code == STG_E_GONE || why.code == STG_E_TIMEOUT || why.code == STG_E_PROTOCOL))
		why.code = STG_E_UNKNOWN;
	bool ok = reply && apple_mc_accepted(reply, apple_str(ask, "RequestType"), &why);
	if (reply && !ok && way == APPLE_MC_WRITE && why.code == STG_E_PROTOCOL)
		why.code = STG_E_UNKNOWN;   /* an answer that says nothing */
	if (ok && ret_reply)
		*ret_reply = stg_steal(reply);
	apple_plist_free_at(&reply);
	if (!ok && err)
		*err = why;
	return ok;
}

bool apple_cloud_is_ours(struct apple_device *dev, plist_t cloud, bool *ret, struct stg_error *err)
{
	const struct stg_host *host = dev->base.host;
	STG_AUTO(stg_buf_clear) struct stg_buf ours = STG_BUF(APPLE_RECORD_MAX);
	struct stg_error why = { 0 };
	*ret = false;
	if (!cloud)
		return true;
	if (!host->supervisor || !host->supervisor(host->ctx, &ours, &why)) {
		if (!host->supervisor || why.code == STG_E_NOT_FOUND)
			return true;
		if (err)
			*err = why;
		return false;
	}
	plist_t list = apple_array(cloud, "SupervisorHostCertificates");
	for (uint32_t i = 0; list && i < plist_array_get_size(list) && i < 64; i++) {
		plist_t one = plist_array_get_item(list, i);
		uint64_t len = 0;
		const char *der = apple_is(one, PLIST_DATA) ? plist_get_data_ptr(one, &len) : NULL;
		if (der && ours.len && stg_bytes_equal(stg_bytes(der, (size_t)len), stg_buf_view(&ours)))
			*ret = true;
	}
	/* a certificate in the list of a device that is not supervised gives nobody any rights */
	*ret = *ret && apple_true(cloud, "IsSupervised");
	return true;
}

json_t *apple_cloud_json(plist_t cloud)
{
	json_t *j = apple_json(cloud);
	json_t *skip = json_object_get(j, "SkipSetup");
	if (json_is_array(skip))
		stg_json_put_int(j, "SkipSetup", (int64_t)json_array_size(skip));
	return j;
}

bool apple_cloud_configuration(struct apple_device *dev, plist_t *ret, struct stg_error *err)
{
	STG_AUTO(apple_plist_free_at) plist_t ask = apple_mcinstall_request("GetCloudConfiguration");
	STG_AUTO(apple_plist_free_at) plist_t reply = NULL;
	bool ours;
	*ret = NULL;
	if (!apple_mcinstall_ask(dev, APPLE_MC_READ, ask, READ_MS, &reply, err))
		return false;
	plist_t cloud = apple_dict(reply, "CloudConfiguration");
	if (!apple_cloud_is_ours(dev, cloud, &ours, err))
		return false;
	dev->ours = ours ? APPLE_OURS_YES : APPLE_OURS_NO;
	*ret = cloud ? plist_copy(cloud) : NULL;
	return true;
}

static bool escalate_once(struct apple_device *dev, struct stg_bytes certificate, bool locked, struct stg_error *err)
{
	const struct stg_host *host = dev->base.host;
	STG_AUTO(apple_plist_free_at) plist_t ask = apple_mcinstall_request("Escalate");
	STG_AUTO(apple_plist_free_at) plist_t reply = NULL;
	STG_AUTO(apple_plist_free_at) plist_t answer = apple_mcinstall_request("EscalateResponse");
	STG_AUTO(apple_plist_free_at) plist_t proceed = apple_mcinstall_request("ProceedWithKeybagMigration");
	STG_AUTO(stg_buf_clear) struct stg_buf cms = STG_BUF(APPLE_RECORD_MAX);
	apple_put_data(ask, "SupervisorCertificate", certificate);
	if (!apple_mcinstall_ask(dev, APPLE_MC_READ, ask, ESCALATE_MS, &reply, err))
		return false;
	struct stg_bytes challenge = apple_data(reply, "Challenge");
	if (!challenge.len || challenge.len > CHALLENGE_MAX)
		return stg_fail_id(err, STG_E_PROTOCOL, STG_ID_DEVICE_NONSENSE, 0, "a challenge of %zu bytes", challenge.len);
	if (!host->sign_challenge(host->ctx, challenge, &cms, err))
		return stg_while(err, "sign the challenge");
	apple_put_data(answer, "SignedRequest", stg_buf_view(&cms));
	/* the answer belongs to the connection that asked: a new one would have another challenge */
	if (!dev->mcinstall)
		return stg_fail_id(err, STG_E_GONE, STG_ID_DEVICE_GONE, 0, "the connection was lost before the proof");
	STG_AUTO(apple_plist_free_at) plist_t verdict = exchange(dev, answer, ESCALATE_MS, err);
	if (!verdict || !apple_mc_accepted(verdict, "EscalateResponse", err))
		return false;
	STG_AUTO(apple_plist_free_at) plist_t last = locked ? NULL : exchange(dev, proceed, KEYBAG_MS, err);
	if (!locked && (!last || !apple_mc_accepted(last, "ProceedWithKeybagMigration", err)))
		return false;
	dev->escalated = true;
	return true;
}

static bool escalate(struct apple_device *dev, bool locked, struct stg_error *err)
{
	const struct stg_host *host = dev->base.host;
	STG_AUTO(stg_buf_clear) struct stg_buf certificate = STG_BUF(APPLE_RECORD_MAX);
	struct stg_error why = { 0 };
	if (dev->escalated && dev->mcinstall)
		return true;
	if (!host->supervisor || !host->supervisor(host->ctx, &certificate, err))
		return stg_while(err, "escalate");
	bool kept = dev->mcinstall != NULL;
	if (escalate_once(dev, stg_buf_view(&certificate), locked, &why))
		return true;
	/* One more try where one is worth it: a connection from before the supervision, or a signature refused by mistake
	 * (seen with one challenge in twelve when a signer rewrites line ends; ours does not, a device may). */
	if (why.id == STG_ID_CHALLENGE_REFUSED || (kept && (why.id == STG_ID_NOT_OUR_SUPERVISION || why.code == STG_E_GONE))) {
		apple_mcinstall_close(dev);
		stg_error_reset(&why);
		if (escalate_once(dev, stg_buf_view(&certificate), locked, &why))
			return true;
	}
	/* half a proof is none, and nobody knows what state the connection is in */
	apple_mcinstall_close(dev);
	if (err)
		*err = why;
	return stg_while(err, "escalate");
}

bool apple_escalate(struct apple_device *dev, struct stg_error *err)
{
	return escalate(dev, false, err);
}

bool apple_escalate_locked(struct apple_device *dev, struct stg_error *err)
{
	return escalate(dev, true, err);
}
