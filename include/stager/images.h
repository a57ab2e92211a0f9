/*
 * images.h - the catalogue of system images: .ipsw files by hash, and what each says of itself.
 *
 * In the state folder, images/SHA256.ipsw and beside it images/SHA256.json, a row: {"sha256","size_bytes","file" (its name when it
 * came),"version","build","products":["iPhone14,5",...],"added_ms","added_by"}. An image is of use only with a line: the maker signs
 * each restore for one device, at the time it happens.
 *
 * Threads: any; no state but the folder. Errors: STG_E_INPUT (the file is wrong), STG_E_NOT_FOUND + STG_ID_NO_IMAGE, STG_E_IO.
 */
#ifndef STAGER_IMAGES_H
#define STAGER_IMAGES_H

#include <stager/error.h>
#include <stager/json.h>

#define STG_IMAGE_MAX (16ull << 30)

/* What an .ipsw says of itself: "version","build","products". `fd` can be sought; its place afterwards is not defined. New reference. */
json_t *stg_image_read(int fd, struct stg_error *err);
/* Copies and reads it; takes as long as the disk does. The new row. */
json_t *stg_image_add(const char *state_dir, int fd, const char *file_name, const char *by, struct stg_error *err);
/* All rows, the newest system first. */
json_t *stg_image_list(const char *state_dir, struct stg_error *err);
/* For this product: `word` a version, a build or the beginning of a hash (8 or more), "" = the newest. */
json_t *stg_image_find(const char *state_dir, const char *product, const char *word, struct stg_error *err);
bool stg_image_remove(const char *state_dir, const char *sha256, struct stg_error *err);
void stg_image_path(const char *state_dir, const char *sha256, char *ret, size_t size);
/* Is the file still what it was when it came? STG_ID_IMAGE_DAMAGED. */
bool stg_image_check(const char *state_dir, const json_t *row, struct stg_error *err);

#endif
