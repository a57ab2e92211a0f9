/*
 * blueprint.c - blueprints as an administrator sees them: list, check, show in plain words.
 *
 * For:    `stager blueprint check|show|list`.
 * Uses:   <stager/blueprint.h>; the store for the names of secrets.
 * Called: through stg_call().
 * Thread: the recorder's, or the command's own.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include <stager/blueprint.h>
#include <stager/error.h>
#include <stager/file.h>
#include <stager/op.h>
#include <stager/payload.h>
#include <stager/registry.h>
#include <stager/step.h>

#include "_allow.h"
#include "_rules.h"
#include "_order.h"
#include "_trial.h"

#define FILE_MAX (1u << 20)

/* The person's file (fds[0], called in["file"]) or a name (in["name"]). */
bool ops_blueprint_text(struct stg_op_ctx *c, const json_t *in, struct stg_buf *ret, char *path, size_t size,
			struct stg_error *err)
{
	if (c->n_fds > 0 && c->fds[0] >= 0) {
		struct stg_error why = { 0 };
		stg_copy(path, size, stg_json_str_or(in, "file", "blueprint"));
		if (stg_file_read_fd(c->fds[0], ret, &why))
			return true;
		return stg_fail_id(err, STG_E_INPUT, STG_ID_FILE_UNREADABLE, why.origin, "%.100s: %.100s", path,
				   why.msg);
	}
	const char *name = stg_json_str(in, "name");
	if (!*name)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "NAME | FILE");
	return stg_blueprint_text(c->state_dir, name, ret, path, size, err);
}

static void warn(json_t *list, const char *before, const char *what, const char *after)
{
	char text[300];
	snprintf(text, sizeof(text), "%s'%.60s'%s", before, what, after);
	json_array_append_new(list, json_string(text));
}

/* Secrets it names that nobody has set yet: not a mistake of the file, but it would stop the first device. */
static bool warn_secrets(struct stg_op_ctx *c, const json_t *used, json_t *warnings, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *set = NULL;
	for (size_t i = 0; i < json_array_size(used); i++) {
		const char *name = json_string_value(json_array_get(used, i));
		if (strncmp(name, "secret.", 7) != 0)
			continue;
		if (!set && !(set = stg_store_secrets(c->store, err)))
			return false;
		bool known = false;
		for (size_t k = 0; k < json_array_size(set); k++)
			known = known || strcmp(stg_json_str(json_array_get(set, k), "name"), name + 7) == 0;
		if (!known)
			warn(warnings, "secret ", name + 7, " is not set: stager secret set NAME");
	}
	return true;
}

static json_t *profiles_without_bytes(const json_t *pinned)
{
	json_t *list = json_array();
	const char *name;
	json_t *one;
	json_object_foreach((json_t *)(uintptr_t)pinned, name, one) {
		json_t *o = json_object();
		stg_json_put(o, "name", name);
		stg_json_put(o, "path", stg_json_str_or(one, "path", stg_json_str(one, "file")));
		stg_json_put(o, "sha256", stg_json_str(one, "sha256"));
		stg_json_put_bool(o, "template", stg_json_bool(one, "template", false));
		json_array_append_new(list, o);
	}
	return list;
}

/* What is known to be wrong with an app: a device would only say it after the whole of it was sent. */
static void warn_file(json_t *warnings, const char *name, const json_t *row)
{
	const json_t *list = json_object_get(row, "warnings");
	for (size_t i = 0; i < json_array_size(list); i++) {
		char text[300];
		snprintf(text, sizeof(text), "%.160s: %.120s", name, json_string_value(json_array_get(list, i)));
		json_array_append_new(warnings, json_string(text));
	}
}

