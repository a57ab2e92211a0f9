/*
 * diff.c - what is new, gone and different from one profile to another, in words.
 *
 * For:    `stager profile show NEW --diff OLD`: whoever has to approve the new one.
 * Uses:   words.c for what comes and goes as a whole.
 * Called: by the operation profile.show.
 * Thread: any; no state.
 *
 * Facts: profiles-and-certificates 1.2 rule 3 (a payload is updated in place when identifier and UUID are the same, else it is torn
 * down first), 2.5 and 3.5 (what of an MDM payload may not change).
 *
 * A secret is said to differ, never what it is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <stager/json.h>

#include "catalogue.h"
#include "words.h"

#define PAYLOADS_MAX 500
#define VALUES_MAX 4000
#define CHANGES_MAX 500
#define SHOWN_MAX 240

struct value {
	char *path;                    /* inside its payload */
	plist_t node;
};

struct values {
	struct value *at;
	size_t n;
};

struct diff {
	json_t *list;                  /* [{"change","payload","type","path","before","after","text"}] */
	bool french;
	bool is_other;                 /* not two editions of one profile */
	const char *type;
	char label[200];               /* "a Wi-Fi network (HOPITAL)" */
};

static void add(struct diff *d, const char *change, const char *path, const char *before, const char *after, const char *text)
{
	char clean[1200];
	if (json_array_size(d->list) >= CHANGES_MAX)
		return;
	json_t *one = json_object();
	stg_json_put(one, "change", change);
	stg_json_put(one, "payload", d->label);
	stg_json_put(one, "type", d->type);
	stg_json_put(one, "path", path);
	stg_json_put(one, "before", before);
	stg_json_put(one, "after", after);
	stg_printable(text, true, clean, sizeof(clean));
	stg_json_put(one, "text", clean);
	json_array_append_new(d->list, one);
}

/* ---- values ---- */

/* Is what stands at this place a secret? By its name, and by who keeps what nobody else knows. */
static bool is_secret(const char *path)
{
	static const char *const words[] = { "password", "passphrase", "secret", "challenge", "token", "PPK", "VendorConfig", "ProviderConfiguration",
					     "ExtensionData", "AdditionalHTTPHeaderFields", "Authorization", "PrivateKey", "pin." };
	for (size_t i = 0; i < STG_ARRAY_LEN(words); i++)
		if (strcasestr(path, words[i]))
			return true;
	return false;
}

static bool is_scalar(plist_t node)
{
	plist_type type = plist_get_node_type(node);
	return type != PLIST_DICT && type != PLIST_ARRAY;
}

/* A list of plain values is one value: that a name moved by one place is no change of every name behind it. */
static bool is_value(plist_t node)
{
	if (!is_list(node))
		return is_scalar(node);
	for (uint32_t i = 0; i < count_of(node); i++)
		if (!is_scalar(plist_array_get_item(node, i)))
			return false;
	return true;
}

static void shown(const struct diff *d, plist_t node, const char *path, char ret[SHOWN_MAX]);

static void shown_list(const struct diff *d, plist_t list, const char *path, char ret[SHOWN_MAX])
{
	size_t at = 0;
	char one[SHOWN_MAX];
	ret[0] = 0;
	for (uint32_t i = 0; i < count_of(list); i++) {
		if (at > SHOWN_MAX - 90) {
			snprintf(ret + at, SHOWN_MAX - at, ", ... (%u)", count_of(list));
			return;
		}
		shown(d, plist_array_get_item(list, i), path, one);
		at += (size_t)snprintf(ret + at, SHOWN_MAX - at, "%s%.60s", i ? ", " : "", one);
	}
	if (!at)
		stg_copy(ret, SHOWN_MAX, d->french ? "rien" : "nothing");
}

static void shown_data(plist_t node, char ret[SHOWN_MAX])
{
	uint64_t n = 0;
	char hash[65];
	const char *bytes = plist_get_data_ptr(node, &n);
	stg_sha256_hex(stg_bytes(bytes, (size_t)n), hash);
	snprintf(ret, SHOWN_MAX, "%llu B, SHA-256 %.8s", (unsigned long long)n, hash);
}

