/* inner.h - what the files of this room share. Nobody else includes it. */
#ifndef STAGER_APPS_INNER_H
#define STAGER_APPS_INNER_H

#include <plist/plist.h>

#include <stager/apps.h>
#include <stager/error.h>

#define ENTRY_MAX ((size_t)1 << 20)      /* a property list inside a package */

/* ---- zip.c: a package, within bounds ---- */
struct package;

/* Looks through the whole list of entries first: names, sizes, ratio. STG_E_INPUT + STG_ID_NOT_AN_APP, STG_ID_APP_FILE_HOSTILE. */
/* Before libzip sees a file: every end record it might believe keeps its list of entries within bounds. STG_ID_APP_FILE_HOSTILE. */
bool package_ends_are_sane(int fd, uint64_t size, struct stg_error *err);
struct package *package_open(int fd, struct stg_error *err);
void package_close_at(struct package **p);
/* "Payload/NAME.app/", the one app of the package. */
const char *package_app(const struct package *p);
uint64_t package_expanded_bytes(const struct package *p);
/* One entry whole, at most ret's ceiling. *ret_found false, and true: there is none. */
bool package_take(const struct package *p, const char *path, struct stg_buf *ret, bool *ret_found, struct stg_error *err);
/* The first entry directly in that folder whose name ends so; "" when none. */
void package_find(const struct package *p, const char *folder, const char *ending, char *ret, size_t size);

/* ---- signer.c ---- */
/* Adds who signed it and until when, from embedded.mobileprovision or iTunesMetadata.plist. */
bool signer_read(const struct package *p, json_t *row, struct stg_error *err);

/* ---- plist words ---- */
plist_t app_plist(struct stg_bytes in, const char *what, struct stg_error *err);
void app_plist_free_at(plist_t *p);
void app_put_text(json_t *row, const char *name, plist_t dict, const char *key);
plist_t app_node(plist_t dict, const char *key, plist_type type);
bool app_true(plist_t dict, const char *key);
void app_warn(json_t *row, const char *text);

#endif
