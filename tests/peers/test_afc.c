/* test_afc.c - libimobiledevice reads and writes the files of a virtual device. */
#include "bench_lib.h"

#include <libimobiledevice/afc.h>
#include <libimobiledevice/house_arrest.h>
#include <libimobiledevice/libimobiledevice.h>
#include <libimobiledevice/lockdown.h>
#include <libimobiledevice/service.h>

/* One phone for all of them: pairing makes RSA keys, which is slow. */
static struct bench b;
static idevice_t phone;
static afc_client_t afc;

static int start(void **unused)
{
	lockdownd_client_t client = NULL;

	(void)unused;
	bench_start(&b, "");
	assert_int_equal(idevice_new(&phone, b.udid[0]), IDEVICE_E_SUCCESS);
	assert_int_equal(lockdownd_client_new_with_handshake(phone, &client, "test"), LOCKDOWN_E_SUCCESS);
	lockdownd_client_free(client);
	assert_int_equal(afc_client_start_service(phone, &afc, "test"), AFC_E_SUCCESS);
	return 0;
}

static int stop(void **unused)
{
	(void)unused;
	afc_client_free(afc);
	idevice_free(phone);
	bench_stop(&b);
	return 0;
}

static afc_error_t put(const char *path, afc_file_mode_t mode, const char *text)
{
	uint64_t handle = 0;
	uint32_t n = 0;
	afc_error_t e = afc_file_open(afc, path, mode, &handle);

	if (e == AFC_E_SUCCESS)
		e = afc_file_write(afc, handle, text, (uint32_t)strlen(text), &n);
	if (handle)
		afc_file_close(afc, handle);
	return e;
}

static void assert_holds(const char *path, const char *text)
{
	uint64_t handle = 0;
	char read[128] = "";
	uint32_t n = 0;

	assert_int_equal(afc_file_open(afc, path, AFC_FOPEN_RDONLY, &handle), AFC_E_SUCCESS);
	assert_int_equal(afc_file_read(afc, handle, read, sizeof(read) - 1, &n), AFC_E_SUCCESS);
	afc_file_close(afc, handle);
	assert_int_equal(n, strlen(text));
	assert_string_equal(read, text);
}

static bool lists(const char *folder, const char *name)
{
	char **names = NULL;
	bool found = false;

	if (afc_read_directory(afc, folder, &names) != AFC_E_SUCCESS)
		return false;
	for (int i = 0; names[i]; i++)
		found |= strcmp(names[i], name) == 0;
	afc_dictionary_free(names);
	return found;
}

static void what_is_not_there_is_not_found(void **unused)
{
	uint64_t handle = 0;
	char **info = NULL;

	(void)unused;
	assert_int_equal(afc_file_open(afc, "nothing", AFC_FOPEN_RDONLY, &handle), AFC_E_OBJECT_NOT_FOUND);
	assert_int_equal(afc_get_file_info(afc, "nothing", &info), AFC_E_OBJECT_NOT_FOUND);
	assert_int_equal(afc_remove_path(afc, "nothing"), AFC_E_OBJECT_NOT_FOUND);
	assert_int_equal(afc_rename_path(afc, "nothing", "something"), AFC_E_OBJECT_NOT_FOUND);
	assert_int_equal(put("no/such/folder/x", AFC_FOPEN_WRONLY, "x"), AFC_E_OBJECT_NOT_FOUND);
	assert_int_equal(afc_file_open(afc, "PublicStaging", AFC_FOPEN_WRONLY, &handle), AFC_E_OBJECT_IS_DIR);
}

static void nobody_leaves_the_media_folder(void **unused)
{
	char **info = NULL;

	(void)unused;
	assert_int_not_equal(put("../../etc/passwd", AFC_FOPEN_WRONLY, "x"), AFC_E_SUCCESS);
	assert_int_not_equal(afc_get_file_info(afc, "..", &info), AFC_E_SUCCESS);
	assert_int_not_equal(afc_remove_path_and_contents(afc, "/"), AFC_E_SUCCESS);
	assert_true(lists("/", "PublicStaging"));
}

static void a_full_device_takes_nothing_more(void **unused)
{
	char words[128];

	(void)unused;
	assert_int_equal(put("before", AFC_FOPEN_WRONLY, "x"), AFC_E_SUCCESS);
	snprintf(words, sizeof(words), "set %s disk_full true", b.udid[0]);
	bench_do(&b, words);
	assert_int_equal(put("after", AFC_FOPEN_WRONLY, "x"), AFC_E_NO_SPACE_LEFT);
	assert_int_equal(put("before", AFC_FOPEN_APPEND, "yz"), AFC_E_NO_SPACE_LEFT);
	assert_holds("before", "x");
	snprintf(words, sizeof(words), "set %s disk_full false", b.udid[0]);
	bench_do(&b, words);
}

