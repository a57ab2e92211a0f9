/*
 * apps.h - the station's repository of apps and of documents for them: files by hash, and what each says of itself.
 *
 * In the state folder, apps/SHA256.file and beside it apps/SHA256.json. A row of the repository is a JSON object:
 *
 *   kind "app": "sha256","sum" (mark.h),"size","file" (its name when it came),"added_ms","added_by","bundle_id","version","build","name",
 *     "minimum_os","families":[1 iPhone, 2 iPad],"expanded" (bytes, unpacked),"file_sharing","signing" ("enterprise": any device;
 *     "ad-hoc", "development": "devices" only; "store": bought; "none"),"signer","profile","expires_ms" (of the signature),
 *     "devices":[UDIDs],"debuggable","account_bound","warnings":[texts]
 *   kind "document": "sha256","sum","size","file","added_ms","added_by","name"
 *
 * Files come from people and are hostile until read: an .ipa is read within fixed bounds and never unpacked.
 * Threads: any; no state but the folder. Errors: STG_E_INPUT (the file is wrong), STG_E_NOT_FOUND, STG_E_IO.
 */
#ifndef STAGER_APPS_H
#define STAGER_APPS_H

#include <stager/json.h>
#include <stager/step.h>

#define STG_APPS_FILE_MAX (4ull << 30)
#define STG_APPS_KEY_MAX 400

/* What an .ipa says of itself: the keys above from "bundle_id" on, and "extras":{"sinf","metadata"} (base64) for one of the store.
 * `fd` can be sought; its place afterwards is not defined. New reference. */
json_t *stg_ipa_read(int fd, struct stg_error *err);

/* Copies the file into the repository and reads it; the same bytes again: its row is written anew. `name` of a document; NULL:
 * an app. May take seconds. The new row. */
json_t *stg_apps_add(const char *state_dir, int fd, const char *file_name, const char *document_name, const char *by, struct stg_error *err);
/* All rows: apps by identifier, the newest version first; then documents by name, the one added last first. */
json_t *stg_apps_list(const char *state_dir, struct stg_error *err);
/* The row of a key (below). STG_E_NOT_FOUND + STG_ID_APP_UNKNOWN or STG_ID_DOCUMENT_UNKNOWN. */
json_t *stg_apps_find(const char *state_dir, const char *key, struct stg_error *err);
/* Takes file and row away. */
bool stg_apps_remove(const char *state_dir, const char *sha256, struct stg_error *err);

/* The file of a row, to be read. STG_E_IO + STG_ID_APP_FILE_DAMAGED when it is not there with that size. -1 on error. */
int stg_apps_open(const char *state_dir, const char *sha256, int64_t size, struct stg_error *err);
/* What goes along with an app of the store: {"sinf","metadata"} in base64, {} for others. */
json_t *stg_apps_extras(const char *state_dir, const char *sha256, struct stg_error *err);

/* How a step names its file, and a set of pins its row: "app:ID", "app:ID@VERSION", "document:NAME". false: the params name none. */
bool stg_apps_key(enum stg_step_file kind, const json_t *params, char ret[STG_APPS_KEY_MAX]);
/* Letters, digits, '.', '-', and at most 155 of them. */
bool stg_bundle_id_ok(const char *id);
/* Numbers between dots: -1, 0, 1; "1.2" = "1.2.0". */
int stg_app_version_compare(const char *a, const char *b);

#endif
