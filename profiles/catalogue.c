/*
 * catalogue.c - each payload against what is known of its type.
 *
 * For:    stg_profile_lint(): what a device would refuse is an error, what it would ignore a warning, what it needs from
 *         its surroundings a note.
 * Uses:   facts.c.
 * Called: by read.c.
 * Thread: any; no state.
 *
 * A value is quoted only where the table lists the values it may have: everything else may be a secret.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <stager/payload.h>
#include <stager/variable.h>

#include "catalogue.h"
#include "inner.h"

static const char *const common[] = { "PayloadType", "PayloadVersion", "PayloadIdentifier", "PayloadUUID", "PayloadDisplayName",
				      "PayloadDescription", "PayloadOrganization", "PayloadEnabled" };

static const struct key_fact *fact_of(const char *type, const char *key, bool *ret_other_case)
{
	*ret_other_case = false;
	const struct key_fact *near = NULL;
	for (const struct key_fact *k = key_facts; k->type; k++) {
		if (strcmp(k->type, type) != 0)
			continue;
		if (strcmp(k->key, key) == 0)
			return k;
		if (strcasecmp(k->key, key) == 0)
			near = k;
	}
	*ret_other_case = near != NULL;
	return near;
}

static const char *kind_word(char kind)
{
	switch (kind) {
	case 's': return "text";
	case 'i': return "a whole number";
	case 'r': return "a number";
	case 'b': return "true or false";
	case 'd': return "data";
	case 'a': return "a list";
	case 't': return "a date";
	default: return "a dictionary";
	}
}

static char kind_of(plist_t node)
{
	switch (plist_get_node_type(node)) {
	case PLIST_STRING: return 's';
	case PLIST_UINT: return 'i';
	case PLIST_REAL: return 'r';
	case PLIST_BOOLEAN: return 'b';
	case PLIST_DATA: return 'd';
	case PLIST_ARRAY: return 'a';
	case PLIST_DATE: return 't';
	case PLIST_DICT: return 'D';
	default: return '?';
	}
}

static bool in_values(const char *values, const char *text)
{
	size_t n = strlen(text);
	for (const char *p = values; p; p = strchr(p, '|')) {
		p += *p == '|';
		if (strncmp(p, text, n) == 0 && (p[n] == 0 || p[n] == '|'))
			return true;
	}
	return false;
}

static void check_value(struct findings *f, const struct key_fact *k, plist_t node, const char *path)
{
	char got = kind_of(node);
	const char *text = node_str(node);
	if (text && stg_variable_any(text))
		return;
	if (got != k->kind && !(k->kind == 'r' && got == 'i')) {
		finding(f, "error", path, "must be %s, is %s", kind_word(k->kind), kind_word(got));
		return;
	}
	if (k->values && text && !in_values(k->values, text))
		finding(f, "error", path, "\"%.40s\" is not one of %s", text, k->values);
	if (got == 'i' && (k->least || k->most)) {
		uint64_t n = 0;
		plist_get_uint_val(node, &n);
		if ((int64_t)n < k->least || (int64_t)n > k->most)
			finding(f, "error", path, "out of range %lld..%lld", (long long)k->least, (long long)k->most);
	}
}

static bool is_common(const char *key)
{
	for (size_t i = 0; i < STG_ARRAY_LEN(common); i++)
		if (strcmp(common[i], key) == 0)
			return true;
	return false;
}

static void check_key(struct findings *f, const char *type, bool is_whole, const char *key, plist_t value, const char *path)
{
	bool other_case, exists_in_eap;
	const struct key_fact *k = fact_of(type, key, &other_case);
	if (k && other_case) {
		finding(f, "error", path, "keys are case-sensitive: write %s", k->key);
		return;
	}
	if (k) {
		check_value(f, k, value, path);
		return;
	}
	if (strcmp(type, "com.apple.wifi.managed") == 0 && fact_of("eap", key, &exists_in_eap)) {
		finding(f, "error", path, "belongs inside EAPClientConfiguration: here the device ignores it");
		return;
	}
	if (is_whole)
		finding(f, "warning", path, "is not a key of this payload: the device ignores it");
}

static void check_keys(struct findings *f, const char *type, bool is_whole, plist_t dict, char *path)
{
	plist_dict_iter it = NULL;
	plist_dict_new_iter(dict, &it);
	for (;;) {
		char *key = NULL;
		plist_t value = NULL;
		plist_dict_next_item(dict, it, &key, &value);
		if (!value) {
			free(key);
			break;
		}
		size_t n = path_key(path, key);
		if (!is_common(key))
			check_key(f, type, is_whole, key, value, path);
		path[n] = 0;
		free(key);
	}
	free(it);
	for (const struct key_fact *k = key_facts; k->type; k++)
		if (k->flag == '!' && strcmp(k->type, type) == 0 && !tree_get(dict, k->key))
			finding(f, "error", path, "the required key %s is missing", k->key);
}

/* ---- what the table cannot say ---- */

