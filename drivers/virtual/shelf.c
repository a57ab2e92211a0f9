/*
 * shelf.c - what lies on a virtual device besides its configuration: files, apps, provisioning profiles.
 *
 * For:    afc, installation_proxy, misagent and house_arrest, which answer from the same things.
 * Uses:   <stager/bytes.h>, <stager/json.h>. No socket.
 * Called: by the services and by the control socket's `show`. The device frees it at an erase.
 * Thread: the bench's one.
 */
#include "shelf.h"

#include "device.h"

#include <stager/clock.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define FILE_MAX_BYTES ((size_t)1 << 30)
#define PAGE ((size_t)4096)

struct provision {
	char uuid[64];
	struct stg_buf data;
};

struct virt_shelf {
	const struct virt_device *device;   /* NULL: not yet set up */
	struct virt_file *files;
	size_t files_len, files_cap;
	struct virt_app *apps;
	size_t apps_len, apps_cap;
	struct provision *provisions;
	size_t provisions_len;
	uint64_t used_bytes;
};

/* Came with the system; every device lists at least these. */
static const struct virt_app system_apps[] = {
	{ "com.apple.Preferences", "Settings", "1", "1.0", "15.0", .is_system = true },
	{ "com.apple.mobilesafari", "Safari", "8617.1", "17.1", "15.0", .is_system = true },
	{ "com.apple.AppStore", "App Store", "3", "3.0", "15.0", .is_system = true },
	{ "com.apple.camera", "Camera", "1", "1.0", "15.0", .is_system = true },
	{ "com.apple.mobileslideshow", "Photos", "1", "1.0", "15.0", .is_system = true },
	{ "com.apple.MobileSMS", "Messages", "1", "1.0", "15.0", .is_system = true },
	{ "com.apple.Maps", "Maps", "1", "1.0", "15.0", .is_system = true },
};

static void body_clear(struct virt_body *b)
{
	if (b->data)
		munmap(b->data, b->cap);
	*b = (struct virt_body){ 0 };
}

/* Grows with zeroes, shrinks to what is left. */
static bool body_resize(struct virt_body *b, size_t len)
{
	if (len > b->cap) {
		size_t cap = (len < b->cap * 2 ? b->cap * 2 : len) / PAGE * PAGE + PAGE;
		void *more = b->data ? mremap(b->data, b->cap, cap, MREMAP_MAYMOVE)
				     : mmap(NULL, cap, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (more == MAP_FAILED)
			return false;
		b->data = more;
		b->cap = cap;
	}
	if (len == 0) {
		body_clear(b);
		return true;
	}
	if (len < b->len) {
		size_t whole = (len + PAGE - 1) / PAGE * PAGE;

		memset(b->data + len, 0, (whole < b->len ? whole : b->len) - len);
		if (whole < b->cap)
			madvise(b->data + whole, b->cap - whole, MADV_DONTNEED);
	}
	b->len = len;
	return true;
}

/* Writes only what differs: a page of zeroes over untouched memory stays untouched. */
static void body_write(struct virt_body *b, size_t offset, struct stg_bytes in)
{
	for (size_t done = 0; done < in.len;) {
		size_t n = PAGE - (offset + done) % PAGE;

		n = n < in.len - done ? n : in.len - done;
		if (memcmp(b->data + offset + done, in.data + done, n) != 0)
			memcpy(b->data + offset + done, in.data + done, n);
		done += n;
	}
}

static void file_clear(struct virt_file *f)
{
	free(f->path);
	free(f->link_to);
	body_clear(&f->data);
}

/* Tidies a client's path into ret: single slashes, no leading or trailing one, "." and ".." resolved. False when it
 * leaves the root or is too long. */
static bool tidy(const char *path, char ret[VIRT_PATH_MAX])
{
	size_t len = 0;

	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.') {
			if (len == 0)
				return false;
			while (len > 0 && ret[len - 1] != '/')
				len--;
			if (len > 0)
				len--;
		} else if (n > 0 && !(n == 1 && path[0] == '.')) {
			if (len + n + 2 > VIRT_PATH_MAX)
				return false;
			if (len > 0)
				ret[len++] = '/';
			memcpy(ret + len, path, n);
			len += n;
		}
		path += n;
		while (*path == '/')
			path++;
	}
	ret[len] = '\0';
	return true;
}

static struct virt_file *find(struct virt_shelf *s, const char *tidied)
{
	for (size_t i = 0; i < s->files_len; i++)
		if (strcmp(s->files[i].path, tidied) == 0)
			return &s->files[i];
	return NULL;
}

static bool is_below(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	if (n == 0)
		return path[0] != '\0';
	return strncmp(path, folder, n) == 0 && path[n] == '/';
}

