/*
 * request.c - records become one request, as the connector says.
 *
 * For:    delivery.c and `target try`.
 * Uses:   jq.c for the body, auth.c, <stager/net.h>.
 * Called: for every attempt: the body is the same each time, timestamp and signature are of now.
 * Thread: any.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <stager/ids.h>

#include "parts.h"

/* The same rows give the same id on every try: receivers may use it to recognise a repeated batch. */
static void batch_id(const struct push_target *t, const json_t *rows, char ret[STG_UUID_TEXT])
{
	STG_AUTO(stg_buf_clear) struct stg_buf all = STG_BUF(1 << 20);
	const char *first = stg_json_str(json_array_get(rows, 0), "record_id");
	size_t i;
	json_t *row;
	(void)stg_buf_add_str(&all, t->name, NULL);
	json_array_foreach((json_t *)(uintptr_t)rows, i, row)
		(void)stg_buf_printf(&all, NULL, " %s", stg_json_str(row, "record_id"));
	stg_uuid5(stg_uuid_ok(first) ? first : "6ba7b811-9dad-11d1-80b4-00c04fd430c8", stg_buf_str(&all), ret);
}

static bool add_encoded(struct stg_buf *out, const char *text, struct stg_error *err)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if (isalnum(*p) || strchr("-._~", *p) ? !stg_buf_add(out, p, 1, err) : !stg_buf_printf(out, err, "%%%02X", *p))
			return false;
	return true;
}

struct filling {
	const struct push_target *t;
	const char *record_id, *idempotency_key, *batch, *now;
};

/* Fills the {{words}} that connector.c let through; in a path they are encoded, the address itself is not. */
static bool fill(const struct filling *f, const char *text, bool is_path, struct stg_buf *out, struct stg_error *err)
{
	while (*text) {
		const char *open = strstr(text, "{{"), *close = open ? strstr(open, "}}") : NULL;
		if (!close)
			return stg_buf_add_str(out, text, err);
		char word[64];
		snprintf(word, sizeof(word), "%.*s", (int)(close - open - 2), open + 2);
		const char *value = strcmp(word, "record_id") == 0 ? f->record_id : strcmp(word, "idempotency_key") == 0 ? f->idempotency_key :
				    strcmp(word, "delivery_batch_id") == 0 ? f->batch : strcmp(word, "now_s") == 0 ? f->now :
				    strcmp(word, "base_url") == 0 ? stg_json_str(f->t->config, "url") :
				    strncmp(word, "config.", 7) == 0 ? stg_json_str(f->t->config, word + 7) : "";
		if (!stg_buf_add(out, text, (size_t)(open - text), err) ||
		    !(is_path && strcmp(word, "base_url") != 0 ? add_encoded(out, value, err) : stg_buf_add_str(out, value, err)))
			return false;
		text = close + 2;
	}
	return true;
}

static bool make_url(const struct filling *f, const char *path, struct push_request *r, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf url = STG_BUF(sizeof(r->url) - 1);
	const char *base = stg_json_str(f->t->config, "url");
	size_t n = strlen(base);
	if (strstr(path, "{{base_url}}")) {
		n = 0;
	} else if (*path) {
		while (n && base[n - 1] == '/')
			n--;
	}
	return stg_buf_add(&url, base, n, err) && fill(f, path, true, &url, err) && stg_copy(r->url, sizeof(r->url), stg_buf_str(&url));
}

static bool make_headers(const struct filling *f, const json_t *from, struct push_request *r, struct stg_error *err)
{
	const char *name;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)from, name, value) {
		STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(4096);
		if (!fill(f, json_string_value(value), false, &text, err))
			return false;
		stg_json_put(r->headers, name, stg_buf_str(&text));
	}
	return true;
}

/* An order for the MDM gets the MDM's own word beside ours: .mdm_order.command in the field map. NULL: no record has one. */
static json_t *with_commands(const struct push_target *t, const json_t *records)
{
	const json_t *words = json_object_get(t->connector, "orders");
	json_t *all = NULL;
	for (size_t i = 0; i < json_array_size(records); i++) {
		const char *word = stg_json_str(words, stg_json_str(json_object_get(json_array_get(records, i), "mdm_order"), "verb"));
		if (!*word)
			continue;
		if (!all)
			all = json_deep_copy(records);
		stg_json_put(json_object_get(json_array_get(all, i), "mdm_order"), "command", word);
	}
	return all;
}