static void check_wifi(struct findings *f, plist_t wifi, char *path)
{
	plist_t eap = tree_get(wifi, "EAPClientConfiguration");
	const char *how = tree_str(wifi, "EncryptionType"), *proxy = tree_str(wifi, "ProxyType");
	bool is_open = how && strcmp(how, "None") == 0;
	if (!tree_get(wifi, "SSID_STR") && !tree_get(wifi, "DomainName"))
		finding(f, "error", path, "neither SSID_STR nor DomainName: there is no network to join");
	if (eap && tree_get(wifi, "Password"))
		finding(f, "error", path, "Password and EAPClientConfiguration exclude one another");
	if (is_open && (eap || tree_get(wifi, "Password")))
		finding(f, "error", path, "an open network (EncryptionType None) takes no password and no EAP");
	if (!is_open && !eap && !tree_get(wifi, "Password"))
		finding(f, "warning", path, "no password: the device will ask the user");
	if (proxy && strcmp(proxy, "Manual") == 0 && (!tree_get(wifi, "ProxyServer") || !tree_get(wifi, "ProxyServerPort")))
		finding(f, "error", path, "ProxyType Manual needs ProxyServer and ProxyServerPort");
	if (!is_dict(eap))
		return;
	size_t n = path_key(path, "EAPClientConfiguration");
	check_keys(f, "eap", true, eap, path);
	if (eap_accepts(eap, 13) && !tree_get(wifi, "PayloadCertificateUUID"))
		finding(f, "error", path, "EAP-TLS (13) needs PayloadCertificateUUID in the Wi-Fi payload");
	if (eap_accepts(eap, 21) && !tree_get(eap, "TTLSInnerAuthentication"))
		finding(f, "error", path, "EAP-TTLS (21) needs TTLSInnerAuthentication");
	const char *least = tree_str(eap, "TLSMinimumVersion");
	if (least && strcmp(least, "1.3") == 0 && !tree_get(eap, "OuterIdentity"))
		finding(f, "error", path, "TLSMinimumVersion 1.3 needs OuterIdentity");
	if (!tree_get(eap, "TLSTrustedServerNames") && !tree_get(eap, "PayloadCertificateAnchorUUID"))
		finding(f, "warning", path, "no TLSTrustedServerNames and no anchor: the device will ask whether to trust the server");
	path[n] = 0;
}

static void check_https(struct findings *f, plist_t dict, const char *key, char *path)
{
	const char *url = tree_str(dict, key);
	size_t n = path_key(path, key);
	if (url && !stg_variable_any(url) && strncasecmp(url, "https://", 8) != 0)
		finding(f, "error", path, "must start with https://");
	path[n] = 0;
}

static void check_mdm(struct findings *f, plist_t mdm, char *path)
{
	const char *topic = tree_str(mdm, "Topic");
	int64_t rights = 0;
	if (topic && !stg_variable_any(topic) && strncmp(topic, "com.apple.mgmt.", 15) != 0)
		finding(f, "error", path, "Topic must start with com.apple.mgmt.");
	if (tree_int(mdm, "AccessRights", &rights)) {
		if ((rights & 2) && !(rights & 1))
			finding(f, "error", path, "AccessRights: right 2 needs right 1");
		if ((rights & 128) && !(rights & 64))
			finding(f, "error", path, "AccessRights: right 128 needs right 64");
	}
	check_https(f, mdm, "ServerURL", path);
	check_https(f, mdm, "CheckInURL", path);
	if (tree_bool(mdm, "PinningRevocationCheckRequired", false))
		finding(f, "warning", path, "PinningRevocationCheckRequired fails with certificates issued offline");
	finding(f, "warning", path, "contacts its server while it is installed: store it for after setup");
}

