/*
 * device.c - one virtual device: its identity, its cable, its switch, its erase.
 *
 * For:    devices that keep their state, go away and come back as real ones do.
 * Uses:   models.h, mux.h, sysfs.h, conn.h.
 * Called: by bench.c, control.c, and services that restart or erase.
 * Thread: the bench's only one.
 * Facts:  every attach has a new DeviceID and a new USB address; an erase changes the device key and ends all trust.
 */
#include "device.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stager/error.h>

#include "bench.h"
#include "conn.h"
#include "control.h"
#include "mux.h"
#include "supervision.h"
#include "sysfs.h"
#include "usb/usb.h"

#define LOG_MAX 65536u

struct virt_later {
	struct virt_later *next;
	struct virt_device *device;
	struct virt_timer timer;
	void (*then)(struct virt_device *, void *arg);
	void *arg;
	char port[32];
	bool is_replug;
};

struct virt_data {
	struct virt_data *next;
	const void *owner;
	void (*clear)(void *);
	void *memory;
};

/* ---- identity ---- */

static const struct virt_color colors[] = { { "1", "1" }, { "2", "2" }, { "1", "5" }, { "1", "7" } };

static bool hex_to_u64(const char *text, uint64_t *ret)
{
	char *end;
	bool is_hex = strncasecmp(text, "0x", 2) == 0 || strspn(text, "0123456789") != strlen(text);

	*ret = strtoull(text, &end, is_hex ? 16 : 10);
	return text[0] && !*end;
}

static const struct virt_model *pick_model(struct virt_random *r, const json_t *wanted)
{
	const char *kind = stg_json_str(wanted, "kind");
	const struct virt_model *m;

	do
		m = &virt_models[virt_random_below(r, (uint32_t)virt_models_len)];
	while ((strcmp(kind, "ipad") == 0 && !m->is_ipad) || (strcmp(kind, "iphone") == 0 && m->is_ipad));
	return m;
}

static const struct virt_os *pick_os(struct virt_random *r, const struct virt_model *m)
{
	const struct virt_os *os;

	do
		os = &virt_oses[virt_random_below(r, (uint32_t)virt_oses_len)];
	while (os->major < m->first_os || os->major > m->last_os);
	return os;
}

/* 40 hex digits over what made the unit unique then, ChipID-ECID since the A12. */
static void make_udid(struct virt_device *d)
{
	char all[160];
	unsigned char sum[EVP_MAX_MD_SIZE];

	if (d->model->has_long_udid) {
		int n = snprintf(all, sizeof(all), "%s%llu%s%s", d->serial, (unsigned long long)d->ecid, d->wifi, d->bluetooth);

		EVP_Digest(all, (size_t)n, sum, NULL, EVP_sha1(), NULL);
		stg_hex(stg_bytes(sum, 20), d->udid);
		stg_copy(d->usb_serial, sizeof(d->usb_serial), d->udid);
	} else {
		snprintf(d->udid, sizeof(d->udid), "%08X-%016llX", d->model->chip_id, (unsigned long long)d->ecid);
		snprintf(d->usb_serial, sizeof(d->usb_serial), "%08X%016llX", d->model->chip_id, (unsigned long long)d->ecid);
	}
}

static bool take_udid(struct virt_device *d, const char *udid, struct stg_error *err)
{
	size_t len = strlen(udid);
	unsigned int chip;
	unsigned long long ecid;

	if (len == 40) {
		stg_copy(d->udid, sizeof(d->udid), udid);
		stg_copy(d->usb_serial, sizeof(d->usb_serial), udid);
		return true;
	}
	if (len != 25 || sscanf(udid, "%8X-%16llX", &chip, &ecid) != 2)
		return stg_fail(err, STG_E_INPUT, 0, "'%s' is not a UDID (40 hex digits, or 8-16)", udid);
	d->ecid = ecid;
	stg_copy(d->udid, sizeof(d->udid), udid);
	snprintf(d->usb_serial, sizeof(d->usb_serial), "%.8s%s", udid, udid + 9);
	return true;
}

