/*
 * activation_server.c - the virtual activation server: albert.apple.com for the devices of this bench.
 *
 * For:    the product's activation relay, which posts here what it would post to Apple.
 * Uses:   http.h, activation.h, libplist behind <stager/plistscan.h>.
 * Called: by bench.c (start, stop) and by the control socket's line verb.
 * Thread: the bench's one.
 * Facts:  POST deviceservices/drmHandshake: the device's session plist in, a plist with HandshakeResponseMessage out.
 *         POST deviceservices/deviceActivation: a form with the field activation-info, a plist that holds ActivationInfoXML;
 *         out comes {ActivationRecord}, or for a device with Activation Lock a "buddyml" form that asks for the Apple
 *         Account. As libideviceactivation and pymobiledevice3 use it (2024).
 */
#include "activation.h"

#include "bench.h"
#include "http.h"
#include "service.h"
#include "words.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <stager/error.h>
#include <stager/ids.h>
#include <stager/plistscan.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX ((size_t)1 << 20)

struct server {
	struct virt_bench *bench;
	struct virt_http *http;
	uint8_t key[32];
};

static void plist_free_at(plist_t *p)
{
	if (*p)
		plist_free(*p);
}

static plist_t read_plist(struct stg_bytes in)
{
	plist_t p = NULL;

	if (in.len > 0 && stg_plist_scan(in, &stg_plist_device, NULL, NULL))
		plist_from_memory((const char *)in.data, (uint32_t)in.len, &p);
	return p;
}

void virt_activation_mark(const struct virt_bench *b, const char *what, struct stg_bytes in, uint8_t ret[VIRT_ACTIVATION_MARK])
{
	const struct server *s = b->activation_server;
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(BODY_MAX);
	uint8_t nothing[32] = { 0 };
	unsigned int len = 0;

	memset(ret, 0, VIRT_ACTIVATION_MARK);
	if (stg_buf_add(&text, what, strlen(what) + 1, NULL) && stg_buf_add(&text, in.data, in.len, NULL))
		HMAC(EVP_sha256(), s ? s->key : nothing, 32, text.data, text.len, ret, &len);
}

bool virt_activation_mark_fits(const struct virt_bench *b, const char *what, struct stg_bytes in, struct stg_bytes mark)
{
	uint8_t right[VIRT_ACTIVATION_MARK];

	virt_activation_mark(b, what, in, right);
	return mark.len == sizeof(right) && CRYPTO_memcmp(mark.data, right, sizeof(right)) == 0;
}

static void put_mark(const struct virt_bench *b, plist_t dict, const char *key, struct stg_bytes of)
{
	uint8_t mark[VIRT_ACTIVATION_MARK];

	virt_activation_mark(b, key, of, mark);
	virt_put_data(dict, key, stg_bytes(mark, sizeof(mark)));
}

static void answer_plist(struct virt_exchange *x, plist_t answer)
{
	char *text = NULL;
	uint32_t len = 0;
	char ars[STG_UUID_TEXT], headers[128];

	stg_uuid4(ars);
	snprintf(headers, sizeof(headers), "Content-Type: text/xml; charset=UTF-8\r\nARS: %s\r\n", ars);
	plist_to_xml(answer, &text, &len);
	virt_exchange_answer(x, 200, headers, stg_bytes(text, len));
	free(text);
	plist_free(answer);
}

static void refuse(struct virt_exchange *x, unsigned int status, const char *why)
{
	virt_exchange_answer(x, status, "Content-Type: text/plain\r\n", stg_bytes_str(why));
}

static void handshake(struct server *s, struct virt_exchange *x, struct stg_bytes body)
{
	STG_AUTO(plist_free_at) plist_t ask = read_plist(body);
	struct stg_bytes message = virt_data_of(ask, "HandshakeRequestMessage");
	plist_t answer;

	if (message.len == 0) {
		virt_bench_count(s->bench, "activation refused");
		refuse(x, 400, "no HandshakeRequestMessage\n");
		return;
	}
	virt_bench_count(s->bench, "activation handshakes");
	answer = plist_new_dict();
	put_mark(s->bench, answer, "HandshakeResponseMessage", message);
	put_mark(s->bench, answer, "serverKP", message);
	put_mark(s->bench, answer, "FDRBlob", message);
	put_mark(s->bench, answer, "SUInfo", message);
	answer_plist(x, answer);
}

/* ---- the form ---- */

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

