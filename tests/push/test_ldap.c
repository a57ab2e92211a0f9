/*
 * test_ldap.c - who people are, asked of a real OpenLDAP server on loopback: whole lists over several pages, wrong passwords, wrong
 * servers, a line that breaks in the middle, entries made to hurt.
 */
#include <pthread.h>

#include "daemon.h"

#define PASSWORD "MARKED-ldap-password-4711"
#define BASE "ou=staff,dc=example,dc=org"
#define READER "cn=station,dc=example,dc=org"
#define PEOPLE 1203
#define HUGE_VALUE (3u << 20)

static struct daemon slapd;
static int tls_port;

static const char CONFIG[] =
	"include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\ninclude /etc/ldap/schema/nis.schema\ninclude /etc/ldap/schema/inetorgperson.schema\n"
	/* as Active Directory names them; what could be any bytes there can be any bytes here */
	"attributetype ( 1.3.6.1.4.1.32473.1.1 NAME 'sAMAccountName' EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )\n"
	"attributetype ( 1.3.6.1.4.1.32473.1.2 NAME 'userPrincipalName' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )\n"
	"attributetype ( 1.3.6.1.4.1.32473.1.3 NAME 'userAccountControl' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 )\n"
	"attributetype ( 1.3.6.1.4.1.32473.1.4 NAME 'department' EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )\n"
	"attributetype ( 1.3.6.1.4.1.32473.1.5 NAME 'employeeID' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )\n"
	"objectclass ( 1.3.6.1.4.1.32473.1.100 NAME 'adUser' SUP top AUXILIARY MAY ( sAMAccountName $ userPrincipalName $ userAccountControl $ department $ employeeID ) )\n"
	"modulepath /usr/lib/ldap\nmoduleload back_mdb\nsizelimit 500\nloglevel 0\nTLSCertificateFile %1$s/cert.pem\nTLSCertificateKeyFile %1$s/cert.pem\n"
	"database mdb\nmaxsize 100000000\nsuffix dc=example,dc=org\ndirectory %1$s/data\ndbnosync\n"
	"limits dn.exact=\"" READER "\" size.soft=500 size.prtotal=unlimited\n"
	"access to attrs=userPassword by anonymous auth\n"
	"access to dn.subtree=\"ou=public,dc=example,dc=org\" by * read\n"
	"access to * by users read by anonymous search\n";