/* A text stays as it is, everything else becomes JSON. */
static bool make_body(const struct push_target *t, const json_t *records, struct push_request *r, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *told = with_commands(t, records);
	STG_AUTO(stg_json_free_at) json_t *out = push_jq(stg_json_str(json_object_get(t->connector, "request"), "body"), told ? told : records, err);
	if (!out)
		return stg_while(err, "body of connector %s", stg_json_str(t->connector, "name"));
	if (json_array_size(out) != 1)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_CONNECTOR_PROGRAM, 0, "body of connector %s: %zu values, one was expected", stg_json_str(t->connector, "name"), json_array_size(out));
	const json_t *one = json_array_get(out, 0);
	if (json_is_string(one))
		return stg_buf_add(&r->body, json_string_value(one), json_string_length(one), err);
	STG_AUTO(stg_free_at) char *text = stg_json_text(one);
	if (!json_object_get(r->headers, "Content-Type"))
		stg_json_put(r->headers, "Content-Type", "application/json");
	return stg_buf_add_str(&r->body, text, err);
}

bool push_request_make(const struct push_target *t, const json_t *rows, const json_t *records, int64_t now_s, struct push_request *ret, struct stg_error *err)
{
	const json_t *request = json_object_get(t->connector, "request"), *first = json_array_get(rows, 0);
	const char *id = stg_json_str(first, "record_id");
	int64_t most = stg_json_int(json_object_get(t->connector, "batch"), "max_bytes", 1000000);
	char now[24], batch[STG_UUID_TEXT];
	batch_id(t, rows, batch);
	snprintf(now, sizeof(now), "%lld", (long long)now_s);
	struct filling f = { .t = t, .record_id = id, .idempotency_key = stg_json_str(first, "idempotency_key"), .batch = batch, .now = now };
	*ret = (struct push_request){ .headers = json_object(), .body = STG_BUF(PUSH_BODY_MAX) };
	stg_copy(ret->method, sizeof(ret->method), stg_json_str(request, "method"));
	if (!make_url(&f, stg_json_str(request, "path"), ret, err) || !make_headers(&f, json_object_get(request, "headers"), ret, err) ||
	    !make_body(t, records, ret, err))
		return false;
	if ((int64_t)ret->body.len > most)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_CONNECTOR_PROGRAM, 413, "a body of %zu bytes, connector %s allows %lld", ret->body.len, stg_json_str(t->connector, "name"), (long long)most);
	return push_auth_apply(t, stg_buf_view(&ret->body), id, now_s, ret, err);
}

void push_request_clear(struct push_request *r)
{
	stg_json_free_at(&r->headers);
	stg_secret_clear(&r->bearer);
	stg_buf_clear(&r->body);
}

bool push_request_send(const struct push_target *t, const struct push_request *r, struct stg_stop *stop, struct stg_net_answer *ret, struct stg_error *err)
{
	const json_t *answer = json_object_get(t->connector, "answer");
	const char *type = stg_json_str(answer, "type"), *pin = stg_json_str(t->config, "pin");
	struct stg_net_ask ask = {
		.method = r->method, .url = r->url, .headers = r->headers, .body = stg_buf_view(&r->body),
		.secret_header = stg_secret_is_set(&r->bearer) ? "Authorization" : NULL, .secret_value = &r->bearer,
		.client_pem = stg_bytes_str(stg_json_str(t->credentials.values, "client_pem")), .ca_pem = stg_bytes_str(stg_json_str(t->config, "ca_pem")),
		.pinned_keys = *pin ? pin : NULL, .allow_loopback_http = true, .timeout_ms = stg_json_int(t->connector, "timeout_ms", 60000),
		.answer_max = (size_t)stg_json_int(answer, "max_bytes", 1 << 20), .expect_type = strcmp(type, "any") == 0 ? NULL : type, .stop = stop,
		.repeat_harmless = *stg_json_str(t->connector, "natural_key"),
	};
	if (!stg_net(&ask, ret, err))
		return false;
	/* A page is no answer of a machine, whatever the connector takes. */
	if (ret->class == STG_NET_OK && !ask.expect_type && strncasecmp(stg_json_str(ret->headers, "content-type"), "text/html", 9) == 0) {
		ret->class = STG_NET_TRUST;
		snprintf(ret->text, sizeof(ret->text), "HTTP %d with a page instead of an answer: probably not the server itself (captive portal?)", ret->status);
	}
	return true;
}
