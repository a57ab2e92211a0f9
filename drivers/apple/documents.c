/*
 * documents.c - files in the place an app has for its documents.
 *
 * For:    stg_device_put_document, stg_device_find_document.
 * Uses:   lockdown.c for house_arrest, which hands its connection over to the file protocol; afc.c.
 * Called: through the driver's table.
 * Thread: the worker's.
 * Facts:  protocols/apple.md 5.4: {Command: VendDocuments|VendContainer, Identifier} -> {Status: Complete}, then AFC on the same
 *         socket. VendDocuments needs UIFileSharingEnabled in the app (iOS 8.3 and later, told as InstallationLookupFailed by ifuse 1.1.4);
 *         both begin at the container, so paths begin with Documents/.
 *
 * A file is written beside its name and then given it: an app that is running never reads half of one.
 */
#include <stdio.h>
#include <string.h>

#include "afc.h"

#define SERVICE "com.apple.mobile.house_arrest"
#define ANSWER_MS 30000
#define PATH_BYTES 1024

static bool vend(struct apple_device *dev, const struct stg_app_document *d, struct apple_afc *ret, struct stg_error *err)
{
	STG_AUTO(apple_plist_free_at) plist_t ask = plist_new_dict();
	*ret = (struct apple_afc){ .link = apple_service(dev, SERVICE, err) };
	if (!ret->link)
		return false;
	apple_put_str(ask, "Command", d->whole_container ? "VendContainer" : "VendDocuments");
	apple_put_str(ask, "Identifier", d->bundle_id);
	STG_AUTO(apple_plist_free_at) plist_t reply = apple_link_ask(ret->link, ask, &stg_plist_lockdown, ANSWER_MS, err);
	if (!reply)
		return false;
	if (*apple_str(reply, "Error"))
		return apple_app_refused(reply, d->bundle_id, err);
	return strcmp(apple_str(reply, "Status"), "Complete") == 0 ||
	       stg_fail_id(err, STG_E_PROTOCOL, STG_ID_DEVICE_NONSENSE, 0, "documents: neither yes nor no");
}

/* The folders above it, each in turn. */
static bool make_folders(struct apple_afc *a, const char *path, struct stg_error *err)
{
	char part[PATH_BYTES];
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		if (*part && !apple_afc_make_folder(a, part, err))
			return false;
	}
	return true;
}

static bool replace(struct apple_afc *a, const struct stg_host *host, const struct stg_app_document *d, struct stg_error *err)
{
	char beside[PATH_BYTES];
	const char *slash = strrchr(d->path, '/');
	int folder = slash ? (int)(slash - d->path + 1) : 0;
	if (snprintf(beside, sizeof(beside), "%.*s.stager-%.8s", folder, d->path, d->sha256) >= (int)sizeof(beside))
		return stg_fail(err, STG_E_INPUT, 0, "the path is too long");
	return make_folders(a, d->path, err) && apple_afc_send(a, host, beside, d->fd, d->size_bytes, d->mark, 0, 100, err) &&
	       apple_afc_remove(a, d->path, err) && apple_afc_rename(a, beside, d->path, err);
}

bool apple_put_document(struct stg_device *base, const struct stg_app_document *d, struct stg_error *err)
{
	struct apple_afc a;
	uint64_t room = 0;
	bool ok = vend(apple_device(base), d, &a, err) && apple_afc_free_bytes(&a, &room, err) &&
		  (room > d->size_bytes || stg_fail_id(err, STG_E_REFUSED, STG_ID_DEVICE_FULL, 0, "%llu MiB are free", (unsigned long long)(room >> 20))) &&
		  replace(&a, base->host, d, err);
	apple_afc_close(&a);
	return ok || stg_while(err, "document");
}

json_t *apple_find_document(struct stg_device *base, const struct stg_app_document *d, struct stg_error *err)
{
	struct apple_afc a;
	bool there = false;
	uint64_t size = 0;
	char hash[65] = "";
	bool ok = vend(apple_device(base), d, &a, err) && apple_afc_info(&a, d->path, &there, &size, err) &&
		  (!there || size != d->size_bytes || apple_afc_hash(&a, base->host, d->path, size, hash, err));
	apple_afc_close(&a);
	if (!ok) {
		stg_while(err, "look at a document");
		return NULL;
	}
	json_t *seen = json_object();
	if (there) {
		stg_json_put_int(seen, "size", size > INT64_MAX ? INT64_MAX : (int64_t)size);
		stg_json_put(seen, "sha256", hash);
	}
	return seen;
}
