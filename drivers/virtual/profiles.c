/*
 * profiles.c - configuration profiles as the device's own installer sees them.
 *
 * For:    MCInstall, and the profile stored for after setup.
 * Uses:   OpenSSL (CMS, PKCS#12), libplist behind <stager/plistscan.h>.
 * Called: by services/mcinstall.c, knobs.c.
 * Thread: the bench's only one.
 */
#include "profiles.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stager/plistscan.h>

#include "bench.h"
#include "service.h"
#include "supervision.h"

#define PROFILE_MAX (16u << 20)

static const char PROFILE[] = "MCProfileErrorDomain";
static const char PAYLOAD[] = "MCPayloadErrorDomain";
static const char INSTALLATION[] = "MCInstallationErrorDomain";
static const char CERTIFICATE[] = "MCCertificateErrorDomain";
static const char MDM[] = "MCMDMErrorDomain";

static const struct stg_plist_limits limits = {
	.size_bytes = PROFILE_MAX, .depth = 32, .nodes = 50000, .key_bytes = 1024, .string_bytes = 1u << 20,
	.data_bytes = PROFILE_MAX,
};

bool virt_chain_add(struct virt_chain *c, unsigned int code, const char *domain, const char *fmt, ...)
{
	va_list ap;

	if (c->n == STG_ARRAY_LEN(c->link))
		return false;
	c->link[c->n].code = code;
	c->link[c->n].domain = domain;
	va_start(ap, fmt);
	vsnprintf(c->link[c->n].text, sizeof(c->link[c->n].text), fmt, ap);
	va_end(ap);
	c->n++;
	return false;
}

plist_t virt_chain_plist(const struct virt_chain *c)
{
	plist_t list = plist_new_array();

	for (size_t i = 0; i < c->n; i++) {
		plist_t e = plist_new_dict();

		plist_dict_set_item(e, "ErrorCode", plist_new_uint(c->link[i].code));
		plist_dict_set_item(e, "ErrorDomain", plist_new_string(c->link[i].domain));
		plist_dict_set_item(e, "LocalizedDescription", plist_new_string(c->link[i].text));
		plist_dict_set_item(e, "USEnglishDescription", plist_new_string(c->link[i].text));
		plist_array_append_item(list, e);
	}
	return list;
}

/* ---- reading ---- */

static const char *text_of(plist_t dict, const char *key)
{
	plist_t node = plist_dict_get_item(dict, key);

	return node && plist_get_node_type(node) == PLIST_STRING ? plist_get_string_ptr(node, NULL) : NULL;
}

static plist_t parse(struct stg_bytes in)
{
	enum stg_plist_form form;
	plist_t p = NULL;

	if (!stg_plist_scan(in, &limits, &form, NULL))
		return NULL;
	if (form == STG_PLIST_BINARY)
		plist_from_bin((const char *)in.data, (uint32_t)in.len, &p);
	else
		plist_from_xml((const char *)in.data, (uint32_t)in.len, &p);
	return p;
}

/* The content of a signed profile; whoever signed it, the signature has to be whole. */
static bool unwrap(struct stg_bytes in, struct stg_buf *ret, struct virt_chain *why)
{
	const unsigned char *p = in.data;
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &p, (long)in.len);
	BIO *out = BIO_new(BIO_s_mem());
	bool ok = false;
	char *text;

	if (!cms)
		virt_chain_add(why, 4007, INSTALLATION, "The file is not a profile");
	else if (CMS_verify(cms, NULL, NULL, NULL, out, CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY) != 1) {
		virt_chain_add(why, 4000, INSTALLATION, "The profile could not be read");
		virt_chain_add(why, 1007, PROFILE, "The signature of the profile is not valid");
	} else {
		long len = BIO_get_mem_data(out, &text);

		ok = stg_buf_add(ret, text, (size_t)len, NULL);
	}
	CMS_ContentInfo_free(cms);
	BIO_free(out);
	ERR_clear_error();
	return ok;
}

static bool is_wrong_p12(plist_t payload)
{
	plist_t node = plist_dict_get_item(payload, "PayloadContent");
	const char *password = text_of(payload, "Password");
	const unsigned char *p;
	uint64_t len = 0;
	PKCS12 *p12;
	bool wrong;

	if (!node || plist_get_node_type(node) != PLIST_DATA)
		return true;
	p = (const unsigned char *)plist_get_data_ptr(node, &len);
	p12 = d2i_PKCS12(NULL, &p, (long)len);
	/* Without a password in the profile the person is asked for it later. */
	wrong = !p12 || (password && PKCS12_mac_present(p12) && PKCS12_verify_mac(p12, password, -1) != 1);
	PKCS12_free(p12);
	ERR_clear_error();
	return wrong;
}

