/*
 * wire.c - jobs and arrivals as JSON, for messages between station and worker.
 *
 * For:    the station (writes) and the worker (reads), and the other way round in tests.
 * Uses:   json.
 * Called: station/, worker/main.c.
 * Thread: a value belongs to its holder.
 */
#include <stager/error.h>
#include <stager/worker.h>

static void put_object(json_t *o, const char *key, const json_t *value)
{
	if (value)
		stg_json_put_new(o, key, json_incref((json_t *)(uintptr_t)value));
}

json_t *stg_job_json(const struct stg_job *j)
{
	json_t *o = json_object();
	stg_json_put_int(o, "id", j->id);
	stg_json_put_new(o, "identity", stg_identity_json(&j->identity));
	stg_json_put_int(o, "attach", (int64_t)j->attach);
	stg_json_put(o, "port", j->port);
	stg_json_put(o, "label", j->label);
	stg_json_put(o, "batch", j->batch);
	put_object(o, "blueprint", j->blueprint);
	put_object(o, "attributes", j->attributes);
	put_object(o, "proven", j->proven);
	put_object(o, "begun", j->begun);
	put_object(o, "values", j->values);
	return o;
}

static bool take_text(const json_t *o, const char *key, char *ret, size_t size, struct stg_error *err)
{
	if (!stg_copy(ret, size, stg_json_str(o, key)))
		return stg_fail(err, STG_E_PROTOCOL, 0, "%s is longer than %zu bytes", key, size - 1);
	return true;
}

static bool take_object(const json_t *o, const char *key, json_t **ret, struct stg_error *err)
{
	json_t *v = json_object_get(o, key);
	if (v && !json_is_object(v))
		return stg_fail(err, STG_E_PROTOCOL, 0, "job: %s is not an object", key);
	*ret = json_incref(v);
	return true;
}

bool stg_job_from_json(const json_t *o, struct stg_job *ret, struct stg_error *err)
{
	STG_AUTO(stg_job_clear) struct stg_job j = { 0 };
	if (!json_is_object(o))
		return stg_fail(err, STG_E_PROTOCOL, 0, "a job that is not an object");
	const json_t *who = json_object_get(o, "identity");
	if (who && !stg_identity_from_json(who, &j.identity, err))
		return stg_while(err, "job");
	j.id = stg_json_int(o, "id", 0);
	j.attach = (uint64_t)stg_json_int(o, "attach", 0);
	if (!take_text(o, "port", j.port, sizeof(j.port), err) ||
	    !take_text(o, "label", j.label, sizeof(j.label), err) ||
	    !take_text(o, "batch", j.batch, sizeof(j.batch), err) || !take_object(o, "blueprint", &j.blueprint, err) ||
	    !take_object(o, "attributes", &j.attributes, err) || !take_object(o, "proven", &j.proven, err) ||
	    !take_object(o, "begun", &j.begun, err) || !take_object(o, "values", &j.values, err))
		return false;
	*ret = j;
	j = (struct stg_job){ 0 };
	return true;
}

void stg_job_clear(struct stg_job *j)
{
	json_decref(j->blueprint);
	json_decref(j->attributes);
	json_decref(j->proven);
	json_decref(j->begun);
	json_decref(j->values);
	*j = (struct stg_job){ 0 };
}

void stg_job_hints(const json_t *rows, json_t **ret_proven, json_t **ret_begun)
{
	json_t *proven = json_object(), *begun = json_object();
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *key = stg_json_str(row, "key"), *outcome = stg_json_str(row, "outcome");
		json_t *evidence = json_object_get(row, "evidence"), *asked = json_object_get(row, "asked");
		const json_t *sent = json_object_size(json_object_get(evidence, "asked")) ? json_object_get(evidence, "asked") : asked;
		if (strcmp(outcome, "done") == 0 || strcmp(outcome, "proven") == 0) {
			json_object_set_new(proven, key,
					    json_is_object(evidence) ? json_incref(evidence) : json_object());
			json_object_del(begun, key);
		} else if (json_object_size(sent) == 0 && (json_object_get(proven, key) || json_object_get(begun, key))) {
			/* cut short while it was looked for: it asked for nothing, so what was sent before it stays as it was */
			continue;
		} else if (!*outcome || strcmp(outcome, "unknown") == 0 || strcmp(outcome, "interrupted") == 0) {
			json_t *one = json_is_object(evidence) ? json_copy(evidence) : json_object();
			if (!json_object_get(one, "asked") && json_is_object(asked))
				json_object_set(one, "asked", asked);
			stg_json_put_new(begun, key, one);
		} else {
			/* failed, waiting, skipped: nothing of it counts, but what was begun before that stays begun */
			json_object_del(proven, key);
		}
	}
	*ret_proven = proven;
	*ret_begun = begun;
}

json_t *stg_arrival_json(const struct stg_arrival *a)
{
	json_t *o = json_object();
	stg_json_put(o, "driver", a->driver);
	stg_json_put(o, "port", a->port);
	stg_json_put(o, "usb_serial", a->usb_serial);
	stg_json_put(o, "udid", a->udid);
	stg_json_put(o, "maker", a->maker);
	stg_json_put(o, "product", a->product);
	stg_json_put_int(o, "vid", a->vid);
	stg_json_put_int(o, "pid", a->pid);
	stg_json_put(o, "mode", stg_mode_name(a->mode));
	stg_json_put_int(o, "handle", a->handle);
	stg_json_put_int(o, "attach", (int64_t)a->attach);
	stg_json_put_int(o, "at_ms", a->at_ms);
	return o;
}

bool stg_arrival_from_json(const json_t *o, struct stg_arrival *ret, struct stg_error *err)
{
	struct stg_arrival a = { 0 };
	if (!json_is_object(o))
		return stg_fail(err, STG_E_PROTOCOL, 0, "an arrival that is not an object");
	if (!take_text(o, "driver", a.driver, sizeof(a.driver), err) ||
	    !take_text(o, "port", a.port, sizeof(a.port), err) ||
	    !take_text(o, "usb_serial", a.usb_serial, sizeof(a.usb_serial), err) ||
	    !take_text(o, "udid", a.udid, sizeof(a.udid), err) ||
	    !take_text(o, "maker", a.maker, sizeof(a.maker), err) ||
	    !take_text(o, "product", a.product, sizeof(a.product), err))
		return stg_while(err, "arrival");
	a.vid = (uint16_t)stg_json_int(o, "vid", 0);
	a.pid = (uint16_t)stg_json_int(o, "pid", 0);
	a.handle = (uint32_t)stg_json_int(o, "handle", 0);
	a.attach = (uint64_t)stg_json_int(o, "attach", 0);
	a.at_ms = stg_json_int(o, "at_ms", 0);
	a.mode = STG_MODE_FOREIGN;
	for (int m = STG_MODE_NORMAL; m < STG_MODES; m++)
		if (strcmp(stg_mode_name((enum stg_mode)m), stg_json_str(o, "mode")) == 0)
			a.mode = (enum stg_mode)m;
	*ret = a;
	return true;
}
