/*
 * _scepserve.c - answers devices that ask for certificates over SCEP.
 *
 * For:    `stager scep serve`: a process of its own between the bench's network and the station. It has no key and no database; what
 *         comes in is handed to the running station, one operation each.
 * Uses:   <stager/listen.h>, the operations scep.about and scep.request.
 * Called: cmd/scep.c.
 * Thread: the command's waits for a signal; requests are answered on the listener's.
 */
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <stager/clock.h>
#include <stager/listen.h>
#include <stager/log.h>
#include <stager/scep.h>
#include <stager/text.h>

#include "_scepserve.h"
#include "_words.h"

#define THREADS 4
#define ABOUT_FOR_MS 30000
#define AGAIN_S 10
#define VIA "/via/"
#define ONE "application/x-x509-ca-cert"
#define SEVERAL "application/x-x509-ca-ra-cert"
#define MESSAGE "application/x-pki-message"

static const struct stg_tag tag = { .room = "scep" };

struct server {
	const char *state, *actor;
	pthread_mutex_t lock;              /* guards all below; also the opening of a connection, which is not for several threads */
	pthread_cond_t free_one;
	struct stg_caller callers[THREADS];
	bool busy[THREADS];
	json_t *about;
	int64_t about_ms;
};

/* ---- connections to the station: one for each request that is under way ---- */

static size_t hold(struct server *s)
{
	pthread_mutex_lock(&s->lock);
	for (;;) {
		for (size_t i = 0; i < THREADS; i++)
			if (!s->busy[i]) {
				s->busy[i] = true;
				pthread_mutex_unlock(&s->lock);
				return i;
			}
		pthread_cond_wait(&s->free_one, &s->lock);
	}
}

static void let_go(struct server *s, size_t i)
{
	pthread_mutex_lock(&s->lock);
	s->busy[i] = false;
	pthread_cond_signal(&s->free_one);
	pthread_mutex_unlock(&s->lock);
}

static bool connected(struct server *s, struct stg_caller *c, struct stg_error *err)
{
	if (c->fd >= 0)
		return true;
	pthread_mutex_lock(&s->lock);
	bool ok = stg_caller_open(c, s->state, s->actor, err);
	pthread_mutex_unlock(&s->lock);
	if (ok && c->fd < 0)
		ok = stg_fail_id(err, STG_E_STATION, STG_ID_NO_STATION, 0, "%s", c->state_dir);
	return ok;
}

/* Asks the station; one that was started anew meanwhile is asked again: nothing was answered before, and a repeated request
 * gets what the first one made. */
static bool ask(struct server *s, const char *op, const json_t *in, json_t **ret, struct stg_error *err)
{
	size_t i = hold(s);
	struct stg_caller *c = &s->callers[i];
	struct stg_error why = { 0 };
	bool had = c->fd >= 0, ok = connected(s, c, &why) && stg_call(c, op, in, NULL, 0, ret, &why);
	bool lost = !ok && (why.code == STG_E_GONE || why.code == STG_E_IO || why.code == STG_E_TIMEOUT || why.code == STG_E_PROTOCOL);
	if (lost) {
		stg_caller_close(c);
		c->fd = -1;
	}
	if (lost && had) {
		why = (struct stg_error){ 0 };
		ok = connected(s, c, &why) && stg_call(c, op, in, NULL, 0, ret, &why);
	}
	let_go(s, i);
	if (!ok && err)
		*err = why;
	return ok;
}

/* What stays the same for a while: a rack that wakes up asks it forty times. */
static json_t *about(struct server *s, struct stg_error *err)
{
	pthread_mutex_lock(&s->lock);
	json_t *kept = s->about && stg_boot_ms() - s->about_ms < ABOUT_FOR_MS ? json_incref(s->about) : NULL;
	pthread_mutex_unlock(&s->lock);
	if (kept)
		return kept;
	json_t *fresh = NULL;
	if (!ask(s, "scep.about", NULL, &fresh, err))
		return NULL;
	pthread_mutex_lock(&s->lock);
	json_decref(s->about);
	s->about = json_incref(fresh);
	s->about_ms = stg_boot_ms();
	pthread_mutex_unlock(&s->lock);
	return fresh;
}

/* ---- requests ---- */

static void not_now(const struct stg_listen_request *r, struct stg_listen_answer *a, const struct stg_error *why)
{
	char line[320];
	snprintf(line, sizeof(line), "%.60s: not answered: %.200s", r->peer, why->msg);
	stg_log(STG_LOG_WARNING, &tag, "%s", line);
	a->status = 503;
	a->retry_after_s = AGAIN_S;
}

static bool put(struct stg_listen_answer *a, const char *base64)
{
	return stg_unbase64(base64, &a->body, NULL);
}