static void server_up(void)
{
	STG_AUTO(stg_buf_clear) struct stg_buf data = STG_BUF(16u << 20);
	char text[8192], command[1000], urls[200];
	daemon_folder(&slapd);
	daemon_certificates();
	daemon_put(&slapd, "cert.pem", 0600, daemon_cert);
	snprintf(text, sizeof(text), CONFIG, slapd.dir);
	daemon_put(&slapd, "slapd.conf", 0600, text);
	OK(stg_buf_printf(&data, err, "dn: dc=example,dc=org\nobjectClass: dcObject\nobjectClass: organization\no: x\ndc: example\n\n"
				      "dn: " READER "\nobjectClass: person\ncn: station\nsn: s\nuserPassword: " PASSWORD "\n\n"
				      "dn: cn=short,dc=example,dc=org\nobjectClass: person\ncn: short\nsn: s\nuserPassword: " PASSWORD "\n\n"));
	for (const char *const *ou = (const char *const[]){ "staff", "public", "hostile", "elsewhere", NULL }; *ou; ou++)
		OK(stg_buf_printf(&data, err, "dn: ou=%s,dc=example,dc=org\nobjectClass: organizationalUnit\nou: %s\n\n", *ou, *ou));
	for (int i = 0; i < PEOPLE; i++)
		OK(stg_buf_printf(&data, err, "dn: uid=p%d,ou=staff,dc=example,dc=org\nobjectClass: inetOrgPerson\nobjectClass: adUser\nuid: p%d\nsn: n\ncn: wrong\ndisplayName: Person %d\n"
					      "mail: p%d@example.org\nmail: other%d@example.org\nsAMAccountName: acc%d\nuserPrincipalName: p%d@corp.example.org\ndepartment: Ward %d\n"
					      "employeeID: %05d\nuserAccountControl: %d\n\n", i, i, i, i, i, i, i, i % 7, i, i == 5 ? 514 : 512));
	OK(stg_buf_printf(&data, err, "dn: cn=pub,ou=public,dc=example,dc=org\nobjectClass: inetOrgPerson\ncn: pub\nsn: s\nmail: pub@example.org\n\n"
				      "dn: cn=bytes,ou=hostile,dc=example,dc=org\nobjectClass: inetOrgPerson\nobjectClass: adUser\ncn: bytes\nsn: s\nmail: bytes@example.org\ndepartment:: /wD+gA==\n\n"
				      "dn: cn=nobody,ou=hostile,dc=example,dc=org\nobjectClass: inetOrgPerson\nobjectClass: adUser\ncn: nobody\nsn: s\nsAMAccountName:: AAEC/w==\n\n"
				      "dn: cn=formula,ou=hostile,dc=example,dc=org\nobjectClass: inetOrgPerson\nobjectClass: adUser\ncn: formula\nsn: s\nmail: formula@example.org\ndisplayName: =cmd|calc\n\n"
				      "dn: cn=lines,ou=hostile,dc=example,dc=org\nobjectClass: inetOrgPerson\nobjectClass: adUser\ncn: lines\nsn: s\nmail: lines@example.org\ndepartment:: YQ0KYg==\n\n"
				      "dn: cn=huge,ou=hostile,dc=example,dc=org\nobjectClass: inetOrgPerson\nobjectClass: adUser\ncn: huge\nsn: s\nmail: huge@example.org\ndepartment: "));
	for (size_t i = 0; i < HUGE_VALUE / 1024; i++) {
		char part[1025];
		memset(part, 'x', 1024);
		part[1024] = 0;
		OK(stg_buf_add_str(&data, part, err));
	}
	OK(stg_buf_add_str(&data, "\n\ndn: cn=far,ou=elsewhere,dc=example,dc=org\nobjectClass: referral\nobjectClass: extensibleObject\ncn: far\nref: ldap://127.0.0.1:1/dc=other\n", err));
	daemon_put(&slapd, "data.ldif", 0600, stg_buf_str(&data));
	/* by a copy of its own: on a desktop the program in its usual place may open its usual folders only */
	snprintf(command, sizeof(command), "mkdir %1$s/data && cp /usr/sbin/slapd %1$s/slapd && %1$s/slapd -T add -q -f %1$s/slapd.conf -l %1$s/data.ldif", slapd.dir);
	run_program(slapd.log, true, (const char *const[]){ "sh", "-c", command, NULL });
	slapd.port = free_port();
	tls_port = free_port();
	snprintf(urls, sizeof(urls), "ldap://127.0.0.1:%d/ ldaps://127.0.0.1:%d/ ldaps://127.0.0.2:%d/", slapd.port, tls_port, tls_port);
	snprintf(command, sizeof(command), "exec %1$s/slapd -d 0 -f %1$s/slapd.conf -h '%2$s'", slapd.dir, urls);
	slapd.pid = begin_program(slapd.log, true, (const char *const[]){ "sh", "-c", command, NULL });
	wait_listening(&slapd);
}

static json_t *config_of(int port)
{
	char url[64];
	snprintf(url, sizeof(url), "ldaps://127.0.0.1:%d", port);
	return json_pack("{s:s,s:s,s:s,s:s}", "url", url, "ca_pem", daemon_ca, "user", READER, "base", BASE);
}

/* The site's one directory, with this changed ("": taken away). */
static const char *directory(struct site *s, const char *key, const char *value)
{
	json_t *config = config_of(tls_port);
	if (key && *value)
		stg_json_put(config, key, value);
	else if (key)
		json_object_del(config, key);
	json_t *target = json_pack("{s:s,s:s,s:s,s:o}", "name", "ad", "connector", "ldap", "phase", "-", "config", config);
	OK(stg_store_target_put(s->st.s, target, stg_bytes(NULL, 0), err));
	json_decref(target);
	return "ad";
}

static struct site *with_password(const char *password)
{
	struct site *s = site_start(STG_STORE_PRODUCTION);
	json_decref(s->credentials);
	s->credentials = password ? json_pack("{s:s}", "secret", password) : NULL;
	return s;
}

static const json_t *person(const json_t *ret, const char *mail)
{
	size_t i;
	json_t *one;
	json_array_foreach(json_object_get(ret, "people"), i, one)
		if (strcmp(stg_json_str(one, "mail"), mail) == 0)
			return one;
	return NULL;
}

/* ---- what goes wrong ---- */

