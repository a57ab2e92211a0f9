/*
 * control.c - the bench's own door: JSON Lines on a Unix socket.
 *
 * For:    tests, the demo, rehearsals and curious people.
 * Uses:   stream.h, <stager/message.h>, verbs.c.
 * Called: by bench.c, main.c (the ctl command).
 * Thread: the bench's only one; virt_ctl_main() runs in a process of its own.
 *
 * A request is {"verb": "plug", "args": ["C8QH", "2-1.4"]}, the answer {"ok": true, ...} or {"ok": false, "error": "..."}.
 * One answer for each request, in order; `wait` answers when its condition has come true or its time is over.
 */
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stager/error.h>
#include <stager/message.h>

#include "stream.h"
#include "verbs.h"

#define REQUEST_MAX (4u << 20)
#define VERBS_MAX 64
#define LOOK_AGAIN_MS 250    /* for conditions nobody announces, such as idleness */

struct client {
	struct virt_stream stream;
	struct virt_control *control;
	struct client *prev, *next;
	json_t *waits_for;           /* args of the wait in progress */
	struct virt_timer deadline;
};

struct virt_control {
	struct virt_bench *bench;
	struct virt_watch door;
	int fd;
	char path[128];
	struct client *clients;
	struct virt_timer look;
	struct {
		const char *name;
		virt_verb_fn run;
	} verbs[VERBS_MAX];
	size_t n_verbs;
};

void virt_control_add(struct virt_bench *b, const char *verb, virt_verb_fn run)
{
	struct virt_control *c = b->control;

	if (c && c->n_verbs < VERBS_MAX) {
		c->verbs[c->n_verbs].name = verb;
		c->verbs[c->n_verbs++].run = run;
	}
}

static void answer(struct client *c, json_t *a)
{
	char *text = json_dumps(a, JSON_COMPACT);

	virt_stream_send(&c->stream, stg_bytes_str(text));
	virt_stream_send(&c->stream, stg_bytes("\n", 1));
	free(text);
}

static void answer_error(struct client *c, const char *what)
{
	STG_AUTO(stg_json_free_at) json_t *a = json_object();

	stg_json_put_bool(a, "ok", false);
	stg_json_put(a, "error", what[0] ? what : "failed");
	answer(c, a);
}

/* ---- waiting ---- */

static void end_wait(struct client *c)
{
	json_decref(c->waits_for);
	c->waits_for = NULL;
	virt_timer_clear(c->control->bench->loop, &c->deadline);
	virt_stream_pause(&c->stream, false);
}

/* True when the wait is over, one way or the other. */
static bool look_at_wait(struct client *c)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *a = json_object();
	enum virt_condition now = virt_condition_is(c->control->bench, c->waits_for, a, &err);

	if (now == VIRT_CONDITION_NOT_YET)
		return false;
	if (now == VIRT_CONDITION_WRONG) {
		answer_error(c, err.msg);
	} else {
		stg_json_put_bool(a, "ok", true);
		answer(c, a);
	}
	end_wait(c);
	return true;
}

static void look(struct virt_timer *t)
{
	struct virt_control *c = VIRT_OWNER(t, struct virt_control, look);
	bool somebody_waits = false;

	for (struct client *one = c->clients; one; one = one->next)
		if (one->waits_for && !look_at_wait(one))
			somebody_waits = true;
	if (somebody_waits && !virt_timer_is_set(&c->look))
		virt_timer_set(c->bench->loop, &c->look, LOOK_AGAIN_MS, look);
}

void virt_control_changed(struct virt_bench *b)
{
	struct virt_control *c = b->control;

	for (struct client *one = c ? c->clients : NULL; one; one = one->next)
		if (one->waits_for) {
			virt_timer_set(b->loop, &c->look, 0, look);
			return;
		}
}

static void too_late(struct virt_timer *t)
{
	struct client *c = VIRT_OWNER(t, struct client, deadline);

	answer_error(c, "timeout");
	end_wait(c);
}

static void start_wait(struct client *c, const json_t *args)
{
	double seconds = 60.0;
	size_t i;
	json_t *arg;

	c->waits_for = json_array();
	json_array_foreach ((json_t *)(uintptr_t)args, i, arg) {
		const char *text = json_is_string(arg) ? json_string_value(arg) : "";

		if (strncmp(text, "timeout=", 8) == 0)
			seconds = strtod(text + 8, NULL);
		else
			json_array_append(c->waits_for, arg);
	}
	if (look_at_wait(c))
		return;
	virt_stream_pause(&c->stream, true);
	virt_timer_set(c->control->bench->loop, &c->deadline, (int64_t)(seconds * 1000.0), too_late);
	virt_timer_set(c->control->bench->loop, &c->control->look, LOOK_AGAIN_MS, look);
}

/* ---- requests ---- */

static virt_verb_fn find_verb(struct virt_control *c, const char *name)
{
	for (size_t i = 0; i < c->n_verbs; i++)
		if (strcmp(c->verbs[i].name, name) == 0)
			return c->verbs[i].run;
	return NULL;
}

