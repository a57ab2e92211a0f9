/*
 * verbs.c - the words of the control socket, and the conditions one can wait for.
 *
 * For:    hands, cables, time and bad luck on cue.
 * Uses:   device.h, mux.h, pairing.h.
 * Called: by control.c.
 * Thread: the bench's only one.
 */
#include "verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stager/clock.h>
#include <stager/error.h>

#include "activation.h"
#include "conn.h"
#include "control.h"
#include "hostile.h"
#include "mux.h"
#include "pairing.h"
#include "supervision.h"

static const char *word(const json_t *args, size_t i)
{
	const json_t *a = json_array_get(args, i);

	return json_is_string(a) ? json_string_value(a) : "";
}

static int64_t number(const json_t *args, size_t i, int64_t fallback)
{
	const json_t *a = json_array_get(args, i);

	if (json_is_integer(a))
		return json_integer_value(a);
	return word(args, i)[0] ? strtoll(word(args, i), NULL, 10) : fallback;
}

/* Calls `act` for one device, or for every one that `all` means. */
static bool each(struct virt_bench *b, const json_t *args, bool (*act)(struct virt_device *, const json_t *, struct stg_error *),
		 struct stg_error *err)
{
	const char *who = word(args, 0);
	struct virt_device *d;

	if (strcmp(who, "all") == 0) {
		for (size_t i = 0; i < b->n_devices; i++)
			if (!act(b->devices[i], args, err))
				return false;
		return true;
	}
	d = virt_device_find(b, who);
	return d ? act(d, args, err) : stg_fail(err, STG_E_NOT_FOUND, 0, "no device '%s'", who);
}

/* ---- verbs ---- */

static json_t *brief(const struct virt_device *d)
{
	json_t *o = json_object();

	stg_json_put_int(o, "number", d->number);
	stg_json_put(o, "serial", d->serial);
	stg_json_put(o, "udid", d->udid);
	stg_json_put(o, "model", d->model ? d->model->product_type : "");
	stg_json_put(o, "os", d->os ? d->os->version : "");
	stg_json_put(o, "port", d->port);
	stg_json_put_bool(o, "attached", virt_device_is_attached(d));
	stg_json_put_int(o, "device_id", d->device_id);
	stg_json_put(o, "kind", !d->model ? "android" : d->model->is_ipad ? "ipad" : "iphone");
	stg_json_put_int(o, "waited_real_ms", d->waited_real_ms);
	stg_json_put_int(o, "waited_ms", d->waited_ms);
	return o;
}

static bool list(struct virt_bench *b, const json_t *args, json_t *ret, struct stg_error *err)
{
	json_t *all = json_array();

	(void)args;
	(void)err;
	for (size_t i = 0; i < b->n_devices; i++)
		json_array_append_new(all, brief(b->devices[i]));
	stg_json_put_new(ret, "devices", all);
	return true;
}

static bool show(struct virt_bench *b, const json_t *args, json_t *ret, struct stg_error *err)
{
	struct virt_device *d = virt_device_find(b, word(args, 0));

	if (!d)
		return stg_fail(err, STG_E_NOT_FOUND, 0, "no device '%s'", word(args, 0));
	stg_json_put_new(ret, "device", virt_device_show(d));
	return true;
}

static bool plug_one(struct virt_device *d, const json_t *args, struct stg_error *err)
{
	if (d->is_plugged && strcmp(word(args, 0), "all") == 0)
		return true;
	return virt_device_plug(d, word(args, 1), err);
}

static bool plug(struct virt_bench *b, const json_t *args, json_t *ret, struct stg_error *err)
{
	(void)ret;
	return each(b, args, plug_one, err);
}

static bool unplug_one(struct virt_device *d, const json_t *args, struct stg_error *err)
{
	(void)args;
	(void)err;
	virt_device_unplug(d);
	return true;
}

static bool unplug(struct virt_bench *b, const json_t *args, json_t *ret, struct stg_error *err)
{
	(void)ret;
	return each(b, args, unplug_one, err);
}

static bool move(struct virt_bench *b, const json_t *args, json_t *ret, struct stg_error *err)
{
	struct virt_device *d = virt_device_find(b, word(args, 0));

	(void)ret;
	if (!d)
		return stg_fail(err, STG_E_NOT_FOUND, 0, "no device '%s'", word(args, 0));
	virt_device_unplug(d);
	return virt_device_plug(d, word(args, 1), err);
}

static bool replug_one(struct virt_device *d, const json_t *args, struct stg_error *err)
{
	(void)err;
	virt_device_replug(d, number(args, 1, 0), word(args, 2));
	return true;
}