static void a_wrong_password_and_another_server_give_no_list_and_say_which_it_was(void **state)
{
	(void)state;
	const struct {
		const char *password, *key, *value;
		unsigned int id;
	} cases[] = {
		{ "wrong", NULL, NULL, STG_ID_TARGET_AUTH },
		{ "", NULL, NULL, STG_ID_TARGET_AUTH },                 /* a name without a password would mean nobody */
		{ PASSWORD, "user", "", STG_ID_TARGET_AUTH },           /* a password without a name likewise */
		{ PASSWORD, "ca_pem", daemon_other_ca, STG_ID_TARGET_TRUST },
		{ PASSWORD, "ca_pem", "", STG_ID_TARGET_TRUST },
		{ PASSWORD, "url", "ldaps://127.0.0.1:1", STG_ID_TARGET_OFFLINE },
		{ PASSWORD, "base", "ou=nowhere,dc=example,dc=org", STG_ID_TARGET_CONFIG },
		{ PASSWORD, "filter", "(mail=", STG_ID_TARGET_CONFIG },
		{ PASSWORD, "user", "cn=short,dc=example,dc=org", STG_ID_DIRECTORY_BROKEN },    /* it shows 500 and then no more */
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(cases); i++) {
		STG_AUTO(site_stop) struct site *s = with_password(cases[i].password);
		struct stg_error err = { 0 };
		json_t *got = stg_push_people(&s->door, directory(s, cases[i].key, cases[i].value), NULL, &err);
		if (got || err.id != cases[i].id)
			fail_msg("case %zu: %s, %u: %s", i, got ? "a list" : "no list", err.id, err.msg);
		assert_null(strstr(err.msg, PASSWORD));
	}
	/* the right authority, another name */
	char url[64];
	snprintf(url, sizeof(url), "ldaps://127.0.0.2:%d", tls_port);
	STG_AUTO(site_stop) struct site *s = with_password(PASSWORD);
	FAILS(stg_push_people(&s->door, directory(s, "url", url), NULL, err) != NULL, STG_E_PROTOCOL, STG_ID_TARGET_TRUST);
}

static void settings_that_cannot_be_meant_are_refused(void **state)
{
	(void)state;
	static const char *const wrong[][2] = {
		{ "url", "http://127.0.0.1" }, { "url", "ldaps://127.0.0.1/dc=x" }, { "base", "" }, { "x", "y" }, { "tls", "maybe" }, { "tls", "off" }, { "map.mail", "a b" },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(wrong); i++) {
		STG_AUTO(stg_json_free_at) json_t *row = json_pack("{s:s,s:s,s:o}", "name", "x", "connector", "ldap", "config", config_of(1));
		json_object_set_new(json_object_get(row, "config"), wrong[i][0], json_string(wrong[i][1]));
		FAILS(stg_push_check(row, NULL, false, "/nonexistent", err), STG_E_INPUT, STG_ID_TARGET_CONFIG);
	}
	/* without TLS this machine only, wherever the word stands */
	STG_AUTO(stg_json_free_at) json_t *plain = json_pack("{s:s,s:s,s:{s:s,s:s,s:s}}", "name", "x", "connector", "ldap", "config", "url", "ldap://dc.example.org", "base", "dc=x", "tls", "off");
	FAILS(stg_push_check(plain, NULL, false, "/nonexistent", err), STG_E_INPUT, STG_ID_TARGET_CONFIG);
	STG_AUTO(stg_json_free_at) json_t *away = json_pack("{s:s,s:s,s:{s:s,s:s}}", "name", "x", "connector", "ldap", "config", "url", "ldaps://dc.example.org", "base", "dc=x");
	FAILS(stg_push_check(away, NULL, true, "/nonexistent", err), STG_E_SAFETY, STG_ID_TARGET_REHEARSAL);
	OK(stg_push_check(away, NULL, false, "/nonexistent", err));
}

/* A line that is cut hard when so many bytes have come back. */
static struct {
	int fd, port;
	size_t most;
} cutter;

static void *cut_main(void *unused)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)tls_port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct linger now = { 1, 0 };
	int client = accept(cutter.fd, NULL, NULL), server = socket(AF_INET, SOCK_STREAM, 0);
	size_t back = 0;
	char data[4096];
	(void)unused;
	close(cutter.fd);
	if (connect(server, (struct sockaddr *)&at, sizeof(at)) != 0)
		back = cutter.most;
	while (back < cutter.most) {
		struct pollfd p[2] = { { client, POLLIN, 0 }, { server, POLLIN, 0 } };
		if (poll(p, 2, DAEMON_WAIT_MS) <= 0)
			break;
		ssize_t n = 1;
		for (int i = 0; i < 2 && n > 0; i++) {
			if (!p[i].revents)
				continue;
			n = recv(p[i].fd, data, sizeof(data), 0);
			if (n > 0 && send(p[1 - i].fd, data, (size_t)n, MSG_NOSIGNAL) != n)
				n = 0;
			if (n > 0 && i == 1)
				back += (size_t)n;
		}
		if (n <= 0)
			break;
	}
	setsockopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(client);
	close(server);
	return NULL;
}

