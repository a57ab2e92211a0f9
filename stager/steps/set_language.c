/*
 * set_language.c - the language a person reads and the region that decides dates, numbers and currency.
 *
 * For:    a blueprint for several countries, where set_time alone says too little.
 * Uses:   the device door; both are read again.
 * Called: worker/run.c.
 * Thread: the worker's only one.
 * Facts:  protocols/apple.md 3.4 and 4.10: com.apple.international Locale, then Language.
 */
#include <ctype.h>
#include <stdio.h>

#include "steps.h"

static const struct stg_param params[] = {
	{ "language", STG_PARAM_STRING, .required = true, .variables = true, .about = "such as fr, or pt-BR" },
	{ "region", STG_PARAM_STRING, .variables = true, .about = "country of dates, numbers and currency, such as FR" },
	{ "locale", STG_PARAM_STRING, .variables = true, .about = "both in one, such as fr_FR (default: language and region)" },
	{ 0 },
};

struct wanted {
	const char *language;
	char locale[64];
};

static struct wanted wanted_of(const struct stg_step_ctx *c)
{
	struct wanted w = { .language = stg_json_str(c->params, "language") };
	const char *locale = stg_json_str(c->params, "locale"), *region = stg_json_str(c->params, "region");
	if (*locale)
		stg_copy(w.locale, sizeof(w.locale), locale);
	else if (*region)
		snprintf(w.locale, sizeof(w.locale), "%.*s_%.8s", (int)strcspn(w.language, "-_"), w.language, region);
	return w;
}

static bool is_tag(const char *text)
{
	size_t n = strlen(text);
	if (strstr(text, "{{"))
		return true;    /* known only for the device */
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)text[i]) && !(i && strchr("-_@=", text[i])))
			return false;
	return n >= 2 && n <= 40;
}

static bool check(const json_t *p, struct stg_error *err)
{
	static const char *const names[] = { "language", "region", "locale" };
	for (size_t i = 0; i < STG_ARRAY_LEN(names); i++) {
		const char *text = stg_json_str(p, names[i]);
		if ((i == 0 || *text) && !is_tag(text))
			return stg_fail(err, STG_E_INPUT, 0, "'%s' is '%.40s', expected letters such as %s", names[i], text,
					i == 0 ? "fr" : i == 1 ? "FR" : "fr_FR");
	}
	return true;
}

static bool proven(struct stg_step_ctx *c, bool *ret, struct stg_error *err)
{
	struct stg_error why = { 0 };
	struct wanted w = wanted_of(c);
	STG_AUTO(stg_json_free_at) json_t *now = stg_device_settings(c->device, &why);
	*ret = false;
	if (!now && step_is_absent(&why)) {
		*ret = c->ran || c->proven_before;   /* a family that does not tell */
		return true;
	}
	if (!now) {
		if (err)
			*err = why;
		return stg_while(err, "read its settings");
	}
	const char *language = stg_json_str(now, STG_FACT_LANGUAGE), *locale = stg_json_str(now, STG_FACT_LOCALE);
	*ret = step_language_is(w.language, language) && (!w.locale[0] || step_language_is(w.locale, locale));
	step_reread(c, json_pack("{s:s, s:s}", STG_FACT_LANGUAGE, language, STG_FACT_LOCALE, locale));
	return true;
}

static bool run(struct stg_step_ctx *c, struct stg_error *err)
{
	struct wanted w = wanted_of(c);
	c->changed = true;
	return stg_device_set_language(c->device, w.language, w.locale[0] ? w.locale : NULL, err);
}

const struct stg_step stg_step_set_language = {
	.name = "set_language",
	.about = "sets the device's language and region",
	.params = params,
	.deadline_ms = 60000,
	.needs_trust = true,
	.proven = proven,
	.run = run,
	.check = check,
};
