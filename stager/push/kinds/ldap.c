/*
 * ldap.c - the target that is a directory: asked who people are, told nothing.
 *
 * For:    `stager people fetch`: Active Directory, OpenLDAP and others that speak LDAP version 3.
 * Uses:   libldap; this is the only file that includes it. <stager/peoplefile.h> for what of an entry is kept.
 * Called: people.c, target commands.
 * Thread: one at a time for each call, never one that a device waits for.
 * Facts:  RFC 4511, RFC 2696 (paged results; the server may give smaller pages), RFC 4513 5.1.2 (a bind with a name and no
 *         password succeeds and proves nothing). libldap reads ldap.conf, ldaprc and LDAP* of the environment unless LDAPNOINIT
 *         is set, which main() does. Debian's is built with GnuTLS: options of TLS count from LDAP_OPT_X_TLS_NEWCTX on.
 *
 * Reads only: bind, search, unbind. Referrals are not followed: they would take the password to another server.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/time.h>
#include <unistd.h>

#include <ldap.h>

#include <stager/clock.h>
#include <stager/peoplefile.h>
#include <stager/tlsline.h>

#include "../kind.h"

#define CONNECT_S 15
#define ANSWER_MS 60000             /* for one page */
#define PAGE 500                    /* Active Directory gives 1,000 at most */
#define PAGES_MAX 2000
#define PDU_MAX (16u << 20)         /* one entry, with whatever it carries */
#define BYTES_MAX (12u << 20)       /* of all that is kept: one message of the station holds it */
#define FORM "ldaps://host:636"
#define SYSTEM_CAS "/etc/ssl/certs/ca-certificates.crt"
/* People, not machines: Active Directory's computers are users too. No "not" in it: of a class that a server does not know it makes
 * neither true nor false, and nobody would be found. */
#define FILTER "(|(objectClass=inetOrgPerson)(objectClass=posixAccount)(&(objectClass=user)(objectCategory=person)))"
#define ATTRIBUTES_MAX 32
#define SEARCH "search"

/* ---- settings ---- */

static bool place_of(const struct push_target *t, struct stg_net_place *ret, struct stg_error *err)
{
	if (!stg_net_place(stg_json_str(t->config, "url"), FORM, ret, err))
		return stg_say(err, STG_ID_TARGET_CONFIG);
	if (strcmp(ret->scheme, "ldaps") != 0 && strcmp(ret->scheme, "ldap") != 0)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "'url' begins with %s://, " FORM " was expected", ret->scheme);
	return !*ret->path || stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "'url' has a path, " FORM " was expected: the base is a setting of its own");
}

/* An attribute's name, as RFC 4512 spells it. */
static bool attribute_ok(const char *s)
{
	size_t n = strlen(s);
	return n >= 1 && n <= 64 && strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") == n;
}

static bool check_map(const json_t *config, struct stg_error *err)
{
	for (size_t i = 0; stg_person_fields[i]; i++) {
		char key[32];
		snprintf(key, sizeof(key), "map.%s", stg_person_fields[i]);
		if (json_object_get(config, key) && !attribute_ok(stg_json_str(config, key)))
			return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "'%s' is no name of an attribute", key);
	}
	return true;
}

static bool check(struct push_target *t, struct stg_error *err)
{
	static const char *const known[] = { "url", "user", "base", "filter", "tls", "ca_pem", "site", "map.account", "map.upn", "map.mail", "map.name",
					     "map.department", "map.number", "map.disabled", NULL },
		    *const modes[] = { "verify", "off", NULL };
	struct stg_net_place p;
	if (!push_config_only(t->config, known, err) || !push_config_one_of(t->config, "tls", modes, err) || !place_of(t, &p, err) || !check_map(t->config, err))
		return false;
	if (!*stg_json_str(t->config, "base"))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "setting 'base' is missing: where people stand, such as OU=Staff,DC=example,DC=org");
	if (!*stg_json_str(t->config, "filter"))
		stg_json_put(t->config, "filter", FILTER);
	if (!*stg_json_str(t->config, "tls"))
		stg_json_put(t->config, "tls", "verify");
	bool is_off = strcmp(stg_json_str(t->config, "tls"), "off") == 0;
	if (is_off && (!p.is_loopback || strcmp(p.scheme, "ldaps") == 0))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "tls 'off' is for ldap:// on this machine only, verify was expected");
	if (t->rehearsal && !p.is_loopback)
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_TARGET_REHEARSAL, 0, "target %s is not on this machine", t->name);
	return true;
}

