/*
 * supervise.c - writes the organisation's configuration: supervision and the skipped setup panes.
 *
 * For:    silent installation and pairing without a tap from here on. Only an erase takes it back.
 * Uses:   the organisation's certificate through the host, the device door.
 * Called: worker/run.c.
 * Thread: the worker's only one.
 *
 * Facts:  a device that is not activated refuses (33003), apple.md 4.5: it is not asked at all then, so that a bench
 *         without a line never leaves half a configuration behind.
 */
#include <stager/panes.h>
#include <stager/yaml.h>

#include "steps.h"

#define OWN_ROOT "org_root"
#define WRITTEN "configuration as read after writing"

enum { CERTIFICATE_MAX = 16 << 10 };

static const struct stg_param params[] = {
	{ "organisation", STG_PARAM_STRING, .variables = true,
	  .about = "name shown on the device (default: the organisation's)" },
	{ "allow_pairing", STG_PARAM_BOOL, .about = "may it trust other computers? (default yes)" },
	{ "skip", STG_PARAM_LIST, .about = "setup panes to skip (default: all known ones)" },
	{ "department", STG_PARAM_STRING, .variables = true, .about = "shown in Settings" },
	{ "phone", STG_PARAM_STRING, .variables = true, .about = "shown in Settings" },
	{ "email", STG_PARAM_STRING, .variables = true, .about = "shown in Settings" },
	{ "address", STG_PARAM_STRING, .variables = true, .about = "shown in Settings" },
	{ "short_name", STG_PARAM_STRING, .variables = true, .about = "the organisation's short name" },
	{ "support_phone", STG_PARAM_STRING, .variables = true, .about = "whom to call for help" },
	{ "support_email", STG_PARAM_STRING, .variables = true, .about = "whom to write to for help" },
	{ "enrolment_url", STG_PARAM_STRING, .variables = true,
	  .about = "the device fetches its MDM profile here on its first network" },
	{ "anchors", STG_PARAM_LIST, .variables = true,
	  .about = "who signs the enrolment server's certificate: base64 DER, or org_root for the organisation's own root" },
	{ 0 },
};

/* The driver re-reads the configuration after it wrote it, and says no unless it is ours: that reading is the proof. */
static bool proven_by_writing(struct stg_step_ctx *c, const json_t *read)
{
	if (!stg_json_bool(read, "IsSupervised", false))
		return false;
	json_t *seen = json_object();
	stg_json_put_bool(seen, "supervised", true);
	stg_json_put_bool(seen, "ours", true);
	stg_json_put(seen, "supervised_by", stg_json_str(read, "OrganizationName"));
	stg_json_put(seen, "organisation_id", stg_json_str(read, "OrganizationMagic"));
	step_reread(c, seen);
	step_note_supervised(c, true);
	return true;
}

static bool proven(struct stg_step_ctx *c, bool *ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *read = json_incref(json_object_get(c->memory, WRITTEN));
	json_object_del(c->memory, WRITTEN);
	if (read && proven_by_writing(c, read)) {
		*ret = true;
		return true;
	}
	/* before: what was read in this attach; afterwards: what the device says now */
	STG_AUTO(stg_json_free_at) json_t *facts = c->ran ? stg_device_facts(c->device, err) : json_incref((json_t *)(uintptr_t)c->facts);
	if (!facts)
		return stg_while(err, "read the configuration");
	if (c->ran)
		c->fresh_facts = json_incref(facts);
	*ret = stg_json_bool(facts, STG_FACT_SUPERVISED, false) && stg_json_bool(facts, STG_FACT_OURS, false);
	json_t *seen = json_object();
	stg_json_put_bool(seen, "supervised", stg_json_bool(facts, STG_FACT_SUPERVISED, false));
	stg_json_put_bool(seen, "ours", stg_json_bool(facts, STG_FACT_OURS, false));
	stg_json_put(seen, "supervised_by", stg_json_str(facts, STG_FACT_SUPERVISED_BY));
	step_reread(c, seen);
	step_note_supervised(c, *ret);
	return true;
}

static json_t *extras(const json_t *p)
{
	static const struct {
		const char *param, *key;
	} rows[] = {
		{ "department", "OrganizationDepartment" }, { "phone", "OrganizationPhone" },
		{ "email", "OrganizationEmail" },           { "address", "OrganizationAddress" },
		{ "enrolment_url", "ConfigurationURL" },    { "short_name", "OrganizationShortName" },
		{ "support_phone", "SupportPhone" },        { "support_email", "SupportEmail" },
	};
	json_t *o = json_object();
	for (size_t i = 0; i < STG_ARRAY_LEN(rows); i++)
		stg_json_put(o, rows[i].key, stg_json_str(p, rows[i].param));
	return o;
}

/* As the driver wants them; the organisation's own root is among the values of the job. */
static json_t *anchors(struct stg_step_ctx *c)
{
	const json_t *asked = json_object_get(c->params, "anchors");
	json_t *list = json_array();
	for (size_t i = 0; i < json_array_size(asked); i++) {
		const char *one = json_string_value(json_array_get(asked, i));
		if (one && strcmp(one, OWN_ROOT) == 0)
			one = stg_json_str(json_object_get(c->values, "org.root_der"), "data");
		if (one && *one)
			json_array_append_new(list, json_string(one));
	}
	return list;
}

