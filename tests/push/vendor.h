/*
 * vendor.h - a vendor's server by a table of routes, and what every vendor must stand.
 *
 * A test describes the vendor: routes, and what each answers from its state in `things`. This file does what all have in
 * common: the sign-in, the credentials on every request, and noticing whatever a real server would not understand: a
 * request for no route, without the credentials, with a body that is no JSON, or one that a route calls strange. `strange`
 * must stay empty in every test, so that a connector cannot pass by a server that is more patient than the vendor's.
 */
#ifndef TESTS_PUSH_VENDOR_H
#define TESTS_PUSH_VENDOR_H

#include "real_hosts.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"

#define VENDOR_PARTS_MAX 12

struct vendor;
/* parts: what stood for each "*" of the route's path; in: the body, NULL: none. The whole answer, malloc'ed. */
typedef char *(*vendor_answer)(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in);

struct route {
	const char *method, *path;      /* "*" stands for one part of the path; the query is not looked at */
	vendor_answer answer;
	bool is_open;                   /* no credentials wanted: the sign-in */
};

struct vendor {
	const struct route *routes;     /* ends with an empty one */
	const char *host, *login;       /* with real_hosts(): of the interface and of the sign-in; NULL: the server has no name */
	const char *header, *value;     /* credentials on every request; NULL: none */
	const char *also, *also_value;  /* a second one */
	json_t *things;                 /* the vendor's state, as its routes keep it */
	json_t *calls;                  /* "POST /path/of/route" -> how often */
	json_t *strange;                /* what a real server would not understand */
	int writes;                     /* counted by the routes: what took effect */
	const char *bad;                /* a natural key that this vendor refuses */
	struct server *server;
};

/* ---- answers ---- */

static char *http_text(int status, const char *type, const char *more, const char *text)
{
	char *all = NULL;
	if (asprintf(&all, "HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%sConnection: close\r\n\r\n%s", status, type, strlen(text), more, text) < 0)
		abort();
	return all;
}

static char *http(int status, json_t *body)
{
	STG_AUTO(stg_free_at) char *text = body ? json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY) : strdup("");
	json_decref(body);
	return http_text(status, "application/json", "", text);
}

static void vendor_strange(struct vendor *v, const char *what)
{
	char text[400];
	snprintf(text, sizeof(text), "%s: %.300s", what, stg_json_str(v->server->last_headers, ":request"));
	json_array_append_new(v->strange, json_string(text));
}

/* ---- what routes look at ---- */

static void url_decode(const char *from, size_t n, char *ret, size_t size)
{
	size_t k = 0;
	for (size_t i = 0; i < n && k + 1 < size; i++) {
		unsigned int c = (unsigned char)from[i];
		if (c == '%' && i + 2 < n && sscanf(from + i + 1, "%2x", &c) == 1)
			i += 2;
		ret[k++] = (char)c;
	}
	ret[k] = 0;
}

/* A parameter of the query, or of a form; "" when absent. One at a time. */
static const char *param_in(const char *text, const char *name)
{
	static char value[16384];
	size_t n = strlen(name);
	for (const char *p = text; p && *p; p = strchr(p, '&') ? strchr(p, '&') + 1 : NULL) {
		if (strncmp(p, name, n) != 0 || p[n] != '=')
			continue;
		url_decode(p + n + 1, strcspn(p + n + 1, "& "), value, sizeof(value));
		return value;
	}
	return "";
}

static const char *query(struct vendor *v, const char *name)
{
	const char *q = strchr(stg_json_str(v->server->last_headers, ":request"), '?');
	return q ? param_in(q + 1, name) : "";
}

static const char *header_of(struct vendor *v, const char *name)
{
	return stg_json_str(v->server->last_headers, name);
}

