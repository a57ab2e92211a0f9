/*
 * lockdownd.c - lockdown on port 62078: values, trust, sessions, starting services.
 *
 * For:    the first door of a device, open to every host on the cable.
 * Uses:   conn.h, pairing.h, values (device.h).
 * Called: by conn.c, as the service virt_lockdownd.
 * Thread: the bench's only one.
 * Facts:  replies echo Request; success has no Result on current systems; StopSession answers inside TLS with
 *         Result Success and the socket goes on in plain; a service port outlives the session. Seen on iOS 14 to 26.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stager/clock.h>

#include "conn.h"
#include "pairing.h"

#define PAIR_REAL_MS 300
#define RECOVERY_REAL_MS 5000

struct session {
	struct virt_record *record;    /* NULL: none */
	char id[40];
	plist_t answer;                /* waits for its time */
};

static const char *text_of(plist_t msg, const char *key)
{
	plist_t node = plist_dict_get_item(msg, key);

	return node && plist_get_node_type(node) == PLIST_STRING ? plist_get_string_ptr(node, NULL) : NULL;
}

static plist_t answer_to(const char *request)
{
	plist_t a = plist_new_dict();

	plist_dict_set_item(a, "Request", plist_new_string(request));
	return a;
}

static void refuse(struct virt_conn *c, const char *request, const char *error)
{
	plist_t a = answer_to(request);

	plist_dict_set_item(a, "Error", plist_new_string(error));
	virt_send_plist(c, a);
}

static void echo(plist_t a, const char *key, const char *value)
{
	if (value)
		plist_dict_set_item(a, key, plist_new_string(value));
}

static void get_value(struct virt_conn *c, plist_t msg)
{
	const struct session *s = c->state;
	const char *domain = text_of(msg, "Domain"), *key = text_of(msg, "Key");
	plist_t value = virt_value(c->device, domain, key, s->record != NULL);
	plist_t a;

	if (!value) {
		plist_t behind = s->record ? NULL : virt_value(c->device, domain, key, true);

		refuse(c, "GetValue", behind ? "GetProhibited" : "MissingValue");
		plist_free(behind);
		return;
	}
	a = answer_to("GetValue");
	echo(a, "Domain", domain);
	echo(a, "Key", key);
	plist_dict_set_item(a, "Value", value);
	virt_send_plist(c, a);
}

/* Only these may be changed; NULL key: any of the domain. */
static const struct {
	const char *domain, *key;
	bool without_session;
} settable[] = {
	{ "", "DeviceName", false },
	{ "", "TimeIntervalSince1970", false },
	{ "", "TimeZone", false },
	{ "", "Uses24HourClock", false },
	{ "", "UntrustedHostBUID", true },
	{ "", "ActivationStateAcknowledged", false },
	{ "com.apple.international", "Language", false },
	{ "com.apple.international", "Locale", false },
	{ "com.apple.international", "Keyboard", false },
	{ "com.apple.mobile.wireless_lockdown", "EnableWifiConnections", false },
	{ "com.apple.Accessibility", NULL, false },
	{ "com.apple.mobile.data_sync", NULL, false },
	{ "com.apple.mobile.backup", NULL, false },
	{ "com.apple.mobile.iTunes", NULL, false },
	{ "com.apple.mobile.tethered_sync", NULL, false },
};

static bool may_set(const struct session *s, const char *domain, const char *key)
{
	for (size_t i = 0; i < STG_ARRAY_LEN(settable); i++)
		if (strcmp(settable[i].domain, domain) == 0 && (!settable[i].key || strcmp(settable[i].key, key) == 0))
			return s->record || settable[i].without_session;
	return false;
}

static bool number_of(plist_t node, double *ret)
{
	uint64_t u = 0;

	switch (plist_get_node_type(node)) {
	case PLIST_UINT:
		plist_get_uint_val(node, &u);
		*ret = (double)u;
		return true;
	case PLIST_REAL:
		plist_get_real_val(node, ret);
		return true;
	default:
		return false;
	}
}

