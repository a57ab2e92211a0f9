/*
 * zip.c - an app package, read within bounds.
 *
 * For:    ipa.c and signer.c, which want a few small files out of it. Nothing is ever unpacked onto the disk.
 * Uses:   libzip.
 * Called: in the thread that adds a file to the repository; nobody's device waits for it.
 * Thread: any; a package belongs to its holder.
 *
 * What a file claims is checked before memory is spent on it: the number of entries and the size of their list before libzip reads
 * them, names and sizes of all entries before one is opened, and an entry is read to its ceiling, whatever it says.
 * Facts:  PKWARE's APPNOTE: end record "PK\5\6", its 64-bit form "PK\6\6" by the locator "PK\6\7" in front of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zip.h>

#include "inner.h"

#define ENTRIES_MAX 100000u
#define LIST_MAX_BYTES (64u << 20)
#define EXPANDED_MAX (16ull << 30)
#define RATIO_MAX 100u
#define RATIO_FREE_BYTES (16ull << 20)    /* what small packages may expand to, whatever the ratio */
#define NAME_MAX_BYTES 1000u
#define END_BYTES 22u
#define COMMENT_MAX 65535u
#define ENDS_MAX 16u

struct package {
	zip_t *zip;
	int64_t entries;
	uint64_t expanded;
	char app[NAME_MAX_BYTES + 2];
};

static bool bad(struct stg_error *err, enum stg_id id, const char *what)
{
	return stg_fail_id(err, STG_E_INPUT, id, 0, "%s", what);
}

static uint64_t get(const uint8_t *p, size_t n)
{
	uint64_t v = 0;
	while (n--)
		v = v << 8 | p[n];
	return v;
}

static bool within(uint64_t entries, uint64_t bytes, struct stg_error *err)
{
	return (entries <= ENTRIES_MAX && bytes <= LIST_MAX_BYTES) || bad(err, STG_ID_APP_FILE_HOSTILE, "its list of entries is too long");
}

/* Every end record that libzip might believe is within bounds. */
bool package_ends_are_sane(int fd, uint64_t size, struct stg_error *err)
{
	uint64_t most = END_BYTES + COMMENT_MAX + 20, from = size > most ? size - most : 0;
	STG_AUTO(stg_buf_clear) struct stg_buf tail = STG_BUF(most + 1);
	unsigned int ends = 0;
	if (!stg_buf_reserve(&tail, (size_t)(size - from), err))
		return false;
	while (tail.len < size - from) {
		ssize_t n = pread(fd, tail.data + tail.len, (size_t)(size - from) - tail.len, (off_t)(from + tail.len));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return stg_fail_id(err, STG_E_INPUT, STG_ID_FILE_UNREADABLE, errno, "read its end");
		tail.len += (size_t)n;
	}
	for (size_t i = 0; i + END_BYTES <= tail.len; i++) {
		const uint8_t *p = tail.data + i, *locator = i >= 20 ? p - 20 : NULL;
		uint8_t wide[56];
		if (memcmp(p, "PK\5\6", 4) != 0)
			continue;
		if (++ends > ENDS_MAX)
			return bad(err, STG_ID_APP_FILE_HOSTILE, "it ends many times");
		bool is_wide = locator && memcmp(locator, "PK\6\7", 4) == 0;
		/* all bits set means: see the 64-bit form */
		uint64_t bytes = get(p + 12, 4);
		if (!within(get(p + 10, 2), bytes == UINT32_MAX && is_wide ? 0 : bytes, err))
			return false;
		if (is_wide && pread(fd, wide, sizeof(wide), (off_t)(get(locator + 8, 8) & INT64_MAX)) == (ssize_t)sizeof(wide) &&
		    !within(get(wide + 32, 8), get(wide + 40, 8), err))
			return false;
	}
	return ends ? true : bad(err, STG_ID_NOT_AN_APP, "it is no zip archive, or it is cut short");
}