static enum virt_shelf_answer add(struct virt_shelf *s, const char *tidied, bool is_folder, struct virt_file **ret)
{
	struct virt_file *f;

	if (s->files_len == VIRT_FILES_MAX || (s->device->disk_full && !is_folder))
		return VIRT_SHELF_NO_SPACE;
	if (s->files_len == s->files_cap) {
		size_t cap = s->files_cap ? s->files_cap * 2 : 8;
		struct virt_file *more = realloc(s->files, cap * sizeof(*more));

		if (!more)
			return VIRT_SHELF_NO_SPACE;
		s->files = more;
		s->files_cap = cap;
	}
	f = &s->files[s->files_len++];
	*f = (struct virt_file){ .path = stg_strdup(tidied), .is_folder = is_folder };
	f->born_ms = f->modified_ms = stg_wall_ms();
	if (ret)
		*ret = f;
	return VIRT_SHELF_OK;
}

/* The folder a path lies in must exist. */
static enum virt_shelf_answer parent_is_there(struct virt_shelf *s, const char *tidied)
{
	char parent[VIRT_PATH_MAX];
	char *slash;
	struct virt_file *f;

	stg_copy(parent, sizeof(parent), tidied);
	slash = strrchr(parent, '/');
	if (slash)
		*slash = '\0';
	else
		parent[0] = '\0';
	f = find(s, parent);
	if (!f)
		return VIRT_SHELF_NOT_FOUND;
	return f->is_folder ? VIRT_SHELF_OK : VIRT_SHELF_BAD_PATH;
}

struct virt_file *virt_shelf_file(struct virt_shelf *s, const char *path)
{
	char at[VIRT_PATH_MAX];

	return tidy(path, at) ? find(s, at) : NULL;
}

enum virt_shelf_answer virt_shelf_make_folder(struct virt_shelf *s, const char *path)
{
	char at[VIRT_PATH_MAX];
	char *slash = at;
	struct virt_file *f;

	if (!tidy(path, at))
		return VIRT_SHELF_BAD_PATH;
	for (;;) {
		enum virt_shelf_answer a;

		slash = strchr(slash, '/');
		if (slash)
			*slash = '\0';
		f = find(s, at);
		if (f && !f->is_folder)
			return VIRT_SHELF_EXISTS;
		a = f ? VIRT_SHELF_OK : add(s, at, true, NULL);
		if (a != VIRT_SHELF_OK)
			return a;
		if (!slash)
			return VIRT_SHELF_OK;
		*slash++ = '/';
	}
}

enum virt_shelf_answer virt_shelf_make_file(struct virt_shelf *s, const char *path, struct virt_file **ret)
{
	char at[VIRT_PATH_MAX];
	enum virt_shelf_answer a;
	struct virt_file *f;

	if (!tidy(path, at))
		return VIRT_SHELF_BAD_PATH;
	f = find(s, at);
	if (f && f->is_folder)
		return VIRT_SHELF_IS_FOLDER;
	if (f) {
		*ret = f;
		return VIRT_SHELF_OK;
	}
	a = parent_is_there(s, at);
	return a == VIRT_SHELF_OK ? add(s, at, false, ret) : a;
}

enum virt_shelf_answer virt_shelf_make_link(struct virt_shelf *s, const char *path, const char *target)
{
	char at[VIRT_PATH_MAX];
	enum virt_shelf_answer a;
	struct virt_file *f;

	if (!tidy(path, at) || strlen(target) >= VIRT_PATH_MAX)
		return VIRT_SHELF_BAD_PATH;
	if (find(s, at))
		return VIRT_SHELF_EXISTS;
	a = parent_is_there(s, at);
	if (a == VIRT_SHELF_OK)
		a = add(s, at, false, &f);
	if (a == VIRT_SHELF_OK)
		f->link_to = stg_strdup(target);
	return a;
}

enum virt_shelf_answer virt_shelf_resize(struct virt_shelf *s, struct virt_file *f, uint64_t len)
{
	size_t old = f->data.len;

	if (len > FILE_MAX_BYTES || (len > old && len - old > virt_shelf_free_bytes(s)))
		return VIRT_SHELF_NO_SPACE;
	if (!body_resize(&f->data, (size_t)len))
		return VIRT_SHELF_NO_SPACE;
	s->used_bytes = s->used_bytes - old + len;
	f->modified_ms = stg_wall_ms();
	return VIRT_SHELF_OK;
}

enum virt_shelf_answer virt_shelf_write(struct virt_shelf *s, struct virt_file *f, uint64_t offset, struct stg_bytes in)
{
	enum virt_shelf_answer a = VIRT_SHELF_OK;

	if (offset > FILE_MAX_BYTES)
		return VIRT_SHELF_NO_SPACE;
	if (offset + in.len > f->data.len)
		a = virt_shelf_resize(s, f, offset + in.len);
	if (a == VIRT_SHELF_OK && in.len > 0)
		body_write(&f->data, (size_t)offset, in);
	f->modified_ms = stg_wall_ms();
	return a;
}