static void serve(struct client *c, struct stg_bytes line)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *q = stg_json_parse(line, REQUEST_MAX, &err);
	STG_AUTO(stg_json_free_at) json_t *a = json_object();
	const char *verb = q ? stg_json_str(q, "verb") : "";
	json_t *args = q ? json_object_get(q, "args") : NULL;
	STG_AUTO(stg_json_free_at) json_t *none = json_array();
	virt_verb_fn run;
	char what[120];

	if (!q) {
		answer_error(c, err.msg);
		return;
	}
	if (!json_is_array(args))
		args = none;
	if (strcmp(verb, "wait") == 0) {
		start_wait(c, args);
		return;
	}
	run = find_verb(c->control, verb);
	if (!run) {
		snprintf(what, sizeof(what), "no verb '%.60s': try help", verb);
		answer_error(c, what);
	} else if (!run(c->control->bench, args, a, &err)) {
		answer_error(c, err.msg);
	} else {
		stg_json_put_bool(a, "ok", true);
		answer(c, a);
		virt_control_changed(c->control->bench);
	}
}

static size_t on_bytes(struct virt_stream *s, struct stg_bytes in)
{
	struct client *c = VIRT_OWNER(s, struct client, stream);
	const uint8_t *end = memchr(in.data, '\n', in.len);

	if (!end) {
		if (in.len > REQUEST_MAX)
			virt_stream_drop(s);
		return 0;
	}
	if (end > in.data)
		serve(c, stg_bytes(in.data, (size_t)(end - in.data)));
	return (size_t)(end - in.data) + 1;
}

static void unlink_client(struct client *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		c->control->clients = c->next;
	if (c->next)
		c->next->prev = c->prev;
	virt_timer_clear(c->control->bench->loop, &c->deadline);
	json_decref(c->waits_for);
	free(c);
}

static void on_closed(struct virt_stream *s)
{
	unlink_client(VIRT_OWNER(s, struct client, stream));
}

static const struct virt_stream_ops client_ops = { .bytes = on_bytes, .closed = on_closed };

static void on_knock(struct virt_watch *w, uint32_t events)
{
	struct virt_control *k = VIRT_OWNER(w, struct virt_control, door);
	int fd;

	(void)events;
	while ((fd = accept4(k->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		struct client *c = stg_calloc(1, sizeof(*c));

		c->control = k;
		c->next = k->clients;
		if (k->clients)
			k->clients->prev = c;
		k->clients = c;
		virt_stream_open(&c->stream, k->bench->loop, fd, &client_ops);
	}
}

struct virt_control *virt_control_start(struct virt_bench *b, const char *path, struct stg_error *err)
{
	struct virt_control *k = stg_calloc(1, sizeof(*k));

	k->bench = b;
	k->fd = -1;
	k->door.ready = on_knock;
	b->control = k;
	virt_verbs_add(b);
	if (!path)
		return k;
	stg_copy(k->path, sizeof(k->path), path);
	k->fd = stg_unix_listen(path, 0600, err);
	if (k->fd < 0 || !virt_watch_set(b->loop, &k->door, k->fd, EPOLLIN)) {
		virt_control_stop(k);
		b->control = NULL;
		return NULL;
	}
	return k;
}

void virt_control_stop(struct virt_control *k)
{
	if (!k)
		return;
	while (k->clients) {
		virt_stream_cut(&k->clients->stream);
		unlink_client(k->clients);
	}
	virt_timer_clear(k->bench->loop, &k->look);
	virt_watch_clear(k->bench->loop, &k->door);
	if (k->fd >= 0) {
		close(k->fd);
		unlink(k->path);
	}
	k->bench->control = NULL;
	free(k);
}

/* ---- the other end ---- */

static bool write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text += n;
		len -= (size_t)n;
	}
	return true;
}

int virt_ctl_main(int argc, char **argv)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_close_at) int fd = -1;
	STG_AUTO(stg_buf_clear) struct stg_buf line = STG_BUF(256u << 20);
	STG_AUTO(stg_json_free_at) json_t *q = json_object(), *args = json_array();
	STG_AUTO(stg_json_free_at) json_t *a = NULL;
	char *text, buf[65536];
	ssize_t n;

	if (argc < 2) {
		fputs("usage: stager-bench ctl unix:/path VERB ARGS...   (verb help lists them)\n", stderr);
		return 2;
	}
	fd = stg_unix_connect(strncmp(argv[0], "unix:", 5) == 0 ? argv[0] + 5 : argv[0], &err);
	if (fd < 0) {
		fprintf(stderr, "stager-bench ctl: %s\n", err.msg);
		return 4;
	}
	for (int i = 2; i < argc; i++)
		json_array_append_new(args, json_string(argv[i]));
	json_object_set_new(q, "verb", json_string(argv[1]));
	json_object_set(q, "args", args);
	text = json_dumps(q, JSON_COMPACT);
	if (!text || !write_all(fd, text, strlen(text)) || !write_all(fd, "\n", 1)) {
		free(text);
		return 4;
	}
	free(text);
	while (!(line.len > 0 && memchr(line.data, '\n', line.len)) && (n = read(fd, buf, sizeof(buf))) > 0)
		if (!stg_buf_add(&line, buf, (size_t)n, &err))
			return 4;
	if (line.len == 0)
		return strcmp(argv[1], "quit") == 0 ? 0 : 4;
	fwrite(line.data, 1, line.len, stdout);
	a = stg_json_parse(stg_bytes(line.data, line.len), line.max, &err);
	return a && stg_json_bool(a, "ok", false) ? 0 : 1;
}
