/*
 * client.c - requests over HTTPS, and what their failures mean.
 *
 * For:    push, the activation relay, fetching profiles, SCEP: whoever asks a server something.
 * Uses:   libcurl of the OpenSSL flavour; this is the only file that includes it.
 * Called: from the push thread, from commands, from tests.
 * Thread: any; connections are kept per thread.
 * Facts:  options, headers and classes of mdm-push 3.2 to 3.4, tried with libcurl 7.88.1.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <stager/clock.h>
#include <stager/error.h>
#include <stager/net.h>

#define CONNECT_TIMEOUT_MS 10000
#define TOTAL_TIMEOUT_MS 300000
#define LOW_SPEED_BYTES 100L
#define LOW_SPEED_S 60L
#define ANSWER_MAX (16u << 20)
#define HEADERS_MAX 128
#define HEADER_MAX 8192
#define RETRY_AFTER_LEAST_MS 1000
#define RETRY_AFTER_MOST_MS (6 * 3600 * 1000)

static pthread_once_t started = PTHREAD_ONCE_INIT;
static struct stg_error start_error;
static pthread_key_t connections;    /* each thread's CURLM: idle connections live there */

static void free_connections(void *m)
{
	curl_multi_cleanup(m);
}

static bool has_protocol(const curl_version_info_data *v, const char *name)
{
	for (const char *const *p = v->protocols; p && *p; p++)
		if (strcmp(*p, name) == 0)
			return true;
	return false;
}

static void start(void)
{
	/* A server that closes while we write must be an error of that request, not the end of the station. */
	(void)signal(SIGPIPE, SIG_IGN);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || pthread_key_create(&connections, free_connections) != 0) {
		stg_fail_id(&start_error, STG_E_STATION, STG_ID_NET_LIBRARY, 0, "libcurl does not start");
		return;
	}
	const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);
	/* The GnuTLS flavour has the same functions, but client certificates and verify results behave otherwise. */
	if (!v->ssl_version || strncmp(v->ssl_version, "OpenSSL", 7) != 0 || !has_protocol(v, "https"))
		stg_fail_id(&start_error, STG_E_STATION, STG_ID_NET_LIBRARY, 0, "libcurl %s uses %s, OpenSSL was expected", v->version,
			    v->ssl_version ? v->ssl_version : "no TLS");
}

bool stg_net_start(struct stg_error *err)
{
	if (pthread_once(&started, start) != 0)
		return stg_fail(err, STG_E_BUG, 0, "pthread_once");
	if (start_error.code == STG_OK)
		return true;
	if (err)
		*err = start_error;
	return false;
}

const char *stg_net_class_name(enum stg_net_class c)
{
	static const char *const names[] = {
		[STG_NET_OK] = "ok", [STG_NET_OFFLINE] = "offline", [STG_NET_CLOCK] = "clock", [STG_NET_TRUST] = "trust",
		[STG_NET_IN_DOUBT] = "in_doubt", [STG_NET_THROTTLED] = "throttled", [STG_NET_AUTH] = "auth",
		[STG_NET_ROW] = "row", [STG_NET_SERVER] = "server",
	};
	return (size_t)c < STG_ARRAY_LEN(names) ? names[c] : "server";
}

void stg_net_answer_clear(struct stg_net_answer *a)
{
	stg_json_free_at(&a->headers);
	stg_buf_clear(&a->body);
	*a = (struct stg_net_answer){ .retry_after_ms = -1 };
}

/* ---- addresses ---- */

static void url_free_at(CURLU **u)
{
	curl_url_cleanup(*u);
}

static void curl_text_free_at(char **s)
{
	curl_free(*s);
}

static bool loopback_host(const char *host)
{
	uint8_t v4[4], v6[16];
	static const uint8_t one[16] = { [15] = 1 };
	char bare[64];
	if (strcasecmp(host, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, host, v4) == 1)
		return v4[0] == 127;
	size_t n = strlen(host);
	if (host[0] != '[' || n < 3 || n >= sizeof(bare))
		return false;
	memcpy(bare, host + 1, n - 2);
	bare[n - 2] = 0;
	return inet_pton(AF_INET6, bare, v6) == 1 && memcmp(v6, one, sizeof(one)) == 0;
}

