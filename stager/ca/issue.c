/*
 * issue.c - a certificate by template, in the register before anybody has it.
 *
 * For:    `stager ca issue`, SCEP.
 * Uses:   <stager/keys.h>, <stager/store.h>, template.c.
 * Called: by the operations ca.*, by stager/scep.
 * Thread: the store's; inside the caller's transaction or one of its own.
 */
#include <stdio.h>
#include <strings.h>

#include <stager/ca.h>
#include <stager/error.h>

static bool other(struct stg_error *err, const char *what, const char *said)
{
	return stg_fail_id(err, STG_E_REFUSED, STG_ID_REQUEST_OTHER, 0, "%s%s%.100s", what, *said ? ": " : "", said);
}

/* A name that says which device it is must say this one. Everything else a client writes there (Apple's writes the identifier of its
 * payload) is not taken over and so does no harm. */
static bool is_for(struct stg_store *s, const json_t *request, const char *serial, struct stg_error *err)
{
	static const char URN[] = "uri:urn:x-device:serial:";
	const char *in_subject = stg_json_str(request, "serial_number"), *cn = stg_json_str(request, "cn");
	const json_t *san = json_object_get(request, "san");
	if (stg_json_bool(request, "wants_ca", false))
		return other(err, "it asks to be a certificate authority", "");
	if (*in_subject && strcasecmp(in_subject, serial) != 0)
		return other(err, "it is for another serial number", in_subject);
	for (size_t i = 0; i < json_array_size(san); i++) {
		const char *one = json_string_value(json_array_get(san, i));
		if (strncasecmp(one, URN, sizeof(URN) - 1) == 0 && strcasecmp(one + sizeof(URN) - 1, serial) != 0)
			return other(err, "it is for another serial number", one);
	}
	if (!*cn || strcasecmp(cn, serial) == 0)
		return true;
	STG_AUTO(stg_json_free_at) json_t *filter = json_object();
	stg_json_put(filter, "device_serial", cn);
	STG_AUTO(stg_json_free_at) json_t *theirs = stg_store_certificates(s, filter, err);
	return theirs && (json_array_size(theirs) == 0 || other(err, "it carries the name of another device", cn));
}

static bool register_it(struct stg_store *s, json_t *row, const struct stg_ca_for *whom, const char *verb, struct stg_error *err)
{
	stg_json_put(row, "device_serial", whom->serial);
	stg_json_put(row, "unit", whom->unit ? whom->unit : "");
	if (whom->job)
		stg_json_put_int(row, "job", whom->job);
	STG_AUTO(stg_json_free_at) json_t *entry = json_object(), *detail = json_object();
	stg_json_put(detail, "device_serial", whom->serial);
	stg_json_put(detail, "sha256", stg_json_str(row, "sha256"));
	stg_json_put(detail, "template", whom->template_name && *whom->template_name ? whom->template_name : "device");
	stg_json_put(entry, "actor", whom->actor && *whom->actor ? whom->actor : "station");
	stg_json_put(entry, "verb", verb);
	stg_json_put(entry, "object", stg_json_str(row, "serial_hex"));
	stg_json_put(entry, "unit", whom->unit ? whom->unit : "");
	stg_json_put(entry, "outcome", "done");
	stg_json_put_new(entry, "detail", json_incref(detail));
	return stg_store_certificate_issued(s, row, entry, err);
}

bool stg_ca_sign(struct stg_store *s, const struct stg_keys *k, const json_t *org, struct stg_bytes sealed, const struct stg_ca_for *whom,
		 struct stg_bytes request_der, struct stg_buf *ret_der, json_t **ret_row, struct stg_error *err)
{
	STG_AUTO(stg_ca_filled_clear) struct stg_ca_filled f = { 0 };
	STG_AUTO(stg_json_free_at) json_t *request = stg_request_read(request_der, NULL, err), *row = NULL;
	STG_AUTO(stg_buf_clear) struct stg_buf der = STG_BUF(64u << 10);
	if (!request || !is_for(s, request, whom->serial, err) || !stg_ca_fill(s, org, whom, &f, err) || !stg_store_clock_ok(s, err) ||
	    !stg_leaf_sign(k, org, sealed, &f.ask, request_der, &der, &row, err) || !register_it(s, row, whom, "ca.sign", err) ||
	    !stg_buf_add(ret_der, der.data, der.len, err))
		return false;
	*ret_row = stg_steal(row);
	return true;
}

bool stg_ca_issue(struct stg_store *s, const struct stg_keys *k, const json_t *org, struct stg_bytes sealed, const struct stg_ca_for *whom,
		  const struct stg_leaf_ask *instead, struct stg_secret *ret_p12, struct stg_secret *ret_password, json_t **ret_row, struct stg_error *err)
{
	STG_AUTO(stg_ca_filled_clear) struct stg_ca_filled f = { 0 };
	STG_AUTO(stg_json_free_at) json_t *row = NULL;
	if (!*whom->serial || !stg_ca_fill(s, org, whom, &f, err))
		return false;
	if (instead) {
		f.ask.common_name = instead->common_name && *instead->common_name ? instead->common_name : f.ask.common_name;
		f.ask.san = json_array_size(instead->san) ? instead->san : f.ask.san;
		f.ask.key_type = instead->key_type && *instead->key_type ? instead->key_type : f.ask.key_type;
		f.ask.days = instead->days ? instead->days : f.ask.days;
		f.ask.modern_p12 = instead->modern_p12 || f.ask.modern_p12;
		f.ask.with_chain = instead->with_chain;
	}
	if (!stg_store_clock_ok(s, err) || !stg_leaf_issue(k, org, sealed, &f.ask, NULL, ret_p12, ret_password, &row, err) ||
	    !register_it(s, row, whom, "ca.issue", err))
		return false;
	*ret_row = stg_steal(row);
	return true;
}