/* A name that stays inside, whoever unpacks it. */
static bool name_is_sane(const char *name)
{
	size_t len = strlen(name);
	if (!len || len > NAME_MAX_BYTES || name[0] == '/' || strchr(name, '\\'))
		return false;
	for (const char *p = name; *p; p += strcspn(p, "/"), p += *p == '/') {
		size_t n = strcspn(p, "/");
		if (n == 2 && p[0] == '.' && p[1] == '.')
			return false;
	}
	for (const char *p = name; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	return true;
}

static bool is_link(zip_t *zip, zip_uint64_t i)
{
	zip_uint8_t system = 0;
	zip_uint32_t attributes = 0;
	return zip_file_get_external_attributes(zip, i, 0, &system, &attributes) == 0 && system == ZIP_OPSYS_UNIX &&
	       S_ISLNK(attributes >> 16);
}

/* "Payload/NAME.app/Info.plist" names the app. */
static bool note_app(struct package *p, const char *name, struct stg_error *err)
{
	static const char head[] = "Payload/", tail[] = ".app/Info.plist";
	size_t len = strlen(name), h = sizeof(head) - 1, t = sizeof(tail) - 1;
	if (len <= h + t || strncmp(name, head, h) != 0 || strcmp(name + len - t, tail) != 0 || memchr(name + h, '/', len - h - t))
		return true;
	if (p->app[0])
		return bad(err, STG_ID_APP_FILE_HOSTILE, "it holds two apps");
	snprintf(p->app, sizeof(p->app), "%.*s", (int)(len - strlen("Info.plist")), name);
	return true;
}

static bool look_through(struct package *p, uint64_t size, struct stg_error *err)
{
	uint64_t packed = 0;
	p->entries = zip_get_num_entries(p->zip, 0);
	if (!within((uint64_t)p->entries, 0, err))
		return false;
	for (int64_t i = 0; i < p->entries; i++) {
		zip_stat_t st;
		const zip_uint64_t wanted = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE;
		if (zip_stat_index(p->zip, (zip_uint64_t)i, ZIP_FL_ENC_RAW, &st) != 0 || (st.valid & wanted) != wanted)
			return bad(err, STG_ID_NOT_AN_APP, "an entry cannot be read");
		if (!name_is_sane(st.name))
			return bad(err, STG_ID_APP_FILE_HOSTILE, "an entry's name leads out of the package");
		if (is_link(p->zip, (zip_uint64_t)i))
			return bad(err, STG_ID_APP_FILE_HOSTILE, "an entry is a link");
		if (st.size > EXPANDED_MAX || st.comp_size > size)
			return bad(err, STG_ID_APP_FILE_HOSTILE, "an entry claims a size that cannot be");
		packed += st.comp_size;
		p->expanded += st.size;
		/* entries that lie over one another are how small files become endless ones */
		if (packed > size || p->expanded > EXPANDED_MAX)
			return bad(err, STG_ID_APP_FILE_HOSTILE, "its entries are larger than the package");
		if (!note_app(p, st.name, err))
			return false;
	}
	if (p->expanded > RATIO_FREE_BYTES && p->expanded / RATIO_MAX > size)
		return bad(err, STG_ID_APP_FILE_HOSTILE, "it expands to more than a hundred times its size");
	return p->app[0] ? true : bad(err, STG_ID_NOT_AN_APP, "no Payload/NAME.app/Info.plist in it");
}

struct package *package_open(int fd, struct stg_error *err)
{
	struct stat st;
	int why = 0, own;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		stg_fail_id(err, STG_E_INPUT, STG_ID_FILE_UNREADABLE, errno, "not a file");
		return NULL;
	}
	if (!package_ends_are_sane(fd, (uint64_t)st.st_size, err))
		return NULL;
	own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (own < 0 || lseek(own, 0, SEEK_SET) != 0) {
		stg_close_at(&own);
		stg_fail_id(err, STG_E_INPUT, STG_ID_FILE_UNREADABLE, errno, "%s", strerror(errno));
		return NULL;
	}
	STG_AUTO(package_close_at) struct package *p = stg_calloc(1, sizeof(*p));
	p->zip = zip_fdopen(own, ZIP_RDONLY, &why);
	if (!p->zip) {
		stg_close_at(&own);
		stg_fail_id(err, STG_E_INPUT, STG_ID_NOT_AN_APP, why, "libzip: error %d", why);
		return NULL;
	}
	return look_through(p, (uint64_t)st.st_size, err) ? stg_steal(p) : NULL;
}

void package_close_at(struct package **p)
{
	if (*p && (*p)->zip)
		zip_discard((*p)->zip);
	free(*p);
	*p = NULL;
}

const char *package_app(const struct package *p)
{
	return p->app;
}

uint64_t package_expanded_bytes(const struct package *p)
{
	return p->expanded;
}

bool package_take(const struct package *p, const char *path, struct stg_buf *ret, bool *ret_found, struct stg_error *err)
{
	zip_int64_t i = zip_name_locate(p->zip, path, ZIP_FL_ENC_RAW);
	zip_stat_t st;
	*ret_found = i >= 0;
	if (i < 0)
		return true;
	if (zip_stat_index(p->zip, (zip_uint64_t)i, 0, &st) != 0 || st.size > ret->max)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_APP_FILE_HOSTILE, 0, "%.100s: more than %zu bytes", path, ret->max);
	zip_file_t *f = zip_fopen_index(p->zip, (zip_uint64_t)i, 0);
	bool ok = f && stg_buf_reserve(ret, (size_t)st.size, err);
	while (ok && ret->len < st.size) {
		zip_int64_t n = zip_fread(f, ret->data + ret->len, st.size - ret->len);
		ok = n > 0;
		ret->len += ok ? (size_t)n : 0;
	}
	/* it must end where it says, with the right sum: libzip compares when the end is read */
	uint8_t more;
	ok = ok && zip_fread(f, &more, 1) == 0;
	if (f)
		zip_fclose(f);
	if (!ok)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_NOT_AN_APP, 0, "%.100s is damaged or cannot be unpacked", path);
	ret->data[ret->len] = 0;
	return true;
}

void package_find(const struct package *p, const char *folder, const char *ending, char *ret, size_t size)
{
	size_t in = strlen(folder), e = strlen(ending);
	ret[0] = 0;
	for (int64_t i = 0; i < p->entries; i++) {
		const char *name = zip_get_name(p->zip, (zip_uint64_t)i, ZIP_FL_ENC_RAW);
		size_t len = name ? strlen(name) : 0;
		if (len <= in + e || strncmp(name, folder, in) != 0 || strchr(name + in, '/') || strcmp(name + len - e, ending) != 0)
			continue;
		stg_copy(ret, size, name);
		return;
	}
}