/* ---- a connection ---- */

struct link {
	LDAP *ld;
	struct stg_stop *stop;
	int ca_fd, pem_fd;
	struct push_told *told;
};

static void link_clear(struct link *l)
{
	if (l->ld)
		(void)ldap_unbind_ext(l->ld, NULL, NULL);
	l->ld = NULL;
	stg_close_at(&l->ca_fd);
	stg_close_at(&l->pem_fd);
}

static bool fail(struct link *l, enum stg_net_class class, const char *state, const char *what, const char *text)
{
	char shown[160];
	stg_printable(text, true, shown, sizeof(shown));
	bool began = strcmp(what, SEARCH) == 0 && (class == STG_NET_OFFLINE || class == STG_NET_SERVER);
	l->told->class = class;
	l->told->state = began ? "broken" : state;      /* no word of a target's state: the list alone is at fault */
	snprintf(l->told->text, sizeof(l->told->text), "%s%s%s", what, *what && *shown ? ": " : "", shown);
	return false;
}

/* What the last call said: ours, or the server's own words. */
static const char *said(struct link *l, int rc, char *ret, size_t size)
{
	char *more = NULL;
	(void)ldap_get_option(l->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &more);
	snprintf(ret, size, "%s%s%.100s", ldap_err2string(rc), more && *more ? ": " : "", more ? more : "");
	ldap_memfree(more);
	return ret;
}

/* What a result code means for the target. */
static bool refused(struct link *l, int rc, const char *what)
{
	char text[200];
	(void)said(l, rc, text, sizeof(text));
	switch (rc) {
	case LDAP_INVALID_CREDENTIALS:
	case LDAP_INAPPROPRIATE_AUTH:
	case LDAP_INSUFFICIENT_ACCESS:
	case LDAP_STRONG_AUTH_REQUIRED:
	case LDAP_CONFIDENTIALITY_REQUIRED:
	case LDAP_AUTH_METHOD_NOT_SUPPORTED:
		return fail(l, STG_NET_AUTH, NULL, what, text);
	case LDAP_NO_SUCH_OBJECT:
	case LDAP_INVALID_DN_SYNTAX:
	case LDAP_FILTER_ERROR:
	case LDAP_REFERRAL:     /* that base is another server's, and we do not go there */
		return fail(l, STG_NET_AUTH, "config", what, text);
	case LDAP_SERVER_DOWN:
	case LDAP_CONNECT_ERROR:
	case LDAP_TIMEOUT:
		return fail(l, STG_NET_OFFLINE, NULL, what, text);
	default:
		return fail(l, STG_NET_SERVER, NULL, what, text);
	}
}

static bool set(struct link *l, int option, const void *value)
{
	return ldap_set_option(l->ld, option, value) == LDAP_OPT_SUCCESS;
}

static bool set_tls(const struct push_target *t, struct link *l)
{
	static const int hard = LDAP_OPT_X_TLS_HARD, client = 0, least = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2;
	char ca_path[40], pem_path[40];
	const char *ca = stg_json_str(t->config, "ca_pem"), *pem = stg_json_str(t->credentials.values, "client_pem");
	if (*ca && (l->ca_fd = push_pem_file(ca, ca_path)) < 0)
		return false;
	if (*pem && (l->pem_fd = push_pem_file(pem, pem_path)) < 0)
		return false;
	return set(l, LDAP_OPT_X_TLS_CACERTFILE, l->ca_fd >= 0 ? ca_path : SYSTEM_CAS) && set(l, LDAP_OPT_X_TLS_REQUIRE_CERT, &hard) &&
	       set(l, LDAP_OPT_X_TLS_PROTOCOL_MIN, &least) &&
	       (l->pem_fd < 0 || (set(l, LDAP_OPT_X_TLS_CERTFILE, pem_path) && set(l, LDAP_OPT_X_TLS_KEYFILE, pem_path))) && set(l, LDAP_OPT_X_TLS_NEWCTX, &client);
}