/* Only these keys, and these of them must be there: the vendor's description of a body, "name" or "name!". */
static bool only_keys(struct vendor *v, const json_t *in, const char *const *keys)
{
	const char *key;
	json_t *value;
	bool ok = json_is_object(in);
	for (size_t i = 0; ok && keys[i]; i++) {
		size_t n = strlen(keys[i]);
		char name[64];
		snprintf(name, sizeof(name), "%.*s", (int)(keys[i][n - 1] == '!' ? n - 1 : n), keys[i]);
		ok = keys[i][n - 1] != '!' || json_object_get(in, name);
	}
	json_object_foreach((json_t *)(uintptr_t)in, key, value) {
		bool known = false;
		for (size_t i = 0; keys[i]; i++)
			known = known || (strncmp(keys[i], key, strlen(key)) == 0 && (!keys[i][strlen(key)] || strcmp(keys[i] + strlen(key), "!") == 0));
		ok = ok && known;
	}
	if (!ok)
		vendor_strange(v, "the body is not as described");
	return ok;
}

/* ---- serving ---- */

static bool route_fits(const struct route *r, const char *line, char parts[VENDOR_PARTS_MAX][128])
{
	size_t n = strlen(r->method), k = 0;
	if (strncmp(line, r->method, n) != 0 || line[n] != ' ')
		return false;
	const char *p = line + n + 1, *want = r->path;
	while (*want) {
		if (*want == '*') {
			size_t len = strcspn(p, "/? ");
			if (!len || k == VENDOR_PARTS_MAX)
				return false;
			url_decode(p, len, parts[k++], 128);
			p += len;
			want++;
		} else if (*want++ != *p++) {
			return false;
		}
	}
	return *p == ' ' || *p == '?';
}

static bool credentials_ok(struct vendor *v)
{
	return (!v->header || strcmp(header_of(v, v->header), v->value) == 0) && (!v->also || strcmp(header_of(v, v->also), v->also_value) == 0);
}

static char *vendor_serve(struct server *s, void *ctx)
{
	struct vendor *v = ctx;
	char parts[VENDOR_PARTS_MAX][128] = { "" }, name[300];
	v->server = s;
	for (const struct route *r = v->routes; r->method; r++) {
		if (!route_fits(r, stg_json_str(s->last_headers, ":request"), parts))
			continue;
		if (!r->is_open && !credentials_ok(v))
			return http(401, json_pack("{s:s}", "error", "not signed in: MARKED-SECRET-1"));
		STG_AUTO(stg_json_free_at) json_t *in = *s->last_body ? json_loads(s->last_body, JSON_DECODE_ANY, NULL) : NULL;
		if (*s->last_body && !in && !strstr(header_of(v, "content-type"), "form"))
			vendor_strange(v, "the body is no JSON");
		const char *host = r->is_open && v->login ? v->login : v->host;
		if (v->host && (strcmp(header_of(v, ":sni"), host) != 0 || strcmp(header_of(v, "host"), host) != 0))
			vendor_strange(v, "asked at another host");
		snprintf(name, sizeof(name), "%s %s", r->method, r->path);
		json_object_set_new(v->calls, name, json_integer(stg_json_int(v->calls, name, 0) + 1));
		return r->answer(v, parts, in);
	}
	vendor_strange(v, "no such route");
	return http(404, json_pack("{s:s}", "error", "no such route"));
}

static int64_t calls_of(struct vendor *v, const char *route)
{
	return stg_json_int(v->calls, route, 0);
}

/* The sign-in of RFC 6749 4.4, with the secret or with an assertion; the client's name is CLIENT. */
static char *oauth_token(struct vendor *v, char parts[VENDOR_PARTS_MAX][128], const json_t *in)
{
	(void)parts;
	(void)in;
	const char *form = v->server->last_body;
	if (strcmp(param_in(form, "grant_type"), "client_credentials") != 0 || strcmp(param_in(form, "client_id"), "CLIENT") != 0)
		vendor_strange(v, "not a sign-in");
	if (strcmp(param_in(form, "client_secret"), "MARKED-SECRET-1") != 0)
		return http(401, json_pack("{s:s,s:s}", "error", "invalid_client", "error_description", "wrong MARKED-SECRET-2"));
	return http(200, json_pack("{s:s,s:s,s:i}", "access_token", "MARKED-TOKEN", "token_type", "Bearer", "expires_in", 1200));
}

/* ---- the scene ---- */