static bool make_identity(struct virt_device *d, const json_t *wanted, struct stg_error *err)
{
	struct virt_random r = virt_random_from(d->bench->opt.seed, d->number, 1);
	const char *word = stg_json_str(wanted, "model");
	const struct virt_model *any = pick_model(&r, wanted);
	const struct virt_os *os;
	struct virt_random macs;
	int64_t gb = stg_json_int(wanted, "capacity_gb", 0);
	size_t n_caps = 0;

	d->model = word[0] ? virt_model_find(word) : any;
	if (!d->model)
		return stg_fail(err, STG_E_INPUT, 0, "no model '%s' is known", word);
	/* as a list names it: the very one where that is known, else any of its kind */
	word = stg_json_str(wanted, "model_like");
	if (word[0] && virt_model_find(word))
		d->model = virt_model_find(word);
	os = pick_os(&r, d->model);
	word = stg_json_str(wanted, "os");
	d->os = word[0] ? virt_os_find(word) : os;
	if (!d->os)
		return stg_fail(err, STG_E_INPUT, 0, "no system version '%s' is known", word);
	d->color = &colors[virt_random_below(&r, STG_ARRAY_LEN(colors))];
	while (n_caps < STG_ARRAY_LEN(d->model->capacities_gb) && d->model->capacities_gb[n_caps])
		n_caps++;
	if (gb <= 0)
		gb = d->model->capacities_gb[virt_random_below(&r, (uint32_t)n_caps)];
	d->capacity_bytes = (uint64_t)gb * 1000000000u;
	d->ecid = (virt_random_next(&r) & 0x001fffffffffff00u) | 0x0010000000000026u;
	virt_make_serial(&r, d->model, d->serial);
	macs = r;
	virt_random_next(&r);
	virt_make_mac(&macs, 0, d->wifi);
	virt_make_mac(&macs, 1, d->bluetooth);
	virt_make_mac(&macs, 2, d->ethernet);
	snprintf(d->mlb_serial, sizeof(d->mlb_serial), "%.3s%08XJ%05u", d->serial,
		 (unsigned int)virt_random_below(&r, UINT32_MAX), virt_random_below(&r, 100000));
	d->mlb_serial[17] = '\0';
	if (d->model->is_cellular) {
		virt_make_imei(&r, d->model, d->imei[0]);
		if (d->model->has_two_imeis)
			virt_make_imei(&r, d->model, d->imei[1]);
		snprintf(d->meid, sizeof(d->meid), "%.14s", d->imei[0]);
	}
	d->battery_health = d->battery_cycles = -1;
	d->encryption_caps = 3;
	stg_copy(d->region, sizeof(d->region), stg_json_str_or(wanted, "region", "LL/A"));
	stg_copy(d->name, sizeof(d->name), stg_json_str_or(wanted, "name", d->model->is_ipad ? "iPad" : "iPhone"));

	word = stg_json_str(wanted, "serial");
	if (word[0])
		stg_copy(d->serial, sizeof(d->serial), word);
	word = stg_json_str(wanted, "imei");
	if (word[0])
		stg_copy(d->imei[0], sizeof(d->imei[0]), word);
	word = stg_json_str(wanted, "imei2");
	if (word[0])
		stg_copy(d->imei[1], sizeof(d->imei[1]), word);
	word = stg_json_str(wanted, "wifi");
	if (word[0])
		stg_copy(d->wifi, sizeof(d->wifi), word);
	word = stg_json_str(wanted, "ecid");
	if (word[0] && !hex_to_u64(word, &d->ecid))
		return stg_fail(err, STG_E_INPUT, 0, "'%s' is not an ECID", word);
	word = stg_json_str(wanted, "udid");
	if (word[0])
		return take_udid(d, word, err);
	make_udid(d);
	return true;
}