/* Waits for an answer to `id`; the caller frees it. NULL with told set. */
static LDAPMessage *answer(struct link *l, int id, int64_t deadline_ms, const char *what)
{
	for (;;) {
		struct timeval none = { 0, 0 };
		LDAPMessage *m = NULL;
		int fd = -1, r = ldap_result(l->ld, id, LDAP_MSG_ONE, &none, &m);
		if (r > 0)
			return m;
		ldap_msgfree(m);
		int rc = LDAP_SERVER_DOWN;
		if (r < 0) {
			(void)ldap_get_option(l->ld, LDAP_OPT_RESULT_CODE, &rc);
			refused(l, rc ? rc : LDAP_SERVER_DOWN, what);
			return NULL;
		}
		int64_t left = deadline_ms - stg_boot_ms();
		if (left <= 0 || ldap_get_option(l->ld, LDAP_OPT_DESC, &fd) != LDAP_OPT_SUCCESS || fd < 0) {
			fail(l, STG_NET_OFFLINE, NULL, what, "no answer in time");
			return NULL;
		}
		struct pollfd p[2] = { { fd, POLLIN, 0 }, { stg_stop_fd(l->stop), POLLIN, 0 } };
		if (poll(p, 2, (int)left) < 0 && errno != EINTR) {
			fail(l, STG_NET_SERVER, NULL, what, strerror(errno));
			return NULL;
		}
		if (stg_stop_pulled(l->stop)) {
			fail(l, STG_NET_OFFLINE, NULL, what, "given up");
			return NULL;
		}
	}
}

/* libldap has one word for "nobody there" and "not the one we trust": our own eyes tell them apart. */
static enum stg_net_class why_no_tls(const struct push_target *t, struct link *l, const struct stg_net_place *p, int rc, const char *text)
{
	enum stg_net_class class = STG_NET_OFFLINE;
	struct stg_error why = { 0 };
	const struct stg_tlsline line = { .host = p->host, .port = p->port ? p->port : 636, .ca_pem = stg_bytes_str(stg_json_str(t->config, "ca_pem")),
					  .client_pem = stg_bytes_str(stg_json_str(t->credentials.values, "client_pem")), .stop = l->stop };
	if (strcmp(p->scheme, "ldap") == 0)
		return rc == LDAP_CONNECT_ERROR || rc == LDAP_PROTOCOL_ERROR || rc == LDAP_UNAVAILABLE ? STG_NET_TRUST : STG_NET_OFFLINE;
	if (!stg_tlsline_send(&line, stg_bytes("", 0), &class, &why))
		return class;
	return strchr(text, ':') ? STG_NET_TRUST : STG_NET_OFFLINE;
}

/* TLS first, so that a wrong server is told from a wrong password. */
static bool secure(const struct push_target *t, struct link *l, const struct stg_net_place *p, bool is_off)
{
	char text[200];
	int rc = is_off ? LDAP_SUCCESS : strcmp(p->scheme, "ldap") == 0 ? ldap_start_tls_s(l->ld, NULL, NULL) : ldap_connect(l->ld);
	if (rc == LDAP_SUCCESS)
		return true;
	(void)said(l, rc, text, sizeof(text));
	enum stg_net_class class = why_no_tls(t, l, p, rc, text);
	return fail(l, class, NULL, class == STG_NET_OFFLINE ? "no connection" : "not the expected server", text);
}

