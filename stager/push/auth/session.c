/*
 * session.c - servers that open a session for a name and password instead of giving an OAuth token.
 *
 * For:    BlackBerry UEM (the answer's text is the Authorization of what follows), Mosyle, GLPI's REST.
 * Uses:   <stager/net.h> through token.c, which also keeps the session as it keeps tokens.
 * Called: by token.c.
 * Thread: any.
 * Facts:  mdm-push 4.7. The password stands in the body only, which the connector writes as a text with {{user}}, {{secret}},
 *         {{secret_base64}} and {{config.NAME}}: it never passes through a jq program, whose memory nobody wipes.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <openssl/crypto.h>

#include "../parts.h"

#define SESSION_MAX 8192
#define LIFE_S 600

static const json_t *login_of(const struct push_target *t)
{
	return json_object_get(json_object_get(t->connector, "auth"), "login");
}

/* As it stands between the quotes of a JSON text. */
static bool add_escaped(struct stg_buf *out, const char *value, struct stg_error *err)
{
	json_t *text = json_string(value);
	char *quoted = text ? json_dumps(text, JSON_ENCODE_ANY) : NULL;
	json_decref(text);
	if (!quoted)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CREDENTIALS, 0, "a credential is no text in UTF-8");
	size_t n = strlen(quoted);
	bool ok = stg_buf_add(out, quoted + 1, n - 2, err);
	OPENSSL_cleanse(quoted, n);
	free(quoted);
	return ok;
}

static bool add_word(const struct push_target *t, const char *word, bool masked, struct stg_buf *out, struct stg_error *err)
{
	const char *secret = stg_json_str(t->credentials.values, "secret");
	if (strncmp(word, "secret", 6) == 0 && masked)
		return stg_buf_add_str(out, "***", err);
	if (strcmp(word, "secret_base64") == 0)
		return stg_base64(stg_bytes_str(secret), out, err);
	return add_escaped(out, strcmp(word, "secret") == 0 ? secret : strcmp(word, "user") == 0 ? stg_json_str(t->config, "user") :
			   strncmp(word, "config.", 7) == 0 ? stg_json_str(t->config, word + 7) : "", err);
}

bool push_session_body(const struct push_target *t, bool masked, struct stg_buf *ret, struct stg_error *err)
{
	for (const char *text = stg_json_str(login_of(t), "body"); *text;) {
		const char *open = strstr(text, "{{"), *close = open ? strstr(open, "}}") : NULL;
		char word[64];
		if (!close)
			return stg_buf_add_str(ret, text, err);
		snprintf(word, sizeof(word), "%.*s", (int)(close - open - 2), open + 2);
		if (!stg_buf_add(ret, text, (size_t)(open - text), err) || !add_word(t, word, masked, ret, err))
			return false;
		text = close + 2;
	}
	return true;
}

json_t *push_session_headers(const struct push_target *t, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *headers = json_object();
	const char *name;
	json_t *value;
	json_object_foreach(json_object_get(login_of(t), "headers"), name, value) {
		char text[1024];
		if (!push_fill_config(t, json_string_value(value), text, sizeof(text), err))
			return NULL;
		stg_json_put(headers, name, text);
	}
	return stg_steal(headers);
}

const char *push_session_method(const struct push_target *t)
{
	return stg_json_str_or(login_of(t), "method", "POST");
}

const char *push_session_header(const struct push_target *t)
{
	return stg_json_str_or(login_of(t), "send_as", "Authorization");
}

/* `take` says where it stands: "body" is the whole text (a JSON string without its quotes), "body.NAME" a member, "header.name". */
bool push_session_read(const struct push_target *t, const struct stg_net_answer *a, struct stg_secret *ret, int64_t *ret_life_s, struct stg_error *err)
{
	const char *take = stg_json_str_or(login_of(t), "take", "body"), *session = "";
	STG_AUTO(stg_json_free_at) json_t *j = stg_json_parse(stg_buf_view(&a->body), SESSION_MAX, NULL);
	char text[SESSION_MAX] = "";
	if (strncmp(take, "header.", 7) == 0) {
		session = stg_json_str(a->headers, take + 7);
	} else if (strncmp(take, "body.", 5) == 0) {
		session = stg_json_str(j, take + 5);
	} else {
		if (a->body.len < sizeof(text))
			snprintf(text, sizeof(text), "%.*s", (int)a->body.len, (const char *)(a->body.data ? a->body.data : (const uint8_t *)""));
		size_t n = strlen(text), from = strspn(text, " \t\r\n");
		while (n > from && isspace((unsigned char)text[n - 1]))
			n--;
		text[n] = 0;
		if (n >= from + 2 && text[from] == '"' && text[n - 1] == '"') {
			text[n - 1] = 0;
			from++;
		}
		session = text + from;
	}
	bool ok = *session && strncasecmp(stg_json_str(a->headers, "content-type"), "text/html", 9) != 0;
	/* it becomes a header: nothing that could end one */
	for (const char *p = session; *p; p++)
		ok = ok && (isgraph((unsigned char)*p) || *p == ' ');
	*ret_life_s = stg_json_int(login_of(t), "life_s", LIFE_S);
	ok = ok ? stg_secret_set(ret, stg_bytes_str(session), err) : stg_fail_id(err, STG_E_PROTOCOL, STG_ID_SESSION_ANSWER, a->status, "HTTP %d without a session", a->status);
	OPENSSL_cleanse(text, sizeof(text));
	return ok;
}
