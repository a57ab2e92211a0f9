/*
 * rogue.c - what in a profile takes a device somewhere that nobody here has allowed.
 *
 * For:    `stager profile rogue`: an MDM, an authority, a proxy, a VPN, a name server, a filter or a signer that is not on the list.
 * Uses:   stager/keys for certificates and signers.
 * Called: by the operation profile.rogue, and where a batch begins.
 * Thread: any; no state.
 *
 * What cannot be looked at is a finding as well: the list vouches for what is known. Values with a variable in them are not judged
 * here, they are told apart.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <stager/keys.h>
#include <stager/variable.h>

#include "catalogue.h"
#include "words.h"

#define FINDINGS_MAX 200

struct judging {
	const struct profile *p;
	const json_t *allow;
	json_t *findings, *open;
};

static bool listed(const json_t *list, const char *text)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcasecmp(json_string_value(json_array_get(list, i)), text) == 0)
			return true;
	return false;
}

bool stg_host_allowed(const json_t *hosts, const char *host)
{
	size_t n = strlen(host);
	for (size_t i = 0; i < json_array_size(hosts); i++) {
		const char *one = json_string_value(json_array_get(hosts, i));
		size_t m = strlen(one);
		if (strcasecmp(one, host) == 0)
			return true;
		/* "*.example.org": every name below, not the domain itself */
		if (strncmp(one, "*.", 2) == 0 && n > m - 1 && strcasecmp(host + n - (m - 1), one + 1) == 0)
			return true;
	}
	return false;
}

static void found(struct judging *j, const char *level, enum stg_id id, const char *path, const char *what)
{
	char code[16], clean[300];
	unsigned long column = 0, line = *path ? profile_place(j->p, path, &column) : 0;
	if (json_array_size(j->findings) >= FINDINGS_MAX)
		return;
	json_t *one = json_object();
	stg_json_put(one, "level", level);
	snprintf(code, sizeof(code), "STG-%u", (unsigned int)id);
	stg_json_put(one, "code", code);
	stg_json_put(one, "path", path);
	if (line) {
		stg_json_put_int(one, "line", (int64_t)line);
		stg_json_put_int(one, "column", (int64_t)column);
	}
	stg_printable(what, true, clean, sizeof(clean));
	stg_json_put(one, "what", clean);
	json_array_append_new(j->findings, one);
}

static bool is_open(struct judging *j, const char *text, const char *path)
{
	if (!stg_variable_any(text))
		return false;
	json_array_append_new(j->open, json_string(path));
	return true;
}

static void judge_host(struct judging *j, enum stg_id id, const char *text, const char *path)
{
	char host[256], url[URL_SHOWN];
	if (!text || !*text || is_open(j, text, path))
		return;
	if (!host_of(text, host))
		found(j, "error", id, path, url_shown(text, url));
	else if (!stg_host_allowed(json_object_get(j->allow, "hosts"), host))
		found(j, "error", id, path, host);
}

static void judge_key(struct judging *j, enum stg_id id, plist_t d, const char *key, char *path)
{
	size_t n = path_key(path, key);
	judge_host(j, id, tree_str(d, key), path);
	path[n] = 0;
}

static void judge_app(struct judging *j, enum stg_id id, plist_t d, const char *key, char *path)
{
	const char *app = tree_str(d, key);
	size_t n = path_key(path, key);
	if (app && *app && !is_open(j, app, path) && !listed(json_object_get(j->allow, "apps"), app))
		found(j, "error", id, path, app);
	path[n] = 0;
}

/* ---- payloads ---- */

static void judge_proxy(struct judging *j, plist_t d, char *path)
{
	judge_key(j, STG_ID_ROGUE_PROXY, d, "ProxyServer", path);
	judge_key(j, STG_ID_ROGUE_PROXY, d, "ProxyPACURL", path);
	/* whoever runs the network would say which */
	if (strcmp(text_or(tree_str(d, "ProxyType"), ""), "Auto") == 0 && !tree_get(d, "ProxyPACURL"))
		found(j, "error", STG_ID_ROGUE_PROXY, path, "WPAD");
}

/* Every server that is named anywhere in a VPN payload: its parts are many and nest. */
static void judge_vpn_value(void *ctx, plist_t node, const char *key, const char *path)
{
	struct judging *j = ctx;
	const char *text = node_str(node);
	if (!text)
		return;
	if (strcmp(key, "RemoteAddress") == 0 || strcmp(key, "CommRemoteAddress") == 0)
		judge_host(j, STG_ID_ROGUE_VPN, text, path);
	else if (strcmp(key, "HTTPProxy") == 0 || strcmp(key, "HTTPSProxy") == 0 || strcmp(key, "ProxyAutoConfigURLString") == 0)
		judge_host(j, STG_ID_ROGUE_PROXY, text, path);
	else if (strstr(path, "ServerAddresses[") && strstr(path, "DNS"))
		judge_host(j, STG_ID_ROGUE_DNS, text, path);
}

