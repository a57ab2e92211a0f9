/*
 * person.c - what of a person is kept, from whatever attribute it comes.
 *
 * For:    people.c (CSV), ldif.c, the directory of push.
 * Uses:   encoding.c, fields.c for the rules of a text.
 * Called: for each value.
 * Thread: any; no state.
 * Facts:  attribute names of RFC 4519, RFC 2798 (inetOrgPerson) and of Active Directory's schema; bit 2 of userAccountControl
 *         is a disabled account (MS-ADTS 2.2.16); nsAccountLock is 389 Directory's.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <stager/peoplefile.h>

#include "parts.h"

#define ACCOUNT_DISABLED 0x2

const char *const stg_person_fields[] = { "account", "upn", "mail", "name", "department", "number", "disabled", NULL };
const char *const stg_person_keys[] = { "account", "upn", "mail", "number", NULL };

/* Of two attributes that fill one field the one that stands here first counts. */
static const struct {
	const char *attribute, *field;
} known[] = {
	{ "sAMAccountName", "account" }, { "uid", "account" },
	{ "userPrincipalName", "upn" },
	{ "mail", "mail" }, { "rfc822Mailbox", "mail" },
	{ "displayName", "name" }, { "cn", "name" }, { "commonName", "name" },
	{ "department", "department" }, { "departmentNumber", "department" },
	{ "employeeID", "number" }, { "employeeNumber", "number" },
	{ "userAccountControl", "disabled" }, { "nsAccountLock", "disabled" },
};

static int rank_of(const char *attribute)
{
	for (size_t i = 0; i < STG_ARRAY_LEN(known); i++)
		if (strcasecmp(known[i].attribute, attribute) == 0)
			return (int)i;
	return -1;
}

bool batch_is_person_field(const char *word)
{
	for (size_t i = 0; stg_person_fields[i]; i++)
		if (strcmp(stg_person_fields[i], word) == 0)
			return true;
	return false;
}

const char *stg_person_field_of(const char *attribute, const json_t *map)
{
	const char *field;
	json_t *named;
	json_object_foreach((json_t *)(uintptr_t)map, field, named)
		if (json_is_string(named) && strcasecmp(json_string_value(named), attribute) == 0)
			return batch_is_person_field(field) ? field : "";
	int rank = rank_of(attribute);
	/* who names another attribute for a field does not want ours for it */
	return rank >= 0 && !json_object_get(map, known[rank].field) ? known[rank].field : "";
}

/* userAccountControl is a number with bits; others say it in a word. */
static bool says_disabled(const char *attribute, const char *text)
{
	static const char *const yes[] = { "true", "yes", "oui", "vrai", "disabled", "désactivé", "inactive", "inactif", "1", "x" };
	if (strcasecmp(attribute, "userAccountControl") == 0)
		return (strtoll(text, NULL, 10) & ACCOUNT_DISABLED) != 0;
	for (size_t i = 0; i < STG_ARRAY_LEN(yes); i++)
		if (strcasecmp(yes[i], text) == 0)
			return true;
	return false;
}

/* One line of plain text; false for anything else. */
static bool plain(struct stg_bytes value, char ret[STG_PERSON_VALUE_MAX + 1])
{
	char text[STG_PERSON_VALUE_MAX + 1];
	enum stg_id why;
	const uint8_t *from = value.data, *end = value.data + value.len;
	while (from < end && *from == ' ')
		from++;
	while (end > from && end[-1] == ' ')
		end--;
	size_t n = (size_t)(end - from);
	if (n > STG_PERSON_VALUE_MAX || !batch_is_utf8(stg_bytes(from, n)))
		return false;
	for (size_t i = 0; i < n; i++)
		if (from[i] < 0x20 || from[i] == 0x7f)
			return false;
	if (n)
		memcpy(text, from, n);
	text[n] = 0;
	return batch_free_text(text, STG_PERSON_VALUE_MAX, ret, STG_PERSON_VALUE_MAX + 1, &why);
}

bool stg_person_put(json_t *person, const char *attribute, const char *field, struct stg_bytes value)
{
	char text[STG_PERSON_VALUE_MAX + 1], note[24];
	if (!plain(value, text))
		return false;
	if (!*text)
		return true;
	if (strcmp(field, "disabled") == 0) {
		if (says_disabled(attribute, text))
			stg_json_put_bool(person, "disabled", true);
		return true;
	}
	int rank = rank_of(attribute);
	snprintf(note, sizeof(note), "~%s", field);
	if (!json_object_get(person, field) || rank < (int)stg_json_int(person, note, -1)) {
		stg_json_put(person, field, text);
		stg_json_put_int(person, note, rank);
	}
	return true;
}

bool stg_person_finish(json_t *person)
{
	char note[24];
	bool is_told = false;
	for (size_t i = 0; stg_person_fields[i]; i++) {
		snprintf(note, sizeof(note), "~%s", stg_person_fields[i]);
		json_object_del(person, note);
	}
	for (size_t i = 0; stg_person_keys[i]; i++)
		is_told = is_told || *stg_json_str(person, stg_person_keys[i]);
	return is_told;
}

json_t *stg_people_clean(const json_t *people, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *list = json_array();
	size_t i;
	json_t *one;
	if (json_array_size(people) > STG_PEOPLE_MAX) {
		stg_fail_id(err, STG_E_INPUT, STG_ID_LIST_TOO_LARGE, 0, "> %d", STG_PEOPLE_MAX);
		return NULL;
	}
	json_array_foreach((json_t *)(uintptr_t)people, i, one) {
		STG_AUTO(stg_json_free_at) json_t *person = json_object();
		for (size_t k = 0; stg_person_fields[k]; k++)
			if (json_is_string(json_object_get(one, stg_person_fields[k])))
				(void)stg_person_put(person, "", stg_person_fields[k], stg_bytes_str(stg_json_str(one, stg_person_fields[k])));
		if (stg_json_bool(one, "disabled", false))
			stg_json_put_bool(person, "disabled", true);
		if (stg_person_finish(person))
			json_array_append(list, person);
	}
	return stg_steal(list);
}
