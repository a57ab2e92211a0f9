/*
 * shelf.h - what lies on a virtual device besides its configuration: files, apps, provisioning profiles.
 *
 * One shelf a device, made when a service first asks, forgotten by an erase, kept over a restart. Everything is in
 * memory and has a ceiling; a full shelf answers "no space", as a full device does.
 */
#ifndef VIRTUAL_SHELF_H
#define VIRTUAL_SHELF_H

#include <plist/plist.h>
#include <stager/bytes.h>
#include <stager/json.h>

#define VIRT_FILES_MAX     4096
#define VIRT_PATH_MAX      1024
#define VIRT_APPS_MAX      512
#define VIRT_PROVISIONS_MAX 128
#define VIRT_APP_TEXT      256
/* What lies beside the media folder: "ASIDE-containers/ID", "ASIDE-crashes". Not listed in the root. */
#define VIRT_SHELF_ASIDE   ".virt"

struct virt_device;
struct virt_shelf;

enum virt_shelf_answer {
	VIRT_SHELF_OK, VIRT_SHELF_NOT_FOUND, VIRT_SHELF_EXISTS, VIRT_SHELF_IS_FOLDER, VIRT_SHELF_NOT_EMPTY,
	VIRT_SHELF_NO_SPACE, VIRT_SHELF_BAD_PATH,
};

/* Bytes of a file. Zeroes that were never anything else cost no memory: a bench full of large apps fits into a small machine. */
struct virt_body {
	uint8_t *data;
	size_t len, cap;
};

static inline struct stg_bytes virt_body_view(const struct virt_body *b)
{
	return stg_bytes(b->data, b->len);
}

struct virt_file {
	char *path;              /* "PublicStaging/x.ipa": no leading or doubled slash, "" is the root */
	char *link_to;           /* symbolic link: its target as given; else NULL */
	bool is_folder;
	struct virt_body data;
	int64_t born_ms, modified_ms;
};

struct virt_app {
	char id[VIRT_APP_TEXT];
	char name[VIRT_APP_TEXT];
	char version[64];        /* CFBundleVersion */
	char short_version[64];
	char minimum_os[64];
	bool is_system;
	bool shares_files;       /* UIFileSharingEnabled: its Documents may be reached over the cable */
	bool is_debuggable;      /* a developer's build: all of its container may be */
};

/* The device's shelf, made if need be; never NULL. Good until an erase: look it up for each message. */
struct virt_shelf *virt_shelf(struct virt_device *);

/* Files. Paths as clients send them ("/a//b/", "./a", "a\0" cut by the caller) are tidied; ".." may not leave the
 * root. A pointer stays good until the next call that adds or removes. */
struct virt_file *virt_shelf_file(struct virt_shelf *, const char *path);
enum virt_shelf_answer virt_shelf_make_folder(struct virt_shelf *, const char *path);    /* parents too */
enum virt_shelf_answer virt_shelf_make_file(struct virt_shelf *, const char *path, struct virt_file **ret);
enum virt_shelf_answer virt_shelf_make_link(struct virt_shelf *, const char *path, const char *target);
enum virt_shelf_answer virt_shelf_write(struct virt_shelf *, struct virt_file *, uint64_t offset, struct stg_bytes);
enum virt_shelf_answer virt_shelf_resize(struct virt_shelf *, struct virt_file *, uint64_t len);
enum virt_shelf_answer virt_shelf_rename(struct virt_shelf *, const char *from, const char *to);
enum virt_shelf_answer virt_shelf_remove(struct virt_shelf *, const char *path, bool with_contents);
/* The i-th name directly in a folder; NULL after the last. */
const char *virt_shelf_nth_in(struct virt_shelf *, const char *folder, size_t i);
uint64_t virt_shelf_free_bytes(const struct virt_shelf *);   /* 0 while the device's disk_full knob is set */

/* Apps: a few that came with the system, then what was installed, in that order. */
size_t virt_shelf_apps(const struct virt_shelf *);
const struct virt_app *virt_shelf_app(const struct virt_shelf *, size_t i);
const struct virt_app *virt_shelf_app_by_id(const struct virt_shelf *, const char *id);
enum virt_shelf_answer virt_shelf_put_app(struct virt_shelf *, const struct virt_app *);   /* replaces one of that id */
enum virt_shelf_answer virt_shelf_remove_app(struct virt_shelf *, const char *id);

/* Provisioning profiles, by their UUID. */
size_t virt_shelf_provisions(const struct virt_shelf *);
struct stg_bytes virt_shelf_provision(const struct virt_shelf *, size_t i);
enum virt_shelf_answer virt_shelf_put_provision(struct virt_shelf *, const char *uuid, struct stg_bytes);
enum virt_shelf_answer virt_shelf_remove_provision(struct virt_shelf *, const char *uuid);

/* For the control socket: {"files": [{"path","size"}], "apps": [ids the person installed], "provisions": [uuids]}. */
json_t *virt_shelf_json(struct virt_device *);

#endif