static bool replug(struct virt_bench *b, const json_t *args, json_t *ret, struct stg_error *err)
{
	(void)ret;
	return each(b, args, replug_one, err);
}

static bool set_locked(struct virt_device *d, bool yes, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *v = json_boolean(yes);

	return virt_device_set(d, "locked", v, err);
}

static void unlock_later(struct virt_device *d, void *unused)
{
	(void)unused;
	set_locked(d, false, NULL);
	virt_control_changed(d->bench);
}

/* lock X 500: somebody types the passcode 500 (paced) ms later. */
static bool lock_one(struct virt_device *d, const json_t *args, struct stg_error *err)
{
	if (number(args, 1, 0) > 0)
		virt_device_after(d, number(args, 1, 0), unlock_later, NULL);
	return set_locked(d, true, err);
}

static bool unlock_one(struct virt_device *d, const json_t *args, struct stg_error *err)
{
	(void)args;
	return set_locked(d, false, err);
}

static bool lock(struct virt_bench *b, const json_t *args, json_t *ret, struct stg_error *err)
{
	(void)ret;
	return each(b, args, lock_one, err);
}

static bool unlock(struct virt_bench *b, const json_t *args, json_t *ret, struct stg_error *err)
{
	(void)ret;
	return each(b, args, unlock_one, err);
}

/* "tap trust X" and "tap X trust" alike. */
static bool tap(struct virt_bench *b, const json_t *args, json_t *ret, struct stg_error *err)
{
	bool word_first = strcmp(word(args, 0), "trust") == 0 || strcmp(word(args, 0), "deny") == 0;
	const char *what = word(args, word_first ? 0 : 1), *who = word(args, word_first ? 1 : 0);
	bool trust = strcmp(what, "trust") == 0;
	struct virt_device *d;
	bool tapped = false;

	if (!trust && strcmp(what, "deny") != 0)
		return stg_fail(err, STG_E_USAGE, 0, "tap trust|deny DEVICE");
	if (strcmp(who, "all") == 0) {
		for (size_t i = 0; i < b->n_devices; i++)
			tapped = virt_tap(b->devices[i], trust, NULL) || tapped;
		stg_json_put_bool(ret, "tapped", tapped);
		return true;
	}
	d = virt_device_find(b, who);
	return d ? virt_tap(d, trust, err) : stg_fail(err, STG_E_NOT_FOUND, 0, "no device '%s'", who);
}

/* The person goes to Settings and installs what waits there. */
static bool accept_one(struct virt_device *d, const json_t *args, struct stg_error *err)
{
	struct virt_profile *p = d->queued;
	struct virt_chain why = { 0 };

	if (!p)
		return strcmp(word(args, 0), "all") == 0 || stg_fail(err, STG_E_INPUT, 0, "no profile waits on %s", d->serial);
	d->queued = NULL;
	return virt_profile_install(d, p, false, &why) ||
	       stg_fail(err, STG_E_REFUSED, (int)why.link[0].code, "%s", why.link[0].text);
}

static bool accept_profile(struct virt_bench *b, const json_t *args, json_t *ret, struct stg_error *err)
{
	(void)ret;
	return each(b, args, accept_one, err);
}

static bool erase_one(struct virt_device *d, const json_t *args, struct stg_error *err)
{
	if (!d->model)
		return stg_fail(err, STG_E_UNSUPPORTED, 0, "%s is only listed", d->serial);
	stg_copy(d->erased_by, sizeof(d->erased_by), "control socket");
	virt_device_erase(d, number(args, 1, 90000));
	return true;
}

static bool erase(struct virt_bench *b, const json_t *args, json_t *ret, struct stg_error *err)
{
	(void)ret;
	return each(b, args, erase_one, err);
}

static bool restart_one(struct virt_device *d, const json_t *args, struct stg_error *err)
{
	(void)err;
	virt_device_restart(d, number(args, 1, 35000), d->model ? VIRT_USB_NORMAL : VIRT_USB_ANDROID);
	return true;
}

static bool restart(struct virt_bench *b, const json_t *args, json_t *ret, struct stg_error *err)
{
	(void)ret;
	return each(b, args, restart_one, err);
}

static bool power_one(struct virt_device *d, const json_t *args, struct stg_error *err)
{
	(void)err;
	if (strcmp(word(args, 1), "off") == 0)
		virt_device_shutdown(d);
	else if (!d->is_on)
		virt_device_restart(d, 0, d->usb_mode);
	return true;
}

