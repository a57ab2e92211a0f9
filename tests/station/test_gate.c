/*
 * test_gate.c - no device is ever erased that was not asked for, in any order of events.
 *
 * A small world of ports, devices, batches and people is driven by random events; what the gate says is compared with
 * a model that knows only the history. Then each condition is switched off in turn, and the same run must find a wrong
 * erase: a gate that does not need a condition would not notice its loss.
 *
 * STG_SEED picks the run, STG_EVENTS its length.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stager/error.h>

#include "../../stager/station/gate.h"

enum { DEVICES = 4, PORTS = 3 };

/* What really is, and what people really did. */
struct device {
	struct stg_identity id;
	char ownership[12];
	bool in_list;             /* a row of the batch */
	bool ordered;             /* a person typed it and that has not been used up */
	int port;                 /* -1: in the drawer */
	uint64_t attach;
};

struct port {
	bool allowed;
	/* the job whose worker stands on this port, as the station remembers it */
	bool has_job, at_erase_step, spent;
	int job_device;
	uint64_t job_attach;
};

struct world {
	struct device d[DEVICES];
	struct port p[PORTS];
	bool started, switched_off;
	uint64_t attaches;
	uint64_t random;
};

static uint64_t next(struct world *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

static int pick(struct world *w, int n)
{
	return (int)(next(w) % (uint64_t)n);
}

static void begin(struct world *w, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	w->random = seed * 2654435761u + 88172645463325252ull;
	for (int i = 0; i < DEVICES; i++) {
		struct device *d = &w->d[i];
		snprintf(d->id.family, sizeof(d->id.family), "apple");
		snprintf(d->id.unit, sizeof(d->id.unit), "%d", 1000 + i);
		/* the last one is a clone: another board with the first one's serial */
		snprintf(d->id.serial, sizeof(d->id.serial), "SERIAL%d", i == DEVICES - 1 ? 0 : i);
		snprintf(d->id.udid, sizeof(d->id.udid), "00008030-%016X", 1000 + i);
		snprintf(d->ownership, sizeof(d->ownership), "%s", i == 1 ? "personal" : "pool");
		d->in_list = true;
		d->port = -1;
	}
	w->started = true;
	for (int i = 0; i < PORTS; i++)
		w->p[i].allowed = true;
}

static int on_port(const struct world *w, int port)
{
	for (int i = 0; i < DEVICES; i++)
		if (w->d[i].port == port)
			return i;
	return -1;
}

static void event(struct world *w)
{
	int port = pick(w, PORTS), here = on_port(w, port), i = pick(w, DEVICES);
	struct port *p = &w->p[port];
	switch (pick(w, 16)) {
	case 0: case 1: case 2:       /* plug in; what stood there is pulled first */
		if (here >= 0)
			w->d[here].port = -1;
		w->d[i].port = port;
		w->d[i].attach = ++w->attaches;
		if (pick(w, 4))
			p->has_job = false;   /* usually the station has noticed; sometimes the old worker still stands */
		break;
	case 3:
		if (here >= 0)
			w->d[here].port = -1;
		if (pick(w, 2))
			p->has_job = false;
		break;
	case 4: case 5: case 6:       /* intake: a job for what is here now */
		if (here >= 0) {
			*p = (struct port){ .allowed = p->allowed, .has_job = true, .job_device = here, .job_attach = w->d[here].attach };
		}
		break;
	case 7: case 8:
		p->at_erase_step = !p->at_erase_step || pick(w, 3);
		break;
	case 9: case 10:              /* a person types a serial that is a pool row */
		if (w->d[i].in_list && strcmp(w->d[i].ownership, "pool") == 0)
			w->d[i].ordered = true;
		break;
	case 11:
		w->started = pick(w, 4) != 0;
		w->d[i].in_list = pick(w, 5) != 0;
		break;
	case 12:
		p->allowed = pick(w, 3) != 0;
		break;
	case 15:                      /* swapped so quickly that nobody noticed: another device answers on the same attach */
		if (here >= 0 && here != i) {
			w->d[i].port = port;
			w->d[i].attach = w->d[here].attach;
			w->d[here].port = -1;
		}
		break;
	case 14:                      /* the list is corrected after somebody typed: it is a person's own phone */
		snprintf(w->d[i].ownership, sizeof(w->d[i].ownership), "%s", pick(w, 4) ? "pool" : pick(w, 2) ? "personal" : "unknown");
		break;
	case 13:                      /* the station was restarted: workers are gone, orders stay on disk */
		for (int k = 0; k < PORTS; k++)
			w->p[k].has_job = false;
		w->switched_off = pick(w, 12) == 0;
		break;
	}
}

static struct gate_facts facts(const struct world *w, int port)
{
	const struct port *p = &w->p[port];
	int here = on_port(w, port);
	struct gate_facts f = {
		.erasing_allowed_here = !w->switched_off,
		.blueprint_erases = p->at_erase_step,
		.ownership = here >= 0 ? w->d[here].ownership : NULL,
		.batch_started = w->started && here >= 0 && w->d[here].in_list,
		.port_allowed = p->allowed,
		.ordered = w->d[p->job_device].ordered,
		.present = here >= 0,
		.job_attach = p->job_attach,
		.attach = here >= 0 ? w->d[here].attach : 0,
		.job_identity = &w->d[p->job_device].id,
		.read_now = here >= 0 ? &w->d[here].id : NULL,
		.token_spent = p->spent,
	};
	for (int i = 0; here >= 0 && i < DEVICES; i++)
		if (w->d[i].port >= 0 && (i == here || strcmp(w->d[i].id.serial, w->d[here].id.serial) == 0))
			f.attached_as_this++;
	return f;
}

/* The model: told from what really happened to the device that would be hit. */
static bool asked_for(const struct world *w, int port)
{
	int here = on_port(w, port);
	const struct port *p = &w->p[port];
	if (here < 0 || w->switched_off || !p->at_erase_step || p->spent || !p->allowed || !w->started)
		return false;
	const struct device *d = &w->d[here];
	if (here != p->job_device || d->attach != p->job_attach)
		return false;            /* another device, or another attach, than the job was opened on */
	if (!d->ordered || !d->in_list || strcmp(d->ownership, "pool") != 0)
		return false;
	for (int i = 0; i < DEVICES; i++)
		if (i != here && w->d[i].port >= 0 && strcmp(w->d[i].id.serial, d->id.serial) == 0)
			return false;
	return true;
}

enum { NOTHING_OFF, CONDITIONS = 10 };

/* Condition n switched off: the gate is told yes whatever is true. */
static void switch_off(struct gate_facts *f, int n)
{
	switch (n) {
	case 1: f->erasing_allowed_here = true; break;
	case 2: f->blueprint_erases = true; break;
	case 3: f->ownership = "pool"; break;
	case 4: f->batch_started = true; break;
	case 5: f->port_allowed = true; break;
	case 6: f->ordered = true; break;
	case 7: f->present = true; f->job_attach = f->attach = 1; break;
	case 8: if (f->read_now) f->job_identity = f->read_now; break;
	case 9: f->attached_as_this = 1; break;
	case 10: f->token_spent = false; break;
	}
}

struct seen {
	long wrong, right, refused;
};

static struct seen drive(uint64_t seed, long events, int off)
{
	struct world w;
	struct seen seen = { 0 };
	begin(&w, seed);
	for (long n = 0; n < events; n++) {
		event(&w);
		int port = pick(&w, PORTS);
		if (!w.p[port].has_job || pick(&w, 3))
			continue;
		struct gate_facts f = facts(&w, port);
		struct stg_error err = { 0 };
		switch_off(&f, off);
		bool opens = gate_opens(&f, &err), should = asked_for(&w, port);
		if (opens != should) {
			seen.wrong++;
			if (off == NOTHING_OFF)
				print_message("event %ld: the gate says %s, the history says %s: %s\n", n, opens ? "yes" : "no",
					      should ? "yes" : "no", err.msg);
		}
		if (opens) {
			seen.right++;
			w.p[port].spent = true;
			if (off != 10)
				w.d[w.p[port].job_device].ordered = false;
		} else {
			assert_int_equal(err.code, STG_E_SAFETY);
			assert_int_not_equal(err.id, STG_ID_NONE);
			seen.refused++;
		}
	}
	return seen;
}

static uint64_t seed_of_run(void)
{
	const char *s = getenv("STG_SEED");
	return s ? strtoull(s, NULL, 10) : 1;
}

static void no_order_of_events_erases_what_was_not_asked_for(void **state)
{
	(void)state;
	const char *e = getenv("STG_EVENTS");
	long events = e ? atol(e) : 1000000;
	uint64_t seed = seed_of_run();
	struct seen seen = drive(seed, events, NOTHING_OFF);
	print_message("seed %llu: %ld events, %ld erases asked for and sent, %ld refused, %ld wrong\n", (unsigned long long)seed, events,
		      seen.right, seen.refused, seen.wrong);
	assert_int_equal(seen.wrong, 0);
	assert_true(seen.right > events / 2000);
	assert_true(seen.refused > seen.right);
}

static void each_condition_is_needed(void **state)
{
	(void)state;
	for (int off = 1; off <= CONDITIONS; off++) {
		struct seen seen = drive(seed_of_run(), 300000, off);
		if (seen.wrong == 0)
			print_message("condition %d is not needed by this run\n", off);
		assert_true(seen.wrong > 0);
	}
}

static void nothing_known_is_a_no(void **state)
{
	(void)state;
	struct gate_facts f = { 0 };
	struct stg_error err = { 0 };
	assert_false(gate_opens(&f, &err));
	f = (struct gate_facts){ .erasing_allowed_here = true, .blueprint_erases = true, .ownership = NULL };
	assert_false(gate_opens(&f, &err));
	assert_int_equal(err.id, STG_ID_ERASE_NOT_POOL);
	f.ownership = "unknown";
	assert_false(gate_opens(&f, &err));
	assert_int_equal(err.id, STG_ID_ERASE_NOT_POOL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_known_is_a_no),
		cmocka_unit_test(no_order_of_events_erases_what_was_not_asked_for),
		cmocka_unit_test(each_condition_is_needed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