static bool urlencoded_field(struct stg_bytes body, const char *name, struct stg_buf *ret)
{
	const char *p = (const char *)body.data, *end = p + body.len;
	size_t name_len = strlen(name);

	while (p < end) {
		const char *stop = memchr(p, '&', (size_t)(end - p));

		stop = stop ? stop : end;
		if ((size_t)(stop - p) > name_len && memcmp(p, name, name_len) == 0 && p[name_len] == '=') {
			for (p += name_len + 1; p < stop; p++) {
				char c = *p == '+' ? ' ' : *p;

				if (c == '%' && stop - p > 2 && hex_digit(p[1]) >= 0 && hex_digit(p[2]) >= 0) {
					c = (char)(hex_digit(p[1]) << 4 | hex_digit(p[2]));
					p += 2;
				}
				if (!stg_buf_add(ret, &c, 1, NULL))
					return false;
			}
			return true;
		}
		p = stop + 1;
	}
	return false;
}

static bool multipart_field(struct stg_bytes body, const char *content_type, const char *name, struct stg_buf *ret)
{
	const char *b = strstr(content_type, "boundary=");
	char mark[160], wanted[80];
	size_t len;
	const uint8_t *p = body.data, *end = p + body.len;

	if (!b)
		return false;
	b += 9;
	b += *b == '"';
	len = strcspn(b, "\";, ");
	if (len == 0 || len > 100)
		return false;
	snprintf(mark, sizeof(mark), "\r\n--%.*s", (int)len, b);
	snprintf(wanted, sizeof(wanted), "name=\"%s\"", name);
	while (p < end) {
		const uint8_t *head_end = memmem(p, (size_t)(end - p), "\r\n\r\n", 4), *stop;

		if (!head_end)
			return false;
		stop = memmem(head_end + 4, (size_t)(end - head_end - 4), mark, strlen(mark));
		if (!stop)
			return false;
		if (memmem(p, (size_t)(head_end - p), wanted, strlen(wanted)))
			return stg_buf_add(ret, head_end + 4, (size_t)(stop - head_end - 4), NULL);
		p = stop + 2;
	}
	return false;
}

static bool activation_info(struct virt_exchange *x, struct stg_bytes body, struct stg_buf *ret)
{
	const char *type = virt_exchange_header(x, "Content-Type");

	if (strncasecmp(type, "multipart/form-data", 19) == 0)
		return multipart_field(body, type, "activation-info", ret);
	return urlencoded_field(body, "activation-info", ret);
}

/* ---- activation ---- */

static void ask_for_account(struct virt_exchange *x, const struct virt_device *d)
{
	STG_AUTO(stg_buf_clear) struct stg_buf form = STG_BUF(8192);

	stg_buf_printf(&form, NULL,
		       "<xmlui>\n<page name=\"ActivationLock\">\n<navigationBar title=\"Activation Lock\"/>\n"
		       "<tableView>\n<section footer=\"This %s is linked to an Apple Account. Enter the Apple Account and password "
		       "that were used to set up this %s.\">\n"
		       "<editableTextRow id=\"login\" label=\"Apple Account\" placeholder=\"required\"/>\n"
		       "<editableTextRow id=\"password\" label=\"Password\" secure=\"true\" placeholder=\"required\"/>\n"
		       "</section>\n</tableView>\n<serverInfo isAuthRequired=\"true\" activation-info-base64=\"\"/>\n</page>\n</xmlui>\n",
		       d->model->is_ipad ? "iPad" : "iPhone", d->model->is_ipad ? "iPad" : "iPhone");
	virt_exchange_answer(x, 200, "Content-Type: application/x-buddyml\r\n", stg_buf_view(&form));
}

static plist_t record_for(const struct server *s, plist_t info)
{
	plist_t answer = plist_new_dict(), record = plist_new_dict();
	STG_AUTO(stg_buf_clear) struct stg_buf token = STG_BUF(4096);
	struct stg_bytes t;

	/* The old text form of property lists, as the real token has it. */
	stg_buf_printf(&token, NULL,
		       "{\n\t\"InternationalMobileEquipmentIdentity\" = \"%s\";\n\t\"SerialNumber\" = \"%s\";\n"
		       "\t\"ActivationRandomness\" = \"%s\";\n\t\"UniqueDeviceID\" = \"%s\";\n}",
		       virt_text(info, "InternationalMobileEquipmentIdentity"), virt_text(info, "SerialNumber"),
		       virt_text(info, "ActivationRandomness"), virt_text(info, "UniqueDeviceID"));
	t = stg_buf_view(&token);
	virt_put_bool(record, "unbrick", true);
	virt_put_data(record, "AccountToken", t);
	put_mark(s->bench, record, "AccountTokenSignature", t);
	put_mark(s->bench, record, "AccountTokenCertificate", t);
	put_mark(s->bench, record, "DeviceCertificate", t);
	put_mark(s->bench, record, "UniqueDeviceCertificate", t);
	put_mark(s->bench, record, "FairPlayKeyData", t);
	put_mark(s->bench, record, "RegulatoryInfo", t);
	virt_put_bool(record, "DeviceConfigurationFlags", false);
	virt_put_uint(record, "LDActivationVersion", 2);
	plist_dict_set_item(answer, "ActivationRecord", record);
	return answer;
}

