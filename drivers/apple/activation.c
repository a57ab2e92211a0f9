/*
 * activation.c - the device's activation, with the station's relay between it and the activation service.
 *
 * For:    stg_device_activation, _activate.
 * Uses:   lockdown.c; the host's relay: this process has no network.
 * Called: through the driver's table.
 * Thread: the worker's.
 * Facts:  protocols/apple.md 5.1: one connection for each command; two exchanges over HTTPS; a form in place of a record means
 *         Activation Lock. Session blobs live for minutes, so all is done in one go.
 */
#include <stdlib.h>

#include "device.h"

#define SERVICE "com.apple.mobileactivationd"
#define COMMAND_MS 60000
#define BASEBAND_WAIT_S 90
#define BODY_MAX (1u << 20)

bool apple_activation(struct stg_device *base, char state[32], struct stg_error *err)
{
	struct apple_device *dev = apple_device(base);
	STG_AUTO(apple_plist_free_at) plist_t value = apple_value(dev, APPLE_SESSION, NULL, "ActivationState", err);
	if (!value)
		return false;
	char text[128];
	const char *s = apple_is(value, PLIST_STRING) ? plist_get_string_ptr(value, NULL) : "";
	stg_printable(s, false, text, sizeof(text));
	if (!text[0] || !stg_copy(state, 32, text))
		return stg_fail_id(err, STG_E_PROTOCOL, STG_ID_DEVICE_NONSENSE, 0, "an activation state of another kind");
	return true;
}

/* Takes `ask`. The reply, or its Value when there is one. */
static plist_t command(struct apple_device *dev, plist_t ask, const char *name, struct stg_error *err)
{
	STG_AUTO(apple_plist_free_at) plist_t message = ask;
	STG_AUTO(apple_link_close_at) struct apple_link *l = apple_service(dev, SERVICE, err);
	apple_put_str(message, "Command", name);
	plist_t reply = l ? apple_link_ask(l, message, &stg_plist_device, COMMAND_MS, err) : NULL;
	if (!reply) {
		stg_while(err, "%s", name);
		return NULL;
	}
	const char *error = apple_str(reply, "Error");
	if (*error) {
		char text[160];
		stg_printable(error, false, text, sizeof(text));
		stg_fail_id(err, STG_E_REFUSED, STG_ID_ACTIVATION_REFUSED, 0, "%s: %s", name, text);
		plist_free(reply);
		return NULL;
	}
	return reply;
}

static bool form_field(struct stg_bytes value, const char *name, struct stg_buf *ret, struct stg_error *err)
{
	static const char hex[] = "0123456789ABCDEF";
	if (!stg_buf_add_str(ret, name, err) || !stg_buf_add(ret, "=", 1, err))
		return false;
	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.data[i];
		bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_' || c == '.';
		char out[3] = { '%', hex[c >> 4], hex[c & 15] };
		if (!(plain ? stg_buf_add(ret, &c, 1, err) : stg_buf_add(ret, out, 3, err)))
			return false;
	}
	return true;
}

/* One exchange with the service; true with a property list in the body. */
static bool exchange(struct apple_device *dev, const char *path, const char *content_type, struct stg_bytes body,
		     struct stg_http_answer *ret, struct stg_error *err)
{
	const struct stg_host *host = dev->base.host;
	STG_AUTO(stg_json_free_at) json_t *headers = json_object();
	struct stg_http ask = { .method = "POST", .url_path = path, .content_type = content_type, .body = body, .headers = headers };
	stg_json_put(headers, "Accept", "application/xml");
	stg_json_put(headers, "User-Agent", "iOS Device Activator (MobileActivation-592.103.2)");
	if (!host->relay)
		return stg_fail(err, STG_E_UNSUPPORTED, 0, "no relay");
	if (!host->relay(host->ctx, &ask, ret, err))
		return stg_while(err, "activation service");
	if (strstr(ret->content_type, "buddyml") || strstr(ret->content_type, "html"))
		return stg_fail_id(err, STG_E_HOLD, STG_ID_ACTIVATION_LOCKED, ret->status, "the service asks for the Apple Account");
	if (ret->status >= 500)
		return stg_fail_id(err, STG_E_TIMEOUT, STG_ID_ACTIVATION_REFUSED, ret->status, "activation service: status %d", ret->status);
	if (ret->status < 200 || ret->status >= 300)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_ACTIVATION_REFUSED, ret->status, "activation service: status %d", ret->status);
	/* the device parses it, but we do not hand on what we would not read ourselves */
	if (!stg_plist_scan(stg_buf_view(&ret->body), &stg_plist_device, NULL, err))
		return stg_while(err, "activation service");
	return true;
}

