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

/* Variables stand in string values and read as in blueprints: "{{name}}", "{{name|other|'a text'}}", "{{{{" for a literal
 * "{{". A value that is a variable alone takes the type of what it is given: a text, a number, true or false, or data given as
 * {"data": BASE64} (stg_org_values). */

/* What a profile says of itself: {"identifier","uuid","version","name","organisation","removal_disallowed","signed_by","payloads":[{"type","identifier","uuid","name"}],
 * "has_mdm":bool,"expires_ms"}. STG_E_INPUT: "file:line: ..." */
json_t *stg_profile_read(const char *file_name, struct stg_bytes file, struct stg_error *err);
/* Errors and warnings a person can act on before a device is touched: [{"level","path","text"}]; empty = fine. */
json_t *stg_profile_lint(const char *file_name, struct stg_bytes file, struct stg_error *err);

/* ---- the rules of payloads: which keys, of which kind, since which release (profiles/schema) ---- */
struct stg_profile_rules;
/* Reads a table and an overlay of corrections, which may be empty. `name` is used in messages. STG_E_INPUT + STG_ID_RULES_DAMAGED. */
struct stg_profile_rules *stg_profile_rules_read(const char *name, struct stg_bytes table, struct stg_bytes overlay, struct stg_error *err);
void stg_profile_rules_free(struct stg_profile_rules *r);
void stg_profile_rules_free_at(struct stg_profile_rules **r);
/* The table compiled in, with its overlay; lives as long as the process. */
const struct stg_profile_rules *stg_profile_rules_shipped(void);
/* The corrections compiled in, for a table that was imported. */
struct stg_bytes stg_profile_overlay(void);
/* {"v","platform","release","types","keys","sha256"} */
json_t *stg_profile_rules_about(const struct stg_profile_rules *r);
/* Where an imported table lies in the state's folder. */
#define STG_PROFILE_RULES "schema/ios.rules"
/* Those imported into this state; NULL: none (err untouched), or none that can be read. The caller frees them. */
struct stg_profile_rules *stg_profile_rules_kept(const char *state_dir, struct stg_error *err);
/* The same where they are newer than the shipped ones; NULL: the shipped ones count. */
struct stg_profile_rules *stg_profile_rules_own(const char *state_dir, struct stg_error *err);
/* Does `a` know a newer release than `b`? */
bool stg_profile_rules_newer(const struct stg_profile_rules *a, const struct stg_profile_rules *b);
/* Apple's YAML in a folder made into a table (at most 1 MiB). Takes a second or less; reads nothing but that folder.
 * STG_E_INPUT + STG_ID_RULES_SOURCE. ret_about: as above, with "files" and "forms_not_checked". */
bool stg_profile_rules_import(const char *dir, struct stg_buf *ret_table, json_t **ret_about, struct stg_error *err);

/* For whom a profile is checked. */
struct stg_profile_target {
	char os[24];            /* "17.4"; "" = any */
	char device[64];        /* shown in messages; "" = none in particular */
	int supervised;         /* 1, 0, -1 = not known */
	const json_t *signers;  /* PEM texts of those whose signature is trusted; NULL: signatures are not judged */
	struct stg_bytes key;   /* a private key in PEM that opens an encrypted profile; empty: none */
	bool user_enrolment;    /* a device its user enrols: User Enrollment */
	bool shared_ipad;       /* an iPad that several people share */
};
/* As stg_profile_lint, by these rules (NULL: the shipped ones) and for this target (NULL: any). With an `os` or a device the last entry, a note,
 * says by which rules it was checked. */
json_t *stg_profile_check(const char *file_name, struct stg_bytes file, const struct stg_profile_rules *rules,
			  const struct stg_profile_target *target, struct stg_error *err);

/* Does this release take each kind of payload in it? For a filled profile, right before a device is touched. Where the release is not known,
 * yes. STG_E_HOLD + STG_ID_PROFILE_TOO_NEW names the first that it does not take. */
bool stg_profile_fits(const char *file_name, struct stg_bytes file, const struct stg_profile_rules *rules, const char *os, struct stg_error *err);

/* In sentences (English or French), as the words of a technician: [{"key": which sentence this is ("wifi.join"), "payload": its number (absent: of
 * the profile as a whole), "type", "about": the name or address it is about, "text"}]. */
json_t *stg_profile_says(struct stg_bytes file, const char *lang, struct stg_error *err);
/* The texts alone: ["Joins the Wi-Fi network HOPITAL with a certificate", ...]. */
json_t *stg_profile_words(struct stg_bytes file, const char *lang, struct stg_error *err);
/* What is new, gone and different from one profile to another: [{"change": "added", "removed", "changed", "renewed" (a device takes the payload
 * out and in again), "refused" (an enrolled device does), "other" (not the same profile at all), "sealed", "payload": what it is called, "type",
 * "path" inside the payload, "before", "after", "text"}]; empty: nothing. Secrets are never shown. */
json_t *stg_profile_diff(const char *old_name, struct stg_bytes old_file, const char *new_name, struct stg_bytes new_file, const char *lang, struct stg_error *err);
/* What in a profile takes a device somewhere nobody has allowed. allow: {"hosts": ["mdm.example.org", "*.example.org"], "certificates": [SHA-256 in hex],
 * "apps": [identifiers], "signers": [PEM]}. {"v", "findings": [{"level": "error", "warning" (nobody signed it), "code": row of errors.def, "path", "line",
 * "column", "what": the host, the name}], "open": [paths of values that are filled in for each device and were not judged]}. */