static void tell(const json_t *said)
{
	const char *what = stg_json_str(said, "what"), *text = stg_json_str(said, "text");
	bool bad = strcmp(what, "refused") == 0 || strcmp(what, "no message") == 0;
	char code[24] = "";
	if (stg_json_int(said, "code", 0))
		snprintf(code, sizeof(code), " STG-%lld", (long long)stg_json_int(said, "code", 0));
	stg_log(bad ? STG_LOG_WARNING : STG_LOG_NOTICE, &tag, "%s: %s %s%s%s%s %s", stg_json_str(said, "peer"), what, stg_json_str(said, "serial"), code,
		*text ? ": " : "", text, stg_json_str(said, "certificate"));
}

static void pki(struct server *s, const struct stg_listen_request *r, struct stg_listen_answer *a)
{
	STG_AUTO(stg_buf_clear) struct stg_buf message = STG_BUF(STG_SCEP_MESSAGE_MAX), text = STG_BUF(STG_SCEP_MESSAGE_MAX * 2);
	STG_AUTO(stg_json_free_at) json_t *in = json_object(), *ret = NULL;
	struct stg_error err = { 0 };
	struct stg_bytes der = r->body;
	a->status = 400;
	if (strcmp(r->method, "POST") != 0) {
		if (!stg_scep_get_message(r->query, &message, &err))
			return;
		der = stg_buf_view(&message);
	}
	if (!der.len || !stg_base64(der, &text, &err))
		return;
	stg_json_put(in, "message", stg_buf_str(&text));
	stg_json_put(in, "peer", r->peer);
	if (!ask(s, "scep.request", in, &ret, &err)) {
		not_now(r, a, &err);
		return;
	}
	tell(json_object_get(ret, "said"));
	a->status = (int)stg_json_int(ret, "status", 500);
	a->type = MESSAGE;
	if (a->status == 200 && !put(a, stg_json_str(ret, "body")))
		a->status = 500;
}

/* .../via/SERVER/TOKEN: passed on to another server, or answered with what is kept of it. */
static void relay(struct server *s, const struct stg_listen_request *r, const char *operation, struct stg_listen_answer *a)
{
	STG_AUTO(stg_buf_clear) struct stg_buf message = STG_BUF(STG_SCEP_MESSAGE_MAX), text = STG_BUF(STG_SCEP_MESSAGE_MAX * 2);
	STG_AUTO(stg_json_free_at) json_t *in = json_object(), *ret = NULL;
	struct stg_error err = { 0 };
	char name[64], token[64];
	const char *at = strstr(r->path, VIA) + strlen(VIA);
	size_t n = strcspn(at, "/"), k = at[n] ? strcspn(at + n + 1, "/") : 0;
	bool pki_operation = strcmp(operation, "PKIOperation") == 0;
	struct stg_bytes der = r->body;
	a->status = 404;
	if (!n || !k || n >= sizeof(name) || k >= sizeof(token))
		return;
	memcpy(name, at, n);
	name[n] = 0;
	memcpy(token, at + n + 1, k);
	token[k] = 0;
	a->status = 400;
	if (!pki_operation && strcmp(operation, "GetCACaps") != 0 && strcmp(operation, "GetCACert") != 0)
		return;
	if (pki_operation && strcmp(r->method, "POST") != 0) {
		if (!stg_scep_get_message(r->query, &message, &err))
			return;
		der = stg_buf_view(&message);
	}
	if (pki_operation && (!der.len || !stg_base64(der, &text, &err)))
		return;
	stg_json_put(in, "name", name);
	stg_json_put(in, "token", token);
	stg_json_put(in, "operation", operation);
	stg_json_put(in, "message", stg_buf_str(&text));
	stg_json_put(in, "peer", r->peer);
	if (!ask(s, "scep.relay", in, &ret, &err)) {
		not_now(r, a, &err);
		return;
	}
	tell(json_object_get(ret, "said"));
	const char *type = stg_json_str(ret, "type"), *plain = stg_json_str(ret, "text");
	a->type = pki_operation ? MESSAGE : strcmp(type, ONE) == 0 ? ONE : strcmp(type, SEVERAL) == 0 ? SEVERAL : "text/plain";
	a->status = (int)stg_json_int(ret, "status", 500);
	a->retry_after_s = (int)stg_json_int(ret, "retry_after_s", 0);
	if (a->status == 200 && !(*plain ? stg_buf_add(&a->body, plain, strlen(plain), NULL) : put(a, stg_json_str(ret, "body"))))
		a->status = 500;
}