static void faults_meet_files_by_the_name_of_the_operation(void **unused)
{
	char words[128];
	uint64_t handle = 0;

	(void)unused;
	snprintf(words, sizeof(words), "fault %s disk_full FileWrite", b.udid[0]);
	bench_do(&b, words);
	assert_int_equal(put("f", AFC_FOPEN_WRONLY, "x"), AFC_E_NO_SPACE_LEFT);
	assert_int_equal(put("f", AFC_FOPEN_WRONLY, "x"), AFC_E_SUCCESS);
	snprintf(words, sizeof(words), "fault %s drop_before FileOpen", b.udid[0]);
	bench_do(&b, words);
	assert_int_not_equal(afc_file_open(afc, "f", AFC_FOPEN_RDONLY, &handle), AFC_E_SUCCESS);
	afc_client_free(afc);   /* that connection is over */
	assert_int_equal(afc_client_start_service(phone, &afc, "test"), AFC_E_SUCCESS);
}

static void a_file_opened_for_reading_is_not_written(void **unused)
{
	uint64_t handle = 0;
	uint32_t n = 0;

	(void)unused;
	assert_int_equal(put("f", AFC_FOPEN_WRONLY, "kept"), AFC_E_SUCCESS);
	assert_int_equal(afc_file_open(afc, "f", AFC_FOPEN_RDONLY, &handle), AFC_E_SUCCESS);
	assert_int_not_equal(afc_file_write(afc, handle, "lost", 4, &n), AFC_E_SUCCESS);
	afc_file_close(afc, handle);
	assert_int_not_equal(afc_file_tell(afc, handle, &handle), AFC_E_SUCCESS);   /* closed */
	assert_holds("f", "kept");
}

static void a_folder_with_contents_is_only_removed_with_them(void **unused)
{
	(void)unused;
	assert_int_equal(afc_make_directory(afc, "a/b/c"), AFC_E_SUCCESS);
	assert_int_equal(put("a/b/c/f", AFC_FOPEN_WRONLY, "x"), AFC_E_SUCCESS);
	assert_int_equal(afc_remove_path(afc, "a"), AFC_E_DIR_NOT_EMPTY);
	assert_true(lists("a/b/c", "f"));
	assert_int_equal(afc_remove_path_and_contents(afc, "a"), AFC_E_SUCCESS);
	assert_false(lists("/", "a"));
}

/* Sends bytes to the file service as they are; true when the device then ends the connection. */
static bool ends_after(const void *bytes, uint32_t len)
{
	lockdownd_client_t client = NULL;
	lockdownd_service_descriptor_t where = NULL;
	service_client_t raw = NULL;
	char answer[256];
	uint32_t n = 0;
	service_error_t e;

	assert_int_equal(lockdownd_client_new_with_handshake(phone, &client, "test"), LOCKDOWN_E_SUCCESS);
	assert_int_equal(lockdownd_start_service(client, "com.apple.afc", &where), LOCKDOWN_E_SUCCESS);
	lockdownd_client_free(client);
	assert_int_equal(service_client_new(phone, where, &raw), SERVICE_E_SUCCESS);
	lockdownd_service_descriptor_free(where);
	service_send(raw, bytes, len, &n);
	do
		e = service_receive_with_timeout(raw, answer, sizeof(answer), &n, 60000);
	while (e == SERVICE_E_SUCCESS && n > 0);
	service_client_free(raw);
	return e != SERVICE_E_TIMEOUT;
}

static void bytes_that_are_no_request_end_the_connection_only(void **unused)
{
	uint8_t head[48] = "CFA6LPAA";

	(void)unused;
	assert_true(ends_after("0123456789012345678901234567890123456789", 40));
	memset(head + 8, 0xff, 16);              /* longer than anything */
	assert_true(ends_after(head, 40));
	memset(head + 8, 0, 16);                 /* shorter than its own head */
	assert_true(ends_after(head, 40));
	head[8] = 40;                            /* arguments outside the packet */
	head[16] = 48;
	assert_true(ends_after(head, 48));
	assert_true(lists("/", "PublicStaging"));   /* the other connection and the bench are well */
}

