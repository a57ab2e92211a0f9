/*
 * toy_device.h - a device family for tests that behaves: what is written is read back later, refusals have their reasons.
 * Its state is shared memory, so that a test sees what a worker process did to it.
 *
 * Payloads are JSON: {"identifier","uuid","version"}.
 */
#ifndef TESTS_TOY_DEVICE_H
#define TESTS_TOY_DEVICE_H

#include <sys/mman.h>
#include <unistd.h>

#include <stager/clock.h>
#include <stager/driver.h>
#include <stager/error.h>

struct toy {
	/* the device */
	bool present, trusted, activated, setup_done, supervised, ours, find_my, locked;
	int taps_needed;                /* Pair attempts answered with "tap Trust" first */
	int battery, key;
	int64_t off_by_ms;
	char name[64], zone[64], model[32], os[16];
	struct {
		char identifier[64], uuid[40];
		int64_t version;
	} profiles[16];
	int n_profiles;
	char stored[512];
	/* what goes wrong */
	bool line;
	bool install_lies;              /* acknowledges, and nothing is there */
	bool install_denies;            /* says no, and it is there */
	int lists_until_tap;            /* an install is queued; after so many listings somebody has tapped Install */
	char queued[512];
	int install_drops;              /* so many installs end in a lost connection with nothing done */
	int facts_drop_from, facts_drops;  /* from this reading on (1 = the first) so many find the connection lost */
	bool gone_at_facts;             /* the plug is pulled while facts are read */
	bool supervise_lost;            /* done, but the answer is lost */
	bool erase_lost, erase_ignored; /* the answer is lost; with `ignored` nothing happens either */
	bool erase_gone;                /* it leaves at once */
	bool pulled_at_install;
	bool someone_elses;
	bool denied;                    /* somebody tapped Don't Trust */
	int locked_pairs;               /* so many attempts find it locked */
	int swapped_after;              /* so many identifications later another device answers; 0: never */
	bool has_passcode;
	int token_asks;
	char app[32], app_build[32];    /* version of the one app it may have; "" none */
	int app_installs, app_upgrades;
	bool app_lies;                  /* acknowledges an app and keeps what was there */
	bool stays_on;                  /* says no when it is told to switch itself off */
	int offs, restriction_clears;
	bool keeps_zone;                /* acknowledges another zone and keeps its own */
	/* what was asked of it */
	int identifies, erases_of_other, facts;
	int opens, pairs, activates, supervises, installs, stores, erases, restarts, names;
};

static struct toy *toy;

struct toy_device {
	struct stg_device base;
};

static inline bool toy_here(struct stg_error *err)
{
	return toy->present || stg_fail(err, STG_E_GONE, 0, "the toy was unplugged");
}

static inline bool toy_is_other(void)
{
	return toy->swapped_after && toy->identifies > toy->swapped_after;
}

static inline bool toy_claims(const struct stg_arrival *a)
{
	return strcmp(a->driver, "toy") == 0;
}

static inline struct stg_device *toy_open(const struct stg_arrival *a, const struct stg_host *h, struct stg_stop *s, struct stg_error *err)
{
	(void)a;
	(void)h;
	(void)s;
	toy->opens++;
	return toy_here(err) ? stg_calloc(1, sizeof(struct toy_device)) : NULL;
}

static inline void toy_close(struct stg_device *d)
{
	free(d);
}

static inline bool toy_identify(struct stg_device *d, struct stg_identity *ret, struct stg_error *err)
{
	(void)d;
	struct stg_identity id = { .family = "toy", .unit = "4242", .device_class = "iPad", .model_name = "Toy" };
	if (!toy_here(err))
		return false;
	toy->identifies++;
	if (toy_is_other())
		stg_copy(id.unit, sizeof(id.unit), "7777");
	stg_copy(id.model, sizeof(id.model), toy->model);
	stg_copy(id.os_version, sizeof(id.os_version), toy->os);
	stg_copy(id.name, sizeof(id.name), toy->name);
	if (toy->trusted)
		stg_copy(id.serial, sizeof(id.serial), "TOY00000001");
	snprintf(id.key_sha256, sizeof(id.key_sha256), "%064d", toy->key);
	*ret = id;
	return true;
}