enum virt_shelf_answer virt_shelf_rename(struct virt_shelf *s, const char *from, const char *to)
{
	char a[VIRT_PATH_MAX], b[VIRT_PATH_MAX], moved[VIRT_PATH_MAX];
	enum virt_shelf_answer answer;
	struct virt_file *f, *over;

	if (!tidy(from, a) || !tidy(to, b) || !*a || !*b || is_below(b, a))
		return VIRT_SHELF_BAD_PATH;
	f = find(s, a);
	if (!f)
		return VIRT_SHELF_NOT_FOUND;
	answer = parent_is_there(s, b);
	if (answer != VIRT_SHELF_OK)
		return answer;
	over = find(s, b);
	if (over && (over->is_folder || f->is_folder))
		return VIRT_SHELF_EXISTS;
	if (strcmp(a, b) == 0)
		return VIRT_SHELF_OK;
	for (size_t i = 0; i < s->files_len; i++)
		if (is_below(s->files[i].path, a) && strlen(s->files[i].path) - strlen(a) + strlen(b) >= VIRT_PATH_MAX)
			return VIRT_SHELF_BAD_PATH;
	if (over)
		virt_shelf_remove(s, b, false);
	for (size_t i = 0; i < s->files_len; i++) {
		char *path = s->files[i].path;

		if (strcmp(path, a) != 0 && !is_below(path, a))
			continue;
		stg_copy(moved, sizeof(moved), b);
		stg_copy(moved + strlen(b), sizeof(moved) - strlen(b), path + strlen(a));
		free(path);
		s->files[i].path = stg_strdup(moved);
	}
	return VIRT_SHELF_OK;
}

enum virt_shelf_answer virt_shelf_remove(struct virt_shelf *s, const char *path, bool with_contents)
{
	char at[VIRT_PATH_MAX];
	size_t kept = 0;

	if (!tidy(path, at) || !*at)
		return VIRT_SHELF_BAD_PATH;
	if (!find(s, at))
		return VIRT_SHELF_NOT_FOUND;
	if (!with_contents && virt_shelf_nth_in(s, at, 0))
		return VIRT_SHELF_NOT_EMPTY;
	for (size_t i = 0; i < s->files_len; i++) {
		struct virt_file *f = &s->files[i];

		if (strcmp(f->path, at) == 0 || is_below(f->path, at)) {
			s->used_bytes -= f->data.len;
			file_clear(f);
		} else {
			s->files[kept++] = *f;
		}
	}
	s->files_len = kept;
	return VIRT_SHELF_OK;
}

const char *virt_shelf_nth_in(struct virt_shelf *s, const char *folder, size_t i)
{
	char at[VIRT_PATH_MAX];
	size_t skip;

	if (!tidy(folder, at))
		return NULL;
	skip = *at ? strlen(at) + 1 : 0;
	for (size_t n = 0; n < s->files_len; n++) {
		const char *path = s->files[n].path;

		if (!is_below(path, at) || strchr(path + skip, '/')
		    || (!*at && strncmp(path, VIRT_SHELF_ASIDE, strlen(VIRT_SHELF_ASIDE)) == 0))
			continue;
		if (i-- == 0)
			return path + skip;
	}
	return NULL;
}

uint64_t virt_shelf_free_bytes(const struct virt_shelf *s)
{
	/* The system itself and what it keeps in reserve take an eighth. */
	uint64_t room = s->device->capacity_bytes - s->device->capacity_bytes / 8;

	return s->device->disk_full || s->used_bytes > room ? 0 : room - s->used_bytes;
}

size_t virt_shelf_apps(const struct virt_shelf *s)
{
	return STG_ARRAY_LEN(system_apps) + s->apps_len;
}

const struct virt_app *virt_shelf_app(const struct virt_shelf *s, size_t i)
{
	return i < STG_ARRAY_LEN(system_apps) ? &system_apps[i] : &s->apps[i - STG_ARRAY_LEN(system_apps)];
}

const struct virt_app *virt_shelf_app_by_id(const struct virt_shelf *s, const char *id)
{
	for (size_t i = 0; i < virt_shelf_apps(s); i++)
		if (strcmp(virt_shelf_app(s, i)->id, id) == 0)
			return virt_shelf_app(s, i);
	return NULL;
}

enum virt_shelf_answer virt_shelf_put_app(struct virt_shelf *s, const struct virt_app *app)
{
	const struct virt_app *old = virt_shelf_app_by_id(s, app->id);

