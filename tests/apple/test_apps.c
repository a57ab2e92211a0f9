/*
 * test_apps.c - apps and documents at the driver: what a hostile device answers, what a file that changed does, turns on the cable,
 * progress; then that it works.
 */
#include "desk.h"
#include "ipa.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <stager/file.h>
#include <stager/mark.h>

#define APP "org.example.tool"
#define TURN_BYTES (8u << 20)

/* ---- a package, and a host that counts ---- */

struct package {
	struct stg_app_package app;
	char path[100], sha256[65], mark[STG_MARK_TEXT];
};

static int asks, given_back, cancel_at, least, most, told;

static void count_progress(void *ctx, int percent)
{
	(void)ctx;
	told++;
	/* never backwards: `least` is what was told last */
	assert_true(percent >= least);
	least = percent;
	most = percent > most ? percent : most;
}

static bool count_turn(void *ctx, uint64_t left_bytes, uint64_t *ret_bytes, struct stg_error *err)
{
	(void)ctx;
	if (!left_bytes) {
		given_back++;
		*ret_bytes = 0;
		return true;
	}
	if (++asks == cancel_at)
		return stg_fail(err, STG_E_CANCELLED, 0, "stopped");
	*ret_bytes = left_bytes < TURN_BYTES ? left_bytes : TURN_BYTES;
	return true;
}

static struct stg_device *begin(struct desk *d)
{
	asks = given_back = cancel_at = least = most = told = 0;
	desk_begin(d, "--iphones", "1");
	d->host.progress = count_progress;
	d->host.bulk_turn = count_turn;
	struct stg_device *dev = desk_open(d);
	DO(stg_device_pair(dev, &err));
	return dev;
}

static void mark_of(struct stg_bytes bytes, char ret[STG_MARK_TEXT])
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_mark_free_at) struct stg_mark *m = stg_mark_new(&err);
	/* in pieces of any size it is the same */
	size_t half = bytes.len / 3;
	assert_true(m && stg_mark_add(m, stg_bytes(bytes.data, half), &err) &&
		    stg_mark_add(m, stg_bytes(bytes.data + half, bytes.len - half), &err) && stg_mark_end(m, ret, &err));
}

static void open_package(struct package *p, const char *version, uint64_t bytes)
{
	struct stat st;
	uint8_t hash[32];
	snprintf(p->path, sizeof(p->path), "%s/%s.ipa", office.dir, version);
	ipa_make(p->path, &(struct ipa){ .id = APP, .version = version, .build = version, .bytes = bytes });
	int fd = open(p->path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	void *all = malloc((size_t)st.st_size);
	assert_true(read(fd, all, (size_t)st.st_size) == st.st_size);
	stg_sha256(stg_bytes(all, (size_t)st.st_size), hash);
	stg_hex(stg_bytes(hash, sizeof(hash)), p->sha256);
	mark_of(stg_bytes(all, (size_t)st.st_size), p->mark);
	free(all);
	p->app = (struct stg_app_package){ .bundle_id = APP, .fd = fd, .size_bytes = (uint64_t)st.st_size, .sha256 = p->sha256, .mark = p->mark };
}

static void close_package(struct package *p)
{
	close(p->app.fd);
	unlink(p->path);
}

static bool is_there(struct stg_device *dev, const char *version)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *a = stg_device_find_app(dev, APP, &err);
	assert_true(said(a != NULL, &err, __FILE__, __LINE__));
	return *stg_json_str(a, "bundle_id") && strcmp(stg_json_str(a, "version"), version) == 0;
}

static size_t staged_files(struct desk *d)
{
	STG_AUTO(stg_json_free_at) json_t *now = show(&d->bench, d->bench.udid);
	size_t i, n = 0;
	json_t *f;
	json_array_foreach(json_object_get(now, "files"), i, f)
		n += strncmp(stg_json_str(f, "path"), "PublicStaging/", 14) == 0;
	return n;
}

/* ---- what does not work, as it should ---- */