static inline json_t *toy_facts(struct stg_device *d, struct stg_error *err)
{
	(void)d;
	if (toy->gone_at_facts)
		toy->present = false;
	if (!toy_here(err))
		return NULL;
	toy->facts++;
	if (toy->facts_drop_from && toy->facts >= toy->facts_drop_from && toy->facts_drops-- > 0) {
		stg_fail(err, STG_E_TIMEOUT, 0, "the toy does not answer");
		return NULL;
	}
	json_t *f = json_object();
	stg_json_put(f, "model", toy->model);
	if (!toy->trusted)
		return f;
	stg_json_put_bool(f, "supervised", toy->supervised);
	stg_json_put_bool(f, "ours", toy->ours);
	stg_json_put_bool(f, "activated", toy->activated);
	stg_json_put_bool(f, "setup_done", toy->setup_done);
	stg_json_put_bool(f, "find_my", toy->find_my);
	stg_json_put_int(f, "battery_percent", toy->battery);
	stg_json_put_int(f, "capacity_bytes", 63989469184);
	return f;
}

static inline bool toy_trust(struct stg_device *d, enum stg_trust *ret, struct stg_error *err)
{
	(void)d;
	*ret = toy->trusted ? STG_TRUST_OURS : toy->locked ? STG_TRUST_LOCKED : STG_TRUST_NONE;
	return toy_here(err);
}

static inline bool toy_pair(struct stg_device *d, struct stg_error *err)
{
	(void)d;
	toy->pairs++;
	if (!toy_here(err))
		return false;
	if (toy->denied)
		return stg_fail_id(err, STG_E_NEEDS_HUMAN, STG_ID_TRUST_DENIED, 0, "Don't Trust was tapped");
	if (toy->locked_pairs > 0) {
		toy->locked_pairs--;
		return stg_fail_id(err, STG_E_NEEDS_HUMAN, STG_ID_DEVICE_LOCKED, 0, "locked");
	}
	if (toy->taps_needed > 0) {
		toy->taps_needed--;
		return stg_fail_id(err, STG_E_NEEDS_HUMAN, STG_ID_TRUST_PENDING, 0, "tap Trust");
	}
	toy->trusted = true;
	return true;
}

static inline bool toy_unpair(struct stg_device *d, struct stg_error *err)
{
	(void)d;
	(void)err;
	toy->trusted = false;
	return true;
}

static inline bool toy_activation(struct stg_device *d, char state[32], struct stg_error *err)
{
	(void)d;
	stg_copy(state, 32, toy->activated ? "Activated" : "Unactivated");
	return toy_here(err);
}

static inline bool toy_activate(struct stg_device *d, struct stg_error *err)
{
	(void)d;
	toy->activates++;
	if (!toy->line)
		return stg_fail(err, STG_E_WAITING, 0, "no line");
	toy->activated = true;
	return true;
}

static inline bool toy_supervise(struct stg_device *d, const struct stg_supervision *what, json_t **ret, struct stg_error *err)
{
	(void)d;
	(void)what;
	toy->supervises++;
	*ret = NULL;
	if (toy->someone_elses)
		return stg_fail_id(err, STG_E_HOLD, STG_ID_SUPERVISED_BY_OTHER, 14002, "supervised by ACME");
	if (!toy->activated)
		return stg_fail(err, STG_E_REFUSED, 33003, "not activated");
	toy->supervised = toy->ours = true;
	if (toy->supervise_lost) {
		toy->supervise_lost = false;
		return stg_fail(err, STG_E_UNKNOWN, 0, "no answer");
	}
	return true;
}

static inline void toy_keep(const json_t *p)
{
	for (int i = 0; i < toy->n_profiles; i++) {
		if (strcmp(toy->profiles[i].identifier, stg_json_str(p, "identifier")) == 0) {
			stg_copy(toy->profiles[i].uuid, sizeof(toy->profiles[i].uuid), stg_json_str(p, "uuid"));
			return;
		}
	}
	stg_copy(toy->profiles[toy->n_profiles].identifier, 64, stg_json_str(p, "identifier"));
	stg_copy(toy->profiles[toy->n_profiles].uuid, 40, stg_json_str(p, "uuid"));
	toy->profiles[toy->n_profiles++].version = stg_json_int(p, "version", 1);
}