bool stg_net_is_loopback(const char *url)
{
	STG_AUTO(url_free_at) CURLU *u = curl_url();
	STG_AUTO(curl_text_free_at) char *host = NULL;
	return u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK && curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	       loopback_host(host);
}

static bool url_ok(const char *url, bool allow_loopback_http, bool allow_http, struct stg_error *err)
{
	STG_AUTO(url_free_at) CURLU *u = curl_url();
	STG_AUTO(curl_text_free_at) char *scheme = NULL;
	STG_AUTO(curl_text_free_at) char *host = NULL;
	char shown[128];
	stg_printable(url, false, shown, sizeof(shown));
	if (!u)
		return stg_fail(err, STG_E_NOMEM, 0, "no memory for an address");
	if (curl_url_set(u, CURLUPART_URL, url, CURLU_DISALLOW_USER) != CURLUE_OK) {
		/* A password inside must not reach a log, so the address is not repeated. */
		if (curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK)
			return stg_fail(err, STG_E_INPUT, 0, "the address holds a user name or password, expected none: give them as credentials");
		return stg_fail(err, STG_E_INPUT, 0, "'%s' is not an address, https://host/path was expected", shown);
	}
	if (curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK || curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		return stg_fail(err, STG_E_INPUT, 0, "'%s' is not an address, https://host/path was expected", shown);
	if (strcasecmp(scheme, "https") == 0)
		return true;
	if (strcasecmp(scheme, "http") == 0 && (allow_http || (allow_loopback_http && loopback_host(host))))
		return true;
	return stg_fail(err, STG_E_INPUT, 0, "'%s' begins with %s://, https:// was expected%s", shown, scheme,
			allow_loopback_http ? " (http:// only to this machine)" : "");
}

bool stg_net_url_ok(const char *url, bool allow_loopback_http, struct stg_error *err)
{
	return url_ok(url, allow_loopback_http, false, err);
}

/* ---- asking ---- */

/* A header list that may hold a secret: wiped before it is freed. */
static void headers_free_at(struct curl_slist **list)
{
	for (struct curl_slist *h = *list; h; h = h->next)
		OPENSSL_cleanse(h->data, strlen(h->data));
	curl_slist_free_all(*list);
	*list = NULL;
}

static bool token_ok(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("!#$%&'*+-.^_`|~", *s))
			return false;
	return true;
}

static bool value_ok(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)s[i] < 0x20 && s[i] != '\t') || s[i] == 0x7f)
			return false;
	return true;
}

static bool header_add(struct curl_slist **list, const char *name, struct stg_bytes value, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf line = STG_BUF(HEADER_MAX);
	if (!token_ok(name) || !value_ok((const char *)value.data, value.len))
		return stg_fail(err, STG_E_INPUT, 0, "header '%.40s' has a character that is not allowed", name);
	/* "Name;" is libcurl's way of sending an empty header */
	if (!stg_buf_add_str(&line, name, err) || !stg_buf_add_str(&line, value.len ? ": " : ";", err) ||
	    !stg_buf_add(&line, value.data, value.len, err))
		return stg_while(err, "header '%.40s'", name);
	struct curl_slist *grown = curl_slist_append(*list, stg_buf_str(&line));
	if (!grown)
		return stg_fail(err, STG_E_NOMEM, 0, "no memory for a header");
	*list = grown;
	return true;
}

static bool headers_make(const struct stg_net_ask *ask, struct curl_slist **ret, struct stg_error *err)
{
	const char *name;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)ask->headers, name, value) {
		if (!json_is_string(value))
			return stg_fail(err, STG_E_BUG, 0, "header '%.40s' is not text", name);
		if (!header_add(ret, name, stg_bytes(json_string_value(value), json_string_length(value)), err))
			return false;
	}
	if (ask->secret_header && !header_add(ret, ask->secret_header, stg_secret_reveal(ask->secret_value), err))
		return false;
	/* libcurl would wait for "100 Continue" with large bodies, which many servers never send. */
	struct curl_slist *grown = curl_slist_append(*ret, "Expect:");
	if (!grown)
		return stg_fail(err, STG_E_NOMEM, 0, "no memory for a header");
	*ret = grown;
	return true;
}

struct taking {
	struct stg_buf *body;
	bool too_large;
};

