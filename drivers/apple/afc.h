/*
 * afc.h - files on the device: the media folder, and the folders of apps behind house_arrest.
 *
 * One connection, one request at a time, each with one answer. Paths are ours, never the device's.
 * Threads: a connection belongs to its device.
 */
#ifndef APPLE_AFC_H
#define APPLE_AFC_H

#include <stager/host.h>

#include "device.h"

struct apple_afc {
	struct apple_link *link;
	uint64_t number;
};

enum apple_afc_mode { APPLE_AFC_READ = 1, APPLE_AFC_WRITE = 3 };

/* The media folder. Zeroed on failure. */
bool apple_afc_open(struct apple_device *dev, struct apple_afc *ret, struct stg_error *err);
void apple_afc_close(struct apple_afc *a);

/* One that is there already is fine. */
bool apple_afc_make_folder(struct apple_afc *a, const char *path, struct stg_error *err);
/* One that is not there is fine. */
bool apple_afc_remove(struct apple_afc *a, const char *path, struct stg_error *err);
bool apple_afc_rename(struct apple_afc *a, const char *from, const char *to, struct stg_error *err);
/* *ret_there false: nothing lies there. */
bool apple_afc_info(struct apple_afc *a, const char *path, bool *ret_there, uint64_t *ret_size_bytes, struct stg_error *err);
bool apple_afc_free_bytes(struct apple_afc *a, uint64_t *ret, struct stg_error *err);

/* All of `fd` from where it stands, size_bytes of them, over what lies there. Takes its turns on the cable; tells the host percents from `from`
 * to `to`. STG_E_IO + STG_ID_APP_FILE_DAMAGED when there are not so many bytes or their mark is another: then nothing lies there. */
bool apple_afc_send(struct apple_afc *a, const struct stg_host *host, const char *path, int fd, uint64_t size_bytes, const char *mark, int from,
		    int to, struct stg_error *err);
/* SHA-256 of size_bytes read back. */
bool apple_afc_hash(struct apple_afc *a, const struct stg_host *host, const char *path, uint64_t size_bytes, char ret_sha256[65],
		    struct stg_error *err);

#endif
