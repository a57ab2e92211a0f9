/*
 * test_bus.c - what still fits on a bench, what ends it, and what would help: hubs of several chips, controllers that are
 * full, hubs without power, hubs behind hubs, slow cables, the USB 3 half of a hub, nonsense.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include <stager/bus.h>
#include <stager/error.h>
#include <stager/ids.h>

#define MOST 400
static struct stg_usb_device all[MOST];
static size_t n;

static struct stg_usb_device *add(const char *port, int bus)
{
	struct stg_usb_device *d = &all[n++];
	*d = (struct stg_usb_device){ .vid = 0x1d6b, .pid = 2, .bus = bus, .speed_mbps = 480, .self_powered = true };
	stg_copy(d->port, sizeof(d->port), port);
	stg_copy(d->socket, sizeof(d->socket), port);
	return d;
}

static void root(int bus, const char *controller, uint16_t maker)
{
	char name[16];
	snprintf(name, sizeof(name), "usb%d", bus);
	struct stg_usb_device *d = add(name, bus);
	d->is_hub = true;
	d->sockets = 16;
	d->controller_vid = maker;
	stg_copy(d->controller, sizeof(d->controller), controller);
}

static struct stg_usb_device *chip(const char *port, int bus, int sockets)
{
	struct stg_usb_device *d = add(port, bus);
	d->vid = 0x0424;
	d->pid = 0x2517;
	d->is_hub = true;
	d->sockets = sockets;
	d->max_power_ma = 100;
	return d;
}

static struct stg_usb_device *phone(const char *port, int bus)
{
	struct stg_usb_device *d = add(port, bus);
	d->vid = 0x05ac;
	d->pid = 0x12a8;
	d->is_phone = true;
	d->self_powered = false;
	d->max_power_ma = 500;
	stg_copy(d->driver, sizeof(d->driver), "apple");
	return d;
}

static int by_port(const void *a, const void *b)
{
	return stg_port_compare(((const struct stg_usb_device *)a)->port, ((const struct stg_usb_device *)b)->port);
}

static struct stg_bus account(void)
{
	struct stg_bus b;
	qsort(all, n, sizeof(all[0]), by_port);
	stg_bus_account(all, n, &b);
	return b;
}

static int setup(void **state)
{
	(void)state;
	n = 0;
	return 0;
}

/* A hub of 16 sockets: three chips in a chain. */
static void big_hub(int bus, int at)
{
	char port[STG_PORT_MAX];
	for (int c = 0; c < 3; c++) {
		snprintf(port, sizeof(port), "%d-%d%s", bus, at, (const char *[]){ "", ".7", ".7.7" }[c]);
		chip(port, bus, c < 2 ? 7 : 4);
	}
}

static void phones_on(int bus, int at, int count)
{
	char port[STG_PORT_MAX];
	for (int i = 0; i < count; i++) {
		snprintf(port, sizeof(port), "%d-%d%s.%d", bus, at, (const char *[]){ "", ".7", ".7.7" }[i / 6], i % 6 + 1);
		phone(port, bus);
	}
}

static const struct stg_bus_fix *fix_named(const struct stg_bus *b, unsigned int id)
{
	for (size_t i = 0; i < b->n_fixes; i++)
		if (b->fixes[i].id == id)
			return &b->fixes[i];
	return NULL;
}

static void three_chips_are_one_hub_with_sixteen_sockets(void **state)
{
	(void)state;
	root(2, "0000:00:14.0", 0);
	big_hub(2, 1);
	phones_on(2, 1, 13);
	struct stg_bus b = account();
	assert_int_equal(b.n_hubs, 1);
	assert_string_equal(b.hubs[0].port, "2-1");
	assert_int_equal(b.hubs[0].chips, 3);
	assert_int_equal(b.hubs[0].sockets, 16);
	assert_int_equal(b.hubs[0].taken, 13);
	assert_int_equal(b.hubs[0].room, 3);
	assert_int_equal(b.hubs[0].limit, STG_BUS_SOCKETS);
	assert_int_equal(b.hubs[0].tier, 3);
	assert_int_equal(b.n_segments, 1);
	assert_int_equal(b.segments[0].devices, 13);
	assert_int_equal(b.segments[0].mbps, 480);
	assert_int_equal(b.controllers[0].slots_used, 16);
	assert_int_equal(b.controllers[0].contexts_used, 13 * 8 + 3 * 2);
	/* nothing is known of this controller, and no limit is made up */
	assert_false(b.controllers[0].known);
	assert_int_equal(b.n_fixes, 0);
	stg_bus_clear(&b);
}