static void judge_vpn(struct judging *j, plist_t d, char *path)
{
	tree_walk(d, path, judge_vpn_value, j);
	if (strcmp(text_or(tree_str(d, "VPNType"), ""), "VPN") == 0)
		judge_app(j, STG_ID_ROGUE_VPN, d, "VPNSubType", path);
}

static void judge_mdm(struct judging *j, plist_t d, char *path)
{
	judge_key(j, STG_ID_ROGUE_MDM, d, "ServerURL", path);
	judge_key(j, STG_ID_ROGUE_MDM, d, "CheckInURL", path);
}

static void judge_list(struct judging *j, enum stg_id id, plist_t d, const char *key, char *path)
{
	plist_t list = tree_get(d, key);
	size_t n = path_key(path, key);
	for (uint32_t i = 0; i < count_of(list) && i < 100; i++) {
		size_t m = path_index(path, i);
		judge_host(j, id, node_str(plist_array_get_item(list, i)), path);
		path[m] = 0;
	}
	path[n] = 0;
}

static void judge_dns(struct judging *j, plist_t d, char *path)
{
	plist_t dns = tree_get(d, "DNSSettings");
	size_t n = path_key(path, "DNSSettings");
	judge_key(j, STG_ID_ROGUE_DNS, dns, "ServerURL", path);
	judge_key(j, STG_ID_ROGUE_DNS, dns, "ServerName", path);
	judge_list(j, STG_ID_ROGUE_DNS, dns, "ServerAddresses", path);
	path[n] = 0;
}

static void judge_dns_proxy(struct judging *j, plist_t d, char *path)
{
	judge_app(j, STG_ID_ROGUE_DNS, d, "AppBundleIdentifier", path);
}

static void judge_relay_value(void *ctx, plist_t node, const char *key, const char *path)
{
	if (strcmp(key, "HTTP3RelayURL") == 0 || strcmp(key, "HTTP2RelayURL") == 0)
		judge_host(ctx, STG_ID_ROGUE_VPN, node_str(node), path);
}

static void judge_relay(struct judging *j, plist_t d, char *path)
{
	tree_walk(d, path, judge_relay_value, j);
}

static void judge_apn_value(void *ctx, plist_t node, const char *key, const char *path)
{
	if (strcmp(key, "ProxyServer") == 0 || strcmp(key, "proxy") == 0)
		judge_host(ctx, STG_ID_ROGUE_PROXY, node_str(node), path);
}

static void judge_apn(struct judging *j, plist_t d, char *path)
{
	tree_walk(d, path, judge_apn_value, j);
}

static void judge_scep(struct judging *j, plist_t d, char *path)
{
	size_t n = path_key(path, "PayloadContent");
	judge_key(j, STG_ID_ROGUE_ISSUER, tree_get(d, "PayloadContent"), "URL", path);
	path[n] = 0;
}

static void judge_acme(struct judging *j, plist_t d, char *path)
{
	judge_key(j, STG_ID_ROGUE_ISSUER, d, "DirectoryURL", path);
}

static void judge_filter(struct judging *j, plist_t d, char *path)
{
	judge_app(j, STG_ID_ROGUE_FILTER, d, "PluginBundleID", path);
	judge_key(j, STG_ID_ROGUE_FILTER, d, "ServerAddress", path);
}

static void judge_certificate(struct judging *j, plist_t d, char *path)
{
	plist_t data = tree_get(d, "PayloadContent");
	uint64_t n_bytes = 0;
	const char *bytes = data && plist_get_node_type(data) == PLIST_DATA ? plist_get_data_ptr(data, &n_bytes) : NULL;
	bool is_root = strcmp(text_of(d, "PayloadType"), "com.apple.security.root") == 0;
	size_t n = path_key(path, "PayloadContent");
	const char *text = node_str(data);
	if (text && is_open(j, text, path)) {
		path[n] = 0;
		return;
	}
	STG_AUTO(stg_json_free_at) json_t *cert = bytes && n_bytes ? stg_certificate_json(stg_bytes(bytes, (size_t)n_bytes), NULL) : NULL;
	const char *hash = stg_json_str(cert, "sha256");
	char what[300];
	if (!cert)
		found(j, "error", STG_ID_ROGUE_SEALED, path, text_or(tree_str(d, "PayloadDisplayName"), text_of(d, "PayloadType")));
	else if ((is_root || stg_json_bool(cert, "is_ca", false)) && !listed(json_object_get(j->allow, "certificates"), hash)) {
		snprintf(what, sizeof(what), "%.120s, SHA-256 %s", text_or(stg_json_str(cert, "cn"), stg_json_str(cert, "subject")), hash);
		found(j, "error", STG_ID_ROGUE_AUTHORITY, path, what);
	}
	path[n] = 0;
}

