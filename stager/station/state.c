/*
 * state.c - opens a state directory: store, keys, and for a rehearsal its throw-away organisation.
 *
 * For:    station.c, call.c (commands without a station), cmd/init.c.
 * Uses:   store, keys.
 * Called: at start.
 * Thread: the caller's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stager/clock.h>
#include <stager/file.h>
#include <stager/station.h>


/* A new state is what the environment says: virtual devices make a rehearsal. An old one is what it is. */
static enum stg_store_kind kind_of_new(enum stg_store_kind asked)
{
	const char *mux = getenv("USBMUXD_SOCKET_ADDRESS");
	return asked != STG_STORE_ANY ? asked : mux && *mux ? STG_STORE_REHEARSAL : STG_STORE_PRODUCTION;
}

static bool rehearsal_organisation(struct stg_store *store, const struct stg_keys *keys, struct stg_error *err)
{
	struct stg_error why = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(1 << 20);
	STG_AUTO(stg_json_free_at) json_t *row = stg_store_org(store, "", &sealed, &why);
	if (row)
		return true;
	if (why.code != STG_E_NOT_FOUND)
		return *err = why, false;
	STG_AUTO(stg_json_free_at) json_t *details = json_pack("{s:s, s:s, s:s}", "name", "Rehearsal", "country", "FR", "domain",
							       "rehearsal.example");
	stg_buf_reset(&sealed);
	if (!stg_org_make(keys, details, &row, &sealed, err))
		return stg_while(err, "make the rehearsal's organisation");
	/* nothing real depends on it: there is nothing to back up */
	stg_json_put_int(row, "backup_verified_ms", stg_wall_ms());
	return stg_store_org_put(store, row, stg_buf_view(&sealed), err);
}

bool stg_state_open(const char *dir, enum stg_store_kind kind, struct stg_store **ret_store, struct stg_keys **ret_keys, struct stg_error *err)
{
	char db[600];
	if (!stg_path_join(db, sizeof(db), dir, "stager.db", err))
		return false;
	bool old = access(db, F_OK) == 0;
	struct stg_store *store = stg_store_open(dir, old ? kind : kind_of_new(kind), err);
	if (!store)
		return false;
	STG_AUTO(stg_secret_clear) struct stg_secret mac = { 0 };
	struct stg_keys *keys = stg_keys_open(dir, err);
	if (!keys || !stg_keys_derive(keys, "row-mac", &mac, err) || !stg_store_set_mac_key(store, &mac, err) ||
	    (stg_store_kind_of(store) == STG_STORE_REHEARSAL && !rehearsal_organisation(store, keys, err))) {
		stg_keys_close(keys);
		stg_store_close(store);
		return false;
	}
	*ret_store = store;
	*ret_keys = keys;
	return true;
}
