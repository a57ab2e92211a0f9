/* test_activation.c - libimobiledevice activates virtual devices with the virtual activation server, as a relay would. */
#include "bench_lib.h"

#include <curl/curl.h>
#include <libimobiledevice/libimobiledevice.h>
#include <libimobiledevice/lockdown.h>
#include <libimobiledevice/mobileactivation.h>
#include <libimobiledevice/property_list_service.h>
#include <plist/plist.h>
#include <strings.h>

/* One bench for all of them: pairing makes RSA keys, which is slow. */
static struct bench b;
static idevice_t phones[2];

struct answer {
	struct stg_buf body;
	plist_t headers;
	char type[64];
	long status;      /* 0: nobody there */
};

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct answer *a = arg;

	return stg_buf_add(&a->body, data, size * n, NULL) ? size * n : 0;
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
	struct answer *a = arg;
	char line[512], *colon;

	snprintf(line, sizeof(line), "%.*s", (int)(size * n), data);
	line[strcspn(line, "\r\n")] = '\0';
	colon = strchr(line, ':');
	if (!colon)
		return size * n;
	*colon = '\0';
	colon += 1 + strspn(colon + 1, " ");
	plist_dict_set_item(a->headers, line, plist_new_string(colon));
	if (strcasecmp(line, "Content-Type") == 0)
		stg_copy(a->type, sizeof(a->type), colon);
	return size * n;
}

static void answer_clear(struct answer *a)
{
	stg_buf_clear(&a->body);
	plist_free(a->headers);
}

/* Posts a plist: as it is to drmHandshake, as the field activation-info to deviceActivation. */
static struct answer post(const char *path, plist_t what, bool as_multipart)
{
	struct answer a = { .body = STG_BUF(1 << 20), .headers = plist_new_dict() };
	CURL *c = curl_easy_init();
	curl_mime *mime = NULL;
	char url[256], *xml = NULL, *escaped = NULL, *form = NULL;
	uint32_t len = 0;

	snprintf(url, sizeof(url), "%s/deviceservices/%s", stg_json_str(b.ready, "activation"), path);
	plist_to_xml(what, &xml, &len);
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(c, CURLOPT_TIMEOUT, 60L);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, &a);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, &a);
	if (as_multipart) {
		curl_mimepart *part;

		mime = curl_mime_init(c);
		part = curl_mime_addpart(mime);
		curl_mime_name(part, "InStoreActivation");
		curl_mime_data(part, "false", CURL_ZERO_TERMINATED);
		part = curl_mime_addpart(mime);
		curl_mime_name(part, "activation-info");
		curl_mime_data(part, xml, len);
		curl_easy_setopt(c, CURLOPT_MIMEPOST, mime);
	} else if (strcmp(path, "deviceActivation") == 0) {
		escaped = curl_easy_escape(c, xml, (int)len);
		form = stg_calloc(1, strlen(escaped) + 64);
		sprintf(form, "InStoreActivation=false&activation-info=%s", escaped);
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, form);
	} else {
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, xml);
	}
	if (curl_easy_perform(c) == CURLE_OK)
		curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &a.status);
	curl_mime_free(mime);
	curl_free(escaped);
	free(form);
	free(xml);
	curl_easy_cleanup(c);
	return a;
}

static plist_t read_answer(const struct answer *a)
{
	plist_t p = NULL;

	plist_from_xml((const char *)a->body.data, (uint32_t)a->body.len, &p);
	assert_non_null(p);
	return p;
}

static int start(void **unused)
{
	(void)unused;
	bench_start(&b, "");
	for (int i = 0; i < 2; i++) {
		lockdownd_client_t client = NULL;

		assert_int_equal(idevice_new(&phones[i], b.udid[i]), IDEVICE_E_SUCCESS);
		assert_int_equal(lockdownd_client_new_with_handshake(phones[i], &client, "test"), LOCKDOWN_E_SUCCESS);   /* pairs */
		lockdownd_client_free(client);
	}
	return 0;
}

