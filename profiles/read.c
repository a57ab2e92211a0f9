/*
 * read.c - what a profile says of itself.
 *
 * For:    showing it, pinning it, verifying later that it is installed.
 * Uses:   open.c, check.c.
 * Called: by blueprints, the operations profile.*, the station.
 * Thread: any; no state.
 */
#include <stdio.h>
#include <stdlib.h>

#include <stager/keys.h>
#include <stager/variable.h>

#include "inner.h"
#include "schema.h"

#define NAMES_MAX 100

static json_t *payload_json(plist_t one)
{
	json_t *j = json_object();
	stg_json_put(j, "type", tree_str(one, "PayloadType"));
	stg_json_put(j, "identifier", tree_str(one, "PayloadIdentifier"));
	stg_json_put(j, "uuid", tree_str(one, "PayloadUUID"));
	stg_json_put(j, "name", tree_str(one, "PayloadDisplayName"));
	return j;
}

struct names {
	json_t *list;
};

static void note_name(json_t *list, const char *name)
{
	size_t i;
	json_t *one;
	json_array_foreach(list, i, one)
		if (strcmp(json_string_value(one), name) == 0)
			return;
	if (json_array_size(list) < NAMES_MAX)
		json_array_append_new(list, json_string(name));
}

static void note_variables(void *ctx, plist_t node, const char *key, const char *path)
{
	struct names *n = ctx;
	const char *text = node_str(node);
	(void)key, (void)path;
	struct stg_variable v;
	while (text && stg_variable_next(text, &v)) {
		char name[STG_VARIABLE_NAME_MAX];
		if (!v.is_literal && stg_variable_name(&v, name))
			note_name(n->list, name);
		text = v.after;
	}
}

static json_t *profile_json(const struct profile *p)
{
	json_t *j = json_object(), *list = json_array();
	plist_t date = tree_get(p->root, "PayloadExpirationDate"), one;
	int64_t version = 1;
	bool has_mdm = false, has_identity = false;
	char path[PROFILE_PATH_MAX] = "";
	tree_int(p->root, "PayloadVersion", &version);
	stg_json_put_int(j, "v", 1);
	stg_json_put(j, "identifier", tree_str(p->root, "PayloadIdentifier"));
	stg_json_put(j, "uuid", tree_str(p->root, "PayloadUUID"));
	stg_json_put_int(j, "version", version);
	stg_json_put(j, "name", tree_str(p->root, "PayloadDisplayName"));
	stg_json_put(j, "about", tree_str(p->root, "PayloadDescription"));
	stg_json_put(j, "organisation", tree_str(p->root, "PayloadOrganization"));
	stg_json_put_bool(j, "removal_disallowed", tree_bool(p->root, "PayloadRemovalDisallowed", false));
	stg_json_put_bool(j, "encrypted", tree_bool(p->root, "IsEncrypted", false));
	if (p->signer) {
		stg_json_put(j, "signed_by", stg_json_str(p->signer, "name"));
		stg_json_put_new(j, "signer", json_incref(p->signer));
	}
	for (uint32_t i = 0; (one = payload_at(p, i)); i++) {
		const char *type = tree_str(one, "PayloadType");
		has_mdm |= type && strcmp(type, "com.apple.mdm") == 0;
		has_identity |= type && strcmp(type, "com.apple.security.pkcs12") == 0;
		json_array_append_new(list, payload_json(one));
	}
	stg_json_put_new(j, "payloads", list);
	stg_json_put_bool(j, "has_mdm", has_mdm);
	stg_json_put_bool(j, "has_identity", has_identity);
	if (date && plist_get_node_type(date) == PLIST_DATE) {
		int32_t sec = 0, usec = 0;
		plist_get_date_val(date, &sec, &usec);
		stg_json_put_int(j, "expires_ms", (sec + PLIST_EPOCH_S) * 1000);
	}
	struct names n = { .list = json_array() };
	tree_walk(p->root, path, note_variables, &n);
	stg_json_put_bool(j, "template", json_array_size(n.list) > 0);
	stg_json_put_new(j, "variables", n.list);
	return j;
}