/* A pane that is misspelt stops every device of the batch at that pane, and nobody knows why. */
static bool check(const json_t *p, struct stg_error *err)
{
	const json_t *skip = json_object_get(p, "skip"), *trusted = json_object_get(p, "anchors");
	const char *url = stg_json_str(p, "enrolment_url");
	for (size_t i = 0; i < json_array_size(skip); i++) {
		const char *word = json_string_value(json_array_get(skip, i)), *near;
		bool known = false;
		for (size_t k = 0; word && stg_panes[k]; k++)
			known = known || strcmp(stg_panes[k], word) == 0;
		if (known)
			continue;
		near = word ? stg_yaml_nearest(word, stg_panes) : NULL;
		return stg_fail(err, STG_E_INPUT, 0, "no setup pane '%.40s'%s%.40s%s", word ? word : "", near ? ", did you mean '" : ", expected a word such as Siri",
				near ? near : "", near ? "'?" : "");
	}
	if (*url && strncmp(url, "https://", 8) != 0 && !strstr(url, "{{"))
		return stg_fail(err, STG_E_INPUT, 0, "enrolment_url is '%.60s', expected an address with https://", url);
	for (size_t i = 0; i < json_array_size(trusted); i++) {
		const char *one = json_string_value(json_array_get(trusted, i));
		STG_AUTO(stg_buf_clear) struct stg_buf der = STG_BUF(CERTIFICATE_MAX);
		if (one && (strcmp(one, OWN_ROOT) == 0 || strstr(one, "{{")))
			continue;
		if (!one || !stg_unbase64(one, &der, NULL) || der.len < 64 || der.data[0] != 0x30)
			return stg_fail(err, STG_E_INPUT, 0, "an entry of anchors is no certificate, expected base64 of its DER, or " OWN_ROOT);
	}
	return *url || !json_array_size(trusted) || stg_fail(err, STG_E_INPUT, 0, "anchors are for fetching from a server, expected enrolment_url beside them");
}

static bool run(struct stg_step_ctx *c, struct stg_error *err)
{
	bool active = false;
	if (!step_is_activated(c, &active, err))
		return false;
	if (!active)
		return stg_fail_id(err, STG_E_WAITING, STG_ID_WAITS_ACTIVATION, 0, "not activated: nothing was sent");
	STG_AUTO(stg_buf_clear) struct stg_buf der = STG_BUF(CERTIFICATE_MAX);
	if (!c->host->supervisor(c->host->ctx, &der, err))
		return false;
	char hash[65], id[40];
	stg_sha256_hex(stg_buf_view(&der), hash);
	const char *organisation = stg_json_str(c->params, "organisation");
	if (!*organisation)
		organisation = stg_json_str(c->values, "organisation");
	if (!*organisation)
		return stg_fail(err, STG_E_INPUT, 0,
				"the organisation has no name, expected 'organisation:' in the blueprint");
	/* one record of the organisation on all its devices, whichever station wrote it: made from its certificate */
	const char *record = stg_json_str(c->values, "organisation_id");
	if (!*record) {
		snprintf(id, sizeof(id), "%.8s-%.4s-4%.3s-8%.3s-%.12s", hash, hash + 8, hash + 13, hash + 17, hash + 20);
		record = id;
	}
	STG_AUTO(stg_json_free_at) json_t *extra = extras(c->params);
	STG_AUTO(stg_json_free_at) json_t *trusted = anchors(c);
	STG_AUTO(stg_json_free_at) json_t *read = NULL;
	const struct stg_supervision what = {
		.organisation = organisation,
		.organisation_id = record,
		.certificate = stg_buf_view(&der),
		.supervised = true,
		.allow_pairing = stg_json_bool(c->params, "allow_pairing", true),
		.skip = json_object_get(c->params, "skip"),
		.extra = json_object_size(extra) ? extra : NULL,
		.anchors = json_array_size(trusted) ? trusted : NULL,
	};
	c->changed = true;
	json_object_del(c->memory, "supervised_by_us");
	if (!stg_device_supervise(c->device, &what, &read, err))
		return false;
	if (json_is_object(read))
		stg_json_put_new(c->memory, WRITTEN, json_incref(read));
	json_t *ack = json_object();
	stg_json_put(ack, "organisation", organisation);
	stg_json_put(ack, "organisation_id", record);
	stg_json_put(ack, "certificate_sha256", hash);
	if (json_object_get(read, "SkipSetupFile"))
		stg_json_put_bool(ack, "skip_setup_file", stg_json_bool(read, "SkipSetupFile", false));
	stg_json_put(ack, "anchors", stg_json_str(read, "Anchors"));
	step_acknowledged(c, ack);
	return true;
}

const struct stg_step stg_step_supervise = {
	.name = "supervise",
	.about = "makes the device one of the organisation's and skips setup panes",
	.params = params,
	.deadline_ms = 120000,
	.needs_trust = true,
	.reads_facts = true,
	.proven = proven,
	.run = run,
	.check = check,
};