static size_t take(char *data, size_t size, size_t n, void *ctx)
{
	struct taking *t = ctx;
	if (!stg_buf_add(t->body, data, size * n, NULL)) {
		t->too_large = true;
		return 0;
	}
	return size * n;
}

static bool is_read_only(const char *method)
{
	return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 || strcmp(method, "OPTIONS") == 0;
}

/* The certificate and its chain from client_pem, the key's handle: for libcurl's own options the key would have to be a file or a URI
 * with its PIN inside. */
static CURLcode show_token_key(CURL *c, void *ctx, void *data)
{
	const struct stg_net_ask *ask = data;
	BIO *b = BIO_new_mem_buf(ask->client_pem.data, (int)ask->client_pem.len);
	X509 *cert = b ? PEM_read_bio_X509(b, NULL, NULL, NULL) : NULL;
	bool ok = cert && SSL_CTX_use_certificate(ctx, cert) == 1;
	(void)c;
	for (X509 *more; ok && (more = PEM_read_bio_X509(b, NULL, NULL, NULL)); X509_free(more))
		ok = SSL_CTX_add1_chain_cert(ctx, more) == 1;
	ok = ok && SSL_CTX_use_PrivateKey(ctx, ask->client_key) == 1;
	X509_free(cert);
	BIO_free(b);
	ERR_clear_error();
	return ok ? CURLE_OK : CURLE_SSL_CERTPROBLEM;
}

static bool options_set(CURL *c, const struct stg_net_ask *ask, struct curl_slist *headers, struct taking *into, char *why)
{
	int64_t total = ask->timeout_ms > 0 && ask->timeout_ms < TOTAL_TIMEOUT_MS ? ask->timeout_ms : TOTAL_TIMEOUT_MS;
	bool ok = true;
#define SET(option, value) (ok = ok && curl_easy_setopt(c, option, value) == CURLE_OK)
	SET(CURLOPT_URL, ask->url);
	SET(CURLOPT_PROTOCOLS_STR, ask->allow_loopback_http || ask->allow_http ? "http,https" : "https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, "");                           /* never one from the environment */
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(total < CONNECT_TIMEOUT_MS ? total : CONNECT_TIMEOUT_MS));
	SET(CURLOPT_TIMEOUT_MS, (long)total);
	SET(CURLOPT_LOW_SPEED_LIMIT, LOW_SPEED_BYTES);
	SET(CURLOPT_LOW_SPEED_TIME, LOW_SPEED_S);
	SET(CURLOPT_ACCEPT_ENCODING, "");                 /* the ceiling counts what comes out: a bomb stops there too */
	SET(CURLOPT_USERAGENT, "stager/" STG_VERSION);
	SET(CURLOPT_HTTPHEADER, headers);
	SET(CURLOPT_ERRORBUFFER, why);
	SET(CURLOPT_WRITEFUNCTION, take);
	SET(CURLOPT_WRITEDATA, into);
	/* One request at a time on a connection: what was sent and what was not stays plain. */
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	if (!ask->repeat_harmless && !is_read_only(ask->method)) {
		/* libcurl sends again by itself when a kept connection turns out closed, even a POST that arrived. */
		SET(CURLOPT_FRESH_CONNECT, 1L);
		SET(CURLOPT_FORBID_REUSE, 1L);
	}
	if (ask->ca_file)
		SET(CURLOPT_CAINFO, ask->ca_file), SET(CURLOPT_CAPATH, NULL);
	if (ask->ca_pem.len) {
		struct curl_blob blob = { .data = (void *)(uintptr_t)ask->ca_pem.data, .len = ask->ca_pem.len, .flags = CURL_BLOB_COPY };
		SET(CURLOPT_CAINFO_BLOB, &blob);
		SET(CURLOPT_CAPATH, NULL);
	}
	if (ask->pinned_keys)
		SET(CURLOPT_PINNEDPUBLICKEY, ask->pinned_keys);
	if (ask->client_key) {
		SET(CURLOPT_SSL_CTX_FUNCTION, show_token_key);
		SET(CURLOPT_SSL_CTX_DATA, (void *)(uintptr_t)ask);
		/* libcurl does not see who we are here: a connection or session of another client must not be taken for ours */
		SET(CURLOPT_FRESH_CONNECT, 1L);
		SET(CURLOPT_FORBID_REUSE, 1L);
		SET(CURLOPT_SSL_SESSIONID_CACHE, 0L);
	} else if (ask->client_pem.len) {
		struct curl_blob blob = { .data = (void *)(uintptr_t)ask->client_pem.data, .len = ask->client_pem.len,
					  .flags = CURL_BLOB_NOCOPY };
		SET(CURLOPT_SSLCERT_BLOB, &blob);
		SET(CURLOPT_SSLKEY_BLOB, &blob);
		SET(CURLOPT_SSLCERTTYPE, "PEM");
		SET(CURLOPT_SSLKEYTYPE, "PEM");
	}
	if (ask->user) {
		STG_AUTO(stg_buf_clear) struct stg_buf word = STG_BUF(4096);
		struct stg_bytes secret = ask->password ? stg_secret_reveal(ask->password) : stg_bytes("", 0);
		bool covered = strncasecmp(ask->url, "https:", 6) == 0 || stg_net_is_loopback(ask->url);
		ok = ok && stg_buf_add(&word, secret.data, secret.len, NULL);
		SET(CURLOPT_USERNAME, ask->user);
		SET(CURLOPT_PASSWORD, stg_buf_str(&word));
		SET(CURLOPT_HTTPAUTH, (long)(CURLAUTH_NTLM | CURLAUTH_NEGOTIATE | (covered ? CURLAUTH_BASIC : 0)));
	}
	if (strcmp(ask->method, "HEAD") == 0) {
		SET(CURLOPT_NOBODY, 1L);
	} else if (strcmp(ask->method, "GET") != 0 || ask->body.len) {
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)ask->body.len);
		SET(CURLOPT_POSTFIELDS, ask->body.len ? (const char *)ask->body.data : "");
		if (strcmp(ask->method, "POST") != 0)
			SET(CURLOPT_CUSTOMREQUEST, ask->method);
	}