static bool check_payload(plist_t payload, struct virt_profile *profile, struct virt_chain *why)
{
	static const char *const required[] = { "PayloadType", "PayloadIdentifier", "PayloadUUID" };
	const char *type;

	if (plist_get_node_type(payload) != PLIST_DICT)
		return virt_chain_add(why, 2000, PAYLOAD, "A payload is not a dictionary");
	for (size_t i = 0; i < STG_ARRAY_LEN(required); i++)
		if (!text_of(payload, required[i]))
			return virt_chain_add(why, 2002, PAYLOAD, "The field %s is missing", required[i]);
	type = text_of(payload, "PayloadType");
	if (strcmp(type, "com.apple.wifi.managed") == 0 && !text_of(payload, "SSID_STR") && !text_of(payload, "DomainName"))
		return virt_chain_add(why, 2002, PAYLOAD, "The field SSID_STR is missing");
	if (strcmp(type, "com.apple.security.pkcs12") == 0 && is_wrong_p12(payload))
		return virt_chain_add(why, 9000, CERTIFICATE, "The password of the certificate is not right");
	profile->has_wifi = profile->has_wifi || strcmp(type, "com.apple.wifi.managed") == 0;
	profile->has_mdm = profile->has_mdm || strcmp(type, "com.apple.mdm") == 0;
	return true;
}

static bool check_payloads(struct virt_profile *profile, struct virt_chain *why)
{
	plist_t list = plist_dict_get_item(profile->content, "PayloadContent");
	uint32_t n;

	if (!list || plist_get_node_type(list) != PLIST_ARRAY || plist_array_get_size(list) == 0)
		return virt_chain_add(why, 1008, PROFILE, "The profile is empty");
	n = plist_array_get_size(list);
	for (uint32_t i = 0; i < n; i++) {
		if (!check_payload(plist_array_get_item(list, i), profile, why))
			return false;
		for (uint32_t j = 0; j < i; j++)
			if (strcmp(text_of(plist_array_get_item(list, i), "PayloadUUID"),
				   text_of(plist_array_get_item(list, j), "PayloadUUID")) == 0)
				return virt_chain_add(why, 1009, PROFILE, "Two payloads have the same PayloadUUID");
	}
	return true;
}

static char *copy_of(plist_t dict, const char *key)
{
	const char *text = text_of(dict, key);

	return text ? stg_strdup(text) : NULL;
}

static bool read_head(struct virt_profile *p, struct virt_chain *why)
{
	plist_t version = plist_dict_get_item(p->content, "PayloadVersion");
	plist_t fixed = plist_dict_get_item(p->content, "PayloadRemovalDisallowed");
	const char *type = text_of(p->content, "PayloadType");
	uint8_t yes = 0;

	p->identifier = copy_of(p->content, "PayloadIdentifier");
	p->uuid = copy_of(p->content, "PayloadUUID");
	p->display_name = copy_of(p->content, "PayloadDisplayName");
	p->description = copy_of(p->content, "PayloadDescription");
	p->organization = copy_of(p->content, "PayloadOrganization");
	if (!type || strcmp(type, "Configuration") != 0)
		return virt_chain_add(why, 1002, PROFILE, "The field PayloadType is missing or not Configuration");
	if (!p->identifier || !p->identifier[0] || !p->uuid || !p->uuid[0])
		return virt_chain_add(why, 1002, PROFILE, "The field %s is missing", p->identifier ? "PayloadUUID" : "PayloadIdentifier");
	if (!version || plist_get_node_type(version) != PLIST_UINT)
		return virt_chain_add(why, 1002, PROFILE, "The field PayloadVersion is missing");
	plist_get_uint_val(version, &p->version);
	if (p->version != 1)
		return virt_chain_add(why, 1001, PROFILE, "The version of the profile is not supported");
	if (fixed && plist_get_node_type(fixed) != PLIST_BOOLEAN)
		return virt_chain_add(why, 1006, PROFILE, "The field PayloadRemovalDisallowed is not a boolean");
	if (fixed)
		plist_get_bool_val(fixed, &yes);
	p->removal_disallowed = yes != 0;
	return true;
}

struct virt_profile *virt_profile_read(struct stg_bytes in, struct virt_chain *why)
{
	STG_AUTO(stg_buf_clear) struct stg_buf content = STG_BUF(PROFILE_MAX);
	struct virt_profile *p = stg_calloc(1, sizeof(*p));
	struct virt_chain inner = { 0 };
	bool ok;

