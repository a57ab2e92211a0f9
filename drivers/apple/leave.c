/*
 * leave.c - the requests after which the device goes away: restart, switching off, recovery mode, erase.
 *
 * For:    stg_device_restart, _shutdown, _enter_recovery, _erase.
 * Uses:   mcinstall.c, lockdown.c.
 * Called: through the driver's table; the erase gate was passed by the caller.
 * Thread: the worker's.
 * Facts:  protocols/apple.md 6 (EnterRecovery inside a session, judged by its return as 05ac:1281), 5.6 (a device acts when the socket closes), 4.2 and 5.9 (EraseDevice: acknowledged, or the
 *         connection just dies: both can mean done, neither proves it).
 */
#include "device.h"

#define RELAY "com.apple.mobile.diagnostics_relay"
#define RELAY_MS 30000
#define ERASE_MS 60000

/* Acts when the connection ends, which is the caller's: NULL = it said no. */
static struct apple_link *told_to(struct apple_device *dev, const char *request, struct stg_error *err)
{
	STG_AUTO(apple_link_close_at) struct apple_link *l = apple_service(dev, RELAY, err);
	STG_AUTO(apple_plist_free_at) plist_t ask = plist_new_dict();
	if (!l)
		return NULL;
	apple_put_str(ask, "Request", request);
	apple_put_bool(ask, "WaitForDisconnect", true);
	apple_put_bool(ask, "DisplayPass", false);
	apple_put_bool(ask, "DisplayFail", false);
	STG_AUTO(apple_plist_free_at) plist_t reply = apple_link_ask(l, ask, &stg_plist_device, RELAY_MS, err);
	if (!reply)
		return NULL;
	const char *status = apple_str(reply, "Status");
	if (strcmp(status, "Success") == 0)
		return stg_steal(l);
	char clean[80];
	stg_printable(status, false, clean, sizeof(clean));
	const struct stg_code_row *row = stg_codes_by_name(&stg_codes_diagnostics, status, false);
	row = row ? row : &stg_codes_diagnostics.otherwise;
	stg_fail_id(err, row->code, row->id, 0, "%s", clean);
	return NULL;
}

bool apple_restart(struct stg_device *base, struct stg_error *err)
{
	struct apple_device *dev = apple_device(base);
	STG_AUTO(apple_link_close_at) struct apple_link *l = told_to(dev, "Restart", err);
	if (!l)
		return stg_while(err, "restart");
	/* it waits for this, and everything else that is open ends with it */
	apple_mcinstall_close(dev);
	apple_lockdown_close(dev);
	return true;
}

bool apple_shutdown(struct stg_device *base, struct stg_error *err)
{
	struct apple_device *dev = apple_device(base);
	if (!dev->leaving)
		dev->leaving = told_to(dev, "Shutdown", err);
	return dev->leaving || stg_while(err, "switch off");
}

bool apple_enter_recovery(struct stg_device *base, struct stg_error *err)
{
	struct apple_device *dev = apple_device(base);
	/* refused outside a session since iOS 14.5: whether there is one shows now, while somebody can still be told */
	dev->into_recovery = apple_session(dev, err);
	return dev->into_recovery || stg_while(err, "into recovery mode");
}

void apple_leave_for_recovery(struct apple_device *dev)
{
	STG_AUTO(apple_plist_free_at) plist_t ask = plist_new_dict();
	if (!dev->into_recovery)
		return;
	apple_put_str(ask, "Request", "EnterRecovery");
	(void)apple_lockdown_ask(dev, APPLE_SESSION, ask, false, NULL, NULL);
}

bool apple_erase(struct stg_device *base, bool keep_esim, struct stg_error *err)
{
	struct apple_device *dev = apple_device(base);
	STG_AUTO(apple_plist_free_at) plist_t ask = apple_mcinstall_request("EraseDevice");
	struct stg_error why = { 0 };
	apple_put_bool(ask, "PreserveDataPlan", keep_esim);
	bool ok = apple_mcinstall_ask(dev, APPLE_MC_WRITE, ask, ERASE_MS, NULL, &why);
	if (ok || why.code == STG_E_UNKNOWN) {
		/* never a second time on what is still open */
		apple_mcinstall_close(dev);
		apple_lockdown_close(dev);
	}
	if (ok)
		return true;
	if (why.code == STG_E_UNKNOWN)
		why.id = STG_ID_OUTCOME_UNKNOWN;
	else if (why.id == STG_ID_DEVICE_REFUSED || why.id == STG_ID_DEVICE_CANNOT)
		why.id = STG_ID_ERASE_REFUSED;
	if (err)
		*err = why;
	return stg_while(err, "erase");
}
