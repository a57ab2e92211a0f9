/*
 * tools.h - what programs not written here say of the devices: Debian's ideviceinfo and go-ios.
 *
 * The station has ended; its pair records are given to the usbmuxd of the bench, as a person who wants to look does, so that
 * no tool has to make keys. One shell asks one device, three at a time. Include it after look.h, in one file of a program.
 */
#ifndef TESTS_TOOLS_H
#define TESTS_TOOLS_H

#include <csv.h>
#include <ctype.h>
#include <limits.h>
#include <plist/plist.h>
#include <usbmuxd.h>

#include <stager/keys.h>
#include <stager/station.h>
#include <stager/store.h>

#include "look.h"
#include "../../stager/keys/inner.h"


/* As after a quiet night: a pool of host identities. One pair of keys serves them all, to spare the test their making. */
static inline void tools_fill_pool(struct journey *j, size_t n)
{
	struct stg_error err = { 0 };
	struct stg_store *store = NULL;
	struct stg_keys *keys = NULL;
	char id[64];
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(256 << 10);
	struct stg_host_identity h = { 0 };
	journey_must(stg_state_open(j->state, STG_STORE_REHEARSAL, &store, &keys, &err), &err, "open the state");
	STG_AUTO(stg_free_at) char *buid = stg_store_get(store, "system_buid", &err);
	assert_true(buid && *buid);
	journey_must(stg_hostid_make(keys, buid, id, &sealed, &err) && stg_hostid_open(keys, stg_buf_view(&sealed), &h, &err), &err, "host identity");
	for (size_t i = 0; i < n; i++) {
		STG_AUTO(stg_buf_clear) struct stg_buf bag = STG_BUF(256 << 10), one = STG_BUF(256 << 10);
		snprintf(id, sizeof(id), "5A17C0DE-0000-4000-8000-%012zX", i);
		journey_must(keys_bag_put(&bag, "host_id", stg_bytes_str(id), &err) && keys_bag_put(&bag, "system_buid", stg_bytes_str(buid), &err) &&
				     keys_bag_put(&bag, "root_certificate", stg_buf_view(&h.root_certificate), &err) &&
				     keys_bag_put(&bag, "host_certificate", stg_buf_view(&h.host_certificate), &err) &&
				     keys_bag_put(&bag, "root_key", stg_secret_reveal(&h.root_key), &err) &&
				     keys_bag_put(&bag, "host_key", stg_secret_reveal(&h.host_key), &err) &&
				     stg_keys_seal(keys, "host-identity", stg_buf_view(&bag), &one, &err) &&
				     stg_store_hostid_add(store, id, stg_buf_view(&one), &err),
			     &err, "fill the pool");
	}
	stg_host_identity_clear(&h);
	stg_store_close(store);
	stg_keys_close(keys);
}