json_t *stg_profile_rogue(const char *file_name, struct stg_bytes file, const json_t *allow, struct stg_error *err);
/* Is this host (small letters) on such a list of hosts? */
bool stg_host_allowed(const json_t *hosts, const char *host);
/* Everything in a profile that ends one day: [{"kind": "expiration", "removal", "signer", "certificate", "identity", "enrolment" (the two weeks some
 * enrolment profiles live), "path", "name", "ends_ms"}]. */
json_t *stg_profile_ends(const char *file_name, struct stg_bytes file, struct stg_error *err);
/* Fills {{...}} in values, re-derives UUIDs per device (uuid5), writes XML. Without variables in it the file passes through
 * unchanged, and so it does when `values` is NULL; only base64 and PEM around it are taken off: a device reads neither. The profile's own PayloadUUID is derived from what the filled profile
 * holds, so that re-reading tells whether exactly this is installed; those of its payloads from the unit alone, so that
 * they are updated in place. STG_E_INPUT + STG_ID_PROFILE_VARIABLE names file, line, key path and variable, never a value. */
bool stg_profile_fill(const char *file_name, struct stg_bytes file, const json_t *values, const char *unit, struct stg_payload *ret, struct stg_error *err);
/* ---- building: parts become one profile ---- */
/* What the payloads of a profile lean on, lowest first: a root is there before the identity, that before the Wi-Fi, that before the MDM is
 * called. 0: any other payload. */
enum { STG_PAYLOAD_ROOT = 1, STG_PAYLOAD_IDENTITY = 2, STG_PAYLOAD_WIFI = 4, STG_PAYLOAD_MDM = 8 };
unsigned int stg_profile_kind(const char *payload_type);

/* A part is a profile with the payloads of one subject, a template as a rule. A variable that is a whole value takes the type the rules
 * give its key: 8080 in a batch's list becomes a number where a port stands, and is refused where true or false does. */
struct stg_profile_part {
	const char *name;                        /* for messages, and of the file */
	struct stg_bytes file;
};
struct stg_profile_plan {
	const char *name, *identifier, *display_name;   /* NULL: those of the only part; of several they are required, the name shown may miss */
	const json_t *values;
	const char *unit;                        /* "": for no device in particular: what only a device can say stays open, {{serial}} */
	struct stg_bytes before;                 /* what it updates: same identifier; its payloads keep their UUIDs, its version goes up; empty: none */
	const struct stg_profile_rules *rules;   /* NULL: the shipped ones */
	const struct stg_profile_target *target; /* NULL: any device */
};
/* The same input gives the same bytes. What devices would refuse is refused: STG_E_INPUT + STG_ID_PROFILE_RULE with the place in the
 * parts' result, STG_ID_PROFILE_UPDATE, STG_ID_PROFILE_VARIABLE, STG_ID_PROFILE_VALUE. `ret_about`: {"identifier","uuid","version" of its content,
 * "changed":bool (it differs from `before`),"open":[names],"payloads":[types in their order],"findings":[as of stg_profile_check]}. */
bool stg_profile_build(const struct stg_profile_plan *plan, const struct stg_profile_part *parts, size_t n_parts, struct stg_payload *ret,
		       json_t **ret_about, struct stg_error *err);
/* What a part asks for: [{"name","kind" (what may stand there: "text", "a whole number", ...),"where","otherwise" (what it is when nothing is
 * given; absent: it must be given),"device":bool (each device says it)}]. */
json_t *stg_profile_wants(const char *file_name, struct stg_bytes file, const struct stg_profile_rules *rules, struct stg_error *err);
/* Does any variable in it name a value of this family ("secret.", "scep.")? False also for what is no profile. */
bool stg_profile_uses(struct stg_bytes file, const char *family);
/* Only whoever holds the key of this certificate (PEM or DER, RSA) reads its payloads; name and identifier stay readable. Encrypt first, sign
 * after. STG_ID_PROFILE_SIGNED, STG_ID_PROFILE_OPEN, STG_ID_PROFILE_ENCRYPTED, STG_ID_RECIPIENT. */
bool stg_profile_encrypt(const char *file_name, struct stg_bytes file, struct stg_bytes certificate, struct stg_buf *ret, struct stg_error *err);
/* May it be signed or handed to a device as it is? Not signed, nothing left to fill in, nothing devices would refuse. */
bool stg_profile_finished(const char *file_name, struct stg_bytes file, const struct stg_profile_rules *rules, struct stg_error *err);
/* Who signed it, as stg_cms_unwrap() says, with "trust": "trusted", "unknown", "expired", "not_yet", judged by these PEM texts.
 * STG_ID_PROFILE_SIGNATURE: the signature does not fit; STG_ID_PROFILE_NOT_SIGNED. */
json_t *stg_profile_signer(const char *file_name, struct stg_bytes file, const json_t *anchor_pems, struct stg_error *err);

/* Whether these bytes are signed already: a device refuses a second signature around the first. */
bool stg_profile_is_signed(struct stg_bytes profile);
/* A profile around one PKCS#12 (com.apple.security.pkcs12) and its issuers (com.apple.security.pkcs1). */
bool stg_profile_identity(const char *identifier, const char *display_name, const char *unit, struct stg_bytes p12, struct stg_bytes password,
			  const json_t *issuer_pems, struct stg_payload *ret, struct stg_error *err);

/* As stg_profile_fill for a template that refers to the device's own identity as {{certificate_uuid}} (Wi-Fi with EAP-TLS, MDM):
 * adds the PKCS#12 and its issuers to the profile. `certificate_sha256` (hex) makes a new certificate a new payload. */
bool stg_profile_with_identity(const char *file_name, struct stg_bytes file, const json_t *values, const char *unit, struct stg_bytes p12,
			       struct stg_bytes password, const json_t *issuer_pems, const char *certificate_sha256,
			       struct stg_payload *ret, struct stg_error *err);

#endif