static inline bool toy_install(struct stg_device *d, struct stg_bytes b, enum stg_install how, struct stg_error *err)
{
	(void)d;
	toy->installs++;
	if (toy->pulled_at_install)
		toy->present = false;
	if (!toy_here(err))
		return false;
	if (how == STG_INSTALL_SILENT && !toy->ours)
		return stg_fail(err, STG_E_REFUSED, 0, "not supervised by us");
	if (toy->install_drops > 0) {
		toy->install_drops--;
		return stg_fail(err, STG_E_TIMEOUT, 0, "it said nothing");
	}
	STG_AUTO(stg_json_free_at) json_t *p = stg_json_parse(b, 4096, err);
	if (!p)
		return false;
	if (toy->lists_until_tap > 0) {
		stg_copy(toy->queued, sizeof(toy->queued), (const char *)b.data);
		return stg_fail_id(err, STG_E_NEEDS_HUMAN, STG_ID_PROFILE_TAP, 0, "somebody taps Install");
	}
	if (!toy->install_lies)
		toy_keep(p);
	return !toy->install_denies || stg_fail(err, STG_E_REFUSED, 4001, "installation failed");
}

static inline bool toy_store(struct stg_device *d, struct stg_bytes b, struct stg_error *err)
{
	(void)d;
	toy->stores++;
	if (!toy_here(err) || b.len >= sizeof(toy->stored))
		return false;
	memcpy(toy->stored, b.data, b.len);
	toy->stored[b.len] = 0;
	return true;
}

static inline bool toy_stored(struct stg_device *d, struct stg_buf *ret, struct stg_error *err)
{
	(void)d;
	return toy_here(err) && stg_buf_add_str(ret, toy->stored, err);
}

static inline json_t *toy_list(struct stg_device *d, struct stg_error *err)
{
	(void)d;
	if (!toy_here(err))
		return NULL;
	if (*toy->queued && --toy->lists_until_tap <= 0) {
		STG_AUTO(stg_json_free_at) json_t *p = stg_json_parse(stg_bytes_str(toy->queued), 4096, err);
		toy_keep(p);
		toy->queued[0] = 0;
	}
	json_t *l = json_array();
	for (int i = 0; i < toy->n_profiles; i++)
		json_array_append_new(l, json_pack("{s:s, s:s, s:I}", "identifier", toy->profiles[i].identifier, "uuid",
						   toy->profiles[i].uuid, "version", (json_int_t)toy->profiles[i].version));
	return l;
}

static inline bool toy_set_name(struct stg_device *d, const char *name, struct stg_error *err)
{
	(void)d;
	toy->names++;
	return toy_here(err) && stg_copy(toy->name, sizeof(toy->name), name);
}

static inline bool toy_set_time(struct stg_device *d, int64_t wall_ms, const char *zone, struct stg_error *err)
{
	(void)d;
	toy->off_by_ms = wall_ms - stg_wall_ms();
	if (zone)
		stg_copy(toy->zone, sizeof(toy->zone), zone);
	return toy_here(err);
}

static inline json_t *toy_settings(struct stg_device *d, struct stg_error *err)
{
	(void)d;
	return toy_here(err) ? json_pack("{s:s}", "time_zone", toy->keeps_zone ? "Pacific/Auckland" : toy->zone) : NULL;
}

static inline bool toy_get_time(struct stg_device *d, int64_t *ret, struct stg_error *err)
{
	(void)d;
	*ret = stg_wall_ms() + toy->off_by_ms;
	return toy_here(err);
}

static inline bool toy_restart(struct stg_device *d, struct stg_error *err)
{
	(void)d;
	toy->restarts++;
	return toy_here(err);
}

static inline bool toy_shutdown(struct stg_device *d, struct stg_error *err)
{
	(void)d;
	if (!toy_here(err))
		return false;
	toy->offs++;
	if (toy->stays_on)
		return stg_fail(err, STG_E_REFUSED, 0, "it does not switch itself off");
	toy->present = false;
	return true;
}

static inline bool toy_clear_restrictions(struct stg_device *d, struct stg_error *err)
{
	(void)d;
	if (!toy_here(err))
		return false;
	toy->restriction_clears++;
	return true;
}

