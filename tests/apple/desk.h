/*
 * desk.h - a bench of virtual devices and a station's half of the talk, for tests of the Apple driver.
 *
 * The host table is a real one in small: host identities and an organisation from stager/keys, pair records kept at the
 * bench's own mux (as without a mux door), the relay straight to the bench's activation server.
 */
#ifndef TESTS_APPLE_DESK_H
#define TESTS_APPLE_DESK_H

#include "../virtual/host.h"

#include <usbmuxd.h>

#include <stager/clock.h>
#include <stager/driver.h>
#include <stager/keys.h>
#include <stager/watch.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"

#define DESK_MAX (1u << 20)

/* Made once for each program: two RSA keys take long on a small machine. */
struct office {
	char dir[64];
	struct stg_keys *keys;
	struct stg_buf identities[3];
	size_t n_identities;
	json_t *org, *other_org;
	struct stg_buf org_sealed, other_sealed;
};
static struct office office;

struct desk {
	struct bench bench;
	struct stg_host host;
	struct stg_stop *stop;
	struct stg_arrival arrival;
	size_t identity;           /* which of the pool this unit has */
	bool no_org, use_other_org, line_closed, break_signature;
	int kept, forgotten, signed_challenges, relayed;
	struct stg_buf record;     /* as last handed to keep_trust */
};

static int office_open(void **state)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *ours = json_pack("{s:s, s:s}", "name", "North Hospital", "country", "FR");
	STG_AUTO(stg_json_free_at) json_t *theirs = json_pack("{s:s, s:s}", "name", "Somebody Else", "country", "FR");
	(void)state;
	snprintf(office.dir, sizeof(office.dir), "/tmp/desk.XXXXXX");
	assert_non_null(mkdtemp(office.dir));
	office.keys = stg_keys_open(office.dir, &err);
	if (!office.keys)
		fail_msg("keys: %s", err.msg);
	office.org_sealed = office.other_sealed = STG_BUF(DESK_MAX);
	for (size_t i = 0; i < STG_ARRAY_LEN(office.identities); i++) {
		char id[64];
		office.identities[i] = STG_BUF(DESK_MAX);
		assert_true(stg_hostid_make(office.keys, "30142955-444094379208051516", id, &office.identities[i], &err));
	}
	assert_true(stg_org_make(office.keys, ours, &office.org, &office.org_sealed, &err));
	assert_true(stg_org_make(office.keys, theirs, &office.other_org, &office.other_sealed, &err));
	return 0;
}

static int office_close(void **state)
{
	char text[100];
	(void)state;
	for (size_t i = 0; i < STG_ARRAY_LEN(office.identities); i++)
		stg_buf_clear(&office.identities[i]);
	stg_buf_clear(&office.org_sealed);
	stg_buf_clear(&office.other_sealed);
	json_decref(office.org);
	json_decref(office.other_org);
	stg_keys_close(office.keys);
	snprintf(text, sizeof(text), "rm -rf '%s'", office.dir);
	return system(text);
}

static bool host_identity(void *ctx, struct stg_host_identity *ret, struct stg_error *err)
{
	struct desk *d = ctx;
	return stg_hostid_open(office.keys, stg_buf_view(&office.identities[d->identity]), ret, err);
}

static bool keep_trust(void *ctx, const char *udid, const struct stg_secret *record, struct stg_error *err)
{
	struct desk *d = ctx;
	struct stg_bytes b = stg_secret_reveal(record);
	if (!b.len) {
		d->forgotten++;
		usbmuxd_delete_pair_record(udid);
		return true;
	}
	d->kept++;
	stg_buf_clear(&d->record);
	d->record = STG_BUF(DESK_MAX);
	return stg_buf_add(&d->record, b.data, b.len, err) &&
	       (usbmuxd_save_pair_record(udid, (const char *)b.data, (uint32_t)b.len) == 0 || stg_fail(err, STG_E_IO, 0, "save"));
}

static bool supervisor(void *ctx, struct stg_buf *ret_der, struct stg_error *err)
{
	struct desk *d = ctx;
	if (d->no_org)
		return stg_fail(err, STG_E_NOT_FOUND, 0, "no organisation");
	return stg_org_supervisor(d->use_other_org ? office.other_org : office.org, ret_der, err);
}

static bool sign_challenge(void *ctx, struct stg_bytes challenge, struct stg_buf *ret_cms, struct stg_error *err)
{
	struct desk *d = ctx;
	static const uint8_t wrong[8] = "another";
	d->signed_challenges++;
	if (d->break_signature) {
		d->break_signature = false;
		challenge = stg_bytes(wrong, sizeof(wrong));
	}
	return stg_org_sign_challenge(office.keys, d->use_other_org ? office.other_org : office.org,
				      stg_buf_view(d->use_other_org ? &office.other_sealed : &office.org_sealed), challenge, ret_cms, err);
}

