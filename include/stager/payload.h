/*
 * payload.h - the door of profiles/: configuration profiles read, checked, filled in and made.
 *
 * A profile is a property list, XML or binary, perhaps inside one CMS layer. Everything read here went through
 * stg_plist_scan with stg_plist_profile. Substitution works on values of the parsed tree, never on text.
 * Threads: no state.
 */
#ifndef STAGER_PAYLOAD_H
#define STAGER_PAYLOAD_H

#include <stager/host.h>
#include <stager/json.h>

/* What a profile says of itself: {"identifier","uuid","version","name","organisation","removal_disallowed","signed_by","payloads":[{"type","identifier","uuid","name"}],
 * "has_mdm":bool,"expires_ms"}. STG_E_INPUT: "file:line: ..." */
json_t *stg_profile_read(const char *file_name, struct stg_bytes file, struct stg_error *err);
/* Errors and warnings a person can act on before a device is touched: [{"level","path","text"}]; empty = fine. */
json_t *stg_profile_lint(const char *file_name, struct stg_bytes file, struct stg_error *err);
/* In sentences (English or French): ["Joins the Wi-Fi network HOPITAL with a certificate", ...]. */
json_t *stg_profile_words(struct stg_bytes file, const char *lang, struct stg_error *err);
/* Fills {{...}} in values, re-derives UUIDs per device (uuid5), writes XML. Without variables in it the file passes through
 * unchanged. `values` as stg_variables_fill. */
bool stg_profile_fill(const char *file_name, struct stg_bytes file, const json_t *values, const char *unit, struct stg_payload *ret, struct stg_error *err);
/* A profile around one PKCS#12 (com.apple.security.pkcs12) and its issuers (com.apple.security.pkcs1). */
bool stg_profile_identity(const char *identifier, const char *display_name, const char *unit, struct stg_bytes p12, struct stg_bytes password,
			  const json_t *issuer_pems, struct stg_payload *ret, struct stg_error *err);

#endif