static void judge_declarations(struct judging *j, plist_t d, char *path)
{
	found(j, "error", STG_ID_ROGUE_SEALED, path, text_of(d, "PayloadType"));
}

static const struct { const char *type; void (*judge)(struct judging *j, plist_t d, char *path); } judges[] = {
	{ "com.apple.mdm", judge_mdm },
	{ "com.apple.security.root", judge_certificate },
	{ "com.apple.security.pkcs1", judge_certificate },
	{ "com.apple.security.pem", judge_certificate },
	{ "com.apple.security.scep", judge_scep },
	{ "com.apple.security.acme", judge_acme },
	{ "com.apple.proxy.http.global", judge_proxy },
	{ "com.apple.wifi.managed", judge_proxy },
	{ "com.apple.globalethernet.managed", judge_proxy },
	{ "com.apple.cellular", judge_apn },
	{ "com.apple.apn.managed", judge_apn },
	{ "com.apple.vpn.managed", judge_vpn },
	{ "com.apple.vpn.managed.applayer", judge_vpn },
	{ "com.apple.relay.managed", judge_relay },
	{ "com.apple.dnsSettings.managed", judge_dns },
	{ "com.apple.dnsProxy.managed", judge_dns_proxy },
	{ "com.apple.webcontent-filter", judge_filter },
	{ "com.apple.declarations", judge_declarations },
};

static void judge_payload(struct judging *j, plist_t d, uint32_t i)
{
	char path[PROFILE_PATH_MAX] = "PayloadContent";
	const char *type = text_of(d, "PayloadType");
	path_index(path, i);
	for (size_t k = 0; k < STG_ARRAY_LEN(judges); k++)
		if (strcmp(judges[k].type, type) == 0)
			judges[k].judge(j, d, path);
	if (!type_find(type) && !stg_variable_any(type))
		found(j, "error", STG_ID_ROGUE_SEALED, path, type);
}

/* An unsigned one may be anybody's, also ours: told, and no more. */
static void judge_signer(struct judging *j, struct stg_bytes file)
{
	STG_AUTO(stg_buf_clear) struct stg_buf cms = STG_BUF(PROFILE_FILE_MAX);
	if (!j->p->signer) {
		found(j, "warning", STG_ID_ROGUE_SIGNER, "", "");
		return;
	}
	const char *name = stg_json_str(j->p->signer, "name");
	enum stg_signer_trust trust =
		profile_for_device(j->p, file, &cms, NULL) ? stg_cms_signer_trust(stg_buf_view(&cms), json_object_get(j->allow, "signers")) : STG_SIGNER_UNKNOWN;
	if (trust != STG_SIGNER_TRUSTED)
		found(j, trust == STG_SIGNER_EXPIRED ? "warning" : "error", STG_ID_ROGUE_SIGNER, "", name);
}

json_t *stg_profile_rogue(const char *file_name, struct stg_bytes file, const json_t *allow, struct stg_error *err)
{
	struct profile p;
	plist_t one;
	if (!profile_open(file_name, file, &p, err))
		return NULL;
	struct judging j = { .p = &p, .allow = allow, .findings = json_array(), .open = json_array() };
	if (!is_dict(p.root)) {
		profile_close(&p);
		json_decref(j.findings);
		json_decref(j.open);
		stg_fail_id(err, STG_E_INPUT, STG_ID_PROFILE_RULE, 0, "%.100s: a profile must be a dictionary", file_name);
		return NULL;
	}
	judge_signer(&j, file);
	if (tree_bool(p.root, "IsEncrypted", false))
		found(&j, "error", STG_ID_ROGUE_SEALED, "EncryptedPayloadContent", "EncryptedPayloadContent");
	for (uint32_t i = 0; i < 500 && (one = payload_at(&p, i)); i++)
		if (is_dict(one))
			judge_payload(&j, one, i);
	profile_close(&p);
	return json_pack("{s:i, s:o, s:o}", "v", 1, "findings", j.findings, "open", j.open);
}