static void make_android(struct virt_device *d, const json_t *wanted)
{
	struct virt_random r = virt_random_from(d->bench->opt.seed, d->number, 2);

	d->usb_mode = VIRT_USB_ANDROID;
	snprintf(d->serial, sizeof(d->serial), "%s%08X", virt_random_below(&r, 2) ? "R5CR" : "2B05",
		 (unsigned int)virt_random_below(&r, UINT32_MAX));
	if (stg_json_str(wanted, "serial")[0])
		stg_copy(d->serial, sizeof(d->serial), stg_json_str(wanted, "serial"));
	stg_copy(d->usb_serial, sizeof(d->usb_serial), d->serial);
	stg_copy(d->name, sizeof(d->name), strncmp(d->serial, "R5", 2) == 0 ? "SAMSUNG_Android" : "Pixel 8a");
	d->battery_percent = 60;
}

/* Members of `wanted` that say what it is; all others are knobs. */
static bool is_identity_key(const char *key)
{
	static const char *const keys[] = { "kind", "model", "model_like", "os", "serial", "udid", "ecid", "imei", "imei2", "wifi", "name",
					    "port", "capacity_gb", "color", "region", "plugged", "faults" };

	for (size_t i = 0; i < STG_ARRAY_LEN(keys); i++)
		if (strcmp(keys[i], key) == 0)
			return true;
	return false;
}

struct virt_device *virt_device_new(struct virt_bench *b, const json_t *wanted, struct stg_error *err)
{
	struct virt_device *d = stg_calloc(1, sizeof(*d));
	struct virt_random r;
	const char *key;
	json_t *value;
	bool ok = true;

	d->bench = b;
	d->number = (unsigned int)b->n_devices + 1;
	d->is_on = true;
	d->mdm_line_needed = true;
	d->log = STG_BUF(LOG_MAX);
	d->stored_profile = STG_BUF(32u << 20);
	d->unlock_token = STG_BUF(4096);
	d->counts = json_object();
	d->values = plist_new_dict();
	stg_copy(d->activation_state, sizeof(d->activation_state), b->opt.fresh ? "Unactivated" : "Activated");
	r = virt_random_from(b->opt.seed, d->number, 3);
	d->battery_percent = 55 + virt_random_below(&r, 40);
	if (strcmp(stg_json_str(wanted, "kind"), "android") == 0)
		make_android(d, wanted);
	else
		ok = make_identity(d, wanted, err);
	json_object_foreach ((json_t *)(uintptr_t)wanted, key, value)
		if (ok && !is_identity_key(key))
			ok = virt_device_set(d, key, value, err);
	if (!ok) {
		virt_device_free(d);
		return NULL;
	}
	if (b->n_devices == b->cap_devices) {
		size_t cap = b->cap_devices ? b->cap_devices * 2 : 64;
		struct virt_device **more = realloc(b->devices, cap * sizeof(struct virt_device *));

		if (!more)
			abort();
		b->devices = more;
		b->cap_devices = cap;
	}
	b->devices[b->n_devices++] = d;
	return d;
}

/* ---- what is forgotten ---- */

void virt_profile_free(struct virt_profile *p)
{
	if (!p)
		return;
	free(p->identifier);
	free(p->uuid);
	free(p->display_name);
	free(p->description);
	free(p->organization);
	stg_buf_clear(&p->bytes);
	plist_free(p->content);
	free(p);
}

static void free_profiles(struct virt_profile **list)
{
	while (*list) {
		struct virt_profile *p = *list;

		*list = p->next;
		virt_profile_free(p);
	}
}

static void free_data(struct virt_device *d)
{
	while (d->data) {
		struct virt_data *x = d->data;

		d->data = x->next;
		if (x->clear)
			x->clear(x->memory);
		free(x->memory);
		free(x);
	}
}

void virt_device_forget_records(struct virt_device *d)
{
	while (d->records) {
		struct virt_record *r = d->records;

		d->records = r->next;
		r->next = NULL;
		virt_record_unref(r);
	}
}

