/*
 * ldif.c - people in LDIF, as directories export it.
 *
 * For:    people.c.
 * Uses:   person.c.
 * Called: once per file, with text that is UTF-8 and has plain line ends.
 * Thread: any; no state.
 * Facts:  RFC 2849: folded lines go on after one blank; "::" is base64; ":<" is an address, which is never followed here; a record
 *         with changetype or control is a change. Entries of Active Directory's computers have the class user as well.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <stager/peoplefile.h>

#include "people.h"

#define NAME_MAX_BYTES 128
#define VALUE_MAX (8u << 10)        /* of a value of ours before it is judged: what is longer is none */

struct reading {
	const char *file_name;
	const json_t *map;
	struct people *to;
	struct stg_buf value;
	bool value_is_long;
	unsigned int line;              /* of the value that is being read */
	json_t *person;                 /* NULL: between entries */
	unsigned int entry_line;
	bool has_class, is_person, is_machine;
};

/* No person, or none that can be told from others: what is no person at all (groups, units, computers) is not worth a word. */
static bool end_entry(struct reading *r, struct stg_error *err)
{
	json_t *person = r->person;
	if (!person)
		return true;
	bool is_none = r->is_machine || (r->has_class && !r->is_person);
	bool ok = is_none || people_add(r->to, person, r->entry_line, err);
	json_decref(person);
	r->person = NULL;
	return ok;
}

static bool broken(const struct reading *r, unsigned int line, const char *what, struct stg_error *err)
{
	return stg_fail_id(err, STG_E_INPUT, STG_ID_PEOPLE_FILE, 0, "%.100s:%u: %s", r->file_name, line, what);
}

/* One whole line: name, kind of the value, value (unfolded). */
static bool take_line(struct reading *r, const char *name, bool is_base64, bool is_address, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf raw = STG_BUF(VALUE_MAX);
	char attribute[NAME_MAX_BYTES + 1];
	if (!r->person && strcasecmp(name, "version") == 0)
		return true;
	if (strcasecmp(name, "changetype") == 0 || strcasecmp(name, "control") == 0)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_LDIF_CHANGES, 0, "%.100s:%u: %.24s", r->file_name, r->line, name);
	if (strcasecmp(name, "dn") == 0 || !r->person) {
		if (r->person || strcasecmp(name, "dn") != 0)
			return broken(r, r->line, "dn:", err);
		r->person = json_object();
		r->entry_line = r->line;
		r->has_class = r->is_person = r->is_machine = false;
		return true;
	}
	/* options: another language of the value or its binary form, neither is ours */
	if (strchr(name, ';') || is_address || r->value_is_long)
		return true;
	stg_copy(attribute, sizeof(attribute), name);
	const char *field = stg_person_field_of(attribute, r->map);
	bool is_class = strcasecmp(attribute, "objectClass") == 0;
	if (!*field && !is_class)
		return true;
	if (is_base64 && !stg_unbase64(stg_buf_str(&r->value), &raw, NULL))
		return broken(r, r->line, "base64", err);
	struct stg_bytes value = is_base64 ? stg_buf_view(&raw) : stg_buf_view(&r->value);
	if (is_class) {
		char class[64] = "";
		snprintf(class, sizeof(class), "%.*s", (int)(value.len < 63 ? value.len : 63), (const char *)value.data);
		r->has_class = true;
		r->is_person = r->is_person || strcasecmp(class, "person") == 0 || strcasecmp(class, "inetOrgPerson") == 0 || strcasecmp(class, "user") == 0 ||
			       strcasecmp(class, "posixAccount") == 0 || strcasecmp(class, "account") == 0;
		r->is_machine = r->is_machine || strcasecmp(class, "computer") == 0;
		return true;
	}
	/* a value that is no text is as good as none: the entry may have others */
	(void)stg_person_put(r->person, attribute, field, value);
	return true;
}

/* The physical line at *at, without its end; *at moves behind it. */
static struct stg_bytes next_line(struct stg_bytes text, size_t *at)
{
	const uint8_t *from = text.data + *at, *nl = memchr(from, '\n', text.len - *at);
	size_t n = nl ? (size_t)(nl - from) : text.len - *at;
	*at += n + (nl != NULL);
	return stg_bytes(from, n);
}

static void add_value(struct reading *r, struct stg_bytes more)
{
	r->value_is_long = r->value_is_long || r->value.len + more.len > VALUE_MAX;
	if (!r->value_is_long)
		(void)stg_buf_add(&r->value, more.data, more.len, NULL);
}

bool people_is_ldif(struct stg_bytes text)
{
	for (size_t at = 0; at < text.len;) {
		struct stg_bytes line = next_line(text, &at);
		if (!line.len || line.data[0] == '#' || line.data[0] == ' ')
			continue;
		return (line.len >= 8 && strncasecmp((const char *)line.data, "version:", 8) == 0) || (line.len >= 3 && strncasecmp((const char *)line.data, "dn:", 3) == 0);
	}
	return false;
}

static bool read_all(struct reading *r, struct stg_bytes text, struct stg_error *err)
{
	unsigned int number = 0;
	for (size_t at = 0; at < text.len;) {
		struct stg_bytes line = next_line(text, &at);
		r->line = ++number;
		if (!line.len) {
			if (!end_entry(r, err))
				return false;
			continue;
		}
		bool is_remark = line.data[0] == '#';
		if (line.data[0] == ' ')
			return broken(r, number, "' '", err);       /* goes on from nothing */
		const uint8_t *colon = memchr(line.data, ':', line.len);
		size_t name_len = colon ? (size_t)(colon - line.data) : 0;
		if (!is_remark && (!name_len || name_len > NAME_MAX_BYTES))
			return broken(r, number, "NAME: VALUE", err);
		char name[NAME_MAX_BYTES + 1] = "";
		size_t skip = is_remark ? line.len : name_len + 1;
		bool is_base64 = skip < line.len && line.data[skip] == ':', is_address = skip < line.len && line.data[skip] == '<';
		if (!is_remark)
			memcpy(name, line.data, name_len);
		skip += is_base64 || is_address;
		while (skip < line.len && line.data[skip] == ' ')
			skip++;
		stg_buf_reset(&r->value);
		r->value_is_long = false;
		add_value(r, stg_bytes(line.data + skip, line.len - skip));
		while (at < text.len && text.data[at] == ' ') {
			struct stg_bytes more = next_line(text, &at);
			number++;
			add_value(r, stg_bytes(more.data + 1, more.len - 1));
		}
		if (!is_remark && !take_line(r, name, is_base64, is_address, err))
			return false;
	}
	return end_entry(r, err);
}

bool people_read_ldif(const char *file_name, struct stg_bytes text, const json_t *map, struct people *to, struct stg_error *err)
{
	struct reading r = { .file_name = file_name, .map = map, .to = to, .value = STG_BUF(VALUE_MAX) };
	bool ok = read_all(&r, text, err);
	json_decref(r.person);
	stg_buf_clear(&r.value);
	return ok;
}
