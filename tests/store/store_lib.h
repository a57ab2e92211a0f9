/* store_lib.h - a state in a folder of its own, devices and jobs to put into it. Header only: each test is one program. */
#ifndef STORE_LIB_H
#define STORE_LIB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <stager/clock.h>
#include <stager/error.h>
#include <stager/json.h>
#include <stager/store.h>

#define OK(call) \
	do { \
		struct stg_error e_ = { 0 }; \
		struct stg_error *err = &e_; \
		if (!(call)) \
			fail_msg("%s: [%s %u] %s", #call, stg_code_name(e_.code), e_.id, e_.msg); \
	} while (0)

#define FAILS(call, want_code, want_id) \
	do { \
		struct stg_error e_ = { 0 }; \
		struct stg_error *err = &e_; \
		if (call) \
			fail_msg("%s: should have failed", #call); \
		if (e_.code != (want_code) || ((want_id) && e_.id != (want_id))) \
			fail_msg("%s: failed as [%s %u] %s", #call, stg_code_name(e_.code), e_.id, e_.msg); \
	} while (0)

struct state {
	char dir[128];
	struct stg_store *s;
};

__attribute__((unused)) static void state_key(struct stg_store *s)
{
	static const char key[32] = "a key of tests, thirty-two bytes";
	struct stg_secret k = { 0 };
	OK(stg_secret_set(&k, stg_bytes(key, sizeof(key)), err));
	OK(stg_store_set_mac_key(s, &k, err));
	stg_secret_clear(&k);
}

__attribute__((unused)) static void state_folder(struct state *st)
{
	const char *tmp = getenv("TMPDIR");
	snprintf(st->dir, sizeof(st->dir), "%s/stgstore.XXXXXX", tmp && strlen(tmp) < 80 ? tmp : "/tmp");
	assert_non_null(mkdtemp(st->dir));
}

__attribute__((unused)) static void state_open_kind(struct state *st, enum stg_store_kind kind)
{
	state_folder(st);
	OK((st->s = stg_store_open(st->dir, kind, err)) != NULL);
	state_key(st->s);
}

__attribute__((unused)) static void state_open(struct state *st)
{
	state_open_kind(st, STG_STORE_ANY);
}

__attribute__((unused)) static void state_again(struct state *st)
{
	stg_store_close(st->s);
	OK((st->s = stg_store_open(st->dir, STG_STORE_ANY, err)) != NULL);
	state_key(st->s);
}

__attribute__((unused)) static void state_remove(struct state *st)
{
	char command[256];
	stg_store_close(st->s);
	st->s = NULL;
	snprintf(command, sizeof(command), "rm -rf '%s'", st->dir);
	assert_int_equal(system(command), 0);
}

__attribute__((unused)) static struct stg_identity phone(int n)
{
	struct stg_identity id = { .family = "apple", .model = "iPhone14,5", .model_name = "iPhone 13", .device_class = "iPhone", .os_version = "17.6.1" };
	snprintf(id.unit, sizeof(id.unit), "%lld", 1000000000000LL + n);
	snprintf(id.serial, sizeof(id.serial), "F2LXK0AA%04d", n);
	snprintf(id.udid, sizeof(id.udid), "00008110-%016X", (unsigned int)(0xA0000 + n));
	snprintf(id.imei[0], sizeof(id.imei[0]), "35324501%07d", n);
	return id;
}

__attribute__((unused)) static json_t *blueprint(void)
{
	return json_pack("{s:i,s:s,s:s,s:[]}", "v", 1, "name", "iphone-new-in-box", "sha256", "00ff", "steps");
}

/* A device known and a job for it; batch and row may be absent. */
__attribute__((unused)) static int64_t job_for(struct stg_store *s, const struct stg_identity *who, const char *batch, int64_t row)
{
	int64_t device = 0, id = 0;
	OK(stg_store_device_put(s, who, &device, err));
	json_t *job = json_pack("{s:s,s:s,s:o,s:s,s:s,s:i,s:s,s:{s:s}}", "family", who->family, "unit", who->unit, "blueprint", blueprint(), "port", "1-1.4",
				"label", "A4", "attach", 7, "actor", "anna", "attributes", "asset_tag", "A-1042");
	if (batch)
		json_object_set_new(job, "batch", json_string(batch));
	if (row)
		json_object_set_new(job, "row", json_integer(row));
	OK(stg_store_job_add(s, job, &id, err));
	json_decref(job);
	return id;
}

__attribute__((unused)) static void run_steps(struct stg_store *s, int64_t job)
{
	json_t *asked = json_pack("{s:s,s:s,s:s}", "identifier", "com.example.wifi", "uuid", "0000", "sha256", "abcd");
	json_t *evidence = json_pack("{s:O,s:b,s:{}}", "asked", asked, "acknowledged", 1, "reread");
	OK(stg_store_job_move(s, job, STG_JOB_RUNNING, NULL, err));
	OK(stg_store_step_begin(s, job, 0, "00-pair", "pair", NULL, err));
	OK(stg_store_step_end(s, job, 0, "00-pair", "done", NULL, NULL, 12, err));
	OK(stg_store_step_begin(s, job, 1, "01-install_profile-wifi", "install_profile", asked, err));
	OK(stg_store_step_end(s, job, 1, "01-install_profile-wifi", "done", evidence, NULL, 30, err));
	json_decref(asked);
	json_decref(evidence);
}

__attribute__((unused)) static void add_target(struct stg_store *s, const char *name, const char *phase)
{
	json_t *target = json_pack("{s:s,s:s,s:{s:s},s:s}", "name", name, "connector", "webhook", "config", "url", "https://127.0.0.1/", "phase", phase);
	OK(stg_store_target_put(s, target, stg_bytes(NULL, 0), err));
	json_decref(target);
}

#endif