static void free_later(struct virt_later *l)
{
	struct virt_later **at = &l->device->laters;

	while (*at && *at != l)
		at = &(*at)->next;
	if (*at)
		*at = l->next;
	virt_timer_clear(l->device->bench->loop, &l->timer);
	free(l);
}

static void forget_everything(struct virt_device *d)
{
	virt_device_forget_records(d);
	free_profiles(&d->profiles);
	free_profiles(&d->queued);
	plist_free(d->cloud_config);
	d->cloud_config = NULL;
	stg_buf_clear(&d->stored_profile);
	stg_buf_clear(&d->unlock_token);
	d->wallpaper_lock[0] = d->wallpaper_home[0] = '\0';
	d->wifi_off = false;
	plist_free(d->values);
	d->values = plist_new_dict();
	free_data(d);
}

void virt_device_free(struct virt_device *d)
{
	if (!d)
		return;
	virt_conn_cut_all(d);
	while (d->laters)
		free_later(d->laters);
	forget_everything(d);
	plist_free(d->values);
	virt_fault_clear(d, NULL);
	stg_buf_clear(&d->log);
	json_decref(d->counts);
	free(d);
}

void *virt_device_data(struct virt_device *d, const void *owner, size_t size, void (*clear)(void *))
{
	struct virt_data *x = d->data;

	while (x && x->owner != owner)
		x = x->next;
	if (!x) {
		x = stg_calloc(1, sizeof(*x));
		x->owner = owner;
		x->clear = clear;
		x->memory = stg_calloc(1, size);
		x->next = d->data;
		d->data = x;
	}
	return x->memory;
}

/* ---- finding and noting ---- */

struct virt_device *virt_device_find(struct virt_bench *b, const char *who)
{
	char hyphenless[48];
	uint64_t ecid = 0;
	bool is_number = hex_to_u64(who, &ecid);

	if (who[0] == '#') {
		unsigned long n = strtoul(who + 1, NULL, 10);

		return n >= 1 && n <= b->n_devices ? b->devices[n - 1] : NULL;
	}
	for (size_t i = 0; i < b->n_devices; i++) {
		struct virt_device *d = b->devices[i];

		stg_copy(hyphenless, sizeof(hyphenless), d->usb_serial);
		if (strcmp(d->serial, who) == 0 || strcasecmp(d->udid, who) == 0 || strcasecmp(hyphenless, who) == 0 ||
		    (d->imei[0][0] && strcmp(d->imei[0], who) == 0) || (d->imei[1][0] && strcmp(d->imei[1], who) == 0) ||
		    (d->is_plugged && strcmp(d->port, who) == 0) || (is_number && d->ecid && d->ecid == ecid))
			return d;
	}
	return NULL;
}

void virt_device_touched(struct virt_device *d, int64_t work_ms)
{
	int64_t now = virt_loop_now_us(d->bench->loop), until = now + work_ms * 1000;

	if (now - d->touched_us > d->longest_idle_us)
		d->longest_idle_us = now - d->touched_us;
	if (until > d->touched_us)
		d->touched_us = until;
}

void virt_device_note(struct virt_device *d, const char *service, const char *request)
{
	char line[200];
	json_t *count;

	snprintf(line, sizeof(line), "%.100s %.90s", service, request);
	count = json_object_get(d->counts, line);
	if (count)
		json_integer_set(count, json_integer_value(count) + 1);
	else
		json_object_set_new_nocheck(d->counts, line, json_integer(1));
	if (!stg_buf_add_str(&d->log, line, NULL) || !stg_buf_add_str(&d->log, "\n", NULL))
		d->log_dropped++;
	virt_bench_count(d->bench, line);
	virt_control_changed(d->bench);
}

bool virt_device_is_attached(const struct virt_device *d)
{
	return d->is_plugged && d->is_on;
}