/* What benches report: 9 to 12 phones on a controller with 96 contexts, whatever the hub has sockets for. */
static void contexts_end_it_before_the_sockets_do(void **state)
{
	(void)state;
	root(2, "0000:00:14.0", 0x8086);
	big_hub(2, 1);
	phones_on(2, 1, 10);
	struct stg_bus b = account();
	assert_int_equal(b.hubs[0].room, 1);
	assert_int_equal(b.hubs[0].limit, STG_BUS_CONTEXTS);
	const struct stg_bus_fix *f = fix_named(&b, STG_ID_HUB_NEEDS_CARD);
	assert_non_null(f);
	assert_string_equal(f->where, "2-1");
	assert_int_equal(f->gain, 5);
	stg_bus_clear(&b);
	/* a hub on another controller costs nothing: it is named instead of a card */
	root(4, "0000:05:00.0", 0x1912);
	big_hub(4, 1);
	b = account();
	assert_null(fix_named(&b, STG_ID_HUB_NEEDS_CARD));
	f = fix_named(&b, STG_ID_HUB_ELSEWHERE);
	assert_non_null(f);
	assert_string_equal(f->where, "2-1");
	assert_string_equal(f->to, "4-1");
	stg_bus_clear(&b);
	/* more than fits cannot be less than nothing */
	phone("2-1.7.1", 2);
	phone("2-1.7.2", 2);
	phone("2-1.7.3", 2);
	b = account();
	assert_int_equal(b.hubs[0].room, 0);
	stg_bus_clear(&b);
}

static void slots_are_shared_by_all_hubs_of_a_controller(void **state)
{
	(void)state;
	root(2, "0000:05:00.0", 0x1912);
	root(3, "0000:05:00.0", 0x1912);     /* its USB 3 bus */
	big_hub(2, 1);
	big_hub(2, 2);
	phones_on(2, 1, 16);
	phones_on(2, 2, 6);
	struct stg_bus b = account();
	assert_int_equal(b.n_controllers, 1);
	assert_int_equal(b.controllers[0].slots, 32);
	assert_int_equal(b.controllers[0].slots_used, 28);
	assert_int_equal(b.hubs[0].room, 0);
	assert_int_equal(b.hubs[0].limit, STG_BUS_SOCKETS);
	assert_int_equal(b.hubs[1].room, 4);
	assert_int_equal(b.hubs[1].limit, STG_BUS_SLOTS);
	stg_bus_clear(&b);
}

static void a_hub_without_a_supply_carries_no_phone(void **state)
{
	(void)state;
	root(2, "0000:00:14.0", 0);
	chip("2-3", 2, 4)->self_powered = false;
	struct stg_bus b = account();
	assert_int_equal(b.hubs[0].room, 0);
	assert_int_equal(b.hubs[0].limit, STG_BUS_POWER);
	const struct stg_bus_fix *f = fix_named(&b, STG_ID_HUB_NO_POWER);
	assert_non_null(f);
	assert_string_equal(f->where, "2-3");
	assert_int_equal(f->gain, 4);
	stg_bus_clear(&b);
}

static void a_hub_behind_a_hub_shares_its_cable_and_five_are_the_end(void **state)
{
	(void)state;
	root(2, "0000:00:14.0", 0);
	chip("2-1", 2, 4);
	chip("2-1.4", 2, 4)->pid = 0x2514;      /* another make: a hub of its own */
	struct stg_bus b = account();
	assert_int_equal(b.n_hubs, 2);
	assert_int_equal(b.hubs[0].taken, 1);
	assert_int_equal(b.segments[0].hubs, 2);
	const struct stg_bus_fix *f = fix_named(&b, STG_ID_HUBS_CHAINED);
	assert_non_null(f);
	assert_string_equal(f->where, "2-1.4");
	stg_bus_clear(&b);
	chip("2-1.4.4", 2, 4);
	chip("2-1.4.4.4", 2, 4)->pid = 0x2514;
	chip("2-1.4.4.4.4", 2, 4);
	b = account();
	f = fix_named(&b, STG_ID_HUB_TOO_DEEP);
	assert_non_null(f);
	assert_string_equal(f->where, "2-1.4.4.4.4");
	stg_bus_clear(&b);
}