/* A profile's own lint, told with the profile's name. Errors are the person's to mend before a device is touched. */
static bool lint_profiles(const char *state_dir, const json_t *pinned, json_t *warnings, struct stg_error *err)
{
	STG_AUTO(stg_profile_rules_free_at) struct stg_profile_rules *rules = ops_profile_rules(state_dir);
	const char *name;
	json_t *one;
	json_object_foreach((json_t *)(uintptr_t)pinned, name, one) {
		STG_AUTO(stg_buf_clear) struct stg_buf bytes = STG_BUF(FILE_MAX + 16);
		if (!json_object_get(one, "base64")) {
			warn_file(warnings, name, one);
			continue;
		}
		if (!stg_unbase64(stg_json_str(one, "base64"), &bytes, err))
			return false;
		STG_AUTO(stg_json_free_at) json_t *lint = stg_profile_check(stg_json_str(one, "path"), stg_buf_view(&bytes), rules, NULL, err);
		if (!lint)
			return false;
		for (size_t i = 0; i < json_array_size(lint); i++) {
			const json_t *l = json_array_get(lint, i);
			if (strcmp(stg_json_str(l, "level"), "error") == 0)
				return stg_fail_id(err, STG_E_INPUT, STG_ID_BLUEPRINT_WRONG, 0,
						   "profile %.60s: %.60s: %.100s", name, stg_json_str(l, "path"),
						   stg_json_str(l, "text"));
			char text[300];
			snprintf(text, sizeof(text), "profile %.60s: %.60s: %.160s", name, stg_json_str(l, "path"),
				 stg_json_str(l, "text"));
			json_array_append_new(warnings, json_string(text));
		}
	}
	return true;
}

static bool check(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(FILE_MAX);
	char path[PATH_MAX];
	if (!ops_blueprint_text(c, in, &text, path, sizeof(path), err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *b = stg_blueprint_check_in(c->state_dir, path, stg_buf_view(&text), err);
	if (!b)
		return stg_say(err, STG_ID_BLUEPRINT_WRONG);
	STG_AUTO(stg_json_free_at) json_t *pinned = stg_blueprint_profiles(c->state_dir, b, err);
	STG_AUTO(stg_json_free_at) json_t *used = stg_variables_used(json_object_get(b, "steps"));
	STG_AUTO(stg_json_free_at) json_t *warnings = json_array();
	if (!pinned || !lint_profiles(c->state_dir, pinned, warnings, err) || !ops_warn_order(b, pinned, warnings, err) || !ops_allow_warn(c, pinned, warnings, err) ||
	    !warn_secrets(c, used, warnings, err))
		return false;
	const json_t *params = json_object_get(b, "params");
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)params, key, value) {
		if (!json_string_length(value))
			warn(warnings, "param ", key, " has no default: give it a value where the blueprint is used");
	}
	json_t *o = json_object();
	stg_json_put_int(o, "v", 1);
	stg_json_put(o, "name", stg_json_str(b, "name"));
	stg_json_put(o, "path", path);
	stg_json_put(o, "sha256", stg_json_str(b, "sha256"));
	stg_json_put_bool(o, "erases", stg_json_bool(b, "erases", false));
	stg_json_put_int(o, "steps", (int64_t)json_array_size(json_object_get(b, "steps")));
	stg_json_put_new(o, "profiles", profiles_without_bytes(pinned));
	stg_json_put_new(o, "variables", json_incref(used));
	stg_json_put_new(o, "warnings", stg_steal(warnings));
	*ret = o;
	return true;
}

/* ---- plain words ---- */

static const struct {
	const char *step, *en, *fr;
	const char *param;              /* put after the sentence */
} sentences[] = {
	{ "identify", "Read who the device is", "Lire qui est l'appareil", NULL },
	{ "require", "Stop unless it fits", "S'arrêter s'il ne convient pas", NULL },
	{ "pair", "Make it trust this station (a tap on Trust, unless we supervise it)",
	  "Obtenir sa confiance (appui sur Se fier, sauf s'il est supervisé par nous)", NULL },
	{ "activate", "Activate it; needs a line", "L'activer ; il faut une ligne", NULL },
	{ "supervise", "Make it the organisation's and skip setup panes; only an erase undoes this",
	  "En faire un appareil de l'organisation et sauter des écrans ; seul un effacement l'annule", NULL },
	{ "automated_enrolment", "Have it fetch its organisation's configuration and enrol in the MDM; needs a network of its own",
	  "Lui faire prendre la configuration de son organisation et s'inscrire au MDM ; il lui faut un réseau", NULL },
	{ "remove_profile", "Remove the profile and read that it is gone", "Retirer le profil et lire qu'il n'y est plus", "identifier" },
	{ "install_profile", "Install the profile", "Installer le profil", "profile" },
	{ "issue_certificate", "Issue a certificate for it and install it",
	  "Émettre un certificat pour lui et l'installer", "profile" },
	{ "check_rules", "Judge it by the rules, each with its reason; on hold if one is broken",
	  "Juger selon les règles, chacune avec sa raison ; bloqué si l'une est enfreinte", NULL },
	{ "read_details", "Read battery, apps, profiles, signs of a jailbreak; change nothing", "Lire batterie, apps, profils, indices de débridage ; ne rien changer", NULL },
	{ "verify", "Read everything once more and compare", "Tout relire et comparer", NULL },
	{ "set_name", "Name it", "Le nommer", "name" },
	{ "set_time", "Set its clock", "Régler son horloge", "zone" },
	{ "install_app", "Install this app, or bring it up to date", "Installer cette app, ou la mettre à jour", "app" },
	{ "remove_app", "Remove this app and what it holds", "Retirer cette app et son contenu", "app" },
	{ "put_document", "Give an app this document", "Donner à une app ce document", "document" },
	{ "wallpaper", "Draw tag, owner, tick and QR code on its screen", "Dessiner sur son écran étiquette, propriétaire, coche et code QR", NULL },
	{ "escrow_unlock_token", "Keep what unlocks it later, sealed to the recovery key",
	  "Garder de quoi le déverrouiller plus tard, scellé pour la clé de secours", NULL },
	{ "restart", "Restart it and wait for it", "Le redémarrer et l'attendre", NULL },
	{ "intake_check", "Look whose it is, who is signed in, who manages it and what was decided about its data",
	  "Regarder à qui il est, qui y est connecté, qui le gère et ce qui est décidé pour ses données", NULL },
	{ "erase", "ERASE everything on it, after the gate said yes", "EFFACER tout son contenu, si tout est confirmé",
	  NULL },
	{ "wait_back", "Wait until it is back and read that it is empty", "Attendre son retour et lire qu'il est vide",
	  NULL },
};