/* False: not a value this key takes. */
static bool take_value(struct virt_device *d, const char *domain, const char *key, plist_t value)
{
	double seconds;
	uint8_t yes = 0;

	if (domain[0]) {
		virt_value_set(d, domain, key, plist_copy(value));
	} else if (strcmp(key, "DeviceName") == 0) {
		if (plist_get_node_type(value) != PLIST_STRING)
			return false;
		stg_copy(d->name, sizeof(d->name), plist_get_string_ptr(value, NULL));
		virt_notify(d, "com.apple.mobile.lockdown.device_name_changed");
	} else if (strcmp(key, "TimeIntervalSince1970") == 0) {
		if (!number_of(value, &seconds))
			return false;
		d->clock_offset_ms = (int64_t)(seconds * 1000.0) - stg_wall_ms();
	} else if (strcmp(key, "ActivationStateAcknowledged") == 0) {
		if (plist_get_node_type(value) != PLIST_BOOLEAN)
			return false;
		plist_get_bool_val(value, &yes);
		d->activation_acknowledged = yes != 0;
	} else {
		virt_value_set(d, domain, key, plist_copy(value));
	}
	return true;
}

static void set_value(struct virt_conn *c, plist_t msg)
{
	const char *domain = text_of(msg, "Domain"), *key = text_of(msg, "Key");
	plist_t value = plist_dict_get_item(msg, "Value");
	plist_t a;

	if (!key) {
		refuse(c, "SetValue", "MissingKey");
	} else if (!value) {
		refuse(c, "SetValue", "MissingValue");
	} else if (!may_set(c->state, domain ? domain : "", key) ||
		   (!virt_fault(c->device, "SetValue", "ignore", NULL) && !take_value(c->device, domain ? domain : "", key, value))) {
		refuse(c, "SetValue", "SetProhibited");
	} else {
		a = answer_to("SetValue");
		echo(a, "Domain", domain);
		echo(a, "Key", key);
		plist_dict_set_item(a, "Value", plist_copy(value));
		virt_send_plist(c, a);
	}
}

static void remove_value(struct virt_conn *c, plist_t msg)
{
	const char *domain = text_of(msg, "Domain"), *key = text_of(msg, "Key");
	plist_t a;

	if (!key || !may_set(c->state, domain ? domain : "", key)) {
		refuse(c, "RemoveValue", key ? "RemoveProhibited" : "MissingKey");
		return;
	}
	virt_value_set(c->device, domain, key, NULL);
	a = answer_to("RemoveValue");
	echo(a, "Domain", domain);
	echo(a, "Key", key);
	virt_send_plist(c, a);
}

static void answer_now(struct virt_conn *c, void *unused)
{
	struct session *s = c->state;
	plist_t a = s->answer;

	(void)unused;
	s->answer = NULL;
	virt_send_plist(c, a);
}

static void pair(struct virt_conn *c, plist_t msg)
{
	struct session *s = c->state;

	s->answer = answer_to("Pair");
	virt_pair(c->device, msg, s->answer);
	virt_after(c, PAIR_REAL_MS, answer_now, NULL);
}

static void unpair(struct virt_conn *c, plist_t msg)
{
	const char *error = virt_unpair(c->device, msg);

	if (error)
		refuse(c, "Unpair", error);
	else
		virt_send_plist(c, answer_to("Unpair"));
}

static void validate_pair(struct virt_conn *c, plist_t msg)
{
	plist_t record = plist_dict_get_item(msg, "PairRecord");
	const char *host = record && plist_get_node_type(record) == PLIST_DICT ? text_of(record, "HostID") : NULL;

	if (!host)
		refuse(c, "ValidatePair", "MissingPairRecord");
	else if (!virt_record_find(c->device, host))
		refuse(c, "ValidatePair", "InvalidHostID");
	else
		virt_send_plist(c, answer_to("ValidatePair"));
}