bool virt_device_is_supervised(const struct virt_device *d)
{
	plist_t node = d->cloud_config ? plist_dict_get_item(d->cloud_config, "IsSupervised") : NULL;
	uint8_t yes = 0;

	if (node && plist_get_node_type(node) == PLIST_BOOLEAN)
		plist_get_bool_val(node, &yes);
	return yes != 0;
}

bool virt_device_is_supervisor(const struct virt_device *d, struct stg_bytes cert_der)
{
	plist_t list = d->cloud_config ? plist_dict_get_item(d->cloud_config, "SupervisorHostCertificates") : NULL;

	if (!virt_device_is_supervised(d) || !list || plist_get_node_type(list) != PLIST_ARRAY)
		return false;
	for (uint32_t i = 0; i < plist_array_get_size(list); i++) {
		plist_t node = plist_array_get_item(list, i);
		uint64_t len = 0;
		const char *data;

		if (plist_get_node_type(node) != PLIST_DATA)
			continue;
		data = plist_get_data_ptr(node, &len);
		if (stg_bytes_equal(stg_bytes(data, len), cert_der))
			return true;
	}
	return false;
}

void virt_device_set_activation(struct virt_device *d, const char *state)
{
	stg_copy(d->activation_state, sizeof(d->activation_state), state);
	virt_notify(d, "com.apple.mobile.lockdown.activation_state");
	virt_consider_programme(d);
	virt_control_changed(d->bench);
}

/* ---- cable and switch ---- */

/* The USB serial of a device in recovery or DFU names chip, ECID and serial in clear. */
static void usb_serial_for_mode(struct virt_device *d)
{
	if (d->usb_mode == VIRT_USB_ANDROID)
		return;
	/* iBoot tells the serial, the boot ROM its own version instead */
	if (d->usb_mode == VIRT_USB_RECOVERY || d->usb_mode == VIRT_USB_DFU || d->usb_mode == VIRT_USB_WTF)
		snprintf(d->usb_serial, sizeof(d->usb_serial), "CPID:%04X CPRV:11 CPFM:03 SCEP:01 BDID:%02X ECID:%016llX IBFL:3C %s[%.14s]",
			 d->model->chip_id, d->model->board_id, (unsigned long long)d->ecid,
			 d->usb_mode == VIRT_USB_RECOVERY ? "SRNM:" : "SRTG:", d->usb_mode == VIRT_USB_RECOVERY ? d->serial : "iBoot-7459.1");
	else if (d->usb_mode == VIRT_USB_PORT_DFU)
		d->usb_serial[0] = '\0';
	else if (strlen(d->udid) == 25)
		snprintf(d->usb_serial, sizeof(d->usb_serial), "%.8s%s", d->udid, d->udid + 9);
	else
		stg_copy(d->usb_serial, sizeof(d->usb_serial), d->udid);
}

/* The kernel counts addresses up to 127 and begins again, passing by those in use. */
static unsigned int next_address(struct virt_bench *b, unsigned int bus)
{
	unsigned int last = bus < STG_ARRAY_LEN(b->last_address) ? b->last_address[bus] : 127;
	bool taken;

	do {
		last = last >= 127 ? 1 : last + 1;
		taken = false;
		for (size_t i = 0; i < b->n_devices; i++)
			taken = taken || (virt_device_is_attached(b->devices[i]) && b->devices[i]->bus_number == bus &&
					  b->devices[i]->device_number == last);
	} while (taken || last <= b->hub_addresses);
	if (bus < STG_ARRAY_LEN(b->last_address))
		b->last_address[bus] = last;
	return last;
}

static void list(struct virt_device *d)
{
	d->device_id = d->bench->next_device_id++;
	if (d->bench->mux)
		virt_mux_attached(d->bench->mux, d);
}