static void add(char *line, size_t size, const char *before, const char *what)
{
	size_t len = strlen(line);
	snprintf(line + len, size - len, "%s%s", before, what);
}

static void add_when(char *line, size_t size, const json_t *when, bool french)
{
	for (size_t i = 0; i < json_array_size(when); i++) {
		const char *fact;
		json_t *test;
		const char *join = i ? (french ? " ou si " : " or if ") : (french ? ", si " : ", if ");
		json_object_foreach(json_array_get(when, i), fact, test) {
			char *value = stg_json_text(strcmp(stg_json_str(test, "op"), "any") == 0
							    ? json_object_get(test, "tests")
							    : json_object_get(test, "value"));
			add(line, size, join, fact);
			add(line, size, " ", stg_json_str(test, "op"));
			add(line, size, " ", value);
			free(value);
			join = french ? " et " : " and ";
		}
	}
}

void ops_step_words(const json_t *step, bool french, char *line, size_t size)
{
	const json_t *p = json_object_get(step, "params");
	const char *name = stg_json_str(step, "step"), *rule = stg_json_str(step, "on_failure");
	line[0] = 0;
	for (size_t i = 0; i < STG_ARRAY_LEN(sentences); i++) {
		if (strcmp(sentences[i].step, name) != 0)
			continue;
		add(line, size, "", french ? sentences[i].fr : sentences[i].en);
		const char *what = sentences[i].param ? stg_json_str(p, sentences[i].param) : "";
		if (*what)
			add(line, size, ": ", what);
	}
	if (!line[0])
		add(line, size, "", stg_step_find(name) ? stg_step_find(name)->about : name);
	if (strcmp(name, "require") == 0) {
		const char *key;
		json_t *value;
		const char *join = ": ";
		json_object_foreach((json_t *)(uintptr_t)p, key, value) {
			char *text = json_is_string(value) ? stg_strdup(json_string_value(value)) : stg_json_text(value);
			add(line, size, join, key);
			add(line, size, " ", text);
			free(text);
			join = ", ";
		}
	}
	if (strcmp(stg_json_str(p, "when"), "after_setup") == 0)
		add(line, size, "",
		    french ? " (gardé : il s'installe à la fin de la configuration)"
			   : " (stored: it installs when setup ends)");
	if (stg_json_bool(p, "supervised", false) && *stg_json_str(p, "profile"))
		add(line, size, "", french ? " (une fois supervisé)" : " (once supervised)");
	add_when(line, size, json_object_get(step, "when"), french);
	if (strcmp(rule, "continue") == 0)
		add(line, size, "", french ? " ; si cela échoue, continuer" : "; if it fails, go on");
	else if (strcmp(rule, "hold") == 0)
		add(line, size, "",
		    french ? " ; si cela échoue, mettre en attente d'une décision" : "; if it fails, hold the device");
}