static void start_session(struct virt_conn *c, plist_t msg)
{
	struct session *s = c->state;
	const char *host = text_of(msg, "HostID");
	struct virt_record *r = host ? virt_record_find(c->device, host) : NULL;
	uint8_t b[16];
	plist_t a;

	if (s->record) {
		refuse(c, "StartSession", "SessionActive");
		return;
	}
	if (!r) {
		refuse(c, "StartSession", host ? "InvalidHostID" : "MissingHostID");
		return;
	}
	virt_random_fill(&c->bench->random, b, sizeof(b));
	snprintf(s->id, sizeof(s->id), "%02X%02X%02X%02X-%02X%02X-4%X%02X-A%X%02X-%02X%02X%02X%02X%02X%02X", b[0], b[1], b[2],
		 b[3], b[4], b[5], b[6] & 15u, b[7], b[8] & 15u, b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
	s->record = virt_record_ref(r);
	a = answer_to("StartSession");
	plist_dict_set_item(a, "SessionID", plist_new_string(s->id));
	plist_dict_set_item(a, "EnableSessionSSL", plist_new_bool(1));
	virt_send_plist(c, a);
	if (!virt_conn_secure(c, r))
		virt_stream_drop(&c->stream);
}

static void end_session(struct session *s)
{
	virt_record_unref(s->record);
	s->record = NULL;
	s->id[0] = '\0';
}

static void stop_session(struct virt_conn *c, plist_t msg)
{
	struct session *s = c->state;
	const char *id = text_of(msg, "SessionID");
	plist_t a;

	if (!s->record || !id || strcmp(id, s->id) != 0) {
		refuse(c, "StopSession", !s->record ? "SessionInactive" : id ? "InvalidSessionID" : "MissingSessionID");
		return;
	}
	a = answer_to("StopSession");
	plist_dict_set_item(a, "Result", plist_new_string("Success"));
	virt_send_plist(c, a);
	end_session(s);
	virt_conn_plain(c);
}

static const char *why_not_start(struct virt_conn *c, const struct virt_service *service, const char *name, plist_t msg)
{
	const struct session *s = c->state;
	const struct virt_device *d = c->device;
	plist_t bag = plist_dict_get_item(msg, "EscrowBag");
	uint64_t len = 0;
	const char *bytes = bag && plist_get_node_type(bag) == PLIST_DATA ? plist_get_data_ptr(bag, &len) : NULL;

	if (virt_fault_take(c->device, name, "StartService", "service_limit"))
		return "ServiceLimit";
	if (!s->record && !(service && service->without_session))
		return "SessionInactive";
	if (!service || (service->offered && !service->offered(d)))
		return "InvalidService";
	if (!d->is_locked || service->while_locked)
		return NULL;
	if (d->escrow_locked)
		return bytes ? "EscrowLocked" : "PasswordProtected";
	if (bytes && s->record && len == sizeof(s->record->escrow_bag) && memcmp(bytes, s->record->escrow_bag, len) == 0)
		return NULL;
	return "PasswordProtected";
}

static void start_service(struct virt_conn *c, plist_t msg)
{
	const struct session *s = c->state;
	const char *name = text_of(msg, "Service");
	const struct virt_service *service = name ? virt_service_find(name) : NULL;
	const char *error = name ? why_not_start(c, service, name, msg) : "MissingService";
	const struct virt_fault *f = name ? virt_fault_take(c->device, name, "StartService", "refuse") : NULL;
	uint16_t port = 0;
	plist_t a;

	if (f)
		error = stg_json_str_or(f->args, "error", "ServiceProhibited");
	if (!error) {
		port = virt_listener_add(c->device, service, name, s->record);
		error = port ? NULL : "ServiceLimit";
	}
	if (error) {
		refuse(c, "StartService", error);
		return;
	}
	virt_device_note(c->device, "StartService", name);
	a = answer_to("StartService");
	plist_dict_set_item(a, "Service", plist_new_string(name));
	plist_dict_set_item(a, "Port", plist_new_uint(port));
	if (s->record)
		plist_dict_set_item(a, "EnableServiceSSL", plist_new_bool(1));
	virt_send_plist(c, a);
}

static void into_recovery(struct virt_device *d, void *unused)
{
	(void)unused;
	virt_device_restart(d, RECOVERY_REAL_MS, VIRT_USB_RECOVERY);
}

static void enter_recovery(struct virt_conn *c)
{
	const struct session *s = c->state;

	if (!s->record) {
		refuse(c, "EnterRecovery", "SessionInactive");
		return;
	}
	virt_send_plist(c, answer_to("EnterRecovery"));
	virt_device_after(c->device, 500, into_recovery, NULL);
}

static void query_type(struct virt_conn *c)
{
	plist_t a = answer_to("QueryType");

	plist_dict_set_item(a, "Type", plist_new_string("com.apple.mobile.lockdown"));
	virt_send_plist(c, a);
}

static void goodbye(struct virt_conn *c)
{
	plist_t a = answer_to("Goodbye");

	plist_dict_set_item(a, "Result", plist_new_string("Success"));
	virt_send_plist(c, a);
	virt_close(c);
}

static void on_message(struct virt_conn *c, plist_t msg)
{
	struct session *s = c->state;
	bool is_dict = plist_get_node_type(msg) == PLIST_DICT;
	const char *request = is_dict ? text_of(msg, "Request") : NULL;
	const struct virt_fault *f;

	if (!request) {
		refuse(c, "", "InvalidRequest");
		return;
	}
	f = strcmp(request, "StartService") == 0 ? NULL : virt_fault_take(c->device, "lockdownd", request, "refuse");
	if (f) {
		refuse(c, request, stg_json_str_or(f->args, "error", "InvalidResponse"));
	} else if (strcmp(request, "QueryType") == 0) {
		query_type(c);
	} else if (strcmp(request, "GetValue") == 0) {
		get_value(c, msg);
	} else if (strcmp(request, "SetValue") == 0) {
		set_value(c, msg);
	} else if (strcmp(request, "RemoveValue") == 0) {
		remove_value(c, msg);
	} else if (strcmp(request, "Pair") == 0) {
		pair(c, msg);
	} else if (strcmp(request, "ValidatePair") == 0) {
		validate_pair(c, msg);
	} else if (strcmp(request, "Unpair") == 0) {
		unpair(c, msg);
	} else if (strcmp(request, "StartSession") == 0) {
		start_session(c, msg);
	} else if (strcmp(request, "StopSession") == 0) {
		stop_session(c, msg);
	} else if (strcmp(request, "StartService") == 0) {
		start_service(c, msg);
	} else if (strcmp(request, "EnterRecovery") == 0) {
		enter_recovery(c);
	} else if (strcmp(request, "Goodbye") == 0) {
		goodbye(c);
	} else if (strcmp(request, "ResetPairing") == 0) {
		if (!s->record) {
			refuse(c, request, "SessionInactive");
			return;
		}
		virt_device_forget_records(c->device);
		virt_send_plist(c, answer_to(request));
	} else if (strcmp(request, "Deactivate") == 0 && s->record) {
		virt_device_set_activation(c->device, "Unactivated");
		virt_send_plist(c, answer_to(request));
	} else {
		refuse(c, request, "InvalidRequest");
	}
}

static void on_closed(struct virt_conn *c)
{
	struct session *s = c->state;

	end_session(s);
	plist_free(s->answer);
	s->answer = NULL;
}

const struct virt_service virt_lockdownd = {
	.framing = VIRT_PLIST,
	.state_size = sizeof(struct session),
	.message = on_message,
	.closed = on_closed,
};