static void the_fast_half_of_a_hub_is_the_same_hub(void **state)
{
	(void)state;
	root(2, "0000:00:14.0", 0);
	root(3, "0000:00:14.0", 0);
	chip("2-1", 2, 4);
	struct stg_usb_device *half = chip("3-1", 3, 4), *fast;
	half->speed_mbps = 5000;
	half->pid = 0x5744;
	fast = phone("3-1.2", 3);
	fast->speed_mbps = 5000;
	stg_copy(fast->socket, sizeof(fast->socket), "2-1.2");
	struct stg_bus b = account();
	assert_int_equal(b.n_hubs, 1);
	assert_int_equal(b.hubs[0].taken, 1);
	assert_int_equal(b.hubs[0].room, 3);
	assert_int_equal(b.controllers[0].slots_used, 3);
	/* it is not on the 480 Mbit/s cable */
	assert_int_equal(b.segments[0].devices, 0);
	stg_bus_clear(&b);
}

static void a_slow_cable_is_named(void **state)
{
	(void)state;
	root(2, "0000:00:14.0", 0);
	chip("2-1", 2, 4);
	phone("2-1.3", 2)->speed_mbps = 12;
	struct stg_usb_device *keyboard = add("2-1.4", 2);
	keyboard->speed_mbps = 2;
	struct stg_bus b = account();
	assert_int_equal(b.n_fixes, 1);
	assert_int_equal(b.fixes[0].id, STG_ID_SLOW_CABLE);
	assert_string_equal(b.fixes[0].where, "2-1.3");
	/* a keyboard does not make the segment slow, a hub does */
	assert_int_equal(b.segments[0].mbps, 480);
	stg_bus_clear(&b);
}

static void what_the_kernel_counted_goes_before_the_guess(void **state)
{
	(void)state;
	root(2, "0000:00:14.0", 0x8086);
	phone("2-1", 2)->endpoints = 11;
	struct stg_usb_device *recovery = phone("2-2", 2);
	recovery->endpoints = 3;                /* it will want all of them again */
	recovery->mode = STG_MODE_RECOVERY;
	add("2-3", 2)->endpoints = 2;
	struct stg_bus b = account();
	assert_int_equal(b.controllers[0].contexts_used, 11 + 8 + 2);
	stg_bus_clear(&b);
}

static void no_bus_and_nonsense_harm_nobody(void **state)
{
	(void)state;
	struct stg_bus b = account();
	assert_int_equal(b.n_hubs + b.n_controllers + b.n_segments + b.n_fixes, 0);
	json_t *j = stg_bus_json(&b);
	assert_non_null(j);
	json_decref(j);
	stg_bus_clear(&b);
	/* devices without their hubs, hubs without sockets, deep names */
	phone("9-1.2.3.4.5.6.7.8.9", 9);
	phone("9-4", 0);
	chip("8-1.1", 8, 0);
	chip("8-1.1.1", 8, 0);
	chip("8-1.1.1.1.1.1.1.1", 8, 255);
	all[n - 1].max_power_ma = 100000;
	all[n - 1].endpoints = 31;
	b = account();
	for (size_t i = 0; i < b.n_hubs; i++)
		assert_true(b.hubs[i].room >= 0);
	j = stg_bus_json(&b);
	assert_non_null(j);
	json_decref(j);
	stg_bus_clear(&b);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
		T(three_chips_are_one_hub_with_sixteen_sockets), T(contexts_end_it_before_the_sockets_do),
		T(slots_are_shared_by_all_hubs_of_a_controller), T(a_hub_without_a_supply_carries_no_phone),
		T(a_hub_behind_a_hub_shares_its_cable_and_five_are_the_end), T(the_fast_half_of_a_hub_is_the_same_hub),
		T(a_slow_cable_is_named), T(what_the_kernel_counted_goes_before_the_guess), T(no_bus_and_nonsense_harm_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