static void a_line_that_breaks_gives_no_half_list(void **state)
{
	(void)state;
	static const size_t cuts[] = { 0, 3000, 40000, 150000 };    /* before TLS, after it, in the first page, in a later one */
	for (size_t i = 0; i < STG_ARRAY_LEN(cuts); i++) {
		struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		socklen_t n = sizeof(at);
		pthread_t thread;
		char url[64];
		struct stg_error err = { 0 };
		cutter.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		cutter.most = cuts[i];
		assert_int_equal(bind(cutter.fd, (struct sockaddr *)&at, sizeof(at)) | listen(cutter.fd, 1) | getsockname(cutter.fd, (struct sockaddr *)&at, &n), 0);
		snprintf(url, sizeof(url), "ldaps://127.0.0.1:%d", ntohs(at.sin_port));
		assert_int_equal(pthread_create(&thread, NULL, cut_main, NULL), 0);
		STG_AUTO(site_stop) struct site *s = with_password(PASSWORD);
		json_t *got = stg_push_people(&s->door, directory(s, "url", url), NULL, &err);
		if (got || err.id != (cuts[i] ? STG_ID_DIRECTORY_BROKEN : STG_ID_TARGET_OFFLINE))
			fail_msg("cut after %zu: %s, %u: %s", cuts[i], got ? "a list" : "no list", err.id, err.msg);
		print_message("cut after %zu: %s\n", cuts[i], err.msg);
		pthread_join(thread, NULL);
	}
}

/* ---- what it is for ---- */

static void everybody_comes_over_pages_and_no_more_of_them_than_is_needed(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = with_password(PASSWORD);
	const char *name = directory(s, NULL, NULL);
	STG_AUTO(stg_json_free_at) json_t *got = NULL;
	STG_AUTO(stg_json_free_at) json_t *tested = NULL;
	OK((tested = stg_push_test(&s->door, name, err)) != NULL);
	assert_true(stg_json_bool(tested, "ok", false));
	OK((got = stg_push_people(&s->door, name, NULL, err)) != NULL);
	assert_int_equal(json_array_size(json_object_get(got, "people")), PEOPLE);
	assert_int_equal(stg_json_int(got, "left_out", -1), 0);
	const json_t *one = person(got, "p1202@example.org");
	assert_non_null(one);
	STG_AUTO(stg_json_free_at) json_t *expected = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "account", "acc1202", "upn", "p1202@corp.example.org", "mail", "p1202@example.org", "name",
								"Person 1202", "department", "Ward 5", "number", "01202");
	assert_true(json_equal(one, expected));
	assert_true(stg_json_bool(person(got, "p5@example.org"), "disabled", false));
	/* it is told nothing */
	stage(s, 2);
	STG_AUTO(stg_json_free_at) json_t *rows = NULL;
	OK((rows = stg_store_outbox(s->st.s, NULL, err)) != NULL);
	assert_int_equal(json_array_size(rows), 0);
}

static void tls_may_begin_on_the_plain_port_and_attributes_may_have_other_names(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = with_password(PASSWORD);
	STG_AUTO(stg_json_free_at) json_t *got = NULL;
	STG_AUTO(stg_json_free_at) json_t *other = NULL;
	STG_AUTO(stg_json_free_at) json_t *config = config_of(0);
	STG_AUTO(stg_json_free_at) json_t *shown = NULL;
	char url[64];
	snprintf(url, sizeof(url), "ldap://127.0.0.1:%d", slapd.port);
	OK((got = stg_push_people(&s->door, directory(s, "url", url), NULL, err)) != NULL);
	assert_int_equal(json_array_size(json_object_get(got, "people")), PEOPLE);
	assert_false(stg_json_bool(got, "plain", true));
	OK((other = stg_push_people(&s->door, directory(s, "map.name", "cn"), NULL, err)) != NULL);
	assert_string_equal(stg_json_str(person(other, "p7@example.org"), "name"), "wrong");
	/* what it would ask, for the eyes of the directory's administrator */
	STG_AUTO(stg_json_free_at) json_t *row = json_pack("{s:s,s:s,s:O}", "name", "x", "connector", "ldap", "config", config);
	OK((shown = stg_push_try(row, NULL, NULL, false, "/nonexistent", err)) != NULL);
	assert_non_null(strstr(stg_json_str(shown, "body"), "sAMAccountName"));
	assert_null(strstr(stg_json_str(shown, "body"), "userPassword"));
}

