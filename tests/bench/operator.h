/*
 * operator.h - one person at a bench, as a program: opens boxes, plugs them in, takes out what the board says is finished.
 *
 * For:    measure.c: how close a station comes to what its operator's two hands allow.
 * Uses:   journey.h; the station's events, which is all that a hand knows; the bench's control socket as its hands.
 * Called: measure.c.
 * Thread: one.
 *
 * Hands are the bound: opening and plugging in takes 30 s, taking out and putting aside 10 s, so N boxes cannot take less
 * than N times 40 s however quick the station is. Free ports are filled first, as people do. Which port stood idle is asked
 * of the devices, not of the station: idle is what is plugged in and unfinished while nothing is asked of it and nothing it
 * was asked for is under way, from the cable to the first question, between two steps, and from the last answer until the
 * board said that it is finished.
 */
#ifndef BENCH_OPERATOR_H
#define BENCH_OPERATOR_H

#include <time.h>

#include <stager/message.h>

#include "journey.h"

#define OPERATOR_PORTS 16
#define OPERATOR_OPEN_MS 30000     /* a box: open, plug in */
#define OPERATOR_AWAY_MS 10000     /* a finished device: unplug, put aside */

struct operator_port {
	char name[64];             /* learnt with the first plug */
	char serial[64], udid[64]; /* of what is plugged in; "" nothing */
	bool finished;
};

struct operator {
	struct journey *j;
	int scale, boxes, opened, put_aside, staged, asked;
	int events;                /* connection to the station */
	struct operator_port ports[OPERATOR_PORTS];
	struct operator_port *at;  /* where the hands are; NULL: nowhere */
	bool opening;
	int64_t hands_until_ms, idle_since_ms;
	/* results, in milliseconds of the wall */
	int64_t took_ms, hands_idle_ms, port_idle_us;
	char idlest[96];
};

static inline int64_t operator_now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static inline void operator_listen(struct operator *o)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *hello = json_pack("{s:s, s:i, s:s}", "t", "hello", "v", STG_MESSAGE_VERSION, "actor", "operator");
	STG_AUTO(stg_json_free_at) json_t *ask = json_pack("{s:s}", "t", "events");
	o->events = stg_unix_connect(o->j->caller.socket, &err);
	journey_must(o->events >= 0 && stg_message_send(o->events, hello, NULL, 0, 10000, &err), &err, "hello");
	STG_AUTO(stg_json_free_at) json_t *answer = stg_message_recv(o->events, NULL, 10000, &err);
	journey_must(answer && stg_message_send(o->events, ask, NULL, 0, 10000, &err), &err, "events");
}

/* Asked of the device at the moment its board line says "finished". */
static inline void operator_judge(struct operator *o, const struct operator_port *p)
{
	int64_t now = operator_now_us();
	STG_AUTO(stg_json_free_at) json_t *answer = journey_word(o->j, "show", p->serial, NULL, NULL);
	const json_t *d = json_object_get(answer, "device");
	int64_t idle = stg_json_int(d, "longest_idle_us", 0), tail = now - stg_json_int(d, "touched_us", now);
	if (tail > idle)
		idle = tail;
	if (idle > o->port_idle_us) {
		o->port_idle_us = idle;
		snprintf(o->idlest, sizeof(o->idlest), "%s %s", p->name, tail == idle ? "at its end" : "in its work");
	}
}

/* One line of the board has changed. */
static inline void operator_read(struct operator *o, const json_t *event)
{
	const json_t *slot = json_object_get(event, "slot");
	const char *word = stg_json_str(slot, "state"), *udid = stg_json_str(slot, "udid");
	struct operator_port *p = NULL;
	for (size_t i = 0; i < OPERATOR_PORTS; i++)
		if (o->ports[i].udid[0] && strcasecmp(o->ports[i].udid, udid) == 0)
			p = &o->ports[i];
	if (!p || p->finished)
		return;
	if (strcmp(word, "person") == 0) {
		o->asked++;
		if (strcmp(stg_json_str(slot, "ask"), "trust") == 0)
			journey_tell(o->j, "tap", "trust", p->serial, NULL);
	}
	bool staged = strcmp(word, "staged") == 0;
	if (!staged && strcmp(word, "failed") != 0 && strcmp(word, "hold") != 0 && strcmp(word, "unexpected") != 0)
		return;
	operator_judge(o, p);
	p->finished = true;
	o->staged += staged;
	if (!staged)
		print_message("operator: %s is %s: %s\n", p->serial, word, stg_json_str(slot, "detail"));
}

static inline void operator_begin_act(struct operator *o, struct operator_port *p, bool opening)
{
	int64_t now = stg_boot_ms();
	if (o->idle_since_ms)
		o->hands_idle_ms += now - o->idle_since_ms;
	o->idle_since_ms = 0;
	o->at = p;
	o->opening = opening;
	o->hands_until_ms = now + (opening ? OPERATOR_OPEN_MS : OPERATOR_AWAY_MS) / o->scale;
	if (!opening) {
		journey_tell(o->j, "unplug", p->serial, NULL, NULL);
		p->serial[0] = p->udid[0] = 0;
		p->finished = false;
	}
}

static inline void operator_end_act(struct operator *o)
{
	struct operator_port *p = o->at;
	o->at = NULL;
	if (!o->opening) {
		o->put_aside++;
		return;
	}
	const json_t *box = json_array_get(o->j->devices, (size_t)o->opened++);
	snprintf(p->serial, sizeof(p->serial), "%s", stg_json_str(box, "serial"));
	snprintf(p->udid, sizeof(p->udid), "%s", stg_json_str(box, "udid"));
	journey_tell(o->j, "plug", p->serial, p->name, NULL);
	if (!p->name[0]) {
		STG_AUTO(stg_json_free_at) json_t *answer = journey_word(o->j, "show", p->serial, NULL, NULL);
		snprintf(p->name, sizeof(p->name), "%s", stg_json_str(json_object_get(answer, "device"), "port"));
	}
}

static inline void operator_choose(struct operator *o)
{
	for (size_t i = 0; o->opened < o->boxes && i < OPERATOR_PORTS; i++)
		if (!o->ports[i].serial[0]) {
			operator_begin_act(o, &o->ports[i], true);
			return;
		}
	for (size_t i = 0; i < OPERATOR_PORTS; i++)
		if (o->ports[i].finished) {
			operator_begin_act(o, &o->ports[i], false);
			return;
		}
	if (!o->idle_since_ms)
		o->idle_since_ms = stg_boot_ms();
}

/* All boxes of the journey, one after another; false when the time is up first. */
static inline bool operator_work(struct operator *o, int64_t limit_ms)
{
	int64_t from = stg_boot_ms();
	bool in_time = true;
	operator_listen(o);
	while (o->put_aside < o->boxes && in_time) {
		struct stg_error err = { 0 };
		int64_t now = stg_boot_ms(), until = o->at ? o->hands_until_ms : from + limit_ms;
		if (o->at && now >= until)
			operator_end_act(o);
		if (o->put_aside == o->boxes)
			break;
		if (!o->at) {
			operator_choose(o);
			until = o->at ? o->hands_until_ms : from + limit_ms;
		}
		STG_AUTO(stg_json_free_at) json_t *event = stg_message_recv(o->events, NULL, until > now ? until - now : 0, &err);
		if (event)
			operator_read(o, event);
		else if (err.code != STG_E_TIMEOUT)
			journey_must(false, &err, "events");
		in_time = stg_boot_ms() < from + limit_ms;
	}
	o->took_ms = stg_boot_ms() - from;
	stg_close_at(&o->events);
	return in_time;
}

#endif