static int stop(void **unused)
{
	(void)unused;
	idevice_free(phones[0]);
	idevice_free(phones[1]);
	bench_stop(&b);
	return 0;
}

/* As they come out of the box. */
static int fresh(void **unused)
{
	(void)unused;
	bench_do(&b, "set all activated false");
	bench_do(&b, "set all activation_lock false");
	return 0;
}

/* Each command takes a connection of its own, as relays do. */
#define ASK(dev, call) __extension__({ \
	mobileactivation_client_t client = NULL; \
	assert_int_equal(mobileactivation_client_start_service(dev, &client, "test"), MOBILEACTIVATION_E_SUCCESS); \
	mobileactivation_error_t e_ = call; \
	mobileactivation_client_free(client); \
	e_; })

/* By hand: mobileactivation_create_activation_session_info() of libimobiledevice 1.3.0 leaks the reply. */
static plist_t session_of(idevice_t d)
{
	lockdownd_client_t lockdown = NULL;
	lockdownd_service_descriptor_t where = NULL;
	property_list_service_client_t client = NULL;
	plist_t ask = plist_new_dict(), reply = NULL, blob;

	assert_int_equal(lockdownd_client_new_with_handshake(d, &lockdown, "test"), LOCKDOWN_E_SUCCESS);
	assert_int_equal(lockdownd_start_service(lockdown, MOBILEACTIVATION_SERVICE_NAME, &where), LOCKDOWN_E_SUCCESS);
	lockdownd_client_free(lockdown);
	assert_int_equal(property_list_service_client_new(d, where, &client), PROPERTY_LIST_SERVICE_E_SUCCESS);
	lockdownd_service_descriptor_free(where);
	plist_dict_set_item(ask, "Command", plist_new_string("CreateTunnel1SessionInfoRequest"));
	assert_int_equal(property_list_service_send_xml_plist(client, ask), PROPERTY_LIST_SERVICE_E_SUCCESS);
	plist_free(ask);
	assert_int_equal(property_list_service_receive_plist_with_timeout(client, &reply, 60000), PROPERTY_LIST_SERVICE_E_SUCCESS);
	property_list_service_client_free(client);
	blob = plist_copy(plist_dict_get_item(reply, "Value"));
	plist_free(reply);
	assert_non_null(blob);
	return blob;
}

/* Session, handshake and the activation info that answers it. */
static plist_t info_of(idevice_t d)
{
	plist_t blob = session_of(d), response, info = NULL;
	struct answer a = post("drmHandshake", blob, false);

	assert_int_equal(a.status, 200);
	response = read_answer(&a);
	assert_int_equal(ASK(d, mobileactivation_create_activation_info_with_session(client, response, &info)),
			 MOBILEACTIVATION_E_SUCCESS);
	plist_free(blob);
	plist_free(response);
	answer_clear(&a);
	return info;
}

static mobileactivation_error_t hand_in(idevice_t d, const struct answer *a)
{
	plist_t record = read_answer(a);
	mobileactivation_error_t e = ASK(d, mobileactivation_activate_with_session(client, record, a->headers));

	plist_free(record);
	return e;
}

static void an_activation_locked_device_is_answered_with_a_form(void **unused)
{
	(void)unused;
	char words[128];
	idevice_t d = phones[0];
	plist_t info;
	struct answer a;

	snprintf(words, sizeof(words), "set %s activation_lock true", b.udid[0]);
	bench_do(&b, words);
	info = info_of(d);
	a = post("deviceActivation", info, false);
	assert_int_equal(a.status, 200);
	assert_string_equal(a.type, "application/x-buddyml");
	assert_non_null(strstr(stg_buf_str(&a.body), "Apple Account"));
	bench_assert_text(&b, 0, "activation_state", "Unactivated");
	answer_clear(&a);
	plist_free(info);
}