	p->bytes = STG_BUF(PROFILE_MAX);
	if (!stg_buf_add(&p->bytes, in.data, in.len, NULL)) {
		virt_chain_add(why, 4000, INSTALLATION, "The profile is too large");
		virt_profile_free(p);
		return NULL;
	}
	p->content = parse(in);
	if (!p->content) {
		/* 0x30: a DER sequence, so perhaps a signed one. */
		if (in.len == 0 || in.data[0] != 0x30) {
			virt_chain_add(why, 4000, INSTALLATION, "The profile could not be read");
			virt_chain_add(why, 1000, PROFILE, "The profile is malformed");
			virt_profile_free(p);
			return NULL;
		}
		if (!unwrap(in, &content, why)) {
			virt_profile_free(p);
			return NULL;
		}
		p->content = parse(stg_buf_view(&content));
	}
	if (p->content && plist_get_node_type(p->content) == PLIST_DICT)
		ok = read_head(p, &inner) && check_payloads(p, &inner);
	else
		ok = virt_chain_add(&inner, 1000, PROFILE, "The profile is malformed");
	if (!ok) {
		bool is_form = inner.link[0].domain == PROFILE;

		virt_chain_add(why, is_form ? 4000 : 4001, INSTALLATION,
			       is_form ? "The profile could not be read" : "The profile could not be installed");
		virt_chain_add(why, inner.link[0].code, inner.link[0].domain, "%s", inner.link[0].text);
		virt_profile_free(p);
		return NULL;
	}
	return p;
}

/* ---- installing ---- */

struct virt_profile *virt_profile_find(struct virt_device *d, const char *identifier)
{
	struct virt_profile *p = d->profiles;

	while (p && strcmp(p->identifier, identifier) != 0)
		p = p->next;
	return p;
}

static bool may_install(struct virt_device *d, const struct virt_profile *new, struct virt_chain *why)
{
	for (const struct virt_profile *p = d->profiles; p; p = p->next) {
		bool is_update = strcmp(p->identifier, new->identifier) == 0;

		if (!is_update && strcmp(p->uuid, new->uuid) == 0)
			return virt_chain_add(why, 4002, INSTALLATION, "A profile with this PayloadUUID is installed already");
		if (!is_update && new->has_mdm && p->has_mdm) {
			virt_chain_add(why, 4001, INSTALLATION, "The profile could not be installed");
			return virt_chain_add(why, 12001, MDM, "The device is managed by another server already");
		}
	}
	/* An enrolment is carried out while it is installed: the device calls its server at once. */
	if (new->has_mdm && d->mdm_line_needed && !d->bench->line_open && !d->has_network) {
		virt_chain_add(why, 4001, INSTALLATION, "The profile could not be installed");
		return virt_chain_add(why, 12002, MDM, "The server could not be reached");
	}
	return true;
}

bool virt_profile_install(struct virt_device *d, struct virt_profile *new, bool silent, struct virt_chain *why)
{
	struct virt_profile **at = &d->profiles;

	if (!may_install(d, new, why)) {
		virt_profile_free(new);
		return false;
	}
	new->silent = silent;
	while (*at && strcmp((*at)->identifier, new->identifier) != 0)
		at = &(*at)->next;
	if (*at) {
		struct virt_profile *old = *at;

		new->next = old->next;
		virt_profile_free(old);
	}
	*at = new;
	virt_consider_programme(d);
	virt_notify(d, "com.apple.ManagedConfiguration.profileListChanged");
	return true;
}

bool virt_profile_remove(struct virt_device *d, const char *identifier)
{
	struct virt_profile **at = &d->profiles;
	struct virt_profile *p;

	while (*at && strcmp((*at)->identifier, identifier) != 0)
		at = &(*at)->next;
	p = *at;
	if (!p)
		return false;
	*at = p->next;
	virt_profile_free(p);
	virt_notify(d, "com.apple.ManagedConfiguration.profileListChanged");
	return true;
}

void virt_setup_finished(struct virt_device *d)
{
	struct virt_chain why = { 0 };
	struct virt_profile *p;

	if (!d->cloud_config) {
		/* Finishing setup leaves a configuration behind, so supervising later needs an erase. */
		d->cloud_config = plist_new_dict();
		plist_dict_set_item(d->cloud_config, "CloudConfigurationUIComplete", plist_new_bool(1));
		plist_dict_set_item(d->cloud_config, "ConfigurationSource", plist_new_uint(0));
		plist_dict_set_item(d->cloud_config, "ConfigurationWasApplied", plist_new_bool(1));
		plist_dict_set_item(d->cloud_config, "IsSupervised", plist_new_bool(0));
	}
	if (d->stored_profile.len == 0)
		return;
	p = virt_profile_read(stg_buf_view(&d->stored_profile), &why);
	if (p && virt_profile_install(d, p, false, &why)) {
		plist_dict_set_item(d->cloud_config, "PostSetupProfileWasInstalled", plist_new_bool(1));
		stg_buf_clear(&d->stored_profile);
	}
}