static bool power(struct virt_bench *b, const json_t *args, json_t *ret, struct stg_error *err)
{
	(void)ret;
	return each(b, args, power_one, err);
}

static bool set_one(struct virt_device *d, const json_t *args, struct stg_error *err)
{
	enum virt_usb_mode before = d->usb_mode;
	json_t *value = json_array_get(args, 2);

	if (!d->model && strcmp(word(args, 0), "all") == 0)
		return true;
	if (!virt_device_set(d, word(args, 1), value ? value : json_true(), err))
		return false;
	/* Another USB identity shows by leaving and coming. */
	if (d->usb_mode != before && virt_device_is_attached(d)) {
		enum virt_usb_mode now = d->usb_mode;

		d->usb_mode = before;
		virt_device_restart(d, 0, now);
	}
	return true;
}

static bool set(struct virt_bench *b, const json_t *args, json_t *ret, struct stg_error *err)
{
	(void)ret;
	return each(b, args, set_one, err);
}

static bool battery(struct virt_bench *b, const json_t *args, json_t *ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *more = json_array();

	(void)ret;
	json_array_append(more, json_array_get(args, 0));
	json_array_append_new(more, json_string("battery"));
	json_array_append(more, json_array_get(args, 1));
	return each(b, more, set_one, err);
}

static bool line(struct virt_bench *b, const json_t *args, json_t *ret, struct stg_error *err)
{
	const char *how = word(args, 0);

	if (strcmp(how, "open") == 0)
		b->line_open = true;
	else if (strcmp(how, "closed") == 0 || strcmp(how, "close") == 0)
		b->line_open = false;
	else if (how[0])
		return stg_fail(err, STG_E_USAGE, 0, "line open|closed");
	virt_activation_server_line(b);
	for (size_t i = 0; b->line_open && i < b->n_devices; i++)
		virt_consider_programme(b->devices[i]);
	stg_json_put(ret, "line", b->line_open ? "open" : "closed");
	return true;
}

/* fault DEVICE KIND [REQUEST] [skip=N] [count=N] [name=value...]; fault DEVICE clear [KIND] */
static bool fault_one(struct virt_device *d, const json_t *args, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *named = json_object();
	const char *kind = word(args, 1), *request = "";

	if (strcmp(kind, "clear") == 0) {
		virt_fault_clear(d, word(args, 2)[0] ? word(args, 2) : NULL);
		return true;
	}
	for (size_t i = 2; i < json_array_size(args); i++) {
		const char *w = word(args, i), *equals = strchr(w, '=');
		char name[64];
		char *end;
		long long n;

		if (json_is_object(json_array_get(args, i))) {
			json_object_update(named, json_array_get(args, i));
			continue;
		}
		if (!equals) {
			request = w;
			continue;
		}
		snprintf(name, sizeof(name), "%.*s", (int)(equals - w), w);
		n = strtoll(equals + 1, &end, 10);
		if (equals[1] && !*end)
			stg_json_put_int(named, name, n);
		else
			stg_json_put(named, name, equals + 1);
	}
	if (!request[0])
		request = stg_json_str(named, "request");
	return virt_fault_arm(d, kind, request, (int)stg_json_int(named, "skip", 0), (int)stg_json_int(named, "count", 1), named,
			      err);
}

static bool fault(struct virt_bench *b, const json_t *args, json_t *ret, struct stg_error *err)
{
	(void)ret;
	return each(b, args, fault_one, err);
}

static bool show_log(struct virt_bench *b, const json_t *args, json_t *ret, struct stg_error *err)
{
	struct virt_device *d = virt_device_find(b, word(args, 0));
	json_t *lines;
	const char *p;

	if (!d)
		return stg_fail(err, STG_E_NOT_FOUND, 0, "no device '%s'", word(args, 0));
	lines = json_array();
	p = stg_buf_str(&d->log);
	while (*p) {
		const char *end = strchr(p, '\n');

		json_array_append_new(lines, json_stringn(p, (size_t)(end - p)));
		p = end + 1;
	}
	stg_json_put_new(ret, "log", lines);
	stg_json_put_int(ret, "dropped", (int64_t)d->log_dropped);
	stg_json_put_new(ret, "counts", json_copy(d->counts));
	if (strcmp(word(args, 1), "clear") == 0) {
		stg_buf_clear(&d->log);
		d->log_dropped = 0;
		json_object_clear(d->counts);
	}
	return true;
}