#undef SET
	return ok;
}

/* ---- understanding ---- */

static void headers_read(CURL *c, json_t **ret)
{
	json_t *all = json_object();
	struct curl_header *h = NULL;
	for (int i = 0; i < HEADERS_MAX && (h = curl_easy_nextheader(c, CURLH_HEADER, -1, h)); i++) {
		char name[128], value[1024];
		if (!stg_copy(name, sizeof(name), h->name))
			continue;
		for (char *p = name; *p; p++)
			*p = (char)tolower((unsigned char)*p);
		stg_printable(h->value, false, value, sizeof(value));
		stg_json_put(all, name, value);
	}
	*ret = all;
}

/* The raw header: libcurl's own value cuts fractions and measures dates against our clock, which may be wrong. */
static int64_t retry_after_ms(const json_t *headers)
{
	const char *text = stg_json_str(headers, "retry-after");
	double seconds = -1;
	if (isdigit((unsigned char)*text)) {
		char *end;
		seconds = ceil(strtod(text, &end));
		if (*end)
			seconds = -1;
	} else if (*text) {
		time_t then = curl_getdate(text, NULL), now = curl_getdate(stg_json_str(headers, "date"), NULL);
		if (now == (time_t)-1)
			now = (time_t)(stg_wall_ms() / 1000);
		if (then != (time_t)-1)
			seconds = then > now ? (double)(then - now) : 0;
	}
	if (seconds < 0)
		return -1;
	double ms = seconds * 1000;
	return ms < RETRY_AFTER_LEAST_MS ? RETRY_AFTER_LEAST_MS : ms > RETRY_AFTER_MOST_MS ? RETRY_AFTER_MOST_MS : (int64_t)ms;
}

static bool type_is(const char *content_type, const char *expected)
{
	size_t n = strlen(expected);
	if (strncasecmp(content_type, expected, n) != 0)
		return false;
	return content_type[n] == 0 || content_type[n] == ';' || content_type[n] == ' ';
}

