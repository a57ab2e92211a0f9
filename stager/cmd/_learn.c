/*
 * _learn.c - one device is walked over the sockets of the bench; each socket gets the next name.
 *
 * For:    whoever sets up a bench: the kernel's "2-1.7.3" becomes "A9", whatever hub that is.
 * Uses:   drivers/usb's topology; ops "port.learn" and, when a station runs, "port.learning" (it leaves the device alone).
 * Called: port.c.
 * Thread: the command's.
 *
 * What was learnt is stored socket by socket: the walk may be left at any time and taken up again.
 */
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stager/clock.h>
#include <stager/ids.h>
#include <stager/text.h>
#include <stager/topology.h>

#include "_learn.h"
#include "_table.h"
#include "_words.h"

#define LEAVE_ALONE_S 120      /* renewed at each socket; a station waits no longer for a walk that was left */
#define LABELS_MAX 1000

struct walk {
	struct stg_cmd_ctx *c;
	struct stg_caller *caller;
	json_t *labels;            /* still to be given; NULL: asked for one by one */
	json_t *seen;              /* socket -> label */
	struct stg_usb_device walker;
	bool has_walker;
	int status;
};

/* "A1-A16" gives sixteen, any other word itself. */
static void add_labels(json_t *labels, const char *word)
{
	char prefix[32], other[32], label[64];
	long from, to;
	int used = 0;
	if (sscanf(word, "%31[^0-9-]%ld-%31[^0-9-]%ld%n", prefix, &from, other, &to, &used) == 4 && !word[used] && strcmp(prefix, other) == 0 &&
	    from >= 0 && from <= to && to - from < LABELS_MAX) {
		for (long i = from; i <= to; i++) {
			snprintf(label, sizeof(label), "%s%ld", prefix, i);
			json_array_append_new(labels, json_string(label));
		}
		return;
	}
	json_array_append_new(labels, json_string(word));
}

/* The same device, also after a restart into recovery: then only the ECID is left of it. */
static bool is_walker(const struct walk *w, const struct stg_usb_device *d)
{
	const struct stg_usb_device *m = &w->walker;
	if (m->unit[0] && d->unit[0])
		return strcmp(m->unit, d->unit) == 0;
	if (m->udid[0] && d->udid[0])
		return strcmp(m->udid, d->udid) == 0;
	return m->vid == d->vid && m->serial[0] && strcmp(m->serial, d->serial) == 0;
}

/* False: there is no name any more. */
static bool next_label(struct walk *w, const char *socket, char ret[32])
{
	char line[256];
	if (w->labels) {
		const char *label = json_string_value(json_array_get(w->labels, 0));
		if (!label)
			return false;
		stg_copy(ret, 32, label);
		json_array_remove(w->labels, 0);
		return true;
	}
	fprintf(stderr, _("Name of port %s (empty: the walk is over): "), socket);
	fflush(stderr);
	if (!fgets(line, sizeof(line), stdin))
		return false;
	line[strcspn(line, "\r\n")] = 0;
	return line[0] && stg_copy(ret, 32, line);
}

/* A station that does not run touches nothing anyway. */
static void leave_alone(struct walk *w, int seconds)
{
	STG_AUTO(stg_json_free_at) json_t *in = json_pack("{s:i}", "seconds", seconds), *ret = NULL;
	if (w->caller->fd >= 0)
		(void)stg_call(w->caller, "port.learning", in, NULL, 0, &ret, NULL);
}