static void shown(const struct diff *d, plist_t node, const char *path, char ret[SHOWN_MAX])
{
	uint64_t n = 0;
	double real = 0;
	uint8_t yes = 0;
	char url[URL_SHOWN], day[32];
	plist_type type = plist_get_node_type(node);
	if ((type == PLIST_STRING || type == PLIST_DATA) && is_secret(path)) {
		stg_copy(ret, SHOWN_MAX, "(secret)");
		return;
	}
	switch (type) {
	case PLIST_STRING:
		snprintf(ret, SHOWN_MAX, "\"%.100s\"", strstr(node_str(node), "://") ? url_shown(node_str(node), url) : node_str(node));
		break;
	case PLIST_BOOLEAN:
		plist_get_bool_val(node, &yes);
		stg_copy(ret, SHOWN_MAX, d->french ? (yes ? "oui" : "non") : (yes ? "yes" : "no"));
		break;
	case PLIST_UINT:
		plist_get_uint_val(node, &n);
		snprintf(ret, SHOWN_MAX, "%lld", (long long)n);
		break;
	case PLIST_REAL:
		plist_get_real_val(node, &real);
		snprintf(ret, SHOWN_MAX, "%g", real);
		break;
	case PLIST_DATE:
		day_of(node, day);
		stg_copy(ret, SHOWN_MAX, day);
		break;
	case PLIST_DATA:
		shown_data(node, ret);
		break;
	case PLIST_ARRAY:
		shown_list(d, node, path, ret);
		break;
	default:
		stg_copy(ret, SHOWN_MAX, "?");
	}
}

static bool same_value(plist_t a, plist_t b)
{
	if (plist_get_node_type(a) != plist_get_node_type(b) || count_of(a) != count_of(b))
		return false;
	if (!is_list(a))
		return plist_compare_node_value(a, b);
	for (uint32_t i = 0; i < count_of(a); i++)
		if (!same_value(plist_array_get_item(a, i), plist_array_get_item(b, i)))
			return false;
	return true;
}

/* ---- one payload beside the other ---- */

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct value *)a)->path, ((const struct value *)b)->path);
}

static void note(void *ctx, plist_t node, const char *key, const char *path)
{
	static const char *const own[] = { "PayloadUUID", "PayloadIdentifier", "PayloadType", "PayloadVersion" };
	struct values *v = ctx;
	bool in_list = *path && path[strlen(path) - 1] == ']';
	(void)key;
	for (size_t i = 0; i < STG_ARRAY_LEN(own); i++)
		if (strcmp(own[i], path) == 0)
			return;
	/* items of a list that is one value belong to it */
	if (!*path || v->n == VALUES_MAX || !is_value(node) || (in_list && is_scalar(node)))
		return;
	v->at[v->n++] = (struct value){ .path = stg_strdup(path), .node = node };
}

static void values_of(plist_t dict, struct values *ret)
{
	char path[PROFILE_PATH_MAX] = "";
	*ret = (struct values){ .at = stg_calloc(VALUES_MAX, sizeof(*ret->at)) };
	plist_dict_iter it = NULL;
	plist_dict_new_iter(dict, &it);
	for (;;) {
		char *key = NULL;
		plist_t value = NULL;
		plist_dict_next_item(dict, it, &key, &value);
		if (!value) {
			free(key);
			break;
		}
		size_t n = path_key(path, key);
		if (!is_list(value) || strcmp(key, "PayloadContent") != 0 || is_value(value))
			tree_walk(value, path, note, ret);
		path[n] = 0;
		free(key);
	}
	free(it);
	qsort(ret->at, ret->n, sizeof(*ret->at), by_path);
}

static void values_free(struct values *v)
{
	for (size_t i = 0; i < v->n; i++)
		free(v->at[i].path);
	free(v->at);
}

/* A restriction has words of its own; NULL: what stands here restricts nothing. */
static const char *limit_of(const struct diff *d, const char *path, plist_t node)
{
	uint8_t yes = 0;
	if (strcmp(d->type, "com.apple.applicationaccess") != 0 || !node || plist_get_node_type(node) != PLIST_BOOLEAN)
		return NULL;
	plist_get_bool_val(node, &yes);
	return limit_words(path, yes != 0, d->french);
}

static void tell_value(struct diff *d, const char *path, plist_t before, plist_t after)
{
	char was[SHOWN_MAX] = "", is[SHOWN_MAX] = "", text[1000];
	const char *had = limit_of(d, path, before), *has = limit_of(d, path, after);
	if (before)
		shown(d, before, path, was);
	if (after)
		shown(d, after, path, is);
	if (has)
		snprintf(text, sizeof(text), d->french ? "Désormais : %s (%s)." : "Now: %s (%s).", has, path);
	else if (had)
		snprintf(text, sizeof(text), d->french ? "Ne vaut plus : %s (%s)." : "No longer: %s (%s).", had, path);
	else if (before && after && strcmp(was, is) == 0)
		snprintf(text, sizeof(text), d->french ? "Dans %s : %s est un autre." : "In %s: %s is another one.", d->label, path);
	else if (before && after)
		snprintf(text, sizeof(text), d->french ? "Dans %s : %s était %s, devient %s." : "In %s: %s was %s, is now %s.", d->label, path, was, is);
	else if (after)
		snprintf(text, sizeof(text), d->french ? "Dans %s : %s est nouveau, %s." : "In %s: %s is new, %s.", d->label, path, is);
	else
		snprintf(text, sizeof(text), d->french ? "Dans %s : %s n'y est plus, c'était %s." : "In %s: %s is gone, it was %s.", d->label, path, was);
	add(d, !before ? "added" : !after ? "removed" : "changed", path, was, is, text);
}

