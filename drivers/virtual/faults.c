/*
 * faults.c - what goes wrong on cue.
 *
 * For:    every way a real device, cable or service misbehaves, armed over the control socket and used up by counting.
 * Uses:   conn.h.
 * Called: by conn.c for each message; by services through virt_fault(); by control.c.
 * Thread: the bench's only one.
 */
#include <stdlib.h>
#include <string.h>

#include <stager/error.h>

#include "conn.h"

/* Kinds and who carries them out. The order is the order in which a message meets them. */
static const struct {
	const char *kind;
	enum virt_answer_fault answer;
} answers[] = {
	{ "drop_after", VIRT_ANSWER_DROP },       { "truncate", VIRT_ANSWER_TRUNCATE },
	{ "garbage", VIRT_ANSWER_GARBAGE },       { "bomb", VIRT_ANSWER_BOMB },
	{ "big", VIRT_ANSWER_BIG },               { "wrong_request", VIRT_ANSWER_WRONG_REQUEST },
	{ "no_status", VIRT_ANSWER_NO_STATUS },   { "header_split", VIRT_ANSWER_SPLIT },
	{ "unplug_after", VIRT_ANSWER_UNPLUG },
};
static const char *const others[] = {
	"drop_before", "unplug_before", "delay", "mute",                      /* messages, here */
	"mute_connect", "drop_bytes", "tls_refuse", "tls_hang", "plaintext",  /* connections, conn.c */
	"slow",                                                               /* streams, conn.c */
	"refuse", "dialog_pending", "service_limit", "unknown_domain",        /* lockdownd.c, pairing.c, mcinstall.c */
	"no_reply", "bad_picture", "absent", "reported_failed", "ignore", "fail", "disk_full", "form",  /* mcinstall.c and other services */
	"percent", "endless",                                                 /* installation_proxy.c */
	"half", "cut", "twice", "error", "late",                              /* activation_server.c */
	"connect_refused", "connect_hang",                                    /* mux.c */
	"reply", "merge", "handshake", "certificate",                         /* hostile.c */
};

static bool is_known(const char *kind)
{
	for (size_t i = 0; i < STG_ARRAY_LEN(answers); i++)
		if (strcmp(answers[i].kind, kind) == 0)
			return true;
	for (size_t i = 0; i < STG_ARRAY_LEN(others); i++)
		if (strcmp(others[i], kind) == 0)
			return true;
	return false;
}

bool virt_fault_arm(struct virt_device *d, const char *kind, const char *request, int skip, int count, const json_t *args,
		    struct stg_error *err)
{
	struct virt_fault **at = &d->faults;
	struct virt_fault *f;

	if (!is_known(kind))
		return stg_fail(err, STG_E_INPUT, 0, "no fault is called '%s'", kind);
	while (*at)
		at = &(*at)->next;
	f = stg_calloc(1, sizeof(*f));
	f->kind = stg_strdup(kind);
	f->request = request && request[0] ? stg_strdup(request) : NULL;
	f->skip = skip;
	f->count = count == 0 ? 1 : count;
	f->args = args ? json_deep_copy(args) : json_object();
	*at = f;
	return true;
}

static void free_fault(struct virt_fault *f)
{
	free(f->kind);
	free(f->request);
	json_decref(f->args);
	free(f);
}

void virt_fault_clear(struct virt_device *d, const char *kind)
{
	struct virt_fault **at = &d->faults;

	while (*at) {
		struct virt_fault *f = *at;

		if (kind && strcmp(kind, f->kind) != 0) {
			at = &f->next;
			continue;
		}
		*at = f->next;
		free_fault(f);
	}
}

json_t *virt_fault_list(const struct virt_device *d)
{
	json_t *list = json_array();

	for (const struct virt_fault *f = d->faults; f; f = f->next)
		json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:i, s:O}", "kind", f->kind, "request",
						      f->request ? f->request : "", "skip", f->skip, "count", f->count,
						      "args", f->args));
	return list;
}