static enum stg_net_class of_status(const struct stg_net_ask *ask, struct stg_net_answer *a)
{
	bool is_read = is_read_only(ask->method);
	const char *type = stg_json_str(a->headers, "content-type");
	if (a->status >= 200 && a->status < 300) {
		if (!ask->expect_type || type_is(type, ask->expect_type) || (!*type && a->body.len == 0))
			return STG_NET_OK;
		snprintf(a->text, sizeof(a->text), "HTTP %d with %.60s instead of %.60s: probably not the server itself (captive portal?)",
			 a->status, *type ? type : "no type", ask->expect_type);
		return STG_NET_TRUST;
	}
	snprintf(a->text, sizeof(a->text), "HTTP %d", a->status);
	switch (a->status) {
	case 401:
	case 403:
	case 407:
		return STG_NET_AUTH;
	case 408:       /* a gateway's word too, when what is behind it was slow to answer: a write may have been carried out */
		return is_read ? STG_NET_SERVER : STG_NET_IN_DOUBT;
	case 425:
		return STG_NET_SERVER;
	case 429:
		return STG_NET_THROTTLED;
	case 503:       /* with a time it is the server's own and nothing was done; else a gateway may have lost the answer */
		return a->retry_after_ms >= 0 ? STG_NET_THROTTLED : is_read ? STG_NET_SERVER : STG_NET_IN_DOUBT;
	case 501:
	case 505:
		return STG_NET_SERVER;
	case 511:
		snprintf(a->text, sizeof(a->text), "HTTP 511: the network wants a sign-in first (captive portal)");
		return STG_NET_TRUST;
	default:
		break;
	}
	if (a->status >= 300 && a->status < 400) {
		snprintf(a->text, sizeof(a->text), "HTTP %d: the server sends us elsewhere, which is never followed", a->status);
		return STG_NET_TRUST;
	}
	if (a->status >= 400 && a->status < 500)
		return STG_NET_ROW;
	return is_read ? STG_NET_SERVER : STG_NET_IN_DOUBT;
}

/* A server that does not take our client certificate says so with a TLS alert, in TLS 1.3 only after our request. */
static bool refuses_our_certificate(const char *why)
{
	static const char *const words[] = { "certificate required", "alert bad certificate", "alert unknown ca", "alert certificate",
					     "alert handshake failure", "alert unsupported certificate", "alert access denied" };
	if (!strstr(why, "alert"))
		return false;
	for (size_t i = 0; i < STG_ARRAY_LEN(words); i++)
		if (strcasestr(why, words[i]))
			return true;
	return false;
}

static enum stg_net_class of_failure(const struct stg_net_ask *ask, CURLcode code, long verify, const char *why, bool sent)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return STG_NET_OFFLINE;
	case CURLE_PEER_FAILED_VERIFICATION:
		return verify == X509_V_ERR_CERT_NOT_YET_VALID || verify == X509_V_ERR_CERT_HAS_EXPIRED ? STG_NET_CLOCK : STG_NET_TRUST;
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
		return STG_NET_TRUST;
	case CURLE_SSL_CERTPROBLEM:
		return STG_NET_AUTH;
	case CURLE_SSL_CONNECT_ERROR:
		if (refuses_our_certificate(why))
			return STG_NET_AUTH;
		/* something answers that does not speak our TLS: another server, or one too old */
		return strstr(why, "wrong version number") || strstr(why, "unsupported protocol") || strstr(why, "protocol version") ?
		       STG_NET_TRUST : STG_NET_OFFLINE;
	default:
		break;
	}
	if (refuses_our_certificate(why))
		return STG_NET_AUTH;
	if (!sent || is_read_only(ask->method))
		return STG_NET_OFFLINE;
	return STG_NET_IN_DOUBT;
}

/* libcurl's words; where another machine answers, what that means. */
static void name_failure(const struct stg_net_ask *ask, struct stg_net_answer *a, CURLcode code, long verify, const char *why)
{
	STG_AUTO(url_free_at) CURLU *u = curl_url();
	STG_AUTO(curl_text_free_at) char *host = NULL;
	char shown[180];
	/* that stays "unspecified" where the chain is good and the name is not */
	const bool is_name = verify == X509_V_OK || verify == X509_V_ERR_UNSPECIFIED;
	stg_printable(why, false, shown, sizeof(shown));
	if (code != CURLE_PEER_FAILED_VERIFICATION || a->class != STG_NET_TRUST)
		snprintf(a->text, sizeof(a->text), "%s", shown);
	else if (is_name && u && curl_url_set(u, CURLUPART_URL, ask->url, 0) == CURLUE_OK && curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK)
		snprintf(a->text, sizeof(a->text), "what answers has a certificate for another name than %.150s", host);
	else
		snprintf(a->text, sizeof(a->text), "nobody who is trusted here signed the certificate: %s", shown);
}