static void attach(struct virt_device *d)
{
	struct virt_bench *b = d->bench;
	unsigned int bus = virt_port_bus(d->port);

	d->device_number = 0;
	d->bus_number = bus;
	d->device_number = next_address(b, bus);
	d->location_id = bus << 16 | d->device_number;
	d->attach_count++;
	d->touched_us = virt_loop_now_us(b->loop);
	usb_serial_for_mode(d);
	d->lost = 0;
	d->announced_left = false;
	if (d->usb_mode == VIRT_USB_NORMAL && b->lose_next) {
		b->lose_next--;
		d->lost = b->lose_for;
	}
	if (b->sysfs)
		virt_sysfs_add(b->sysfs, d);
	if (b->usb)
		virt_usb_bus_add(b->usb, d);
	virt_control_changed(b);
	if (d->usb_mode == VIRT_USB_NORMAL && !d->lost)
		list(d);
}

void virt_device_announced(struct virt_device *d, bool came)
{
	if (!d->lost || !virt_device_is_attached(d))
		return;
	virt_bench_count(d->bench, came ? "announced add" : "announced remove");
	if (came && d->announced_left && (d->lost < 0 || --d->lost > 0)) {
		d->announced_left = false;
	} else if (came && d->announced_left) {
		list(d);
		virt_control_changed(d->bench);
	} else {
		d->announced_left = !came;
	}
}

static void detach(struct virt_device *d)
{
	uint32_t id = d->device_id;

	virt_conn_cut_all(d);
	d->device_id = 0;
	if (d->bench->sysfs)
		virt_sysfs_remove(d->bench->sysfs, d);
	if (d->bench->usb)
		virt_usb_bus_remove(d->bench->usb, d);
	if (id && d->bench->mux)
		virt_mux_detached(d->bench->mux, id);
	virt_control_changed(d->bench);
}

static bool port_is_taken(const struct virt_bench *b, const char *port)
{
	for (size_t i = 0; i < b->n_devices; i++)
		if (b->devices[i]->is_plugged && strcmp(b->devices[i]->port, port) == 0)
			return true;
	return false;
}

bool virt_device_plug(struct virt_device *d, const char *port, struct stg_error *err)
{
	struct virt_bench *b = d->bench;
	unsigned int n;
	char name[32];

	if (d->is_plugged)
		return stg_fail(err, STG_E_INPUT, 0, "%s is plugged in already, on %s", d->serial, d->port);
	if (!port || !port[0])
		port = d->port[0] && !port_is_taken(b, d->port) ? d->port : NULL;
	/* At first everybody has the port of his number. */
	for (unsigned int i = 0; !port && i < b->n_ports; i++) {
		virt_port_name((d->number - 1 + i) % b->n_ports, name);
		if (!port_is_taken(b, name))
			port = name;
	}
	if (!port)
		return stg_fail(err, STG_E_INPUT, 0, "all %u ports are taken", b->n_ports);
	if (!virt_port_number(b, port, &n))
		return stg_fail(err, STG_E_INPUT, 0, "the bench has no port '%s'", port);
	if (port_is_taken(b, port))
		return stg_fail(err, STG_E_INPUT, 0, "port %s is taken", port);
	if (port != d->port)
		stg_copy(d->port, sizeof(d->port), port);
	d->is_plugged = true;
	d->battery_charging = true;
	d->longest_idle_us = 0;
	if (d->is_on)
		attach(d);
	return true;
}

void virt_device_unplug(struct virt_device *d)
{
	bool was_there = virt_device_is_attached(d);

	if (!d->is_plugged)
		return;
	d->is_plugged = false;
	d->battery_charging = false;
	/* Putting the plug back in asks again. */
	d->dialog = VIRT_DIALOG_NONE;
	if (was_there)
		detach(d);
}

static void fire_later(struct virt_timer *t)
{
	struct virt_later *l = VIRT_OWNER(t, struct virt_later, timer);
	struct virt_device *d = l->device;
	void (*then)(struct virt_device *, void *) = l->then;
	void *arg = l->arg;
	bool is_replug = l->is_replug;
	char port[32];

	stg_copy(port, sizeof(port), l->port);
	free_later(l);
	if (is_replug)
		virt_device_plug(d, port, NULL);
	else
		then(d, arg);
}