static bool learn(struct walk *w, const struct stg_usb_device *d, bool *ret_over)
{
	char label[32] = "";
	const char *known = stg_json_str(w->seen, d->socket);
	*ret_over = false;
	if (*known) {
		if (!w->c->json && !w->c->quiet)
			printf(_("Port %s is %s already.\n"), d->socket, known);
		return true;
	}
	*ret_over = true;
	if (!next_label(w, d->socket, label))
		return true;
	STG_AUTO(stg_json_free_at) json_t *in = json_pack("{s:s, s:s}", "port", d->socket, "label", label), *ret = NULL;
	if (!stg_cmd_call(w->c, "port.learn", in, NULL, 0, &ret, &w->status))
		return false;
	stg_json_put(w->seen, d->socket, label);
	if (w->c->json)
		json_line(ret);
	else if (!w->c->quiet)
		printf(_("Port %s is called %s.\n%s"), d->socket, label, isatty(STDOUT_FILENO) ? "\a" : "");
	fflush(stdout);
	*ret_over = w->labels && !json_array_size(w->labels);
	leave_alone(w, LEAVE_ALONE_S);
	return true;
}

static void someone_else(const struct walk *w, const struct stg_usb_device *d)
{
	if (!w->c->quiet)
		fprintf(stderr, "%s: %s %s\n", d->socket, stg_id_sentence(STG_ID_LEARN_ONE_DEVICE), stg_id_act(STG_ID_LEARN_ONE_DEVICE));
}

static void walk(struct walk *w, struct stg_topology *t, int64_t wait_ms)
{
	struct stg_usb_event e;
	bool over = false;
	int64_t until = stg_boot_ms() + wait_ms;
	while (stg_topology_next(t, &e))
		;                  /* what is plugged in already stays where it is */
	while (!over && stg_boot_ms() < until) {
		struct pollfd p = { .fd = stg_topology_fd(t), .events = POLLIN };
		(void)poll(&p, 1, 1000);
		(void)stg_topology_scan(t, NULL);
		while (!over && stg_topology_next(t, &e)) {
			if (e.kind != STG_USB_ARRIVED || !e.device.is_phone)
				continue;
			if (!w->has_walker) {
				w->walker = e.device;
				w->has_walker = true;
			}
			if (!is_walker(w, &e.device)) {
				someone_else(w, &e.device);
				continue;
			}
			if (!learn(w, &e.device, &over))
				return;
			until = stg_boot_ms() + wait_ms;
		}
	}
}

int port_learn(struct stg_cmd_ctx *c)
{
	enum { WAIT = 256 };
	static const struct option options[] = { { "wait", required_argument, NULL, WAIT }, { 0 } };
	struct walk w = { .c = c };
	struct stg_error err = { 0 };
	long wait_s = 600;
	int opt;
	char *end;
	STG_AUTO(stg_json_free_at) json_t *labels = json_array(), *seen = json_object();
	optind = 2;
	while ((opt = word_option(c, options)) != -1) {
		if (opt == '?')
			return 2;
		wait_s = strtol(optarg, &end, 10);
		if (*end || wait_s < 1 || wait_s > 86400) {
			stg_fail(&err, STG_E_USAGE, 0, "--wait wants seconds, 1 to 86400");
			return stg_cmd_tell(c, &err);
		}
	}
	for (int i = optind; i < c->argc; i++)
		add_labels(labels, c->argv[i]);
	size_t asked = json_array_size(labels);
	w.labels = asked ? labels : NULL;
	w.seen = seen;
	w.caller = stg_cmd_caller(c, &w.status);
	if (!w.caller)
		return w.status;
	STG_AUTO(stg_topology_free_at) struct stg_topology *t = stg_topology_new(&err);
	if (!t || !stg_topology_scan(t, &err))
		return stg_cmd_tell(c, &err);
	leave_alone(&w, LEAVE_ALONE_S);
	if (!c->quiet)
		fprintf(stderr, "%s\n", _("Plug one phone into the first port, then into the next, and so on."));
	walk(&w, t, wait_s * 1000);
	leave_alone(&w, 0);
	if (!w.status && !c->quiet && !c->json)
		printf(_("%zu ports have their names.\n"), json_object_size(seen));
	/* names are left over: the walk was not finished */
	return w.status ? w.status : asked && json_array_size(labels) ? 6 : 0;
}
