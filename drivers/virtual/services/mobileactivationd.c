/*
 * mobileactivationd.c - the activation of a device, step by step, with the server's answers handed in by the host.
 *
 * For:    the product's relay, go-ios and libimobiledevice's tools.
 * Uses:   ../activation.h for what the virtual server and the device know of each other.
 * Thread: the bench's one.
 * Facts:  `Command` requests, each on a connection of its own: CreateTunnel1SessionInfoRequest, then with the server's
 *         handshake CreateTunnel1ActivationInfoRequest, then with its record HandleActivationInfoWithSessionRequest and
 *         the headers it came with; CreateActivationInfoRequest and HandleActivationInfoRequest are the older forms
 *         (libimobiledevice, go-ios, 2024). How long a session lives is not known; here ten minutes, once.
 */
#include "../activation.h"
#include "../bench.h"
#include "../device.h"
#include "../service.h"
#include "../words.h"

#include <stager/clock.h>
#include <stager/ids.h>
#include <stager/plistscan.h>
#include <stdlib.h>

#define SESSION_LIFE_MS 600000
#define WORK_MS         900
#define SESSION_BYTES   21

struct session {
	uint8_t ask[SESSION_BYTES];        /* HandshakeRequestMessage */
	int64_t made_boot_ms;              /* 0: none */
	char randomness[STG_UUID_TEXT];    /* of the activation info that is out; "" when none is */
};

static void plist_free_at(plist_t *p)
{
	if (*p)
		plist_free(*p);
}

static struct session *session_of(struct virt_device *d)
{
	static const char owner;

	return virt_device_data(d, &owner, sizeof(struct session), NULL);
}

static void fail(struct virt_conn *c, const char *error)
{
	virt_send_plist(c, virt_answer("Error", error));
}

static void send_value(struct virt_conn *c, plist_t value)
{
	plist_t answer = plist_new_dict();

	plist_dict_set_item(answer, "Value", value);
	virt_send_plist(c, answer);
}

/* A plist a client hands on: as it is, or as the bytes it had from the server. A new reference, or NULL. */
static plist_t handed_on(plist_t msg)
{
	struct stg_bytes data = virt_data_of(msg, "Value");
	plist_t dict = virt_node(msg, "Value", PLIST_DICT), p = NULL;

	if (dict)
		return plist_copy(dict);
	if (data.len > 0 && stg_plist_scan(data, &stg_plist_device, NULL, NULL))
		plist_from_memory((const char *)data.data, (uint32_t)data.len, &p);
	return p;
}

static void create_session(struct virt_conn *c)
{
	struct virt_device *d = virt_conn_device(c);
	struct session *s = session_of(d);
	plist_t value = plist_new_dict(), blob = plist_new_dict();
	char *text = NULL;
	uint32_t len = 0;

	stg_random(s->ask, sizeof(s->ask));
	s->ask[0] = 2;
	s->made_boot_ms = stg_boot_ms();
	s->randomness[0] = '\0';
	virt_put_data(blob, "IngestBody", stg_bytes_str(d->udid));
	plist_to_xml(blob, &text, &len);
	plist_free(blob);
	virt_put_data(value, "CollectionBlob", stg_bytes(text, len));
	free(text);
	virt_put_data(value, "HandshakeRequestMessage", stg_bytes(s->ask, sizeof(s->ask)));
	virt_put(value, "UniqueDeviceID", d->udid);
	send_value(c, value);
}

static bool session_lives(const struct session *s)
{
	return s->made_boot_ms > 0 && stg_boot_ms() - s->made_boot_ms < SESSION_LIFE_MS;
}

