/*
 * template.c - what a kind of certificate looks like, and what that is for one device.
 *
 * For:    the same names and usages in every certificate of a kind, whoever asks: a blueprint, a person, SCEP.
 * Uses:   the store (templates of this station), <stager/blueprint.h> (variables).
 * Called: by issue.c, by the operations ca.template.*.
 * Thread: the store's.
 *
 * Facts: profiles-and-certificates 4.1 and 4.2. A URI name is only safe while the CA has no URI constraint, which ours has not.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include <stager/blueprint.h>
#include <stager/ca.h>
#include <stager/error.h>

#define SETTING "ca_templates"
#define TEXT_MAX 200
#define SAN_MAX 8
#define TEMPLATES_MAX 64

/* Shipped; a template of the station with the same name stands in front. */
static const char BUILT_IN[] =
	"{\"device\":{\"cn\":\"{{serial}}\",\"san\":[\"uri:urn:x-device:serial:{{serial}}\",\"dns:{{serial_host}}.devices.{{org.domain}}\"],"
	"\"purpose\":\"client\",\"key\":\"rsa-2048\",\"days\":397},"
	"\"device-ec\":{\"cn\":\"{{serial}}\",\"san\":[\"uri:urn:x-device:serial:{{serial}}\",\"dns:{{serial_host}}.devices.{{org.domain}}\"],"
	"\"purpose\":\"client\",\"key\":\"p-256\",\"days\":397},"
	"\"user\":{\"cn\":\"{{user}}\",\"serial_number\":\"{{serial}}\",\"san\":[\"upn:{{upn}}\"],\"purpose\":\"client\",\"key\":\"rsa-2048\",\"days\":397},"
	"\"mail\":{\"cn\":\"{{email}}\",\"serial_number\":\"{{serial}}\",\"san\":[\"email:{{email}}\"],\"purpose\":\"client email\","
	"\"key\":\"rsa-2048\",\"days\":397}}";

static const char *const texts[] = { "about", "cn", "department", "serial_number", "purpose", "key" };

json_t *stg_ca_templates(struct stg_store *s, struct stg_error *err)
{
	char *own_text = stg_store_get(s, SETTING, err);
	if (!own_text)
		return NULL;
	STG_AUTO(stg_json_free_at) json_t *own = *own_text ? json_loads(own_text, 0, NULL) : json_object();
	free(own_text);
	STG_AUTO(stg_json_free_at) json_t *all = json_loads(BUILT_IN, 0, NULL), *list = json_array();
	const char *name;
	json_t *one;
	if (!json_is_object(own) || !all) {
		stg_fail(err, STG_E_PROTOCOL, 0, "the station's certificate templates cannot be read");
		return NULL;
	}
	json_object_foreach(all, name, one)
		stg_json_put_bool(one, "built_in", true);
	json_object_update(all, own);
	json_object_foreach(all, name, one) {
		stg_json_put(one, "name", name);
		json_array_append(list, one);
	}
	return stg_steal(list);
}

json_t *stg_ca_template(struct stg_store *s, const char *name, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *all = stg_ca_templates(s, err);
	size_t i;
	json_t *one;
	if (!all)
		return NULL;
	json_array_foreach(all, i, one)
		if (strcmp(stg_json_str(one, "name"), name) == 0)
			return json_incref(one);
	stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_NO_TEMPLATE, 0, "%.64s", name);
	return NULL;
}

static bool wrong(struct stg_error *err, const char *what, const char *expected)
{
	return stg_fail_id(err, STG_E_USAGE, STG_ID_TEMPLATE_WRONG, 0, "%s: expected %s", what, expected);
}

static bool is_one_of(const char *word, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(words[i], word) == 0)
			return true;
	return false;
}

static bool check(const char *name, const json_t *t, struct stg_error *err)
{
	static const char *const keys[] = { "rsa-2048", "rsa-3072", "rsa-4096", "p-256", "p-384" };
	static const char *const purposes[] = { "client", "email", "client email" };
	static const char *const kinds[] = { "dns:", "uri:", "upn:", "email:" };
	if (!*name || strlen(name) > 40 || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(name))
		return wrong(err, "name", "small letters, digits and dashes");
	for (size_t i = 0; i < STG_ARRAY_LEN(texts); i++) {
		const char *text = stg_json_str(t, texts[i]);
		char clean[TEXT_MAX * 4 + 1];
		stg_printable(text, true, clean, sizeof(clean));
		if (strlen(text) > TEXT_MAX || strcmp(clean, text) != 0)
			return wrong(err, texts[i], "printable text of at most 200 bytes");
	}
	if (!*stg_json_str(t, "cn"))
		return wrong(err, "cn", "a name, such as {{serial}}");
	if (!is_one_of(stg_json_str_or(t, "purpose", "client"), purposes, STG_ARRAY_LEN(purposes)))
		return wrong(err, "purpose", "client, email or \"client email\"");
	if (!is_one_of(stg_json_str_or(t, "key", "rsa-2048"), keys, STG_ARRAY_LEN(keys)))
		return wrong(err, "key", "rsa-2048, rsa-3072, rsa-4096, p-256 or p-384");
	int64_t days = stg_json_int(t, "days", 397);
	if (days < 1 || days > 1095)
		return wrong(err, "days", "1 to 1095");
	const json_t *san = json_object_get(t, "san");
	if (json_array_size(san) > SAN_MAX)
		return wrong(err, "san", "at most 8 names");
	for (size_t i = 0; i < json_array_size(san); i++) {
		const char *one = json_string_value(json_array_get(san, i));
		bool known = false;
		for (size_t k = 0; one && k < STG_ARRAY_LEN(kinds); k++)
			known = known || (strncmp(one, kinds[k], strlen(kinds[k])) == 0 && one[strlen(kinds[k])]);
		if (!known || strlen(one) > TEXT_MAX)
			return wrong(err, one ? one : "san", "dns:, uri:, upn: or email: and a name");
	}
	return true;
}