/* Both languages: the station that answers may speak another one than the person who asks. */
static json_t *words_of(const json_t *step)
{
	char line[600];
	json_t *o = json_object();
	stg_json_put(o, "key", stg_json_str(step, "key"));
	stg_json_put(o, "step", stg_json_str(step, "step"));
	ops_step_words(step, false, line, sizeof(line));
	stg_json_put(o, "text", line);
	ops_step_words(step, true, line, sizeof(line));
	stg_json_put(o, "text_fr", line);
	stg_json_put_bool(o, "destroys_data", stg_json_bool(step, "destroys_data", false));
	return o;
}

static bool show(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(FILE_MAX);
	char path[PATH_MAX];
	if (!ops_blueprint_text(c, in, &text, path, sizeof(path), err))
		return false;
	json_t *b = stg_blueprint_check_in(c->state_dir, path, stg_buf_view(&text), err);
	if (!b)
		return stg_say(err, STG_ID_BLUEPRINT_WRONG);
	json_t *words = json_array();
	const json_t *steps = json_object_get(b, "steps");
	for (size_t i = 0; i < json_array_size(steps); i++)
		json_array_append_new(words, words_of(json_array_get(steps, i)));
	json_t *o = json_object();
	stg_json_put_int(o, "v", 1);
	stg_json_put(o, "name", stg_json_str(b, "name"));
	stg_json_put(o, "about", stg_json_str(b, "about"));
	stg_json_put(o, "path", path);
	stg_json_put(o, "sha256", stg_json_str(b, "sha256"));
	stg_json_put_bool(o, "erases", stg_json_bool(b, "erases", false));
	if (*stg_json_str(b, "hand_over"))
		json_array_append_new(words, json_pack("{s:s,s:s,s:s,s:b}", "key", "hand_over", "text", "Hand it over once the MDM has registered it", "text_fr",
						       "Le remettre une fois que le MDM l'a enregistré", "destroys_data", 0));
	stg_json_put_new(o, "words", words);
	stg_json_put_new(o, "yaml", json_stringn(stg_buf_str(&text), text.len));
	stg_json_put_new(o, "blueprint", b);
	*ret = o;
	return true;
}

static bool list(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)in;
	(void)err;
	*ret = stg_blueprint_list(c->state_dir);
	for (size_t i = 0; i < json_array_size(*ret); i++)
		stg_json_put_int(json_array_get(*ret, i), "v", 1);
	return true;
}

static const char *const kinds[] = {
	[STG_PARAM_STRING] = "text",       [STG_PARAM_INT] = "number", [STG_PARAM_BOOL] = "yes or no",
	[STG_PARAM_DURATION] = "duration", [STG_PARAM_LIST] = "list",  [STG_PARAM_MAP] = "mapping",
	[STG_PARAM_ENUM] = "one of",
};

/* Every step there is and what it takes: the reference for whoever writes a blueprint. */
static bool steps(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)c;
	(void)in;
	(void)err;
	json_t *all = json_array();
	for (const struct stg_step *const *s = stg_steps; *s; s++) {
		json_t *o = json_object(), *list = json_array();
		stg_json_put_int(o, "v", 1);
		stg_json_put(o, "step", (*s)->name);
		stg_json_put(o, "about", (*s)->about);
		stg_json_put_int(o, "timeout_ms", (*s)->deadline_ms);
		stg_json_put_bool(o, "destroys_data", (*s)->destroys_data);
		for (const struct stg_param *p = (*s)->params; p && p->name; p++) {
			json_t *one = json_object();
			stg_json_put(one, "name", p->name);
			stg_json_put(one, "kind", kinds[p->kind]);
			stg_json_put(one, "values", p->values);
			stg_json_put(one, "about", p->about);
			stg_json_put_bool(one, "required", p->required);
			stg_json_put_bool(one, "variables", p->variables);
			json_array_append_new(list, one);
		}
		stg_json_put_new(o, "params", list);
		json_array_append_new(all, o);
	}
	json_t *o = json_object();
	stg_json_put_int(o, "v", 1);
	stg_json_put_new(o, "steps", all);
	*ret = o;
	return true;
}

const struct stg_op stg_ops_blueprint[] = {
	{ "blueprint.check", STG_OP_STORE, check },
	{ "blueprint.show", STG_OP_STORE, show },
	{ "blueprint.list", STG_OP_STORE, list },
	{ "blueprint.steps", STG_OP_STORE, steps },
	{ 0 },
};