static bool handshake(struct apple_device *dev, struct stg_http_answer *ret, struct stg_error *err)
{
	STG_AUTO(apple_plist_free_at) plist_t reply = command(dev, plist_new_dict(), "CreateTunnel1SessionInfoRequest", err);
	STG_AUTO(stg_buf_clear) struct stg_buf body = STG_BUF(BODY_MAX);
	plist_t blob = apple_get(reply, "Value");
	if (!reply)
		return false;
	if (!blob)
		return stg_fail_id(err, STG_E_PROTOCOL, STG_ID_DEVICE_NONSENSE, 0, "no session blob");
	return apple_plist_write(blob, &body, err) &&
	       exchange(dev, "/deviceservices/drmHandshake", "application/x-apple-plist", stg_buf_view(&body), ret, err);
}

static bool fetch_record(struct apple_device *dev, const struct stg_http_answer *shake, struct stg_http_answer *ret,
			 struct stg_error *err)
{
	plist_t ask = plist_new_dict(), options = plist_new_dict();
	apple_put_data(ask, "Value", stg_buf_view(&shake->body));
	apple_put_uint(options, "BasebandWaitCount", BASEBAND_WAIT_S);
	plist_dict_set_item(ask, "Options", options);
	STG_AUTO(apple_plist_free_at) plist_t reply = command(dev, ask, "CreateTunnel1ActivationInfoRequest", err);
	STG_AUTO(stg_buf_clear) struct stg_buf info = STG_BUF(BODY_MAX);
	STG_AUTO(stg_buf_clear) struct stg_buf form = STG_BUF(3 * BODY_MAX + 64);
	plist_t value = apple_get(reply, "Value");
	if (!reply)
		return false;
	if (!value)
		return stg_fail_id(err, STG_E_PROTOCOL, STG_ID_DEVICE_NONSENSE, 0, "no activation info");
	return apple_plist_write(value, &info, err) && form_field(stg_buf_view(&info), "activation-info", &form, err) &&
	       exchange(dev, "/deviceservices/deviceActivation", "application/x-www-form-urlencoded", stg_buf_view(&form), ret, err);
}

static bool hand_over(struct apple_device *dev, const struct stg_http_answer *record, struct stg_error *err)
{
	plist_t ask = plist_new_dict(), headers = plist_new_dict();
	const char *key;
	json_t *value;
	json_object_foreach(record->headers, key, value) {
		if (json_is_string(value))
			apple_put_str(headers, strcasecmp(key, "ars") == 0 ? "ARS" : key, json_string_value(value));
	}
	apple_put_data(ask, "Value", stg_buf_view(&record->body));
	plist_dict_set_item(ask, "ActivationResponseHeaders", headers);
	STG_AUTO(apple_plist_free_at) plist_t reply = command(dev, ask, "HandleActivationInfoWithSessionRequest", err);
	return reply != NULL;
}

bool apple_activate(struct stg_device *base, struct stg_error *err)
{
	struct apple_device *dev = apple_device(base);
	STG_AUTO(stg_http_answer_clear) struct stg_http_answer shake = { .body = STG_BUF(BODY_MAX) };
	STG_AUTO(stg_http_answer_clear) struct stg_http_answer record = { .body = STG_BUF(BODY_MAX) };
	char state[32];
	if (!apple_activation(base, state, err))
		return stg_while(err, "activate");
	if (strcmp(state, "Unactivated") != 0)
		return true;
	if (!handshake(dev, &shake, err) || !fetch_record(dev, &shake, &record, err) || !hand_over(dev, &record, err))
		return stg_while(err, "activate");
	apple_plist_free_at(&dev->values);
	/* older systems do without this one */
	(void)apple_value_set(dev, NULL, "ActivationStateAcknowledged", plist_new_bool(1), NULL);
	if (!apple_activation(base, state, err))
		return stg_while(err, "activate: re-read");
	if (strcmp(state, "Unactivated") == 0)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_ACTIVATION_REFUSED, 0, "activate: taken, but still unactivated");
	return true;
}