static void files_are_written_read_moved_and_listed(void **unused)
{
	uint64_t handle = 0, at = 0;
	char **info = NULL, part[8] = "";
	uint32_t n = 0;

	(void)unused;
	assert_int_equal(put("/PublicStaging//note.txt", AFC_FOPEN_WRONLY, "one"), AFC_E_SUCCESS);
	assert_int_equal(put("PublicStaging/note.txt", AFC_FOPEN_APPEND, " two"), AFC_E_SUCCESS);
	assert_holds("PublicStaging/note.txt", "one two");
	assert_int_equal(afc_file_open(afc, "PublicStaging/note.txt", AFC_FOPEN_RW, &handle), AFC_E_SUCCESS);
	assert_int_equal(afc_file_seek(afc, handle, 4, SEEK_SET), AFC_E_SUCCESS);
	assert_int_equal(afc_file_read(afc, handle, part, 3, &n), AFC_E_SUCCESS);
	assert_string_equal(part, "two");
	assert_int_equal(afc_file_tell(afc, handle, &at), AFC_E_SUCCESS);
	assert_int_equal(at, 7);
	assert_int_equal(afc_file_truncate(afc, handle, 3), AFC_E_SUCCESS);
	assert_int_equal(afc_file_lock(afc, handle, AFC_LOCK_EX), AFC_E_SUCCESS);
	assert_int_equal(afc_file_close(afc, handle), AFC_E_SUCCESS);
	assert_holds("PublicStaging/note.txt", "one");

	assert_int_equal(afc_rename_path(afc, "PublicStaging/note.txt", "moved.txt"), AFC_E_SUCCESS);
	assert_false(lists("PublicStaging", "note.txt"));
	assert_true(lists("/", "moved.txt"));
	assert_int_equal(afc_get_file_info(afc, "moved.txt", &info), AFC_E_SUCCESS);
	for (int i = 0; info[i]; i += 2) {
		if (strcmp(info[i], "st_size") == 0)
			assert_string_equal(info[i + 1], "3");
		if (strcmp(info[i], "st_ifmt") == 0)
			assert_string_equal(info[i + 1], "S_IFREG");
	}
	afc_dictionary_free(info);
	assert_int_equal(put("moved.txt", AFC_FOPEN_WRONLY, "new"), AFC_E_SUCCESS);   /* w empties first */
	assert_holds("moved.txt", "new");
	assert_int_equal(afc_make_link(afc, AFC_SYMLINK, "moved.txt", "link"), AFC_E_SUCCESS);
	assert_true(lists("/", "link"));
}

static void a_large_file_comes_back_as_it_went(void **unused)
{
	enum { SIZE = 6 << 20 };
	char *out = stg_calloc(1, SIZE), *in = stg_calloc(1, SIZE);
	uint64_t handle = 0;
	uint32_t n = 0, got = 0;

	(void)unused;
	for (int i = 0; i < SIZE; i++)
		out[i] = (char)(i * 31 + i / 4096);
	assert_int_equal(afc_file_open(afc, "PublicStaging/large", AFC_FOPEN_WR, &handle), AFC_E_SUCCESS);
	assert_int_equal(afc_file_write(afc, handle, out, SIZE, &n), AFC_E_SUCCESS);
	assert_int_equal(n, SIZE);
	assert_int_equal(afc_file_seek(afc, handle, 0, SEEK_SET), AFC_E_SUCCESS);
	while (got < SIZE) {
		assert_int_equal(afc_file_read(afc, handle, in + got, SIZE - got, &n), AFC_E_SUCCESS);
		assert_true(n > 0);
		got += n;
	}
	afc_file_close(afc, handle);
	assert_memory_equal(in, out, SIZE);
	free(in);
	free(out);
}

static void only_apps_that_are_there_have_documents(void **unused)
{
	house_arrest_client_t client = NULL;
	plist_t answer = NULL;

	(void)unused;
	assert_int_equal(house_arrest_client_start_service(phone, &client, "test"), HOUSE_ARREST_E_SUCCESS);
	assert_int_equal(house_arrest_send_command(client, "VendDocuments", "org.example.missing"), HOUSE_ARREST_E_SUCCESS);
	assert_int_equal(house_arrest_get_result(client, &answer), HOUSE_ARREST_E_SUCCESS);
	assert_non_null(plist_dict_get_item(answer, "Error"));
	plist_free(answer);
	house_arrest_client_free(client);
}

static void an_erased_device_has_forgotten_its_files(void **unused)
{
	char words[128];

	(void)unused;
	assert_int_equal(put("mine", AFC_FOPEN_WRONLY, "x"), AFC_E_SUCCESS);
	snprintf(words, sizeof(words), "erase %s", b.udid[0]);
	bench_do(&b, words);
	snprintf(words, sizeof(words), "wait %s erased", b.udid[0]);
	bench_do(&b, words);
	afc_client_free(afc);
	idevice_free(phone);
	lockdownd_client_t client = NULL;
	assert_int_equal(idevice_new(&phone, b.udid[0]), IDEVICE_E_SUCCESS);
	assert_int_equal(lockdownd_client_new(phone, &client, "test"), LOCKDOWN_E_SUCCESS);
	assert_int_equal(lockdownd_pair(client, NULL), LOCKDOWN_E_SUCCESS);   /* the old record is of no use any more */
	lockdownd_client_free(client);
	assert_int_equal(afc_client_start_service(phone, &afc, "test"), AFC_E_SUCCESS);
	assert_false(lists("/", "mine"));
	assert_true(lists("/", "PublicStaging"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_there_is_not_found),
		cmocka_unit_test(nobody_leaves_the_media_folder),
		cmocka_unit_test(a_full_device_takes_nothing_more),
		cmocka_unit_test(faults_meet_files_by_the_name_of_the_operation),
		cmocka_unit_test(a_file_opened_for_reading_is_not_written),
		cmocka_unit_test(a_folder_with_contents_is_only_removed_with_them),
		cmocka_unit_test(bytes_that_are_no_request_end_the_connection_only),
		cmocka_unit_test(files_are_written_read_moved_and_listed),
		cmocka_unit_test(a_large_file_comes_back_as_it_went),
		cmocka_unit_test(only_apps_that_are_there_have_documents),
		cmocka_unit_test(an_erased_device_has_forgotten_its_files),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