/* True when the station had trust to give. It writes UDIDs in capitals, a device its own way. */
static inline bool tools_give_trust(struct stg_store *store, struct stg_keys *keys, const char *udid)
{
	struct stg_error err = { 0 };
	char capitals[64];
	stg_copy(capitals, sizeof(capitals), udid);
	for (char *p = capitals; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(256 << 10);
	STG_AUTO(stg_secret_clear) struct stg_secret record = { 0 };
	if (!stg_store_trust_get(store, capitals, &sealed, &err) || !sealed.len)
		return false;
	journey_must(stg_keys_open_sealed(keys, "pair-record", stg_buf_view(&sealed), &record, &err), &err, "pair record");
	struct stg_bytes r = stg_secret_reveal(&record);
	assert_int_equal(usbmuxd_save_pair_record(udid, (const char *)r.data, (uint32_t)r.len), 0);
	return true;
}

static inline void tools_path(const struct journey *j, const char *udid, const char *what, char ret[192])
{
	snprintf(ret, 192, "%s/tools/%s.%s", j->dir, udid, what);
}

/* Asks every device whose line in `list` says "UDID trusted|bare deep|flat"; flat: without the calls that repeat themselves. */
static inline void tools_ask(const struct journey *j, struct stg_bytes list)
{
	struct stg_error err = { 0 };
	char path[192], peers[PATH_MAX], command[PATH_MAX + 600];
	const char *b = getenv("B");
	static const char script[] =
		"cd \"$1\" && shift && export GOGC=off GOMAXPROCS=1\n"    /* it lives for a moment */
		"case $(uname -m) in aarch64) a=arm64 ;; *) a=amd64 ;; esac\n"
		"ios=$1/go-ios/dist/go-ios-linux-${a}_linux_${a}/ios\n"
		"set -- $2\n"
		"if [ \"$2\" = bare ]; then timeout 60 ideviceinfo -s -u $1 -x >$1.info 2>$1.err; exit 0; fi\n"
		"timeout 60 ideviceinfo -u $1 -x >$1.info 2>$1.err\n"
		"timeout 60 ideviceinfo -u $1 -q com.apple.mobile.chaperone -x >$1.chaperone 2>>$1.err\n"
		"timeout 60 \"$ios\" profile list --udid=$1 >$1.profiles 2>>$1.err\n"
		"[ \"$3\" = flat ] || timeout 60 \"$ios\" prepare cloudconfig --udid=$1 >$1.cloud 2>>$1.err\n"
		"exit 0\n";
	snprintf(path, sizeof(path), "%s/tools", j->dir);
	journey_must(stg_folder_make(path, 0700, &err), &err, "folder");
	snprintf(path, sizeof(path), "%s/ask.sh", j->dir);
	journey_must(stg_file_write(path, stg_bytes_str(script), 0600, &err), &err, "script");
	snprintf(path, sizeof(path), "%s/asked", j->dir);
	journey_must(stg_file_write(path, list, 0600, &err), &err, "list");
	/* a sanitizer's build has a folder of its own, and the peers of the plain one */
	char own[PATH_MAX];
	snprintf(own, sizeof(own), "%s/peers/node_modules", b ? b : "build");
	if (!realpath(own, peers) && !realpath("build/peers/node_modules", peers))
		fail_msg("go-ios is missing: make deps-check");
	/* the one spelling of the address that libusbmuxd and go-ios share */
	snprintf(command, sizeof(command), "USBMUXD_SOCKET_ADDRESS=UNIX://%s/mux xargs -d '\\n' -P 3 -n 1 sh %s/ask.sh %s/tools %s <%s/asked", j->dir, j->dir,
		 j->dir, peers, j->dir);
	if (system(command) != 0)
		fail_msg("the tools could not be asked");
}

/* A dictionary as ideviceinfo -x prints it, as JSON; empty when it printed none. A new reference. */
static inline json_t *tools_plist(const struct journey *j, const char *udid, const char *what)
{
	char path[192];
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(1 << 20);
	plist_t tree = NULL;
	json_t *all = json_object();
	tools_path(j, udid, what, path);
	if (stg_file_read(path, &text, NULL) && text.len)
		plist_from_memory((const char *)text.data, (uint32_t)text.len, &tree);
	if (!tree)
		return all;
	plist_dict_iter it = NULL;
	plist_dict_new_iter(tree, &it);
	for (;;) {
		char *key = NULL;
		plist_t value = NULL;
		uint64_t n = 0;
		uint8_t yes = 0;
		plist_dict_next_item(tree, it, &key, &value);
		if (!key)
			break;
		if (plist_get_node_type(value) == PLIST_STRING) {
			stg_json_put(all, key, plist_get_string_ptr(value, NULL));
		} else if (plist_get_node_type(value) == PLIST_UINT) {
			char number[32];
			plist_get_uint_val(value, &n);
			snprintf(number, sizeof(number), "%llu", (unsigned long long)n);
			stg_json_put(all, key, number);
		} else if (plist_get_node_type(value) == PLIST_BOOLEAN) {
			plist_get_bool_val(value, &yes);
			stg_json_put_bool(all, key, yes);
		}
		free(key);
	}
	free(it);
	plist_free(tree);
	return all;
}

/* What go-ios printed, the last line of it; NULL when it is no JSON. A new reference. */
static inline json_t *tools_json(const struct journey *j, const char *udid, const char *what)
{
	char path[192];
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(1 << 20);
	tools_path(j, udid, what, path);
	if (!stg_file_read(path, &text, NULL))
		return NULL;
	while (text.len && text.data[text.len - 1] == '\n')
		text.data[--text.len] = 0;
	const char *last = strrchr(stg_buf_str(&text), '\n');
	return stg_json_parse(stg_bytes_str(last ? last + 1 : stg_buf_str(&text)), 1 << 20, NULL);
}

struct tools_table {
	json_t *rows, *row;
	size_t at;
};

static inline void tools_cell(void *text, size_t len, void *ctx)
{
	struct tools_table *t = ctx;
	json_t *value = json_stringn(text ? text : "", text ? len : 0);
	if (!t->row)
		t->row = json_array();
	json_array_append_new(t->row, value ? value : json_string("(not UTF-8)"));
}

static inline void tools_line_end(int c, void *ctx)
{
	struct tools_table *t = ctx;
	(void)c;
	if (t->row)
		json_array_append_new(t->rows, t->row);
	t->row = NULL;
}

/* A CSV as anybody's library reads it: a list of objects, keyed by heading. */
static inline json_t *tools_csv(const char *path)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(4 << 20);
	struct csv_parser p;
	struct tools_table t = { .rows = json_array() };
	journey_must(stg_file_read(path, &text, &err), &err, path);
	struct stg_bytes in = stg_buf_view(&text);
	if (in.len > 3 && memcmp(in.data, "\xef\xbb\xbf", 3) == 0)
		in = stg_bytes(in.data + 3, in.len - 3);
	assert_int_equal(csv_init(&p, CSV_STRICT), 0);
	if (memchr(in.data, ';', 20))
		csv_set_delim(&p, ';');
	assert_int_equal(csv_parse(&p, in.data, in.len, tools_cell, tools_line_end, &t), in.len);
	csv_fini(&p, tools_cell, tools_line_end, &t);
	csv_free(&p);
	json_t *list = json_array();
	for (size_t i = 1; i < json_array_size(t.rows); i++) {
		json_t *one = json_object();
		for (size_t c = 0; c < json_array_size(json_array_get(t.rows, 0)); c++)
			json_object_set(one, json_string_value(json_array_get(json_array_get(t.rows, 0), c)), json_array_get(json_array_get(t.rows, i), c));
		json_array_append_new(list, one);
	}
	json_decref(t.rows);
	return list;
}

#endif