static inline bool toy_erase(struct stg_device *d, bool keep_esim, struct stg_error *err)
{
	(void)d;
	(void)keep_esim;
	toy->erases++;
	toy->erases_of_other += toy_is_other();
	if (!toy_here(err))
		return false;
	if (!toy->erase_ignored) {
		toy->key++;
		toy->trusted = toy->supervised = toy->ours = toy->activated = toy->setup_done = false;
		toy->n_profiles = 0;
		toy->stored[0] = 0;
		toy->present = !toy->erase_gone;
	}
	return !toy->erase_lost || stg_fail(err, STG_E_GONE, 0, "the connection was closed");
}

static inline bool toy_unlock_token(struct stg_device *d, struct stg_secret *ret, struct stg_error *err)
{
	(void)d;
	if (!toy_here(err))
		return false;
	toy->token_asks++;
	if (toy->has_passcode)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_PASSCODE_NO_TOKEN, 37002, "a passcode is set already");
	return stg_secret_random(ret, 32, err);
}

#define TOY_APP "org.example.toy"

static inline json_t *toy_find_app(struct stg_device *d, const char *bundle_id, struct stg_error *err)
{
	(void)d;
	if (!toy_here(err))
		return NULL;
	json_t *o = json_object();
	if (!toy->app[0] || strcmp(bundle_id, TOY_APP) != 0)
		return o;
	stg_json_put(o, "bundle_id", bundle_id);
	stg_json_put(o, "version", toy->app);
	stg_json_put(o, "build", toy->app_build);
	return o;
}

static inline json_t *toy_list_apps(struct stg_device *d, struct stg_error *err)
{
	json_t *list = json_array(), *one = toy_find_app(d, TOY_APP, err);
	if (one && json_object_size(one))
		json_array_append(list, one);
	json_decref(one);
	return list;
}

/* The package is its own version: "2.0 20". */
static inline bool toy_install_app(struct stg_device *d, const struct stg_app_package *app, struct stg_error *err)
{
	char text[64] = "", version[32], build[32];
	(void)d;
	if (!toy_here(err))
		return false;
	toy->app_installs += !app->upgrade;
	toy->app_upgrades += app->upgrade;
	if (lseek(app->fd, 0, SEEK_SET) != 0 || read(app->fd, text, sizeof(text) - 1) != (ssize_t)app->size_bytes || sscanf(text, "%31s %31s", version, build) != 2)
		return stg_fail(err, STG_E_IO, 0, "the package is '%s'", text);
	if (toy->app_lies)
		return true;
	stg_copy(toy->app, sizeof(toy->app), version);
	stg_copy(toy->app_build, sizeof(toy->app_build), build);
	return true;
}

static inline bool toy_remove_app(struct stg_device *d, const char *bundle_id, struct stg_error *err)
{
	(void)d;
	if (strcmp(bundle_id, TOY_APP) == 0)
		toy->app[0] = 0;
	return toy_here(err);
}

static const struct stg_driver toy_driver = {
	.name = "toy", .claims = toy_claims, .open = toy_open, .close = toy_close, .identify = toy_identify, .facts = toy_facts,
	.trust = toy_trust, .pair = toy_pair, .unpair = toy_unpair, .activation = toy_activation, .activate = toy_activate,
	.supervise = toy_supervise, .install_profile = toy_install, .store_profile = toy_store, .stored_profile = toy_stored,
	.list_profiles = toy_list, .set_name = toy_set_name, .set_time = toy_set_time, .get_time = toy_get_time, .settings = toy_settings,
	.restart = toy_restart, .erase = toy_erase, .unlock_token = toy_unlock_token,
	.shutdown = toy_shutdown, .clear_restrictions_password = toy_clear_restrictions,
	.find_app = toy_find_app, .list_apps = toy_list_apps, .install_app = toy_install_app, .remove_app = toy_remove_app,
};

/* An activated iPad at "Hello", new to us. */
static inline void toy_make(void)
{
	if (!toy) {
		void *p = mmap(NULL, sizeof(*toy), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			abort();
		toy = p;
	}
	*toy = (struct toy){ .present = true, .activated = true, .line = true, .battery = 80, .model = "iPad13,18", .os = "17.5", .name = "iPad" };
}

#endif