static void create_info(struct virt_conn *c, plist_t msg, bool in_session)
{
	static const char *const from_lockdown[] = {
		"ActivationState", "BuildVersion", "DeviceClass", "ModelNumber", "ProductType", "ProductVersion", "RegionInfo",
		"SerialNumber", "UniqueChipID", "UniqueDeviceID", "InternationalMobileEquipmentIdentity",
		"InternationalMobileEquipmentIdentity2", "MobileEquipmentIdentifier", "IntegratedCircuitCardIdentity",
	};
	struct virt_device *d = virt_conn_device(c);
	struct virt_bench *b = virt_conn_bench(c);
	struct session *s = session_of(d);
	STG_AUTO(plist_free_at) plist_t handshake = handed_on(msg);
	uint8_t mark[VIRT_ACTIVATION_MARK];
	plist_t info, value;
	char *text = NULL;
	uint32_t len = 0;

	if (in_session || handshake) {
		if (!session_lives(s)) {
			fail(c, "The activation session is missing or too old.");
			return;
		}
		if (!virt_activation_mark_fits(b, "HandshakeResponseMessage", stg_bytes(s->ask, sizeof(s->ask)),
					       virt_data_of(handshake, "HandshakeResponseMessage"))) {
			fail(c, "The handshake response does not fit the session.");
			return;
		}
	}
	stg_uuid4(s->randomness);
	info = plist_new_dict();
	for (size_t i = 0; i < STG_ARRAY_LEN(from_lockdown); i++) {
		plist_t v = virt_value(d, NULL, from_lockdown[i], true);

		if (v)
			plist_dict_set_item(info, from_lockdown[i], v);
	}
	virt_put(info, "ActivationRandomness", s->randomness);
	plist_to_xml(info, &text, &len);
	plist_free(info);
	value = plist_new_dict();
	virt_put_data(value, "ActivationInfoXML", stg_bytes(text, len));
	virt_activation_mark(b, "FairPlaySignature", stg_bytes(text, len), mark);
	virt_put_data(value, "FairPlaySignature", stg_bytes(mark, sizeof(mark)));
	virt_put_data(value, "FairPlayCertChain", stg_bytes_str("virtual"));
	virt_put_data(value, "RKCertification", stg_bytes_str("virtual"));
	virt_put_data(value, "RKSignature", stg_bytes(mark, sizeof(mark)));
	virt_put_bool(value, "signActRequest", true);
	free(text);
	send_value(c, value);
}

static void activated(struct virt_conn *c, void *arg)
{
	struct virt_device *d = virt_conn_device(c);

	(void)arg;
	virt_device_set_activation(d, "Activated");
	virt_send_plist(c, plist_new_dict());
}

/* The record must be the server's, for this device, for the activation info that is out. */
static bool record_fits(const struct virt_bench *b, const struct virt_device *d, const struct session *s, plist_t record)
{
	struct stg_bytes token = virt_data_of(record, "AccountToken");

	return *s->randomness && token.len > 0
		&& virt_activation_mark_fits(b, "AccountTokenSignature", token, virt_data_of(record, "AccountTokenSignature"))
		&& memmem(token.data, token.len, s->randomness, strlen(s->randomness))
		&& memmem(token.data, token.len, d->udid, strlen(d->udid));
}

static void handle_record(struct virt_conn *c, plist_t msg, bool in_session)
{
	struct virt_device *d = virt_conn_device(c);
	struct session *s = session_of(d);
	STG_AUTO(plist_free_at) plist_t answer = handed_on(msg);
	plist_t record = virt_node(answer, "ActivationRecord", PLIST_DICT);

	if (in_session && (!session_lives(s) || !virt_node(msg, "ActivationResponseHeaders", PLIST_DICT))) {
		fail(c, session_lives(s) ? "ActivationResponseHeaders are missing."
					 : "The activation session is missing or too old.");
		return;
	}
	if (!record_fits(virt_conn_bench(c), d, s, record ? record : answer)) {
		fail(c, "Invalid activation record.");
		return;
	}
	*s = (struct session){ 0 };
	virt_after(c, WORK_MS, activated, NULL);
}

static void message(struct virt_conn *c, plist_t msg)
{
	struct virt_device *d = virt_conn_device(c);
	const char *command = virt_text(msg, "Command");
	json_t *args = NULL;

	if (virt_fault(d, command, "refuse", &args)) {
		fail(c, stg_json_str_or(args, "error", "refused by a fault"));
	} else if (strcmp(command, "GetActivationStateRequest") == 0) {
		send_value(c, plist_new_string(d->activation_state));
	} else if (strcmp(command, "CreateTunnel1SessionInfoRequest") == 0) {
		create_session(c);
	} else if (strcmp(command, "CreateTunnel1ActivationInfoRequest") == 0) {
		create_info(c, msg, true);
	} else if (strcmp(command, "CreateActivationInfoRequest") == 0) {
		create_info(c, msg, false);
	} else if (strcmp(command, "HandleActivationInfoWithSessionRequest") == 0) {
		handle_record(c, msg, true);
	} else if (strcmp(command, "HandleActivationInfoRequest") == 0) {
		handle_record(c, msg, false);
	} else if (strcmp(command, "DeactivateRequest") == 0) {
		virt_device_set_activation(d, "Unactivated");
		virt_send_plist(c, plist_new_dict());
	} else {
		fail(c, "Unknown command.");
	}
}

const struct virt_service virt_service_mobileactivationd = {
	.names = { "com.apple.mobileactivationd" },
	.framing = VIRT_PLIST,
	.message = message,
};