static bool stats(struct virt_bench *b, const json_t *args, json_t *ret, struct stg_error *err)
{
	size_t attached = 0;

	(void)err;
	for (size_t i = 0; i < b->n_devices; i++)
		attached += virt_device_is_attached(b->devices[i]);
	stg_json_put_int(ret, "devices", (int64_t)b->n_devices);
	stg_json_put_int(ret, "attached", (int64_t)attached);
	stg_json_put_int(ret, "open_connections", b->open_conns);
	stg_json_put_int(ret, "most_connections", b->most_conns);
	stg_json_put_int(ret, "cpu_us", stg_cpu_us());
	stg_json_put_new(ret, "counts", json_copy(b->stats));
	if (strcmp(word(args, 0), "reset") == 0) {
		json_object_clear(b->stats);
		b->most_conns = b->open_conns;
	}
	return true;
}

/* storm N [MS]: N devices leave and come back at once. */
static bool storm(struct virt_bench *b, const json_t *args, json_t *ret, struct stg_error *err)
{
	int64_t n = number(args, 0, 40);
	int64_t done = 0;

	(void)err;
	for (size_t i = 0; i < b->n_devices && done < n; i++) {
		if (!b->devices[i]->is_plugged)
			continue;
		virt_device_replug(b->devices[i], number(args, 1, 20), NULL);
		done++;
	}
	stg_json_put_int(ret, "devices", done);
	return true;
}

static bool mux(struct virt_bench *b, const json_t *args, json_t *ret, struct stg_error *err)
{
	(void)ret;
	if (strcmp(word(args, 0), "lose") == 0) {
		b->lose_next = (unsigned int)number(args, 1, 1);
		b->lose_for = (int)number(args, 2, 1);
		return true;
	}
	if (strcmp(word(args, 0), "say") == 0) {
		STG_AUTO(stg_buf_clear) struct stg_buf what = virt_hostile_file(word(args, 1));

		virt_mux_say(b->mux, stg_buf_view(&what), number(args, 2, 1));
		return what.len || stg_fail(err, STG_E_INPUT, 0, "nothing to say in '%s'", word(args, 1));
	}
	if (strcmp(word(args, 0), "restart") != 0)
		return stg_fail(err, STG_E_USAGE, 0, "mux restart [MS], mux lose N [ANNOUNCEMENTS|-1], mux say FILE [TIMES]");
	virt_mux_restart(b->mux, number(args, 1, 500));
	return true;
}

/* add {"serial": ..., "model": ...}: a new device, plugged in unless "plugged": false. */
static bool add(struct virt_bench *b, const json_t *args, json_t *ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *wanted = NULL;
	struct virt_device *d;

	if (json_is_object(json_array_get(args, 0)))
		wanted = json_incref(json_array_get(args, 0));
	else
		wanted = stg_json_parse(stg_bytes_str(word(args, 0)), 65536, err);
	if (!wanted)
		return false;
	d = virt_device_new(b, wanted, err);
	if (!d)
		return false;
	stg_json_put_new(ret, "device", brief(d));
	return !stg_json_bool(wanted, "plugged", true) || virt_device_plug(d, stg_json_str(wanted, "port"), err);
}

static bool quit(struct virt_bench *b, const json_t *args, json_t *ret, struct stg_error *err)
{
	(void)args;
	(void)ret;
	(void)err;
	virt_loop_stop(b->loop);
	return true;
}

static bool help(struct virt_bench *b, const json_t *args, json_t *ret, struct stg_error *err);

static const struct {
	const char *name;
	virt_verb_fn run;
	const char *usage;
} verbs[] = {
	{ "list", list, "list" },
	{ "show", show, "show DEVICE" },
	{ "plug", plug, "plug DEVICE|all [PORT]" },
	{ "unplug", unplug, "unplug DEVICE|all" },
	{ "move", move, "move DEVICE PORT" },
	{ "replug", replug, "replug DEVICE|all [MS] [PORT]" },
	{ "lock", lock, "lock DEVICE|all [REAL_MS]" },
	{ "unlock", unlock, "unlock DEVICE|all" },
	{ "tap", tap, "tap trust|deny DEVICE|all" },
	{ "accept", accept_profile, "accept DEVICE|all" },
	{ "erase", erase, "erase DEVICE|all [REAL_MS]" },
	{ "restart", restart, "restart DEVICE|all [REAL_MS]" },
	{ "power", power, "power DEVICE on|off" },
	{ "battery", battery, "battery DEVICE|all PERCENT" },
	{ "line", line, "line [open|closed]" },
	{ "set", set, "set DEVICE|all KNOB VALUE" },
	{ "fault", fault, "fault DEVICE|all KIND [REQUEST] [skip=N] [count=N] [NAME=VALUE]; fault DEVICE clear [KIND]" },
	{ "log", show_log, "log DEVICE [clear]" },
	{ "stats", stats, "stats [reset]" },
	{ "storm", storm, "storm N [MS]" },
	{ "mux", mux, "mux restart [MS] | mux lose N [ANNOUNCEMENTS|-1] | mux say FILE [TIMES]" },
	{ "add", add, "add JSON" },
	{ "quit", quit, "quit" },
	{ "help", help, "help" },
};

