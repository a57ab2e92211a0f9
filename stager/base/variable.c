/*
 * variable.c - {{name}}, {{name|otherwise}} and {{{{: reading them.
 *
 * For:    blueprints (params of steps) and profiles (values of a parsed tree).
 * Uses:   json.
 * Called: stager/blueprint, profiles.
 * Thread: any; no state.
 */
#include <ctype.h>
#include <stdio.h>

#include <stager/variable.h>

const char *const stg_variable_known[] = {
	"serial",           "udid",      "ecid",         "imei",       "imei2",      "meid",         "model",
	"model_name",       "hardware",  "device_class", "os_version", "build",      "wifi_mac",     "bluetooth_mac",
	"device_name",      "asset_tag", "name",         "ownership",  "batch_name", "organisation", "organisation_id",
	"certificate_uuid", "owner_name", "owner_mail", "owner_upn",  "owner_account", "owner_department", "owner_number", NULL,
};

bool stg_variable_is_known(const char *name)
{
	static const char *const families[] = { "batch.", "secret.", "org.", "scep." };
	for (size_t i = 0; i < STG_ARRAY_LEN(families); i++)
		if (strncmp(name, families[i], strlen(families[i])) == 0)
			return name[strlen(families[i])] != 0;
	for (const char *const *k = stg_variable_known; *k; k++)
		if (strcmp(*k, name) == 0)
			return true;
	return false;
}

bool stg_variable_next(const char *text, struct stg_variable *ret)
{
	const char *at = strstr(text, "{{");
	*ret = (struct stg_variable){ 0 };
	if (!at)
		return false;
	ret->before = (size_t)(at - text);
	if (strncmp(at, "{{{{", 4) == 0) {
		ret->is_literal = true;
		ret->after = at + 4;
		return true;
	}
	const char *end = strstr(at + 2, "}}");
	ret->inner = at + 2;
	ret->inner_len = end ? (size_t)(end - at - 2) : 0;
	ret->after = end ? end + 2 : NULL;
	return true;
}

bool stg_variable_any(const char *text)
{
	struct stg_variable v;
	while (text && stg_variable_next(text, &v)) {
		if (!v.is_literal)
			return true;
		text = v.after;
	}
	return false;
}

static bool is_spelt_like_a_name(const char *s)
{
	for (const char *p = s; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("._-", *p))
			return false;
	return *s != 0;
}

bool stg_variable_is_name(const char *word)
{
	return is_spelt_like_a_name(word) && (strchr(word, '.') || stg_variable_is_known(word));
}

/* Behind the closing quote of the quoted text that begins at `from`; NULL when none begins there. */
static const char *quoted_until(const char *from, const char *end)
{
	if (from == end || (*from != '\'' && *from != '"'))
		return NULL;
	const char *close = memchr(from + 1, *from, (size_t)(end - from - 1));
	if (!close)
		return NULL;
	const char *next = close + 1;
	while (next < end && *next == ' ')
		next++;
	return next == end || *next == '|' ? close + 1 : NULL;
}

bool stg_variable_word(const struct stg_variable *v, size_t *at, char ret[STG_VARIABLE_NAME_MAX], bool *ret_is_quoted)
{
	if (!v->inner || !v->after || *at > v->inner_len)
		return false;
	const char *from = v->inner + *at, *end = v->inner + v->inner_len;
	while (from < end && *from == ' ')
		from++;
	const char *quoted = quoted_until(from, end), *search = quoted ? quoted : from;
	const char *bar = memchr(search, '|', (size_t)(end - search));
	const char *to = quoted ? quoted - 1 : bar ? bar : end;
	*at = bar ? (size_t)(bar - v->inner) + 1 : v->inner_len + 1;
	*ret_is_quoted = quoted != NULL;
	if (quoted)
		from++;
	while (!quoted && to > from && to[-1] == ' ')
		to--;
	size_t len = (size_t)(to - from);
	if (len >= STG_VARIABLE_NAME_MAX)
		return false;
	memcpy(ret, from, len);
	ret[len] = 0;
	return true;
}

bool stg_variable_name(const struct stg_variable *v, char ret[STG_VARIABLE_NAME_MAX])
{
	size_t at = 0;
	bool is_quoted = false;
	/* "{{" inside: the braces of two variables were mixed up */
	return stg_variable_word(v, &at, ret, &is_quoted) && !is_quoted && is_spelt_like_a_name(ret) &&
	       !memmem(v->inner, v->inner_len, "{{", 2);
}

/* An empty string is as good as none: a cell of the list was left empty. */
static bool is_set(const json_t *v)
{
	if (json_is_string(v))
		return json_string_length(v) > 0;
	return json_is_integer(v) || json_is_boolean(v) || (json_is_object(v) && *stg_json_str(v, "data"));
}

static void as_text(struct stg_variable_value *ret)
{
	ret->text = json_string_value(ret->value);
	if (json_is_boolean(ret->value))
		ret->text = json_is_true(ret->value) ? "true" : "false";
	if (json_is_integer(ret->value)) {
		snprintf(ret->word, sizeof(ret->word), "%" JSON_INTEGER_FORMAT, json_integer_value(ret->value));
		ret->text = ret->word;
	}
}

bool stg_variable_value(const struct stg_variable *v, const json_t *values, struct stg_variable_value *ret)
{
	size_t at = 0;
	bool is_quoted = false;
	for (int i = 0; stg_variable_word(v, &at, ret->word, &is_quoted); i++) {
		ret->value = is_quoted ? NULL : json_object_get(values, ret->word);
		if (is_set(ret->value)) {
			as_text(ret);
			return true;
		}
		if (i > 0 && (is_quoted || (!ret->value && !strchr(ret->word, '.') && !stg_variable_is_known(ret->word)))) {
			ret->text = ret->word;
			return true;
		}
	}
	return false;
}