bool stg_ca_template_put(struct stg_store *s, const char *name, const json_t *t, struct stg_error *err)
{
	if (t && !check(name, t, err))
		return false;
	char *own_text = stg_store_get(s, SETTING, err);
	if (!own_text)
		return false;
	STG_AUTO(stg_json_free_at) json_t *own = *own_text ? json_loads(own_text, 0, NULL) : json_object();
	free(own_text);
	if (!json_is_object(own))
		return stg_fail(err, STG_E_PROTOCOL, 0, "the station's certificate templates cannot be read");
	if (!t && json_object_del(own, name) != 0)
		return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_NO_TEMPLATE, 0, "%.64s", name);
	if (t) {
		json_t *kept = json_object();
		for (size_t i = 0; i < STG_ARRAY_LEN(texts); i++)
			if (*stg_json_str(t, texts[i]))
				stg_json_put(kept, texts[i], stg_json_str(t, texts[i]));
		if (json_array_size(json_object_get(t, "san")))
			stg_json_put_new(kept, "san", json_deep_copy(json_object_get(t, "san")));
		stg_json_put_int(kept, "days", stg_json_int(t, "days", 397));
		if (stg_json_bool(t, "modern", false))
			stg_json_put_bool(kept, "modern", true);
		stg_json_put_new(own, name, kept);
		if (json_object_size(own) > TEMPLATES_MAX)
			return wrong(err, "name", "at most 64 templates");
	}
	char *text = json_dumps(own, JSON_COMPACT | JSON_SORT_KEYS);
	bool ok = text && stg_store_set(s, SETTING, text, err);
	free(text);
	return ok;
}

/* A serial as one label of a host name: small letters, digits and dashes. */
static void host_label(const char *serial, char ret[64])
{
	size_t at = 0;
	for (const char *p = serial; *p && at < 63; p++) {
		if (isalnum((unsigned char)*p))
			ret[at++] = (char)tolower((unsigned char)*p);
		else if (at && ret[at - 1] != '-')
			ret[at++] = '-';
	}
	while (at && ret[at - 1] == '-')
		at--;
	ret[at] = 0;
}

bool stg_ca_fill(struct stg_store *s, const json_t *org, const struct stg_ca_for *whom, struct stg_ca_filled *ret, struct stg_error *err)
{
	const char *name = whom->template_name && *whom->template_name ? whom->template_name : "device";
	STG_AUTO(stg_json_free_at) json_t *t = stg_ca_template(s, name, err), *values = json_object();
	char label[64];
	if (!t)
		return false;
	if (whom->values)
		json_object_update(values, (json_t *)(uintptr_t)whom->values);
	host_label(whom->serial, label);
	stg_json_put(values, "serial", whom->serial);
	stg_json_put(values, "serial_host", label);
	if (!stg_org_values(org, values, err))
		return false;
	json_t *filled = stg_variables_fill(t, values, err);
	if (!filled) {
		if (err)
			err->code = STG_E_USAGE;
		stg_say(err, STG_ID_CERTIFICATE_ASK);
		return stg_while(err, "template %s", name);
	}
	ret->filled = filled;
	ret->ask = (struct stg_leaf_ask){
		.common_name = stg_json_str(filled, "cn"),
		.san = json_object_get(filled, "san"),
		.key_type = stg_json_str_or(filled, "key", "rsa-2048"),
		.days = stg_json_int(filled, "days", 397),
		.purpose = stg_json_str_or(filled, "purpose", "client"),
		.modern_p12 = stg_json_bool(filled, "modern", false),
		.department = stg_json_str(filled, "department"),
		.serial_number = stg_json_str(filled, "serial_number"),
	};
	return true;
}

void stg_ca_filled_clear(struct stg_ca_filled *f)
{
	json_decref(f->filled);
	*f = (struct stg_ca_filled){ 0 };
}