static void spoilt_answers_end_the_transfer_and_hold_no_turn(void **state)
{
	static const char *const spoils[] = { "garbage", "truncate", "big", "wrong_request" };
	static const char *const requests[] = { "GetDeviceInfo", "MakeDir", "FileOpen", "FileWrite skip=4", "FileClose" };
	struct desk d;
	struct package p;
	(void)state;
	STG_AUTO(stg_device_close_at) struct stg_device *dev = begin(&d);
	open_package(&p, "1.0", 9u << 20);
	for (size_t i = 0; i < STG_ARRAY_LEN(spoils); i++) {
		for (size_t k = 0; k < STG_ARRAY_LEN(requests); k++) {
			struct stg_error err = { 0 };
			asks = given_back = least = 0;
			tell(&d.bench, "fault %s %s %s", d.bench.udid, spoils[i], requests[k]);
			assert_false(stg_device_install_app(dev, &p.app, &err));
			if (err.code != STG_E_PROTOCOL && err.code != STG_E_GONE)
				fail_msg("%s at %s: %s %s", spoils[i], requests[k], stg_code_name(err.code), err.msg);
			assert_true(!asks || given_back >= 1);
		}
	}
	assert_int_equal(count_of(&d.bench, d.bench.udid, "com.apple.mobile.installation_proxy Install"), 0);
	assert_false(is_there(dev, "1.0"));
	/* and the same device, honest again, takes it: what the attempts left is written over */
	least = 0;
	DO(stg_device_install_app(dev, &p.app, &err));
	assert_true(is_there(dev, "1.0"));
	assert_int_equal(staged_files(&d), 0);
	close_package(&p);
	stg_device_close_at(&dev);
	desk_end(&d);
}

static void progress_beyond_belief_is_not_shown_and_one_without_end_ends(void **state)
{
	struct desk d;
	struct package p;
	(void)state;
	STG_AUTO(stg_device_close_at) struct stg_device *dev = begin(&d);
	open_package(&p, "1.0", 1u << 20);
	tell(&d.bench, "fault %s percent Install value=1000000000 count=3", d.bench.udid);
	tell(&d.bench, "fault %s percent Install value=-1 count=3", d.bench.udid);
	DO(stg_device_install_app(dev, &p.app, &err));
	assert_true(most <= 100 && told > 3);
	least = 0;
	tell(&d.bench, "fault %s endless Install count=-1", d.bench.udid);
	NO(stg_device_install_app(dev, &p.app, &err), STG_E_PROTOCOL, STG_ID_DEVICE_NONSENSE);
	close_package(&p);
	stg_device_close_at(&dev);
	desk_end(&d);
}

static void a_file_that_is_another_than_its_row_says_is_not_installed(void **state)
{
	struct desk d;
	struct package p;
	(void)state;
	STG_AUTO(stg_device_close_at) struct stg_device *dev = begin(&d);
	open_package(&p, "1.0", 5u << 20);
	p.app.size_bytes += 10;
	NO(stg_device_install_app(dev, &p.app, &err), STG_E_IO, STG_ID_APP_FILE_DAMAGED);
	p.app.size_bytes -= 10;
	p.mark[0] = p.mark[0] == '0' ? '1' : '0';
	least = 0;
	NO(stg_device_install_app(dev, &p.app, &err), STG_E_IO, STG_ID_APP_FILE_DAMAGED);
	assert_int_equal(staged_files(&d), 0);
	assert_int_equal(count_of(&d.bench, d.bench.udid, "com.apple.mobile.installation_proxy Install"), 0);
	close_package(&p);
	stg_device_close_at(&dev);
	desk_end(&d);
}

static void a_transfer_that_is_stopped_gives_its_turn_back(void **state)
{
	struct desk d;
	struct package p;
	(void)state;
	STG_AUTO(stg_device_close_at) struct stg_device *dev = begin(&d);
	open_package(&p, "1.0", 20u << 20);
	cancel_at = 2;
	NO(stg_device_install_app(dev, &p.app, &err), STG_E_CANCELLED, 0);
	assert_int_equal(asks, 2);
	assert_int_equal(given_back, 1);
	close_package(&p);
	stg_device_close_at(&dev);
	desk_end(&d);
}

