/*
 * streaming_zip_conduit.c - an app as a stream of files, installed while it comes in.
 *
 * For:    go-ios (install).
 * Uses:   ../appcheck.h, ../shelf.h.
 * Thread: the bench's one.
 * Facts:  protocols/apple.md 5.3: one property list (MediaSubdir, options), then a zip without a directory: entries stored, one after the
 *         other, META-INF first, ended by the signature of a central directory. Answers are {InstallProgressDict: {PercentComplete,
 *         Status, Error}} and at the end {Status: DataComplete}.
 */
#include "../appcheck.h"
#include "../service.h"
#include "../words.h"

#include <stager/plistscan.h>
#include <stdio.h>
#include <string.h>

#define ASK_MAX ((size_t)64 << 10)
#define KEEP_MAX ((size_t)1 << 20)
#define NAME_MAX_BYTES 1024u
#define LOCAL_BYTES 30u
#define WORK_MS 800

struct conduit {
	bool is_asked, is_done;
	uint64_t left;           /* of the entry that comes in */
	struct stg_buf *keeps;   /* where it goes; NULL: nowhere */
	struct stg_buf info, profile;
	struct virt_app app;
};

static uint32_t get16(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) | get16(p + 2) << 16;
}

static void tell(struct virt_conn *c, const char *status, unsigned int percent, const struct virt_app_no *no)
{
	plist_t answer = plist_new_dict(), progress = plist_new_dict();

	virt_put(progress, "Status", status);
	virt_put_uint(progress, "PercentComplete", percent);
	if (no) {
		virt_put(progress, "Error", no->error);
		virt_put(progress, "ErrorDescription", no->about);
	}
	plist_dict_set_item(answer, "InstallProgressDict", progress);
	virt_send_plist(c, answer);
}

/* "Payload/NAME.app/REST", or without Payload. */
static bool is_of_app(const char *name, const char *rest)
{
	size_t n = strlen(name), r = strlen(rest);
	const char *slash;

	if (strncmp(name, "Payload/", 8) == 0) {
		name += 8;
		n -= 8;
	}
	slash = strchr(name, '/');
	return n > r && slash && strcmp(slash + 1, rest) == 0 && slash - name > 4 && strncmp(slash - 4, ".app", 4) == 0;
}

static void installed(struct virt_conn *c, void *arg)
{
	struct conduit *z = virt_state(c);

	(void)arg;
	virt_shelf_put_app(virt_shelf(virt_conn_device(c)), &z->app);
	virt_notify(virt_conn_device(c), "com.apple.mobile.application_installed");
	virt_send_plist(c, virt_answer("Status", "DataComplete"));
}

static void end(struct virt_conn *c, struct conduit *z)
{
	struct virt_app_no no = { "PackageInspectionFailed", "no Info.plist came in", 0 };
	struct virt_device *d = virt_conn_device(c);
	plist_t info = NULL;
	bool fits = false;

	z->is_done = true;
	virt_device_note(d, virt_conn_service(c), "Install");
	if (stg_plist_scan(stg_buf_view(&z->info), &stg_plist_device, NULL, NULL))
		plist_from_memory((const char *)z->info.data, (uint32_t)z->info.len, &info);
	if (info)
		fits = virt_app_check(d, info, stg_buf_view(&z->profile), true, &z->app, &no);
	plist_free(info);
	if (!fits) {
		tell(c, "VerifyingApplication", 40, &no);
		return;
	}
	tell(c, "InstallingApplication", 60, NULL);
	virt_after(c, WORK_MS, installed, NULL);
}

/* One local header, or the end; how much was taken, 0: more is needed. */
static size_t header(struct virt_conn *c, struct conduit *z, struct stg_bytes in)
{
	char name[NAME_MAX_BYTES];
	size_t len, whole;

	if (in.len >= 4 && memcmp(in.data, "PK\1\2", 4) == 0) {
		end(c, z);
		return 4;
	}
	if (in.len < LOCAL_BYTES)
		return 0;
	len = get16(in.data + 26);
	whole = LOCAL_BYTES + len + get16(in.data + 28);
	if (memcmp(in.data, "PK\3\4", 4) != 0 || get16(in.data + 8) != 0 || len >= sizeof(name)) {
		virt_close(c);
		return in.len;
	}
	if (in.len < whole)
		return 0;
	memcpy(name, in.data + LOCAL_BYTES, len);
	name[len] = '\0';
	z->left = get32(in.data + 18);
	z->keeps = is_of_app(name, "Info.plist") ? &z->info : is_of_app(name, "embedded.mobileprovision") ? &z->profile : NULL;
	if (z->keeps) {
		stg_buf_clear(z->keeps);
		*z->keeps = STG_BUF(KEEP_MAX);
	}
	return whole;
}

static size_t ask(struct virt_conn *c, struct conduit *z, struct stg_bytes in)
{
	size_t len = in.len < 4 ? 0 : (size_t)in.data[0] << 24 | (size_t)in.data[1] << 16 | (size_t)in.data[2] << 8 | in.data[3];

	if (len > ASK_MAX || (in.len >= 4 && len == 0)) {
		virt_close(c);
		return in.len;
	}
	if (in.len < 4 || in.len - 4 < len)
		return 0;
	z->is_asked = true;
	virt_device_note(virt_conn_device(c), virt_conn_service(c), "Transfer");
	return 4 + len;
}

static size_t bytes(struct virt_conn *c, struct stg_bytes in)
{
	struct conduit *z = virt_state(c);
	size_t n;

	if (z->is_done)
		return in.len;
	if (!z->is_asked)
		return ask(c, z, in);
	if (z->left == 0)
		return header(c, z, in);
	n = in.len < z->left ? in.len : (size_t)z->left;
	if (z->keeps && !stg_buf_add(z->keeps, in.data, n, NULL)) {
		virt_close(c);
		return in.len;
	}
	z->left -= n;
	return n;
}

static void closed(struct virt_conn *c)
{
	struct conduit *z = virt_state(c);

	stg_buf_clear(&z->info);
	stg_buf_clear(&z->profile);
}

const struct virt_service virt_service_streaming_zip_conduit = {
	.names = { "com.apple.streaming_zip_conduit" },
	.framing = VIRT_RAW,
	.state_size = sizeof(struct conduit),
	.bytes = bytes,
	.closed = closed,
};