static void nobody_may_ask_where_the_directory_lets_nobody_ask_and_plain_is_said(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = with_password(NULL);
	STG_AUTO(stg_json_free_at) json_t *got = NULL;
	char url[64];
	snprintf(url, sizeof(url), "ldap://127.0.0.1:%d", slapd.port);
	STG_AUTO(stg_json_free_at) json_t *target = json_pack("{s:s,s:s,s:s,s:{s:s,s:s,s:s}}", "name", "ad", "connector", "ldap", "phase", "-", "config", "url", url, "tls", "off", "base",
							      "ou=public,dc=example,dc=org");
	OK(stg_store_target_put(s->st.s, target, stg_bytes(NULL, 0), err));
	OK((got = stg_push_people(&s->door, "ad", NULL, err)) != NULL);
	assert_int_equal(json_array_size(json_object_get(got, "people")), 1);
	assert_true(stg_json_bool(got, "plain", false));
}

static void entries_made_to_hurt_cost_themselves_and_referrals_lead_nowhere(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = with_password(PASSWORD);
	STG_AUTO(stg_json_free_at) json_t *got = NULL;
	STG_AUTO(stg_json_free_at) json_t *far = NULL;
	OK((got = stg_push_people(&s->door, directory(s, "base", "ou=hostile,dc=example,dc=org"), NULL, err)) != NULL);
	assert_int_equal(json_array_size(json_object_get(got, "people")), 4);
	assert_int_equal(stg_json_int(got, "left_out", 0), 1);
	assert_non_null(strstr(stg_json_str(got, "problem"), "cn=nobody"));
	assert_int_equal(stg_json_int(got, "unusable", 0), 4);
	assert_string_equal(stg_json_str(person(got, "bytes@example.org"), "department"), "");
	assert_string_equal(stg_json_str(person(got, "huge@example.org"), "department"), "");
	assert_string_equal(stg_json_str(person(got, "lines@example.org"), "department"), "");
	assert_string_equal(stg_json_str(person(got, "formula@example.org"), "name"), "=cmd|calc");
	OK((far = stg_push_people(&s->door, directory(s, "base", "ou=elsewhere,dc=example,dc=org"), NULL, err)) != NULL);
	assert_int_equal(json_array_size(json_object_get(far, "people")), 0);
	FAILS(stg_push_people(&s->door, directory(s, "base", "cn=far,ou=elsewhere,dc=example,dc=org"), NULL, err) != NULL, STG_E_PROTOCOL, STG_ID_TARGET_CONFIG);
}

static void what_is_no_directory_is_not_asked(void **state)
{
	(void)state;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	FAILS(stg_push_people(&s->door, webhook_add(s), NULL, err) != NULL, STG_E_USAGE, STG_ID_NO_DIRECTORY);
	assert_true(stg_push_is_directory("ldap"));
	assert_false(stg_push_is_directory("postgresql"));
}

static int up(void **state)
{
	(void)state;
	setenv("LDAPNOINIT", "1", 1);   /* as main() does */
	server_up();
	return 0;
}

static int down(void **state)
{
	(void)state;
	daemon_stop(&slapd);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wrong_password_and_another_server_give_no_list_and_say_which_it_was),
		cmocka_unit_test(settings_that_cannot_be_meant_are_refused),
		cmocka_unit_test(a_line_that_breaks_gives_no_half_list),
		cmocka_unit_test(everybody_comes_over_pages_and_no_more_of_them_than_is_needed),
		cmocka_unit_test(tls_may_begin_on_the_plain_port_and_attributes_may_have_other_names),
		cmocka_unit_test(nobody_may_ask_where_the_directory_lets_nobody_ask_and_plain_is_said),
		cmocka_unit_test(entries_made_to_hurt_cost_themselves_and_referrals_lead_nowhere),
		cmocka_unit_test(what_is_no_directory_is_not_asked),
	};
	return cmocka_run_group_tests(tests, up, down);
}