/* What a real service does on a bad day, one device each: half a record, none at all, 500, two answers, late. */
struct late {
	plist_t record;
};

static void late_now(struct virt_exchange *x, const struct virt_http_request *q, void *arg)
{
	struct late *l = arg;

	(void)q;
	answer_plist(x, l->record);
	free(l);
}

static void give_record(struct server *s, struct virt_exchange *x, struct virt_device *d, plist_t info)
{
	static const struct {
		const char *kind;
		enum virt_spoil spoil;
	} spoils[] = { { "half", VIRT_SPOIL_HALF }, { "cut", VIRT_SPOIL_CUT }, { "twice", VIRT_SPOIL_TWICE } };
	plist_t record = record_for(s, info);
	json_t *args = NULL;

	for (size_t i = 0; i < STG_ARRAY_LEN(spoils); i++) {
		char *text = NULL;
		uint32_t len = 0;

		if (!virt_fault(d, "deviceActivation", spoils[i].kind, NULL))
			continue;
		plist_to_xml(record, &text, &len);
		virt_exchange_spoil(x, spoils[i].spoil, 200, "Content-Type: text/xml\r\n", stg_bytes(text, len));
		free(text);
		plist_free(record);
		return;
	}
	if (virt_fault(d, "deviceActivation", "error", NULL)) {
		plist_free(record);
		refuse(x, 500, "the service has a bad day\n");
	} else if (virt_fault(d, "deviceActivation", "late", &args)) {
		struct late *l = stg_calloc(1, sizeof(*l));

		l->record = record;
		virt_exchange_wait(x, stg_json_int(args, "ms", 1000), late_now, l);
	} else {
		answer_plist(x, record);
	}
}

static void activate(struct server *s, struct virt_exchange *x, struct stg_bytes body)
{
	STG_AUTO(stg_buf_clear) struct stg_buf field = STG_BUF(BODY_MAX);
	STG_AUTO(plist_free_at) plist_t ask = NULL;
	STG_AUTO(plist_free_at) plist_t info = NULL;
	struct virt_device *d;

	if (activation_info(x, body, &field))
		ask = read_plist(stg_buf_view(&field));
	info = read_plist(virt_data_of(ask, "ActivationInfoXML"));
	d = *virt_text(info, "UniqueDeviceID") ? virt_device_find(s->bench, virt_text(info, "UniqueDeviceID")) : NULL;
	if (!d || !d->model || strcmp(virt_text(info, "SerialNumber"), d->serial) != 0
	    || !virt_activation_mark_fits(s->bench, "FairPlaySignature", virt_data_of(ask, "ActivationInfoXML"),
					  virt_data_of(ask, "FairPlaySignature"))) {
		virt_bench_count(s->bench, "activation refused");
		refuse(x, 400, "no activation-info of a device that can be activated here\n");
		return;
	}
	if (d->activation_lock || virt_fault(d, "deviceActivation", "form", NULL)) {
		virt_bench_count(s->bench, "activation locked");
		ask_for_account(x, d);
		return;
	}
	virt_bench_count(s->bench, "activation records");
	give_record(s, x, d, info);
}

static void handle(struct virt_exchange *x, const struct virt_http_request *q, void *arg)
{
	struct server *s = arg;

	if (strcmp(q->method, "POST") != 0)
		refuse(x, 405, "POST only\n");
	else if (strcmp(q->path, "/deviceservices/drmHandshake") == 0)
		handshake(s, x, q->body);
	else if (strcmp(q->path, "/deviceservices/deviceActivation") == 0)
		activate(s, x, q->body);
	else
		refuse(x, 404, "not found\n");
}

void virt_activation_server_line(struct virt_bench *b)
{
	struct server *s = b->activation_server;
	struct stg_error err = { 0 };

	if (s && !virt_http_away(s->http, !b->line_open, &err))
		fprintf(stderr, "activation server: %s\n", err.msg);
}

bool virt_activation_server_start(struct virt_bench *b, const char *listen, struct stg_error *err)
{
	struct server *s = stg_calloc(1, sizeof(*s));

	s->bench = b;
	stg_random(s->key, sizeof(s->key));
	s->http = virt_http_open(b->loop, listen, NULL, handle, s, err);
	if (!s->http) {
		free(s);
		return stg_while(err, "activation server");
	}
	b->activation_server = s;
	snprintf(b->activation_url, sizeof(b->activation_url), "http://%s:%u", virt_http_host(s->http), virt_http_port(s->http));
	stg_json_put(b->ready, "activation", b->activation_url);
	virt_activation_server_line(b);
	return true;
}

void virt_activation_server_stop(struct virt_bench *b)
{
	struct server *s = b->activation_server;

	if (!s)
		return;
	virt_http_close(s->http);
	b->activation_server = NULL;
	free(s);
}
