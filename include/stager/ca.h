/*
 * ca.h - the door of stager/ca: certificates by template, into the register.
 *
 * A template says what a kind of certificate looks like: its subject, further names, usages, days, kind of key; texts may
 * hold {{serial}}, {{org.domain}} and whatever the caller knows of the device. The register (stg_store_certificate_add) and the
 * audit log are written in the transaction that is open, or one of its own, before anything is handed out.
 *
 * Threads: as the store. Errors: STG_E_USAGE + STG_ID_CERTIFICATE_ASK (the template gives what the CA may not issue), STG_E_STATION +
 * STG_ID_CLOCK_ISSUING, STG_ID_CA_EXPIRED; STG_E_NOT_FOUND + STG_ID_NO_TEMPLATE.
 */
#ifndef STAGER_CA_H
#define STAGER_CA_H

#include <stager/keys.h>
#include <stager/store.h>

struct stg_ca_for {
	const char *serial;             /* of the device; required: goes into the register, and is {{serial}} */
	const char *unit;               /* of the device where it is known; may be NULL */
	const char *template_name;      /* NULL or "": "device" */
	const json_t *values;           /* further variables, may be NULL: flat object of texts */
	int64_t job;                    /* 0: none */
	const char *actor;              /* of the audit row: "scep", a person */
};

/* Signs the key of a request (PKCS#10 in DER): names and usages come from the template, never from the request. Refused are a
 * request not signed by its key, a weak key (STG_E_INPUT + STG_ID_CERTIFICATE_REQUEST), one that wants to be a CA or names another
 * device: its serial number in the subject, or a urn:x-device:serial: name, or a CN that is the serial of another device in
 * the register (STG_E_REFUSED + STG_ID_REQUEST_OTHER). `org` and `sealed` as stg_store_org() gives them.
 * ret_der: the certificate, DER; ret_row: its row in the register, a new reference. */
bool stg_ca_sign(struct stg_store *s, const struct stg_keys *k, const json_t *org, struct stg_bytes sealed, const struct stg_ca_for *whom,
		 struct stg_bytes request_der, struct stg_buf *ret_der, json_t **ret_row, struct stg_error *err);
/* One with its key, as PKCS#12 with a random password that is kept nowhere. What `instead` (may be NULL) says of common_name, san, key_type,
 * days and modern_p12 stands in front of the template. */
bool stg_ca_issue(struct stg_store *s, const struct stg_keys *k, const json_t *org, struct stg_bytes sealed, const struct stg_ca_for *whom,
		  const struct stg_leaf_ask *instead, struct stg_secret *ret_p12, struct stg_secret *ret_password, json_t **ret_row,
		  struct stg_error *err);

/* A template filled in for one device: what stg_leaf_issue() and stg_leaf_sign() want. For whoever issues on another thread than the store's
 * and registers before it hands out: everybody else calls the two above. `filled` holds the texts `ask` points into. */
struct stg_ca_filled {
	json_t *filled;
	struct stg_leaf_ask ask;
};
bool stg_ca_fill(struct stg_store *s, const json_t *org, const struct stg_ca_for *whom, struct stg_ca_filled *ret, struct stg_error *err);
void stg_ca_filled_clear(struct stg_ca_filled *f);

/* ---- templates: {"name","about","cn","department","serial_number","san":["dns:..","uri:..","upn:..","email:.."],"purpose","key","days",
 * "modern","built_in"}; texts may hold variables: {{serial}}, {{serial_host}} (the serial as a host label), {{org.name}}, {{org.domain}}, ... ---- */
json_t *stg_ca_templates(struct stg_store *s, struct stg_error *err);
json_t *stg_ca_template(struct stg_store *s, const char *name, struct stg_error *err);
/* NULL removes one of the station's own. STG_E_USAGE + STG_ID_TEMPLATE_WRONG. */
bool stg_ca_template_put(struct stg_store *s, const char *name, const json_t *t, struct stg_error *err);

#endif