/* Runs until the answer is whole, the deadline passed or stop was pulled. */
static CURLcode perform(CURLM *m, CURL *c, struct stg_stop *stop, bool *ret_stopped)
{
	int running = 1;
	*ret_stopped = false;
	while (running) {
		if (curl_multi_perform(m, &running) != CURLM_OK)
			return CURLE_FAILED_INIT;
		if (!running)
			break;
		struct curl_waitfd wake = { .fd = stg_stop_fd(stop), .events = CURL_WAIT_POLLIN };
		if (curl_multi_poll(m, &wake, wake.fd >= 0 ? 1 : 0, 1000, NULL) != CURLM_OK)
			return CURLE_FAILED_INIT;
		if (stg_stop_pulled(stop)) {
			*ret_stopped = true;
			return CURLE_ABORTED_BY_CALLBACK;
		}
	}
	int left;
	for (CURLMsg *msg; (msg = curl_multi_info_read(m, &left));)
		if (msg->msg == CURLMSG_DONE && msg->easy_handle == c)
			return msg->data.result;
	return CURLE_FAILED_INIT;
}

static void easy_free_at(CURL **c)
{
	curl_easy_cleanup(*c);
}

static CURLM *own_connections(void)
{
	CURLM *m = pthread_getspecific(connections);
	if (m)
		return m;
	m = curl_multi_init();
	if (m && pthread_setspecific(connections, m) != 0) {
		curl_multi_cleanup(m);
		return NULL;
	}
	return m;
}

bool stg_net(const struct stg_net_ask *ask, struct stg_net_answer *ret, struct stg_error *err)
{
	*ret = (struct stg_net_answer){ .retry_after_ms = -1 };
	if (!stg_net_start(err) || !url_ok(ask->url, ask->allow_loopback_http, ask->allow_http, err))
		return false;
	if (!token_ok(ask->method))
		return stg_fail(err, STG_E_BUG, 0, "method '%.20s'", ask->method);

	char why[CURL_ERROR_SIZE] = "";
	STG_AUTO(headers_free_at) struct curl_slist *headers = NULL;
	STG_AUTO(easy_free_at) CURL *c = curl_easy_init();
	CURLM *m = own_connections();
	if (!c || !m)
		return stg_fail(err, STG_E_NOMEM, 0, "no memory for a request");
	if (!headers_make(ask, &headers, err))
		return false;

	ret->body = STG_BUF(ask->answer_max && ask->answer_max < ANSWER_MAX ? ask->answer_max : ANSWER_MAX);
	struct taking into = { .body = &ret->body };
	if (!options_set(c, ask, headers, &into, why) || curl_multi_add_handle(m, c) != CURLM_OK)
		return stg_fail(err, STG_E_BUG, 0, "libcurl refuses an option");
	bool stopped;
	CURLcode code = perform(m, c, ask->stop, &stopped);

	long status = 0, verify = 0, request_bytes = 0;
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(c, CURLINFO_SSL_VERIFYRESULT, &verify);
	curl_easy_getinfo(c, CURLINFO_REQUEST_SIZE, &request_bytes);
	ret->status = (int)status;
	ret->sent_something = request_bytes > 0;
	headers_read(c, &ret->headers);
	ret->retry_after_ms = retry_after_ms(ret->headers);
	curl_multi_remove_handle(m, c);

	if (code == CURLE_OK) {
		ret->class = of_status(ask, ret);
		return true;
	}
	ret->class = of_failure(ask, code, verify, why, ret->sent_something);
	if (into.too_large)
		snprintf(ret->text, sizeof(ret->text), "the answer is larger than %zu bytes", ret->body.max);
	else if (stopped)
		snprintf(ret->text, sizeof(ret->text), "given up: the station stops");
	else
		name_failure(ask, ret, code, verify, *why ? why : curl_easy_strerror(code));
	/* Half an answer is no answer; nobody may mistake it for one. */
	stg_buf_reset(&ret->body);
	return true;
}