static bool sign_in(const struct push_target *t, struct link *l)
{
	const char *user = stg_json_str(t->config, "user"), *password = stg_json_str(t->credentials.values, "secret");
	struct berval word = { strlen(password), (char *)(uintptr_t)password };
	int id, rc;
	/* with a name and no password a server says yes and means nobody */
	if (*user && !*password && !*stg_json_str(t->credentials.values, "client_pem"))
		return fail(l, STG_NET_AUTH, NULL, "sign in", "a user without a password");
	if (*password && !*user)
		return fail(l, STG_NET_AUTH, NULL, "sign in", "a password without a user");
	rc = ldap_sasl_bind(l->ld, *password ? user : "", LDAP_SASL_SIMPLE, &word, NULL, NULL, &id);
	if (rc != LDAP_SUCCESS)
		return refused(l, rc, "sign in");
	LDAPMessage *m = answer(l, id, stg_boot_ms() + ANSWER_MS, "sign in");
	if (!m)
		return false;
	int code = LDAP_OTHER;
	rc = ldap_parse_result(l->ld, m, &code, NULL, NULL, NULL, NULL, 1);
	return rc == LDAP_SUCCESS && code == LDAP_SUCCESS ? true : refused(l, rc != LDAP_SUCCESS ? rc : code, "sign in");
}

static bool connect_to(const struct push_target *t, struct link *l)
{
	static const int version = LDAP_VERSION3;
	const struct timeval patience = { CONNECT_S, 0 };
	ber_len_t most = PDU_MAX;
	struct stg_net_place p;
	struct stg_error why = { 0 };
	char uri[320];
	Sockbuf *sb = NULL;
	bool is_off = strcmp(stg_json_str(t->config, "tls"), "off") == 0;
	if (!place_of(t, &p, &why))
		return fail(l, STG_NET_AUTH, "config", "", why.msg);
	bool is_v6 = strchr(p.host, ':') != NULL;
	snprintf(uri, sizeof(uri), "%s://%s%.255s%s:%d", p.scheme, is_v6 ? "[" : "", p.host, is_v6 ? "]" : "", p.port ? p.port : strcmp(p.scheme, "ldaps") == 0 ? 636 : 389);
	int rc = ldap_initialize(&l->ld, uri);
	if (rc != LDAP_SUCCESS)
		return fail(l, STG_NET_AUTH, "config", "", ldap_err2string(rc));
	if (!set(l, LDAP_OPT_PROTOCOL_VERSION, &version) || !set(l, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) || !set(l, LDAP_OPT_NETWORK_TIMEOUT, &patience) ||
	    !set(l, LDAP_OPT_TIMEOUT, &patience) || (!is_off && !set_tls(t, l)) || ldap_get_option(l->ld, LDAP_OPT_SOCKBUF, &sb) != LDAP_OPT_SUCCESS ||
	    ber_sockbuf_ctrl(sb, LBER_SB_OPT_SET_MAX_INCOMING, &most) != 1)
		return fail(l, STG_NET_SERVER, NULL, "", "libldap takes no settings (certificate or key?)");
	return secure(t, l, &p, is_off) && sign_in(t, l);
}

/* ---- reading ---- */

struct reading {
	struct link *l;
	const json_t *map;              /* as <stager/peoplefile.h> wants it */
	json_t *people;
	size_t bytes;
	int64_t left_out, unusable;
	char problem[200];
};

static json_t *map_of(const struct push_target *t)
{
	json_t *map = json_object();
	for (size_t i = 0; stg_person_fields[i]; i++) {
		char key[32];
		snprintf(key, sizeof(key), "map.%s", stg_person_fields[i]);
		stg_json_put(map, stg_person_fields[i], stg_json_str(t->config, key));
	}
	return map;
}

