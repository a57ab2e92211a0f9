/*
 * people.c - who people are, asked of a directory.
 *
 * For:    `stager people fetch`.
 * Uses:   a kind that can (kinds/ldap.c).
 * Called: by a command or on a thread of the station that nobody waits for.
 * Thread: any.
 *
 * Half a list would forget people who are there: it comes whole or not at all.
 */
#include <stdio.h>
#include <stdlib.h>

#include "deliver.h"
#include "kind.h"

bool stg_push_is_directory(const char *connector)
{
	const struct push_kind *k = push_kind_find(connector);
	return k && k->people;
}

json_t *stg_push_people(const struct stg_push_door *door, const char *target, struct stg_stop *stop, struct stg_error *err)
{
	STG_AUTO(push_target_clear) struct push_target t = { 0 };
	struct push_told told = { .class = STG_NET_SERVER };
	if (!open_named(door, target, &t, err))
		return NULL;
	if (!t.kind || !t.kind->people) {
		stg_fail_id(err, STG_E_USAGE, STG_ID_NO_DIRECTORY, 0, "%s", t.name);
		return NULL;
	}
	json_t *ret = t.kind->people(&t, stop, &told);
	if (ret)
		/* cppcheck-suppress returnDanglingLifetime ; what it answers is its own and no part of `t` or `told` */
		return ret;
	/* offline, another server and refused credentials have sentences of their own */
	unsigned int id = stg_push_state_id(told.state ? told.state : stg_net_class_name(told.class));
	stg_fail_id(err, told.class == STG_NET_OFFLINE ? STG_E_TIMEOUT : STG_E_PROTOCOL, id ? id : STG_ID_DIRECTORY_BROKEN, told.origin, "%s: %.200s", t.name, told.text);
	return NULL;
}