static struct virt_later *later(struct virt_device *d, int64_t ms)
{
	struct virt_later *l = stg_calloc(1, sizeof(*l));

	l->device = d;
	l->next = d->laters;
	d->laters = l;
	virt_timer_set(d->bench->loop, &l->timer, ms, fire_later);
	return l;
}

int64_t virt_device_paced_ms(struct virt_device *d, int64_t real_ms)
{
	int64_t ms = virt_loop_paced_ms(d->bench->loop, real_ms);

	d->waited_real_ms += real_ms;
	d->waited_ms += ms;
	return ms;
}

void virt_device_after(struct virt_device *d, int64_t real_ms, void (*then)(struct virt_device *, void *), void *arg)
{
	struct virt_later *l = later(d, virt_device_paced_ms(d, real_ms));

	l->then = then;
	l->arg = arg;
}

void virt_device_replug(struct virt_device *d, int64_t after_ms, const char *port)
{
	struct virt_later *l;

	virt_device_unplug(d);
	l = later(d, after_ms);
	l->is_replug = true;
	stg_copy(l->port, sizeof(l->port), port ? port : "");
}

void virt_device_swap(struct virt_device *d, struct virt_device *other, int64_t back_ms)
{
	char port[sizeof(d->port)];

	stg_copy(port, sizeof(port), d->port);
	virt_device_unplug(other);
	if (back_ms >= 0)
		virt_device_replug(d, back_ms, NULL);
	else
		virt_device_unplug(d);
	virt_device_plug(other, port, NULL);
}

/* Only the latest of several restarts and erases ends in coming back. */
static void switch_on(struct virt_device *d, void *what)
{
	if (d->is_on || (uintptr_t)what >> 8 != d->power_ups)
		return;
	d->usb_mode = (enum virt_usb_mode)((uintptr_t)what & 0xff);
	d->is_on = true;
	if (d->is_plugged)
		attach(d);
}

static void switch_on_after(struct virt_device *d, int64_t real_ms, enum virt_usb_mode back_as)
{
	virt_device_after(d, real_ms, switch_on, (void *)((uintptr_t)++d->power_ups << 8 | (uintptr_t)back_as));
}

void virt_device_shutdown(struct virt_device *d)
{
	bool was_there = virt_device_is_attached(d);

	if (!d->is_on)
		return;
	d->is_on = false;
	d->dialog = VIRT_DIALOG_NONE;
	if (d->has_passcode && d->at_home_screen)
		d->is_locked = d->escrow_locked = true;
	if (was_there)
		detach(d);
}

void virt_device_restart(struct virt_device *d, int64_t real_ms, enum virt_usb_mode back_as)
{
	virt_device_shutdown(d);
	switch_on_after(d, real_ms, back_as);
}

void virt_device_erase(struct virt_device *d, int64_t real_ms)
{
	virt_device_shutdown(d);
	forget_everything(d);
	d->generation++;
	d->key = NULL;
	d->at_home_screen = d->is_locked = d->escrow_locked = d->has_passcode = false;
	/* Find My outlives the erase: the next activation asks for the account. */
	d->activation_lock = d->activation_lock || d->find_my;
	d->find_my = d->jailbroken = false;
	d->activation_acknowledged = false;
	if (d->esim && !d->keep_data_plan) {
		d->iccid[0] = '\0';
		d->esim = false;
	}
	d->keep_data_plan = false;
	stg_copy(d->activation_state, sizeof(d->activation_state), d->has_network ? "Activated" : "Unactivated");
	stg_copy(d->name, sizeof(d->name), d->model->is_ipad ? "iPad" : "iPhone");
	d->clock_offset_ms = 0;
	d->pair_challenge[0] = '\0';
	virt_bench_count(d->bench, "erases");
	switch_on_after(d, real_ms, VIRT_USB_NORMAL);
}