static void handle(void *ctx, const struct stg_listen_request *r, struct stg_listen_answer *a)
{
	struct server *s = ctx;
	char operation[32];
	struct stg_error err = { 0 };
	stg_scep_get_operation(r->query, operation, sizeof(operation));
	if (strstr(r->path, VIA)) {
		relay(s, r, operation, a);
		return;
	}
	if (strcmp(operation, "PKIOperation") == 0) {
		pki(s, r, a);
		return;
	}
	bool caps = strcmp(operation, "GetCACaps") == 0;
	a->status = 400;
	if ((!caps && strcmp(operation, "GetCACert") != 0) || strcmp(r->method, "GET") != 0)
		return;
	STG_AUTO(stg_json_free_at) json_t *j = about(s, &err);
	if (!j) {
		not_now(r, a, &err);
		return;
	}
	const char *text = stg_json_str(j, "caps");
	a->type = caps ? "text/plain" : strcmp(stg_json_str(j, "type"), ONE) == 0 ? ONE : SEVERAL;
	a->status = (caps ? stg_buf_add(&a->body, text, strlen(text), NULL) : put(a, stg_json_str(j, "certs"))) ? 200 : 500;
}

/* ---- the command ---- */

static void ready(const struct stg_cmd_ctx *c, const char *address, unsigned int port)
{
	char host[80];
	stg_copy(host, sizeof(host), address);
	char *colon = strrchr(host, ':');
	if (colon)
		*colon = 0;
	if (c->json)
		printf("{\"port\": %u, \"ready\": true, \"url\": \"http://%s:%u/scep\", \"v\": 1}\n", port, host, port);
	else if (!c->quiet)
		printf(_("Answers SCEP at http://%s:%u/scep until Ctrl-C.\n"), host, port);
	fflush(stdout);
}

static bool address_of(struct stg_cmd_ctx *c, char *ret, size_t size, int *ret_status)
{
	STG_AUTO(stg_json_free_at) json_t *set = NULL;
	struct stg_error err = { 0 };
	if (!stg_cmd_call(c, "scep.show", NULL, NULL, 0, &set, ret_status))
		return false;
	if (!*ret)
		stg_copy(ret, size, stg_json_str(set, "listen"));
	if (!*ret)
		stg_fail_id(&err, STG_E_STATION, STG_ID_SCEP_OFF, 0, "%s", "");
	else if (c->caller->fd < 0)
		stg_fail_id(&err, STG_E_STATION, STG_ID_NO_STATION, 0, "%s", c->caller->state_dir);
	if (err.code)
		*ret_status = stg_cmd_tell(c, &err);
	return err.code == STG_OK;
}

int scep_serve(struct stg_cmd_ctx *c)
{
	enum { LISTEN = 256, WITH_PARENT };
	static const struct option options[] = { { "listen", required_argument, NULL, LISTEN }, { "with-parent", no_argument, NULL, WITH_PARENT }, { 0 } };
	static const struct stg_listen_route routes[] = { { .path = "/", .body_max = STG_SCEP_MESSAGE_MAX, .handle = handle } };
	char address[80] = "";
	struct stg_error err = { 0 };
	int opt, status = 0, sig = 0;
	optind = 2;
	while ((opt = word_option(c, options)) != -1) {
		if (opt == LISTEN)
			stg_copy(address, sizeof(address), optarg);
		else if (opt == WITH_PARENT)
			prctl(PR_SET_PDEATHSIG, SIGTERM);
		else
			return 2;
	}
	if (!words_end(c))
		return 2;
	if (*address && !stg_listen_address_ok(address, &err))
		return stg_cmd_tell(c, &err);
	if (!address_of(c, address, sizeof(address), &status))
		return status;
	sigset_t ends;
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	pthread_sigmask(SIG_BLOCK, &ends, NULL);       /* before the listener's threads: they keep it */
	struct server s = { .state = c->state, .actor = c->actor };
	pthread_mutex_init(&s.lock, NULL);
	pthread_cond_init(&s.free_one, NULL);
	for (size_t i = 0; i < THREADS; i++)
		s.callers[i].fd = -1;
	const struct stg_listen_setup setup = { .address = address, .routes = routes, .n_routes = STG_ARRAY_LEN(routes), .ctx = &s, .threads = THREADS };
	struct stg_listen *l = stg_listen_start(&setup, &err);
	if (l) {
		ready(c, address, stg_listen_port(l));
		(void)sigwait(&ends, &sig);
	}
	stg_listen_stop(l);
	for (size_t i = 0; i < THREADS; i++)
		stg_caller_close(&s.callers[i]);
	json_decref(s.about);
	pthread_cond_destroy(&s.free_one);
	pthread_mutex_destroy(&s.lock);
	return l ? 0 : stg_cmd_tell(c, &err);
}