static bool help(struct virt_bench *b, const json_t *args, json_t *ret, struct stg_error *err)
{
	json_t *all = json_array();

	(void)b;
	(void)args;
	(void)err;
	for (size_t i = 0; i < STG_ARRAY_LEN(verbs); i++)
		json_array_append_new(all, json_string(verbs[i].usage));
	json_array_append_new(all, json_string("wait DEVICE attached|detached|paired|unpaired|dialog|supervised|activated|"
					       "erased [N]|profile ID|no-profile ID|request LINE [N] [timeout=SECONDS]"));
	json_array_append_new(all, json_string("wait attached N | wait idle [timeout=SECONDS]"));
	stg_json_put_new(ret, "verbs", all);
	return true;
}

void virt_verbs_add(struct virt_bench *b)
{
	for (size_t i = 0; i < STG_ARRAY_LEN(verbs); i++)
		virt_control_add(b, verbs[i].name, verbs[i].run);
}

/* ---- conditions ---- */

static bool has_profile(const struct virt_device *d, const char *identifier)
{
	for (const struct virt_profile *p = d->profiles; p; p = p->next)
		if (strcmp(p->identifier, identifier) == 0)
			return true;
	return false;
}

static enum virt_condition device_condition(struct virt_device *d, const json_t *args, struct stg_error *err)
{
	const char *what = word(args, 1);
	bool now;

	if (strcmp(what, "attached") == 0) {
		now = virt_device_is_attached(d);
	} else if (strcmp(what, "detached") == 0) {
		now = !virt_device_is_attached(d);
	} else if (strcmp(what, "paired") == 0) {
		now = d->records != NULL;
	} else if (strcmp(what, "unpaired") == 0) {
		now = d->records == NULL;
	} else if (strcmp(what, "dialog") == 0) {
		now = d->dialog == VIRT_DIALOG_OPEN;
	} else if (strcmp(what, "supervised") == 0) {
		now = virt_device_is_supervised(d);
	} else if (strcmp(what, "activated") == 0) {
		now = strcmp(d->activation_state, "Activated") == 0;
	} else if (strcmp(what, "erased") == 0) {
		now = d->generation >= (unsigned int)number(args, 2, 1) && virt_device_is_attached(d);
	} else if (strcmp(what, "profile") == 0) {
		now = has_profile(d, word(args, 2));
	} else if (strcmp(what, "no-profile") == 0) {
		now = !has_profile(d, word(args, 2));
	} else if (strcmp(what, "request") == 0) {
		now = json_integer_value(json_object_get(d->counts, word(args, 2))) >= number(args, 3, 1);
	} else {
		stg_fail(err, STG_E_USAGE, 0, "one cannot wait for '%s'", what);
		return VIRT_CONDITION_WRONG;
	}
	return now ? VIRT_CONDITION_TRUE : VIRT_CONDITION_NOT_YET;
}

enum virt_condition virt_condition_is(struct virt_bench *b, const json_t *args, json_t *ret, struct stg_error *err)
{
	const char *first = word(args, 0);
	struct virt_device *d;

	if (strcmp(first, "idle") == 0)
		return b->open_conns == 0 ? VIRT_CONDITION_TRUE : VIRT_CONDITION_NOT_YET;
	if (strcmp(first, "attached") == 0) {
		int64_t n = 0;

		for (size_t i = 0; i < b->n_devices; i++)
			n += virt_device_is_attached(b->devices[i]);
		stg_json_put_int(ret, "attached", n);
		return n >= number(args, 1, 1) ? VIRT_CONDITION_TRUE : VIRT_CONDITION_NOT_YET;
	}
	if (strcmp(first, "device") == 0) {   /* "wait device X attached" reads well too */
		STG_AUTO(stg_json_free_at) json_t *rest = json_copy((json_t *)(uintptr_t)args);

		json_array_remove(rest, 0);
		return virt_condition_is(b, rest, ret, err);
	}
	d = virt_device_find(b, first);
	if (!d) {
		stg_fail(err, STG_E_NOT_FOUND, 0, "no device '%s'", first);
		return VIRT_CONDITION_WRONG;
	}
	return device_condition(d, args, err);
}