static void compare(struct diff *d, plist_t before, plist_t after)
{
	struct values a, b;
	size_t i = 0, k = 0;
	values_of(before, &a);
	values_of(after, &b);
	while (i < a.n || k < b.n) {
		int order = i == a.n ? 1 : k == b.n ? -1 : strcmp(a.at[i].path, b.at[k].path);
		if (order == 0 && !same_value(a.at[i].node, b.at[k].node))
			tell_value(d, a.at[i].path, a.at[i].node, b.at[k].node);
		else if (order < 0)
			tell_value(d, a.at[i].path, a.at[i].node, NULL);
		else if (order > 0)
			tell_value(d, b.at[k].path, NULL, b.at[k].node);
		i += order <= 0;
		k += order >= 0;
	}
	values_free(&a);
	values_free(&b);
}

/* ---- payloads ---- */

static void label(struct diff *d, plist_t one, json_t *says)
{
	const struct type_fact *fact = type_find(text_or(tree_str(one, "PayloadType"), "?"));
	const char *name = stg_json_str(json_array_get(says, 0), "about"), *what;
	char clean[120];
	d->type = text_or(tree_str(one, "PayloadType"), "?");
	/* restrictions are about many things, and have no name of their own */
	if (strcmp(d->type, "com.apple.applicationaccess") == 0)
		name = "";
	what = fact ? (d->french ? fact->french : fact->english) : d->type;
	stg_printable(name, true, clean, sizeof(clean));
	if (*clean)
		snprintf(d->label, sizeof(d->label), "%.80s (%.90s)", what, clean);
	else
		snprintf(d->label, sizeof(d->label), "%.120s", what);
}

static json_t *says_of(const struct diff *d, plist_t one, uint32_t i)
{
	struct telling t = { .list = json_array(), .french = d->french };
	tell_payload(&t, one, (int)i);
	return t.list;
}

static void tell_whole(struct diff *d, plist_t one, uint32_t i, const char *change)
{
	STG_AUTO(stg_json_free_at) json_t *says = says_of(d, one, i);
	bool added = strcmp(change, "added") == 0;
	char text[1200];
	label(d, one, says);
	for (size_t k = 0; k < json_array_size(says); k++) {
		const char *sentence = stg_json_str(json_array_get(says, k), "text");
		if (d->french)
			snprintf(text, sizeof(text), "%s : %s", added ? "Nouveau" : "N'y est plus", sentence);
		else
			snprintf(text, sizeof(text), "%s: %s", added ? "New" : "Gone", sentence);
		add(d, change, "", "", "", text);
	}
}

/* Facts: 2.5, 3.5. */
static void check_mdm(struct diff *d, plist_t before, plist_t after)
{
	static const char *const fixed[] = { "Topic", "ServerURL", "CheckInURL", "EnrollmentMode", "AssignedManagedAppleID", "RequiredAppIDForMDM" };
	int64_t had = 0, has = 0;
	char text[400];
	for (size_t i = 0; i < STG_ARRAY_LEN(fixed); i++) {
		plist_t a = tree_get(before, fixed[i]), b = tree_get(after, fixed[i]);
		if (!a == !b && (!a || same_value(a, b)))
			continue;
		snprintf(text, sizeof(text), d->french ? "Un appareil déjà inscrit refuse cela : %s d'un MDM ne change pas." :
							 "A device that is enrolled already refuses this: %s of an MDM cannot change.", fixed[i]);
		add(d, "refused", fixed[i], "", "", text);
	}
	if (tree_int(before, "AccessRights", &had) && tree_int(after, "AccessRights", &has) && (has & ~had))
		add(d, "refused", "AccessRights", "", "", d->french ? "Un appareil déjà inscrit refuse cela : un MDM ne gagne pas de droits." :
								     "A device that is enrolled already refuses this: an MDM cannot gain rights.");
}

static void compare_payload(struct diff *d, plist_t before, plist_t after, uint32_t i)
{
	STG_AUTO(stg_json_free_at) json_t *says = says_of(d, after, i);
	char text[500];
	label(d, after, says);
	const char *a = text_or(tree_str(before, "PayloadUUID"), ""), *b = text_or(tree_str(after, "PayloadUUID"), "");
	compare(d, before, after);
	if (!d->is_other && (strcasecmp(a, b) != 0 || strcmp(text_or(tree_str(before, "PayloadIdentifier"), ""), text_or(tree_str(after, "PayloadIdentifier"), "")) != 0)) {
		snprintf(text, sizeof(text), d->french ? "Dans %s : autre UUID ou identifiant, l'appareil l'enlève puis l'installe de nouveau." :
							 "In %s: another UUID or identifier, a device takes it out and installs it anew.", d->label);
		add(d, "renewed", "PayloadUUID", "", "", text);
	}
	if (strcmp(d->type, "com.apple.mdm") == 0)
		check_mdm(d, before, after);
}