/* Asked for is what may fill a field, and nothing else of a person. NULL-ended, borrowed from constants and the map. */
static void attributes_of(const json_t *map, char *ret[ATTRIBUTES_MAX])
{
	static const char *const ours[] = { "sAMAccountName", "uid", "userPrincipalName", "mail", "displayName", "cn", "department", "departmentNumber", "employeeID",
					    "employeeNumber", "userAccountControl", "nsAccountLock" };
	size_t n = 0;
	const char *field;
	json_t *named;
	for (size_t i = 0; i < STG_ARRAY_LEN(ours); i++)
		if (*stg_person_field_of(ours[i], map))
			ret[n++] = (char *)(uintptr_t)ours[i];
	json_object_foreach((json_t *)(uintptr_t)map, field, named)
		if (n + 1 < ATTRIBUTES_MAX)
			ret[n++] = (char *)(uintptr_t)json_string_value(named);
	ret[n] = NULL;
}

static void left_out(struct reading *r, LDAPMessage *entry)
{
	char *dn = ldap_get_dn(r->l->ld, entry), shown[100];
	stg_printable(dn ? dn : "", true, shown, sizeof(shown));
	if (!r->left_out++)
		snprintf(r->problem, sizeof(r->problem), "%s: STG-%u", shown, (unsigned int)STG_ID_PERSON_NAMELESS);
	ldap_memfree(dn);
}

static bool take_entry(struct reading *r, LDAPMessage *entry)
{
	BerElement *at = NULL;
	STG_AUTO(stg_json_free_at) json_t *person = json_object();
	for (char *name = ldap_first_attribute(r->l->ld, entry, &at); name; name = ldap_next_attribute(r->l->ld, entry, at)) {
		const char *field = strchr(name, ';') ? "" : stg_person_field_of(name, r->map);
		struct berval **values = *field ? ldap_get_values_len(r->l->ld, entry, name) : NULL;
		/* of several the first that is a text */
		for (size_t i = 0; values && values[i]; i++) {
			if (stg_person_put(person, name, field, stg_bytes((const uint8_t *)values[i]->bv_val, values[i]->bv_len))) {
				r->bytes += values[i]->bv_len + 24;
				break;
			}
			r->unusable++;
		}
		ldap_value_free_len(values);
		ldap_memfree(name);
	}
	ber_free(at, 0);
	if (!stg_person_finish(person)) {
		left_out(r, entry);
		return true;
	}
	if (json_array_size(r->people) >= STG_PEOPLE_MAX || r->bytes > BYTES_MAX) {
		char text[80];
		snprintf(text, sizeof(text), "more than %d people; narrow base or filter", (int)json_array_size(r->people));
		return fail(r->l, STG_NET_AUTH, "config", "", text);
	}
	json_array_append(r->people, person);
	return true;
}

/* One page; its end says where the next begins. */
static bool read_page(struct reading *r, const struct push_target *t, char **attributes, struct berval *cookie, bool *ret_more)
{
	struct link *l = r->l;
	LDAPControl *page = NULL, **given = NULL;
	struct timeval limit = { ANSWER_MS / 1000, 0 };
	int id, code = LDAP_OTHER, rc = ldap_create_page_control(l->ld, PAGE, cookie->bv_len ? cookie : NULL, 0, &page);
	LDAPControl *asked[] = { page, NULL };
	if (rc == LDAP_SUCCESS)
		rc = ldap_search_ext(l->ld, stg_json_str(t->config, "base"), LDAP_SCOPE_SUBTREE, stg_json_str(t->config, "filter"), attributes, 0, asked, NULL, &limit, 0, &id);
	ldap_control_free(page);
	*ret_more = false;
	if (rc != LDAP_SUCCESS)
		return refused(l, rc, SEARCH);
	int64_t deadline = stg_boot_ms() + ANSWER_MS;
	for (bool is_last = false; !is_last;) {
		LDAPMessage *m = answer(l, id, deadline, SEARCH);
		if (!m)
			return false;
		int type = ldap_msgtype(m);
		bool ok = type != LDAP_RES_SEARCH_ENTRY || take_entry(r, m);
		is_last = type == LDAP_RES_SEARCH_RESULT;
		if (is_last)
			rc = ldap_parse_result(l->ld, m, &code, NULL, NULL, NULL, &given, 0);
		ldap_msgfree(m);
		if (!ok) {
			(void)ldap_abandon_ext(l->ld, id, NULL, NULL);
			return false;
		}
	}
	if (rc != LDAP_SUCCESS || code != LDAP_SUCCESS) {
		ldap_controls_free(given);
		return refused(l, rc != LDAP_SUCCESS ? rc : code, SEARCH);
	}
	ber_memfree(cookie->bv_val);
	*cookie = (struct berval){ 0 };
	ber_int_t estimate;
	LDAPControl *next = ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, given, NULL);
	if (next && ldap_parse_pageresponse_control(l->ld, next, &estimate, cookie) != LDAP_SUCCESS) {
		ldap_controls_free(given);
		return fail(l, STG_NET_SERVER, NULL, SEARCH, "its page has no end");
	}
	ldap_controls_free(given);
	*ret_more = cookie->bv_len > 0;
	return true;
}