	if (old && old->is_system)
		return VIRT_SHELF_EXISTS;
	if (old) {
		s->apps[old - s->apps] = *app;
		return VIRT_SHELF_OK;
	}
	if (s->apps_len == VIRT_APPS_MAX)
		return VIRT_SHELF_NO_SPACE;
	if (s->apps_len == s->apps_cap) {
		size_t cap = s->apps_cap ? s->apps_cap * 2 : 4;
		struct virt_app *more = realloc(s->apps, cap * sizeof(*more));

		if (!more)
			return VIRT_SHELF_NO_SPACE;
		s->apps = more;
		s->apps_cap = cap;
	}
	s->apps[s->apps_len++] = *app;
	return VIRT_SHELF_OK;
}

enum virt_shelf_answer virt_shelf_remove_app(struct virt_shelf *s, const char *id)
{
	for (size_t i = 0; i < s->apps_len; i++) {
		if (strcmp(s->apps[i].id, id) != 0)
			continue;
		memmove(&s->apps[i], &s->apps[i + 1], (s->apps_len - i - 1) * sizeof(s->apps[0]));
		s->apps_len--;
		return VIRT_SHELF_OK;
	}
	return VIRT_SHELF_NOT_FOUND;
}

size_t virt_shelf_provisions(const struct virt_shelf *s)
{
	return s->provisions_len;
}

struct stg_bytes virt_shelf_provision(const struct virt_shelf *s, size_t i)
{
	return stg_buf_view(&s->provisions[i].data);
}

enum virt_shelf_answer virt_shelf_put_provision(struct virt_shelf *s, const char *uuid, struct stg_bytes data)
{
	struct stg_buf copy = STG_BUF((size_t)1 << 20);
	struct provision *more;

	if (!stg_buf_add(&copy, data.data, data.len, NULL))
		return VIRT_SHELF_NO_SPACE;
	virt_shelf_remove_provision(s, uuid);
	more = s->provisions_len == VIRT_PROVISIONS_MAX
		? NULL : realloc(s->provisions, (s->provisions_len + 1) * sizeof(*more));
	if (!more) {
		stg_buf_clear(&copy);
		return VIRT_SHELF_NO_SPACE;
	}
	s->provisions = more;
	more += s->provisions_len++;
	stg_copy(more->uuid, sizeof(more->uuid), uuid);
	more->data = copy;
	return VIRT_SHELF_OK;
}

enum virt_shelf_answer virt_shelf_remove_provision(struct virt_shelf *s, const char *uuid)
{
	for (size_t i = 0; i < s->provisions_len; i++) {
		if (strcmp(s->provisions[i].uuid, uuid) != 0)
			continue;
		stg_buf_clear(&s->provisions[i].data);
		memmove(&s->provisions[i], &s->provisions[i + 1],
			(s->provisions_len - i - 1) * sizeof(s->provisions[0]));
		s->provisions_len--;
		return VIRT_SHELF_OK;
	}
	return VIRT_SHELF_NOT_FOUND;
}

json_t *virt_shelf_json(struct virt_device *d)
{
	const struct virt_shelf *s = virt_shelf(d);
	json_t *files = json_array(), *apps = json_array(), *provisions = json_array(), *all = json_object();

	for (size_t i = 0; i < s->files_len; i++) {
		json_t *f;

		if (s->files[i].is_folder)
			continue;
		f = json_object();
		stg_json_put(f, "path", s->files[i].path);
		stg_json_put_int(f, "size", (int64_t)s->files[i].data.len);
		json_array_append_new(files, f);
	}
	for (size_t i = 0; i < s->apps_len; i++)
		json_array_append_new(apps, json_string(s->apps[i].id));
	for (size_t i = 0; i < s->provisions_len; i++)
		json_array_append_new(provisions, json_string(s->provisions[i].uuid));
	stg_json_put_new(all, "files", files);
	stg_json_put_new(all, "apps", apps);
	stg_json_put_new(all, "provisions", provisions);
	return all;
}

static void shelf_clear(void *memory)
{
	struct virt_shelf *s = memory;

	for (size_t i = 0; i < s->files_len; i++)
		file_clear(&s->files[i]);
	for (size_t i = 0; i < s->provisions_len; i++)
		stg_buf_clear(&s->provisions[i].data);
	free(s->files);
	free(s->apps);
	free(s->provisions);
}

struct virt_shelf *virt_shelf(struct virt_device *d)
{
	/* What stands on a fresh device before anybody wrote to it. */
	static const char *const folders[] = { "", "Books", "DCIM", "Downloads", "PublicStaging", "iTunes_Control/iTunes" };
	struct virt_shelf *s = virt_device_data(d, system_apps, sizeof(*s), shelf_clear);

	if (!s->device) {
		s->device = d;
		for (size_t i = 0; i < STG_ARRAY_LEN(folders); i++)
			virt_shelf_make_folder(s, folders[i]);
	}
	return s;
}