static bool same_text(plist_t a, plist_t b, const char *key)
{
	const char *x = tree_str(a, key), *y = tree_str(b, key);
	return x && y && strcasecmp(x, y) == 0;
}

/* Which payload of the old profile became this one? By identifier, then by UUID, then the next of its type. -1: it is new. */
static int partner(const struct profile *old, plist_t one, const bool *taken, int how)
{
	static const char *const keys[] = { "PayloadIdentifier", "PayloadUUID" };
	plist_t other;
	for (uint32_t i = 0; i < PAYLOADS_MAX && (other = payload_at(old, i)); i++)
		if (!taken[i] && same_text(one, other, "PayloadType") && (how > 1 || same_text(one, other, keys[how])))
			return (int)i;
	return -1;
}

static void compare_payloads(struct diff *d, const struct profile *old, const struct profile *new)
{
	bool taken[PAYLOADS_MAX] = { false };
	int became[PAYLOADS_MAX];
	plist_t one;
	for (size_t i = 0; i < PAYLOADS_MAX; i++)
		became[i] = -1;
	for (int how = 0; how < 3; how++) {
		for (uint32_t i = 0; i < PAYLOADS_MAX && (one = payload_at(new, i)); i++) {
			if (became[i] < 0 && (became[i] = partner(old, one, taken, how)) >= 0)
				taken[became[i]] = true;
		}
	}
	for (uint32_t i = 0; i < PAYLOADS_MAX && (one = payload_at(old, i)); i++)
		if (!taken[i])
			tell_whole(d, one, i, "removed");
	for (uint32_t i = 0; i < PAYLOADS_MAX && (one = payload_at(new, i)); i++) {
		if (became[i] < 0)
			tell_whole(d, one, i, "added");
		else
			compare_payload(d, payload_at(old, (uint32_t)became[i]), one, i);
	}
}

/* ---- the whole ---- */

static void compare_profiles(struct diff *d, const struct profile *old, const struct profile *new)
{
	const char *was = stg_json_str_or(old->signer, "name", ""), *is = stg_json_str_or(new->signer, "name", "");
	char text[600];
	stg_copy(d->label, sizeof(d->label), d->french ? "le profil lui-même" : "the profile itself");
	d->type = "Configuration";
	d->is_other = !same_text(old->root, new->root, "PayloadIdentifier");
	if (d->is_other)
		add(d, "other", "PayloadIdentifier", "", "", d->french ? "C'est un autre profil (autre identifiant) : un appareil garde les deux." :
									 "This is another profile (another identifier): a device keeps both.");
	compare(d, old->root, new->root);
	if (strcmp(was, is) != 0) {
		snprintf(text, sizeof(text), d->french ? "Signé par %.100s, avant par %.100s." : "Signed by %.100s, before by %.100s.",
			 *is ? is : d->french ? "personne" : "nobody", *was ? was : d->french ? "personne" : "nobody");
		add(d, "changed", "", was, is, text);
	}
	if (tree_bool(old->root, "IsEncrypted", false) || tree_bool(new->root, "IsEncrypted", false))
		add(d, "sealed", "EncryptedPayloadContent", "", "", d->french ? "Ce qui est chiffré ne peut pas être comparé." : "What is encrypted cannot be compared.");
	compare_payloads(d, old, new);
}

static bool open_checked(const char *name, struct stg_bytes file, struct profile *ret, struct stg_error *err)
{
	if (!profile_open(name, file, ret, err))
		return false;
	struct findings f = { .p = ret, .list = json_array() };
	check_shape(&f);
	bool ok = findings_pass(&f, err);
	json_decref(f.list);
	if (!ok)
		profile_close(ret);
	return ok;
}

json_t *stg_profile_diff(const char *old_name, struct stg_bytes old_file, const char *new_name, struct stg_bytes new_file, const char *lang, struct stg_error *err)
{
	struct profile old, new;
	if (!open_checked(old_name, old_file, &old, err))
		return NULL;
	if (!open_checked(new_name, new_file, &new, err)) {
		profile_close(&old);
		return NULL;
	}
	struct diff d = { .list = json_array(), .french = lang && strncmp(lang, "fr", 2) == 0 };
	compare_profiles(&d, &old, &new);
	profile_close(&old);
	profile_close(&new);
	return d.list;
}