static json_t *people(const struct push_target *t, struct stg_stop *stop, struct push_told *told)
{
	struct link l = { .stop = stop, .ca_fd = -1, .pem_fd = -1, .told = told };
	STG_AUTO(stg_json_free_at) json_t *map = map_of(t);
	STG_AUTO(stg_json_free_at) json_t *list = json_array();
	struct reading r = { .l = &l, .map = map, .people = list };
	struct berval cookie = { 0 };
	char *attributes[ATTRIBUTES_MAX];
	attributes_of(map, attributes);
	bool more = true, ok = connect_to(t, &l);
	for (int n = 0; ok && more; n++)
		ok = n < PAGES_MAX ? read_page(&r, t, attributes, &cookie, &more) : fail(&l, STG_NET_SERVER, NULL, SEARCH, "its pages do not end");
	ber_memfree(cookie.bv_val);
	link_clear(&l);
	if (!ok)
		return NULL;
	told->class = STG_NET_OK;
	return json_pack("{s:O,s:I,s:I,s:s,s:b}", "people", list, "left_out", (json_int_t)r.left_out, "unusable", (json_int_t)r.unusable, "problem", r.problem, "plain",
			 strcmp(stg_json_str(t->config, "tls"), "off") == 0);
}

/* ---- what every kind answers ---- */

/* It is told nothing, and no row is ever queued for it. */
static void deliver(const struct push_target *t, const json_t *rows, const json_t *records, struct stg_stop *stop, struct push_told *told)
{
	(void)t, (void)records, (void)stop;
	for (size_t i = 0; i < json_array_size(rows); i++)
		push_told_row(told, i, "rejected", "a directory is told nothing", NULL);
}

static void test(const struct push_target *t, struct push_told *told)
{
	struct link l = { .ca_fd = -1, .pem_fd = -1, .told = told };
	if (connect_to(t, &l))
		told->class = STG_NET_OK;
	link_clear(&l);
}

static json_t *shown(const struct push_target *t, const json_t *rows, const json_t *records, struct stg_error *err)
{
	(void)rows, (void)records;
	STG_AUTO(stg_json_free_at) json_t *map = map_of(t);
	STG_AUTO(stg_buf_clear) struct stg_buf body = STG_BUF(4096);
	char *attributes[ATTRIBUTES_MAX];
	attributes_of(map, attributes);
	bool ok = stg_buf_printf(&body, err, "base: %.300s\nfilter: %.1000s\nattributes:", stg_json_str(t->config, "base"), stg_json_str(t->config, "filter"));
	for (size_t i = 0; ok && attributes[i]; i++)
		ok = stg_buf_printf(&body, err, " %s", attributes[i]);
	return ok ? json_pack("{s:s,s:s,s:s,s:s}", "what", "request", "method", "SEARCH", "url", stg_json_str(t->config, "url"), "body", stg_buf_str(&body)) : NULL;
}

const struct push_kind stg_push_kind_ldap = {
	.name = "ldap",
	.about = "A directory (Active Directory, OpenLDAP), read only: stager people fetch asks it who people are. It is told nothing; groups and photos are not read",
	.has_credentials = true,
	.most = 1,
	.check = check,
	.deliver = deliver,
	.test = test,
	.shown = shown,
	.people = people,
};
