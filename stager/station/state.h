/* state.h - opens a state directory. */
#ifndef STATION_STATE_H
#define STATION_STATE_H

#include <stager/keys.h>
#include <stager/store.h>

/* Makes the directory when there is none. Takes the state's lock until the store is closed. */
bool state_open(const char *dir, enum stg_store_kind kind, struct stg_store **ret_store, struct stg_keys **ret_keys, struct stg_error *err);

#endif
