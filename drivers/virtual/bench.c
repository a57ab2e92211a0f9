/*
 * bench.c - makes a bench from options and a scenario.
 *
 * For:    main.c and tests that hold a bench in their own process.
 * Uses:   all parts of the bench.
 * Called: by main.c.
 * Thread: the bench's only one.
 */
#include "bench.h"

#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stager/error.h>
#include <stager/file.h>

#include "conn.h"
#include "control.h"
#include "mux.h"
#include "receiver.h"
#include "sysfs.h"
#include "tls.h"
#include "usb/usb.h"

void virt_bench_count(struct virt_bench *b, const char *what)
{
	json_t *n = json_object_get(b->stats, what);

	if (n)
		json_integer_set(n, json_integer_value(n) + 1);
	else if (json_object_size(b->stats) < 1000)   /* names come from outside */
		json_object_set_new(b->stats, what, json_integer(1));
}

struct virt_bench *virt_bench_new(const struct virt_options *o, struct stg_error *err)
{
	struct virt_bench *b = stg_calloc(1, sizeof(*b));
	struct virt_random r;
	uint8_t u[16];

	b->opt = *o;
	b->line_open = !o->line_closed;
	b->random = virt_random_from(o->seed, 0, 0);
	b->next_device_id = 1;
	b->ready = json_object();
	b->stats = json_object();
	b->keys = virt_keys_open(o->keys_dir);
	b->loop = virt_loop_new(err);
	b->tls = virt_tls_context(err);
	if (!b->loop || !b->tls) {
		virt_bench_free(b);
		return NULL;
	}
	virt_loop_set_pace(b->loop, o->pace, o->time_scale);
	r = virt_random_from(o->seed, 0, 5);
	virt_random_fill(&r, u, sizeof(u));
	snprintf(b->buid, sizeof(b->buid), "%02X%02X%02X%02X-%02X%02X-4%X%02X-8%X%02X-%02X%02X%02X%02X%02X%02X", u[0], u[1], u[2],
		 u[3], u[4], u[5], u[6] & 15u, u[7], u[8] & 15u, u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
	return b;
}

void virt_bench_free(struct virt_bench *b)
{
	if (!b)
		return;
	if (virt_activation_server_stop)
		virt_activation_server_stop(b);
	virt_receiver_stop(b);
	virt_control_stop(b->control);
	virt_mux_stop(b->mux);
	b->mux = NULL;
	virt_usb_bus_stop(b->usb);
	for (size_t i = 0; i < b->n_devices; i++)
		virt_device_free(b->devices[i]);
	free(b->devices);
	/* What was dropped tells its owners from the loop: let it, so that all memory is given back. */
	if (b->loop)
		virt_loop_turn(b->loop, 0, NULL);
	virt_sysfs_stop(b->sysfs);
	virt_keys_close(b->keys);
	SSL_CTX_free(b->tls);
	virt_loop_free(b->loop);
	json_decref(b->ready);
	json_decref(b->stats);
	free(b);
}

/* What a real day brings: most devices are well, one in three wants something. */
static void mix(const struct virt_bench *b, unsigned int i, json_t *wanted)
{
	struct virt_random r = virt_random_from(b->opt.seed, i + 1, 6);

	switch (virt_random_below(&r, 24)) {
	case 0:
	case 1:
		stg_json_put_bool(wanted, "at_home_screen", true);
		stg_json_put_bool(wanted, "locked", true);
		break;
	case 2:
		stg_json_put_bool(wanted, "at_home_screen", true);
		break;
	case 3:
		stg_json_put_bool(wanted, "supervised_by_other", true);
		break;
	case 4:
	case 5:
		stg_json_put_bool(wanted, "activated", false);
		break;
	case 6:
		stg_json_put_bool(wanted, "abm_assigned", true);
		break;
	case 7:
		stg_json_put_bool(wanted, "activated", false);
		stg_json_put_bool(wanted, "activation_lock", true);
		break;
	case 8:
		stg_json_put_int(wanted, "battery", 4);
		break;
	default:
		break;
	}
}

static bool add_default_devices(struct virt_bench *b, struct stg_error *err)
{
	const struct virt_options *o = &b->opt;
	unsigned int all = o->iphones + o->ipads + o->androids;

	for (unsigned int i = 0; i < all; i++) {
		STG_AUTO(stg_json_free_at) json_t *wanted = json_object();
		bool is_android = i >= o->iphones + o->ipads;

		stg_json_put(wanted, "kind", is_android ? "android" : i >= o->iphones ? "ipad" : "iphone");
		if (o->mixed && !is_android)
			mix(b, i, wanted);
		if (!virt_device_new(b, wanted, err))
			return false;
	}
	return true;
}

static bool arm_all(struct virt_device *d, const json_t *faults, struct stg_error *err)
{
	size_t i;
	json_t *f;

	json_array_foreach ((json_t *)(uintptr_t)faults, i, f)
		if (!virt_fault_arm(d, stg_json_str(f, "kind"), stg_json_str(f, "request"), (int)stg_json_int(f, "skip", 0),
				    (int)stg_json_int(f, "count", 1), f, err))
			return false;
	return true;
}

/* {"devices": [{"serial": ..., "model": ..., knobs..., "plugged": false, "port": "2-1.4", "faults": [...]}]} */
static bool add_scenario(struct virt_bench *b, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(32u << 20);
	STG_AUTO(stg_json_free_at) json_t *s = NULL;
	size_t i;
	json_t *wanted;

	if (!b->opt.scenario_path)
		return true;
	if (!stg_file_read(b->opt.scenario_path, &text, err))
		return stg_while(err, "scenario %s", b->opt.scenario_path);
	s = stg_json_parse(stg_buf_view(&text), text.max, err);
	if (!s)
		return stg_while(err, "scenario %s", b->opt.scenario_path);
	json_array_foreach (json_object_get(s, "devices"), i, wanted) {
		struct virt_device *d = virt_device_new(b, wanted, err);

		if (!d || !arm_all(d, json_object_get(wanted, "faults"), err))
			return stg_while(err, "scenario %s: device %zu", b->opt.scenario_path, i + 1);
		if (!stg_json_bool(wanted, "plugged", true))
			d->stays_out = true;
		stg_copy(d->port, sizeof(d->port), stg_json_str(wanted, "port"));
	}
	return true;
}

bool virt_bench_start(struct virt_bench *b, struct stg_error *err)
{
	const struct virt_options *o = &b->opt;
	unsigned int ports;

	signal(SIGPIPE, SIG_IGN);
	if (!add_default_devices(b, err) || !add_scenario(b, err))
		return false;
	for (size_t i = 0; i < b->n_devices; i++)
		b->devices[i]->given_port = b->devices[i]->port[0] != '\0';
	ports = o->slots ? o->slots : (unsigned int)b->n_devices > VIRT_HUB_PORTS ? (unsigned int)b->n_devices : VIRT_HUB_PORTS;
	b->n_ports = (ports + VIRT_HUB_PORTS - 1) / VIRT_HUB_PORTS * VIRT_HUB_PORTS;
	b->hub_addresses = 19;   /* root hub and three chips for each of six hubs */
	for (size_t i = 0; i < STG_ARRAY_LEN(b->last_address); i++)
		b->last_address[i] = b->hub_addresses;
	if (o->sysfs_dir) {
		b->sysfs = virt_sysfs_start(b, o->sysfs_dir, b->n_ports, err);
		if (!b->sysfs)
			return false;
	}
	if (o->usb_vhci) {
		b->usb = virt_usb_bus_start(b, err);
		if (!b->usb)
			return false;
	}
	/* Those that were given a port first, so that nobody sits on it. */
	for (int given = 1; given >= 0; given--)
		for (size_t i = 0; i < b->n_devices; i++) {
			struct virt_device *d = b->devices[i];

			if (!d->stays_out && i + o->unplugged < b->n_devices && d->given_port == (given != 0) &&
			    !virt_device_plug(d, NULL, err))
				return false;
		}
	b->mux = virt_mux_start(b, err);
	if (!b->mux)
		return false;
	b->control = virt_control_start(b, o->control_path, err);
	if (!b->control)
		return false;
	if (virt_activation_server_start &&
	    !virt_activation_server_start(b, o->activation_listen ? o->activation_listen : "127.0.0.1:0", err))
		return false;
	if (o->receiver && !virt_receiver_start(b, o->receiver, err))
		return false;
	return true;
}