/* HTTP/1.0 in small: one request, one answer, the connection ends. */
static bool relay(void *ctx, const struct stg_http *ask, struct stg_http_answer *ret, struct stg_error *err)
{
	struct desk *d = ctx;
	if (d->line_closed)
		return stg_fail(err, STG_E_WAITING, 0, "no line");
	d->relayed++;
	const char *url = stg_json_str(d->bench.ready, "activation");
	unsigned int port = (unsigned int)strtoul(strrchr(url, ':') + 1, NULL, 10);
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
		close(fd);
		return stg_fail(err, STG_E_WAITING, 0, "no line");
	}
	STG_AUTO(stg_buf_clear) struct stg_buf out = STG_BUF(8u << 20);
	STG_AUTO(stg_buf_clear) struct stg_buf in = STG_BUF(8u << 20);
	stg_buf_printf(&out, NULL, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
		       ask->method, ask->url_path, ask->content_type, ask->body.len);
	stg_buf_add(&out, ask->body.data, ask->body.len, NULL);
	write_exactly(fd, out.data, out.len);
	for (;;) {
		assert_true(stg_buf_reserve(&in, 65536, NULL));
		ssize_t n = recv(fd, in.data + in.len, 65536, 0);
		if (n <= 0)
			break;
		in.len += (size_t)n;
		in.data[in.len] = 0;
		/* some servers keep the connection: the announced length decides */
		char *end = strstr((char *)in.data, "\r\n\r\n"), *len = strcasestr((char *)in.data, "\r\ncontent-length:");
		if (end && len && len < end && in.len >= (size_t)(end + 4 - (char *)in.data) + strtoul(len + 17, NULL, 10))
			break;
	}
	close(fd);
	char *head = (char *)in.data, *end = in.len ? strstr(head, "\r\n\r\n") : NULL;
	if (!end)
		return stg_fail(err, STG_E_GONE, 0, "half an answer");
	*end = 0;
	ret->status = (int)strtol(head + 9, NULL, 10);
	ret->headers = json_object();
	char *rest = strstr(head, "\r\n"), *line;
	while (rest && (line = strsep(&rest, "\r\n"))) {
		char *colon = strchr(line, ':');
		if (!colon)
			continue;
		*colon++ = 0;
		while (*colon == ' ')
			colon++;
		for (char *p = line; *p; p++)
			*p |= 32;
		json_object_set_new(ret->headers, line, json_string(colon));
		if (strcmp(line, "content-type") == 0)
			stg_copy(ret->content_type, sizeof(ret->content_type), colon);
	}
	size_t used = (size_t)(end + 4 - (char *)in.data);
	return stg_buf_add(&ret->body, in.data + used, in.len - used, err);
}

static void ask_person(void *ctx, enum stg_ask what)
{
	(void)ctx;
	(void)what;
}

static void progress(void *ctx, int percent)
{
	(void)ctx;
	(void)percent;
}

/* The arrival of the device with this UDID, as the watch tells it. */
static struct stg_arrival arrival_of(const char *udid)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_watch_close_at) struct stg_watch *w = stg_watch_open(&err);
	int64_t until = stg_boot_ms() + HOST_TIMEOUT_MS;
	assert_non_null(w);
	while (stg_boot_ms() < until) {
		struct stg_watch_event e;
		while (stg_watch_next(w, &e))
			if (e.kind == STG_WATCH_ARRIVED && strcmp(e.arrival.udid, udid) == 0)
				return e.arrival;
		readable(stg_watch_fd(w), 100);
	}
	fail_msg("%s does not arrive", udid);
	return (struct stg_arrival){ 0 };
}

#define desk_begin(d, ...) desk_begin_(d, ##__VA_ARGS__, NULL)
#define desk_begin_(d, ...)                                                                             \
	do {                                                                                            \
		memset(d, 0, sizeof(*(d)));                                                             \
		bench_begin(&(d)->bench, "--pace", "instant", __VA_ARGS__);                             \
		desk_ready(d);                                                                          \
	} while (0)

static void desk_ready(struct desk *d)
{
	char address[120];
	snprintf(address, sizeof(address), "UNIX:%s", d->bench.mux);
	setenv("USBMUXD_SOCKET_ADDRESS", address, 1);
	setenv("STAGER_SYSFS", d->bench.sysfs, 1);
	d->host = (struct stg_host){ .ctx = d, .host_identity = host_identity, .keep_trust = keep_trust, .supervisor = supervisor,
				     .sign_challenge = sign_challenge, .relay = relay, .ask_person = ask_person, .progress = progress };
	d->record = STG_BUF(DESK_MAX);
	d->stop = stg_stop_new(NULL);
	char clean[STG_UDID_MAX];
	assert_true(stg_udid_clean(d->bench.udid, clean));
	d->arrival = arrival_of(clean);
}