static void check_limits(struct findings *f, plist_t limits, char *path)
{
	size_t n_supervised = 0;
	for (const struct key_fact *k = key_facts; k->type; k++)
		n_supervised += k->flag == 'S' && strcmp(k->type, "com.apple.applicationaccess") == 0 && tree_get(limits, k->key);
	if (n_supervised)
		finding(f, "note", path, "only a supervised device obeys %zu of these restrictions", n_supervised);
	if (!tree_bool(limits, "allowHostPairing", true))
		finding(f, "note", path, "allowHostPairing is off: only stations with the supervision identity can pair afterwards");
	if (tree_bool(limits, "forceWiFiToAllowedNetworksOnly", false))
		finding(f, "warning", path, "forceWiFiToAllowedNetworksOnly cuts off a device without a working Wi-Fi payload");
	if (tree_bool(limits, "allowUSBRestrictedMode", true) && tree_get(limits, "allowUSBRestrictedMode"))
		finding(f, "note", path, "USB restricted mode stays on: a locked device stops answering after an hour");
}

static void check_one(struct findings *f, plist_t one, const char *type, char *path)
{
	const struct type_fact *t = type_find(type);
	if (!t) {
		for (const struct type_fact *near = type_facts; near->type; near++) {
			if (strcasecmp(near->type, type) == 0) {
				finding(f, "error", path, "payload types are case-sensitive: write %s", near->type);
				return;
			}
		}
		if (!stg_variable_any(type))
			finding(f, "warning", path, "an unknown payload type: the device may ignore it");
		return;
	}
	if (t->flags & TYPE_SUPERVISED)
		finding(f, "note", path, "needs a supervised device");
	check_keys(f, type, (t->flags & TYPE_WHOLE) != 0, one, path);
	if (strcmp(type, "com.apple.wifi.managed") == 0)
		check_wifi(f, one, path);
	else if (strcmp(type, "com.apple.mdm") == 0)
		check_mdm(f, one, path);
	else if (strcmp(type, "com.apple.applicationaccess") == 0)
		check_limits(f, one, path);
	else if (strcmp(type, "com.apple.mobiledevice.passwordpolicy") == 0)
		finding(f, "note", path, "makes the user set a passcode: install it last");
	else if (strcmp(type, "com.apple.security.pkcs12") == 0 && !tree_get(one, "Password"))
		finding(f, "warning", path, "no Password: the device will ask the user for it");
	else if (strcmp(type, "com.apple.security.scep") == 0)
		finding(f, "note", path, "asks its server for a certificate while it is installed: it needs a line");
}

void check_payloads(struct findings *f)
{
	plist_t one;
	bool has_removal_payload = false;
	for (uint32_t i = 0; i < 500 && (one = payload_at(f->p, i)); i++) {
		char path[PROFILE_PATH_MAX];
		const char *type = tree_str(one, "PayloadType");
		snprintf(path, sizeof(path), "PayloadContent[%u]", i);
		if (!type || !*type)
			continue;
		check_one(f, one, type, path);
		has_removal_payload |= strcmp(type, "com.apple.profileRemovalPassword") == 0;
		const struct type_fact *t = type_find(type);
		for (uint32_t k = 0; t && (t->flags & TYPE_SINGLE) && k < i; k++) {
			const char *before = tree_str(payload_at(f->p, k), "PayloadType");
			if (before && strcmp(before, type) == 0) {
				finding(f, "error", path, "only one %s payload per device", type);
				break;
			}
		}
	}
	plist_t root = f->p->root;
	if (tree_bool(root, "HasRemovalPasscode", false) != has_removal_payload)
		finding(f, "warning", "", "HasRemovalPasscode and a com.apple.profileRemovalPassword payload go together");
	if (tree_bool(root, "PayloadRemovalDisallowed", false))
		finding(f, "note", "PayloadRemovalDisallowed", "only a supervised device obeys this");
	if (tree_get(root, "PayloadExpirationDate"))
		finding(f, "note", "PayloadExpirationDate", "the profile is shown as out of date after this");
}