static void vendor_start(struct site *s, struct vendor *v, const struct route *routes)
{
	v->routes = routes;
	v->things = v->things ? v->things : json_object();
	v->calls = json_object();
	v->strange = json_array();
	v->server = s->server;
	s->server->vendor = vendor_serve;
	s->server->vendor_ctx = v;
	json_object_set_new(s->credentials, "secret", json_string("MARKED-SECRET-1"));
}

/* Nothing may have been strange: the first that was is shown. */
static void vendor_clear(struct vendor *v)
{
	if (json_array_size(v->strange))
		fail_msg("the vendor would not understand: %s", json_string_value(json_array_get(v->strange, 0)));
	json_decref(v->things);
	json_decref(v->calls);
	json_decref(v->strange);
}

/* A target at this server, or with real_hosts() where its file says; `config` is the rest of its settings. */
static const char *vendor_add(struct site *s, const char *connector, const char *phases, json_t *config)
{
	static char name[48];
	static int n;
	char url[64];
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", s->server->port);
	snprintf(name, sizeof(name), "%s%d", connector, ++n);
	if (!real.to)
		stg_json_put(config, "url", url);
	json_t *target = json_pack("{s:s,s:s,s:s,s:o}", "name", name, "connector", connector, "phase", phases, "config", config);
	OK(stg_store_target_put(s->st.s, target, stg_bytes(NULL, 0), err));
	json_decref(target);
	return name;
}

/* Results of Android phones, as ADB names them. */
static void stage_android(struct site *s, int count)
{
	for (int i = 0; i < count; i++) {
		struct stg_identity who = phone(++s->phones);
		stg_copy(who.family, sizeof(who.family), "android");
		snprintf(who.serial, sizeof(who.serial), "R5CT%04d", s->phones);
		snprintf(who.model, sizeof(who.model), "SM-X200");
		*who.udid = 0;
		int64_t job = job_for(s->st.s, &who, NULL, 0);
		run_steps(s->st.s, job);
		OK(stg_store_job_finish(s->st.s, job, STG_JOB_DONE, STG_END_STAGED, NULL, &who, NULL, NULL, err));
	}
}

/* What waits (parked, in doubt, an operation) is due now. */
static void time_passes(struct site *s)
{
	static const char *const states[] = { "in_doubt", "parked", "op_pending", "queued" }, *const become[] = { "in_doubt", "queued", "op_pending", "queued" };
	for (size_t k = 0; k < STG_ARRAY_LEN(states); k++) {
		STG_AUTO(stg_json_free_at) json_t *filter = json_pack("{s:s}", "state", states[k]);
		STG_AUTO(stg_json_free_at) json_t *rows = NULL;
		OK((rows = stg_store_outbox(s->st.s, filter, err)) != NULL);
		size_t i;
		json_t *row;
		json_array_foreach(rows, i, row)
			OK(stg_store_outbox_settle(s->st.s, stg_json_int(row, "id", 0), become[k], 0, json_object_get(row, "answer"), err));
	}
}

/* The words kept with the first row in this state. One at a time. */
static const char *text_in(struct site *s, const char *state)
{
	static char text[600];
	STG_AUTO(stg_json_free_at) json_t *filter = json_pack("{s:s}", "state", state);
	STG_AUTO(stg_json_free_at) json_t *rows = NULL;
	OK((rows = stg_store_outbox(s->st.s, filter, err)) != NULL);
	assert_true(json_array_size(rows) >= 1);
	stg_copy(text, sizeof(text), stg_json_str(json_object_get(json_array_get(rows, 0), "answer"), "text"));
	return text;
}

/* What is shown of a target. One at a time. */
static const char *words_of(struct site *s, const char *target)
{
	static char text[600];
	STG_AUTO(stg_json_free_at) json_t *row = NULL;
	OK((row = stg_store_target(s->st.s, target, NULL, err)) != NULL);
	stg_copy(text, sizeof(text), stg_json_str(row, "text"));
	assert_null(strstr(text, "MARKED"));
	return text;
}

#pragma GCC diagnostic pop
#endif
