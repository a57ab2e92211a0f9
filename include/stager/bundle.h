/*
 * bundle.h - what travels by stick: the archive inside a signed and encrypted bundle. Its format: stager/bundle/README.md.
 *
 * An archive is a tar whose first member, manifest.json, names every other one with its size and SHA-256, in order. What
 * an archive holds came from another machine: it is read within bounds, and nothing of it is unpacked to a folder.
 * Threads: any; no state. Errors: STG_E_INPUT with STG_ID_BUNDLE_DAMAGED, _CONTENT, _NEWER, _TOO_LARGE.
 */
#ifndef STAGER_BUNDLE_H
#define STAGER_BUNDLE_H

#include <stager/json.h>
#include <stager/tar.h>

#define STG_BUNDLE_SCHEMA "stager.bundle/1"
#define STG_BUNDLE_LINES_MAX 20000      /* of one list */
#define STG_BUNDLE_MEMBERS_MAX 256
#define STG_BUNDLE_FIRST "0000000000000000000000000000000000000000000000000000000000000000"

struct stg_bundle_member {
	char name[STG_TAR_NAME_MAX];    /* "records.ndjson", "files/profile/ward.mobileconfig" */
	struct stg_bytes bytes;         /* borrowed */
};

struct stg_bundle {
	json_t *manifest;
	char sha256[65];                /* of its bytes: the next bundle's "prev" */
	struct stg_bundle_member members[STG_BUNDLE_MEMBERS_MAX];
	size_t n_members;
};

/* Writes the archive: `manifest` gets "schema" and "members". */
bool stg_bundle_pack(json_t *manifest, const struct stg_bundle_member *members, size_t n_members, int64_t wall_ms, struct stg_buf *ret,
		     char ret_sha256[65], struct stg_error *err);
/* Reads one; the members are views of `archive`. End it with stg_bundle_clear(). */
bool stg_bundle_unpack(struct stg_bytes archive, struct stg_bundle *ret, struct stg_error *err);
void stg_bundle_clear(struct stg_bundle *b);

/* The lines of a member of JSON objects: [{"text": the exact bytes, "json": the object}]; an absent member has none. */
json_t *stg_bundle_lines(const struct stg_bundle *b, const char *member, struct stg_error *err);

/* What a member "files/KIND/NAME" is: kind is "blueprint", "profile" or "app". false: it is no file. */
bool stg_bundle_file(const struct stg_bundle_member *m, char ret_kind[16], char ret_name[STG_TAR_NAME_MAX]);

/* "BENCH-07" and 12 become "BENCH-07-000012.STB": a name every stick takes. */
void stg_bundle_name(const char *station, int64_t seq, char ret[48]);

#endif