static void documents_need_an_app_that_takes_them(void **state)
{
	struct desk d;
	struct package p;
	(void)state;
	STG_AUTO(stg_device_close_at) struct stg_device *dev = begin(&d);
	open_package(&p, "1.0", 1u << 20);
	struct stg_app_document doc = { .bundle_id = APP, .path = "Documents/x", .fd = p.app.fd, .size_bytes = p.app.size_bytes, .sha256 = p.sha256, .mark = p.mark };
	NO(stg_device_put_document(dev, &doc, &err), STG_E_NOT_FOUND, STG_ID_APP_NOT_THERE);
	DO(stg_device_install_app(dev, &p.app, &err));
	doc.whole_container = true;    /* no developer's build */
	NO(stg_device_put_document(dev, &doc, &err), STG_E_REFUSED, STG_ID_APP_NO_SHARING);
	close_package(&p);
	stg_device_close_at(&dev);
	desk_end(&d);
}

/* ---- what works ---- */

static void a_large_app_takes_turns_and_a_small_one_does_not(void **state)
{
	struct desk d;
	struct package large, small;
	(void)state;
	STG_AUTO(stg_device_close_at) struct stg_device *dev = begin(&d);
	open_package(&small, "1.0", 1u << 20);
	open_package(&large, "2.0", 20u << 20);
	DO(stg_device_install_app(dev, &small.app, &err));
	assert_int_equal(asks, 0);
	assert_true(is_there(dev, "1.0"));
	least = 0;
	large.app.upgrade = true;
	DO(stg_device_install_app(dev, &large.app, &err));
	assert_int_equal(asks, 3);
	assert_int_equal(given_back, 1);
	assert_true(is_there(dev, "2.0"));
	assert_true(most > 80 && most <= 100);
	DO(stg_device_remove_app(dev, APP, &err));
	assert_false(is_there(dev, "2.0"));
	DO(stg_device_remove_app(dev, APP, &err));
	close_package(&small);
	close_package(&large);
	stg_device_close_at(&dev);
	desk_end(&d);
}

static void a_document_is_read_back_and_replaced_by_a_shorter_one(void **state)
{
	static const char *const texts[] = { "a long first text of the plan\n", "short\n" };
	struct desk d;
	struct package p;
	char path[100], hash[65];
	(void)state;
	STG_AUTO(stg_device_close_at) struct stg_device *dev = begin(&d);
	open_package(&p, "1.0", 1u << 20);
	DO(stg_device_install_app(dev, &p.app, &err));
	snprintf(path, sizeof(path), "%s/plan.txt", office.dir);
	for (size_t i = 0; i < STG_ARRAY_LEN(texts); i++) {
		struct stg_error why = { 0 };
		char mark[STG_MARK_TEXT];
		least = 0;
		assert_true(stg_file_write(path, stg_bytes_str(texts[i]), 0600, &why));
		STG_AUTO(stg_close_at) int fd = open(path, O_RDONLY | O_CLOEXEC);
		stg_sha256_hex(stg_bytes_str(texts[i]), hash);
		mark_of(stg_bytes_str(texts[i]), mark);
		struct stg_app_document doc = { .bundle_id = APP, .path = "Documents/a/plan.txt", .fd = fd, .size_bytes = strlen(texts[i]), .sha256 = hash,
						.mark = mark };
		STG_AUTO(stg_json_free_at) json_t *before = stg_device_find_document(dev, &doc, &why);
		assert_true(said(before != NULL, &why, __FILE__, __LINE__));
		assert_string_not_equal(stg_json_str(before, "sha256"), hash);
		DO(stg_device_put_document(dev, &doc, &err));
		STG_AUTO(stg_json_free_at) json_t *after = stg_device_find_document(dev, &doc, &why);
		assert_string_equal(stg_json_str(after, "sha256"), hash);
	}
	close_package(&p);
	stg_device_close_at(&dev);
	desk_end(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spoilt_answers_end_the_transfer_and_hold_no_turn),
		cmocka_unit_test(progress_beyond_belief_is_not_shown_and_one_without_end_ends),
		cmocka_unit_test(a_file_that_is_another_than_its_row_says_is_not_installed),
		cmocka_unit_test(a_transfer_that_is_stopped_gives_its_turn_back),
		cmocka_unit_test(documents_need_an_app_that_takes_them),
		cmocka_unit_test(a_large_app_takes_turns_and_a_small_one_does_not),
		cmocka_unit_test(a_document_is_read_back_and_replaced_by_a_shorter_one),
	};
	return cmocka_run_group_tests(tests, office_open, office_close);
}
