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
	int ordered_by, agreed_by; /* people; -1: nobody stood beside */
	bool foreign;             /* another organisation supervises it */
	bool in_exception, used_exception;
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

enum { TECHNICIAN, LEAD, OTHER_LEAD, PEOPLE };
static const char *const people[] = { "tom", "Lea", "Leo" };

struct world {
	struct device d[DEVICES];
	/* what a lead signed beforehand; its hour is counted in events */
	bool is_signed, withdrawn;
	int signed_by, left;
	long now, until;
	bool two_persons;         /* the blueprint asks for two at every erase */
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
		d->agreed_by = -1;
		d->foreign = i == 2;
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
	w->now++;
	switch (pick(w, 22)) {
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
	case 9: case 10: case 19: case 20: case 21:   /* a person types a serial that is a pool row */
		if (w->d[i].in_list && strcmp(w->d[i].ownership, "pool") == 0) {
			w->d[i].ordered = true;
			w->d[i].ordered_by = pick(w, PEOPLE);
			/* perhaps a lead stands beside; some type their own name and PIN once more */
			w->d[i].agreed_by = pick(w, 3) ? -1 : pick(w, 4) ? LEAD + pick(w, 2) : w->d[i].ordered_by;
		}
		break;
	case 16:                      /* a lead signs for some devices, so many times, until an hour */
		if (pick(w, 150))
			break;
		w->is_signed = true;
		w->withdrawn = false;
		w->signed_by = LEAD + pick(w, 2);
		w->left = 1 + pick(w, 3);
		w->until = w->now + 1 + pick(w, 12000);
		for (int k = 0; k < DEVICES; k++) {
			w->d[k].in_exception = pick(w, 3) != 0;
			w->d[k].used_exception = false;
		}
		break;
	case 17:
		w->withdrawn = w->withdrawn || pick(w, 300) == 0;
		break;
	case 18:
		w->two_persons = pick(w, 5) == 0;
		w->d[i].foreign = pick(w, 3) == 0;
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

static struct gate_facts facts(const struct world *w, int port, struct gate_exception *e)
{
	const struct port *p = &w->p[port];
	int here = on_port(w, port);
	const struct device *job = &w->d[p->job_device];
	*e = (struct gate_exception){
		.signed_by = w->is_signed ? people[w->signed_by] : "",
		.names_it = w->is_signed && job->in_exception,
		.withdrawn = w->withdrawn,
		.until_ms = w->until,
		.left = w->left,
		.used_for_it = job->used_exception,
	};
	struct gate_facts f = {
		.second_needed = w->two_persons || (here >= 0 && w->d[here].foreign) || job->ordered_by == TECHNICIAN,
		.ordered_by = people[job->ordered_by],
		.second = job->agreed_by < 0 ? "" : people[job->agreed_by],
		.exception = e,
		.now_ms = w->now,
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

/* Two people, where two are asked for. */
static bool two_agreed(const struct world *w, const struct device *d)
{
	if (!w->two_persons && !d->foreign && d->ordered_by != TECHNICIAN)
		return true;
	if (d->agreed_by >= 0 && d->agreed_by != d->ordered_by)
		return true;
	return w->is_signed && !w->withdrawn && d->in_exception && w->now < w->until && w->left > 0 && !d->used_exception &&
	       w->signed_by != d->ordered_by;
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
	return two_agreed(w, d);
}

/* An erase was sent: what stood in for the second person is used, whichever way the station counts it. */
static void use_second(struct world *w, int port)
{
	struct device *d = &w->d[w->p[port].job_device];
	if ((!w->two_persons && !d->foreign && d->ordered_by != TECHNICIAN) || (d->agreed_by >= 0 && d->agreed_by != d->ordered_by))
		return;
	w->left--;
	d->used_exception = true;
}

enum { NOTHING_OFF, CONDITIONS = 18 };

/* Condition n switched off: the gate is told yes whatever is true. */
static void switch_off(struct gate_facts *f, struct gate_exception *e, int n)
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
	/* two persons: whether they are asked for at all, that they are two, and each thing an exception says */
	case 11: f->second_needed = false; break;
	case 12: f->ordered_by = "somebody else"; break;
	case 13: e->names_it = true; break;
	case 14: e->withdrawn = false; break;
	case 15: f->now_ms = 0; break;
	case 16: e->left = 1; break;
	case 17: e->used_for_it = false; break;
	case 18: f->second = "Lou"; break;
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
		struct gate_exception e;
		struct gate_facts f = facts(&w, port, &e);
		struct stg_error err = { 0 };
		switch_off(&f, &e, off);
		bool opens = gate_opens(&f, &err), should = asked_for(&w, port);
		if (opens != should) {
			seen.wrong++;
			if (off == NOTHING_OFF)
				print_message("event %ld: the gate says %s, the history says %s: %s\n", n, opens ? "yes" : "no",
					      should ? "yes" : "no", err.msg);
		}
		if (opens) {
			seen.right++;
			use_second(&w, port);
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
		struct seen seen = drive(seed_of_run(), 1000000, off);
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