json_t *stg_profile_read(const char *file_name, struct stg_bytes file, struct stg_error *err)
{
	struct profile p;
	json_t *ret = NULL;
	if (!profile_open(file_name, file, &p, err))
		return NULL;
	struct findings f = { .p = &p, .list = json_array() };
	check_shape(&f);
	if (findings_pass(&f, err))
		ret = profile_json(&p);
	json_decref(f.list);
	profile_close(&p);
	return ret;
}

/* Who signed it, and whether somebody here vouches for him. */
static void check_signer(struct findings *f, struct stg_bytes file, const json_t *anchors)
{
	STG_AUTO(stg_buf_clear) struct stg_buf cms = STG_BUF(PROFILE_FILE_MAX);
	const char *name = stg_json_str(f->p->signer, "name");
	if (!f->p->signer || !profile_for_device(f->p, file, &cms, NULL))
		return;
	switch (stg_cms_signer_trust(stg_buf_view(&cms), anchors)) {
	case STG_SIGNER_TRUSTED:
		finding(f, "note", "", "signed by %.80s, who is trusted here", name);
		break;
	case STG_SIGNER_EXPIRED:
		finding(f, "warning", "", "signed by %.80s, whose certificate has expired", name);
		break;
	case STG_SIGNER_NOT_YET:
		finding(f, "warning", "", "signed by %.80s, whose certificate is not valid yet", name);
		break;
	case STG_SIGNER_UNKNOWN:
		finding(f, "warning", "", "signed by %.80s, who is not among the trusted signers", name);
		break;
	}
}

static void check_sealed(struct findings *f)
{
	plist_t sealed = tree_get(f->p->root, "EncryptedPayloadContent");
	uint64_t n = 0;
	const char *bytes = sealed && plist_get_node_type(sealed) == PLIST_DATA ? plist_get_data_ptr(sealed, &n) : NULL;
	char serial[64], issuer[128];
	if (!bytes || !tree_bool(f->p->root, "IsEncrypted", false))
		return;
	if (!stg_cms_recipient(stg_bytes(bytes, (size_t)n), serial, issuer))
		finding(f, "error", "EncryptedPayloadContent", "is no encrypted data (CMS EnvelopedData)");
	else if (!tree_get(f->p->root, "PayloadContent"))
		finding(f, "note", "EncryptedPayloadContent", "encrypted for certificate %s of %.80s: its payloads are not checked without the key", serial, issuer);
}

json_t *stg_profile_check(const char *file_name, struct stg_bytes file, const struct stg_profile_rules *rules,
			  const struct stg_profile_target *target, struct stg_error *err)
{
	struct profile p;
	if (!profile_open(file_name, file, &p, err))
		return NULL;
	if (target && target->key.len && tree_bool(p.root, "IsEncrypted", false) && !profile_decrypt(&p, target->key, err)) {
		profile_close(&p);
		return NULL;
	}
	struct findings f = { .p = &p, .list = json_array(), .rules = rules ? rules : stg_profile_rules_shipped(),
			      .os = target ? release_of(target->os) : 0, .supervised = target ? target->supervised : -1,
			      .user_enrolment = target && target->user_enrolment, .shared_ipad = target && target->shared_ipad };
	check_shape(&f);
	if (is_dict(p.root)) {
		if (target && target->signers)
			check_signer(&f, file, target->signers);
		check_sealed(&f);
		check_payloads(&f);
		check_told(&f, target);
	}
	profile_close(&p);
	return f.list;
}

json_t *stg_profile_lint(const char *file_name, struct stg_bytes file, struct stg_error *err)
{
	return stg_profile_check(file_name, file, NULL, NULL, err);
}