static void desk_end(struct desk *d)
{
	stg_stop_free(d->stop);
	stg_buf_clear(&d->record);
	bench_end(&d->bench);
}

static struct stg_device *desk_open(struct desk *d)
{
	struct stg_error err = { 0 };
	struct stg_device *dev = stg_device_open(&d->arrival, &d->host, d->stop, &err);
	if (!dev)
		fail_msg("open: %s", err.msg);
	return dev;
}

static bool said(bool ok, const struct stg_error *err, const char *file, int line)
{
	if (!ok)
		print_error("%s:%d: %s (%s, id %u, origin %d)\n", file, line, err->msg, stg_code_name(err->code), err->id, err->origin);
	return ok;
}
#define DO(call)                                                                         \
	do {                                                                             \
		struct stg_error err = { 0 };                                            \
		assert_true(said(call, &err, __FILE__, __LINE__));                       \
	} while (0)

/* Must fail with this code and id. */
#define NO(call, want_code, want_id)                                                     \
	do {                                                                             \
		struct stg_error err = { 0 };                                            \
		bool went_well = (call);                                                 \
		if (went_well || err.code != (want_code) || err.id != (want_id))         \
			fail_msg("%s:%d: %s: %s, id %u, '%s'", __FILE__, __LINE__, #call, \
				 went_well ? "went well" : stg_code_name(err.code), err.id, err.msg); \
	} while (0)

static struct stg_supervision supervision(struct stg_buf *der)
{
	struct stg_error err = { 0 };
	*der = STG_BUF(DESK_MAX);
	assert_true(stg_org_supervisor(office.org, der, &err));
	return (struct stg_supervision){ .organisation = "North Hospital", .organisation_id = "6f6e3f3e-0b6a-4a0f-9d0e-0a1b2c3d4e5f",
					 .certificate = stg_buf_view(der), .supervised = true, .allow_pairing = true };
}

/* A profile that every system takes. */
static const char *profile_text(const char *name)
{
	static char text[2000];
	snprintf(text, sizeof(text),
		 "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
		 "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\"><dict>"
		 "<key>PayloadType</key><string>Configuration</string><key>PayloadVersion</key><integer>1</integer>"
		 "<key>PayloadIdentifier</key><string>org.example.%s</string>"
		 "<key>PayloadUUID</key><string>5E0F7C2A-77F4-4B0E-8A5D-%012x</string>"
		 "<key>PayloadDisplayName</key><string>%s</string><key>PayloadContent</key><array><dict>"
		 "<key>PayloadType</key><string>com.apple.applicationaccess</string><key>PayloadVersion</key><integer>1</integer>"
		 "<key>PayloadIdentifier</key><string>org.example.%s.access</string>"
		 "<key>PayloadUUID</key><string>6E0F7C2A-77F4-4B0E-8A5D-%012x</string><key>allowCamera</key><false/>"
		 "</dict></array></dict></plist>\n",
		 name, (unsigned int)name[0] * 257, name, name, (unsigned int)name[0] * 257);
	return text;
}

static json_t *facts_of(struct stg_device *dev)
{
	struct stg_error err = { 0 };
	json_t *facts = stg_device_facts(dev, &err);
	assert_true(said(facts != NULL, &err, __FILE__, __LINE__));
	return facts;
}

static bool has_profile(struct stg_device *dev, const char *identifier)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *list = stg_device_list_profiles(dev, &err);
	bool found = false;
	size_t i;
	json_t *one;
	assert_true(said(list != NULL, &err, __FILE__, __LINE__));
	json_array_foreach(list, i, one)
		found |= strcmp(stg_json_str(one, "identifier"), identifier) == 0;
	return found;
}

/* A device this bench has paired with; one it has supervised too. */
static struct stg_device *paired(struct desk *d)
{
	struct stg_device *dev = desk_open(d);
	DO(stg_device_pair(dev, &err));
	return dev;
}

static struct stg_device *supervised(struct desk *d)
{
	STG_AUTO(stg_buf_clear) struct stg_buf der = { 0 };
	struct stg_supervision what = supervision(&der);
	struct stg_device *dev = paired(d);
	DO(stg_device_supervise(dev, &what, NULL, &err));
	return dev;
}

/* The fault a virtual device has from now on (drivers/virtual/faults.c), and how often it was asked. */
static void fault(struct desk *d, const char *text)
{
	tell(&d->bench, "fault %s %s", d->bench.udid, text);
}

static int64_t asked(struct desk *d, const char *line)
{
	return count_of(&d->bench, d->bench.udid, line);
}

static int64_t installs(struct desk *d, const char *request)
{
	char line[120];
	snprintf(line, sizeof(line), "com.apple.mobile.MCInstall %s", request);
	return asked(d, line);
}

#pragma GCC diagnostic pop
#endif