/* A fault names a request ("InstallProfile"), a service by its whole or last name ("com.apple.afc", "afc"), or both
 * ("MCInstall/InstallProfile"). */
static bool concerns(const struct virt_fault *f, const char *service, const char *request)
{
	const char *last = strrchr(service, '.') ? strrchr(service, '.') + 1 : service;
	const char *slash;
	size_t len;

	if (!f->request || strcmp(f->request, request) == 0 || strcmp(f->request, service) == 0 ||
	    strcmp(f->request, last) == 0)
		return true;
	slash = strchr(f->request, '/');
	if (!slash || strcmp(slash + 1, request) != 0)
		return false;
	len = (size_t)(slash - f->request);
	return (strlen(service) == len && strncmp(f->request, service, len) == 0) ||
	       (strlen(last) == len && strncmp(f->request, last, len) == 0) || service[0] == '\0';
}

const struct virt_fault *virt_fault_take(struct virt_device *d, const char *service, const char *request, const char *kind)
{
	/* What is used up stays readable until the next one is: the caller looks at its arguments. */
	static struct virt_fault *used;
	struct virt_fault **at = &d->faults;

	for (; *at; at = &(*at)->next) {
		struct virt_fault *f = *at;

		if (strcmp(f->kind, kind) != 0 || !concerns(f, service, request))
			continue;
		if (f->skip > 0) {
			f->skip--;
			continue;
		}
		virt_bench_count(d->bench, "faults");
		d->faults_met++;
		if (f->count > 0 && --f->count == 0) {
			*at = f->next;
			if (used)
				free_fault(used);
			used = f;
			f->next = NULL;
		}
		return f;
	}
	return NULL;
}

static void deliver_late(struct virt_timer *t)
{
	struct virt_conn *c = VIRT_OWNER(t, struct virt_conn, after);
	plist_t msg = c->delayed;

	c->delayed = NULL;
	virt_stream_pause(&c->stream, false);
	if (c->device)
		virt_conn_message(c, msg);
	plist_free(msg);
}

enum virt_fate virt_fault_message(struct virt_conn *c, const char *request, plist_t msg)
{
	struct virt_device *d = c->device;
	const struct virt_fault *f;

	for (size_t i = 0; i < STG_ARRAY_LEN(answers); i++) {
		f = virt_fault_take(d, c->name, request, answers[i].kind);
		if (!f)
			continue;
		c->answer_fault = answers[i].answer;
		c->answer_number = stg_json_int(f->args, c->answer_fault == VIRT_ANSWER_BIG ? "bytes" : "back_ms", -1);
		break;
	}
	if (virt_fault_take(d, c->name, request, "drop_before")) {
		virt_stream_drop(&c->stream);
		return VIRT_FATE_STOP;
	}
	f = virt_fault_take(d, c->name, request, "unplug_before");
	if (f) {
		int64_t back_ms = stg_json_int(f->args, "back_ms", -1);
		struct virt_device *other = virt_device_find(d->bench, stg_json_str(f->args, "swap"));

		if (other)
			virt_device_swap(d, other, back_ms);
		else if (back_ms >= 0)
			virt_device_replug(d, back_ms, stg_json_str(f->args, "port"));
		else
			virt_device_unplug(d);
		return VIRT_FATE_STOP;
	}
	if (virt_fault_take(d, c->name, request, "mute")) {
		c->stream.mute = true;
		return VIRT_FATE_STOP;
	}
	f = virt_fault_take(d, c->name, request, "delay");
	if (f) {
		c->delayed = plist_copy(msg);
		virt_stream_pause(&c->stream, true);
		virt_timer_set(c->bench->loop, &c->after, stg_json_int(f->args, "ms", 1000), deliver_late);
		return VIRT_FATE_STOP;
	}
	return VIRT_FATE_GO_ON;
}