static void a_record_made_for_one_device_does_not_activate_another(void **unused)
{
	(void)unused;
	idevice_t one = phones[0], two = phones[1];
	plist_t info_one, info_two;
	struct answer a;

	info_one = info_of(one);
	info_two = info_of(two);
	a = post("deviceActivation", info_one, false);
	assert_int_equal(a.status, 200);
	assert_int_not_equal(hand_in(two, &a), MOBILEACTIVATION_E_SUCCESS);
	bench_assert_text(&b, 1, "activation_state", "Unactivated");
	assert_int_equal(hand_in(one, &a), MOBILEACTIVATION_E_SUCCESS);
	bench_assert_text(&b, 0, "activation_state", "Activated");
	assert_int_not_equal(hand_in(one, &a), MOBILEACTIVATION_E_SUCCESS);   /* a session is good for once */
	answer_clear(&a);
	plist_free(info_one);
	plist_free(info_two);
}

static void a_handshake_of_an_older_session_is_refused(void **unused)
{
	(void)unused;
	idevice_t d = phones[0];
	plist_t first, second, response, info = NULL;
	struct answer a;

	first = session_of(d);
	second = session_of(d);
	a = post("drmHandshake", first, false);
	response = read_answer(&a);
	assert_int_not_equal(ASK(d, mobileactivation_create_activation_info_with_session(client, response, &info)),
			     MOBILEACTIVATION_E_SUCCESS);
	answer_clear(&a);
	plist_free(first);
	plist_free(second);
	plist_free(response);
}

static void nobody_answers_while_the_line_is_closed(void **unused)
{
	(void)unused;
	idevice_t d = phones[0];
	plist_t blob;
	struct answer a;

	bench_do(&b, "line closed");
	blob = session_of(d);
	a = post("drmHandshake", blob, false);
	assert_int_equal(a.status, 0);
	answer_clear(&a);
	bench_do(&b, "line open");
	a = post("drmHandshake", blob, false);
	assert_int_equal(a.status, 200);
	answer_clear(&a);
	plist_free(blob);
}

static void the_server_refuses_what_no_device_of_the_bench_made(void **unused)
{
	(void)unused;
	idevice_t d = phones[0];
	plist_t info;
	struct answer a;

	info = info_of(d);
	plist_dict_set_item(info, "FairPlaySignature", plist_new_data("forged", 6));
	a = post("deviceActivation", info, false);
	assert_int_equal(a.status, 400);
	answer_clear(&a);
	plist_free(info);
}

static void a_fresh_device_is_activated(void **unused)
{
	(void)unused;

	for (int i = 0; i < 2; i++) {   /* both forms relays use */
		idevice_t d = phones[i];
		plist_t state = NULL, info;
		struct answer a;

		assert_int_equal(ASK(d, mobileactivation_get_activation_state(client, &state)), MOBILEACTIVATION_E_SUCCESS);
		assert_string_equal(plist_get_string_ptr(state, NULL), "Unactivated");
		plist_free(state);
		info = info_of(d);
		a = post("deviceActivation", info, i == 1);
		assert_int_equal(a.status, 200);
		assert_int_equal(hand_in(d, &a), MOBILEACTIVATION_E_SUCCESS);
		bench_assert_text(&b, i, "activation_state", "Activated");
		answer_clear(&a);
		plist_free(info);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_activation_locked_device_is_answered_with_a_form, fresh),
		cmocka_unit_test_setup(a_record_made_for_one_device_does_not_activate_another, fresh),
		cmocka_unit_test_setup(a_handshake_of_an_older_session_is_refused, fresh),
		cmocka_unit_test_setup(nobody_answers_while_the_line_is_closed, fresh),
		cmocka_unit_test_setup(the_server_refuses_what_no_device_of_the_bench_made, fresh),
		cmocka_unit_test_setup(a_fresh_device_is_activated, fresh),
	};

	curl_global_init(CURL_GLOBAL_DEFAULT);
	return cmocka_run_group_tests(tests, start, stop);
}
